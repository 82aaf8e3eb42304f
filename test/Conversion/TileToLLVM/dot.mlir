// RUN: quad-opt %s --split-input-file --verify-diagnostics --convert-tile-to-llvm=target=sm_90a | FileCheck %s

// 64 words of a row: 16 of each of four warps, in two steps of eight. A lane has four words in
// registers, of which the lower bit is the instruction's and the upper one that of the step.

#lhs = #tile.layout<reg = [1, 32, 512], lane = [2, 4, 64, 128, 256], warp = [8, 16]>
#rhs = #tile.layout<reg = [1, 32], lane = [2, 4, 64, 128, 256], warp = [8, 16]>
#acc = #tile.layout<reg = [4, 256], lane = [8, 16, 32, 64, 128], warp = [1, 2]>

// CHECK-LABEL: llvm.func @dot(
// CHECK-COUNT-2: "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// CHECK-NOT: mma.sync
func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %lhs = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x64xi32, #lhs>
  %rhs = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<8x64xi32, #rhs>
  %none = arith.constant dense<0.0> : tensor<16x8x4xf32, #acc>
  %sums = tile.dot %lhs, %rhs to %none by "bf16" : tensor<16x64xi32, #lhs>, tensor<8x64xi32, #rhs> -> tensor<16x8x4xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x8x4xf32, #acc>, !llvm.ptr
  return
}

// -----

// Lanes that have other rows than the instruction wants.

#lhs = #tile.layout<reg = [1, 32, 512], lane = [64, 128, 256, 2, 4], warp = [8, 16]>
#rhs = #tile.layout<reg = [1, 32], lane = [2, 4, 64, 128, 256], warp = [8, 16]>
#acc = #tile.layout<reg = [4, 256], lane = [8, 16, 32, 64, 128], warp = [1, 2]>

func.func @other_lanes(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %lhs = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x64xi32, #lhs>
  %rhs = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<8x64xi32, #rhs>
  %none = arith.constant dense<0.0> : tensor<16x8x4xf32, #acc>
  // expected-error @+2 {{has layouts that are not those of the target's instruction}}
  // expected-error @+1 {{failed to legalize operation 'tile.dot'}}
  %sums = tile.dot %lhs, %rhs to %none by "bf16" : tensor<16x64xi32, #lhs>, tensor<8x64xi32, #rhs> -> tensor<16x8x4xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x8x4xf32, #acc>, !llvm.ptr
  return
}

// -----

#lhs = #tile.layout<reg = [1, 32, 512], lane = [2, 4, 64, 128, 256], warp = [8, 16]>
#rhs = #tile.layout<reg = [1, 32], lane = [2, 4, 64, 128, 256], warp = [8, 16]>
#acc = #tile.layout<reg = [4, 256], lane = [8, 16, 32, 64, 128], warp = [1, 2]>

func.func @other_carrier(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %lhs = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x64xi32, #lhs>
  %rhs = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<8x64xi32, #rhs>
  %none = arith.constant dense<0.0> : tensor<16x8x4xf32, #acc>
  // expected-error @+2 {{needs a target with a matrix instruction for e2m1}}
  // expected-error @+1 {{failed to legalize operation 'tile.dot'}}
  %sums = tile.dot %lhs, %rhs to %none by "e2m1" : tensor<16x64xi32, #lhs>, tensor<8x64xi32, #rhs> -> tensor<16x8x4xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x8x4xf32, #acc>, !llvm.ptr
  return
}
