"""Formats of two grids: the rule chooses one for each block, the scale's sign says which."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import quadrille as qd
from quadrille import _core, _native, mlir
from quadrille.reference import exact_values
from quadrille.tensor import array_views
from safetensors import safe_open
from test_host import ROUNDINGS, assert_same, compiled

F32 = np.float32
SIGN = {"e4m3": 0x80, "bf16": 0x8000, "f32": 0x80000000}
LUT = qd.grid("steps", [0, 0.1, 0.35, 1, -0.1, -0.35, -1, -1.5])


def smaller_error(tops):
    """The rule that takes the grid of the smaller squared error, each with its own scale."""

    @qd.scale_rule
    def smaller(block):
        def candidate(grid):
            scale = qd.round_to_scale(abs(block).max() / tops[grid])
            error = block - qd.round_to_grid(block / scale, grid=grid) * scale
            return scale, (error * error).sum()

        (first, error0), (second, error1) = candidate(0), candidate(1)
        return qd.where(error1 < error0, second, first), error1 < error0

    return smaller


def two_grids(name, first, second, dtype, cols=16, outer=(), bits=None):
    rule = smaller_error((first.qmax, second.qmax))
    return qd.format(name, (first, second), [qd.level(cols, dtype, rule=rule, bits=bits), *outer])


TENSOR = qd.level("tensor", "f32")
MIX = two_grids("MIX", qd.e2m1, qd.int4, "e4m3", outer=[TENSOR])
FORMATS = [
    MIX,
    two_grids("MIX_F32", qd.e1m2, qd.e2m1, "f32", 32),
    two_grids("MIX_BF16", qd.int4, qd.e2m1, "bf16", 4, bits=5),
    two_grids("MIX_LUT", LUT, qd.e1m2, "e4m3", 16, outer=[qd.level(64, "bf16", qmax=448)]),
]
MATMUL = [FORMATS[0], FORMATS[1], two_grids("MIX_WIDE", qd.e1m2, qd.int4, "bf16", 64)]
by_name = pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)


def bits_of(q):
    return q.scales[0].view({1: np.uint8, 2: np.uint16, 4: np.uint32}[q.scales[0].itemsize])


# The specification.


def test_each_block_has_the_grid_of_the_smaller_error(matrix):
    x = matrix(64, 128, F32)
    q = qd.quantize(x, MIX)
    tensor = np.abs(x).max() / F32(448 * 6)  # the first grid's qmax
    assert q.scales[1].tolist() == [tensor]
    y = (x * (F32(1) / tensor)).reshape(-1, 16)
    candidates = [_candidate(y, grid) for grid in (qd.e2m1, qd.int4)]
    second = candidates[1][2] < candidates[0][2]
    assert 0.1 < second.mean() < 0.9
    bits = np.where(second, candidates[1][0] | 0x80, candidates[0][0])
    np.testing.assert_array_equal(bits_of(q).ravel(), bits)
    codes = np.where(second[:, None], candidates[1][1], candidates[0][1])
    np.testing.assert_array_equal(q.codes, _core.numerics.pack_codes(codes.reshape(64, 128)))
    best = qd.metrics(x, q).sqnr
    assert all(best > qd.metrics(x, qd.quantize(x, one)).sqnr for one in ("NVFP4", "NVINT4"))


def _candidate(y, grid):
    """Scale bits, codes and squared errors of blocks in one grid."""
    grid_, qmax = _native.grid(grid), F32(grid.qmax)
    bits = _core.numerics.encode_scale(np.abs(y).max(1) / qmax, "e4m3")
    scale = _core.numerics.decode_scale(bits, "e4m3")[:, None]
    square = (y - _core.numerics.round_to_grid(y / scale, grid_) * scale) ** 2
    while square.shape[1] > 1:
        square = square[:, 0::2] + square[:, 1::2]
    return bits, _core.numerics.encode(y * (F32(1) / scale), grid_), square[:, 0]


@by_name
def test_the_value_is_the_chosen_grids_times_the_scales_magnitude(matrix, fmt):
    q = qd.quantize(matrix(33, 128, F32), fmt)
    level, sign = fmt.levels[0], SIGN[fmt.levels[0].dtype]
    second = np.repeat((bits_of(q) & sign) != 0, level.cols, axis=1)
    assert second.any() and not second.all()
    codes = _core.numerics.unpack_codes(q.codes)
    tables = np.array([np.resize(grid.values, 16) for grid in fmt.grids], F32)
    value = tables[second.astype(int), codes]
    for scale in (np.abs(q.scales[0].astype(F32)), *(s.astype(F32) for s in q.scales[1:])):
        value = value * np.repeat(scale.reshape(-1, scale.shape[-1]), 128 // scale.shape[-1], axis=1)
    assert qd.dequantize(q).tobytes() == value.tobytes()
    np.testing.assert_allclose(exact_values(array_views(q), fmt), value, rtol=1e-6)


def test_a_nan_has_no_choice_and_a_zero_block_the_rules():
    second = qd.scale_rule(lambda b: (abs(b).max(), abs(b).max() < 1e9))
    fmt = qd.format("SECOND", (qd.e2m1, qd.int4), [qd.level(16, "e4m3", rule=second)])
    x = np.zeros((1, 64), F32)
    x[0, 3], x[0, 20], x[0, 32:] = np.nan, np.inf, -0.0
    q = qd.quantize(x, fmt)
    assert bits_of(q).tolist() == [[0x7F, 0x7F, 0x81, 0x81]]
    assert not q.codes.any()  # INT4 has no -0
    assert np.isnan(qd.dequantize(q)[0, :32]).all() and not qd.dequantize(q)[0, 32:].any()
    nan = qd.scale_rule(lambda b: (b.max() - b.max() + float("nan"), abs(b).max() < 1e9))
    fmt = qd.format("NAN", (qd.e2m1, qd.int4), [qd.level(16, "bf16", rule=nan)])
    assert bits_of(qd.quantize(np.ones((1, 16), F32), fmt)).tolist() == [[0x7FC0]]


def test_metrics_know_both_grids(matrix):
    x = matrix(64, 128, F32)
    q = qd.quantize(x, MIX)
    m = qd.metrics(x, q)
    assert m.sqnr == pytest.approx(qd.sqnr(x, qd.dequantize(q)), abs=1e-3)
    assert m.zero_fraction == np.mean(qd.dequantize(q) == 0)
    assert m.clip_fraction < 0.02 and 1 / 8 <= m.bucket_ratio <= 1


def test_the_rules_of_the_page(matrix):
    page = (Path(__file__).parents[2] / "docs/numerics.md").read_text()
    rules = re.findall(r"```python\n(@qd.scale_rule.*?)```", page, re.DOTALL)
    assert [len(rule.splitlines()) for rule in rules] == [6, 8]
    names = {"qd": qd}
    for rule in rules:
        exec(rule, names)
    x = matrix(32, 128)
    mix, wanted = qd.quantize(x, names["mix"]), qd.quantize(x, MIX)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(array_views(mix), array_views(wanted)))
    levels = [qd.level(16, "e4m3", rule=names["four_over_six"]), qd.level("tensor", "f32", qmax=1536)]
    better = qd.metrics(x, qd.quantize(x, qd.format("NVFP4_46", qd.e2m1, levels)))
    assert better.sqnr > qd.metrics(x, qd.quantize(x, "NVFP4")).sqnr


# Describing.


def test_a_format_of_two_grids_says_so():
    assert repr(MIX) == "<format MIX: e2m1 or int4, 1x16 e4m3, tensor f32>"
    assert MIX.grids == (qd.e2m1, qd.int4) and qd.NVFP4.grids == (qd.e2m1,)
    one = qd.format("MIX", qd.e2m1, MIX.levels)
    assert MIX != one and hash(MIX) != hash(one)
    text = mlir.print_format(MIX)
    assert text.startswith('#quad.format<"MIX", grid = e2m1 or int4, levels = [<1x16, e4m3, @smaller>, ')


@pytest.mark.parametrize(
    ("grids", "level", "says"),
    [
        ((qd.e2m1, qd.int4), qd.level(16, "e4m3"), "must be a scale rule of the user, not nearest"),
        ((qd.e2m1, qd.int4), qd.level(16, "e8m0", rule=MIX.rule), "must be f32, bf16 or e4m3, not e8m0"),
        ((qd.e2m1, qd.int4), qd.level(16, "ue5m3", rule=MIX.rule), "must be f32, bf16 or e4m3, not ue5m3"),
        ((qd.e2m1, qd.int4, qd.e1m2), qd.level(16, "e4m3", rule=MIX.rule), "MIX has 3 grids"),
        ((), qd.level(16, "e4m3", rule=MIX.rule), "MIX has 0 grids"),
        ((qd.e2m1, "int4"), qd.level(16, "e4m3", rule=MIX.rule), "is not a grid"),
    ],
)
def test_two_grids_that_are_refused(grids, level, says):
    with pytest.raises(qd.ArgumentError) as error:
        qd.format("MIX", grids, [level])
    assert says in str(error.value) and error.value.where.file == __file__


@pytest.mark.parametrize(
    ("rule", "grids", "says"),
    [
        (lambda b: abs(b).max(), 2, "does not choose one of the two grids of format TRY"),
        (lambda b: (abs(b).max(), b.max() > 1), 1, "format TRY has one grid"),
        (lambda b: abs(qd.round_to_grid(b, grid=1)).max(), 1, "rounds to grid 1, but format TRY has one grid"),
        (lambda b: (abs(qd.round_to_grid(b, grid=2)).max(), b.max() > 1), 2, "grid=2"),
        (lambda b: (abs(b).max(), b > 1), 2, "not a comparison of scalars"),
        (lambda b: (abs(b).max(), True), 2, "not a comparison of scalars"),
        (lambda b: (abs(b).max(), b.max()), 2, "not a comparison of scalars"),
        (lambda b: (abs(b).max(), b.max() > 1, 3), 2, "returns 3 values"),
    ],
)
def test_rules_that_do_not_fit_the_grids(rule, grids, says):
    fmt = qd.format("TRY", (qd.e2m1, qd.int4)[:grids], [qd.level(16, "e4m3", rule=qd.scale_rule(rule))])
    with pytest.raises(qd.QuadrilleError) as error:
        qd.quantize(np.ones((1, 16), F32), fmt)
    assert says in str(error.value) and error.value.where.file == __file__


def test_a_rule_prints_its_choice():
    text = qd.jit(lambda x: qd.quantize(x, MIX)).lower(qd.spec("f32[M,64]"), stage="trace")
    assert "quad.scale_rule @smaller_0(%v0: tensor<16xf32>) -> (tensor<f32>, tensor<i1>) {" in text
    assert "grid = #quad.grid<int4>" in text and ": tensor<f32>, tensor<i1>" in text


def test_others_have_no_such_format(matrix):
    with pytest.raises(qd.UnsupportedError, match="no representation of MIX"):
        qd.quantize(matrix(16, 32), MIX).to_te()


# Files.


@by_name
def test_a_file_keeps_both_grids_and_the_rules_name(tmp_path, matrix, fmt):
    q = qd.quantize(matrix(16, 128), fmt)
    q.save(tmp_path / "q.safetensors")
    with safe_open(tmp_path / "q.safetensors", framework="numpy") as file:
        fields = json.loads(file.metadata()["format"])
    assert [fields["grid"]["name"], fields["alternative"]["name"]] == [g.name for g in fmt.grids]
    assert fields["levels"][0]["rule"] == "@smaller"
    loaded = qd.load(tmp_path / "q.safetensors")
    assert loaded.format.grids == fmt.grids
    assert qd.dequantize(loaded).tobytes() == qd.dequantize(q).tobytes()
    assert qd.bit_identical(loaded, qd.load(tmp_path / "q.safetensors"))
    with pytest.raises(qd.UnsupportedError, match="a file holds the name alone"):
        qd.quantize(matrix(16, 128), loaded.format)


# Compiled.


@pytest.mark.compiler
@by_name
def test_quantize_has_the_bits_of_the_specification(matrix, fmt):
    @compiled
    def f(x):
        return {name: qd.quantize_pair(x, fmt, rounding=rounding) for name, rounding in ROUNDINGS.items()}

    x = matrix(128, 256)
    assert_same(f(x), f.reference(x), fmt.name)


@pytest.mark.compiler
@by_name
def test_special_values_padding_and_transforms(matrix, fmt):
    rht = qd.RHT(16, seed=4)

    @compiled
    def f(x):
        return [qd.quantize(x, fmt, axis=axis, pad=True, rht=r) for axis in (0, 1) for r in (None, rht)]

    x = matrix(69, 70, F32)
    x[0, 0], x[1, 3], x[2, 5] = np.nan, -np.inf, np.inf
    x[3], x[4, ::2], x[5], x[6] = 1e-40, -0.0, 3e38, 0
    with np.errstate(over="ignore", invalid="ignore"):
        assert_same(f(x), f.reference(x), fmt.name)


@pytest.mark.compiler
@by_name
def test_dequantize_has_the_bits_of_the_specification(matrix, fmt):
    f = compiled(lambda q: qd.dequantize(q))
    for axis in (0, 1):
        q = qd.quantize(matrix(48, 136), fmt, axis=axis, pad=True)
        assert_same(f(q), f.reference(q), fmt.name)


@pytest.mark.compiler
def test_square_blocks_have_one_choice(matrix):
    rule = smaller_error((6, 7))
    square = qd.format("SQUARE", (qd.e2m1, qd.int4), [qd.level((16, 16), "bf16", rule=rule)])
    quantize, f = compiled(lambda x: qd.quantize(x, square)), compiled(lambda q: qd.dequantize(q))
    x = matrix(40, 64)
    q = quantize.reference(x)
    assert q.scales[0].shape == (3, 4)
    assert_same(f(q), f.reference(q))
    assert_same(quantize(x), q)
    both = compiled(lambda x: qd.quantize_pair(x, square, pad=True))
    assert_same(both(x), both.reference(x))


@pytest.mark.compiler
def test_blocked_scales_carry_the_choice(matrix):
    f = compiled(lambda x: qd.quantize(x, MIX, scale_layout="blocked128x4"))
    x = matrix(130, 128)
    assert_same(f(x), f.reference(x))
    d = compiled(lambda q: qd.dequantize(q))
    assert_same(d(f(x)), d.reference(f(x)))


@pytest.mark.compiler
@pytest.mark.parametrize("fmt", MATMUL, ids=lambda f: f.name)
def test_products_are_those_of_exact_operands(matrix, fmt):
    f = compiled(lambda x, w: qd.matmul(qd.quantize(x, fmt), qd.quantize(w, fmt).T, dtype="f32"))
    x, w = matrix(65, 256), matrix(50, 256)
    got, wanted = f(x, w), f.reference(x, w).astype(np.float64)
    assert np.abs(got - wanted).max() <= 2.0**-20 * np.abs(wanted).max()
    plain = compiled(lambda x, w: qd.matmul(x, qd.quantize(w, fmt).T, dtype="f32", exact=False))
    got, wanted = plain(x, w), plain.reference(x, w).astype(np.float64)
    assert np.abs(got - wanted).max() <= 2.0**-20 * np.abs(wanted).max()


@pytest.mark.compiler
def test_a_rule_may_be_a_lambda(matrix):
    second = qd.scale_rule(lambda b: (abs(b).max() / 6, abs(b).max() > 2))
    fmt = qd.format("LAMBDA", (qd.e2m1, qd.int4), [qd.level(16, "f32", rule=second)])
    f = compiled(lambda x: qd.quantize(x, fmt, rounding=qd.toward_zero))
    x = matrix(16, 64)
    assert_same(f(x), f.reference(x))


@pytest.mark.compiler
def test_what_is_loaded_multiplies(tmp_path, matrix):
    qd.quantize(matrix(32, 64), MIX).save(tmp_path / "w.safetensors")
    w = qd.load(tmp_path / "w.safetensors")
    f = compiled(lambda x, w: qd.matmul(qd.quantize(x, MIX), w.T, dtype="f32"))
    x = matrix(16, 64)
    np.testing.assert_allclose(f(x, w), f.reference(x, w), rtol=1e-5, atol=1e-4)


@pytest.mark.compiler
@pytest.mark.parametrize("target", ["sm_90a", "gfx942"])
def test_gpus_compile_it(target):
    f = compiled(lambda x: qd.dequantize(qd.quantize(x, MIX, rounding=ROUNDINGS["noise8"])))
    text = f.lower(qd.spec("bf16[M,512]"), target=target, stage="asm")
    assert {"sm_90a": ".target sm_90a", "gfx942": "gfx942"}[target] in text
