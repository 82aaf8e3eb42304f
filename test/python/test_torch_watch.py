"""quadrille.torch.watch against the metrics of the same tensors."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import quadrille as qd

torch = pytest.importorskip("torch")


def model(recipe="UFP4_B"):
    torch.manual_seed(0)
    layers = torch.nn.Linear(64, 96), torch.nn.GELU(), torch.nn.Linear(96, 32)
    return qd.torch.convert(torch.nn.Sequential(*layers), recipe)


@pytest.mark.parametrize("recipe", ["UFP4_B", "E2M1_REF", "MXUF4", "NVFP4"])
def test_numbers_are_those_of_metrics(recipe):
    m, x = model(recipe), torch.randn(48, 64)
    with qd.torch.watch(m) as watcher:
        m(x).square().mean().backward()
    report = watcher.report()
    assert list(report) == ["0", "2"] and set(report["0"]) == {"x", "w", "dy"}
    spec_x, spec_w = qd.recipes.BY_NAME[recipe].fprop
    for operand, spec, value in (("x", spec_x, x), ("w", spec_w, m[0].weight.detach())):
        wanted = qd.metrics(value, qd.quantize(value, spec))
        got = report["0"][operand]
        for mine, theirs in (
            ("sqnr", wanted.sqnr),
            ("shrinkage", wanted.shrinkage),
            ("bucket_ratio", wanted.bucket_ratio),
            ("clipped", wanted.clip_fraction),
        ):
            assert math.isclose(got[mine], theirs, rel_tol=1e-3, abs_tol=1e-6), (operand, mine)
        assert got["flagged"] == 0


def test_infinite_blocks_are_flagged():
    m, x = model(), torch.randn(32, 64)
    x[3, 5] = float("inf")
    with qd.torch.watch(m) as watcher:
        m(x)
    assert watcher.report()["0"]["x"]["flagged"] > 0
    assert watcher.worst("flagged", 1)[0][:2] == ("2", "x") or watcher.worst("flagged", 1)[0][:2] == ("0", "x")


def test_every_and_close_and_files(tmp_path):
    m, x = model(), torch.randn(32, 64)
    watcher = qd.torch.watch(m, every=2)
    for _ in range(3):
        m(x)
    elements = int(watcher._operands["0", "x"].sums[3])
    assert elements == 2 * x.numel()
    watcher.close()
    m(x)
    assert int(watcher._operands["0", "x"].sums[3]) == elements
    watcher.save(tmp_path / "report.json")
    watcher.save(tmp_path / "report.html")
    assert json.loads((tmp_path / "report.json").read_text()) == watcher.report()
    assert "<svg" in (tmp_path / "report.html").read_text()
    with pytest.raises(qd.ArgumentError, match="neither"):
        watcher.save(tmp_path / "report.txt")


def test_tensorboard_gets_every_number():
    class Writer(dict):
        def add_scalar(self, name, value, step):
            self[name] = value, step

    m, writer = model(), Writer()
    with qd.torch.watch(m) as watcher:
        m(torch.randn(16, 64))
    watcher.to_tensorboard(writer, 7)
    assert len(writer) == 2 * 2 * 5 and all(step == 7 and np.isfinite(value) for value, step in writer.values())


@pytest.mark.parametrize(("call", "says"), [
    (lambda: qd.torch.watch(torch.nn.Linear(2, 2)), "no quadrille.torch.Linear"),
    (lambda: qd.torch.watch(model(), every=0), "every=0"),
    (lambda: qd.torch.watch(model()).worst("speed"), "not watched"),
])
def test_errors(call, says):
    with pytest.raises(qd.ArgumentError, match=says):
        call()
