"""@qd.jit: signatures, captured values, results, buffers, reports."""

from __future__ import annotations

import json
import threading

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd

RHT = qd.RHT(16, seed=0)
SETTINGS = type("Settings", (), {})()


def test_the_example_of_the_design(matrix):
    rht = qd.RHT(16, seed=0)

    @qd.jit
    def linear(x, w):
        return qd.matmul(qd.quantize(x, qd.UFP4, rht=rht), qd.quantize(w, qd.UFP4, rht=rht).T, dtype=qd.bf16)

    x, w = matrix(32, 64), matrix(48, 64)
    y = linear(x, w)
    assert y.shape == (32, 48) and y.dtype == ml_dtypes.bfloat16
    eager = qd.matmul(qd.quantize(x, qd.UFP4, rht=rht), qd.quantize(w, qd.UFP4, rht=rht).T, dtype=qd.bf16)
    assert y.tobytes() == eager.tobytes() == linear.reference(x, w).tobytes()


def test_a_thousand_row_counts_are_few_signatures():
    @qd.jit
    def f(x):
        return qd.quantize(x, "UFP4")

    x = np.ones((1000, 16), np.float32)
    texts = set()
    for rows in range(1, 1001):
        f.warmup(x[:rows])
        texts.add(f.lower(x[:rows], stage="trace"))
    assert len(f.signatures()) == len(texts) <= 4


def test_warmup_takes_what_a_call_takes(matrix):
    @qd.jit
    def f(x, *, axis=1):
        return qd.quantize(x, "UFP4", axis=axis)

    f.warmup(matrix(16, 32), axis=0)
    f.warmup(qd.spec("bf16[M%16,32]"), axis=1)
    assert len(f.signatures()) >= 2
    f(matrix(16, 32), axis=0)
    with pytest.raises(qd.ArgumentError, match="unexpected keyword argument 'axes'"):
        f.warmup(matrix(16, 32), axes=0)


@pytest.mark.parametrize(
    ("first", "second", "new"),
    [
        (1.5, 2.5, False),
        (np.int64(1), np.int64(2), False),
        (3, 4, True),
        (1, True, True),
        (qd.RHT(16, seed=1), qd.RHT(16, seed=2), False),
        (qd.RHT(16, seed=1), qd.RHT(32, seed=1), True),
        (qd.Key(1), qd.Key(2), False),
        ("UFP4", "MXFP4", True),
        (qd.UFP4, qd.UFP4_B, True),
        (qd.Spec("UFP4", rht=qd.RHT(16, seed=1)), qd.Spec("UFP4", rht=qd.RHT(16, seed=9)), False),
        (qd.Spec("UFP4"), qd.Spec("UFP4", rounding=qd.toward_zero), True),
        (np.ones((16, 16), np.float32), np.ones((32, 16), np.float32), False),
        (np.ones((16, 16), np.float32), np.ones((16, 16), np.float16), True),
        (np.ones((16, 16), np.float32), np.ones((16, 16), np.float32).T[:, ::-1], True),
    ],
)
def test_what_makes_a_new_signature(first, second, new):
    @qd.jit
    def f(x, other):
        return qd.quantize(x, "UFP4")

    x = np.ones((16, 16), np.float32)
    f(x, first)
    f(x, second)
    f(x, first)
    assert len(f.signatures()) == 1 + new


def test_equal_transforms_and_different_ones_are_told_apart(matrix):
    @qd.jit
    def product(x, w, a, b):
        return qd.matmul(qd.quantize(x, "UFP4", rht=a), qd.quantize(w, "UFP4", rht=b).T)

    x, w = matrix(16, 32), matrix(16, 32)
    product(x, w, qd.RHT(16, seed=1), qd.RHT(16, seed=1))
    with pytest.raises(qd.ArgumentError, match="rotations do not cancel"):
        product(x, w, qd.RHT(16, seed=1), qd.RHT(16, seed=2))


def test_results_carry_the_transform_of_their_call(matrix):
    @qd.jit
    def f(x, rht):
        return qd.quantize(x, "UFP4", rht=rht)

    x = matrix(16, 32)
    for seed in (1, 2, 1):
        rht = qd.RHT(16, seed=seed)
        assert qd.bit_identical(f(x, rht), qd.quantize(x, "UFP4", rht=rht))
    assert len(f.signatures()) == 1


def test_a_key_is_read_at_every_call(matrix):
    key, x = qd.Key(3), matrix(16, 64)

    @qd.jit
    def f(x):
        return qd.quantize(x, "UFP4", rounding=qd.stochastic(key.fold_in(7)))

    first = f(x)
    assert qd.bit_identical(first, f(x))
    key.advance_()
    second = f(x)
    assert not np.array_equal(first.codes, second.codes)
    assert qd.bit_identical(second, qd.quantize(x, "UFP4", rounding=qd.stochastic(key.fold_in(7))))
    assert len(f.signatures()) == 1


