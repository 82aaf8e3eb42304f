"""The operations: the same functions eager and traced.

On arrays each call is one compiled program (compiled at the first call of a
signature); inside a `@qd.jit` function it is recorded. Matrices have rank 2 and
elements f32, bf16 or f16; any strides.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import replace

from . import _native, arrays, dtypes
from .dtypes import DType
from .errors import ArgumentError, DTypeError, ShapeError, UnsupportedError
from .formats import Format, lookup
from .prepared import check_side
from .recipes import Spec
from .rht import RHT
from .rounding import Rounding
from .storage import ROW_MAJOR
from .targets import carrier_form
from .tensor import QTensor, check_scale_layout, normalize_axis
from .trace import (
    I64,
    CarrierType,
    Dim,
    Graph,
    PreparedType,
    QuantType,
    ScalesType,
    TensorType,
    Traced,
    TracedCarrier,
    TracedPrepared,
    TracedQTensor,
    TracedScalar,
    TracedTensor,
    Value,
    current,
    quantized,
    resolve,
)

ACCUMULATIONS = ("default", "f32", "promote128", "fast")


def eager(operation):
    """Lets an operation that records also run on arrays: as a jitted function of itself."""

    @functools.wraps(operation)
    def function(*args, **kwargs):
        if current() is not None:
            return operation(*args, **kwargs)
        return function.compiled(*args, **kwargs)

    from .jit import JitFunction

    function.compiled = JitFunction(operation, own=True)
    return function


# Operands.


def _tensor(value, what: str = "x") -> tuple[Graph, Value]:
    """A traced plain matrix, or a captured array."""
    graph = current()
    value = graph.symbol(value)
    if isinstance(value, TracedTensor):
        if value.ndim != 2:
            raise ShapeError(f"{what} has rank {value.ndim}", instead="rank 2, such as x.reshape(-1, x.shape[-1])")
        if value.dtype.name not in dtypes.BY_NAME:
            raise DTypeError(f"{what} is {value!r}", instead="a matrix of f32, bf16 or f16")
        return graph, value._value
    if isinstance(value, (TracedQTensor, QTensor)):
        raise DTypeError(f"{what} is already quantized", instead="a plain matrix, such as qd.dequantize(q)")
    if arrays.is_array(value):
        raise ArgumentError(
            f"{what} is an array made inside of the traced function", instead="passing it as an argument"
        )
    raise DTypeError(f"{what} is a {type(value).__name__}", instead="a matrix of f32, bf16 or f16")


def _quantized(value, what: str = "q") -> tuple[Graph, Value]:
    graph = current()
    value = graph.symbol(value)
    if isinstance(value, TracedQTensor):
        return graph, value._value
    raise DTypeError(f"{what} is a {type(value).__name__}, not a quantized tensor", instead="qd.quantize(x, format)")


def _vector(graph: Graph, value, length, dtypes_: tuple[DType, ...], what: str, hint: str) -> Value | None:
    """A traced vector of a given length, or None."""
    if value is None:
        return None
    value = graph.symbol(value)
    if not isinstance(value, TracedTensor) or value.ndim != 1 or value.dtype not in dtypes_:
        raise ShapeError(f"{what} is {value!r}", instead=hint)
    graph.require_equal(value.shape[0], length, lambda a, b: f"{what} has {a} elements, not {b}", hint)
    return value._value


def _word(graph: Graph, value, dtype: DType, what: str) -> Value | None:
    """A word of the caller's memory that an operation combines a result into, or None."""
    if value is None:
        return None
    hint = f"an {dtype.name} array of shape (1,), zeroed by you, that is an argument of the traced function"
    value = graph.symbol(value)
    if not isinstance(value, TracedTensor) or value.ndim != 1 or value.dtype is not dtype:
        raise DTypeError(f"{what} is {value!r}", instead=hint)
    if not isinstance(value.shape[0], int) or value.shape[0] != 1:
        raise ShapeError(f"{what} is {value!r}", instead=hint)
    graph.note_word(value._value, what, hint)
    return value._value


def _check_integer(value, what: str) -> None:
    """DTypeError unless a Python or NumPy integer, or a traced one."""
    traced = isinstance(value, TracedScalar) and value._value.type is I64
    if not traced and (isinstance(value, Traced) or not hasattr(value, "__index__")):
        raise DTypeError(f"{what} is {value!r}", instead="an integer")


