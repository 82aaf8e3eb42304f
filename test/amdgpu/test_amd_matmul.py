"""Products by AMD code: sums that are exact, bit for bit; others within the bound of docs/matmul.md."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from cases import assert_same, hostile, normal, numbers
from executor import FULL, TARGETS, aligned, check, execute, qd

#: (format of x, format of w): None is bf16 as it is.
OPERANDS = [(name, name) for name in ("UFP4_B", "NVFP4", "NVINT4", "HIF4", "MXUF4", "MXFP4", "MXINT4")]
OPERANDS += [(None, "UFP4_B"), ("MXFP4", "MXUF4"), ("UFP4_B", "NVFP4_16x16")]
#: Whose f32 scales multiply the sums of 16.
OPERANDS += [("UFP4", "UFP4"), (None, "UFP4"), ("UFP4_B", "UFP4"), ("E2M1_REF", "E2M1_REF")]
#: m, n and k: less than a tile, more than one, and what no tile divides.
SHAPES = [(1, 32, 512), (16, 70, 192), (37, 33, 1088)]


def turns(*factors):
    """(target, case) of the product of the factors: each with one target, or in full with all."""

    cases = list(itertools.product(*factors))
    if FULL:
        return [(target, *case) for case in cases for target in TARGETS]
    return [(TARGETS[number % len(TARGETS)], *case) for number, case in enumerate(cases)]


def operand(x: np.ndarray, name: str | None, **options):
    """`x` as an operand of that format, in memory that a GPU's would be in."""
    if name is None:
        return aligned(x.astype(qd.bf16.numpy))
    q = qd.jit(lambda x: qd.quantize(x, name, **options), target="interpret")(x)
    return q._with(codes=aligned(q.codes), scales=tuple(map(aligned, q.scales)))


