"""AMD GPUs' arrays without a GPU: the fake driver of test/unit/Runtime/FakeHIP.cpp and what it wrote down."""

from __future__ import annotations

import ctypes
import os
import pathlib
import re

from fake_cuda import OnGPU
from quadrille import _core

LIBRARY = pathlib.Path(_core.__file__).resolve().parents[2] / "lib" / "libquadrille-fake-hip.so"


def install() -> None:
    """Makes the runtime of this process use the fake driver, unless there is a real one."""
    try:
        ctypes.CDLL("libamdhip64.so")
    except OSError:
        if LIBRARY.exists():
            os.environ.setdefault("QUADRILLE_LIBHIP", str(LIBRARY))


class FakeDriver:
    """What the tests ask of the fake driver."""

    def __init__(self):
        self._library = ctypes.CDLL(str(LIBRARY))
        self._library.fakeHipTakeLog.restype = ctypes.c_char_p

    def calls(self) -> list[str]:
        """The calls since the last time."""
        return self._library.fakeHipTakeLog().decode().splitlines()

    def launches(self) -> list[tuple[str, dict[str, list[int]]]]:
        """(kernel, its grid, block, stream, device and parameters) of each launch since the last time."""
        lines = [line.split(" ", 2) for line in self.calls() if line.startswith("hipModuleLaunchKernel ")]
        fields = [(name, re.findall(r"(\w+)=(\S+)", rest)) for _, name, rest in lines]
        return [(name, {key: [int(n) for n in text.split(",")] for key, text in found}) for name, found in fields]

    def fail(self, function: str, result: int) -> None:
        self._library.fakeHipFail(function.encode(), result)

    def allocated(self) -> int:
        return self._library.fakeHipNumAllocated()


class OnAMD(OnGPU):
    """A host array that says it lies on an AMD GPU."""

    def __dlpack_device__(self):
        return 10, self.ordinal
