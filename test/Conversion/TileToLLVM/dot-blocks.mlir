// Sums of a block of 16 by one instruction each, from zero, times the scales of its row and column.
//
// RUN: quad-opt %s --split-input-file --verify-diagnostics --convert-tile-to-llvm=target=sm_90a | FileCheck %s

#lhs = #tile.layout<reg = [128, 4, 8], lane = [1, 2, 16, 32, 64], warp = [0, 0]>
#rhs = #tile.layout<reg = [4, 8], lane = [1, 2, 16, 32, 64], warp = [0, 0]>
#acc = #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 32], warp = [0, 0]>
#rows = #tile.layout<reg = [1, 16], lane = [0, 0, 2, 4, 8], warp = [0, 0]>
#columns = #tile.layout<reg = [1, 2], lane = [4, 8, 0, 0, 0], warp = [0, 0]>

// CHECK-LABEL: llvm.func @dot(
// CHECK: %[[FIRST:.*]] = llvm.inline_asm "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32{{.*}} %[[ZERO:cst[_0-9]*]], %[[ZERO]], %[[ZERO]], %[[ZERO]] :
// CHECK: %[[SUM:.*]] = llvm.extractvalue %[[FIRST]][0]
// CHECK: %[[OF_ROW:.*]] = arith.mulf %[[SUM]], %{{.*}} : f32
// CHECK: math.fma %[[OF_ROW]], %{{.*}}, %{{.*}} : f32
// CHECK: mma.sync.aligned.m16n8k16{{.*}} %[[ZERO]], %[[ZERO]], %[[ZERO]], %[[ZERO]] :
// CHECK-COUNT-4: math.fma
// CHECK-NOT: math.fma
func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %lhs = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x16xi32, #lhs>
  %rhs = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<8x16xi32, #rhs>
  %a = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x2xf32, #rows>
  %b = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<8x2xf32, #columns>
  %none = arith.constant dense<0.0> : tensor<16x8x1xf32, #acc>
  %sums = tile.dot %lhs, %rhs to %none by "bf16" scales %a, %b : tensor<16x2xf32, #rows>, tensor<8x2xf32, #columns> : tensor<16x16xi32, #lhs>, tensor<8x16xi32, #rhs> -> tensor<16x8x1xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x8x1xf32, #acc>, !llvm.ptr
  return
}

// -----

// Lanes with the scales of other rows than they sum.

#lhs = #tile.layout<reg = [128, 4, 8], lane = [1, 2, 16, 32, 64], warp = [0, 0]>
#rhs = #tile.layout<reg = [4, 8], lane = [1, 2, 16, 32, 64], warp = [0, 0]>
#acc = #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 32], warp = [0, 0]>
#rows = #tile.layout<reg = [1, 16], lane = [2, 4, 8, 0, 0], warp = [0, 0]>
#columns = #tile.layout<reg = [1, 2], lane = [4, 8, 0, 0, 0], warp = [0, 0]>

func.func @other_rows(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %a = arith.constant dense<1.0> : tensor<16x2xf32, #rows>
  %b = arith.constant dense<1.0> : tensor<8x2xf32, #columns>
  %none = arith.constant dense<0.0> : tensor<16x8x1xf32, #acc>
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x16xi32, #lhs>
  %y = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<8x16xi32, #rhs>
  // expected-error @+2 {{has scales for other words or lanes than the instruction has}}
  // expected-error @+1 {{failed to legalize operation 'tile.dot'}}
  %sums = tile.dot %x, %y to %none by "bf16" scales %a, %b : tensor<16x2xf32, #rows>, tensor<8x2xf32, #columns> : tensor<16x16xi32, #lhs>, tensor<8x16xi32, #rhs> -> tensor<16x8x1xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x8x1xf32, #acc>, !llvm.ptr
  return
}
