"""The interpreter: any traced program by the specification (lib/Numerics).

Codes and scales are those of docs/numerics.md bit for bit; products are the
oracle of every target: the f64 product of code x scale, rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from . import _native, storage
from .errors import UnsupportedError
from .formats import Format, Level
from .prepared import REFERENCE
from .storage import ROW_MAJOR
from .trace import Graph, Node, PreparedType, QuantType, Value, quantized, resolve

numerics = _native.numerics


class InterpretedProgram:
    """A graph that runs on the specification; the same interface as a compiled program."""

    kernels = ()
    #: What is prepared keeps its codes and scales.
    forms = ()

    def __init__(self, graph: Graph):
        self.graph = graph

    def run(self, inputs: list, outputs: list[np.ndarray], sizes: dict) -> None:
        """Fills `outputs` (codes, then scales of each quantized result; one array of others).

        `inputs` has one entry for each of the graph's: an array, the list of a quantized
        tensor's arrays, or a number.
        """
        results = iter(outputs)
        for value in evaluate(self.graph, inputs, sizes):
            for part in value if isinstance(value, list) else [value]:
                np.copyto(next(results), part)


def evaluate(graph: Graph, inputs: list, sizes: dict) -> list:
    """The graph's results: arrays, or lists (codes, scales inner to outer)."""
    values: dict[Value, Any] = {entry.value: value for entry, value in zip(graph.inputs, inputs)}
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            operands = {name: values[value] for name, value in node.operands.items()}
            values[node.result] = _OPS[node.op](node, operands, sizes)
    return [values[value] for value in graph.outputs]


def _logical(y: np.ndarray, axis: int) -> np.ndarray:
    """Storage order (quantized axis last) to logical order."""
    return y if axis == 1 else y.T


def _hadamard(node: Node, operands, sizes) -> np.ndarray:
    axis = node.attributes["axis"]
    return _logical(numerics.rotate(operands["input"], operands["signs"], axis), axis)


def _amax(node: Node, operands, sizes) -> np.ndarray:
    x, signs, axis = operands["input"], operands.get("signs"), node.attributes["axis"]
    if "groups" in operands:
        multiple = 1 if signs is None else len(signs)
        stored = storage.grouped_length(x.shape[axis], len(operands["groups"]) - 1, multiple)
        x = gather_groups(x, operands["groups"], axis, multiple, stored)
    largest = numerics.amax(x, signs, axis)
    return np.array([largest], np.float32)


def _quantize(node: Node, operands, sizes) -> list[np.ndarray]:
    type_: QuantType = node.result.type
    rounding = node.attributes["rounding"]
    noise = {}
    if rounding.is_stochastic:
        mask = (1 << 64) - 1
        step = int(operands["step"][0]) if "step" in operands else 0
        noise = {
            "bits": rounding.bits,
            "rounds": rounding.rounds,
            "key": (operands["key"] + step) & mask,
            "base": operands["index_base"] & mask,
            "stream": node.attributes["stream"],
        }
    amax = float(operands["amax"][0]) if "amax" in operands else None
    x, signs = operands["input"], operands.get("signs")
    if "groups" in operands:
        x = gather_groups(x, operands["groups"], type_.axis, type_.multiple, type_.stored(sizes))
    quantize = _quantize_by_rule if type_.format.rule else _quantize_by_chain
    parts, flags = quantize(x, type_, signs, rounding.kind, noise, amax)
    if "flags" in operands:
        operands["flags"].view(np.uint32)[...] |= np.uint32(flags)
    if "amax_out" in operands:
        word = operands["amax_out"].view(np.uint32)
        np.maximum(word, np.float32(numerics.amax(x, signs, type_.axis)).view(np.uint32), out=word)
    parts = [part.view(b.dtype) for part, b in zip(parts, replace(type_, scale_layout=ROW_MAJOR).buffers(sizes))]
    return _with_layout(parts, type_)


def gather_groups(x: np.ndarray, offsets, axis: int, multiple: int, stored: int) -> np.ndarray:
    """x with each group of positions along `axis` where it is stored, zeros elsewhere."""
    x = np.moveaxis(x, axis, 0)
    gathered = np.zeros((stored, x.shape[1]), x.dtype)
    read, places = storage.group_table(offsets, len(x), multiple)
    for begin, end, place in zip(read, read[1:], places):
        gathered[place : place + end - begin] = x[begin:end]
    return np.moveaxis(gathered, 0, axis)


