"""Choosing among implementations by measurement."""

from __future__ import annotations

from .errors import ArgumentError, UnsupportedError
from .jit import JitFunction


def tune(fn, *args):
    """Measures the alternatives of `fn` for these arguments and writes a plan file.

    No target has alternatives yet (each operation has one implementation, chosen by the
    compiler), so there is nothing to measure: always UnsupportedError. Bits would never
    depend on a plan.
    """
    if not isinstance(fn, JitFunction):
        raise ArgumentError(f"{fn!r} is not a jitted function", instead="a function made by @qd.jit")
    raise UnsupportedError(f"{fn.__name__} has one implementation on each target: nothing to tune")