def small_integers(rows: int, k: int, name: str | None, seed: int):
    """Integers that the format holds, with scales that are powers of two and differ: f32 holds all their sums."""
    uniform = name in ("UFP4", "UFP4_B", "MXUF4", "HIF4", "NVINT4", "MXINT4")
    top = 7 if uniform else 6  # steps of the largest code
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, (rows, k)).astype(np.float32)
    x[:, ::16] = top  # so that each block's scale is a power of two
    x *= np.exp2(rng.integers(0, 3, (-(-rows // 16), k // 64))).repeat(16, 0)[:rows].repeat(64, 1)
    if name and name.startswith("NV"):
        return operand(x, name, amax=np.array([448 * top], np.float32))  # the tensor's scale is 1
    return operand(x, name)


def values(a) -> np.ndarray:
    plain = qd.jit(lambda a: qd.dequantize(a), target="interpret")(a) if isinstance(a, qd.QTensor) else a
    return numbers(plain)


@pytest.mark.parametrize("target, names, shape", turns(OPERANDS, SHAPES))
def test_sums_that_are_exact(target, names, shape):
    m, n, k = shape
    a, b = small_integers(m, k, names[0], 1), small_integers(n, k, names[1], 2)
    product = values(a).astype(np.float64) @ values(b).astype(np.float64).T
    assert np.abs(product).max() > 0 and (product == product.astype(np.float32)).all()
    check(qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32")), target, a, b)


@pytest.mark.parametrize("target, name, m", turns(("UFP4_B", "NVFP4", "MXUF4", "MXFP4"), (3, 21)))
def test_epilogues(target, name, m):
    """Bias, what is added, code after it and the result's type."""
    n, k = 70, 320
    a, b = small_integers(m, k, name, 1), small_integers(n, k, name, 2)
    bias, gate = aligned(normal(1, n, "f32")[0]), aligned(normal(m, n, "bf16"))
    fused = qd.jit(lambda a, b, bias, gate: qd.maximum(qd.matmul(a, b.T, dtype="f32", bias=bias), 0.0) * gate)
    check(fused, target, a, b, bias, gate)
    acc = aligned(normal(m, n, "f32"))
    check(qd.jit(lambda a, b, acc: qd.matmul(a, b.T, dtype="f32", acc=acc)), target, a, b, acc)


@pytest.mark.parametrize("target, names", turns(OPERANDS))
def test_any_numbers(target, names):
    m, n, k = 19, 48, 704
    spread = np.exp2(np.random.default_rng(3).integers(-3, 4, k // 32)).repeat(32)
    a = operand((normal(m, k) * spread).astype(np.float32), names[0])
    b = operand((normal(n, k, seed=1) * spread).astype(np.float32), names[1])
    got = execute(qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32")), target, a, b).astype(np.float64)
    x, y = (values(v).astype(np.float64) for v in (a, b))
    assert (np.abs(got - x @ y.T) <= (k / 16 + 8) * 2.0**-23 * (abs(x) @ abs(y).T)).all()
    assert abs((got * (x @ y.T)).sum() / ((x @ y.T) ** 2).sum() - 1) < 8 * (k / 16 + 8) * 2.0**-23


@pytest.mark.parametrize("target, name", turns(("UFP4_B", "NVFP4", "MXUF4", "HIF4")))
def test_hostile(target, name):
    """NaN is where the exact product has it, and nowhere else."""
    a, b = operand(hostile(7, 512, "f32"), name), operand(hostile(48, 512, "f32", seed=9), name)
    got = execute(qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32")), target, a, b)
    with np.errstate(all="ignore"):
        x, y = (values(v).astype(np.float64) for v in (a, b))
        wanted, magnitudes = x @ y.T, abs(x) @ abs(y).T
    assert np.isnan(got[np.isnan(wanted)]).all()
    assert not np.isnan(got[magnitudes < 1e37]).any()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["UFP4_B", "MXUF4", "MXFP4"])
def test_many_rows(target, name):
    """Panels of more than one block of the kernel each way, their ends, and what is prepared."""
    m, n, k = 37, 150, 1088
    a, b = small_integers(m, k, name, 1), small_integers(n, k, name, 2)
    acc = aligned(normal(m, n, "f32"))

    def products(a, b, acc):
        left, right = qd.prepare(a, side="a"), qd.prepare(b)
        return qd.matmul(left, right.T, dtype="f32", acc=acc), qd.matmul(a, b.T)

    if name == "MXFP4" and target == "gfx950":  # whose codes are the instruction's operands
        check(qd.jit(lambda a, b, acc: qd.matmul(a, b.T, dtype="f32", acc=acc)), target, a, b, acc)
    else:
        check(qd.jit(products), target, a, b, acc)


@pytest.mark.skipif("gfx950" not in TARGETS, reason="its blocks read of two panels of weights in fp6")
@pytest.mark.parametrize("n", [128, 300])
def test_blocks_of_two_panels(n):
    """Where the second one exists, and where it does not."""
    a, b = small_integers(37, 640, "MXUF4", 1), small_integers(n, 640, "MXINT4", 2)
    check(qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32")), "gfx950", a, b)


@pytest.mark.parametrize("target", TARGETS)
def test_sums_of_long_blocks(target):
    """f32 scales of 128: their sums are worth instructions for bytes."""
    long = qd.format("LONG", qd.e1m2, [qd.level((1, 128), "f32")])
    rng = np.random.default_rng(5)

    def integers(rows):
        x = rng.integers(-3, 4, (rows, 512)).astype(np.float32)
        x[:, ::128] = 7
        x *= np.exp2(rng.integers(0, 3, (rows, 4))).repeat(128, 1)
        return operand(x, long)

    product = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32"))
    for m in (5, 37):
        check(product, target, integers(m), integers(70))


@pytest.mark.parametrize("target", TARGETS)
def test_rows_beyond_the_window(target):
    """Of e5m2: another kernel makes their elements, and adds to what was there."""
    m, n, k = 21, 40, 256
    rng = np.random.default_rng(4)
    x, w = (rng.integers(-3, 4, (rows, k)).astype(np.float32) for rows in (m, n))
    x[:, ::16] = w[:, ::16] = 7
    x[5, 32:64] *= 2.0**40
    w[33, 64:96] *= 2.0**-40
    a, b = operand(x, "MXUF4"), operand(w, "MXUF4")
    acc = aligned(np.zeros((m, n), np.float32))
    got = execute(qd.jit(lambda a, b, acc: qd.matmul(a, b.T, dtype="f32", acc=acc)), target, a, b, acc)
    wanted = values(a).astype(np.float64) @ values(b).astype(np.float64).T
    magnitudes = abs(values(a)).astype(np.float64) @ abs(values(b)).astype(np.float64).T
    assert (np.abs(got - wanted) <= 2.0**-20 * magnitudes).all()
    inside = np.ones((m, n), bool)
    inside[5], inside[:, 33] = False, False
    assert (got == wanted)[inside].all()


@pytest.mark.parametrize("target", TARGETS)
def test_no_rows(target):
    a, b = small_integers(5, 64, "UFP4_B", 1), small_integers(8, 64, "UFP4_B", 2)
    empty = operand(np.empty((0, 64), np.float32), "UFP4_B")
    product = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32"))
    assert_same(execute(product, target, empty, b), np.empty((0, 8), np.float32), "no rows")
    assert_same(execute(product, target, a, empty), np.empty((5, 0), np.float32), "no columns")


@pytest.mark.skipif("gfx950" not in TARGETS, reason="its instructions sum 32")
@pytest.mark.parametrize("names", OPERANDS[-4:])
def test_an_instruction_sums_two_blocks(names):
    for m in (5, 37):
        a, b = small_integers(m, 192, names[0], 1), small_integers(70, 192, names[1], 2)
        if names[0] is None:
            a[m - 1, 17] = np.inf  # which meets no other block's codes
        check(qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32")), "gfx950", a, b)
