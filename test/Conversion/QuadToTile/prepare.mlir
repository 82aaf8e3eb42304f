// An operand packed once: the module says how its bytes are counted, and a product reads them.
//
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=host:avx512 --verify-diagnostics | FileCheck %s

#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
!q = !quad.tensor<?x?, #nvfp4, axis = 1>

// CHECK:       module attributes {quadrille.prepared = "[{\22block_bytes\22:2048,\22form\22:\22rhs in f32 panels of 32 x 16\22,\22k_block\22:16,\22panel_bytes\22:0,\22panel_rows\22:32}]"}
// CHECK-LABEL: func.func @prepare(
// CHECK-SAME:    %[[DATA:[a-z0-9]+]]: !tile.buffer<1 x i8> {tile.out}, %[[SCALE:[a-z0-9]+]]: !tile.buffer<1 x f32> {tile.out})
// CHECK:         tile.launch @prepare_prepare {{.*}} args(%[[DATA]], {{.*}}, %[[SCALE]] :
func.func @prepare(%q: !q) -> !quad.prepared<!q> {
  // expected-remark @+1 {{carrier f32}}
  %p = quad.prepare %q {side = #quad.side<rhs>, other = #nvfp4} : !q -> !quad.prepared<!q>
  return %p : !quad.prepared<!q>
}

// -----

// No pack but that of the other side. Rows and length are numbers of the caller.
//
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
!q = !quad.tensor<?x?, #nvfp4, axis = 1>
!p = !quad.prepared<!quad.tensor<?x?, #nvfp4, axis = 0>, "rhs in f32 panels of 32 x 16">
// CHECK-LABEL: func.func @product(
// CHECK-SAME:    %[[DATA:[a-z0-9]+]]: !tile.buffer<1 x i8>, %[[SCALE:[a-z0-9]+]]: !tile.buffer<1 x f32>, %{{.*}}: i64, %{{.*}}: i64,
// CHECK:         tile.check {{.*}} "the bytes of a prepared operand are not as many as its shape needs"
// CHECK:         tile.check {{.*}} "an operand is prepared for another length of the contraction"
// CHECK:         tile.launch @product_matmul_pack_lhs
// CHECK-NOT:     pack_rhs
// CHECK:         tile.launch @product_matmul grid({{.*}}) args(%{{[a-z0-9]+}}, %[[DATA]], {{.*}}, %[[SCALE]] :
func.func @product(%q: !q, %p: !p) -> tensor<?x?xbf16> {
  // expected-remark @+1 {{carrier f32}}
  %y = quad.matmul %q, %p : !q, !p -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}
