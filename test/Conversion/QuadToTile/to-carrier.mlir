// Exponents of rows come first, from the scales alone; then bytes by tables, four to a word.
//
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=sm_90a | FileCheck %s

#mxuf4 = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
!q = !quad.tensor<?x?, #mxuf4, axis = 1>

// CHECK-LABEL: func.func @folded(
// CHECK:         tile.launch @folded_to_carrier_exponents
// CHECK:         tile.launch @folded_to_carrier
//
// CHECK-LABEL: func.func @folded_to_carrier(
// CHECK:         %[[WORDS:.*]] = tile.load {{.*}}alignment = 16 {{.*}} -> tensor<1x1024xi32
// CHECK:         %[[SCALES:.*]] = tile.load {{.*}} -> tensor<1x256xi8
// CHECK-NOT:     tile.convert_layout
// CHECK:         %[[BYTES:.*]] = tile.lookup_bytes %[[WORDS]], {{.*}} -> tensor<1x2048xi32
// CHECK:         tile.store {{.*}}alignment = 16 {{.*}} : tensor<1x2048xi32
// CHECK:         tile.atomic_reduce ori
//
// Eight lanes read a row, 16 bytes each.
// NaN, which is 255, has no part in the maximum; 142 = bias 127 + the highest exponent 15.
// CHECK-LABEL: func.func @folded_to_carrier_exponents(
// CHECK-DAG:     arith.constant dense<255>
// CHECK-DAG:     arith.constant dense<-142>
// CHECK:         scf.for
// CHECK:           tile.load {{.*}} -> tensor<16x128xi8
// CHECK:           arith.maxui
// CHECK:         tile.reduce maxui
// CHECK:         tile.store {{.*}} : tensor<16x1xi32
// CHECK:         tile.store {{.*}} : tensor<16x1xi32
func.func @folded(%q: !q {quad.alignment = 16 : i64}) -> (tensor<?x?xf8E5M2>, tensor<?xi32>, tensor<?xi32>) {
  %v:3 = quad.to_carrier %q : (!q) -> (tensor<?x?xf8E5M2>, tensor<?xi32>, tensor<?xi32>)
  return %v#0, %v#1, %v#2 : tensor<?x?xf8E5M2>, tensor<?xi32>, tensor<?xi32>
}

// -----

// Codes by bytes of their bf16 numbers, times the scales of blocks; the tensor's stays out.
//
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
// CHECK-LABEL: func.func @scaled_to_carrier(
// CHECK:         %[[PAIRS:.*]] = tile.lookup_pairs
// CHECK-NEXT:    tile.widen %[[PAIRS]] from bf16
// CHECK-NOT:     tile.load {{.*}} -> tensor<1x1xi32
// CHECK:         arith.trunci
// CHECK:         tile.store {{.*}}alignment = 16 {{.*}} : tensor<1x8192xi16
func.func @scaled(%q: !quad.tensor<?x?, #nvfp4, axis = 1>) -> tensor<?x?xbf16> {
  %v = quad.to_carrier %q : (!quad.tensor<?x?, #nvfp4, axis = 1>) -> tensor<?x?xbf16>
  return %v : tensor<?x?xbf16>
}
