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
