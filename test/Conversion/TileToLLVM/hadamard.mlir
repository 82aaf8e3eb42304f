// Butterflies: within a lane one addition and one subtraction for two elements;
// across lanes an exchange and a product with 1 or -1 that is part of the addition.
//
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=host:avx512 | FileCheck %s

// Stage 1 pairs v0 with v1 and v2 with v3, stage 2 what that made.
//
// CHECK-LABEL: func.func private @registers.program(
// CHECK:         %[[V:.*]]:4 = scf.if
// CHECK:         %[[A0:.*]] = arith.addf %[[V]]#0, %[[V]]#1 : vector<16xf32>
// CHECK-NEXT:    %[[A1:.*]] = arith.subf %[[V]]#0, %[[V]]#1 : vector<16xf32>
// CHECK-NEXT:    %[[A2:.*]] = arith.addf %[[V]]#2, %[[V]]#3 : vector<16xf32>
// CHECK-NEXT:    %[[A3:.*]] = arith.subf %[[V]]#2, %[[V]]#3 : vector<16xf32>
// CHECK-NEXT:    arith.addf %[[A0]], %[[A2]]
// CHECK-NEXT:    arith.subf %[[A0]], %[[A2]]
// CHECK-NEXT:    arith.addf %[[A1]], %[[A3]]
// CHECK-NEXT:    arith.subf %[[A1]], %[[A3]]
// CHECK-NEXT:    return
#regs = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32], warp = []>
func.func @registers(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<16x4xf32, #regs>
  %h = tile.hadamard %v : tensor<16x4xf32, #regs>
  return
}

// -----

// Lanes 2i and 2i + 1: the odd lane makes partner - own.
//
// CHECK-LABEL: func.func private @lanes.program(
// CHECK:         %[[V:.*]] = scf.if
// CHECK:         %[[ONE:.*]] = arith.constant 1.0
// CHECK-NEXT:    %[[PLUS:.*]] = vector.broadcast %[[ONE]]
// CHECK-NEXT:    %[[NEGATIVE:.*]] = arith.constant -1.0
// CHECK-NEXT:    %[[MINUS:.*]] = vector.broadcast %[[NEGATIVE]]
// CHECK-NEXT:    %[[SIGN:.*]] = vector.shuffle %[[MINUS]], %[[PLUS]] [16, 1, 18, 3,
// CHECK-NEXT:    %[[P:.*]] = vector.shuffle %[[V]], %[[V]] [1, 0, 3, 2,
// CHECK-NEXT:    math.fma %[[V]], %[[SIGN]], %[[P]]
// CHECK-NEXT:    return
#lanes = #tile.layout<reg = [], lane = [1, 2, 4, 8], warp = []>
func.func @lanes(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<8x2xf32, #lanes>
  %h = tile.hadamard %v : tensor<8x2xf32, #lanes>
  return
}

// -----

// The first stage takes the factors along: u + v and u - v of u = s0 v0, rounded, and
// v = s1 v1, not rounded.
//
// CHECK-LABEL: func.func private @factors.program(
// CHECK:         %[[V:.*]]:4 = scf.if
// CHECK:         %[[S:.*]]:4 = scf.if
// CHECK:         %[[U0:.*]] = arith.mulf %[[V]]#0, %[[S]]#0 : vector<16xf32>
// CHECK-NEXT:    %[[N0:.*]] = arith.negf %[[S]]#1
// CHECK-NEXT:    %[[A0:.*]] = math.fma %[[V]]#1, %[[S]]#1, %[[U0]]
// CHECK-NEXT:    %[[A1:.*]] = math.fma %[[V]]#1, %[[N0]], %[[U0]]
// CHECK-NEXT:    %[[U2:.*]] = arith.mulf %[[V]]#2, %[[S]]#2
// CHECK-NEXT:    %[[N2:.*]] = arith.negf %[[S]]#3
// CHECK-NEXT:    %[[A2:.*]] = math.fma %[[V]]#3, %[[S]]#3, %[[U2]]
// CHECK-NEXT:    %[[A3:.*]] = math.fma %[[V]]#3, %[[N2]], %[[U2]]
// CHECK-NEXT:    arith.addf %[[A0]], %[[A2]]
// CHECK-NEXT:    arith.subf %[[A0]], %[[A2]]
// CHECK-NEXT:    arith.addf %[[A1]], %[[A3]]
// CHECK-NEXT:    arith.subf %[[A1]], %[[A3]]
// CHECK-NEXT:    return
#regs = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32], warp = []>
#factors = #tile.layout<reg = [1, 2], lane = [0, 0, 0, 0], warp = []>
func.func @factors(%p: !llvm.ptr, %s: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<16x4xf32, #regs>
  %factors = tile.load %s[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<1x4xf32, #factors>
  %h = tile.hadamard %v factors %factors : tensor<1x4xf32, #factors> : tensor<16x4xf32, #regs>
  return
}

// -----

// The pair of the first stage need not be neighbouring registers, and rows share their factors:
// elements 0 and 1 of a row are registers 0 and 4, and the factors' registers 0 and 2.
//
// CHECK-LABEL: func.func private @factor_rows.program(
// CHECK:         %[[V:.*]]:8 = scf.if
// CHECK:         %[[S:.*]]:4 = scf.if
// CHECK:         %[[U0:.*]] = arith.mulf %[[V]]#0, %[[S]]#0
// CHECK:         math.fma %[[V]]#4, %[[S]]#2, %[[U0]]
// CHECK:         %[[U1:.*]] = arith.mulf %[[V]]#1, %[[S]]#0
// CHECK:         math.fma %[[V]]#5, %[[S]]#2, %[[U1]]
// CHECK:         %[[U2:.*]] = arith.mulf %[[V]]#2, %[[S]]#1
// CHECK:         math.fma %[[V]]#6, %[[S]]#3, %[[U2]]
// CHECK:         %[[U3:.*]] = arith.mulf %[[V]]#3, %[[S]]#1
// CHECK:         math.fma %[[V]]#7, %[[S]]#3, %[[U3]]
#regs = #tile.layout<reg = [4, 2, 1], lane = [8, 16, 32, 64], warp = []>
#factors = #tile.layout<reg = [2, 1], lane = [0, 0, 0, 0], warp = []>
func.func @factor_rows(%p: !llvm.ptr, %s: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<32x4xf32, #regs>
  %factors = tile.load %s[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<1x4xf32, #factors>
  %h = tile.hadamard %v factors %factors : tensor<1x4xf32, #factors> : tensor<32x4xf32, #regs>
  return
}