def _integer(graph: Graph, value, what: str) -> Value:
    """A 64-bit run-time integer: traced, or a Python int known while tracing."""
    if isinstance(value, TracedScalar):
        return value._value
    number = operator.index(value)
    return graph.scalar((what, number), I64, what, lambda leaves: number)


def _check_rht(rht) -> None:
    if rht is not None and not isinstance(rht, RHT):
        raise ArgumentError(f"rht is {rht!r}", instead="qd.RHT(16, seed=0) or None")


def _groups(graph: Graph, groups, axis: int) -> Value | None:
    """The offsets of groups along the quantized axis, traced, or None."""
    if groups is not None and axis != 0:
        raise ArgumentError(
            "groups= along rows, whose blocks lie in one row and so in one group",
            instead="axis=0 for columns, groups=None for rows",
        )
    return _offsets(graph, groups)


def _offsets(graph: Graph, groups) -> Value | None:
    if groups is None:
        return None
    hint = "int32 or int64 of shape (G + 1,): the first row of each group, and the end of the last"
    value = graph.symbol(groups)
    if not isinstance(value, TracedTensor) or value.ndim != 1 or value.dtype not in (dtypes.i32, dtypes.i64):
        raise DTypeError(f"groups is {value!r}", instead=hint)
    graph.require_some(value.shape[0], "groups", hint)
    return value._value


def _check_axis_length(graph: Graph, type_: TensorType, axis: int, multiple: int, why: str) -> None:
    graph.require_multiple(
        type_.shape[axis], multiple, f"axis {axis}", f"pad=True, which zero-extends it, or {why} that divides it"
    )


# Rotation and quantization.


@eager
def hadamard(x, rht: RHT, *, axis: int = -1):
    """The randomized Hadamard transform of every `rht.n` elements along `axis`.

    Args:
        x: matrix; the axis length is a multiple of rht.n.
        rht: size and signs.

    Returns f32 of x's shape: butterflies h = 1, 2, .. of the elements times sign and c_n (the f32
    nearest to 1/sqrt(n)), each operation rounded but the second product of the first stage, which is fused.
    Raises ShapeError, DTypeError, ArgumentError.
    Source: docs/numerics.md, "Hadamard transform".
    """
    graph, value = _tensor(x)
    axis = normalize_axis(axis)
    if rht is None:
        raise ArgumentError("rht is None", instead="qd.RHT(16, seed=0)")
    _check_rht(rht)
    graph.require_multiple(value.type.shape[axis], rht.n, f"axis {axis}", "an RHT of a size that divides it")
    operands = {"input": value, "signs": graph.signs(rht)}
    type_ = TensorType(value.type.shape, dtypes.f32)
    return TracedTensor(graph, graph.emit("hadamard", operands, {"axis": axis}, type_))


@eager
def amax(x, *, rht: RHT | None = None, axis: int = -1, pad: bool = False, groups=None):
    """Largest magnitude of what `quantize` with the same rht, axis, pad and groups quantizes.

    Returns f32 of shape (1,): pass it to `quantize(amax=)`, after an all-reduce if x is a
    shard. NaN if x holds one. Raises ShapeError, DTypeError, ArgumentError.
    """
    graph, value = _tensor(x)
    axis = normalize_axis(axis)
    _check_rht(rht)
    groups = _groups(graph, groups, axis)
    pad = pad or groups is not None
    if rht and not pad:
        _check_axis_length(graph, value.type, axis, rht.n, "an RHT")
    operands = {"input": value, "signs": graph.signs(rht) if rht else None, "groups": groups}
    attributes = {"axis": axis} | ({"pad": True} if pad else {})
    return TracedTensor(graph, graph.emit("amax", operands, attributes, TensorType((1,), dtypes.f32)))