def test_the_same_key_twice_and_two_keys_are_told_apart(matrix):
    @qd.jit
    def f(x, a, b):
        return qd.quantize(x, "UFP4", rounding=qd.stochastic(a)), qd.quantize(x, "UFP4", rounding=qd.stochastic(b))

    x, one, two = matrix(16, 64), qd.Key(1), qd.Key(2)
    same = f(x, one, one)
    assert qd.bit_identical(*same)
    assert not np.array_equal(*[q.codes for q in f(x, one, two)])


def test_an_index_base_is_a_run_time_value(matrix):
    key = qd.Key(3)

    @qd.jit
    def f(x, base):
        return qd.quantize(x, "UFP4", rounding=qd.stochastic(key), index_base=base)

    x = matrix(32, 64)
    whole = f(x, np.int64(0))
    assert np.array_equal(whole.codes[16:], f(x[16:], np.int64(16 * 64)).codes)
    assert len(f.signatures()) == 1


# Captured values.


def test_changes_of_captured_values_are_noticed(matrix):
    global RHT
    fmt = qd.UFP4
    SETTINGS.rounding = qd.nearest_even

    def helper(x):
        return qd.quantize(x, fmt, rht=RHT, rounding=SETTINGS.rounding)

    @qd.jit
    def f(x):
        return helper(x)

    x = matrix(16, 64)
    assert qd.bit_identical(f(x), qd.quantize(x, "UFP4", rht=RHT))
    RHT = qd.RHT(16, seed=11)
    assert qd.bit_identical(f(x), qd.quantize(x, "UFP4", rht=RHT))
    assert len(f.signatures()) == 1
    fmt = qd.UFP4_B
    assert qd.bit_identical(f(x), qd.quantize(x, "UFP4_B", rht=RHT))
    SETTINGS.rounding = qd.toward_zero
    assert qd.bit_identical(f(x), qd.quantize(x, "UFP4_B", rht=RHT, rounding=qd.toward_zero))
    assert len(f.signatures()) == 3


def test_captured_arrays_are_inputs(matrix):
    w = qd.quantize(matrix(16, 64), "UFP4")
    bias = np.zeros(16, np.float32)

    @qd.jit
    def f(x):
        return qd.matmul(qd.quantize(x, "UFP4"), w.T, bias=bias, dtype="f32")

    x = matrix(4, 64)
    before = f(x)
    bias += 3
    np.testing.assert_allclose(f(x), before + 3, rtol=1e-6)
    w = qd.quantize(matrix(32, 64), "UFP4")
    bias = np.zeros(32, np.float32)
    assert f(x).shape == (4, 32)


# Results.


def test_results_keep_their_structure(matrix):
    @qd.jit
    def f(x):
        q, t = qd.quantize_pair(x, "UFP4")
        return {"row": q, "pair": (t, t.T), "note": "kept", "again": [q]}

    result = f(matrix(32, 16))
    assert result["note"] == "kept" and result["again"][0] is result["row"]
    assert result["pair"][0].axis == 0 and result["pair"][1].axis == 1
    assert result["pair"][0].shape == (32, 16) and result["pair"][1].shape == (16, 32)
    assert np.array_equal(result["pair"][0].codes, result["pair"][1].codes)


def test_out_is_the_callers_buffer(matrix):
    x = matrix(16, 32)

    @qd.jit
    def f(x):
        return qd.quantize(x, "UFP4")

    q, other = f(x), f(-x)
    assert f(-x, out=q) is q and qd.bit_identical(q, other)
    y = np.empty((16, 32), np.float32)
    d = qd.jit(lambda q: qd.dequantize(q))
    assert d(q, out=y) is y and np.array_equal(y, qd.dequantize(q))


def test_a_wrong_out_is_an_error_and_stays_as_it_was(matrix):
    x = matrix(16, 32)
    d = qd.jit(lambda q: qd.dequantize(q))
    q = qd.quantize(x, "UFP4")
    for out, error in [
        (np.zeros((16, 33), np.float32), qd.ShapeError),
        (np.zeros((16, 32), np.float16), qd.DTypeError),
        (np.zeros((32, 16), np.float32).T, qd.ArgumentError),
        (q, qd.DTypeError),
        ((np.zeros((16, 32), np.float32),) * 2, qd.ArgumentError),
    ]:
        with pytest.raises(error):
            d(q, out=out)
        assert isinstance(out, (tuple, qd.QTensor)) or not out.any()
    frozen = np.zeros((16, 32), np.float32)
    frozen.flags.writeable = False
    with pytest.raises(qd.ArgumentError, match="writable"):
        d(q, out=frozen)


