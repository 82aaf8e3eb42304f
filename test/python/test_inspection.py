"""What is read off the machine code of GPU kernels, and schedules evaluated in Python."""

from __future__ import annotations

import os
import shutil

import pytest
import quadrille as qd
from quadrille import inspection, isa
from quadrille.bench import kernels
from quadrille.cli import main
from quadrille.schedule import Extent, launches

AMD, NVIDIA = isa.ISAS["gfx"], isa.ISAS["sm_"]


def _without() -> str:
    """What is missing for reading NVIDIA's machine code here, or ""."""
    if not os.environ.get("QUADRILLE_PTXAS", shutil.which("ptxas") or ""):
        return "no ptxas in QUADRILLE_PTXAS or PATH: kernels are not assembled"
    try:
        isa._nvdisasm()
    except qd.UnsupportedError as error:
        return f"{error.message} ({error.instead}): machine code is not read"
    return ""


_MISSING = _without()
TARGETS = [
    pytest.param(target, marks=pytest.mark.skipif(target.startswith("sm_") and bool(_MISSING), reason=_MISSING or "-"))
    for target in isa.CHIPS
]

SCHEDULE = """quadrille-schedule 1
arg buffer rank=2 itemsize=2
arg f32
arg buffer rank=2 itemsize=1 out
kernel k threads=128 shared=512
; a comment
%0 = dim 0 0
%1 = const 16
%2 = rem %0 %1
%3 = const 0
%4 = eq %2 %3
check %4 rows must be a multiple of 16
%5 = ceildiv %0 %1
%6 = const 1
%7 = alloc %1
%8 = stride 0 0
launch k %5 %6 @0 @1 %7+%1 %8
launch k %3 %6 @0
"""


def test_launches_of_a_schedule():
    x, out = Extent((64, 8), (9, 1)), Extent((64, 4), (4, 1))
    (launch,) = launches(SCHEDULE, [x, 2.5, out], allocate=lambda size: f"{size} bytes")
    assert (launch.kernel, launch.grid, launch.threads, launch.shared) == ("k", (4, 1), 128, 512)
    assert launch.operands == [(x, 0), (2.5, 0), ("16 bytes", 16), (9, 0)]
    with pytest.raises(qd.ShapeError, match="rows must be a multiple of 16"):
        list(launches(SCHEDULE, [Extent((5, 8), (8, 1)), 2.5, out]))


def test_division_truncates():
    text = "%0 = const -7\n%1 = const 2\n%2 = div %0 %1\n%3 = rem %0 %1\n%4 = ceildiv %0 %1\n"
    (launch,) = launches(f"kernel k threads=1\n{text}%5 = const 1\nlaunch k %5 %5 %2 %3 %4", [])
    assert launch.operands == [(-3, 0), (-1, 0), (-3, 0)]


def test_the_first_launch_writes_a_temporary():
    text = """arg buffer rank=1 itemsize=2
arg buffer rank=1 itemsize=1 out
kernel a threads=1
kernel b threads=1
%0 = const 1
%1 = const 100
%2 = const 64
%3 = alloc %1
launch a %0 %0 @0 %3 %3+%2
launch b %0 %0 @1 %3+%2
"""
    arrays = [Extent((30,), (1,)), Extent((7,), (1,))]
    launched = list(launches(text, arrays, allocate=lambda size: Extent((size,), (1,))))
    assert inspection._bytes_of(text, arrays, launched) == [(60, 100), (36, 7)]


#: A whole tile is a wide load and a store after .LBB0_3; a part of one many narrow accesses before. Through both
#: goes no thread, but a path.
KERNEL = """k:
	s_load_dwordx2 s[0:1], s[4:5], 0x0
	s_cbranch_vccz .LBB0_3
	global_load_dword v1, v[2:3], off
	global_load_dword v2, v[2:3], off
	global_load_dword v3, v[2:3], off
	global_load_dword v4, v[2:3], off
	v_add_f32_e32 v1, v1, v2
	v_add_f32_e32 v1, v1, v2
	s_cbranch_execz .LBB0_3
	global_store_dword v[2:3], v1, off
	s_branch .LBB0_4
.LBB0_3:
	global_load_dwordx4 v[1:4], v[2:3], off
	v_rcp_f32_e32 v1, v1
	ds_swizzle_b32 v1, v1 offset:swizzle(SWAP,1)
	global_store_dword v[2:3], v1, off
.LBB0_4:
	s_endpgm
"""


