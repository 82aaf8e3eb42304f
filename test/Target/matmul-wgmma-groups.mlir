// Products of groups by wgmma: tiles find their group in a table; steps of K of other groups are zeros.
//
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=sm_90a 2>/dev/null | FileCheck %s
// RUN: quad-opt %s --split-input-file --quad-to-ptx=target=sm_90a 2>/dev/null | FileCheck %s --check-prefix=LLVM

#b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!a = !quad.tensor<?x?, #b, axis = 1>
!w = !quad.tensor<?x?, #b, axis = 0>

// CHECK-LABEL: func.func @forward(
// CHECK:         tile.launch @forward_matmul_groups grid
// CHECK:         tile.check {{.*}} "experts that lie along the contraction need a multiple of 64 rows each
// CHECK:         tile.launch @forward_matmul_lhs grid
// CHECK:         tile.launch @forward_matmul_rhs grid
// CHECK:         tile.launch @forward_matmul grid

// Panels of rhs begin anew for each expert.
// CHECK-LABEL: func.func @forward_matmul_rhs(
// CHECK:         arith.divui
// CHECK:         arith.subi
// CHECK:         tile.load

// CHECK-LABEL: func.func @forward_matmul(
// CHECK:         st.shared.v4.b32
// CHECK:         fence.proxy.async.shared::cta
// CHECK:         scf.while
// Of wide tiles each block copies half of A's panel to both, and two panels of B.
// CHECK:         scf.if
// CHECK:         arith.muli {{.*}}, %c8192_i32
// CHECK:         multicast::cluster{{.*}} %{{.*}}, %{{.*}}, %c8192_i32
// CHECK:         llvm.inline_asm {{.*}} %c16384_i32
// CHECK:         llvm.inline_asm {{.*}} %c16384_i32
// CHECK:         else
// CHECK:         llvm.inline_asm {{.*}} %c16384_i32
// CHECK:         multicast::cluster{{.*}} %c16384_i32
// CHECK:         wgmma.mma_async
// LLVM-LABEL:  llvm.func @forward_matmul(
func.func @forward(%x: !a, %w: !w, %i: tensor<?xi32>) -> tensor<?x?xf32> {
  %y = quad.matmul %x, %w groups(%i : tensor<?xi32>) : !a, !w -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

#b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
// CHECK-LABEL: func.func @weights(
// CHECK:         tile.launch @weights_matmul_groups grid
// CHECK:         tile.launch @weights_matmul grid
// CHECK-LABEL: func.func @weights_matmul_lhs(
// CHECK:         tile.store
// CHECK-LABEL: func.func @weights_matmul(
// CHECK-COUNT-8: arith.select {{.*}} : i64
// CHECK:         wgmma.mma_async
// LLVM-LABEL:  llvm.func @weights_matmul(
!ag = !quad.tensor<?x?, #b, axis = 1, grouped>
!bg = !quad.tensor<?x?, #b, axis = 0, grouped>
func.func @weights(%a: !ag, %b: !bg, %i: tensor<?xi32>) -> tensor<?x?xf32> {
  %y = quad.matmul %a, %b groups(%i : tensor<?xi32>) : !ag, !bg -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
