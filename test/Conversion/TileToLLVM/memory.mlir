// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=sm_90a --canonicalize --cse | FileCheck %s --check-prefix=NVVM
// RUN: sed 's/lane = .4, 8, 16, 32, 64./lane = [4, 8, 16]/; s/lane = .0, 0, 0, 0, 0./lane = [0, 0, 0]/; s/lane = .1, 2, 4, 8, 16./lane = [1, 2, 4]/; s/warp = .128, 256./warp = []/; s/warp = .0, 0./warp = []/; s/warp = .32, 64./warp = []/; s/512/32/g; s/128/8/g' %s | quad-opt --split-input-file --convert-tile-to-llvm=target=host:avx2 --canonicalize --cse | FileCheck %s --check-prefix=HOST

// Whole tiles in accesses as wide as the alignment promises; those that reach past
// the bounds element by element. On a GPU a lane beyond the end reads the first element
// and drops it, and does not write.
//
// NVVM-LABEL: llvm.func @wide(
// NVVM:         %[[V:.*]]:4 = scf.if %[[WHOLE:.*]] -> (f32, f32, f32, f32) {
// NVVM:           llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>
// NVVM:         } else {
// NVVM-COUNT-4:   llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<1xf32>
// NVVM-NOT:       llvm.load
// NVVM:         }
// NVVM:         scf.if %[[WHOLE]] {
// NVVM:           llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr
// NVVM:         } else {
// NVVM-COUNT-4:   scf.if
// NVVM-NOT:       scf.if
// NVVM:         llvm.return
//
// HOST-LABEL: func.func private @wide.program(
// HOST-COUNT-8: llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<4xf32>
// HOST:         } else {
#vectors = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32, 64], warp = [128, 256]>
func.func @wide(%p: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%i] bounds(%n) strides(%one) {alignment = 16 : i64} : !llvm.ptr -> tensor<512xf32, #vectors>
  tile.store %v, %p[%i] bounds(%n) strides(%one) {alignment = 16 : i64} : tensor<512xf32, #vectors>, !llvm.ptr
  return
}

// -----

// An element's own alignment allows single elements only.
//
// NVVM-LABEL: llvm.func @narrow(
// NVVM:         scf.if
// NVVM-COUNT-4:   llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<1xf32>
// NVVM:         } else {
// NVVM:           %[[INSIDE:.*]] = arith.cmpi slt
// NVVM:           %[[HERE:.*]] = llvm.getelementptr
// NVVM-NEXT:      %[[SAFE:.*]] = llvm.select %[[INSIDE]], %[[HERE]], %arg0 :
// NVVM-NEXT:      %[[READ:.*]] = llvm.load %[[SAFE]]
// NVVM-NEXT:      llvm.select %[[INSIDE]], %[[READ]], %cst
// HOST-LABEL: func.func private @narrow.program(
#vectors = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32, 64], warp = [128, 256]>
func.func @narrow(%p: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%i] bounds(%n) strides(%one) : !llvm.ptr -> tensor<512xf32, #vectors>
  tile.store %v, %p[%i] bounds(%n) strides(%one) : tensor<512xf32, #vectors>, !llvm.ptr
  return
}

// -----

// Lanes of consecutive elements are one SIMD access, masked at the end.
//
// NVVM-LABEL: llvm.func @lanes(
// HOST-LABEL: func.func private @lanes.program(
// HOST:         scf.if
// HOST:           llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<8xf32>
// HOST:         } else {
// HOST:           llvm.intr.masked.load %{{.*}} {alignment = 4 : i32} : (!llvm.ptr, vector<8xi1>, vector<8xf32>) -> vector<8xf32>
// HOST:         }
// HOST:           llvm.store %{{.*}} {alignment = 4 : i64} : vector<8xf32>, !llvm.ptr
// HOST:         } else {
// HOST:           llvm.intr.masked.store %{{.*}} {alignment = 4 : i32} : vector<8xf32>, vector<8xi1> into !llvm.ptr
#lanes = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
func.func @lanes(%p: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%i] bounds(%n) strides(%one) : !llvm.ptr -> tensor<128xf32, #lanes>
  tile.store %v, %p[%i] bounds(%n) strides(%one) : tensor<128xf32, #lanes>, !llvm.ptr
  return
}

// -----

// A single element that all lanes hold is written, by any of them, only inside of
// the bounds: programs other than the first rely on it.
//
// NVVM-LABEL: llvm.func @single(
// NVVM:         %[[END:.*]] = arith.addi %{{.*}}, %{{.*}} : i64
// NVVM:         %[[WHOLE:.*]] = arith.cmpi sle, %[[END]], %{{.*}} : i64
// NVVM-NOT:     llvm.store
// NVVM:         scf.if %[[WHOLE]] {
// NVVM:           llvm.store %{{.*}} : vector<1xf32>, !llvm.ptr
// NVVM:         } else {
// NVVM:           scf.if %{{.*}} {
// NVVM-NEXT:        llvm.store
//
// HOST-LABEL: func.func private @single.program(
// HOST:         %[[END:.*]] = arith.addi %{{.*}}, %{{.*}} : i64
// HOST:         %[[WHOLE:.*]] = arith.cmpi sle, %[[END]], %{{.*}} : i64
// HOST-NOT:     llvm.store
// HOST:         scf.if %[[WHOLE]] {
#copies = #tile.layout<reg = [], lane = [0, 0, 0, 0, 0], warp = [0, 0]>
func.func @single(%p: !llvm.ptr, %f: f32, %i: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.splat %f : f32 -> tensor<1xf32, #copies>
  tile.store %v, %p[%i] bounds(%one) strides(%one) : tensor<1xf32, #copies>, !llvm.ptr
  return
}

// -----

// Any strides: every element has its own address.
//
// NVVM-LABEL: llvm.func @strided(
// NVVM-COUNT-4: llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr -> vector<1xi16>
// HOST-LABEL: func.func private @strided.program(
// HOST-COUNT-32: llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr -> vector<1xi16>
#vectors = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32, 64], warp = [128, 256]>
func.func @strided(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %n: i64, %s: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%i] bounds(%n) strides(%s) : !llvm.ptr -> tensor<512xi16, #vectors>
  tile.store %v, %q[%i] bounds(%n) strides(%one) : tensor<512xi16, #vectors>, !llvm.ptr
  return
}
