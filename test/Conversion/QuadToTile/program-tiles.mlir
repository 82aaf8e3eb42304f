// A program of a GPU quantizes four tiles that follow each other along the axis, and loads the
// next one before it works on this one. On the host a program has one.
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
// CHECK:         %[[NONE:.*]] = arith.constant dense<0> : tensor<1x2048xi16
// CHECK:         %[[P:.*]] = tile.program_id 1
// CHECK:         %[[ID:.*]] = tile.program_id 0
// CHECK-NEXT:    %[[ORIGIN:.*]] = arith.muli %[[ID]], %c8192_i64
// The first tile.
// CHECK:         %[[END:.*]] = arith.addi %[[ORIGIN]], %c2048_i64
// CHECK-NEXT:    %[[FITS:.*]] = arith.cmpi sle, %[[END]], %[[LENGTH]]
// CHECK-NEXT:    %[[INSIDE:.*]] = arith.andi %{{.*}}, %[[FITS]] : i1
// CHECK-NEXT:    %[[FIRST:.*]] = tile.load %[[X]][%[[P]], %[[ORIGIN]]] {{.*}} inside %[[INSIDE]] {{.*}} -> tensor<1x2048xi16
// CHECK-NEXT:    scf.for %[[I:.*]] = %c0_i64 to %c4_i64 step %c1_i64 iter_args(%[[RAW:.*]] = %[[FIRST]])
// CHECK-NEXT:      %[[OFFSET:.*]] = arith.muli %[[I]], %c2048_i64
// CHECK-NEXT:      %[[AT:.*]] = arith.addi %[[ORIGIN]], %[[OFFSET]]
// CHECK-NEXT:      %[[NEXT:.*]] = arith.addi %[[AT]], %c2048_i64
// All but the last load one more, of which it is asked anew whether it is inside.
// CHECK-NEXT:      %[[EXISTS:.*]] = arith.cmpi slt, %[[I]], %c3_i64
// CHECK-NEXT:      %[[FOLLOWING:.*]] = scf.if %[[EXISTS]]
// CHECK-NEXT:        %[[NEXT_END:.*]] = arith.addi %[[AT]], %c4096_i64
// CHECK-NEXT:        %[[NEXT_FITS:.*]] = arith.cmpi sle, %[[NEXT_END]], %[[LENGTH]]
// CHECK-NEXT:        %[[NEXT_INSIDE:.*]] = arith.andi %{{.*}}, %[[NEXT_FITS]] : i1
// CHECK-NEXT:        %[[LOADED:.*]] = tile.load %[[X]][%[[P]], %[[NEXT]]] {{.*}} inside %[[NEXT_INSIDE]] {{.*}} -> tensor<1x2048xi16
// CHECK-NEXT:        scf.yield %[[LOADED]] : tensor<1x2048xi16
// CHECK-NEXT:      } else {
// CHECK-NEXT:        scf.yield %[[NONE]] : tensor<1x2048xi16
// CHECK-NEXT:      }
// The work on this one, of which only the bits that were loaded are carried.
// CHECK-NEXT:      %[[THIS_FITS:.*]] = arith.cmpi sle, %[[NEXT]], %[[LENGTH]]
// CHECK-NEXT:      %[[THIS_INSIDE:.*]] = arith.andi %{{.*}}, %[[THIS_FITS]] : i1
// CHECK-NEXT:      arith.extui %[[RAW]]
// CHECK-NOT:       tile.load
// CHECK:           %[[BLOCK:.*]] = arith.divui %[[AT]], %c16_i64
// CHECK-NEXT:      tile.store %{{.*}}, %[[SCALES]][%[[P]], %[[BLOCK]]] {{.*}} inside %[[THIS_INSIDE]]
// CHECK:           %[[WORD:.*]] = arith.divui %[[AT]], %c8_i64
// CHECK-NEXT:      tile.store %{{.*}}, %[[CODES]][%[[P]], %[[WORD]]] {{.*}} inside %[[THIS_INSIDE]]
// CHECK-NEXT:      scf.yield %[[FOLLOWING]] : tensor<1x2048xi16
// CHECK-NEXT:    }
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
// CHECK:         tile.load {{.*}} -> tensor<1x4096xi16, #tile.layout<reg = [1, 2, 4, 8, 16], lane = [32,
// CHECK-NEXT:    scf.for %{{.*}} = %c0_i64 to %c4_i64 step %c1_i64
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
