"""The command `quadrille`."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import runpy
import sys
import traceback
from contextlib import contextmanager

import ml_dtypes
import numpy as np

from . import __version__, files, inspection, listing, specs
from .compiler import STAGES
from .errors import ArgumentError, Location, QuadrilleError
from .formats import NAMED, lookup
from .jit import DEFAULT_TARGET, JitFunction, jit
from .metrics import metrics
from .ops import quantize, quantize_pair
from .progress import progress
from .recipes import Spec
from .rht import RHT
from .rounding import Key, nearest_even, stochastic
from .targets import capability, carriers, targets


def main(argv: list[str] | None = None) -> int:
    """Runs the command; the exit status is 1 for an error that is the user's to mend, 2 for usage."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except QuadrilleError as error:
        print(f"quadrille: error: {_text(error, arguments)}", file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"quadrille: error: {error.strerror or error}: {error.filename}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 1


def _text(error: QuadrilleError, arguments) -> str:
    """The error, with its place if that is in the file that was given to `lower`."""
    given = getattr(arguments, "function", "").rpartition(":")[0]
    if error.where and given and os.path.abspath(error.where.file) == os.path.abspath(given):
        return str(error)
    instead = error.instead.replace("pad=True", "--pad") if arguments.command == "quantize" else error.instead
    return error.message + (f"\n  instead: {instead}" if instead else "")


def _check_output(path: str) -> None:
    """ArgumentError unless a file may be there: said before the work, not after it."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise ArgumentError(f"{path} is a folder", instead="the name of a file in it")
    if not os.path.isdir(folder):
        raise ArgumentError(f"there is no folder {folder}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="quadrille", description="A JIT kernel compiler for 4-bit number formats.")
    parser.add_argument("--version", action="version", version=f"quadrille {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_targets(commands)
    _add_quantize(commands)
    _add_lower(commands)
    _add_inspect(commands)
    for name in ("bias", "demo", "bench"):  # modules with commands of their own
        if importlib.util.find_spec(f"{__package__}.{name}"):
            importlib.import_module(f"{__package__}.{name}").add_command(commands)
    return parser


# targets


def _add_targets(commands) -> None:
    command = commands.add_parser("targets", help="what each target can do, and the carrier of each format")
    command.add_argument("target", nargs="?", help="one target in detail; default: a table of all")
    command.set_defaults(run=_run_targets)


def _run_targets(arguments) -> None:
    if arguments.target is None:
        print("\n".join(_table_of_targets()))
    else:
        print("\n".join(_one_target(arguments.target)))


def _table_of_targets() -> list[str]:
    lines = [f"{name:16} {capability(name)['description']}" for name in targets()]
    marks = "*: scales per K-block, beside the instruction; ?: unverified"
    lines += ["", f"carrier of a matmul of two operands of each format ({marks})"]
    rows = [["", *NAMED]]
    rows += [[name, *map(_carrier_cell, carriers(name))] for name in targets()]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return lines + ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _carrier_cell(row: dict) -> str:
    """A carrier's name, marked if scales are applied beside the instruction or if it is unverified; "-": refused."""
    if row["refused"]:
        return "-"
    plans = [row["a"], row["b"]]
    per_block = any(plan["application"] == "per-k-block" for plan in plans)
    return plans[0]["carrier"] + "*" * per_block + "?" * row["unverified"]


def _one_target(name: str) -> list[str]:
    facts = capability(name)
    lines = [f"{facts['name']}: {facts['description']}"]
    lines += [f"lanes {facts['lanes']}, shared memory {facts['shared_memory_bytes']} bytes"]
    lines += ["matrix instructions (rate relative to bf16):"]
    for entry in facts["mma"]:
        shape = "x".join(map(str, entry["shape"]))
        unverified = ", unverified" if entry["unverified"] else ""
        lines += [f"  {entry['name']:40} {shape:12} {entry['rate']:g}x  {', '.join(entry['operands'])}{unverified}"]
    if facts["conversions"]:
        lines += ["conversion instructions:"]
        lines += [f"  {name:40} {source} to {to}, {rounding}" for name, source, to, rounding, _ in facts["conversions"]]
    lines += ["carrier of a matmul of two operands of each format:"]
    for row in carriers(name):
        lines += [f"  {row['format']:12} {row['text']}", f"  {'':12} {row['why']}"]
    return lines


# quantize


def _add_quantize(commands) -> None:
    command = commands.add_parser("quantize", help="quantize a matrix in a .npy file to a .safetensors file")
    command.add_argument("input", metavar="IN.npy", help="a matrix of float32, float16 or bfloat16")
    command.add_argument("-o", "--output", required=True, metavar="OUT.safetensors")
    command.add_argument("--format", required=True, help=", ".join(NAMED))
    command.add_argument("--hadamard", type=int, metavar="N", help="size of the RHT: 16, 32, 64, 128 or 256")
    command.add_argument(
        "--seed", type=int, default=0, help="of the RHT's signs and of stochastic rounding (default 0)"
    )
    command.add_argument("--signs", metavar="FILE.npy", help="the RHT's N signs, +1 or -1, instead of --seed's")
    command.add_argument("--rounding", choices=["nearest_even", "stochastic"], default="nearest_even")
    command.add_argument("--axis", choices=["row", "column", "both"], default="row", help="along which blocks lie")
    command.add_argument("--pad", action="store_true", help="zero-extend an axis that blocks do not divide")
    command.add_argument("--dtype", choices=["bf16"], help="the .npy holds bfloat16 bits as uint16")
    command.add_argument("--target", default=DEFAULT_TARGET, help="host, or interpret for the specification")
    command.add_argument("-q", "--quiet", action="store_true", help="no progress and no summary")
    command.set_defaults(run=_run_quantize)


def _run_quantize(arguments) -> None:
    _check_output(arguments.output)
    x = _read_matrix(arguments.input, arguments.dtype)
    spec = Spec(
        lookup(arguments.format),
        _transform(arguments),
        stochastic(Key(arguments.seed)) if arguments.rounding == "stochastic" else nearest_even,
    )
    operation = quantize_pair if arguments.axis == "both" else quantize
    function = jit(operation.compiled.function, target=arguments.target)
    options = {} if arguments.axis == "both" else {"axis": 1 if arguments.axis == "row" else 0}
    with progress(f"compile for {arguments.target}", arguments.quiet):
        function.warmup(x, spec, pad=arguments.pad, **options)
    with progress(f"quantize {x.shape[0]} x {x.shape[1]} to {spec.format.name}", arguments.quiet):
        result = function(x, spec, pad=arguments.pad, **options)
    with progress(f"write {arguments.output}", arguments.quiet):
        files.save(arguments.output, result)
    if not arguments.quiet:
        for q in result if isinstance(result, tuple) else (result,):
            print(f"{q!r}: {q.nbytes} bytes, {metrics(x, q)}")


def _read_array(path: str) -> np.ndarray:
    """The array of a .npy file."""
    with open(path, "rb") as file:
        try:
            return np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            raise ArgumentError(
                f"{path} is not a .npy file of numbers: {error}", instead="numpy.save's output"
            ) from None


def _read_matrix(path: str, dtype: str | None) -> np.ndarray:
    x = _read_array(path)
    if dtype == "bf16":
        if x.dtype.itemsize != 2:
            raise ArgumentError(f"{path} holds {x.dtype}", instead="16-bit elements for --dtype bf16")
        return x.view(ml_dtypes.bfloat16)
    if x.dtype.kind == "V" and x.dtype.itemsize == 2:  # how NumPy reads back an ml_dtypes array
        return x.view(ml_dtypes.bfloat16)
    if x.dtype == np.uint16:
        raise ArgumentError(f"{path} holds uint16", instead="--dtype bf16, if these are bfloat16 bits")
    return x


def _transform(arguments) -> RHT | None:
    if arguments.signs is None:
        return None if arguments.hadamard is None else RHT(arguments.hadamard, seed=arguments.seed)
    signs = _read_array(arguments.signs)
    return RHT(signs.size if arguments.hadamard is None else arguments.hadamard, signs=signs)


# lower


def _add_lower(commands) -> None:
    command = commands.add_parser("lower", help="the text or object of a jitted function for any target")
    _add_function(command)
    command.add_argument("--target", default="host", help="host, sm_90a, gfx942, ..")
    command.add_argument("--stage", choices=STAGES, default="quad")
    command.add_argument("--kernel", metavar="NAME", help="this kernel of the text alone")
    command.add_argument("-o", "--output", metavar="OUT", help="default: standard output")
    command.set_defaults(run=_run_lower)


def _add_function(command) -> None:
    """The arguments that name a function and describe its own."""
    command.add_argument("function", metavar="FILE.py:FUNCTION")
    command.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=SPEC",
        help="such as x=bf16[M,8192]; or a Python literal for a static argument (may be repeated)",
    )


