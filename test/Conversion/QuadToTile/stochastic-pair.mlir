// Random numbers take 16 columns at least, also where blocks are shorter and the vectors small.
//
// RUN: quad-opt %s --quad-form-kernels --quad-to-tile=target=host:avx2 | FileCheck %s

#small = #quad.format<"SMALL", grid = e2m1, levels = [<1x4, bf16, nearest>]>
#noise = #quad.stochastic<bits = 4, rounds = 7>
!row = !quad.tensor<?x?, #small, axis = 1>
!column = !quad.tensor<?x?, #small, axis = 0>

// CHECK-LABEL: func.func @f_quantize_pair(
// CHECK:         tile.random {{.*}} stream = 0 {{.*}} tensor<16x16xi32
// CHECK:         tile.random {{.*}} stream = 1 {{.*}} tensor<16x16xi32
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %key: i64, %base: i64) -> (!row, !column) {
  %q = quad.quantize %x key(%key, %base) {axis = 1, rounding = #noise} : tensor<?x?xbf16> -> !row
  %r = quad.quantize %x key(%key, %base) {axis = 0, rounding = #noise, stream = 1} : tensor<?x?xbf16> -> !column
  return %q, %r : !row, !column
}
