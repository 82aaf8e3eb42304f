// What happens within a lane happens to each register: SIMD vectors on the host,
// scalars on a GPU, which keeps as many lanes in hardware.
//
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=host:avx512 | FileCheck %s

#regs = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32], warp = []>

// Four registers: four vectors, and attributes stay.
//
// CHECK-LABEL: func.func private @arith.program(
// CHECK:         %[[C:.*]] = vector.broadcast %{{.*}} : f32 to vector<16xf32>
// CHECK:         %[[S:.*]] = vector.broadcast %{{.*}} : f32 to vector<16xf32>
// CHECK-COUNT-4: arith.mulf %[[S]], %[[C]] : vector<16xf32>
// CHECK-NOT:     arith.mulf
// CHECK-COUNT-4: arith.cmpf ole, %{{.*}}, %[[S]] : vector<16xf32>
// CHECK-COUNT-4: arith.select %{{.*}} : vector<16xi1>, vector<16xf32>
// CHECK-COUNT-4: math.fma %{{.*}} : vector<16xf32>
// CHECK-NEXT:    return
func.func @arith(%s: f32) attributes {tile.kernel} {
  %c = arith.constant dense<2.0> : tensor<64xf32, #regs>
  %v = tile.splat %s : f32 -> tensor<64xf32, #regs>
  %0 = arith.mulf %v, %c : tensor<64xf32, #regs>
  %1 = arith.cmpf ole, %0, %v : tensor<64xf32, #regs>
  %2 = arith.select %1, %0, %c : tensor<64xi1, #regs>, tensor<64xf32, #regs>
  %3 = math.fma %2, %0, %c : tensor<64xf32, #regs>
  return
}

// -----

// Shape operations only rename: each register is added to itself, and nothing else.
//
// CHECK-LABEL: func.func private @renaming.program(
// CHECK:         %[[V:.*]]:4 = scf.if
// CHECK:         arith.addf %[[V]]#0, %[[V]]#0 : vector<16xf32>
// CHECK-NEXT:    arith.addf %[[V]]#1, %[[V]]#1 : vector<16xf32>
// CHECK-NEXT:    arith.addf %[[V]]#2, %[[V]]#2 : vector<16xf32>
// CHECK-NEXT:    arith.addf %[[V]]#3, %[[V]]#3 : vector<16xf32>
// CHECK-NEXT:    return
#regs = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32], warp = []>
#row = #tile.layout<reg = [1, 2], lane = [0, 0, 0, 0], warp = []>
#swapped = #tile.layout<reg = [16, 32], lane = [1, 2, 4, 8], warp = []>
func.func @renaming(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %row = tile.load %p[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<1x4xf32, #row>
  %0 = tile.broadcast %row : tensor<1x4xf32, #row> -> tensor<16x4xf32, #regs>
  %1 = tile.transpose %0 : tensor<16x4xf32, #regs> -> tensor<4x16xf32, #swapped>
  %2 = tile.reshape %1 : tensor<4x16xf32, #swapped> -> tensor<64xf32, #swapped>
  %3 = arith.addf %2, %2 : tensor<64xf32, #swapped>
  return
}

// -----

// A loop carries a tile as its registers.
//
// CHECK-LABEL: func.func private @loop.program(
// CHECK:         %{{.*}}:2 = scf.for {{.*}} -> (vector<16xi32>, vector<16xi32>) : i64
// CHECK-COUNT-2: arith.maxui %{{.*}} : vector<16xi32>
#two = #tile.layout<reg = [16], lane = [1, 2, 4, 8], warp = []>
func.func @loop(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %init = arith.constant dense<0> : tensor<32xi32, #two>
  %most = scf.for %i = %zero to %n step %one iter_args(%acc = %init) -> (tensor<32xi32, #two>) : i64 {
    %v = tile.load %p[%i] bounds(%n) strides(%one) : !llvm.ptr -> tensor<32xi32, #two>
    %next = arith.maxui %acc, %v : tensor<32xi32, #two>
    scf.yield %next : tensor<32xi32, #two>
  }
  tile.store %most, %p[%zero] bounds(%n) strides(%one) : tensor<32xi32, #two>, !llvm.ptr
  return
}
