"""qd.tune: what is chosen, where it is kept, who uses it, and that no bit depends on it. Times are made up."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import quadrille as qd
from quadrille import plan_files

pytestmark = pytest.mark.compiler

tuning = sys.modules["quadrille.tune"]  # the package has the function under that name
WANTED = {"elements_per_lane": 32}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("QUADRILLE_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def seconds(monkeypatch):
    """seconds(function of knobs): how long calls seem to take. By default WANTED is the fastest."""

    def use(of):
        monkeypatch.setattr(tuning._Tuner, "_measure", lambda self, candidate: of(candidate.knobs))

    use(lambda knobs: 1.0 if knobs == WANTED else 2.0)
    return use


def quantizer(fmt="UFP4_B", **options):
    return qd.jit(lambda x: qd.quantize(x, fmt, **options), target="host")


def knobs_of(function, *args) -> dict:
    (kernel,) = function.explain(*args).kernels
    return {name: value for name, value in kernel.items() if name != "name"}


def test_the_fastest_becomes_the_plan(seconds, matrix):
    x, f = matrix(32, 512), quantizer(rht=qd.RHT(16, seed=0))
    before, default = f(x), knobs_of(f, x)
    report = qd.tune(f, x)
    assert report.chosen.knobs == WANTED != default and report.speedup == 2
    assert len(report.candidates) == 4 and not any(candidate.why for candidate in report.candidates)
    content = json.loads(open(report.file).read())
    assert content["knobs"] == WANTED and content["format"] == plan_files.FORMAT
    assert knobs_of(f, x) == WANTED
    assert qd.bit_identical(f(x), before)
    text = str(report)
    assert "on host: 4 candidates, 0 refused" in text and "elements_per_lane 32: 1000000.0 us (2.00x)" in text
    assert report.file in text


def test_other_functions_find_the_plan_of_their_program(seconds, matrix):
    x = matrix(32, 512)
    qd.tune(quantizer(), x)
    assert knobs_of(quantizer(), x) == WANTED
    assert knobs_of(quantizer("UFP4"), x) != WANTED
    assert "elements_per_lane = 32" in quantizer().lower(x, stage="tile")
    assert "quad.tuning" not in quantizer().lower(x, stage="trace")


def test_another_process_uses_the_plan(seconds, matrix, cache):
    source = "import numpy as np, quadrille as qd\n\n\n@qd.jit\ndef f(x):\n    return qd.quantize(x, 'MXFP4')\n"
    (cache / "program.py").write_text(source)
    script = "import json, numpy as np, program\nx = np.ones((4, 64), 'f4')\n"
    script += "print(json.dumps([program.f.explain(x).kernels, program.f(x).codes.tolist()]))"

    def run():
        environment = {**os.environ, "QUADRILLE_INTERPRET": "0", "PYTHONPATH": ":".join(sys.path)}
        return json.loads(subprocess.check_output([sys.executable, "-c", script], cwd=cache, env=environment))

    (kernel,), codes = run()
    assert kernel["elements_per_lane"] == 16
    f = qd.jit(lambda x: qd.quantize(x, "MXFP4"), target="host")
    f.__name__ = "f"
    report = qd.tune(f, np.ones((4, 64), "f4"))
    assert report.chosen.knobs == WANTED
    (kernel,), tuned = run()
    assert kernel["elements_per_lane"] == 32 and tuned == codes


KEY = qd.Key(3)
PROGRAMS = {
    "noise": lambda x: qd.quantize(x, "UFP4_B", rht=qd.RHT(16, seed=1), rounding=qd.stochastic(KEY)),
    "HIF4": lambda x: qd.quantize(x, "HIF4", pad=True),
    "NVFP4": lambda x: qd.quantize(x, "NVFP4", rht=qd.RHT(64, seed=1)),
    "column": lambda x: qd.quantize(x, "MXFP4", axis=0, rht=qd.RHT(32, seed=1)),
    "pair": lambda x: qd.quantize_pair(x, "UFP4_B", rht=qd.RHT(16, seed=1)),
    "back": lambda x: qd.dequantize(qd.quantize(x, "UFP4_B"), dtype="bf16"),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_no_bit_depends_on_a_knob(name, monkeypatch, matrix):
    """Sizes that no tile divides."""
    monkeypatch.setattr(tuning._Tuner, "_measure", lambda self, candidate: 1.0)
    report = qd.tune(qd.jit(PROGRAMS[name], target="host"), matrix(64, 1344))
    assert len(report.candidates) > 3 and not any(candidate.why for candidate in report.candidates)
    assert report.chosen is report.default


def test_knobs_of_different_kernels_are_tried_one_after_the_other(seconds, matrix):
    wanted = WANTED | {"column_elements_per_lane": 32, "column_reach": 64}
    seconds(lambda knobs: 4.0 - sum(wanted[name] == value for name, value in knobs.items()) / 2)

    @qd.jit(target="host")
    def f(x, y):
        return qd.quantize(x, "UFP4_B"), {"column": qd.quantize(y, "UFP4_B", axis=0)}

    report = qd.tune(f, matrix(32, 512), matrix(32, 64))
    assert report.chosen.knobs == wanted and len(report.candidates) == 4 + 9  # not 4 * 9


def test_what_is_not_clearly_faster_is_not_chosen(seconds, matrix):
    seconds(lambda knobs: 0.99 if knobs else 1.0)
    x, f = matrix(32, 512), quantizer()
    report = qd.tune(f, x)
    assert report.chosen is report.default and report.speedup == 1
    assert json.loads(open(report.file).read())["knobs"] == {}
    times = itertools.chain([1.0], itertools.repeat(0.5))  # a first time that was wrong
    seconds(lambda knobs: next(times))
    assert qd.tune(f, x).chosen.knobs == {}


def test_only_measuring_leaves_calls_as_they_are(seconds, matrix, cache):
    x, f = matrix(32, 512), quantizer()
    report = qd.tune(f, x, save=False)
    assert report.chosen.knobs == WANTED and report.file is None and not (cache / "plans").exists()
    assert knobs_of(f, x) != WANTED


def test_without_a_cache_the_plan_is_this_processs(seconds, matrix, monkeypatch):
    monkeypatch.setenv("QUADRILLE_CACHE_DIR", "")
    x, f = matrix(32, 512), quantizer()
    assert qd.tune(f, x).file is None and knobs_of(f, x) == WANTED
    assert knobs_of(quantizer(), x) != WANTED


def test_a_plan_that_cannot_be_written_is_a_warning(seconds, matrix, cache):
    (cache / "plans").write_text("a file where a folder should be")
    x, f = matrix(32, 512), quantizer()
    with pytest.warns(UserWarning, match="no plan file is written"):
        report = qd.tune(f, x)
    assert report.file is None and knobs_of(f, x) == WANTED


@pytest.mark.parametrize(
    "content, why",
    [
        ("", "JSONDecodeError"),
        ('{"format": 1, "knobs"', "JSONDecodeError"),
        ("[1]", "TypeError"),
        ('{"format": 0, "knobs": {}}', "format 0, not 1"),
        ('{"format": 1, "knobs": {"elements_per_lane": "many"}}', "ValueError"),
        ('{"format": 1, "knobs": {"elements_per_lane": 24}}', "must be one of 8, 16, 32, 64, got 24"),
        ('{"format": 1, "knobs": {"stages": 2}}', 'has no \\"stages\\"'),
    ],
)
def test_a_plan_file_that_is_none_is_ignored_with_a_warning(seconds, matrix, content, why):
    x = matrix(32, 512)
    want, path = quantizer()(x), qd.tune(quantizer(), x).file
    open(path, "w").write(content)
    f = quantizer()
    with pytest.warns(UserWarning, match="the plan file .* is ignored") as caught:
        assert qd.bit_identical(f(x), want)
    assert why.replace("\\", "") in str(caught[0].message) and path in str(caught[0].message)
    assert knobs_of(f, x) != WANTED  # and no second warning


def test_what_would_give_other_bits_is_refused(seconds, matrix, monkeypatch):
    monkeypatch.setattr(tuning, "_same_bits", lambda a, b: False)
    report = qd.tune(quantizer(), matrix(32, 512))
    assert report.chosen is report.default
    assert "3 refused" in str(report) and "elements_per_lane 32: other bits than the default's" in str(report)


def test_what_the_compiler_refuses_is_skipped(seconds, matrix, monkeypatch):
    compiled = qd.JitFunction._compiled

    def refusing(self, traced, target, options=None, tuning=None):
        if (tuning or {}).get("elements_per_lane") == 32:
            raise qd.CompileError("too many registers")
        return compiled(self, traced, target, options, tuning)

    monkeypatch.setattr(qd.JitFunction, "_compiled", refusing)
    report = qd.tune(quantizer(), matrix(32, 512))
    assert report.chosen is report.default and "too many registers" in str(report)


def test_real_times_and_all_arguments(matrix, monkeypatch):
    """What a call reads and combines into, without made-up times."""
    monkeypatch.setattr(tuning, "_MEASUREMENT", 1e-4)
    monkeypatch.setattr(tuning, "_ROUNDS", 1)

    @qd.jit(target="host")
    def f(x, amax, scale, flags):
        return qd.quantize(x * scale, "NVFP4", amax=amax, flags=flags)

    x, amax, flags = matrix(16, 256, np.float32), np.full(1, 9, np.float32), np.zeros(1, np.int32)
    report = qd.tune(f, x, amax, 0.5, flags)
    assert all(candidate.seconds > 0 for candidate in report.candidates)
    assert qd.bit_identical(f(x, amax, 0.5, flags), f.reference(x, amax, 0.5, flags))


def test_errors_say_what_would_work(matrix):
    x = matrix(16, 64)
    with pytest.raises(qd.ArgumentError, match="is not a jitted function"):
        qd.tune(lambda x: x, x)
    with pytest.raises(qd.ArgumentError, match="got a spec"):
        qd.tune(quantizer(), qd.spec("bf16[M,64]"))
    with pytest.raises(qd.UnsupportedError, match="nothing to tune"):
        qd.tune(qd.jit(lambda x: qd.quantize(x, "UFP4"), target="interpret"), x)
    with pytest.raises(qd.UnsupportedError, match="has one implementation on host: nothing to tune"):
        qd.tune(qd.jit(lambda q: qd.matmul(q, q.T, dtype="f32"), target="host"), qd.quantize(x, "UFP4_B"))

    @qd.jit(target="host")
    def outer(x):
        qd.tune(quantizer(), x)
        return qd.quantize(x, "UFP4")

    with pytest.raises(qd.UnsupportedError, match="a function is being traced"):
        outer(x)
