// Packing in as few instructions as a GPU has: a shift and an addition are one, and bytes are
// gathered by prmt. pack-values.mlir checks the values.
//
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=sm_90a | FileCheck %s

// The bias of a word is subtracted once: 0x4b400000 * 0x11111111 modulo 2^32.
//
// CHECK-LABEL: llvm.func @biased(
// CHECK:         %[[V:.*]]:8 = scf.if
// CHECK:         %[[FOUR:.*]] = arith.constant 4 : i32
// CHECK-NEXT:    %[[S:.*]] = arith.shli %[[V]]#7, %[[FOUR]] : i32
// CHECK-NEXT:    arith.addi %[[S]], %[[V]]#6 : i32
// CHECK-COUNT-6: arith.shli
// CHECK:         %[[SUM:.*]] = arith.addi %{{.*}}, %[[V]]#0 : i32
// CHECK-NEXT:    %[[BIASES:.*]] = arith.constant 1061158912 : i32
// CHECK-NEXT:    arith.subi %[[SUM]], %[[BIASES]] : i32
// CHECK-NEXT:    llvm.return
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32, 64, 128], warp = [256, 512]>
#words = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
func.func @biased(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<1024xi32, #codes>
  %w = tile.pack %v {bias = 0x4b400000 : i32} : tensor<1024xi32, #codes> -> tensor<128xi32, #words>
  return
}

// -----

// Byte 1 of values i and i + 2 (selector 0x1151), then of four (0x5410): the odd codes are
// above a nibble of the even ones.
//
// CHECK-LABEL: llvm.func @bytes(
// CHECK:         %[[V:.*]]:8 = scf.if
// CHECK:         %[[FOUR:.*]] = arith.constant 4 : i32
// CHECK-NEXT:    %[[PAIR:.*]] = arith.constant 4433 : i32
// CHECK-NEXT:    %[[V57:.*]] = llvm.call_intrinsic "llvm.nvvm.prmt"(%[[V]]#5, %[[V]]#7, %[[PAIR]])
// CHECK:         %[[V13:.*]] = llvm.call_intrinsic "llvm.nvvm.prmt"(%[[V]]#1, %[[V]]#3, %
// CHECK-NEXT:    %[[BOTH:.*]] = arith.constant 21520 : i32
// CHECK-NEXT:    %[[ODD:.*]] = llvm.call_intrinsic "llvm.nvvm.prmt"(%[[V13]], %[[V57]], %[[BOTH]])
// CHECK-NEXT:    %[[NIBBLES:.*]] = arith.constant 252645135 : i32
// CHECK-NEXT:    %[[ODD_CODES:.*]] = arith.andi %[[ODD]], %[[NIBBLES]]
// CHECK-NEXT:    %[[ABOVE:.*]] = arith.shli %[[ODD_CODES]], %[[FOUR]]
// CHECK:         %[[V46:.*]] = llvm.call_intrinsic "llvm.nvvm.prmt"(%[[V]]#4, %[[V]]#6, %
// CHECK:         %[[V02:.*]] = llvm.call_intrinsic "llvm.nvvm.prmt"(%[[V]]#0, %[[V]]#2, %
// CHECK:         %[[EVEN:.*]] = llvm.call_intrinsic "llvm.nvvm.prmt"(%[[V02]], %[[V46]], %
// CHECK:         %[[EVEN_CODES:.*]] = arith.andi %[[EVEN]], %
// CHECK-NEXT:    arith.addi %[[ABOVE]], %[[EVEN_CODES]]
// CHECK-NEXT:    llvm.return
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32, 64, 128], warp = [256, 512]>
#words = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
func.func @bytes(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<1024xi32, #codes>
  %w = tile.pack %v {bias = 0x4b400000 : i32, shift = 8 : i32} : tensor<1024xi32, #codes> -> tensor<128xi32, #words>
  return
}

// -----

// Bits that no byte begins with, and a bias within the byte, are shifted and subtracted one
// by one.
//
// CHECK-LABEL: llvm.func @shifted(
// CHECK-NOT:     llvm.nvvm.prmt
// CHECK:         %[[V:.*]]:8 = scf.if
// CHECK:         %[[BIAS:.*]] = arith.constant 1262485504 : i32
// CHECK-NEXT:    %[[ABOVE:.*]] = arith.subi %[[V]]#0, %[[BIAS]]
// CHECK-NEXT:    %[[FOUR:.*]] = arith.constant 4 : i32
// CHECK-NEXT:    %[[CODE:.*]] = arith.shrui %[[ABOVE]], %[[FOUR]]
// CHECK-COUNT-7: arith.shrui
// CHECK-NOT:     llvm.nvvm.prmt
// CHECK:         arith.addi %{{.*}}, %[[CODE]] : i32
// CHECK-NEXT:    llvm.return
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32, 64, 128], warp = [256, 512]>
#words = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
func.func @shifted(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<1024xi32, #codes>
  %w = tile.pack %v {bias = 0x4b400000 : i32, shift = 4 : i32} : tensor<1024xi32, #codes> -> tensor<128xi32, #words>
  return
}

// -----

// CHECK-LABEL: llvm.func @bias_in_the_byte(
// CHECK:         %[[V:.*]]:8 = scf.if
// CHECK-NOT:     llvm.nvvm.prmt
// CHECK:         arith.subi %[[V]]#7
// CHECK-NOT:     llvm.nvvm.prmt
// CHECK:         llvm.return
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32, 64, 128], warp = [256, 512]>
#words = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
func.func @bias_in_the_byte(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<1024xi32, #codes>
  %w = tile.pack %v {bias = 0x80000800 : i32, shift = 8 : i32} : tensor<1024xi32, #codes> -> tensor<128xi32, #words>
  return
}

// -----

// A funnel shift takes the top four bits of each number, from the last one on, so that the
// first one's sign is bit 3; one mask leaves the signs.
//
// CHECK-LABEL: llvm.func @signs(
// CHECK:         %[[V:.*]]:8 = scf.if
// CHECK:         %[[FOUR:.*]] = arith.constant 4 : i32
// CHECK-NEXT:    %[[NONE:.*]] = arith.constant 0 : i32
// CHECK-NEXT:    %[[B7:.*]] = arith.bitcast %[[V]]#7 : f32 to i32
// CHECK-NEXT:    %[[W7:.*]] = llvm.intr.fshl(%[[NONE]], %[[B7]], %[[FOUR]])
// CHECK-NEXT:    %[[B6:.*]] = arith.bitcast %[[V]]#6 : f32 to i32
// CHECK-NEXT:    llvm.intr.fshl(%[[W7]], %[[B6]], %[[FOUR]])
// CHECK:         %[[B0:.*]] = arith.bitcast %[[V]]#0 : f32 to i32
// CHECK-NEXT:    %[[WORD:.*]] = llvm.intr.fshl(%{{.*}}, %[[B0]], %[[FOUR]])
// CHECK-NEXT:    %[[MASK:.*]] = arith.constant -2004318072 : i32
// CHECK-NEXT:    arith.andi %[[WORD]], %[[MASK]]
// CHECK-NEXT:    llvm.return
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32, 64, 128], warp = [256, 512]>
#words = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
func.func @signs(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<1024xf32, #codes>
  %w = tile.pack_signs %v : tensor<1024xf32, #codes> -> tensor<128xi32, #words>
  return
}
