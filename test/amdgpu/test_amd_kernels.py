"""Kernels besides quantization by AMD code, targets taking turns: dequantization, transforms, carriers, groups, .."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from cases import NUMPY, ROUNDINGS, SIZES, assert_same, hostile, normal, numbers
from executor import FULL, TARGETS, aligned, check, execute, qd


def turns(*factors):
    """(target, case) of the product of the factors: each with one target, or in full with all."""
    cases = list(itertools.product(*factors))
    if FULL:
        return [(target, *case) for case in cases for target in TARGETS]
    return [(TARGETS[number % len(TARGETS)], *case) for number, case in enumerate(cases)]


def quantized(x: np.ndarray, *args, **options):
    """A quantized tensor of the reference, in memory that a GPU's would be in."""
    q = qd.jit(lambda x: qd.quantize(x, *args, **options), target="interpret")(x)
    return q._with(codes=aligned(q.codes), scales=tuple(map(aligned, q.scales)))


@pytest.mark.parametrize("target, name, axis", turns(qd.formats, (0, 1)))
def test_dequantize(target, name, axis):
    shape = (37, 512) if axis == 1 else (512, 37)
    flat = qd.formats[name].block_rows == 1
    for make, dtype in zip((normal, hostile, hostile), NUMPY):
        q = quantized(make(*shape, "f32"), name, axis=axis, rht=qd.RHT(64, seed=2) if flat else None)
        check(qd.jit(lambda q: qd.dequantize(q, dtype=dtype)), target, q)
    if flat:
        check(qd.jit(lambda q: qd.dequantize(q, undo_rht=True)), target, q)


@pytest.mark.parametrize("target, n, axis", turns(SIZES[1:], (0, 1)))
def test_transform_and_amax(target, n, axis):
    rht = qd.RHT(n, seed=1)
    shape = (37, 512) if axis == 1 else (512, 37)
    for make, dtype in zip((normal, hostile, hostile), NUMPY):
        x = aligned(make(*shape, dtype))
        check(qd.jit(lambda x: qd.hadamard(x, rht, axis=axis)), target, x)
        check(qd.jit(lambda x: qd.amax(x, rht=rht, axis=axis)), target, x)
    check(qd.jit(lambda x: qd.amax(x)), target, x)


CARRIERS = [(name, carrier) for name in ("MXUF4", "MXFP4", "MXINT4") for carrier in ("e5m2", "e4m3")]
CARRIERS += [(name, "bf16") for name in ("UFP4_B", "MXUF4", "NVFP4", "NVINT4", "HIF4", "NVFP4_16x16")]


@pytest.mark.parametrize("target, case, axis", turns(CARRIERS, (0, 1)))
def test_carriers(target, case, axis):
    """Rows shorter than a tile, of odd numbers of blocks, of several tiles; narrow and wide spreads of scales."""
    name, carrier = case
    function = qd.jit(lambda q: qd.to_carrier(q, carrier))
    for shape, make in zip(((5, 96), (7, 13 * 64), (3, 9024), (17, 320)), (normal, hostile, normal, hostile)):
        x = make(*shape)
        check(function, target, quantized(x if axis == 1 else x.T.copy(), name, axis=axis, pad=True))


GROUPS = {"experts": [37, 0, 128, 1, 0, 100, 64, 5], "one": [335], "many": [3] * 111, "none": []}


@pytest.mark.parametrize("target, kind, both", turns(GROUPS, (False, True)))
def test_groups(target, kind, both):
    offsets = aligned(np.concatenate([[0], np.cumsum(GROUPS[kind])]).astype(np.int32))
    rht, rounding = qd.RHT(32, seed=3), ROUNDINGS["noise8"]

    @qd.jit
    def quantize(x, offsets):
        if both:
            return qd.quantize_pair(x, "NVFP4", rht=rht, rounding=rounding, groups=offsets, pad=True)
        return qd.quantize(x, "UFP4_B", axis=0, rht=rht, rounding=rounding, groups=offsets)

    check(quantize, target, aligned(normal(340, 200)), offsets)
    check(quantize, target, aligned(hostile(340, 137)), offsets)


@pytest.mark.parametrize("target, name, axis", turns(("UFP4_B", "MXFP4", "NVFP4", "HIF4"), (0, 1)))
def test_words(target, name, axis):
    """The amax and the flags that a kernel combines into words of the caller's."""

    @qd.jit
    def quantize(x, amax, flags):
        return qd.quantize(x, name, rht=qd.RHT(16, seed=1), axis=axis, pad=True, amax_out=amax, flags=flags)

    for x in (normal(133, 300, "f32"), hostile(33, 300), normal(1, 1)):
        got, wanted = ([np.zeros(1, np.float32), np.zeros(1, np.int32)] for _ in range(2))
        assert_same(execute(quantize, target, aligned(x), *got), quantize.reference(x, *wanted), name)
        assert_same(got, wanted, f"{name}, {x.shape}")


@qd.scale_rule
def smaller_error(block):
    scales = [qd.round_to_scale(abs(block).max() / top) for top in (6.0, 7.0)]
    errors = [block - qd.round_to_grid(block / s, grid=i) * s for i, s in enumerate(scales)]
    error0, error1 = [(error * error).sum() for error in errors]
    return qd.where(error1 < error0, scales[1], scales[0]), error1 < error0


OWN = qd.grid("own", [0.1, -3.0, 0.0, 2.5, 1.0, -0.25])
MIXED_LEVEL = qd.level(16, "e4m3", rule=smaller_error)
USERS = {
    "OWN_UE5M3": qd.format("OWN_UE5M3", OWN, [qd.level("1x32", "ue5m3", rule="up")]),
    "OWN_CHAIN": qd.format("OWN_CHAIN", OWN, [qd.level("1x16", "e4m3"), qd.level("1x64", "bf16", bits=3)]),
    "MIXED": qd.format("MIXED", (qd.e2m1, qd.int4), [MIXED_LEVEL, qd.level("tensor", "f32")]),
    "OWN_4x16": qd.format("OWN_4x16", OWN, [qd.level("4x16", "bf16", bits=5)]),
}


@pytest.mark.parametrize("target, name, axis", turns(USERS, (0, 1)))
def test_grids_and_rules_of_the_user(target, name, axis):
    function = qd.jit(lambda x: qd.quantize(x, USERS[name], axis=axis, pad=True))
    check(function, target, aligned(normal(96, 130)))
    check(function, target, aligned(hostile(96, 130)))


@pytest.mark.parametrize("target, dtype", turns(NUMPY))
def test_elementwise_code(target, dtype):
    @qd.jit
    def fused(x):
        return qd.quantize(qd.silu(x) * 3.0 + 0.1, "UFP4_B", rht=qd.RHT(16, seed=6))

    check(fused, target, aligned(normal(33, 256, dtype)))
    x, y = aligned(hostile(9, 128, dtype)), aligned(normal(9, 128, dtype))
    arithmetic = qd.jit(lambda x, y: (x + y, x - y, x * y, x / y, -x, abs(x), qd.maximum(x, y), qd.exp(y)))
    for number, (a, b) in enumerate(zip(execute(arithmetic, target, x, y), arithmetic.reference(x, y), strict=True)):
        assert_same(numbers(a), numbers(b), f"result {number}")
