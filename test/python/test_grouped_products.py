"""Products of each group: of a mixture's experts, bit for bit the products of the groups by themselves."""

from __future__ import annotations

import os

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from hypothesis import given, settings
from hypothesis import strategies as st
from parts import part
from quadrille import storage
from test_groups import HOSTILE, compiled, interpreted, normal, offsets_of

TARGET = os.environ.get("QUADRILLE_TEST_TARGET", "host")
FORMATS = ["UFP4", "UFP4_B", "MXUF4", "NVFP4", "HIF4"]
#: Both engines of the host: of integers, and of f32.
TARGETS = list(dict.fromkeys([TARGET, "host:avx2"]))
SIZES = {"several": [20, 0, 1, 300, 0, 33], "one": [50], "empty": [0, 0], "whole": [128, 128, 64]}


def forward(a, b, groups):
    return qd.matmul(a, b.T, groups=groups, dtype="f32")


def of_inputs(a, b, groups):
    return qd.matmul(a, b, groups=groups, dtype="f32")


def of_weights(a, b):
    return qd.matmul(a.T, b, dtype="f32")


def plain(a, b):
    return qd.matmul(a, b, dtype="f32")


PROGRAMS = {
    (function.__name__, target): qd.jit(function, target=target)
    for function in (forward, of_inputs, of_weights, plain)
    for target in (*TARGETS, "interpret")
}


def rows_of(q, begin, end):
    return part(q, (begin, end), (0, q.stored), q.shape[1])


def operands(name, offsets, tokens, *, n=48, k=128, rht=None):
    """x, dy and w of a layer of experts, in f32."""
    count, block = len(offsets) - 1, qd.formats[name].block
    n = storage.round_up(n, block if rht is None else max(block, rht.n))
    return normal(tokens, k), normal(tokens, n, 1), normal(max(count, 1) * n, k, 2), n


def same(got, wanted):
    return got.shape == wanted.shape and got.tobytes() == wanted.tobytes()


# Bit for bit what a loop over groups gives.


@pytest.mark.compiler
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", FORMATS)
def test_each_group_meets_its_expert(name, sizes, target):
    offsets = offsets_of(sizes)
    x, dy, w, n = operands(name, offsets, offsets[-1] + 5)
    one = PROGRAMS["plain", target]
    q, qw = qd.quantize(x, name), qd.quantize(w, name)
    y = PROGRAMS["forward", target](q, qw, offsets)
    q_dy, qw_rows = qd.quantize(dy, name), qd.quantize(w, name, axis=0)
    dx = PROGRAMS["of_inputs", target](q_dy, qw_rows, offsets)
    assert y.shape == dy.shape and dx.shape == x.shape
    for g, (begin, end) in enumerate(zip(offsets, offsets[1:])):
        if begin == end:
            continue
        expert = rows_of(qw, g * n, g * n + n)
        assert same(y[begin:end], one(rows_of(q, begin, end), expert.T))
        expert = part(qw_rows, (0, x.shape[1]), (g * n, g * n + n), n)
        assert same(dx[begin:end], one(rows_of(q_dy, begin, end), expert))
    for result in (y, dx):
        assert result[offsets[-1] :].tobytes() == bytes(result[offsets[-1] :].nbytes)


@pytest.mark.compiler
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", FORMATS)
def test_each_group_has_the_gradient_of_its_weights(name, sizes, target):
    offsets, rht = offsets_of(sizes), qd.RHT(32, seed=1)
    x, dy, w, n = operands(name, offsets, offsets[-1] + 5, rht=rht)
    a, b = (qd.quantize(m, name, axis=0, rht=rht, groups=offsets) for m in (dy, x))
    dw = PROGRAMS["of_weights", target](a, b)
    assert dw.shape == w.shape
    places = a.padded_offsets()
    for g, size in enumerate(sizes):
        along = (places[g], places[g + 1])
        parts = [part(q, (0, q.shape[1]), along, size) for q in (a, b)]
        wanted = PROGRAMS["plain", target](parts[0].T, parts[1]) if size else np.zeros((n, x.shape[1]), np.float32)
        assert same(dw[g * n : g * n + n], wanted)


