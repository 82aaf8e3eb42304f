"""Prepared operands: the bits of the products of what was prepared, without its conversion."""

from __future__ import annotations

import os

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from test_groups import interpreted, normal, offsets_of

TARGET = os.environ.get("QUADRILLE_TEST_TARGET", "host")
#: Both engines of the host: of integers, and of f32.
TARGETS = list(dict.fromkeys([TARGET, "host:avx2"]))
RHT = qd.RHT(32, seed=1)


def compiled(function, target=TARGET):
    return qd.jit(function, target=target)


def quantized(rows, cols, name, *, axis=1, rht=None, seed=0, **options):
    f = interpreted(lambda x: qd.quantize(x, name, axis=axis, rht=rht, **options))
    return f(normal(rows, cols, seed))


def same(got, wanted):
    return got.shape == wanted.shape and got.tobytes() == wanted.tobytes()


def kernels(function, *args):
    return [kernel["name"].partition("_")[2] for kernel in function.explain(*args).kernels]


@pytest.mark.compiler
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [*qd.formats])
def test_the_bits_are_those_of_the_tensor(name, target):
    rht = RHT if qd.formats[name].block_rows == 1 else None
    a = quantized(45, 200, name, rht=rht, pad=True)
    b = quantized(70, 200, name, rht=rht, pad=True, seed=1)
    wanted = compiled(lambda a, b: qd.matmul(a, b.T, dtype="f32"), target)(a, b)
    right = compiled(lambda q: qd.prepare(q), target)(b)
    left = compiled(lambda q: qd.prepare(q, side="a"), target)(a)
    f = compiled(lambda a, b: qd.matmul(a, b.T, dtype="f32"), target)
    for first, second, packs in ((a, right, ["pack_lhs"]), (left, b, ["pack_rhs"]), (left, right, [])):
        assert same(f(first, second), wanted)
        assert kernels(f, first, second) == [*(f"matmul_{pack}" for pack in packs), "matmul"]


@pytest.mark.compiler
@pytest.mark.parametrize("layout", ["row_major", "blocked128x4"])
def test_a_tensor_of_either_axis_and_layout_eager(layout):
    a, w = quantized(48, 64, "NVFP4"), quantized(64, 80, "NVFP4", axis=0, scale_layout=layout)
    product = qd.jit(lambda a, b: qd.matmul(a, b, dtype="f32"), target=TARGET)
    wanted = product(a, w)
    p = compiled(lambda q: qd.prepare(q))(w)
    assert same(product(a, p), wanted) and same(product(a, p.T.T), wanted)
    assert same(product(a, compiled(lambda q: qd.prepare(q))(w.T).T), wanted)
    assert p.shape == (64, 80) and p.axis == 0 and p.T.shape == (80, 64) and p.stored == 64
    assert p.nbytes == sum(array.nbytes for array in p.arrays) and len(p.arrays) == 2


@pytest.mark.compiler
def test_other_says_what_it_meets():
    w = quantized(70, 64, "MXUF4")
    x = normal(45, 64).astype(ml_dtypes.bfloat16)
    p = compiled(lambda q: qd.prepare(q, other="bf16"))(w)
    f = compiled(lambda x, w: qd.matmul(x, w.T, dtype="f32"))
    assert "f32 panels" in p.form and same(f(x, p), f(x, w))
    mixed = compiled(lambda q: qd.prepare(q, other=qd.MXFP4))(w)
    a = quantized(45, 64, "MXFP4")
    assert same(f(a, mixed), f(a, w))


