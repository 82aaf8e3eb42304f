// RUN: quad-opt %s --quad-insert-amax | FileCheck %s
// RUN: quad-opt %s --quad-fuse --quad-insert-amax | FileCheck %s --check-prefix=FUSED

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
#rht = #quad.rht<16, digest = 1>
!row = !quad.tensor<?x?, #nvfp4, axis = 1>
!rotated = !quad.tensor<?x?, #nvfp4, axis = 1, rht = #rht>
!padded = !quad.tensor<?x?, #nvfp4, axis = 1, rht = #rht, padded = ?>

// CHECK-LABEL: func.func @plain(
// CHECK-SAME:      %[[X:.*]]: tensor<?x?xbf16>
// CHECK-NEXT:    %[[A:.*]] = quad.amax %[[X]] {axis = 1 : i64} : tensor<?x?xbf16>
// CHECK-NEXT:    quad.quantize %[[X]] amax(%[[A]]) {axis = 1 : i64}
func.func @plain(%x: tensor<?x?xbf16>) -> !row {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %q : !row
}

// It is the amax of what is quantized: rotated, and zero-extended before.
// CHECK-LABEL: func.func @rotated_and_padded(
// CHECK:         %[[A:.*]] = quad.amax %{{.*}} signs(%{{.*}} : tensor<16xf32>) {axis = 1 : i64, pad = true}
// CHECK-NEXT:    quad.quantize %{{.*}} signs(%{{.*}} : tensor<16xf32>) amax(%[[A]])
func.func @rotated_and_padded(%x: tensor<?x?xbf16>, %s: tensor<16xf32>) -> !padded {
  %q = quad.quantize %x signs(%s : tensor<16xf32>) {axis = 1, rht = #rht, pad = true} : tensor<?x?xbf16> -> !padded
  return %q : !padded
}

// Row and column of one tensor share it, as long as neither rotates.
// CHECK-LABEL: func.func @shared(
// CHECK:         %[[A:.*]] = quad.amax %[[X:.*]] {axis = 1 : i64}
// CHECK-NEXT:    quad.quantize %[[X]] amax(%[[A]]) {axis = 1 : i64}
// CHECK-NEXT:    quad.quantize %[[X]] amax(%[[A]]) {axis = 0 : i64}
// CHECK-NEXT:    %[[R:.*]] = quad.amax %[[X]] signs
// CHECK-NEXT:    quad.quantize %[[X]] signs(%{{.*}} : tensor<16xf32>) amax(%[[R]])
func.func @shared(%x: tensor<?x?xbf16>, %s: tensor<16xf32>) -> (!row, !quad.tensor<?x?, #nvfp4, axis = 0>, !rotated) {
  %0 = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  %1 = quad.quantize %x {axis = 0} : tensor<?x?xbf16> -> !quad.tensor<?x?, #nvfp4, axis = 0>
  %2 = quad.quantize %x signs(%s : tensor<16xf32>) {axis = 1, rht = #rht} : tensor<?x?xbf16> -> !rotated
  return %0, %1, %2 : !row, !quad.tensor<?x?, #nvfp4, axis = 0>, !rotated
}

// A given amax, and a format that has no use for one.
// CHECK-LABEL: func.func @none_needed(
// CHECK-NEXT:    quad.quantize
// CHECK-NEXT:    quad.quantize
// CHECK-NEXT:    return
func.func @none_needed(%x: tensor<?x?xbf16>, %a: tensor<1xf32>) -> (!row, !quad.tensor<?x?, #ufp4b, axis = 1>) {
  %0 = quad.quantize %x amax(%a) {axis = 1} : tensor<?x?xbf16> -> !row
  %1 = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #ufp4b, axis = 1>
  return %0, %1 : !row, !quad.tensor<?x?, #ufp4b, axis = 1>
}

// FUSED-LABEL: func.func @after_hadamard(
// FUSED-NOT:     quad.hadamard
// FUSED:         %[[A:.*]] = quad.amax %[[X:.*]] signs(%[[S:.*]] : tensor<16xf32>) {axis = 1 : i64}
// FUSED-NEXT:    quad.quantize %[[X]] signs(%[[S]] : tensor<16xf32>) amax(%[[A]])
func.func @after_hadamard(%x: tensor<?x?xbf16>, %s: tensor<16xf32>) -> !rotated {
  %h = quad.hadamard %x, %s {axis = 1} : tensor<?x?xbf16>, tensor<16xf32> -> tensor<?x?xf32>
  %q = quad.quantize %h {axis = 1, rht = #rht} : tensor<?x?xf32> -> !rotated
  return %q : !rotated
}
