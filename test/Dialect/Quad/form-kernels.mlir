// RUN: quad-opt %s --quad-form-kernels | FileCheck %s
// RUN: quad-opt %s --quad-form-kernels=merge=false | FileCheck %s --check-prefix=APART

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
#rht16 = #quad.rht<16, digest = 1>
!row = !quad.tensor<?x?, #ufp4b, axis = 1>
!column = !quad.tensor<?x?, #ufp4b, axis = 0>

// Row and column of one input are read once. What the caller promises about an
// argument holds in the kernel.
//
// CHECK-LABEL: quad.kernel @pair_quantize_pair(
// CHECK-SAME:    %[[X:.*]]: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> (
// CHECK-NEXT:    %[[R:.*]] = quad.quantize %[[X]] {axis = 1 : i64}
// CHECK-NEXT:    %[[C:.*]] = quad.quantize %[[X]] {axis = 0 : i64}
// CHECK-NEXT:    quad.yield %[[R]], %[[C]]
// CHECK-LABEL: func.func @pair(
// CHECK-SAME:    %[[X:.*]]: tensor<?x?xbf16>
// CHECK-NEXT:    %[[RC:.*]]:2 = quad.launch @pair_quantize_pair(%[[X]])
// CHECK-NEXT:    return %[[RC]]#0, %[[RC]]#1
//
// APART-LABEL:   func.func @pair(
// APART-NEXT:      quad.launch @pair_quantize_row(
// APART-NEXT:      quad.launch @pair_quantize_column(
func.func @pair(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> (!row, !column) {
  %r = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  %c = quad.quantize %x {axis = 0} : tensor<?x?xbf16> -> !column
  return %r, %c : !row, !column
}

// What tuning chose for a function is for its kernels.
//
// CHECK-LABEL: quad.kernel @tuned_quantize_row(
// CHECK-SAME:    attributes {quad.tuning = {elements_per_lane = 32 : i64}}
func.func @tuned(%x: tensor<?x?xbf16>) -> !row attributes {quad.tuning = {elements_per_lane = 32}} {
  %r = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %r : !row
}

// Neither two inputs nor two quantizations along one axis.
//
// CHECK-LABEL: func.func @not_pairs(
// CHECK-NEXT:    quad.launch @not_pairs_quantize_row(
// CHECK-NEXT:    quad.launch @not_pairs_quantize_column(
// CHECK-NEXT:    quad.launch @not_pairs_quantize_row_{{[0-9]+}}(
func.func @not_pairs(%x: tensor<?x?xbf16>, %y: tensor<?x?xbf16>, %key: i64) -> (!row, !column, !row) {
  %r = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  %c = quad.quantize %y {axis = 0} : tensor<?x?xbf16> -> !column
  %s = quad.quantize %x key(%key, %key) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>} : tensor<?x?xbf16> -> !row
  return %r, %c, %s : !row, !column, !row
}

