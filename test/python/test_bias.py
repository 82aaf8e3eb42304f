"""quadrille.bias: formulas in closed form, Monte-Carlo, files and the command."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from hypothesis import given, settings
from hypothesis import strategies as st
from quadrille import bias, cli


def test_expected_errors_are_the_papers():
    """arXiv 2606.20381, section 3: -1/8 at 2 and -1/4 at 4 of E2M1, nothing within a uniform grid."""
    e2m1 = bias.expected_error(qd.e2m1)
    assert e2m1 == {0: None, 0.5: 0, 1: 0, 1.5: 0, 2: -0.125, 3: 0, 4: -0.25, 6: None}
    assert set(bias.expected_error(qd.e1m2).values()) == {None, 0.0}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=3, max_size=7, unique=True))
def test_expected_errors_are_means_over_uniform_bins(steps):
    levels = [0.0, *sorted(v / 8 for v in steps)]
    for below, (q, expected) in zip(levels, list(bias.expected_error(levels).items())[1:-1]):
        above = levels[levels.index(q) + 1]
        t = np.linspace((below + q) / 2, (q + above) / 2, 100001)
        assert abs(float((q - t).mean()) - expected) < 1e-4


def test_dense_blocks_meet_the_expected_errors():
    rng = np.random.default_rng(0)
    x = rng.uniform(-6, 6, (2000, 64)).astype(np.float32)
    x[:, ::16] = 6  # every block has the scale 1
    found = bias.analyse(x, "E2M1_REF")
    for b in found.bins:
        if b.expected is not None:
            assert abs(b.measured - b.expected) < 0.01
    assert abs(sum(b.share for b in found.bins) - 1) < 1e-9
    assert abs(sum(b.share * b.measured for b in found.bins) - found.bias) < 1e-9


@pytest.mark.parametrize("name", ["UFP4", "NVFP4", "HIF4", "NVFP4_16x16"])
def test_alpha_is_the_projection(name):
    x = np.random.default_rng(1).standard_normal((64, 128)).astype(np.float32)
    value = qd.dequantize(qd.quantize(x, name)).astype(np.float64)
    found = bias.analyse(x, name)
    assert found.alpha == pytest.approx((x * value).sum() / (x.astype(np.float64) ** 2).sum(), rel=1e-6)
    assert 0 < found.bucket_ratio <= 1


def test_a_transform_helps_the_uniform_grid_and_not_e2m1():
    """Rows with an outlier in each block, as after an activation: the paper's reversal."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((256, 256)).astype(np.float32)
    x[:, ::16] *= 12
    report = bias.report({"x": x}, ["UFP4", "E2M1_REF"])
    uniform, e2m1 = report.pairs
    assert report.gain(uniform) > 2 > 0 > report.gain(e2m1)
    assert e2m1[1].bias < uniform[1].bias


def test_depth_multiplies(tmp_path):
    rng = np.random.default_rng(3)
    matrices = {str(i): rng.standard_normal((32, 64)).astype(np.float32) for i in range(3)}
    report = bias.report(matrices, ["MXFP4", "NVFP4_16x16"])
    of = [a.alpha for a, _ in report.pairs if a.format == "MXFP4"]
    assert report.depth()["MXFP4"][0] == pytest.approx(np.prod(of))
    assert report.depth()["NVFP4_16x16"][1] is None


def test_the_command_writes_what_it_finds(tmp_path, capsys):
    x = np.random.default_rng(4).standard_normal((32, 64)).astype(ml_dtypes.bfloat16)
    np.save(tmp_path / "a.npy", x.astype(np.float32))
    np.savez(tmp_path / "b.npz", x=x.view(np.uint16), other=np.zeros(3))
    arguments = ["bias", str(tmp_path / "a.npy"), str(tmp_path / "b.npz"), "--formats", "UFP4", "MXFP4"]
    assert cli.main([*arguments, "--json", str(tmp_path / "o.json"), "--html", str(tmp_path / "o.html")]) == 0
    text, found = capsys.readouterr().out, json.loads((tmp_path / "o.json").read_text())
    assert "b:x" in text and "product of alphas" in text and len(found["matrices"]) == 4
    first = {m["plain"]["matrix"]: m["plain"]["alpha"] for m in found["matrices"] if m["plain"]["format"] == "UFP4"}
    assert first["a"] == first["b:x"]
    assert "<svg" in (tmp_path / "o.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no matrix is given"),
        (["none.npy"], "no file"),
        (["--model", "nowhere:f"], "no function"),
    ],
)
def test_errors_of_the_command(arguments, says, capsys):
    assert cli.main(["bias", *arguments]) != 0
    assert says in capsys.readouterr().err


def test_operands_of_a_model(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    (tmp_path / "a_model.py").write_text(
        "import torch\n\ndef make():\n    return torch.nn.Linear(32, 16), (torch.randn(8, 32),)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = bias.of_model("a_model:make")
    assert {name: m.shape for name, m in found.items()} == {".x": (8, 32), ".w": (16, 32), ".dy": (8, 16)}
    assert torch is not None
