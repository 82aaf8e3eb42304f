"""Arithmetic on traced arrays: types and shapes of results, and what is recorded."""

from __future__ import annotations

import numpy as np

from . import arrays, dtypes
from .elementwise import Call
from .errors import ArgumentError, DTypeError
from .tensor import QTensor
from .trace import F32, Graph, Length, TensorType, TracedQTensor, TracedScalar, TracedTensor, Value, current


def apply(op: str, *operands, dtype: dtypes.DType | None = None) -> TracedTensor:
    """Records an operation on traced arrays, scalars and numbers.

    Matrices and vectors (a vector is one row) repeat along axes of length 1. The result has
    the type of the arrays if they have one, else f32; numbers do not count. It is computed in
    f32 and rounded once.
    """
    graph = current()
    values: list[Value] = []
    args: list[int | float] = []
    for operand in operands:
        value = _operand(graph, operand)
        args.append(value if isinstance(value, float) else len(values))
        if isinstance(value, Value):
            values.append(value)
    tensors = [v.type for v in values if isinstance(v.type, TensorType)]
    found = {t.dtype for t in tensors}
    own = found.pop() if len(found) == 1 else dtypes.f32
    type_ = TensorType(_broadcast(graph, op, tensors), dtype or own)
    named = {str(number): value for number, value in enumerate(values)}
    return TracedTensor(graph, graph.emit("map", named, {"call": Call(op, tuple(args))}, type_))


def _operand(graph: Graph, value) -> Value | float:
    """A value of the graph, or a number known while tracing."""
    value = graph.symbol(value)
    if isinstance(value, TracedTensor):
        if value.dtype.name not in dtypes.BY_NAME:
            raise DTypeError(f"arithmetic on an array of {value.dtype.name}", instead=", ".join(dtypes.BY_NAME))
        return value._value
    if isinstance(value, TracedScalar) and value._value.type is F32:
        return value._value
    if isinstance(value, (int, float, np.floating, np.integer)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, (TracedQTensor, QTensor)):
        raise DTypeError("arithmetic on a quantized tensor", instead="qd.dequantize(q)")
    if isinstance(value, TracedScalar):
        raise DTypeError("arithmetic on an integer argument", instead="a float argument")
    if arrays.is_array(value):
        raise ArgumentError("an array made inside of the traced function", instead="passing it as an argument")
    raise DTypeError(f"arithmetic on a {type(value).__name__}", instead="a matrix, a vector or a number")


def _broadcast(graph: Graph, op: str, types: list[TensorType]) -> tuple[Length, Length]:
    """The common shape; lengths that are known only at run time must be equal then."""
    shape: list[Length] = [1, 1]
    for type_ in types:
        for axis, length in enumerate((1,) * (2 - len(type_.shape)) + type_.shape):
            if _is_one(length):
                continue
            if not _is_one(shape[axis]):
                graph.require_equal(
                    shape[axis],
                    length,
                    lambda a, b, axis=axis: f"operands of {op} have lengths {a} and {b} along axis {axis}",
                    "equal shapes, or length 1 where an operand repeats",
                )
            if _is_one(shape[axis]) or isinstance(length, int):
                shape[axis] = length
    return tuple(shape)


def _is_one(length: Length) -> bool:
    return isinstance(length, int) and length == 1
