// Products of groups on the host: tables of the groups first, in which kernels find the rows of
// panels and tiles. Experts have panels of their own. Nothing of the schedule reads offsets.
//
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=host:avx512 | FileCheck %s
// RUN: not quad-opt %s --split-input-file --quad-to-tile=target=sm_80 2>&1 | FileCheck %s --check-prefix=DEVICE
// DEVICE: and the product has groups, which the host and sm_90a have an engine for

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!x = !quad.tensor<?x?, #ufp4b, axis = 1>
!w = !quad.tensor<?x?, #ufp4b, axis = 0>

// CHECK-LABEL: func.func @rows(
// CHECK:         tile.check {{.*}} "a product of groups needs at least one group"
// CHECK:         tile.check {{.*}} "the contraction of b must have the length of a's, or that times the number of groups"
// CHECK:         tile.check {{.*}} "b must have a multiple of the number of groups of columns, as many for each expert"
// CHECK:         tile.launch @rows_matmul_panel_groups
// CHECK:         tile.launch @rows_matmul_tile_groups
// CHECK:         tile.launch @rows_matmul_pack_lhs
// CHECK:         tile.launch @rows_matmul_pack_rhs
// CHECK:         tile.launch @rows_matmul grid
// CHECK-LABEL: func.func @rows_matmul_pack_lhs(
// CHECK:         scf.while
// CHECK-LABEL: func.func @rows_matmul_pack_rhs(
// CHECK:         arith.remui
// CHECK-LABEL: func.func @rows_matmul(
// CHECK:         scf.while
func.func @rows(%x: !x, %w: !w, %i: tensor<?xi32>) -> tensor<?x?xbf16> {
  %y = quad.matmul %x, %w groups(%i : tensor<?xi32>) : !x, !w -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}

// -----

// Of the contraction: operands are packed as they are.
//
#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!a = !quad.tensor<?x?, #ufp4b, axis = 1, grouped>
!b = !quad.tensor<?x?, #ufp4b, axis = 0, grouped>
// CHECK-LABEL: func.func @contraction(
// CHECK:         tile.launch @contraction_matmul_groups
// CHECK:         tile.launch @contraction_matmul_pack_lhs
// CHECK:         tile.launch @contraction_matmul_pack_rhs
// CHECK:         tile.launch @contraction_matmul grid
// CHECK-LABEL: func.func @contraction_matmul_pack_lhs(
// CHECK-NOT:     arith.remui
// CHECK-LABEL: func.func @contraction_matmul(
// CHECK:         arith.remui
func.func @contraction(%a: !a, %b: !b, %i: tensor<?xi32>) -> tensor<?x?xf32> {
  %y = quad.matmul %a, %b groups(%i : tensor<?xi32>) : !a, !b -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