@eager
def quantize(
    x,
    fmt: Format | Spec | str,
    *,
    rht: RHT | None = None,
    rounding: Rounding | None = None,
    axis: int = -1,
    amax=None,
    amax_out=None,
    pad: bool = False,
    groups=None,
    index_base=0,
    flags=None,
    scale_layout: str = ROW_MAJOR,
):
    """Codes and scales of a matrix in a 4-bit format.

    Args:
        x: matrix of f32, bf16 or f16, any strides.
        fmt: a format, its name, or a Spec (format, rht and rounding together).
        rht: transform applied first; None leaves x as it is.
        rounding: qd.nearest_even (default), nearest_away, toward_zero or stochastic(key).
        axis: the axis along which blocks lie: -1 for rows (a matmul's x), 0 for columns.
        amax: f32 of shape (1,), for formats with a tensor scale, instead of x's own, which
            would take a pass over x to find.
        amax_out: f32 of shape (1,) that becomes the larger of itself and the largest magnitude
            of what is quantized (NaN if there is one): with zeros before, what `qd.amax` gives.
            With amax= of an earlier step, a delayed scale, all is one pass.
        flags: int32 or uint32 of shape (1,), in which bits of :class:`Flags` are set. Calls may
            share a word; you clear it.
        pad: zero-extend an axis that blocks or the RHT do not divide (exact in products).
        index_base: number of x's first element in the sequence of random draws, so that
            a shard rounds as the whole tensor does.
        scale_layout: order of the innermost scales in memory: "row_major", or "blocked128x4" for
            one-byte scales (docs/numerics.md, "Storage").
        groups: of axis 0: int32 or int64 of shape (G + 1,), the first row of each of G groups of
            rows (a mixture's experts) and the end of the last. Each group is zero-extended by
            itself, before the RHT, and stored behind the one before: see QTensor.padded_offsets.
            A kernel before the first reads the offsets: nothing waits for them, and the stored
            length, a bound, depends on the numbers of rows and of groups alone. Offsets that
            decrease or exceed the rows are clamped; rows in no group are not quantized, and
            dequantize to 0. A tensor scale is that of all groups; random draws are numbered by
            where elements are stored. Implies pad.

    amax_out and flags must be of memory that no other argument shares, and nothing else of a
    traced function may read them: they are what they say when the call is done.

    Returns a QTensor with x's logical shape. Raises ShapeError, DTypeError, ArgumentError.
    Source: docs/numerics.md, "Quantization" and "Groups"; arXiv 2606.20381 (UFP4).
    """
    graph, value = _tensor(x)
    spec = _spec(fmt, rht, rounding)
    words = (amax, amax_out, flags)
    axis = normalize_axis(axis)
    groups = _groups(graph, groups, axis)
    return _quantize(graph, value, spec, axis, words, pad, index_base, 0, scale_layout, groups)


def _spec(fmt, rht, rounding) -> Spec:
    """Format, RHT and rounding of a call; explicit arguments replace a Spec's."""
    spec = fmt if isinstance(fmt, Spec) else Spec(lookup(fmt))
    _check_rht(rht)
    if rht is not None:
        spec = spec.replace(rht=rht)
    if rounding is not None:
        spec = spec.replace(rounding=rounding)
    if spec.rounding.is_stochastic and spec.rounding.key is None:
        raise ArgumentError(
            "stochastic rounding without a key",
            instead="qd.stochastic(key) with key = qd.Key(seed), or recipe.replace(key=key)",
        )
    return spec


def _quantize(
    graph: Graph, x: Value, spec: Spec, axis: int, words, pad: bool, index_base, stream: int, scale_layout, groups
):
    """Records the quantization of `x`; `words` are amax, amax_out and flags."""
    pad = pad or groups is not None
    amax, amax_out, flags = words
    fmt, rht, rounding = spec.format, spec.rht, spec.rounding
    if rht and fmt.block_rows > 1:
        raise ArgumentError(
            f"{fmt.name} has blocks of {fmt.block_rows} rows, which serve both axes; an RHT belongs to one",
            instead="rht=None, or a format whose blocks have one row",
        )
    _check_integer(index_base, "index_base")
    multiple = _native.stored_multiple(fmt, rht)
    if not pad:
        why = f"an RHT of size at most {fmt.block}" if multiple > fmt.block else "a format with a block"
        _check_axis_length(graph, x.type, axis, multiple, why)
    if amax is not None and not fmt.has_tensor_level:
        raise ArgumentError(f"{fmt.name} has no tensor scale, so amax= means nothing", instead="amax=None")
    key, step = graph.key(rounding.key) if rounding.is_stochastic else (None, None)
    operands = {
        "input": x,
        "signs": graph.signs(rht) if rht else None,
        "key": key,
        "step": step,
        "index_base": _integer(graph, index_base, "index_base") if rounding.is_stochastic else None,
        "amax": _vector(graph, amax, 1, (dtypes.f32,), "amax", "f32 of shape (1,), such as qd.amax(x, rht=rht)"),
        "amax_out": _word(graph, amax_out, dtypes.f32, "amax_out"),
        "flags": _word(graph, flags, dtypes.i32, "flags"),
        "groups": groups,
    }
    attributes = {"axis": axis, "rht": rht, "rounding": rounding, "stream": stream, "pad": pad}
    check_scale_layout(fmt, scale_layout)
    facts = (pad, rounding.text, 0, scale_layout, groups)
    type_ = QuantType(x.type.shape, fmt, axis, rht, multiple, *facts)
    return TracedQTensor(graph, graph.emit("quantize", operands, attributes, type_))