# The specification.


def loop(x, w, offsets, contract):
    y = np.zeros((len(x), contract(x[:1], w[0]).shape[1]))
    for g, (begin, end) in enumerate(zip(offsets, offsets[1:])):
        y[begin:end] = contract(x[begin:end], w[g])
    return y.astype(np.float32)


def test_the_reference_is_a_loop():
    offsets, count = offsets_of([20, 0, 7, 33]), 4
    x, dy, w, n = operands("UFP4_B", offsets, 64, rht=qd.RHT(16))
    rht = qd.RHT(16, seed=3)
    q = lambda m, axis=1, groups=None: qd.quantize(m, "UFP4_B", axis=axis, rht=rht, groups=groups)  # noqa: E731
    f = interpreted(lambda x, w, o: qd.matmul(q(x), q(w).T, groups=o, dtype="f32"))
    values = interpreted(lambda m, axis: qd.dequantize(q(m, axis)))
    experts = values(w, 1).astype(np.float64).reshape(count, n, -1)
    assert same(f(x, w, offsets), loop(values(x, 1), experts, offsets, lambda a, e: a @ e.T))
    f = interpreted(lambda dy, w, o: qd.matmul(q(dy), q(w, 0), groups=o, dtype="f32"))
    experts = values(w, 0).astype(np.float64).reshape(count, n, -1)
    assert same(f(dy, w, offsets), loop(values(dy, 1), experts, offsets, lambda a, e: a @ e))
    f = interpreted(lambda dy, x, o: qd.matmul(q(dy, 0, o).T, q(x, 0, o), dtype="f32"))
    got = f(dy, x, offsets)
    one = interpreted(lambda dy, x: qd.matmul(q(dy, 0).T, q(x, 0), dtype="f32"))
    for g, (begin, end) in enumerate(zip(offsets, offsets[1:])):
        rows = storage.round_up(end - begin, 16)
        padded = [np.pad(m[begin:end], ((0, rows - (end - begin)), (0, 0))) for m in (dy, x)]
        assert np.allclose(got[g * n : g * n + n], one(*padded) if rows else 0, rtol=1e-6)


@pytest.mark.compiler
@pytest.mark.parametrize("key", [("UFP4_B", None), ("MXUF4", 128), ("NVFP4", 16)], ids=str)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_groups(key, data):
    """Any offsets, of any order and sign, any shape: within f32's sums of the specification."""
    name, size = key
    rht = qd.RHT(size, seed=1) if size else None
    tokens, count = data.draw(st.integers(1, 400)), data.draw(st.integers(1, 6))
    offsets = data.draw(st.lists(st.integers(-20, tokens + 30), min_size=count + 1, max_size=count + 1))
    offsets = sorted(offsets) if data.draw(st.booleans()) else offsets
    offsets = np.array(offsets, data.draw(st.sampled_from([np.int32, np.int64])))
    n, k = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 150))
    x, dy, w, n = operands(name, offsets, tokens, n=n, k=k, rht=rht)
    f, g, h = STEPS[key]
    for function, arguments in ((f, (x, w)), (g, (dy, w)), (h, (dy, x))):
        got, wanted = function(*arguments, offsets), function.reference(*arguments, offsets)
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max(initial=0) <= 2**-18 * np.abs(wanted).max(initial=1e-30)


def step(name, n):
    rht = qd.RHT(n, seed=n) if n else None
    q = lambda m, axis=1, **o: qd.quantize(m, name, axis=axis, rht=rht, pad=True, **o)  # noqa: E731
    return (
        compiled(lambda x, w, o: qd.matmul(q(x), q(w).T, groups=o, dtype="f32")),
        compiled(lambda dy, w, o: qd.matmul(q(dy), q(w, 0), groups=o, dtype="f32")),
        compiled(lambda dy, x, o: qd.matmul(q(dy, 0, groups=o).T, q(x, 0, groups=o), dtype="f32")),
    )


