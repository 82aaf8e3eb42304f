"""The specification against oracles that are not ours.

ml_dtypes for casts, an independent NumPy restatement for whole formats, statistics for
stochastic rounding.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quadrille._core import numerics

F32 = np.float32
BUILTIN = ("e2m1", "e1m2", "int4")
E4M3, E8M0, E2M1 = ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e8m0fnu, ml_dtypes.float4_e2m1fn

finite_floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


def grid(name: str):
    return numerics.Grid(name)


def around(values: np.ndarray, reach: int = 3) -> np.ndarray:
    """Each positive value with its `reach` neighbours on both sides."""
    bits = np.asarray(values, F32).view(np.int32).astype(np.int64)
    steps = bits[:, None] + np.arange(-reach, reach + 1)
    return np.clip(steps, 0, 0x7F7FFFFF).astype(np.int32).ravel().view(F32)


def every_exponent() -> np.ndarray:
    """Mantissas at and around every place a rounding could turn, at every f32 exponent."""
    mantissas = np.arange(0, 1 << 23, 1 << 18)
    mantissas = (mantissas[:, None] + np.array([-1, 0, 1])).ravel() % (1 << 23)
    return ((np.arange(255)[:, None] << 23) | mantissas).astype(np.int32).ravel().view(F32)


# Casts


def test_e2m1_is_the_cast_of_ml_dtypes():
    values = np.arange(16, dtype=np.uint8).view(E2M1).astype(F32)[:8]
    ties = (values[1:] + values[:-1]) / 2
    t = np.concatenate([every_exponent(), around(ties), around(values)])
    t = t[t <= 6]
    t = np.concatenate([t, -t])
    assert np.array_equal(numerics.encode(t, grid("e2m1")), t.astype(E2M1).view(np.uint8))


def test_e4m3_is_the_cast_of_ml_dtypes():
    values = np.arange(0x7F, dtype=np.uint8).view(E4M3).astype(F32)
    v = np.concatenate([every_exponent(), around((values[1:] + values[:-1]) / 2), around(values)])
    v = v[(v >= 2.0**-9) & (v <= 448)]
    assert np.array_equal(numerics.encode_scale(v, "e4m3"), v.astype(E4M3).view(np.uint8))


def test_e8m0_is_the_cast_of_ml_dtypes():
    v = every_exponent()
    v = np.concatenate([v, around(F32(1.5) * np.exp2(np.arange(-126, 127)).astype(F32))])
    v = v[(v >= 2.0**-126) & (v <= 2.0**127)]  # it rounds subnormal input to 2^-126, not to nearest
    assert np.array_equal(numerics.encode_scale(v, "e8m0"), v.astype(E8M0).view(np.uint8))


def test_bf16_is_the_cast_of_ml_dtypes():
    v = every_exponent()
    v = v[(v >= 2.0**-126) & (v <= F32(ml_dtypes.finfo(ml_dtypes.bfloat16).max))]
    expected = v.astype(ml_dtypes.bfloat16).view(np.uint16)
    assert np.array_equal(numerics.encode_scale(v, "bf16"), expected)


@settings(deadline=None, max_examples=120)
@given(st.lists(finite_floats, min_size=1, max_size=64))
def test_casts_of_any_floats(values):
    v = np.array(values, F32)
    t = np.clip(v, F32(-6), F32(6))
    assert np.array_equal(numerics.encode(v, grid("e2m1")), t.astype(E2M1).view(np.uint8))
    scale = np.clip(np.abs(v), F32(2.0**-9), F32(448))
    assert np.array_equal(numerics.encode_scale(scale, "e4m3"), scale.astype(E4M3).view(np.uint8))


@settings(deadline=None, max_examples=120)
@given(st.lists(finite_floats, min_size=1, max_size=64), st.sampled_from(BUILTIN))
def test_rounding_laws(values, name):
    """Nearest is no farther than the others; directed never grows; both are idempotent."""
    t = np.array(values, F32)
    top = 6 if name == "e2m1" else 1.75 if name == "e1m2" else 7
    t = np.clip(t, F32(-top), F32(top))
    nearest = numerics.round_to_grid(t, grid(name))
    away = numerics.round_to_grid(t, grid(name), "nearest_away")
    toward = numerics.round_to_grid(t, grid(name), "toward_zero")
    error = np.abs(nearest.astype(np.float64) - t)
    assert np.array_equal(error, np.abs(away.astype(np.float64) - t))
    assert np.all(error <= np.abs(toward.astype(np.float64) - t))
    assert np.all(np.abs(toward) <= np.abs(t)) and np.all(np.abs(away) >= np.abs(nearest))
    for rounded in (nearest, away, toward):
        assert np.array_equal(numerics.round_to_grid(rounded, grid(name)), rounded)
        assert np.array_equal(numerics.round_to_grid(rounded, grid(name), "toward_zero"), rounded)


# Whole formats, restated


def rounded_to_e2m1(t):
    a = np.minimum(np.abs(t), F32(6)).astype(np.float64)
    step = np.where(a < 2, 0.5, np.where(a < 4, 1.0, 2.0))
    return np.copysign(np.rint(a / step) * step, t)


def rounded_to_e1m2(t):
    return np.copysign(np.minimum(np.rint(np.abs(t).astype(np.float64) * 4), 7) / 4, t)


def restated(x: np.ndarray, name: str):
    """(dequantized code values, scale values) of UFP4, E2M1_REF, MXFP4 and NVFP4."""
    size = 32 if name == "MXFP4" else 16
    y = x.reshape(x.shape[0], -1, size)
    round_values = rounded_to_e1m2 if name == "UFP4" else rounded_to_e2m1
    if name == "NVFP4":
        tensor = np.maximum(np.abs(x).max() / F32(2688), F32(2.0**-126))
        y = y * (F32(1) / tensor)
    largest = np.abs(y).max(-1)
    if name == "MXFP4":
        exponent = np.frexp(largest)[1].astype(int) - 1 - 2
        scale = np.exp2(np.clip(np.where(largest == 0, -127, exponent), -127, 127)).astype(F32)
    elif name == "NVFP4":
        scale = np.clip(largest / F32(6), F32(2.0**-9), F32(448)).astype(E4M3).astype(F32)
    else:
        scale = np.maximum(largest / F32(1.75 if name == "UFP4" else 6), F32(2.0**-126))
    t = y * (F32(1) / scale)[..., None]
    return round_values(t).reshape(x.shape), scale


def scale_values(array: np.ndarray, dtype: str) -> np.ndarray:
    words = array.view(np.uint32) if array.dtype == F32 else array.astype(np.uint32)
    return numerics.decode_scale(words, dtype)


OPERANDS = {
    "normal": lambda rng: rng.standard_normal((96, 256)),
    "bf16": lambda rng: rng.standard_normal((96, 256)).astype(ml_dtypes.bfloat16),
    "outliers": lambda rng: rng.standard_normal((96, 256)) * np.exp2(rng.normal(0, 5, 256)),
    "tiny": lambda rng: rng.standard_normal((96, 256)) * 2.0**-135,
    "huge": lambda rng: np.clip(rng.standard_normal((96, 256)), -1, 1) * 2.0**127,
    "zeros": lambda rng: rng.standard_normal((96, 256)) * (rng.random((96, 16)) < 0.5).repeat(16, 1),
}


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("name", ["UFP4", "E2M1_REF", "MXFP4", "NVFP4"])
def test_formats_against_an_independent_restatement(name, operand):
    x = OPERANDS[operand](np.random.default_rng(17)).astype(F32)
    fmt = numerics.format(name)
    codes, scales, stored, _ = numerics.quantize(x, fmt)
    values, expected_scales = restated(x, name)
    got = numerics.decode(numerics.unpack_codes(codes), fmt.grid)
    assert stored == 256
    assert np.array_equal(scale_values(scales[0], fmt.levels[0].as_dict()["dtype"]), expected_scales)
    assert np.array_equal(got.view(np.uint32), values.astype(F32).view(np.uint32))


@settings(deadline=None, max_examples=80)
@given(st.lists(finite_floats, min_size=32, max_size=32), st.sampled_from(["UFP4", "E2M1_REF", "MXFP4"]))
def test_any_block_against_the_restatement(block, name):
    x = np.array([block], F32)
    fmt = numerics.format(name)
    codes, scales, _, _ = numerics.quantize(x, fmt)
    with np.errstate(all="ignore"):
        values, expected_scales = restated(x, name)
    got = numerics.decode(numerics.unpack_codes(codes), fmt.grid)
    assert np.array_equal(scale_values(scales[0], fmt.levels[0].as_dict()["dtype"]), expected_scales)
    assert np.array_equal(got.view(np.uint32), values.astype(F32).view(np.uint32))


@pytest.mark.parametrize("n", [16, 32, 64, 128, 256])
def test_rotation_against_a_matrix_in_double(n):
    signs = numerics.signs_from_seed(3, n)
    x = np.random.default_rng(n).standard_normal((8, 512)).astype(F32)
    i = np.arange(n)
    h = 1.0 - 2.0 * (np.bitwise_count(i[:, None] & i) % 2)
    assert np.array_equal(h @ h.T, n * np.eye(n))
    expected = ((x.reshape(8, -1, n) * signs).astype(np.float64) @ h / np.sqrt(n)).reshape(8, 512)
    got = numerics.rotate(x, signs)
    assert np.allclose(got, expected, rtol=0, atol=3e-6)
    assert np.allclose(numerics.rotate(got, signs, inverse=True), x, rtol=0, atol=3e-6)


# Inputs


@pytest.mark.parametrize("fmt", numerics.named_formats(), ids=lambda f: f.name)
def test_input_types_and_strides_do_not_matter(fmt):
    x = np.random.default_rng(1).standard_normal((64, 128)).astype(ml_dtypes.bfloat16)
    wide = x.astype(F32)
    expected = numerics.quantize(wide, fmt)
    big = np.zeros((128, 300), F32)
    big[::2, 7:135] = wide
    variants = [
        numerics.quantize(x, fmt),
        numerics.quantize(x.view(np.uint16), fmt, dtype="bf16"),
        numerics.quantize(np.asfortranarray(wide), fmt),
        numerics.quantize(big[::2, 7:135], fmt),
        numerics.quantize(wide[::-1, ::-1][::-1, ::-1], fmt),
        numerics.quantize(np.ascontiguousarray(wide.T), fmt, axis=0),
        numerics.quantize(wide.T, fmt, axis=-2),
    ]
    for codes, scales, stored, flags in variants:
        assert np.array_equal(codes, expected[0]) and (stored, flags) == expected[2:]
        for got, want in zip(scales, expected[1], strict=True):
            assert np.array_equal(got, want)
    half = wide.astype(np.float16)
    from_half, from_float = numerics.quantize(half, fmt), numerics.quantize(half.astype(F32), fmt)
    assert np.array_equal(from_half[0], from_float[0])


def test_the_array_is_not_written():
    x = np.random.default_rng(1).standard_normal((16, 64)).astype(F32)
    before = x.copy()
    numerics.quantize(x, numerics.format("NVFP4"), signs=numerics.signs_from_seed(0, 16))
    assert np.array_equal(x, before)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"x": np.zeros((2, 17), F32)}, "pad=True"),
        ({"x": np.zeros((2, 16), F32), "signs": np.ones(32, F32)}, "multiple of 32"),
        ({"x": np.zeros((2, 16), np.float64)}, "float64"),
        ({"x": np.zeros(16, F32)}, "two dimensions"),
        ({"x": np.zeros((2, 16), F32), "axis": 2}, "axis"),
        ({"x": np.zeros((2, 16), F32), "rounding": "up"}, "up"),
        ({"x": np.zeros((2, 16), F32), "rounding": "stochastic", "bits": 5}, "4, 8 or 16"),
        ({"x": np.zeros((2, 16), F32), "stream": 4}, "streams"),
    ],
)
def test_refused_requests(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        numerics.quantize(format=numerics.format("UFP4"), **arguments)


# LUTs


def reentered(name: str):
    values = list(grid(name).values)
    if name == "int4":
        values[8] = 0.0  # never produced
    return numerics.Grid(name + "_lut", values, grid(name).qmax)


@pytest.mark.parametrize("name", BUILTIN)
@pytest.mark.parametrize("rounding", ["nearest_even", "nearest_away", "toward_zero", "stochastic"])
def test_a_grid_as_a_lut_gives_the_same_bits(name, rounding):
    x = np.random.default_rng(2).standard_normal((128, 512)).astype(F32)
    x[0, ::7] = -0.0
    levels = [numerics.Level(1, 16, "e4m3"), numerics.Level(0, 0, "f32")]
    options = {"rounding": rounding, "bits": 8, "key": numerics.key_from_seed(4), "base": 48}
    built_in = numerics.quantize(x, numerics.Format("A", grid(name), levels), **options)
    lut = numerics.quantize(x, numerics.Format("B", reentered(name), levels), **options)
    assert np.array_equal(built_in[0], lut[0])
    assert np.array_equal(built_in[1][0], lut[1][0])


def test_a_grid_in_any_order_with_duplicates():
    values = [0.5, -1.0, 0.0, 1.0, 0.5, -0.5, 1.0]
    lut = numerics.Grid("shuffled", values)
    t = np.linspace(-1.5, 1.5, 3001).astype(F32)
    got = numerics.encode(t, lut)
    assert set(np.unique(got)) == {0, 1, 2, 3, 5}
    error = np.abs(np.array(values)[got] - np.clip(t, -1, 1))
    assert np.array_equal(error, np.abs(np.array(values)[:, None] - np.clip(t, -1, 1)).min(0))


# Stochastic rounding


def draws(t: float, name: str, bits: int, count: int, seed: int = 0) -> np.ndarray:
    random = numerics.element_bits(numerics.key_from_seed(seed), 0, count, 0, bits, 7)
    values = np.full(count, t, F32)
    return numerics.round_to_grid(values, grid(name), "stochastic", bits, random).astype(np.float64)


GAPS = {"e2m1": [(0, 0.5), (1.5, 2), (2, 3), (4, 6)], "e1m2": [(0, 0.25), (1.5, 1.75)], "int4": [(0, 1), (6, 7)]}
CASES = [(name, low, high) for name, gaps in GAPS.items() for low, high in gaps]


@pytest.mark.parametrize(("name", "low", "high"), CASES)
def test_mean_and_variance_at_fractions_of_the_random_bits(name, low, high):
    count, width = 1_000_000, high - low
    for bits, k, sign in [(4, 5, 1), (8, 77, -1), (16, 40000, 1)]:
        fraction = k / 2**bits
        got = draws(sign * (low + fraction * width), name, bits, count, seed=k)
        deviation = width * np.sqrt(fraction * (1 - fraction))
        assert abs(got.mean() - sign * (low + fraction * width)) < 5 * deviation / np.sqrt(count)
        # The variance of a sample variance of two values, p (1-p): from its fourth moment.
        spread = deviation**2 * np.sqrt(max(1 / (fraction * (1 - fraction)) - 4, 0) / count)
        assert abs(got.var() - deviation**2) < 5 * spread + 1e-9
        assert set(np.unique(np.abs(got))) <= {low, high}


@pytest.mark.parametrize(("name", "low", "high"), CASES)
def test_mean_elsewhere_is_within_half_a_random_step(name, low, high):
    count, width = 1_000_000, high - low
    for bits, fraction in [(4, 0.3), (8, 0.7013)]:
        target = float(F32(low + fraction * width))
        got = draws(target, name, bits, count)
        sigma = width * np.sqrt(fraction * (1 - fraction) / count)
        assert abs(got.mean() - target) < 5 * sigma + width * 2.0 ** -(bits + 1)


@pytest.mark.parametrize("name", ["UFP4", "E2M1_REF"])
def test_block_maxima_never_move(name):
    x = np.random.default_rng(6).standard_normal((256, 256)).astype(F32)
    blocks = np.abs(x).reshape(256, -1, 16)
    at_maximum = (blocks == blocks.max(-1, keepdims=True)).reshape(x.shape)
    for bits in (4, 8, 16):
        codes, _, _, _ = numerics.quantize(
            x, numerics.format(name), rounding="stochastic", bits=bits, key=numerics.key_from_seed(bits)
        )
        assert np.all(numerics.unpack_codes(codes)[at_maximum] & 7 == 7)


def test_random_bits_are_uniform_and_uncorrelated():
    for bits in (4, 8):
        values = numerics.element_bits(numerics.key_from_seed(1), 12345, 1 << 20, 1, bits, 7)
        counts = np.bincount(values, minlength=1 << bits)
        expected = (1 << 20) / (1 << bits)
        chi_squared = ((counts - expected) ** 2 / expected).sum()
        freedom = (1 << bits) - 1
        assert abs(chi_squared - freedom) < 6 * np.sqrt(2 * freedom)
        centred = values - values.mean()
        correlation = (centred[1:] * centred[:-1]).mean() / values.var()
        assert abs(correlation) < 5 / 1024


def test_bits_do_not_depend_on_the_shard():
    key = numerics.key_from_seed(8)
    whole = numerics.element_bits(key, 0, 4096, 0, 8, 7)
    for start in (1, 15, 16, 1000):
        assert np.array_equal(numerics.element_bits(key, start, 64, 0, 8, 7), whole[start : start + 64])


# Steps


def test_a_program_rule_between_the_steps():
    """Four-over-six by the steps: each block's better of amax/6 and amax/4."""
    x = np.random.default_rng(9).standard_normal((64, 256)).astype(F32)
    levels = [numerics.Level(1, 16, "e4m3", "program"), numerics.Level(0, 0, "f32", qmax=6 * 256)]
    fmt = numerics.Format("FOUR_OVER_SIX", grid("e2m1"), levels)
    outer, _ = numerics.level_scales(x, fmt, 1)
    y = numerics.divide(x, fmt, 1, outer)

    def choice(qmax):
        values = numerics.block_amax(y, 1, 16) / F32(qmax)
        scales, _ = numerics.level_scales(y, fmt, 0, values=values)
        codes = numerics.encode(numerics.divide(y, fmt, 0, scales), fmt.grid)
        restored = numerics.dequantize(numerics.pack_codes(codes), [scales, outer], fmt)
        return scales, codes, ((restored - x).reshape(64, 16, 16) ** 2).sum(-1)

    (six, _, error6), (four, _, error4) = choice(6), choice(4)
    values = numerics.block_amax(y, 1, 16) / np.where(error4 < error6, F32(4), F32(6))
    scales, flags = numerics.level_scales(y, fmt, 0, values=values)
    assert np.array_equal(scales, np.where(error4 < error6, four, six)) and flags == 0
    assert 0.1 < np.mean(error4 < error6) < 0.9
    with pytest.raises(ValueError, match="outside"):
        numerics.quantize(x, fmt)


def test_named_formats_describe_themselves():
    for fmt in numerics.named_formats():
        fields = fmt.as_dict()
        made = numerics.Format(
            fields["name"],
            numerics.Grid(fields["grid"]["name"]),
            [numerics.Level(**level) for level in fields["levels"]],
        )
        assert made == fmt == numerics.format(fmt.name)
    with pytest.raises(ValueError, match="FP3"):
        numerics.format("FP3")
