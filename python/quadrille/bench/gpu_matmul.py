"""Products on a GPU: time as a ratio to cuBLAS's bf16 product of the same dequantized values, in the same run. Needs
PyTorch with a GPU.

A GPU that is busy lowers its clock, so what is compared takes turns within one loop.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Iterator

import quadrille as qd

from .. import devices
from ..targets import quantizes_to_panels
from . import host, torch_peers
from .gpu_quantize import _no_torch

#: Bars by size of a cube: of the product's kernel alone, and from packed operands.
BARS = {
    "UFP4_B": {4096: (0.95, 0.85), 8192: (1.0, 0.93), 16384: (1.0, 0.95)},
    "NVFP4": {4096: (0.95, 0.85), 8192: (1.0, 0.93), 16384: (1.0, 0.95)},
    "MXUF4": {4096: (1.65, 1.45), 8192: (1.7, 1.6), 16384: (1.75, 1.65)},
    "UFP4": {},
}
#: Accumulation modes that a format's carrier has here.
MODES = {"UFP4_B": ("f32",), "NVFP4": ("f32",), "MXUF4": ("promote128", "fast"), "UFP4": ("f32",)}
LINEAR_BARS = {"MXUF4": 1.3, "UFP4_B": 0.85}
EAGER_BAR, COMPILED_BAR = 3.0, 1.5 #: times of PyTorch's fake quantization of the same recipe
FIRST_CALL_BARS = 1500, 10 #: milliseconds: compiled, and from the disk cache
GROUPED_BAR = 0.75 #: of what bytes or operations allow
DECODE_BARS = {"UFP4_B": 2.2, "NVFP4": 2.6, "MXUF4": 2.6}
DECODE_COPY_BAR = 0.75 #: of the rate of a copy, in packed bytes
FP8_BAR = 0.92 #: of cuBLASLt's fp8
DECODE = [(8192, 8192), (4096, 14336)]
FEW_ROWS = (1, 8, 16)


def alternate(torch, actions: dict[str, Callable], repeats: int, launches: int = 4) -> dict[str, float]:
    """Microseconds of one call of each, the median of `repeats` turns of `launches` calls."""
    times: dict[str, list] = {name: [] for name in actions}
    for turn in range(repeats + 1):
        for name, action in actions.items():
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            for _ in range(launches):
                action()
            end.record()
            end.synchronize()
            if turn:  # the first warms up
                times[name].append(start.elapsed_time(end) * 1e3 / launches)
    return {name: statistics.median(of) for name, of in times.items()}


def device_times(torch, *actions: Callable, turns: int = 8) -> dict[str, float]:
    """Device microseconds of each kernel of actions that take turns, by its name."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(turns):
            for action in actions:
                action()
        torch.cuda.synchronize()
    return {
        event.key: event.device_time_total / turns for event in profile.key_averages() if event.device_time_total
    }


def kernels(torch, action: Callable, other: Callable) -> tuple[float, float]:
    """Device microseconds of the kernel that takes longest in each of two actions, which take turns."""
    times = device_times(torch, action, other)
    mine = {name for name in times if name.startswith("product_")}
    return tuple(max(times[name] for name in group) for group in (mine, times.keys() - mine))


def _product(accum: str | None):
    @qd.jit
    def product(a, b):
        return qd.matmul(a, b.T, dtype="bf16", accum=accum)

    return product


def _bar(ratio: float, bar: float) -> str:
    return f"{bar}{'' if ratio >= bar else ' (missed)'}"


def _cubes(torch, sizes, repeats: int) -> Iterator[str]:
    yield "| product | format | accumulation | size | us | TFLOP/s | of cuBLAS bf16 | bar |"
    yield "|---|---|---|---|---|---|---|---|"
    for n in sizes:
        flops = 2 * n**3 / 1e6
        for fmt, modes in MODES.items():
            a, b = (qd.quantize(torch.randn(n, n, device="cuda", dtype=torch.bfloat16), fmt) for _ in range(2))
            plain = [qd.dequantize(q, dtype="bf16") for q in (a, b)]
            bars = BARS[fmt].get(n, (0, 0))
            for mode in modes:
                product = _product(mode)
                out = product(a, b)
                actions = {
                    "from packed": lambda product=product, out=out: product(a, b, out=out),
                    "cuBLAS bf16": lambda: plain[0] @ plain[1].T,
                }
                times = alternate(torch, actions, repeats)
                alone, peer = kernels(torch, *actions.values())
                rows = [("kernel alone", alone, peer, bars[0])]
                rows.append(("from packed", times["from packed"], times["cuBLAS bf16"], bars[1]))
                for what, taken, base, bar in rows:
                    ratio, rate = base / taken, flops / taken
                    of = f"| {what} | {fmt} | {mode} | {n} | {taken:.0f} | {rate:.0f} | {ratio:.2f} | "
                    yield of + (f"{_bar(ratio, bar)} |" if bar else "|")
        yield from _fp8_peer(torch, n, flops, repeats)
        yield from _packed_peers(torch, n, flops, repeats)