def test_out_may_be_acc_and_nothing_else(matrix):
    a, b = (qd.quantize(matrix(16, 32), "UFP4") for _ in range(2))
    f = qd.jit(lambda a, b, acc: qd.matmul(a, b.T, acc=acc, dtype="f32"))
    acc = np.ones((16, 16), np.float32)
    wanted = f(a, b, acc)
    assert f(a, b, acc, out=acc) is acc and np.array_equal(acc, wanted)
    overlapping = np.ones(400, np.float32)
    with pytest.raises(qd.ArgumentError, match="shares memory"):
        f(a, b, overlapping[:256].reshape(16, 16), out=overlapping[16:272].reshape(16, 16))


def test_threads_share_a_function(matrix):
    x = [matrix(16 * (i + 1), 64) for i in range(4)]

    @qd.jit
    def f(x):
        return qd.quantize(x, "UFP4", rht=RHT)

    wanted = [qd.quantize(a, "UFP4", rht=RHT) for a in x]
    wrong = []

    def work(i):
        wrong.extend(i for _ in range(10) if not qd.bit_identical(f(x[i % 4]), wanted[i % 4]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Looking.


def test_lower_takes_specs_and_needs_no_data():
    @qd.jit
    def f(x, w):
        return qd.matmul(qd.quantize(x, "MXFP4"), w.T)

    text = f.lower(qd.spec("bf16[M%16,8192]"), qd.spec("MXFP4[N,8192]"), stage="trace")
    assert "%x: tensor<?x8192xbf16> {quad.divisible_by = array<i64: 16, 1>" in text
    assert "%w: !quad.tensor<?x8192, #mxfp4, axis = 1>" in text
    assert f'loc("{__file__}"' in text


@pytest.mark.parametrize("text", ["bf16", "bf16[M", "e4m3[M,N]", "bf16[M,-3]", "UFP5[M,16]", "bf16[M%x,3]"])
def test_a_wrong_spec_says_so(text):
    with pytest.raises(qd.ArgumentError, match="spec|type|length"):
        qd.spec(text)


def test_equal_names_are_equal_lengths():
    f = qd.jit(lambda x, w: qd.matmul(qd.quantize(x, "UFP4"), qd.quantize(w, "UFP4").T))
    f.lower(qd.spec("bf16[M,K%16]"), qd.spec("bf16[N,K%16]"), stage="trace")
    with pytest.raises(qd.ShapeError, match="64 columns and b has 48 rows"):
        f.lower(qd.spec("bf16[M,64]"), qd.spec("bf16[N,48]"), stage="trace")


def test_explain_says_what_runs(matrix):
    @qd.jit
    def f(x):
        return qd.quantize(x, "UFP4", rht=RHT)

    report = f.explain(matrix(16, 64))
    assert report.target == "interpret" and "no kernels" in report.text
    assert report.bytes == {"read": 16 * 64 * 2 + 16 * 4, "written": 16 * 32 + 16 * 4 * 4}
    assert "quantize bf16" in report.operations[0] and __file__ in report.operations[0]
    assert json.loads(report.json)["name"] == "f"
    assert f.explain(qd.spec("bf16[M,64]")).bytes is None


def test_scopes_name_operations(matrix):
    @qd.jit
    def f(x):
        with qd.scope("layer1"), qd.scope("fc1"):
            return qd.quantize(x, "UFP4")

    assert f'loc("layer1.fc1"("{__file__}"' in f.lower(matrix(16, 16), stage="trace")


def test_jitted_functions_inline_each_other(matrix):
    inner = qd.jit(lambda x: qd.quantize(x, "UFP4"))
    outer = qd.jit(lambda x: qd.matmul(inner(x), inner(x).T, dtype="f32"))
    x = matrix(16, 32)
    assert np.array_equal(outer(x), qd.matmul(inner(x), inner(x).T, dtype="f32"))


def test_keyword_and_default_arguments(matrix):
    @qd.jit
    def f(x, fmt="UFP4", *, axis=1):
        return qd.quantize(x, fmt, axis=axis)

    x = matrix(32, 32)
    assert qd.bit_identical(f(x), qd.quantize(x, "UFP4"))
    assert qd.bit_identical(f(x=x, axis=0, fmt="MXFP4"), qd.quantize(x, "MXFP4", axis=0))
    with pytest.raises(qd.ArgumentError, match="missing"):
        f()