STEPS = {key: step(*key) for key in [("UFP4_B", None), ("MXUF4", 128), ("NVFP4", 16)]}


@pytest.mark.compiler
@pytest.mark.parametrize(("given_", "meant"), HOSTILE.values(), ids=HOSTILE)
def test_offsets_are_clamped(given_, meant):
    if len(meant) == 1:
        return
    x, dy, w, _ = operands("UFP4_B", meant, 50)
    for function, arguments in zip(STEPS["UFP4_B", None], ((x, w), (dy, w), (dy, x))):
        got, wanted = (function(*arguments, np.array(o, np.int32)) for o in (given_, meant))
        assert same(got, wanted)


# With what products have besides.


@pytest.mark.compiler
def test_bias_accumulator_and_epilogue():
    offsets = offsets_of([30, 0, 150])
    x, dy, w, n = operands("MXUF4", offsets, 200, k=96, n=64)
    q, qw = qd.quantize(x, "MXUF4"), qd.quantize(w, "MXUF4")
    f = compiled(
        lambda q, w, o, bias, acc, gate: qd.silu(qd.matmul(q, w.T, groups=o, bias=bias, acc=acc, dtype="f32")) * gate
    )
    extra = normal(1, n, 3)[0], normal(200, n, 4), normal(200, n, 5)
    got, wanted = f(q, qw, offsets, *extra), f.reference(q, qw, offsets, *extra)
    assert np.allclose(got, wanted, rtol=1e-5, atol=1e-4 * np.abs(wanted).max())
    assert [k["name"] for k in f.explain(q, qw, offsets, *extra).kernels][-1] == "lambda_matmul"
    product = compiled(forward)(q, qw, offsets)
    assert same(
        got, compiled(lambda p, bias, acc, gate: qd.silu((p + bias) + acc) * gate)(product, *extra)
    )  # also in rows of no group


@pytest.mark.compiler
def test_a_main_gradient_is_added_to_in_place():
    offsets = offsets_of([30, 0, 150])
    x, dy, w, n = operands("UFP4_B", offsets, 200)
    a, b = (qd.quantize(m, "UFP4_B", axis=0, groups=offsets) for m in (dy, x))
    main = normal(*w.shape, 7)
    wanted = main + qd.jit(of_weights, target=TARGET)(a, b)
    f = compiled(lambda a, b, acc: qd.matmul(a.T, b, acc=acc, dtype="f32"))
    assert f(a, b, main, out=main) is main and same(main, wanted)


@pytest.mark.compiler
def test_a_result_of_one_row_and_its_accumulator():
    """Its length follows from others, that of the accumulator is known to be 1."""
    offsets = offsets_of([40])
    dy, x = normal(40, 1), normal(40, 24, 1)
    a, b = (qd.quantize(m, "UFP4_B", axis=0, groups=offsets) for m in (dy, x))
    main = normal(1, 24, 2)
    f = compiled(lambda a, b, acc: qd.matmul(a.T, b, acc=acc, dtype="f32"))
    assert same(f(a, b, main), main + qd.jit(of_weights, target=TARGET)(a, b))


@pytest.mark.compiler
@pytest.mark.parametrize("make", [np.ascontiguousarray, np.asfortranarray])
def test_a_plain_operand(make):
    """Of bf16, with weights of 4 bits; and plain experts, with tokens of 4 bits."""
    offsets = offsets_of([30, 0, 150])
    x, dy, w, n = operands("UFP4_B", offsets, 190, k=112)
    x, w = make(x.astype(ml_dtypes.bfloat16)), make(w.astype(ml_dtypes.bfloat16))
    f = compiled(lambda x, w, o: qd.matmul(x, qd.quantize(w, "UFP4_B").T, groups=o, dtype="f32"))
    g = compiled(lambda x, w, o: qd.matmul(qd.quantize(x, "UFP4_B"), w, groups=o, dtype="f32"))
    h = compiled(lambda dy, w, o: qd.matmul(dy, qd.quantize(w, "UFP4_B", axis=0), groups=o, dtype="f32"))
    for function, arguments in ((f, (x, w)), (g, (x, w.T)), (g, (dy, w)), (h, (make(dy), w))):
        got, wanted = function(*arguments, offsets), function.reference(*arguments, offsets)
        assert np.abs(got - wanted).max() <= 2**-18 * np.abs(wanted).max()


