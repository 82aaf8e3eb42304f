"""linear(x, w, b): differentiable, with products as a recipe says."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..errors import ArgumentError, DTypeError, ShapeError
from ..recipes import Recipe
from ..rounding import Key
from . import library, products, weights

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class _EagerLinear(torch.autograd.Function):
    """Of matrices. What is saved: x's column copy, packed, or x itself for a product that is not quantized."""

    @staticmethod
    def forward(ctx, x, w, bias, step, number, layer, dtype, seed, path, index_base):
        needs_x, needs_w = ctx.needs_input_grad[:2]
        noise = products.Noise(seed, step, tuple(path), index_base)
        y, x_col, ctx.w_col = products.forward(x, w, bias, number, layer, dtype, needs_x, needs_w, noise)
        kept = [] if x_col is None else products.arrays_of(x_col)
        _save(ctx, x, w, bias, step, kept, (number, layer, seed, path, index_base))
        return y

    @staticmethod
    @once_differentiable  # a second derivative would take the rounded operands for constants
    def backward(ctx, dy):
        w, step, x, *kept = ctx.saved_tensors
        number, layer, seed, path, index_base = ctx.facts
        x_col = products.kept_copy(kept, number, (dy.shape[0], w.shape[1]))
        noise = products.Noise(seed, step, tuple(path), index_base)
        needs = ctx.needs_input_grad[:2]
        total = ctx.total if needs[1] else None
        dx, dw = products.backward(dy, w, x, x_col, ctx.w_col, number, layer, needs, ctx.dtypes[:2], noise, total)
        return dx, dw, _bias_gradient(ctx, dy), *([None] * 7)


class _CompiledLinear(torch.autograd.Function):
    """The same by operators, for torch.compile, which refuses second derivatives itself."""

    @staticmethod
    def forward(ctx, x, w, bias, step, number, layer, dtype, seed, path, index_base):
        needs = ctx.needs_input_grad[:2]
        y, *kept = library.linear(x, w, bias, step, number, layer, dtype, *needs, seed, path, index_base)
        _save(ctx, x, w, bias, step, kept, (number, layer, seed, path, index_base))
        return y

    @staticmethod
    def backward(ctx, dy):
        w, step, x, *kept = ctx.saved_tensors
        number, layer, *noise = ctx.facts
        needs_x, needs_w = ctx.needs_input_grad[:2]
        of_x, of_w, _ = ctx.dtypes
        results = []
        if needs_w and ctx.total is not None:
            results = library.linear_accumulate(
                dy, w, x, kept, ctx.total, step, number, layer, needs_x, of_x, *noise
            )
            needs_w = False
        elif needs_x or needs_w:
            results = library.linear_backward(
                dy, w, x, kept, step, number, layer, needs_x, needs_w, of_x, of_w, *noise
            )
        dx, dw = results[0] if needs_x else None, results[-1] if needs_w else None
        return dx, dw, _bias_gradient(ctx, dy), *([None] * 7)


def _save(ctx, x, w, bias, step, kept, facts) -> None:
    whole = x if ctx.needs_input_grad[1] and products.recipe_of(facts[0]).wgrad is None else None
    ctx.save_for_backward(w, step, whole, *kept)
    ctx.facts = facts
    ctx.dtypes = x.dtype, w.dtype, None if bias is None else bias.dtype
    ctx.total = getattr(w, "main_grad", None)


def _bias_gradient(ctx, dy):
    return dy.sum(0, dtype=torch.float32).to(ctx.dtypes[2]) if ctx.needs_input_grad[2] else None


def linear(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    *,
    recipe: Recipe | str,
    key: Key | None = None,
    exact: bool = True,
    index_base: int = 0,
    _layer: int = weights.NO_LAYER,
) -> Tensor:
    """y = x w^T + b, whose three products (forward, of x's and of w's gradient) are quantized as `recipe` says.

    Args:
        x: (.., K) of f32, bf16 or f16; any leading sizes. Contiguous memory is read as it is.
        w: (N, K); b: (N,) or None. Under autocast y has its type, whatever x and w have.
        recipe: a qd.Recipe or the name of one. Any M, N, K: blocks are padded with zeros.
        key: of stochastic roundings without a key of their own; its counter may be an int64 tensor on
            x's device, which CUDA graphs read anew at each replay. Needed if the recipe has such.
        exact: False allows products to round code x scale to what a matrix instruction takes (docs/carriers.md),
            which is much faster on GPUs for f32 scales.
        index_base: the number of dY's first element in the matrix of which it is some rows, so that
            shards of rows draw the bits of the whole.

    Gradients: dx of x's type, dw of w's; with an f32 attribute `w.main_grad` of w's shape dw is added
    to that instead, and w.grad stays as it is. x is saved as its packed column copy. Second
    derivatives are an error. Raises ShapeError, DTypeError, ArgumentError.
    Source: arXiv 2606.20381, section 3; docs/torch.md.
    """
    number = products.recipe_number(recipe, exact)
    _check(x, w, b)
    if key is None and _needs_key(products.recipe_of(number)):
        raise ArgumentError("the recipe rounds stochastically, without a key", instead="key=qd.Key(seed)")
    dtype = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
    step = _step(key, x.device)
    path = [_signed(i) for i in key.folds] if key is not None else []
    seed = _signed(key.seed) if key is not None else 0
    function = _CompiledLinear if torch.compiler.is_compiling() else _EagerLinear
    rows = x.reshape(-1, x.shape[-1])
    y = function.apply(rows, w, b, step, number, _layer, dtype, seed, path, index_base)
    return y.reshape(*x.shape[:-1], w.shape[0])


def _signed(bits: int) -> int:
    """64 bits as operators take them."""
    return bits - 2**64 if bits >= 2**63 else bits


def _step(key: Key | None, device) -> Tensor:
    step = None if key is None else key.step
    if isinstance(step, torch.Tensor):
        return step
    # Not a copy from the host, which would wait for the device.
    return torch.full((1,), 0 if step is None else int(step.flat[0]), dtype=torch.int64, device=device)


def _needs_key(recipe: Recipe) -> bool:
    specs = [spec for pair in (recipe.fprop, recipe.dgrad, recipe.wgrad) for spec in pair or ()]
    return any(spec.rounding.is_stochastic and spec.rounding.key is None for spec in specs)


def _check(x, w, b) -> None:
    if w.dim() != 2 or x.dim() < 1 or x.shape[-1] != w.shape[1]:
        raise ShapeError(f"linear of x {tuple(x.shape)} and w {tuple(w.shape)}", instead="x (.., K) and w (N, K)")
    if b is not None and tuple(b.shape) != (w.shape[0],):
        raise ShapeError(f"linear with b {tuple(b.shape)} for w {tuple(w.shape)}", instead="b (N,)")
    for name, value in (("x", x), ("w", w)):
        if value.dtype not in _DTYPES:
            raise DTypeError(f"{name} of linear is {value.dtype}", instead="float32, bfloat16 or float16")