def _fp8_peer(torch, n: int, flops: float, repeats: int) -> Iterator[str]:
    """cuBLASLt's product of e4m3 (it takes no e5m2 on both sides), scaled by one number each; and this one's of MXUF4,
    whose carrier is e5m2, beside it: of both the kernel alone.
    """
    a, b = (torch.randn(n, n, device="cuda").to(torch.float8_e4m3fn) for _ in range(2))
    qa, qb = (qd.quantize(torch.randn(n, n, device="cuda", dtype=torch.bfloat16), "MXUF4") for _ in range(2))
    one = torch.ones((), device="cuda")
    plain = [x.to(torch.bfloat16) for x in (a, b)]
    for fast in (False, True):
        mine, out = _product("fast" if fast else "promote128"), torch.empty(n, n, device="cuda", dtype=torch.bfloat16)
        actions = {
            "fp8": lambda fast=fast: torch._scaled_mm(
                a, b.T, scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=fast
            ),
            "bf16": lambda: plain[0] @ plain[1].T,
        }
        times = alternate(torch, actions, repeats)
        mode = f"use_fast_accum={fast}"
        ratio = times["bf16"] / times["fp8"]
        rate = flops / times["fp8"]
        yield f"| cuBLASLt | e4m3 x e4m3 | {mode} | {n} | {times['fp8']:.0f} | {rate:.0f} | {ratio:.2f} | |"
        alone, peer = kernels(torch, lambda mine=mine, out=out: mine(qa, qb, out=out), actions["fp8"])
        of_peer = f"{peer / alone:.2f} of cuBLASLt: {_bar(peer / alone, FP8_BAR)}"
        what = "kernel alone beside cuBLASLt's"
        yield f"| {what} | MXUF4 | {mode} | {n} | {alone:.0f} | {flops / alone:.0f} | | {of_peer} |"


def _packed_peers(torch, n: int, flops: float, repeats: int) -> Iterator[str]:
    """Other ways from packed operands: dequantization compiled by PyTorch, and Triton's dot_scaled."""
    for what, fmt, make in (
        ("torch.compile dequantization, cuBLAS", "UFP4_B", _compiled_peer),
        ("Triton dot_scaled", "MXFP4", _triton_peer),
    ):
        a, b = (qd.quantize(torch.randn(n, n, device="cuda", dtype=torch.bfloat16), fmt) for _ in range(2))
        plain = [qd.dequantize(q, dtype="bf16") for q in (a, b)]
        mine, out = _product(None), torch.empty(n, n, device="cuda", dtype=torch.bfloat16)
        actions = {
            "peer": make(torch, fmt, a, b, out),
            "mine": lambda mine=mine, a=a, b=b, out=out: mine(a, b, out=out),
            "cuBLAS": lambda plain=plain: plain[0] @ plain[1].T,
        }
        times = alternate(torch, actions, repeats)
        for name, mode in (("peer", what), ("mine", "default")):
            label = "peer from packed" if name == "peer" else "from packed"
            rate, ratio = flops / times[name], times["cuBLAS"] / times[name]
            yield f"| {label} | {fmt} | {mode} | {n} | {times[name]:.0f} | {rate:.0f} | {ratio:.2f} | |"


def _compiled_peer(torch, fmt, a, b, out) -> Callable:
    product = torch_peers.dequantized_product(torch, fmt)
    return lambda: product(a.codes, a.scales[0], b.codes, b.scales[0])


def _triton_peer(torch, fmt, a, b, out) -> Callable:
    from . import triton_matmul

    scales = [q.scales[0].view(torch.uint8) for q in (a, b)]
    return lambda: triton_matmul.product(a.codes, scales[0], b.codes, scales[1], out)


