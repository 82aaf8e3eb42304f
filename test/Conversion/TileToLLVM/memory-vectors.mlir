// How wide a lane's accesses are: by the alignment within the bounds, by what divides the
// last bound at them.
//
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=sm_90a --canonicalize --cse | FileCheck %s

// Pairs do not straddle an even bound: one comparison for both, and 8 bytes at once. Of a bound
// that 6 divides, 2 is what counts.
//
// CHECK-LABEL: llvm.func @granularity(
// CHECK-DAG:     %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : vector<2xf32>
// CHECK:         scf.if
// CHECK-COUNT-2:   llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>
// CHECK:         } else {
// CHECK:           %[[IN:.*]] = arith.cmpi slt
// CHECK:           %[[HERE:.*]] = llvm.getelementptr %arg0
// CHECK-NEXT:      %[[SAFE:.*]] = llvm.select %[[IN]], %[[HERE]], %arg0 :
// CHECK-NEXT:      %[[READ:.*]] = llvm.load %[[SAFE]] {alignment = 8 : i64} : !llvm.ptr -> vector<2xf32>
// CHECK-NEXT:      llvm.select %[[IN]], %[[READ]], %[[ZERO]]
// CHECK-COUNT-3:   arith.cmpi slt
// CHECK-NOT:       arith.cmpi
// CHECK:           scf.yield
// CHECK:         scf.if
// CHECK-COUNT-2:   llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr
// CHECK:         } else {
// CHECK:           %[[IN:.*]] = arith.cmpi slt
// CHECK:           scf.if %[[IN]] {
// CHECK-NEXT:        llvm.store %{{.*}} {alignment = 8 : i64} : vector<2xf32>, !llvm.ptr
// CHECK-COUNT-3:   scf.if
// CHECK-NOT:       scf.if
// CHECK:         llvm.return
#vectors = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32, 64, 128], warp = [256, 512]>
func.func @granularity(%p: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%i] bounds(%n) strides(%one) {alignment = 16 : i64, granularity = 2 : i64} : !llvm.ptr -> tensor<1024xf32, #vectors>
  tile.store %v, %p[%i] bounds(%n) strides(%one) {alignment = 16 : i64, granularity = 6 : i64} : tensor<1024xf32, #vectors>, !llvm.ptr
  return
}

// -----

// No granularity makes an access wider than the alignment allows.
//
// CHECK-LABEL: llvm.func @alignment_limits(
// CHECK-NOT:     vector<4xf32>
// CHECK:         scf.if
// CHECK-COUNT-4:   llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr -> vector<2xf32>
// CHECK:         } else {
// CHECK-COUNT-4:   llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr -> vector<2xf32>
// CHECK-NOT:       llvm.load
// CHECK:         llvm.return
#vectors = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32, 64, 128], warp = [256, 512]>
func.func @alignment_limits(%p: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%i] bounds(%n) strides(%one) {alignment = 8 : i64, granularity = 16 : i64} : !llvm.ptr -> tensor<1024xf32, #vectors>
  tile.store %v, %p[%i] bounds(%n) strides(%n) : tensor<1024xf32, #vectors>, !llvm.ptr
  return
}

// -----

// A program that knows whether its tile is whole says so: the only comparisons are the masks'.
//
// CHECK-LABEL: llvm.func @inside(
// CHECK-SAME:    %[[N:[a-z0-9]+]]: i64, %[[INSIDE:[a-z0-9]+]]: i1,
// CHECK-NOT:     arith.cmpi
// CHECK:         scf.if %[[INSIDE]] -> (f32, f32, f32, f32) {
// CHECK-NOT:       arith.cmpi
// CHECK:           llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>
// CHECK:         } else {
// CHECK-COUNT-4:   arith.cmpi slt
// CHECK:         }
// CHECK-NOT:     arith.cmpi
// CHECK:         scf.if %[[INSIDE]] {
// CHECK-NOT:       arith.cmpi
// CHECK:           llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr
// CHECK:         } else {
// CHECK-COUNT-4:   arith.cmpi slt
// CHECK:         llvm.return
#vectors = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32, 64], warp = [128, 256]>
func.func @inside(%p: !llvm.ptr, %i: i64, %n: i64, %inside: i1) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%i] bounds(%n) strides(%one) inside %inside {alignment = 16 : i64} : !llvm.ptr -> tensor<512xf32, #vectors>
  %w = arith.negf %v : tensor<512xf32, #vectors>
  tile.store %w, %p[%i] bounds(%n) strides(%one) inside %inside {alignment = 16 : i64} : tensor<512xf32, #vectors>, !llvm.ptr
  return
}

// -----

