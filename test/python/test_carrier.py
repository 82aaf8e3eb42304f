"""Carriers: exact values, exponents of rows, what overflows, and what is refused."""

from __future__ import annotations

import os

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from quadrille import reference, tensor

TARGET = os.environ.get("QUADRILLE_TEST_TARGET", "host")
FOLDED = [(name, carrier) for name in ("MXUF4", "MXFP4", "MXINT4") for carrier in ("e5m2", "e4m3")]
BF16 = ["UFP4_B", "MXUF4", "NVFP4", "NVINT4", "MXFP4", "MXINT4", "HIF4", "NVFP4_16x16"]
#: Exponents of each carrier's window, by the table of docs/carriers.md.
WINDOWS = {("MXUF4", "e5m2"): 30, ("MXFP4", "e5m2"): 29, ("MXUF4", "e4m3"): 16, ("MXFP4", "e4m3"): 15}
ODD = qd.format("ODD", qd.grid("odd", [3, -5, 1, 0, 7, -0.5, 2, 4]), [qd.level(32, "e8m0", rule="ocp")])


@pytest.fixture(params=["interpret", pytest.param(TARGET, marks=pytest.mark.compiler)])
def to_carrier(request):
    def run(q, carrier="auto"):
        return qd.jit(lambda q: qd.to_carrier(q, carrier), target=request.param)(q)

    return run


