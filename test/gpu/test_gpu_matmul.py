"""Products against f64 products of the dequantized operands (docs/matmul.md states the bounds)."""

from __future__ import annotations

import numpy as np
import pytest
from machine import hostile, normal, qd, to_gpu, torch
from quadrille.demo import operands

if torch.cuda.get_device_capability() < (9, 0):
    pytest.skip("products by wgmma need compute capability 9.0", allow_module_level=True)

FORMATS = ["UFP4_B", "NVFP4", "NVINT4", "HIF4", "MXUF4", "MXFP4", "MXINT4"]
ROUNDING = {"f32": 2.0**-24, "bf16": 2.0**-8, "f16": 2.0**-11}


def error_bound(fmt: str, k: int, accum: str | None, rows: int, lost: int = 2) -> float:
    """Of the f32 sum, as a multiple of the sum of magnitudes.

    By fp8 each addition of 32 products to a sum may lose `lost` units in the last of 13 places: 33
    at most, and 2 in sums of products of many sizes and both signs.
    """
    by_fp8 = fmt.startswith("MX") and rows > 16
    if not by_fp8:
        return (k / 16 + 8) * 2.0**-23  # groups of 16 are cut at f32's last place
    groups = k / 32 if accum == "fast" else 4
    return groups * lost * 2.0**-13 + (k / 128) * 2.0**-24


def exact_product(a, b):
    """(the product, of magnitudes), f64; a is M x K, b is N x K."""
    plain = [x.double() if isinstance(x, torch.Tensor) else qd.dequantize(x).double() for x in (a, b)]
    return plain[0] @ plain[1].T, plain[0].abs() @ plain[1].abs().T


def assert_close(y, wanted, magnitudes, bound: float) -> None:
    """Within the bound and the rounding of y's type everywhere, NaN where NaN is wanted; not shrunk on the whole."""
    rounding = ROUNDING[str(y.dtype).removeprefix("torch.").replace("bfloat", "bf").replace("float", "f")]
    got, error = y.double(), None
    assert bool((torch.isnan(got) == torch.isnan(wanted)).all())
    finite = torch.isfinite(wanted) & torch.isfinite(got)
    got, wanted, magnitudes = got[finite], wanted[finite], magnitudes[finite]
    error = (got - wanted).abs()
    limit = bound * magnitudes + rounding * wanted.abs() + 1e-38
    assert bool((error <= limit).all()), f"{float((error / limit).max()):.2f} of the bound"
    if wanted.numel() > 1000 and float((wanted * wanted).sum()) > 0:
        projection = float((got * wanted).sum() / (wanted * wanted).sum())
        assert abs(projection - 1) < max(8 * bound, rounding)


