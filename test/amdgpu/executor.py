"""Runs jitted functions as AMD code objects by the command of QUADRILLE_AMDGPU_EXECUTOR.

README.md has the command's protocol. The program's schedule is interpreted here, so that nothing but
the kernels themselves is asked of the command; without one the tests of this folder are skipped.
QUADRILLE_AMDGPU_FULL=1 runs the whole product of the cases instead of a covering part.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import operator
import os
import pathlib
import shlex
import struct
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest

COMMAND = shlex.split(os.environ.get("QUADRILLE_AMDGPU_EXECUTOR", ""))
if not COMMAND:
    pytest.skip(
        "no AMD tests: QUADRILLE_AMDGPU_EXECUTOR names no command that runs code objects", allow_module_level=True
    )

import quadrille as qd  # noqa: E402
from cases import assert_same, numbers  # noqa: E402
from quadrille import arrays, compiler, mlir  # noqa: E402
from quadrille.plans import HostPlan  # noqa: E402

FULL = os.environ.get("QUADRILLE_AMDGPU_FULL", "0") not in ("", "0")
#: Those that the command has; all that there are code objects to execute for by default.
TARGETS = os.environ.get("QUADRILLE_AMDGPU_TARGETS", "gfx942 gfx950 gfx1100 gfx1200").split()
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


_BINARY = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": lambda a, b: int(a / b),
    "rem": lambda a, b: a - b * int(a / b),
    "ceildiv": lambda a, b: -(-a // b),
    "min": min,
    "max": max,
    "and": operator.and_,
    "or": operator.or_,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
}


@dataclass
class Schedule:
    """One run of a schedule (include/quadrille/Runtime/Schedule.h has the grammar)."""

    code: str
    arguments: list
    launch: object
    values: dict[str, object] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)

    def run(self, text: str) -> None:
        for line in text.splitlines():
            head, *tokens = line.split() or [";"]
            if head == "kernel":
                self.threads[tokens[0]] = int(dict(t.split("=") for t in tokens[1:])["threads"])
            elif head == "check":
                assert self.values[tokens[0]], " ".join(tokens[1:])
            elif head == "launch":
                self._launch(tokens[0], *(self.values[t] for t in tokens[1:3]), tokens[3:])
            elif head.startswith("%"):
                self.values[head] = self._evaluate(*tokens[1:])

    def _evaluate(self, op: str, *operands: str):
        if op == "const":
            return int(operands[0])
        if op in ("dim", "stride"):
            array, axis = self.arguments[int(operands[0])].array, int(operands[1])
            return array.shape[axis] if op == "dim" else array.strides[axis] // array.itemsize
        if op == "scalar":
            return self.arguments[int(operands[0])]
        values = [self.values[name] for name in operands]
        if op == "alloc":
            return Memory(bytearray(b"\xcd" * max(values[0], 1)))
        if op == "select":
            return values[1] if values[0] else values[2]
        return int(_BINARY[op](*values))

    def _launch(self, kernel: str, grid_x: int, grid_y: int, operands: list[str]) -> None:
        if grid_x <= 0 or grid_y <= 0:
            return
        slots = [self._slot(*token.split("+")) for token in operands]
        self.launch(self.code, kernel, (grid_x, grid_y, 1), (self.threads[kernel], 1, 1), [*slots, FIRST_BLOCK])

    def _slot(self, name: str, offset: str | None = None):
        value = self.arguments[int(name[1:])] if name[0] == "@" else self.values[name]
        if not isinstance(value, Memory):
            return value
        return value, value.offset + (self.values[offset] if offset else 0)


def launch(code: str, kernel: str, grid: tuple, block: tuple, slots: list) -> None:
    """Runs one kernel on memories (with the offset of the pointer), integers and floats."""
    with tempfile.TemporaryDirectory() as folder:
        files: dict[int, str] = {}
        memories: dict[int, Memory] = {}
        arguments = []
        for slot in slots:
            if not isinstance(slot, tuple):
                packed = struct.pack("<f", slot) if isinstance(slot, float) else struct.pack("<q", slot)
                arguments.append({"bytes": packed.hex()})
                continue
            memory, offset = slot
            path = files.setdefault(id(memory), f"{folder}/{len(files)}")
            memories[id(memory)] = memory
            pathlib.Path(path).write_bytes(memory.data)
            arguments.append({"buffer": path, "offset": offset})
        executor.launch({"code": code, "kernel": kernel, "grid": grid, "block": block, "arguments": arguments})
        for number, memory in memories.items():
            memory.data = bytearray(pathlib.Path(files[number]).read_bytes())


class ExecutedProgram:
    """A compiled program, run by the executor; the interface is that of compiler.Program."""

    def __init__(self, compiled):
        self.compiled = compiled

    def run(self, inputs: list, outputs: list, sizes: dict) -> None:
        flat = [part for value in inputs for part in (value if isinstance(value, list) else [value])] + outputs
        arguments = [Memory.of(v) if isinstance(v, np.ndarray) else v for v in flat]
        with tempfile.NamedTemporaryFile(suffix=".hsaco") as file:
            file.write(self.compiled.output)
            file.flush()
            Schedule(file.name, arguments, launch).run(self.compiled.schedule)
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


def execute(function, target: str, *args, promises: bool = True):
    """What the jitted `function` gives for host arrays as code of `target`.

    `promises`: compiled as for arrays on a GPU, whose addresses and strides make accesses wide.
    """
    _, _, traced = function._trace([_on_device(a) if promises else a for a in args], {})
    leaves = function._trace(args, {})[1]
    compiled = compiler.compile_module(mlir.print_graph(traced.graph), target, "object")
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
