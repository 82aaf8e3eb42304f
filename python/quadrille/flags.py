"""The flag word: what quantize tells of a tensor without a host round trip."""

from __future__ import annotations

import enum

from ._native import numerics


class Flags(enum.IntFlag):
    """Bits that `quantize(.., flags=)` sets in the caller's word.

    `qd.Flags(int(flags[0]))` shows the names. Source: docs/numerics.md, "Quantization".
    """

    #: A scale is NaN, because its block (or tensor) held NaN or infinity.
    NON_FINITE = numerics.FLAG_NON_FINITE
    #: A scale was above its type's range, so the largest one was taken and codes clip. With a
    #: delayed amax: the tensor has grown beyond what its scale covers.
    SCALE_SATURATED = numerics.FLAG_SCALE_SATURATED
