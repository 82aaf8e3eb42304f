"""What docs/numerics.md says about the bits of other libraries, measured.

Each function below restates a library's documented algorithm in NumPy float32; none is that
library's code. Sources are given in docs/numerics.md, "Other libraries".
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from quadrille._core import numerics

F32 = np.float32
E4M3 = ml_dtypes.float8_e4m3fn
E2M1 = ml_dtypes.float4_e2m1fn


@pytest.fixture(scope="module")
def operand():
    """512 x 1024 values with outlier columns, bfloat16 as float32."""
    rng = np.random.default_rng(11)
    x = rng.standard_normal((512, 1024)) * np.exp2(rng.normal(0, 2, (1, 1024)))
    return x.astype(ml_dtypes.bfloat16).astype(F32)


def e2m1_codes(t):
    """Codes of values already inside [-6, 6]."""
    return np.clip(t, F32(-6), F32(6)).astype(E2M1).view(np.uint8)


def quantized(x, name, **options):
    codes, scales, _, _ = numerics.quantize(x, numerics.format(name), **options)
    return numerics.unpack_codes(codes), scales


def blocks(x, size):
    return x.reshape(x.shape[0], -1, size)


def torchao_mx(x):
    """torchao to_mx, ScaleCalculationMode.FLOOR, fp4: (scale bytes, codes)."""
    b = blocks(x, 32)
    largest = np.abs(b).max(-1)
    exponent = (largest.view(np.int32) >> 23 & 0xFF) - 127 - 2
    biased = np.clip(exponent, -127, 128) + 127
    reciprocal = np.ldexp(F32(1), 127 - biased).astype(F32)
    return biased.astype(np.uint8), e2m1_codes(b * reciprocal[..., None]).reshape(x.shape)


def microxcaling(x, block, emax, step, largest_value):
    """_quantize_mx with round="even": dequantized values."""
    b = blocks(x, block)
    largest = np.abs(b).max(-1, keepdims=True)
    exponent = np.floor(np.log2(np.where(largest == 0, F32(2.0**-126), largest))) - emax
    scale = np.exp2(np.maximum(exponent, -127)).astype(F32)
    a = np.abs(b / scale)
    if emax == 2:  # e2m1: one mantissa bit above 1
        step = np.exp2(np.maximum(np.floor(np.log2(np.maximum(a, F32(1e-30)))), 0)) / 2
    rounded = np.minimum(np.rint(a / step) * step, largest_value)
    return (np.copysign(rounded, b) * scale).astype(F32).reshape(x.shape)


def transformer_engine_nvfp4(x):
    """TransformerEngine's NVFP4 reference, 1x16: (scale bytes, codes)."""
    b = blocks(x, 16)
    encode = F32(448 * 6) / np.abs(x).max()
    decode = F32(1) / encode
    largest = np.abs(b).max(-1)
    scales = np.minimum(largest * (encode * (F32(1) / F32(6))), F32(448)).astype(E4M3)
    with np.errstate(divide="ignore"):
        factor = np.minimum(F32(1) / (scales.astype(F32) * decode), np.finfo(F32).max)
    return scales.view(np.uint8), e2m1_codes(b * factor[..., None]).reshape(x.shape)


def torchao_nvfp4(x):
    """torchao nvfp4_quantize with per_tensor_amax_to_scale: (scale bytes, codes)."""
    b = blocks(x, 16)
    tensor = np.abs(x).max() / F32(448 * 6)
    wanted = (np.abs(b).max(-1) / F32(6)) / tensor
    scales = np.clip(wanted, F32(2.0**-6), F32(448)).astype(E4M3)
    total = tensor * scales.astype(F32)
    return scales.view(np.uint8), e2m1_codes(b / total[..., None]).reshape(x.shape)


def test_mxfp4_is_torchao_floor(operand):
    scale_bytes, codes = torchao_mx(operand)
    ours, scales = quantized(operand, "MXFP4")
    assert np.array_equal(scales[0], scale_bytes)
    assert np.array_equal(ours, codes)


def test_mxfp4_is_torchao_floor_at_the_ends_of_the_range():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((64, 64)).astype(F32) * np.exp2(np.linspace(-145, 126, 64)).astype(F32)[:, None]
    x[0] = 0
    scale_bytes, codes = torchao_mx(x)
    ours, scales = quantized(x, "MXFP4")
    assert np.array_equal(scales[0], scale_bytes)
    assert np.array_equal(ours, codes)


def test_mx_values_are_microxcaling_with_round_even(operand):
    """Where amax is not within rounding of log2 below a power of two."""
    for name, emax, step, largest in [("MXFP4", 2, None, 6), ("MXINT4", 0, 0.25, 1.75), ("MXUF4", 0, 0.25, 1.75)]:
        codes, scales, _, _ = numerics.quantize(operand, numerics.format(name))
        ours = numerics.dequantize(codes, scales, numerics.format(name))
        assert np.array_equal(ours, microxcaling(operand, 32, emax, step, largest)), name


def test_microxcaling_takes_the_next_exponent_just_below_a_power_of_two():
    x = np.full((1, 32), np.nextafter(F32(2.0**16), F32(0)), F32)  # its log2 rounds to 16
    x[0, 1] = 2.0**13
    theirs = microxcaling(x, 32, 2, None, 6)
    codes, scales, _, _ = numerics.quantize(x, numerics.format("MXFP4"))
    ours = numerics.dequantize(codes, scales, numerics.format("MXFP4"))
    assert (theirs[0, 0], ours[0, 0]) == (2.0**16, 1.5 * 2.0**15)


# The shares of differing codes that docs/numerics.md states.
@pytest.mark.parametrize(("theirs", "share"), [(transformer_engine_nvfp4, 1e-3), (torchao_nvfp4, 2e-3)])
def test_nvfp4_differs_at_near_ties_only(operand, theirs, share):
    scale_bytes, codes = theirs(operand)
    ours, scales = quantized(operand, "NVFP4")
    assert np.array_equal(scales[0], scale_bytes)
    differs = ours != codes
    assert 0 < np.mean(differs) < share
    assert np.abs(ours[differs].astype(int) - codes[differs]).max() == 1


def test_nvfp4_equals_transformer_engine_on_normal_f32():
    x = np.random.default_rng(5).standard_normal((512, 1024)).astype(F32)
    scale_bytes, codes = transformer_engine_nvfp4(x)
    ours, scales = quantized(x, "NVFP4")
    assert np.array_equal(scales[0], scale_bytes) and np.array_equal(ours, codes)


def test_floors_of_block_scales():
    x = np.full((2, 16), 1e-7, F32)
    x[1] = 1
    for theirs, floor in [(transformer_engine_nvfp4, 0x00), (torchao_nvfp4, 0x08)]:
        assert theirs(x)[0][0, 0] == floor
    assert quantized(x, "NVFP4")[1][0][0, 0] == 0x01


def test_fusing_the_product_with_the_magic_constant_changes_codes(operand):
    """The reason of "Rounding without tables" for rounding t first."""
    b = blocks(operand, 16)
    s = np.abs(b).max(-1, keepdims=True) / F32(1.75)
    r = F32(1) / s
    product = b.astype(np.float64) * r  # exact
    fused, separate = np.rint(np.abs(product) * 4), np.rint(np.abs(product.astype(F32)) * 4)
    share = np.mean(fused != separate)
    assert 3e-4 < share < 3e-3
