"""The demo on a slice of its sample."""

from __future__ import annotations

import builtins
import json

import numpy as np
import pytest
import quadrille as qd
from quadrille.cli import main
from quadrille.demo import experiment, operands, screen

pytestmark = pytest.mark.compiler


@pytest.fixture(scope="module")
def linears():
    return [
        operands.Linear(l.name, l.x[:64, :64], l.w[:64, :64], l.dy[:64, :64])
        for l in operands.load()
        if l.name == "fc2"
    ]


@pytest.fixture(scope="module")
def results(linears):
    results, steps = experiment.Results(), []
    cases = experiment.cases(["UFP4", "E2M1_REF"])
    experiment.compile_all(linears, cases, results, steps.append)
    assert len(steps) == len(cases) == 12 and steps[-1].startswith("12 of 12: ")
    experiment.run(linears, cases, results)
    return results


def test_every_recipe_of_the_issue_is_there():
    wanted = {"UFP4", "UFP4_B", "E2M1_REF", "NVFP4", "MXFP4", "MXUF4", "HIF4", "BENT"}
    cases = experiment.cases()
    assert {case.format for case in cases} == wanted and len(cases) == len(wanted) * 2 * 3
    sizes = {case.format: case.rht for case in cases if case.rht}
    assert sizes["UFP4"] == 16 and sizes["MXUF4"] == 32 and sizes["HIF4"] == 64


def test_every_product_ran(results):
    assert not results.not_run and len(results.rows) == 2 * 2 * 3
    for row in results.rows:
        assert row.output["sqnr"] > 5 and abs(row.output["shrinkage"]) < 0.1
        assert set(row.operands) == set(experiment.PRODUCTS[row.product])
        assert all(0 < metrics["bucket_ratio"] <= 1 for metrics in row.operands.values())
        assert row.kernels and row.carrier.startswith("carrier ") and row.compile_ms > 0 and row.run_ms > 0


def test_outputs_are_measured_against_f32(results, linears):
    x, w = (linears[0].x.astype(np.float32), linears[0].w.astype(np.float32))
    a, b = (qd.dequantize(qd.quantize(v, qd.UFP4)) for v in (x, w))
    row = results.find("fc2", "UFP4", False, "fprop")
    assert row.output["sqnr"] == pytest.approx(qd.sqnr(x @ w.T, a @ b.T), abs=1e-3)
    assert row.output["shrinkage"] == pytest.approx(qd.shrinkage(x @ w.T, a @ b.T), abs=1e-5)


def test_rotating_helps_the_uniform_grid_and_hurts_e2m1(results):
    def gain(fmt):
        plain, rotated = (results.find("fc2", fmt, rht, "fprop").operands["x"]["sqnr"] for rht in (False, True))
        return rotated - plain

    assert gain("UFP4") > 1 and gain("E2M1_REF") < 0


def test_interpreter_and_target_give_one_digest(results):
    assert set(results.digests) == {"interpreter", "host"} and len(set(results.digests.values())) == 1


def test_one_screen(results, linears, tmp_path):
    lines = screen.render(results, linears, tmp_path / "x", drawn=True).splitlines()
    assert len(lines) <= screen.HEIGHT and max(map(len, lines)) <= max(screen.WIDTH, len(str(tmp_path)) + 20)
    assert any(line.startswith("E2M1 ") for line in lines) and "do not cancel" in " ".join(lines)
    screen.write_json(results, tmp_path / "demo.json")
    assert len(json.loads((tmp_path / "demo.json").read_text())["rows"]) == len(results.rows)
    assert screen.draw(results, tmp_path / "demo.png")
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_no_figure_without_matplotlib(results, linears, tmp_path, monkeypatch):
    imported = builtins.__import__

    def absent(name, *rest, **named):
        if name == "matplotlib":
            raise ImportError(name)
        return imported(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    assert not screen.draw(results, tmp_path / "demo.png")
    assert "pip install" in screen.render(results, linears, tmp_path, drawn=False)


def test_what_does_not_run_says_why(linears, tmp_path):
    fc2 = linears[0]
    odd = [operands.Linear("fc2", fc2.x[:, :40], fc2.w[:, :40], fc2.dy)]
    results = experiment.Results()
    cases = [case for case in experiment.cases(["UFP4"]) if case.product == "fprop"]
    experiment.compile_all(odd, cases, results, lambda text: None)
    experiment.run(odd, cases, results)
    assert not results.rows and "fc2 UFP4 fprop: axis 1 has length 40, not a multiple of 16" in results.not_run
    text = screen.render(results, odd, tmp_path, drawn=True)
    assert "Not run: 2 products, such as fc2 UFP4 fprop: " in text and "Nothing ran." in text


def test_the_command_takes_a_folder(linears, tmp_path, monkeypatch, capsys):
    arrays = {name: getattr(linears[0], name).view(np.uint16) for name in ("x", "w", "dy")}
    assert main(["demo", str(tmp_path), "-o", str(tmp_path / "out")]) == 1
    assert "has no *_qkv.npz" in capsys.readouterr().err and not (tmp_path / "out").exists()
    for name in operands.NAMES:
        np.savez(tmp_path / f"layer8_{name}.npz", **arrays)
    every = experiment.cases
    monkeypatch.setattr(experiment, "cases", lambda: every(["UFP4"]))
    assert main(["demo", str(tmp_path), "-o", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    assert "x 64 x 64" in captured.out and "compile 6 programs .." in captured.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"demo.json", "demo.png"}
