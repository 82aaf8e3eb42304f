"""Metrics against their definitions, and the geometry of the paper on simulated data."""

from __future__ import annotations

import numpy as np
import pytest
import quadrille as qd


def test_definitions(matrix):
    x = matrix(32, 64, np.float32)
    q = qd.quantize(x, "E2M1_REF")
    d, m = qd.dequantize(q).astype(float), qd.metrics(x, q)
    a = x.astype(float)
    assert m.sqnr == pytest.approx(10 * np.log10((a**2).sum() / ((d - a) ** 2).sum()), abs=1e-4)
    assert m.shrinkage == pytest.approx((a * d).sum() / (a * a).sum() - 1, abs=1e-6)
    assert m.zero_fraction == np.mean(d == 0)
    assert 1 / 8 <= m.bucket_ratio <= 1
    assert set(m.as_dict()) == {"sqnr", "shrinkage", "bucket_ratio", "zero_fraction", "clip_fraction"}
    assert "SQNR" in str(m)


def test_the_transform_is_accounted_for(matrix):
    x = matrix(32, 64)
    for axis in (0, 1):
        q = qd.quantize(x, "UFP4", rht=qd.RHT(16, seed=1), axis=axis)
        assert 15 < qd.metrics(x, q).sqnr < 30
        back = qd.dequantize(q, undo_rht=True)
        assert qd.sqnr(x, back) == pytest.approx(qd.metrics(x, q).sqnr, abs=0.01)


def test_padding_counts_as_zero(matrix):
    q = qd.quantize(matrix(4, 20), "UFP4", pad=True)
    assert qd.metrics(matrix(4, 20), q).zero_fraction >= 12 / 32


def test_limits():
    x = np.eye(16, dtype=np.float32)
    assert qd.sqnr(x, x) == float("inf") and qd.shrinkage(x, x) == 0
    assert qd.shrinkage(np.zeros(3), np.zeros(3)) == 0 and qd.sqnr(np.zeros(3), np.ones(3)) == float("-inf")
    assert qd.metrics(x, qd.quantize(x, "UFP4")).sqnr > 100
    one = qd.grid("one", [-1, 0, 1], qmax=2)
    half = qd.grid("half", [-1, 0, 1], qmax=0.5)
    assert qd.metrics(2 * x, qd.quantize(2 * x, qd.format("HALF", half, qd.level(16, "f32")))).clip_fraction == 0
    assert qd.metrics(x, qd.quantize(x, qd.format("TOP", one, qd.level(16, "f32")))).clip_fraction == 1 / 16


def test_rotation_favours_the_uniform_grid(rng):
    """The paper's claim: outliers favour e2m1 as they are, the uniform grid after an RHT."""
    x = rng.standard_normal((256, 1024)) * np.exp(1.5 * rng.standard_normal((256, 1024)))
    x, rht = x.astype(np.float32), qd.RHT(16, seed=0)
    sqnr = {(f, r): qd.metrics(x, qd.quantize(x, f, rht=r)).sqnr for f in ("UFP4", "E2M1_REF") for r in (None, rht)}
    assert sqnr["E2M1_REF", None] > sqnr["UFP4", None]
    assert sqnr["UFP4", rht] > sqnr["E2M1_REF", rht]
    assert sqnr["UFP4", rht] > sqnr["UFP4", None]


def test_shrinkage_of_each_bin_is_equation_2():
    """E[rho(t) - t] over one bin of a grid is (l - r) / 2 (arXiv 2606.20381, eq. 2)."""
    from quadrille import _core, _native

    levels = np.array(qd.e2m1.values[:8])
    for low, level, high in zip(levels, levels[1:], levels[2:]):
        left, right = (level - low) / 2, (high - level) / 2
        t = np.linspace(level - left, level + right, 20001, dtype=np.float32)[1:-1]
        rounded = _core.numerics.round_to_grid(t, _native.grid(qd.e2m1))
        assert np.mean(rounded.astype(float) - t) == pytest.approx((left - right) / 2, abs=1e-3)
