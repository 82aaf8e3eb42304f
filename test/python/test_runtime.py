"""quadrille._core.runtime: the compiler's client and loaded programs, below the public API."""

import shutil
import sys
import threading

import numpy as np
import pytest

_core = pytest.importorskip("quadrille._core")
runtime = getattr(_core, "runtime", None)
pytestmark = pytest.mark.skipif(runtime is None, reason="built without the compiler")

# out[i] = x[i] * x[i] + addend, along a strided row; the key's low half goes to `low`.
SCHEDULE = r"""quadrille-schedule 1
arg buffer rank=1 itemsize=4
arg f32
arg i64
arg buffer rank=1 itemsize=4 out
arg buffer rank=1 itemsize=8 out
kernel square
%0 = dim 0 0
%1 = stride 0 0
%2 = const 1
%3 = dim 3 0
%4 = eq %0 %3
check %4 the result must be as long as x
launch square %0 %2 @0 %1 @1 @2 @3 @4
"""

MODULE = """module attributes {quadrille.schedule = "SCHEDULE"} {
  llvm.func @square(%slots: !llvm.ptr, %x0: i64, %x1: i64, %y0: i64, %y1: i64) {
    %one = llvm.mlir.constant(1 : i64) : i64
    %s1 = llvm.getelementptr %slots[8] : (!llvm.ptr) -> !llvm.ptr, i8
    %s2 = llvm.getelementptr %slots[16] : (!llvm.ptr) -> !llvm.ptr, i8
    %s3 = llvm.getelementptr %slots[24] : (!llvm.ptr) -> !llvm.ptr, i8
    %s4 = llvm.getelementptr %slots[32] : (!llvm.ptr) -> !llvm.ptr, i8
    %s5 = llvm.getelementptr %slots[40] : (!llvm.ptr) -> !llvm.ptr, i8
    %in = llvm.load %slots : !llvm.ptr -> !llvm.ptr
    %stride = llvm.load %s1 : !llvm.ptr -> i64
    %addend = llvm.load %s2 : !llvm.ptr -> f32
    %key = llvm.load %s3 : !llvm.ptr -> i64
    %out = llvm.load %s4 : !llvm.ptr -> !llvm.ptr
    %key_out = llvm.load %s5 : !llvm.ptr -> !llvm.ptr
    llvm.br ^loop(%x0 : i64)
  ^loop(%x: i64):
    %more = llvm.icmp "slt" %x, %x1 : i64
    llvm.cond_br %more, ^body, ^exit
  ^body:
    %offset = llvm.mul %x, %stride : i64
    %pi = llvm.getelementptr %in[%offset] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %v = llvm.load %pi : !llvm.ptr -> f32
    %v2 = llvm.fmul %v, %v : f32
    %r = llvm.fadd %v2, %addend : f32
    %po = llvm.getelementptr %out[%x] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    llvm.store %r, %po : f32, !llvm.ptr
    llvm.store %key, %key_out : i64, !llvm.ptr
    %next = llvm.add %x, %one : i64
    llvm.br ^loop(%next : i64)
  ^exit:
    llvm.return
  }
}
""".replace("SCHEDULE", SCHEDULE.replace("\n", r"\0A"))

CRASH = """llvm.func @conflict(%p: !llvm.ptr) {
  %a = llvm.load %p : !llvm.ptr -> vector<16xi32>
  %d = llvm.call_intrinsic "llvm.x86.avx512.conflict.d.512"(%a) : (vector<16xi32>) -> vector<16xi32>
  llvm.store %d, %p : vector<16xi32>, !llvm.ptr
  llvm.return
}
"""


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runtime")
    return runtime.Compiler(cache_dir=str(directory / "cache"), reproducer_dir=str(directory))


@pytest.fixture(scope="module")
def program(compiler):
    result = compiler.compile(MODULE, "host", "object")
    assert result["failure"] == "", result["diagnostics"]
    return runtime.Program(result["output"], result["schedule"])


def call(program, x, addend=0.5, key=7, out=None):
    out = np.empty(len(x), np.float32) if out is None else out
    low = np.empty(1, np.uint64)
    program(x, addend, key, out, low)
    return out, int(low[0])


def square(x, addend=0.5):
    return x * x + np.float32(addend)


