// A tile into a word of memory: registers of a lane first, then lanes, then memory, which
// is written only where that changes it.
//
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=sm_90a | FileCheck %s --check-prefixes=CHECK,NVVM
// RUN: sed 's/warp = .128, 256./warp = [256]/; s/64]/64, 128]/; s/warp = .0, 0./warp = [0]/; s/lane = .0, 0, 0, 0, 0./lane = [0, 0, 0, 0, 0, 0]/' %s | quad-opt --split-input-file --convert-tile-to-llvm=target=gfx942 | FileCheck %s --check-prefixes=CHECK,ROCDL
// RUN: sed 's/lane = .4, 8, 16, 32, 64./lane = [4, 8, 16]/; s/lane = .0, 0, 0, 0, 0./lane = [0, 0, 0]/; s/warp = .128, 256./warp = []/; s/warp = .0, 0./warp = []/; s/512/32/g' %s | quad-opt --split-input-file --convert-tile-to-llvm=target=host:avx2 | FileCheck %s --check-prefixes=CHECK,HOST

// The largest magnitude: bits without the sign, any NaN as one. The lanes of a warp agree,
// and one of them goes to memory.
//
// CHECK-LABEL: @amax
// NVVM-COUNT-3:  arith.maximumf
// HOST-COUNT-3:  arith.maxui
// CHECK:         arith.andi
// CHECK:         %[[NAN:.*]] = arith.cmpi ugt
// CHECK-NEXT:    arith.constant 2143289344 : i32
// CHECK:         arith.select %[[NAN]]
// NVVM-COUNT-5:  nvvm.shfl.sync
// NVVM-NOT:      nvvm.shfl
// NVVM:          %[[LANE:.*]] = arith.andi
// NVVM-NEXT:     %[[FIRST:.*]] = arith.cmpi eq, %[[LANE]]
// NVVM-NEXT:     scf.if %[[FIRST]] {
// NVVM-NEXT:       %[[OLD:.*]] = llvm.load %{{.*}} atomic syncscope("device") monotonic {alignment = 4 : i64} : !llvm.ptr -> i32
// NVVM-NEXT:       %[[NEW:.*]] = arith.maxui %[[OLD]]
// NVVM-NEXT:       %[[CHANGES:.*]] = arith.cmpi ne, %[[NEW]], %[[OLD]]
// NVVM-NEXT:       scf.if %[[CHANGES]] {
// NVVM-NEXT:         llvm.atomicrmw umax %{{.*}}, %{{.*}} syncscope("device") monotonic : !llvm.ptr, i32
// ROCDL:           llvm.atomicrmw umax %{{.*}}, %{{.*}} syncscope("agent") monotonic : !llvm.ptr, i32
// HOST:          %[[WORD:.*]] = vector.reduction <maxui>, %{{.*}} : vector<8xi32> into i32
// HOST:          %[[SOME:.*]] = arith.cmpi ne, %[[WORD]]
// HOST-NEXT:     scf.if %[[SOME]] {
// HOST-NEXT:       llvm.load %{{.*}} atomic monotonic {alignment = 4 : i64} : !llvm.ptr -> i32
// HOST:            llvm.atomicrmw umax %{{.*}}, %[[WORD]] monotonic : !llvm.ptr, i32
#vectors = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32, 64], warp = [128, 256]>
func.func @amax(%p: !llvm.ptr, %f: f32) attributes {tile.kernel} {
  %v = tile.splat %f : f32 -> tensor<512xf32, #vectors>
  tile.atomic_reduce amax %v, %p : tensor<512xf32, #vectors>, !llvm.ptr
  return
}

// -----

// Flags are rare: each lane that has some goes by itself, without exchange.
//
// CHECK-LABEL: @flags
// NVVM-NOT:      nvvm.shfl
// ROCDL-NOT:     rocdl.ds_
// NVVM:          scf.if
// NVVM:            llvm.atomicrmw _or %{{.*}}, %{{.*}} syncscope("device") monotonic
// ROCDL:           llvm.atomicrmw _or %{{.*}}, %{{.*}} syncscope("agent") monotonic
// HOST:          vector.reduction <or>
// HOST:            llvm.atomicrmw _or
#copies = #tile.layout<reg = [], lane = [0, 0, 0, 0, 0], warp = [0, 0]>
func.func @flags(%p: !llvm.ptr, %i: i32) attributes {tile.kernel} {
  %v = tile.splat %i : i32 -> tensor<1xi32, #copies>
  tile.atomic_reduce ori %v, %p : tensor<1xi32, #copies>, !llvm.ptr
  return
}
