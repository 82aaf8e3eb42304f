"""Prints a graph as a module of the quad dialect.

Everything that may differ between two calls of one signature stays out of
the text: sizes are `?`, sign vectors are told apart by small numbers in place
of their digests, keys are arguments. So equal text means one compilation.
"""

from __future__ import annotations

import json
import re

import numpy as np

from .errors import Location
from .formats import Format, Level
from .grids import Grid
from .rht import RHT
from .rounding import Rounding
from .scale_rules import ScaleRule, print_rule
from .storage import ROW_MAJOR
from .trace import CarrierType, Dim, Graph, Node, PreparedType, QuantType, ScalarType, ScalesType, TensorType, Value


def print_graph(graph: Graph, *, locations: bool = True, tuning: dict[str, int] | None = None) -> str:
    """The module's text; `locations=False` leaves out where the user wrote what.

    `tuning` sets knobs of its kernels (include/quadrille/Conversion/QuadToTile/Tuning.h).
    """
    return _Printer(graph, locations, tuning or {}).module()


def print_format(fmt: Format) -> str:
    """A format as #quad.format<..>; a scale rule's symbol is its function's name."""
    return _format(fmt, _symbol)


def location(where: Location | None, scope: str = "") -> str:
    """` loc("file":line:column)`, within the name of a scope if there is one; "" if not known."""
    if where is None:
        return ""
    place = f"{json.dumps(where.file)}:{where.line}:{where.column}"
    return f" loc({json.dumps(scope)}({place}))" if scope else f" loc({place})"


#: Operands of a product in the dialect.
_SIDES = {"a": "lhs", "b": "rhs"}


