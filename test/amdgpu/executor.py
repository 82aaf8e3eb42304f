"""Runs jitted functions as AMD code objects: on a HIP device, else by the command of QUADRILLE_AMDGPU_EXECUTOR.

README.md has the command's protocol. The program's schedule is evaluated here, so that the command has
nothing but kernels to run; with neither the tests of this folder are skipped.
QUADRILLE_AMDGPU_FULL=1 runs the whole product of the cases instead of a covering part.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import pathlib
import shlex
import struct
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

import machine_code
import quadrille as qd
from cases import assert_same, numbers
from quadrille import arrays, compiler, devices, mlir
from quadrille.plans import HostPlan
from quadrille.schedule import Launch, launches

HIP = "hip:0"


def _hip_target() -> str | None:
    """What to compile for the first AMD GPU of this process; None without one.

    The driver is looked for first, as fake_hip.install does: other tests' fake one runs nothing.
    """
    try:
        ctypes.CDLL("libamdhip64.so")
        return devices.device(HIP).target
    except (OSError, qd.UnsupportedError):
        return None


DEVICE_TARGET = _hip_target()
COMMAND = shlex.split(os.environ.get("QUADRILLE_AMDGPU_EXECUTOR", ""))
if not (DEVICE_TARGET or COMMAND):
    pytest.skip(
        "no AMD tests: no HIP device, and QUADRILLE_AMDGPU_EXECUTOR names no command that runs code objects",
        allow_module_level=True,
    )

FULL = os.environ.get("QUADRILLE_AMDGPU_FULL", "0") not in ("", "0")
#: The device's, or those that the command has; all that there are code objects to execute for by default.
TARGETS = (DEVICE_TARGET or os.environ.get("QUADRILLE_AMDGPU_TARGETS", "gfx942 gfx950 gfx1100 gfx1200")).split()
#: The number of a launch's first block along y, a kernel's last argument.
FIRST_BLOCK = 0
#: What pointers of arguments are multiples of, as allocators of GPU memory give them.
ALIGNMENT = 16


class ExecutorError(Exception):
    """The command failed, or ended."""


class Executor:
    """The running command. It is started again after it ended, which a wild address makes it do."""

    def __init__(self, command: list[str]):
        self.command, self.process = command, None
        #: Executed so far, by mnemonic; and those whose meaning is not independent of who wrote the command.
        self.instructions: Counter = Counter()
        self.unverified: Counter = Counter()

    def launch(self, request: dict) -> None:
        """Runs one kernel to its end. ExecutorError says why it did not come to that."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise ExecutorError(f"the executor ended with status {self.process.wait()} in kernel {request['kernel']}")
        answer = json.loads(line)
        if answer["status"] != "done":
            raise ExecutorError(f"kernel {request['kernel']}: {answer['message']}")
        self.instructions.update(answer.get("instructions", {}))
        self.unverified.update(answer.get("unverified", {}))


executor = Executor(COMMAND)


@dataclass
class Memory:
    """The memory that an array's elements lie in, or a temporary's, and where its pointer points to."""

    data: bytearray
    offset: int = 0
    array: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def strides(self) -> tuple[int, ...]:
        """In elements, as schedules count them."""
        return tuple(stride // self.array.itemsize for stride in self.array.strides)

    @classmethod
    def temporary(cls, size: int) -> Memory:
        return cls(bytearray(b"\xcd" * max(size, 1)))

    @classmethod
    def of(cls, array: np.ndarray) -> Memory:
        """The extent of the array, from an aligned address on."""
        low, size = _extent(array)
        before = low % ALIGNMENT
        data = bytearray(b"\xcd" * before + _memory_at(low, size).tobytes())
        return cls(data, array.ctypes.data - low + before, array)

    def write_back(self) -> None:
        """The array's memory becomes what kernels made of it. AssertionError if it must not change."""
        low, size = _extent(self.array)
        old, new = _memory_at(low, size), np.frombuffer(self.data, np.uint8)[len(self.data) - size :]
        if not np.array_equal(old, new):
            assert self.array.flags.writeable, "a kernel wrote to a read-only argument"
            old[:] = new


def _extent(array: np.ndarray) -> tuple[int, int]:
    """First address and number of bytes from the first to the last element."""
    if not array.size:
        return array.ctypes.data, 0
    spans = [stride * (length - 1) for stride, length in zip(array.strides, array.shape)]
    low, high = (sum(span for span in spans if (span > 0) == up) for up in (False, True))
    return array.ctypes.data + low, high - low + array.itemsize


def _memory_at(address: int, size: int) -> np.ndarray:
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))


