"""Scale rules of the user: traced functions of one block.

    @qd.scale_rule
    def clip(block):                      # n f32 values: the elements of one block
        return abs(block).max() * 0.9 / 1.75

For a format of two grids the rule returns (scale, choice) instead; a true choice is the second grid.
The function runs once per block length on symbolic values; the recorded
instructions are interpreted here (vectorised over blocks) and printed as a
`quad.scale_rule`. Every instruction is one f32 operation rounded to nearest
even, so a rule has the same bits everywhere; that is why there are no
logarithms or exponentials.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from . import _native
from .elementwise import BINARY, UNARY, Op
from .errors import ArgumentError, Location, TraceError, UnsupportedError, caller


_COMPARE = {
    "lt": Op(np.less, "arith.cmpf olt, {args} : {type}"),
    "le": Op(np.less_equal, "arith.cmpf ole, {args} : {type}"),
    "gt": Op(np.greater, "arith.cmpf ogt, {args} : {type}"),
    "ge": Op(np.greater_equal, "arith.cmpf oge, {args} : {type}"),
}
_ELEMENTWISE = BINARY | UNARY | _COMPARE


@dataclass(frozen=True)
class Instruction:
    """One operation.

    `n` is the result's length, 0 for a scalar; `args` are numbers of values; `value` is that of a
    constant, or the number of the grid of round_to_grid.
    """

    op: str
    args: tuple[int, ...]
    n: int
    boolean: bool
    value: float
    where: Location | None


class RuleValue:
    """A traced value of a scale rule: the block's n elements, or a scalar.

    Arithmetic, comparison, `abs`, `.max()` and `.sum()` work on it, and the functions
    qd.where, qd.maximum, qd.minimum, qd.sqrt, qd.floor, qd.ceil, qd.round_to_grid and
    qd.round_to_scale. A scalar combines with every element.
    """

    __array_ufunc__ = None  # NumPy scalars leave the arithmetic to this class
    __hash__ = object.__hash__

    def __init__(self, program: RuleProgram, number: int):
        self._program, self._number = program, number

    @property
    def _code(self) -> Instruction:
        return self._program.code[self._number]

    def max(self) -> RuleValue:
        """The largest element (NaN if any element is one)."""
        return self._reduce("max")

    def sum(self) -> RuleValue:
        """The sum, pairwise: for h = 1, 2, 4, ..: v[i] := fl(v[i] + v[i xor h])."""
        return self._reduce("sum")

    def _reduce(self, op: str) -> RuleValue:
        if not self._code.n:
            raise TraceError(f".{op}() of a scalar", instead=f".{op}() of the block or of a value made from it")
        return self._program.emit(op, self, n=0)

    def __abs__(self):
        return self._program.emit("abs", self)

    def __neg__(self):
        return self._program.emit("neg", self)

    def __bool__(self):
        raise TraceError(
            "the condition depends on the block's values, which are known only at run time",
            instead="qd.where(condition, a, b)",
        )

    def _no_number(self, *_):
        raise TraceError(
            "a scale rule's values are known only at run time, so they are not Python numbers",
            instead="arithmetic, abs, .max(), .sum(), qd.where, qd.maximum, qd.sqrt, qd.round_to_grid, ..",
        )

    __float__ = __int__ = __index__ = __iter__ = __len__ = __getitem__ = __eq__ = __ne__ = _no_number
    __array__ = __pow__ = __rpow__ = __mod__ = __floordiv__ = _no_number


def _binary_method(op: str, reflected: bool):
    def method(self, other):
        return self._program.emit(op, other, self) if reflected else self._program.emit(op, self, other)

    return method


for _name in ("add", "sub", "mul"):
    setattr(RuleValue, f"__{_name}__", _binary_method(_name, False))
    setattr(RuleValue, f"__r{_name}__", _binary_method(_name, True))
RuleValue.__truediv__, RuleValue.__rtruediv__ = _binary_method("div", False), _binary_method("div", True)
for _name in _COMPARE:
    setattr(RuleValue, f"__{_name}__", _binary_method(_name, False))


class RuleProgram:
    """The instructions of a rule for blocks of n elements; the first one is the block."""

    def __init__(self, n: int):
        self.n = n
        self.code: list[Instruction] = [Instruction("block", (), n, False, 0.0, None)]
        self.result = 0
        self.choice: int | None = None  # of one of two grids

    @property
    def results(self) -> list[int]:
        return [self.result] if self.choice is None else [self.result, self.choice]

    def emit(self, op: str, *operands, n: int | None = None, value: float = 0.0) -> RuleValue:
        """Appends an operation; numbers become constants, scalars are spread as needed."""
        numbers = [self._operand(value) for value in operands]
        if n is None:
            n = max(self.code[i].n for i in numbers)
            numbers = [self._spread(i, n) for i in numbers]
        return self._append(op, tuple(numbers), n, boolean=op in _COMPARE, value=value)

    def _append(self, op, args=(), n=0, boolean=False, value=0.0) -> RuleValue:
        self.code.append(Instruction(op, args, n, boolean, value, caller()))
        return RuleValue(self, len(self.code) - 1)

    def _operand(self, value) -> int:
        if isinstance(value, RuleValue):
            if value._program is not self:
                raise TraceError("a value of another scale rule is used here")
            return value._number
        if isinstance(value, (int, float, np.floating, np.integer)) and not isinstance(value, bool):
            return self._append("constant", value=float(np.float32(value)))._number
        raise TraceError(
            f"{value!r} is not a number of a scale rule", instead="a Python number or a value made from the block"
        )

    def _spread(self, number: int, n: int) -> int:
        source = self.code[number]
        return number if source.n == n else self._append("splat", (number,), n, source.boolean)._number

    def run(self, blocks: np.ndarray, fmt) -> list[np.ndarray]:
        """Of `blocks`, f32 of shape (count, n): scales (f32, before rounding), and choices if the rule makes them."""
        values: list[np.ndarray] = []
        with np.errstate(all="ignore"):
            for code in self.code:
                values.append(blocks if code.op == "block" else _compute(code, [values[i] for i in code.args], fmt))
        return [np.ascontiguousarray(np.broadcast_to(values[i], (len(blocks), 1))[:, 0]) for i in self.results]


def _compute(code: Instruction, args: list[np.ndarray], fmt) -> np.ndarray:
    """One instruction on arrays of shape (count, n); scalars have n = 1."""
    if code.op == "constant":
        return np.full((1, 1), code.value, np.float32)
    if code.op == "splat":
        return np.broadcast_to(args[0], (args[0].shape[0], code.n))
    if code.op == "max":
        return np.max(args[0], axis=1, keepdims=True)
    if code.op == "sum":
        return _pairwise_sum(args[0])
    if code.op == "where":
        return np.where(*args)
    if code.op == "round_to_grid":
        return _native.numerics.round_to_grid(args[0], _native.grid(fmt.grids[int(code.value)]))
    if code.op == "round_to_scale":
        return _native.numerics.round_to_scale(args[0], fmt.levels[0].dtype, fmt.levels[0].bits)
    return _ELEMENTWISE[code.op].compute(*args)


def _pairwise_sum(v: np.ndarray) -> np.ndarray:
    while v.shape[1] > 1:
        v = v[:, 0::2] + v[:, 1::2]
    return v


class ScaleRule:
    """A function made by :func:`scale_rule`; the `rule=` of a level. Compared by identity."""

    def __init__(self, function):
        self.function = function
        self.name = function.__name__
        functools.update_wrapper(self, function)

    def __repr__(self) -> str:
        return f"<scale rule {self.name}>"

    @functools.lru_cache(maxsize=16)  # noqa: B019 (rules live as long as the program)
    def program(self, n: int) -> RuleProgram:
        """The rule for blocks of n elements; traces on first use."""
        program = RuleProgram(n)
        result = self.function(RuleValue(program, 0))
        scale, *choice = result if isinstance(result, tuple) else (result,)
        if len(choice) > 1:
            raise ArgumentError(
                f"scale rule {self.name} returns {len(result)} values", instead="the scale, or (scale, choice)"
            )
        program.result = program._operand(scale)
        if program.code[program.result].n or program.code[program.result].boolean:
            raise ArgumentError(
                f"scale rule {self.name} does not return a scalar", instead=".max() or .sum() of a block-sized value"
            )
        if choice:
            program.choice = self._choice(program, *choice)
        return program

    def _choice(self, program: RuleProgram, value) -> int:
        code = value._code if isinstance(value, RuleValue) else None
        if code is None or code.n or not code.boolean:
            raise ArgumentError(
                f"the choice that scale rule {self.name} returns is not a comparison of scalars",
                instead="(scale, error1 < error0), true for the second grid",
            )
        return program._operand(value)

    def program_for(self, fmt) -> RuleProgram:
        """The rule for the blocks of a format; ArgumentError if it is not one for its grids."""
        level, count = fmt.levels[0], len(fmt.grids)
        program = self.program(level.rows * level.cols)
        if program.choice is not None and count == 1:
            raise ArgumentError(
                f"scale rule {self.name} chooses a grid, but format {fmt.name} has one grid",
                instead=f"a rule that returns the scale alone, or qd.format({fmt.name!r}, (grid, other), ..)",
            )
        if program.choice is None and count == 2:
            raise ArgumentError(
                f"scale rule {self.name} does not choose one of the two grids of format {fmt.name}",
                instead="returning (scale, choice), the choice a comparison of scalars, true for the second grid",
            )
        if any(code.op == "round_to_grid" and code.value >= count for code in program.code):
            raise ArgumentError(
                f"scale rule {self.name} rounds to grid 1, but format {fmt.name} has one grid", instead="grid=0"
            )
        return program


@functools.lru_cache(maxsize=None)
def rule_from_file(name: str) -> ScaleRule:
    """The rule of a format in a file, which holds the rule's name alone: such a format does not quantize."""

    def unknown(block):
        raise UnsupportedError(
            f"scale rule {name} is a function, of which a file holds the name alone",
            instead="quantizing to the format as the program defines it; what is quantized needs no rule",
        )

    unknown.__name__ = name
    return ScaleRule(unknown)


