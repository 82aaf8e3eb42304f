"""Quantization on a GPU: time as a ratio to a device-to-device copy of the same bytes, in the same run. Needs PyTorch
with a GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

import quadrille as qd

from ..demo import operands
from . import host

ROWS, COLUMNS = 16384, 8192

#: What a kernel quantizes, by its name in the table.
AXES = {"row": (1,), "column": (0,), "row + column": (1, 0)}


class Row(NamedTuple):
    """One kernel: `bar` is what the ratio should reach."""

    what: str
    fmt: str
    rht: int = 0
    stochastic: bool = False
    bar: float = 0.0


UNIFORM, E2M1 = ("UFP4", "UFP4_B", "MXUF4"), ("MXFP4",)
#: Kernels that the peers have too.
WITH_PEERS = [Row("row", "UFP4_B"), *(Row(what, "UFP4_B", 16) for what in AXES)]

#: Kernels whose heuristics are compared with what qd.tune finds.
TUNED = [
    Row("row", "UFP4_B", 16, bar=0.95),
    Row("row", "MXFP4", 32, True, bar=0.95),
    Row("row + column", "UFP4_B", 16, bar=0.95),
]


@qd.scale_rule
def four_over_six(block):
    """Maps a block's largest magnitude to 6 or to 4, whichever has the smaller squared error (arXiv 2512.02010)."""
    amax = abs(block).max()

    def candidate(top):
        scale = qd.round_to_scale(amax / top)
        error = block - qd.round_to_grid(block / scale) * scale
        return scale, (error * error).sum()

    (six, error6), (four, error4) = candidate(6.0), candidate(4.0)
    return qd.where(error4 < error6, four, six)


NVFP4_46 = qd.format(
    "NVFP4_46", qd.e2m1, [qd.level(16, "e4m3", rule=four_over_six), qd.level("tensor", "f32", qmax=256 * 6)]
)


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
        yield Row("column", fmt, n)
        yield Row("row + column", fmt, n, bar=0.82 if uniform else 0.68)
        yield Row("row + column", fmt, n, True, bar=0.70 if uniform else 0.52)
    yield Row("row", "UFP4_B", 64, bar=0.88)
    yield Row("row", "UFP4_B", 128, bar=0.80)
    yield Row("row", "HIF4", bar=0.80)


def _rht(n: int) -> qd.RHT | None:
    return qd.RHT(n, seed=0) if n else None


def _function(row: Row, key=None):
    options = dict(rht=_rht(row.rht), rounding=qd.stochastic(key) if row.stochastic else qd.nearest_even)
    axes = AXES[row.what]
    if len(axes) == 2:
        return qd.jit(lambda x: qd.quantize_pair(x, row.fmt, **options))
    return qd.jit(lambda x: qd.quantize(x, row.fmt, axis=axes[0], **options))


def _parts(result) -> tuple:
    return result if isinstance(result, tuple) else (result,)


def _arrays(part) -> tuple:
    if isinstance(part, qd.Carrier):
        return part.arrays
    return (part.codes, *part.scales) if isinstance(part, qd.QTensor) else (part,)


def _bytes(result) -> int:
    """Of a tensor, a quantized tensor, a carrier or several."""
    parts = _parts(result)
    arrays = [a for part in parts for a in _arrays(part)]
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


def _expression(torch, signs, axes):
    """UFP4_B's (codes, scales) for each axis as a plain expression, for torch.compile."""

    def quantize(x, axis):
        y = x.float() if axis == 1 else x.float().t()
        y = y.reshape(-1, 16)
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

    return lambda x: [quantize(x, axis) for axis in axes]


def _compiled(torch, x, signs, axes):
    return torch.compile(_expression(torch, signs, axes))


def _triton(torch, x, signs, axes):
    from .triton_quantize import quantizer

    return quantizer(torch, x, signs, axes)


#: Each a function of (torch, a matrix, the transform's signs or None, axes) to a function of such a matrix.
PEERS = {"torch.compile": _compiled, "Triton": _triton}


