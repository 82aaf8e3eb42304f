// RUN: quad-opt %s --canonicalize | FileCheck %s

#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
!q = !quad.tensor<32x64, #nvfp4, axis = 1>
!qt = !quad.tensor<64x32, #nvfp4, axis = 0>

// CHECK-LABEL: func.func @transpose_twice(
// CHECK-SAME:      %[[Q:.*]]: !quad.tensor
// CHECK-NEXT:    return %[[Q]]
func.func @transpose_twice(%q: !q) -> !q {
  %0 = quad.transpose %q : !q -> !qt
  %1 = quad.transpose %0 : !qt -> !q
  return %1 : !q
}

// CHECK-LABEL: func.func @transpose_once(
// CHECK-NEXT:    quad.transpose
func.func @transpose_once(%q: !q) -> !qt {
  %0 = quad.transpose %q : !q -> !qt
  return %0 : !qt
}

// Widening to f32 is what the operations do themselves.
// CHECK-LABEL: func.func @widened_input(
// CHECK-SAME:      %[[X:.*]]: tensor<32x64xbf16>, %[[S:.*]]: tensor<16xf32>
// CHECK-NOT:     arith.extf
// CHECK-DAG:     quad.hadamard %[[X]], %[[S]] {axis = 1 : i64} : tensor<32x64xbf16>
// CHECK-DAG:     %[[A:.*]] = quad.amax %[[X]] {axis = 1 : i64} : tensor<32x64xbf16>
// CHECK-DAG:     quad.quantize %[[X]] amax(%[[A]]) {axis = 1 : i64} : tensor<32x64xbf16>
func.func @widened_input(%x: tensor<32x64xbf16>, %s: tensor<16xf32>) -> (tensor<32x64xf32>, !q) {
  %w = arith.extf %x : tensor<32x64xbf16> to tensor<32x64xf32>
  %h = quad.hadamard %w, %s {axis = 1} : tensor<32x64xf32>, tensor<16xf32> -> tensor<32x64xf32>
  %a = quad.amax %w {axis = 1} : tensor<32x64xf32>
  %q = quad.quantize %w amax(%a) {axis = 1} : tensor<32x64xf32> -> !q
  return %h, %q : tensor<32x64xf32>, !q
}

// Narrowing rounds, so it stays.
// CHECK-LABEL: func.func @narrowed_input(
// CHECK:         %[[N:.*]] = arith.truncf
// CHECK:         quad.quantize %[[N]]
func.func @narrowed_input(%x: tensor<32x64xf32>) -> !q {
  %n = arith.truncf %x : tensor<32x64xf32> to tensor<32x64xbf16>
  %q = quad.quantize %n {axis = 1} : tensor<32x64xbf16> -> !q
  return %q : !q
}

// A rotation does not undo itself in f32.
// CHECK-LABEL: func.func @hadamard_twice(
// CHECK-COUNT-2: quad.hadamard
func.func @hadamard_twice(%x: tensor<32x64xf32>, %s: tensor<16xf32>) -> tensor<32x64xf32> {
  %0 = quad.hadamard %x, %s {axis = 1} : tensor<32x64xf32>, tensor<16xf32> -> tensor<32x64xf32>
  %1 = quad.hadamard %0, %s {axis = 1} : tensor<32x64xf32>, tensor<16xf32> -> tensor<32x64xf32>
  return %1 : tensor<32x64xf32>
}

// Quantizing what was dequantized is not the identity: the maximum of a block
// may have become another.
// CHECK-LABEL: func.func @requantize(
// CHECK:         quad.dequantize
// CHECK:         quad.quantize
func.func @requantize(%q: !q) -> !q {
  %d = quad.dequantize %q : !q -> tensor<32x64xf32>
  %r = quad.quantize %d {axis = 1} : tensor<32x64xf32> -> !q
  return %r : !q
}

// Every operation is pure, stochastic rounding and launches included.
// CHECK-LABEL: func.func @dead(
// CHECK-NEXT:    return
func.func @dead(%x: tensor<32x64xf32>, %s: tensor<16xf32>, %key: i64, %base: i64) {
  %h = quad.hadamard %x, %s {axis = 1} : tensor<32x64xf32>, tensor<16xf32> -> tensor<32x64xf32>
  %a = quad.amax %h {axis = 1} : tensor<32x64xf32>
  %q = quad.quantize %h key(%key, %base) amax(%a)
    {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>} : tensor<32x64xf32> -> !q
  %t = quad.transpose %q : !q -> !qt
  %y = quad.matmul %q, %t : !q, !qt -> tensor<32x32xf32>
  %d = quad.dequantize %q : !q -> tensor<32x64xf32>
  %l = quad.launch @kernel(%x) : (tensor<32x64xf32>) -> !q
  return
}

quad.kernel @kernel(%x: tensor<32x64xf32>) -> !q {
  %q = quad.quantize %x {axis = 1} : tensor<32x64xf32> -> !q
  quad.yield %q : !q
}
