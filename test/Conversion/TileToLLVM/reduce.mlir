// A reduction combines registers of a lane first, then exchanges between lanes, by
// index bit from the lowest: for sums that order is their definition.
//
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=host:avx512 | FileCheck %s

// Bits 0 and 1 are registers: v0 + v1 and v2 + v3, then their sum.
//
// CHECK-LABEL: func.func private @registers.program(
// CHECK:         %[[V:.*]]:4 = scf.if
// CHECK:         %[[S01:.*]] = arith.addf %[[V]]#0, %[[V]]#1 : vector<16xf32>
// CHECK-NEXT:    %[[S23:.*]] = arith.addf %[[V]]#2, %[[V]]#3 : vector<16xf32>
// CHECK-NEXT:    arith.addf %[[S01]], %[[S23]] : vector<16xf32>
// CHECK-NEXT:    return
#regs = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32], warp = []>
#out = #tile.layout<reg = [], lane = [1, 2, 4, 8], warp = []>
func.func @registers(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<16x4xf32, #regs>
  %r = tile.reduce addf %v dims = [1] : tensor<16x4xf32, #regs> -> tensor<16x1xf32, #out>
  return
}

// -----

// Bit 0 is lane bit 1, bit 1 is the register: lanes exchange before registers combine.
//
// CHECK-LABEL: func.func private @lowest_bit_first.program(
// CHECK:         %[[V:.*]]:2 = scf.if
// CHECK:         %[[X0:.*]] = vector.shuffle %[[V]]#0, %[[V]]#0 [2, 3, 0, 1, 6, 7, 4, 5,
// CHECK-NEXT:    %[[S0:.*]] = arith.addf %[[V]]#0, %[[X0]]
// CHECK-NEXT:    %[[X1:.*]] = vector.shuffle %[[V]]#1, %[[V]]#1 [2, 3, 0, 1, 6, 7, 4, 5,
// CHECK-NEXT:    %[[S1:.*]] = arith.addf %[[V]]#1, %[[X1]]
// CHECK-NEXT:    arith.addf %[[S0]], %[[S1]]
// CHECK-NEXT:    return
#mixed = #tile.layout<reg = [2], lane = [4, 1, 8, 16], warp = []>
#out = #tile.layout<reg = [], lane = [1, 0, 2, 4], warp = []>
func.func @lowest_bit_first(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<8x4xf32, #mixed>
  %r = tile.reduce addf %v dims = [1] : tensor<8x4xf32, #mixed> -> tensor<8x1xf32, #out>
  return
}

// -----

// Every kind of combination.
//
// CHECK-LABEL: func.func private @kinds.program(
// CHECK:         arith.maxui
// CHECK:         arith.ori
// CHECK:         arith.addi
// CHECK:         arith.maximumf
#regs = #tile.layout<reg = [1], lane = [2, 4, 8, 16], warp = []>
#out = #tile.layout<reg = [], lane = [1, 2, 4, 8], warp = []>
func.func @kinds(%i: i32, %f: f32) attributes {tile.kernel} {
  %v = tile.splat %i : i32 -> tensor<16x2xi32, #regs>
  %0 = tile.reduce maxui %v dims = [1] : tensor<16x2xi32, #regs> -> tensor<16x1xi32, #out>
  %1 = tile.reduce ori %v dims = [1] : tensor<16x2xi32, #regs> -> tensor<16x1xi32, #out>
  %3 = tile.reduce addi %v dims = [1] : tensor<16x2xi32, #regs> -> tensor<16x1xi32, #out>
  %w = tile.splat %f : f32 -> tensor<16x2xf32, #regs>
  %2 = tile.reduce maximumf %w dims = [1] : tensor<16x2xf32, #regs> -> tensor<16x1xf32, #out>
  return
}
