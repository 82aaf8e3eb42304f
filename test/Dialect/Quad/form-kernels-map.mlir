// RUN: quad-opt %s --quad-form-kernels --verify-diagnostics | FileCheck %s

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!row = !quad.tensor<?x?, #ufp4b, axis = 1>
!column = !quad.tensor<?x?, #ufp4b, axis = 0>
!wt = !quad.tensor<?x?, #ufp4b, axis = 0>

// Elementwise code goes into the quantizations that are all its uses.
//
// CHECK-LABEL: quad.kernel @pair_map_quantize_pair(
// CHECK-SAME:    %[[X:.*]]: tensor<?x?xbf16>) -> (
// CHECK-NEXT:    %[[M:.*]] = quad.map(%[[X]])
// CHECK:         %[[R:.*]] = quad.quantize %[[M]] {axis = 1 : i64}
// CHECK-NEXT:    %[[C:.*]] = quad.quantize %[[M]] {axis = 0 : i64}
// CHECK-NEXT:    quad.yield %[[R]], %[[C]]
// CHECK-LABEL: func.func @pair(
// CHECK-NEXT:    quad.launch @pair_map_quantize_pair(
// CHECK-NEXT:    return
func.func @pair(%x: tensor<?x?xbf16>) -> (!row, !column) {
  %m = quad.map(%x) : (tensor<?x?xbf16>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    quad.yield %r : f32
  }
  %r = quad.quantize %m {axis = 1} : tensor<?x?xf32> -> !row
  %c = quad.quantize %m {axis = 0} : tensor<?x?xf32> -> !column
  return %r, %c : !row, !column
}

// A result that is returned is written by a kernel of its own.
//
// CHECK-LABEL: func.func @returned(
// CHECK-NEXT:    %[[M:.*]] = quad.launch @returned_map(
// CHECK-NEXT:    quad.launch @returned_quantize_row(%[[M]])
func.func @returned(%x: tensor<?x?xbf16>) -> (tensor<?x?xf32>, !row) {
  %m = quad.map(%x) : (tensor<?x?xbf16>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    quad.yield %r : f32
  }
  // expected-remark @+1 {{reads the result of elementwise code from memory: it has another use}}
  %r = quad.quantize %m {axis = 1} : tensor<?x?xf32> -> !row
  return %m, %r : tensor<?x?xf32>, !row
}

// What is not fused is said.
//
// CHECK-LABEL: func.func @products(
// CHECK-NEXT:    %[[Y:.*]] = quad.launch @products_matmul(
// CHECK-NEXT:    quad.launch @products_map(%[[Y]])
// CHECK-NEXT:    quad.launch @products_quantize_row(%[[Y]])
func.func @products(%x: !row, %w: !wt) -> (tensor<?x?xf32>, !row) {
  %y = quad.matmul %x, %w : !row, !wt -> tensor<?x?xf32>
  // expected-remark @+1 {{is a kernel of its own: the product that it reads has another use}}
  %m = quad.map(%y) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    quad.yield %r : f32
  }
  // expected-remark @+1 {{quantizes the product in a kernel of its own, which reads it from memory}}
  %q = quad.quantize %y {axis = 1} : tensor<?x?xf32> -> !row
  return %m, %q : tensor<?x?xf32>, !row
}