def _path(text, read, written, of=AMD):
    return inspection._main_path(*of.blocks(text), read=read, written=written)


def _names(path):
    return [instruction.name for instruction in path.instructions]


def test_the_main_path():
    path = _path(KERNEL, read=16, written=4)
    assert (path.loaded, path.stored, path.slots("vector"), path.loops) == (16, 4, 4, False)
    assert "global_load_dwordx4" in _names(path) and "v_add_f32" not in _names(path)
    assert _path(KERNEL, read=32, written=4).slots("vector") == 6


def test_loops_are_taken_once():
    body = ".LBB0_1:\n\tglobal_store_byte v[0:1], v2, off\n\ts_cbranch_scc1 .LBB0_1\n"
    text = f"k:\n\ts_mov_b32 s0, 0\n{body}\ts_endpgm\n"
    path = _path(text, read=0, written=100)
    assert path.stored == 1 and path.loops


def test_an_exit_may_stand_before_its_branches():
    body = "\ts_cbranch_scc1 .LBB0_2\n.LBB0_1:\n\ts_endpgm\n.LBB0_2:\n\tglobal_store_byte v[0:1], v2, off\n"
    path = _path(f"k:\n{body}\ts_branch .LBB0_1\n", read=0, written=1)
    assert _names(path)[-3:] == ["global_store_byte", "s_branch", "s_endpgm"] and not path.loops


@pytest.mark.parametrize(
    "name, width",
    [
        ("global_load_dwordx4", 16),
        ("global_store_b128", 16),
        ("global_load_ushort", 2),
        ("global_load_d16_hi_b16", 2),
        ("global_store_byte", 1),
        ("global_store_b8", 1),
        ("v_add_f32", 0),
        ("s_load_dwordx4", 0),
    ],
)
def test_widths(name, width):
    found = AMD.instruction(isa.Statement(name))
    assert found.loaded + found.stored == width


#: A loop that fetches by one wide access or two narrow ones, and in its last turn not at all.
PRODUCT = """k:
	s_branch .LBB0_2
.LBB0_1:
	v_mfma_scale_f32_16x16x128_f8f6f4 v[0:3], v[4:9], v[4:9], v[0:3], v1, v2 op_sel_hi:[0,0,0] cbsz:2 blgp:2
	v_perm_b32 v4, v5, v6, s0
	s_cbranch_vccnz .LBB0_5
.LBB0_2:
	s_cbranch_scc1 .LBB0_1
	s_cbranch_vccz .LBB0_4
	global_load_dwordx2 v[4:5], v[2:3], off
	global_load_dwordx2 v[6:7], v[2:3], off
	s_branch .LBB0_1
.LBB0_4:
	global_load_dwordx4 v[4:7], v[2:3], off
	s_branch .LBB0_1
.LBB0_5:
	s_endpgm
"""


def test_the_turn_of_a_product():
    turn = inspection._main_turn(*AMD.blocks(PRODUCT))
    assert turn.loaded == 16 and _names(turn).count("global_load_dwordx4") == 1 and turn.slots("vector") == 1
    assert turn.matrix_cycles(isa.CHIPS["gfx950"][0]) == 16
    assert inspection._main_turn(*AMD.blocks(KERNEL)) is None


#: As nvdisasm prints it: a tile's path after .L_x_0, whose reciprocal has a slow path that is shorter.
SASS = """
        /*0000*/                   ULDC.64 UR4, c[0x0][0x208] ;
        /*0010*/              @!P1 BRA P0, `(.L_x_0) ;
        /*0020*/               @P2 LDG.E.U16 R3, desc[UR4][R2.64] ;
        /*0030*/                   STG.E.U8 desc[UR4][R2.64], R3 ;
        /*0040*/               @P0 EXIT ;
        /*0050*/                   NOP ;
.L_x_0:
        /*0060*/                   LDG.E.128 R4, desc[UR4][R2.64] ;
        /*0070*/                   BSSY B0, `(.L_x_3) ;
        /*0080*/               @P1 BRA `(.L_x_2) ;
        /*0090*/                   CALL.REL.NOINC `($slowpath) ;
        /*00a0*/                   BRA `(.L_x_3) ;
.L_x_2:
        /*00b0*/                   MUFU.RCP R5, R6.reuse ;
        /*00c0*/                   FFMA R4, R5, R6, R7 ;
        /*00d0*/                   IMAD.MOV.U32 R8, RZ, RZ, R4 ;
        /*00e0*/                   BSYNC B0 ;
.L_x_3:
        /*00f0*/                   F2FP.BF16.F32.PACK_AB R4, R4, R5 ;
        /*0100*/                   SHFL.BFLY PT, R4, R4, 0x1, 0x1f ;
        /*0110*/              @!P0 STS.128 [R8], R4 ;
        /*0120*/                   STG.E.64 desc[UR4][R2.64], R4 ;
        /*0130*/                   EXIT ;
$slowpath:
        /*0140*/                   RET.REL.NODEC R2 `(k) ;
.L_x_9:
        /*0150*/                   BRA `(.L_x_9);
"""


