// Magnitudes are free modifiers of a GPU's operands, and the bits without the sign elsewhere,
// which order like them, NaN above infinity.
//
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=host:avx2 --canonicalize --cse | FileCheck %s
// RUN: sed 's/lane = .1, 2, 4., warp = ../lane = [1, 2, 4, 8, 16], warp = [32, 64]/; s/lane = .2, 4, 8., warp = ../lane = [2, 4, 8, 16, 32], warp = [64, 128]/; s/lane = .0, 1, 2., warp = ../lane = [0, 1, 2, 4, 8], warp = [16, 32]/; s/<8x/<128x/g; s/<4x/<64x/g' %s | quad-opt --split-input-file --convert-tile-to-llvm=target=sm_90a --canonicalize --cse | FileCheck %s --check-prefix=NVVM

// CHECK-LABEL: func.func private @amax.program(
// CHECK:         %[[MASK:.*]] = arith.constant dense<2147483647> : vector<8xi32>
// CHECK:         %[[V:.*]]:2 = scf.if
// CHECK:         %[[B1:.*]] = arith.bitcast %[[V]]#1 : vector<8xf32> to vector<8xi32>
// CHECK-NEXT:    %[[M1:.*]] = arith.andi %[[B1]], %[[MASK]]
// CHECK-NEXT:    %[[B0:.*]] = arith.bitcast %[[V]]#0 : vector<8xf32> to vector<8xi32>
// CHECK-NEXT:    %[[M0:.*]] = arith.andi %[[B0]], %[[MASK]]
// CHECK-NEXT:    %[[MAX:.*]] = arith.maxui %[[M0]], %[[M1]]
// CHECK-NEXT:    arith.bitcast %[[MAX]] : vector<8xi32> to vector<8xf32>
//
// NVVM-LABEL: llvm.func @amax(
// NVVM:         %[[V:.*]]:2 = scf.if
// NVVM:         %[[M1:.*]] = math.absf %[[V]]#1 : f32
// NVVM-NEXT:    %[[M0:.*]] = math.absf %[[V]]#0 : f32
// NVVM-NEXT:    arith.maximumf %[[M0]], %[[M1]] : f32
#regs = #tile.layout<reg = [1], lane = [2, 4, 8], warp = []>
#lanes = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
func.func @amax(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%i, %i] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<8x2xf32, #regs>
  %a = tile.reduce amax %v dims = [1] : tensor<8x2xf32, #regs> -> tensor<8x1xf32, #lanes>
  tile.store %a, %q[%i, %i] bounds(%n, %n) strides(%n, %n) : tensor<8x1xf32, #lanes>, !llvm.ptr
  return
}

// -----

// Lanes exchange numbers as they are.
//
// CHECK-LABEL: func.func private @across_lanes.program(
// CHECK:         %[[V:.*]] = scf.if
// CHECK:         %[[P:.*]] = vector.shuffle %[[V]], %[[V]] [1, 0, 3, 2,
// CHECK:         arith.maxui
// CHECK-NOT:     arith.maxui
// CHECK:         return
//
// NVVM-LABEL: llvm.func @across_lanes(
// NVVM:         %[[V:.*]] = scf.if
// NVVM:         %[[W:.*]] = llvm.bitcast %[[V]] : f32 to i32
// NVVM-NEXT:    %[[X:.*]] = nvvm.shfl.sync  bfly %{{.*}}, %[[W]],
// NVVM-NEXT:    %[[P:.*]] = llvm.bitcast %[[X]] : i32 to f32
// NVVM-NEXT:    %[[M1:.*]] = math.absf %[[P]] : f32
// NVVM-NEXT:    %[[M0:.*]] = math.absf %[[V]] : f32
// NVVM-NEXT:    arith.maximumf %[[M0]], %[[M1]] : f32
#lanes = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
#halves = #tile.layout<reg = [], lane = [0, 1, 2], warp = []>
func.func @across_lanes(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%i, %i] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<4x2xf32, #lanes>
  %a = tile.reduce amax %v dims = [1] : tensor<4x2xf32, #lanes> -> tensor<4x1xf32, #halves>
  tile.store %a, %q[%i, %i] bounds(%n, %n) strides(%n, %n) : tensor<4x1xf32, #halves>, !llvm.ptr
  return
}

// -----

// The amax of one element is its magnitude.
//
// CHECK-LABEL: func.func private @single.program(
// CHECK:         %[[V:.*]] = scf.if
// CHECK:         math.absf %[[V]] : vector<8xf32>
// NVVM-LABEL: llvm.func @single(
// NVVM:         %[[V:.*]] = scf.if
// NVVM:         math.absf %[[V]] : f32
#lanes = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
func.func @single(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%i, %i] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<8x1xf32, #lanes>
  %a = tile.reduce amax %v dims = [1] : tensor<8x1xf32, #lanes> -> tensor<8x1xf32, #lanes>
  tile.store %a, %q[%i, %i] bounds(%n, %n) strides(%n, %n) : tensor<8x1xf32, #lanes>, !llvm.ptr
  return
}
