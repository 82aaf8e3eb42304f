// RUN: quad-opt %s --convert-tile-to-llvm=target=gfx942 | FileCheck %s

// A block of two waves of 64 lanes. Within half a wave a swizzle exchanges lanes
// (bit mode, xor mask 1), the two halves go through a permutation.
//
// CHECK-LABEL: llvm.func @exchange(
// CHECK-SAME:    attributes {
// CHECK-SAME:    rocdl.flat_work_group_size = "128,128"
// CHECK-SAME:    rocdl.kernel
// CHECK-SAME:    rocdl.reqd_work_group_size = array<i32: 128, 1, 1>
// CHECK:         rocdl.workgroup.id.x : i32
// CHECK:         rocdl.workitem.id.x : i32
// CHECK:         %[[PATTERN:.*]] = arith.constant 1055 : i32
// CHECK:         rocdl.ds_swizzle %{{.*}}, %[[PATTERN]] : (i32, i32) -> i32
// CHECK:         arith.addf
// CHECK-NOT:     rocdl.ds_swizzle
// CHECK:         rocdl.ds_bpermute %{{.*}}, %{{.*}} : (i32, i32) -> i32
// CHECK:         arith.addf
// CHECK:         llvm.return
#lanes = #tile.layout<reg = [], lane = [1, 4, 8, 16, 32, 2], warp = [64]>
#sums = #tile.layout<reg = [], lane = [0, 1, 2, 4, 8, 0], warp = [16]>
func.func @exchange(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %x = tile.program_id 0
  %v = tile.load %p[%x, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<32x4xf32, #lanes>
  %r = tile.reduce addf %v dims = [1] : tensor<32x4xf32, #lanes> -> tensor<32x1xf32, #sums>
  return
}