def scale_rule(function) -> ScaleRule:
    """Makes a scale rule of a function of one block.

    The argument is the block's elements (RuleValue): f32, row-major, after the RHT
    and after division by the scales of the outer levels. The result is the scale, a
    scalar; it is then rounded to nearest in the level's type, and the special cases of
    docs/numerics.md ("Scales": NaN, Inf, zero blocks, saturation) apply. For a format of two
    grids the result is (scale, choice): a comparison of scalars, true for the second grid.

    Traced once per block length: Python values from outside are constants.
    """
    if not callable(function):
        raise ArgumentError(f"{function!r} is not a function", instead="@qd.scale_rule above a def")
    return ScaleRule(function)


def _program_of(*values) -> RuleProgram:
    for value in values:
        if isinstance(value, RuleValue):
            return value._program
    raise TraceError("no argument is a value of a scale rule", instead="a call inside a @qd.scale_rule function")


def where(condition, a, b) -> RuleValue:
    """`a` where `condition` holds, else `b`; inside a scale rule."""
    program = _program_of(condition)
    if not condition._code.boolean:
        raise TraceError("the first argument of where is not a comparison", instead="qd.where(x < y, a, b)")
    return program.emit("where", condition, a, b)


def emit(op: str, *values) -> RuleValue:
    """Records an operation of the table on values of a scale rule."""
    return _program_of(*values).emit(op, *values)


