"""What bounds quantization and products on a GPU, from the machine code alone: see quadrille/inspection.py for how, and
for what is assumed. Runs anywhere; NVIDIA's targets need their ptxas and nvdisasm."""

from __future__ import annotations

from collections.abc import Iterator

import quadrille as qd

from .. import inspection
from ..errors import ArgumentError
from ..isa import CHIPS, isa_of
from .gpu_quantize import COLUMNS, ROWS, Row, _function, _rht, _rows


def _kernels() -> Iterator[tuple[str, object, object]]:
    """(what, function, spec of its argument): the kernels of `quadrille bench gpu-quantize`."""
    x = qd.spec(f"bf16[{ROWS},{COLUMNS}]")
    for row in _rows():
        yield _name(row), _function(row, qd.Key(0)), x
    for n in (0, 16):
        rht = _rht(n)
        yield f"amax{f', RHT {n}' if n else ''}", qd.jit(lambda x, rht=rht: qd.amax(x, rht=rht)), x
    for fmt, carrier in (("UFP4_B", "bf16"), ("MXUF4", "e5m2")):
        q = qd.spec(f"{fmt}[{ROWS},{COLUMNS}]")
        yield f"{fmt} dequantized to bf16", qd.jit(lambda x: qd.dequantize(x, dtype="bf16")), q
        yield f"{fmt} to carrier {carrier}", qd.jit(lambda x, carrier=carrier: qd.to_carrier(x, carrier)), q


#: A product's size and its formats, on both sides.
SIZE = 8192
PRODUCTS = ("MXUF4", "MXFP4", "UFP4_B", "NVFP4")


def _name(row: Row) -> str:
    rht = f", RHT {row.rht}" if row.rht else ""
    return f"{row.fmt} {row.what}{rht}{', stochastic' if row.stochastic else ''}"


def table(targets: list[str]) -> Iterator[str]:
    """Lines of Markdown tables of each target; ArgumentError if the rates of its GPUs are not known."""
    for target in targets:
        if target not in CHIPS:
            raise ArgumentError(f"the rates of the GPUs of {target} are not known", instead=", ".join(CHIPS))
        yield from _quantization_table(target)
        yield from _products_table(target)


def _quantization_table(target: str) -> Iterator[str]:
    yield f"`{target}`, {_chips(target)}: bf16 {ROWS} x {COLUMNS}"
    yield ""
    shared = isa_of(target).shared
    yield from _head(target, "kernel", [f"instructions per element: vector, scalar, {shared}", "16-byte accesses"], [])
    for what, function, argument in _kernels():
        for report in inspection.inspect(function, target, x=argument):
            if report.seconds(CHIPS[target][0])["memory"] > 1e-6:
                counts = report.main.counts
                mix = ", ".join(f"{counts[kind] / report.elements:.2f}" for kind in ("vector", "scalar", "shared"))
                yield _line(what, report, [mix])


def _products_table(target: str) -> Iterator[str]:
    """Rows of products: the main loop of the kernel that multiplies, and the least times of a launch."""
    isa = isa_of(target)
    yield ""
    yield f"`{target}`, {_chips(target)}: products of {SIZE} x {SIZE} x {SIZE}, result bf16"
    yield ""
    middle = [
        f"instructions of a turn: matrix, vector, scalar, {isa.shared}, memory",
        "16-byte accesses",
        f"{isa.pipes[0]} per 1000 products",
        f"matrix cycles of matrix and {isa.pipes[0]} ones",
    ]
    yield from _head(target, "operands", middle, ["matrix us"])
    product = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="bf16"))
    for fmt in PRODUCTS:
        operand = qd.spec(f"{fmt}[{SIZE},{SIZE}]")
        for report in inspection.inspect(product, target, a=operand, b=operand):
            if report.turns:
                yield _line(fmt, report, *_of_turn(report))
    yield ""


def _of_turn(report: inspection.KernelReport) -> tuple[list[str], tuple[str, ...]]:
    """Cells of a product before and after its accesses."""
    counts = report.main.counts
    mix = ", ".join(str(counts[kind]) for kind in ("matrix", "vector", "scalar", "shared", "memory"))
    other = report.main.instructions_of(isa_of(report.target).pipes[0])
    share = report.matrix_share(report.chips[0])
    return [mix], (f"{other / report.main.products * 1000:.2f}", f"{share:.0%}")


def _chips(target: str) -> str:
    return ", ".join(chip.name for chip in CHIPS[target])


def _head(target: str, first: str, middle: list[str], last: list[str]) -> Iterator[str]:
    isa = isa_of(target)
    names = [first, isa.registers, "occupancy", isa.shared, "scratch", *middle]
    names += [f"{name} us" for name in ("memory", *isa.pipes, isa.shared)] + last + ["bound"]
    yield f"| {' | '.join(names)} |"
    yield "|---" * len(names) + "|"


def _line(what: str, report: inspection.KernelReport, before: list[str], after: tuple[str, ...] = ()) -> str:
    """A kernel's cells; what GPUs of the target differ in has a figure for each."""
    facts, (wide, accesses) = report.facts, report.main.wide
    cells = [what, facts.registers, f"{report.occupancy(report.chips[0]):.0%}", facts.shared, facts.scratch]
    cells += [*before, f"{wide} of {accesses}", *after]
    times = [report.seconds(chip) for chip in report.chips]
    cells += [_each(f"{seconds[name] * 1e6:.0f}" for seconds in times) for name in times[0]]
    cells.append(_each(report.bound(chip) for chip in report.chips))
    return f"| {' | '.join(map(str, cells))} |"


def _each(texts: Iterator[str]) -> str:
    """The texts without repetitions."""
    return ", ".join(dict.fromkeys(texts))
