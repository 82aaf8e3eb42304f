// Where elements change their warp, or exchanges would be dearer, a conversion goes through
// memory that the warps of a block share.
//
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=sm_90a | FileCheck %s --check-prefixes=CHECK,NVVM
// RUN: sed 's/lane = .4, 8, 16, 32, 64., warp = .128, 256./lane = [4, 8, 16, 32, 64, 128], warp = [256]/; s/lane = .16, 32, 64, 128, 256., warp = .4, 8./lane = [8, 16, 32, 64, 128, 256], warp = [4]/; s/ 1024., warp = .2048, 4096./ 1024, 2048], warp = [4096]/' %s | quad-opt --split-input-file --convert-tile-to-llvm=target=gfx942 | FileCheck %s --check-prefixes=CHECK,ROCDL

// Four neighbours are one access of 16 bytes, stored, waited for and loaded: 512 numbers of
// 4 bytes. AMD's barrier waits for no memory; the fences around it do,
// for shared memory.
//
// ROCDL:       #mmra_tag = #llvm.mmra_tag<"amdgpu-synchronize-as":"local">
// CHECK:       llvm.mlir.global internal @across_warps_shared() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<2048 x i8>
// CHECK-LABEL: llvm.func @across_warps(
// CHECK:         %[[V:.*]]:4 = scf.if
// CHECK-NOT:     {{barrier|fence}}
// CHECK:         %[[BASE:.*]] = llvm.mlir.addressof @across_warps_shared : !llvm.ptr<3>
// CHECK-NOT:     {{barrier|fence}}
// CHECK:         %[[S0:.*]] = llvm.insertelement %[[V]]#0, %{{.*}} : vector<4xf32>
// CHECK:         %[[S1:.*]] = llvm.insertelement %[[V]]#1, %[[S0]]
// CHECK:         %[[S2:.*]] = llvm.insertelement %[[V]]#2, %[[S1]]
// CHECK:         %[[S3:.*]] = llvm.insertelement %[[V]]#3, %[[S2]]
// CHECK-NEXT:    %[[STORED:.*]] = llvm.getelementptr %[[BASE]][%[[PUT:.*]]] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
// CHECK-NEXT:    %[[TO:.*]] = llvm.getelementptr %[[STORED]][0]
// CHECK-NEXT:    llvm.store %[[S3]], %[[TO]] {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<3>
// NVVM-NEXT:     nvvm.barrier0
// ROCDL-NEXT:    llvm.fence syncscope("workgroup") release {llvm.mmra = #mmra_tag}
// ROCDL-NEXT:    rocdl.s.barrier
// ROCDL-NEXT:    llvm.fence syncscope("workgroup") acquire {llvm.mmra = #mmra_tag}
// CHECK-NOT:     {{barrier|fence|llvm.store}}
// CHECK:         %[[LOADED:.*]] = llvm.getelementptr %[[BASE]][%[[GET:.*]]] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
// CHECK-NEXT:    %[[FROM:.*]] = llvm.getelementptr %[[LOADED]][0]
// CHECK-NEXT:    %[[L:.*]] = llvm.load %[[FROM]] {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xf32>
// CHECK:         %[[R0:.*]] = llvm.extractelement %[[L]][%{{.*}}] : vector<4xf32>
// CHECK:         %[[R3:.*]] = llvm.extractelement %[[L]]
// CHECK:         arith.negf %[[R0]]
// CHECK-NOT:     {{barrier|fence}}
// CHECK:         llvm.return
#lanes = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32, 64], warp = [128, 256]>
#warps = #tile.layout<reg = [1, 2], lane = [16, 32, 64, 128, 256], warp = [4, 8]>
func.func @across_warps(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<512xf32, #lanes>
  %c = tile.convert_layout %v : tensor<512xf32, #lanes> -> tensor<512xf32, #warps>
  %d = arith.negf %c : tensor<512xf32, #warps>
  return
}

// -----

