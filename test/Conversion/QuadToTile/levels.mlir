// Scales of several levels, from the outermost to the innermost.
//
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=host:avx512 | FileCheck %s

// The amax of the whole tensor comes from two kernels before. Every program makes the
// tensor scale; the bounds let the first alone store it.
//
// An empty tensor has that scale too: one program at least runs.
//
// CHECK-LABEL: func.func @tensor(
// CHECK:         %[[WORD:.*]] = tile.alloc %c4_i64 : <1 x f32>
// CHECK:         tile.launch @tensor_amax_start grid(%[[ONE:.*]], %[[ONE]]) args(%[[WORD]] :
// CHECK:         tile.launch @tensor_amax grid{{.*}}, %[[WORD]] :
// CHECK-COUNT-2: arith.maxsi
// CHECK:         tile.launch @tensor_quantize_row grid{{.*}}, %[[WORD]],
// CHECK-LABEL: func.func @tensor_quantize_row(
// CHECK:         %[[Y:.*]] = tile.program_id 1
// CHECK:         %[[X:.*]] = tile.program_id 0
// CHECK:         %[[AMAX:.*]] = tile.load %{{.*}} -> tensor<1x1xf32
// Divided by what the largest value is to become: by products, of which two are fused.
// CHECK:         %[[Q:.*]] = arith.mulf %[[SIGNIFICAND:.*]], %[[RECIPROCAL:.*]] : tensor<1x1xf32
// CHECK-NEXT:    %[[REMAINDER:.*]] = math.fma %[[Q]], %{{.*}}, %[[SIGNIFICAND]] : tensor<1x1xf32
// CHECK-NEXT:    math.fma %[[REMAINDER]], %[[RECIPROCAL]], %[[Q]] : tensor<1x1xf32
// CHECK-NOT:     arith.divf
// CHECK:         tile.store %[[T:.*]], %{{.*}}[%[[Y]], %[[X]]] bounds(%[[ONE:.*]], %[[ONE]]) strides(%[[ONE]], %[[ONE]]) {alignment = 4 : i64, granularity = 1 : i64} : tensor<1x1xi32
// CHECK:         arith.bitcast %[[T]]
// CHECK-NEXT:    %[[R:.*]] = arith.divf
// CHECK-NEXT:    tile.broadcast %[[R]]
// CHECK-NEXT:    arith.mulf
// Then the blocks of what that left.
// CHECK:         tile.reduce{{ +}}amax {{.*}} dims = [1, 3] : tensor<1x1x16x16xf32
// CHECK:         tile.store {{.*}} inside %{{.*}} : tensor<1x16xi8
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
func.func @tensor(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !quad.tensor<?x?, #nvfp4, axis = 1> {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #nvfp4, axis = 1>
  return %q : !quad.tensor<?x?, #nvfp4, axis = 1>
}

// -----

// Blocks of 16 rows: the tile holds as many, and there are scales for ceil(rows / 16).
//
// CHECK-LABEL: func.func @square(
// CHECK:         %[[ROWS:.*]] = tile.dim %{{.*}}, 0
// CHECK:         arith.ceildivsi %[[ROWS]], %c16_i64
// CHECK-LABEL: func.func @square_quantize_row(
// CHECK:         %[[BLOCKS:.*]] = tile.reshape {{.*}} -> tensor<1x16x{{[0-9]+}}x16xf32
// CHECK:         tile.reduce{{ +}}amax %[[BLOCKS]] dims = [1, 3] : tensor<1x16x{{[0-9]+}}x16xf32, {{.*}} -> tensor<1x1x
// CHECK:         tile.broadcast {{.*}} -> tensor<1x16x
#square = #quad.format<"NVFP4_16x16", grid = e2m1, levels = [<16x16, e4m3, nearest>, <tensor, f32, nearest>]>
func.func @square(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %a: tensor<1xf32>) -> !quad.tensor<?x?, #square, axis = 1> {
  %q = quad.quantize %x amax(%a) {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #square, axis = 1>
  return %q : !quad.tensor<?x?, #square, axis = 1>
}

// -----

