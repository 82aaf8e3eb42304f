"""What the machine code of an AMD kernel takes, and what bounds it: `quadrille inspect`.

The figures come from the compiler's assembly alone. Assumptions:

- A thread takes the path of whole tiles: of all paths through the code (each loop once) the one whose loads and
  stores come closest to the bytes that the launch's arrays have for each thread, and of these the shortest.
- Vector instructions of a wave take one slot, `cycles` of CHIPS long, except those of _SLOTS. Two operations in one
  instruction (v_dual, v_pk) take one slot too: AMD's peak of f32 operations can only be reached so. LLVM's scheduling
  model does not settle these: it has the throughput of one for all of them, and only a longer latency for the
  transcendental ones, and on RDNA for multiplications of integers. The factor 4 is our assumption.
- A kernel with matrix instructions spends its time in turns of one loop: of the turns (each inner loop once) those with
  most matrix instructions, of these those that load most (the last turn may fetch nothing), of these the shortest. As
  many turns run as the launch's products need. What several waves read comes from caches and is counted once.
- A matrix instruction takes its products divided by `matrix` of CHIPS, and vector instructions of other waves run
  meanwhile. The matrix share supposes the contrary, that no wave's vector instructions run beside matrix instructions.
- Shared memory moves 128 bytes a cycle for a unit; lane exchanges through it count as accesses.
- A launch's arrays are read and written once, at the chip's bandwidth; neither launches nor latencies are counted, and
  different resources work at the same time. So a bound is the least time, not a prediction.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from . import listing, mlir, specs, trace
from .arrays import packed_strides
from .compiler import compile_module
from .errors import ArgumentError
from .jit import JitFunction
from .schedule import Extent, Launch, launches
from .tracer import TracedFunction


@dataclass(frozen=True)
class Chip:
    """Rates of the largest GPU of a target.

    Units, shared memory and registers are those of https://rocm.docs.amd.com/en/latest/reference/gpu-specs.html, and
    registers and granules give the occupancy that LLVM prints. Clocks and bandwidths are the usual figures for the
    boards; they were not checked against AMD's data sheets.

    `matrix`: products that a SIMD's matrix unit makes in a cycle, by pattern of the instruction, the first that fits.
    They follow from the boards' dense peaks as usually published (test_inspection.py has those), the form in which
    https://github.com/ROCm/amd_matrix_instruction_calculator gives cycles of each instruction; not checked against it.

    `simds` of a unit issue a wave's vector instruction every `cycles`; each has `registers` vector registers for
    each lane, given out `granule` at a time, and room for `waves`. Hz, bytes/s and bytes.
    """

    name: str
    units: int
    clock: float
    bandwidth: float
    simds: int
    cycles: int
    registers: int
    granule: int
    waves: int
    shared: int
    lanes: int
    matrix: dict[str, int] = field(default_factory=dict)

    def matrix_rate(self, name: str) -> int:
        """Products in a cycle of a SIMD by a matrix instruction; ArgumentError if the table lacks it."""
        for pattern, rate in self.matrix.items():
            if re.match(pattern, name):
                return rate
        raise ArgumentError(f"the rate of {name} on {self.name} is not known", instead="an entry of inspection.CHIPS")


#: fp8 in one operand of a scaled instruction (formats 0 and 1) halves its rate; 2 to 4 are fp6 and fp4.
_GFX942_MATRIX = {r".*_bf16": 256, r".*_f16": 256, r".*_(fp8|bf8|i8)": 512}
_GFX950_MATRIX = {r".*_f8f6f4 cbsz:[234] blgp:[234]": 2048, r".*_(f8f6f4|fp8|bf8|i8)": 1024, r".*_b?f16": 512}
_GFX1100_MATRIX = {r".*_(b?f16|iu8)": 128, r".*_iu4": 256}
_GFX1200_MATRIX = {r".*_b?f16": 256, r".*_(fp8|bf8|iu8)": 512, r".*_iu4": 1024}

CHIPS = {
    "gfx942": Chip("MI300X", 304, 2.1e9, 5.3e12, 4, 4, 512, 8, 8, 64 << 10, 64, _GFX942_MATRIX),
    "gfx950": Chip("MI355X", 256, 2.4e9, 8.0e12, 4, 4, 512, 8, 8, 160 << 10, 64, _GFX950_MATRIX),
    "gfx1100": Chip("RX 7900 XTX", 96, 2.5e9, 960e9, 2, 1, 1536, 24, 16, 64 << 10, 32, _GFX1100_MATRIX),
    "gfx1200": Chip("RX 9060 XT", 32, 3.13e9, 320e9, 2, 1, 1536, 24, 16, 64 << 10, 32, _GFX1200_MATRIX),
}
_SHARED_BYTES_A_CYCLE = 128

#: Classes of instructions, the first that fits.
_CLASSES = {
    "memory": r"(global|flat|buffer|scratch)_",
    "shared": r"ds_",
    "wait": r"s_(wait|nop|delay|barrier|sleep|clause|set_vgpr)",
    "branch": r"s_(cbranch|branch|endpgm|setpc)",
    "scalar": r"s_",
    "matrix": r"v_(mfma|wmma|smfmac|swmmac)",
    "vector": r"v_",
}
#: Vector instructions that take several slots.
_SLOTS = {
    r"v_(rcp|rsq|sqrt|exp|log|sin|cos)_": 4,
    r"v_(mul_lo|mul_hi|mad_u64|mad_i64|mad_co_u64)": 4,
}
_WIDTHS = {"b8": 1, "u8": 1, "i8": 1, "ubyte": 1, "sbyte": 1, "byte": 1, "b16": 2, "u16": 2, "i16": 2, "ushort": 2}
_WIDTHS |= {"sshort": 2, "short": 2, "b32": 4, "dword": 4, "b64": 8, "dwordx2": 8, "b96": 12, "dwordx3": 12}
_WIDTHS |= {"b128": 16, "dwordx4": 16}
_WIDEST = 16


@dataclass(frozen=True)
class Path:
    """Instructions that a thread executes, and the bytes that it loads and stores in all."""

    instructions: tuple[str, ...] = ()
    loaded: int = 0
    stored: int = 0
    slots: int = 0
    loops: bool = False

    @property
    def bytes(self) -> tuple[int, int]:
        return self.loaded, self.stored

    @property
    def length(self) -> int:
        return len(self.instructions)

    def then(self, other: Path) -> Path:
        return Path(
            self.instructions + other.instructions,
            self.loaded + other.loaded,
            self.stored + other.stored,
            self.slots + other.slots,
            self.loops or other.loops,
        )


@dataclass(frozen=True)
class KernelReport:
    """One launch. `elements` are of one thread; seconds are of the whole launch, by resource."""

    name: str
    target: str
    registers: dict[str, int]
    occupancy: float | None
    path: Path
    elements: float
    seconds: dict[str, float]
    turn: Path | None = None

    @property
    def products(self) -> int:
        """What a wave's matrix instructions multiply in a turn of the main loop."""
        return sum(map(_products, self.turn.instructions)) if self.turn else 0

    @property
    def matrix_share(self) -> float:
        """Of the cycles of a turn those of matrix instructions, if vector instructions never ran beside them."""
        chip = CHIPS[self.target]
        matrix, vector = _matrix_cycles(chip, self.turn), self.turn.slots * chip.cycles
        return matrix / (matrix + vector)

    @property
    def counts(self) -> Counter:
        """Instructions of the path by class."""
        return _counts(self.path)

    @property
    def counts_of_turn(self) -> Counter:
        """Instructions of one turn of a product's main loop by class."""
        return _counts(self.turn or Path())

    @property
    def wide(self) -> tuple[int, int]:
        """Accesses to memory of 16 bytes, and all."""
        return _wide(self.turn or self.path)

    @property
    def bound(self) -> str:
        return max(self.seconds, key=self.seconds.get) if self.seconds else ""

    def lines(self) -> list[str]:
        chip, facts = CHIPS.get(self.target), self.registers
        occupancy = "" if self.occupancy is None else f", occupancy {self.occupancy:.0%}"
        wide, accesses = self.wide
        lines = [
            f"{self.name} for {self.target}" + (f" ({chip.name})" if chip else ""),
            f"  vgprs {facts['vgpr_count']}  sgprs {facts['sgpr_count']}  LDS {facts['group_segment_fixed_size']} bytes"
            f"  scratch {facts['private_segment_fixed_size']} bytes{occupancy}",
            *(self._lines_of_turn() if self.turn else self._lines_of_path()),
            f"  accesses to memory {accesses}, of 16 bytes {wide}",
        ]
        if self.seconds:
            times = ", ".join(f"{name} {seconds * 1e6:.1f} us" for name, seconds in self.seconds.items())
            lines.append(f"  at the chip's rates: {times}; bound by {self.bound}")
        return lines

    def _lines_of_path(self) -> list[str]:
        loops = ", one turn of each loop" if self.path.loops else ""
        counts = _text(self.counts, self.elements)
        return [f"  instructions per element, {self.elements:g} elements of a thread{loops}: {counts}"]

    def _lines_of_turn(self) -> list[str]:
        counts = self.counts_of_turn
        lines = [
            f"  main loop, {self.products} products of a wave in a turn: {_text(counts, 1)}",
            f"  instructions of a wave per 1000 products: {_text(counts, self.products / 1000)}",
        ]
        if chip := CHIPS.get(self.target):
            matrix, vector = _matrix_cycles(chip, self.turn), self.turn.slots * chip.cycles
            share = f"matrix {self.matrix_share:.0%} of both"
            lines.append(f"  cycles of a turn: matrix {matrix:g}, vector {vector}; {share}")
        return lines


