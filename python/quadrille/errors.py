"""The exceptions of Quadrille, and where in the user's program they point.

Every error names what is wrong, where (the user's line with a caret) and what
would work instead. Each class also derives from the built-in exception that a
Python programmer would expect, so `except ValueError` keeps its meaning.
"""

from __future__ import annotations

import linecache
import sys
from dataclasses import dataclass
from typing import NamedTuple

_PACKAGE = __name__.rpartition(".")[0]
_NOT_THE_USERS = (_PACKAGE, "dataclasses")


class Location(NamedTuple):
    """A span of one source line. Lines and columns count from 1; `end` is exclusive."""

    file: str
    line: int
    column: int = 1
    end: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def caret(self) -> str:
        """The source line with the span underlined, or "" if the file is gone."""
        text = linecache.getline(self.file, self.line).rstrip("\n")
        if not text.strip():
            return ""
        start = min(self.column, len(text))
        width = max(1, min(self.end, len(text) + 1) - start)
        mark = "".join("\t" if c == "\t" else " " for c in text[: start - 1])
        return f"  {text}\n  {mark}^{'~' * (width - 1)}"


def caller() -> Location | None:
    """The innermost line on the call stack that is not Quadrille's own.

    Subpackages (demo, bench) count as users.
    """
    frame = sys._getframe(1)
    while frame is not None and _package_of(frame) in _NOT_THE_USERS:
        frame = frame.f_back
    if frame is None:
        return None
    return location_in(frame.f_code, frame.f_lasti, frame.f_lineno)


def _package_of(frame) -> str:
    """The package of the module that the frame runs, or the module itself at top level."""
    name = frame.f_globals.get("__name__", "")
    return name.rpartition(".")[0] or name


def location_in(code, instruction: int, line: int) -> Location:
    """Where bytecode offset `instruction` of `code` came from."""
    positions = list(code.co_positions())[instruction // 2]
    first, last, column, end = positions
    if column is None:
        return Location(code.co_filename, line)
    # Python counts columns in UTF-8 bytes.
    text = linecache.getline(code.co_filename, first).encode()
    column = len(text[:column].decode(errors="replace"))
    end = len(text[:end].decode(errors="replace")) if first == last else len(text)
    return Location(code.co_filename, first, column + 1, end + 1)


class QuadrilleError(Exception):
    """Base of all errors.

    Attributes:
        message: what is wrong.
        where: the Location in the user's program, or None.
        instead: what would work, or "".
    """

    def __init__(self, message: str, *, instead: str = "", where: Location | None = None):
        self.message = message
        self.instead = instead
        self.where = where or caller()
        super().__init__(message)

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        if self.where and (caret := self.where.caret()):
            lines.append(caret)
        if self.instead:
            lines.append(f"  instead: {self.instead}")
        return "\n".join(lines)


class TraceError(QuadrilleError, TypeError):
    """Python asked a traced value for what is known only at run time."""


class ShapeError(QuadrilleError, ValueError):
    """A rank, a length or a stride that the operation cannot take."""


class DTypeError(QuadrilleError, TypeError):
    """An element type that the operation cannot take."""


class ArgumentError(QuadrilleError, ValueError):
    """A format, grid, sign vector, rounding, target, ... that is not one."""


class UnsupportedError(QuadrilleError, NotImplementedError):
    """Well formed, but not available on this target or in this build."""


class DeviceError(QuadrilleError, RuntimeError):
    """A GPU or its driver failed: names the kernel and the driver's function.

    Kernels run after the call returns, so that a fault may be reported by a later call; the
    message then says so.
    """


class FileError(QuadrilleError, ValueError):
    """A file that does not hold a quantized tensor of ours."""


@dataclass(frozen=True)
class Diagnostic:
    """One message of the compiler."""

    severity: str
    message: str
    where: Location | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"{self.where}: {self.severity}: {self.message}" if self.where else f"{self.severity}: {self.message}"
        caret = self.where.caret() if self.where else ""
        return "\n".join(filter(None, [head, caret, *(f"  note: {note}" for note in self.notes)]))


class CompileError(QuadrilleError, RuntimeError):
    """The compiler refused a program, or stopped.

    Attributes:
        diagnostics: all messages, the first error first.
        module: the MLIR text that was compiled; `quad-opt` reproduces the run.
    """

    def __init__(self, message: str, *, diagnostics=(), module: str = "", instead: str = "", where=None):
        super().__init__(message, instead=instead, where=where)
        self.diagnostics = tuple(diagnostics)
        self.module = module

    def __str__(self) -> str:
        notes = [f"  note: {note}" for d in self.diagnostics[:1] for note in d.notes]
        return "\n".join([super().__str__(), *notes, *(str(d) for d in self.diagnostics[1:])])