def test_the_main_path_of_sass():
    path = _path(SASS, read=16, written=8, of=NVIDIA)
    assert path.bytes == (16, 8) and path.wide == (1, 2) and not path.loops
    assert {pipe: path.slots(pipe) for pipe in NVIDIA.pipes} == {"issue": 14, "alu": 2, "imad": 2, "xu": 8}
    assert path.counts == dict(memory=2, shared=2, wait=2, branch=3, scalar=1, vector=4)
    assert sum(instruction.shared for instruction in path.instructions) == 4 + 16
    assert _names(_path(SASS, read=2, written=1, of=NVIDIA))[-1] == "EXIT"


#: A persistent kernel: its tiles' loop holds the loop of the contraction, which waits for each operand.
WGMMA = """
.L_x_0:
        /*0000*/                   HGMMA.64x256x16.F32.BF16 R24, gdesc[UR8], RZ, !UPT ;
.L_x_1:
        /*0010*/                   SYNCS.PHASECHK.TRANS64.TRYWAIT P0, [UR9+0x30000], R2 ;
        /*0020*/              @!P0 BRA `(.L_x_1) ;
        /*0030*/                   HGMMA.64x256x16.F32.BF16 R24, gdesc[UR8], R24 ;
        /*0040*/                   HGMMA.64x128x16.F32.BF16 R24, R4, gdesc[UR8], R24, gsb0 ;
        /*0050*/                   WARPGROUP.DEPBAR.LE gsb0, 0x1 ;
        /*0060*/                   UIADD3 UR5, UP0, UR5, 0x1, URZ ;
        /*0070*/              @!P1 BRA `(.L_x_1) ;
        /*0080*/                   LDG.E.128 R4, desc[UR4][R2.64] ;
        /*0090*/                   STG.E.128 desc[UR4][R2.64], R24 ;
        /*00a0*/              @!P2 BRA `(.L_x_0) ;
        /*00b0*/                   EXIT ;
"""


def test_a_branch_through_a_register_is_refused():
    with pytest.raises(qd.UnsupportedError, match="does not follow BRX"):
        NVIDIA.blocks("        /*0000*/                   BRX R2 -0x10 ;\n")


def test_the_turn_of_a_wgmma_product():
    turn = inspection._main_turn(*NVIDIA.blocks(WGMMA))
    assert turn.products == 64 * 16 * (256 + 128) // 4 and turn.loaded == 0 and turn.counts["matrix"] == 2
    assert turn.slots("issue") == turn.length == 7
    assert turn.matrix_cycles(isa.CHIPS["sm_90a"][0]) == 128 + 64
    # Bytes of a thread: both operands of the first, of the second the one that is in shared memory.
    assert sum(instruction.shared for instruction in turn.instructions) == 32 * (64 + 256 + 128) / 128


@pytest.mark.parametrize(
    "text, loaded, stored, shared",
    [
        ("LDG.E.LTC128B.128 R4, desc[UR4][R2.64]", 16, 0, 0),
        ("STG.E.U8 desc[UR4][R2.64], R3", 0, 1, 0),
        ("LDL R4, [R1]", 0, 0, 0),
        ("LDC.64 R2, c[0x0][0x210]", 0, 0, 0),
        ("LDS.U16 R4, [R5]", 0, 0, 2),
        ("LDSM.16.MT88.4 R4, [R5]", 0, 0, 16),
        ("UBLKCP.S.G [UR8], [UR4], UR10", 0, 0, 0),
    ],
)
def test_widths_of_sass(text, loaded, stored, shared):
    statement = NVIDIA.statement(f"        /*0000*/                   {text} ;")
    found = NVIDIA.instruction(statement)
    assert (found.loaded, found.stored, found.shared) == (loaded, stored, shared)


