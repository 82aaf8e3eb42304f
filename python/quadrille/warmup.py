"""Which programs calls that match a spec may need: what `fn.warmup(*specs)` compiles."""

from __future__ import annotations

import itertools
from dataclasses import replace

from .specs import ALIGNMENT, DIVISORS, ArraySpec, QTensorSpec, Symbolic, symbolic


def variants(args: tuple, on_device: bool) -> list[tuple]:
    """The arguments with specs as calls have them: all classes of the lengths that are left open."""
    names = {
        length.name: length.divisor
        for spec in args
        if isinstance(spec, (ArraySpec, QTensorSpec))
        for length in spec.shape
        if isinstance(length, Symbolic)
    }
    choices = [[(name, length) for length in _classes(divisor)] for name, divisor in names.items()]
    found = []
    for chosen in itertools.product(*choices):
        classes = dict(chosen)
        found += itertools.product(*[_variants_of(value, classes, on_device) for value in args])
    return list(dict.fromkeys(found))


def _classes(divisor: int) -> list[int | Symbolic]:
    """The classes that lengths of a divisor may have; 1 is one."""
    smallest = next((d for d in DIVISORS if divisor % d == 0), 1)
    return [Symbolic("", d) for d in (*DIVISORS, 1) if d >= smallest] + [1] * (divisor == 1)


def _variants_of(value, classes: dict[str, int | Symbolic], on_device: bool) -> list:
    """One argument as calls have it. A stride may be even where its length's class does not say so."""
    if not isinstance(value, (ArraySpec, QTensorSpec)):
        return [value]
    shape = tuple(classes[n.name] if isinstance(n, Symbolic) else symbolic(n) for n in value.shape)
    if isinstance(value, QTensorSpec):
        return [replace(value, shape=shape, alignment=value.alignment if on_device else 0)]
    if not on_device:
        return [ArraySpec(value.dtype, shape, value.unit_stride)]
    whole = ALIGNMENT * 8 // value.dtype.bits
    length = value.shape[-1]
    known = length % whole == 0 if isinstance(length, int) else getattr(shape[-1], "divisor", 1) % whole == 0
    # The stride of a single row is as good as any.
    strides = [whole] if known or shape[0] == 1 else [1] if isinstance(length, int) else [whole, 1]
    rest = len(shape) - 1
    return [ArraySpec(value.dtype, shape, value.unit_stride, value.alignment, (s,) * rest + (1,)) for s in strides]