@eager
def quantize_pair(
    x,
    fmt: Format | Spec | str | None = None,
    *,
    row: Spec | Format | str | None = None,
    col: Spec | Format | str | None = None,
    rht: RHT | None = None,
    rounding: Rounding | None = None,
    amax=None,
    amax_out=None,
    pad: bool = False,
    groups=None,
    index_base=0,
    flags=None,
    scale_layout: str = ROW_MAJOR,
):
    """The row and the column quantization of one matrix, in one read of it.

    Equal to (quantize(x, row), quantize(x, col, axis=0)), except that stochastic rounding
    draws the two from separate streams of one key. `fmt`, rht and rounding apply to both
    where `row` and `col` do not say otherwise; so do amax and amax_out, unless each is a pair
    (of rows, of columns), for a transform gives the two different magnitudes. `groups` are of
    the columns, in a kernel and a read of their own.

    Returns (row QTensor, column QTensor). Raises as `quantize`.
    """
    graph, value = _tensor(x)
    groups = _groups(graph, groups, 0)
    if fmt is None and (row is None or col is None):
        raise ArgumentError(
            "quantize_pair needs a format for rows and for columns", instead="fmt, or both row= and col="
        )
    specs = [_spec(own if own is not None else fmt, rht, rounding) for own in (row, col)]
    words = zip(_pair(amax, "amax"), _pair(amax_out, "amax_out"), (flags, flags))
    return tuple(
        _quantize(graph, value, spec, 1 - stream, own, pad, index_base, stream, scale_layout, own_groups)
        for stream, (spec, own, own_groups) in enumerate(zip(specs, words, (None, groups)))
    )


def _pair(value, what: str) -> tuple:
    """(of rows, of columns): `value` itself, or the same for both."""
    if not isinstance(value, (tuple, list)):
        return value, value
    if len(value) != 2:
        raise ArgumentError(f"{what} has {len(value)} entries", instead="one for rows and one for columns")
    return tuple(value)


@eager
def dequantize(q, *, dtype="f32", undo_rht: bool = False):
    """The values that codes and scales stand for.

    Args:
        q: QTensor.
        dtype: f32, bf16 or f16; the f32 product is rounded once to it.
        undo_rht: also apply the inverse of q's transform, in f32 before that rounding.

    Returns a matrix of q's logical shape (padding is dropped; rows in no group are 0). Raises DTypeError, or
    ArgumentError if undo_rht is asked of a tensor without a transform.
    """
    graph, value = _quantized(q)
    type_: QuantType = value.type
    if undo_rht and type_.rht is None:
        raise ArgumentError("undo_rht=True for a tensor that was not transformed", instead="undo_rht=False")
    signs = graph.signs(type_.rht) if undo_rht else None
    operands = {"input": value, "signs": signs, "groups": type_.groups}
    result = TensorType(type_.shape, dtypes.of(dtype))
    return TracedTensor(graph, graph.emit("dequantize", operands, {}, result))


