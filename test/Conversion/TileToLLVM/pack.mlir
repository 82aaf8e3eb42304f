// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=host:avx2 | FileCheck %s

// Code i of a word is at bit 4i: element 2i is the low nibble of byte i. From the last code
// on, 16 times what there is and the one before.
//
// CHECK-LABEL: func.func private @pack.program(
// CHECK:         %[[C:.*]]:8 = scf.if
// CHECK:         %[[FOUR:.*]] = arith.constant 4 : i32
// CHECK-NEXT:    %[[S:.*]] = vector.broadcast %[[FOUR]] : i32 to vector<8xi32>
// CHECK-NEXT:    %[[S7:.*]] = arith.shli %[[C]]#7, %[[S]] : vector<8xi32>
// CHECK-NEXT:    %[[W6:.*]] = arith.addi %[[S7]], %[[C]]#6
// CHECK-NEXT:    %[[S6:.*]] = arith.shli %[[W6]], %[[S]]
// CHECK-NEXT:    %[[W5:.*]] = arith.addi %[[S6]], %[[C]]#5
// CHECK-NEXT:    %[[S5:.*]] = arith.shli %[[W5]], %[[S]]
// CHECK-NEXT:    %[[W4:.*]] = arith.addi %[[S5]], %[[C]]#4
// CHECK-NEXT:    %[[S4:.*]] = arith.shli %[[W4]], %[[S]]
// CHECK-NEXT:    %[[W3:.*]] = arith.addi %[[S4]], %[[C]]#3
// CHECK-NEXT:    %[[S3:.*]] = arith.shli %[[W3]], %[[S]]
// CHECK-NEXT:    %[[W2:.*]] = arith.addi %[[S3]], %[[C]]#2
// CHECK-NEXT:    %[[S2:.*]] = arith.shli %[[W2]], %[[S]]
// CHECK-NEXT:    %[[W1:.*]] = arith.addi %[[S2]], %[[C]]#1
// CHECK-NEXT:    %[[S1:.*]] = arith.shli %[[W1]], %[[S]]
// CHECK-NEXT:    arith.addi %[[S1]], %[[C]]#0
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
// CHECK:         arith.shli %[[C]]#14
// CHECK-NEXT:    arith.addi %{{.*}}, %[[C]]#12
// CHECK:         arith.addi %{{.*}}, %[[C]]#0 :
// CHECK:         arith.shli %[[C]]#15
// CHECK-NEXT:    arith.addi %{{.*}}, %[[C]]#13
// CHECK:         arith.addi %{{.*}}, %[[C]]#1 :
// CHECK-NEXT:    return
#codes = #tile.layout<reg = [8, 1, 2, 4], lane = [16, 32, 64], warp = []>
#words = #tile.layout<reg = [1], lane = [2, 4, 8], warp = []>
func.func @permuted_registers(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %c = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<128xi32, #codes>
  %w = tile.pack %c : tensor<128xi32, #codes> -> tensor<16xi32, #words>
  return
}

// -----

// The top four bits of each number follow each other, in the order of the registers'
// elements; a mask leaves the signs.
//
// CHECK-LABEL: func.func private @signs.program(
// CHECK:         %[[V:.*]]:8 = scf.if
// CHECK:         %[[B7:.*]] = arith.bitcast %[[V]]#7 : vector<8xf32> to vector<8xi32>
// CHECK-NEXT:    llvm.intr.fshl(%{{.*}}, %[[B7]], %{{.*}}) : (vector<8xi32>, vector<8xi32>, vector<8xi32>) -> vector<8xi32>
// CHECK-NEXT:    arith.bitcast %[[V]]#3
// CHECK:         arith.bitcast %[[V]]#5
// CHECK:         arith.bitcast %[[V]]#1
// CHECK:         arith.bitcast %[[V]]#6
// CHECK:         arith.bitcast %[[V]]#2
// CHECK:         arith.bitcast %[[V]]#4
// CHECK:         arith.bitcast %[[V]]#0
// CHECK:         arith.constant -2004318072 : i32
// CHECK-NEXT:    %[[MASK:.*]] = vector.broadcast
// CHECK-NEXT:    arith.andi %{{.*}}, %[[MASK]] : vector<8xi32>
// CHECK-NEXT:    return
#codes = #tile.layout<reg = [4, 2, 1], lane = [8, 16, 32], warp = []>
#words = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
func.func @signs(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<64xf32, #codes>
  %w = tile.pack_signs %v : tensor<64xf32, #codes> -> tensor<8xi32, #words>
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