def _quantized(torch, repeats: int, sizes=(4096, 8192)) -> Iterator[str]:
    """A product whose result is quantized, in one call, which its kernel does, and in two."""
    columns = ["in one call: us", "in two: us", "the product alone: us"]
    yield f"| product of prepared UFP4_B, then MXUF4 with RHT16 of it | {' | '.join(columns)} |"
    yield "|---|---|---|---|"
    rht = qd.RHT(16, seed=0)
    product = _product(None)
    quantize = qd.jit(lambda y: qd.quantize(y, "MXUF4", rht=rht))
    both = qd.jit(lambda a, b: qd.quantize(qd.matmul(a, b.T, dtype="bf16"), "MXUF4", rht=rht))
    for n in sizes:
        x, w = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16) for _ in range(2))
        a, b = (qd.prepare(qd.quantize(v, "UFP4_B"), side=side) for v, side in ((x, "a"), (w, "b")))
        actions = {
            "one": lambda: both(a, b),
            "two": lambda: quantize(product(a, b)),
            "alone": lambda: product(a, b),
        }
        times = alternate(torch, actions, repeats)
        yield f"| {n} | " + " | ".join(f"{times[name]:.0f}" for name in actions) + " |"


def _linear(torch, n: int, repeats: int) -> Iterator[str]:
    """A linear layer's three products of n tokens, n x n weights, with all quantization."""
    columns = ["us", "of the same in bf16", "bar", "of eager fake quantization", "bar", "of compiled", "bar"]
    yield f"| three products of a linear, from bf16 | {' | '.join(columns)} | workspace and results at most | of bf16 |"
    yield f"|---|{'---|' * len(columns)}---|---|"
    rht = qd.RHT(32, seed=0)
    x, w, dy = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16) for _ in range(3))

    def bf16():
        return x @ w.T, dy @ w, dy.T @ x

    target = devices.device("cuda:0").target
    for fmt, bar in LINEAR_BARS.items():
        noise = qd.stochastic(qd.Key(0))
        # Nothing but the products reads what is quantized.
        direct = all(quantizes_to_panels(target, fmt, fmt))

        @qd.jit
        def linear(x, w, dy, fmt=fmt, noise=noise, direct=direct):
            (xr, xc), (wr, wc) = (qd.quantize_pair(v, fmt, rht=rht) for v in (x, w))
            dyr, dyc = qd.quantize_pair(dy, fmt, rht=rht, rounding=noise)
            ready = qd.prepare if direct else (lambda q, side: q)
            products = (xr, wr, False, True), (dyr, wc, False, False), (dyc, xc, True, False)
            results = []
            for a, b, turns_a, turns_b in products:
                a, b = ready(a, side="a"), ready(b, side="b")
                results.append(qd.matmul(a.T if turns_a else a, b.T if turns_b else b, dtype="bf16"))
            return tuple(results)

        fake = torch_peers.fake_linear(torch, fmt)
        actions = {
            "mine": lambda: linear(x, w, dy),
            "bf16": bf16,
            "eager": lambda: fake(x, w, dy),
            "compiled": functools.partial(torch.compile(fake), x, w, dy),
        }
        times = alternate(torch, actions, repeats)
        row = f"| {fmt}, RHT32, noise on dy | {times['mine']:.0f} | "
        for peer, least in (("bf16", bar), ("eager", EAGER_BAR), ("compiled", COMPILED_BAR)):
            ratio = times[peer] / times["mine"]
            row += f"{ratio:.2f} | {_bar(ratio, least)} | "
        yield row + " | ".join(f"{_peak(torch, actions[name]):.0f} MiB" for name in ("mine", "bf16")) + " |"


def _autograd(torch, n: int, repeats: int) -> Iterator[str]:
    """Forward and backward of such a layer by qd.torch.linear, its weights quantized anew, beside PyTorch's in bf16."""
    import quadrille.torch

    yield (
        "| linear, forward and backward by autograd | us | of the same in bf16 | bar "
        "| kept for the backward pass beside w | of bf16 |"
    )
    yield "|---|---|---|---|---|---|"
    x, w = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16, requires_grad=True) for _ in range(2))
    dy = torch.randn(n, n, device="cuda", dtype=torch.bfloat16)

    def gradients(linear):
        return lambda: torch.autograd.grad(linear(x, w), (x, w), dy)

    for fmt, bar in LINEAR_BARS.items():
        recipe = qd.recipes.BY_NAME[fmt]
        actions = {
            "mine": gradients(functools.partial(quadrille.torch.linear, recipe=recipe, key=qd.Key(0))),
            "bf16": gradients(torch.nn.functional.linear),
        }
        times = alternate(torch, actions, repeats)
        ratio = times["bf16"] / times["mine"]
        kept = {name: kept_for_backward(torch, action, w) for name, action in actions.items()}
        row = f"| {fmt} | {times['mine']:.0f} | {ratio:.2f} | {_bar(ratio, bar)} | "
        yield row + f"{kept['mine']:.0f} MiB | {kept['bf16']:.0f} MiB |"


