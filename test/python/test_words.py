"""Words of the caller's that quantize combines into: amax_out= and flags=."""

from __future__ import annotations

import os
import threading

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from hypothesis import given, settings
from hypothesis import strategies as st

TARGET = os.environ.get("QUADRILLE_TEST_TARGET", "host")
NAMES = list(qd.formats)


@pytest.fixture(params=["interpret", pytest.param(TARGET, marks=pytest.mark.compiler)])
def jit(request):
    return lambda function: qd.jit(function, target=request.param)


def words():
    return np.zeros(1, np.float32), np.zeros(1, np.uint32)


@qd.scale_rule
def reciprocal(block):
    """Infinity for a zero block, which saturates; NaN for one with a zero divided by it."""
    return abs(block).max() / abs(block).max()


RULED = qd.format("RULED", qd.e1m2, [qd.level(16, "bf16", rule=reciprocal)])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", [*NAMES, "RULED"])
def test_amax_out_is_the_amax_of_what_is_quantized(jit, matrix, name, axis):
    fmt = RULED if name == "RULED" else qd.formats[name]
    rht = qd.RHT(16, seed=1) if fmt.block_rows == 1 else None
    f = jit(lambda x, amax, flags: qd.quantize(x, fmt, rht=rht, axis=axis, pad=True, amax_out=amax, flags=flags))
    x = matrix(37, 83)
    amax, flags = words()
    assert qd.bit_identical(f(x, amax, flags), qd.quantize(x, fmt, rht=rht, axis=axis, pad=True))
    assert amax.tobytes() == qd.amax(x, rht=rht, axis=axis, pad=True).tobytes() and flags[0] == 0
    larger = np.full(1, 1e9, np.float32)
    f(x, larger, flags)
    assert larger[0] == np.float32(1e9)


def test_a_delayed_scale_is_one_pass(jit, matrix):
    @jit
    def step(x, amax, following):
        return qd.quantize(x, "NVFP4", amax=amax, amax_out=following)

    history = np.zeros(3, np.float32)
    history[0] = 4
    for number in range(2):
        x = matrix(64, 128)
        q = step(x, history[number : number + 1], history[number + 1 : number + 2])
        assert q.scales[1][0] == np.float32(history[number] / np.float32(2688))
        assert history[number + 1] == np.abs(x.astype(np.float32)).max()
    if step.target != "interpret":
        assert len(step.explain(x, history[:1], history[1:2]).kernels) == 1


@pytest.mark.parametrize("name", [*NAMES, "RULED"])
def test_flags_say_what_the_scales_are(jit, name):
    """Every special value by itself, at the beginning and at the end of the tensor."""
    fmt = RULED if name == "RULED" else qd.formats[name]
    f = jit(lambda x, flags: qd.quantize(x, fmt, flags=flags, pad=True))
    shape = (17, 100)
    for value in (0, 1, np.nan, -np.inf, np.float32(3e38), np.float32(-3e38), np.float32(1e-40)):
        for place in ((0, 0), (16, 99)):
            x = np.ones(shape, np.float32)
            x[place] = value
            flags = np.zeros(1, np.int32)
            with np.errstate(all="ignore"):
                q = f(x, flags)
            assert bool(flags[0] & qd.Flags.NON_FINITE) == any(
                np.isnan(s.astype(np.float32)).any() if s.dtype != np.uint8 else (s == 255).any() and i == 2
                for i, s in enumerate(q.scales)
            ), (name, value)
            expected = np.zeros(1, np.int32)
            f.reference(x, expected)
            assert flags == expected


def test_flags_of_scales_beyond_their_type(jit):
    e4m3 = qd.format("E4M3", qd.e2m1, [qd.level(16, "e4m3")])
    f = jit(lambda x, flags: qd.quantize(x, e4m3, flags=flags))
    # 464 is the midpoint between 448 and what would follow.
    for largest, wanted in ((448 * 6, 0), (464 * 6, 0), (np.nextafter(np.float32(464 * 6), np.float32(1e9)), 2), (1e30, 2)):
        x, flags = np.zeros((3, 32), np.float32), np.zeros(1, np.uint32)
        x[2, 31] = largest
        f(x, flags)
        assert qd.Flags(int(flags[0])) == qd.Flags(wanted), largest
    flags[0] = 0x80000000
    f(x, flags)
    assert flags[0] == 0x80000002  # bits of others stay


