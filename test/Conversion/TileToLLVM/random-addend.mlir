// Random bits added to numbers: bytes by a dot product with a byte of ones where a GPU has one,
// else by a shift, a mask and an addition.
//
// RUN: quad-opt %s --convert-tile-to-llvm=target=sm_90a | FileCheck %s --check-prefix=NVVM
// RUN: quad-opt %s --convert-tile-to-llvm=target=sm_90a | FileCheck %s --check-prefix=COUNT
// RUN: sed 's/bits = 8/bits = 4/' %s | quad-opt --convert-tile-to-llvm=target=sm_90a | FileCheck %s --check-prefix=FOUR --implicit-check-not=idp4a
// RUN: sed 's/reg = .1, 2, 4, 8., lane = .16, 32, 64, 128, 256./reg = [2, 4, 8, 16], lane = [1, 32, 64, 128, 256]/' %s | quad-opt --convert-tile-to-llvm=target=sm_90a | FileCheck %s --check-prefix=LANES --implicit-check-not=idp4a
// RUN: sed 's/128, 256., warp = .512, 1024./128], warp = []/; s/1024/128/g' %s | quad-opt --convert-tile-to-llvm=target=host:avx512 | FileCheck %s --check-prefix=HOST

// Byte i of the draw for register i, four to a word.
//
// NVVM-LABEL: llvm.func @random(
// NVVM:         %[[A:.*]]:16 = scf.if
// NVVM:         llvm.call_intrinsic "llvm.nvvm.idp4a.u.u"(%[[W0:[0-9]+]], %c1_i32{{[_0-9]*}}, %[[A]]#0) : (i32, i32, i32) -> i32
// NVVM-NEXT:    %[[SECOND:.*]] = arith.constant 256 : i32
// NVVM-NEXT:    llvm.call_intrinsic "llvm.nvvm.idp4a.u.u"(%[[W0]], %[[SECOND]], %[[A]]#1)
// NVVM-NEXT:    %[[THIRD:.*]] = arith.constant 65536 : i32
// NVVM-NEXT:    llvm.call_intrinsic "llvm.nvvm.idp4a.u.u"(%[[W0]], %[[THIRD]], %[[A]]#2)
// NVVM-NEXT:    %[[FOURTH:.*]] = arith.constant 16777216 : i32
// NVVM-NEXT:    llvm.call_intrinsic "llvm.nvvm.idp4a.u.u"(%[[W0]], %[[FOURTH]], %[[A]]#3)
// NVVM:         llvm.call_intrinsic "llvm.nvvm.idp4a.u.u"(%[[W1:[0-9]+]], %{{.*}}, %[[A]]#4)
// NVVM:         llvm.call_intrinsic "llvm.nvvm.idp4a.u.u"(%[[W1]], %{{.*}}, %[[A]]#7)
// NVVM:         llvm.call_intrinsic "llvm.nvvm.idp4a.u.u"(%{{.*}}, %{{.*}}, %[[A]]#15)
// NVVM-NEXT:    llvm.return

// COUNT-COUNT-16: llvm.nvvm.idp4a.u.u
// COUNT-NOT:      llvm.nvvm.idp4a.u.u

// Other than bytes are masked.
//
// FOUR-LABEL: llvm.func @random(
// FOUR:         %[[A:.*]]:16 = scf.if
// FOUR:         arith.addi %[[A]]#7, %{{.*}} : i32
// FOUR:         arith.constant 28 : i32
// FOUR-NEXT:    arith.constant 15 : i32
// FOUR-NEXT:    %[[SHIFTED:.*]] = arith.shrui
// FOUR-NEXT:    %[[DRAWN:.*]] = arith.andi %[[SHIFTED]],
// FOUR-NEXT:    arith.addi %[[A]]#15, %[[DRAWN]] : i32
// FOUR-NEXT:    llvm.return

// And so is a byte that the lane chooses.
//
// LANES-LABEL: llvm.func @random(
// LANES:         %[[A:.*]]:16 = scf.if
// LANES:         arith.select
// LANES:         arith.addi %[[A]]#15, %{{.*}} : i32
// LANES-NEXT:    llvm.return

// HOST-LABEL: func.func private @random.program(
// HOST:         %[[A:.*]]:16 = scf.if
// HOST:         %[[EIGHT:.*]] = arith.constant 8 : i32
// HOST-NEXT:    %[[SHIFT:.*]] = vector.broadcast %[[EIGHT]]
// HOST-NEXT:    %[[SHIFTED:.*]] = arith.shrui %{{.*}}, %[[SHIFT]] : vector<16xi32>
// HOST-NEXT:    %[[BYTE:.*]] = arith.constant 255 : i32
// HOST-NEXT:    %[[MASK:.*]] = vector.broadcast %[[BYTE]]
// HOST-NEXT:    %[[DRAWN:.*]] = arith.andi %[[SHIFTED]], %[[MASK]] : vector<16xi32>
// HOST-NEXT:    arith.addi %[[A]]#1, %[[DRAWN]] : vector<16xi32>
// HOST:         arith.addi %[[A]]#15, %{{.*}} : vector<16xi32>
// HOST-NEXT:    return
#blocks = #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32, 64, 128, 256], warp = [512, 1024]>
func.func @random(%p: !llvm.ptr, %key: i64, %base: i64, %row: i64, %column: i64, %length: i64) attributes {tile.kernel} {
  %a = tile.load %p[%row, %column] bounds(%row, %column) strides(%row, %column) : !llvm.ptr -> tensor<2x1024xi32, #blocks>
  %r = tile.random %key, %base at(%row, %column) of %length bits = 8 rounds = 7 stream = 3 to %a : tensor<2x1024xi32, #blocks> : tensor<2x1024xi32, #blocks>
  return
}
