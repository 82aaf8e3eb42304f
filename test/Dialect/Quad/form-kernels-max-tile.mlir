// A tile that holds whole blocks, and transforms, of both axes may be too large to
// be worth one read.
//
// RUN: quad-opt %s --quad-form-kernels=max-tile=1024 --verify-diagnostics | FileCheck %s

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
#rht32 = #quad.rht<32, digest = 1>
#rht64 = #quad.rht<64, digest = 1>

// CHECK-LABEL: func.func @small(
// CHECK-NEXT:    quad.launch @small_quantize_pair(
func.func @small(%x: tensor<?x?xbf16>, %s: tensor<32xf32>) -> (!quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht32>, !quad.tensor<?x?, #ufp4b, axis = 0, rht = #rht32>) {
  %r = quad.quantize %x signs(%s : tensor<32xf32>) {axis = 1, rht = #rht32} : tensor<?x?xbf16> -> !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht32>
  %c = quad.quantize %x signs(%s : tensor<32xf32>) {axis = 0, rht = #rht32} : tensor<?x?xbf16> -> !quad.tensor<?x?, #ufp4b, axis = 0, rht = #rht32>
  return %r, %c : !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht32>, !quad.tensor<?x?, #ufp4b, axis = 0, rht = #rht32>
}

// CHECK-LABEL: func.func @large(
// CHECK-NEXT:    quad.launch @large_quantize_row(
// CHECK-NEXT:    quad.launch @large_quantize_column(
func.func @large(%x: tensor<?x?xbf16>, %s: tensor<32xf32>, %t: tensor<64xf32>) -> (!quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht32>, !quad.tensor<?x?, #ufp4b, axis = 0, rht = #rht64>) {
  %r = quad.quantize %x signs(%s : tensor<32xf32>) {axis = 1, rht = #rht32} : tensor<?x?xbf16> -> !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht32>
  // expected-remark @+1 {{reads its input again: a tile with whole blocks of both axes would have 2048 elements, more than 1024}}
  %c = quad.quantize %x signs(%t : tensor<64xf32>) {axis = 0, rht = #rht64} : tensor<?x?xbf16> -> !quad.tensor<?x?, #ufp4b, axis = 0, rht = #rht64>
  return %r, %c : !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht32>, !quad.tensor<?x?, #ufp4b, axis = 0, rht = #rht64>
}
