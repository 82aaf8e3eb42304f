"""A linear layer's three products on matrices, without automatic differentiation.

Arrays in, arrays out, in the terms that PyTorch's operators allow: a recipe is the number of one
that was registered, and what a forward pass keeps for the backward is a list of tensors.
"""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass

import torch

from .. import _core, _native, arrays, devices, ops, storage
from ..errors import ArgumentError
from ..formats import Format
from ..recipes import BF16, BY_NAME, Recipe, Spec
from ..rounding import Key
from ..targets import quantizes_to_panels
from ..tensor import QTensor
from . import weights

#: Numbers that a key is folded with, for each operand that may be rounded stochastically.
OPERANDS = {"x": 0, "w": 1, "dy": 2}
#: Products with no more rows read codes and scales themselves.
FEW_ROWS = 16

_NAMED = {**BY_NAME, "BF16": BF16}
_numbers: dict[tuple[Recipe, bool], int] = {}
_registered: dict[int, tuple[Recipe, bool]] = {}


def recipe_number(recipe: Recipe | str, exact: bool = True) -> int:
    """The number of a recipe whose products are exact= so, the same for equal ones; ArgumentError for what is none.

    It is made of what the recipe says: torch.compile keeps code with such numbers for later processes.
    """
    if isinstance(recipe, str):
        if recipe not in _NAMED:
            raise ArgumentError(f"{recipe!r} is not a recipe", instead=", ".join(_NAMED))
        recipe = _NAMED[recipe]
    if not isinstance(recipe, Recipe):
        raise ArgumentError(f"recipe is {recipe!r}", instead="a qd.Recipe such as qd.recipes.UFP4_B")
    key = recipe, bool(exact)
    if key not in _numbers:
        digest = hashlib.blake2b(pickle.dumps((_core.VERSION, key), protocol=5), digest_size=8).digest()
        number = int.from_bytes(digest, "little") >> 1  # an int64
        _numbers[key], _registered[number] = number, key
    return _numbers[key]


def recipe_of(number: int) -> Recipe:
    return _registered[number][0]


def _matmul(number: int, a, b, dtype: torch.dtype, **options):
    return ops.matmul(a, b, dtype=_name(dtype), exact=_registered[number][1], **options)


@dataclass(frozen=True)
class Noise:
    """Whose random bits: of a seed, a counter of steps (int64 [1], on the products' device) and a path."""

    seed: int
    step: torch.Tensor
    path: tuple[int, ...]
    index_base: int = 0

    def key(self, operand: str) -> Key:
        return Key(self.seed, step=self.step).fold_in(*self.path, OPERANDS[operand])


def _keyed(spec: Spec, noise: Noise, operand: str) -> Spec:
    return spec.replace(key=noise.key(operand)) if spec.rounding.is_stochastic and spec.rounding.key is None else spec


@dataclass(frozen=True)
class Meets:
    """Copies of a matrix that are `a` of one product and then forgotten: the format of each one's b, or None."""

    number: int
    row: Format | None = None
    col: Format | None = None

    def prepares(self, x, specs) -> tuple[Format | None, Format | None]:
        """The formats that copies are prepared for as they are quantized, where the products of x's GPU allow that."""
        exact = _registered[self.number][1]

        def applies(spec, other, rows) -> bool:
            if spec is None or other is None or not x.is_cuda or rows <= FEW_ROWS:
                return False
            target = devices.device(arrays.device_of(x)).target
            return quantizes_to_panels(target, spec.format, other, exact)[0]

        return tuple(o if applies(s, o, n) else None for s, o, n in zip(specs, (self.row, self.col), x.shape))


@ops.eager
def _prepared(x, *, row, col, others: tuple, exact: bool, index_base=0):
    """The copies asked for; those with one of `others`, as a product with that format reads its `a`."""
    options = {"pad": True, "index_base": index_base}
    if row and col:
        copies = ops.quantize_pair(x, row=row, col=col, **options)
    else:
        copies = (ops.quantize(x, row or col, axis=1 if row else 0, **options),)
        others = others[:1] if row else others[1:]
    return tuple(
        q if other is None else ops.prepare(q, side="a", other=other, exact=exact) for q, other in zip(copies, others)
    )


def quantized(x, row: Spec | None, col: Spec | None, noise: Noise, operand: str, meets: Meets | None = None):
    """(row copy, column copy) of a matrix, in one read where both are asked for; None for what is not."""
    row, col = (spec and _keyed(spec, noise, operand) for spec in (row, col))
    options = {"pad": True, "index_base": noise.index_base}
    others = meets.prepares(x, (row, col)) if meets else (None, None)
    if any(others):
        exact = _registered[meets.number][1]
        copies = _prepared(x, row=row, col=col, others=others, exact=exact, index_base=noise.index_base)
        return copies if row and col else (*copies, None) if row else (None, *copies)
    if row and col:
        return ops.quantize_pair(x, row=row, col=col, **options)
    return (
        ops.quantize(x, row, axis=1, **options) if row else None,
        ops.quantize(x, col, axis=0, **options) if col else None,
    )


