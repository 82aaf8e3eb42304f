"""Arrays of NumPy, PyTorch (CPU) and anything with DLPack, as NumPy views.

Nothing here copies: `view` shares the caller's memory with whatever strides
it has, and results are allocated in the framework of the inputs.
"""

from __future__ import annotations

import sys

import ml_dtypes
import numpy as np

from . import _core
from .errors import DTypeError, ShapeError, UnsupportedError

#: NumPy dtypes of DLPack's (type code, bits).
_DLPACK_TYPES = {(2, 32): np.float32, (2, 16): np.float16, (4, 16): ml_dtypes.bfloat16, (1, 8): np.uint8}
#: torch dtypes that NumPy views by way of an integer of the same size.
_TORCH_BITS = {
    "bfloat16": ("int16", np.dtype(ml_dtypes.bfloat16)),
    "float8_e4m3fn": ("uint8", np.dtype(ml_dtypes.float8_e4m3fn)),
    "float8_e8m0fnu": ("uint8", np.dtype(ml_dtypes.float8_e8m0fnu)),
}
_BITS_OF = {numpy: (name, bits) for name, (bits, numpy) in _TORCH_BITS.items()}


def is_torch(value) -> bool:
    """True for a torch.Tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_array(value) -> bool:
    """True for what `view` accepts (a NumPy scalar is not an array)."""
    if isinstance(value, np.ndarray):
        return True
    return not isinstance(value, (np.generic, type)) and (hasattr(value, "__dlpack__") or is_torch(value))


def view(value, what: str = "the array") -> np.ndarray:
    """A NumPy array over the same memory; bfloat16 and fp8 as ml_dtypes types.

    Raises UnsupportedError for memory of a device and DTypeError for types
    that no operation takes.
    """
    if isinstance(value, np.ndarray):
        return value
    if is_torch(value):
        return _view_torch(value, what)
    if hasattr(value, "__dlpack__"):
        return _view_dlpack(value, what)
    raise DTypeError(
        f"{what} is a {type(value).__name__}", instead="a NumPy array, a torch CPU tensor or an object with __dlpack__"
    )


def _view_torch(tensor, what: str) -> np.ndarray:
    if tensor.device.type != "cpu":
        raise UnsupportedError(f"{what} is on {tensor.device}; this build runs on the host", instead=".cpu()")
    torch = sys.modules["torch"]
    tensor = tensor.detach()
    name = str(tensor.dtype).removeprefix("torch.")
    if name in _TORCH_BITS:
        bits, dtype = _TORCH_BITS[name]
        return tensor.view(getattr(torch, bits)).numpy().view(dtype)
    try:
        return tensor.numpy()
    except (TypeError, RuntimeError) as error:
        raise DTypeError(f"{what} is a {tensor.dtype} tensor without a NumPy view: {error}") from None


def _view_dlpack(value, what: str) -> np.ndarray:
    device = value.__dlpack_device__()[0] if hasattr(value, "__dlpack_device__") else 1
    if int(device) != 1:
        raise UnsupportedError(
            f"{what} is not in host memory (DLPack device {int(device)}); this build runs on the host"
        )
    try:
        array, code, bits = _core.dlpack.from_capsule(value.__dlpack__())
    except (BufferError, TypeError) as error:
        raise DTypeError(f"{what} cannot be viewed: {error}") from None
    dtype = _DLPACK_TYPES.get((code, bits))
    if dtype is None:
        raise DTypeError(f"{what} has DLPack type code {code} of {bits} bits", instead="f32, bf16 or f16")
    return array.view(dtype)


def empty_torch(shape, dtype: np.dtype):
    """(torch tensor, NumPy view of it): uninitialized, row-major."""
    module = sys.modules["torch"]
    if dtype in _BITS_OF:
        name, bits = _BITS_OF[dtype]
        raw = module.empty(tuple(shape), dtype=getattr(module, bits))
        return raw.view(getattr(module, name)), raw.numpy().view(dtype)
    tensor = module.empty(tuple(shape), dtype=getattr(module, dtype.name))
    return tensor, tensor.numpy()


def like(array: np.ndarray, torch: bool):
    """`array` in the framework asked for, over the same memory."""
    if not torch:
        return array
    module = sys.modules["torch"]
    if array.dtype in _BITS_OF:
        name, bits = _BITS_OF[array.dtype]
        return module.from_numpy(array.view(bits)).view(getattr(module, name))
    return module.from_numpy(array)


def check_matrix(array: np.ndarray, what: str) -> None:
    """ShapeError unless rank 2 with strides of whole elements."""
    if array.ndim != 2:
        shape = "x".join(map(str, array.shape)) or "a scalar"
        raise ShapeError(
            f"{what} has rank {array.ndim} ({shape})", instead="rank 2, such as x.reshape(-1, x.shape[-1])"
        )
    if any(stride % array.itemsize for stride in array.strides):
        raise ShapeError(f"{what} has strides of {array.strides} bytes, not whole elements", instead="a copy of it")
