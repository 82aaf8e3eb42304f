"""Quantization on a GPU: time as a ratio to a device-to-device copy of the same bytes, in the same run. Needs PyTorch
with a GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

import quadrille as qd

from . import host

ROWS, COLUMNS = 16384, 8192


class Row(NamedTuple):
    """One kernel: `bar` is what the ratio should reach."""

    what: str
    fmt: str
    rht: int = 0
    stochastic: bool = False
    pair: bool = False
    axis: int = 1
    bar: float = 0.0


UNIFORM, E2M1 = ("UFP4", "UFP4_B", "MXUF4"), ("MXFP4",)


def _rows() -> Iterator[Row]:
    def rht_of(fmt):
        return 32 if fmt.startswith("MX") else 16

    for fmt in UNIFORM + E2M1:
        uniform, n = fmt in UNIFORM, rht_of(fmt)
        yield Row("row", fmt, bar=0.96 if uniform else 0.92)
        yield Row("row", fmt, n, bar=0.93 if uniform else 0.86)
        yield Row("row", fmt, 0, True, bar=0.88 if uniform else 0.75)
        yield Row("row", fmt, n, True, bar=0.85 if uniform else 0.75)
    for fmt in ("UFP4_B", "MXUF4", "MXFP4"):
        uniform, n = fmt in UNIFORM, rht_of(fmt)
        yield Row("column", fmt, n, axis=0)
        yield Row("row + column", fmt, n, pair=True, bar=0.82 if uniform else 0.68)
        yield Row("row + column", fmt, n, True, pair=True, bar=0.70 if uniform else 0.52)
    yield Row("row", "UFP4_B", 64, bar=0.88)
    yield Row("row", "UFP4_B", 128, bar=0.80)
    yield Row("row", "HIF4", bar=0.80)


def _function(row: Row, key):
    rht = qd.RHT(row.rht, seed=0) if row.rht else None
    rounding = qd.stochastic(key) if row.stochastic else qd.nearest_even
    if row.pair:
        return qd.jit(lambda x: qd.quantize_pair(x, row.fmt, rht=rht, rounding=rounding))
    return qd.jit(lambda x: qd.quantize(x, row.fmt, rht=rht, rounding=rounding, axis=row.axis))


def _bytes(result) -> int:
    parts = result if isinstance(result, tuple) else (result,)
    arrays = [a for q in parts for a in ((q.codes, *q.scales) if isinstance(q, qd.QTensor) else (q,))]
    return sum(a.numel() * a.element_size() for a in arrays)


class Clock:
    """Times by CUDA events; `copy(n)` is a copy that reads and writes n bytes together."""

    def __init__(self, torch, repeats: int):
        self.torch, self.repeats = torch, repeats
        self.source, self.target = (torch.empty(1 << 28, dtype=torch.uint8, device="cuda") for _ in range(2))

    def microseconds(self, action, launches: int = 10) -> float:
        """Median of `repeats` times of `launches` calls of action(i), for one."""
        torch, times = self.torch, []
        for repeat in range(self.repeats + 1):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            for i in range(launches):
                action(i)
            end.record()
            end.synchronize()
            if repeat:  # the first warms up
                times.append(start.elapsed_time(end) * 1e3 / launches)
        return statistics.median(times)

    def copy(self, n: int) -> float:
        half = n // 2
        return self.microseconds(lambda i: self.target[:half].copy_(self.source[:half]))


def _expression(torch, signs):
    """UFP4_B's codes and scales as a plain expression, for torch.compile."""

    def quantize(x):
        y = x.float().view(-1, 16)
        if signs is not None:
            y = y * signs
            for h in (1, 2, 4, 8):
                u = y.view(-1, 16 // (2 * h), 2, h)
                y = torch.stack([u[:, :, 0] + u[:, :, 1], u[:, :, 0] - u[:, :, 1]], 2).view(-1, 16)
            y = y * 0.25
        scale = (y.abs().amax(1, keepdim=True) / 1.75).clamp_min(2.0**-126)
        bits = (scale.view(torch.int32) + 0x3FFFF + (scale.view(torch.int32) >> 19 & 1)) >> 19 << 19
        scale = bits.view(torch.float32)
        magnitude = (y * (1 / scale)).abs().mul(4).round().clamp_max(7).to(torch.uint8)
        code = magnitude | torch.signbit(y).to(torch.uint8) << 3
        return code[:, ::2] | code[:, 1::2] << 4, scale.bfloat16()

    return torch.compile(quantize)


def _check_peer(torch, mine, theirs) -> None:
    same = (theirs[0].view(mine.codes.shape) == mine.codes).float().mean().item()
    if same < 0.99:
        raise AssertionError(f"the peer's codes agree with ours in {same:.1%} only")


def table(repeats: int) -> Iterator[str]:
    """Lines of a Markdown table."""
    import torch

    torch.manual_seed(0)
    inputs = [torch.randn(ROWS, COLUMNS, device="cuda", dtype=torch.bfloat16) for _ in range(2)]
    clock, key = Clock(torch, repeats), qd.Key(0)
    rate = 2 * 2 * ROWS * COLUMNS / clock.copy(2 * 2 * ROWS * COLUMNS) / 1e6
    yield f"{torch.cuda.get_device_name()}, bf16 {ROWS}x{COLUMNS}; a copy reads and writes {rate:.2f} TB/s"
    yield ""
    yield "| kernel | format | RHT | rounding | us | of a copy of the same bytes | bar |"
    yield "|---|---|---|---|---|---|---|"
    for row in _rows():
        function = _function(row, key)
        out = function(inputs[0])
        taken = clock.microseconds(lambda i: function(inputs[i % 2], out=out))
        ratio = clock.copy(2 * ROWS * COLUMNS + _bytes(out)) / taken
        noise = "stochastic, 8 bits, Philox-7" if row.stochastic else "nearest"
        bar = f"{row.bar}{'' if ratio >= row.bar else ' (missed)'}" if row.bar else ""
        yield f"| {row.what} | {row.fmt} | {row.rht or 'none'} | {noise} | {taken:.1f} | {ratio:.2f} | {bar} |"
    for n in (0, 16):
        rht = qd.RHT(n, seed=0) if n else None
        function = qd.jit(lambda x: qd.amax(x, rht=rht))
        out = function(inputs[0])
        taken = clock.microseconds(lambda i: function(inputs[i % 2], out=out))
        ratio = clock.copy(2 * ROWS * COLUMNS) / taken
        yield f"| amax | | {n or 'none'} | | {taken:.1f} | {ratio:.2f} | 0.93{'' if ratio >= 0.93 else ' (missed)'} |"
    yield from _peers(torch, inputs, clock)
    yield ""
    yield "| latency | measured | bar |"
    yield "|---|---|---|"
    yield from _latencies(torch)


def _peers(torch, inputs, clock: Clock) -> Iterator[str]:
    for n in (0, 16):
        rht = qd.RHT(n, seed=0) if n else None
        signs = torch.from_numpy(rht.signs.copy()).cuda() if rht else None
        mine = qd.quantize(inputs[0], qd.UFP4_B, rht=rht)
        peers = {"torch.compile": _expression(torch, signs)}
        try:
            from .triton_quantize import quantizer
        except ImportError:
            yield f"| row, Triton (not installed) | UFP4_B | {n or 'none'} | nearest | | | |"
        else:
            peers["Triton"] = quantizer(torch, inputs[0], signs)
        for name, peer in peers.items():
            _check_peer(torch, mine, peer(inputs[0]))
            taken = clock.microseconds(lambda i: peer(inputs[i % 2]))
            ratio = clock.copy(2 * ROWS * COLUMNS + _bytes(mine)) / taken
            yield f"| row, {name} | UFP4_B | {n or 'none'} | nearest | {taken:.1f} | {ratio:.2f} | |"


def _call(torch, action, calls: int = 2000) -> float:
    """Microseconds of the caller's thread for one call, the least of five loops."""
    times = []
    for _ in range(6):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            action()
        times.append((time.perf_counter() - start) / calls * 1e6)
    return min(times[1:])


def _latencies(torch) -> Iterator[str]:
    first, other = host.first_calls("cuda")
    yield f"| first call of a quantize kernel, helper warm | {first:.1f} ms | 250 |"
    yield f"| the same from the disk cache | {other:.1f} ms | 5 |"
    x = torch.zeros(64, 256, device="cuda", dtype=torch.bfloat16)
    function = qd.jit(lambda x: qd.quantize(x, qd.UFP4_B))
    out = function(x)
    ours, launch = _call(torch, lambda: function(x, out=out)), _call(torch, x.zero_)
    bar = "5" if ours - launch <= 5 else "5 (missed)"
    yield f"| a call with out=, beyond PyTorch's zero_ ({launch:.1f} us) | {ours - launch:.1f} us | {bar} |"
    try:
        from .triton_quantize import empty
    except ImportError:
        return
    triton = _call(torch, lambda: empty[(1,)](x)) - launch
    yield f"| a launch of an empty Triton kernel, beyond the same | {triton:.1f} us | |"
