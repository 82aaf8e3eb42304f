// Row and column in one kernel: one read, two quantizations. The column result takes what was
// read as it is; the row result converts the bits of bf16, which are fewer than those of f32.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!column = !quad.tensor<?x?, #ufp4b, axis = 0>
!row = !quad.tensor<?x?, #ufp4b, axis = 1>

// CHECK-LABEL: func.func @f(
// CHECK:         tile.check %{{.*}}, "the length of axis 1
// CHECK:         tile.check %{{.*}}, "the length of axis 0
// CHECK:         tile.launch @f_quantize_pair
// CHECK-NOT:     tile.launch
// CHECK-LABEL: func.func @f_quantize_pair(
// CHECK:         %[[X:.*]] = tile.load {{.*}} -> tensor<16x16xi16
// CHECK-NEXT:    %[[T:.*]] = tile.transpose %[[X]]
// CHECK-NOT:     tile.load
// CHECK:         tile.convert_layout {{.*}} -> tensor<16x16xi16, #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32, 64, 128], warp = []>>
// CHECK-NOT:     tile.load
// CHECK:         tile.reduce{{ +}}amax
// CHECK:         tile.pack %
// CHECK-NOT:     tile.{{load|convert_layout}}
// CHECK:         arith.extui %[[T]]
// CHECK:         tile.reduce{{ +}}amax
// CHECK:         tile.pack %
// CHECK-NOT:     tile.load
// CHECK:         return
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> (!row, !column) {
  %r = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  %c = quad.quantize %x {axis = 0} : tensor<?x?xbf16> -> !column
  return %r, %c : !row, !column
}
