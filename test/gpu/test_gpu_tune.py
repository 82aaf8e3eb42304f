"""qd.tune on a GPU: every way to cut a kernel gives the same bits, and what is chosen is used."""

from __future__ import annotations

import json

import pytest
from machine import KEY, assert_same, normal, qd, to_gpu, torch

RHT = qd.RHT(32, seed=4)
PROGRAMS = {
    "row": lambda x: qd.quantize(x, "UFP4_B", rht=qd.RHT(16, seed=4)),
    "noise": lambda x: qd.quantize(x, "MXFP4", rht=RHT, rounding=qd.stochastic(KEY)),
    "column": lambda x: qd.quantize(x, "MXUF4", axis=0, rht=RHT),
    "pair": lambda x: qd.quantize_pair(x, "UFP4_B", rht=RHT),
    "back": lambda x: qd.dequantize(qd.quantize(x, "NVFP4"), dtype="bf16"),
}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("QUADRILLE_CACHE_DIR", str(tmp_path))


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_no_bit_depends_on_a_plan(name):
    f, x = qd.jit(PROGRAMS[name]), to_gpu(normal(1000, 4128 if name != "column" else 4100)[:992])
    report = qd.tune(f, x)
    assert [str(c) for c in report.candidates if "other bits" in c.why] == []
    assert sum(not c.why for c in report.candidates) > 1, str(report)
    assert json.load(open(report.file))["knobs"] == report.chosen.knobs
    for kernel in f.explain(x).kernels:
        used = {knob: value for knob, value in kernel.items() if knob in report.chosen.knobs}
        assert used.items() <= report.chosen.knobs.items()
    assert_same(f(x), f.reference(x), name)
    again = qd.jit(PROGRAMS[name])  # by the plan file
    assert_same(again(x), f(x), name)
    assert again.explain(x).kernels == f.explain(x).kernels


def test_not_in_a_capture():
    f, x = qd.jit(PROGRAMS["row"]), to_gpu(normal(64, 256))
    f.warmup(x)
    torch.cuda.synchronize()
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        with pytest.raises(qd.UnsupportedError, match="being captured, and this call has qd.tune") as raised:
            qd.tune(f, x)
        f(x)
    assert "qd.tune before the capture" in str(raised.value)
