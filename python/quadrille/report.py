"""What a jitted function runs, in words and as data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import Diagnostic
from .trace import ScalarType


@dataclass(frozen=True)
class Report:
    """The answer of `fn.explain(..)`; `print` it, or read the parts.

    Attributes:
        name, target: of what.
        operations: the traced operations, one line each.
        kernels: launches in order: dicts with at least "name".
        bytes: of arguments read and results written, if the sizes are known, else None.
        diagnostics: warnings and remarks of the compiler: slow paths, carriers, fusion.
        timings: seconds of compilation by phase.
        cached: whether the code came from the disk cache; None for the interpreter.
    """

    name: str
    target: str
    operations: tuple[str, ...]
    kernels: tuple[dict[str, Any], ...]
    bytes: dict[str, int] | None
    diagnostics: tuple[Diagnostic, ...]
    timings: dict[str, float]
    cached: bool | None
    metadata: dict[str, str]
    verbose: bool = False

    @classmethod
    def of(cls, name, target, traced, compiled, sizes, verbose, facts=()) -> Report:
        """`facts` are dicts of what kernels take of a GPU, with their names."""
        graph = traced.graph
        return cls(
            name=name,
            target=target,
            operations=tuple(_operation(node) for node in graph.nodes),
            kernels=_kernels(compiled, facts),
            bytes=None if sizes is None else _bytes(traced, sizes, compiled),
            diagnostics=compiled.diagnostics if compiled else (),
            timings=compiled.timings if compiled else {},
            cached=compiled.cached if compiled else None,
            metadata=compiled.metadata if compiled else {},
            verbose=verbose,
        )

    @property
    def json(self) -> str:
        """All of it as JSON."""
        fields = {
            "name": self.name,
            "target": self.target,
            "operations": list(self.operations),
            "kernels": list(self.kernels),
            "bytes": self.bytes,
            "diagnostics": [
                {"severity": d.severity, "message": d.message, "where": str(d.where) if d.where else None}
                for d in self.diagnostics
            ],
            "timings": self.timings,
            "cached": self.cached,
        }
        return json.dumps(fields)

    @property
    def text(self) -> str:
        head = f"{self.name} on {self.target}"
        if self.target == "interpret":
            head += ": the specification, one operation after another; no kernels"
        lines = [head, *(f"  {line}" for line in self.operations)]
        for number, kernel in enumerate(self.kernels):
            facts = ", ".join(f"{k.replace('_', ' ')} {_number(v)}" for k, v in kernel.items() if k != "name")
            lines.append(f"  kernel {number}: {kernel['name']}" + (f" ({facts})" if facts else ""))
        if self.bytes is not None:
            lines.append("  bytes: " + ", ".join(f"{k} {v}" for k, v in self.bytes.items()))
        shown = self.diagnostics if self.verbose else [d for d in self.diagnostics if d.severity != "note"]
        lines += [f"  {line}" for d in shown for line in str(d).splitlines()]
        if self.timings:
            total = sum(self.timings.values())
            source = " (disk cache)" if self.cached else ""
            lines.append(f"  compiled in {total * 1e3:.1f} ms{source}")
            if self.verbose:
                lines += [f"    {phase}: {seconds * 1e3:.2f} ms" for phase, seconds in self.timings.items()]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text

    def _repr_pretty_(self, printer, cycle) -> None:
        printer.text(self.text)


def _number(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _operation(node) -> str:
    shown = [v.type for name, v in node.operands.items() if name != "signs" and not isinstance(v.type, ScalarType)]
    operands = ", ".join(map(str, shown))
    where = f"  ({node.where})" if node.where else ""
    name = node.attributes["call"].op if node.op == "map" else node.op
    return f"{name} {operands} -> {node.result.type}{where}"


def _kernels(compiled, facts) -> tuple[dict[str, Any], ...]:
    """Launches in order, with what the compiler and the device say of each kernel."""
    if compiled is None:
        return ()
    known = {entry["name"]: entry for entry in json.loads(compiled.metadata.get("kernels", "[]"))}
    for entry in facts:
        known[entry["name"]] = known.get(entry["name"], {}) | entry
    return tuple(known.get(name, {"name": name}) for name in compiled.launches)


def _bytes(traced, sizes, compiled) -> dict[str, int]:
    traced.measure(sizes, compiled.forms if compiled else [])
    read = sum(_size(entry.value.type, sizes) for entry in traced.graph.inputs)
    return {"read": read, "written": sum(_size(type_, sizes) for type_ in traced.results)}


def _size(type_, sizes) -> int:
    if isinstance(type_, ScalarType):
        return 0
    return sum(int(np.prod(b.shape)) * b.dtype.itemsize for b in type_.buffers(sizes))