#: Dense peaks of the boards in TFLOP/s (or TOP/s), as they are usually published.
PEAKS = [
    ("gfx942", "v_mfma_f32_16x16x16_bf16", 1307),
    ("gfx942", "v_mfma_f32_16x16x32_fp8_fp8", 2615),
    ("gfx950", "v_mfma_f32_16x16x32_bf16", 2517),
    ("gfx950", "v_mfma_scale_f32_16x16x128_f8f6f4 cbsz:2 blgp:2", 10066),
    ("gfx950", "v_mfma_scale_f32_16x16x128_f8f6f4 cbsz:4 blgp:4", 10066),
    ("gfx950", "v_mfma_scale_f32_16x16x128_f8f6f4 cbsz:4", 5033),
    ("gfx1100", "v_wmma_f32_16x16x16_bf16", 122.8),
    ("gfx1100", "v_wmma_i32_16x16x16_iu4", 245.6),
    ("gfx1200", "v_wmma_f32_16x16x16_bf16", 102.6),
    ("gfx1200", "v_wmma_f32_16x16x16_fp8_bf8", 205),
    ("sm_90a", "HGMMA.64x256x16.F32.BF16", 989.4),
    ("sm_90a", "HGMMA.64x256x8.F32.TF32", 494.7),
    ("sm_90a", "QGMMA.64x128x32.F32.E5M2.E5M2", 1978.9),
    ("sm_90a", "IGMMA.64x128x32.S8.S8", 1978.9),
]


@pytest.mark.parametrize("target, instruction, peak", PEAKS)
def test_matrix_rates_give_the_published_peaks(target, instruction, peak):
    for chip in isa.CHIPS[target]:
        rate = 2 * chip.matrix_rate(instruction) * chip.simds * chip.units * (chip.matrix_clock or chip.clock)
        assert rate / 1e12 == pytest.approx(peak, rel=0.005)


def test_an_instruction_without_a_rate_is_refused():
    with pytest.raises(qd.ArgumentError, match="rate of v_mfma_f64"):
        isa.CHIPS["gfx942"][0].matrix_rate("v_mfma_f64_16x16x4_f64")


@pytest.mark.parametrize(
    "registers, shared, threads, occupancy",
    [(41, 0, 128, 40 / 64), (168, 196800, 384, 12 / 64), (32, 113 << 10, 128, 8 / 64), (32, 114 << 10, 128, 4 / 64)],
)
def test_occupancy_of_an_h100(registers, shared, threads, occupancy):
    assert isa.CHIPS["sm_90a"][0].occupancy(isa.Facts(registers, None, shared, 0), threads) == occupancy


@pytest.mark.compiler
@pytest.mark.parametrize("target", TARGETS)
def test_a_product(target):
    product, n = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="bf16")), 4096
    a = qd.spec(f"MXUF4[{n},{n}]")
    reports = inspection.inspect(product, target, a=a, b=a)
    (report,) = [r for r in reports if r.turns]
    chip = report.chips[0]
    seconds, other = report.seconds(chip), isa.isa_of(target).pipes[0]
    (rate,) = {chip.matrix_rate(each.name) for each in report.main.instructions if each.products}
    clock = chip.matrix_clock or chip.clock
    assert seconds["matrix"] == pytest.approx(n**3 / (rate * chip.simds * chip.units * clock))
    # Operands are at least as large as packed, and the result is bf16.
    assert seconds["memory"] >= n * n * (2 * (1 / 2 + 1 / 32) + 2) / chip.bandwidth * 0.999
    assert seconds[other] > 0 and 0 < report.matrix_share(chip) < 1
    assert "main loop" in report.lines()[2]
    steps = report.main.counts["matrix"] / report.main.matrix_per_step
    assert report.main.matrix_per_step > 1 and steps > 1 and steps == int(steps)


@pytest.mark.compiler
@pytest.mark.skipif(bool(_MISSING), reason=_MISSING or "-")
@pytest.mark.parametrize("fmt, accum", [("UFP4_B", None), ("MXUF4", None), ("MXUF4", "fast")])
def test_descriptors_stay_in_uniform_registers(fmt, accum):
    """Where ptxas does not see that an epilogue's lanes agree, it moves the loop's to other registers and back."""
    a = qd.spec(f"{fmt}[4096,4096]")
    reports = inspection.inspect(qd.jit(lambda a, b: qd.matmul(a, b.T, accum=accum)), "sm_90a", a=a, b=a)
    (report,) = [r for r in reports if r.turns]
    assert not [each.name for each in report.main.instructions if each.name.startswith("R2UR")]


