"""Products of groups (a mixture's experts) on the GPU, against f64 products of each group's dequantized operands."""

from __future__ import annotations

import numpy as np
import pytest
from machine import normal, qd, to_gpu, torch
from parts import stored_groups
from test_gpu_matmul import assert_close, error_bound, quantized

FORMATS = ["UFP4_B", "NVFP4", "HIF4", "MXUF4", "MXFP4"]
SIZES = {
    "several": [20, 0, 1, 300, 0, 33],
    "one": [50],
    "empty": [0, 0],
    "tiles": [256, 128, 512, 64],
    "skewed": [700, 3, 1, 1, 0, 130, 257, 90],
    "large": [1300, 700],  # in square tiles; the others are in wide ones
}

forward = qd.jit(lambda a, b, groups: qd.matmul(a, b.T, groups=groups, dtype="f32"))
of_inputs = qd.jit(lambda a, b, groups: qd.matmul(a, b, groups=groups, dtype="f32"))
of_weights = qd.jit(lambda a, b: qd.matmul(a.T, b, dtype="f32"))


def offsets_of(sizes):
    return torch.tensor(np.cumsum([0, *sizes]), dtype=torch.int32, device="cuda")


def matrices(sizes, n, k, beyond=5):
    tokens = sum(sizes) + beyond  # some rows are in no group
    return [to_gpu(normal(rows, cols, "f32", seed=i)) for i, (rows, cols) in
            enumerate(((tokens, k), (tokens, n), (len(sizes) * n, k)))]


def of_groups(sizes, product):
    """The product of each group, and of its magnitudes, for (group, first row, end)."""
    ends = np.cumsum(sizes)
    return [product(g, int(end - size), int(end)) for g, (size, end) in enumerate(zip(sizes, ends))]


def pair(a, b):
    return a @ b, a.abs() @ b.abs()


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("rht", [None, 128])
def test_each_group_meets_its_expert(fmt, sizes, rht):
    rht = qd.RHT(rht, seed=1) if rht else None
    n, k = 384, 256
    x, dy, w = matrices(sizes, n, k)
    groups = offsets_of(sizes)
    for f, a, axis, length in ((forward, x, 1, k), (of_inputs, dy, 0, n)):
        q, qw = qd.quantize(a, fmt, rht=rht), qd.quantize(w, fmt, axis=axis, rht=rht)
        y = f(q, qw, groups)
        left, right = (qd.dequantize(t).double() for t in (q, qw))
        experts = [right[g * n : (g + 1) * n] for g in range(len(sizes))]
        for (wanted, magnitudes), (begin, end) in of_groups(
            sizes, lambda g, b, e: (pair(left[b:e], experts[g].T if axis else experts[g]), (b, e))
        ):
            assert_close(y[begin:end], wanted, magnitudes, error_bound(fmt, length, None, 17))
        assert not bool(y[sum(sizes) :].any())


@pytest.mark.parametrize("n", [33, 70, 200])
@pytest.mark.parametrize("fmt", ["UFP4_B", "MXUF4"])
def test_experts_of_any_number_of_rows(fmt, n):
    sizes, k = [20, 0, 300, 33], 192
    x, _, w = matrices(sizes, n, k)
    q, qw = qd.quantize(x, fmt), qd.quantize(w, fmt)
    bias = to_gpu(normal(1, n, "f32", seed=9))[0]
    f = qd.jit(lambda a, b, groups, bias: qd.matmul(a, b.T, groups=groups, bias=bias, dtype="bf16"))
    y = f(q, qw, offsets_of(sizes), bias)
    left, right = (qd.dequantize(t).double() for t in (q, qw))
    for (wanted, magnitudes), (begin, end) in of_groups(
        sizes, lambda g, b, e: (pair(left[b:e], right[g * n : (g + 1) * n].T), (b, e))
    ):
        wanted = wanted + bias.double()
        assert_close(y[begin:end], wanted, magnitudes + bias.abs().double(), error_bound(fmt, k, None, 17))
    assert bool((y[sum(sizes) :] == bias.bfloat16()).all())


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("rht", [16, 128])
def test_each_group_has_the_gradient_of_its_weights(fmt, sizes, rht):
    rht = qd.RHT(rht if qd.formats[fmt].block <= rht else qd.formats[fmt].block, seed=1)
    n, k = 200, 136
    x, dy, _ = matrices(sizes, n, k)
    groups = offsets_of(sizes)
    a, b = (qd.quantize(t, fmt, axis=0, rht=rht, groups=groups) for t in (dy, x))
    dw = of_weights(a, b)
    assert dw.shape == (len(sizes) * n, k)
    assert_weights(dw, a, b, fmt)


