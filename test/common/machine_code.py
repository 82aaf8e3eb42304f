"""AMD code objects as LLVM's tools read them. Without the tools of LLVM 22 callers skip: TOOLS is None."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import tempfile

_NAMES = ("llvm-mc", "llvm-objcopy", "llvm-objdump")
_FOUND = [shutil.which(name, path="/usr/lib/llvm-22/bin") or shutil.which(f"{name}-22") for name in _NAMES]
TOOLS = dict(zip(_NAMES, _FOUND)) if all(_FOUND) else None
#: What code of ours must find in the mode register: rounding to nearest even, subnormals kept.
MODE = {"float_round_mode_32": 0, "float_round_mode_16_64": 0, "float_denorm_mode_32": 3, "float_denorm_mode_16_64": 3}


def _run(name: str, *arguments, text: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([TOOLS[name], *map(str, arguments)], input=text, capture_output=True, text=True)


def _text_section(path: pathlib.Path) -> bytes:
    out = path.with_suffix(".text")
    _run("llvm-objcopy", f"--dump-section=.text={out}", path, "/dev/null").check_returncode()
    return out.read_bytes()


def disassemble(code: bytes, target: str) -> str:
    """The instructions of a code object, in llvm-mc's syntax. ValueError for bytes that are none of `target`."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "code.hsaco")
        path.write_bytes(code)
        bytes_ = " ".join(f"{b:#x}" for b in _text_section(path))
    run = _run("llvm-mc", "--disassemble", "-triple=amdgcn-amd-amdhsa", f"-mcpu={target}", text=bytes_)
    if run.returncode or run.stderr.strip():
        raise ValueError(f"not code of {target}: {run.stderr.strip()[:300]}")
    return run.stdout


def problem(code: bytes, target: str) -> str | None:
    """Why a code object is not what `target` can run, or None.

    Its disassembly must assemble for the target to the same bytes, for LLVM emits instructions that a target
    lacks when it is told to; and each kernel must start in our floating-point mode.
    """
    with tempfile.TemporaryDirectory() as folder:
        path, again = pathlib.Path(folder, "code.hsaco"), pathlib.Path(folder, "again.o")
        path.write_bytes(code)
        try:
            text = disassemble(code, target)
        except ValueError as error:
            return str(error)
        options = ("-triple=amdgcn-amd-amdhsa", f"-mcpu={target}", "-filetype=obj", "-o", again)
        run = _run("llvm-mc", *options, text=text)
        if run.returncode:
            return f"{target} lacks an instruction: {run.stderr.strip()[:300]}"
        if _text_section(again) != _text_section(path):
            return "the disassembly assembles to other bytes"
        descriptors = _run("llvm-objdump", "-D", "-j", ".rodata", path).stdout
    kernels = descriptors.count(".amdhsa_kernel")
    if not kernels:
        return "there is no kernel"
    wrong = [f"{name} {value}" for name, value in MODE.items() if descriptors.count(f"{name} {value}\n") != kernels]
    return f"a kernel's mode is not {', '.join(wrong)}" if wrong else None
