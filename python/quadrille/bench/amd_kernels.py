"""What bounds quantization on AMD GPUs, from the machine code alone: see quadrille/inspection.py for how, and for what
is assumed. Runs anywhere."""

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


def _line(what: str, report: inspection.KernelReport) -> str:
    facts, counts, (wide, accesses) = report.registers, report.counts, report.wide
    mix = ", ".join(f"{counts[kind] / report.elements:.2f}" for kind in ("vector", "scalar", "shared"))
    times = " | ".join(f"{report.seconds[name] * 1e6:.0f}" for name in ("memory", "vector", "shared"))
    shared, scratch = facts["group_segment_fixed_size"], facts["private_segment_fixed_size"]
    cells = (what, facts["vgpr_count"], f"{report.occupancy:.0%}", shared, scratch, mix, f"{wide} of {accesses}")
    return f"| {' | '.join(map(str, cells))} | {times} | {report.bound} |"
