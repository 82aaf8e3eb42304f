"""GPU arrays without a GPU: the fake driver of test/unit/Runtime/FakeCUDA.cpp and what it wrote down."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import re
from dataclasses import dataclass

import numpy as np
import pytest
from quadrille import _core, arrays, frameworks

LIBRARY = pathlib.Path(_core.__file__).resolve().parents[2] / "lib" / "libquadrille-fake-cuda.so"


def install() -> None:
    """Makes the runtime of this process use the fake driver, unless there is a real one."""
    if LIBRARY.exists() and not has_driver():
        os.environ.setdefault("QUADRILLE_LIBCUDA", str(LIBRARY))


def has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Launch:
    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    stream: int
    context: int
    parameters: tuple[int, ...]


class FakeDriver:
    """What the tests ask of the fake driver."""

    def __init__(self):
        self._library = ctypes.CDLL(str(LIBRARY))
        self._library.fakeCudaTakeLog.restype = ctypes.c_char_p
        self._library.fakeCudaSetCapturing.argtypes = [ctypes.c_size_t, ctypes.c_int]

    def calls(self) -> list[str]:
        """The calls since the last time."""
        return self._library.fakeCudaTakeLog().decode().splitlines()

    def launches(self) -> list[Launch]:
        return [_launch(line) for line in self.calls() if line.startswith("cuLaunchKernel")]

    def fail(self, function: str, result: int) -> None:
        self._library.fakeCudaFail(function.encode(), result)

    def capture(self, stream: int, on: bool = True) -> None:
        self._library.fakeCudaSetCapturing(stream, on)

    def allocated(self) -> int:
        return self._library.fakeCudaNumAllocated()


def _launch(line: str) -> Launch:
    name = line.split()[1]
    fields = dict(re.findall(r"(\w+)=(\S*)", line))
    numbers = {key: tuple(map(int, text.split(","))) for key, text in fields.items() if text}
    return Launch(
        name, numbers["grid"], numbers["block"], numbers["stream"][0], numbers["context"][0], numbers["parameters"]
    )


@contextlib.contextmanager
def torch_tensors(monkeypatch, device: str, stream: int):
    """PyTorch with `torch.cuda_empty(*shape, dtype=..)`: tensors of the host that only say they lie on a GPU.

    `device`: "cuda:N" or "hip:N", which PyTorch calls cuda:N in its build for ROCm. `stream`: the current one's handle.
    """
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    kind, ordinal = device.split(":")

    class GPUTensor(torch.Tensor):
        device = property(lambda self: torch.device("cuda", int(ordinal)))

        def get_device(self):
            return int(ordinal)

    def empty(shape, dtype):
        return torch.Tensor._make_subclass(GPUTensor, torch.empty(shape, dtype=dtype))

    def allocator(self, place, shape, dtype):
        assert place == device
        return lambda: empty(shape, arrays.torch_dtype(dtype))

    if kind == "hip":
        monkeypatch.setattr(torch.version, "hip", "6.2")
    monkeypatch.setattr(frameworks.Torch, "allocator", allocator)
    monkeypatch.setattr(frameworks.Torch, "stream_of", lambda self, place: stream)
    monkeypatch.setattr(frameworks.Torch, "stream_getter", lambda self, place: lambda: stream)
    torch.cuda_empty = lambda *shape, dtype: empty(shape, dtype)
    yield torch
    del torch.cuda_empty


class OnGPU:
    """A host array (NumPy's or torch's) that says it lies on a GPU."""

    def __init__(self, array, ordinal: int = 0):
        self.array, self.ordinal = array, ordinal
        self.streams: list = []  # that consumers asked to be ordered with

    def __dlpack__(self, *, stream=None, **_):
        self.streams.append(stream)
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return 2, self.ordinal

    def get(self):
        return self.array

    def __iadd__(self, other):
        self.array += other
        return self

    @property
    def address(self) -> int:
        return self.array.ctypes.data if isinstance(self.array, np.ndarray) else self.array.data_ptr()


def aligned(shape, dtype, offset: int = 0) -> np.ndarray:
    """Zeros whose address is `offset` bytes past a multiple of 64."""
    dtype = np.dtype(dtype)
    raw = np.zeros(int(np.prod(shape)) * dtype.itemsize + 128, np.uint8)
    start = -raw.ctypes.data % 64 + offset
    return raw[start : start + int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)