@pytest.mark.compiler
@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_types_of_results(dtype):
    offsets = offsets_of([30, 0, 15])
    x, dy, w, n = operands("MXFP4", offsets, 50)
    q, qw = qd.quantize(x / 64, "MXFP4"), qd.quantize(w, "MXFP4")
    f = compiled(lambda q, w, o: qd.matmul(q, w.T, groups=o, dtype=dtype))
    got, wanted = f(q, qw, offsets), PROGRAMS["forward", TARGET](q, qw, offsets)
    assert same(got, wanted.astype(got.dtype))


@pytest.mark.compiler
def test_offsets_of_any_stride_captured_and_torch():
    torch = pytest.importorskip("torch")
    offsets = offsets_of([30, 0, 15])
    x, dy, w, n = operands("UFP4_B", offsets, 50)
    q, qw = qd.quantize(x, "UFP4_B"), qd.quantize(w, "UFP4_B")
    wanted = PROGRAMS["forward", TARGET](q, qw, offsets)
    assert same(PROGRAMS["forward", TARGET](q, qw, np.repeat(offsets, 3)[::3]), wanted)
    assert same(compiled(lambda q, w: forward(q, w, offsets))(q, qw), wanted)
    f = compiled(lambda x, w, o: forward(qd.quantize(x, "UFP4_B"), qd.quantize(w, "UFP4_B"), o))
    got = f(torch.from_numpy(x), torch.from_numpy(w), torch.from_numpy(offsets))
    assert isinstance(got, torch.Tensor) and same(got.numpy(), wanted)


@pytest.mark.compiler
def test_nothing_is_written_outside():
    x, dy, w, n = operands("UFP4_B", [0] * 4, 70)
    for offsets in ([0, 2**31 - 1, -(2**31), 5], [-(2**31), 60, 2**31 - 1, 0]):
        offsets = np.array(offsets, np.int32)
        for f, arguments in zip(STEPS["UFP4_B", None], ((x, w), (dy, w), (dy, x))):
            wanted = f(*arguments, offsets)
            memory = np.full(wanted.nbytes + 8192, 0xA5, np.uint8)
            out = memory[4096:-4096].view(np.float32).reshape(wanted.shape)
            f(*arguments, offsets, out=out)
            assert same(out, wanted) and (memory[:4096] == 0xA5).all() and (memory[-4096:] == 0xA5).all()


@pytest.mark.compiler
@pytest.mark.parametrize("shape", [(0, 64), (50, 0)])
def test_empty_matrices(shape):
    offsets = offsets_of([20, 30])
    x, w = np.zeros(shape, np.float32), normal(2 * 48, shape[1])
    f = STEPS["UFP4_B", None][0]
    assert same(f(x, w, offsets), np.zeros((shape[0], 48), np.float32))


# What is refused.

X, OFFSETS = normal(48, 32), offsets_of([20, 28])
FLOATS = OFFSETS.astype(np.float32)


def tokens(**options):
    return interpreted(lambda x: qd.quantize(x, "UFP4_B", **options))(X)


def prepared():
    return interpreted(lambda q: qd.prepare(q, side="a"))(tokens())


def grouped(offsets=OFFSETS):
    return interpreted(lambda x, o: qd.quantize(x, "UFP4_B", axis=0, groups=o))(X, offsets)


