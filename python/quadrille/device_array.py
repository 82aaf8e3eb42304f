"""Results on a GPU for callers whose library allocates nothing for us."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np

from . import _core, arrays, devices
from .errors import UnsupportedError

#: DLPack's (type code, bits) of NumPy dtypes.
_DLPACK_CODES = {
    np.dtype(np.int32): (0, 32),
    np.dtype(np.uint8): (1, 8),
    np.dtype(np.float16): (2, 16),
    np.dtype(np.float32): (2, 32),
    np.dtype(ml_dtypes.bfloat16): (4, 16),
    np.dtype(ml_dtypes.float8_e4m3fn): (10, 8),
    np.dtype(ml_dtypes.float8_e5m2): (12, 8),
    np.dtype(ml_dtypes.float8_e8m0fnu): (14, 8),
}
_DLPACK_DEVICES = {"cuda": 2, "hip": 10}


class DeviceArray(arrays.DeviceView):
    """A row-major array in a GPU's memory, allocated and freed in the order of a stream.

    It is what calls give whose arguments come by DLPack or `__cuda_array_interface__` from a
    library other than PyTorch and CuPy. Both protocols take it on without a copy
    (`jax.dlpack.from_dlpack(result)`); `get()` copies it to the host.

    Attributes: address, shape, strides (bytes), dtype (NumPy's), device ("cuda:N" or "hip:N"), stream (a handle).
    """

    __slots__ = ()

    @classmethod
    def empty(cls, shape, dtype, device: str, stream: int) -> DeviceArray:
        """An array of unknown contents."""
        shape, dtype = tuple(shape), np.dtype(dtype)
        strides = arrays.packed_strides(shape, dtype.itemsize)
        address = devices.device(device).native.allocate(math.prod(shape) * dtype.itemsize, stream)
        return cls(address, shape, strides, dtype, device, stream=stream)

    def __del__(self):
        if devices is not None:  # None while the interpreter ends
            devices.device(self.device).native.deallocate(self.address, self.stream)

    def get(self) -> np.ndarray:
        """A copy in host memory; waits for the stream."""
        data = devices.device(self.device).native.download(self.address, self.nbytes, self.stream)
        return np.frombuffer(data, self.dtype).reshape(self.shape)

    @property
    def __cuda_array_interface__(self) -> dict:
        if self.dtype.kind == "V" or self.dtype.name not in ("int32", "uint8", "float16", "float32"):
            raise AttributeError(f"__cuda_array_interface__ cannot express {self.dtype}")
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address, False),
            "strides": None,
            "stream": self.stream or 1,  # where 0 would be ambiguous, 1 is the default one
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, _, ordinal = self.device.partition(":")
        return _DLPACK_DEVICES[kind], int(ordinal)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if copy or (dl_device is not None and tuple(dl_device) != self.__dlpack_device__()):
            raise BufferError("a DeviceArray is exported where it is, without a copy")
        if stream is not None and stream != -1:
            devices.device(self.device).native.order(self.stream, 0 if stream == 1 else stream)
        code, bits = _DLPACK_CODES[self.dtype]
        return _core.dlpack.make_capsule(self.address, list(self.shape), code, bits, self.__dlpack_device__(), self)

    def __array__(self, *_, **__):
        raise UnsupportedError("a DeviceArray lies in a GPU's memory", instead=".get(), which copies it")

    def __repr__(self) -> str:
        return f"<{self.dtype}{list(self.shape)} on {self.device}>"
