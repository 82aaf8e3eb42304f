"""NVIDIA's own assembler takes the kernels of every NVIDIA target, and their PTX rounds as docs/numerics.md says."""

from __future__ import annotations

import functools
import itertools
import os
import pathlib
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import quadrille as qd
from pairs import all_pairs
from programs import allowed, factors, programs
from quadrille.jit import JitFunction

PTXAS = os.environ.get("QUADRILLE_PTXAS", shutil.which("ptxas") or "")
TARGETS = ["sm_80", "sm_89", "sm_90a", "sm_100a", "sm_103a", "sm_120a"]

pytestmark = pytest.mark.compiler
needs_ptxas = pytest.mark.skipif(not PTXAS, reason="no ptxas in QUADRILLE_PTXAS or PATH: kernels are not assembled")

#: Instructions that round, with the types whose rounding PTX lets one choose.
ROUNDS = re.compile(r"^\s*(?:@\S+\s+)?((?:add|sub|mul|fma|div|rcp|sqrt)\.[\w.]*\b(?:f32|f64|f16|bf16)(?:x2)?)\s", re.M)
#: Programs that compute with bits alone, in all formats or some.
MAY_BE_INTEGERS = re.compile("^layout| in a carrier$")
NARROWS = re.compile(r"\b(cvt\.[\w.]*\b(?:bf16|f16|bf16x2|f16x2)\.f32)\b")


def roundings(ptx: str) -> list[str]:
    return ROUNDS.findall(ptx) + NARROWS.findall(ptx)


def broken_promises(ptx: str) -> list[str]:
    """Instructions that are not one rounding to nearest even with subnormals: the assembler may fuse `mul.f32`."""
    return [i for i in roundings(ptx) if ".rn" not in i] + re.findall(r"\w[\w.]*\.(?:ftz|approx|full)\b[\w.]*", ptx)


@pytest.mark.parametrize(
    "line, found",
    [
        ("\tmul.rn.f32 \t%f1, %f2, %f3;", False),
        ("\tfma.rn.f32 \t%f1, %f2, %f3, %f4;", False),
        ("\tadd.s32 \t%r1, %r2, %r3;", False),
        ("\tcvt.rn.bf16x2.f32 \t%r1, %f1, %f2;", False),
        ("\tmul.f32 \t%f1, %f2, %f3;", True),
        ("\t@%p1 add.f32 \t%f1, %f2, %f3;", True),
        ("\tsub.rz.f32 \t%f1, %f2, %f3;", True),
        ("\tmul.rn.ftz.f32 \t%f1, %f2, %f3;", True),
        ("\tdiv.approx.f32 \t%f1, %f2, %f3;", True),
        ("\tdiv.full.f32 \t%f1, %f2, %f3;", True),
        ("\tcvt.rz.bf16.f32 \t%rs1, %f1;", True),
        ("\tmax.ftz.f32 \t%f1, %f2, %f3;", True),
    ],
)
def test_what_a_broken_promise_is(line, found):
    assert bool(broken_promises(line)) == found


def test_any_two_values_meet():
    choices = factors(TARGETS)
    cases = all_pairs(choices, allowed)
    for a, b in itertools.combinations(choices, 2):
        met = {(case[a], case[b]) for case in cases}
        pairs = itertools.product(choices[a], choices[b])
        assert met == {(x, y) for x, y in pairs if allowed({a: x, b: y})}, (a, b)


@functools.cache
def architectures() -> set[str]:
    """What this machine's ptxas assembles for."""
    listing = subprocess.run([PTXAS, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"'(sm_\w+)'", listing))


def problem(path: pathlib.Path, target: str, what: str, function, *arguments) -> str | None:
    """What is wrong with a program, or None; its PTX goes to `path`."""
    ptx = qd.jit(function).lower(*arguments, target=target, stage="asm")
    path.write_text(ptx)
    if broken := broken_promises(ptx):
        return f"{what}: {', '.join(sorted(set(broken)))}"
    if ".entry" not in ptx or not (roundings(ptx) or MAY_BE_INTEGERS.search(what)):
        return f"{what}: this is no kernel of it"
    code = path.with_suffix(".cubin")
    run = subprocess.run([PTXAS, f"-arch={target}", str(path), "-o", str(code)], capture_output=True, text=True)
    return None if run.returncode == 0 and code.exists() else f"{what}: {run.stderr.strip()}"


@needs_ptxas
@pytest.mark.parametrize("target", TARGETS)
def test_every_kernel_assembles(target, tmp_path):
    if target not in architectures():
        pytest.skip(f"{PTXAS} does not know {target}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(problem, tmp_path / f"{n}.ptx", target, *p) for n, p in enumerate(programs(target, TARGETS))]
        problems = [found for found in (job.result() for job in jobs) if found]
    assert not problems, "\n".join(problems)


@needs_ptxas
def test_what_the_assembler_refuses_is_a_problem(tmp_path, monkeypatch):
    program = next(programs("sm_90a", TARGETS))
    monkeypatch.setattr(JitFunction, "lower", lambda *_, **__: REFUSED)
    assert "unknown_instruction" in problem(tmp_path / "0.ptx", "sm_90a", *program)


REFUSED = """.version 7.8
.target sm_90a
.address_size 64
.visible .entry kernel()
{
  .reg .f32 %f<3>;
  add.rn.f32 %f1, %f2, %f2;
  unknown_instruction %f1;
}
"""