// At most two share a kernel: the second column finds its row taken.
//
// CHECK-LABEL: func.func @third(
// CHECK-NEXT:    quad.launch @third_quantize_pair(
// CHECK-NEXT:    quad.launch @third_quantize_column(
// CHECK-NEXT:    return
func.func @third(%x: tensor<?x?xbf16>, %key: i64) -> (!row, !column, !column) {
  %r = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  %c = quad.quantize %x {axis = 0} : tensor<?x?xbf16> -> !column
  %d = quad.quantize %x key(%key, %key) {axis = 0, rounding = #quad.stochastic<bits = 8, rounds = 7>} : tensor<?x?xbf16> -> !column
  return %r, %c, %d : !row, !column, !column
}

// The tensor amax of the second is not there yet where the first runs; an amax
// that both know is.
//
// CHECK-LABEL: func.func @availability(
// CHECK-NEXT:    quad.launch @availability_quantize_row(
// CHECK-NEXT:    quad.launch @availability_amax(
// CHECK-NEXT:    quad.launch @availability_quantize_column(
// CHECK-NEXT:    return
func.func @availability(%x: tensor<?x?xbf16>) -> (!row, !quad.tensor<?x?, #nvfp4, axis = 0>) {
  %r = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  %a = quad.amax %x {axis = 0} : tensor<?x?xbf16>
  %c = quad.quantize %x amax(%a) {axis = 0} : tensor<?x?xbf16> -> !quad.tensor<?x?, #nvfp4, axis = 0>
  return %r, %c : !row, !quad.tensor<?x?, #nvfp4, axis = 0>
}

// CHECK-LABEL: func.func @shared_amax(
// CHECK-NEXT:    %[[A:.*]] = quad.launch @shared_amax_amax(
// CHECK-NEXT:    quad.launch @shared_amax_quantize_pair(%{{.*}}, %[[A]])
// CHECK-NEXT:    return
func.func @shared_amax(%x: tensor<?x?xbf16>) -> (!quad.tensor<?x?, #nvfp4, axis = 1>, !quad.tensor<?x?, #nvfp4, axis = 0>) {
  %a = quad.amax %x {axis = 1} : tensor<?x?xbf16>
  %r = quad.quantize %x amax(%a) {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #nvfp4, axis = 1>
  %c = quad.quantize %x amax(%a) {axis = 0} : tensor<?x?xbf16> -> !quad.tensor<?x?, #nvfp4, axis = 0>
  return %r, %c : !quad.tensor<?x?, #nvfp4, axis = 1>, !quad.tensor<?x?, #nvfp4, axis = 0>
}

// Each other operation has a kernel of its own, named after it; a transposition
// moves nothing and stays in the function.
//
// CHECK-LABEL: func.func @names(
// CHECK-NEXT:    %[[H:.*]] = quad.launch @names_hadamard(
// CHECK-NEXT:    %[[Q:.*]] = quad.launch @names_quantize_row(%[[H]])
// CHECK-NEXT:    %[[T:.*]] = quad.transpose %[[Q]]
// CHECK-NEXT:    quad.launch @names_matmul(%[[Q]], %[[T]])
// CHECK-NEXT:    quad.launch @names_dequantize(%[[Q]])
// CHECK-NEXT:    return
func.func @names(%x: tensor<?x?xbf16>, %s: tensor<16xf32>) -> (tensor<?x?xf32>, tensor<?x?xf32>) {
  %h = quad.hadamard %x, %s {axis = 1} : tensor<?x?xbf16>, tensor<16xf32> -> tensor<?x?xf32>
  %q = quad.quantize %h {axis = 1, rht = #rht16} : tensor<?x?xf32> -> !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht16>
  %t = quad.transpose %q : !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht16> -> !quad.tensor<?x?, #ufp4b, axis = 0, rht = #rht16>
  %y = quad.matmul %q, %t : !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht16>, !quad.tensor<?x?, #ufp4b, axis = 0, rht = #rht16> -> tensor<?x?xf32>
  %d = quad.dequantize %q : !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht16> -> tensor<?x?xf32>
  return %y, %d : tensor<?x?xf32>, tensor<?x?xf32>
}

// A declaration has nothing to run.
// CHECK: func.func private @declaration
func.func private @declaration(tensor<?x?xbf16>) -> !row

// What is returned twice is computed twice: each result has memory of its own.
//
// CHECK-LABEL: func.func @twice(
// CHECK:         %[[A:.*]] = quad.launch @twice_quantize_row(
// CHECK:         %[[B:.*]] = quad.launch @twice_quantize_row_{{[0-9]+}}(
// CHECK:         %[[T:.*]] = quad.transpose %[[B]]
// CHECK:         return %[[A]], %[[T]]
func.func @twice(%x: tensor<?x?xbf16>) -> (!row, !column) {
  %r = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  %t = quad.transpose %r : !row -> !column
  return %r, %t : !row, !column
}
