// The layout blocked128x4: rows as 128 x 4 x 32 and columns as 4 have a stride each.
//
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=host:avx512 | FileCheck %s
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=sm_90a | FileCheck %s --check-prefix=SIMT

#mxfp4 = #quad.format<"MXFP4", grid = e2m1, levels = [<1x32, e8m0, ocp>]>
!q = !quad.tensor<?x?, #mxfp4, axis = 1>
!b = !quad.tensor<?x?, #mxfp4, axis = 1, scales = blocked128x4>

// Programs cover the padding too: 128 rows and 4 scales.
//
// CHECK-LABEL: func.func @quantize(
// CHECK-DAG:     %[[FOUR:.*]] = arith.constant 4 : i64
// CHECK-DAG:     %[[MANY:.*]] = arith.constant 128 : i64
// CHECK:         arith.ceildivsi %{{.*}}, %[[MANY]]
// CHECK:         arith.ceildivsi %{{.*}}, %[[FOUR]]
// CHECK:         tile.launch @quantize_quantize_row
// CHECK-LABEL: func.func @quantize_quantize_row(
// CHECK-DAG:     %[[QUARTER:.*]] = arith.constant 4 : i64
// CHECK-DAG:     %[[ROW:.*]] = arith.constant 16 : i64
// CHECK-DAG:     %[[TILE:.*]] = arith.constant 512 : i64
// CHECK-DAG:     %[[ONE:.*]] = arith.constant 1 : i64
// Zeros where there is no block.
// CHECK:         %[[BITS:.*]] = arith.select %{{.*}}, %{{.*}}, %{{.*}} : tensor<1x{{[0-9]+}}xi1
// CHECK:         arith.trunci %[[BITS]]
// CHECK:         %[[ACROSS:.*]] = arith.muli %{{.*}}, %[[TILE]]
// CHECK:         tile.store {{.*}} strides(%[[ACROSS]], %[[QUARTER]], %[[ROW]], %[[TILE]], %[[ONE]]) : tensor<1x1x1x{{[0-9]+}}x4xi8
//
// SIMT-LABEL: func.func @quantize_quantize_row(
// SIMT:         tile.store {{.*}} : tensor<1x1x1x{{[0-9]+}}x4xi8
func.func @quantize(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !b {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !b
  return %q : !b
}

// -----

#mxfp4 = #quad.format<"MXFP4", grid = e2m1, levels = [<1x32, e8m0, ocp>]>
!b = !quad.tensor<?x?, #mxfp4, axis = 1, scales = blocked128x4>

// CHECK-LABEL: func.func @dequantize_dequantize(
// CHECK:         tile.load {{.*}} -> tensor<1x1x1x{{[0-9]+}}x4xi8
func.func @dequantize(%q: !b) -> tensor<?x?xf32> {
  %x = quad.dequantize %q : !b -> tensor<?x?xf32>
  return %x : tensor<?x?xf32>
}

// -----

#mxfp4 = #quad.format<"MXFP4", grid = e2m1, levels = [<1x32, e8m0, ocp>]>
!q = !quad.tensor<?x?, #mxfp4, axis = 1>
!b = !quad.tensor<?x?, #mxfp4, axis = 1, scales = blocked128x4>

// A lane has four neighbours of a row.
//
// SIMT-LABEL: func.func @to_blocked_scales(
// SIMT:         %[[S:.*]] = tile.load %{{.*}} -> tensor<128x4xi8, #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32, 64], warp = [128, 256]>>
// SIMT:         %[[T:.*]] = tile.reshape {{.*}} -> tensor<1x4x32x1x4xi8
// SIMT:         tile.store %[[T]]
func.func @to_blocked(%q: !q) -> tensor<?x?xi8> {
  %s = quad.scales %q {layout = #quad.scale_layout<blocked128x4>} : !q -> tensor<?x?xi8>
  return %s : tensor<?x?xi8>
}

// SIMT-LABEL: func.func @to_row_major_scales(
// SIMT:         %[[S:.*]] = tile.load %{{.*}} -> tensor<1x4x32x1x4xi8
// SIMT:         %[[T:.*]] = tile.reshape %[[S]] {{.*}} -> tensor<128x4xi8
// SIMT:         tile.store
func.func @to_row_major(%q: !b) -> tensor<?x?xi8> {
  %s = quad.scales %q {layout = #quad.scale_layout<row_major>} : !b -> tensor<?x?xi8>
  return %s : tensor<?x?xi8>
}
