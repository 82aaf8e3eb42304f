// `quad.tuning` of a function goes to its kernels and takes the place of heuristics; a tile
// program says which numbers it was made with.
//
// RUN: quad-opt %s --quad-to-tile=target=sm_90a | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s --check-prefix=HOST
// RUN: quad-opt %s --quad-to-ptx=target=sm_90a | FileCheck %s --check-prefix=PTX

#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!row = !quad.tensor<?x?, #nvfp4, axis = 1>
!column = !quad.tensor<?x?, #nvfp4, axis = 0>

// Two tiles of 32 elements a lane in place of four of 16; a host has nothing to read ahead.
//
// CHECK-LABEL: func.func @row(
// CHECK:         %[[TILES:.*]] = arith.ceildivsi %{{.*}}, %c4096_i64
// CHECK-NEXT:    %[[GRID:.*]] = arith.ceildivsi %[[TILES]], %c2_i64
// CHECK-NEXT:    tile.launch @row_quantize_row grid(%[[GRID]], %
// CHECK-LABEL: func.func @row_quantize_row(
// CHECK-SAME:    tile.tuned = {elements_per_lane = 32 : i64, tiles_per_program = 2 : i64}}
// CHECK:         scf.if
// CHECK-COUNT-2: tile.load {{.*}} -> tensor<1x4096xi16, #tile.layout<reg = [1, 2, 4, 8, 16], lane = [32,
// CHECK-NOT:     tile.load
// CHECK:         scf.for %{{.*}} = %c0_i64 to %c2_i64 step %c1_i64
//
// HOST-LABEL:  func.func @row_quantize_row(
// HOST-SAME:     tile.tuned = {elements_per_lane = 32 : i64}}
// HOST-NOT:      scf
// HOST:          tile.load {{.*}} -> tensor<1x512xi16
// HOST-NOT:      scf
//
// PTX-LABEL:   llvm.func @row_quantize_row(
// PTX-NOT:       tuned
func.func @row(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !row
    attributes {quad.tuning = {elements_per_lane = 32, tiles_per_program = 2}} {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %q : !row
}

// What is not set stays a heuristic. A tile of a column kernel grows along the axis where it
// reaches less far along memory.
//
// CHECK-LABEL: func.func @column_quantize_column(
// CHECK-SAME:    tile.tuned = {column_elements_per_lane = 64 : i64, column_reach = 32 : i64}}
// CHECK:         tile.load {{.*}} -> tensor<256x32xi16
//
// CHECK-LABEL: func.func @pair_quantize_pair(
// CHECK-SAME:    tile.tuned = {column_elements_per_lane = 32 : i64, column_reach = 64 : i64}}
// CHECK:         tile.load {{.*}} -> tensor<64x64xi16
// CHECK:         tile.convert_layout {{.*}} -> tensor<64x64xi16, #tile.layout<reg = [1, 2, 4, 8, 16], lane = [64,
func.func @column(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !column
    attributes {quad.tuning = {column_reach = 32}} {
  %q = quad.quantize %x {axis = 0} : tensor<?x?xbf16> -> !column
  return %q : !column
}
func.func @pair(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> (!row, !column)
    attributes {quad.tuning = {column_elements_per_lane = 32}} {
  %r = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  %c = quad.quantize %x {axis = 0} : tensor<?x?xbf16> -> !column
  return %r, %c : !row, !column
}