@pytest.mark.parametrize("size", [1, 17, 100_000])
def test_runs(program, size):
    x = np.random.default_rng(0).standard_normal(size, np.float32)
    out, _ = call(program, x)
    np.testing.assert_array_equal(out, square(x))


def test_any_stride_and_no_copy(program):
    base = np.arange(60, dtype=np.float32).reshape(6, 10)
    for x in (base[:, 3], base[2, ::-1], base[::2, 9], np.broadcast_to(base[0, 5], 4)):
        np.testing.assert_array_equal(call(program, x)[0], square(x))


def test_buffers_of_other_kinds(program):
    x = np.arange(8, dtype=np.float32)
    for view in (memoryview(x), (x.ctypes.data, (8,), (1,))):
        np.testing.assert_array_equal(call(program, view, out=np.empty(8, np.float32))[0][: len(x)], square(x))
    out = bytearray(32)
    call(program, x, out=memoryview(out).cast("f"))
    np.testing.assert_array_equal(np.frombuffer(out, np.float32), square(x))


def test_a_list_stands_for_its_elements(program):
    x, out, low = np.arange(8, dtype=np.float32), np.empty(8, np.float32), np.empty(1, np.uint64)
    program([x, [0.25]], 3, [out, low])
    np.testing.assert_array_equal(out, square(x, 0.25))
    assert low[0] == 3


@pytest.mark.parametrize("key", [0, -1, 2**63, 2**64 - 1, np.int64(-5), np.uint64(2**63 + 1)])
def test_integers_are_64_bits(program, key):
    assert call(program, np.ones(1, np.float32), key=key)[1] == int(key) % 2**64


def test_wrong_arguments(program):
    x = np.ones(4, np.float32)
    frozen = np.zeros(4, np.float32)
    frozen.flags.writeable = False
    low = np.zeros(1, np.uint64)
    cases = [
        (ValueError, "expected 5 arguments, got 2", (x, 1.0)),
        (ValueError, "expected 5 arguments, got 7", ([x, 1.0, 1], x, [low, low, 2])),
        (ValueError, "argument 0 must have elements of 4 bytes, got 8", (x.astype(np.float64), 1.0, 1, x, low)),
        (ValueError, "argument 0 must have rank 1, got 2", (x[None], 1.0, 1, x, low)),
        (ValueError, "argument 3 is written to, but is a read-only array", (x, 1.0, 1, frozen, low)),
        (ValueError, "the result must be as long as x", (x, 1.0, 1, x[:3], low)),
        (ValueError, "argument 0 must be .address, sizes, strides.", ((1, 2), 1.0, 1, x, low)),
        (ValueError, "as many strides as sizes", ((1, (4,), (1, 1)), 1.0, 1, x, low)),
        (TypeError, "bytes-like", (3, 1.0, 1, x, low)),
        (TypeError, "real number", (x, "one", 1, x, low)),
        (TypeError, "integer", (x, 1.0, 1.5, x, low)),
        (OverflowError, "too big", (x, 1.0, 2**64, x, low)),
        (OverflowError, "below", (x, 1.0, -(2**63) - 1, x, low)),
    ]
    for error, message, arguments in cases:
        with pytest.raises(error, match=message):
            program(*arguments)
    np.testing.assert_array_equal(frozen, 0)
    np.testing.assert_array_equal(low, 0)


def test_arguments_are_kept_by_nobody(program):
    x, low = np.ones(4, np.float32), np.zeros(1, np.uint64)
    before = sys.getrefcount(x)
    for _ in range(10):
        program(memoryview(x), 1.0, 1, x, low)
        with pytest.raises(ValueError):
            program(memoryview(x), 1.0, 1, x[:2], low)
    assert sys.getrefcount(x) == before


def test_many_threads(program):
    errors = []

    def work(seed):
        x = np.random.default_rng(seed).standard_normal(50_000, np.float32)
        for addend in range(20):
            if not np.array_equal(call(program, x, addend)[0], square(x, addend)):
                errors.append((seed, addend))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_statistics_and_declarations(program):
    x, low = np.ones(4, np.float32), np.zeros(1, np.uint64)
    assert program.run(x, 1.0, 1, x, low) == {"workspace_bytes": 0, "launches": 1}
    assert program.run(x[:0], 1.0, 1, x[:0], low)["launches"] == 0
    assert [a["kind"] for a in program.arguments] == ["buffer", "f32", "i64", "buffer", "buffer"]
    assert [a["out"] for a in program.arguments] == [False, False, False, True, True]


