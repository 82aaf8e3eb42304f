"""GPUs as plans use them: which one holds a call's arrays, and what is placed there once."""

from __future__ import annotations

import functools

import numpy as np

from . import _native, arrays
from .errors import ArgumentError, DeviceError, UnsupportedError
from .prepared import Prepared
from .rounding import Key
from .tensor import QTensor


class Device:
    """One GPU of this process.

    Attributes:
        name: "cuda:N" or "hip:N".
        target: what to compile for it.
    """

    def __init__(self, name: str):
        self.name = name
        try:
            self.native = _native.submodule("runtime", "runs programs").Device(name)
        except ValueError as error:
            raise UnsupportedError(str(error), instead="arrays in host memory") from None
        except _native.submodule("runtime", "").DeviceError as error:
            raise DeviceError(str(error)) from None
        self.target: str = self.native.target
        self._constants: dict[bytes, int] = {}

    def options_for(self, target: str) -> dict[str, str]:
        """What the compiler must know of code for `target`: that of another one is PTX for the driver."""
        return {"ptxas": ""} if self.native.compiles_by_driver or target != self.target else {}

    def constant(self, array: np.ndarray, stream: int) -> int:
        """Address of a copy of a small array, made once and kept until the process ends."""
        data = array.tobytes()
        address = self._constants.get(data)
        if address is None:
            self.refuse_capture(stream, "sign vectors that are not on the GPU yet")
            address = self._constants.setdefault(data, self.native.upload(data))
        return address

    def refuse_capture(self, stream: int, what: str, instead: str = "fn.warmup(..) with the same arguments") -> None:
        """UnsupportedError if `stream` is being captured: `what` cannot be done now."""
        if self.native.is_capturing(stream):
            raise UnsupportedError(
                f"the stream is being captured, and this call has {what}", instead=f"{instead} before the capture"
            )

    def wait(self, stream: int) -> None:
        """Returns when all that is in the stream is done."""
        self.native.download(self.constant(np.zeros(1, np.uint8), stream), 1, stream)


@functools.cache
def device(name: str) -> Device:
    """The device of a name. UnsupportedError if this machine does not have it."""
    return Device(name)


def holding(leaves: list) -> str:
    """ "host", "cuda:N" or "hip:N": where all arrays of a call lie. ArgumentError if not all are in one place."""
    places: dict[str, object] = {}
    for leaf in leaves:
        for array in _arrays_of(leaf):
            places.setdefault(arrays.device_of(array), array)
    if len(places) > 1:
        parts = ", ".join(f"one of shape {tuple(array.shape)} on {place}" for place, array in places.items())
        raise ArgumentError(f"the arrays of one call lie on different devices: {parts}", instead="all on one device")
    return next(iter(places), arrays.HOST)


def on_host(leaf):
    """A call's leaf with its arrays in host memory: copied there, and waited for, if they are not."""
    if isinstance(leaf, QTensor):
        codes, *scales = map(arrays.host_copy, (leaf.codes, *leaf.scales))
        groups = None if leaf.groups is None else arrays.host_copy(leaf.groups)
        return leaf._with(codes=codes, scales=tuple(scales), groups=groups)
    if isinstance(leaf, Key):
        return leaf.on_host()
    return arrays.host_copy(leaf) if arrays.is_array(leaf) else leaf


def _arrays_of(leaf) -> tuple:
    if isinstance(leaf, QTensor):
        return (leaf.codes, *leaf.scales, *(() if leaf.groups is None else (leaf.groups,)))
    if isinstance(leaf, Prepared):
        return leaf.arrays
    if isinstance(leaf, Key):
        return (leaf.step,) if leaf.on_device else ()
    return (leaf,) if arrays.is_array(leaf) else ()
