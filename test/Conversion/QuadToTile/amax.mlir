// The amax is deterministic though programs run in any order: one program stores zero, all
// others then combine their tiles into it by the bits of the magnitude, so that NaN is the
// largest.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=sm_90a | FileCheck %s --check-prefix=NVVM

// CHECK-LABEL: func.func @f(
// CHECK-SAME:    %[[IN:[a-z0-9]+]]: !tile.buffer<2 x f16>, %[[SIGNS:[a-z0-9]+]]: !tile.buffer<1 x f32>, %[[OUT:[a-z0-9]+]]: !tile.buffer<1 x f32> {tile.out})
// CHECK:         tile.check %{{.*}}, "the length of axis 1 must be a multiple of the transform's size; pad=True extends it"
// CHECK-NOT:     tile.alloc
// CHECK:         tile.launch @f_amax_start grid(%c1_i64, %c1_i64) args(%[[OUT]] :
// CHECK:         %[[X:.*]] = arith.ceildivsi %{{.*}}, %c256_i64
// CHECK-NEXT:    tile.launch @f_amax grid(%[[X]], %{{.*}}) args({{.*}}%[[IN]], %[[SIGNS]], %[[OUT]] :
// CHECK-NOT:     tile.launch
//
// CHECK-LABEL: func.func @f_amax_start(
// CHECK-SAME:    %[[OUT:[a-z0-9]+]]: !llvm.ptr)
// CHECK:         %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<1x1xf32
// CHECK-NEXT:    tile.store %[[ZERO]], %[[OUT]][%c0_i64, %c0_i64] bounds(%c1_i64, %c1_i64)
//
// CHECK-LABEL: func.func @f_amax(
// CHECK-SAME:    %[[SIGNS:[a-z0-9]+]]: !llvm.ptr, %[[OUT:[a-z0-9]+]]: !llvm.ptr) attributes
// CHECK:         arith.extf {{.*}} : tensor<1x256xf16{{.*}} to tensor<1x256xf32
// CHECK:         %[[S:.*]] = tile.load %[[SIGNS]]{{.*}} -> tensor<1x1x32xf32
// CHECK-NEXT:    %[[FACTORS:.*]] = arith.mulf %[[S]], %cst
// CHECK:         %[[H:.*]] = tile.hadamard %{{.*}} factors %[[FACTORS]] : tensor<1x1x32xf32{{.*}} : tensor<1x8x32xf32
// CHECK-NEXT:    %[[Y:.*]] = tile.reshape %[[H]]
// CHECK-NEXT:    tile.atomic_reduce{{ +}}amax %[[Y]], %[[OUT]] : tensor<1x256xf32
// CHECK-NEXT:    return

// A GPU's lanes take 64 elements each, for there is nothing to do but wait for memory, of which
// 16 follow each other.
//
// NVVM-LABEL: func.func @f(
// NVVM:         arith.ceildivsi %{{.*}}, %c8192_i64
// NVVM-LABEL: func.func @f_amax(
// NVVM:         tile.load %{{.*}} -> tensor<1x8192xf16, #tile.layout<reg = [1, 2, 4, 8, 2048, 4096], lane = [16, 32, 64, 128, 256], warp = [512, 1024]>>
// NVVM:         tile.atomic_reduce{{ +}}amax %{{.*}} : tensor<1x8192xf32
func.func @f(%x: tensor<?x?xf16> {quad.unit_stride = 1 : i64}, %s: tensor<32xf32>) -> tensor<1xf32> {
  %a = quad.amax %x signs(%s : tensor<32xf32>) {axis = 1} : tensor<?x?xf16>
  return %a : tensor<1xf32>
}