def _check_peer(mine, theirs) -> None:
    """AssertionError unless a peer's codes are ours, but for near-ties."""
    for q, (codes, _) in zip(mine, theirs, strict=True):
        same = (codes.view(q.codes.shape) == q.codes).float().mean().item()
        if same < 0.99:
            raise AssertionError(f"axis {q.axis}: the codes agree with ours in {same:.1%} only")


def _no_torch(why: str) -> qd.UnsupportedError:
    return qd.UnsupportedError(why, instead="PyTorch with CUDA, on a machine with an NVIDIA GPU")


def table(repeats: int) -> Iterator[str]:
    """Lines of Markdown tables. UnsupportedError without PyTorch and a GPU."""
    try:
        import torch
    except ImportError:
        raise _no_torch("PyTorch, which allocates and has the clock, is not installed") from None
    if not torch.cuda.is_available():
        raise _no_torch("PyTorch sees no CUDA GPU")

    torch.manual_seed(0)
    inputs = [torch.randn(ROWS, COLUMNS, device="cuda", dtype=torch.bfloat16) for _ in range(2)]
    clock = Clock(torch, repeats)
    rate = 2 * 2 * ROWS * COLUMNS / clock.copy(2 * 2 * ROWS * COLUMNS) / 1e6
    yield f"{torch.cuda.get_device_name()}, bf16 {ROWS}x{COLUMNS}; a copy reads and writes {rate:.2f} TB/s"
    yield ""
    yield "| kernel | format | RHT | rounding | us | of a copy of the same bytes | bar |"
    yield "|---|---|---|---|---|---|---|"
    for lines in (_kernels, _passes, _peers):
        yield from lines(torch, inputs, clock)
    yield ""
    yield "| row | us, amax given | us with the amax pass | of a copy of both passes' bytes | SQNR, normal | activations |"
    yield "|---|---|---|---|---|---|"
    yield from _tensor_scales(torch, inputs, clock)
    yield ""
    yield "| kernel, default | format | RHT | rounding | us | of the tuned speed | bar | tuned |"
    yield "|---|---|---|---|---|---|---|---|"
    yield from _tunings(inputs)
    yield ""
    yield "| latency | measured | bar |"
    yield "|---|---|---|"
    yield from _latencies(torch)


def _line(row: Row, taken: float, ratio: float) -> str:
    noise = "stochastic, 8 bits, Philox-7" if row.stochastic else "nearest"
    bar = f"{row.bar}{'' if ratio >= row.bar else ' (missed)'}" if row.bar else ""
    return f"| {row.what} | {row.fmt} | {row.rht or 'none'} | {noise} | {taken:.1f} | {ratio:.2f} | {bar} |"


def _measure(clock: Clock, function, inputs) -> tuple[float, int]:
    """Microseconds of a call on one of `inputs`, and bytes of its results."""
    out = function(inputs[0])
    return clock.microseconds(lambda i: function(inputs[i % len(inputs)], out=out)), _bytes(out)


def _kernels(torch, inputs, clock: Clock) -> Iterator[str]:
    key = qd.Key(0)
    for row in _rows():
        taken, written = _measure(clock, _function(row, key), inputs)
        yield _line(row, taken, clock.copy(_bytes(inputs[0]) + written) / taken)


