// Stochastic rounding adds random bits, by the element's number in the output, below
// the last place of the code.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
#lut = #quad.format<"LUT", grid = lut<"odd", [-3.0, -1.0, 0.0, 0.25, 3.0]>, levels = [<1x16, f32, nearest>]>
#e4m3 = #quad.format<"E4M3", grid = e1m2, levels = [<1x16, e4m3, nearest>]>
!q = !quad.tensor<?x?, #ufp4b, axis = 1>
!e4m3 = !quad.tensor<?x?, #e4m3, axis = 1>
!lut = !quad.tensor<?x?, #lut, axis = 1>

// The sum may round to one code too large, 8, and is not clamped: eight codes at once are mended
// after packing took the constant and the random bits' places away (last-code.mlir).
//
// CHECK-LABEL: func.func @f_quantize_row(
// CHECK-DAG:     %[[ROW:.*]] = tile.program_id 1
// CHECK-DAG:     %[[COL:.*]] = arith.muli %{{.*}}, %c256_i64
// CHECK:         %[[M:.*]] = math.absf
// CHECK-NEXT:    %[[V:.*]] = arith.addf %[[M]], %
// CHECK-NEXT:    %[[BITS:.*]] = arith.bitcast %[[V]]
// CHECK-NEXT:    %[[SUM:.*]] = tile.random %{{.*}}, %{{.*}} at(%[[ROW]], %[[COL]]) of %{{.*}} bits = 8 rounds = 7 stream = 1 to %[[BITS]] : tensor<1x256xi32
// CHECK-NEXT:    %[[PACKED:.*]] = tile.pack %[[SUM]] {bias = 1178599424 : i32, shift = 8 : i32}
// CHECK-NEXT:    %[[TOP:.*]] = arith.shrui %[[PACKED]], %
// CHECK-NEXT:    %[[EIGHTS:.*]] = arith.andi %[[TOP]], %
// CHECK-NEXT:    arith.subi %[[PACKED]], %[[EIGHTS]] : tensor<1x32xi32
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %key: i64, %base: i64) -> !q {
  %q = quad.quantize %x key(%key, %base) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 1} : tensor<?x?xbf16> -> !q
  return %q : !q
}

// Where the scale bounds nothing, bits are clamped before the sum: the last code, 7 << 8, above the
// constant that packing takes away.
//
// CHECK-LABEL: func.func @clamped_quantize_row(
// CHECK:         %[[LAST:.*]] = arith.constant dense<1178601216> : tensor<1x256xi32
// CHECK:         %[[BITS:.*]] = arith.bitcast %{{.*}} : tensor<1x256xf32{{.*}} to tensor<1x256xi32
// CHECK-NEXT:    %[[I:.*]] = arith.minui %[[BITS]], %[[LAST]]
// CHECK-NEXT:    %[[SUM:.*]] = tile.random %{{.*}} to %[[I]] : tensor<1x256xi32
// CHECK-NEXT:    tile.pack %[[SUM]] {bias = 1178599424 : i32, shift = 8 : i32}
// CHECK-NEXT:    tile.pack_signs
func.func @clamped(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %key: i64, %base: i64) -> !e4m3 {
  %q = quad.quantize %x key(%key, %base) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 1} : tensor<?x?xbf16> -> !e4m3
  return %q : !e4m3
}

// On a user's grid the position between neighbours decides.
//
// CHECK-LABEL: func.func @lut_quantize_row(
// CHECK:         arith.addf
// CHECK-NEXT:    arith.bitcast
// CHECK-NEXT:    %[[POSITION:.*]] = arith.andi %{{.*}} : tensor<1x256xi32
// CHECK-NEXT:    %[[SUM:.*]] = tile.random %{{.*}} bits = 16 rounds = 10 stream = 0 to %[[POSITION]]
// CHECK-NEXT:    %[[FAR:.*]] = arith.cmpi uge, %[[SUM]]
// CHECK-NEXT:    %[[CODES:.*]] = arith.select %[[FAR]]
// CHECK-NEXT:    tile.pack %[[CODES]] :
func.func @lut(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %key: i64, %base: i64) -> !lut {
  %q = quad.quantize %x key(%key, %base) {axis = 1, rounding = #quad.stochastic<bits = 16, rounds = 10>, stream = 0} : tensor<?x?xbf16> -> !lut
  return %q : !lut
}

// A step in memory is read by the kernel and added to the key.
//
// CHECK-LABEL: func.func @stepped_quantize_row(
// CHECK:         %[[STEP:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK:         %[[KEY:.*]] = arith.addi %{{.*}}, %[[STEP]] : i64
// CHECK:         tile.random %[[KEY]],
func.func @stepped(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %key: i64, %base: i64, %step: tensor<1xi64>) -> !q {
  %q = quad.quantize %x key(%key, %base) step(%step) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 0} : tensor<?x?xbf16> -> !q
  return %q : !q
}
