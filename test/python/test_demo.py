"""The demo on a slice of its sample."""

from __future__ import annotations

import json

import pytest
import quadrille as qd
from quadrille.demo import experiment, operands, screen

pytestmark = pytest.mark.compiler


@pytest.fixture(scope="module")
def linears():
    return [
        operands.Linear(l.name, l.x[:64, :64], l.w[:64, :64], l.dy[:64, :64]) for l in operands.load() if l.name == "fc2"
    ]


@pytest.fixture(scope="module")
def results(linears):
    return experiment.run(linears, formats=(qd.UFP4, qd.E2M1_REF))


def test_every_product_ran(results):
    assert not results.not_run and len(results.rows) == 2 * 2 * 3
    assert all(row.output_sqnr > 5 for row in results.rows)


def test_rotating_helps_the_uniform_grid_and_hurts_e2m1(results):
    def gain(fmt):
        plain, rotated = (results.find("fc2", fmt, rht, "fprop").operands["x"]["sqnr"] for rht in (False, True))
        return rotated - plain

    assert gain("UFP4") > 1 and gain("E2M1_REF") < 0


def test_interpreter_and_target_give_one_digest(results):
    assert set(results.digests) == {"interpreter", "host"} and len(set(results.digests.values())) == 1


def test_one_screen(results, linears, tmp_path):
    lines = screen.render(results, linears, tmp_path, drawn=False).splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    screen.write_json(results, tmp_path / "demo.json")
    assert len(json.loads((tmp_path / "demo.json").read_text())["rows"]) == len(results.rows)


def test_what_does_not_run_says_why(linears, tmp_path):
    fc2 = linears[0]
    odd = [operands.Linear("fc2", fc2.x[:, :40], fc2.w[:, :40], fc2.dy)]
    functions = experiment.compiled_products(experiment.recipe(qd.UFP4, True))
    with pytest.raises(qd.ShapeError, match="not a multiple of 16"):
        experiment.measure(odd[0], qd.UFP4, True, "fprop", functions["fprop"])
    results = experiment.Results(not_run=["fc2 fprop UFP4: why"], refusal="because", digests={"host": "0", "interpreter": "0"})
    assert results.find("fc2", "UFP4", True, "fprop") is None
    assert "1 products, such as fc2 fprop UFP4: why" in screen.render(results, odd, tmp_path)