def _ungather_groups(y: np.ndarray, offsets, length: int, multiple: int) -> np.ndarray:
    """The inverse on [other, stored]: [other, length], of which positions in no group are 0."""
    result = np.zeros((len(y), length), y.dtype)
    read, places = storage.group_table(offsets, length, multiple)
    for begin, end, place in zip(read, read[1:], places):
        result[:, begin:end] = y[:, place : place + end - begin]
    return result


def _with_layout(parts: list[np.ndarray], type_: QuantType) -> list[np.ndarray]:
    """Codes and row-major scales, in the type's layout."""
    if type_.scale_layout == ROW_MAJOR:
        return parts
    return [parts[0], storage.to_blocked(parts[1]), *parts[2:]]


def _row_major(parts: list[np.ndarray], type_: QuantType, sizes) -> list[np.ndarray]:
    """The inverse."""
    if type_.scale_layout == ROW_MAJOR:
        return parts
    rows, cols = replace(type_, scale_layout=ROW_MAJOR).buffers(sizes)[1].shape
    return [parts[0], storage.from_blocked(parts[1], rows, cols), *parts[2:]]


def _scales(node: Node, operands, sizes) -> np.ndarray:
    parts = _row_major(operands["input"], node.operands["input"].type, sizes)
    return _with_layout(parts, node.result.type.of)[1]


def _quantize_by_chain(x, type_: QuantType, signs, rounding: str, noise, amax) -> tuple[list[np.ndarray], int]:
    """(codes and scales, flag bits)."""
    codes, scales, _, flags = numerics.quantize(
        x, _native.format(type_.format), type_.axis, signs, rounding, amax=amax, pad=type_.pad, **noise
    )
    return [codes, *scales], flags


def _quantize_by_rule(x, type_: QuantType, signs, rounding: str, noise, amax) -> tuple[list[np.ndarray], int]:
    """As the chain, but the innermost scale is computed by the user's rule."""
    fmt, native = type_.format, _native.format(type_.format)
    y = numerics.rotate(x, signs, type_.axis, type_.multiple)
    scales: list[np.ndarray] = [None] * len(fmt.levels)
    flags = 0
    for index in reversed(range(len(fmt.levels))):
        computed = fmt.rule.program_for(fmt).run(_blocks(y, fmt.levels[0]), fmt) if index == 0 else []
        own_amax = amax if fmt.levels[index].is_tensor else None
        scales[index], level_flags = numerics.level_scales(y, native, index, own_amax, *computed)
        flags |= level_flags
        y = numerics.divide(y, native, index, scales[index])
    codes = numerics.encode_blocks(y, native, scales[0], rounding, **noise)
    return [numerics.pack_codes(codes), *scales], flags


