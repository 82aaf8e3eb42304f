// A product reads scales row-major: others are copied to workspace first.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 --verify-diagnostics | FileCheck %s

#mxint4 = #quad.format<"MXINT4", grid = int4, levels = [<1x32, e8m0, ocp>]>
!a = !quad.tensor<?x?, #mxint4, axis = 1, scales = blocked128x4>
!b = !quad.tensor<?x?, #mxint4, axis = 0>

// CHECK-LABEL: func.func @product(
// CHECK:         %[[S:.*]] = tile.alloc
// CHECK:         tile.launch @product_matmul_lhs_scales {{.*}}%[[S]]
// CHECK:         tile.launch @product_matmul_pack_lhs {{.*}}%[[S]]
func.func @product(%a: !a, %b: !b) -> tensor<?x?xf32> {
  // expected-remark @+1 {{carrier}}
  %y = quad.matmul %a, %b : !a, !b -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
