// Waves of 64 lanes have four steps' words in lanes, those of 32 lanes two; RDNA3 wants each row
// in two lanes, and its accumulators' rows take turns.
//
// RUN: split-file %s %t
// RUN: quad-opt %t/gfx942.mlir --convert-tile-to-llvm=target=gfx942 | FileCheck %t/gfx942.mlir
// RUN: quad-opt %t/gfx950.mlir --convert-tile-to-llvm=target=gfx950 | FileCheck %t/gfx950.mlir
// RUN: quad-opt %t/scaled.mlir --convert-tile-to-llvm=target=gfx950 | FileCheck %t/scaled.mlir
// RUN: quad-opt %t/rows.mlir --convert-tile-to-llvm=target=gfx950 | FileCheck %t/rows.mlir
// RUN: quad-opt %t/invalid.mlir --split-input-file --verify-diagnostics --convert-tile-to-llvm=target=gfx950
// RUN: quad-opt %t/gfx1100.mlir --convert-tile-to-llvm=target=gfx1100 | FileCheck %t/gfx1100.mlir
// RUN: quad-opt %t/gfx1200.mlir --convert-tile-to-llvm=target=gfx1200 | FileCheck %t/gfx1200.mlir
// RUN: quad-opt %t/scaled-words.mlir --convert-tile-to-llvm=target=gfx1250 | FileCheck %t/scaled-words.mlir
// RUN: quad-opt %t/gfx1250.mlir --convert-tile-to-llvm=target=gfx1250 | FileCheck %t/gfx1250.mlir

//--- gfx942.mlir
#operand = #tile.layout<reg = [1, 2], lane = [32, 64, 128, 256, 4, 8], warp = [16]>
#acc = #tile.layout<reg = [32, 64], lane = [2, 4, 8, 16, 128, 256], warp = [1]>

// CHECK-LABEL: llvm.func @dot(
// CHECK: llvm.bitcast %{{.*}} : vector<2xi32> to vector<4xi16>
// CHECK-COUNT-2: "llvm.amdgcn.mfma.f32.16x16x16bf16.1k"({{.*}}) : (vector<4xi16>, vector<4xi16>, vector<4xf32>, i32, i32, i32) -> vector<4xf32>
// CHECK-NOT: mfma
func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x32xi32, #operand>
  %none = arith.constant dense<0.0> : tensor<16x16x2xf32, #acc>
  %sums = tile.dot %x, %x to %none by "bf16" : tensor<16x32xi32, #operand>, tensor<16x32xi32, #operand> -> tensor<16x16x2xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x16x2xf32, #acc>, !llvm.ptr
  return
}

//--- gfx950.mlir
#operand = #tile.layout<reg = [1, 2], lane = [32, 64, 128, 256, 4, 8], warp = [16]>
#acc = #tile.layout<reg = [32, 64], lane = [2, 4, 8, 16, 128, 256], warp = [1]>

// CHECK-LABEL: llvm.func @dot(
// CHECK-COUNT-1: "llvm.amdgcn.mfma.f32.16x16x32.bf16"({{.*}}) : (vector<8xbf16>, vector<8xbf16>, vector<4xf32>, i32, i32, i32) -> vector<4xf32>
// CHECK-NOT: mfma
func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x32xi32, #operand>
  %none = arith.constant dense<0.0> : tensor<16x16x2xf32, #acc>
  %sums = tile.dot %x, %x to %none by "bf16" : tensor<16x32xi32, #operand>, tensor<16x32xi32, #operand> -> tensor<16x16x2xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x16x2xf32, #acc>, !llvm.ptr
  return
}

//--- gfx1100.mlir
#operand = #tile.layout<reg = [1, 2, 4], lane = [32, 64, 128, 256, 0], warp = [8, 16]>
#acc = #tile.layout<reg = [128, 256, 512], lane = [4, 8, 16, 32, 64], warp = [1, 2]>

// CHECK-LABEL: llvm.func @dot(
// CHECK-COUNT-1: "llvm.amdgcn.wmma.f32.16x16x16.bf16.v8f32.v16i16"({{.*}}) : (vector<16xi16>, vector<16xi16>, vector<8xf32>) -> vector<8xf32>
// CHECK-NOT: wmma
func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x32xi32, #operand>
  %none = arith.constant dense<0.0> : tensor<16x16x4xf32, #acc>
  %sums = tile.dot %x, %x to %none by "bf16" : tensor<16x32xi32, #operand>, tensor<16x32xi32, #operand> -> tensor<16x16x4xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x16x4xf32, #acc>, !llvm.ptr
  return
}

//--- gfx1200.mlir
#operand = #tile.layout<reg = [1, 2], lane = [32, 64, 128, 256, 4], warp = [8, 16]>
#acc = #tile.layout<reg = [64, 128, 256], lane = [4, 8, 16, 32, 512], warp = [1, 2]>

