"""What a plan asks of the library whose arrays lie on a GPU: memory and the current stream."""

from __future__ import annotations

import sys

from . import arrays


class Torch:
    """PyTorch: its caching allocator, on its current stream."""

    def __init__(self):
        self._torch = sys.modules["torch"]
        # A raw handle in tens of nanoseconds; the public way makes an object.
        raw = getattr(self._torch._C, "_cuda_getCurrentRawStream", None)
        self._stream = raw or (lambda ordinal: self._torch.cuda.current_stream(ordinal).cuda_stream)

    def stream_of(self, device: str) -> int:
        return self._stream(_ordinal(device))

    def stream_getter(self, device: str):
        """A function without arguments that gives the current stream's handle."""
        ordinal, stream = _ordinal(device), self._stream
        return lambda: stream(ordinal)

    def maker(self, device: str):
        """(empty, keywords by NumPy dtype): `empty(shape, **keywords)` is a new array."""
        place = self._torch.device(device)
        return self._torch.empty, lambda dtype: {"dtype": arrays.torch_dtype(dtype), "device": place}

    @staticmethod
    def address(array) -> int:
        return array.data_ptr()


class Ours:
    """Arrays that only speak a protocol: results are DeviceArrays, in the default stream's order."""

    def stream_of(self, device: str) -> int:
        return 0

    def stream_getter(self, device: str):
        return lambda: self.stream_of(device)

    def maker(self, device: str):
        from .device_array import DeviceArray

        return DeviceArray.empty, lambda dtype: {"dtype": dtype, "device": device, "stream": self.stream_of(device)}

    @staticmethod
    def address(array) -> int:
        return array.address


class Cupy(Ours):
    """CuPy: its pool, on its current stream."""

    def stream_of(self, device: str) -> int:
        cuda = sys.modules["cupy"].cuda
        with cuda.Device(_ordinal(device)):
            return cuda.get_current_stream().ptr

    def maker(self, device: str):
        cupy = sys.modules["cupy"]

        def empty(shape, dtype):
            with cupy.cuda.Device(_ordinal(device)):
                return cupy.empty(shape, dtype)

        return empty, lambda dtype: {"dtype": dtype}

    @staticmethod
    def address(array) -> int:
        return array.address if isinstance(array, arrays.DeviceView) else array.data.ptr


def _ordinal(device: str) -> int:
    return int(device.partition(":")[2])


def framework_of(value):
    """The framework of an array on a GPU, by the module of its class."""
    while isinstance(value, arrays.DeviceView) and value.owner is not None:
        value = value.owner
    if arrays.is_torch(value):
        return Torch()
    if type(value).__module__.partition(".")[0] == "cupy":
        return Cupy()
    return Ours()