def assert_weights(dw, a, b, fmt):
    """dw is the products of the groups of a and b, padding included, which a transform fills."""
    n = a.shape[1]
    for g, (left, right) in enumerate(zip(stored_groups(a), stored_groups(b))):
        if not left.stored:
            assert not bool(dw[g * n : (g + 1) * n].any())
            continue
        left, right = (qd.dequantize(q).double() for q in (left, right))
        # One token in a transform of 32 is 32 products of one size.
        assert_close(dw[g * n : (g + 1) * n], *pair(left.T, right), error_bound(fmt, 1024, None, 17, lost=33))


def test_sums_of_weights_accumulate_in_place():
    sizes, n, k = [100, 0, 260], 128, 64
    x, dy, _ = matrices(sizes, n, k)
    groups = offsets_of(sizes)
    a, b = (qd.quantize(t, "UFP4_B", axis=0, groups=groups) for t in (dy, x))
    total = to_gpu(normal(len(sizes) * n, k, "f32", seed=5))
    wanted = of_weights(a, b) + total
    qd.jit(lambda a, b, c: qd.matmul(a.T, b, acc=c, dtype="f32"))(a, b, total, out=total)
    assert torch.equal(total, wanted)


def test_a_row_beyond_the_window_of_one_group():
    sizes, n, k = [130, 0, 70, 200], 384, 256
    x, dy, w = matrices(sizes, n, k)
    x[135, :32] *= 2.0**60
    w[n * 2 + 5, 32:64] *= 2.0**-50
    groups, fmt = offsets_of(sizes), "MXUF4"
    q, qw = qd.quantize(x, fmt), qd.quantize(w, fmt)
    y = forward(q, qw, groups)
    left, right = (qd.dequantize(t).double() for t in (q, qw))
    for (wanted, magnitudes), (begin, end) in of_groups(
        sizes, lambda g, b, e: (pair(left[b:e], right[g * n : (g + 1) * n].T), (b, e))
    ):
        assert_close(y[begin:end], wanted, magnitudes, error_bound(fmt, k, None, 17))
    x[3, :] *= 2.0**60  # along tokens: of the first group
    a, b = (qd.quantize(t, fmt, axis=0, groups=groups) for t in (dy, x))
    dw = of_weights(a, b)
    assert_weights(dw, a, b, fmt)


def test_hostile_offsets_are_clamped():
    x, _, w = matrices([100, 100], 128, 64)
    q, qw = qd.quantize(x, "UFP4_B"), qd.quantize(w, "UFP4_B")
    hostile = torch.tensor([7, -5, 10**6], dtype=torch.int32, device="cuda")
    clamped = torch.tensor([0, 0, x.shape[0]], dtype=torch.int32, device="cuda")
    assert torch.equal(forward(q, qw, hostile), forward(q, qw, clamped))


def test_experts_that_end_within_a_piece_are_refused():
    x, dy, w = matrices([40, 40], 48, 64)
    q, qw = qd.quantize(dy, "UFP4_B"), qd.quantize(w, "UFP4_B", axis=0)
    with pytest.raises(ValueError, match="multiple of 64 rows each"):
        of_inputs(q, qw, offsets_of([40, 40]))


def test_graph_replay_reads_new_offsets():
    x, _, w = matrices([100, 100], 128, 64)
    q, qw, groups = qd.quantize(x, "UFP4_B"), qd.quantize(w, "UFP4_B"), offsets_of([100, 100])
    forward(q, qw, groups)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = forward(q, qw, groups)
    groups.copy_(offsets_of([30, 150]))
    graph.replay()
    assert torch.equal(y, forward(q, qw, groups))


@pytest.mark.parametrize("fmt", ["UFP4_B", "MXUF4"])
def test_a_batch_is_groups_of_as_many_rows(fmt):
    batch, n, k = 3, 256, 128
    a, b = quantized(batch * 70, k, fmt), quantized(batch * n, k, fmt, seed=1)
    groups = torch.arange(batch + 1, device="cuda") * 70
    batched = qd.jit(lambda a, b: qd.matmul(a, b.T, groups=batch, dtype="f32"))
    grouped = qd.jit(lambda a, b, groups: qd.matmul(a, b.T, groups=groups, dtype="f32"))
    assert torch.equal(batched(a, b), grouped(a, b, groups))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = batched(a, b)
    graph.replay()
    assert torch.equal(y, batched(a, b))
