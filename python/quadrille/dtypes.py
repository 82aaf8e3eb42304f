"""Element types of plain tensors, and their names in NumPy, PyTorch and MLIR."""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from .errors import DTypeError


@dataclass(frozen=True)
class DType:
    """An element type. `name` is MLIR's; `numpy` is the NumPy dtype that holds it."""

    name: str
    numpy: np.dtype

    @property
    def bits(self) -> int:
        return self.numpy.itemsize * 8

    def __repr__(self) -> str:
        return f"qd.{self.name}"


f32 = DType("f32", np.dtype(np.float32))
bf16 = DType("bf16", np.dtype(ml_dtypes.bfloat16))
f16 = DType("f16", np.dtype(np.float16))
#: Of flag words, counters and group offsets. An unsigned array of the same size is as good.
i32 = DType("i32", np.dtype(np.int32))
i64 = DType("i64", np.dtype(np.int64))

#: Of carriers, by their names.
CARRIERS = {
    "e5m2": DType("f8E5M2", np.dtype(ml_dtypes.float8_e5m2)),
    "e4m3": DType("f8E4M3FN", np.dtype(ml_dtypes.float8_e4m3fn)),
    "bf16": bf16,
}

#: What matrices are made of.
BY_NAME = {dtype.name: dtype for dtype in (f32, bf16, f16)}
#: Those, and integers.
ALL = BY_NAME | {dtype.name: dtype for dtype in (i32, i64)}
_BY_NUMPY = {dtype.numpy: dtype for dtype in ALL.values()} | {np.dtype(np.uint32): i32, np.dtype(np.uint64): i64}
_BY_TORCH = {f"torch.{dtype.numpy.name}": dtype for dtype in ALL.values()}


def of(value, *, what: str = "dtype", among: dict[str, DType] = BY_NAME) -> DType:
    """The DType named by a DType, a name ("bf16"), a NumPy or a torch dtype.

    Raises DTypeError for a type that is not `among` those allowed, by default f32, bf16 and f16.
    """
    found = value if isinstance(value, DType) else ALL.get(value) if isinstance(value, str) else None
    found = found or _BY_TORCH.get(str(value))
    if found is None:
        try:
            found = _BY_NUMPY.get(np.dtype(value))
        except TypeError:
            pass
    if found is None or found.name not in among:
        raise DTypeError(f"{what} is {value}", instead=", ".join(among))
    return found
