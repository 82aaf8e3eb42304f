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
    """Each format and axis with each rounding; transforms and types take turns."""
    for number, (name, axis, rounding) in enumerate(itertools.product(qd.formats, (1, 0), ROUNDINGS)):
        sizes = SIZES if qd.formats[name].block_rows == 1 else [None]
        if FULL:
            yield from ((name, axis, rounding, n, d) for n in sizes for d in DTYPES)
        else:
            yield name, axis, rounding, sizes[number % len(sizes)], list(DTYPES)[number // 2 % 3]


@pytest.mark.parametrize("name, axis, rounding, n, dtype", list(cases()))
def test_quantize(name, axis, rounding, n, dtype, sample):
    rht = qd.RHT(n, seed=n) if n else None

    @qd.jit
    def quantize(x):
        return qd.quantize(x, name, rht=rht, rounding=ROUNDINGS[rounding], axis=axis)

    kinds = {"normal": normal(ACROSS, ALONG), "hostile": hostile(ACROSS, ALONG, dtype), "sample": sample}
    for kind, x in kinds.items():
        x = to_gpu(np.ascontiguousarray(x if axis == 1 else x.T)).to(DTYPES[dtype])
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


@pytest.mark.parametrize("name", [n for n, f in qd.formats.items() if f.block_rows == 1])
@pytest.mark.parametrize("rounding", ["even", "noise8"])
def test_row_and_column_in_one_call(name, rounding):
    rht = qd.RHT(16, seed=3)

    @qd.jit
    def pair(x):
        return qd.quantize_pair(x, name, rht=rht, rounding=ROUNDINGS[rounding])

    for make in (normal, hostile):
        check(pair, to_gpu(make(192, 320)))


@pytest.mark.parametrize("name", list(qd.formats))
def test_padding(name):
    flat = qd.formats[name].block_rows == 1

    @qd.jit
    def padded(x):
        rht = qd.RHT(32, seed=4) if flat else None
        return qd.quantize(x, name, rht=rht, pad=True), qd.quantize(x, name, rht=rht, axis=0, pad=True)

    for shape in ((1, 1), (3, 5), (65, 130), (129, 33), (5, 1000)):
        check(padded, to_gpu(normal(*shape)))


def test_a_shard_has_the_bits_of_the_whole():
    x = to_gpu(normal(64, 256))

    @qd.jit
    def quantize(x, base):
        return qd.quantize(x, "UFP4_B", rounding=qd.stochastic(KEY), index_base=base)

    whole = quantize(x, np.int64(0))
    halves = [quantize(part, np.int64(i * 32 * 256)) for i, part in enumerate(x.split(32))]
    assert_same([h.codes.cpu().numpy() for h in halves], list(np.split(whole.codes.cpu().numpy(), 2)))


def test_grids_and_rules_of_the_user():
    own = qd.grid("own", [0.1, -3.0, 0.0, 2.5, 1.0, -0.25])

    @qd.scale_rule
    def clipped(block):
        return abs(block).max() * 0.9 / 1.75

    @qd.scale_rule
    def smaller(block):
        scales = [qd.round_to_scale(abs(block).max() / top) for top in (6.0, 7.0)]
        errors = [block - qd.round_to_grid(block / s, grid=i) * s for i, s in enumerate(scales)]
        error0, error1 = [(error * error).sum() for error in errors]
        return qd.where(error1 < error0, scales[1], scales[0]), error1 < error0

    levels = [qd.level(16, "e4m3", rule=smaller), qd.level("tensor", "f32")]
    mixed = qd.format("MIXED", (qd.e2m1, qd.int4), levels)
    plain = qd.format("OWN", own, [qd.level("1x16", "f32")])
    ruled = qd.format("RULED", qd.e1m2, [qd.level("1x32", "e4m3", rule=clipped)])
    for fmt in (plain, ruled, mixed):
        f = qd.jit(lambda x: (qd.quantize(x, fmt), qd.quantize(x, fmt, axis=0)))
        check(f, to_gpu(normal(96, 128, "f32")))
        check(f, to_gpu(hostile(96, 128, "f32")))
