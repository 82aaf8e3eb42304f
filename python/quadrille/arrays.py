"""Arrays of NumPy, PyTorch and anything with DLPack or __cuda_array_interface__, without copies.

`view` gives a NumPy array over host memory and a DeviceView of a GPU's, with
whatever strides it has; results are allocated in the framework of the inputs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from . import _core
from .errors import DTypeError, ShapeError, UnsupportedError

HOST = "host"
#: NumPy dtypes of DLPack's (type code, bits).
_DLPACK_TYPES = {(2, 32): np.float32, (2, 16): np.float16, (4, 16): ml_dtypes.bfloat16, (1, 8): np.uint8} | {
    (code, bits): np.dtype(f"{kind}{bits}") for code, kind in ((0, "int"), (1, "uint")) for bits in (32, 64)
}
#: torch dtypes that NumPy views by way of an integer of the same size.
_TORCH_BITS = {
    "bfloat16": ("int16", np.dtype(ml_dtypes.bfloat16)),
    "float8_e5m2": ("uint8", np.dtype(ml_dtypes.float8_e5m2)),
    "float8_e4m3fn": ("uint8", np.dtype(ml_dtypes.float8_e4m3fn)),
    "float8_e8m0fnu": ("uint8", np.dtype(ml_dtypes.float8_e8m0fnu)),
}
_BITS_OF = {numpy: (name, bits) for name, (bits, numpy) in _TORCH_BITS.items()}
#: DLPack's numbers of memory that the host may read, and of GPUs' with the name of their driver.
_DLPACK_HOST = (1, 3, 11)
_DLPACK_GPUS = {2: "cuda", 13: "cuda", 10: "hip"}


@dataclass(frozen=True, slots=True)
class DeviceView:
    """An array in a GPU's memory: what NumPy's arrays say of theirs, and where it is.

    `strides` are in bytes. `owner` is the array of another library that this is a view of, and
    `keep` what else holds its memory; `stream` is the one that the library asks to be ordered
    with, or None.
    """

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype
    device: str
    owner: Any = None
    keep: Any = None
    stream: int | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.itemsize


def is_torch(value) -> bool:
    """True for a torch.Tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_array(value) -> bool:
    """True for what `view` accepts (a NumPy scalar is not an array)."""
    if isinstance(value, (np.ndarray, DeviceView)):
        return True
    if isinstance(value, (np.generic, type)):
        return False
    return is_torch(value) or hasattr(value, "__dlpack__") or hasattr(value, "__cuda_array_interface__")


def view(value, what: str = "the array") -> np.ndarray | DeviceView:
    """The same memory as a NumPy array, or as a DeviceView; bfloat16 and fp8 as ml_dtypes types.

    Raises UnsupportedError for a device that is no CUDA or ROCm GPU and DTypeError for types that
    no operation takes.
    """
    if isinstance(value, (np.ndarray, DeviceView)):
        return value
    if is_torch(value):
        return _view_torch(value, what)
    if hasattr(value, "__dlpack__"):
        return _view_dlpack(value, what)
    if hasattr(value, "__cuda_array_interface__"):
        return _view_cuda_interface(value.__cuda_array_interface__, value, what)
    raise DTypeError(
        f"{what} is a {type(value).__name__}", instead="a NumPy array, a torch tensor or an object with __dlpack__"
    )


def host_view(value, what: str = "the array") -> np.ndarray:
    """`view` of host memory: UnsupportedError for a device's."""
    seen = view(value, what)
    if isinstance(seen, DeviceView):
        raise UnsupportedError(f"{what} is on {seen.device}; this runs on the host", instead="a copy of it (.cpu())")
    return seen


def to_host(value) -> np.ndarray:
    """The values in host memory: a view of it, or a copy from a device, waited for."""
    seen = view(value)
    return seen if isinstance(seen, np.ndarray) else view(host_copy(value))


def host_copy(value):
    """The array in host memory: itself, or a copy by its own library."""
    if device_of(value) == HOST:
        return value
    if is_torch(value):
        return value.detach().cpu()
    owner = value.owner if isinstance(value, DeviceView) and value.owner is not None else value
    for method in ("get", "copy_to_host"):  # cupy, numba
        if hasattr(owner, method):
            return np.asarray(getattr(owner, method)())
    return np.asarray(owner)  # jax


def device_of(value) -> str:
    """ "host", "cuda:N" or "hip:N" of an array."""
    if isinstance(value, np.ndarray):
        return HOST
    if is_torch(value) and value.device.type in ("cpu", "cuda"):
        return HOST if value.device.type == "cpu" else _torch_place(value.device)
    seen = view(value)
    return seen.device if isinstance(seen, DeviceView) else HOST


def _torch_place(device) -> str:
    """ "cuda:N" or "hip:N" of a torch device: PyTorch for ROCm calls AMD GPUs "cuda" too."""
    return f"{'hip' if sys.modules['torch'].version.hip else 'cuda'}:{device.index}"