def _counts(path: Path) -> Counter:
    return Counter(map(_class_of, path.instructions))


def _wide(path: Path) -> tuple[int, int]:
    """Accesses to memory of 16 bytes, and all."""
    widths = [width for name in path.instructions if (width := _width(name))]
    return sum(width == _WIDEST for width in widths), len(widths)


def _text(counts: Counter, of: float) -> str:
    digits = 0 if of == 1 else 2
    return "  ".join(f"{kind} {counts[kind] / of:.{digits}f}" for kind in _CLASSES if counts[kind])


def inspect(function: JitFunction, target: str, **arguments) -> list[KernelReport]:
    """The kernels that a call launches for arguments of these specs, compiled as for any arrays of their class.

    Args:
        function: a jitted function.
        target: an AMD target. ArgumentError for others, and for a function of several products or one of groups.
        arguments: specs whose lengths are numbers, such as spec("bf16[16384,8192]"), and static values, by name.
    """
    if not target.startswith("gfx"):
        raise ArgumentError(f"inspect reads the code of AMD targets, not of {target}", instead=", ".join(CHIPS))
    # Traced with the classes of the lengths, as arrays would be; then laid out with the lengths.
    _, _, traced = function._trace((), {name: _classed(value) for name, value in arguments.items()})
    _, leaves, _ = function._trace((), arguments)
    arrays = _arrays(traced, leaves)
    text = mlir.print_graph(traced.graph)
    compiled, assembly = (compile_module(text, target, stage) for stage in ("object", "asm"))
    elements = math.prod(next(leaf.shape for leaf in leaves if hasattr(leaf, "shape")))
    products = _products_of(traced, leaves)
    reports = []
    for launch in launches(compiled.schedule, arrays, allocate=lambda size: Extent((size,), (1,))):
        threads = launch.grid[0] * launch.grid[1] * launch.threads
        sizes = _bytes_of(compiled.schedule, arrays, launch)
        reports.append(_report(assembly.output, target, launch, sizes, threads, elements, products))
    return reports


