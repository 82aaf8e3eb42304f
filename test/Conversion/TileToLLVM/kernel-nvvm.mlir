// RUN: quad-opt %s --convert-tile-to-llvm=target=sm_90a | FileCheck %s

// A block of 4 warps; exchanges between lanes are shuffles of the 32-bit word. Numbers
// along y count from the last argument, for a launch cannot have all of a long grid.
//
// CHECK-LABEL: llvm.func @exchange(
// CHECK-SAME:    %[[P:.*]]: !llvm.ptr, %[[N:.*]]: i64, %[[Y0:.*]]: i64) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 128>} {
// CHECK:         nvvm.read.ptx.sreg.ctaid.x : i32
// CHECK:         %[[Y:.*]] = nvvm.read.ptx.sreg.ctaid.y : i32
// CHECK:         %[[WIDE:.*]] = arith.extui %[[Y]] : i32 to i64
// CHECK:         arith.addi %[[WIDE]], %[[Y0]] : i64
// CHECK:         nvvm.read.ptx.sreg.tid.x : i32
// CHECK:         %[[W:.*]] = llvm.bitcast %{{.*}} : f32 to i32
// CHECK:         %[[R:.*]] = nvvm.shfl.sync bfly %{{.*}}, %[[W]], %{{.*}}, %{{.*}} : i32 -> i32
// CHECK-NEXT:    %[[F:.*]] = llvm.bitcast %[[R]] : i32 to f32
// CHECK-NEXT:    arith.addf %{{.*}}, %[[F]] : f32
// CHECK:         llvm.return
#lanes = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
#sums = #tile.layout<reg = [], lane = [0, 1, 2, 4, 8], warp = [16, 32]>
func.func @exchange(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %x = tile.program_id 0
  %y = tile.program_id 1
  %v = tile.load %p[%x, %y] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<64x2xf32, #lanes>
  %r = tile.reduce addf %v dims = [1] : tensor<64x2xf32, #lanes> -> tensor<64x1xf32, #sums>
  return
}

// Any other permutation of lanes reads the lane that it computes.
//
// CHECK-LABEL: llvm.func @permute(
// CHECK:         nvvm.shfl.sync idx
// CHECK:         llvm.return
#swapped = #tile.layout<reg = [], lane = [2, 1, 4, 8, 16], warp = [32, 64]>
func.func @permute(%f: f32) attributes {tile.kernel} {
  %v = tile.splat %f : f32 -> tensor<128xf32, #lanes>
  %c = tile.convert_layout %v : tensor<128xf32, #lanes> -> tensor<128xf32, #swapped>
  return
}
