"""The products as PyTorch operators, which torch.compile takes as they are: quadrille::linear and its backward."""

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
    """[y, what is kept of x ..]: products.forward."""
    noise = Noise(seed, step, tuple(path), index_base)
    y, kept = products.forward(x, w, bias, recipe, layer, dtype, needs_x, needs_w, noise)
    return [y, *kept]


@linear.register_fake
def _(x, w, bias, step, recipe, layer, dtype, needs_x, needs_w, seed, path, index_base):
    kept = products.kept_buffers(recipe, x.shape[0], x.shape[1]) if needs_w else []
    return [x.new_empty((x.shape[0], w.shape[0]), dtype=dtype), *(x.new_empty(s, dtype=d) for s, d in kept)]


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
    gradients = products.backward(dy, w, x, kept, recipe, layer, needs_x, needs_w, (dtype_x, dtype_w), noise)
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
    dtypes = dtype_x, torch.float32
    dx, _ = products.backward(dy, w, x, kept, recipe, layer, needs_x, True, dtypes, noise, total)
    return [dx] if needs_x else []


@linear_accumulate.register_fake
def _(dy, w, x, kept, total, step, recipe, layer, needs_x, dtype_x, seed, path, index_base):
    return [dy.new_empty((dy.shape[0], w.shape[1]), dtype=dtype_x)] if needs_x else []


def call(operator, *args):
    """The operator; while nothing is compiled its function itself, which is called faster."""
    return operator(*args) if torch.compiler.is_compiling() else operator._init_fn(*args)
