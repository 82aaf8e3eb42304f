"""How the machine code of each maker's GPUs is read, and the rates of the GPUs: the tables behind inspection.py, at
whose top is what they assume."""

from __future__ import annotations

import abc
import functools
import glob
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace

from . import listing
from .compiler import Compiled, compile_module
from .errors import ArgumentError, UnsupportedError

#: Classes of instructions, in the order in which they are printed.
KINDS = ("memory", "shared", "wait", "branch", "scalar", "matrix", "vector")


@dataclass(frozen=True)
class Instruction:
    """What one instruction of a wave takes.

    `products` are those of the wave, bytes those of a thread: to and from memory, and through shared memory. `slots`
    are cycles by pipe, in units of the chip's `cycles`. `sums`: the registers that products
    are added to, and those that the sums go to.
    """

    name: str
    kind: str
    slots: tuple[tuple[str, int], ...] = ()
    products: int = 0
    sums: tuple[str, ...] = ()
    loaded: int = 0
    stored: int = 0
    shared: float = 0


@dataclass(frozen=True)
class Statement:
    """A line of assembly. `guarded`: some threads may not execute it."""

    name: str
    operands: tuple[str, ...] = ()
    guarded: bool = False


@dataclass(frozen=True)
class Facts:
    """What a kernel takes: registers of a thread, `scalars` those of a wave, bytes of a block and of a thread."""

    registers: int
    scalars: int | None
    shared: int
    scratch: int


