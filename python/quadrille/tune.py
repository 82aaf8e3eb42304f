"""Choosing how kernels are cut into programs and lanes, by measurement."""

from __future__ import annotations

import contextlib
import itertools
import json
import statistics
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from . import arrays, devices, frameworks, plan_files, specs
from .device_plans import first_array
from .errors import ArgumentError, CompileError, DeviceError, UnsupportedError
from .jit import INTERPRET, JitFunction
from .plans import Plan
from .tensor import QTensor
from .trace import current

#: Measurements of each candidate, which take turns, and seconds that one takes.
_ROUNDS, _MEASUREMENT = 7, 4e-3
#: What a candidate must be faster by: less is noise.
_MARGIN = 0.02
#: Compilations at once: as many as there are helper processes.
_HELPERS = 4
_MOST_CALLS = 200


@dataclass
class Candidate:
    """One way to cut a program's kernels.

    Attributes:
        knobs: numbers by name; {} is what the compiler chooses by itself.
        why: why it was refused, or "".
        times: seconds of one call, as measured.
    """

    knobs: dict[str, int]
    why: str = ""
    times: list[float] = field(default_factory=list, repr=False)
    _plan: Plan | None = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        """Of one call: the median; infinite if it was refused."""
        return statistics.median(self.times) if self.times else float("inf")

    def __str__(self) -> str:
        knobs = ", ".join(f"{name} {value}" for name, value in self.knobs.items()) or "default"
        return f"{knobs}: {self.why or f'{self.seconds * 1e6:.1f} us'}"


@dataclass(frozen=True)
class TuningReport:
    """The answer of :func:`tune`; `print` it, or read the parts.

    Attributes:
        name, target: of what.
        candidates: all that were tried, the default first.
        chosen: the fastest, or the default unless one is faster by more than noise.
        file: path of the plan file, or None if there is none.
    """

    name: str
    target: str
    candidates: tuple[Candidate, ...]
    chosen: Candidate
    file: str | None

    @property
    def default(self) -> Candidate:
        return self.candidates[0]

    @property
    def speedup(self) -> float:
        """The default's time as a multiple of the chosen one's; at least 1."""
        return self.default.seconds / self.chosen.seconds

    def __str__(self) -> str:
        refused = [candidate for candidate in self.candidates if candidate.why]
        lines = [
            f"{self.name} on {self.target}: {len(self.candidates)} candidates, {len(refused)} refused",
            f"  {self.default}",
            *([f"  {self.chosen} ({self.speedup:.2f}x)"] if self.chosen is not self.default else []),
            *(f"  refused: {candidate}" for candidate in refused),
            f"  plan file: {self.file or 'none'}",
        ]
        return "\n".join(lines)


def tune(fn, *args, save: bool = True) -> TuningReport:
    """Measures how the kernels of a call are best cut, and keeps what is found.

    Calls `fn(*args)` some thousand times, for a few seconds: every value of the knobs that its
    kernels have (elements of a lane, tiles of a program, ..), with the data that is given. What
    beats the default by more than 2 % becomes the plan of calls of the same signature on the
    same target, in this process and, by a plan file beside the disk cache, in others. Bits never
    depend on a plan: what would give others is refused.

    Args:
        fn: a function made by `@qd.jit`.
        args: as for a call; arrays in host memory, or on a GPU.
        save: False: only measure; later calls stay as they are.

    Raises ArgumentError for another function and for specs, UnsupportedError if there is nothing
    to choose, inside a traced function, and while a CUDA graph is captured; what a call raises.
    """
    if not isinstance(fn, JitFunction):
        raise ArgumentError(f"{fn!r} is not a jitted function", instead="a function made by @qd.jit")
    if current() is not None:
        raise UnsupportedError("qd.tune runs programs, and a function is being traced", instead="qd.tune outside of it")
    tuner = _Tuner(fn, args)
    chosen = tuner.search()
    file = tuner.keep(chosen) if save else None
    return TuningReport(fn.__name__, tuner.target, tuple(tuner.candidates), chosen, file)


