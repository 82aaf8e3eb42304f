"""What bounds quantization and products on AMD GPUs, from the machine code alone: see quadrille/inspection.py for
how, and for what is assumed. Runs anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import quadrille as qd

from .. import inspection
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


def _products_table(target: str) -> Iterator[str]:
    """Rows of products: the main loop of the kernel that multiplies, and the least times of a launch."""
    yield f"`{target}`, {inspection.CHIPS[target].name}: products of {SIZE} x {SIZE} x {SIZE}, result bf16"
    yield ""
    yield (
        "| operands | VGPRs | occupancy | LDS | scratch | instructions of a turn: matrix, vector, scalar, LDS, memory "
        "| 16-byte accesses | vector per 1000 products | matrix cycles of matrix and vector ones "
        "| memory us | vector us | LDS us | matrix us | bound |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    product = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="bf16"))
    for fmt in PRODUCTS:
        operand = qd.spec(f"{fmt}[{SIZE},{SIZE}]")
        for report in inspection.inspect(product, target, a=operand, b=operand):
            if report.turn:
                yield _product_line(fmt, report)
    yield ""


def _product_line(fmt: str, report: inspection.KernelReport) -> str:
    facts, counts, (wide, accesses) = report.registers, report.counts_of_turn, report.wide
    mix = ", ".join(str(counts[kind]) for kind in ("matrix", "vector", "scalar", "shared", "memory"))
    times = [f"{report.seconds[name] * 1e6:.0f}" for name in ("memory", "vector", "shared", "matrix")]
    shared, scratch = facts["group_segment_fixed_size"], facts["private_segment_fixed_size"]
    cells = [fmt, facts["vgpr_count"], f"{report.occupancy:.0%}", shared, scratch, mix, f"{wide} of {accesses}"]
    cells += [f"{counts['vector'] / report.products * 1000:.2f}", f"{report.matrix_share:.0%}", *times, report.bound]
    return f"| {' | '.join(map(str, cells))} |"


def _name(row: Row) -> str:
    rht = f", RHT {row.rht}" if row.rht else ""
    return f"{row.fmt} {row.what}{rht}{', stochastic' if row.stochastic else ''}"


def table() -> Iterator[str]:
    """Lines of Markdown tables, one for each GPU whose rates are known."""
    for target, chip in inspection.CHIPS.items():
        yield f"`{target}`, {chip.name}: bf16 {ROWS} x {COLUMNS}"
        yield ""
        yield (
            "| kernel | VGPRs | occupancy | LDS | scratch | instructions per element: vector, scalar, LDS "
            "| 16-byte accesses | memory us | vector us | LDS us | bound |"
        )
        yield "|---|---|---|---|---|---|---|---|---|---|---|"
        for what, function, argument in _kernels():
            for report in inspection.inspect(function, target, x=argument):
                if report.seconds["memory"] > 1e-6:
                    yield _line(what, report)
        yield ""
        yield from _products_table(target)


def _line(what: str, report: inspection.KernelReport) -> str:
    facts, counts, (wide, accesses) = report.registers, report.counts, report.wide
    mix = ", ".join(f"{counts[kind] / report.elements:.2f}" for kind in ("vector", "scalar", "shared"))
    times = " | ".join(f"{report.seconds[name] * 1e6:.0f}" for name in ("memory", "vector", "shared"))
    shared, scratch = facts["group_segment_fixed_size"], facts["private_segment_fixed_size"]
    cells = (what, facts["vgpr_count"], f"{report.occupancy:.0%}", shared, scratch, mix, f"{wide} of {accesses}")
    return f"| {' | '.join(map(str, cells))} | {times} | {report.bound} |"
