"""The operations by the interpreter, against lib/Numerics and against plain NumPy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from hypothesis import given, settings
from hypothesis import strategies as st
from quadrille import _core, _native
from quadrille.reference import exact_values
from quadrille.tensor import array_views

numerics = _core.numerics
NAMES = list(qd.formats)
DTYPES = [np.float32, np.float16, ml_dtypes.bfloat16]


def native(x, fmt, *, axis=1, rht=None, rounding="nearest_even", **options):
    signs = rht.signs if rht else None
    return numerics.quantize(x, _native.format(fmt), axis, signs, rounding, **options)


def assert_same(q, parts):
    codes, scales, stored, _ = parts
    assert q.stored == stored
    for got, wanted in zip(array_views(q), [codes, *scales]):
        assert got.shape == wanted.shape and got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_quantize_is_the_specification(matrix, name, axis, dtype):
    fmt = qd.formats[name]
    rht = qd.RHT(32, seed=1) if fmt.block_rows == 1 else None
    x = matrix(64, 128, dtype)
    assert_same(qd.quantize(x, fmt, rht=rht, axis=axis), native(x, fmt, axis=axis, rht=rht))


@pytest.mark.parametrize("rounding", [qd.nearest_even, qd.nearest_away, qd.toward_zero])
def test_roundings(matrix, rounding):
    x = matrix(16, 64)
    assert_same(qd.quantize(x, "UFP4", rounding=rounding), native(x, qd.UFP4, rounding=rounding.kind))


def test_stochastic_rounding_takes_key_stream_and_base(matrix):
    x, key = matrix(32, 64), qd.Key(9).fold_in(4)
    rounding = qd.stochastic(key, bits=16, rounds=10)
    options = {"rounding": "stochastic", "bits": 16, "rounds": 10, "key": key.value}
    assert_same(qd.quantize(x, "UFP4", rounding=rounding), native(x, qd.UFP4, **options))
    shard = qd.quantize(x[16:], "UFP4", rounding=rounding, index_base=16 * 64)
    assert np.array_equal(shard.codes, qd.quantize(x, "UFP4", rounding=rounding).codes[16:])
    row, col = qd.quantize_pair(x, "UFP4", rounding=rounding)
    assert_same(row, native(x, qd.UFP4, **options))
    assert_same(col, native(x, qd.UFP4, axis=0, stream=1, **options))


def test_a_pair_takes_two_specs(matrix):
    x = matrix(64, 32)
    row, col = qd.quantize_pair(x, row=qd.Spec("MXFP4"), col=qd.Spec("UFP4", rht=qd.RHT(16, seed=2)))
    assert qd.bit_identical(row, qd.quantize(x, "MXFP4"))
    assert qd.bit_identical(col, qd.quantize(x, "UFP4", rht=qd.RHT(16, seed=2), axis=0))


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 9), cols=st.integers(1, 90), axis=st.integers(0, 1), name=st.sampled_from(NAMES))
def test_padding_is_what_was_asked_and_exact(rows, cols, axis, name):
    fmt = qd.formats[name]
    x = np.random.default_rng(rows * 100 + cols).standard_normal((rows, cols)).astype(np.float32)
    q = qd.quantize(x, fmt, axis=axis, pad=True)
    assert q.shape == (rows, cols) and q.stored % fmt.block == 0 and 0 <= q.stored - q.shape[axis] < fmt.block
    values = exact_values(array_views(q), fmt)
    assert not values[:, q.shape[axis] :].any()
    assert qd.dequantize(q).shape == (rows, cols)


def test_strides_do_not_matter(matrix):
    x = matrix(64, 64)
    wide = np.empty((128, 192), x.dtype)
    for view in (wide[::2, :64], wide[64:, 1::3], wide[63::-1, :64], wide[:64, :64].T):
        view[...] = x
        assert qd.bit_identical(qd.quantize(view, "UFP4_B"), qd.quantize(x, "UFP4_B"))


def test_amax_is_of_what_is_quantized(matrix):
    x, rht = matrix(32, 64), qd.RHT(64, seed=3)
    for axis in (0, 1):
        rotated = numerics.rotate(x, rht.signs, axis) if axis == 1 else None
        if rotated is not None:
            assert qd.amax(x, rht=rht).tolist() == [np.abs(rotated).max()]
    assert qd.amax(x).tolist() == [np.abs(x.astype(np.float32)).max()]
    q = qd.quantize(x, "NVFP4", rht=rht)
    assert qd.bit_identical(q, qd.quantize(x, "NVFP4", rht=rht, amax=qd.amax(x, rht=rht)))
    doubled = qd.quantize(x, "NVFP4", rht=rht, amax=2 * qd.amax(x, rht=rht))
    assert doubled.scales[1][0] == 2 * q.scales[1][0]


def test_hadamard_is_orthonormal(matrix):
    x, rht = matrix(4, 256, np.float32), qd.RHT(128, seed=4)
    y = qd.hadamard(x, rht)
    assert y.dtype == np.float32
    np.testing.assert_allclose((y**2).sum(1), (x**2).sum(1), rtol=1e-5)
    h = _sylvester(128) / np.sqrt(128)
    np.testing.assert_allclose(y[:, :128], (x[:, :128] * rht.signs) @ h, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(qd.hadamard(np.ascontiguousarray(x.T), rht, axis=0), y.T)


def _sylvester(n):
    h = np.ones((1, 1))
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    return h


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_dequantize(matrix, name, axis):
    x, fmt = matrix(64, 128), qd.formats[name]
    q = qd.quantize(x, fmt, axis=axis)
    d = qd.dequantize(q)
    exact = exact_values(array_views(q), fmt)
    np.testing.assert_allclose(d if axis == 1 else d.T, exact, rtol=2e-7)
    assert np.array_equal(q.dequantize(dtype="bf16"), d.astype(ml_dtypes.bfloat16))
    assert np.array_equal(q.T.dequantize(), d.T)


def test_undo_rht_gives_the_input_back(matrix):
    x = matrix(32, 64, np.float32)
    q = qd.quantize(x, "UFP4", rht=qd.RHT(16, seed=5))
    assert qd.sqnr(x, qd.dequantize(q, undo_rht=True)) > 15
    assert qd.sqnr(x, qd.dequantize(q)) < 3


@pytest.mark.parametrize("name", [n for n in NAMES if qd.formats[n].block_rows == 1])
def test_the_three_products_of_training(matrix, name):
    x, w, dy = matrix(64, 128), matrix(192, 128), matrix(64, 192)
    rht = qd.RHT(64, seed=6)
    q = lambda a, axis=1: qd.quantize(a, name, rht=rht, axis=axis)  # noqa: E731
    products = [
        (qd.matmul(q(x), q(w).T, dtype="f32"), x.astype(float) @ w.astype(float).T),
        (qd.matmul(q(dy), q(w, 0), dtype="f32"), dy.astype(float) @ w.astype(float)),
        (qd.matmul(q(dy, 0).T, q(x, 0), dtype="f32"), dy.astype(float).T @ x.astype(float)),
    ]
    for got, wanted in products:
        assert got.shape == wanted.shape and got.dtype == np.float32
        assert qd.sqnr(wanted, got) > 10


def test_matmul_is_the_f64_product_of_codes_and_scales(matrix):
    a, b = (qd.quantize(matrix(n, 96), "UFP4") for n in (8, 12))
    bias, acc = matrix(1, 12, np.float32)[0], matrix(8, 12, np.float32)
    product = exact_values(array_views(a), qd.UFP4) @ exact_values(array_views(b), qd.UFP4).T
    got = qd.matmul(a, b.T, dtype=qd.f32, bias=bias, acc=acc)
    np.testing.assert_array_equal(got, (product + bias.astype(float) + acc.astype(float)).astype(np.float32))


def test_matmul_of_padded_and_of_plain_operands(matrix):
    a, w = matrix(8, 40), matrix(24, 40)
    q = qd.quantize(w, "UFP4", pad=True)
    plain = qd.matmul(a, q.T, dtype="f32")
    np.testing.assert_allclose(plain, a.astype(float) @ qd.dequantize(q).T.astype(float), rtol=1e-5, atol=1e-4)
    rht = qd.RHT(16, seed=7)
    rotated = [qd.quantize(m, "UFP4", rht=rht, pad=True) for m in (a, w)]
    assert qd.sqnr(a.astype(float) @ w.astype(float).T, qd.matmul(rotated[0], rotated[1].T)) > 12


def test_special_values_follow_the_specification():
    x = np.zeros((4, 32), np.float32)
    x[0, 0], x[1, 3], x[2, :] = np.nan, -np.inf, 2e-40
    x[3, 0] = -0.0
    for name in ("UFP4", "UFP4_B", "MXFP4", "NVFP4"):
        assert_same(qd.quantize(x, name), native(x, qd.formats[name]))
    assert np.isnan(qd.quantize(x, "UFP4").scales[0][0, 0])
