"""The command line, in this process."""

from __future__ import annotations

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from quadrille import listing
from quadrille.cli import main

SOURCE = """
import quadrille as qd
rht = qd.RHT(16, seed=0)

@qd.jit
def linear(x, w, axis=1):
    return qd.matmul(qd.quantize(x, qd.UFP4, rht=rht, axis=axis), qd.quantize(w, qd.UFP4, rht=rht).T)

def plain(x):
    return qd.quantize(x, "MXFP4")

def wrong(x):
    return qd.quantize(x, "MXFP4") if x else None
"""


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "user.py"
    path.write_text(SOURCE)
    return path


def save(path, x):
    np.save(path, x)
    return str(path)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("axis", ["row", "column", "both"])
def test_quantize(tmp_path, matrix, axis, dtype, capsys):
    x = matrix(32, 64, dtype)
    out = str(tmp_path / "out.safetensors")
    command = [
        "quantize",
        save(tmp_path / "in.npy", x),
        "-o",
        out,
        "--format",
        "UFP4",
        "--hadamard",
        "16",
        "--seed",
        "3",
    ]
    assert main([*command, "--axis", axis, "--target", "interpret"]) == 0
    rht = qd.RHT(16, seed=3)
    wanted = {a: qd.quantize(x, "UFP4", rht=rht, axis=i) for i, a in enumerate(("column", "row"))}
    loaded = qd.load(out)
    if axis == "both":
        assert qd.bit_identical(loaded[0], wanted["row"]) and qd.bit_identical(loaded[1], wanted["column"])
    else:
        assert qd.bit_identical(loaded, wanted[axis])
    captured = capsys.readouterr()
    assert "SQNR" in captured.out and "quantize 32 x 64" in captured.err


def test_quantize_stochastic_signs_and_bits(tmp_path, matrix, capsys):
    x, signs = matrix(16, 64), np.where(np.arange(32) % 3, 1, -1)
    bits = save(tmp_path / "in.npy", x.view(np.uint16))
    out = str(tmp_path / "out.safetensors")
    command = ["quantize", bits, "-o", out, "--format", "UFP4", "--rounding", "stochastic", "--seed", "5", "-q"]
    assert main([*command, "--signs", save(tmp_path / "signs.npy", signs), "--target", "interpret"]) == 1
    assert "--dtype bf16" in capsys.readouterr().err
    command += ["--dtype", "bf16", "--signs", str(tmp_path / "signs.npy"), "--target", "interpret"]
    assert main(command) == 0
    wanted = qd.quantize(x, "UFP4", rht=qd.RHT(32, signs=signs), rounding=qd.stochastic(qd.Key(5)))
    assert qd.bit_identical(qd.load(out), wanted)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--format", "FP4"], "not a format"),
        (["--format", "UFP4", "--hadamard", "17"], "no RHT of size 17"),
        (["--format", "HIF4"], "not a multiple of 64"),
        (["--format", "UFP4", "--target", "sm_10"], ""),
    ],
)
def test_quantize_refuses_and_writes_nothing(tmp_path, matrix, options, says, capsys):
    out = tmp_path / "out.safetensors"
    source = save(tmp_path / "in.npy", matrix(16, 48))
    assert main(["quantize", source, "-o", str(out), "--target", "interpret", *options]) == 1
    assert says in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.npy"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello", "is not a .npy file of numbers"),
        (None, "No such file"),
        (np.zeros((16, 16), np.int64), "int64"),
        (np.zeros((2, 2, 16), np.float32), "rank 3"),
        (np.zeros((4, 24), np.float32), "--pad"),
        (np.array([{}], object), "is not a .npy file of numbers"),
    ],
)
def test_what_is_not_a_matrix_is_an_error(tmp_path, content, says, capsys):
    source = tmp_path / "in.npy"
    if isinstance(content, bytes):
        source.write_bytes(content)
    elif content is not None:
        np.save(source, content)
    assert main(["quantize", str(source), "-o", str(tmp_path / "x"), "--format", "UFP4", "--target", "interpret"]) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_an_archive_is_not_a_matrix(tmp_path, capsys):
    np.savez(tmp_path / "in.npz", x=np.zeros((16, 16), np.float32))
    assert main(["quantize", str(tmp_path / "in.npz"), "-o", str(tmp_path / "x"), "--format", "UFP4"]) == 1
    assert "is not a .npy file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("signs", "says"),
    [(b"junk", "is not a .npy file"), (np.arange(16), "sign 0 is 0"), (np.ones(5), "no RHT of size 5")],
)
def test_wrong_signs_are_an_error(tmp_path, matrix, signs, says, capsys):
    path = tmp_path / "signs.npy"
    path.write_bytes(signs) if isinstance(signs, bytes) else np.save(path, signs)
    source = save(tmp_path / "in.npy", matrix(16, 16))
    assert main(["quantize", source, "-o", str(tmp_path / "x"), "--format", "UFP4", "--signs", str(path)]) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("command", ["quantize", "lower"])
def test_where_to_write_is_checked_before_the_work(tmp_path, command, source, matrix, capsys):
    first = {
        "quantize": ["quantize", save(tmp_path / "in.npy", matrix(16, 16)), "--format", "UFP4"],
        "lower": ["lower", f"{source}:plain", "--arg", "x=f32[M,32]"],
    }[command]
    assert main([*first, "-o", str(tmp_path)]) == 1
    assert "is a folder" in capsys.readouterr().err
    assert main([*first, "-o", str(tmp_path / "no" / "x")]) == 1
    error = capsys.readouterr().err
    assert "there is no folder" in error and "compile" not in error