def test_a_delayed_amax_that_is_too_small_is_noticed(jit, matrix):
    f = jit(lambda x, amax, flags: qd.quantize(x, "NVFP4", amax=amax, flags=flags))
    x = matrix(32, 64)
    for factor, wanted in ((1, 0), (0.25, int(qd.Flags.SCALE_SATURATED))):
        flags = np.zeros(1, np.int32)
        f(x, qd.amax(x) * np.float32(factor), flags)
        assert flags[0] == wanted


@pytest.mark.parametrize("rht", [None, qd.RHT(16, seed=2)])
def test_a_pair_has_words_for_both(jit, matrix, rht):
    @jit
    def f(x, rows, columns, flags):
        return qd.quantize_pair(x, "UFP4_B", rht=rht, amax_out=(rows, columns), flags=flags)

    x = matrix(64, 96)
    x[5, 7] = np.inf
    (rows, flags), (columns, _) = words(), words()
    f(x, rows, columns, flags)
    assert flags[0] == qd.Flags.NON_FINITE
    for axis, amax in ((1, rows), (0, columns)):
        assert amax.tobytes() == qd.amax(x, rht=rht, axis=axis).tobytes()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 200), st.integers(0, 2**32), st.booleans())
@pytest.mark.compiler
def test_any_bits(rows, cols, seed, finite):
    words_ = np.random.default_rng(seed).integers(0, 2**16, (rows, cols), np.uint16)
    x = (words_ & ~np.uint16(0x4000) if finite else words_).view(ml_dtypes.bfloat16)
    with np.errstate(all="ignore"):
        for f in (any_bits, any_bits_ruled):
            got, wanted = words(), words()
            assert qd.bit_identical(f(x, *got), f.reference(x, *wanted))
            assert [w.tobytes() for w in got] == [w.tobytes() for w in wanted]


any_bits = qd.jit(
    lambda x, amax, flags: qd.quantize(x, "NVFP4", rht=qd.RHT(16), pad=True, amax_out=amax, flags=flags), target=TARGET
)
any_bits_ruled = qd.jit(
    lambda x, amax, flags: qd.quantize(x, RULED, axis=0, pad=True, amax_out=amax, flags=flags), target=TARGET
)


@pytest.mark.compiler
def test_threads_share_words(matrix):
    f = qd.jit(lambda x, amax, flags: qd.quantize(x, "MXFP4", amax_out=amax, flags=flags), target=TARGET)
    parts = [matrix(256, 512) for _ in range(8)]
    parts[3][0, 0] = np.nan
    parts[3][:, :] = np.where(np.isnan(parts[3]), np.inf, parts[3])
    amax, flags = words()
    threads = [threading.Thread(target=lambda x=x: [f(x, amax, flags) for _ in range(5)]) for x in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert amax[0] == np.inf and flags[0] == qd.Flags.NON_FINITE


def test_errors_name_the_word(jit, matrix):
    x, (amax, flags) = matrix(16, 32), words()
    f = jit(lambda x, a, b: qd.quantize(x, "NVFP4", amax=a, amax_out=b))
    with pytest.raises(qd.ArgumentError, match="b shares memory with a"):
        f(x, amax, amax)
    frozen = np.zeros(1, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(qd.ArgumentError, match="b is read-only"):
        f(x, amax, frozen)
    with pytest.raises(qd.ArgumentError, match="amax= reads the array that amax_out= writes"):
        jit(lambda x, a: qd.quantize(x, "NVFP4", amax=a, amax_out=a))(x, amax)
    with pytest.raises(qd.ArgumentError, match="amax_out is computed by the traced function"):
        jit(lambda x: qd.quantize(x, "NVFP4", amax_out=qd.amax(x)))(x)
    for wrong in (np.zeros(1, np.float32), np.zeros(2, np.int32), np.zeros((1, 1), np.float32), 3):
        with pytest.raises(qd.QuadrilleError, match="flags is"):
            qd.quantize(x, "UFP4", flags=wrong)
    with pytest.raises(qd.ArgumentError, match="amax_out has 3 entries"):
        qd.quantize_pair(x, "UFP4", amax_out=(amax, amax, amax))
    with pytest.raises(qd.DTypeError, match="x is"):
        qd.quantize(np.zeros((16, 32), np.int32), "UFP4")


def test_torch_words(matrix):
    torch = pytest.importorskip("torch")
    x = torch.randn(16, 32)
    amax, flags = torch.zeros(1), torch.zeros(1, dtype=torch.int32)
    x[1, 2] = float("inf")
    qd.quantize(x, "UFP4", amax_out=amax, flags=flags)
    assert amax.item() == float("inf") and flags.item() == qd.Flags.NON_FINITE
