// Only the promise that neighbours are adjacent lets kernels read along memory;
// without it every element is read by its strides, of which nothing is known, and rows stay
// rows.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!q = !quad.tensor<?x?, #ufp4b, axis = 1>

// CHECK-LABEL: func.func @f(
// CHECK:         %[[ROWS:.*]] = tile.dim %{{.*}}, 0
// CHECK:         %[[S0:.*]] = tile.stride %{{.*}}, 0
// CHECK:         %[[S1:.*]] = tile.stride %{{.*}}, 1
// CHECK-NOT:     arith.select
// CHECK:         tile.launch @f_quantize_row grid(%{{.*}}, %[[ROWS]]) args({{.*}}%[[S0]], %[[S1]],
// CHECK-LABEL: func.func @f_quantize_row(
// CHECK-SAME:    %[[ROWS:[a-z0-9]+]]: i64, %[[COLS:[a-z0-9]+]]: i64, %[[S0:[a-z0-9]+]]: i64, %[[S1:[a-z0-9]+]]: i64,
// CHECK:         tile.load %{{.*}} bounds(%[[ROWS]], %[[COLS]]) strides(%[[S0]], %[[S1]]) inside %{{[0-9]+}} : !llvm.ptr -> tensor<1x256xi16, #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32, 64, 128], warp = []>>
func.func @f(%x: tensor<?x?xbf16>) -> !q {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !q
  return %q : !q
}
