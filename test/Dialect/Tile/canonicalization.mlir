// RUN: quad-opt %s --canonicalize | FileCheck %s

#a = #tile.layout<reg = [1, 2], lane = [4, 8], warp = []>
#b = #tile.layout<reg = [4, 8], lane = [1, 2], warp = []>

// CHECK-LABEL: func.func @reshape_to_itself(
// CHECK-SAME:    %[[V:.*]]: tensor
// CHECK-NEXT:    return %[[V]]
func.func @reshape_to_itself(%v: tensor<4x4xf32, #a>) -> tensor<4x4xf32, #a> {
  %0 = tile.reshape %v : tensor<4x4xf32, #a> -> tensor<4x4xf32, #a>
  return %0 : tensor<4x4xf32, #a>
}

// CHECK-LABEL: func.func @convert_to_the_same_layout(
// CHECK-SAME:    %[[V:.*]]: tensor
// CHECK-NEXT:    return %[[V]]
func.func @convert_to_the_same_layout(%v: tensor<4x4xf32, #a>) -> tensor<4x4xf32, #a> {
  %0 = tile.convert_layout %v : tensor<4x4xf32, #a> -> tensor<4x4xf32, #a>
  return %0 : tensor<4x4xf32, #a>
}

// What changes a shape or a layout stays.
// CHECK-LABEL: func.func @kept(
// CHECK-NEXT:    tile.reshape
// CHECK-NEXT:    tile.convert_layout
// CHECK-NEXT:    return
func.func @kept(%v: tensor<4x4xf32, #a>) -> tensor<16xf32, #b> {
  %0 = tile.reshape %v : tensor<4x4xf32, #a> -> tensor<16xf32, #a>
  %1 = tile.convert_layout %0 : tensor<16xf32, #a> -> tensor<16xf32, #b>
  return %1 : tensor<16xf32, #b>
}

// Unused results: computation and reads go, writes, checks and launches stay.
// CHECK-LABEL: func.func @dead(
// CHECK-NOT:     tile.load
// CHECK-NOT:     tile.hadamard
// CHECK-NOT:     tile.random
// CHECK:         tile.store
// CHECK-NEXT:    return
func.func @dead(%p: !llvm.ptr, %n: i64, %v: tensor<16xf32>) {
  %0 = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<16xf32>
  %1 = tile.hadamard %0 : tensor<16xf32>
  %2 = tile.random %n, %n at(%n, %n) of %n bits = 4 rounds = 10 stream = 0 : tensor<1x16xi32>
  tile.store %v, %p[%n] bounds(%n) strides(%n) : tensor<16xf32>, !llvm.ptr
  return
}

func.func @kernel() attributes {tile.kernel} {
  return
}

// CHECK-LABEL: func.func @dead_in_a_schedule(
// CHECK-NOT:     tile.dim
// CHECK:         tile.check
// CHECK-NEXT:    tile.launch
func.func @dead_in_a_schedule(%b: !tile.buffer<1 x f32>, %n: i64, %ok: i1) {
  %0 = tile.dim %b, 0 : <1 x f32>
  tile.check %ok, "message"
  tile.launch @kernel grid(%n, %n) args()
  return
}
