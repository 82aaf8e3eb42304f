"""AMD code objects of every target: each is the target's own instructions, in the specification's mode."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor

import machine_code
import pytest
import quadrille as qd
from programs import programs

TARGETS = ["gfx942", "gfx950", "gfx1100", "gfx1200", "gfx1250"]

pytestmark = pytest.mark.compiler
needs_tools = pytest.mark.skipif(
    machine_code.TOOLS is None, reason="LLVM 22's llvm-mc, llvm-objcopy and llvm-objdump are not installed"
)


@functools.cache
def code_object(target: str) -> bytes:
    return qd.jit(lambda x: qd.quantize(x, "MXUF4")).lower(qd.spec("bf16[M,4096]"), target=target, stage="object")


def problem(target: str, what: str, function, *arguments) -> str | None:
    """What is wrong with a program's code, or None."""
    code = qd.jit(function).lower(*arguments, target=target, stage="object")
    found = machine_code.problem(code, target)
    return found and f"{what}: {found}"


@needs_tools
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("target", TARGETS)
def test_every_kernel_is_its_targets(target):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [job.result() for job in [pool.submit(problem, target, *p) for p in programs(target, TARGETS)]]
    assert not any(found), "\n".join(filter(None, found))


@needs_tools
def test_code_of_another_target_is_a_problem():
    assert machine_code.problem(code_object("gfx942"), "gfx942") is None
    assert "not code of gfx1100" in machine_code.problem(code_object("gfx942"), "gfx1100")


@needs_tools
def test_another_mode_is_a_problem(monkeypatch):
    monkeypatch.setitem(machine_code.MODE, "float_denorm_mode_32", 0)
    assert machine_code.problem(code_object("gfx950"), "gfx950") == "a kernel's mode is not float_denorm_mode_32 0"


def test_kernels_are_named_in_the_metadata():
    assert code_object("gfx942")[:4] == b"\x7fELF" and b"quantize_row.kd" in code_object("gfx942")
