// A program of a GPU quantizes four tiles that follow each other along the axis. Where all are
// inside they are unrolled, need no masks, and the next one is loaded before the work on this
// one; a program at the end has a loop. On the host a program has one tile.
//
// RUN: quad-opt %s --quad-to-tile=target=sm_90a | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=gfx942 | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s --check-prefix=HOST --implicit-check-not=scf.

#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!row = !quad.tensor<?x?, #nvfp4, axis = 1>

// CHECK-LABEL: func.func @f(
// CHECK:         %[[TILES:.*]] = arith.ceildivsi %{{.*}}, %c2048_i64
// CHECK-NEXT:    %[[GRID:.*]] = arith.ceildivsi %[[TILES]], %c4_i64
// CHECK-NEXT:    tile.launch @f_quantize_row grid(%[[GRID]], %
//
// CHECK-LABEL: func.func @f_quantize_row(
// CHECK-SAME:    %[[ROWS:[a-z0-9]+]]: i64, %[[LENGTH:[a-z0-9]+]]: i64, %{{[a-z0-9]+}}: i64, %[[X:[a-z0-9]+]]: !llvm.ptr, %{{.*}}, %[[SCALES:[a-z0-9]+]]: !llvm.ptr, %[[CODES:[a-z0-9]+]]: !llvm.ptr) attributes
// CHECK:         %[[P:.*]] = tile.program_id 1
// CHECK:         %[[ID:.*]] = tile.program_id 0
// CHECK-NEXT:    %[[ORIGIN:.*]] = arith.muli %[[ID]], %c8192_i64
// CHECK-NEXT:    %[[ROW_END:.*]] = arith.addi %[[P]], %c1_i64
// CHECK-NEXT:    %[[ROW_FITS:.*]] = arith.cmpi sle, %[[ROW_END]], %[[ROWS]]
// CHECK-NEXT:    %[[END:.*]] = arith.addi %[[ORIGIN]], %c8192_i64
// CHECK-NEXT:    %[[FIT:.*]] = arith.cmpi sle, %[[END]], %[[LENGTH]]
// CHECK-NEXT:    %[[INSIDE:.*]] = arith.andi %[[ROW_FITS]], %[[FIT]] : i1
// CHECK-NEXT:    scf.if %[[INSIDE]] {
// The first tile, and the second one before the work on the first.
// CHECK-NEXT:      %[[RAW0:.*]] = tile.load %[[X]][%[[P]], %[[ORIGIN]]] {{.*}} inside %true {{.*}} -> tensor<1x2048xi16
// CHECK-NEXT:      %[[AT1:.*]] = arith.addi %[[ORIGIN]], %c2048_i64
// CHECK-NEXT:      %[[RAW1:.*]] = tile.load %[[X]][%[[P]], %[[AT1]]] {{.*}} inside %true {{.*}} -> tensor<1x2048xi16
// CHECK-NEXT:      arith.extui %[[RAW0]]
// CHECK-NOT:       tile.load
// CHECK:           %[[BLOCK0:.*]] = arith.divui %[[ORIGIN]], %c16_i64
// CHECK-NEXT:      tile.store %{{.*}}, %[[SCALES]][%[[P]], %[[BLOCK0]]] {{.*}} inside %true
// CHECK-NOT:       tile.load
// CHECK:           %[[WORD0:.*]] = arith.divui %[[ORIGIN]], %c8_i64
// CHECK-NEXT:      tile.store %{{.*}}, %[[CODES]][%[[P]], %[[WORD0]]] {{.*}} inside %true
// CHECK-NEXT:      %[[AT2:.*]] = arith.addi %[[ORIGIN]], %c4096_i64
// CHECK-NEXT:      %[[RAW2:.*]] = tile.load %[[X]][%[[P]], %[[AT2]]] {{.*}} inside %true {{.*}} -> tensor<1x2048xi16
// CHECK-NEXT:      arith.extui %[[RAW1]]
// CHECK-NOT:       tile.load
// CHECK:           %[[BLOCK1:.*]] = arith.divui %[[AT1]], %c16_i64
// CHECK-NEXT:      tile.store %{{.*}}, %[[SCALES]][%[[P]], %[[BLOCK1]]] {{.*}} inside %true
// CHECK-NOT:       tile.load
// CHECK:           %[[WORD1:.*]] = arith.divui %[[AT1]], %c8_i64
// CHECK-NEXT:      tile.store %{{.*}}, %[[CODES]][%[[P]], %[[WORD1]]] {{.*}} inside %true
// CHECK-NEXT:      %[[AT3:.*]] = arith.addi %[[ORIGIN]], %c6144_i64
// CHECK-NEXT:      %[[RAW3:.*]] = tile.load %[[X]][%[[P]], %[[AT3]]] {{.*}} inside %true {{.*}} -> tensor<1x2048xi16
// CHECK-NEXT:      arith.extui %[[RAW2]]
// CHECK-NOT:       tile.load
// CHECK:           %[[BLOCK2:.*]] = arith.divui %[[AT2]], %c16_i64
// CHECK-NEXT:      tile.store %{{.*}}, %[[SCALES]][%[[P]], %[[BLOCK2]]] {{.*}} inside %true
// CHECK-NOT:       tile.load
// CHECK:           %[[WORD2:.*]] = arith.divui %[[AT2]], %c8_i64
// CHECK-NEXT:      tile.store %{{.*}}, %[[CODES]][%[[P]], %[[WORD2]]] {{.*}} inside %true
// The last one.
// CHECK-NEXT:      arith.extui %[[RAW3]]
// CHECK-NOT:       tile.load
// CHECK:           %[[BLOCK3:.*]] = arith.divui %[[AT3]], %c16_i64
// CHECK-NEXT:      tile.store %{{.*}}, %[[SCALES]][%[[P]], %[[BLOCK3]]] {{.*}} inside %true
// CHECK-NOT:       tile.load
// CHECK:           %[[WORD3:.*]] = arith.divui %[[AT3]], %c8_i64
// CHECK-NEXT:      tile.store %{{.*}}, %[[CODES]][%[[P]], %[[WORD3]]] {{.*}} inside %true
// Elsewhere a tile after the other, of each of which it is asked whether it is inside.
// CHECK-NEXT:    } else {
// CHECK-NEXT:      scf.for %[[I:.*]] = %c0_i64 to %c4_i64 step %c1_i64  : i64 {
// CHECK-NEXT:        %[[OFFSET:.*]] = arith.muli %[[I]], %c2048_i64
// CHECK-NEXT:        %[[AT:.*]] = arith.addi %[[ORIGIN]], %[[OFFSET]]
// CHECK-NEXT:        %[[TILE_END:.*]] = arith.addi %[[AT]], %c2048_i64
// CHECK-NEXT:        %[[TILE_FITS:.*]] = arith.cmpi sle, %[[TILE_END]], %[[LENGTH]]
// CHECK-NEXT:        %[[TILE_INSIDE:.*]] = arith.andi %[[ROW_FITS]], %[[TILE_FITS]] : i1
// CHECK-NEXT:        %[[RAW:.*]] = tile.load %[[X]][%[[P]], %[[AT]]] {{.*}} inside %[[TILE_INSIDE]] {{.*}} -> tensor<1x2048xi16
// CHECK-NEXT:        arith.extui %[[RAW]]
// CHECK-NOT:         tile.load
// CHECK:             %[[BLOCK:.*]] = arith.divui %[[AT]], %c16_i64
// CHECK-NEXT:        tile.store %{{.*}}, %[[SCALES]][%[[P]], %[[BLOCK]]] {{.*}} inside %[[TILE_INSIDE]]
// CHECK:             %[[WORD:.*]] = arith.divui %[[AT]], %c8_i64
// CHECK-NEXT:        tile.store %{{.*}}, %[[CODES]][%[[P]], %[[WORD]]] {{.*}} inside %[[TILE_INSIDE]]
// CHECK-NEXT:      {{^ *}$}}
// CHECK-NEXT:    {{^ *}$}}
// CHECK-NEXT:    return