class _Printer:
    def __init__(self, graph: Graph, locations: bool, tuning: dict[str, int]):
        self.graph, self.tuning = graph, tuning
        self.location = location if locations else lambda *_: ""
        self.names: dict[Value, str] = {}
        self.aliases: dict[str, str] = {}  # attribute text -> #name
        self.digests: dict[RHT, int] = {}
        self.rules: dict[Format, str] = {}  # symbols of the formats' scale rules

    def module(self) -> str:
        function = self.function()
        quantized = {node.result.type.format for node in self.graph.nodes if node.op == "quantize"}
        rules = [
            print_rule(symbol, fmt, [f"#quad.grid<{_grid(grid)}>" for grid in fmt.grids], self.location)
            for fmt, symbol in self.rules.items()
            if fmt in quantized
        ]
        aliases = [f"{name} = {text}" for text, name in self.aliases.items()]
        return "\n".join([*aliases, *rules, function]) + "\n"

    def function(self) -> str:
        arguments = []
        for entry in self.graph.inputs:
            self.names[entry.value] = f"%{entry.value.name}"
            arguments.append(f"%{entry.value.name}: {self.argument(entry.value)}")
        body = [f"  {self.node(node)}{self.location(node.where, node.scope)}" for node in self.graph.nodes]
        results = [self.type(value.type) for value in self.graph.outputs]
        values = ", ".join(self.names[value] for value in self.graph.outputs)
        where = self.location(self.graph.where)
        knobs = ", ".join(f"{name} = {value}" for name, value in sorted(self.tuning.items()))
        attributes = f" attributes {{quad.tuning = {{{knobs}}}}}" if knobs else ""
        lines = [
            f"func.func @{self.graph.name}({', '.join(arguments)}) -> ({', '.join(results)}){attributes} {{",
            *body,
            f"  return {values} : {', '.join(results)}{where}",
            f"}}{where}",
        ]
        return "\n".join(lines)

    # Operations.

    def node(self, node: Node) -> str:
        name = self.names[node.result] = f"%{node.result.name}"
        text = getattr(self, f"_{node.op}")(node, {k: self.names[v] for k, v in node.operands.items()})
        if isinstance(node.result.type, CarrierType) and node.result.type.folded:
            self.names[node.result] = f"{name}#0, {name}#1, {name}#2"
            name += ":3"
        return f"{name} = quad.{text}"

    def _signature(self, node: Node, *operands: str) -> str:
        inputs = ", ".join(self.type(node.operands[name].type) for name in operands)
        return f": {inputs} -> {self.type(node.result.type)}"

    def _typed(self, node: Node, names, operand: str) -> str:
        """` operand(%value : type)`, or "" if absent."""
        if operand not in names:
            return ""
        return f" {operand}({names[operand]} : {self.type(node.operands[operand].type)})"

    def _hadamard(self, node, names) -> str:
        attributes = _dictionary(axis=f"{node.attributes['axis']} : i64")
        return f"hadamard {names['input']}, {names['signs']}{attributes} {self._signature(node, 'input', 'signs')}"

    def _amax(self, node, names) -> str:
        pad = "true" if node.attributes.get("pad") else None
        attributes = _dictionary(axis=f"{node.attributes['axis']} : i64", pad=pad)
        source = self.type(node.operands["input"].type)
        operands = self._typed(node, names, "signs") + self._typed(node, names, "groups")
        return f"amax {names['input']}{operands}{attributes} : {source}"

    def _quantize(self, node, names) -> str:
        a = node.attributes
        key = f" key({names['key']}, {names['index_base']})" if "key" in names else ""
        step = f" step({names['step']})" if "step" in names else ""
        words = "".join(f" {n}({names[n]})" for n in ("amax", "amax_out", "flags") if n in names)
        attributes = _dictionary(
            axis=f"{a['axis']} : i64",
            rht=self.rht(a["rht"]) if a["rht"] else None,
            rounding=_rounding(a["rounding"]),
            stream=f"{a['stream']} : i64" if a["stream"] else None,
            pad="true" if a["pad"] else None,
        )
        signs, groups = (self._typed(node, names, operand) for operand in ("signs", "groups"))
        operands = f"{names['input']}{signs}{key}{step}{words}{groups}"
        return f"quantize {operands}{attributes} {self._signature(node, 'input')}"

    def _dequantize(self, node, names) -> str:
        operands = self._typed(node, names, "signs") + self._typed(node, names, "groups")
        return f"dequantize {names['input']}{operands} {self._signature(node, 'input')}"

    def _scales(self, node, names) -> str:
        layout = f"#quad.scale_layout<{node.result.type.of.scale_layout}>"
        return f"scales {names['input']}{_dictionary(layout=layout)} {self._signature(node, 'input')}"

    def _to_carrier(self, node, names) -> str:
        types = f"({self.type(node.operands['input'].type)}) -> ({self.type(node.result.type)})"
        return f"to_carrier {names['input']} : {types}"

    def _prepare(self, node, names) -> str:
        other = node.attributes["other"]
        attributes = _dictionary(
            side=f"#quad.side<{_SIDES[node.result.type.side]}>",
            other=self.format(other) if isinstance(other, Format) else other,
            exact=None if node.attributes["exact"] else "false",
        )
        return f"prepare {names['input']}{attributes} {self._signature(node, 'input')}"

    def _map(self, node, names) -> str:
        result = f"%{node.result.name}"
        arguments = [f"{result}_{number}" for number in range(len(names))]
        lines, computed = node.attributes["call"].print(arguments, f"{result}_r")
        inputs = ", ".join(self.type(value.type) for value in node.operands.values())
        signature = f"({inputs}) -> {self.type(node.result.type)}"
        return "\n".join(
            [
                f"map({', '.join(names.values())}) : {signature} {{",
                f"  ^bb0({', '.join(f'{argument}: f32' for argument in arguments)}):",
                *(f"    {line}" for line in lines),
                f"    quad.yield {computed} : f32",
                "  }",
            ]
        )

    def _transpose(self, node, names) -> str:
        return f"transpose {names['input']} {self._signature(node, 'input')}"

    def _matmul(self, node, names) -> str:
        accum = node.attributes["accum"]
        attributes = _dictionary(
            exact=None if node.attributes["exact"] else "false",
            accum=None if accum == "default" else f"#quad.accum<{accum}>",
        )
        extra = "".join(self._typed(node, names, operand) for operand in ("bias", "acc", "groups"))
        return f"matmul {names['lhs']}, {names['rhs']}{extra}{attributes} {self._signature(node, 'lhs', 'rhs')}"

    # Types and attributes.

    def argument(self, value: Value) -> str:
        if value in self.graph.words:
            return f"memref<1x{value.type.dtype.name}>"
        return self.type(value.type) + _hints(value.type)

    def type(self, type_) -> str:
        if isinstance(type_, ScalarType):
            return type_.name
        if isinstance(type_, ScalesType):
            return "tensor<?x?xi8>"
        if isinstance(type_, CarrierType):
            rows = ["tensor<?xi32>"] * 2 if type_.folded else []
            return ", ".join([f"tensor<?x?x{type_.dtype.name}>", *rows])
        if isinstance(type_, PreparedType):
            form = f", {json.dumps(type_.form)}" if type_.form else ""
            return f"!quad.prepared<{self.type(type_.of)}{form}>"
        shape = "x".join("?" if isinstance(d, Dim) else str(d) for d in type_.shape)
        if isinstance(type_, TensorType):
            return f"tensor<{shape}x{type_.dtype.name}>"
        rht = f", rht = {self.rht(type_.rht)}" if type_.rht else ""
        layout = f", scales = {type_.scale_layout}" if type_.scale_layout != ROW_MAJOR else ""
        return f"!quad.tensor<{shape}, {self.format(type_.format)}, axis = {type_.axis}{rht}{_padded(type_)}{layout}>"

    def format(self, fmt: Format) -> str:
        return self.alias(_format(fmt, lambda _: self.rule(fmt)), fmt.name)

    def rht(self, rht: RHT) -> str:
        number = self.digests.setdefault(rht, len(self.digests) + 1)
        return self.alias(f"#quad.rht<{rht.n}, digest = 0x{number:x}>", f"rht{rht.n}_{number}")

    def rule(self, fmt: Format) -> str:
        """The symbol of a format's rule, which depends on its grid and scale type too."""
        return self.rules.setdefault(fmt, f"{_symbol(fmt.rule)}_{len(self.rules)}")

    def alias(self, text: str, name: str) -> str:
        if text not in self.aliases:
            taken = self.aliases.values()
            name = f"#{name.lower()}"
            self.aliases[text] = name if name not in taken else f"{name}_{len(self.aliases)}"
        return self.aliases[text]


