"""A plan: everything about a call but its data, for one combination of exact shapes.

HostPlan runs on NumPy views, by compiled code or the interpreter; device_plans.py
has the one of a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import arrays, storage
from .carrier import Carrier
from .errors import ArgumentError, DTypeError, ShapeError, UnsupportedError
from .prepared import REFERENCE, Prepared
from .tensor import QTensor
from .trace import CarrierType, PreparedType, QuantType, TensorType, quantized, resolve
from .tracer import TracedFunction

_empty = np.empty


class _Result(NamedTuple):
    """How one result is made of the buffers [start, end)."""

    type: Any
    start: int
    end: int
    shape: tuple[int, ...]
    stored: int
    rht: Any
    groups: Any
    form: str | None = None


def _maker(type_, start, end, shape, stored, rht, groups, form) -> Callable[[list, list], Any]:
    """A function of a plan's buffers and a call's leaves that makes one result of them."""
    if type_ is None:
        return lambda made, leaves: made[start]
    if isinstance(type_, CarrierType):
        return lambda made, leaves: Carrier.of(made[start:end], type_.carrier)
    if isinstance(type_, PreparedType):
        facts = (type_.of.format, shape, type_.axis, rht, stored, type_.side, form)
        return lambda made, leaves: Prepared(tuple(made[start:end]), *facts)
    make, scales = QTensor._make, slice(start + 1, end)
    facts = (type_.format, shape, type_.axis, rht, stored, type_.rounding, type_.scale_layout)
    if groups is None:
        return lambda made, leaves: make(made[start], tuple(made[scales]), *facts, None)
    return lambda made, leaves: make(made[start], tuple(made[scales]), *facts, groups(leaves))


def _passed(fetch: Callable[[list], Any]) -> Callable[[list], Any]:
    """`fetch` of an array as the caller has it, which leaves may be views of."""

    def fetched(leaves):
        array = fetch(leaves)
        return array.owner if isinstance(array, arrays.DeviceView) else array

    return fetched


def _wanted(result: _Result) -> tuple[type | None, Any]:
    """What an entry of `out` must be: an array (None), a Carrier of a name, a QTensor or Prepared with these facts."""
    type_ = result.type
    if type_ is None:
        return None, None
    if isinstance(type_, CarrierType):
        return Carrier, type_.carrier
    if isinstance(type_, PreparedType):
        return Prepared, (type_.of.format, result.shape, type_.axis, result.rht, type_.side, result.form)
    facts = (type_.format, result.shape, type_.axis, result.rht, type_.scale_layout, type_.groups is None)
    return QTensor, facts


class Plan:
    """What plans of all devices have in common: sizes, results, and the checks of `out`."""

    __slots__ = ("traced", "sizes", "buffers", "results", "_forms", "_makers", "_wanted", "_is_grouped")

    def __init__(self, traced: TracedFunction, program, leaves: list):
        self.traced = traced
        self.sizes = traced.sizes(leaves)
        traced.graph.check_conditions(self.sizes)
        traced.measure(self.sizes, program.forms)
        self._forms = traced.forms_of(program.forms)
        self.buffers: list[storage.Buffer] = []
        self.results = [self._result(number, leaves) for number in range(len(traced.results))]
        self._makers = [_maker(*result) for result in self.results]
        self._wanted = [_wanted(result) for result in self.results]
        self._is_grouped = any(result.groups is not None for result in self.results)

    def _result(self, number: int, leaves) -> _Result:
        type_, start = self.traced.results[number], len(self.buffers)
        self.buffers += type_.buffers(self.sizes)
        if isinstance(type_, CarrierType):
            return _Result(type_, start, len(self.buffers), self.buffers[start].shape, 0, None, None)
        of = quantized(type_)
        if of is None:
            return _Result(None, start, start + 1, self.buffers[start].shape, 0, None, None)
        shape = tuple(resolve(d, self.sizes) for d in of.shape)
        rht = self.traced.graph.rht_at_call(of.rht, leaves)
        groups = _passed(self.traced.graph.fetch_of(of.groups)) if of.groups else None
        form = self._forms[number]["form"] if number in self._forms else REFERENCE
        return _Result(type_, start, len(self.buffers), shape, of.stored(self.sizes), rht, groups, form)

    def _rebuild(self, made: list, leaves: list):
        """The function's return value, of its results' buffers and the call's leaves."""
        return self.traced.rebuild([make(made, leaves) for make in self._makers])

    def _given(self, out) -> list:
        """The caller's buffers, one for each of ours."""
        given = out if isinstance(out, (tuple, list)) else (out,)
        if len(given) != len(self.results):
            raise ArgumentError(f"out has {len(given)} entries for {len(self.results)} results")
        entries = zip(given, self.results, self._wanted)
        return [part for value, result, wanted in entries for part in self._parts(value, result, *wanted)]

    def _with_groups(self, out, leaves: list):
        """The caller's buffers, with the groups of this call."""
        if not self._is_grouped:
            return out
        for value, result in zip(out if isinstance(out, (tuple, list)) else (out,), self.results):
            if result.groups is not None:
                value.groups = result.groups(leaves)
        return out

    @staticmethod
    def _parts(value, result: _Result, kind: type | None, facts) -> tuple:
        """The arrays of one entry of `out`, which must be of a kind and have its facts."""
        type_ = result.type
        if not isinstance(value, kind) if kind else isinstance(value, (QTensor, Carrier, Prepared)):
            raise DTypeError(
                f"out is {value!r}",
                instead="a QTensor, a Carrier, a Prepared or an array, as the function returns without out=",
            )
        if kind is None:
            return (value,)
        if kind is Carrier:
            if value.carrier != facts:
                raise ArgumentError(f"out is a carrier of {value.carrier}", instead=facts)
            return value.arrays
        if kind is Prepared:
            if facts != (value.format, value.shape, value.axis, value.rht, value.side, value.form):
                raise ArgumentError(f"out is {value!r}", instead=f"{type_} with form {result.form!r}")
            return value.arrays
        if facts != (value.format, value.shape, value.axis, value.rht, value.scale_layout, value.groups is None):
            rht = f" and {result.rht!r}" if result.rht else ""
            layout = f" and scales {type_.scale_layout}" if type_.scale_layout != storage.ROW_MAJOR else ""
            groups = " and groups" if type_.groups else ""
            raise ArgumentError(
                f"out is {value!r}",
                instead=f"{type_.format.name} of shape {result.shape}, axis {type_.axis}{rht}{layout}{groups}",
            )
        return (value.codes, *value.scales)

    def _check_words(self, values: list, overlap) -> None:
        """The words that operations combine into are memory that no other argument shares.

        `values` are the arrays (or lists of them) of the graph's inputs, None for others.
        """
        inputs, words = self.traced.graph.inputs, self.traced.graph.words
        for word, array in zip(inputs, values):
            if word.value not in words:
                continue
            for other, value in zip(inputs, values):
                parts = value if isinstance(value, list) else [value]
                if other.value not in words and any(overlap(array, part) for part in parts):
                    raise ArgumentError(
                        f"{word.value.name} shares memory with {other.value.name}", instead="an array of its own"
                    )

    def _accumulators(self) -> set:
        """The inputs that a result may be written over."""
        return {node.operands.get("acc") for node in self.traced.graph.nodes}