// CHECK-LABEL: llvm.func @dot(
// CHECK-COUNT-1: "llvm.amdgcn.wmma.f32.16x16x16.bf16.v8f32.v8i16"({{.*}}) : (vector<8xi16>, vector<8xi16>, vector<8xf32>) -> vector<8xf32>
// CHECK-NOT: wmma
func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x32xi32, #operand>
  %none = arith.constant dense<0.0> : tensor<16x16x4xf32, #acc>
  %sums = tile.dot %x, %x to %none by "bf16" : tensor<16x32xi32, #operand>, tensor<16x32xi32, #operand> -> tensor<16x16x4xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x16x4xf32, #acc>, !llvm.ptr
  return
}

//--- gfx1250.mlir
#operand = #tile.layout<reg = [1, 2, 8], lane = [64, 128, 256, 512, 4], warp = [16, 32]>
#acc = #tile.layout<reg = [64, 128, 256], lane = [4, 8, 16, 32, 512], warp = [1, 2]>

// CHECK-LABEL: llvm.func @dot(
// CHECK-COUNT-1: "llvm.amdgcn.wmma.f32.16x16x32.bf16.v8f32.v16bf16"({{.*}}) : (i1, vector<16xbf16>, i1, vector<16xbf16>, i16, vector<8xf32>, i1, i1) -> vector<8xf32>
// CHECK-NOT: wmma
func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x64xi32, #operand>
  %none = arith.constant dense<0.0> : tensor<16x16x4xf32, #acc>
  %sums = tile.dot %x, %x to %none by "bf16" : tensor<16x64xi32, #operand>, tensor<16x64xi32, #operand> -> tensor<16x16x4xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x16x4xf32, #acc>, !llvm.ptr
  return
}

//--- scaled.mlir
// Words of eight codes, of which four share a scale: the lane's own, a byte of a word.

#operand = #tile.layout<reg = [1, 2], lane = [32, 64, 128, 256, 4, 8], warp = [16]>
#bytes = #tile.layout<reg = [1, 2, 4], lane = [64, 128, 256, 512, 8, 16], warp = [32]>
#scales = #tile.layout<reg = [], lane = [8, 16, 32, 64, 1, 2], warp = [4]>
#acc = #tile.layout<reg = [32, 64], lane = [2, 4, 8, 16, 128, 256], warp = [1]>

// CHECK-LABEL: llvm.func @dot(
// CHECK: "llvm.amdgcn.mfma.scale.f32.16x16x128.f8f6f4.v4i32.v4i32"(%{{.*}}, %[[TYPE:[0-9]+]], %[[TYPE]], %[[BYTE:[0-9]+]], %[[S:[0-9]+]], %[[BYTE]], %[[S]]) : (vector<4xi32>, vector<4xi32>, vector<4xf32>, i32, i32, i32, i32, i32, i32) -> vector<4xf32>
// CHECK-NOT: mfma
func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x32xi32, #operand>
  %s = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x8xi32, #scales>
  %none = arith.constant dense<0.0> : tensor<16x16x2xf32, #acc>
  %sums = tile.dot %x, %x to %none by "e2m1" scales %s, %s : tensor<16x8xi32, #scales>, tensor<16x8xi32, #scales> {scaleByte = 3 : i32} : tensor<16x32xi32, #operand>, tensor<16x32xi32, #operand> -> tensor<16x16x2xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x16x2xf32, #acc>, !llvm.ptr
  return
}

// Of eight words of six bits' numbers the instruction takes six.
// CHECK-LABEL: llvm.func @bits6(
// CHECK: llvm.mlir.poison : vector<6xi32>
// CHECK: "llvm.amdgcn.mfma.scale.f32.16x16x128.f8f6f4.v6i32.v6i32"
func.func @bits6(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x64xi32, #bytes>
  %s = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x8xi32, #scales>
  %packed = tile.pack_six_bits %x : tensor<16x64xi32, #bytes>
  %none = arith.constant dense<0.0> : tensor<16x16x2xf32, #acc>
  %sums = tile.dot %packed, %packed to %none by "e2m3" scales %s, %s : tensor<16x8xi32, #scales>, tensor<16x8xi32, #scales> : tensor<16x64xi32, #bytes>, tensor<16x64xi32, #bytes> -> tensor<16x16x2xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x16x2xf32, #acc>, !llvm.ptr
  return
}

//--- rows.mlir
// Two warps have sixteen rows of the accumulators each, and all of the contraction.

#lhs = #tile.layout<reg = [1, 2], lane = [16, 32, 64, 128, 4, 8], warp = [256]>
#rhs = #tile.layout<reg = [1, 2], lane = [16, 32, 64, 128, 4, 8], warp = [0]>
#acc = #tile.layout<reg = [16, 32], lane = [1, 2, 4, 8, 64, 128], warp = [256]>