@eager
def to_carrier(q, carrier: str = "auto"):
    """A quantized tensor in the type that a matrix instruction takes, exactly.

    Args:
        q: QTensor.
        carrier: "bf16", or for scales that are powers of two "e5m2" or "e4m3", with an exponent for
            each row that puts its largest scale at the top of the type's range; "auto": the first
            of e5m2, e4m3, bf16 that holds the format.

    Returns a :class:`Carrier`: the matrix in storage order, padding included, and for the 8-bit
    types the exponents of rows, and the rows that leave the type's range.
    Raises ArgumentError for another carrier, UnsupportedError for one that does not hold every
    code times every scale of the format exactly, DTypeError.
    Source: docs/numerics.md, "Carriers".
    """
    graph, value = _quantized(q)
    if value.type.groups:
        raise UnsupportedError("to_carrier of a tensor of groups", instead="one tensor for each group")
    form = carrier_form(value.type.format, carrier)
    result = CarrierType(value.type, form["carrier"], form["folded"])
    return TracedCarrier(graph, graph.emit("to_carrier", {"input": value}, {}, result))


def to_scale_layout(q, scale_layout: str) -> QTensor:
    """`q` with its innermost scales in another order in memory; codes and other scales are shared.

    Args:
        q: QTensor; not of a traced function, whose quantize has a scale_layout= of its own.
        scale_layout: "row_major" or "blocked128x4".

    Raises ArgumentError if q's format has no such scales, DTypeError, UnsupportedError.
    Source: docs/numerics.md, "Storage".
    """
    if current() is not None:
        raise UnsupportedError(
            "to_scale_layout inside of a traced function", instead="quantize(.., scale_layout=), or calling it outside"
        )
    if not isinstance(q, QTensor):
        raise DTypeError(f"q is a {type(q).__name__}, not a quantized tensor", instead="qd.quantize(x, format)")
    check_scale_layout(q.format, scale_layout)
    if q.scale_layout == scale_layout:
        return q
    return q._with(scales=(_scales(q, scale_layout), *q.scales[1:]), scale_layout=scale_layout)


@eager
def _scales(q, scale_layout: str):
    """The innermost scales in a layout."""
    graph, value = _quantized(q)
    type_ = ScalesType(replace(value.type, scale_layout=scale_layout))
    return TracedTensor(graph, graph.emit("scales", {"input": value}, {}, type_))


def prepare(q, *, side: str = "b", other=None, exact: bool = True, keep: bool = False):
    """`q` as products on this target read it, so that repeated ones do not convert it again.

    Args:
        q: QTensor without groups.
        side: which operand of `matmul` it will be: "b", such as weights, or "a". It may be
            transposed before and after.
        other: what it will meet: a format or its name, "bf16", "f16" or "f32"; None: q's own format.
        exact: that of these products.
        keep: the result has q with it, so that it can be dequantized; not inside of a traced function.

    In a traced function that does nothing else with q, GPU kernels that quantize write this form at once,
    where it is bf16 (docs/matmul.md, "Panels").

    Returns a :class:`Prepared`, with which `matmul` has the bits that it has with q. It is of this
    process, target and machine: a product that reads operands in another form (another side, format
    or target) is a CompileError that says in which.
    Raises ArgumentError, DTypeError, UnsupportedError for groups and for a target that does not
    keep operands.
    Source: docs/carriers.md, "Prepared operands".
    """
    prepared = _prepare(q, side, other, exact)
    if not keep:
        return prepared
    if current() is not None:
        raise ArgumentError("keep=True inside of a traced function", instead="returning q beside what is prepared")
    return prepared._with(source=q)


@eager
def _prepare(q, side, other, exact):
    graph, value = _quantized(q)
    check_side(side)
    if value.type.groups:
        raise UnsupportedError(
            "prepare of a tensor of groups, whose offsets each product reads", instead="qd.matmul(q, ..) on it"
        )
    names = ("f32", "bf16", "f16")
    if other is None:
        other = value.type.format
    elif isinstance(other, dtypes.DType):
        other = other.name
    if other not in names:
        other = lookup(other)
    type_ = PreparedType(value.type, side, Dim("bytes"))
    attributes = {"other": other, "exact": bool(exact)}
    return TracedPrepared(graph, graph.emit("prepare", {"input": value}, attributes, type_))


# Products.


