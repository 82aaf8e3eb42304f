// Quantization along axis 0: a lane owns columns, so reads run along memory and the tile is
// transposed by name. Blocks never cross lanes.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=sm_90a | FileCheck %s --check-prefix=NVVM
// RUN: quad-opt %s --quad-to-tile=target=gfx942 | FileCheck %s --check-prefix=ROCDL

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!column = !quad.tensor<?x?, #ufp4b, axis = 0>
!row = !quad.tensor<?x?, #ufp4b, axis = 1>

// CHECK-LABEL: func.func @column(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: !tile.buffer<2 x bf16>
// CHECK:         %[[ROWS:.*]] = tile.dim %[[X]], 0
// CHECK:         %[[COLS:.*]] = tile.dim %[[X]], 1
// CHECK:         tile.check %{{.*}}, "the length of axis 0 must be
// CHECK:         %[[GX:.*]] = arith.ceildivsi %[[ROWS]], %c16_i64
// CHECK:         %[[GY:.*]] = arith.ceildivsi %[[COLS]], %c16_i64
// CHECK:         tile.launch @column_quantize_column grid(%[[GX]], %[[GY]])
// CHECK-LABEL: func.func @column_quantize_column(
// CHECK-NOT:     tile.convert_layout
// CHECK:         tile.load %{{.*}}[%[[A:.*]], %[[P:.*]]] bounds{{.*}} -> tensor<16x16xi16, #tile.layout<reg = [16, 32, 64, 128], lane = [1, 2, 4, 8], warp = []>>
// CHECK:         tile.transpose {{.*}} -> tensor<16x16xf32, #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32, 64, 128], warp = []>>
// CHECK:         tile.reduce{{ +}}amax {{.*}} dims = [1, 3] : tensor<16x1x1x16xf32
// The result is stored with the quantized axis last.
// CHECK:         tile.store %{{.*}}[%[[P]], %{{.*}}] {{.*}} : tensor<16x1xi16
// CHECK:         tile.store %{{.*}}[%[[P]], %{{.*}}] {{.*}} : tensor<16x2xi32

// On a GPU a lane has four neighbouring columns, read 8 bytes at a time, and sixteen lanes
// read 128 bytes of a row. A warp has less than a sector of 32 bytes of each row of the
// result, which is therefore arranged in the order of memory; waves of 64 lanes have one of
// codes.
//
// NVVM-LABEL: func.func @column_quantize_column(
// NVVM-COUNT-2: tile.load %{{.*}} inside %{{.*}} -> tensor<128x64xi16, #tile.layout<reg = [64, 128, 256, 512, 1, 2], lane = [4, 8, 16, 32, 1024], warp = [2048, 4096]>>
// NVVM-NOT:     tile.convert_layout
// NVVM:         tile.reduce{{ +}}amax {{.*}} dims = [1, 3] : tensor<64x1x8x16xf32, #tile.layout<reg = [1, 2, 4, 8, 128, 256], lane = [512, 1024, 2048, 4096, 16], warp = [32, 64]>>
// NVVM:         tile.convert_layout {{.*}} -> tensor<64x8xi16, #tile.layout<reg = [32, 64], lane = [1, 2, 4, 8, 16], warp = [128, 256]>>
// NVVM:         tile.convert_layout {{.*}} -> tensor<64x16xi32, #tile.layout<reg = [1, 64, 512], lane = [2, 4, 8, 16, 32], warp = [128, 256]>>
// ROCDL-LABEL: func.func @column_quantize_column(
// ROCDL:         tile.convert_layout {{.*}} -> tensor<64x8xi16
// ROCDL-NOT:     tile.convert_layout
// ROCDL:         tile.store %{{.*}} : tensor<64x16xi32, #tile.layout<reg = [1, 16, 32], lane = [64, 128, 256, 512, 2, 4], warp = [8]>>
func.func @column(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !column {
  %q = quad.quantize %x {axis = 0} : tensor<?x?xbf16> -> !column
  return %q : !column
}

// In a matrix that is contiguous along axis 0, that is the row quantization and
// axis 1 is the other.
//
// CHECK-LABEL: func.func @transposed_column_quantize_column(
// CHECK-NOT:     tile.transpose
// CHECK:         tile.pack
// CHECK-LABEL: func.func @transposed_row_quantize_row(
// CHECK:         tile.transpose
func.func @transposed_column(%x: tensor<?x?xbf16> {quad.unit_stride = 0 : i64}) -> !column {
  %q = quad.quantize %x {axis = 0} : tensor<?x?xbf16> -> !column
  return %q : !column
}
func.func @transposed_row(%x: tensor<?x?xbf16> {quad.unit_stride = 0 : i64}) -> !row {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %q : !row
}
