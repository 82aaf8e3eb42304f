"""The command `quadrille`."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import runpy
import sys

import ml_dtypes
import numpy as np

from . import __version__, files, listing, specs
from .compiler import STAGES
from .errors import ArgumentError, QuadrilleError
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
    except OSError as error:
        print(f"quadrille: error: {error.strerror}: {error.filename}", file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _text(error: QuadrilleError, arguments) -> str:
    """The error, with its place if that is in the file that was given to `lower`."""
    given = getattr(arguments, "function", "").rpartition(":")[0]
    if error.where and given and os.path.abspath(error.where.file) == os.path.abspath(given):
        return str(error)
    return error.message + (f"\n  instead: {error.instead}" if error.instead else "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="quadrille", description="A JIT kernel compiler for 4-bit number formats.")
    parser.add_argument("--version", action="version", version=f"quadrille {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_targets(commands)
    _add_quantize(commands)
    _add_lower(commands)
    for name in ("demo", "bench"):  # subpackages with commands of their own
        if importlib.util.find_spec(f"{__package__}.{name}"):
            importlib.import_module(f"{__package__}.{name}").add_command(commands)
    return parser


# targets


def _add_targets(commands) -> None:
    command = commands.add_parser("targets", help="what each target can do, and the carrier of each format")
    command.add_argument("target", nargs="?", help="one target in detail; default: all, one line each")
    command.set_defaults(run=_run_targets)


def _run_targets(arguments) -> None:
    if arguments.target is None:
        for name in targets():
            print(f"{name:12} {capability(name)['description']}")
        return
    facts = capability(arguments.target)
    print(f"{facts['name']}: {facts['description']}")
    print(f"lanes {facts['lanes']}, shared memory {facts['shared_memory_bytes']} bytes")
    print("matrix instructions (rate relative to bf16):")
    for entry in facts["mma"]:
        shape = "x".join(map(str, entry["shape"]))
        print(f"  {entry['name']:40} {shape:12} {entry['rate']:g}x  {', '.join(entry['operands'])}")
    print("carrier of a matmul of two operands of each format:")
    for row in carriers(arguments.target):
        print(f"  {row['format']:12} {row['text']}")
        if row["refused"]:
            print(f"  {'':12} {row['why']}")


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


def _read_matrix(path: str, dtype: str | None) -> np.ndarray:
    try:
        x = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ArgumentError(f"{path}: {error}") from None
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
    signs = np.load(arguments.signs, allow_pickle=False)
    return RHT(signs.size if arguments.hadamard is None else arguments.hadamard, signs=signs)


# lower


def _add_lower(commands) -> None:
    command = commands.add_parser("lower", help="the text or object of a jitted function for any target")
    command.add_argument("function", metavar="FILE.py:FUNCTION")
    command.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=SPEC",
        help="such as x=bf16[M,8192]; or a Python literal for a static argument (may be repeated)",
    )
    command.add_argument("--target", default="host", help="host, sm_90a, gfx942, ..")
    command.add_argument("--stage", choices=STAGES, default="quad")
    command.add_argument("--kernel", metavar="NAME", help="this kernel of the text alone")
    command.add_argument("-o", "--output", metavar="OUT", help="default: standard output")
    command.set_defaults(run=_run_lower)


def _run_lower(arguments) -> None:
    function = _load_function(arguments.function)
    named = dict(_argument(text) for text in arguments.arg)
    result = function.lower(target=arguments.target, stage=arguments.stage, **named)
    if arguments.kernel is not None:
        if arguments.stage == "object":
            raise ArgumentError("--kernel of an object", instead="a stage that is text")
        result = listing.kernel(result, arguments.stage, arguments.kernel)
    data = result if isinstance(result, bytes) else result.encode()
    if arguments.output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        with open(arguments.output, "wb") as file:
            file.write(data)


def _load_function(text: str) -> JitFunction:
    path, _, name = text.rpartition(":")
    if not path:
        raise ArgumentError(f"{text!r} names no function", instead="FILE.py:FUNCTION")
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    found = runpy.run_path(path).get(name)
    if not callable(found):
        raise ArgumentError(f"{path} has no function {name!r}")
    return found if isinstance(found, JitFunction) else jit(found)


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
