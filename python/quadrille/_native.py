"""The only module that calls `_core`: adapters with this package's types."""

from __future__ import annotations

import functools
import operator

from . import _core
from .errors import ArgumentError, UnsupportedError

numerics = _core.numerics
NUMERICS_VERSION: int = numerics.VERSION
_MASK = (1 << 64) - 1


def seed(value) -> int:
    """An integer modulo 2^64; ArgumentError for what is not an integer."""
    try:
        return operator.index(value) & _MASK
    except TypeError:
        raise ArgumentError(f"{value!r} is not an integer seed") from None


derive_key = numerics.key_from_seed
fold_in = numerics.fold_in
rht_signs = numerics.signs_from_seed


def named_formats(make_grid, make_level, make_format):
    """The named formats of C++, built by the given constructors."""
    for native in numerics.named_formats():
        fields = native.as_dict()
        levels = tuple(make_level(**level) for level in fields["levels"])
        yield make_format(fields["name"], make_grid(**fields["grid"]), levels)


@functools.lru_cache(maxsize=256)
def grid(value):
    if value.builtin:
        return numerics.Grid(value.name)
    return numerics.Grid(value.name, list(value.values), value.qmax)


def _level(value):
    rule = value.rule if isinstance(value.rule, str) else "program"
    return numerics.Level(value.rows, value.cols, value.dtype, rule, value.bits, value.qmax)


@functools.lru_cache(maxsize=256)
def format(value):  # noqa: A001
    alternative = grid(value.alternative) if value.alternative else None
    return numerics.Format(value.name, grid(value.grid), [_level(level) for level in value.levels], alternative)


def checked(make, value):
    """`value`, after C++ has accepted it; ArgumentError with C++'s reason if not."""
    try:
        make(value)
    except ValueError as error:
        raise ArgumentError(str(error)) from None
    return value


def stored_multiple(fmt, rht) -> int:
    """What the stored length of the quantized axis is a multiple of."""
    return numerics.stored_multiple(format(fmt), rht.n if rht else 0)


def submodule(name: str, purpose: str):
    """`_core.<name>`, or an UnsupportedError that says what this build lacks."""
    module = getattr(_core, name, None)
    if module is None:
        raise UnsupportedError(
            f"this build of Quadrille has no {name}, which {purpose}",
            instead="a build with QUADRILLE_BUILD_COMPILER=ON; QUADRILLE_INTERPRET=1 runs the interpreter",
        )
    return module
