// What the caller promises about addresses makes 16-byte accesses of GPUs: 16 halves are two
// loads, within the bounds and at them, of each of the unrolled tiles and of those of the loop,
// and their codes are one store.
//
// RUN: quad-opt %s --quad-to-ptx=target=sm_90a | mlir-translate --mlir-to-llvmir | llc -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -o - | FileCheck %s
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx942 | mlir-translate --mlir-to-llvmir | llc -mtriple=amdgcn-amd-amdhsa -mcpu=gfx942 -o - | FileCheck %s --check-prefix=GCN

// The unrolled tiles: two are loaded, then the next one before the work on each.
//
// CHECK-LABEL:   .visible .entry promised_quantize_row(
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-4: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-2: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-2: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global
// Of the loop, the block with the first store of codes stands before the header.
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         Loop Header
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-2: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         bra.uni
// CHECK-COUNT-2: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         bra.uni
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global

// GCN-LABEL:     {{^}}promised_quantize_row:
// GCN-NOT:       flat_{{load|store}}
// GCN:           Loop Header
// GCN-COUNT-4:   flat_load_dwordx4
// GCN-NOT:       flat_load
// GCN-COUNT-2:   flat_store_byte
// GCN-COUNT-2:   flat_store_dwordx2
// GCN-NOT:       flat_{{load|store}}
// GCN-COUNT-4:   flat_load_dwordx4
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_byte
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_dwordx2
// GCN-NOT:       flat_{{load|store}}
// GCN-COUNT-2:   flat_load_dwordx4
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_byte
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_dwordx2
// GCN-NOT:       flat_{{load|store}}
// GCN-COUNT-2:   flat_load_dwordx4
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_byte
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_dwordx2
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_byte
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_dwordx2
// GCN-NOT:       flat_{{load|store}}
// GCN:           s_endpgm
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!row = !quad.tensor<?x?, #nvfp4, axis = 1>
func.func @promised(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.alignment = 64 : i64, quad.divisible_by = array<i64: 1, 32>, quad.stride_divisible_by = array<i64: 32, 1>}) -> !row {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %q : !row
}

// Noise asks for no more: 16 elements a lane, here of two blocks, whose scales are one store.
//
// CHECK-LABEL:   .visible .entry random_quantize_row(
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-4: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-2: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-2: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global
// Of the loop, the block with the first store of codes stands before the header.
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         Loop Header
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-2: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         bra.uni
// CHECK-COUNT-2: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         bra.uni
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v2.b32
// CHECK-NOT:     {{(ld|st)}}.global

// GCN-LABEL:     {{^}}random_quantize_row:
// GCN-NOT:       flat_{{load|store}}
// GCN:           Loop Header
// GCN-COUNT-4:   flat_load_dwordx4
// GCN-NOT:       flat_load
// GCN-COUNT-2:   flat_store_short
// GCN-COUNT-2:   flat_store_dwordx2
// GCN-NOT:       flat_{{load|store}}
// GCN-COUNT-4:   flat_load_dwordx4
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_short
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_dwordx2
// GCN-NOT:       flat_{{load|store}}
// GCN-COUNT-2:   flat_load_dwordx4
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_short
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_dwordx2
// GCN-NOT:       flat_{{load|store}}
// GCN-COUNT-2:   flat_load_dwordx4
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_short
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_dwordx2
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_short
// GCN-NOT:       flat_{{load|store}}
// GCN:           flat_store_dwordx2
// GCN-NOT:       flat_{{load|store}}
// GCN:           s_endpgm
#pairs = #quad.format<"PAIRS", grid = e2m1, levels = [<1x8, e4m3, nearest>]>
!pairs = !quad.tensor<?x?, #pairs, axis = 1>
func.func @random(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.alignment = 64 : i64, quad.divisible_by = array<i64: 1, 32>, quad.stride_divisible_by = array<i64: 32, 1>}, %key: i64, %base: i64) -> !pairs {
  %q = quad.quantize %x key(%key, %base) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 0} : tensor<?x?xbf16> -> !pairs
  return %q : !pairs
}

// A lane has all 32 of a larger block: four loads, and its codes are one store of 16 bytes.
//
// CHECK-LABEL:   .visible .entry blocks32_quantize_row(
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-8: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-4: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-4: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// Of the loop, the block with the first store of codes stands before the header.
// CHECK:         st.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         Loop Header
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK-COUNT-4: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         bra.uni
// CHECK-COUNT-4: ld.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         bra.uni
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.b8
// CHECK-NOT:     {{(ld|st)}}.global
// CHECK:         st.global.v4.b32
// CHECK-NOT:     {{(ld|st)}}.global

// GCN-LABEL:     {{^}}blocks32_quantize_row:
// GCN-NOT:       flat_{{load|store}}
// GCN:           Loop Header
// GCN-COUNT-8:   flat_load_dwordx4
// GCN-NOT:       flat_load
// GCN-COUNT-2:   flat_store_byte
// GCN-COUNT-2:   flat_store_dwordx4
// GCN-NOT:       flat_{{load|store}}
// The loads of the next tile are among the work on one, wherever the scheduler has them.
// GCN-COUNT-4:   flat_load_dwordx4
// GCN-NOT:       flat_{{load|store}}
// GCN-COUNT-12:  flat_load_dwordx4
// GCN-NOT:       flat_load
// GCN:           s_endpgm
#mxfp4 = #quad.format<"MXFP4", grid = e2m1, levels = [<1x32, e8m0, ocp>]>
!mx = !quad.tensor<?x?, #mxfp4, axis = 1>
func.func @blocks32(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.alignment = 64 : i64, quad.divisible_by = array<i64: 1, 32>, quad.stride_divisible_by = array<i64: 32, 1>}) -> !mx {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !mx
  return %q : !mx
}

// Without, each half is one load.
//
// CHECK-LABEL:    .visible .entry unpromised_quantize_row(
// CHECK-NOT:      ld.global.v
// CHECK-COUNT-64: ld.global.b16
// CHECK-NOT:      ld.global
// CHECK:          Loop Header
// CHECK-COUNT-32: ld.global.b16
// CHECK-NOT:      ld.global
func.func @unpromised(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !row {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %q : !row
}