def _run_lower(arguments) -> None:
    if arguments.kernel is not None and arguments.stage == "object":
        raise ArgumentError("--kernel of an object", instead="a stage that is text")
    if arguments.output is not None:
        _check_output(arguments.output)
    named = _arguments(arguments.arg)
    with _users_code(arguments.function.rpartition(":")[0]):
        function = _load_function(arguments.function)
        result = function.lower(target=arguments.target, stage=arguments.stage, **named)
    if arguments.kernel is not None:
        result = listing.kernel(result, arguments.stage, arguments.kernel)
    data = result if isinstance(result, bytes) else result.encode()
    if arguments.output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        with open(arguments.output, "wb") as file:
            file.write(data)


# inspect


def _add_inspect(commands) -> None:
    command = commands.add_parser("inspect", help="what the machine code of GPU kernels takes, and what bounds it")
    _add_function(command)
    command.add_argument("--target", default="gfx950", help=", ".join(inspection.CHIPS))
    command.set_defaults(run=_run_inspect)


def _run_inspect(arguments) -> None:
    named = _arguments(arguments.arg)
    with _users_code(arguments.function.rpartition(":")[0]):
        function = _load_function(arguments.function)
        reports = inspection.inspect(function, arguments.target, **named)
    for report in reports:
        print("\n".join(report.lines()))


