// RUN: quad-opt %s --convert-tile-to-llvm=target=host:avx2 --canonicalize | FileCheck %s --check-prefix=HOST
// RUN: sed 's/lane = .2, 16, 32./lane = [2, 16, 32, 0, 0]/; s/warp = ../warp = [64, 128]/; s/8x8/32x8/' %s | quad-opt --convert-tile-to-llvm=target=sm_90a | FileCheck %s --check-prefix=NVVM

// Column = index mod 8. Lane bit 0 adds 2, the registers 1 and 4; lane bits 1 and
// 2 are rows and add nothing.
//
// HOST-LABEL: func.func private @columns.program(
// HOST-DAG:     arith.constant dense<[0, 2, 0, 2, 0, 2, 0, 2]> : vector<8xi32>
// HOST-DAG:     arith.constant dense<[1, 3, 1, 3, 1, 3, 1, 3]> : vector<8xi32>
// HOST-DAG:     arith.constant dense<[4, 6, 4, 6, 4, 6, 4, 6]> : vector<8xi32>
// HOST-DAG:     arith.constant dense<[5, 7, 5, 7, 5, 7, 5, 7]> : vector<8xi32>

// On a GPU the lane's number is the thread's, and the warps are rows too.
//
// NVVM-LABEL: llvm.func @columns(
// NVVM:         %[[LANES:.*]] = arith.constant 31 : i32
// NVVM:         arith.andi %{{.*}}, %[[LANES]] : i32
// NVVM:         %[[STEP:.*]] = arith.select %{{.*}} : i32
// NVVM-NOT:     arith.select
// NVVM-COUNT-4: arith.addi %{{.*}} : i32
// NVVM:         llvm.return
#layout = #tile.layout<reg = [1, 4, 8], lane = [2, 16, 32], warp = []>
func.func @columns(%p: !llvm.ptr, %n: i64, %c: i32) attributes {tile.kernel} {
  %i = tile.iota 1 : tensor<8x8xi32, #layout>
  %v = tile.splat %c : i32 -> tensor<8x8xi32, #layout>
  %sum = arith.addi %i, %v : tensor<8x8xi32, #layout>
  tile.store %sum, %p[%n, %n] bounds(%n, %n) strides(%n, %n) : tensor<8x8xi32, #layout>, !llvm.ptr
  return
}