def check_out(view, buffer: storage.Buffer):
    """`view`, if it is what a result's buffer must be."""
    if tuple(view.shape) != buffer.shape:
        raise ShapeError(f"out has shape {tuple(view.shape)}", instead=f"{buffer.shape}")
    if view.dtype != buffer.dtype:
        raise DTypeError(f"out is {view.dtype}", instead=f"{buffer.dtype}")
    writable = isinstance(view, arrays.DeviceView) or view.flags.writeable
    if not arrays.is_packed(view) or not writable:
        raise ArgumentError("out is not contiguous and writable", instead="a row-major array of your own")
    return view


def overlap_error(name: str) -> ArgumentError:
    return ArgumentError(f"out shares memory with {name}", instead="a buffer of its own")


class HostPlan(Plan):
    """Runs a program on NumPy views of the call's arrays."""

    __slots__ = ("run_program", "fixed", "moves", "fetches", "torch")

    def __init__(self, traced: TracedFunction, program, leaves: list):
        super().__init__(traced, program, leaves)
        self.run_program = program.run
        self._find_inputs(traced.graph.inputs, leaves)
        self.torch = any(arrays.is_torch(_main_array(leaf)) for leaf in leaves)

    def _find_inputs(self, inputs, leaves) -> None:
        """How the inputs are made of a call's leaves: fixed ones, plain moves, and the rest."""
        self.fixed: list = [entry.fetch(leaves) if entry.fixed else None for entry in inputs]
        self.moves: list[tuple[int, int]] = []
        self.fetches: list[tuple[int, Any]] = []
        for position, entry in enumerate(inputs):
            if entry.leaf is not None and isinstance(leaves[entry.leaf], (np.ndarray, int, float)):
                self.moves.append((position, entry.leaf))
            elif not entry.fixed:
                self.fetches.append((position, _viewing(entry)))

    def run(self, leaves: list, out=None, workspace=None):
        """Runs the program on the data of `leaves`; into `out` if given."""
        if workspace is not None:
            raise UnsupportedError("workspace= is of GPUs: the host allocates temporaries", instead="workspace=None")
        inputs = self.fixed.copy()
        for position, number in self.moves:
            inputs[position] = leaves[number]
        for position, fetch in self.fetches:
            inputs[position] = fetch(leaves)
        if self.traced.graph.words:
            self._check_writable(inputs)
            self._check_words(inputs, lambda a, b: isinstance(b, np.ndarray) and np.may_share_memory(a, b))
        if out is not None:
            views = [check_out(arrays.host_view(part, "out"), b) for part, b in zip(self._given(out), self.buffers)]
            self._check_aliases(views, inputs)
            self.run_program(inputs, views, self.sizes)
            return self._with_groups(out, leaves)
        if self.torch:
            pairs = [arrays.empty_torch(shape, dtype) for shape, dtype in self.buffers]
            made, views = [a for a, _ in pairs], [v for _, v in pairs]
        else:
            made = views = [_empty(shape, dtype) for shape, dtype in self.buffers]
        self.run_program(inputs, views, self.sizes)
        return self._rebuild(made, leaves)

    def _check_writable(self, inputs) -> None:
        for entry, value in zip(self.traced.graph.inputs, inputs):
            if entry.value in self.traced.graph.words and not value.flags.writeable:
                raise ArgumentError(f"{entry.value.name} is read-only", instead="a writable array")

    def _check_aliases(self, views, inputs) -> None:
        """`out` may share memory with acc= alone, and only if it is the same array."""
        accumulators = self._accumulators()
        for entry, value in zip(self.traced.graph.inputs, inputs):
            for array in value if isinstance(value, list) else [value]:
                if not isinstance(array, np.ndarray) or not any(np.may_share_memory(array, view) for view in views):
                    continue
                same = any(array.ctypes.data == v.ctypes.data and array.shape == v.shape for v in views)
                if entry.value not in accumulators or not same:
                    raise overlap_error(entry.value.name)


def _main_array(leaf):
    """The array that tells a leaf's framework."""
    return leaf.arrays[0] if isinstance(leaf, Prepared) else getattr(leaf, "codes", leaf)


def _viewing(entry):
    """The entry's `fetch`, with NumPy views of the arrays."""
    fetch, view = entry.fetch, arrays.view
    if isinstance(entry.value.type, TensorType):
        return lambda leaves: view(fetch(leaves))
    if isinstance(entry.value.type, QuantType):
        return lambda leaves: [view(array) for array in fetch(leaves)]
    if isinstance(entry.value.type, PreparedType):
        return lambda leaves: [part if isinstance(part, int) else view(part) for part in fetch(leaves)]
    return fetch