@contextmanager
def _users_code(path: str):
    """What code of the file `path` raises becomes an error at its line."""
    try:
        yield
    except (QuadrilleError, OSError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        where = Location(error.filename or path, error.lineno or 1, error.offset or 1)
        raise ArgumentError(f"SyntaxError: {error.msg}", where=where) from None
    except BaseException as error:  # SystemExit too
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if os.path.abspath(frame.filename) == os.path.abspath(path)]
        where = Location(path, own[-1].lineno, own[-1].colno + 1, own[-1].end_colno + 1) if own else Location(path, 1)
        raise ArgumentError(f"{type(error).__name__}: {error}", where=where) from None


def _load_function(text: str) -> JitFunction:
    path, _, name = text.rpartition(":")
    if not path:
        raise ArgumentError(f"{text!r} names no function", instead="FILE.py:FUNCTION")
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    found = runpy.run_path(path).get(name)
    if not callable(found):
        raise ArgumentError(f"{path} has no function {name!r}")
    return found if isinstance(found, JitFunction) else jit(found)


def _arguments(texts: list[str]) -> dict[str, object]:
    named: dict[str, object] = {}
    for text in texts:
        name, value = _argument(text)
        if name in named:
            raise ArgumentError(f"--arg {name} is given twice")
        named[name] = value
    return named


def _argument(text: str) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    if not separator:
        raise ArgumentError(f"--arg {text!r} has no value", instead="NAME=SPEC")
    try:
        return name, specs.spec(value)
    except ArgumentError as error:
        try:
            return name, ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise error from None


if __name__ == "__main__":
    sys.exit(main())