// A conversion has its own memory, so that only another pass through a loop must wait before it
// stores: all of as many bytes in loops share theirs.
//
// CHECK-DAG:   llvm.mlir.global internal @again_shared() {addr_space = 3 : i32,
// CHECK-DAG:   llvm.mlir.global internal @again_shared_2048() {addr_space = 3 : i32,
// CHECK-LABEL: llvm.func @again(
// CHECK:         llvm.mlir.addressof @again_shared : !llvm.ptr<3>
// CHECK-NOT:     barrier
// CHECK:         llvm.store %{{.*}} !llvm.ptr<3>
// NVVM-NEXT:     nvvm.barrier0
// ROCDL:         rocdl.s.barrier
// CHECK-NOT:     barrier
// CHECK:         llvm.load %{{.*}} : !llvm.ptr<3>
// CHECK:         scf.for
// CHECK:           llvm.mlir.addressof @again_shared_2048 : !llvm.ptr<3>
// NVVM-NEXT:       nvvm.barrier0
// ROCDL-NEXT:      llvm.fence syncscope("workgroup") release
// ROCDL-NEXT:      rocdl.s.barrier
// ROCDL-NEXT:      llvm.fence syncscope("workgroup") acquire
// CHECK-NOT:       {{barrier|fence}}
// CHECK:           llvm.store %{{.*}} !llvm.ptr<3>
// NVVM-NEXT:       nvvm.barrier0
// ROCDL:           rocdl.s.barrier
// CHECK-NOT:       barrier
// CHECK:           llvm.load %{{.*}} : !llvm.ptr<3>
// CHECK:           llvm.mlir.addressof @again_shared_2048 :
// NVVM-NEXT:       nvvm.barrier0
// ROCDL:           rocdl.s.barrier
// CHECK:           llvm.store %{{.*}} !llvm.ptr<3>
// CHECK:         llvm.return
#lanes = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32, 64], warp = [128, 256]>
#warps = #tile.layout<reg = [1, 2], lane = [16, 32, 64, 128, 256], warp = [4, 8]>
func.func @again(%f: f32, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.splat %f : f32 -> tensor<512xf32, #lanes>
  %once = tile.convert_layout %v : tensor<512xf32, #lanes> -> tensor<512xf32, #warps>
  scf.for %i = %one to %n step %one : i64 {
    %c = tile.convert_layout %v : tensor<512xf32, #lanes> -> tensor<512xf32, #warps>
    %d = tile.convert_layout %v : tensor<512xf32, #lanes> -> tensor<512xf32, #warps>
  }
  return
}

// -----

// Within a warp: four bits of the lane's number trade places with four of 64 registers, of
// which the exchanges alone cost more than a barrier and accesses of several halves. An
// address is that of the lane and an immediate offset, or differs by more where bits of the
// lane overlap the register's, so that banks do not conflict.
//
// CHECK-LABEL: llvm.func @within_warps(
// NVVM-NOT:      nvvm.shfl
// ROCDL-NOT:     rocdl.ds_
// CHECK-COUNT-8: llvm.store %{{.*}} {alignment = 16 : i64} : vector<8xi16>, !llvm.ptr<3>
// CHECK-NOT:     llvm.store
// NVVM:          nvvm.barrier0
// ROCDL:         rocdl.s.barrier
// CHECK:         llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<4xi16>
// CHECK:         %[[INDEX:.*]] = arith.xori %{{.*}}, %c8_i32{{[_0-9]*}} : i32
// CHECK-NEXT:    %[[REST:.*]] = llvm.getelementptr %{{.*}}[%[[INDEX]]]
// CHECK-NEXT:    %[[FROM:.*]] = llvm.getelementptr %[[REST]][{{[0-9]+}}]
// CHECK-NEXT:    llvm.load %[[FROM]] {alignment = 8 : i64} : !llvm.ptr<3> -> vector<4xi16>
// CHECK-COUNT-14: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<4xi16>
// CHECK-NOT:     llvm.load
// NVVM-NOT:      nvvm.shfl
// ROCDL-NOT:     rocdl.ds_
// CHECK:         llvm.return
#columns = #tile.layout<reg = [64, 128, 256, 512, 1, 2], lane = [4, 8, 16, 32, 1024], warp = [2048, 4096]>
#rows = #tile.layout<reg = [1, 2, 4, 8, 16, 32], lane = [64, 128, 256, 512, 1024], warp = [2048, 4096]>
func.func @within_warps(%f: i16) attributes {tile.kernel} {
  %v = tile.splat %f : i16 -> tensor<8192xi16, #columns>
  %c = tile.convert_layout %v : tensor<8192xi16, #columns> -> tensor<8192xi16, #rows>
  return
}
