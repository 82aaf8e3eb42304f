"""What each target can do: the capability table of the compiler."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from . import _native
from .carrier import CARRIERS
from .errors import ArgumentError, UnsupportedError
from .formats import lookup

OPERATIONS = ("hadamard", "amax", "quantize", "dequantize", "matmul")


@dataclass(frozen=True)
class Answer:
    """Whether a target supports something; true in a condition if it does.

    Attributes:
        supported: the answer.
        why: the reason, such as the carrier that a matmul takes.
        instead: what would work, or "".
    """

    supported: bool
    why: str
    instead: str = ""

    def __bool__(self) -> bool:
        return self.supported

    def __str__(self) -> str:
        return (
            ("yes: " if self.supported else "no: ") + self.why + (f" (instead: {self.instead})" if self.instead else "")
        )


def _table():
    return _native.submodule("targets", "knows what each target can do")


def targets() -> list[str]:
    """Names of all targets that the compiler knows."""
    return _table().names()


def check_target(name: str) -> str:
    """`name`, if it is a target; ArgumentError otherwise."""
    if name not in targets():
        raise ArgumentError(f"{name!r} is not a target", instead=", ".join(targets()))
    return name


def is_supported(target: str, fmt, op: str) -> Answer:
    """Whether and how `op` works for a format on a target, by the capability table.

    Args:
        target: "host", "sm_90a", "gfx942", ..; see :func:`targets`.
        fmt: a format or its name.
        op: hadamard, amax, quantize, dequantize or matmul.

    Raises ArgumentError for another target, format or operation, UnsupportedError if
    this build has no table.
    """
    table = _table()
    fmt = lookup(fmt)
    if op not in OPERATIONS:
        raise ArgumentError(f"{op!r} is not an operation", instead=", ".join(OPERATIONS))
    answer = table.is_supported(check_target(target), _native.format(fmt), op)
    return Answer(answer["supported"], answer["why"], "; ".join(answer["instead"]))


def carrier_form(fmt, carrier: str) -> dict:
    """How tensors of a format are stored in a carrier: see `_core.targets.carrier_form`.

    Raises ArgumentError for another carrier, UnsupportedError if it does not hold the format.
    """
    names = ("auto", *CARRIERS)
    if carrier not in names:
        raise ArgumentError(f"carrier={carrier!r}", instead=", ".join(map(repr, names)))
    form = _table().carrier_form(_native.format(fmt), carrier)
    if form["refusal"]:
        raise UnsupportedError(form["refusal"], instead=form["instead"])
    return form


@functools.cache
def quantizes_to_panels(target: str, a, b, exact: bool = True) -> tuple[bool, bool]:
    """Whether what quantizes a or b of a product (formats) can write the product's own form: see `prepare`."""
    choice = _table().select(check_target(target), *(_native.format(lookup(f)) for f in (a, b)), exact=exact)
    return (False, False) if choice["refused"] else tuple(choice[x]["quantizes_to_panels"] for x in "ab")


def capability(target: str) -> dict:
    """Lanes, shared memory, matrix instructions and conversions of a target.

    Raises as :func:`is_supported`.
    """
    return _table().capability(check_target(target))


def carriers(target: str) -> list[dict]:
    """The carrier of a matmul of each named format with itself: see `_core.targets.select`."""
    return _table().carriers(check_target(target))