def round_to_grid(value, grid: int = 0) -> RuleValue:
    """The nearest value of the format's grid, ties to the even code; inside a scale rule.

    Of a format's two grids, `grid` is 0 for the first and 1 for the second.
    """
    if grid not in (0, 1):
        raise TraceError(f"grid={grid!r} is not the number of a grid", instead="0, or 1 for the second of two")
    return _program_of(value).emit("round_to_grid", value, value=float(grid))


def round_to_scale(value) -> RuleValue:
    """The value as a scale of the level's type; inside a scale rule."""
    return emit("round_to_scale", value)


# Printing.


def print_rule(symbol: str, fmt, grid_texts: list[str], location) -> str:
    """The rule of `fmt` as a `quad.scale_rule @symbol`.

    `grid_texts` are its grids as attributes; `location(where)` prints a trailing location.
    """
    program = fmt.rule.program_for(fmt)
    types = ", ".join(_type(program.code[i]) for i in program.results)
    results = f"({types})" if len(program.results) > 1 else types
    lines = [f"quad.scale_rule @{symbol}(%v0: {_type(program.code[0])}) -> {results} {{"]
    for number, code in enumerate(program.code[1:], 1):
        lines.append(f"  %v{number} = {_text(code, program, fmt.levels[0], grid_texts)}{location(code.where)}")
    values = ", ".join(f"%v{i}" for i in program.results)
    lines += [f"  quad.yield {values} : {types}", "}"]
    return "\n".join(lines)


def _type(code: Instruction) -> str:
    element = "i1" if code.boolean else "f32"
    return f"tensor<{code.n}x{element}>" if code.n else f"tensor<{element}>"


def _text(code: Instruction, program: RuleProgram, level, grid_texts: list[str]) -> str:
    args = ", ".join(f"%v{i}" for i in code.args)
    source = _type(program.code[code.args[0]]) if code.args else ""
    if code.op == "constant":
        return f"arith.constant dense<0x{np.float32(code.value).view(np.uint32):08X}> : tensor<f32>"
    if code.op == "splat":
        return f"quad.splat {args} : {source} -> {_type(code)}"
    if code.op in ("max", "sum"):
        return f"quad.block_reduce {code.op} {args} : {source} -> {_type(code)}"
    if code.op == "where":
        return f"arith.select {args} : {source}, {_type(code)}"
    if code.op == "round_to_grid":
        return f"quad.round_to_grid {args} {{grid = {grid_texts[int(code.value)]}}} : {source}"
    if code.op == "round_to_scale":
        bits = f", bits = {level.bits}" if level.bits else ""
        return f"quad.round_to_scale {args} {{scale = #quad.scale<{level.dtype}, nearest{bits}>}} : {source}"
    return _ELEMENTWISE[code.op].mlir.format(args=args, type=source)