def _view_torch(tensor, what: str) -> np.ndarray | DeviceView:
    kind = tensor.device.type
    if kind not in ("cpu", "cuda"):
        raise UnsupportedError(f"{what} is on {tensor.device}", instead="a tensor of the CPU or of a CUDA GPU")
    torch = sys.modules["torch"]
    tensor = tensor.detach()
    name = str(tensor.dtype).removeprefix("torch.")
    if kind == "cuda":
        return _view_torch_cuda(tensor, name, what)
    if name in _TORCH_BITS:
        bits, dtype = _TORCH_BITS[name]
        return tensor.view(getattr(torch, bits)).numpy().view(dtype)
    try:
        return tensor.numpy()
    except (TypeError, RuntimeError) as error:
        raise DTypeError(f"{what} is a {tensor.dtype} tensor without a NumPy view: {error}") from None


def _view_torch_cuda(tensor, name: str, what: str) -> DeviceView:
    try:
        dtype = _TORCH_BITS[name][1] if name in _TORCH_BITS else np.dtype(name)
    except TypeError:
        raise DTypeError(f"{what} is a {tensor.dtype} tensor", instead="f32, bf16 or f16") from None
    strides = tuple(stride * dtype.itemsize for stride in tensor.stride())
    device = _torch_place(tensor.device)
    return DeviceView(tensor.data_ptr(), tuple(tensor.shape), strides, dtype, device, tensor)


def _dlpack_dtype(code: int, bits: int, what: str) -> np.dtype:
    dtype = _DLPACK_TYPES.get((code, bits))
    if dtype is None:
        raise DTypeError(f"{what} has DLPack type code {code} of {bits} bits", instead="f32, bf16 or f16")
    return np.dtype(dtype)


def _view_dlpack(value, what: str) -> np.ndarray | DeviceView:
    kind, ordinal = value.__dlpack_device__() if hasattr(value, "__dlpack_device__") else (1, 0)
    kind = int(kind)
    if kind in _DLPACK_GPUS:
        return _view_dlpack_gpu(value, f"{_DLPACK_GPUS[kind]}:{int(ordinal)}", what)
    if kind not in _DLPACK_HOST:
        raise UnsupportedError(
            f"{what} is on DLPack device {kind}", instead="memory of the host or of a GPU (devices 1, 2 and 10)"
        )
    try:
        array, code, bits = _core.dlpack.from_capsule(value.__dlpack__())
    except (BufferError, TypeError) as error:
        raise DTypeError(f"{what} cannot be viewed: {error}") from None
    return array.view(_dlpack_dtype(code, bits, what))


def _view_dlpack_gpu(value, device: str, what: str) -> DeviceView:
    from .frameworks import framework_of

    # The stream that work will be on: the producer orders it after its own. CUDA's default one is 1.
    stream = framework_of(value).stream_of(device) or int(device.startswith("cuda"))
    try:
        capsule = value.__dlpack__(stream=stream)
        address, shape, strides, code, bits, owner = _core.dlpack.describe_capsule(capsule)
    except (BufferError, TypeError) as error:
        raise DTypeError(f"{what} cannot be viewed: {error}") from None
    dtype = _dlpack_dtype(code, bits, what)
    strides = tuple(stride * dtype.itemsize for stride in strides)
    return DeviceView(address, shape, strides, dtype, device, value, owner)


def _view_cuda_interface(interface: dict, value, what: str) -> DeviceView:
    """Of an object that has no DLPack (numba): version 3 of the interface."""
    try:
        dtype = np.dtype(interface["typestr"])
    except TypeError:
        raise DTypeError(f"{what} has elements {interface['typestr']!r}", instead="f32, bf16 or f16") from None
    shape = tuple(interface["shape"])
    strides = interface.get("strides") or packed_strides(shape, dtype.itemsize)
    device = f"cuda:{getattr(getattr(value, 'device', None), 'id', 0)}"
    return DeviceView(interface["data"][0], shape, tuple(strides), dtype, device, value, stream=interface.get("stream"))


def packed_strides(shape, itemsize: int) -> tuple[int, ...]:
    """Strides in bytes of a row-major array."""
    strides, step = [], itemsize
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def is_packed(seen: np.ndarray | DeviceView) -> bool:
    """Whether a view is row-major without gaps."""
    if isinstance(seen, np.ndarray):
        return seen.flags.c_contiguous
    packed = packed_strides(seen.shape, seen.itemsize)
    used = [(own, wanted) for own, wanted, length in zip(seen.strides, packed, seen.shape) if length > 1]
    return 0 in seen.shape or all(own == wanted for own, wanted in used)


def torch_dtype(dtype: np.dtype):
    """torch's own type of a NumPy dtype."""
    name = _BITS_OF[dtype][0] if dtype in _BITS_OF else dtype.name
    return getattr(sys.modules["torch"], name)


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


def check_matrix(array: np.ndarray | DeviceView, what: str) -> None:
    """ShapeError unless rank 2 with strides of whole elements."""
    if array.ndim != 2:
        shape = "x".join(map(str, array.shape)) or "a scalar"
        raise ShapeError(
            f"{what} has rank {array.ndim} ({shape})", instead="rank 2, such as x.reshape(-1, x.shape[-1])"
        )
    if any(stride % array.itemsize for stride in array.strides):
        raise ShapeError(f"{what} has strides of {array.strides} bytes, not whole elements", instead="a copy of it")