@dataclass(frozen=True)
class Chip:
    """Rates of a GPU of a target.

    AMD: units, shared memory and registers are those of https://rocm.docs.amd.com/en/latest/reference/gpu-specs.html,
    and registers and granules give the occupancy that LLVM prints. Clocks and bandwidths are the usual figures for the
    boards; they were not checked against AMD's data sheets. NVIDIA: NVIDIA's H100 white paper and the data sheets
    of the boards (SXM), compute capability 9.0 of the CUDA programming guide.

    `matrix`: products that a SIMD's matrix unit makes in a cycle, by pattern of the instruction, the first that fits.
    They follow from the boards' dense peaks as usually published (test_inspection.py has those). AMD gives cycles of
    each instruction in https://github.com/ROCm/amd_matrix_instruction_calculator; not checked against it.

    `simds` of a unit issue a wave's vector instruction every `cycles`; each has `registers` vector registers for
    each lane, given out `granule` at a time, and room for `waves`. A block takes `reserved` bytes of shared memory
    beside its own. `matrix_clock` is that of the published peaks where it is another. Hz, bytes/s and bytes.
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
    matrix_clock: float | None = None
    reserved: int = 0

    def matrix_rate(self, name: str) -> int:
        """Products in a cycle of a SIMD by a matrix instruction; ArgumentError if the table lacks it."""
        for pattern, rate in self.matrix.items():
            if re.match(pattern, name):
                return rate
        raise ArgumentError(f"the rate of {name} on {self.name} is not known", instead="an entry of isa.CHIPS")

    def occupancy(self, facts: Facts, threads: int) -> float:
        """Waves that a SIMD holds at once, as a part of the most, of blocks of so many threads."""
        registers = -(-max(facts.registers, 1) // self.granule) * self.granule
        waves = min(self.waves, self.registers // registers)
        if shared := facts.shared:
            waves = min(waves, self.shared // (shared + self.reserved) * (threads // self.lanes) / self.simds)
        return waves / self.waves


#: fp8 in one operand of a scaled instruction (formats 0 and 1) halves its rate; 2 to 4 are fp6 and fp4.
_GFX942_MATRIX = {r".*_bf16": 256, r".*_f16": 256, r".*_(fp8|bf8|i8)": 512}
_GFX950_MATRIX = {r".*_f8f6f4 cbsz:[234] blgp:[234]": 2048, r".*_(f8f6f4|fp8|bf8|i8)": 1024, r".*_b?f16": 512}
_GFX1100_MATRIX = {r".*_(b?f16|iu8)": 128, r".*_iu4": 256}
_GFX1200_MATRIX = {r".*_b?f16": 256, r".*_(fp8|bf8|iu8)": 512, r".*_iu4": 1024}
#: HMMA (mma) is given the rate of HGMMA (wgmma), for which the peaks are published.
_SM90_MATRIX = {r"HG?MMA.*\.TF32": 256, r"HG?MMA": 512, r"([QI]GMMA|IMMA)": 1024}

_H200 = Chip(
    "H200", 132, 1.98e9, 4.8e12, 4, 1, 512, 8, 16, 228 << 10, 32, _SM90_MATRIX, matrix_clock=1.83e9, reserved=1 << 10
)

#: GPUs of a target, the largest first.
CHIPS = {
    "gfx942": (Chip("MI300X", 304, 2.1e9, 5.3e12, 4, 4, 512, 8, 8, 64 << 10, 64, _GFX942_MATRIX),),
    "gfx950": (Chip("MI355X", 256, 2.4e9, 8.0e12, 4, 4, 512, 8, 8, 160 << 10, 64, _GFX950_MATRIX),),
    "gfx1100": (Chip("RX 7900 XTX", 96, 2.5e9, 960e9, 2, 1, 1536, 24, 16, 64 << 10, 32, _GFX1100_MATRIX),),
    "gfx1200": (Chip("RX 9060 XT", 32, 3.13e9, 320e9, 2, 1, 1536, 24, 16, 64 << 10, 32, _GFX1200_MATRIX),),
    "sm_90a": (_H200, replace(_H200, name="H100", bandwidth=3.35e12)),
}
SHARED_BYTES_A_CYCLE = 128


class ISA(abc.ABC):
    """Machine code of one maker's GPUs.

    `classes`: patterns of names by kind, the first that fits. `calls`: the pattern of those that call. `pipes`: what
    instructions compete for, each a resource of a launch; matrix instructions are compared with the first.
    `registers` and `shared` are the maker's words. `stage` is the one whose output is read.
    """

    classes: dict[str, str]
    calls: str
    pipes: tuple[str, ...]
    registers: str
    shared: str
    stage: str

    def compile(self, module: str, target: str) -> Compiled:
        return compile_module(module, target, self.stage)

    @abc.abstractmethod
    def code(self, compiled: Compiled, kernel: str, shared: int) -> tuple[str, Facts]:
        """A kernel's text, and what it takes; `shared` are bytes that the launch adds to those in the text."""

    @abc.abstractmethod
    def statement(self, line: str) -> str | Statement | None:
        """A label's name, an instruction, or neither."""

    @abc.abstractmethod
    def targets(self, last: Statement) -> tuple[list[str], bool]:
        """Labels to which a branch may lead, and whether what follows it may be next.

        A label "" is the kernel's end.
        """

    @abc.abstractmethod
    def instruction(self, statement: Statement) -> Instruction:
        """What a statement is to the bounds: its class, and how much of a resource it takes."""

    def kind(self, name: str) -> str:
        return next(kind for kind, pattern in self.classes.items() if re.match(pattern, name))

    def blocks(self, text: str) -> tuple[list[list[Instruction]], list[list[int]]]:
        """The instructions of each basic block, in their order, and the numbers of those that may follow.

        The last block is the kernel's end, and empty.
        """
        names: dict[str, int] = {}
        blocks: list[list[Statement]] = [[]]
        for line in text.splitlines():
            found = self.statement(line)
            if isinstance(found, str):
                if blocks[-1]:
                    blocks.append([])
                names[found] = len(blocks) - 1
            elif found:
                blocks[-1].append(found)
                if self.kind(found.name) == "branch":
                    blocks.append([])
        if blocks[-1]:
            blocks.append([])
        names[""] = len(blocks) - 1
        successors: list[list[int]] = []
        for number, block in enumerate(blocks[:-1]):
            branches = self.kind(block[-1].name) == "branch"
            targets, next_too = self.targets(block[-1]) if branches else ([], True)
            successors.append([names[label] for label in targets] + ([number + 1] if next_too else []))
        calls = {number for number, block in enumerate(blocks) if any(re.match(self.calls, s.name) for s in block)}
        for after in successors:
            after[:] = [number for number in after if number not in calls] or after
        return [list(map(self.instruction, block)) for block in blocks], [*successors, []]


