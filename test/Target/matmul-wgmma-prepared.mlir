// What is prepared for wgmma: panels, of an 8-bit carrier with the exponents of rows, flags, and the codes and scales.
//
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=sm_90a 2>/dev/null | FileCheck %s

#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
!q = !quad.tensor<?x?, #nvfp4, axis = 1>
// CHECK:       module attributes {quadrille.prepared = "[{\22block_bytes\22:16384,\22form\22:\22bf16 panels of 128 x 64\22,\22k_block\22:64,\22panel_bytes\22:0,\22panel_rows\22:128}]"}
// CHECK-LABEL: func.func @bf16(
// CHECK-SAME:    %[[DATA:[a-z0-9]+]]: !tile.buffer<1 x i8> {tile.out}, %[[SCALE:[a-z0-9]+]]: !tile.buffer<1 x f32> {tile.out})
// CHECK:         tile.launch @bf16_prepare {{.*}}%[[DATA]]
// CHECK:         tile.launch @bf16_prepare_tensor_scale {{.*}}%[[SCALE]]
func.func @bf16(%q: !q) -> !quad.prepared<!q> {
  %p = quad.prepare %q {side = #quad.side<rhs>, other = #nvfp4} : !q -> !quad.prepared<!q>
  return %p : !quad.prepared<!q>
}

// -----

#mx = #quad.format<"M", grid = e1m2, levels = [<1x32, e8m0, up>]>
!q = !quad.tensor<?x?, #mx, axis = 1>
// CHECK:       \22block_bytes\22:25088,\22form\22:\22e5m2 panels of 128 x 128, {{.*}} of a row's exponent\22,\22k_block\22:128,\22panel_bytes\22:1024,
// CHECK-LABEL: func.func @folded(
// CHECK-SAME:    %[[DATA:[a-z0-9]+]]: !tile.buffer<1 x i8> {tile.out})
// CHECK:         %[[EXPONENTS:[a-z0-9_]+]] = tile.offset %[[DATA]], {{.*}} -> <1 x i32>
// CHECK:         %[[FLAGS:[a-z0-9_]+]] = tile.offset %[[DATA]], {{.*}} -> <1 x i32>
// CHECK:         tile.launch @folded_prepare_exponents {{.*}} args({{.*}}%[[EXPONENTS]]
// CHECK:         tile.launch @folded_prepare grid
// CHECK:         tile.launch @folded_prepare_codes grid
// CHECK:         tile.launch @folded_prepare_scales grid
func.func @folded(%q: !q) -> !quad.prepared<!q> {
  %p = quad.prepare %q {side = #quad.side<rhs>, other = #mx} : !q -> !quad.prepared<!q>
  return %p : !quad.prepared<!q>
}

// -----

// Only the other operand is converted; products that overflow read what was kept.
#mx = #quad.format<"M", grid = e1m2, levels = [<1x32, e8m0, up>]>
!q = !quad.tensor<?x?, #mx, axis = 1>
!p = !quad.prepared<!quad.tensor<?x?, #mx, axis = 0>, "e5m2 panels of 128 x 128, 2^-14 to 2^15 of a row's exponent">
// CHECK-LABEL: func.func @product(
// CHECK:         tile.check {{.*}} "the bytes of a prepared operand are not as many as its shape needs"
// CHECK:         tile.check {{.*}} "an operand is prepared for another length of the contraction"
// CHECK-NOT:     matmul_rhs
// CHECK:         tile.launch @product_matmul grid
// CHECK:         tile.launch @product_matmul_overflow grid
func.func @product(%q: !q, %p: !p) -> tensor<?x?xbf16> {
  %y = quad.matmul %q, %p : !q, !p -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}