class _Tuner:
    """The candidates of one call."""

    def __init__(self, fn: JitFunction, args: tuple):
        self.fn = fn
        _, self.leaves, self.traced = fn._trace(args, {})
        if any(isinstance(leaf, specs.SPECS) for leaf in self.leaves):
            raise ArgumentError("qd.tune measures with data, and got a spec", instead="arrays")
        self.place = devices.holding(self.leaves)
        self._find_target()
        default = Candidate({}, _plan=self._plan({}))
        self.out = _values(default._plan.run(self.leaves))
        self.calls = 1
        self.calls = max(1, min(_MOST_CALLS, round(_MEASUREMENT / self._measure(default))))
        self.candidates = [default]

    def _find_target(self) -> None:
        """What is compiled for, and how the end of calls is waited for."""
        self.target, self.options, self._wait = self.fn.target, None, lambda: None
        if self.place != arrays.HOST:
            device = devices.device(self.place)
            stream = frameworks.framework_of(first_array(self.traced, self.leaves)).stream_of(self.place)
            device.refuse_capture(stream, "qd.tune, which waits", instead="qd.tune")
            self.target = self.fn._target_on(device)
            self.options = device.options_for(self.target)
            self._wait = lambda: device.wait(stream)
        elif self.target == INTERPRET:
            raise self._nothing_to_tune()
        compiled = self._compile({})
        self.kernels = [
            {name: value for name, value in kernel.items() if name != "name"}
            for kernel in json.loads(compiled.metadata["kernels"])
        ]
        self.values: dict[str, list[int]] = json.loads(compiled.metadata["knobs"])
        if not self.kernels:
            raise self._nothing_to_tune()

    def _nothing_to_tune(self) -> UnsupportedError:
        return UnsupportedError(f"{self.fn.__name__} has one implementation on {self.target}: nothing to tune")

    def _compile(self, knobs: dict[str, int]):
        return self.fn._compiled(self.traced, self.target, self.options, knobs)

    def _plan(self, knobs: dict[str, int]) -> Plan:
        return self.fn._plan_on(self.place, self.traced, self.leaves, warming=True, tuning=knobs)

    def search(self) -> Candidate:
        """The fastest: knobs of one kernel in all combinations, one kernel's after the other's."""
        default = best = self.candidates[0]
        for names in self._kernels_knobs():
            products = itertools.product(*(self.values[name] for name in names))
            choices = [dict(zip(names, product)) for product in products]
            rivals = self._enter([best.knobs | choice for choice in choices if not self._is_default(choice)])
            self._race([best, *rivals], _ROUNDS)
            best = min([best, *rivals], key=lambda candidate: candidate.seconds)
        if best is not default:  # the least of many is too low: once more, by themselves
            default.times, best.times = [], []
            self._race([default, best], 3 * _ROUNDS)
        return best if best.seconds < (1 - _MARGIN) * default.seconds else default

    def _kernels_knobs(self) -> list[list[str]]:
        """The knobs of kernels, without those whose knobs another has too."""
        sets = dict.fromkeys(frozenset(kernel) for kernel in self.kernels)
        return [sorted(names) for names in sets if not any(names < other for other in sets)]

    def _is_default(self, choice: dict[str, int]) -> bool:
        return all(kernel.get(name, value) == value for kernel in self.kernels for name, value in choice.items())

    def _enter(self, choices: list[dict[str, int]]) -> list[Candidate]:
        """Candidates that compile and give the default's bits; the others are noted as refused."""

        def compile_one(knobs):
            with contextlib.suppress(CompileError):  # again, and noted, when its turn comes
                self._compile(knobs)

        with ThreadPoolExecutor(_HELPERS) as pool:
            list(pool.map(compile_one, choices))
        entered = [self._candidate(knobs) for knobs in choices]
        self.candidates += entered
        return [candidate for candidate in entered if not candidate.why]

    def _candidate(self, knobs: dict[str, int]) -> Candidate:
        try:
            plan = self._plan(knobs)
            result = plan.run(self.leaves)
            self._wait()
        except (CompileError, DeviceError) as error:
            return Candidate(knobs, why=error.message)
        same = map(_same_bits, _values(result), self.out)
        return Candidate(knobs, _plan=plan) if all(same) else Candidate(knobs, why="other bits than the default's")

    def _race(self, candidates: list[Candidate], rounds: int) -> None:
        """Adds measurements of each, in turns, so that what slows the machine slows all."""
        for _ in range(rounds):
            for candidate in candidates:
                candidate.times.append(self._measure(candidate))

    def _measure(self, candidate: Candidate) -> float:
        """Seconds of one call."""
        run = candidate._plan.run
        self._wait()
        start = time.perf_counter()
        for _ in range(self.calls):
            run(self.leaves, self.out)
        self._wait()
        return (time.perf_counter() - start) / self.calls

    def keep(self, chosen: Candidate) -> str | None:
        """Makes it the plan of later calls; the plan file's path."""
        facts = {"program": self.fn.__name__, "seconds": chosen.seconds, "default_seconds": self.candidates[0].seconds}
        try:
            path = plan_files.store(self.traced, self.target, chosen.knobs, **facts)
        except OSError as error:
            warnings.warn(f"no plan file is written: {error}", stacklevel=3)
            path = None
        self.fn._forget_plans()
        return str(path) if path else None


def _values(result) -> list:
    """The arrays and quantized tensors of a call's result, in order, each once."""
    parts = result.values() if isinstance(result, dict) else result if isinstance(result, (tuple, list)) else ()
    found = [value for part in parts for value in _values(part)]
    if isinstance(result, QTensor) or arrays.is_array(result):
        found = [result]
    return list({id(value): value for value in found}.values())


def _same_bits(a, b) -> bool:
    return [x.tobytes() for x in _host_arrays(a)] == [x.tobytes() for x in _host_arrays(b)]


def _host_arrays(value) -> list:
    parts = (value.codes, *value.scales) if isinstance(value, QTensor) else (value,)
    return [arrays.to_host(part) for part in parts]