@eager
def matmul(a, b, *, dtype="bf16", acc=None, bias=None, exact: bool = True, accum: str | None = None, groups=None):
    """a (M x K) times b (K x N), at least one of them quantized along K.

    Args:
        a, b: QTensors, or one QTensor without an RHT and one plain matrix; in place of a QTensor
            also what `prepare` made of it.
        dtype: bf16, f32 or f16 of the result; rounded once from the accumulator.
        bias: vector of N elements, added to every row before that rounding.
        acc: matrix (M x N) of the result's dtype that is added too; it may be `out`.
        exact: True refuses a carrier that does not hold code x scale exactly.
        accum: None, "f32", "promote128" or "fast": how the target accumulates.
        groups: int32 or int64 of shape (G + 1,), the first row of each of G groups of the rows of a
            (tokens of a mixture's experts) and the end of the last, as for `quantize`: group g
            meets expert g of b, whose experts are stacked. For the three products of training:

            - forward: a (T, K), b (K, G N), such as quantize(w).T of w (G N, K): the result is (T, N);
            - of inputs: a (T, N), b (G N, K) = quantize(w, axis=0), with whole blocks in every N
              rows: the result is (T, K);
            - of weights: a and b are quantized along tokens, quantize(.., axis=0, groups=offsets)
              of the same array, a transposed: a (M, T), b (T, N). They have the groups with them
              (groups=None here). The result is (G M, N), the product of each group.

            Rows in no group give 0, to which bias and acc are added; so do empty groups.
            A number is that many groups of as many rows of a each, a batch: a (B M, K), b (K, B N), such
            as quantize(w).T of w (B N, K), give (B M, N).

    The order of the accumulation is fixed per target, version and shape.
    Raises ShapeError (axes, lengths, blocks), ArgumentError (transforms, groups), DTypeError.
    Source: docs/numerics.md, "Products".
    """
    graph = current()
    operands = [_operand(a, "a"), _operand(b, "b")]
    if not any(quantized(v.type) for v in operands):
        raise DTypeError("neither operand of matmul is quantized", instead="qd.quantize on a or b")
    _check_contraction(graph, *operands)
    groups = _product_groups(graph, groups, *operands)
    if accum is not None and accum not in ACCUMULATIONS:
        raise ArgumentError(f"accum={accum!r}", instead=", ".join(map(repr, ACCUMULATIONS)))
    shape = _product_shape(graph, groups, *operands)
    result = TensorType(shape, dtypes.of(dtype))
    hint = f"a vector of {shape[1]} elements of f32, bf16 or f16"
    values = {
        "lhs": operands[0],
        "rhs": operands[1],
        "bias": _vector(graph, bias, shape[1], tuple(dtypes.BY_NAME.values()), "bias", hint),
        "acc": _accumulator(graph, acc, result),
        "groups": groups,
    }
    attributes = {"exact": bool(exact), "accum": accum or "default"}
    return TracedTensor(graph, graph.emit("matmul", values, attributes, result))


def _operand(value, what: str) -> Value:
    value = current().symbol(value)
    if isinstance(value, TracedPrepared):
        if value.side != what:
            raise ArgumentError(
                f"{what} of matmul is prepared to be {value.side}", instead=f"qd.prepare(q, side={what!r})"
            )
        return value._value
    return value._value if isinstance(value, TracedQTensor) else _tensor(value, what)[1]


def _product_groups(graph: Graph, groups, a: Value, b: Value) -> Value | None:
    """The offsets of a product's groups: those given, or those of both operands; None without."""
    own = [getattr(v.type, "groups", None) for v in (a, b)]
    if own == [None, None]:
        if isinstance(groups, int):
            return _equal_groups(graph, groups, a)
        return _offsets(graph, groups)
    if own[0] is not own[1]:
        raise ArgumentError(
            "a and b of matmul are not quantized in the same groups",
            instead="quantize(.., axis=0, groups=offsets) of both, with the same array",
        )
    if groups is not None and _offsets(graph, groups) is not own[0]:
        raise ArgumentError("groups= for operands that have groups with them", instead="groups=None")
    return own[0]


def _equal_groups(graph: Graph, count: int, a: Value) -> Value:
    if count < 1 or isinstance(count, bool):
        raise ArgumentError(f"groups={count!r}", instead="a positive number, or the groups' offsets")
    return graph.equal_groups(count, a.type.shape[0])


