// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=host:avx2 | FileCheck %s

// Code i of a word is at bit 4i: element 2i is the low nibble of byte i.
//
// CHECK-LABEL: func.func private @pack.program(
// CHECK:         %[[C:.*]]:8 = scf.if
// CHECK:         %[[FOUR:.*]] = arith.constant 4 : i32
// CHECK-NEXT:    %[[S:.*]] = vector.broadcast %[[FOUR]] : i32 to vector<8xi32>
// CHECK-NEXT:    %[[B1:.*]] = arith.shli %[[C]]#1, %[[S]] : vector<8xi32>
// CHECK-NEXT:    arith.ori %[[C]]#0, %[[B1]]
// CHECK:         arith.constant 28 : i32
// CHECK-NEXT:    vector.broadcast
// CHECK-NEXT:    arith.shli %[[C]]#7
// CHECK-NEXT:    arith.ori
// CHECK-NEXT:    return
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32], warp = []>
#words = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
func.func @pack(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %c = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<64xi32, #codes>
  %w = tile.pack %c : tensor<64xi32, #codes> -> tensor<8xi32, #words>
  return
}

// -----

// The low register bits need not come first: here they are register bits 1 to 3.
//
// CHECK-LABEL: func.func private @permuted_registers.program(
// CHECK:         %[[C:.*]]:16 = scf.if
// CHECK:         arith.shli %[[C]]#2
// CHECK-NEXT:    arith.ori %[[C]]#0
// CHECK:         arith.shli %[[C]]#14
// CHECK:         arith.shli %[[C]]#3
// CHECK-NEXT:    arith.ori %[[C]]#1
#codes = #tile.layout<reg = [8, 1, 2, 4], lane = [16, 32, 64], warp = []>
#words = #tile.layout<reg = [1], lane = [2, 4, 8], warp = []>
func.func @permuted_registers(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %c = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<128xi32, #codes>
  %w = tile.pack %c : tensor<128xi32, #codes> -> tensor<16xi32, #words>
  return
}

// -----

// CHECK-LABEL: func.func private @unpack.program(
// CHECK:         %[[FIFTEEN:.*]] = arith.constant 15 : i32
// CHECK-NEXT:    %[[MASK:.*]] = vector.broadcast %[[FIFTEEN]]
// CHECK-COUNT-7: arith.andi %{{.*}}, %[[MASK]] : vector<8xi32>
// CHECK:         arith.constant 28 : i32
// CHECK-NEXT:    vector.broadcast
// CHECK-NEXT:    arith.shrui
// CHECK-NEXT:    arith.andi %{{.*}}, %[[MASK]] : vector<8xi32>
// CHECK-NEXT:    return
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32], warp = []>
#words = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
func.func @unpack(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %w = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<8xi32, #words>
  %c = tile.unpack %w : tensor<8xi32, #words> -> tensor<64xi32, #codes>
  return
}