def test_products_without_one_size_are_refused():
    twice = qd.jit(lambda a, b: (qd.matmul(a, b.T), qd.matmul(b, a.T)))
    a = qd.spec("MXUF4[256,256]")
    with pytest.raises(qd.ArgumentError, match="one product without groups"):
        inspection.inspect(twice, "gfx950", a=a, b=a)


def row(x):
    return qd.quantize(x, "UFP4_B", rht=qd.RHT(16, seed=0))


@pytest.mark.compiler
@pytest.mark.parametrize("target", TARGETS)
def test_a_quantization(target):
    (report,) = inspection.inspect(qd.jit(row), target, x=qd.spec("bf16[16384,8192]"))
    signs = 16 * 4 if target.startswith("sm_") else 0  # AMD has them by scalar loads
    assert report.elements == 64 and report.main.stored == 64 // 2 + 64 // 16 * 2
    assert report.main.loaded == 64 * 2 + signs and report.facts.scratch == 0
    assert 5 < report.main.counts["vector"] / 64 < 20 and not report.main.loops
    bytes_ = 16384 * 8192 * (2 + 1 / 2 + 2 / 16)
    for chip in report.chips:
        assert 0 < report.occupancy(chip) <= 1
        assert report.seconds(chip)["memory"] == pytest.approx(bytes_ / chip.bandwidth)


@pytest.mark.compiler
def test_elements_are_those_of_the_matrix():
    (report,) = inspection.inspect(qd.jit(lambda q: qd.dequantize(q)), "gfx950", q=qd.spec("MXUF4[4096,8192]"))
    assert report.elements * 4 == report.main.stored  # of f32


@pytest.mark.compiler
def test_the_command(tmp_path, capsys):
    source = tmp_path / "user.py"
    source.write_text("import quadrille as qd\ndef f(x):\n    return qd.quantize(x, 'MXFP4')\n")
    command = ["inspect", f"{source}:f", "--target", "gfx950"]
    assert main([*command, "--arg", "x=bf16[4096,4096]"]) == 0
    printed = capsys.readouterr().out
    assert "f_quantize_row for gfx950" in printed and "scratch 0 bytes" in printed
    assert "at the rates of MI355X" in printed and "bound by" in printed
    assert main([*command, "--arg", "x=bf16[M,4096]"]) == 1
    assert "lengths that are not numbers" in capsys.readouterr().err
    assert main(["inspect", f"{source}:f", "--target", "host", "--arg", "x=bf16[64,64]"]) == 1
    assert "GPU targets, not of host" in capsys.readouterr().err


@pytest.mark.compiler
def test_what_is_missing_for_nvidia_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("QUADRILLE_NVDISASM", str(tmp_path / "none"))
    with pytest.raises(qd.UnsupportedError, match="nvdisasm, which was not found") as error:
        isa.disassembly(b"\x7fELF of this test")
    assert "pip install nvidia-cuda-nvdisasm" in error.value.instead
    refuses = tmp_path / "refuses"
    refuses.write_text("#!/bin/sh\necho 'an unknown machine' >&2\nexit 1\n")
    refuses.chmod(0o755)
    monkeypatch.setenv("QUADRILLE_NVDISASM", str(refuses))
    with pytest.raises(qd.UnsupportedError, match="an unknown machine"):
        isa.disassembly(b"\x7fELF of this test")
    monkeypatch.setenv("QUADRILLE_PTXAS", "")
    with pytest.raises(qd.UnsupportedError, match="is ptxas's"):
        inspection.inspect(qd.jit(lambda x: qd.quantize(x, "MXUF4")), "sm_90a", x=qd.spec("bf16[64,4096]"))


def test_a_table_of_unknown_rates_is_refused():
    with pytest.raises(qd.ArgumentError, match="GPUs of gfx1250"):
        next(kernels.table(["gfx1250"]))


@pytest.mark.compiler
@pytest.mark.parametrize("target", TARGETS)
def test_a_line_of_the_table(target, monkeypatch):
    monkeypatch.setattr(kernels, "PRODUCTS", ())
    monkeypatch.setattr(kernels, "_kernels", lambda: [("a row", qd.jit(row), qd.spec("bf16[16384,8192]"))])
    title, _, head, rule, line, *_ = kernels.table([target])
    assert isa.CHIPS[target][0].name in title and line.startswith("| a row |")
    assert head.count("|") == rule.count("|") == line.count("|")
