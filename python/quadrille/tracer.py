"""Runs a user's function on symbolic arguments: from specs to a graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import _native, arrays, specs
from .errors import ArgumentError, Location
from .prepared import REFERENCE
from .tensor import QTensor
from .trace import (
    F32,
    I64,
    Dim,
    Graph,
    PreparedType,
    QuantType,
    TensorType,
    Traced,
    TracedPrepared,
    TracedQTensor,
    TracedScalar,
    TracedTensor,
    Value,
    resolve,
    tracing,
)

_SCALARS = {"f32": F32, "i64": I64}


@dataclass(eq=False)
class TracedFunction:
    """A graph and how calls map to it.

    Attributes:
        lengths: where a symbol's size is found: (symbol, leaf number, axis).
        group_lengths: the same of the offsets that a leaf has with it: (symbol, leaf number).
        byte_lengths: the same of a prepared leaf's bytes.
        results: for each output its type as the user sees it (a transposed output
            shares the storage of the graph's).
        rebuild: makes the user's return value of the list of results.
        plans: knobs of the kernels by target, as far as they are known (plan_files.py).
    """

    graph: Graph
    lengths: list[tuple[Dim, int, int]] = field(default_factory=list)
    group_lengths: list[tuple[Dim, int]] = field(default_factory=list)
    byte_lengths: list[tuple[Dim, int]] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    rebuild: Callable[[list], Any] = lambda results: results[0]
    plans: dict[str, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self):
        self.graph.sizes_at_call = self.sizes

    def sizes(self, leaves: list) -> dict[Dim, int]:
        """The sizes of symbols in a call. One symbol has one size: ShapeError otherwise."""
        sizes: dict[Dim, int] = {}
        for dim, number, axis in self.lengths:
            size = leaves[number].shape[axis]
            if sizes.setdefault(dim, size) != size:
                raise ArgumentError(f"{dim} is {sizes[dim]} in one argument and {size} in another")
        sizes.update((dim, arrays.view(leaves[number].groups).shape[0]) for dim, number in self.group_lengths)
        sizes.update((dim, arrays.view(leaves[number].arrays[0]).shape[0]) for dim, number in self.byte_lengths)
        for dim, length in self.graph.derived:
            sizes[dim] = length(sizes)
        return sizes

    def forms_of(self, forms: list[dict]) -> dict[int, dict]:
        """By the number of a result, what the compiler says of prepared ones, in their order."""
        numbers = [i for i, type_ in enumerate(self.results) if isinstance(type_, PreparedType)]
        return dict(zip(numbers, forms))

    def measure(self, sizes: dict, forms: list[dict]) -> None:
        """Adds the lengths of prepared results to `sizes`."""
        for number, form in self.forms_of(forms).items():
            type_ = self.results[number]
            rows, stored = resolve(type_.shape[1 - type_.axis], sizes), type_.of.stored(sizes)
            panels, blocks = -(-rows // form["panel_rows"]), -(-stored // form["k_block"])
            sizes[type_.bytes] = panels * (blocks * form["block_bytes"] + form["panel_bytes"])


def trace(function, arguments, captured, *, name: str, where: Location | None) -> TracedFunction:
    """Runs `function` on symbols.

    `arguments` and `captured` are lists of (name, value, spec) in the order of leaves;
    captured values are recognized where the function uses them.
    """
    result = TracedFunction(Graph(_identifier(name), where))
    builder = _Arguments(result)
    symbols = [builder.build(*argument) for argument in arguments]
    for argument in captured:
        builder.build(*argument, captured=True)
    with tracing(result.graph):
        returned = function(*symbols)
    result.graph.check_words()
    _set_outputs(result, returned)
    return result


class _Arguments:
    """Makes symbolic arguments of specs."""

    def __init__(self, traced: TracedFunction):
        self.traced, self.graph = traced, traced.graph
        self.number = 0  # of the next leaf
        self.named: dict[str, Dim] = {}
        self.offsets: dict[int, Value] = {}  # by their number in specs

    def build(self, name: str, value, spec, captured: bool = False):
        """The symbol for one value; a captured array is noted in place of being passed."""
        if isinstance(spec, specs.Static):
            return value
        if isinstance(spec, specs.Tree):
            return self._tree(name, value, spec, captured)
        number, self.number = self.number, self.number + 1
        if isinstance(spec, specs.RHTSpec):
            self.graph.note_rht(value, lambda leaves: leaves[number])
            return value
        if isinstance(spec, specs.KeySpec):
            self.graph.note_key(value, lambda leaves: leaves[number])
            return value
        if isinstance(spec, specs.ScalarSpec):
            return self._scalar(name, spec, number)
        symbol = _MAKERS[type(spec)](self, name, spec, number)
        if captured:
            self.graph.note_array(value, symbol)
        return symbol

    def _tree(self, name, value, spec, captured):
        parts = specs.children_of(value)
        children = [
            self.build(f"{name}_{i}", child, child_spec, captured)
            for i, (child, child_spec) in enumerate(zip(parts, spec.children))
        ]
        if isinstance(value, dict):
            return dict(zip(value, children))
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*children)
        return type(value)(children) if isinstance(value, (tuple, list)) else value

    def _scalar(self, name, spec, number) -> TracedScalar:
        type_ = _SCALARS[spec.name]
        identity, fetch = ("leaf", number), lambda leaves: leaves[number]
        value = self.graph.scalar(identity, type_, _identifier(name), fetch, leaf=number)
        return TracedScalar(self.graph, value)

    def _array(self, name, spec, number) -> TracedTensor:
        shape = self._shape(name, spec.shape, number)
        type_ = TensorType(shape, spec.dtype, spec.unit_stride, spec.alignment, spec.stride_divisors)
        fetch = lambda leaves: leaves[number]  # noqa: E731
        return TracedTensor(self.graph, self.graph.add_input(type_, self._unique(name), fetch, leaf=number))

    def _quant_type(self, name, spec, number) -> QuantType:
        rht = spec.rht_value
        if rht is not None:
            self.graph.note_rht(rht, lambda leaves: _rht_of(leaves[number]))
        shape = self._shape(name, spec.shape, number)
        multiple = _native.stored_multiple(spec.format, rht)
        groups = None if spec.groups is None else self._offsets(f"{name}_groups", spec, number)
        facts = (spec.padded, spec.rounding, spec.alignment, spec.scale_layout, groups)
        return QuantType(shape, spec.format, spec.axis, rht, multiple, *facts)

    def _prepared(self, name, spec, number) -> TracedPrepared:
        of, size = self._quant_type(name, spec.of, number), None
        if spec.form != REFERENCE:
            size = Dim(f"{name}.nbytes")
            self.traced.byte_lengths.append((size, number))
        type_ = PreparedType(of, spec.side, size, spec.form)
        numbers = (lambda p: []) if size is None else lambda p: [p.shape[1 - p.axis], p.stored]
        fetch = lambda leaves: [*leaves[number].arrays, *numbers(leaves[number])]  # noqa: E731
        return TracedPrepared(self.graph, self.graph.add_input(type_, self._unique(name), fetch))

    def _quantized(self, name, spec, number) -> TracedQTensor:
        type_ = self._quant_type(name, spec, number)
        fetch = lambda leaves: [leaves[number].codes, *leaves[number].scales]  # noqa: E731
        return TracedQTensor(self.graph, self.graph.add_input(type_, self._unique(name), fetch))

    def _offsets(self, name, spec, number) -> Value:
        """The offsets that a quantized tensor has with it, one value for all that have the same."""
        if spec.groups_number not in self.offsets:
            dim = Dim(f"{name}.shape[0]")
            self.traced.group_lengths.append((dim, number))
            type_ = TensorType((dim,), spec.groups.dtype, spec.groups.unit_stride)
            fetch = lambda leaves: leaves[number].groups  # noqa: E731
            self.offsets[spec.groups_number] = self.graph.add_input(type_, self._unique(name), fetch)
        return self.offsets[spec.groups_number]

    def _shape(self, name: str, lengths, number: int) -> tuple:
        shape = []
        for axis, length in enumerate(lengths):
            if isinstance(length, specs.Symbolic):
                dim = Dim(length.name or f"{name}.shape[{axis}]", length.divisor)
                length = self.named.setdefault(length.name, dim) if length.name else dim
                self.traced.lengths.append((length, number, axis))
            shape.append(length)
        return tuple(shape)

    def _unique(self, name: str) -> str:
        name = _identifier(name)
        taken = {entry.value.name for entry in self.graph.inputs}
        return name if name not in taken else f"{name}_{len(taken)}"


_MAKERS = {
    specs.ArraySpec: _Arguments._array,
    specs.QTensorSpec: _Arguments._quantized,
    specs.PreparedSpec: _Arguments._prepared,
}


def _rht_of(leaf):
    """The transform of a quantized tensor, or of the spec of one."""
    return leaf.rht_value if isinstance(leaf, specs.QTensorSpec) else leaf.rht


def _identifier(name: str) -> str:
    """`name` with only what an MLIR name may have; "<lambda>" is lambda."""
    text = "".join(c if c.isalnum() and c.isascii() else "_" for c in name).strip("_")
    return text if text[:1].isalpha() else f"arg_{text}"


def _set_outputs(traced: TracedFunction, returned) -> None:
    """Records what is returned: traced values, alone or in tuples, lists and dicts."""
    graph = traced.graph
    by_value: dict[tuple[Value, int], int] = {}

    def describe(value):
        if isinstance(value, TracedScalar):
            raise ArgumentError("the function returns a scalar argument", instead="returning tensors")
        if isinstance(value, Traced):
            source = _untransposed(graph, value._value)
            key = (source, getattr(value._value.type, "axis", 0))
            if key not in by_value:
                by_value[key] = len(traced.results)
                traced.results.append(value._value.type)
                graph.outputs.append(source)
            index = by_value[key]
            return lambda results: results[index]
        if isinstance(value, (tuple, list)):
            parts = [describe(v) for v in value]
            make = type(value)
            if hasattr(make, "_fields"):
                return lambda results: make(*[part(results) for part in parts])
            return lambda results: make([part(results) for part in parts])
        if isinstance(value, dict):
            entries = {k: describe(v) for k, v in value.items()}
            return lambda results: {k: part(results) for k, part in entries.items()}
        if isinstance(value, QTensor) or arrays.is_array(value):
            raise ArgumentError("the function returns an array that it did not compute", instead="returning it outside")
        return lambda results: value

    traced.rebuild = describe(returned)
    if not graph.outputs:
        raise ArgumentError(
            f"{graph.name} returns no traced value, but {type(returned).__name__}",
            instead="return the result of an operation",
        )


def _untransposed(graph: Graph, value: Value) -> Value:
    """The value whose storage `value` shares; it must have been computed, not passed."""
    made_by = {node.result: node for node in graph.nodes}
    while value in made_by and made_by[value].op == "transpose":
        value = made_by[value].operands["input"]
    if value not in made_by:
        raise ArgumentError(f"{graph.name} returns its argument {value.name} unchanged", instead="using it outside")
    return value
