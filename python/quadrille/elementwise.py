"""Elementwise operations: what traced arrays and scale rules compute with.

Each is one f32 operation rounded to nearest even, or a sequence of such (exp and
its relatives: lib/Numerics), so it has the same bits on every target, the sign and
payload of a NaN excepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import _native


class Op(NamedTuple):
    """How an operation computes on f32 arrays, and how MLIR spells it for a type."""

    compute: Callable
    mlir: str


def _extremum(choose, join) -> Callable:
    """IEEE 754-2019 maximum or minimum: NaN if an operand is, and -0 < +0."""

    def compute(a, b):
        a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
        same = join(a.view(np.uint32), b.view(np.uint32)).view(np.float32)
        return np.where(a == b, same, choose(a, b))

    return compute


def _function(name: str) -> Op:
    return Op(lambda x: _native.numerics.evaluate(name, x), f"quad.evaluate {name} {{args}}")


BINARY = {
    "add": Op(np.add, "arith.addf {args} : {type}"),
    "sub": Op(np.subtract, "arith.subf {args} : {type}"),
    "mul": Op(np.multiply, "arith.mulf {args} : {type}"),
    "div": Op(np.divide, "arith.divf {args} : {type}"),
    "maximum": Op(_extremum(np.maximum, np.bitwise_and), "arith.maximumf {args} : {type}"),
    "minimum": Op(_extremum(np.minimum, np.bitwise_or), "arith.minimumf {args} : {type}"),
}
UNARY = {
    "abs": Op(np.abs, "math.absf {args} : {type}"),
    "neg": Op(np.negative, "arith.negf {args} : {type}"),
    "sqrt": Op(np.sqrt, "math.sqrt {args} : {type}"),
    "floor": Op(np.floor, "math.floor {args} : {type}"),
    "ceil": Op(np.ceil, "math.ceil {args} : {type}"),
}
#: Functions that docs/numerics.md specifies; of traced arrays alone.
FUNCTIONS = {name: _function(name) for name in ("exp", "tanh", "erf", "sigmoid", "silu", "gelu", "gelu_tanh")}
#: Rounding alone: the value as an element of the result's type.
CONVERT = {"convert": Op(lambda x: x, "")}
_OPS = BINARY | UNARY | FUNCTIONS | CONVERT


class Call(NamedTuple):
    """An operation and its arguments: numbers of operands, or constants (f32)."""

    op: str
    args: tuple[int | float, ...]

    def compute(self, operands: list) -> np.ndarray:
        """The f32 result for operands of any float type."""
        values = [np.float32(a) if isinstance(a, float) else np.asarray(operands[a], np.float32) for a in self.args]
        return _OPS[self.op].compute(*values)

    def print(self, names: list[str], result: str) -> tuple[list[str], str]:
        """Lines of MLIR on f32 values with these names, and the name of what they compute."""
        lines, args = [], []
        for number, arg in enumerate(self.args):
            if isinstance(arg, float):
                args.append(f"{result}_c{number}")
                lines.append(f"{args[-1]} = arith.constant 0x{np.float32(arg).view(np.uint32):08X} : f32")
            else:
                args.append(names[arg])
        if not _OPS[self.op].mlir:
            return lines, args[0]
        return [*lines, f"{result} = {_OPS[self.op].mlir.format(args=', '.join(args), type='f32')}"], result
