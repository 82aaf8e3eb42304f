"""Grids: the values of the 16 codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import _native
from .errors import ArgumentError

_BUILTIN = ("e2m1", "e1m2", "int4")


@dataclass(frozen=True)
class Grid:
    """Up to 16 values in code order, and what a block's maximum is mapped to.

    Make one with :func:`grid`. Hashable; two grids are equal if all fields are.
    """

    name: str
    values: tuple[float, ...]
    qmax: float

    @property
    def builtin(self) -> bool:
        """True for e2m1, e1m2 and int4, which have an encoding of their own."""
        return self.name in _BUILTIN

    def __repr__(self) -> str:
        return f"<grid {self.name}: {' '.join(f'{v:g}' for v in self.values)}, qmax {self.qmax:g}>"


def grid(name: str, values, *, qmax: float | None = None) -> Grid:
    """A grid of your own.

    Args:
        name: an identifier; e2m1, e1m2 and int4 are taken.
        values: 2 to 16 finite numbers in code order: code i means values[i]. Any order;
            of equal values the lowest code is produced. Each is rounded to f32.
        qmax: a block's largest magnitude is scaled to this; default: the largest
            magnitude of `values`. Smaller values clip.

    Raises ArgumentError for a name, count or value that does not fit.
    Source: docs/numerics.md, "Grids".
    """
    if not isinstance(name, str) or not name.isidentifier() or name in _BUILTIN:
        raise ArgumentError(f"{name!r} cannot name a grid", instead="an identifier other than " + ", ".join(_BUILTIN))
    try:
        numbers = tuple(float(np.float32(v)) for v in values)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"the values of grid {name} are not numbers: {error}") from None
    limit = max(map(abs, numbers)) if qmax is None else float(np.float32(qmax))
    return _native.checked(_native.grid, Grid(name, numbers, limit))


def _builtin(name: str) -> Grid:
    native = _native.numerics.Grid(name)
    return Grid(name, tuple(native.values), native.qmax)


e2m1, e1m2, int4 = map(_builtin, _BUILTIN)
