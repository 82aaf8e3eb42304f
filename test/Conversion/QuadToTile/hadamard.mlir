// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s

// CHECK-LABEL: func.func @f(
// CHECK:         tile.check %{{.*}}, "the length of axis 0 must be a multiple of the transform's size"
// CHECK:         tile.launch @f_hadamard
// Along axis 0 a lane has a column: butterflies of x times the factors, signs / sqrt(32), and
// nothing after them.
//
// CHECK-LABEL: func.func @f_hadamard(
// CHECK:         %[[ROOT:.*]] = arith.constant dense<0.176776692>
// CHECK:         tile.load {{.*}} -> tensor<32x16xf16
// CHECK:         tile.transpose {{.*}} -> tensor<16x32xf32
// CHECK:         %[[SIGNS:.*]] = tile.load {{.*}} -> tensor<1x1x32xf32
// CHECK-NEXT:    %[[FACTORS:.*]] = arith.mulf %[[SIGNS]], %[[ROOT]]
// CHECK:         %[[H:.*]] = tile.hadamard %{{.*}} factors %[[FACTORS]] : tensor<1x1x32xf32{{.*}} : tensor<16x1x32xf32
// CHECK-NEXT:    %[[Y:.*]] = tile.reshape %[[H]]
// CHECK-NEXT:    tile.transpose %[[Y]] {{.*}} -> tensor<32x16xf32
// CHECK-NEXT:    tile.store
func.func @f(%x: tensor<?x?xf16> {quad.unit_stride = 1 : i64}, %s: tensor<32xf32>) -> tensor<?x?xf32> {
  %h = quad.hadamard %x, %s {axis = 0} : tensor<?x?xf16>, tensor<32xf32> -> tensor<?x?xf32>
  return %h : tensor<?x?xf32>
}