def quantized(rows: int, k: int, fmt: str, seed: int = 0, spread: int = 3):
    """Numbers whose blocks of 32 differ in exponent."""
    rng = np.random.default_rng(seed)
    exponents = rng.integers(-spread, spread + 1, (rows, -(-k // 32)))
    x = rng.standard_normal((rows, k)) * np.exp2(np.repeat(exponents, 32, axis=1)[:, :k])
    return qd.quantize(to_gpu(x.astype(np.float32)), fmt, pad=True)


def product(dtype="f32", accum=None, target=None):
    return qd.jit(lambda a, b: qd.matmul(a, b.T, dtype=dtype, accum=accum), target=target)


#: The GPU's own, and one without wgmma but with fp8, which the driver compiles for this one.
BOTH_ENGINES = pytest.mark.parametrize("target", [None, "sm_89"])


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
def test_formats(fmt, dtype):
    for m, n, k in ((1, 64, 512), (13, 33, 96), (16, 520, 1024), (17, 33, 64), (129, 1000, 4160), (300, 520, 256)):
        a, b = quantized(m, k, fmt), quantized(n, k, fmt, seed=1)
        assert_close(product(dtype)(a, b), *exact_product(a, b), error_bound(fmt, k, None, m))


@pytest.mark.parametrize("fmt", ["UFP4_B", "MXUF4"])
def test_shapes(fmt):
    rng = np.random.default_rng(5)
    f = product("bf16")
    for _ in range(40):
        m, n = (int(x) for x in rng.integers(1, 5000 if _ % 4 == 0 else 300, 2))
        k = int(rng.integers(1, 40)) * int(rng.choice([1, 16, 32, 64]))
        a, b = quantized(m, k, fmt, seed=_), quantized(n, k, fmt, seed=100 + _)
        assert_close(f(a, b), *exact_product(a, b), error_bound(fmt, a.stored, None, m))


@pytest.mark.parametrize("accum", ["default", "promote128", "fast"])
def test_accumulation(accum):
    a, b = quantized(200, 4096, "MXUF4", spread=5), quantized(300, 4096, "MXUF4", seed=1, spread=5)
    assert_close(product(accum=accum)(a, b), *exact_product(a, b), error_bound("MXUF4", 4096, accum, 200))


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("m", [5, 16, 70])
def test_sums_that_are_exact(fmt, m):
    """Integers and scales that are powers of two: f32 holds every partial sum."""
    rng = np.random.default_rng(m)
    x, w = (rng.integers(-3, 4, (rows, 512)).astype(np.float32) for rows in (m, 90))
    x[:, ::16] = w[:, ::16] = 3
    largest = 448 * (7 if "INT4" in fmt else 6)  # which makes a tensor's scale 1
    amax = torch.tensor([largest], dtype=torch.float32, device="cuda") if fmt.startswith("NV") else None
    a, b = (qd.quantize(to_gpu(v), fmt, amax=amax) for v in (x, w))
    wanted, _ = exact_product(a, b)
    assert bool((product()(a, b).double() == wanted).all())


@pytest.mark.parametrize("target", ["sm_80", "sm_89"])
@pytest.mark.parametrize("fmt", ["UFP4_B", "NVFP4", "MXUF4", "HIF4"])
def test_many_rows_by_single_warps(fmt, target):
    """The kernels of GPUs without wgmma, which the driver compiles for this one."""
    f = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32"), target=target)
    for m, n, k in ((17, 33, 64), (32, 128, 512), (129, 1000, 4160), (300, 520, 256)):
        a, b = quantized(m, k, fmt), quantized(n, k, fmt, seed=1)
        assert_close(f(a, b), *exact_product(a, b), (k / 16 + 8) * 2.0**-23)


@pytest.mark.parametrize("target", ["sm_80", "sm_89"])
@pytest.mark.parametrize("fmt", ["UFP4_B", "MXUF4"])
def test_prepared_by_single_warps(fmt, target):
    """The panels of GPUs without wgmma are kept as others are."""

    @qd.jit(target=target)
    def both(a, b):
        left, right = qd.prepare(a, side="a"), qd.prepare(b)
        return qd.matmul(left, right.T), qd.matmul(left, b.T), qd.matmul(a, right.T), qd.matmul(a, b.T)

    for m, n, k in ((33, 70, 192), (129, 1000, 4160)):
        *prepared, plain = both(quantized(m, k, fmt), quantized(n, k, fmt, seed=1))
        for y in prepared:
            assert bool((y == plain).all())


@BOTH_ENGINES
@pytest.mark.parametrize("fmt", ["UFP4_B", "NVFP4", "MXUF4", "HIF4"])
@pytest.mark.parametrize("m", [7, 64])
def test_hostile(fmt, m, target):
    a, b = (qd.quantize(to_gpu(hostile(rows, 512, "f32", seed=rows)), fmt) for rows in (m, 80))
    with np.errstate(all="ignore"):
        wanted, magnitudes = exact_product(a, b)
    y = product(target=target)(a, b)
    # Sums beyond f32 are infinite or, of both signs, NaN.
    assert bool(torch.isnan(y)[torch.isnan(wanted)].all())
    assert not bool(torch.isnan(y)[magnitudes < 1e37].any())
    inside = torch.isfinite(wanted) & (magnitudes < 1e37) & (magnitudes > 1e-30)
    error = (y.double() - wanted)[inside].abs()
    assert bool((error <= error_bound(fmt, 512, None, m) * magnitudes[inside] * 2).all())


@pytest.mark.parametrize("target", [None, "sm_80", "sm_89"])
def test_scales_of_sums_of_bytes(target):
    """f32 scales of 128: s8 (or fp8) instructions sum the codes of a block exactly."""
    long = qd.format("LONG", qd.e1m2, [qd.level((1, 128), "f32")])
    f = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32"), target=target)
    for m, n, k in ((1, 64, 512), (16, 70, 1024), (129, 1000, 4224)):
        a, b = quantized(m, k, long), quantized(n, k, long, seed=1)
        assert_close(f(a, b), *exact_product(a, b), (k / 128 + 8) * 2.0**-23)


def test_rounded_scales():
    """exact=False: code times an f32 scale, rounded to bf16, for any number of rows."""
    f = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32", exact=False))
    for m in (5, 200):
        a, b = quantized(m, 512, "UFP4"), quantized(70, 512, "UFP4", seed=1)
        rounded = [qd.dequantize(q).bfloat16() for q in (a, b)]
        assert_close(f(a, b), *exact_product(*rounded), error_bound("UFP4", 512, None, m))


@pytest.mark.parametrize("target", [None, "sm_80"])
@pytest.mark.parametrize("names", [("UFP4", "UFP4"), ("UFP4_B", "UFP4"), ("E2M1_REF", "E2M1_REF"), (None, "UFP4")])
def test_scales_of_sums(names, target):
    """f32 scales multiply the sums of their blocks: few rows, many, and more columns than a tile."""
    f = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32"), target=target)
    for m, n, k in ((1, 64, 512), (13, 33, 96), (16, 520, 1024), (17, 33, 64), (129, 1000, 4160), (300, 520, 256)):
        a = quantized(m, k, names[0]) if names[0] else to_gpu(normal(m, k, "bf16"))
        b = quantized(n, k, names[1], seed=1)
        assert_close(f(a, b), *exact_product(a, b), (k / 16 + 8) * 2.0**-23)
        x, w = (np.random.default_rng(i).integers(-3, 4, (rows, k)).astype(np.float32) for i, rows in enumerate((m, n)))
        x[:, ::16] = w[:, ::16] = 7 if "UFP4" in names else 6  # scales are powers of two, sums exact
        a = qd.quantize(to_gpu(x), names[0]) if names[0] else to_gpu(x).bfloat16()
        b = qd.quantize(to_gpu(w), names[1])
        assert bool((f(a, b).double() == exact_product(a, b)[0]).all())


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("accum", ["default", "fast"])
def test_exponents_far_apart(accum, dtype):
    """Of rows and of neighbouring columns, some so large that a power of two would overflow."""
    rng = np.random.default_rng(3)
    x, w = (rng.standard_normal((rows, 256)) for rows in (300, 520))
    x *= np.exp2(rng.choice([-20, 0, 20], (300, 1)))
    w *= np.exp2(rng.choice([-75, -10, 0, 75], (520, 1)))
    a, b = (qd.quantize(to_gpu(v.astype(np.float32)), "MXUF4") for v in (x, w))
    y = product(dtype, accum)(a, b)
    assert_close(y, *exact_product(a, b), error_bound("MXUF4", 256, accum, 300))


@BOTH_ENGINES
def test_rows_beyond_the_window(target):
    """A row whose exponents spread over more than e5m2 holds is multiplied without it, as exactly."""
    x, w = normal(300, 1024, "f32"), normal(200, 1024, "f32", seed=1)
    x[5, :32] *= 2.0**60
    w[133, 64:96] *= 2.0**-50
    w[133, 96:128] *= 2.0**30
    a, b = (qd.quantize(to_gpu(v), "MXUF4") for v in (x, w))
    acc = to_gpu(normal(300, 200, "f32", seed=2))
    wanted, magnitudes = exact_product(a, b)
    for accum in ("default", "fast"):
        bound = error_bound("MXUF4", 1024, accum, 300)
        assert_close(product(accum=accum, target=target)(a, b), wanted, magnitudes, bound)
        out = acc.clone()
        add = qd.jit(lambda a, b, c: qd.matmul(a, b.T, dtype="f32", acc=c, accum=accum), target=target)
        add(a, b, out, out=out)
        assert_close(out, wanted + acc.double(), magnitudes + acc.abs().double(), bound + 2.0**-22)


@pytest.mark.parametrize("fmt", ["UFP4_B", "MXUF4"])
def test_parts_of_the_contraction(fmt):
    """Few tiles of a long contraction: parts of it are multiplied side by side, then added."""
    f = qd.jit(lambda a, b, bias: qd.matmul(a, b.T, dtype="f32", bias=bias))
    for m, n, k in ((17, 9, 8192), (256, 256, 8192), (300, 130, 16416), (768, 500, 4128), (40, 3000, 5000)):
        a, b = quantized(m, k, fmt), quantized(n, k, fmt, seed=1)
        bias = torch.randn(n, device="cuda")
        wanted, magnitudes = exact_product(a, b)
        y, bound = f(a, b, bias), error_bound(fmt, k, None, m)
        assert_close(y, wanted + bias.double(), magnitudes + bias.abs().double(), bound)
        assert bool((f(a, b, bias) == y).all())
        total = y.clone()
        qd.matmul(a, b.T, dtype="f32", acc=total, out=total)
        assert_close(total, wanted + y.double(), magnitudes + y.abs().double(), bound)


@BOTH_ENGINES
@pytest.mark.parametrize("m, n, k", [(300, 200, 256), (300, 200, 8192)])
def test_many_rows_beyond_the_window(m, n, k, target):
    """Rows and columns of either operand, whose neighbours keep their bits; in one part and in several."""
    f = qd.jit(lambda a, b, acc: qd.matmul(a, b.T, dtype="f32", acc=acc), target=target)
    rng = np.random.default_rng(7)
    x, w = (rng.standard_normal((rows, k)).astype(np.float32) for rows in (m, n))
    total = torch.randn(m, n, device="cuda")
    plain = f(*(qd.quantize(to_gpu(v), "MXUF4") for v in (x, w)), total)
    rows, cols = [0, 5, 127, 128, 299], [3, 64, 199]
    for v, which in ((x, rows), (w, cols)):
        v[which, 32:64] *= 2.0**-40
    a, b = (qd.quantize(to_gpu(v), "MXUF4") for v in (x, w))
    y = f(a, b, total)
    wanted, magnitudes = exact_product(a, b)
    assert_close(y, wanted + total.double(), magnitudes + total.abs().double(), error_bound("MXUF4", k, None, m))
    # Flags are of four rows, and of eight columns where they are stored.
    same = torch.ones(m, n, dtype=torch.bool)
    for r in rows:
        same[r // 4 * 4 : r // 4 * 4 + 4] = False
    for c in cols:
        same[:, c // 8 * 8 : c // 8 * 8 + 8] = False
    assert bool((y.cpu() == plain.cpu())[same].all())


@BOTH_ENGINES
@pytest.mark.parametrize("fmt", ["UFP4_B", "NVFP4", "MXUF4"])
@pytest.mark.parametrize("m, n", [(3, 136), (11, 136), (150, 136), (150, 520)])
def test_epilogues(fmt, m, n, target):
    k = 512
    a, b = quantized(m, k, fmt), quantized(n, k, fmt, seed=1)
    bias, gate = to_gpu(normal(1, n, "f32", seed=3)[0]), to_gpu(normal(m, n, "bf16", seed=4))

    @qd.jit(target=target)
    def fused(a, b, bias, gate):
        return qd.maximum(qd.matmul(a, b.T, dtype="f32", bias=bias), 0.0) * gate

    wanted, magnitudes = exact_product(a, b)
    wanted = (wanted + bias.double()).clamp(min=0) * gate.double()
    magnitudes = (magnitudes + bias.double().abs()) * gate.double().abs()
    assert_close(fused(a, b, bias, gate), wanted, magnitudes, error_bound(fmt, k, None, m) + 2.0**-21)


@pytest.mark.parametrize("fmt", ["UFP4_B", "MXUF4"])
def test_three_products_of_a_linear(fmt):
    """From one read of each operand: y = x w^T, dx = dy w, dw = dy^T x, rotated."""
    rht = qd.RHT(32, seed=1)
    linear = operands.load()[0]
    x, w, dy = (to_gpu(np.ascontiguousarray(v[:256, :256], dtype=np.float32)) for v in (linear.x, linear.w, linear.dy))
    pairs = [qd.quantize_pair(v, fmt, rht=rht) for v in (x, w, dy)]
    (xr, xc), (wr, wc), (dyr, dyc) = pairs
    f = qd.jit(lambda a, b: qd.matmul(a, b, dtype="f32"))
    for a, b in ((xr, wr.T), (dyr, wc), (dyc.T, xc)):
        left = qd.dequantize(a if a.axis == 1 else a.T).double()
        right = qd.dequantize(b if b.axis == 0 else b.T).double()
        left, right = (left if a.axis == 1 else left.T), (right if b.axis == 0 else right.T)
        assert_close(f(a, b), left @ right, left.abs() @ right.abs(), error_bound(fmt, 256, None, 256))


@pytest.mark.parametrize("fmt", ["UFP4_B", "MXUF4"])
@pytest.mark.parametrize("m", [4, 300])
def test_the_same_bits_again_and_in_graphs(fmt, m):
    a, b, f = quantized(m, 2048, fmt), quantized(500, 2048, fmt, seed=1), product("bf16")
    first = f(a, b)
    for _ in range(20):
        assert torch.equal(f(a, b), first)
    out = torch.empty_like(first)
    workspace = torch.empty(f.explain(a, b).bytes["workspace"] + 64, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        f(a, b, out=out, workspace=workspace)
    out.zero_()
    graph.replay()
    assert torch.equal(out, first)


@pytest.mark.parametrize("fmt", ["UFP4_B", "MXFP4"])
def test_plain_operands(fmt):
    """W4A16: bf16 as it is."""
    for m, n, k in ((1, 100, 512), (9, 64, 1024), (200, 300, 768)):
        x, w = to_gpu(normal(m, k, "bf16")), quantized(n, k, fmt, seed=1)
        assert_close(product("bf16")(x, w), *exact_product(x, w), (k / 16 + 8) * 2.0**-23)


def test_no_rows():
    a, b = quantized(5, 64, "UFP4_B"), quantized(8, 64, "UFP4_B", seed=1)
    empty = qd.quantize(torch.empty(0, 64, device="cuda"), "UFP4_B")
    assert product()(empty, b).shape == (0, 8)
    assert product()(a, empty).shape == (5, 0)
