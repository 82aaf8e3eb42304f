"""The bits of the reference: formats x roundings x transforms x axes x types, on all kinds of data."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from machine import DTYPES, FULL, KEY, ROUNDINGS, SIZES, assert_same, check, hostile, normal, qd, to_gpu
from quadrille.demo import operands

ACROSS, ALONG = 37, 512


@pytest.fixture(scope="module")
def sample() -> np.ndarray:
    """Activations, weights and gradients of a trained model, side by side."""
    linear = operands.load()[3]
    parts = [np.resize(a, (ACROSS, a.shape[1])) for a in (linear.x, linear.w, linear.dy)]
    return np.concatenate(parts, axis=1)[:, :ALONG]


def cases():
    """Each format with each rounding along each axis and both; transforms and types take turns with each of them."""
    for number, (name, axes) in enumerate(itertools.product(qd.formats, ("rows", "columns", "both"))):
        sizes = SIZES if qd.formats[name].block_rows == 1 else [None]
        for turn, rounding in enumerate(ROUNDINGS, number):
            if FULL:
                yield from ((name, axes, rounding, n, d) for n in sizes for d in DTYPES)
            else:
                yield name, axes, rounding, sizes[turn % len(sizes)], list(DTYPES)[(turn + number // 6) % 3]


@pytest.mark.parametrize("name, axes, rounding, n, dtype", list(cases()))
def test_quantize(name, axes, rounding, n, dtype, sample):
    rht = qd.RHT(n, seed=n) if n else None

    @qd.jit
    def quantize(x):
        if axes == "both":
            return qd.quantize_pair(x, name, rht=rht, rounding=ROUNDINGS[rounding])
        return qd.quantize(x, name, rht=rht, rounding=ROUNDINGS[rounding], axis=0 if axes == "columns" else 1)

    across = 256 if axes == "both" else ACROSS
    kinds = {
        "normal": normal(across, ALONG),
        "hostile": hostile(across, ALONG, dtype),
        "sample": np.resize(sample, (across, ALONG)),
    }
    for kind, x in kinds.items():
        x = to_gpu(np.ascontiguousarray(x.T if axes == "columns" else x)).to(DTYPES[dtype])
        assert_same(quantize(x), quantize.reference(x), kind)


@pytest.mark.parametrize("n", SIZES[1:])
@pytest.mark.parametrize("axis", [0, 1])
def test_transform_and_amax(n, axis):
    rht = qd.RHT(n, seed=1)
    shape = (ACROSS, ALONG) if axis == 1 else (ALONG, ACROSS)
    for make, dtype in itertools.product((normal, hostile), DTYPES):
        x = to_gpu(make(*shape, dtype))
        check(qd.jit(lambda x: qd.hadamard(x, rht, axis=axis)), x)
        check(qd.jit(lambda x: qd.amax(x, rht=rht, axis=axis)), x)
        check(qd.jit(lambda x: qd.amax(x)), x)


@pytest.mark.parametrize("name", list(qd.formats))
@pytest.mark.parametrize("axis", [0, 1])
def test_dequantize(name, axis):
    shape = (ACROSS, ALONG) if axis == 1 else (ALONG, ACROSS)
    flat = qd.formats[name].block_rows == 1
    rht = qd.RHT(64, seed=2) if flat else None
    for make in (normal, hostile):
        q = qd.quantize(to_gpu(make(*shape, "f32")), name, axis=axis, rht=rht)
        for dtype in DTYPES:
            check(qd.jit(lambda q: qd.dequantize(q, dtype=dtype)), q)
        if flat:
            check(qd.jit(lambda q: qd.dequantize(q, undo_rht=True)), q)


@pytest.mark.parametrize("name", list(qd.formats))
def test_padding(name):
    flat = qd.formats[name].block_rows == 1

    rht = qd.RHT(32, seed=4) if flat else None
    row, column = (qd.jit(lambda x, axis=axis: qd.quantize(x, name, rht=rht, axis=axis, pad=True)) for axis in (1, 0))
    pair = qd.jit(lambda x: qd.quantize_pair(x, name, rht=rht, pad=True))
    for shape in ((1, 1), (3, 5), (65, 130), (129, 33), (5, 1000)):
        for function in (row, column, pair):
            check(function, to_gpu(normal(*shape)))


def test_a_shard_has_the_bits_of_the_whole():
    x = to_gpu(normal(64, 256))

    @qd.jit
    def quantize(x, base):
        return qd.quantize(x, "UFP4_B", rounding=qd.stochastic(KEY), index_base=base)

    whole = quantize(x, np.int64(0))
    halves = [quantize(part, np.int64(i * 32 * 256)) for i, part in enumerate(x.split(32))]
    assert_same([h.codes.cpu().numpy() for h in halves], list(np.split(whole.codes.cpu().numpy(), 2)))


def test_a_pair_of_two_recipes():
    """Rows and columns that have nothing in common but the matrix."""
    row = qd.Spec(qd.formats["NVFP4"], rht=qd.RHT(64, seed=5))
    col = qd.Spec(qd.formats["MXUF4"], rounding=ROUNDINGS["noise8"])
    for dtype in DTYPES:
        x = to_gpu(hostile(192, 320, dtype))
        check(qd.jit(lambda x: qd.quantize_pair(x, row=row, col=col)), x)
        check(qd.jit(lambda x: qd.quantize_pair(x, row=col, col=row)), x)


@qd.scale_rule
def clipped(block):
    return abs(block).max() * 0.9 / 1.75


@qd.scale_rule
def four_over_six(block):
    amax = abs(block).max()
    scales = [qd.round_to_scale(amax / top) for top in (6.0, 4.0)]
    errors = [block - qd.round_to_grid(block / scale) * scale for scale in scales]
    six, four = [(error * error).sum() for error in errors]
    return qd.where(four < six, scales[1], scales[0])


@qd.scale_rule
def smaller_error(block):
    scales = [qd.round_to_scale(abs(block).max() / top) for top in (6.0, 7.0)]
    errors = [block - qd.round_to_grid(block / s, grid=i) * s for i, s in enumerate(scales)]
    error0, error1 = [(error * error).sum() for error in errors]
    return qd.where(error1 < error0, scales[1], scales[0]), error1 < error0


OWN = qd.grid("own", [0.1, -3.0, 0.0, 2.5, 1.0, -0.25])
USERS = [
    qd.format("OWN", OWN, [qd.level("1x16", "f32")]),
    qd.format("OWN_UE5M3", OWN, [qd.level("1x32", "ue5m3", rule="up")]),
    qd.format("OWN_CHAIN", OWN, [qd.level("1x16", "e4m3"), qd.level("1x64", "bf16", bits=3)]),
    qd.format("RULED", qd.e1m2, [qd.level("1x32", "e4m3", rule=clipped)]),
    qd.format("NVFP4_46", qd.e2m1, [qd.level(16, "e4m3", rule=four_over_six), qd.level("tensor", "f32", qmax=1536)]),
    qd.format("MIXED", (qd.e2m1, qd.int4), [qd.level(16, "e4m3", rule=smaller_error), qd.level("tensor", "f32")]),
    qd.format("OWN_4x16", OWN, [qd.level("4x16", "bf16", bits=5)]),
]


@pytest.mark.parametrize("rounding", ["even", "zero", "noise8"])
@pytest.mark.parametrize("fmt", USERS, ids=lambda fmt: fmt.name)
def test_grids_and_rules_of_the_user(fmt, rounding):
    @qd.jit
    def quantize(x):
        return tuple(qd.quantize(x, fmt, rounding=ROUNDINGS[rounding], axis=axis, pad=True) for axis in (1, 0))

    for dtype in DTYPES:
        check(quantize, to_gpu(normal(96, 130, dtype)))
        check(quantize, to_gpu(hostile(96, 130, dtype)))
        check(qd.jit(lambda q: qd.dequantize(q, dtype=dtype)), qd.quantize(to_gpu(hostile(96, 128)), fmt))