@pytest.fixture
def spread(rng):
    """Matrices whose blocks lie up to so many binades apart."""

    def make(rows, cols, binades):
        blocks = rng.uniform(-binades / 2, binades / 2, (rows, -(-cols // 32)))
        x = rng.standard_normal((rows, cols)) * np.exp2(np.repeat(np.rint(blocks), 32, axis=1)[:, :cols])
        return x.astype(np.float32)

    return make


def exact(q):
    """Code x scale in f64, without a tensor's scale."""
    codes, *scales = tensor.host_arrays(q)
    if q.format.has_tensor_level:
        scales[-1] = np.ones(1, np.float32)
    return reference.exact_values([codes, *scales], q.format)


def of(c):
    """What a carrier stands for, in f64."""
    values = np.asarray(c.values).astype(np.float64)
    return values if c.row_exponents is None else np.ldexp(values, np.asarray(c.row_exponents)[:, None])


def of_parts(fmt, codes, scales):
    """A tensor of one code and one scale for each block."""
    codes, scales = np.array(codes, np.uint8), np.array(scales, np.uint8)
    block = fmt.levels[0].cols
    packed = np.repeat(codes | codes << 4, block // 2, axis=1)
    return qd.QTensor(packed, [scales.view(ml_dtypes.float8_e8m0fnu)], fmt, (len(codes), codes.shape[1] * block))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name, carrier", FOLDED)
def test_folded_values_are_exact(to_carrier, spread, name, carrier, axis):
    for shape in ((1, 32), (5, 96), (70, 300), (3, 5000)):
        x = spread(*shape, 10)
        q = qd.quantize(x if axis == 1 else np.ascontiguousarray(x.T), name, axis=axis, pad=True)
        c = to_carrier(q, carrier)
        assert c.carrier == carrier and c.values.shape == (shape[0], q.stored)
        assert not np.asarray(c.overflow).any()
        assert np.array_equal(of(c), exact(q))
        assert np.array_equal(np.signbit(of(c)), np.signbit(exact(q)))


@pytest.mark.parametrize("name", BF16)
def test_bf16_values_are_exact(to_carrier, matrix, name):
    for axis in (0, 1):
        q = qd.quantize(matrix(33, 320), name, axis=axis, pad=True)
        c = to_carrier(q, "bf16")
        assert c.row_exponents is None and c.overflow is None
        assert np.array_equal(of(c), exact(q))


@pytest.mark.parametrize("name, carrier", FOLDED)
def test_the_largest_scale_is_at_the_top(to_carrier, spread, name, carrier):
    q = qd.quantize(spread(20, 128, 8), name)
    c = to_carrier(q, carrier)
    top = np.float64(ml_dtypes.finfo(np.asarray(c.values).dtype).max)
    largest = np.asarray(q.scales[0]).astype(np.float64).max(axis=1) * max(abs(v) for v in q.format.grid.values[:8])
    scaled = np.ldexp(largest, -np.asarray(c.row_exponents))
    assert np.all(scaled <= top) and np.all(2 * scaled > top)


@pytest.mark.parametrize("name, carrier", WINDOWS)
def test_blocks_below_the_window_are_flushed(to_carrier, name, carrier):
    fmt, size = qd.formats[name], WINDOWS[name, carrier]
    top = 200
    scales = [[top, top - size + 1], [top, top - size], [top, top - size], [top - size, 0]]
    q = of_parts(fmt, [[7, 9], [7, 9], [7, 8], [1, 0]], scales)
    c = to_carrier(q, carrier)
    assert list(np.asarray(c.overflow)) == [0, 1, 0, 0]
    values, wanted = of(c), exact(q)
    assert np.array_equal(values[[0, 2, 3]], wanted[[0, 2, 3]])
    assert np.array_equal(values[1, :32], wanted[1, :32])
    assert not values[1:3, 32:].any() and np.signbit(values[1:3, 32:]).all()


@pytest.mark.parametrize("carrier", ["e5m2", "e4m3", "bf16"])
def test_nan_scales(to_carrier, carrier):
    q = of_parts(qd.MXUF4, [[1, 7], [0, 8]], [[255, 127], [255, 255]])
    c = to_carrier(q, carrier)
    values = np.asarray(c.values)
    bits = values.view(f"u{values.itemsize}")
    nan = 0x7FC0 if carrier == "bf16" else 0x7F
    assert (bits[:, :32] == nan).all()
    assert np.array_equal(of(c)[0, 32:], exact(q)[0, 32:])
    assert (bits[1, 32:] == (nan if carrier == "bf16" else 0xFF)).all()
    if carrier != "bf16":
        assert not np.asarray(c.overflow).any()


@pytest.mark.parametrize("carrier", ["e5m2", "bf16"])
def test_tables_of_any_values(to_carrier, matrix, carrier):
    q = qd.quantize(matrix(9, 416), ODD)
    c = to_carrier(q, carrier)
    kept = np.ones(9, bool) if c.overflow is None else np.asarray(c.overflow) == 0
    assert kept.any() and np.array_equal(of(c)[kept], exact(q)[kept])


@pytest.mark.compiler
@pytest.mark.parametrize("name, carrier", [*FOLDED, *((name, "bf16") for name in BF16), ("ODD", "e5m2")])
def test_compiled_equals_reference(rng, name, carrier):
    fmt = ODD if name == "ODD" else qd.formats[name]
    f = qd.jit(lambda q: qd.to_carrier(q, carrier), target=TARGET)
    for rows, blocks in ((1, 1), (17, 13), (130, 4), (2, 150)):
        cols = blocks * 64
        x = rng.standard_normal((rows, cols)) * np.exp2(rng.integers(-60, 60, (rows, cols // 16)).repeat(16, 1))
        if rows > 1 and not fmt.has_tensor_level:
            x[0, 0] = np.nan
        q = qd.quantize(x.astype(np.float32), fmt)
        got, wanted = f(q), f.reference(q)
        for a, b in zip(got.arrays, wanted.arrays, strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.compiler
@pytest.mark.parametrize("carrier", ["e5m2", "bf16"])
def test_blocked_scales(matrix, carrier):
    spread = np.exp2(np.arange(150) % 20)[:, None]
    q = qd.quantize((matrix(150, 256) * spread).astype(np.float32), "MXUF4")
    f = qd.jit(lambda q: qd.to_carrier(q, carrier), target=TARGET)
    plain, blocked = f(q), f(q.to_scale_layout("blocked128x4"))
    for a, b in zip(plain.arrays, blocked.arrays, strict=True):
        assert np.array_equal(np.asarray(a).view(np.uint8), np.asarray(b).view(np.uint8))


def test_after_quantize_in_one_function(to_carrier, matrix):
    x = matrix(6, 64)
    both = qd.jit(lambda x: qd.to_carrier(qd.quantize(x, "MXUF4")), target="interpret")
    assert np.array_equal(of(both(x)), of(to_carrier(qd.quantize(x, "MXUF4"))))


def test_out(to_carrier, matrix):
    q = qd.quantize(matrix(6, 64), "MXUF4")
    f = qd.jit(lambda q: qd.to_carrier(q), target="interpret")
    c = f(q)
    again = f(q, out=c)
    assert again is c and np.array_equal(of(c), exact(q))
    with pytest.raises(qd.DTypeError, match="out is"):
        f(q, out=q)
    with pytest.raises(qd.ArgumentError, match="a carrier of bf16"):
        f(q, out=to_carrier(q, "bf16"))


def test_auto_takes_the_fastest_that_is_exact(to_carrier, matrix):
    x = matrix(2, 64)
    assert to_carrier(qd.quantize(x, "MXFP4")).carrier == "e5m2"
    assert to_carrier(qd.quantize(x, "UFP4_B")).carrier == "bf16"


def test_refusals(matrix):
    x = matrix(2, 64)
    with pytest.raises(qd.UnsupportedError, match=r"(?s)27 significant bits, it has 8.*UFP4_B"):
        qd.to_carrier(qd.quantize(x, "UFP4"), "bf16")
    with pytest.raises(qd.UnsupportedError, match=r"(?s)bf16 scales are no powers of two.*the carrier bf16"):
        qd.to_carrier(qd.quantize(x, "UFP4_B"), "e5m2")
    with pytest.raises(qd.UnsupportedError, match=r"no exact carrier for UFP4 \(e5m2: .*; e4m3: .*; bf16: "):
        qd.to_carrier(qd.quantize(x, "UFP4"))
    with pytest.raises(qd.ArgumentError, match="(?s)'s8'.*'auto', 'e5m2', 'e4m3', 'bf16'"):
        qd.to_carrier(qd.quantize(x, "UFP4"), "s8")
    with pytest.raises(qd.DTypeError, match="not a quantized tensor"):
        qd.to_carrier(x)


def test_arrays_of_a_traced_carrier(matrix):
    f = qd.jit(lambda q: qd.to_carrier(q).values, target="interpret")
    with pytest.raises(qd.TraceError, match="the arrays of a traced value"):
        f(qd.quantize(matrix(2, 64), "MXUF4"))


@pytest.mark.compiler
@pytest.mark.parametrize("target", ["sm_90a", "gfx942"])
@pytest.mark.parametrize("name, carrier", [("UFP4_B", "bf16"), ("MXUF4", "e5m2"), ("MXFP4", "e4m3")])
def test_gpus_write_16_bytes_at_once(target, name, carrier):
    spec = qd.spec(f"{name}[n, m%256]")
    f = qd.jit(lambda q: qd.to_carrier(q, carrier))
    text = f.lower(spec, target=target, stage="asm")
    assert ("st.global.v4" in text) if target == "sm_90a" else ("store_dwordx4" in text)
    if carrier != "bf16":  # four bytes of a table at once
        assert ("prmt.b32" if target == "sm_90a" else "v_perm_b32") in text
