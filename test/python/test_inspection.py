"""What is read off the machine code of AMD kernels, and schedules evaluated in Python."""

from __future__ import annotations

import pytest
import quadrille as qd
from quadrille import inspection
from quadrille.cli import main
from quadrille.schedule import Extent, launches

SCHEDULE = """quadrille-schedule 1
arg buffer rank=2 itemsize=2
arg f32
arg buffer rank=2 itemsize=1 out
kernel k threads=128
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
    assert (launch.kernel, launch.grid, launch.threads) == ("k", (4, 1), 128)
    assert launch.operands == [(x, 0), (2.5, 0), ("16 bytes", 16), (9, 0)]
    with pytest.raises(qd.ShapeError, match="rows must be a multiple of 16"):
        list(launches(SCHEDULE, [Extent((5, 8), (8, 1)), 2.5, out]))


def test_division_truncates():
    text = "%0 = const -7\n%1 = const 2\n%2 = div %0 %1\n%3 = rem %0 %1\n%4 = ceildiv %0 %1\n"
    (launch,) = launches(f"kernel k threads=1\n{text}%5 = const 1\nlaunch k %5 %5 %2 %3 %4", [])
    assert launch.operands == [(-3, 0), (-1, 0), (-3, 0)]


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


def test_the_main_path():
    path = inspection._main_path(KERNEL, read=16, written=4)
    assert (path.loaded, path.stored, path.slots, path.loops) == (16, 4, 4, False)
    assert "global_load_dwordx4" in path.instructions and "v_add_f32" not in path.instructions
    assert inspection._main_path(KERNEL, read=32, written=4).slots == 6


def test_loops_are_taken_once():
    body = ".LBB0_1:\n\tglobal_store_byte v[0:1], v2, off\n\ts_cbranch_scc1 .LBB0_1\n"
    text = f"k:\n\ts_mov_b32 s0, 0\n{body}\ts_endpgm\n"
    path = inspection._main_path(text, read=0, written=100)
    assert path.stored == 1 and path.loops


def test_an_exit_may_stand_before_its_branches():
    body = "\ts_cbranch_scc1 .LBB0_2\n.LBB0_1:\n\ts_endpgm\n.LBB0_2:\n\tglobal_store_byte v[0:1], v2, off\n"
    path = inspection._main_path(f"k:\n{body}\ts_branch .LBB0_1\n", read=0, written=1)
    assert path.instructions[-3:] == ("global_store_byte", "s_branch", "s_endpgm") and not path.loops


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
    assert inspection._width(name) == width


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
    turn = inspection._main_turn(PRODUCT)
    assert turn.loaded == 16 and turn.instructions.count("global_load_dwordx4") == 1 and turn.slots == 1
    assert inspection._matrix_cycles(inspection.CHIPS["gfx950"], turn) == 16
    assert inspection._main_turn(KERNEL) is None


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
]


@pytest.mark.parametrize("target, instruction, peak", PEAKS)
def test_matrix_rates_give_the_published_peaks(target, instruction, peak):
    chip = inspection.CHIPS[target]
    rate = 2 * chip.matrix_rate(instruction) * chip.simds * chip.units * chip.clock
    assert rate / 1e12 == pytest.approx(peak, rel=0.005)


def test_an_instruction_without_a_rate_is_refused():
    with pytest.raises(qd.ArgumentError, match="rate of v_mfma_f64"):
        inspection.CHIPS["gfx942"].matrix_rate("v_mfma_f64_16x16x4_f64")


@pytest.mark.compiler
@pytest.mark.parametrize("target", list(inspection.CHIPS))
def test_a_product(target):
    product, n = qd.jit(lambda a, b: qd.matmul(a, b.T, dtype="bf16")), 4096
    a = qd.spec(f"MXUF4[{n},{n}]")
    reports = [r for r in inspection.inspect(product, target, a=a, b=a) if r.turn]
    assert len(reports) == 1
    (report,) = reports
    chip = inspection.CHIPS[target]
    (rate,) = {chip.matrix_rate(name) for name in report.turn.instructions if inspection._products(name)}
    assert report.seconds["matrix"] == pytest.approx(n**3 / (rate * chip.simds * chip.units * chip.clock))
    assert report.seconds["memory"] == pytest.approx(n * n * (2 * (1 / 2 + 1 / 32) + 2) / chip.bandwidth)
    assert report.seconds["vector"] > 0 and 0 < report.matrix_share < 1 and report.wide[0] > 0
    assert "main loop" in report.lines()[2]


def test_products_without_one_size_are_refused():
    twice = qd.jit(lambda a, b: (qd.matmul(a, b.T), qd.matmul(b, a.T)))
    a = qd.spec("MXUF4[256,256]")
    with pytest.raises(qd.ArgumentError, match="one product without groups"):
        inspection.inspect(twice, "gfx950", a=a, b=a)


def row(x):
    return qd.quantize(x, "UFP4_B", rht=qd.RHT(16, seed=0))


@pytest.mark.compiler
@pytest.mark.parametrize("target", list(inspection.CHIPS))
def test_a_quantization(target):
    (report,) = inspection.inspect(qd.jit(row), target, x=qd.spec("bf16[16384,8192]"))
    assert report.elements == 64 and report.path.stored == 64 // 2 + 64 // 16 * 2
    assert report.path.loaded == 64 * 2 and report.registers["private_segment_fixed_size"] == 0
    assert 0 < report.occupancy <= 1 and 5 < report.counts["vector"] / 64 < 20
    bytes_ = 16384 * 8192 * (2 + 1 / 2 + 2 / 16)
    assert report.seconds["memory"] == pytest.approx(bytes_ / inspection.CHIPS[target].bandwidth)
    assert not report.path.loops


@pytest.mark.compiler
def test_elements_are_those_of_the_matrix():
    (report,) = inspection.inspect(qd.jit(lambda q: qd.dequantize(q)), "gfx950", q=qd.spec("MXUF4[4096,8192]"))
    assert report.elements * 4 == report.path.stored  # of f32


@pytest.mark.compiler
def test_the_command(tmp_path, capsys):
    source = tmp_path / "user.py"
    source.write_text("import quadrille as qd\ndef f(x):\n    return qd.quantize(x, 'MXFP4')\n")
    command = ["inspect", f"{source}:f", "--target", "gfx950"]
    assert main([*command, "--arg", "x=bf16[4096,4096]"]) == 0
    printed = capsys.readouterr().out
    assert "f_quantize_row for gfx950 (MI355X)" in printed and "scratch 0 bytes" in printed and "bound by" in printed
    assert main([*command, "--arg", "x=bf16[M,4096]"]) == 1
    assert "lengths that are not numbers" in capsys.readouterr().err
    assert main(["inspect", f"{source}:f", "--target", "sm_90a", "--arg", "x=bf16[64,64]"]) == 1
    assert "AMD targets, not of sm_90a" in capsys.readouterr().err
