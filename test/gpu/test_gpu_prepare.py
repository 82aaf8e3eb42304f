"""Prepared operands on the GPU: the bits of the products of what was prepared, without its conversion."""

from __future__ import annotations

import pytest
from machine import normal, qd, to_gpu, torch
from test_gpu_matmul import quantized

FORMATS = ["UFP4_B", "NVFP4", "NVINT4", "HIF4", "MXUF4", "MXFP4", "MXINT4"]
f = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32"))


def kernels(a, b):
    return [kernel["name"].partition("_matmul")[2] for kernel in f.explain(a, b).kernels]


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_bits_are_those_of_the_tensor(fmt):
    a, b = quantized(145, 416, fmt), quantized(264, 416, fmt, seed=1)
    wanted = f(a, b)
    left, right = qd.prepare(a, side="a"), qd.prepare(b)
    for first, second in ((a, right), (left, b), (left, right)):
        assert torch.equal(f(first, second), wanted)
    names = kernels(left, right)
    assert not any(name.startswith(("_lhs", "_rhs")) for name in names)
    assert torch.equal(f(quantized(5, 416, fmt), right)[:5], f(quantized(5, 416, fmt), right))


def test_few_rows_take_the_same_operand():
    a, b = quantized(4, 512, "UFP4_B"), quantized(100, 512, "UFP4_B", seed=1)
    y = f(a, qd.prepare(b))
    torch.testing.assert_close(y, f(a, b), rtol=1e-4, atol=1e-4)


def test_rows_beyond_the_window_are_kept():
    x, w = normal(200, 1024, "f32"), normal(150, 1024, "f32", seed=1)
    x[5, :32] *= 2.0**60
    w[133, 64:96] *= 2.0**-50
    w[133, 96:128] *= 2.0**30
    a, b = (qd.quantize(to_gpu(v), "MXUF4") for v in (x, w))
    wanted = f(a, b)
    left, right = qd.prepare(a, side="a"), qd.prepare(b)
    del a.codes
    assert torch.equal(f(left, right), wanted)


def test_into_buffers_and_in_a_graph():
    a, b = quantized(128, 256, "MXUF4"), quantized(128, 256, "MXUF4", seed=1)
    prepare = qd.jit(lambda q: qd.prepare(q))
    p = prepare(b)
    wanted = f(a, p)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        prepare(b, out=p)
        y = f(a, p)
    p.arrays[0].zero_()
    graph.replay()
    assert torch.equal(y, wanted)


def test_experts_are_prepared_together():
    sizes, n, k = [100, 0, 60], 256, 128
    groups = torch.tensor([0, 100, 100, 160], dtype=torch.int32, device="cuda")
    g = qd.jit(lambda a, b, groups: qd.matmul(a, b.T, groups=groups, dtype="f32"))
    for fmt in ("UFP4_B", "MXUF4"):
        q, qw = quantized(sum(sizes), k, fmt), quantized(3 * n, k, fmt, seed=1)
        assert torch.equal(g(q, qd.prepare(qw), groups), g(q, qw, groups))
    odd = qd.prepare(quantized(3 * 70, k, "UFP4_B"))
    with pytest.raises(ValueError, match="multiple of 128 rows"):
        g(quantized(160, k, "UFP4_B"), odd, groups)


def test_another_form_is_refused():
    a, b = quantized(64, 128, "UFP4_B"), quantized(64, 128, "UFP4_B", seed=1)
    rounded = qd.jit(lambda a, b: qd.matmul(a, b.T, exact=False))
    p = qd.prepare(quantized(64, 128, "UFP4", seed=1), exact=False)
    rounded(quantized(64, 128, "UFP4"), p)
    with pytest.raises(qd.CompileError, match="is prepared as"):
        f(quantized(64, 128, "UFP4_B"), qd.prepare(b)._with(form="something"))
    del a


@pytest.mark.parametrize("fmt", ["UFP4_B", "NVFP4", "NVINT4", "UFP4"])
@pytest.mark.parametrize("shape", [(145, 416), (1024, 768), (300, 70), (1, 16)])
@pytest.mark.parametrize("rounding", [qd.nearest_even, qd.stochastic(qd.Key(3))])
def test_quantization_writes_what_is_only_prepared(fmt, shape, rounding):
    """Of rows, of columns and of both: the products of the tensors, bit for bit, and no conversion."""
    x, exact = to_gpu(normal(*shape, "bf16")), fmt != "UFP4"
    options = {"rht": qd.RHT(16, seed=0), "rounding": rounding, "pad": True}

    def both(x):
        return qd.quantize_pair(x, fmt, **options)

    def single(x):
        return qd.quantize(x, fmt, **options), qd.quantize(x, fmt, axis=0, **options)

    def prepared(copies, x):
        return tuple(qd.prepare(q, side="a", exact=exact) for q in copies(x))

    product = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="f32", exact=exact))
    for copies in (both, single):
        function = qd.jit(lambda x: prepared(copies, x))
        names = [kernel["name"] for kernel in function.explain(x).kernels]
        assert not any("prepare" in name for name in names)
        for q, p, axis in zip(qd.jit(copies)(x), function(x), (1, 0)):
            q, p = (q, p) if axis == 1 else (q.T, p.T)
            other = qd.quantize(to_gpu(normal(200, q.shape[1], "bf16", seed=1)), fmt, rht=options["rht"], pad=True)
            assert torch.equal(product(p, other), product(qd.prepare(q, side="a", exact=exact), other))
            assert torch.equal(product(p, other), product(q, other)) or q.shape[0] <= 8


def test_one_copy_is_kept_and_one_is_prepared():
    x = to_gpu(normal(256, 512, "bf16"))
    x[3, 5] = float("nan")

    @qd.jit
    def copies(x):
        row, col = qd.quantize_pair(x, "UFP4_B", rht=qd.RHT(16, seed=0))
        return qd.prepare(row, side="a"), col

    row, col = copies(x)
    wanted = qd.quantize_pair(x, "UFP4_B", rht=qd.RHT(16, seed=0))
    assert torch.equal(col.codes, wanted[1].codes)
    b = qd.quantize(to_gpu(normal(128, 512, "bf16", seed=1)), "UFP4_B", rht=qd.RHT(16, seed=0))
    torch.testing.assert_close(f(row, b), f(wanted[0], b), rtol=0, atol=0, equal_nan=True)
