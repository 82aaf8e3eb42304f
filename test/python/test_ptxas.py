"""NVIDIA's own assembler takes the kernels of every NVIDIA target, and their PTX rounds as docs/numerics.md says."""

from __future__ import annotations

import functools
import itertools
import os
import pathlib
import re
import shutil
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import quadrille as qd
from quadrille import ops
from quadrille.jit import JitFunction

PTXAS = os.environ.get("QUADRILLE_PTXAS", shutil.which("ptxas") or "")
TARGETS = ["sm_80", "sm_89", "sm_90a", "sm_100a", "sm_103a", "sm_120a"]
DTYPES = ["bf16", "f32", "f16"]
KEY = qd.Key(7)

pytestmark = pytest.mark.compiler
needs_ptxas = pytest.mark.skipif(not PTXAS, reason="no ptxas in QUADRILLE_PTXAS or PATH: kernels are not assembled")

FACTORS = {
    "target": TARGETS,
    "format": list(qd.formats),
    "kernel": ["row", "column", "pair", "dequantize"],
    "rounding": ["even", "away", "zero", "noise4", "noise8", "noise16"],
    "rht": [None, 16, 32, 64, 128, 256],
    "dtype": DTYPES,
    "memory": ["aligned", "anywhere", "transposed", "padded"],
}
ROUNDINGS = {
    "even": qd.nearest_even,
    "away": qd.nearest_away,
    "zero": qd.toward_zero,
    "noise4": qd.stochastic(KEY, bits=4, rounds=10),
    "noise8": qd.stochastic(KEY, bits=8, rounds=7),
    "noise16": qd.stochastic(KEY, bits=16, rounds=7),
}


def allowed(case: dict) -> bool:
    """Blocks of several rows have no transform; the rest goes together. Of a part of a case too."""
    return not (case.get("rht") and qd.formats[case.get("format", "UFP4")].block_rows > 1)


def all_pairs(factors: dict[str, list]) -> list[dict]:
    """Cases in which any two values of two factors meet, wherever that is allowed."""
    values = [[(name, value) for value in factors[name]] for name in factors]
    pairs = (pair for a, b in itertools.combinations(values, 2) for pair in itertools.product(a, b))
    waiting = {pair: None for pair in pairs if allowed(dict(pair))}  # a set that keeps its order
    used, cases = Counter(), []
    while waiting:
        case = dict(next(iter(waiting)))
        for choices in values:
            if choices[0][0] not in case:
                possible = [entry for entry in choices if allowed(case | dict([entry]))]
                news = {entry: sum(_pair(entry, other) in waiting for other in case.items()) for entry in possible}
                case |= [max(possible, key=lambda entry: (news[entry], -used[entry]))]
        for a, b in itertools.combinations(case.items(), 2):
            waiting.pop(_pair(a, b), None)
        used.update(case.items())
        cases.append(case)
    return cases


def _pair(a: tuple, b: tuple) -> tuple:
    order = list(FACTORS)
    return (a, b) if order.index(a[0]) < order.index(b[0]) else (b, a)


def quantizer(case: dict):
    """(function, spec) of a case."""
    fmt, dtype, pad = case["format"], case["dtype"], case["memory"] == "padded"
    rht = qd.RHT(case["rht"], seed=0) if case["rht"] else None
    if case["kernel"] == "dequantize":
        q = qd.spec(f"{fmt}[M,8192]", rht=rht, aligned=case["memory"] == "aligned")
        return lambda q: qd.dequantize(q, dtype=dtype, undo_rht=rht is not None), q
    options = dict(rht=rht, rounding=ROUNDINGS[case["rounding"]], pad=pad)
    x = qd.spec(f"{dtype}[M,N]" if pad else f"{dtype}[M%256,N%256]", aligned=case["memory"] != "anywhere")
    if case["memory"] == "transposed":
        x = replace(x, unit_stride=0, stride_divisors=x.stride_divisors[::-1])
    if case["kernel"] == "pair":
        return lambda x: qd.quantize_pair(x, fmt, **options), x
    return lambda x: qd.quantize(x, fmt, axis=0 if case["kernel"] == "column" else 1, **options), x