// Halves of words are loaded as words, and pass the branch as words.
//
// CHECK-LABEL: llvm.func @halves(
// CHECK:         %[[W:.*]]:4 = scf.if %{{.*}} -> (i32, i32, i32, i32) {
// CHECK:           %[[L:.*]] = llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr -> vector<2xi32>
// CHECK:           %[[L0:.*]] = llvm.extractelement %[[L]]
// CHECK-NEXT:      llvm.trunc %[[L0]] : i32 to i16
// CHECK-NEXT:      %[[H0:.*]] = llvm.lshr %[[L0]], %c16_i32
// CHECK-NEXT:      llvm.trunc %[[H0]] : i32 to i16
// CHECK:           llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr -> vector<2xi32>
// CHECK-NOT:       llvm.load
// CHECK:           scf.yield %{{.*}} : i32, i32, i32, i32
// CHECK:         } else {
// CHECK-COUNT-8:   llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr -> vector<1xi16>
// CHECK-NOT:       llvm.load
// CHECK:           scf.yield %{{.*}} : i32, i32, i32, i32
// CHECK:         }
// CHECK:         %[[E0:.*]] = arith.trunci %[[W]]#0 : i32 to i16
// CHECK-NEXT:    %[[S0:.*]] = arith.shrui %[[W]]#0, %c16_i32
// CHECK-NEXT:    %[[E1:.*]] = arith.trunci %[[S0]] : i32 to i16
// CHECK-NEXT:    %[[E2:.*]] = arith.trunci %[[W]]#1 : i32 to i16
// CHECK:         scf.if
// CHECK:           %[[V1:.*]] = llvm.insertelement %[[E0]], %{{.*}}[%c0_i32 : i32] : vector<8xi16>
// CHECK-NEXT:      %[[V2:.*]] = llvm.insertelement %[[E1]], %[[V1]][%c1_i32 : i32]
// CHECK-NEXT:      llvm.insertelement %[[E2]], %[[V2]][%c2_i32 : i32]
// CHECK:           llvm.store %{{.*}} {alignment = 16 : i64} : vector<8xi16>, !llvm.ptr
// CHECK:         } else {
// CHECK-COUNT-8:   llvm.store %{{.*}} {alignment = 2 : i64} : vector<1xi16>, !llvm.ptr
// CHECK-NOT:       llvm.store
// CHECK:         llvm.return
#vectors = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32, 64, 128], warp = [256, 512]>
func.func @halves(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%i] bounds(%n) strides(%one) {alignment = 8 : i64} : !llvm.ptr -> tensor<1024xi16, #vectors>
  tile.store %v, %q[%i] bounds(%n) strides(%one) {alignment = 16 : i64} : tensor<1024xi16, #vectors>, !llvm.ptr
  return
}

// -----

// Neighbours in memory need not be neighbouring registers: elements 0 and 1 of a lane are
// registers 0 and 2.
//
// CHECK-LABEL: llvm.func @halves_apart(
// CHECK:         %[[W:.*]]:2 = scf.if %{{.*}} -> (i32, i32) {
// CHECK-COUNT-2:   llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<1xi32>
// CHECK:         %[[E0:.*]] = arith.trunci %[[W]]#0 : i32 to i16
// CHECK-NEXT:    %[[S0:.*]] = arith.shrui %[[W]]#0, %c16_i32
// CHECK-NEXT:    %[[E1:.*]] = arith.trunci %[[S0]] : i32 to i16
// CHECK-NEXT:    %[[E256:.*]] = arith.trunci %[[W]]#1 : i32 to i16
// CHECK-NEXT:    %[[S1:.*]] = arith.shrui %[[W]]#1, %c16_i32
// CHECK-NEXT:    %[[E257:.*]] = arith.trunci %[[S1]] : i32 to i16
// CHECK-NEXT:    arith.addi %[[E0]], %[[E0]]
// CHECK-NEXT:    arith.addi %[[E256]], %[[E256]]
// CHECK-NEXT:    arith.addi %[[E1]], %[[E1]]
// CHECK-NEXT:    arith.addi %[[E257]], %[[E257]]
#apart = #tile.layout<reg = [256, 1], lane = [2, 4, 8, 16, 32], warp = [64, 128]>
func.func @halves_apart(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%i] bounds(%n) strides(%one) {alignment = 4 : i64} : !llvm.ptr -> tensor<512xi16, #apart>
  %w = arith.addi %v, %v : tensor<512xi16, #apart>
  tile.store %w, %q[%i] bounds(%n) strides(%one) : tensor<512xi16, #apart>, !llvm.ptr
  return
}

// -----

// Alone they stay halves.
//
// CHECK-LABEL: llvm.func @single_halves(
// CHECK:         scf.if %{{.*}} -> (i16, i16) {
// CHECK-COUNT-2:   llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr -> vector<1xi16>
// CHECK:         } else {
#pairs = #tile.layout<reg = [1], lane = [2, 4, 8, 16, 32], warp = [64, 128]>
func.func @single_halves(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%i] bounds(%n) strides(%n) {alignment = 4 : i64} : !llvm.ptr -> tensor<256xi16, #pairs>
  tile.store %v, %q[%i] bounds(%n) strides(%one) : tensor<256xi16, #pairs>, !llvm.ptr
  return
}