@pytest.mark.compiler
def test_within_one_function_and_returned_from_it():
    @compiled
    def first(x, w):
        p = qd.prepare(qd.quantize(w, "NVFP4", rht=RHT))
        return qd.matmul(qd.quantize(x, "NVFP4", rht=RHT), p.T, dtype="f32"), p, p.T

    second = compiled(lambda x, p: qd.matmul(qd.quantize(x, "NVFP4", rht=RHT), p, dtype="f32"))
    plain = compiled(
        lambda x, w: qd.matmul(qd.quantize(x, "NVFP4", rht=RHT), qd.quantize(w, "NVFP4", rht=RHT).T, dtype="f32")
    )
    x, w = normal(45, 64), normal(70, 64, 1)
    y, p, transposed = first(x, w)
    wanted = plain(x, w)
    assert same(y, wanted) and p.rht == RHT and transposed.axis == 0
    assert same(second(x, transposed), wanted) and same(second(x, p.T), wanted)


@pytest.mark.compiler
def test_other_lengths_need_no_compilation_and_out_is_filled():
    prepare = compiled(lambda q: qd.prepare(q))
    f = compiled(lambda a, b: qd.matmul(a, b.T, dtype="f32"))
    signatures = set()
    for rows, length in ((70, 48), (35, 80), (131, 112)):
        a, b = quantized(45, length, "UFP4_B"), quantized(rows, length, "UFP4_B", seed=rows)
        p = prepare(b)
        wanted = f(a, b)
        assert same(f(a, p), wanted)
        for array in p.arrays:
            array[...] = 0
        assert prepare(b, out=p) is p and same(f(a, p), wanted)
        signatures = {*signatures, *prepare.signatures()}
    assert len(signatures) == 1


@pytest.mark.compiler
def test_captured_and_torch():
    torch = pytest.importorskip("torch")
    q = compiled(lambda x: qd.quantize(x, "NVFP4"))
    a, b = q(torch.from_numpy(normal(45, 64))), q(torch.from_numpy(normal(70, 64, 1)))
    p = compiled(lambda q: qd.prepare(q))(b)
    assert all(isinstance(array, torch.Tensor) for array in p.arrays)
    wanted = compiled(lambda a, b: qd.matmul(a, b.T, dtype="f32"))(a, b)
    assert same(compiled(lambda a: qd.matmul(a, p.T, dtype="f32"))(a).numpy(), wanted.numpy())


@pytest.mark.compiler
def test_accumulators_bias_and_epilogues():
    a, b = quantized(45, 64, "UFP4_B"), quantized(70, 64, "UFP4_B", seed=1)
    p = compiled(lambda q: qd.prepare(q))(b)
    f = compiled(lambda a, b, bias, acc: qd.silu(qd.matmul(a, b.T, bias=bias, acc=acc, dtype="f32")) * 2.0)
    extra = normal(1, 70)[0], normal(45, 70)
    assert same(f(a, p, *extra), f(a, b, *extra)) and kernels(f, a, p, *extra) == ["matmul_pack_lhs", "matmul"]


@pytest.mark.compiler
@pytest.mark.parametrize("axis", [1, 0], ids=["columns", "rows"])
def test_experts(axis):
    """Stacked along columns or rows of b: prepared as one operand."""
    offsets = offsets_of([30, 0, 75])
    a, n = quantized(110, 64, "UFP4_B"), 64
    w = quantized(3 * n, 64, "UFP4_B", axis=axis, seed=1)
    f = compiled(lambda a, w, o: qd.matmul(a, w.T if axis else w, groups=o, dtype="f32"))
    p = compiled(lambda q: qd.prepare(q))(w)
    assert same(f(a, p, offsets), f(a, w, offsets))
    assert [name for name in kernels(f, a, p, offsets) if "rhs" in name] == []
    odd = compiled(lambda q: qd.prepare(q))(quantized(3 * 20, 64, "UFP4_B"))
    if axis:
        with pytest.raises(ValueError, match="experts of a prepared operand need a multiple"):
            f(a, odd, offsets)


# The interpreter, and what is refused.


