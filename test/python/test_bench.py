"""The host benchmark's parts: what it compares is the same work."""

from __future__ import annotations

import builtins
import time

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from quadrille.bench import host
from quadrille.cli import main


def test_rows_say_what_is_met():
    assert str(host._at_least("a", 0.5, 0.4)) == "| a | 0.50x | >= 0.4 | met |"
    assert str(host._at_most("b", 12.0, 10, " us")) == "| b | 12.00 us | <= 10 | missed |"
    assert str(host._reported("c", 1.0)) == "| c | 1.00x | none |  |"


def test_actions_alternate_and_the_first_runs_do_not_count():
    order = []

    def slow_at_first():
        order.append("a")
        time.sleep(0.05 if len(order) == 1 else 0)

    medians = host.alternate(3, a=slow_at_first, b=lambda: order.append("b"))
    assert order == ["a", "b"] * 4
    assert 0 < medians["a"] < 0.05 and medians["b"] > 0


def test_the_copy_moves_all_bytes():
    copy = host._copier(10_000, 6_001, threads=3)
    copy()
    source, destination = (
        cell.cell_contents
        for name, cell in zip(copy.__code__.co_freevars, copy.__closure__)
        if name in ("source", "destination")
    )
    assert source.size == destination.size == 8000 and np.array_equal(source, destination)


def test_the_peer_computes_the_same_codes_and_scales():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((64, 64), np.float32).astype(ml_dtypes.bfloat16)
    rht = qd.RHT(16, seed=0)
    q = qd.quantize(x, qd.UFP4_B, rht=rht)
    codes, scales = host._eager_torch(torch, x, rht.signs)()
    assert np.mean(codes.numpy().reshape(q.codes.shape) == q.codes) > 0.99
    assert np.mean(scales.float().numpy().reshape(q.scales[0].shape) == q.scales[0].astype(np.float32)) > 0.99


def test_without_pytorch_it_says_so(monkeypatch, capsys):
    imported = builtins.__import__

    def absent(name, *rest, **named):
        if name == "torch":
            raise ImportError(name)
        return imported(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.setenv("QUADRILLE_NUM_THREADS", "2")
    assert main(["bench", "host"]) == 1
    assert "PyTorch, whose times are the peers" in capsys.readouterr().err