class AMDGCN(ISA):
    classes = {
        "memory": r"(global|flat|buffer|scratch)_",
        "shared": r"ds_",
        "wait": r"s_(wait|nop|delay|barrier|sleep|clause|set_vgpr)",
        "branch": r"s_(cbranch|branch|endpgm|setpc)",
        "scalar": r"s_",
        "matrix": r"v_(mfma|wmma|smfmac|swmmac)",
        "vector": r"v_",
    }
    calls = r"s_swappc"
    pipes = ("vector",)
    registers, shared = "VGPRs", "LDS"
    stage = "asm"

    #: Vector instructions that take several slots.
    _SLOTS = {
        r"v_(rcp|rsq|sqrt|exp|log|sin|cos)_": 4,
        r"v_(mul_lo|mul_hi|mad_u64|mad_i64|mad_co_u64)": 4,
    }
    _WIDTHS = {"b8": 1, "u8": 1, "i8": 1, "ubyte": 1, "sbyte": 1, "byte": 1, "b16": 2, "u16": 2, "i16": 2, "ushort": 2}
    _WIDTHS |= {"sshort": 2, "short": 2, "b32": 4, "dword": 4, "b64": 8, "dwordx2": 8, "b96": 12, "dwordx3": 12}
    _WIDTHS |= {"b128": 16, "dwordx4": 16}

    def code(self, compiled: Compiled, kernel: str, shared: int) -> tuple[str, Facts]:
        text = compiled.output
        metadata = text[text.index("amdhsa.kernels:") :]
        parts = re.split(r"\n  - ", metadata)
        entry = next(part for part in parts if re.search(rf"\.name: +{re.escape(kernel)}\n", part))
        names = ("vgpr_count", "sgpr_count", "group_segment_fixed_size", "private_segment_fixed_size")
        vector, scalar, own, scratch = (int(re.search(rf"\.{name}: +(\d+)", entry)[1]) for name in names)
        return listing.kernel(text, "asm", kernel), Facts(vector, scalar, own + shared, scratch)

    def statement(self, line: str) -> str | Statement | None:
        line = line.partition(";")[0].strip()
        if label := re.fullmatch(r"(\.LBB\w+):", line):
            return label[1]
        if not line or line.startswith(".") or line.endswith(":"):
            return None
        name, *operands = line.replace(",", " ").split()
        # With the formats of a scaled matrix instruction's operands.
        formats = [word for word in operands if re.match("cbsz:|blgp:", word)] if "f8f6f4" in name else []
        return Statement(" ".join([re.sub(r"_e(32|64)$", "", name), *formats]), tuple(operands))

    def targets(self, last: Statement) -> tuple[list[str], bool]:
        if last.name.startswith("s_endpgm"):
            return [""], False
        return list(last.operands[:1]) if re.match(r"s_c?branch", last.name) else [], last.name != "s_branch"

    def instruction(self, statement: Statement) -> Instruction:
        name, kind = statement.name, self.kind(statement.name)
        width = self._width(name)
        slots = next((n for pattern, n in self._SLOTS.items() if re.match(pattern, name)), 1)
        shape = re.search(r"_(\d+)x(\d+)x(\d+)", name) if kind == "matrix" else None
        return Instruction(
            name,
            kind,
            (("vector", slots),) if kind == "vector" else (),
            products=math.prod(map(int, shape.groups())) if shape else 0,
            sums=(statement.operands[3], statement.operands[0]) if shape else (),
            loaded=width if "load" in name else 0,
            stored=width if "store" in name else 0,
            shared=self._shared_bytes(name),
        )

    def _width(self, name: str) -> int:
        """Bytes of a thread's access to memory; 0 for other instructions."""
        match = re.match(r"(?:global|flat|buffer)_(?:load|store)_(?:d16_(?:hi_)?)?(\w+?)(?:_d16(?:_hi)?)?$", name)
        return self._WIDTHS.get(match[1], 0) if match else 0

    @staticmethod
    def _shared_bytes(name: str) -> int:
        """Bytes of a thread's access to shared memory, or of its exchange through that."""
        if not name.startswith("ds_"):
            return 0
        match = re.match(r"ds_(?:read|write|load|store)(2)?(?:st64)?_(?:2addr_)?(?:stride64_)?\w*?(\d+)", name)
        return int(match[2]) // 8 * (2 if match[1] or "2addr" in name else 1) if match else 4