// HOST-LABEL: func.func @f(
// HOST:         %[[TILES:.*]] = arith.ceildivsi %{{.*}}, %c256_i64
// HOST-NEXT:    tile.launch @f_quantize_row grid(%[[TILES]], %
// HOST-LABEL: func.func @f_quantize_row(
// HOST:         tile.load
// HOST-NOT:     tile.load
// HOST:         return
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !row {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %q : !row
}

// Blocks of 32 are a lane's. Across memory a program has one tile, which fills the registers.
//
// CHECK-LABEL: func.func @blocks_of_32_quantize_row(
// CHECK:         arith.muli %{{.*}}, %c16384_i64
// CHECK:         scf.if
// CHECK-COUNT-4: tile.load {{.*}} -> tensor<1x4096xi16, #tile.layout<reg = [1, 2, 4, 8, 16], lane = [32,
// CHECK-NOT:     tile.load
// CHECK:         scf.for %{{.*}} = %c0_i64 to %c4_i64 step %c1_i64
//
// CHECK-LABEL: func.func @column_quantize_column(
// CHECK:         %[[ACROSS:.*]] = arith.muli %{{.*}}, %c64_i64
// CHECK:         %[[ALONG:.*]] = arith.muli %{{.*}}, %c128_i64
// CHECK:         tile.load %{{.*}}[%[[ALONG]], %[[ACROSS]]]
// CHECK-NOT:     scf
// CHECK-NOT:     tile.load
// CHECK:         return
#mxfp4 = #quad.format<"MXFP4", grid = e2m1, levels = [<1x32, e8m0, ocp>]>
!blocks_of_32 = !quad.tensor<?x?, #mxfp4, axis = 1>
!column = !quad.tensor<?x?, #nvfp4, axis = 0>
func.func @blocks_of_32(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !blocks_of_32 {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !blocks_of_32
  return %q : !blocks_of_32
}
func.func @column(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !column {
  %q = quad.quantize %x {axis = 0} : tensor<?x?xbf16> -> !column
  return %q : !column
}