def _products_of(traced: TracedFunction, leaves: list) -> int:
    """Multiplications of numbers in the call's product of matrices; ArgumentError if it has several."""
    nodes = [node for node in traced.graph.nodes if node.op.rpartition(".")[2] == "matmul"]
    if not nodes:
        return 0
    if len(nodes) > 1 or "groups" in nodes[0].operands:
        raise ArgumentError("inspect knows one product without groups in a function", instead="each in a function")
    sizes = traced.sizes(leaves)
    rows, columns = (trace.resolve(length, sizes) for length in nodes[0].result.type.shape)
    return math.prod(trace.resolve(length, sizes) for length in nodes[0].operands["lhs"].type.shape) * columns


def _classed(value):
    """A spec with the classes of its lengths in place of the lengths."""
    if not isinstance(value, (specs.ArraySpec, specs.QTensorSpec)):
        return value
    if any(isinstance(length, specs.Symbolic) for length in value.shape):
        raise ArgumentError(f"{value} has lengths that are not numbers", instead="such as bf16[16384,8192]")
    return replace(value, shape=tuple(map(specs.symbolic, value.shape)))


def _arrays(traced: TracedFunction, leaves: list) -> list:
    """The schedule's arguments: extents of row-major arrays, and 0 for numbers."""
    sizes = traced.sizes(leaves)
    arguments: list = []
    for type_ in [entry.value.type for entry in traced.graph.inputs] + traced.results:
        for buffer in type_.buffers(sizes) if hasattr(type_, "buffers") else [None]:
            strides = packed_strides(buffer.shape, 1) if buffer else ()
            arguments.append(Extent(buffer.shape, strides) if buffer else 0)
    return arguments


