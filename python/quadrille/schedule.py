"""Schedules evaluated in Python: what a compiled program launches for arguments of given sizes.

The grammar is that of include/quadrille/Runtime/Schedule.h. Programs of a call are run by the
runtime; this is for reports, and for running kernels elsewhere.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .errors import ShapeError


class Extent(NamedTuple):
    """Lengths and strides (elements) of an array; what a schedule asks of one."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Launch:
    """One launch: `operands` are (value, bytes added to it), values being arguments, numbers or allocations.

    `threads` and `shared`, bytes of dynamic shared memory, are those of a block.
    """

    kernel: str
    grid: tuple[int, int]
    threads: int
    operands: list[tuple[Any, int]]
    shared: int = 0


_BINARY = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    "rem": lambda a, b: a - b * _BINARY["div"](a, b),
    "ceildiv": lambda a, b: -(-a // b),
    "min": min,
    "max": max,
    "and": operator.and_,
    "or": operator.or_,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
}


def launches(text: str, arguments: list, allocate: Callable[[int], Any] = lambda size: None) -> Iterator[Launch]:
    """The launches of a schedule, in order, those of empty grids left out.

    Args:
        text: the schedule.
        arguments: for each argument of the schedule a number, or what has `shape` and `strides` (elements).
        allocate: makes the value of a temporary of so many bytes.

    ShapeError with the schedule's words if the sizes do not pass one of its checks.
    """
    values: dict[str, Any] = {}
    attributes: dict[str, dict[str, int]] = {}

    def operand(name: str, offset: str | None = None) -> tuple[Any, int]:
        value = arguments[int(name[1:])] if name[0] == "@" else values[name]
        return value, values[offset] if offset else 0

    for line in text.splitlines():
        head, *tokens = line.split() or [";"]
        if head == "kernel":
            attributes[tokens[0]] = {name: int(n) for name, n in (token.split("=") for token in tokens[1:])}
        elif head == "check" and not values[tokens[0]]:
            raise ShapeError(" ".join(tokens[1:]))
        elif head.startswith("%"):
            values[head] = _evaluate(tokens[1], tokens[2:], values, arguments, allocate)
        elif head == "launch":
            grid = values[tokens[1]], values[tokens[2]]
            if min(grid) > 0:
                operands = [operand(*token.split("+")) for token in tokens[3:]]
                kernel = attributes[tokens[0]]
                yield Launch(tokens[0], grid, kernel.get("threads", 0), operands, kernel.get("shared", 0))


def _evaluate(op: str, operands: list[str], values: dict, arguments: list, allocate) -> Any:
    """The value of `op`."""
    if op == "const":
        return int(operands[0])
    if op == "scalar":
        return arguments[int(operands[0])]
    if op in ("dim", "stride"):
        array, axis = arguments[int(operands[0])], int(operands[1])
        return array.shape[axis] if op == "dim" else array.strides[axis]
    found = [values[name] for name in operands]
    if op == "alloc":
        return allocate(found[0])
    if op == "select":
        return found[1] if found[0] else found[2]
    return int(_BINARY[op](*found))
