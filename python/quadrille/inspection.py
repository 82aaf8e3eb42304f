"""What the machine code of a GPU's kernel takes, and what bounds it: `quadrille inspect`.

The figures come from code alone: of AMD from the compiler's assembly, of NVIDIA from ptxas's machine code (SASS) as
nvdisasm prints it. Assumptions:

- A thread takes the path of whole tiles: of all paths through the code (each loop once) those whose stores come closest
  to the bytes that the launch's arrays have for each thread, of these the one whose loads do, and the shortest. Calls
  are slow paths, taken where there is no other; what is called is not counted. Instructions under a predicate are.
- A kernel with matrix instructions spends its time in turns of one loop: of the innermost loops' turns those with
  most matrix instructions, of these those that load most (the last turn may fetch nothing), of these the shortest. As
  many turns run as the launch's products need. What several waves read comes from caches and is counted once. What is
  outside the loop (epilogues) is not counted, nor what waves do that multiply nothing.
- A matrix instruction takes its products divided by `matrix` of CHIPS, and instructions of other waves run meanwhile.
  The matrix share supposes the contrary, that no wave's other instructions run beside matrix instructions.
- Shared memory moves 128 bytes a cycle for a unit, without conflicts of banks; lane exchanges through it count as
  accesses.
- A launch's arrays are read and written once, at the chip's bandwidth; a temporary is written by the first launch that
  has it and read by the others. Neither launches nor latencies are counted, and different resources work at the same
  time. So a bound is the least time, not a prediction.

AMD:

- Vector instructions of a wave take one slot, `cycles` of CHIPS long, except those of AMDGCN._SLOTS. Two operations in
  one instruction (v_dual, v_pk) take one slot too: AMD's peak of f32 operations can only be reached so. LLVM's
  scheduling model does not settle these: it has the throughput of one for all of them, and only a longer latency for
  the transcendental ones, and on RDNA for multiplications of integers. The factor 4 is our assumption.

NVIDIA:

- A sub-partition issues one instruction of any kind a cycle (`issue`). What else an instruction takes follows from the
  results per clock and multiprocessor in the CUDA programming guide's table of arithmetic throughput, compute
  capability 9.0: f32 and f16x2 128 (so no more than the issue), 32-bit additions, comparisons, logic and shifts of
  integers 64 (`alu`), multiplications of integers 64 (`imad`; ptxas has moves, additions and shifts done there too),
  MUFU, counts of bits and conversions 16 (`xu`). What the table does not say was measured on an H100, by a script that
  is not in the repository: conversions that pack (F2FP), I2FP, permutations and selections are the ALU's at 64, `imad`
  and `alu` work side by side, and IMAD.HI takes twice an IMAD. IMAD.WIDE is taken for IMAD.HI.
- Clocks are the largest: 1.98 GHz, for which 67 TFLOP/s of f32 are published, and for matrix instructions 1.83 GHz,
  for which 989 TFLOP/s of bf16 are. Under load both are lower. mma has the rate of wgmma.
- HGMMA and QGMMA are instructions of four warps, a quarter of whose products are each one's. They read each operand
  that is in shared memory once, which counts as shared memory's bytes; copies into it (UBLKCP) are not counted.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

from . import mlir, specs, trace
from .arrays import packed_strides
from .errors import ArgumentError
from .isa import CHIPS, KINDS, SHARED_BYTES_A_CYCLE, Chip, Facts, Instruction, isa_of
from .jit import JitFunction
from .schedule import Extent, Launch, launches
from .tracer import TracedFunction

_WIDEST = 16


@dataclass(frozen=True)
class Path:
    """Instructions that a thread executes, and the bytes that it loads and stores in all."""

    instructions: tuple[Instruction, ...] = ()
    loaded: int = 0
    stored: int = 0
    loops: bool = False

    @property
    def bytes(self) -> tuple[int, int]:
        return self.loaded, self.stored

    @property
    def length(self) -> int:
        return len(self.instructions)

    @property
    def products(self) -> int:
        """What a wave's matrix instructions multiply."""
        return sum(instruction.products for instruction in self.instructions)

    @property
    def matrix_per_step(self) -> int:
        """Matrix instructions for one instruction's length of the contraction: those that go on with no other's sums."""
        changed: set[str] = set()
        first = 0
        for before, after in (each.sums for each in self.instructions if each.products):
            first += before not in changed
            changed.add(after)
        return first

    @property
    def counts(self) -> Counter:
        """Instructions by class."""
        return Counter(instruction.kind for instruction in self.instructions)

    @property
    def wide(self) -> tuple[int, int]:
        """Accesses to memory of 16 bytes, and all."""
        widths = [width for each in self.instructions if (width := each.loaded or each.stored)]
        return sum(width == _WIDEST for width in widths), len(widths)

    def instructions_of(self, pipe: str) -> int:
        return sum(name == pipe for each in self.instructions for name, _ in each.slots)

    def slots(self, pipe: str) -> int:
        return sum(slots for each in self.instructions for name, slots in each.slots if name == pipe)

    def matrix_cycles(self, chip: Chip) -> float:
        return sum(each.products / chip.matrix_rate(each.name) for each in self.instructions if each.products)

    def then(self, block: list[Instruction], loops: bool) -> Path:
        return Path(
            self.instructions + tuple(block),
            self.loaded + sum(instruction.loaded for instruction in block),
            self.stored + sum(instruction.stored for instruction in block),
            self.loops or loops,
        )


