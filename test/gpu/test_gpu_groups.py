"""Groups of rows whose offsets only the GPU knows: the bits of the reference, nothing waited for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from machine import DTYPES, ROUNDINGS, SIZES, assert_same, hostile, normal, qd, to_gpu, torch

GROUPS = {
    "experts": [37, 0, 128, 1, 0, 300, 64, 5],
    "one": [535],
    "many": [3] * 178,
    "none": [],
}


def offsets_of(sizes, dtype=torch.int32):
    return torch.tensor(np.concatenate([[0], np.cumsum(sizes)]), dtype=dtype, device="cuda")


def cases():
    for number, (name, kind) in enumerate(itertools.product(qd.formats, GROUPS)):
        sizes = SIZES if qd.formats[name].block_rows == 1 else [None]
        yield name, kind, [*ROUNDINGS][number % len(ROUNDINGS)], sizes[number % len(sizes)], [*DTYPES][number % 3]


@pytest.mark.parametrize("name, kind, rounding, n, dtype", list(cases()))
def test_groups(name, kind, rounding, n, dtype):
    rht = qd.RHT(n, seed=n) if n else None

    @qd.jit
    def quantize(x, offsets):
        return qd.quantize(x, name, axis=0, rht=rht, rounding=ROUNDINGS[rounding], groups=offsets)

    @qd.jit
    def dequantize(q):
        return qd.dequantize(q, dtype=dtype, undo_rht=rht is not None)

    for make, columns in ((normal, 200), (hostile, 137)):
        x, offsets = to_gpu(make(540, columns, dtype)), offsets_of(GROUPS[kind])
        q = quantize(x, offsets)
        assert_same(q, quantize.reference(x, offsets), name)
        assert q.groups is offsets
        if make is normal:
            assert_same(dequantize(q), dequantize.reference(q))


@pytest.mark.parametrize("strides", ["columns", "gaps"])
def test_any_strides(strides):
    f = qd.jit(lambda x, o: qd.quantize(x, "UFP4_B", axis=0, rht=qd.RHT(32, seed=1), groups=o))
    x = to_gpu(normal(540, 192))
    x = x.T.contiguous().T if strides == "columns" else x[:, ::3]
    offsets = offsets_of(GROUPS["experts"], torch.int64)
    assert_same(f(x, offsets), f.reference(x, offsets))
    spread = offsets.repeat_interleave(2)[::2]
    assert_same(f(x, spread), f.reference(x, offsets))


@pytest.mark.parametrize(
    "offsets", [[0, 2**31 - 1, -(2**31), 7], [-(2**31), 300, 2**31 - 1], [9, 5, 400, 20, 540], [0]], ids=str
)
def test_offsets_that_are_no_offsets(offsets):
    f = qd.jit(lambda x, o: qd.quantize_pair(x, "NVFP4", rht=qd.RHT(16, seed=1), groups=o, pad=True))
    x, offsets = to_gpu(normal(540, 200)), torch.tensor(offsets, dtype=torch.int32, device="cuda")
    assert_same(f(x, offsets), f.reference(x, offsets))


def test_a_call_waits_for_nothing_and_a_graph_follows_the_offsets():
    f = qd.jit(lambda x, o: qd.quantize(x, "UFP4_B", axis=0, rht=qd.RHT(16, seed=0), groups=o))
    x, offsets = to_gpu(normal(540, 512)), offsets_of(GROUPS["experts"])
    f.warmup(x, offsets)
    f(x, offsets)
    torch.cuda.synchronize()
    torch.cuda._sleep(200_000_000)
    f(x, offsets)
    assert not torch.cuda.current_stream().query(), "the call waited for the stream"
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        q = f(x, offsets)
    for seed in range(3):
        cuts = np.sort(np.random.default_rng(seed).integers(0, 541, offsets.numel() - 1))
        offsets[1:] = torch.tensor(cuts, dtype=torch.int32, device="cuda")
        graph.replay()
        torch.cuda.synchronize()
        assert_same(q, f.reference(x, offsets))
