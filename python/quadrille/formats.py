"""Formats: a grid, or two, and a chain of scales, inner to outer.

The named formats (UFP4, NVFP4, ...) are defined once, in C++
(lib/Numerics), and read from there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from . import _native
from .errors import ArgumentError
from .grids import Grid
from .scale_rules import ScaleRule

#: Significant bits of the types that `bits=` may cut, leading one included.
_SIGNIFICANT_BITS = {"f32": 24, "bf16": 8}
SCALE_TYPES = ("f32", "bf16", "e4m3", "e8m0", "ue5m3", "e6m2", "e1")
_RULES = ("nearest", "up", "ocp", "hif4")


@dataclass(frozen=True)
class Level:
    """One level of scales. Make one with :func:`level`.

    Attributes:
        rows, cols: block across and along the quantized axis; 0, 0 is the whole tensor.
        dtype: element type of the scale.
        rule: how the scale is rounded into it: a name or a ScaleRule.
        bits: significant bits kept of f32 or bf16; 0 keeps all.
        qmax: the block's largest magnitude is mapped to this; 0 derives it from the
            grid and the levels inside.
    """

    rows: int
    cols: int
    dtype: str
    rule: str | ScaleRule = "nearest"
    bits: int = 0
    qmax: float = 0.0

    @property
    def is_tensor(self) -> bool:
        return self.rows == 0

    @property
    def block(self) -> str:
        return "tensor" if self.is_tensor else f"{self.rows}x{self.cols}"


@dataclass(frozen=True)
class Format:
    """A 4-bit format. Make one with :func:`format`, or use a named one.

    Attributes:
        name: for people.
        grid: values of the codes.
        levels: of scales, inner to outer.
        alternative: the grid of the blocks for which the innermost scale's rule chooses it,
            which is the sign bit of their scales; None for one grid.
    """

    name: str
    grid: Grid
    levels: tuple[Level, ...]
    alternative: Grid | None = None
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, "_hash", hash((self.name, self.grid, self.levels, self.alternative)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The grid, and the alternative if there is one."""
        return (self.grid, self.alternative) if self.alternative else (self.grid,)

    @property
    def block(self) -> int:
        """What the axis length must be a multiple of: the largest block along it."""
        return max(level.cols for level in self.levels)

    @property
    def block_rows(self) -> int:
        """Rows that share a scale; more than 1 makes both orientations quantize alike."""
        return max(level.rows for level in self.levels)

    @property
    def has_tensor_level(self) -> bool:
        """True if the outermost scale is the tensor's, so quantizing needs its amax."""
        return self.levels[-1].is_tensor

    @property
    def rule(self) -> ScaleRule | None:
        """The user's scale rule of the innermost level, if there is one."""
        rule = self.levels[0].rule
        return rule if isinstance(rule, ScaleRule) else None

    def __repr__(self) -> str:
        levels = ", ".join(f"{l.block} {l.dtype}" for l in self.levels)
        return f"<format {self.name}: {' or '.join(grid.name for grid in self.grids)}, {levels}>"


def _block(block) -> tuple[int, int]:
    if block == "tensor":
        return 0, 0
    if isinstance(block, str) and (match := re.fullmatch(r"(\d+)x(\d+)", block)):
        block = (int(match[1]), int(match[2]))
    rows, cols = (1, block) if isinstance(block, int) else tuple(block)
    if rows < 1 or cols < 1 or cols & (cols - 1) or rows & (rows - 1):
        raise ValueError
    return rows, cols