// CHECK-LABEL: llvm.func @dot(
// CHECK-COUNT-1: "llvm.amdgcn.mfma.f32.16x16x32.bf16"
// CHECK-NOT: mfma
func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<32x16xi32, #lhs>
  %y = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x16xi32, #rhs>
  %none = arith.constant dense<0.0> : tensor<32x16x1xf32, #acc>
  %sums = tile.dot %x, %y to %none by "bf16" : tensor<32x16xi32, #lhs>, tensor<16x16xi32, #rhs> -> tensor<32x16x1xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<32x16x1xf32, #acc>, !llvm.ptr
  return
}

//--- scaled-words.mlir
// A word of the bytes of four blocks, or of eight two, of the lanes' rows.

#operand = #tile.layout<reg = [1, 2, 8], lane = [16, 32, 64, 128, 4], warp = [0, 0]>
#word = #tile.layout<reg = [], lane = [1, 2, 4, 8, 0], warp = [0, 0]>
#words = #tile.layout<reg = [1], lane = [2, 4, 8, 16, 0], warp = [0, 0]>
#acc = #tile.layout<reg = [16, 32, 64], lane = [1, 2, 4, 8, 128], warp = [0, 0]>

// CHECK-LABEL: llvm.func @dot(
// CHECK: "llvm.amdgcn.wmma.scale.f32.16x16x128.f8f6f4.v8f32.v8i32.v8i32"
// CHECK: "llvm.amdgcn.wmma.scale16.f32.16x16x128.f8f6f4.v8f32.v8i32.v8i32"({{.*}}) : (i32, vector<8xi32>, i32, vector<8xi32>, i16, vector<8xf32>, i32, i32, i64, i32, i32, i64, i1, i1) -> vector<8xf32>
func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x16xi32, #operand>
  %s = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x1xi32, #word>
  %t = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x2xi32, #words>
  %none = arith.constant dense<0.0> : tensor<16x16x1xf32, #acc>
  %sums = tile.dot %x, %x to %none by "e2m1" scales %s, %s : tensor<16x1xi32, #word>, tensor<16x1xi32, #word> : tensor<16x16xi32, #operand>, tensor<16x16xi32, #operand> -> tensor<16x16x1xf32, #acc>
  %more = tile.dot %x, %x to %sums by "e2m1:e4m3" scales %t, %t : tensor<16x2xi32, #words>, tensor<16x2xi32, #words> : tensor<16x16xi32, #operand>, tensor<16x16xi32, #operand> -> tensor<16x16x1xf32, #acc>
  tile.store %more, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x16x1xf32, #acc>, !llvm.ptr
  return
}

//--- invalid.mlir
#operand = #tile.layout<reg = [1, 2], lane = [16, 32, 64, 128, 4, 8], warp = [0]>
#acc = #tile.layout<reg = [16, 32], lane = [1, 2, 4, 8, 64, 128], warp = [0]>

func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x16xi32, #operand>
  %none = arith.constant dense<0.0> : tensor<16x16x1xf32, #acc>
  // expected-error @+2 {{needs scales for e2m1}}
  // expected-error @+1 {{failed to legalize operation 'tile.dot'}}
  %sums = tile.dot %x, %x to %none by "e2m1" : tensor<16x16xi32, #operand>, tensor<16x16xi32, #operand> -> tensor<16x16x1xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<16x16x1xf32, #acc>, !llvm.ptr
  return
}

// -----

// Warps with other rows than those of their sums.

#lhs = #tile.layout<reg = [1, 2], lane = [16, 32, 64, 128, 4, 8], warp = [256]>
#rhs = #tile.layout<reg = [1, 2], lane = [16, 32, 64, 128, 4, 8], warp = [0]>
#acc = #tile.layout<reg = [16, 32, 256], lane = [1, 2, 4, 8, 64, 128], warp = [0]>

func.func @dot(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<32x16xi32, #lhs>
  %y = tile.load %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : !llvm.ptr -> tensor<16x16xi32, #rhs>
  %none = arith.constant dense<0.0> : tensor<32x16x1xf32, #acc>
  // expected-error @+2 {{has layouts that are not those of the target's instruction}}
  // expected-error @+1 {{failed to legalize operation 'tile.dot'}}
  %sums = tile.dot %x, %y to %none by "bf16" : tensor<32x16xi32, #lhs>, tensor<16x16xi32, #rhs> -> tensor<32x16x1xf32, #acc>
  tile.store %sums, %p[%zero, %zero, %zero] bounds(%many, %many, %many) strides(%many, %many, %one) : tensor<32x16x1xf32, #acc>, !llvm.ptr
  return
}
