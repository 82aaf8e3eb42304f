"""What a plan asks of the library whose arrays lie on a GPU: memory and the current stream."""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import arrays


class Ours:
    """Arrays that only speak a protocol: results are DeviceArrays, in the default stream's order."""

    def stream_of(self, device: str) -> int:
        """The handle of the current stream."""
        return 0

    def stream_getter(self, device: str) -> Callable[[], int]:
        """`stream_of` for one device, as fast as it can be."""
        return functools.partial(self.stream_of, device)

    def allocator(self, device: str, shape: tuple[int, ...], dtype: np.dtype) -> Callable[[], Any]:
        """A function that makes uninitialized, row-major arrays of one kind."""
        from .device_array import DeviceArray

        return lambda: DeviceArray.empty(shape, dtype, device, self.stream_of(device))

    @staticmethod
    def address(array) -> int:
        return array.address


class Cupy(Ours):
    """CuPy: its pool, on its current stream."""

    def stream_of(self, device: str) -> int:
        cuda = sys.modules["cupy"].cuda
        with cuda.Device(_ordinal(device)):
            return cuda.get_current_stream().ptr

    def allocator(self, device: str, shape, dtype):
        cupy = sys.modules["cupy"]

        def empty():
            with cupy.cuda.Device(_ordinal(device)):
                return cupy.empty(shape, dtype)

        return empty

    @staticmethod
    def address(array) -> int:
        return array.data.ptr


class Torch(Ours):
    """PyTorch: its caching allocator, on its current stream."""

    def __init__(self):
        self._torch = sys.modules["torch"]
        # A raw handle in tens of nanoseconds; the public way makes an object.
        raw = getattr(self._torch._C, "_cuda_getCurrentRawStream", None)
        self._stream = raw or (lambda ordinal: self._torch.cuda.current_stream(ordinal).cuda_stream)

    def stream_of(self, device: str) -> int:
        return self._stream(_ordinal(device))

    def stream_getter(self, device: str):
        return functools.partial(self._stream, _ordinal(device))

    def allocator(self, device: str, shape, dtype):
        kind, torch = arrays.torch_dtype(dtype), self._torch
        place = torch.device("cuda", _ordinal(device))  # of ROCm too
        anywhere = functools.partial(torch.empty, shape, dtype=kind, device=place)
        fast = _fast_empty()
        if fast is None:
            return anywhere
        here = functools.partial(fast, shape, arrays.packed_strides(shape, 1), kind)
        if torch.cuda.device_count() == 1:
            return here
        ordinal, current = _ordinal(device), torch.cuda.current_device
        return lambda: here() if current() == ordinal else anywhere()

    @staticmethod
    def address(array) -> int:
        return array.data_ptr()


@functools.cache
def _fast_empty():
    """`empty(shape, strides, dtype)` on the current GPU, which torch.compile's code calls too.

    It takes a third of torch.empty's time, which has arguments to parse. None if this PyTorch has
    none that works.
    """
    torch = sys.modules["torch"]
    try:
        empty = torch._C._dynamo.guards._empty_strided_cuda
        return empty if empty((1,), (1,), torch.uint8).is_cuda else None
    except (AttributeError, TypeError, RuntimeError):
        return None


def _ordinal(device: str) -> int:
    return int(device.partition(":")[2])


def address_function(array) -> Callable[[Any], int]:
    """What gives the addresses of arrays of `array`'s kind (0 on the host, where checks refuse it)."""
    kind = type(array)
    if kind not in _ADDRESS_FUNCTIONS:  # every call asks
        _ADDRESS_FUNCTIONS[kind] = _address_function(array)
    return _ADDRESS_FUNCTIONS[kind]


_ADDRESS_FUNCTIONS: dict[type, Callable[[Any], int]] = {}


def _address_function(array) -> Callable[[Any], int]:
    if isinstance(array, arrays.DeviceView):
        return operator.attrgetter("address")
    framework = framework_of(array)
    return framework.address if framework is not _OURS else lambda array: getattr(arrays.view(array), "address", 0)


def framework_of(value) -> Ours:
    """The framework of an array on a GPU, by the module of its class."""
    while isinstance(value, arrays.DeviceView) and value.owner is not None:
        value = value.owner
    if arrays.is_torch(value):
        return _torch()
    return _CUPY if type(value).__module__.partition(".")[0] == "cupy" else _OURS


_OURS, _CUPY = Ours(), Cupy()
_torch = functools.cache(Torch)