def experts(rows, cols=32, axis=1):
    return interpreted(lambda x: qd.quantize(x, "UFP4_B", axis=axis))(normal(rows, cols))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: qd.matmul(tokens(), experts(40).T, groups=[0, 48]), qd.DTypeError, "int32 or int64"),
        (lambda: qd.matmul(tokens(), experts(40).T, groups=FLOATS), qd.DTypeError, "int32 or int64"),
        (lambda: qd.matmul(tokens(), experts(40).T, groups=OFFSETS[:0]), qd.ShapeError, "empty"),
        (lambda: qd.matmul(tokens(), experts(40).T, groups=OFFSETS[:1]), qd.ShapeError, "at least one group"),
        (lambda: qd.matmul(tokens(), experts(41).T, groups=OFFSETS), qd.ShapeError, "41 columns for 2 experts"),
        (lambda: qd.matmul(tokens(), experts(40, 48).T, groups=OFFSETS), qd.ShapeError, "32 columns and b has 48 rows"),
        (lambda: qd.matmul(X[:, :24], experts(48, axis=0), groups=OFFSETS), qd.ShapeError, "24 rows, not a multiple"),
        (lambda: qd.matmul(grouped().T, grouped(OFFSETS.copy())), qd.ArgumentError, "the same array"),
        (lambda: qd.matmul(grouped().T, X), qd.ArgumentError, "the same groups"),
        (lambda: qd.matmul(X.T, grouped()), qd.ArgumentError, "the same groups"),
        (lambda: qd.matmul(grouped().T, grouped(), groups=OFFSETS), qd.ArgumentError, "groups=None"),
        (lambda: qd.prepare(grouped()), qd.UnsupportedError, "groups"),
        (lambda: qd.matmul(prepared(), experts(40).T, groups=OFFSETS), qd.UnsupportedError, "groups of rows"),
    ],
)  # fmt: skip
def test_refusals(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_a_program_for_the_same_offsets_is_not_used_for_others():
    """Equal shapes, but offsets of their own: the call before must not hide that."""
    a, b = grouped(), grouped()
    qd.matmul(a.T, b)
    with pytest.raises(qd.ArgumentError, match="the same groups"):
        qd.matmul(a.T, grouped(OFFSETS.copy()))


@pytest.mark.compiler
def test_blocks_that_panels_do_not_divide():
    fmt = qd.format("SHORT", qd.grid("thirds", [0, 1, 2, 3, -1, -2, -3, 0.3]), [qd.level(4, "e8m0", rule="ocp")])
    f = compiled(lambda x, o: qd.matmul(qd.quantize(x, fmt, axis=0, groups=o).T, qd.quantize(x, fmt, axis=0, groups=o)))
    with pytest.raises(qd.CompileError, match="stored at multiples of 4"):
        f(X, OFFSETS)


@pytest.mark.parametrize("target", [*TARGETS, "interpret"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("fmt", ["UFP4_B", "MXUF4"])
def test_a_batch_is_groups_of_as_many_rows(target, batch, fmt):
    offsets = np.arange(batch + 1) * 20
    a, dy = qd.quantize(normal(batch * 20, 128), fmt), qd.quantize(normal(batch * 20, 64, 1), fmt)
    w = normal(batch * 64, 128, 2)
    rows, columns = qd.quantize(w, fmt), qd.quantize(w, fmt, axis=0)
    for program, x, b in ((forward, a, rows), (of_inputs, dy, columns)):
        batched = qd.jit(lambda x, b: program(x, b, batch), target=target)
        assert same(batched(x, b), PROGRAMS[program.__name__, target](x, b, offsets))
    every = qd.jit(lambda a, b: forward(a, b, batch), target=target)
    parts = [plain(rows_of(a, 20 * g, 20 * g + 20), rows_of(rows, 64 * g, 64 * g + 64).T) for g in range(batch)]
    assert same(every(a, rows), np.concatenate(parts))
    if batch > 1:
        with pytest.raises(qd.ShapeError, match="61 rows are not 3 groups of as many"):
            every(qd.quantize(normal(61, 128), fmt), rows)


def test_a_batch_is_a_positive_number():
    q = qd.quantize(normal(20, 128), "UFP4_B")
    for wrong in (0, -1, True):
        with pytest.raises(qd.ArgumentError, match="a positive number"):
            qd.matmul(q, q.T, groups=wrong)