def kept_for_backward(torch, action: Callable, parameter) -> float:
    """MiB of the tensors that a forward pass saves, those apart that share memory with the parameter."""
    kept: dict[int, int] = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        action()
    kept.pop(parameter.untyped_storage().data_ptr(), None)
    return sum(kept.values()) / 2**20


def _peak(torch, action: Callable) -> float:
    """MiB that a call allocates at most, its results included."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    kept = action()
    del kept
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def _replayed(torch, action: Callable, count: int):
    """A graph that calls action(i) for i below count, three times."""
    action(0)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(3):
            for i in range(count):
                action(i)
    return graph.replay


def _decode(torch, repeats: int) -> Iterator[str]:
    """Few rows, weights taken in turns past the L2 cache, by graph replay."""
    yield (
        "| few rows | format | weights | rows | us | TB/s of packed bytes | of a copy's | bar | of cuBLAS bf16 | bar "
        "| bf16 rows: us |"
    )
    yield f"|{'---|' * 11}"
    count = 4
    source = torch.empty(1 << 28, device="cuda", dtype=torch.int8)
    target = torch.empty_like(source)
    copy = 2 * source.numel() / alternate(torch, {"copy": lambda: target.copy_(source)}, repeats)["copy"] / 1e6
    for (n, k), fmt in ((shape, fmt) for shape in DECODE for fmt in DECODE_BARS):
        weights = [qd.quantize(torch.randn(n, k, device="cuda", dtype=torch.bfloat16), fmt) for _ in range(count)]
        plain = [qd.dequantize(w, dtype="bf16") for w in weights]
        packed = sum(a.numel() * a.element_size() for a in (weights[0].codes, *weights[0].scales))
        product = _product(None)
        for m in FEW_ROWS:
            x = torch.randn(m, k, device="cuda", dtype=torch.bfloat16)
            q, out = qd.quantize(x, fmt), torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
            runs = {
                "packed": lambda i, q=q, out=out: product(q, weights[i], out=out),
                "bf16 rows": lambda i, x=x, out=out: product(x, weights[i], out=out),
                "cuBLAS": lambda i, x=x, out=out: torch.mm(x, plain[i].T, out=out),
            }
            graphs = {name: _replayed(torch, run, count) for name, run in runs.items()}
            times = {name: t / (3 * count) for name, t in alternate(torch, graphs, repeats, launches=1).items()}
            ratio, rate = times["cuBLAS"] / times["packed"], packed / times["packed"] / 1e6
            row = f"| product | {fmt} | {n}x{k} | {m} | {times['packed']:.1f} | {rate:.2f} | {rate / copy:.2f} | "
            row += f"{_bar(rate / copy, DECODE_COPY_BAR)} | {ratio:.2f} | {_bar(ratio, DECODE_BARS[fmt])} | "
            yield row + f"{times['bf16 rows']:.1f} |"


def _grouped(torch, repeats: int) -> Iterator[str]:
    """A mixture of 64 experts, 4096 tokens that each meet one, most of them few."""
    experts, n, k, tokens = 64, 1408, 2048, 4096
    shares = torch.tensor([1 / (i + 4) for i in range(experts)]).double()
    sizes = (shares / shares.sum() * tokens).int()
    sizes[0] += tokens - int(sizes.sum())
    groups = torch.cat([torch.zeros(1), sizes.cumsum(0)]).int().cuda()
    tiles = int((-(-sizes // 128)).sum())
    x, w = (torch.randn(r, k, device="cuda", dtype=torch.bfloat16) for r in (tokens, experts * n))
    stacked = w.view(experts, n, k).transpose(1, 2)
    copied = torch.empty_like(w)
    rate = w.numel() * 4 / alternate(torch, {"copy": lambda: copied.copy_(w)}, repeats)["copy"]  # bytes a us
    big = [torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2)]
    peak = 2 * 8192**3 / alternate(torch, {"mm": lambda: big[0] @ big[1].T}, repeats)["mm"]  # operations a us
    product = qd.jit(lambda a, b, groups: qd.matmul(a, b.T, groups=groups))
    yield (
        f"| {experts} experts of {n} x {k}, {tokens} tokens | us | bound by bytes, by operations: us | of it | bar "
        "| of torch._grouped_mm bf16 |"
    )
    yield "|---|---|---|---|---|---|"
    for fmt in ("UFP4_B", "MXUF4"):
        q, qw = qd.quantize(x, fmt), qd.quantize(w, fmt)
        prepared = qd.prepare(qw)
        actions = {
            "packed": lambda: product(q, qw, groups),
            "prepared": lambda: product(q, prepared, groups),
            "torch": lambda: torch._grouped_mm(x, stacked, offs=groups[1:]),
        }
        times = alternate(torch, actions, repeats)
        for name, weights in (("packed", qw), ("prepared", prepared)):
            by_bytes = (weights.nbytes + q.nbytes + tokens * n * 2) / rate
            by_operations = tiles * 128 * n * k * 2 / peak
            ratio = max(by_bytes, by_operations) / times[name]
            yield (
                f"| {fmt}, weights {name} | {times[name]:.0f} | {by_bytes:.0f}, {by_operations:.0f} | {ratio:.2f} | "
                f"{_bar(ratio, GROUPED_BAR)} | {times['torch'] / times[name]:.2f} |"
            )


def _parts(torch, sizes=(4096, 8192)) -> Iterator[str]:
    """Which kernels a product from packed operands takes its time in."""
    yield "| from packed | size | kernels: us | their sum |"
    yield "|---|---|---|---|"
    for n in sizes:
        for fmt in ("UFP4_B", "MXUF4"):
            a, b = (qd.quantize(torch.randn(n, n, device="cuda", dtype=torch.bfloat16), fmt) for _ in range(2))
            product = _product(None)
            out = product(a, b)
            times = device_times(torch, lambda: product(a, b, out=out))
            mine = {name.removeprefix("product_matmul").lstrip("_") or "product": us for name, us in times.items()}
            each = ", ".join(f"{name} {us:.1f}" for name, us in mine.items() if us >= 0.05)
            yield f"| {fmt} | {n} | {each} | {sum(mine.values()):.0f} |"


def _accuracy(torch, n: int = 2048) -> Iterator[str]:
    """Errors of f32 results against the f64 product of the dequantized operands: signed ones too, for a product that
    shrinks what it sums would add its own bias to the recipe's. Blocks of 32 differ by up to 2^6.
    """
    columns = ["largest error by the sum of magnitudes", "mean signed error by the mean magnitude", "projection - 1"]
    yield f"| product {n}^3 | accumulation | {' | '.join(columns)} |"
    yield f"|---|---|{'---|' * len(columns)}"
    def spread():
        powers = torch.randint(-3, 4, (n, n // 32), device="cuda").repeat_interleave(32, dim=1)
        return torch.randn(n, n, device="cuda") * torch.exp2(powers.float())

    for fmt, modes in MODES.items():
        a, b = (qd.quantize(spread(), fmt) for _ in range(2))
        x, y = (qd.dequantize(q).double() for q in (a, b))
        wanted, magnitudes = x @ y.T, x.abs() @ y.abs().T
        for mode in modes:
            got = qd.jit(lambda a, b, mode=mode: qd.matmul(a, b.T, dtype="f32", accum=mode))(a, b).double()
            error = got - wanted
            largest, signed = float((error.abs() / magnitudes).max()), float((error * wanted.sign()).mean())
            projection = float((got * wanted).sum() / (wanted * wanted).sum()) - 1
            row = f"| {fmt} | {mode} | {largest:.1e} | {signed / float(wanted.abs().mean()):+.1e} | {projection:+.1e} |"
            yield row


def _first_calls() -> Iterator[str]:
    yield "| first call of a product | ms | bar | from the disk cache: ms | bar |"
    yield "|---|---|---|---|---|"
    for fmt in LINEAR_BARS:
        taken = host.first_calls("cuda", fmt)
        bars = (f"{bar}" if ms <= bar else f"{bar} (missed)" for ms, bar in zip(taken, FIRST_CALL_BARS))
        yield f"| {fmt} | " + " | ".join(f"{ms:.0f} | {bar}" for ms, bar in zip(taken, bars)) + " |"


def table(repeats: int, sizes=(4096, 8192, 16384)) -> Iterator[str]:
    """Lines of Markdown tables. UnsupportedError without PyTorch and a GPU."""
    try:
        import torch
    except ImportError:
        raise _no_torch("PyTorch, which allocates and has the clock, is not installed") from None
    if not torch.cuda.is_available():
        raise _no_torch("PyTorch sees no CUDA GPU")
    torch.manual_seed(0)
    yield f"{torch.cuda.get_device_name()}; every row beside its peer, which takes turns with it"
    yield ""
    tables = [
        _cubes(torch, sizes, repeats),
        _parts(torch),
        _accuracy(torch),
        _quantized(torch, repeats),
        _linear(torch, 8192, repeats),
        _autograd(torch, 8192, repeats),
        _grouped(torch, repeats),
        _decode(torch, repeats),
        _first_calls(),
    ]
    for lines in tables:
        yield from lines
        yield ""
