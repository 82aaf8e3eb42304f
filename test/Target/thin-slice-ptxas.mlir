// NVIDIA's own assembler takes what is generated, for every architecture.
//
// REQUIRES: ptxas
// RUN: quad-opt %s --quad-to-ptx=target=sm_90a | mlir-translate --mlir-to-llvmir | llc -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -o %t.90.ptx
// RUN: %ptxas -arch=sm_90a -v %t.90.ptx -o %t.90.cubin 2>&1 | FileCheck %s
// RUN: quad-opt %s --quad-to-ptx=target=sm_80 | mlir-translate --mlir-to-llvmir | llc -mtriple=nvptx64-nvidia-cuda -mcpu=sm_80 -o %t.80.ptx
// RUN: %ptxas -arch=sm_80 -v %t.80.ptx -o %t.80.cubin 2>&1 | FileCheck %s

// CHECK-DAG: Compiling entry function 'row_quantize_row'
// CHECK-DAG: Compiling entry function 'column_quantize_column'
// CHECK-DAG: Compiling entry function 'back_dequantize'
// CHECK-DAG: Compiling entry function 'largest_amax_start'
// CHECK-DAG: Compiling entry function 'largest_amax'

#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
#rht = #quad.rht<64, digest = 1>
!row = !quad.tensor<?x?, #nvfp4, axis = 1>
!column = !quad.tensor<?x?, #nvfp4, axis = 0, rht = #rht>
func.func @row(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %a: tensor<1xf32>, %key: i64, %base: i64) -> !row {
  %q = quad.quantize %x key(%key, %base) amax(%a) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 0} : tensor<?x?xbf16> -> !row
  return %q : !row
}
func.func @column(%x: tensor<?x?xf32> {quad.unit_stride = 1 : i64}, %s: tensor<64xf32>, %a: tensor<1xf32>) -> !column {
  %q = quad.quantize %x signs(%s : tensor<64xf32>) amax(%a) {axis = 0, rht = #rht} : tensor<?x?xf32> -> !column
  return %q : !column
}
func.func @back(%q: !row) -> tensor<?x?xbf16> {
  %d = quad.dequantize %q : !row -> tensor<?x?xbf16>
  return %d : tensor<?x?xbf16>
}
func.func @largest(%x: tensor<?x?xf16>) -> tensor<1xf32> {
  %a = quad.amax %x {axis = 1} : tensor<?x?xf16>
  return %a : tensor<1xf32>
}