def specs_of(recipe: Recipe, operand: str) -> tuple[Spec | None, Spec | None]:
    """Of rows and of columns of an operand: x, w or dy."""
    first, second = lambda pair: pair and pair[0], lambda pair: pair and pair[1]  # noqa: E731
    return {
        "x": (first(recipe.fprop), second(recipe.wgrad)),
        "w": (second(recipe.fprop), second(recipe.dgrad)),
        "dy": (first(recipe.dgrad), first(recipe.wgrad)),
    }[operand]


def _plain(a, b, dtype, bias=None):
    """a b^T of what is not quantized, in the narrower type of the two."""
    common = dtype if dtype in (torch.bfloat16, torch.float16) else a.dtype
    return torch.nn.functional.linear(a.to(common), b.to(common), None if bias is None else bias.to(common)).to(dtype)


def _name(dtype: torch.dtype) -> str:
    return {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}[dtype]


def arrays_of(q: QTensor) -> list[torch.Tensor]:
    return [q.codes, *q.scales]


def kept_buffers(number: int, rows, cols) -> list[tuple[tuple, torch.dtype]]:
    """(shape, dtype) of the arrays of x's column copy; sizes may be symbolic. Empty if wgrad is not quantized."""
    spec = specs_of(recipe_of(number), "x")[1]
    if spec is None:
        return []
    stored = storage.round_up(rows, _native.stored_multiple(spec.format, spec.rht))
    buffers = storage.buffers(spec.format, cols, stored)
    return [(buffer.shape, arrays.torch_dtype(buffer.dtype)) for buffer in buffers]


def kept_copy(parts: list[torch.Tensor], number: int, shape) -> QTensor | None:
    """x's column copy, of shape (M, K), of its arrays; None of an empty list."""
    if not parts:
        return None
    spec, (codes, *scales) = specs_of(recipe_of(number), "x")[1], parts
    return QTensor._make(
        codes, tuple(scales), spec.format, tuple(shape), 0, spec.rht, codes.shape[1] * 2, "", storage.ROW_MAJOR
    )


def forward(x, w, bias, number: int, layer: int, dtype: torch.dtype, needs_x: bool, needs_w: bool, noise: Noise):
    """(y, x's column copy, w's column copy): x (M, K), w (N, K), y (M, N) of `dtype`.

    needs_x, needs_w: whose gradient a backward pass will ask for; a copy that none of them needs, or
    that is not there, is None.
    """
    recipe = recipe_of(number)
    row, col = specs_of(recipe, "x")
    meets = Meets(number, row=recipe.fprop and recipe.fprop[1].format)
    x_row, x_col = quantized(x, row, col if needs_w else None, noise, "x", meets)
    copies = weights.Copies(None, None)
    if x_row is None:
        y = _plain(x, w, dtype, bias)
    else:
        copies = weights.quantized(w, number, layer, noise, row=True, col=needs_x)
        y = _matmul(number, x_row, copies.row.T, dtype, bias=None if bias is None else weights.readable(bias))
    return y, x_col, copies.col


def backward(dy, w, x, x_col, w_col, number: int, layer: int, needs, dtypes, noise: Noise, total=None):
    """(dx or None, dw or None): of dy (M, N) and the column copies that `forward` gave.

    x is the matrix itself, where wgrad is not quantized; w_col None: made anew, or the layer's.
    needs, dtypes: of dx and of dw. `total`: f32 (N, K) that dw is added to in place; dw is None then.
    """
    needs_x, needs_w = needs
    recipe = recipe_of(number)
    row, col = specs_of(recipe, "dy")
    meets = Meets(number, *(pair and pair[1].format for pair in (recipe.dgrad, recipe.wgrad)))
    dy_row, dy_col = quantized(dy, row if needs_x else None, col if needs_w else None, noise, "dy", meets)
    dx = dw = None
    if needs_x and dy_row is None:
        dx = _plain(dy, w.T, dtypes[0])
    elif needs_x:
        if w_col is None:
            w_col = weights.quantized(w, number, layer, noise, col=True).col
        dx = _matmul(number, dy_row, w_col, dtypes[0])
    if needs_w and dy_col is None:
        dw = _plain(dy.T, x.T, dtypes[1] if total is None else torch.float32)
        if total is not None:
            total += dw
    elif needs_w:
        if total is None:
            dw = _matmul(number, dy_col.T, x_col, dtypes[1])
        else:
            _matmul(number, dy_col.T, x_col, torch.float32, acc=total, out=total)
    return dx, dw if total is None else None
