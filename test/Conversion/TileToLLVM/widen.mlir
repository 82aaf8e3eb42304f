// Two 16-bit numbers of a word as f32. bf16 is the upper half of one.
//
// RUN: quad-opt %s -split-input-file --convert-tile-to-llvm=target=sm_90a | FileCheck %s

// CHECK-LABEL: llvm.func @bf16(
// CHECK:         %[[W:.*]] = llvm.extractelement
// CHECK:         %[[LOW:.*]] = arith.shli %[[W]], %c16_i32
// CHECK-NEXT:    arith.bitcast %[[LOW]] : i32 to f32
// CHECK:         %[[HIGH:.*]] = arith.andi %[[W]], %c-65536_i32
// CHECK-NEXT:    arith.bitcast %[[HIGH]] : i32 to f32
#words = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
#halves = #tile.layout<reg = [1], lane = [2, 4, 8, 16, 32], warp = [64, 128]>
func.func @bf16(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %w = tile.load %p[%i] bounds(%n) strides(%n) : !llvm.ptr -> tensor<128xi32, #words>
  %v = tile.widen %w from bf16 : tensor<128xi32, #words> -> tensor<256xf32, #halves>
  tile.store %v, %q[%i] bounds(%n) strides(%one) : tensor<256xf32, #halves>, !llvm.ptr
  return
}

// -----

// CHECK-LABEL: llvm.func @f16(
// CHECK:         %[[LOW:.*]] = arith.trunci %[[W:.*]] : i32 to i16
// CHECK-NEXT:    %[[F:.*]] = arith.bitcast %[[LOW]] : i16 to f16
// CHECK-NEXT:    arith.extf %[[F]] : f16 to f32
// CHECK:         %[[UPPER:.*]] = arith.shrui %[[W]], %c16_i32
// CHECK-NEXT:    arith.trunci %[[UPPER]] : i32 to i16
#words = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
#halves = #tile.layout<reg = [1], lane = [2, 4, 8, 16, 32], warp = [64, 128]>
func.func @f16(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %w = tile.load %p[%i] bounds(%n) strides(%one) : !llvm.ptr -> tensor<128xi32, #words>
  %v = tile.widen %w from f16 : tensor<128xi32, #words> -> tensor<256xf32, #halves>
  tile.store %v, %q[%i] bounds(%n) strides(%one) : tensor<256xf32, #halves>, !llvm.ptr
  return
}
