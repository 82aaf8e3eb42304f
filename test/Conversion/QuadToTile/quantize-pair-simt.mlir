// Where data cannot cross warps, row and column results get a kernel each, and a remark says so.
// RUN: quad-opt %s --quad-to-tile=target=sm_90a 2>&1 | FileCheck %s
// RUN: quad-opt %s --quad-to-ptx=target=sm_90a 2>&1 | FileCheck %s --check-prefix=PTX
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx942 2>&1 | FileCheck %s --check-prefix=PTX

// CHECK: remark: reads its input once for each result on this target
// CHECK-LABEL: func.func @f(
// CHECK: tile.launch @f_quantize_pair_row
// CHECK: tile.launch @f_quantize_pair_column

// PTX-DAG: llvm.func @f_quantize_pair_row
// PTX-DAG: llvm.func @f_quantize_pair_column

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!row = !quad.tensor<?x?, #ufp4b, axis = 1>
!column = !quad.tensor<?x?, #ufp4b, axis = 0>

func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> (!row, !column) {
  %r = quad.quantize %x {axis = 1 : i64} : tensor<?x?xbf16> -> !row
  %c = quad.quantize %x {axis = 0 : i64, stream = 1 : i64} : tensor<?x?xbf16> -> !column
  return %r, %c : !row, !column
}
