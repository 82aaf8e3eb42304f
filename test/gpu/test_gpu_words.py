"""Words of the caller's that kernels combine into: amax_out= and flags=, and scales by the amax of a step before."""

from __future__ import annotations

import numpy as np
import pytest
from machine import assert_same, hostile, normal, qd, to_gpu, torch
from quadrille import arrays


def words():
    return torch.zeros(1, device="cuda"), torch.zeros(1, dtype=torch.int32, device="cuda")


@pytest.mark.parametrize("axis", [1, 0])
@pytest.mark.parametrize("name", list(qd.formats))
def test_words_are_the_references(name, axis):
    rht = qd.RHT(16, seed=1) if qd.formats[name].block_rows == 1 else None

    @qd.jit
    def quantize(x, amax, flags):
        return qd.quantize(x, name, rht=rht, axis=axis, pad=True, amax_out=amax, flags=flags)

    finite = normal(133, 1000, "f32")
    infinite, large = finite.copy(), finite.copy()
    infinite[132, 999], large[0, 0] = -np.inf, 3e38
    for x in map(to_gpu, (finite, infinite, large, hostile(133, 1000), normal(1, 1), np.zeros((0, 64), np.float32))):
        got, wanted = words(), (np.zeros(1, np.float32), np.zeros(1, np.int32))
        assert_same(quantize(x, *got), quantize.reference(x, *wanted))
        assert_same(list(map(arrays.to_host, got)), list(wanted), f"{name}, {tuple(x.shape)}")


def test_a_pair_has_words_for_both():
    @qd.jit
    def pair(x, rows, columns, flags):
        return qd.quantize_pair(x, "UFP4_B", rht=qd.RHT(32, seed=2), amax_out=(rows, columns), flags=flags)

    for make in (normal, hostile):
        x, (rows, flags), (columns, _) = to_gpu(make(192, 320)), words(), words()
        wanted = [np.zeros(1, np.float32), np.zeros(1, np.float32), np.zeros(1, np.int32)]
        assert_same(pair(x, rows, columns, flags), pair.reference(x, *wanted))
        assert_same(list(map(arrays.to_host, (rows, columns, flags))), wanted)


def test_streams_share_words():
    quantize = qd.jit(lambda x, amax, flags: qd.quantize(x, "MXFP4", amax_out=amax, flags=flags))
    parts = [to_gpu(normal(256, 512, seed=seed)) for seed in range(8)]
    parts[5][17, 300] = float("inf")
    amax, flags = words()
    quantize.warmup(parts[0], amax, flags)
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in parts]
    for stream, part in zip(streams * 5, parts * 5):
        with torch.cuda.stream(stream):
            quantize(part, amax, flags)
    torch.cuda.synchronize()
    assert amax.item() == float("inf") and flags.item() == qd.Flags.NON_FINITE


@pytest.mark.parametrize("captured", [False, True])
def test_delayed_scales(captured):
    """A step scales by the amax of the step before, and finds its own in the same pass; in a graph, too."""
    data, rht = to_gpu(normal(256, 512)), qd.RHT(16, seed=3)
    x, amax, (following, flags) = data.clone(), qd.amax(data, rht=rht), words()

    @qd.jit
    def quantize(x, amax, following, flags):
        return qd.quantize(x, "NVFP4", rht=rht, amax=amax, amax_out=following, flags=flags)

    def step():
        q = quantize(x, amax, following, flags)
        amax.copy_(following)
        following.zero_()
        return q

    assert len(quantize.explain(x, amax, following, flags).kernels) == 1
    quantize.warmup(x, amax, following, flags)
    if captured:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            q = step()
    before = amax.clone()
    for growth in (1, 64, 1):
        x.copy_(data * growth)
        flags.zero_()
        if captured:
            graph.replay()
        else:
            q = step()
        assert_same(q, qd.quantize(x, "NVFP4", rht=rht, amax=before))
        before = qd.amax(x, rht=rht)
        assert_same(amax, before)
        assert flags.item() == (qd.Flags.SCALE_SATURATED if growth > 1 else 0)
