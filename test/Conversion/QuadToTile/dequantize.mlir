// RUN: quad-opt %s --split-input-file --quad-to-tile=target=host:avx512 | FileCheck %s

#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
#rht = #quad.rht<32, digest = 1>
!row = !quad.tensor<?x?, #nvfp4, axis = 1, rht = #rht>

// Code by table, scales from the innermost, then the inverse rotation: butterflies,
// 1/sqrt(n), signs.
//
// CHECK-LABEL: func.func @row_dequantize(
// CHECK:         tile.load %{{.*}} -> tensor<1x32xi32
// CHECK:         tile.unpack
// CHECK-NEXT:    tile.lookup %{{.*}}, [0.000000e+00, 5.000000e-01,
// CHECK:         tile.load %{{.*}} -> tensor<1x16xi8
// CHECK:         arith.mulf %{{.*}} : tensor<1x1x16x16xf32
// CHECK:         tile.load %{{.*}} -> tensor<1x1xi32
// CHECK:         arith.mulf %{{.*}} : tensor<1x256xf32
// CHECK:         tile.hadamard %{{.*}} : tensor<1x8x32xf32
// CHECK-NEXT:    arith.mulf
// CHECK-NEXT:    %[[SIGNS:.*]] = tile.load {{.*}} -> tensor<1x1x32xf32
// CHECK-NEXT:    %[[ALL:.*]] = tile.broadcast %[[SIGNS]]
// CHECK-NEXT:    arith.mulf %{{.*}}, %[[ALL]]
// f32 to bf16 in integers, ties to even.
// CHECK:         arith.trunci {{.*}} to tensor<1x256xi16
// CHECK:         tile.store
func.func @row(%q: !row, %s: tensor<32xf32>) -> tensor<?x?xbf16> {
  %d = quad.dequantize %q signs(%s : tensor<32xf32>) : !row -> tensor<?x?xbf16>
  return %d : tensor<?x?xbf16>
}

// -----

// What padding added is dropped: the result's buffer has the logical length.
//
// CHECK-LABEL: func.func @padded(
// CHECK-SAME:    %[[D:[a-z0-9]+]]: !tile.buffer<2 x f32> {tile.out})
// CHECK:         tile.dim %[[D]], 0
// CHECK-LABEL: func.func @padded_dequantize(
// CHECK:         tile.transpose
// CHECK:         tile.store
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
!padded = !quad.tensor<?x?, #nvfp4, axis = 0, padded = ?>
func.func @padded(%q: !padded) -> tensor<?x?xf32> {
  %d = quad.dequantize %q : !padded -> tensor<?x?xf32>
  return %d : tensor<?x?xf32>
}
