"""The printer: texts that quad-opt accepts, equal where one compilation serves."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import quadrille as qd

RHT = qd.RHT(32, seed=4)
KEY = qd.Key(1)


@qd.scale_rule
def rule(block):
    half = abs(block).max() / 2
    return qd.where(half < 1, qd.round_to_scale(half), qd.sqrt((block * block).sum()))


OWN = qd.format("OWN", qd.grid("own", [0.1, -3, 1e-7, 6e4, 5], qmax=0.75), [qd.level(32, "bf16", rule=rule, bits=5)])


def everything(x, y, w, bias, acc, base):
    scaled = qd.quantize(x, "NVFP4", rht=RHT, amax=qd.amax(x, rht=RHT))
    row, col = qd.quantize_pair(y, OWN, rounding=qd.stochastic(KEY, bits=4, rounds=10), index_base=base, pad=True)
    square = qd.quantize(x, "NVFP4_16x16", rounding=qd.toward_zero)
    return {
        "own": (row, col.T, square),
        "plain": [qd.hadamard(x, RHT, axis=0), qd.dequantize(scaled, dtype="f16", undo_rht=True)],
        "product": qd.matmul(qd.quantize(y, "MXFP4"), w.T, bias=bias, acc=acc, exact=False, accum="f32", dtype="f32"),
    }


SPECS = ["bf16[M%16,64]", "f32[100,K%128]", "MXFP4[N,K%128]", "f32[N]", "f32[100,N]", "i64"]


def quad_opt() -> str | None:
    """The tool beside this build's package, or on the path."""
    beside = Path(qd.__file__).parent.parent.parent / "bin" / "quad-opt"
    return os.environ.get("QUADRILLE_QUAD_OPT") or (str(beside) if beside.exists() else shutil.which("quad-opt"))


@pytest.mark.skipif(quad_opt() is None, reason="quad-opt is not built")
@pytest.mark.parametrize("name", ["everything", *qd.formats])
def test_quad_opt_accepts_it(name):
    function, texts = everything, SPECS
    if name != "everything":
        function, texts = (lambda x: qd.quantize_pair(x, name, pad=True)), ["bf16[40,N]"]
    text = qd.jit(function).lower(*map(qd.spec, texts), stage="trace")
    run = subprocess.run([quad_opt(), "-"], input=text, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr + text


def test_operations_and_hints_are_spelled_as_documented():
    text = qd.jit(everything).lower(*map(qd.spec, SPECS), stage="trace")
    for part in [
        '#own = #quad.format<"OWN", grid = lut<"own", [0.10000000149011612, -3.0, ',
        "levels = [<1x32, bf16, @rule_0, bits = 5>]>",
        "%x: tensor<?x64xbf16> {quad.divisible_by = array<i64: 16, 1>, quad.unit_stride = 1 : i64, "
        "quad.alignment = 16 : i64, quad.stride_divisible_by = array<i64: 8, 1>}",
        "%w: !quad.tensor<?x?, #mxfp4, axis = 1> {quad.divisible_by = array<i64: 1, 128>, quad.alignment = 16 : i64}",
        "quad.amax %x signs(%signs0 : tensor<32xf32>) {axis = 1 : i64} : tensor<?x64xbf16>",
        "amax(%v0) {axis = 1 : i64, rht = #rht32_1}",
        "rounding = #quad.stochastic<bits = 4, rounds = 10>, stream = 1 : i64, pad = true",
        "rounding = #quad.toward_zero",
        "axis = 1, padded = ?>",
        "axis = 0, padded = 128>",
        "bias(%bias : tensor<?xf32>) acc(%acc : tensor<100x?xf32>) "
        "{exact = false, accum = #quad.accum<f32>}",
    ]:
        assert part in text, part


def lowered(function, *arguments):
    return qd.jit(function).lower(*arguments, stage="trace")


def test_equal_texts_for_what_is_known_at_run_time():
    def f(x, rht, key, scale):
        return qd.quantize(x, "UFP4", rht=rht, rounding=qd.stochastic(key))

    x = np.ones((64, 128), np.float32)
    text = lowered(f, x, qd.RHT(16, seed=0), qd.Key(0), 1.0)
    assert text == lowered(f, np.ones((192, 256), np.float32), qd.RHT(16, seed=7), qd.Key(3), 2.0)
    assert text != lowered(f, x[:40], qd.RHT(16, seed=0), qd.Key(0), 1.0)
    assert text != lowered(f, x, qd.RHT(32, seed=0), qd.Key(0), 1.0)


def test_f32_numbers_survive():
    values = [float(np.float32(v)) for v in (1e-5, -3.4e4, 1 / 3, 5e-41 + 1, 0)]
    fmt = qd.format("DIGITS", qd.grid("digits", values), qd.level(16, "f32", qmax=12345.678))
    text = lowered(lambda x: qd.quantize(x, fmt), np.ones((1, 16), np.float32))
    inside = text[text.index("[") + 1 : text.index("]")]
    assert [float(v) for v in inside.split(", ")] == values
    assert f"qmax = {float(np.float32(12345.678))!r}" in text
