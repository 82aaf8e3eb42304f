// What is quantized only to be prepared is written in panels by the kernel that quantizes: codes
// and scales stay in registers, where they become bf16 and change lanes, eight rows of a
// group side by side.
//
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=sm_90a --verify-diagnostics | FileCheck %s
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=host:avx512 2>&1 | FileCheck %s --check-prefix=HOST

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!row = !quad.tensor<?x?, #ufp4b, axis = 1, padded = ?>
!column = !quad.tensor<?x?, #ufp4b, axis = 0, padded = ?>

// CHECK:       module attributes {{{.*}}quadrille.prepared = {{.*}}bf16 panels of 128 x 64{{.*}}bf16 panels of 128 x 64
// CHECK-LABEL: func.func @both(
// CHECK:         tile.launch @both_quantize_pair grid
// CHECK-NOT:     tile.launch
// CHECK-LABEL: func.func @both_quantize_pair(
// CHECK:         tile.pack %
// CHECK:         %[[WORDS:.*]] = tile.convert_layout {{.*}} -> tensor<128x8xi32, #tile.layout<reg = [4, 64, 128], lane = [8, 16, 32, 1, 2], warp = [256, 512]>>
// CHECK:         tile.lookup_pairs %[[WORDS]]
// CHECK:         tile.multiply_pairs
// CHECK:         tile.store {{.*}} {alignment = 16 : i64, granularity = 4 : i64} : tensor<1x16x8x1x8x4xi32
// CHECK:         tile.store {{.*}} : tensor<1x8x8x2x8x4xi32
// CHECK-NOT:     tile.store
// HOST:          tile.launch @both_quantize_pair
// HOST:          tile.launch @both_prepare
func.func @both(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64})
    -> (!quad.prepared<!row>, !quad.prepared<!column>) {
  %r = quad.quantize %x {axis = 1 : i64, pad = true} : tensor<?x?xbf16> -> !row
  %c = quad.quantize %x {axis = 0 : i64, stream = 1 : i64, pad = true} : tensor<?x?xbf16> -> !column
  // expected-remark @+1 {{is written by the kernel that quantizes, as bf16 folded 1x; codes and scales are not stored}}
  %p = quad.prepare %r {side = #quad.side<lhs>, other = #ufp4b} : !row -> !quad.prepared<!row>
  // expected-remark @+1 {{is written by the kernel that quantizes}}
  %q = quad.prepare %c {side = #quad.side<lhs>, other = #ufp4b} : !column -> !quad.prepared<!column>
  return %p, %q : !quad.prepared<!row>, !quad.prepared<!column>
}

// -----

// A result that has another use is stored, and read again.

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!row = !quad.tensor<?x?, #ufp4b, axis = 1>

// CHECK-LABEL: func.func @returned(
// CHECK:         tile.launch @returned_quantize_row
// CHECK:         tile.launch @returned_prepare
func.func @returned(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> (!row, !quad.prepared<!row>) {
  %r = quad.quantize %x {axis = 1 : i64} : tensor<?x?xbf16> -> !row
  // expected-remark @+1 {{carrier bf16}}
  %p = quad.prepare %r {side = #quad.side<lhs>, other = #ufp4b} : !row -> !quad.prepared<!row>
  return %r, %p : !row, !quad.prepared<!row>
}

// -----

// Nor are panels of fp8 written so, which have an exponent of each whole row.

#mxuf4 = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
!row = !quad.tensor<?x?, #mxuf4, axis = 1>

// CHECK-LABEL: func.func @folded(
// CHECK:         tile.launch @folded_quantize_row
// CHECK:         tile.launch @folded_prepare
func.func @folded(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !quad.prepared<!row> {
  %r = quad.quantize %x {axis = 1 : i64} : tensor<?x?xbf16> -> !row
  // expected-remark @+1 {{carrier e5m2}}
  %p = quad.prepare %r {side = #quad.side<lhs>, other = #mxuf4} : !row -> !quad.prepared<!row>
  return %p : !quad.prepared<!row>
}
