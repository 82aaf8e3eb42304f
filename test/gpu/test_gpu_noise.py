"""The random bits of stochastic rounding, as kernels on the GPU use them: unbiased, and each output's own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from machine import assert_same, check, normal, qd, to_gpu, torch

SIDE = 1024


class Noise:
    """A matrix whose UFP4 codes say how its elements were rounded.

    Every block of 16 in either direction holds one 1.75, so that scales are 1; the other elements are fractions of the
    way from 0 to the next code, which stochastic rounding goes up with that probability exactly.
    """

    def __init__(self, bits: int):
        row, column = np.indices((SIDE, SIDE))
        steps = 1 << min(bits, 8)
        step = np.random.default_rng(bits).integers(steps // 8, steps - steps // 8, row.shape, endpoint=True)
        self.is_maximum = (row + column) % 16 == 0
        self.fraction = np.where(self.is_maximum, 0.5, step / steps)
        self.x = to_gpu(np.where(self.is_maximum, 1.75, 0.25 * self.fraction).astype(np.float32))

    def of(self, q) -> torch.Tensor:
        """For each element in storage order its draw's error, of mean 0 and variance 1; 0 for maxima."""
        turned = [a.T if q.axis == 0 else a for a in (self.fraction, self.is_maximum)]
        fraction, is_maximum = (torch.from_numpy(np.ascontiguousarray(a)).to(q.codes.device) for a in turned)
        codes = torch.stack([q.codes & 15, q.codes >> 4], -1).reshape(SIDE, SIDE).double()
        assert torch.equal(codes == 7, is_maximum) and set(codes.unique().tolist()) == {0, 1, 7}
        error = (codes - fraction) / torch.sqrt(fraction * (1 - fraction))
        return torch.where(is_maximum, torch.zeros_like(error), error)


def sigmas(values: torch.Tensor) -> float:
    """How many standard deviations the sum of independent values of mean 0 and variance 1 is from 0."""
    return abs(float(values.sum())) / float(torch.count_nonzero(values)) ** 0.5


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_outputs_keys_and_steps_draw_independently(bits):
    noise, key = Noise(bits), qd.Key(31, step=torch.zeros(1, dtype=torch.int64, device="cuda"))

    @qd.jit
    def pair(x, key):
        return qd.quantize_pair(x, "UFP4", rounding=qd.stochastic(key, bits=bits))

    draws = {}
    for step in range(3):
        for fold in (None, 0, 1):
            results = pair(noise.x, key if fold is None else key.fold_in(fold))
            draws |= {(step, fold, q.axis): noise.of(q) for q in results}
        key.advance_()
    for name, a in draws.items():
        assert sigmas(a) < 5, f"{name} is biased"
        for lag in (1, 2, 4, 8, 16, SIDE):
            products = a.flatten()[lag:] * a.flatten()[:-lag]
            assert sigmas(products) < 5, f"elements of {name} that are {lag} apart are correlated"
    for (name, a), (other, b) in itertools.combinations(draws.items(), 2):
        assert sigmas(a * b) < 5, f"{name} and {other} are correlated: the same draws"
        if name[2] != other[2]:
            assert sigmas(a * b.T) < 5, f"{name} and {other} are correlated: the same elements"


def test_the_measure_sees_what_is_correlated():
    noise, key = Noise(8), qd.Key(31)
    first, again = (noise.of(qd.quantize(noise.x, "UFP4", rounding=qd.stochastic(key))) for _ in range(2))
    assert sigmas(first * again) > 100
    assert sigmas(first[:, 1:] * first[:, :-1]) < 5 < sigmas(first + 0.05 * (first != 0))


@pytest.mark.parametrize("name, axis", [("UFP4_B", 1), ("UFP4_B", 0), ("MXFP4", 1), ("NVFP4", 0)])
@pytest.mark.parametrize("bits", [4, 16])
def test_shards_draw_as_the_whole(name, axis, bits):
    """Cut where storage may be: between lines across the quantized axis."""
    key, amax = qd.Key(9), torch.full((1,), 100.0, device="cuda")

    @qd.jit
    def quantize(x, base, amax):
        given = dict(amax=amax) if qd.formats[name].has_tensor_level else {}
        rounding = qd.stochastic(key, bits=bits)
        return qd.quantize(x, name, axis=axis, rounding=rounding, index_base=base, **given)

    x = to_gpu(normal(192, 256))
    length = x.shape[axis]
    for start in (0, 1 << 40):  # counters have 64 bits
        whole = quantize(x, np.int64(start), amax)
        shards, base = [], start
        for part in x.split([64, 96, x.shape[1 - axis] - 160], 1 - axis):
            shards.append(quantize(part, np.int64(base), amax))
            base += part.shape[1 - axis] * length
        assert_same(torch.cat([s.codes for s in shards]), whole.codes)
        assert_same(torch.cat([s.scales[0].view(torch.uint8) for s in shards]), whole.scales[0].view(torch.uint8))
        check(quantize, x, np.int64(start), amax)