def test_results_come_back_from_disk(compiler, program, tmp_path):
    first = runtime.Compiler(cache_dir=str(tmp_path))
    made = first.compile(MODULE, "host", "object")
    again = runtime.Compiler(cache_dir=str(tmp_path))
    found = again.compile(MODULE, "host", "object")
    assert (made["cached"], found["cached"]) == (False, True)
    assert found["output"] == made["output"]
    assert found["schedule"] == made["schedule"]
    assert again.statistics()["helpers_started"] == 0
    # A torn file is compiled again.
    (entry,) = [p for p in tmp_path.iterdir() if p.stat().st_size > 1000]
    entry.write_bytes(entry.read_bytes()[:-100])
    assert not again.compile(MODULE, "host", "object")["cached"]
    assert again.compile(MODULE, "host", "object")["cached"]


def test_diagnostics(compiler):
    result = compiler.compile("llvm.func @f() {\n  llvm.return %b : i64\n}", "host", "object")
    assert result["failure"] == "invalid"
    (diagnostic,) = result["diagnostics"]
    assert diagnostic["severity"] == "error"
    assert (diagnostic["line"], diagnostic["column"]) == (2, 15)
    assert result["output"] == b""


@pytest.mark.parametrize("target, mark", [("host", "square:"), ("sm_90a", ".target sm_90a"), ("gfx942", "gfx942")])
def test_text_stages(compiler, target, mark):
    result = compiler.compile(MODULE, target, "asm")
    assert result["failure"] == ""
    assert mark in result["output"]


@pytest.mark.parametrize("ptxas", [None, ""])
def test_objects_for_nvidia(compiler, monkeypatch, ptxas):
    if ptxas is not None:
        monkeypatch.setenv("QUADRILLE_PTXAS", ptxas)
    found = None if ptxas == "" else shutil.which("ptxas")
    result = compiler.compile(MODULE, "sm_90a", "object")
    assert result["failure"] == "", result["diagnostics"]
    assert result["output"].startswith(b"\x7fELF") if found else b".target sm_90a" in result["output"]
    assert result["schedule"]


def test_the_cache_tells_assemblers_apart(monkeypatch, tmp_path):
    compiler = runtime.Compiler(cache_dir=str(tmp_path / "cache"))

    def compile(name, code):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nprintf {code} > $5\n")  # --gpu-name= --verbose INPUT --output-file OUTPUT
        path.chmod(0o755)
        monkeypatch.setenv("QUADRILLE_PTXAS", str(path))
        results = [compiler.compile(MODULE, "sm_90a", "object") for _ in range(2)]
        return [(r["output"], r["cached"]) for r in results]

    assert compile("one", "1") == [(b"1", False), (b"1", True)]
    assert compile("two", "2") == [(b"2", False), (b"2", True)]
    assert compile("one", "newer") == [(b"newer", False), (b"newer", True)]


def test_a_crash_is_a_result(compiler):
    result = compiler.compile(CRASH, "host:sse4", "object")
    assert result["failure"] == "crash"
    assert "LLVM ERROR" in result["diagnostics"][0]["message"]
    with open(result["reproducer"]) as file:
        assert file.read().endswith(CRASH)
    assert compiler.compile(MODULE, "host", "object")["failure"] == ""


def test_unloadable_objects(compiler):
    result = compiler.compile(MODULE, "host", "object")
    for output, schedule, target, message in [
        (b"junk", result["schedule"], "host", "valid object file"),
        (result["output"], "nonsense", "host", "quadrille-schedule 1"),
        (result["output"], result["schedule"].replace("kernel square", "kernel circle"), "host", "not declared"),
        (result["output"], result["schedule"].replace("square", "circle"), "host", "circle"),
        (result["output"], result["schedule"], "gfx942", "is not the host"),
        (result["output"], result["schedule"], "abacus", "unknown target"),
    ]:
        with pytest.raises(ValueError, match=message):
            runtime.Program(output, schedule, target)


def test_targets():
    cpu, features = runtime.resolve_target("host:avx512vnni")
    assert "+avx512vnni" in features.split(",")
    runtime.check_runs_here("host")
    with pytest.raises(ValueError, match="not the host"):
        runtime.check_runs_here("sm_90a")
