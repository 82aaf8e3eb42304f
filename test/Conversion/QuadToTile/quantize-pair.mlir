// Row and column in one kernel: one read, two quantizations. The column result takes what was
// read as it is; the row result converts it.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=sm_90a | FileCheck %s --check-prefix=NVVM
// RUN: quad-opt %s --quad-to-tile=target=gfx942 | FileCheck %s --check-prefix=NVVM

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
// CHECK-NEXT:    arith.extui %[[X]]
// CHECK-NEXT:    arith.shli
// CHECK-NEXT:    %[[F:.*]] = arith.bitcast
// CHECK-NEXT:    tile.convert_layout %[[F]] : {{.*}} -> tensor<16x16xf32, #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32, 64, 128], warp = []>>
// CHECK-NOT:     tile.load
// CHECK:         tile.reduce{{ +}}amax
// CHECK:         tile.pack %
// CHECK-NOT:     tile.{{load|convert_layout}}
// CHECK:         tile.transpose %[[F]]
// CHECK:         tile.reduce{{ +}}amax
// CHECK:         tile.pack %
// CHECK-NOT:     tile.load
// CHECK:         return

// Warps exchange through memory: what is converted there are the bits of bf16, which are fewer
// than those of f32.
//
// NVVM-LABEL: func.func @f_quantize_pair(
// NVVM:         %[[X:.*]] = tile.load {{.*}} -> tensor<128x64xi16, #tile.layout<reg = [64, 128, 256, 512, 1, 2],
// NVVM-NEXT:    %[[ROWS:.*]] = tile.convert_layout %[[X]] : {{.*}} -> tensor<128x64xi16, #tile.layout<reg = [1, 2, 4, 8, 16, 32], lane = [64,
// NVVM-NEXT:    arith.extui %[[ROWS]]
// NVVM-NOT:     tile.{{load|convert_layout}}
// NVVM:         tile.reduce{{ +}}amax
// NVVM:         tile.pack %
// NVVM-NOT:     tile.load
// NVVM:         arith.extui %[[X]]
// NVVM-NOT:     tile.load
// NVVM:         tile.reduce{{ +}}amax
// NVVM:         tile.pack %
// NVVM-NOT:     tile.load
// NVVM:         return
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> (!row, !column) {
  %r = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  %c = quad.quantize %x {axis = 0} : tensor<?x?xbf16> -> !column
  return %r, %c : !row, !column
}
