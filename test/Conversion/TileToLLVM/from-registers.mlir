// Registers are the tile's, in its layout's order; where lanes are a vector's there are none.
//
// RUN: quad-opt %s --convert-tile-to-llvm=target=sm_90a | FileCheck %s
// RUN: not quad-opt %s --convert-tile-to-llvm=target=gfx942 2>&1 | FileCheck %s --check-prefix=LANES

#tile = #tile.layout<reg = [1], lane = [2, 4, 8, 16, 32], warp = [64, 128]>

// CHECK-LABEL: llvm.func @kernel(
// CHECK-SAME: %[[P:[^:]*]]: !llvm.ptr, %[[X:[^:]*]]: f32, %[[Y:[^:]*]]: f32
// CHECK: %[[SUM:.*]] = arith.addf %[[X]], %[[Y]]
// CHECK: %[[TWICE:.*]] = arith.addf %[[Y]], %[[Y]]
// LANES: is laid out for 32 lanes and 4 warps
func.func @kernel(%p: !llvm.ptr, %x: f32, %y: f32) attributes {tile.kernel} {
  %zero = arith.constant 0 : i64
  %many = arith.constant 256 : i64
  %one = arith.constant 1 : i64
  %a = tile.from_registers %x, %y : f32, f32 -> tensor<1x256xf32, #tile>
  %b = tile.from_registers %y, %y : f32, f32 -> tensor<1x256xf32, #tile>
  %sum = arith.addf %a, %b : tensor<1x256xf32, #tile>
  tile.store %sum, %p[%zero, %zero] bounds(%one, %many) strides(%many, %one) : tensor<1x256xf32, #tile>, !llvm.ptr
  return
}
