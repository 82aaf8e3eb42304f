"""From a module's text to something that runs: the client of the compiler.

The compiler is a helper process (lib/Runtime); results are cached on disk by
content there, and in memory by text here.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, field
from typing import Any

from . import _native
from .errors import CompileError, Diagnostic, Location, UnsupportedError

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
    _program: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def program(self) -> Program:
        """The object, loaded. UnsupportedError if the target is not this machine's."""
        with self._lock:
            if self._program is None:
                try:
                    self._program = Program(_runtime().Program(self.output, self.schedule, self.target))
                except ValueError as error:
                    raise UnsupportedError(
                        f"a program for {self.target} does not run here: {error}",
                        instead="fn.lower, which needs no device",
                    ) from None
            return self._program

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
    """A loaded program of the host."""

    __slots__ = ("_native",)

    def __init__(self, native):
        self._native = native

    def run(self, inputs: list, outputs: list, sizes: dict) -> None:
        """Fills `outputs`; see InterpretedProgram.run. Sizes are read from the arrays."""
        flat: list = []
        for value in inputs:
            if type(value) is list:
                flat += value
            else:
                flat.append(value)
        self._native(*flat, *outputs)


_cache: dict[tuple[str, str, str], Compiled] = {}
_cache_lock = threading.Lock()


def compile_module(text: str, target: str, stage: str) -> Compiled:
    """Compiles module text for a target up to a stage; equal requests are made once.

    Raises CompileError with the compiler's messages at the user's lines,
    UnsupportedError if this build has no compiler.
    """
    key = (text, target, stage)
    found = _cache.get(key)
    if found is None:
        result = client().compile(text, target, stage)
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