def launch(code: str, step: Launch) -> None:
    """Runs one kernel of the code object in a file."""
    with tempfile.TemporaryDirectory() as folder:
        files: dict[int, tuple[Memory, pathlib.Path]] = {}
        arguments = []
        for value, offset in [*step.operands, (FIRST_BLOCK, 0)]:
            if isinstance(value, Memory):
                _, path = files.setdefault(id(value), (value, pathlib.Path(folder, str(len(files)))))
                arguments.append({"buffer": str(path), "offset": value.offset + offset})
            else:
                packed = struct.pack("<f", value) if isinstance(value, float) else struct.pack("<q", value)
                arguments.append({"bytes": packed.hex()})
        for memory, path in files.values():
            path.write_bytes(memory.data)
        grid, block = (*step.grid, 1), (step.threads, 1, 1)
        executor.launch({"code": code, "kernel": step.kernel, "grid": grid, "block": block, "arguments": arguments})
        for memory, path in files.values():
            memory.data = bytearray(path.read_bytes())


class ExecutedProgram:
    """A compiled program, run by the executor; the interface is that of compiler.Program."""

    def __init__(self, compiled):
        self.compiled, self.forms = compiled, compiled.forms

    def run(self, inputs: list, outputs: list, sizes: dict) -> None:
        flat = [part for value in inputs for part in (value if isinstance(value, list) else [value])] + outputs
        arguments = [Memory.of(v) if isinstance(v, np.ndarray) else v for v in flat]
        with tempfile.NamedTemporaryFile(suffix=".hsaco") as file:
            file.write(self.compiled.output)
            file.flush()
            for step in launches(self.compiled.schedule, arguments, Memory.temporary):
                launch(file.name, step)
        for argument in arguments:
            if isinstance(argument, Memory):
                argument.write_back()


def _on_device(value):
    """The argument as one that lies on a GPU, whose signature promises more than a host array's."""
    if isinstance(value, np.ndarray):
        return arrays.DeviceView(value.ctypes.data, value.shape, value.strides, value.dtype, "cuda:0", owner=value)
    if isinstance(value, qd.QTensor):
        groups = None if value.groups is None else _on_device(value.groups)
        codes, *scales = map(_on_device, (value.codes, *value.scales))
        return value._with(codes=codes, scales=tuple(scales), groups=groups)
    return value


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy with the same strides' order whose address is a multiple of ALIGNMENT."""
    raw = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    flat = raw[start : start + array.nbytes].view(array.dtype)
    transposed = array.ndim == 2 and array.strides[0] < array.strides[1]
    result = flat.reshape(array.shape[::-1]).T if transposed else flat.reshape(array.shape)
    result[...] = array
    return result


def _execute_on_device(function, args, promises: bool):
    """What `function` gives for copies of host arrays on the HIP device; what it wrote to them is copied back."""
    native, copies = devices.device(HIP).native, []

    def place(value):
        if isinstance(value, np.ndarray):
            memory = Memory.of(value)
            shift = 0 if promises else value.itemsize
            address = native.upload(bytes(shift) + bytes(memory.data)) + shift
            copies.append((memory, address))
            at = address + memory.offset
            return arrays.DeviceView(at, value.shape, value.strides, value.dtype, HIP, stream=0)
        if isinstance(value, qd.QTensor):
            groups = None if value.groups is None else place(value.groups)
            codes, *scales = map(place, (value.codes, *value.scales))
            return value._with(codes=codes, scales=tuple(scales), groups=groups)
        return value

    result = function(*map(place, args))
    parts = result if isinstance(result, tuple) else (result,)
    parts = tuple(map(devices.on_host, parts))
    for memory, address in copies:
        memory.data = bytearray(native.download(address, len(memory.data), 0))
        memory.write_back()
    return parts if isinstance(result, tuple) else parts[0]


def execute(function, target: str, *args, promises: bool = True):
    """What the jitted `function` gives for host arrays as code of `target`.

    `promises`: compiled as for arrays on a GPU, whose addresses and strides make accesses wide.
    """
    if DEVICE_TARGET:
        return _execute_on_device(function, args, promises)
    _, _, traced = function._trace([_on_device(a) if promises else a for a in args], {})
    leaves = function._trace(args, {})[1]
    compiled = compiler.compile_module(mlir.print_graph(traced.graph), target, "object")
    if machine_code.TOOLS:
        assert (found := machine_code.problem(compiled.output, target)) is None, found
    return HostPlan(traced, ExecutedProgram(compiled), leaves).run(leaves)


def check(function, target: str, *args, promises: bool = True) -> None:
    """A jitted function gives on the target what the reference gives."""
    got, wanted = execute(function, target, *args, promises=promises), function.reference(*args)
    if not isinstance(wanted, (qd.QTensor, qd.Carrier, tuple)):
        got, wanted = numbers(got), numbers(wanted)
    if isinstance(wanted, qd.Carrier):
        got, wanted = (list(c.arrays) for c in (got, wanted))
    assert_same(got, wanted, target)


@functools.cache
def sample() -> np.ndarray:
    """Activations, weights and gradients of a trained model, side by side."""
    from quadrille.demo import operands

    linear = operands.load()[3]
    rows = min(len(a) for a in (linear.x, linear.w, linear.dy))
    return np.concatenate([a[:rows] for a in (linear.x, linear.w, linear.dy)], axis=1)
