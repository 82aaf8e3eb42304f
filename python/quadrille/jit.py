"""@qd.jit: traced once per signature, compiled once, called in microseconds."""

from __future__ import annotations

import functools
import inspect
import os
import threading
from typing import Any

from . import arrays, compiler, devices, frameworks, mlir, plan_files, specs, warmup
from .captures import Capture, captures
from .device_plans import DevicePlan, first_array
from .errors import ArgumentError, CompileError, Location, UnsupportedError, caller
from .plans import HostPlan, Plan
from .reference import InterpretedProgram
from .report import Report
from .rounding import Key
from .tensor import QTensor
from .trace import current
from .tracer import TracedFunction, trace

#: The target that runs a program by the specification.
INTERPRET = "interpret"
#: Plans kept by a function; a plan is one combination of exact shapes.
_MAX_PLANS = 4096


#: Where functions without a target run; read once, for a look at the environment costs a microsecond.
DEFAULT_TARGET = INTERPRET if os.environ.get("QUADRILLE_INTERPRET", "0") not in ("", "0") else "host"


class _Opaque:
    """A captured object of no known kind: part of the signature by identity."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, _Opaque) and self.value is other.value

    def __hash__(self):
        return id(self.value)


class JitFunction:
    """A function made by :func:`jit`."""

    def __init__(self, function, *, strict=False, max_kernels=None, target=None, own=False):
        self.function = function
        self.strict, self.max_kernels, self.target = strict, max_kernels, target or DEFAULT_TARGET
        self._fixed_target = target
        self._own = own  # an operation of ours: no captures; located at its callers
        self._parameters = inspect.signature(function)
        self._names = list(self._parameters.parameters)
        self._positional = len(self._names)
        self._captures: list[Capture] | None = [] if own else None
        self._captured_keys: dict[tuple, int] = {}
        #: (read, value) of captures that do not change by themselves, and what these values make.
        self._last_captured: tuple = ([(lambda: None, self)], None)
        self._plans: dict = {}
        self._traced: dict = {}
        self._lock = threading.RLock()
        functools.update_wrapper(self, function)

    # Calling.

    def __call__(self, *args, out=None, workspace=None, **kwargs):
        """Runs the function; compiles on the first call of a signature.

        Args:
            out: buffer (or tuple of buffers, one per result) to write into and return.
            workspace: on a GPU, bytes for the temporaries (`explain` says how many), aligned to
                64; None: they come from the allocator of the arguments' framework.

        Arguments on a GPU make it run there, on the current stream, without waiting; results
        lie there too. Raises what the operations raise, and CompileError, UnsupportedError,
        DeviceError.
        """
        if current() is not None:  # called by a traced function: inlined
            return self.function(*args, **kwargs)
        leaves: list = []
        key = self._exact_key(args, kwargs, leaves)
        try:
            plan = self._plans.get(key)
        except TypeError:
            self._trace(args, kwargs)  # names the argument that is not hashable
            raise
        if plan is None:
            plan = self._plan(key, args, kwargs)
        return plan.run(leaves, out, workspace)

    def _exact_key(self, args, kwargs, leaves) -> tuple:
        """A key of the exact shapes and static values; fills `leaves`."""
        if kwargs or len(args) != self._positional:
            args = self._bind(args, kwargs)
        key = [specs.exact(value, leaves) for value in args]
        if self._captures != []:
            key += self._exact_captures(leaves)
        return tuple(key)

    def _exact_captures(self, leaves) -> list:
        """The captured values' part of the key: a number, the same for the same objects."""
        last, known = self._last_captured
        for read, value in last:
            if read() is not value:
                known = self._read_captures()
                break
        key, own_leaves = known
        for leaf in own_leaves:
            if type(leaf) is Key:  # which argument it also is, if any
                key = key + [number for number, other in enumerate(leaves) if other is leaf]
        leaves += own_leaves
        return key

    def _read_captures(self) -> tuple[list, list]:
        """(key, leaves) of the captured values as they are now."""
        if self._captures is None:
            self._captures = captures(self.function)
        reads = [capture.read for capture in self._captures]
        values, leaves = [read() for read in reads], []
        exact = tuple([specs.exact(_captured(value), leaves) for value in values])
        known = [self._captured_keys.setdefault(exact, len(self._captured_keys))], leaves
        if all(isinstance(value, specs.IMMUTABLE) for value in values):
            self._last_captured = list(zip(reads, values)), known
        return known

    def _bind(self, args, kwargs) -> tuple:
        try:
            bound = self._parameters.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{self.__name__}: {error}") from None
        bound.apply_defaults()
        kinds = self._parameters.parameters
        if any(kinds[name].kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD) for name in kinds):
            raise UnsupportedError(f"{self.__name__} takes *args or **kwargs", instead="named parameters")
        return tuple(bound.arguments[name] for name in self._names)

    def _abstract(self, args):
        """(specs, leaves) of arguments and captures."""
        abstraction = specs.Abstraction()
        found = [abstraction.spec(value, name) for name, value in zip(self._names, args)]
        found += [abstraction.spec(_captured(c.read()), c.name.rpartition(".")[2]) for c in self._captures or []]
        return tuple(found), abstraction.leaves

    def _plan(self, key, args, kwargs) -> Plan:
        """The plan of a call that has none yet."""
        with self._lock:
            if key in self._plans:
                return self._plans[key]
            _, leaves, traced = self._trace(args, kwargs)
            plan = self._plan_on(devices.holding(leaves), traced, leaves)
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            self._plans[key] = plan
            return plan

    def _forget_plans(self) -> None:
        """Makes the next calls look for their knobs again."""
        with self._lock:
            self._plans.clear()

    def _trace(self, args, kwargs) -> tuple[Any, list, TracedFunction]:
        """(signature, leaves, traced function) of arguments or specs; traces if it is new."""
        return self._trace_bound(self._bind(args, kwargs))

    def _trace_bound(self, args: tuple) -> tuple[Any, list, TracedFunction]:
        """The same of a value for each parameter."""
        with self._lock:
            if self._captures is None:
                self._captures = captures(self.function)
            signature, leaves = self._abstract(args)
            if signature not in self._traced:
                self._traced[signature] = self._run_on_symbols(args, signature)
            return signature, leaves, self._traced[signature]

    def _run_on_symbols(self, args, signature) -> TracedFunction:
        arguments = list(zip(self._names, args, signature))
        outside = [
            (c.name.rpartition(".")[2], _captured(c.read()), spec)
            for c, spec in zip(self._captures, signature[len(args) :])
        ]
        where = caller() if self._own else _definition(self.function)
        return trace(self._positional_function(), arguments, outside, name=self.__name__, where=where)

    def _positional_function(self):
        """The function as one of positional arguments (keyword-only ones included)."""
        names, kinds = self._names, self._parameters.parameters

        def function(*values):
            bound = dict(zip(names, values))
            positional = [bound.pop(n) for n in names if kinds[n].kind is not inspect.Parameter.KEYWORD_ONLY]
            return self.function(*positional, **bound)

        return function

    def _plan_on(self, place: str, traced: TracedFunction, leaves: list, warming: bool = False, tuning=None) -> Plan:
        """The plan of a call whose arrays lie on `place`; `tuning` as for _compiled."""
        if place == arrays.HOST:
            return HostPlan(traced, self._program(traced, self.target, tuning), leaves)
        device = devices.device(place)
        target = self._target_on(device)
        if not warming and not compiler.is_loaded(_text(traced, target), target, place):
            stream = frameworks.framework_of(first_array(traced, leaves)).stream_of(place)
            device.refuse_capture(stream, "a kernel that is not compiled yet")
        compiled = self._compiled(traced, target, device.options_for(target), tuning)
        return DevicePlan(traced, compiled.program(place), device, leaves)

    def _target_on(self, device: devices.Device) -> str:
        """What to compile for calls on a GPU. ArgumentError if the function is fixed to another kind."""
        fixed = self._fixed_target
        if fixed is not None and (fixed == INTERPRET or fixed.startswith("host")):
            raise ArgumentError(
                f"{self.__name__} is made for target {fixed!r}, and its arguments are on {device.name}",
                instead="target=None, or fn.reference, which copies to the host",
            )
        return fixed or device.target

    def _program(self, traced: TracedFunction, target: str, tuning=None):
        if target == INTERPRET:
            return InterpretedProgram(traced.graph)
        return self._compiled(traced, target, tuning=tuning).program(arrays.HOST)

    def _compiled(self, traced: TracedFunction, target: str, options=None, tuning=None) -> compiler.Compiled:
        """The code with the knobs of `tuning`; None: those of the program's plan file."""
        try:
            compiled = compiler.compile_module(_text(traced, target, tuning), target, "object", options)
        except CompileError as error:
            if tuning is not None or not plan_files.drop(traced, target, error.message):
                raise
            return self._compiled(traced, target, options)
        compiled.enforce(self.__name__, strict=self.strict, max_kernels=self.max_kernels)
        return compiled

    # Looking.

    def reference(self, *args, **kwargs):
        """The result by the interpreter (lib/Numerics): what every target must give.

        Arguments on a GPU are copied to the host, where the result stays.
        """
        _, leaves, traced = self._trace(args, kwargs)
        leaves = [devices.on_host(leaf) for leaf in leaves]
        return HostPlan(traced, InterpretedProgram(traced.graph), leaves).run(leaves)

    def lower(self, *args, target: str | None = None, stage: str = "quad", **kwargs):
        """The program at a stage, for any target; no GPU is needed.

        Args:
            args: arguments, or specs made by :func:`spec`.
            target: "host", "sm_90a", "gfx942", ..
            stage: "trace" (as recorded; needs no compiler), "quad" (after fusion), "tile", "mlir", "llvm",
                "asm" (text) or "object" (bytes).

        Raises ArgumentError for another stage or target, CompileError.
        """
        if stage not in compiler.STAGES:
            raise ArgumentError(f"stage {stage!r}", instead=", ".join(compiler.STAGES))
        _, _, traced = self._trace(args, kwargs)
        if stage == "trace":
            return mlir.print_graph(traced.graph)
        target = target or (self.target if self.target != INTERPRET else "host")
        return compiler.compile_module(_text(traced, target), target, stage).output

    def explain(self, *args, verbose: bool = False, target: str | None = None, **kwargs) -> Report:
        """What a call with these arguments (or specs) runs: kernels, carriers, bytes, why."""
        _, leaves, traced = self._trace(args, kwargs)
        with_data = not any(isinstance(leaf, specs.SPECS) for leaf in leaves)
        sizes = traced.sizes(leaves) if with_data else None
        place = devices.holding(leaves) if with_data and target is None else arrays.HOST
        if place != arrays.HOST:
            return self._explain_on(place, traced, leaves, sizes, verbose)
        target = target or self.target
        compiled = None if target == INTERPRET else self._compiled(traced, target)
        return Report.of(self.__name__, target, traced, compiled, sizes, verbose)

    def _explain_on(self, place: str, traced: TracedFunction, leaves: list, sizes, verbose: bool) -> Report:
        plan = self._plan_on(place, traced, leaves, warming=True)
        device = plan.device
        target = self._target_on(device)
        compiled = self._compiled(traced, target, device.options_for(target))
        facts = compiled.program(place).kernels() if verbose else []
        head = f"{compiled.target} ({device.native.description}, {place})"
        report = Report.of(self.__name__, head, traced, compiled, sizes, verbose, facts)
        report.bytes["workspace"] = plan.workspace_bytes
        return report

    def warmup(self, *args, device: str = arrays.HOST, **kwargs) -> None:
        """Compiles for these arguments or specs and loads the code, and runs nothing.

        Args:
            args: arguments, or specs made by :func:`spec`: then every program that calls with
                row-major arrays of such types and lengths may need.
            device: of specs: "host", "cuda:N" or "hip:N".

        Needed before a CUDA graph captures a call. Raises as a call does.
        """
        args = self._bind(args, kwargs)
        if not any(isinstance(value, specs.SPECS) for value in args):
            _, leaves, traced = self._trace_bound(args)
            self._plan_on(devices.holding(leaves), traced, leaves, warming=True)
            return
        for variant in warmup.variants(args, on_device=device != arrays.HOST):
            _, leaves, traced = self._trace_bound(variant)
            self._load(device, traced, leaves)

    def _load(self, place: str, traced: TracedFunction, leaves: list) -> None:
        """Makes ready on `place` what any plan of a traced function needs."""
        if place == arrays.HOST:
            self._program(traced, self.target)
            return
        device = devices.device(place)
        target = self._target_on(device)
        self._compiled(traced, target, device.options_for(target)).program(place)
        for entry in traced.graph.inputs:
            if entry.fixed:
                device.constant(entry.fetch(leaves), 0)

    def signatures(self) -> list[str]:
        """One line for each traced signature."""
        return [", ".join(map(str, signature)) for signature in self._traced]

    def __get__(self, instance, owner=None):
        """Methods can be jitted: `self` is a static value, compared by hash."""
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<jit {self.__name__}>"