def _dictionary(**entries) -> str:
    present = [f"{name} = {text}" for name, text in entries.items() if text is not None]
    return f" {{{', '.join(present)}}}" if present else ""


def _hints(type_) -> str:
    """What the caller promises of an argument, for the code generator."""
    divisors = [d.divisor if isinstance(d, Dim) else 1 for d in getattr(type_, "shape", ())]
    hints = []
    if any(d > 1 for d in divisors):
        hints.append(f"quad.divisible_by = array<i64: {', '.join(map(str, divisors))}>")
    if getattr(type_, "unit_stride", None) is not None:
        hints.append(f"quad.unit_stride = {type_.unit_stride} : i64")
    if getattr(type_, "alignment", 0):
        hints.append(f"quad.alignment = {type_.alignment} : i64")
    stride_divisors = getattr(type_, "stride_divisors", ())
    if any(d > 1 for d in stride_divisors):
        hints.append(f"quad.stride_divisible_by = array<i64: {', '.join(map(str, stride_divisors))}>")
    return f" {{{', '.join(hints)}}}" if hints else ""


def _padded(type_: QuantType) -> str:
    length = type_.shape[type_.axis]
    if type_.groups is not None:
        return ", grouped"
    if not type_.pad:
        return ""
    if isinstance(length, Dim):
        return ", padded = ?"
    stored = type_.stored({})
    return f", padded = {stored}" if stored != length else ""


def _float(value: float) -> str:
    """An f32 with all its digits."""
    text = repr(float(np.float32(value)))
    return text if "e" not in text or "." in text else text.replace("e", ".0e")


def _symbol(rule: ScaleRule) -> str:
    """The name of its function, which may be a lambda's."""
    return re.sub(r"\W", "_", rule.name, flags=re.ASCII)


def _grid(grid: Grid) -> str:
    if grid.builtin:
        return grid.name
    values = ", ".join(_float(v) for v in grid.values)
    return f"lut<{json.dumps(grid.name)}, [{values}], qmax = {_float(grid.qmax)}>"


def _level(level: Level, symbol_of) -> str:
    rule = f"@{symbol_of(level.rule)}" if isinstance(level.rule, ScaleRule) else level.rule
    bits = f", bits = {level.bits}" if level.bits else ""
    qmax = f", qmax = {_float(level.qmax)}" if level.qmax else ""
    return f"<{level.block}, {level.dtype}, {rule}{bits}{qmax}>"


def _format(fmt: Format, symbol_of) -> str:
    levels = ", ".join(_level(level, symbol_of) for level in fmt.levels)
    grids = " or ".join(map(_grid, fmt.grids))
    return f"#quad.format<{json.dumps(fmt.name)}, grid = {grids}, levels = [{levels}]>"


def _rounding(rounding: Rounding) -> str | None:
    """The attribute, or None for the default."""
    if rounding.kind == "nearest_even":
        return None
    if rounding.is_stochastic:
        return f"#quad.stochastic<bits = {rounding.bits}, rounds = {rounding.rounds}>"
    return f"#quad.{rounding.kind}"
