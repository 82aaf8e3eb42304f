"""Host benchmarks. Each row is a ratio of medians of runs that alternate with its peer's, so that both meet the same
machine. Peers need PyTorch (CPU)."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterator, NamedTuple

import ml_dtypes
import numpy as np

import quadrille as qd
from quadrille.targets import capability

Action = Callable[[], object]


class Row(NamedTuple):
    """A line of the table; `bar` is "" for a figure that has none."""

    what: str
    measured: str
    bar: str = ""
    met: bool = True

    def __str__(self) -> str:
        verdict = "" if not self.bar else "met" if self.met else "missed"
        return f"| {self.what} | {self.measured} | {self.bar or 'none'} | {verdict} |"


def table(threads: int, repeats: int) -> Iterator[str]:
    """Lines of a Markdown table: what, measured, bar, whether it is met. UnsupportedError without PyTorch."""
    try:
        import torch
    except ImportError:
        raise qd.UnsupportedError(
            "PyTorch, whose times are the peers, is not installed", instead="pip install torch"
        ) from None

    torch.set_num_threads(threads)
    yield (
        f"{capability('host')['name']}, {threads} threads, medians of {repeats}, PyTorch {torch.__version__}, "
        f"load average {os.getloadavg()[0]:.1f} at the start"
    )
    yield ""
    yield "| what | measured | bar | |"
    yield "|---|---|---|---|"
    for rows in (_quantize_rows(torch, threads, repeats), _matmul_rows(torch, repeats), _latency_rows()):
        yield from map(str, rows)
    yield ""
    yield f"load average {os.getloadavg()[0]:.1f} at the end"


def alternate(repeats: int, **actions: Action) -> dict[str, float]:
    """Median seconds of each action, run in turn after one run to warm up."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for repeat in range(repeats + 1):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if repeat:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def _at_least(what: str, value: float, bar: float, unit: str = "x") -> Row:
    return Row(what, f"{value:.2f}{unit}", f">= {bar}", value >= bar)


def _at_most(what: str, value: float, bar: float, unit: str = "x") -> Row:
    return Row(what, f"{value:.2f}{unit}", f"<= {bar}", value <= bar)


def _reported(what: str, value: float, unit: str = "x") -> Row:
    return Row(what, f"{value:.2f}{unit}")


#
# Quantization
#


def _copier(read: int, written: int, threads: int) -> Action:
    """A copy that reads and writes so many bytes, on so many threads."""
    size = (read + written) // 2
    source, destination = np.ones(size, np.uint8), np.empty(size, np.uint8)
    cuts = np.linspace(0, size, threads + 1, dtype=int)
    pool = ThreadPoolExecutor(threads)

    def copy():
        list(
            pool.map(
                lambda i: np.copyto(destination[cuts[i] : cuts[i + 1]], source[cuts[i] : cuts[i + 1]]), range(threads)
            )
        )

    return copy


def _eager_torch(torch, x, signs) -> Action:
    """RHT16 and UFP4_B's codes and scales as PyTorch expressions."""
    n = len(signs)
    hadamard = torch.ones(1, 1)
    while len(hadamard) < n:
        hadamard = torch.cat([torch.cat([hadamard, hadamard], 1), torch.cat([hadamard, -hadamard], 1)], 0)
    rotation = torch.from_numpy(np.array(signs, np.float32))[:, None] * hadamard / n**0.5
    tensor = torch.from_numpy(x.view(np.int16)).view(torch.bfloat16)

    def quantize():
        y = tensor.float().view(-1, n) @ rotation
        scale = (y.abs().amax(1, keepdim=True) / 1.75).clamp_min(2.0**-126)
        bits = (scale.view(torch.int32) + 0x3FFFF + (scale.view(torch.int32) >> 19 & 1)) >> 19 << 19
        scale = bits.view(torch.float32)
        magnitude = (y.abs() / scale * 4).round().clamp_max(7).to(torch.uint8)
        code = magnitude | torch.signbit(y).to(torch.uint8) << 3
        return code[:, ::2] | code[:, 1::2] << 4, scale.bfloat16()

    return quantize


