"""@qd.scale_rule: four-over-six, a clip factor and a search, against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import quadrille as qd
from quadrille import _core, _native
from quadrille.reference import exact_values
from quadrille.tensor import array_views

F32 = np.float32


@qd.scale_rule
def nearest(block):
    return abs(block).max() * F32(1 / 1.75)


@qd.scale_rule
def divided(block):
    return abs(block).max() / 1.75


@qd.scale_rule
def four_over_six(block):
    amax = abs(block).max()

    def candidate(top):
        scale = qd.round_to_scale(amax / top)
        error = block - qd.round_to_grid(block / scale) * scale
        return scale, (error * error).sum()

    (six, error6), (four, error4) = candidate(6.0), candidate(4.0)
    return qd.where(error4 < error6, four, six)


@qd.scale_rule
def clipped(block):
    return qd.minimum(abs(block).max(), 4 * qd.sqrt((block * block).sum() / 16)) / 1.75


@qd.scale_rule
def search(block):
    amax, best, least = abs(block).max(), None, None
    for step in range(8):
        scale = amax * (1 - step / 16) / 1.75
        error = block - qd.round_to_grid(block / scale) * scale
        error = (error * error).sum()
        best = scale if best is None else qd.where(error < least, scale, best)
        least = error if least is None else qd.minimum(error, least)
    return best


def ufp4(rule):
    return qd.format("OWN", qd.e1m2, [qd.level(16, "f32", rule=rule)])


NVFP4_46 = qd.format(
    "NVFP4_46", qd.e2m1, [qd.level(16, "e4m3", rule=four_over_six), qd.level("tensor", "f32", qmax=256 * 6)]
)


def test_the_plain_rule_written_out_gives_the_formats_bits(matrix):
    for x in (matrix(32, 64), np.zeros((2, 32), F32), np.full((2, 32), np.nan, F32)):
        own, plain = qd.quantize(x, ufp4(divided)), qd.quantize(x, "UFP4")
        assert own.codes.tobytes() == plain.codes.tobytes()
        assert own.scales[0].tobytes() == plain.scales[0].tobytes()
    assert qd.quantize(matrix(32, 64), ufp4(nearest)).scales[0].shape == (32, 4)


def test_four_over_six_is_the_better_of_both(matrix):
    x = matrix(64, 128, F32)
    q = qd.quantize(x, NVFP4_46)
    tensor = F32(np.abs(x).max() / F32(1536))
    y = (x * (F32(1) / tensor)).reshape(-1, 16)
    candidates = [_candidate(y, top) for top in (6, 4)]
    better = candidates[1][1] < candidates[0][1]
    scales = np.where(better, candidates[1][0], candidates[0][0])
    assert better.any() and not better.all()
    np.testing.assert_array_equal(q.scales[0].astype(F32).ravel(), scales)
    assert q.scales[1].tolist() == [tensor]
    sqnr = {f.name: qd.sqnr(x, qd.dequantize(qd.quantize(x, f))) for f in (NVFP4_46, qd.NVFP4)}
    assert sqnr["NVFP4_46"] > sqnr["NVFP4"]


def _candidate(y, top):
    scale = _core.numerics.round_to_scale(np.abs(y).max(1) / F32(top), "e4m3")
    codes = _core.numerics.round_to_grid(y / scale[:, None], _native.grid(qd.e2m1))
    square = (y - codes * scale[:, None]) ** 2
    while square.shape[1] > 1:
        square = square[:, 0::2] + square[:, 1::2]
    return scale, square[:, 0]


def test_clipping_clips_and_searching_helps(matrix):
    x = matrix(64, 128, F32)
    clip = qd.metrics(x, qd.quantize(x, ufp4(clipped)))
    found = qd.metrics(x, qd.quantize(x, ufp4(search)))
    plain = qd.metrics(x, qd.quantize(x, "UFP4"))
    assert found.sqnr > plain.sqnr
    assert plain.clip_fraction == 0
    rows = np.abs(x.reshape(-1, 16)).max(1) > 4 * np.sqrt((x.reshape(-1, 16) ** 2).mean(1))
    assert (clip.clip_fraction > 0) == rows.any()


@pytest.mark.parametrize("axis", [0, 1])
def test_rules_see_the_rotated_block_of_either_axis(matrix, axis):
    x, rht = matrix(32, 64), qd.RHT(16, seed=1)
    own = qd.quantize(x, ufp4(divided), rht=rht, axis=axis)
    assert own.codes.tobytes() == qd.quantize(x, "UFP4", rht=rht, axis=axis).codes.tobytes()


def test_rules_of_two_dimensional_blocks(matrix):
    square = qd.format("SQUARE", qd.e1m2, [qd.level((16, 16), "f32", rule=divided)])
    plain = qd.format("PLAIN", qd.e1m2, [qd.level((16, 16), "f32")])
    x = matrix(40, 64)
    assert np.array_equal(qd.quantize(x, square).codes, qd.quantize(x, plain).codes)


def test_stochastic_rounding_with_a_rule_draws_the_same_bits(matrix):
    x, rounding = matrix(16, 64), qd.stochastic(qd.Key(4), bits=8)
    assert np.array_equal(
        qd.quantize(x, ufp4(divided), rounding=rounding).codes, qd.quantize(x, "UFP4", rounding=rounding).codes
    )


def test_a_rule_prints_as_quad():
    text = qd.jit(lambda x: qd.quantize(x, NVFP4_46)).lower(qd.spec("f32[M,64]"), stage="trace")
    assert "quad.scale_rule @four_over_six_0(%v0: tensor<16xf32>) -> tensor<f32> {" in text
    assert "levels = [<1x16, e4m3, @four_over_six_0>, <tensor, f32, nearest, qmax = 1536.0>]" in text
    assert "quad.block_reduce max" in text and "quad.round_to_grid" in text
    assert f'loc("{__file__}"' in text


@pytest.mark.parametrize(
    ("rule", "kind", "says"),
    [
        (lambda b: b, qd.ArgumentError, "does not return a scalar"),
        (lambda b: (b.max(), b.max() > 1), qd.ArgumentError, "one grid"),
        (lambda b: b.max() if b.max() > 0 else 1.0, qd.TraceError, "qd.where"),
        (lambda b: float(b.max()), qd.TraceError, "not Python numbers"),
        (lambda b: b.max().max(), qd.TraceError, "of a scalar"),
        (lambda b: np.log2(b.max()), (qd.TraceError, TypeError), ""),
        (lambda b: b.max() ** 2, qd.TraceError, "not Python numbers"),
        (lambda b: b.max() + "1", qd.TraceError, "'1'"),
        (lambda b: qd.where(b.max(), 1, 2), qd.TraceError, "not a comparison"),
        (lambda b: qd.sqrt(2.0), qd.TraceError, "is not a number of a scale rule"),
        (lambda b: b[0], qd.TraceError, "not Python numbers"),
    ],
)
def test_what_a_rule_may_not_do(rule, kind, says):
    with pytest.raises(kind) as error:
        qd.quantize(np.ones((1, 16), F32), ufp4(qd.scale_rule(rule)))
    assert says in str(error.value)


def test_constants_and_values_are_f32(matrix):
    x = matrix(4, 16, F32)
    rule = qd.scale_rule(lambda b: abs(b).max() * 0.1)
    scales = qd.quantize(x, ufp4(rule)).scales[0][:, 0]
    np.testing.assert_array_equal(scales, np.abs(x).max(1) * F32(0.1))
    assert exact_values(array_views(qd.quantize(x, ufp4(rule))), ufp4(rule)).shape == (4, 16)