def level(block, dtype: str, *, rule="nearest", bits: int | None = None, qmax: float | None = None) -> Level:
    """One level of scales.

    Args:
        block: 16, (16, 16), "1x16", .. : rows across and columns along the quantized
            axis, powers of two; or "tensor" for one scale.
        dtype: f32, bf16, e4m3, e8m0, ue5m3, e6m2 or e1.
        rule: "nearest", "up" (toward +inf; for e8m0 the smallest 2^k that does not clip),
            "ocp" (OCP MX 1.0; e8m0 only), or a function made by :func:`scale_rule`.
        bits: significant bits to keep of f32 (1..24) or bf16 (1..8).
        qmax: what the block's largest magnitude is mapped to; derived by default.

    Raises ArgumentError. Source: docs/numerics.md, "Scales".
    """
    try:
        rows, cols = _block(block)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{block!r} is not a block", instead='16, (16, 16), "1x16" (powers of two) or "tensor"'
        ) from None
    dtype = getattr(dtype, "name", dtype)
    if dtype not in SCALE_TYPES:
        raise ArgumentError(f"{dtype!r} is not a scale type", instead=", ".join(SCALE_TYPES))
    if not isinstance(rule, ScaleRule) and rule not in _RULES:
        raise ArgumentError(
            f"{rule!r} is not a scale rule", instead=", ".join(_RULES) + ", or a @qd.scale_rule function"
        )
    if rule == "ocp" and dtype != "e8m0":
        raise ArgumentError(f"rule ocp does not apply to {dtype}", instead="dtype e8m0")
    most = _SIGNIFICANT_BITS.get(dtype, 0)
    if bits is not None and not 1 <= bits <= most:
        what = f"1 to {most}" if most else "no bits=: only f32 and bf16 can be cut"
        raise ArgumentError(f"bits={bits} does not apply to {dtype}", instead=what)
    if qmax is not None and not 0 < qmax < float("inf"):
        raise ArgumentError(f"qmax={qmax} of a level is not a positive number")
    return Level(rows, cols, dtype, rule, 0 if bits in (None, most) else bits, float(qmax or 0.0))


def format(name: str, grid, levels) -> Format:  # noqa: A001 (the word of the field)
    """A format of your own.

    Args:
        name: an identifier.
        grid: a grid, or two of them. Of two, the innermost level's rule, a :func:`scale_rule`
            that returns (scale, choice), chooses one for each block; the choice is kept in the
            sign bit of the block's scale, which is f32, bf16 or e4m3.
        levels: :func:`level`, inner to outer; the outermost may be the tensor's.

    Raises ArgumentError unless each block divides the next larger one.
    Source: docs/numerics.md, "Formats".
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ArgumentError(f"{name!r} cannot name a format", instead="an identifier")
    grids = (grid,) if isinstance(grid, Grid) else grid
    if not isinstance(grids, (tuple, list)) or not all(isinstance(g, Grid) for g in grids):
        raise ArgumentError(f"{grid!r} is not a grid", instead="qd.grid(...), qd.e2m1, qd.e1m2 or qd.int4")
    if len(grids) not in (1, 2):
        raise ArgumentError(f"{name} has {len(grids)} grids", instead="one, or two for a scale rule to choose from")
    levels = (levels,) if isinstance(levels, Level) else tuple(levels)
    if not levels or not all(isinstance(l, Level) for l in levels):
        raise ArgumentError(f"the levels of {name} are {levels!r}", instead="a list of one or more qd.level(...)")
    if levels[0].is_tensor:
        raise ArgumentError(f"the innermost level of {name} is the whole tensor", instead="a block such as 16")
    for inner, outer in zip(levels, levels[1:]):
        fits = outer.is_tensor or (outer.cols % inner.cols == 0 and outer.rows % inner.rows == 0)
        if inner.is_tensor or not fits:
            raise ArgumentError(
                f"in {name} a block of {inner.block} is inside one of {outer.block}",
                instead="levels inner to outer, each block a multiple of the one inside it",
            )
        if isinstance(outer.rule, ScaleRule):
            raise ArgumentError(
                f"in {name} the scale rule is on an outer level", instead="a rule on the innermost level"
            )
    return _native.checked(_native.format, Format(name, grids[0], levels, *grids[1:]))


def _known_grid(name, values, qmax) -> Grid:
    return Grid(name, tuple(values), qmax)


#: Every named format by name, in the order of docs/numerics.md.
NAMED: dict[str, Format] = {f.name: f for f in _native.named_formats(_known_grid, Level, Format)}


def lookup(value) -> Format:
    """The Format that `value` is or names; ArgumentError if there is none."""
    if isinstance(value, Format):
        return value
    if isinstance(value, str) and value in NAMED:
        return NAMED[value]
    raise ArgumentError(f"{value!r} is not a format", instead="qd.format(...) or one of " + ", ".join(NAMED))