def _quantize_rows(torch, threads: int, repeats: int):
    x = np.random.default_rng(0).standard_normal((4096, 4096), np.float32).astype(ml_dtypes.bfloat16)
    rht, key = qd.RHT(16, seed=0), qd.Key(0)
    plain = qd.jit(_named("plain", lambda x: qd.quantize(x, qd.UFP4_B)))
    rotated = qd.jit(_named("rotated", lambda x: qd.quantize(x, qd.UFP4_B, rht=rht)))
    noisy = qd.jit(_named("noisy", lambda x: qd.quantize(x, qd.UFP4_B, rht=rht, rounding=qd.stochastic(key))))
    column = qd.jit(_named("column", lambda x: qd.quantize(x, qd.UFP4_B, rht=rht, axis=0)))
    pair = qd.jit(_named("pair", lambda x: qd.quantize_pair(x, qd.UFP4_B, rht=rht)))
    out, out_plain, out_noisy, out_column, out_pair = rotated(x), plain(x), noisy(x), column(x), pair(x)
    peer = _eager_torch(torch, x, rht.signs)
    # The same computation up to near-ties: PyTorch rotates by a product and divides.
    same = np.mean(peer()[0].numpy().reshape(out.codes.shape) == np.asarray(out.codes))
    if same < 0.99:
        raise AssertionError(f"PyTorch's codes agree with ours in {same:.1%} only")
    written = out.codes.nbytes + sum(scale.nbytes for scale in out.scales)
    t = alternate(
        repeats,
        copy=_copier(x.nbytes, written, threads),
        copy_of_pair=_copier(x.nbytes, 2 * written, threads),
        plain=lambda: plain(x, out=out_plain),
        rotated=lambda: rotated(x, out=out),
        noisy=lambda: noisy(x, out=out_noisy),
        column=lambda: column(x, out=out_column),
        pair=lambda: pair(x, out=out_pair),
        torch=peer,
    )
    yield _at_least(
        "RHT16 + quantize UFP4_B, bf16 4096x4096, of the bandwidth of a copy of the same bytes",
        t["copy"] / t["rotated"],
        0.4,
    )
    yield _at_least("the same against eager PyTorch", t["torch"] / t["rotated"], 5)
    yield _at_most("stochastic rounding, time of nearest", t["noisy"] / t["rotated"], 1.5)
    yield _at_most("RHT16, time of none", t["rotated"] / t["plain"], 1.3)
    yield _reported("the same along columns, of the bandwidth of a copy", t["copy"] / t["column"])
    yield _reported(
        "rows and columns in one read, of the bandwidth of a copy of the same bytes", t["copy_of_pair"] / t["pair"]
    )
    yield _reported("rows and columns in one read, time of both alone", t["pair"] / (t["rotated"] + t["column"]))


def _named(name: str, function):
    function.__name__ = name
    return function


#
# Products
#


def _matmul_rows(torch, repeats: int):
    integers = capability("host")["name"] == "host:avx512vnni"
    yield _product(torch, repeats, qd.UFP4_B, 2048, bar=0.7)
    yield _product(torch, repeats, qd.MXUF4, 2048, bar=1.0 if integers else None)
    for n in (256, 1024):
        yield _product(torch, repeats, qd.UFP4_B, n)
    if integers:  # elsewhere PyTorch multiplies s8 element by element
        yield _integer_product(torch, repeats, 2048)


def _product(torch, repeats: int, fmt: qd.Format, n: int, bar: float | None = None) -> Row:
    """The whole product, packing included, against PyTorch's f32 product of the dequantized operands."""
    a, b = _operands(fmt, n)
    product = qd.jit(_named("product", lambda a, b: qd.matmul(a, b.T, dtype=qd.f32)))
    values = [torch.from_numpy(np.asarray(q.dequantize())) for q in (a, b)]
    out = product(a, b)
    t = alternate(repeats, ours=lambda: product(a, b, out=out), torch=lambda: values[0] @ values[1].T)
    what = f"matmul {n}^3 of {fmt.name} operands ({_gflops(n, t['ours'])}), against PyTorch f32 on their values"
    ratio = t["torch"] / t["ours"]
    return _reported(what, ratio) if bar is None else _at_least(what, ratio, bar)


def _integer_product(torch, repeats: int, n: int) -> Row:
    """MXUF4, whose codes multiply as s8, against PyTorch's product of s8 matrices without scales."""
    a, b = _operands(qd.MXUF4, n)
    product = qd.jit(_named("product", lambda a, b: qd.matmul(a, b.T, dtype=qd.f32)))
    x, w = (torch.randint(-7, 8, (n, n), dtype=torch.int8) for _ in range(2))
    out = product(a, b)
    t = alternate(repeats, ours=lambda: product(a, b, out=out), torch=lambda: torch._int_mm(x, w.T))
    what = f"matmul {n}^3 of MXUF4 operands, against PyTorch s8 ({_gflops(n, t['torch'])}), which has no scales"
    return _reported(what, t["torch"] / t["ours"])


def _operands(fmt: qd.Format, n: int) -> list[qd.QTensor]:
    rng = np.random.default_rng(0)
    return [qd.quantize(rng.standard_normal((n, n), np.float32), fmt) for _ in range(2)]


def _gflops(n: int, seconds: float) -> str:
    return f"{2 * n**3 / seconds / 1e9:.0f} GFLOP/s"


#
# Latency
#


def first_calls(*arguments: str) -> tuple[float, float]:
    """Milliseconds of a first call (first_call.py, with these arguments): nothing on disk, and from the disk cache."""
    with tempfile.TemporaryDirectory() as cache:
        environment = dict(os.environ, QUADRILLE_CACHE_DIR=cache)
        first, *others = (
            float(
                subprocess.run(
                    [sys.executable, "-m", "quadrille.bench.first_call", *arguments],
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            for _ in range(6)
        )
    return first, statistics.median(others)


def _latency_rows():
    first, other = first_calls()
    yield _at_most("first call of a quantize kernel, helper warm", first, 300, " ms")
    yield _at_most("first call, from the disk cache", other, 10, " ms")
    x = np.zeros((16, 16), np.float32)
    kernel = qd.jit(_named("kernel", lambda x: qd.quantize(x, qd.UFP4_B)))
    kernel(x)
    calls = 100

    def loop():
        for _ in range(calls):
            kernel(x)

    yield _at_most("a call on a 16x16 array", alternate(200, loop=loop)["loop"] / calls * 1e6, 10, " us")
