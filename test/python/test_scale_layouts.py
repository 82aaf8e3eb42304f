"""Scales in the order of block-scaled tensor cores: written, read, and converted both ways."""

from __future__ import annotations

import os

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from hypothesis import given, settings
from hypothesis import strategies as st

TARGET = os.environ.get("QUADRILLE_TEST_TARGET", "host")
BYTES = [name for name, f in qd.formats.items() if f.levels[0].dtype in ("e4m3", "e8m0") and f.block_rows == 1]
UE5M3 = qd.format("UE5M3", qd.e2m1, [qd.level(16, "ue5m3")])


@pytest.fixture(params=["interpret", pytest.param(TARGET, marks=pytest.mark.compiler)])
def jit(request):
    return lambda function: qd.jit(function, target=request.param)


def blocked_position(row, col, cols):
    """The byte of a scale, straight from docs/numerics.md."""
    tiles = -(-cols // 4)
    tile = (row // 128) * tiles + col // 4
    return tile * 512 + 16 * (row % 32) + 4 * (row % 128 // 32) + col % 4


def assert_blocked(blocked, scales):
    rows, cols = scales.shape
    flat, wanted = np.asarray(blocked).view(np.uint8).reshape(-1), np.zeros(blocked.size, np.uint8)
    for r in range(rows):
        for c in range(cols):
            wanted[blocked_position(r, c, cols)] = scales.view(np.uint8)[r, c]
    assert np.array_equal(flat, wanted)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("fmt", [*BYTES, UE5M3], ids=str)
def test_quantize_writes_blocks(jit, matrix, fmt, axis):
    f = jit(lambda x: qd.quantize(x, fmt, axis=axis, pad=True, scale_layout="blocked128x4"))
    for shape in ((1, 16), (130, 200), (300, 96), (128, 128)):
        x = matrix(*shape)
        q, plain = f(x), qd.quantize(x, fmt, axis=axis, pad=True)
        assert q.scale_layout == "blocked128x4" and np.array_equal(q.codes, plain.codes)
        assert_blocked(q.scales[0], plain.scales[0])
        assert all(np.array_equal(a, b) for a, b in zip(q.scales[1:], plain.scales[1:]))


def test_a_pair_in_blocks(jit, matrix):
    f = jit(lambda x: qd.quantize_pair(x, "MXFP4", pad=True, scale_layout="blocked128x4"))
    x = matrix(70, 300)
    for q, axis in zip(f(x), (1, 0)):
        assert_blocked(q.scales[0], qd.quantize(x, "MXFP4", axis=axis, pad=True).scales[0])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", BYTES)
def test_dequantize_reads_blocks(jit, matrix, name, axis):
    f = jit(lambda q: qd.dequantize(q))
    x = matrix(160, 288)
    q = qd.quantize(x, name, axis=axis)
    assert np.array_equal(f(q.to_scale_layout("blocked128x4")), qd.dequantize(q))


def test_conversion_shares_all_but_the_scales(matrix):
    q = qd.quantize(matrix(130, 96), "NVFP4", rht=qd.RHT(16, seed=1))
    blocked = q.to_scale_layout("blocked128x4")
    assert blocked.codes is q.codes and blocked.scales[1] is q.scales[1] and blocked.rht == q.rht
    assert blocked.scales[0].shape == (256, 8) and blocked.scales[0].dtype == q.scales[0].dtype
    assert blocked.to_scale_layout("blocked128x4") is blocked and q.to_scale_layout("row_major") is q
    assert qd.bit_identical(blocked.to_scale_layout("row_major"), q) and not qd.bit_identical(blocked, q)
    assert "blocked128x4" in repr(blocked) and blocked.T.T.scale_layout == "blocked128x4"


@pytest.mark.compiler
@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 400), blocks=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_conversion_is_a_permutation(rows, blocks, seed):
    rng = np.random.default_rng(seed)
    scales = rng.integers(0, 256, (rows, blocks), np.uint8).view(ml_dtypes.float8_e8m0fnu)
    q = qd.QTensor(np.zeros((rows, 16 * blocks), np.uint8), [scales], "MXFP4", (rows, 32 * blocks))
    blocked = compiled_scales(q, "blocked128x4")
    assert_blocked(blocked, scales)
    back = compiled_scales(q._with(scales=(blocked,), scale_layout="blocked128x4"), "row_major")
    assert back.tobytes() == scales.tobytes()


compiled_scales = qd.jit(qd.ops._scales.__wrapped__, target=TARGET)


@pytest.mark.compiler
def test_products_take_blocks(matrix):
    f = qd.jit(lambda a, b: qd.matmul(a, b, dtype="f32"), target=TARGET)
    a, b = (qd.quantize(matrix(n, 96), "MXINT4") for n in (33, 47))
    wanted = f(a, b.T)
    assert np.array_equal(f(a.to_scale_layout("blocked128x4"), b.T), wanted)
    assert np.array_equal(f(a, b.to_scale_layout("blocked128x4").T), wanted)
    assert np.array_equal(f.reference(a.to_scale_layout("blocked128x4"), b.T), f.reference(a, b.T))


def test_files_and_metrics_know_the_layout(matrix, tmp_path):
    x = matrix(130, 96)
    q = qd.quantize(x, "NVFP4", scale_layout="blocked128x4")
    q.save(tmp_path / "q.safetensors")
    assert qd.bit_identical(qd.load(tmp_path / "q.safetensors"), q)
    assert qd.metrics(x, q) == qd.metrics(x, q.to_scale_layout("row_major"))


def test_operands_of_scaled_mm_share_blocks(matrix):
    q = qd.quantize(matrix(130, 96), "MXFP4")
    blocked = q.to_scale_layout("blocked128x4")
    exported = blocked.to_scaled_mm()
    assert exported.copied == frozenset() and np.shares_memory(exported.scale, blocked.scales[0])
    copy = q.to_scaled_mm()
    assert copy.copied == {"scale"} and copy.scale.tobytes() == exported.scale.tobytes()


@pytest.mark.compiler
@pytest.mark.parametrize("target", ["sm_90a", "gfx942"])
def test_gpus_write_read_and_convert(target):
    spec = qd.spec("MXFP4[M,8192]", scale_layout="blocked128x4")
    programs = [
        (lambda x: qd.quantize(x, "MXFP4", scale_layout="blocked128x4"), qd.spec("bf16[M,8192]")),
        (lambda q: qd.dequantize(q), spec),
        (lambda q: qd.ops._scales.__wrapped__(q, "row_major"), spec),
    ]
    for function, argument in programs:
        assert qd.jit(function).lower(argument, target=target, stage="asm")


def test_errors(matrix):
    x = matrix(16, 32)
    with pytest.raises(qd.ArgumentError, match="UFP4 has f32 scales of 1x16; blocked128x4"):
        qd.quantize(x, "UFP4", scale_layout="blocked128x4")
    for name in ("HIF4", "NVFP4_16x16"):
        with pytest.raises(qd.ArgumentError, match="one-byte scales of one row"):
            qd.quantize(matrix(64, 64), name, scale_layout="blocked128x4")
    with pytest.raises(qd.ArgumentError, match="scale_layout='columns'"):
        qd.quantize(x, "MXFP4", scale_layout="columns")
    with pytest.raises(qd.DTypeError, match="not a quantized tensor"):
        qd.to_scale_layout(x, "row_major")
    with pytest.raises(qd.UnsupportedError, match="inside of a traced function"):
        qd.jit(lambda q: qd.to_scale_layout(q, "blocked128x4"))(qd.quantize(x, "MXFP4"))
    q = qd.quantize(x, "MXFP4")
    with pytest.raises(qd.ShapeError, match="scales"):
        qd.QTensor(q.codes, q.scales, "MXFP4", q.shape, scale_layout="blocked128x4")
    with pytest.raises(qd.ArgumentError, match="scales blocked128x4"):
        qd.jit(lambda x: qd.quantize(x, "MXFP4", scale_layout="blocked128x4"))(x, out=q)
