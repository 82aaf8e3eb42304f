"""Plan files: the knobs that qd.tune found best for a program, for later calls and other processes.

One file for each program (its text without locations) and target lies beside the compiler's disk
cache. A plan says how kernels are cut into programs and lanes; no bit of a result depends on it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import tempfile
import warnings

from . import _native, mlir
from .tracer import TracedFunction

#: Of what a file holds: {"format", "knobs": {name: number}, and facts for people}.
FORMAT = 1
_PREFIX = "plan-"


def directory() -> pathlib.Path | None:
    """That of the disk cache (docs/runtime.md); None if there is none."""
    chosen = os.environ.get("QUADRILLE_CACHE_DIR")
    if chosen is not None:
        return pathlib.Path(chosen) if chosen else None
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "quadrille")


def path_of(traced: TracedFunction, target: str) -> pathlib.Path | None:
    """Where the plan of a program for a target is kept; None without a disk cache."""
    folder = directory()
    if folder is None:
        return None
    try:
        cpu = "/".join(_native.submodule("runtime", "compiles").resolve_target(target))
    except ValueError:  # an unknown target is an error of the compilation
        return None
    text = "\0".join([mlir.print_graph(traced.graph, locations=False), target, cpu])
    return folder / "plans" / f"{_PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:40]}.json"


def plan_of(traced: TracedFunction, target: str) -> dict[str, int]:
    """The knobs of a traced function's plan for a target, read once; {} if there is none."""
    plan = traced.plans.get(target)
    if plan is None:
        plan = traced.plans[target] = _read(traced, target)
    return plan


def _read(traced: TracedFunction, target: str) -> dict[str, int]:
    folder = directory()
    if folder is None or not (folder / "plans").is_dir():  # most have never tuned: nothing to print and hash
        return {}
    path = path_of(traced, target)
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text())
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}, not {FORMAT}")
        return {str(name): int(value) for name, value in content["knobs"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        _warn(path, f"{type(error).__name__}: {error}")
        return {}


def store(traced: TracedFunction, target: str, knobs: dict[str, int], **facts) -> pathlib.Path | None:
    """Makes `knobs` the plan of a program; the file, None without a disk cache.

    The file appears by a rename. OSError if it cannot be written.
    """
    traced.plans[target] = knobs
    path = path_of(traced, target)
    if path is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix="tmp-")
    try:
        with open(handle, "w") as file:
            json.dump({"format": FORMAT, "target": target, "knobs": knobs, **facts}, file, indent=1)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return path


def drop(traced: TracedFunction, target: str, why: str) -> bool:
    """Gives up a plan that the compiler refuses, with a warning; False if there is none."""
    if not traced.plans.get(target):
        return False
    _warn(path_of(traced, target), why)
    traced.plans[target] = {}
    return True


def _warn(path: pathlib.Path | None, why: str) -> None:
    warnings.warn(f"the plan file {path} is ignored ({why}); qd.tune writes a new one", stacklevel=2)
