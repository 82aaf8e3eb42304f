"""The benchmarks' parts: what they compare is the same work."""

from __future__ import annotations

import builtins
import time
import types

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from quadrille.bench import gpu_matmul, gpu_quantize, host
from quadrille.cli import main
from quadrille.tune import Candidate, TuningReport


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


class FakeEvent:
    """Of a clock on which each event is a millisecond after the one before."""

    now = 0

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        FakeEvent.now += 1
        self.time = FakeEvent.now

    def synchronize(self):
        pass

    def elapsed_time(self, other):
        return other.time - self.time


def test_products_take_turns_with_their_peers():
    torch = types.SimpleNamespace(cuda=types.SimpleNamespace(Event=FakeEvent))
    order = []
    actions = {"mine": lambda: order.append("mine"), "peer": lambda: order.append("peer")}
    times = gpu_matmul.alternate(torch, actions, repeats=2, launches=2)
    assert order == ["mine", "mine", "peer", "peer"] * 3  # the first turn warms up
    assert times == {"mine": 500.0, "peer": 500.0}
    assert gpu_matmul._bar(1.0, 0.95) == "0.95" and gpu_matmul._bar(0.9, 0.95) == "0.95 (missed)"


class FakeClock:
    """Says that everything takes 2 microseconds, and does it once."""

    def microseconds(self, action, launches=10):
        action(0)
        return 2.0

    def copy(self, n):
        return 1.0


@pytest.mark.parametrize("row", gpu_quantize.WITH_PEERS, ids=lambda row: f"{row.what} {row.rht}")
def test_the_gpus_peers_compute_the_same_codes_and_scales(row):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((64, 96), np.float32)).bfloat16()
    mine = gpu_quantize._parts(gpu_quantize._function(row)(x))
    line = gpu_quantize._peer_line(
        row, "eager", lambda torch, x, *of: gpu_quantize._expression(torch, *of), mine, torch, [x, x], FakeClock()
    )
    assert line == f"| {row.what}, eager | UFP4_B | {row.rht or 'none'} | nearest | 2.0 | 0.50 |  |"
    signs = torch.from_numpy(qd.RHT(16, seed=0).signs.copy()) if row.rht else None
    for q, (_, scales) in zip(mine, gpu_quantize._expression(torch, signs, gpu_quantize.AXES[row.what])(x)):
        assert torch.equal(scales.reshape(q.scales[0].shape), q.scales[0])


def test_a_peer_that_fails_is_a_line():
    torch = pytest.importorskip("torch")
    x = torch.ones(64, 64, dtype=torch.bfloat16)
    row = gpu_quantize.WITH_PEERS[0]
    mine = gpu_quantize._parts(gpu_quantize._function(row)(x))

    def broken(torch, x, signs, axes):
        raise RuntimeError("no such instruction\nmore")

    def wrong(torch, x, signs, axes):
        return lambda x: [(torch.zeros(256, 8, dtype=torch.uint8), None)]

    lines = [gpu_quantize._peer_line(row, "P", peer, mine, torch, [x, x], FakeClock()) for peer in (broken, wrong)]
    assert lines[0] == "| row, P | UFP4_B | none | nearest | | RuntimeError: no such instruction | |"
    assert "AssertionError: axis 1: the codes agree with ours in 0.0% only" in lines[1]


def test_the_gpus_tables_are_complete():
    """All lines, of a small matrix on the interpreter."""
    torch = pytest.importorskip("torch")
    inputs = [torch.randn(128, 128, dtype=torch.bfloat16) for _ in range(2)]
    lines = list(gpu_quantize._kernels(torch, inputs, FakeClock()))
    assert len(lines) == len(list(gpu_quantize._rows())) and all(line.count("|") == 8 for line in lines)
    passes = list(gpu_quantize._passes(torch, inputs, FakeClock()))
    names = ["amax"] * 2 + ["dequantize to bf16"] * 2 + ["4-bit to carrier bf16", "4-bit to carrier e5m2"]
    assert [line.split(" | ")[0] for line in passes] == [f"| {name}" for name in names]
    plain, user = gpu_quantize._tensor_scales(torch, inputs, FakeClock())
    assert plain.startswith("| NVFP4 | 2.0 | 2.0 | 0.50 |") and user.startswith("| NVFP4_46 | 2.0 | 2.0 | 0.50 |")
    for better, worse in zip(_decibels(user), _decibels(plain), strict=True):
        assert better > worse > 15


def test_the_gpus_heuristics_are_compared_with_what_is_tuned(monkeypatch):
    default, tuned = Candidate({}, times=[3e-6]), Candidate({"tiles_per_program": 8}, times=[2e-6])
    asked = []

    def tune(function, x, save):
        asked.append((x, save))
        return TuningReport("f", "sm_90a", (default, tuned), tuned if len(asked) == 1 else default, None)

    monkeypatch.setattr(qd, "tune", tune)
    lines = list(gpu_quantize._tunings(["x", "y"]))
    assert asked == [("x", False)] * 3
    assert lines[0] == "| row | UFP4_B | 16 | nearest | 3.0 | 0.67 | 0.95 (missed) | tiles_per_program 8 |"
    assert lines[2] == "| row + column | UFP4_B | 16 | nearest | 3.0 | 1.00 | 0.95 | the same |"


def _decibels(line: str) -> list[float]:
    return [float(cell.strip().removesuffix(" dB")) for cell in line.split("|") if cell.endswith(" dB ")]


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["bench", "gpu-quantize"]) == 1
    assert "PyTorch sees no CUDA GPU" in capsys.readouterr().err


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
    assert main(["bench", "gpu-quantize"]) == 1
    assert "PyTorch, which allocates and has the clock" in capsys.readouterr().err