@qd.scale_rule
def four_over_six(block):
    amax = abs(block).max()
    scales = [qd.round_to_scale(amax / top) for top in (6.0, 4.0)]
    errors = [block - qd.round_to_grid(block / scale) * scale for scale in scales]
    six, four = [(error * error).sum() for error in errors]
    return qd.where(four < six, scales[1], scales[0])


RULED = qd.format("RULED", qd.e2m1, [qd.level(16, "e4m3", rule=four_over_six), qd.level("tensor", "f32", qmax=1536)])
OWN = qd.format("OWN", qd.grid("own", [0.1, -3.0, 0.0, 2.5, 1.0, -0.25]), [qd.level("4x32", "ue5m3", rule="up")])


def without_a_format(number: int) -> dict[str, tuple]:
    """What does not go by the named formats, sizes and types taking turns with the target's number."""
    rht, dtype = qd.RHT([16, 32, 64, 128, 256][number % 5], seed=0), DTYPES[number % 3]
    x = qd.spec(f"{dtype}[M%256,N%256]")
    bytewise = ["MXUF4", "NVFP4", "NVINT4", "MXFP4", "MXINT4"][number % 5]
    blocked, plain = (qd.spec(f"{bytewise}[M,8192]", scale_layout=l) for l in ("blocked128x4", "row_major"))
    words = dict(amax_out=qd.spec("f32[1]"), flags=qd.spec("i32[1]"))
    return {
        "amax": (lambda x: qd.amax(x, rht=rht, axis=number % 2), x),
        "hadamard": (lambda x: qd.hadamard(x, rht, axis=number % 2), x),
        f"{bytewise} with blocked scales": (lambda x: qd.quantize(x, bytewise, scale_layout="blocked128x4"), x),
        f"layout of {bytewise}'s scales, to blocked": (lambda q: ops._scales.__wrapped__(q, "blocked128x4"), plain),
        f"layout of {bytewise}'s scales, from blocked": (lambda q: ops._scales.__wrapped__(q, "row_major"), blocked),
        f"{bytewise} in a carrier": (lambda q: qd.to_carrier(q), plain),
        "bf16 carrier": (lambda q: qd.to_carrier(q, "bf16"), qd.spec("UFP4_B[M,8192]")),
        "a user's scale rule": (lambda x: qd.quantize(x, RULED, axis=number % 2), x),
        "a user's grid": (lambda x: qd.quantize(x, OWN, rounding=ROUNDINGS["noise8"]), x),
        "delayed scale": (
            lambda x, a, amax_out, flags: qd.quantize(x, "NVFP4", rht=rht, amax=a, amax_out=amax_out, flags=flags),
            x, qd.spec("f32[1]"), *words.values(),
        ),
        "fused elementwise code": (lambda x: qd.quantize_pair(qd.gelu(x), "UFP4_B", rht=rht), x),
    }  # fmt: skip


def programs(target: str):
    """(what, function, specs) of all programs of a target."""
    for case in all_pairs(FACTORS):
        if case["target"] == target:
            yield ", ".join(str(v) for n, v in case.items() if n != "target"), *quantizer(case)
    for what, program in without_a_format(TARGETS.index(target)).items():
        yield what, *program


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
    cases = all_pairs(FACTORS)
    for a, b in itertools.combinations(FACTORS, 2):
        met = {(case[a], case[b]) for case in cases}
        pairs = itertools.product(FACTORS[a], FACTORS[b])
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
        jobs = [pool.submit(problem, tmp_path / f"{n}.ptx", target, *p) for n, p in enumerate(programs(target))]
        problems = [found for found in (job.result() for job in jobs) if found]
    assert not problems, "\n".join(problems)


@needs_ptxas
def test_what_the_assembler_refuses_is_a_problem(tmp_path, monkeypatch):
    program = next(programs("sm_90a"))
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
