"""Arrays that hold a quantized tensor: one rule for every target and file."""

from __future__ import annotations

from typing import NamedTuple

import ml_dtypes
import numpy as np

#: NumPy's own type of each scale type, or uint8 for bits that NumPy does not know.
SCALE_DTYPES = {
    "f32": np.dtype(np.float32),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
    "e8m0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "ue5m3": np.dtype(np.uint8),
    "e6m2": np.dtype(np.uint8),
    "e1": np.dtype(np.uint8),
}
#: Unsigned integers of each size, for files and for comparing bits.
BITS = {1: np.dtype(np.uint8), 2: np.dtype(np.uint16), 4: np.dtype(np.uint32)}


class Buffer(NamedTuple):
    """Shape and NumPy dtype of one array."""

    shape: tuple[int, ...]
    dtype: np.dtype


def round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def buffers(fmt, other: int, stored: int) -> list[Buffer]:
    """Codes, then scales inner to outer, of `other` rows of `stored` elements.

    Codes are uint8 [other, stored/2], element 2i in the low nibble. Scales are
    row-major over blocks; one-bit scales (e1) are packed, rows padded to a byte;
    a tensor's scale has shape (1,).
    """
    result = [Buffer((other, stored // 2), np.dtype(np.uint8))]
    for level in fmt.levels:
        shape = (1,)
        if not level.is_tensor:
            across = stored // level.cols
            shape = (-(-other // level.rows), -(-across // 8) if level.dtype == "e1" else across)
        result.append(Buffer(shape, SCALE_DTYPES[level.dtype]))
    return result


def bits(array: np.ndarray) -> np.ndarray:
    """The array's elements as unsigned integers (float32 stays float32)."""
    return array if array.dtype == np.float32 else array.view(BITS[array.itemsize])
