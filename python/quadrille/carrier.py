"""Carrier: a quantized matrix in the type that a matrix instruction takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Names of carriers that tensors are stored in.
CARRIERS = ("e5m2", "e4m3", "bf16")


@dataclass(frozen=True, slots=True)
class Carrier:
    """What :func:`quadrille.to_carrier` gives.

    `values * 2.0 ** row_exponents[:, None]` is code times the scales of blocks, exactly, in rows
    where overflow is 0. The scale of a tensor (NVFP4's second level) is not part of it.

    Attributes:
        values: [other, stored] in storage order (the quantized axis last, padding included), of
            bfloat16, float8_e5m2 or float8_e4m3fn.
        row_exponents: int32 [other]; None for bf16, whose values need none.
        overflow: int32 [other], 1 where blocks too small for the type were flushed to zero; None
            for bf16, which has room for all.
        carrier: "bf16", "e5m2" or "e4m3".
    """

    values: Any
    row_exponents: Any
    overflow: Any
    carrier: str

    @classmethod
    def of(cls, arrays, carrier: str) -> Carrier:
        """Of the buffers of a result."""
        values, exponents, overflow = arrays if len(arrays) == 3 else (*arrays, None, None)
        return cls(values, exponents, overflow, carrier)

    @property
    def arrays(self) -> tuple:
        """The arrays that are there."""
        return tuple(a for a in (self.values, self.row_exponents, self.overflow) if a is not None)