@dataclass(frozen=True)
class KernelReport:
    """One launch: `elements` of a thread, `threads` of the grid, `threads_of_block`, `bytes` of all arrays.

    `main` is the path of a thread or, if `turns`, a turn of a product's main loop: all waves have so many together.
    """

    name: str
    target: str
    facts: Facts
    main: Path
    elements: float
    threads: int
    threads_of_block: int
    bytes: int
    turns: float

    @property
    def chips(self) -> tuple[Chip, ...]:
        """Those of the target whose rates are known."""
        return CHIPS.get(self.target, ())

    def occupancy(self, chip: Chip) -> float:
        return chip.occupancy(self.facts, self.threads_of_block)

    def seconds(self, chip: Chip) -> dict[str, float]:
        """The least time of the launch by each resource."""
        waves = self.turns or self.threads / chip.lanes
        cycles = chip.units * chip.simds * chip.clock
        exchanged = waves * chip.lanes * sum(instruction.shared for instruction in self.main.instructions)
        seconds = {"memory": self.bytes / chip.bandwidth}
        for pipe in isa_of(self.target).pipes:
            seconds[pipe] = waves * self.main.slots(pipe) * chip.cycles / cycles
        seconds["shared"] = exchanged / (chip.units * SHARED_BYTES_A_CYCLE * chip.clock)
        if self.turns:
            clock = chip.matrix_clock or chip.clock
            seconds["matrix"] = self.turns * self.main.matrix_cycles(chip) / (chip.units * chip.simds * clock)
        return seconds

    def bound(self, chip: Chip) -> str:
        seconds = self.seconds(chip)
        return max(seconds, key=seconds.get)

    def matrix_share(self, chip: Chip) -> float:
        """Of the cycles of a turn those of matrix instructions, if others never ran beside them."""
        matrix, other = self._cycles_of_turn(chip)
        return matrix / (matrix + other)

    def _cycles_of_turn(self, chip: Chip) -> tuple[float, float]:
        return self.main.matrix_cycles(chip), self.main.slots(isa_of(self.target).pipes[0]) * chip.cycles

    def lines(self) -> list[str]:
        isa, facts = isa_of(self.target), self.facts
        scalars = "" if facts.scalars is None else f"  SGPRs {facts.scalars}"
        occupancy = f", occupancy {self.occupancy(self.chips[0]):.0%}" if self.chips else ""
        wide, accesses = self.main.wide
        lines = [
            f"{self.name} for {self.target}",
            f"  {isa.registers} {facts.registers}{scalars}  {isa.shared} {facts.shared} bytes"
            f"  scratch {facts.scratch} bytes{occupancy}",
            *(self._lines_of_turn() if self.turns else self._lines_of_path()),
            f"  accesses to memory {accesses}, of 16 bytes {wide}",
        ]
        for chip in self.chips:
            times = ", ".join(f"{name} {seconds * 1e6:.1f} us" for name, seconds in self.seconds(chip).items())
            lines.append(f"  at the rates of {chip.name}: {times}; bound by {self.bound(chip)}")
        return lines

    def _lines_of_path(self) -> list[str]:
        loops = ", one turn of each loop" if self.main.loops else ""
        counts = _text(self.main.counts, self.elements)
        return [f"  instructions per element, {self.elements:g} elements of a thread{loops}: {counts}"]

    def _lines_of_turn(self) -> list[str]:
        products, counts = self.main.products, self.main.counts
        lines = [
            f"  main loop, {products} products of a wave in a turn: {_text(counts, 1)}",
            f"  matrix instructions of a wave for each step of K: {self.main.matrix_per_step}",
            f"  instructions of a wave per 1000 products: {_text(counts, products / 1000)}",
        ]
        for chip in self.chips[:1]:
            matrix, other = self._cycles_of_turn(chip)
            share = f"matrix {self.matrix_share(chip):.0%} of both"
            lines.append(f"  cycles of a turn: matrix {matrix:g}, {isa_of(self.target).pipes[0]} {other}; {share}")
        return lines


def _text(counts: Counter, of: float) -> str:
    digits = 0 if of == 1 else 2
    return "  ".join(f"{kind} {counts[kind] / of:.{digits}f}" for kind in KINDS if counts[kind])