def _text(traced: TracedFunction, target: str, tuning: dict[str, int] | None = None) -> str:
    """The module of a traced function, with the knobs of `tuning`; None: those of its plan file."""
    return mlir.print_graph(traced.graph, tuning=plan_files.plan_of(traced, target) if tuning is None else tuning)


def _captured(value):
    """A captured value, wrapped if the signature can only hold its identity."""
    if specs.children_of(value) is not None or isinstance(value, specs.CAPTURED):
        return value
    return value if arrays.is_array(value) else _Opaque(value)


def _definition(function) -> Location | None:
    code = getattr(function, "__code__", None)
    return Location(code.co_filename, code.co_firstlineno) if code else None


def jit(function=None, *, strict: bool = False, max_kernels: int | None = None, target: str | None = None):
    """Makes a function of arrays that compiles itself: a decorator, with or without options.

    The Python body runs once per signature: rank, dtype, strides' order and divisibility of
    lengths of arrays; values of static arguments (ints, strings, formats) and of what the
    function reads from outside. Floats, keys, sign vectors and lengths are run-time values.

    Args:
        strict: a slow path or fallback is a CompileError, not a warning in `explain`.
        max_kernels: more launches than this are a CompileError.
        target: where it runs: "host" (default), or "interpret" for the specification.
    """
    if function is None:
        return functools.partial(jit, strict=strict, max_kernels=max_kernels, target=target)
    if not callable(function):
        raise ArgumentError(f"{function!r} is not a function", instead="@qd.jit above a def")
    return JitFunction(function, strict=strict, max_kernels=max_kernels, target=target)