def _bytes_of(schedule: str, arrays: list, launch: Launch) -> tuple[int, int]:
    """Bytes of the launch's arrays that are read and that are written."""
    sizes = [0, 0]
    declared = [line.split() for line in schedule.splitlines() if line.startswith("arg ")]
    for value, _ in launch.operands:
        for words, array in zip(declared, arrays):
            if value is array and words[1] == "buffer":
                item = int(next(word for word in words if word.startswith("itemsize=")).partition("=")[2])
                sizes["out" in words] += item * math.prod(array.shape)
    return sizes[0], sizes[1]


def _report(
    text: str, target: str, launch: Launch, sizes: tuple[int, int], threads: int, elements: int, products: int
) -> KernelReport:
    read, written = sizes
    code = listing.kernel(text, "asm", launch.kernel)
    path = _main_path(code, read / threads, written / threads)
    turn = _main_turn(code)
    facts = _facts(text, launch.kernel)
    chip = CHIPS.get(target)
    turns = products / sum(map(_products, turn.instructions)) if turn else 0
    return KernelReport(
        launch.kernel,
        target,
        facts,
        _occupancy(chip, facts, launch.threads) if chip else None,
        path,
        elements / threads,
        _seconds(chip, path, turn, turns, threads, read + written) if chip else {},
        turn,
    )


def _facts(text: str, kernel: str) -> dict[str, int]:
    """The kernel's numbers in the metadata that follow the code."""
    metadata = text[text.index("amdhsa.kernels:") :]
    entry = next(part for part in re.split(r"\n  - ", metadata) if re.search(rf"\.name: +{re.escape(kernel)}\n", part))
    names = ("vgpr_count", "sgpr_count", "group_segment_fixed_size", "private_segment_fixed_size")
    return {name: int(re.search(rf"\.{name}: +(\d+)", entry)[1]) for name in names}