def test_an_empty_matrix(tmp_path, capsys):
    source, out = save(tmp_path / "in.npy", np.zeros((0, 16), np.float32)), str(tmp_path / "x")
    assert main(["quantize", source, "-o", out, "--format", "UFP4", "--target", "interpret"]) == 0
    assert qd.load(out).shape == (0, 16) and "zeros 0.0%" in capsys.readouterr().out


@pytest.mark.compiler
def test_quantize_compiled(tmp_path, matrix, capsys):
    x = matrix(32, 64)
    command = ["quantize", save(tmp_path / "in.npy", x), "-o", str(tmp_path / "x"), "--format", "UFP4_B"]
    for axis in ("row", "column", "both"):
        assert main([*command, "--axis", axis, "--hadamard", "16", "--target", "host"]) == 0
        assert "compile for host .." in capsys.readouterr().err
    column = qd.quantize(x, "UFP4_B", rht=qd.RHT(16, seed=0), axis=0)
    assert qd.bit_identical(qd.load(tmp_path / "x")[1], column)


def test_interrupting_shows_no_traceback(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("quadrille.cli._run_targets", interrupted)
    assert main(["targets"]) == 130
    assert capsys.readouterr().err == ""


def test_lower(source, tmp_path, capsys):
    specs = ["--arg", "x=bf16[M,8192]", "--arg", "w=bf16[N,8192]", "--stage", "trace"]
    assert main(["lower", f"{source}:linear", *specs]) == 0
    text = capsys.readouterr().out
    assert "func.func @linear" in text and f'"{source}":7:' in text
    assert main(["lower", f"{source}:linear", *specs, "-o", str(tmp_path / "out.mlir"), "--kernel", "linear"]) == 0
    assert (tmp_path / "out.mlir").read_text().startswith("func.func @linear")
    assert main(["lower", f"{source}:plain", "--arg", "x=f32[M,32]", "--stage", "trace"]) == 0
    assert main(["lower", f"{source}:linear", *specs, "--arg", "axis=0"]) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing", "--arg", "x=f32[M,32]"], "no function 'nothing'"),
        (["plain"], "missing"),
        (["plain", "--arg", "x=f99[M,32]"], "f99"),
        (["plain", "--arg", "x"], "has no value"),
        (["plain", "--arg", "x=f32[M,32]", "--kernel", "other"], "no kernel 'other'"),
        (["plain", "--arg", "x=f32[M,33]"], "not a multiple of 32"),
        (["plain", "--arg", "x=f32[M,32]", "--arg", "x=f32[M,64]"], "given twice"),
    ],
)
def test_lower_refuses(source, arguments, says, capsys):
    assert main(["lower", f"{source}:{arguments[0]}", "--stage", "trace", *arguments[1:]]) == 1
    assert says in capsys.readouterr().err


def test_an_error_in_the_users_file_shows_the_line(source, capsys):
    assert main(["lower", f"{source}:wrong", "--stage", "trace", "--arg", "x=f32[M,32]"]) == 1
    error = capsys.readouterr().err
    assert f"{source}:13:" in error and "if x else None" in error and "^" in error


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        ("x = (\n", 1, "SyntaxError"),
        ("import quadrille\nimport not_there\n", 2, "ModuleNotFoundError: No module named 'not_there'"),
        ("raise SystemExit(3)\n", 1, "SystemExit: 3"),
        ("def f(x):\n    return [][0]\n", 2, "IndexError: list index out of range"),
    ],
)
def test_what_the_users_code_raises_is_an_error_at_its_line(tmp_path, code, line, says, capsys):
    path = tmp_path / "user.py"
    path.write_text(code)
    assert main(["lower", f"{path}:f", "--arg", "x=f32[M,32]"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"quadrille: error: {path}:{line}:") and says in error and "Traceback" not in error


@pytest.mark.capability
def test_targets(capsys):
    assert main(["targets"]) == 0
    text = capsys.readouterr().out
    table = text[text.index("carrier of") :].splitlines()[1:]
    assert table[0].split() == [*qd.formats] and [line.split()[0] for line in table[1:]] == qd.targets()
    carriers = {line.split()[0]: dict(zip(qd.formats, line.split()[1:])) for line in table[1:]}
    assert carriers["gfx942"]["MXUF4"] == "e5m2fnuz?" and carriers["gfx950"]["UFP4_B"] == "bf16"
    assert carriers["host:avx512vnni"]["UFP4_B"] == "s8*"
    assert main(["targets", "sm_90a"]) == 0
    text = capsys.readouterr().out
    assert "wgmma" in text and all(name in text for name in qd.formats)
    assert main(["targets", "sm_10"]) == 1
    assert "not a target" in capsys.readouterr().err


def test_it_is_a_module():
    run = subprocess.run([sys.executable, "-m", "quadrille", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"quadrille {qd.__version__}\n"


def test_kernels_of_texts():
    llvm = "define void @a(ptr %0) {\n  ret void\n}\n\ndefine void @b() {\n  ret void\n}\ndeclare void @c()\n"
    assert list(listing.functions(llvm, "llvm")) == ["a", "b"]
    assert listing.kernel(llvm, "llvm", "b") == "define void @b() {\n  ret void\n}\n"
    mlir = "module {\n  func.func @f() {\n    return\n  }\n  quad.kernel @g() -> i1 {\n    quad.yield\n  }\n}\n"
    assert listing.kernel(mlir, "quad", "g") == "  quad.kernel @g() -> i1 {\n    quad.yield\n  }\n"
    ptx = ".version 8.0\n.visible .entry one(\n)\n{\n  ret;\n}\n"
    assert listing.kernel(ptx, "asm", "one").endswith("ret;\n}\n")
    with pytest.raises(qd.ArgumentError, match="no kernel 'x'"):
        listing.kernel(llvm, "llvm", "x")
