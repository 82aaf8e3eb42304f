// The amax is deterministic: each program stores its own, a second kernel combines
// them, by the bits of the magnitude, so that NaN is the largest.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=sm_90a | FileCheck %s --check-prefix=NVVM

// CHECK-LABEL: func.func @f(
// CHECK:         tile.check %{{.*}}, "the length of axis 1 must be a multiple of the transform's size; pad=True extends it"
// CHECK:         %[[X:.*]] = arith.ceildivsi
// CHECK:         %[[COUNT:.*]] = arith.muli %[[X]], %[[Y:.*]] : i64
// CHECK:         %[[BYTES:.*]] = arith.muli %[[COUNT]], %c4_i64
// CHECK:         %[[PARTIALS:.*]] = tile.alloc %[[BYTES]] : <1 x i32>
// CHECK:         tile.launch @f_amax grid(%[[X]], %[[Y]])
// CHECK:         tile.launch @f_amax_combine grid(%c1_i64, %c1_i64) args(%[[COUNT]], %[[PARTIALS]],
//
// CHECK-LABEL: func.func @f_amax(
// CHECK:         arith.extf {{.*}} : tensor<1x256xf16{{.*}} to tensor<1x256xf32
// CHECK:         tile.hadamard
// CHECK:         arith.andi
// CHECK:         tile.reduce{{ +}}maxui {{.*}} dims = [2] : tensor<1x1x256xi32
// CHECK:         tile.store
//
// CHECK-LABEL: func.func @f_amax_combine(
// CHECK:         scf.for
// CHECK:           tile.load
// CHECK:           arith.maxui
// CHECK:         tile.reduce{{ +}}maxui
// CHECK:         tile.store

// Warps have no common memory: each stores its own.
//
// NVVM-LABEL: func.func @f(
// NVVM:         arith.muli %{{.*}}, %c4_i64
// NVVM-LABEL: func.func @f_amax(
// NVVM:         tile.reduce{{ +}}maxui {{.*}} dims = [2] : tensor<1x4x512xi32
// NVVM:         tile.store %{{.*}} : tensor<1x4xi32
func.func @f(%x: tensor<?x?xf16> {quad.unit_stride = 1 : i64}, %s: tensor<32xf32>) -> tensor<1xf32> {
  %a = quad.amax %x signs(%s : tensor<32xf32>) {axis = 1} : tensor<?x?xf16>
  return %a : tensor<1xf32>
}