def _passes(torch, inputs, clock: Clock) -> Iterator[str]:
    """What is not quantization: amax, and the way back."""
    for n in (0, 16):
        rht = _rht(n)
        taken, _ = _measure(clock, qd.jit(lambda x: qd.amax(x, rht=rht)), inputs)
        ratio = clock.copy(_bytes(inputs[0])) / taken
        yield f"| amax | | {n or 'none'} | | {taken:.1f} | {ratio:.2f} | 0.93{'' if ratio >= 0.93 else ' (missed)'} |"
    for fmt in ("UFP4_B", "MXUF4"):
        quantized = [qd.quantize(x, fmt) for x in inputs]
        taken, written = _measure(clock, qd.jit(lambda q: qd.dequantize(q, dtype="bf16")), quantized)
        ratio = clock.copy(_bytes(quantized[0]) + written) / taken
        yield f"| dequantize to bf16 | {fmt} | none | | {taken:.1f} | {ratio:.2f} | |"
    for fmt, carrier in (("UFP4_B", "bf16"), ("MXUF4", "e5m2")):
        quantized = [qd.quantize(x, fmt) for x in inputs]
        taken, written = _measure(clock, _converter(carrier), quantized)
        ratio = clock.copy(_bytes(quantized[0]) + written) / taken
        bar = f"0.9{'' if ratio >= 0.9 else ' (missed)'}"
        yield f"| 4-bit to carrier {carrier} | {fmt} | none | | {taken:.1f} | {ratio:.2f} | {bar} |"


def _converter(carrier: str):
    return qd.jit(lambda q: qd.to_carrier(q, carrier))


def _peers(torch, inputs, clock: Clock) -> Iterator[str]:
    for row in WITH_PEERS:
        mine = _parts(_function(row)(inputs[0]))
        for name, peer in PEERS.items():
            yield _peer_line(row, name, peer, mine, torch, inputs, clock)


def _peer_line(row: Row, name: str, peer, mine, torch, inputs, clock: Clock) -> str:
    """A peer's line of the table; what it fails with is a line too."""
    of_peer = row._replace(what=f"{row.what}, {name}")
    signs = torch.from_numpy(_rht(row.rht).signs.copy()).to(inputs[0].device) if row.rht else None
    try:
        function = peer(torch, inputs[0], signs, AXES[row.what])
        _check_peer(mine, function(inputs[0]))
        taken = clock.microseconds(lambda i: function(inputs[i % 2]))
    except Exception as error:  # noqa: BLE001 (of other people's compilers)
        first = f"{type(error).__name__}: {error}".splitlines()[0][:120].replace("|", "/")
        return f"| {of_peer.what} | {row.fmt} | {row.rht or 'none'} | nearest | | {first} | |"
    return _line(of_peer, taken, clock.copy(_bytes(inputs[0]) + _bytes(mine)) / taken)


def _tensor_scales(torch, inputs, clock: Clock) -> Iterator[str]:
    """NVFP4 by its own rule and by a user's: a scale of the tensor needs its amax first."""
    activations = [torch.from_numpy(linear.x.astype("float32")).to(inputs[0]) for linear in operands.load()]
    for fmt in (qd.NVFP4, NVFP4_46):
        both = qd.jit(lambda x: qd.quantize(x, fmt))
        given, amax = qd.jit(lambda x, amax: qd.quantize(x, fmt, amax=amax)), qd.amax(inputs[0])
        one, _ = _measure(clock, lambda x, **out: given(x, amax, **out), inputs)
        two, written = _measure(clock, both, inputs)
        ratio = clock.copy(2 * _bytes(inputs[0]) + written) / two
        normal = _sqnr(inputs[0][:1024], fmt)
        real = sum(_sqnr(x, fmt) for x in activations) / len(activations)
        yield f"| {fmt.name} | {one:.1f} | {two:.1f} | {ratio:.2f} | {normal:.2f} dB | {real:.2f} dB |"


def _sqnr(x, fmt) -> float:
    return qd.sqnr(x, qd.dequantize(qd.quantize(x, fmt)))


def _tunings(inputs) -> Iterator[str]:
    """The heuristics' times as a ratio to those that the autotuner finds."""
    key = qd.Key(0)
    for row in TUNED:
        report = qd.tune(_function(row, key), inputs[0], save=False)
        knobs = ", ".join(f"{name} {value}" for name, value in report.chosen.knobs.items())
        yield f"{_line(row, report.default.seconds * 1e6, 1 / report.speedup)} {knobs or 'the same'} |"


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
