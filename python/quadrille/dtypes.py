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

#: Of counters in memory; no operation computes with it.
i64 = DType("i64", np.dtype(np.int64))

BY_NAME = {dtype.name: dtype for dtype in (f32, bf16, f16)}
_BY_NUMPY = {dtype.numpy: dtype for dtype in BY_NAME.values()}
_TORCH_NAMES = {"torch.float32": f32, "torch.bfloat16": bf16, "torch.float16": f16}


def of(value, *, what: str = "dtype") -> DType:
    """The DType named by a DType, a name ("bf16"), a NumPy or a torch dtype.

    Raises DTypeError for any other type: the operations take f32, bf16 and f16.
    """
    if isinstance(value, DType):
        return value
    found = BY_NAME.get(value) if isinstance(value, str) else _TORCH_NAMES.get(str(value))
    if found is None:
        try:
            found = _BY_NUMPY.get(np.dtype(value))
        except TypeError:
            pass
    if found is None:
        raise DTypeError(f"{what} is {value}", instead="f32, bf16 or f16")
    return found