def inspect(function: JitFunction, target: str, **arguments) -> list[KernelReport]:
    """The kernels that a call launches for arguments of these specs, compiled as for any arrays of their class.

    Args:
        function: a jitted function.
        target: a GPU's. ArgumentError for others, and for a function of several products or one of groups;
            UnsupportedError where NVIDIA's programs are missing that make machine code (ptxas) and print it (nvdisasm).
        arguments: specs whose lengths are numbers, such as spec("bf16[16384,8192]"), and static values, by name.
    """
    isa = isa_of(target)
    # Traced with the classes of the lengths, as arrays would be; then laid out with the lengths.
    _, _, traced = function._trace((), {name: _classed(value) for name, value in arguments.items()})
    _, leaves, _ = function._trace((), arguments)
    arrays = _arrays(traced, leaves)
    products = _products_of(traced, leaves)
    elements = math.prod(next(leaf.shape for leaf in leaves if hasattr(leaf, "shape")))
    compiled = isa.compile(mlir.print_graph(traced.graph), target)
    launched = list(launches(compiled.schedule, arrays, allocate=lambda size: Extent((size,), (1,))))
    reports = []
    for launch, (read, written) in zip(launched, _bytes_of(compiled.schedule, arrays, launched)):
        threads = launch.grid[0] * launch.grid[1] * launch.threads
        text, facts = isa.code(compiled, launch.kernel, launch.shared)
        blocks, successors = isa.blocks(text)
        turn = _main_turn(blocks, successors)
        report = KernelReport(
            launch.kernel,
            target,
            facts,
            turn or _main_path(blocks, successors, read / threads, written / threads),
            elements / threads,
            threads,
            launch.threads,
            read + written,
            products / turn.products if turn else 0,
        )
        reports.append(report)
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


def _bytes_of(schedule: str, arrays: list, launched: list[Launch]) -> list[tuple[int, int]]:
    """Bytes that each launch reads, and that it writes."""
    declared = [line.split() for line in schedule.splitlines() if line.startswith("arg ")]
    buffers = {
        id(array): (int(words[3].partition("=")[2]) * math.prod(array.shape), "out" in words)
        for words, array in zip(declared, arrays)
        if words[1] == "buffer"
    }
    offsets: dict[int, set[int]] = {}
    for launch in launched:
        for value, offset in _extents(launch):
            offsets.setdefault(id(value), set()).add(offset)
    made: set[tuple[int, int]] = set()
    sizes = []
    for launch in launched:
        of_launch = [0, 0]
        for value, offset in _extents(launch):
            if id(value) in buffers:
                size, out = buffers[id(value)]
            else:  # a part of a temporary, up to the next one
                size = min((n for n in offsets[id(value)] if n > offset), default=value.shape[0]) - offset
                out = (id(value), offset) not in made
                made.add((id(value), offset))
            of_launch[out] += size
        sizes.append((of_launch[0], of_launch[1]))
    return sizes


def _extents(launch: Launch) -> list[tuple[Extent, int]]:
    return [(value, offset) for value, offset in launch.operands if isinstance(value, Extent)]


# Paths through the code.


def _main_path(blocks: list[list[Instruction]], successors: list[list[int]], read: float, written: float) -> Path:
    """The path whose bytes are closest to those of a thread; see the top of this file."""
    order, backs = _walk(successors)
    loops = set().union(*(_loop(successors, *back) for back in backs))
    #: For each block the shortest path to its begin with so many bytes.
    best: list[dict[tuple[int, int], Path]] = [{} for _ in blocks]
    best[0][0, 0] = Path()
    ends: list[Path] = []
    for number in order:
        for start in best[number].values():
            path = start.then(blocks[number], number in loops)
            if not successors[number]:
                ends.append(path)
            for successor in successors[number]:
                known = best[successor].get(path.bytes)
                if (number, successor) not in backs and (known is None or path.length < known.length):
                    best[successor][path.bytes] = path
    return min(ends, key=lambda path: (abs(path.stored - written), abs(path.loaded - read), path.length))


def _main_turn(blocks: list[list[Instruction]], successors: list[list[int]]) -> Path | None:
    """One turn of the loop that multiplies, None without one; see the top of this file."""
    order, backs = _walk(successors)
    multiplying = {number for number, block in enumerate(blocks) if any(each.products for each in block)}
    loops = {back: inside for back in backs if (inside := _loop(successors, *back)) & multiplying}
    innermost = [back for back in loops if not any(_holds(loops, back, other) for other in loops)]
    turns = [turn for back in innermost for turn in _turns(blocks, successors, order, backs, *back)]
    best = max(turns, key=lambda turn: (turn.products, turn.loaded, -turn.length), default=None)
    return best if best and best.products else None


def _holds(loops: dict[tuple[int, int], set[int]], outer: tuple[int, int], inner: tuple[int, int]) -> bool:
    """Whether a loop has another in it that begins elsewhere."""
    return outer[1] != inner[1] and loops[inner] < loops[outer]


def _turns(blocks, successors, order, backs, last: int, first: int) -> list[Path]:
    """Paths from a loop's first block to the branch back: for each number of bytes and products the shortest."""
    inside = _loop(successors, last, first)
    best: dict[int, dict[tuple, Path]] = {number: {} for number in inside}
    best[first][()] = Path()
    for number in filter(inside.__contains__, order):
        paths = [start.then(blocks[number], True) for start in best[number].values()]
        if number == last:
            return paths
        for successor in successors[number]:
            if successor in inside and (number, successor) not in backs:
                for path in paths:
                    key = path.bytes, path.products
                    if key not in best[successor] or path.length < best[successor][key].length:
                        best[successor][key] = path
    raise AssertionError("a loop's blocks have its last one among them")


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