def _occupancy(chip: Chip, facts: dict[str, int], threads: int) -> float:
    """Waves that a SIMD holds at once, as a part of the most."""
    registers = -(-max(facts["vgpr_count"], 1) // chip.granule) * chip.granule
    waves = min(chip.waves, chip.registers // registers)
    if shared := facts["group_segment_fixed_size"]:
        of_block = threads // chip.lanes
        waves = min(waves, chip.shared // shared * of_block / chip.simds)
    return waves / chip.waves


def _seconds(
    chip: Chip, path: Path, turn: Path | None, turns: float, threads: int, bytes_: int
) -> dict[str, float]:
    """The least time of a launch by each resource; `bytes_` are those of its arrays, `turns` those of all its waves."""
    waves, main = (turns, turn) if turn else (threads / chip.lanes, path)
    exchanged = sum(_shared_bytes(name) for name in main.instructions)
    simds = chip.units * chip.simds * chip.clock
    seconds = {
        "memory": bytes_ / chip.bandwidth,
        "vector": waves * main.slots * chip.cycles / simds,
        "shared": waves * chip.lanes * exchanged / (chip.units * _SHARED_BYTES_A_CYCLE * chip.clock),
    }
    return seconds | ({"matrix": turns * _matrix_cycles(chip, turn) / simds} if turn else {})


def _matrix_cycles(chip: Chip, path: Path) -> float:
    return sum(count / chip.matrix_rate(name) for name in path.instructions if (count := _products(name)))


# Paths through the code.


def _main_path(text: str, read: float, written: float) -> Path:
    """The path whose bytes are closest to those of a thread; see the top of this file."""
    blocks, successors = _blocks(text)
    order, backs = _walk(successors)
    loops = set().union(*(_loop(successors, *back) for back in backs))
    #: For each block the shortest path to its begin with so many bytes.
    best: list[dict[tuple[int, int], Path]] = [{} for _ in blocks]
    best[0][0, 0] = Path()
    ends: list[Path] = []
    for number in order:
        for start in best[number].values():
            path = start.then(_path_of(blocks[number], number in loops))
            if not successors[number]:
                ends.append(path)
            for successor in successors[number]:
                known = best[successor].get(path.bytes)
                if (number, successor) not in backs and (known is None or path.length < known.length):
                    best[successor][path.bytes] = path
    return min(ends, key=lambda path: (abs(path.loaded - read) + abs(path.stored - written), path.length))


def _main_turn(text: str) -> Path | None:
    """One turn of the loop that multiplies, None without one; see the top of this file."""
    blocks, successors = _blocks(text)
    order, backs = _walk(successors)
    turns = [turn for last, first in backs for turn in _turns(blocks, successors, order, backs, last, first)]
    counted = [(sum(map(_products, turn.instructions)), turn) for turn in turns]
    most, best = max(counted, key=lambda pair: (pair[0], pair[1].loaded, -pair[1].length), default=(0, None))
    return best if most else None


def _turns(blocks, successors, order, backs, last: int, first: int) -> list[Path]:
    """Paths from a loop's first block to the branch back: for each number of bytes and products the shortest."""
    inside = _loop(successors, last, first)
    best: dict[int, dict[tuple, Path]] = {number: {} for number in inside}
    best[first][()] = Path()
    for number in filter(inside.__contains__, order):
        paths = [start.then(_path_of(blocks[number], True)) for start in best[number].values()]
        if number == last:
            return paths
        for successor in successors[number]:
            if successor in inside and (number, successor) not in backs:
                for path in paths:
                    key = path.bytes, sum(map(_products, path.instructions))
                    if key not in best[successor] or path.length < best[successor][key].length:
                        best[successor][key] = path
    raise AssertionError("a loop's blocks have its last one among them")


def _blocks(text: str) -> tuple[list[list[str]], list[list[int]]]:
    """The names of the instructions of each basic block, in their order, and the numbers of those that may follow."""
    names: dict[str, int] = {}
    lines: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        line = line.partition(";")[0].strip()
        if label := re.fullmatch(r"(\.LBB\w+):", line):
            if lines[-1]:
                lines.append([])
            names[label[1]] = len(lines) - 1
        elif line and not line.startswith(".") and not line.endswith(":"):
            lines[-1].append(line.split())
            if re.match(_CLASSES["branch"], line):
                lines.append([])
    if not lines[-1]:
        lines.pop()
    successors: list[list[int]] = []
    for number, block in enumerate(lines):
        name, *operands = block[-1]
        after = [names[operands[0]]] if re.match(r"s_c?branch", name) else []
        if name != "s_branch" and not name.startswith("s_endpgm") and number + 1 < len(lines):
            after.append(number + 1)
        successors.append(after)
    return [[_name(line) for line in block] for block in lines], successors


def _name(words: list[str]) -> str:
    """The instruction's name, with the formats of a scaled matrix instruction's operands."""
    formats = [word for word in words if re.match("cbsz:|blgp:", word)] if "f8f6f4" in words[0] else []
    return " ".join([re.sub(r"_e(32|64)$", "", words[0]), *formats])


def _walk(successors: list[list[int]]) -> tuple[list[int], set[tuple[int, int]]]:
    """Blocks so that each comes before those that follow it, and the branches back to a loop's begin."""
    order: list[int] = []
    backs: set[tuple[int, int]] = set()
    seen, open_ = {0}, {0}
    stack = [(0, iter(successors[0]))]
    while stack:
        number, rest = stack[-1]
        successor = next(rest, None)
        if successor is None:
            stack.pop()
            open_.discard(number)
            order.append(number)
        elif successor in open_:
            backs.add((number, successor))
        elif successor not in seen:
            seen.add(successor)
            open_.add(successor)
            stack.append((successor, iter(successors[successor])))
    return order[::-1], backs


def _loop(successors: list[list[int]], last: int, first: int) -> set[int]:
    """The blocks of the loop that a branch back closes."""
    inside, waiting = {first, last}, [last]
    while waiting:
        number = waiting.pop()
        before = [n for n, all_ in enumerate(successors) if number in all_ and n not in inside]
        waiting += before if number != first else []
        inside.update(before if number != first else [])
    return inside


def _path_of(block: list[str], loops: bool) -> Path:
    loaded = sum(_width(name) for name in block if "load" in name)
    stored = sum(_width(name) for name in block if "store" in name)
    return Path(tuple(block), loaded, stored, sum(map(_slots, block)), loops)


# Instructions.


def _class_of(name: str) -> str:
    return next(kind for kind, pattern in _CLASSES.items() if re.match(pattern, name))


def _slots(name: str) -> int:
    if _class_of(name) != "vector":
        return 0
    return next((slots for pattern, slots in _SLOTS.items() if re.match(pattern, name)), 1)


def _products(name: str) -> int:
    """Products that a wave's matrix instruction makes; 0 for others."""
    match = re.search(r"_(\d+)x(\d+)x(\d+)", name) if _class_of(name) == "matrix" else None
    return math.prod(map(int, match.groups())) if match else 0


def _width(name: str) -> int:
    """Bytes of a thread's access to memory; 0 for other instructions."""
    match = re.match(r"(?:global|flat|buffer)_(?:load|store)_(?:d16_(?:hi_)?)?(\w+?)(?:_d16(?:_hi)?)?$", name)
    return _WIDTHS.get(match[1], 0) if match else 0


def _shared_bytes(name: str) -> int:
    """Bytes of a thread's access to shared memory, or of its exchange through that."""
    if not name.startswith("ds_"):
        return 0
    match = re.match(r"ds_(?:read|write|load|store)(2)?(?:st64)?_(?:2addr_)?(?:stride64_)?\w*?(\d+)", name)
    return int(match[2]) // 8 * (2 if match[1] or "2addr" in name else 1) if match else 4