class SASS(ISA):
    #: What moves bytes without a thread's registers (UBLKCP, UTMA) has no width here.
    classes = {
        "memory": r"(LD|ST)[GL]?\b|LDGSTS|(ATOMG?|REDG?)\b|UBLK|UTMA",
        "shared": r"LDSM?\b|STSM?\b|ATOMS|SHFL",
        "wait": r"BAR|B2R|DEPBAR|LDGDEPBAR|MEMBAR|FENCE|SYNCS|WARPGROUP|WARPSYNC|NOP|YIELD|NANOSLEEP|BSSY|BSYNC|BREAK|"
        r"BMOV|ERRBAR|CGAERRBAR|CCTL|UCGABAR|USETMAXREG|ELECT|ENDCOLLECTIVE|ACQBULK|PREEXIT|KILL|BPT",
        "branch": r"BRA|BRX|JMP|JMX|EXIT|RET|CALL",
        "scalar": r"U|R2UR|S2UR|LDC|VOTEU",
        "matrix": r"[HQIBD]G?MMA",
        "vector": r"",
    }
    calls = r"CALL"
    pipes = ("issue", "alu", "imad", "xu")
    registers, shared = "registers", "shared memory"
    stage = "object"

    #: Cycles of a sub-partition, by pipe, of vector instructions; those of no pattern are the ALU's. What takes one
    #: cycle (fma) takes no more than its issue.
    _SLOTS = {
        r"F(ADD|MUL|FMA)|H(ADD|MUL|FMA)2": ("fma", 1),
        r"IMAD\.(HI|WIDE)": ("imad", 4),
        r"IMAD|IMUL|IDP": ("imad", 2),
        r"MUFU|F2F\b|F2I\b|I2F\b|FRND|POPC|FLO|BREV": ("xu", 8),
        r"": ("alu", 2),
    }
    #: A shape's digits: M and N, then K.
    _MMA = re.compile(r"(?:[HQI]GMMA\.(\d+)x(\d+)x(\d+)|[HIBD]MMA\.(16|8)(8)(\d+))")
    _WARPGROUP = 4

    def code(self, compiled: Compiled, kernel: str, shared: int) -> tuple[str, Facts]:
        if not compiled.output.startswith(b"\x7fELF"):
            raise UnsupportedError(
                f"the machine code of {compiled.target} is ptxas's, which is neither in PATH nor in $CUDA_HOME/bin",
                instead="a CUDA toolkit's, or QUADRILLE_PTXAS=/its/path",
            )
        sections = re.split(r"^\.text\.([\w$.]+):$", disassembly(compiled.output), flags=re.M)
        text = dict(zip(sections[1::2], sections[2::2]))[kernel].partition("\n\t.section")[0]
        log = compiled.metadata["ptxas"]
        of_kernel = log[log.index(f"Compiling entry function '{kernel}'") :]
        stack = re.search(rf"Function properties for {re.escape(kernel)}\n *(\d+) bytes stack", of_kernel)
        used = re.search(r"Used (\d+) registers.*", of_kernel)
        own = re.search(r"(\d+) bytes smem", used[0])
        return text, Facts(int(used[1]), None, shared + (int(own[1]) if own else 0), int(stack[1]))

    def statement(self, line: str) -> str | Statement | None:
        if label := re.fullmatch(r"([\w.$]+):", line.strip()):
            return label[1]
        found = re.match(r"\s+/\*[0-9a-f]+\*/\s+(@!?U?P\w+\s+)?([A-Z]\w*(?:\.\w+)*)([^;]*)", line)
        return Statement(found[2], tuple(found[3].replace(",", " ").split()), bool(found[1])) if found else None

    def targets(self, last: Statement) -> tuple[list[str], bool]:
        name = last.name.partition(".")[0]
        if name in ("EXIT", "RET"):
            return [""], last.guarded
        if name == "CALL":
            return [], True
        labels = [match[1] for word in last.operands if (match := re.match(r"`\((.*)\)", word))]
        if name != "BRA" or not labels:
            raise UnsupportedError(f"inspect does not follow {last.name}", instead="a function without such a branch")
        return labels, last.guarded or len(last.operands) > 1

    def instruction(self, statement: Statement) -> Instruction:
        name, kind = statement.name, self.kind(statement.name)
        pipe, slots = next(entry for pattern, entry in self._SLOTS.items() if re.match(pattern, name))
        width = self._width(name) if re.match(r"(LD|ST)G?\b|LDGSTS", name) else 0
        return Instruction(
            name,
            kind,
            (("issue", 1), (pipe, slots)) if kind == "vector" and pipe in self.pipes else (("issue", 1),),
            products=(products := self._products(name)),
            sums=(statement.operands[2], statement.operands[0]) if products else (),
            loaded=width if name.startswith("LD") else 0,
            stored=width if name.startswith("ST") else 0,
            shared=self._shared_bytes(statement, kind),
        )

    def _products(self, name: str) -> int:
        match = self._MMA.match(name)
        products = math.prod(int(size) for size in match.groups() if size) if match else 0
        return products // self._WARPGROUP if "GMMA" in name else products

    def _shared_bytes(self, statement: Statement, kind: str) -> float:
        """Bytes of a thread's access to shared memory; of a wgmma those of its operands that are there, by thread."""
        name = statement.name
        if kind == "matrix":
            shape = re.match(r"[HQI]GMMA\.64x(\d+)x", name)
            # An operand's row is 32 bytes for every type.
            rows = int(shape[1]) + (0 if re.match(r"R\d", statement.operands[1]) else 64) if shape else 0
            return 32 * rows / (32 * self._WARPGROUP)
        if kind != "shared" or name.startswith(("SHFL", "ATOMS")):
            return 4 if kind == "shared" else 0
        if matrices := re.match(r"(?:LD|ST)SM\.16\.MT?88(?:\.(\d))?", name):
            return 4 * int(matrices[1] or 1)
        return self._width(name)

    @staticmethod
    def _width(name: str) -> int:
        """Bytes of a thread's access, by the words after the name."""
        widths = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16}
        return next((widths[word] for word in name.split(".")[1:] if word in widths), 4)


