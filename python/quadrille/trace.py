"""The program that tracing records: typed values, operations, conditions on sizes.

A graph is what the interpreter runs, what the printer (mlir.py) turns into
the quad dialect, and what reports describe. Sizes may be symbols: a graph
serves every size, and says which conditions a size must meet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import dtypes, storage
from .dtypes import DType
from .errors import ArgumentError, Location, ShapeError, TraceError, caller
from .formats import Format
from .rht import RHT
from .rounding import Key
from .scopes import current_scope


class Dim:
    """A length that is known only at run time.

    `divisor` divides it: part of the signature, so that kernels may rely on it.
    """

    __slots__ = ("name", "divisor")

    def __init__(self, name: str, divisor: int = 1):
        self.name, self.divisor = name, divisor

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other) -> bool:
        if other is self:
            return True
        self._unknown()

    def _unknown(self, *_):
        raise TraceError(
            f"the length {self.name} is known only at run time; one compiled program serves every length",
            instead="a static argument (a Python int), or this computation outside of the traced function",
        )

    __hash__ = object.__hash__
    __ne__ = __bool__ = __int__ = __index__ = __float__ = __lt__ = __le__ = __gt__ = __ge__ = _unknown
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __mod__ = __truediv__ = _unknown


Length = int | Dim


@dataclass(frozen=True, eq=False)
class TensorType:
    """A matrix or a vector of plain elements.

    `unit_stride` is the axis of an argument whose neighbours are adjacent in memory;
    `alignment` (bytes) divides its address, `stride_divisors` its strides (elements).
    """

    shape: tuple[Length, ...]
    dtype: DType
    unit_stride: int | None = None
    alignment: int = 0
    stride_divisors: tuple[int, ...] = ()

    def buffers(self, sizes) -> list[storage.Buffer]:
        """The arrays of a value, given the sizes of symbols."""
        return [storage.Buffer(tuple(resolve(d, sizes) for d in self.shape), self.dtype.numpy)]

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True, eq=False)
class QuantType:
    """A quantized matrix. `pad` says that the stored length may exceed the axis length."""

    shape: tuple[Length, Length]
    format: Format
    axis: int
    rht: RHT | None
    multiple: int
    pad: bool = False
    rounding: str = ""
    alignment: int = 0
    scale_layout: str = storage.ROW_MAJOR
    #: The offsets of groups along the axis, which is then stored in as many elements as any need.
    groups: Value | None = None

    def stored(self, sizes) -> int:
        """Stored length of the axis, given the sizes of symbols."""
        length = resolve(self.shape[self.axis], sizes)
        if self.groups is None:
            return storage.round_up(length, self.multiple)
        return storage.grouped_length(length, resolve(self.groups.type.shape[0], sizes) - 1, self.multiple)

    def buffers(self, sizes) -> list[storage.Buffer]:
        other = resolve(self.shape[1 - self.axis], sizes)
        return storage.buffers(self.format, other, self.stored(sizes), self.scale_layout)

    def __str__(self) -> str:
        rht = f" after RHT({self.rht.n})" if self.rht else ""
        grouped = " in groups" if self.groups else ""
        return f"{self.format.name}[{','.join(map(str, self.shape))}] along axis {self.axis}{grouped}{rht}"


@dataclass(frozen=True, eq=False)
class ScalesType:
    """The innermost scales of a quantized matrix (with its layout) by themselves."""

    of: QuantType

    def buffers(self, sizes) -> list[storage.Buffer]:
        return self.of.buffers(sizes)[1:2]

    def __str__(self) -> str:
        return f"scales of {self.of} as {self.of.scale_layout}"


@dataclass(frozen=True, eq=False)
class CarrierType:
    """A quantized matrix in a carrier; `folded` is what _core.numerics.to_carrier takes, None for bf16."""

    of: QuantType
    carrier: str
    folded: tuple[int, int, int, int] | None

    @property
    def dtype(self) -> DType:
        return dtypes.CARRIERS[self.carrier]

    def buffers(self, sizes) -> list[storage.Buffer]:
        other = resolve(self.of.shape[1 - self.of.axis], sizes)
        rows = storage.Buffer((other,), dtypes.i32.numpy)
        values = storage.Buffer((other, self.of.stored(sizes)), self.dtype.numpy)
        return [values, rows, rows] if self.folded else [values]

    def __str__(self) -> str:
        return f"{self.of} in {self.carrier}"


@dataclass(frozen=True, eq=False)
class PreparedType:
    """A quantized matrix as operand `side` of products reads it.

    `bytes` is the length of the target's array, which a plan finds in what the compiler says of
    results (None, or not known: prepared by the interpreter, the parts of the matrix itself). An
    argument has its form with it.
    """

    of: QuantType
    side: str
    bytes: Length | None
    form: str | None = None

    shape = property(lambda self: self.of.shape)
    axis = property(lambda self: self.of.axis)

    def buffers(self, sizes) -> list[storage.Buffer]:
        if self.bytes not in sizes:
            return self.of.buffers(sizes)
        scale = [storage.Buffer((1,), dtypes.f32.numpy)] if self.of.format.has_tensor_level else []
        return [storage.Buffer((sizes[self.bytes],), np.dtype(np.uint8)), *scale]

    def __str__(self) -> str:
        return f"{self.of} prepared as {self.side}"


def quantized(type_) -> QuantType | None:
    """The quantized matrix that an operand of a product is, or was prepared of."""
    if isinstance(type_, PreparedType):
        return type_.of
    return type_ if isinstance(type_, QuantType) else None


@dataclass(frozen=True)
class ScalarType:
    """An f32 or i64 argument that is known only at run time."""

    name: str

    def __str__(self) -> str:
        return self.name


F32, I64 = ScalarType("f32"), ScalarType("i64")


def resolve(length: Length, sizes: dict[Dim, int]) -> int:
    return sizes[length] if isinstance(length, Dim) else length


@dataclass(eq=False)
class Value:
    """A result of an operation or an input of the graph."""

    type: Any
    name: str


@dataclass(eq=False)
class Node:
    """One operation of the quad dialect (or `arith`)."""

    op: str
    operands: dict[str, Value]
    attributes: dict[str, Any]
    result: Value
    where: Location | None
    scope: str = ""


@dataclass(eq=False)
class Input:
    """An argument of the graph.

    `fetch(leaves)` gives its value at a call: the caller's array, the list of a quantized
    tensor's arrays, an int or a float. `leaf` is the number of the leaf that is the value itself,
    if it is an array or a number; `fixed` says that calls of one plan have the same value.
    """

    value: Value
    fetch: Callable[[list], Any]
    leaf: int | None = None
    fixed: bool = False


@dataclass(frozen=True, eq=False)
class Condition:
    """What sizes must meet: `holds(sizes)`; otherwise ShapeError(message, instead) at `where`."""

    holds: Callable[[dict], bool]
    message: Callable[[dict], str]
    instead: str
    where: Location | None


@dataclass(eq=False)
class Graph:
    """A traced function."""

    name: str
    where: Location | None = None
    inputs: list[Input] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    #: Lengths that follow from others: (symbol, function of the sizes before it).
    derived: list[tuple[Dim, Callable[[dict], int]]] = field(default_factory=list)
    #: All lengths of a call, of its leaves.
    sizes_at_call: Callable[[list], dict] = lambda leaves: {}
    #: Inputs that operations combine results into, and what they are called there.
    words: dict[Value, str] = field(default_factory=dict)
    _signs: dict[RHT, Value] = field(default_factory=dict)
    _scalars: dict[Any, Value] = field(default_factory=dict)
    # Where a call finds what was seen while tracing: transforms by value, the rest by identity.
    _rht_sources: dict[RHT, Callable] = field(default_factory=dict)
    _key_sources: dict[int, Callable] = field(default_factory=dict)
    _steps: dict[int, Value] = field(default_factory=dict)
    _lifted: dict[int, Traced] = field(default_factory=dict)

    # Inputs.

    def add_input(self, type_, name: str, fetch, *, leaf: int | None = None, fixed: bool = False) -> Value:
        value = Value(type_, name)
        self.inputs.append(Input(value, fetch, leaf, fixed))
        return value

    def note_rht(self, rht: RHT, fetch) -> None:
        """At a call, `fetch(leaves)` is the RHT that `rht` was while tracing."""
        self._rht_sources.setdefault(rht, fetch)

    def note_key(self, key: Key, fetch) -> None:
        self._key_sources.setdefault(id(key), fetch)

    def note_array(self, array, traced: Traced) -> None:
        """A captured array is the traced value."""
        self._lifted.setdefault(id(array), traced)

    def symbol(self, value):
        """The traced value that a captured array is; other values as they are."""
        return self._lifted.get(id(value), value)

    def signs(self, rht: RHT) -> Value:
        """The sign vector as an input; a new vector of the same size needs no compilation."""
        if rht not in self._signs:
            source = self._rht_sources.get(rht, lambda leaves: rht)
            type_ = TensorType((rht.n,), dtypes.f32)
            name = f"signs{len(self._signs)}"
            self._signs[rht] = self.add_input(type_, name, lambda leaves: source(leaves).signs, fixed=True)
        return self._signs[rht]

    def equal_groups(self, count: int, rows: Length) -> Value:
        """The offsets of `count` groups of as many of `rows` each, as an input that a call's sizes give."""

        def offsets(leaves):
            return np.arange(count + 1, dtype=np.int64) * (resolve(rows, self.sizes_at_call(leaves)) // count)

        self.require(
            lambda sizes: resolve(rows, sizes) % count == 0,
            lambda sizes: f"{resolve(rows, sizes)} rows are not {count} groups of as many",
            "a multiple, or the groups' offsets",
        )
        key = "groups", count, rows
        if key not in self._scalars:
            type_ = TensorType((count + 1,), dtypes.i64)
            self._scalars[key] = self.add_input(type_, f"groups{len(self._scalars)}", offsets, fixed=True)
        return self._scalars[key]

    def rht_at_call(self, rht: RHT | None, leaves: list) -> RHT | None:
        """What `rht` of this graph is in the call of `leaves`."""
        return self._rht_sources[rht](leaves) if rht in self._rht_sources else rht

    def key(self, key: Key) -> tuple[Value, Value | None]:
        """The key's value as an input, read at every call, and its counter if kernels must read it."""
        root = key
        while id(root) not in self._key_sources and root.parent is not None:
            root = root.parent
        source = self._key_sources.get(id(root))
        if source is None:  # made inside the function: the same at every call, but for its counter
            root, source = key, lambda leaves: key
        path = key.folds[len(root.folds) :]
        if not key.on_device:
            fetch = lambda leaves: _signed(source(leaves).fold_in(*path).value)  # noqa: E731
            return self.scalar((id(root), path), I64, "key", fetch), None
        fetch = lambda leaves: _signed(source(leaves).fold_in(*path).base)  # noqa: E731
        return self.scalar((id(root), path), I64, "key", fetch), self._step(root, source)

    def _step(self, root: Key, source) -> Value:
        """The counter of a key as an input in memory."""
        if id(root) not in self._steps:
            fetch = lambda leaves: source(leaves).step  # noqa: E731
            self._steps[id(root)] = self.add_input(TensorType((1,), dtypes.i64), f"step{len(self._steps)}", fetch)
        return self._steps[id(root)]

    def scalar(self, identity, type_: ScalarType, name: str, fetch, *, leaf: int | None = None) -> Value:
        """A scalar input, one for each identity."""
        if identity not in self._scalars:
            self._scalars[identity] = self.add_input(type_, f"{name}{len(self._scalars)}", fetch, leaf=leaf)
        return self._scalars[identity]

    def note_word(self, value: Value, what: str, instead: str) -> None:
        """`value` is memory of the caller that operations combine results into."""
        if all(entry.value is not value for entry in self.inputs):
            raise ArgumentError(f"{what} is computed by the traced function", instead=instead)
        self.words[value] = what

    def check_words(self) -> None:
        """ArgumentError if an operation reads a word that another changes."""
        for node in self.nodes:
            for name, value in node.operands.items():
                if value in self.words and name != self.words[value]:
                    raise ArgumentError(
                        f"{name}= reads the array that {self.words[value]}= writes",
                        instead="two arrays",
                        where=node.where,
                    )

    def fetch_of(self, value: Value) -> Callable[[list], Any]:
        """How a call has the value of an input."""
        return next(entry.fetch for entry in self.inputs if entry.value is value)

    # Operations.

    def emit(self, op: str, operands: dict[str, Value | None], attributes: dict, type_) -> Value:
        """Appends an operation; operands that are None are absent."""
        present = {name: value for name, value in operands.items() if value is not None}
        result = Value(type_, f"v{len(self.nodes)}")
        self.nodes.append(Node(op, present, attributes, result, caller(), current_scope()))
        return result

    # Lengths.

    def derive(self, name: str, length: Callable[[dict], int]) -> Dim:
        """A length that follows from the sizes of a call. Conditions are checked after it."""
        dim = Dim(name)
        self.derived.append((dim, length))
        return dim

    # Conditions on sizes.

    def require_multiple(self, length: Length, multiple: int, what: str, instead: str) -> None:
        """`length` must be a multiple: an error now if it is static, else at each call."""
        self._require(
            (length,),
            lambda sizes: resolve(length, sizes) % multiple == 0,
            lambda sizes: f"{what} has length {resolve(length, sizes)}, not a multiple of {multiple}",
            instead,
        )

    def require(self, holds, message, instead: str) -> None:
        """`holds(sizes)` at each call, or ShapeError(message(sizes), instead)."""
        self.conditions.append(Condition(holds, message, instead, caller()))

    def require_some(self, length: Length, what: str, instead: str) -> None:
        """`length` must not be 0."""
        self._require((length,), lambda sizes: resolve(length, sizes) > 0, lambda sizes: f"{what} is empty", instead)

    def require_equal(self, a: Length, b: Length, what: Callable[[int, int], str], instead: str) -> None:
        if a is b:
            return
        self._require(
            (a, b),
            lambda sizes: resolve(a, sizes) == resolve(b, sizes),
            lambda sizes: what(resolve(a, sizes), resolve(b, sizes)),
            instead,
        )

    def _require(self, lengths, holds, message, instead: str) -> None:
        condition = Condition(holds, message, instead, caller())
        if any(isinstance(length, Dim) for length in lengths):
            self.conditions.append(condition)
        else:
            check(condition, {})

    def check_conditions(self, sizes: dict[Dim, int]) -> None:
        """Raises ShapeError for the first condition that these sizes do not meet."""
        for condition in self.conditions:
            check(condition, sizes)


def check(condition: Condition, sizes) -> None:
    if not condition.holds(sizes):
        raise ShapeError(condition.message(sizes), instead=condition.instead, where=condition.where)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


# What the user's function sees.


class Traced:
    """Base of traced values: what Python may not ask of them."""

    __hash__ = object.__hash__

    def __init__(self, graph: Graph, value: Value):
        self._graph, self._value = graph, value

    def _refuse(self, what: str, instead: str):
        raise TraceError(f"{what} a traced value, whose elements are known only at run time", instead=instead)

    def __bool__(self):
        self._refuse(
            "a condition on", "a static argument (a Python bool or int), or the choice outside of the traced function"
        )

    def __iter__(self):
        self._refuse("iteration over", "operations on the whole matrix")

    def __len__(self):
        self._refuse("len() of", "x.shape, whose entries may be passed on but not computed with")

    def __float__(self):
        self._refuse("a Python number of", "operations on the whole matrix")

    __int__ = __index__ = __complex__ = __float__

    def __getitem__(self, _):
        self._refuse("indexing", "passing the part as an argument of its own")

    def __array__(self, *_, **__):
        self._refuse("a NumPy function on", "Quadrille's operations; NumPy's before or after the traced function")

    __array_ufunc__ = __array_function__ = __array__

    def _compare(self, _):
        self._refuse("comparison of", "comparison of the results outside of the traced function")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _compare

    def _arithmetic(self, *_):
        self._refuse("Python arithmetic on", "qd.dequantize(q), whose result has + - * / and qd.maximum, qd.exp, ..")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _arithmetic
    __neg__ = __abs__ = _arithmetic

    def _no_operator(self, *_):
        self._refuse("this operator on", "qd.matmul for a product of matrices, x * x for a square")

    __matmul__ = __rmatmul__ = __pow__ = __rpow__ = __mod__ = __floordiv__ = _no_operator


def _elementwise(op: str, reflected: bool = False):
    def method(self, *other):
        from .arithmetic import apply

        return apply(op, *other, self) if reflected else apply(op, self, *other)

    return method


class _Arithmetic(Traced):
    """What traced arrays and numbers compute with: each operation in f32, rounded once."""

    __add__, __radd__ = _elementwise("add"), _elementwise("add", reflected=True)
    __sub__, __rsub__ = _elementwise("sub"), _elementwise("sub", reflected=True)
    __mul__, __rmul__ = _elementwise("mul"), _elementwise("mul", reflected=True)
    __truediv__, __rtruediv__ = _elementwise("div"), _elementwise("div", reflected=True)
    __neg__, __abs__ = _elementwise("neg"), _elementwise("abs")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        """An array or a number of NumPy to the left of an operator."""
        op = _UFUNCS.get(ufunc.__name__) if method == "__call__" and not options else None
        if op is None:
            self.__array__()
        from .arithmetic import apply

        return apply(op, *inputs)


#: Operators of Python, as NumPy calls them.
_UFUNCS = {"add": "add", "subtract": "sub", "multiply": "mul", "divide": "div"}


class TracedTensor(_Arithmetic):
    """A plain matrix (or vector) in a traced function.

    Has .shape and .dtype, the operators + - * / and abs, and .astype; qd.maximum, qd.exp
    and so on take it.
    """

    @property
    def shape(self) -> tuple[Length, ...]:
        return self._value.type.shape

    @property
    def dtype(self) -> DType:
        return self._value.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def astype(self, dtype) -> TracedTensor:
        """The elements as f32, bf16 or f16, rounded to nearest even."""
        from .arithmetic import apply

        return apply("convert", self, dtype=dtypes.of(dtype))

    def __repr__(self) -> str:
        return f"<traced {self.dtype.name}[{','.join(map(str, self.shape))}]>"


class TracedQTensor(Traced):
    """A quantized matrix in a traced function: has .shape, .axis, .format, .rht, .scale_layout, .groups and .T."""

    shape = property(lambda self: self._value.type.shape)
    axis = property(lambda self: self._value.type.axis)
    format = property(lambda self: self._value.type.format)
    rht = property(lambda self: self._value.type.rht)
    scale_layout = property(lambda self: self._value.type.scale_layout)

    @property
    def groups(self) -> TracedTensor | None:
        groups = self._value.type.groups
        return None if groups is None else TracedTensor(self._graph, groups)

    @property
    def T(self) -> TracedQTensor:
        old = self._value.type
        type_ = replace(old, shape=old.shape[::-1], axis=1 - old.axis)
        return TracedQTensor(self._graph, self._graph.emit("transpose", {"input": self._value}, {}, type_))

    @property
    def codes(self):
        self._refuse("the codes of", "returning the quantized tensor and reading .codes of the result")

    @property
    def scales(self):
        self._refuse("the scales of", "returning the quantized tensor and reading .scales of the result")

    def dequantize(self, *, dtype="f32", undo_rht: bool = False) -> TracedTensor:
        """:func:`quadrille.dequantize` of this tensor."""
        from .ops import dequantize

        return dequantize(self, dtype=dtype, undo_rht=undo_rht)

    def __repr__(self) -> str:
        return f"<traced {self.format.name}[{','.join(map(str, self.shape))}], axis={self.axis}>"


class TracedPrepared(Traced):
    """A prepared matrix in a traced function: has .shape, .axis, .format, .rht, .side and .T."""

    shape = property(lambda self: self._value.type.shape)
    axis = property(lambda self: self._value.type.axis)
    format = property(lambda self: self._value.type.of.format)
    rht = property(lambda self: self._value.type.of.rht)
    side = property(lambda self: self._value.type.side)

    @property
    def T(self) -> TracedPrepared:
        old = self._value.type
        of = replace(old.of, shape=old.of.shape[::-1], axis=1 - old.of.axis)
        emitted = self._graph.emit("transpose", {"input": self._value}, {}, replace(old, of=of))
        return TracedPrepared(self._graph, emitted)

    @property
    def arrays(self):
        self._refuse("the arrays of", "returning the prepared tensor and reading .arrays of the result")

    def __repr__(self) -> str:
        return f"<traced {self._value.type}>"


class TracedCarrier(Traced):
    """A carrier in a traced function, which can be returned: has .carrier."""

    carrier = property(lambda self: self._value.type.carrier)

    def _parts(self):
        self._refuse("the arrays of", "returning the carrier and reading .values and .row_exponents of the result")

    values = row_exponents = overflow = property(_parts)

    def __repr__(self) -> str:
        return f"<traced {self._value.type}>"


class TracedScalar(_Arithmetic):
    """A float or integer argument: a run-time value, so that a new one does not recompile.

    A float computes with arrays; of numbers alone comes an f32 matrix of one element.
    """

    def __repr__(self) -> str:
        return f"<traced {self._value.type.name}>"


_active = threading.local()


def current() -> Graph | None:
    """The graph being traced on this thread."""
    return getattr(_active, "graph", None)


class tracing:
    """Context manager: `with tracing(graph):` operations record into `graph`."""

    def __init__(self, graph: Graph):
        self.graph = graph

    def __enter__(self) -> Graph:
        if current() is not None:
            raise ArgumentError("a traced function traces another", instead="calling the inner one: it is inlined")
        _active.graph = self.graph
        return self.graph

    def __exit__(self, *_):
        _active.graph = None