def _product_shape(graph: Graph, groups: Value | None, a: Value, b: Value) -> tuple:
    """The shape of the result; notes what the lengths of groups must meet."""
    rows, cols = a.type.shape[0], b.type.shape[1]
    if groups is None or getattr(a.type, "groups", None):
        _check_lengths(graph, a, b)
    if groups is None:
        return rows, cols

    def count(sizes) -> int:
        return resolve(groups.type.shape[0], sizes) - 1

    if getattr(a.type, "groups", None):
        return graph.derive("groups * rows", lambda sizes: count(sizes) * resolve(rows, sizes)), cols
    if isinstance(a.type, PreparedType):
        raise UnsupportedError(
            "a of matmul is prepared, and has groups of rows, which decide where they are stored",
            instead="the tensor itself; b may be prepared",
        )
    depth, length = a.type.shape[1], b.type.shape[0]
    multiple = max(quantized(v.type).multiple for v in (a, b) if quantized(v.type))

    def is_stacked(sizes) -> bool:
        return resolve(length, sizes) != resolve(depth, sizes)

    graph.require(
        lambda sizes: count(sizes) > 0, lambda sizes: "groups of matmul are none", "the offsets of at least one group"
    )
    graph.require(
        lambda sizes: resolve(length, sizes) in (resolve(depth, sizes), count(sizes) * resolve(depth, sizes)),
        lambda sizes: f"a of matmul has {resolve(depth, sizes)} columns and b has {resolve(length, sizes)} rows, "
        f"for {count(sizes)} experts",
        "as many, or as many for each expert: b of shape (K, G N) or (G N, K)",
    )
    graph.require(
        lambda sizes: is_stacked(sizes) or resolve(cols, sizes) % count(sizes) == 0,
        lambda sizes: f"b of matmul has {resolve(cols, sizes)} columns for {count(sizes)} experts",
        "b of shape (K, G N)",
    )
    graph.require(
        lambda sizes: not is_stacked(sizes) or resolve(depth, sizes) % multiple == 0,
        lambda sizes: f"an expert of b of matmul has {resolve(depth, sizes)} rows, not a multiple of {multiple}, "
        "so that blocks lie in two experts",
        f"experts of a multiple of {multiple} rows",
    )
    per_expert = lambda sizes: resolve(cols, sizes) // (1 if is_stacked(sizes) else max(count(sizes), 1))  # noqa: E731
    return rows, graph.derive("columns of an expert", per_expert)


def _check_contraction(graph: Graph, a: Value, b: Value) -> None:
    """Axes, RHT, blocks and lengths of the two operands must agree along K."""
    for value, name, axis in ((a, "a", 1), (b, "b", 0)):
        if quantized(value.type) and value.type.axis != axis:
            raise ShapeError(
                f"{name} of matmul is quantized along axis {value.type.axis}, but axis {axis} is contracted",
                instead=f"quantize(.., axis={axis}), or {name}.T if the other product was meant",
            )
    types = [quantized(v.type) or v.type for v in (a, b)]
    rhts = [getattr(t, "rht", None) for t in types]
    if rhts[0] != rhts[1]:
        raise ArgumentError(
            f"a of matmul has {rhts[0] or 'no RHT'}, b has {rhts[1] or 'no RHT'}, so the rotations do not cancel",
            instead="the same rht= in both quantize calls",
        )
    if all(isinstance(t, QuantType) for t in types):
        blocks = [t.format.levels[0].cols for t in types]
        if blocks[0] != blocks[1]:
            raise ShapeError(
                f"a of matmul has blocks of {blocks[0]} ({types[0].format.name}) and b of {blocks[1]} "
                f"({types[1].format.name}) along the contracted axis",
                instead="formats with the same block",
            )


def _check_lengths(graph: Graph, a: Value, b: Value) -> None:
    graph.require_equal(
        a.type.shape[1],
        b.type.shape[0],
        lambda k, l: f"a of matmul has {k} columns and b has {l} rows",
        "a of shape (M, K) and b of shape (K, N); b.T if b is (N, K)",
    )


def _accumulator(graph: Graph, acc, result: TensorType) -> Value | None:
    if acc is None:
        return None
    _, value = _tensor(acc, "acc")
    if value.type.dtype != result.dtype:
        raise DTypeError(
            f"acc is {value.type.dtype.name}, the result {result.dtype.name}", instead="the same dtype for both"
        )
    for own, wanted in zip(value.type.shape, result.shape):
        graph.require_equal(
            own, wanted, lambda a, b: f"acc has length {a} where the result has {b}", "acc of shape (M, N)"
        )
    return value
