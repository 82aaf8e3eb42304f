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


#: Orders of the innermost scales in memory: docs/numerics.md, "Storage".
ROW_MAJOR, BLOCKED = SCALE_LAYOUTS = ("row_major", "blocked128x4")


class Buffer(NamedTuple):
    """Shape and NumPy dtype of one array."""

    shape: tuple[int, ...]
    dtype: np.dtype


def round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def grouped_length(length: int, groups: int, multiple: int) -> int:
    """Most elements that `groups` groups of `length` elements together are stored as, whatever their sizes."""
    return (length + groups * (multiple - 1)) // multiple * multiple


def group_table(offsets, length: int, multiple: int) -> tuple[np.ndarray, np.ndarray]:
    """(where each group of `offsets` is read, where it is stored), int64 [G + 1] with the ends.

    The first offset counts as 0; each is clamped to [the one before, `length`]. Each group is
    stored behind the one before, its size rounded up to a multiple.
    """
    read = np.clip(np.asarray(offsets).astype(np.int64), 0, length)
    read[:1] = 0
    read = np.maximum.accumulate(read)
    return read, np.concatenate([[0], np.cumsum(round_up(np.diff(read), multiple))]).astype(np.int64)


def buffers(fmt, other: int, stored: int, scale_layout: str = ROW_MAJOR) -> list[Buffer]:
    """Codes, then scales inner to outer, of `other` rows of `stored` elements.

    Codes are uint8 [other, stored/2], element 2i in the low nibble. Scales are
    row-major over blocks; one-bit scales (e1) are packed, rows padded to a byte;
    a tensor's scale has shape (1,). In the layout blocked128x4 the innermost level
    has its rows padded to 128 and its columns to 4.
    """
    result = [Buffer((other, stored // 2), np.dtype(np.uint8))]
    for level in fmt.levels:
        shape = (1,)
        if not level.is_tensor:
            across = stored // level.cols
            shape = (-(-other // level.rows), -(-across // 8) if level.dtype == "e1" else across)
        if scale_layout == BLOCKED and level is fmt.levels[0]:
            shape = (round_up(shape[0], 128), round_up(shape[1], 4))
        result.append(Buffer(shape, SCALE_DTYPES[level.dtype]))
    return result


def has_layout(fmt, scale_layout: str) -> bool:
    """True if a format's innermost scales can be so in memory: in blocks, one byte for one row."""
    level = fmt.levels[0]
    one_byte = level.dtype != "e1" and SCALE_DTYPES[level.dtype].itemsize == 1
    return scale_layout == ROW_MAJOR or (one_byte and level.rows == 1)


def to_blocked(scale: np.ndarray) -> np.ndarray:
    """Row-major to blocked128x4: each 128 x 4 tile as 32 rows of 4 x 4, zeros as padding."""
    rows, cols = (round_up(n, m) for n, m in zip(scale.shape, (128, 4)))
    padded = np.zeros((rows, cols), scale.dtype)
    padded[: scale.shape[0], : scale.shape[1]] = scale
    tiles = padded.reshape(rows // 128, 4, 32, cols // 4, 4)
    return np.ascontiguousarray(tiles.transpose(0, 3, 2, 1, 4)).reshape(rows, cols)


def from_blocked(blocked: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """The inverse, without the padding."""
    padded_rows, padded_cols = blocked.shape
    tiles = blocked.reshape(padded_rows // 128, padded_cols // 4, 32, 4, 4).transpose(0, 3, 2, 1, 4)
    return np.ascontiguousarray(tiles.reshape(padded_rows, padded_cols)[:rows, :cols])


def bits(array: np.ndarray) -> np.ndarray:
    """The array's elements as unsigned integers (float32 stays float32)."""
    return array if array.dtype == np.float32 else array.view(BITS[array.itemsize])
