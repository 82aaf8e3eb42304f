// Of a format's two grids a block uses the one that its rule chooses: the codes of both are
// made, and a mask of blocks selects. The choice is the sign of the block's scale.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=sm_90a | FileCheck %s --check-prefix=GPU
// RUN: quad-opt %s --quad-to-tile=target=gfx942 | FileCheck %s --check-prefix=GPU

#mix = #quad.format<"MIX", grid = e2m1 or int4, levels = [<1x16, e4m3, @rule>]>
!q = !quad.tensor<?x?, #mix, axis = 1>

// CHECK-LABEL: func.func @quantize_quantize_row(
// CHECK:         %[[BITS:.*]] = arith.bitcast %{{.*}} : tensor<1x1x16x1xf32
// CHECK:         %[[FLAG:.*]] = arith.cmpf ogt, %{{.*}} : tensor<1x1x16x1xf32
// CHECK:         %[[FINITE:.*]] = arith.cmpi ult, %[[BITS]]
// CHECK:         %[[SCALE:.*]] = arith.select %[[FINITE]]
// CHECK:         %[[CHOSEN:.*]] = arith.select %[[FLAG]], %{{.*}} : {{.*}}tensor<1x1x16x1xi32
// A NaN has no choice.
// CHECK:         %[[NAN:.*]] = arith.cmpi eq, %[[SCALE]]
// CHECK-NEXT:    %[[CHOICE:.*]] = arith.select %[[NAN]], %{{.*}}, %[[CHOSEN]]
// What is stored has the sign, what divides has not.
// CHECK:         %[[BIT:.*]] = arith.andi %[[CHOICE]]
// CHECK-NEXT:    %[[STORED:.*]] = arith.ori %[[SCALE]], %[[BIT]]
// CHECK:         arith.trunci
// CHECK:         tile.store
// CHECK:         arith.divf
// Codes of E2M1, of three pieces, then of INT4, of one; what differs is taken where the mask says.
// CHECK:         %[[ABS:.*]] = math.absf
// CHECK-NEXT:    arith.addf %[[ABS]], %
// CHECK:         math.fma %[[ABS]], %
// CHECK:         math.fma %[[ABS]], %
// CHECK:         %[[LAST:.*]] = arith.minui %{{.*}}, %cst
// CHECK-NEXT:    tile.pack %[[LAST]] {bias = 1254096896 : i32}
// CHECK:         %[[FIRST:.*]] = arith.ori
// CHECK-NEXT:    %[[ROUNDED:.*]] = arith.addf %[[ABS]], %
// CHECK-NEXT:    %[[VALUE:.*]] = arith.bitcast %[[ROUNDED]]
// CHECK-NEXT:    %[[SEVEN:.*]] = arith.minui %[[VALUE]], %cst
// CHECK-NEXT:    tile.pack %[[SEVEN]] {bias = 1262485504 : i32}
// CHECK:         arith.xori
// CHECK-NEXT:    %[[SECOND:.*]] = arith.addi
// CHECK-NEXT:    %[[MASK:.*]] = tile.broadcast %[[CHOICE]]
// CHECK:         %[[DIFFERS:.*]] = arith.xori %[[FIRST]], %[[SECOND]]
// CHECK-NEXT:    %[[TAKEN:.*]] = arith.andi %[[DIFFERS]]
// CHECK-NEXT:    %[[WORDS:.*]] = arith.xori %[[FIRST]], %[[TAKEN]]
// CHECK:         arith.andi %[[WORDS]]
// GPU-LABEL:   func.func @quantize_quantize_row(
// GPU:           tile.pack %{{.*}} {bias = 1254096896 : i32}
// GPU:           tile.pack %{{.*}} {bias = 1262485504 : i32}
// GPU:           arith.xori
func.func @quantize(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !q {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !q
  return %q : !q
}

// The scales are read first: their sign chooses a table, the rest multiplies.
//
// CHECK-LABEL: func.func @dequantize_dequantize(
// CHECK:         %[[CODES:.*]] = tile.unpack
// CHECK-NEXT:    %[[A:.*]] = tile.lookup %[[CODES]], [0.000000e+00, 5.000000e-01,
// CHECK:         tile.load %{{.*}}xi8
// CHECK:         %[[SCALES:.*]] = tile.reshape
// CHECK:         %[[SIGN:.*]] = arith.andi %[[SCALES]]
// CHECK:         tile.broadcast %[[SIGN]]
// CHECK:         %[[OTHER:.*]] = arith.cmpi ne
// CHECK-NEXT:    %[[B:.*]] = tile.lookup %[[CODES]], [0.000000e+00, 1.000000e+00,
// CHECK-NEXT:    arith.select %[[OTHER]], %[[B]], %[[A]]
// CHECK:         arith.andi %[[SCALES]]
// CHECK-NOT:     tile.load
// CHECK:         arith.mulf
// GPU-LABEL:   func.func @dequantize_dequantize(
// Where bytes are permuted, codes are looked up a word at once.
// GPU:           %[[WORDS:.*]] = tile.load %{{.*}}xi32
// GPU-NEXT:      %[[PAIRS:.*]] = tile.lookup_pairs %[[WORDS]], [0, 16128,
// GPU-NEXT:      %[[A:.*]] = tile.widen %[[PAIRS]] from bf16
// GPU:           tile.load %{{.*}}xi8
// GPU:           %[[OTHER:.*]] = arith.cmpi ne
// GPU-NEXT:      %[[MORE:.*]] = tile.lookup_pairs %[[WORDS]], [0, 16256,
// GPU-NEXT:      %[[B:.*]] = tile.widen %[[MORE]] from bf16
// GPU-NEXT:      arith.select %[[OTHER]], %[[B]], %[[A]]
func.func @dequantize(%q: !q) -> tensor<?x?xf32> {
  %d = quad.dequantize %q : !q -> tensor<?x?xf32>
  return %d : tensor<?x?xf32>
}

quad.scale_rule @rule(%block: tensor<16xf32>) -> (tensor<f32>, tensor<i1>) {
  %abs = math.absf %block : tensor<16xf32>
  %amax = quad.block_reduce max %abs : tensor<16xf32> -> tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %choice = arith.cmpf ogt, %amax, %one : tensor<f32>
  quad.yield %amax, %choice : tensor<f32>, tensor<i1>
}
