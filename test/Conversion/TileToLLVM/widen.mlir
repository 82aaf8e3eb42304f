// Two 16-bit numbers of a word as f32, the lower half first. bf16 is the upper half of one.
//
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=sm_90a | FileCheck %s

// CHECK-LABEL: llvm.func @bf16(
// CHECK:         %[[W:.*]] = scf.if %{{.*}} -> (i32)
// CHECK:         %[[C16:.*]] = arith.constant 16 : i32
// CHECK-NEXT:    %[[LOW:.*]] = arith.shli %[[W]], %[[C16]] : i32
// CHECK-NEXT:    %[[FIRST:.*]] = arith.bitcast %[[LOW]] : i32 to f32
// CHECK-NEXT:    %[[UPPER:.*]] = arith.constant -65536 : i32
// CHECK-NEXT:    %[[HIGH:.*]] = arith.andi %[[W]], %[[UPPER]] : i32
// CHECK-NEXT:    %[[SECOND:.*]] = arith.bitcast %[[HIGH]] : i32 to f32
// CHECK:         llvm.insertelement %[[FIRST]],
// CHECK:         llvm.insertelement %[[SECOND]],
#words = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
#halves = #tile.layout<reg = [1], lane = [2, 4, 8, 16, 32], warp = [64, 128]>
func.func @bf16(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %w = tile.load %p[%i] bounds(%n) strides(%one) : !llvm.ptr -> tensor<128xi32, #words>
  %v = tile.widen %w from bf16 : tensor<128xi32, #words> -> tensor<256xf32, #halves>
  tile.store %v, %q[%i] bounds(%n) strides(%one) : tensor<256xf32, #halves>, !llvm.ptr
  return
}

// -----

// CHECK-LABEL: llvm.func @f16(
// CHECK:         %[[W:.*]] = scf.if %{{.*}} -> (i32)
// CHECK:         %[[LOW:.*]] = arith.trunci %[[W]] : i32 to i16
// CHECK-NEXT:    %[[F:.*]] = arith.bitcast %[[LOW]] : i16 to f16
// CHECK-NEXT:    %[[FIRST:.*]] = arith.extf %[[F]] : f16 to f32
// CHECK-NEXT:    %[[C16:.*]] = arith.constant 16 : i32
// CHECK-NEXT:    %[[UPPER:.*]] = arith.shrui %[[W]], %[[C16]] : i32
// CHECK-NEXT:    %[[HIGH:.*]] = arith.trunci %[[UPPER]] : i32 to i16
// CHECK-NEXT:    %[[G:.*]] = arith.bitcast %[[HIGH]] : i16 to f16
// CHECK-NEXT:    %[[SECOND:.*]] = arith.extf %[[G]] : f16 to f32
// CHECK:         llvm.insertelement %[[FIRST]],
// CHECK:         llvm.insertelement %[[SECOND]],
#words = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
#halves = #tile.layout<reg = [1], lane = [2, 4, 8, 16, 32], warp = [64, 128]>
func.func @f16(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %w = tile.load %p[%i] bounds(%n) strides(%one) : !llvm.ptr -> tensor<128xi32, #words>
  %v = tile.widen %w from f16 : tensor<128xi32, #words> -> tensor<256xf32, #halves>
  tile.store %v, %q[%i] bounds(%n) strides(%one) : tensor<256xf32, #halves>, !llvm.ptr
  return
}
