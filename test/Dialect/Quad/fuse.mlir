// RUN: quad-opt %s --quad-fuse | FileCheck %s

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
#mx = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
#rht = #quad.rht<16, digest = 1>
#rht32 = #quad.rht<32, digest = 2>
!q = !quad.tensor<?x64, #ufp4b, axis = 1, rht = #rht>

// CHECK-LABEL: func.func @into_quantize(
// CHECK-SAME:      %[[X:.*]]: tensor<?x64xbf16>, %[[S:.*]]: tensor<16xf32>
// CHECK-NEXT:    %[[Q:.*]] = quad.quantize %[[X]] signs(%[[S]] : tensor<16xf32>) {axis = 1 : i64, rht = #{{.*}}} : tensor<?x64xbf16>
// CHECK-NEXT:    return %[[Q]]
func.func @into_quantize(%x: tensor<?x64xbf16>, %s: tensor<16xf32>) -> !q {
  %h = quad.hadamard %x, %s {axis = 1} : tensor<?x64xbf16>, tensor<16xf32> -> tensor<?x64xf32>
  %q = quad.quantize %h {axis = 1, rht = #rht} : tensor<?x64xf32> -> !q
  return %q : !q
}

// Key and amax stay where they are; the amax rotates along the same axis.
// CHECK-LABEL: func.func @into_amax(
// CHECK-SAME:      %[[X:.*]]: tensor<64x?xbf16>, %[[S:.*]]: tensor<16xf32>, %[[K:.*]]: i64, %[[B:.*]]: i64
// CHECK-NEXT:    %[[A:.*]] = quad.amax %[[X]] signs(%[[S]] : tensor<16xf32>) {axis = 0 : i64} : tensor<64x?xbf16>
// CHECK-NEXT:    quad.quantize %[[X]] signs(%[[S]] : tensor<16xf32>) key(%[[K]], %[[B]]) amax(%[[A]])
func.func @into_amax(%x: tensor<64x?xbf16>, %s: tensor<16xf32>, %key: i64, %base: i64)
    -> !quad.tensor<64x?, #nvfp4, axis = 0, rht = #rht> {
  %h = quad.hadamard %x, %s {axis = 0} : tensor<64x?xbf16>, tensor<16xf32> -> tensor<64x?xf32>
  %a = quad.amax %h {axis = 1} : tensor<64x?xf32>
  %q = quad.quantize %h key(%key, %base) amax(%a)
    {axis = 0, rht = #rht, rounding = #quad.stochastic<bits = 8, rounds = 7>}
    : tensor<64x?xf32> -> !quad.tensor<64x?, #nvfp4, axis = 0, rht = #rht>
  return %q : !quad.tensor<64x?, #nvfp4, axis = 0, rht = #rht>
}

// The hadamard stays for its other use, and two quantizations stay two.
// CHECK-LABEL: func.func @other_use(
// CHECK-SAME:      %[[X:.*]]: tensor<?x64xbf16>, %[[S:.*]]: tensor<16xf32>
// CHECK:         %[[H:.*]] = quad.hadamard
// CHECK:         %[[Q0:.*]] = quad.quantize %[[X]] signs
// CHECK:         %[[Q1:.*]] = quad.quantize %[[X]] signs
// CHECK:         return %[[H]], %[[Q0]], %[[Q1]]
func.func @other_use(%x: tensor<?x64xbf16>, %s: tensor<16xf32>) -> (tensor<?x64xf32>, !q, !q) {
  %h = quad.hadamard %x, %s {axis = 1} : tensor<?x64xbf16>, tensor<16xf32> -> tensor<?x64xf32>
  %q0 = quad.quantize %h {axis = 1, rht = #rht} : tensor<?x64xf32> -> !q
  %q1 = quad.quantize %h {axis = 1, rht = #rht} : tensor<?x64xf32> -> !q
  return %h, %q0, %q1 : tensor<?x64xf32>, !q, !q
}

// Rotated along the other axis: the hadamard is data like any other.
// CHECK-LABEL: func.func @other_axis(
// CHECK:         %[[H:.*]] = quad.hadamard
// CHECK:         quad.quantize %[[H]] {axis = 1
func.func @other_axis(%x: tensor<32x64xf32>, %s: tensor<16xf32>) -> !quad.tensor<32x64, #ufp4b, axis = 1> {
  %h = quad.hadamard %x, %s {axis = 0} : tensor<32x64xf32>, tensor<16xf32> -> tensor<32x64xf32>
  %q = quad.quantize %h {axis = 1} : tensor<32x64xf32> -> !quad.tensor<32x64, #ufp4b, axis = 1>
  return %q : !quad.tensor<32x64, #ufp4b, axis = 1>
}

// A quantize that rotates by itself, after another rotation.
// CHECK-LABEL: func.func @already_rotates(
// CHECK:         %[[H:.*]] = quad.hadamard
// CHECK:         quad.quantize %[[H]] signs
func.func @already_rotates(%x: tensor<?x64xf32>, %s: tensor<16xf32>) -> !q {
  %h = quad.hadamard %x, %s {axis = 1} : tensor<?x64xf32>, tensor<16xf32> -> tensor<?x64xf32>
  %q = quad.quantize %h signs(%s : tensor<16xf32>) {axis = 1, rht = #rht} : tensor<?x64xf32> -> !q
  return %q : !q
}

// The zeros that the quantize adds were not rotated, and may not be.
// CHECK-LABEL: func.func @zero_extends(
// CHECK:         %[[H:.*]] = quad.hadamard
// CHECK:         quad.quantize %[[H]] {axis = 1 : i64, pad = true
func.func @zero_extends(%x: tensor<4x16xf32>, %s: tensor<16xf32>) -> !quad.tensor<4x16, #mx, axis = 1, rht = #rht, padded = 32> {
  %h = quad.hadamard %x, %s {axis = 1} : tensor<4x16xf32>, tensor<16xf32> -> tensor<4x16xf32>
  %q = quad.quantize %h {axis = 1, rht = #rht, pad = true} : tensor<4x16xf32> -> !quad.tensor<4x16, #mx, axis = 1, rht = #rht, padded = 32>
  return %q : !quad.tensor<4x16, #mx, axis = 1, rht = #rht, padded = 32>
}

// The rotation before has another size than the one the result claims.
// CHECK-LABEL: func.func @other_size(
// CHECK:         %[[H:.*]] = quad.hadamard
// CHECK:         quad.quantize %[[H]] {axis = 1
func.func @other_size(%x: tensor<?x64xf32>, %s: tensor<16xf32>) -> !quad.tensor<?x64, #ufp4b, axis = 1, rht = #rht32> {
  %h = quad.hadamard %x, %s {axis = 1} : tensor<?x64xf32>, tensor<16xf32> -> tensor<?x64xf32>
  %q = quad.quantize %h {axis = 1, rht = #rht32} : tensor<?x64xf32> -> !quad.tensor<?x64, #ufp4b, axis = 1, rht = #rht32>
  return %q : !quad.tensor<?x64, #ufp4b, axis = 1, rht = #rht32>
}