def _blocks(y: np.ndarray, level: Level) -> np.ndarray:
    """The blocks of y as rows of one array; the last row of blocks is zero-extended."""
    rows = storage.round_up(len(y), level.rows)
    y = np.pad(y, ((0, rows - len(y)), (0, 0)))
    tiles = y.reshape(rows // level.rows, level.rows, -1, level.cols).swapaxes(1, 2)
    return np.ascontiguousarray(tiles).reshape(-1, level.rows * level.cols)


def _dequantize(node: Node, operands, sizes) -> np.ndarray:
    type_: QuantType = node.operands["input"].type
    y = dequantize(_row_major(operands["input"], type_, sizes), type_.format)
    if "signs" in operands:
        y = numerics.rotate(y, operands["signs"], 1, 1, True)
    length = resolve(type_.shape[type_.axis], sizes)
    if "groups" in operands:
        y = _ungather_groups(y, operands["groups"], length, type_.multiple)
    y = y[:, :length]
    return _logical(y, type_.axis).astype(node.result.type.dtype.numpy)


def dequantize(parts: list[np.ndarray], fmt: Format) -> np.ndarray:
    """f32 [other, stored] in storage order of codes and scales."""
    codes, *scales = parts
    return numerics.dequantize(codes, [storage.bits(s) for s in scales], _native.format(fmt))


def _to_carrier(node: Node, operands, sizes):
    source, type_ = node.operands["input"].type, node.result.type
    codes, *scales = _row_major(operands["input"], source, sizes)
    parts = codes, [storage.bits(s) for s in scales], _native.format(source.format)
    if type_.folded is None:
        return numerics.to_carrier_bf16(*parts).view(type_.dtype.numpy)
    values, *rows = numerics.to_carrier(*parts, *type_.folded)
    return [values.view(type_.dtype.numpy), *rows]


def _map(node: Node, operands, sizes) -> np.ndarray:
    type_ = node.result.type
    value = node.attributes["call"].compute(list(operands.values()))
    return np.broadcast_to(value, [resolve(d, sizes) for d in type_.shape]).astype(type_.dtype.numpy)


def _prepare(node: Node, operands, sizes) -> list[np.ndarray]:
    return operands["input"]


def _transpose(node: Node, operands, sizes) -> list[np.ndarray]:
    return operands["input"]


def _matmul(node: Node, operands, sizes) -> np.ndarray:
    types = [node.operands[name].type for name in ("lhs", "rhs")]
    a, b = (_exact_operand(operands[name], type_, sizes) for name, type_ in zip(("lhs", "rhs"), types))
    if "groups" in operands:
        y = _multiply_groups(a, b, operands["groups"], types, sizes)
    else:
        y = _multiply(a, b)
    for name in ("bias", "acc"):
        if name in operands:
            y = y + operands[name].astype(np.float64)
    return y.astype(node.result.type.dtype.numpy)


def _multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    depth = min(a.shape[1], b.shape[0])  # a plain operand has no padding; the other's is zero
    return a[:, :depth] @ b[:depth]


def _multiply_groups(a, b, offsets, types, sizes) -> np.ndarray:
    """One product for each group: of the contraction, if a is grouped, else of the rows of a."""
    lengths = [resolve(types[0].shape[1], sizes), resolve(types[1].shape[0], sizes)]
    if getattr(types[0], "groups", None) is not None:
        places = storage.group_table(offsets, lengths[0], types[0].multiple)[1]
        products = [a[:, begin:end] @ b[begin:end] for begin, end in zip(places, places[1:])]
        return np.concatenate([np.zeros((0, b.shape[1])), *products])
    experts = np.split(b, len(offsets) - 1, axis=1 if lengths[0] == lengths[1] else 0)
    y = np.zeros((len(a), experts[0].shape[1]))
    read = storage.group_table(offsets, len(a), 1)[0]
    for expert, begin, end in zip(experts, read, read[1:]):
        y[begin:end] = _multiply(a[begin:end], expert)
    return y


def _exact_operand(value, type_, sizes) -> np.ndarray:
    of = quantized(type_)
    if of is None:
        return value.astype(np.float64)
    if isinstance(type_, PreparedType) and type_.form not in (None, REFERENCE):
        raise UnsupportedError(
            f"the interpreter does not read what is prepared as {type_.form!r}", instead="the tensor itself"
        )
    return _logical(exact_values(_row_major(value, of, sizes), of.format), of.axis)


def exact_values(parts: list[np.ndarray], fmt: Format) -> np.ndarray:
    """Code x scale in f64, exactly, in storage order [other, stored]."""
    codes, *scales = parts
    values = numerics.decode_blocks(codes, _native.format(fmt), storage.bits(scales[0])).astype(np.float64)
    for factors in scale_values(scales, fmt, *values.shape):
        values *= factors
    return values


def scale_values(scales: list[np.ndarray], fmt: Format, other: int, stored: int) -> Iterator[np.ndarray]:
    """Each level's scales as f64, one for each element (or shape (1, 1) for a tensor's)."""
    for level, scale in zip(fmt.levels, scales):
        bits = _scale_bits(scale, level, stored)
        if level is fmt.levels[0]:
            bits = bits & ~np.uint32(_native.format(fmt).choice_bit)
        values = numerics.decode_scale(bits, level.dtype).astype(np.float64)
        yield values.reshape(1, 1) if level.is_tensor else _of_elements(values, level, other)


def choices(innermost: np.ndarray, fmt: Format, other: int, stored: int) -> np.ndarray:
    """Whether each element's block has the alternative grid."""
    level = fmt.levels[0]
    bits = _scale_bits(innermost, level, stored)
    return _of_elements((bits & np.uint32(_native.format(fmt).choice_bit)) != 0, level, other)


def _scale_bits(scale: np.ndarray, level: Level, stored: int) -> np.ndarray:
    bits = storage.bits(scale)
    if level.dtype == "e1":
        bits = np.unpackbits(bits, axis=1, bitorder="little")[:, : stored // level.cols]
    if level.dtype == "f32":
        bits = bits.view(np.uint32)
    return bits.astype(np.uint32)


def _of_elements(blocks: np.ndarray, level: Level, other: int) -> np.ndarray:
    """A value for each element of one for each block."""
    return np.repeat(np.repeat(blocks, level.rows, axis=0)[:other], level.cols, axis=1)


_OPS = {
    "hadamard": _hadamard,
    "amax": _amax,
    "quantize": _quantize,
    "dequantize": _dequantize,
    "scales": _scales,
    "to_carrier": _to_carrier,
    "prepare": _prepare,
    "map": _map,
    "transpose": _transpose,
    "matmul": _matmul,
}