def test_the_interpreter_keeps_codes_and_scales():
    a, b = quantized(45, 64, "NVFP4"), quantized(70, 64, "NVFP4", seed=1)
    p = interpreted(lambda q: qd.prepare(q))(b)
    f = interpreted(lambda a, b: qd.matmul(a, b.T, dtype="f32"))
    assert p.form == "codes and scales" and same(f(a, p), f(a, b))
    within = interpreted(lambda a, b: qd.matmul(a, qd.prepare(b).T, dtype="f32"))
    assert same(within(a, b), f(a, b))


@pytest.mark.compiler
def test_a_product_that_reads_another_form_says_which():
    f = compiled(lambda a, b: qd.matmul(a, b.T))
    w = quantized(70, 64, "MXUF4")
    p = compiled(lambda q: qd.prepare(q))(w)
    for a in (quantized(45, 64, "MXINT4"), normal(45, 64)):
        with pytest.raises(qd.CompileError, match="rhs is prepared as .* prepare it with side = rhs and other ="):
            f(a, p)
    a = quantized(45, 64, "MXUF4")
    other_machine = p._with(form=p.form.replace("panels of", "panels of 7"))
    with pytest.raises(qd.CompileError, match="but this product reads"):
        f(a, other_machine)
    with pytest.raises(qd.CompileError, match="but this product reads"):
        f(a, interpreted(lambda q: qd.prepare(q))(w))
    with pytest.raises(qd.UnsupportedError, match="the interpreter does not read"):
        f.reference(a, p)


@pytest.mark.compiler
def test_wrong_uses():
    w = quantized(70, 64, "UFP4_B")
    p = compiled(lambda q: qd.prepare(q))(w)
    f = compiled(lambda a, b: qd.matmul(a, b))
    with pytest.raises(qd.ArgumentError, match="a of matmul is prepared to be b"):
        f(p, w.T)
    with pytest.raises(qd.ShapeError, match="quantized along axis 1, but axis 0"):
        f(w, p)
    with pytest.raises(qd.ShapeError, match="48 columns and b has 64 rows"):
        f(quantized(45, 48, "UFP4_B"), p.T)
    with pytest.raises(qd.ArgumentError, match="rotations do not cancel"):
        f(quantized(45, 64, "UFP4_B", rht=RHT), p.T)
    with pytest.raises(ValueError, match="not as many as its shape needs"):
        f(quantized(45, 64, "UFP4_B"), p._with(arrays=(p.arrays[0][:-1],)).T)
    with pytest.raises(ValueError, match="for another length"):
        wide = quantized(70, 128, "UFP4_B")
        f(quantized(45, 64, "UFP4_B"), compiled(lambda q: qd.prepare(q))(wide)._with(shape=(70, 64)).T)
    with pytest.raises(qd.DTypeError, match="not a quantized tensor"):
        compiled(lambda p: qd.dequantize(p))(p)
    with pytest.raises(qd.UnsupportedError, match="keep=True"):
        p.dequantize()
    with pytest.raises(qd.ArgumentError, match="keep=True inside"):
        compiled(lambda q: qd.prepare(q, keep=True))(w)
    with pytest.raises(qd.QuadrilleError, match="out is"):
        compiled(lambda q: qd.prepare(q))(w, out=np.zeros(p.arrays[0].shape, np.uint8))


def test_a_kept_tensor_is_dequantized():
    q = quantized(20, 64, "UFP4_B", rht=RHT)
    p = qd.prepare(q, keep=True)
    assert p.source is q and same(p.dequantize(undo_rht=True), q.dequantize(undo_rht=True))
    assert same(p.T.dequantize(), q.T.dequantize()) and "side='b'" in repr(p)


@pytest.mark.compiler
@pytest.mark.parametrize("target", ["gfx942", "sm_89", "sm_90a"])
def test_formats_without_panels_say_so(target):
    f = qd.jit(lambda q: qd.prepare(q))
    with pytest.raises(qd.CompileError, match=f"has no panels on target {target}: scales are applied every 16"):
        f.lower(qd.spec("UFP4[M,64]"), target=target, stage="asm")
