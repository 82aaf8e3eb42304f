"""Describing: grids, levels, formats, transforms, roundings, keys, recipes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import quadrille as qd
from hypothesis import given, settings
from hypothesis import strategies as st
from quadrille import _core

seeds = st.integers(0, 2**64 - 1)


def test_named_formats_are_those_of_the_library():
    native = {f.name: f.as_dict() for f in _core.numerics.named_formats()}
    assert list(native) == list(qd.formats)
    for name, fmt in qd.formats.items():
        assert getattr(qd, name) is fmt
        assert [(l.rows, l.cols, l.dtype, l.rule, l.bits, l.qmax) for l in fmt.levels] == [
            tuple(level.values()) for level in native[name]["levels"]
        ]


def test_the_vocabulary_of_the_design():
    assert qd.UFP4.grid == qd.e1m2 and [l.block for l in qd.UFP4.levels] == ["1x16"]
    assert qd.UFP4_B.levels[0].bits == 5 and qd.UFP4_B.levels[0].dtype == "bf16"
    assert qd.NVFP4.has_tensor_level and not qd.MXFP4.has_tensor_level
    assert qd.HIF4.block == 64 and len(qd.HIF4.levels) == 3
    assert qd.e2m1.values[:8] == (0, 0.5, 1, 1.5, 2, 3, 4, 6) and qd.e2m1.qmax == 6
    assert qd.e1m2.values[7] == 1.75 and qd.int4.values[15] == -1


def test_a_format_of_your_own_in_five_lines():
    grid = qd.grid("thirds", [k / 3 for k in range(-8, 8)])
    fmt = qd.format("THIRDS", grid, [qd.level(16, "e4m3"), qd.level("tensor", "f32")])
    assert fmt == qd.format("THIRDS", qd.grid("thirds", [k / 3 for k in range(-8, 8)]), list(fmt.levels))
    assert hash(fmt) == hash(pickle.loads(pickle.dumps(fmt)))
    assert grid.qmax == pytest.approx(8 / 3)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: qd.grid("e2m1", [0, 1]), "cannot name a grid"),
        (lambda: qd.grid("two words", [0, 1]), "cannot name a grid"),
        (lambda: qd.grid("g", [1]), "2 to 16 values"),
        (lambda: qd.grid("g", range(17)), "2 to 16 values"),
        (lambda: qd.grid("g", [0, float("nan")]), "finite"),
        (lambda: qd.grid("g", ["a"]), "not numbers"),
        (lambda: qd.grid("g", [0, 0]), "two different values"),
        (lambda: qd.grid("g", [0, 1], qmax=-1), "qmax"),
        (lambda: qd.level(0, "f32"), "not a block"),
        (lambda: qd.level(12, "f32"), "not a block"),
        (lambda: qd.level("row", "f32"), "not a block"),
        (lambda: qd.level(16, "e3m4"), "not a scale type"),
        (lambda: qd.level(16, "e4m3", rule="down"), "not a scale rule"),
        (lambda: qd.level(16, "e4m3", rule="ocp"), "does not apply"),
        (lambda: qd.level(16, "e4m3", bits=3), "does not apply"),
        (lambda: qd.level(16, "bf16", bits=9), "does not apply"),
        (lambda: qd.level(16, "bf16", qmax=0.0), "qmax"),
        (lambda: qd.format("F", "e2m1", qd.level(16, "f32")), "not a grid"),
        (lambda: qd.format("F", qd.e2m1, []), "one or more"),
        (lambda: qd.format("F", qd.e2m1, [qd.level("tensor", "f32")]), "whole tensor"),
        (lambda: qd.format("F", qd.e2m1, [qd.level(32, "f32"), qd.level(16, "f32")]), "inside"),
        (lambda: qd.format("F", qd.e2m1, [qd.level(16, "e1")]), "e1"),
        (lambda: qd.RHT(8), "no RHT of size 8"),
        (lambda: qd.RHT(16, signs=np.ones(8)), "shape (8,)"),
        (lambda: qd.RHT(16, signs=np.zeros(16)), "sign 0 is 0.0"),
        (lambda: qd.RHT(16, seed=1, signs=np.ones(16)), "not both"),
        (lambda: qd.RHT(16, seed=1.5), "not an integer"),
        (lambda: qd.stochastic(3), "not a key"),
        (lambda: qd.stochastic(qd.Key(0), bits=5), "5 bits"),
        (lambda: qd.stochastic(qd.Key(0), rounds=8), "8 rounds"),
        (lambda: qd.Key("a"), "not an integer"),
        (lambda: qd.Key(0, step=np.zeros(2, np.int64)), "step"),
        (lambda: qd.Spec("UFP5"), "not a format"),
        (lambda: qd.Spec("UFP4", rht=16), "rht is 16"),
        (lambda: qd.Spec("UFP4", rounding="nearest"), "rounding is"),
    ],
)
def test_a_wrong_description_is_an_argument_error(make, says):
    with pytest.raises(qd.ArgumentError) as error:
        make()
    assert says in str(error.value)
    assert error.value.where.file == __file__
    assert isinstance(error.value, ValueError)


# Transforms.


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_signs_follow_from_the_seed_by_the_documented_rule(seed):
    words = np.array(_core.numerics.philox([0, 0, 3, 0], _words(_core.numerics.key_from_seed(seed)), 10), np.uint32)
    bits = [(int(words[i // 32]) >> (i % 32)) & 1 for i in range(128)]
    signs = qd.RHT(128, seed=seed).signs
    assert [1.0 - 2 * b for b in bits] == signs.tolist()


def _words(value):
    return [value & 0xFFFFFFFF, value >> 32]


def test_an_rht_is_a_hashable_value():
    a, b = qd.RHT(32, seed=7), qd.RHT(32, signs=qd.RHT(32, seed=7).signs)
    assert a == b and hash(a) == hash(b) and a != qd.RHT(32, seed=8) and a != qd.RHT(64, seed=7)
    assert pickle.loads(pickle.dumps(a)) == a
    assert qd.RHT.from_sign_bits(a.sign_bits) == a
    with pytest.raises(AttributeError):
        a.n = 16
    with pytest.raises(ValueError):
        a.signs[0] = 1


# Keys.


@settings(max_examples=25, deadline=None)
@given(seeds, st.lists(seeds, max_size=3))
def test_folds_chain(seed, path):
    key = qd.Key(seed)
    assert key.fold_in(*path).value == _fold(_core.numerics.key_from_seed(seed), path)


def _fold(value, path):
    for number in path:
        value = _core.numerics.fold_in(value, number)
    return value


def test_a_key_advances_only_when_told():
    key = qd.Key(5)
    child = key.fold_in(2)
    before = key.value, child.value
    assert (key.value, child.value) == before
    key.advance_()
    assert (key.value, child.value) == tuple((value + 1) % 2**64 for value in before)


def test_a_counter_is_added_modulo_2_to_the_64():
    key = qd.Key(5)
    assert qd.Key(5, step=-1).value == (key.value - 1) % 2**64
    assert qd.Key(5, step=2**62).fold_in(3).value == (key.fold_in(3).value + 2**62) % 2**64


def test_a_key_reads_the_counter_it_was_given():
    step = np.zeros(1, np.int64)
    key = qd.Key(5, step=step)
    step[0] = 3
    assert key.value == qd.Key(5, step=3).value != qd.Key(5).value


# Recipes.


def test_recipes_are_those_of_the_papers():
    ufp4 = qd.recipes.UFP4
    assert all(s.rht == qd.RHT(16, seed=0) for pair in (ufp4.fprop, ufp4.dgrad, ufp4.wgrad) for s in pair)
    assert [s.rounding.is_stochastic for s in (*ufp4.fprop, *ufp4.dgrad, *ufp4.wgrad)] == [0, 0, 1, 0, 1, 0]
    baseline = qd.recipes.E2M1_REF
    assert [s.rht is not None for s in (*baseline.fprop, *baseline.dgrad, *baseline.wgrad)] == [0, 0, 0, 0, 1, 1]
    assert qd.recipes.NVFP4.fprop[1].format.block_rows == 16


def test_replace_reaches_every_spec():
    key = qd.Key(1)
    recipe = qd.recipes.UFP4.replace(key=key, rht=None)
    assert recipe.dgrad[0].rounding.key is key and recipe.fprop[0].rounding == qd.nearest_even
    assert all(s.rht is None for s in (*recipe.fprop, *recipe.dgrad, *recipe.wgrad))
