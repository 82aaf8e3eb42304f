"""From a module's text to something that runs: the client of the compiler.

The compiler is a helper process (lib/Runtime); results are cached on disk by
content there, and in memory by text here.
"""

from __future__ import annotations

import functools
import json
import threading
from dataclasses import dataclass, field

from . import _native
from .errors import CompileError, DeviceError, Diagnostic, Location, UnsupportedError

#: Where `lower` may stop, in order. "trace" is Python's own text.
STAGES = ("trace", "quad", "tile", "mlir", "llvm", "asm", "object")


def _runtime():
    return _native.submodule("runtime", "compiles and runs programs")


@functools.cache
def client():
    """The compiler of this process (`_core.runtime.Compiler`); helpers start when it is used."""
    return _runtime().Compiler()


@dataclass
class Compiled:
    """What the compiler made of a module for one target.

    Attributes:
        module: the text that was compiled.
        output: the stage's text, or the bytes of an object.
        schedule: how an object runs (include/quadrille/Runtime/Schedule.h), else "".
        diagnostics: warnings (slow paths, fallbacks) and remarks (choices).
        metadata: facts by name, such as "kernels" (JSON).
        timings: seconds by phase.
        cached: whether it came from the disk cache.
    """

    module: str
    target: str
    output: str | bytes
    schedule: str
    diagnostics: tuple[Diagnostic, ...]
    metadata: dict[str, str]
    timings: dict[str, float]
    cached: bool
    _programs: dict[str, Program] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def program(self, device: str) -> Program:
        """The object, loaded on "host", "cuda:N" or "hip:N".

        UnsupportedError if the target is not the device's, DeviceError if its driver refuses it.
        """
        with self._lock:
            if device not in self._programs:
                self._programs[device] = self._load(device)
            return self._programs[device]

    def _load(self, device: str) -> Program:
        runtime = _runtime()
        try:
            return Program(runtime.Program(self.output, self.schedule, self.target, device), self.forms)
        except ValueError as error:
            raise UnsupportedError(
                f"a program for {self.target} does not run here: {error}",
                instead="fn.lower, which needs no device",
            ) from None
        except runtime.DeviceError as error:
            raise DeviceError(str(error)) from None

    def is_loaded(self, device: str) -> bool:
        return device in self._programs

    @property
    def forms(self) -> list[dict]:
        """Of prepared results in order: form, panel_rows, k_block, block_bytes, panel_bytes."""
        return json.loads(self.metadata.get("prepared", "[]"))

    @property
    def launches(self) -> list[str]:
        """Kernels in the order of their launches."""
        lines = self.schedule.splitlines()
        return [line.split()[1] for line in lines if line.startswith("launch ")]

    def enforce(self, name: str, *, strict: bool, max_kernels: int | None) -> None:
        """CompileError if there are warnings and `strict`, or more launches than `max_kernels`."""
        warnings = [d for d in self.diagnostics if d.severity == "warning"]
        if strict and warnings:
            raise CompileError(
                f"{name} (strict): {warnings[0].message}",
                diagnostics=warnings,
                module=self.module,
                instead="what the message names, or strict=False",
                where=warnings[0].where,
            )
        if max_kernels is not None and len(self.launches) > max_kernels:
            raise CompileError(
                f"{name} needs {len(self.launches)} kernels, more than max_kernels={max_kernels}: "
                + ", ".join(self.launches),
                diagnostics=self.diagnostics,
                module=self.module,
            )


class Program:
    """A loaded program."""

    __slots__ = ("_native", "forms")

    def __init__(self, native, forms: list[dict]):
        self._native, self.forms = native, forms

    def run(self, inputs: list, outputs: list, sizes: dict) -> None:
        """Fills `outputs`; see InterpretedProgram.run. Sizes are read from the arrays."""
        self._native(inputs, outputs)

    def bind(self, layouts: list):
        """The program with its buffers' sizes and strides (`_core.runtime.BoundProgram`)."""
        return _runtime().BoundProgram(self._native, layouts)

    def kernels(self) -> list[dict]:
        """What each kernel takes of the device: registers, spills, shared memory, occupancy."""
        return self._native.kernels()


_cache: dict[tuple, Compiled] = {}
_cache_lock = threading.Lock()


def is_loaded(text: str, target: str, device: str) -> bool:
    """Whether a module is compiled for a target and loaded on a device."""
    return any(c.is_loaded(device) for key, c in list(_cache.items()) if key[:3] == (text, target, "object"))


def compile_module(text: str, target: str, stage: str, options: dict[str, str] | None = None) -> Compiled:
    """Compiles module text for a target up to a stage; equal requests are made once.

    `options` are those of include/quadrille/Target/Compile.h. Raises CompileError with the
    compiler's messages at the user's lines, UnsupportedError if this build has no compiler.
    """
    key = (text, target, stage, *(options or {}).items())
    found = _cache.get(key)
    if found is None:
        result = client().compile(text, target, stage, options or {})
        diagnostics = tuple(map(_diagnostic, result["diagnostics"]))
        if result["failure"]:
            raise _error(result, diagnostics, text, target)
        found = Compiled(
            module=text,
            target=target,
            output=result["output"],
            schedule=result["schedule"],
            diagnostics=diagnostics,
            metadata=result["metadata"],
            timings=result["timings"],
            cached=result["cached"],
        )
        with _cache_lock:
            found = _cache.setdefault(key, found)
    return found


def _diagnostic(entry: dict) -> Diagnostic:
    where = Location(entry["file"], entry["line"], max(entry["column"], 1)) if entry["file"] else None
    # MLIR appends the whole operation to its errors; the user wrote a line of Python.
    notes = (note["message"] for note in entry["notes"])
    notes = tuple(note for note in notes if not note.startswith("see current operation"))
    return Diagnostic(entry["severity"], entry["message"], where, notes)


def _error(result: dict, diagnostics, text: str, target: str) -> Exception:
    """The exception for a compilation without output."""
    errors = [d for d in diagnostics if d.severity == "error"]
    message = errors[0].message if errors else f"the compiler failed ({result['failure']})"
    if result["failure"] == "unavailable":
        return UnsupportedError(message, instead="QUADRILLE_INTERPRET=1 runs the interpreter")
    if result["reproducer"]:
        message += f"; reproducer: {result['reproducer']}"
    return CompileError(
        f"for {target}: {message}",
        diagnostics=errors + [d for d in diagnostics if d.severity != "error"],
        module=text,
        where=errors[0].where if errors else None,
    )