// A power of two needs no division: exponents are subtracted. Nor a product with each element,
// for rounding multiplies by it, and by the slope of each piece of the grid.
//
// CHECK-LABEL: func.func @power_of_two_quantize_row(
// CHECK:         %[[X:.*]] = tile.convert_layout
// CHECK-NOT:     arith.divf
// CHECK:         tile.store {{.*}} : tensor<1x8xi8
// CHECK-NOT:     arith.divf
// CHECK-NOT:     arith.mulf
// CHECK:         %[[FACTOR:.*]] = tile.reshape %{{.*}} -> tensor<1x256xf32
// CHECK-NEXT:    %[[ABS:.*]] = math.absf %[[X]]
// CHECK-NEXT:    math.fma %[[ABS]], %[[FACTOR]], %
// CHECK:         %[[HALF:.*]] = arith.mulf %[[FACTOR]], %
// CHECK-NEXT:    math.fma %[[ABS]], %[[HALF]], %
// CHECK:         %[[QUARTER:.*]] = arith.mulf %[[FACTOR]], %
// CHECK-NEXT:    math.fma %[[ABS]], %[[QUARTER]], %
// CHECK:         tile.pack_signs %[[X]] :
#mxfp4 = #quad.format<"MXFP4", grid = e2m1, levels = [<1x32, e8m0, ocp>]>
func.func @power_of_two(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !quad.tensor<?x?, #mxfp4, axis = 1> {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #mxfp4, axis = 1>
  return %q : !quad.tensor<?x?, #mxfp4, axis = 1>
}

// -----

// HiF4: the largest of 4, of 8 and of 64; one-bit exponents packed from the lowest
// bit, 16 and 8 of them for each scale of 64. Elements are multiplied by the reciprocal of
// that scale, and by the halvings of the exponents where they are rounded.
//
// CHECK-LABEL: func.func @hif4_quantize_row(
// CHECK:         tile.reduce{{ +}}amax %{{.*}} : tensor<[[ROWS:[0-9]+]]x64x4xf32
// CHECK:         tile.reduce{{ +}}amax %{{.*}} : tensor<[[ROWS]]x32x2xf32
// CHECK:         tile.reduce{{ +}}amax %{{.*}} : tensor<[[ROWS]]x4x8xf32
// CHECK:         %[[Y:.*]] = arith.mulf %{{.*}} : tensor<[[ROWS]]x256xf32
// CHECK:         %[[HALVINGS:.*]] = arith.mulf %{{.*}} : tensor<[[ROWS]]x64xf32
// CHECK-NEXT:    %[[OF_FOUR:.*]] = tile.reshape %[[HALVINGS]]
// CHECK-NEXT:    %[[REPEATED:.*]] = tile.broadcast %[[OF_FOUR]]
// CHECK-NEXT:    %[[FACTOR:.*]] = tile.reshape %[[REPEATED]] {{.*}} -> tensor<[[ROWS]]x256xf32
// CHECK:         tile.iota 2 : tensor<[[ROWS]]x4x16xi32
// CHECK:         tile.reduce{{ +}}ori
// CHECK:         tile.store {{.*}} : tensor<[[ROWS]]x4xi16
// CHECK:         tile.iota 2 : tensor<[[ROWS]]x4x8xi32
// CHECK:         tile.reduce{{ +}}ori
// CHECK:         tile.store {{.*}} : tensor<[[ROWS]]x4xi8
// CHECK:         tile.store {{.*}} : tensor<[[ROWS]]x4xi8
// CHECK:         %[[ABS:.*]] = math.absf %[[Y]]
// CHECK-NEXT:    math.fma %[[ABS]], %[[FACTOR]], %
// CHECK:         tile.pack %
#hif4 = #quad.format<"HIF4", grid = e1m2, levels = [<1x4, e1, hif4>, <1x8, e1, hif4>, <1x64, e6m2, hif4>]>
func.func @hif4(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !quad.tensor<?x?, #hif4, axis = 1> {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #hif4, axis = 1>
  return %q : !quad.tensor<?x?, #hif4, axis = 1>
}

// -----

// Blocks shorter than a word: what NaN makes of one block's codes would be carried into another's
// by the sum that packs them, before the mask; a clamp makes codes of it.
//
// CHECK-LABEL: func.func @short_quantize_row(
// CHECK:         %[[ROUNDED:.*]] = arith.addf %{{.*}} : tensor<1x256xf32
// CHECK-NEXT:    %[[BITS:.*]] = arith.bitcast %[[ROUNDED]]
// CHECK-NEXT:    %[[CLAMPED:.*]] = arith.minui %[[BITS]], %
// CHECK-NEXT:    tile.pack %[[CLAMPED]] {bias
#short = #quad.format<"SHORT", grid = e1m2, levels = [<1x4, bf16, nearest>]>
func.func @short(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !quad.tensor<?x?, #short, axis = 1> {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #short, axis = 1>
  return %q : !quad.tensor<?x?, #short, axis = 1>
}