@functools.lru_cache(maxsize=4)
def disassembly(cubin: bytes) -> str:
    """What nvdisasm prints of a cubin's code; UnsupportedError without one, or with its words."""
    program = _nvdisasm()
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        done = subprocess.run([program, "-c", file.name], capture_output=True, text=True)
    if done.returncode:
        raise UnsupportedError(f"{program} fails: {done.stderr.strip()}", instead="nvdisasm as new as ptxas")
    return done.stdout


def _nvdisasm() -> str:
    """QUADRILLE_NVDISASM, else that in PATH, in $CUDA_HOME/bin, or of NVIDIA's wheel; UnsupportedError without one."""
    given, home = os.environ.get("QUADRILLE_NVDISASM"), os.environ.get("CUDA_HOME")
    places = [given] if given is not None else [shutil.which("nvdisasm"), home and f"{home}/bin/nvdisasm"]
    if given is None:
        places += [found for folder in sys.path for found in glob.glob(f"{folder}/nvidia/*/bin/nvdisasm")]
    found = next((path for path in places if path and os.access(path, os.X_OK)), None)
    if not found:
        raise UnsupportedError(
            "machine code of NVIDIA GPUs is read by nvdisasm, which was not found",
            instead="pip install nvidia-cuda-nvdisasm, a CUDA toolkit's in PATH, or QUADRILLE_NVDISASM=/its/path",
        )
    return found


#: By the beginning of a target's name.
ISAS = {"gfx": AMDGCN(), "sm_": SASS()}


def isa_of(target: str) -> ISA:
    """The ISA of a GPU's target; ArgumentError for others."""
    for prefix, isa in ISAS.items():
        if target.startswith(prefix):
            return isa
    raise ArgumentError(f"machine code is read of GPU targets, not of {target}", instead=", ".join(CHIPS))
