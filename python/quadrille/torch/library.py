"""The products as PyTorch operators, which torch.compile takes as they are: quadrille::linear and its backward.

What is kept between the two is bytes: not every compiler knows all types of scales.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import products
from .products import Noise


@torch.library.custom_op("quadrille::linear", mutates_args=())
def linear(
    x: Tensor,
    w: Tensor,
    bias: Tensor | None,
    step: Tensor,
    recipe: int,
    layer: int,
    dtype: torch.dtype,
    needs_x: bool,
    needs_w: bool,
    seed: int,
    path: list[int],
    index_base: int,
) -> list[Tensor]:
    """[y, the arrays of x's column copy ..]: products.forward."""
    noise = Noise(seed, step, tuple(path), index_base)
    y, x_col, _ = products.forward(x, w, bias, recipe, layer, dtype, needs_x, needs_w, noise)
    return [y] if x_col is None else [y, *map(_bytes, products.arrays_of(x_col))]


@linear.register_fake
def _(x, w, bias, step, recipe, layer, dtype, needs_x, needs_w, seed, path, index_base):
    kept = products.kept_buffers(recipe, x.shape[0], x.shape[1]) if needs_w else []
    arrays = [x.new_empty(shape, dtype=torch.uint8 if of.itemsize == 1 else of) for shape, of in kept]
    return [x.new_empty((x.shape[0], w.shape[0]), dtype=dtype), *arrays]


def _bytes(array: Tensor) -> Tensor:
    return array.view(torch.uint8) if array.dtype.itemsize == 1 else array


def _column_copy(kept: list[Tensor], recipe: int, dy: Tensor, w: Tensor):
    """x's column copy, whose arrays have their types again."""
    shape = dy.shape[0], w.shape[1]
    types = [of for _, of in products.kept_buffers(recipe, *shape)]
    return products.kept_copy([array.view(of) for array, of in zip(kept, types)], recipe, shape)


@torch.library.custom_op("quadrille::linear_backward", mutates_args=())
def linear_backward(
    dy: Tensor,
    w: Tensor,
    x: Tensor | None,
    kept: list[Tensor],
    step: Tensor,
    recipe: int,
    layer: int,
    needs_x: bool,
    needs_w: bool,
    dtype_x: torch.dtype,
    dtype_w: torch.dtype,
    seed: int,
    path: list[int],
    index_base: int,
) -> list[Tensor]:
    """[dx, dw], those that are needed: products.backward."""
    noise = Noise(seed, step, tuple(path), index_base)
    x_col, facts = _column_copy(kept, recipe, dy, w), ((needs_x, needs_w), (dtype_x, dtype_w), noise)
    gradients = products.backward(dy, w, x, x_col, None, recipe, layer, *facts)
    return [gradient for gradient in gradients if gradient is not None]


@linear_backward.register_fake
def _(dy, w, x, kept, step, recipe, layer, needs_x, needs_w, dtype_x, dtype_w, seed, path, index_base):
    results = [dy.new_empty((dy.shape[0], w.shape[1]), dtype=dtype_x)] if needs_x else []
    return [*results, w.new_empty(w.shape, dtype=dtype_w)] if needs_w else results


@torch.library.custom_op("quadrille::linear_accumulate", mutates_args=("total",))
def linear_accumulate(
    dy: Tensor,
    w: Tensor,
    x: Tensor | None,
    kept: list[Tensor],
    total: Tensor,
    step: Tensor,
    recipe: int,
    layer: int,
    needs_x: bool,
    dtype_x: torch.dtype,
    seed: int,
    path: list[int],
    index_base: int,
) -> list[Tensor]:
    """[dx] if it is needed; dw is added to `total`."""
    noise = Noise(seed, step, tuple(path), index_base)
    x_col, facts = _column_copy(kept, recipe, dy, w), ((needs_x, True), (dtype_x, torch.float32), noise, total)
    dx, _ = products.backward(dy, w, x, x_col, None, recipe, layer, *facts)
    return [dx] if needs_x else []


@linear_accumulate.register_fake
def _(dy, w, x, kept, total, step, recipe, layer, needs_x, dtype_x, seed, path, index_base):
    return [dy.new_empty((dy.shape[0], w.shape[1]), dtype=dtype_x)] if needs_x else []
