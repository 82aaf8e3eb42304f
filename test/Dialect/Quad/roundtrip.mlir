// RUN: quad-opt %s | FileCheck %s
// RUN: quad-opt %s | quad-opt | FileCheck %s
// RUN: quad-opt %s --mlir-print-op-generic | quad-opt | FileCheck %s

// CHECK-DAG: #[[UFP4B:.+]] = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
// CHECK-DAG: #[[NVFP4:.+]] = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
// CHECK-DAG: #[[SQUARE:.+]] = #quad.format<"NVFP4_16x16", grid = e2m1, levels = [<16x16, e4m3, nearest>, <tensor, f32, nearest>]>
// CHECK-DAG: #[[HIF4:.+]] = #quad.format<"HIF4", grid = e1m2, levels = [<1x4, e1, hif4>, <1x8, e1, hif4>, <1x64, e6m2, hif4>]>
// CHECK-DAG: #[[FOO:.+]] = #quad.format<"4/6", grid = e2m1, levels = [<1x16, e4m3, @four_over_six>, <tensor, f32, nearest, qmax = 1536.0>]>
// CHECK-DAG: #[[LUT:.+]] = #quad.format<"Ternary", grid = lut<"ternary", [-1.0, 0.0, 0.1, 1.0], qmax = 1.0>, levels = [<1x32, e8m0, ocp>]>
// CHECK-DAG: #[[MIX:.+]] = #quad.format<"Mix", grid = e2m1 or int4, levels = [<1x16, e4m3, @with_choice>]>
// CHECK-DAG: #[[MIXLUT:.+]] = #quad.format<"MixLut", grid = lut<"ternary", [-1.0, 0.0, 0.1, 1.0], qmax = 1.0> or e1m2, levels = [<1x16, bf16, @with_choice>]>
// CHECK-DAG: #[[RHT:.+]] = #quad.rht<16, digest = 0xf234abcd5678ef00>
#ternary = #quad.grid<lut<"ternary", [-1.0, 0.0, 0.1, 1.0]>>
#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
#square = #quad.format<"NVFP4_16x16", grid = e2m1, levels = [<16x16, e4m3, nearest>, <tensor, f32, nearest>]>
#hif4 = #quad.format<"HIF4", grid = e1m2, levels = [<1x4, e1, hif4>, <1x8, e1, hif4>, <1x64, e6m2, hif4>]>
#foursix = #quad.format<"4/6", grid = e2m1, levels = [<1x16, e4m3, @four_over_six>, <tensor, f32, nearest, qmax = 1536.0>]>
#lut = #quad.format<"Ternary", grid = #ternary, levels = [<1x32, e8m0, ocp>]>
#mix = #quad.format<"Mix", grid = e2m1 or #quad.grid<int4>, levels = [<1x16, e4m3, @with_choice>]>
#mixlut = #quad.format<"MixLut", grid = #ternary or e1m2, levels = [<1x16, bf16, @with_choice>]>
#mxuf4 = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
#rht = #quad.rht<16, digest = 0xf234abcd5678ef00>

!q = !quad.tensor<?x64, #ufp4b, axis = 1, rht = #rht>
!w = !quad.tensor<32x64, #ufp4b, axis = 1, rht = #rht>
!wt = !quad.tensor<64x32, #ufp4b, axis = 0, rht = #rht>

// CHECK-LABEL: func.func private @types(
// CHECK-SAME:    !quad.tensor<?x64, #[[UFP4B]], axis = 1, rht = #[[RHT]]>
// CHECK-SAME:    !quad.tensor<5x100, #[[UFP4B]], axis = 1, padded = 112>
// CHECK-SAME:    !quad.tensor<?x?, #[[HIF4]], axis = 0, padded = ?>
// CHECK-SAME:    !quad.tensor<?x?, #[[NVFP4]], axis = 1, scales = blocked128x4>
// CHECK-SAME:    !quad.tensor<48x32, #[[SQUARE]], axis = 0>
// CHECK-SAME:    !quad.tensor<4x32, #[[LUT]], axis = 1>
func.func private @types(!q, !quad.tensor<5x100, #ufp4b, axis = 1, padded = 112>,
    !quad.tensor<?x?, #hif4, axis = 0, padded = ?>,
    !quad.tensor<?x?, #nvfp4, axis = 1, scales = blocked128x4>,
    !quad.tensor<48x32, #square, axis = 0>, !quad.tensor<4x32, #lut, axis = 1>)

// CHECK-LABEL: func.func private @attributes
// CHECK-SAME:    accum = #quad.accum<promote128>
// CHECK-SAME:    away = #quad.nearest_away
// CHECK-SAME:    even = #quad.nearest_even
// CHECK-SAME:    scale = #quad.scale<bf16, up, bits = 5>
// CHECK-SAME:    stochastic = #quad.stochastic<bits = 16, rounds = 10>
// CHECK-SAME:    zero = #quad.toward_zero
func.func private @attributes() attributes {
  accum = #quad.accum<promote128>, away = #quad.nearest_away, even = #quad.nearest_even,
  scale = #quad.scale<bf16, up, bits = 5>,
  stochastic = #quad.stochastic<rounds = 10, bits = 16>, zero = #quad.toward_zero}

// CHECK-LABEL: func.func private @promises(
// CHECK-SAME:    tensor<?x64xbf16> {quad.alignment = 16 : i64, quad.divisible_by = array<i64: 4, 64>, quad.stride_divisible_by = array<i64: 8, 1>, quad.unit_stride = 1 : i64}
// CHECK-SAME:    !quad.tensor<?x64, {{.*}}> {quad.alignment = 16 : i64, quad.divisible_by = array<i64: 2, 1>}
func.func private @promises(tensor<?x64xbf16> {quad.divisible_by = array<i64: 4, 64>, quad.unit_stride = 1 : i64, quad.alignment = 16 : i64, quad.stride_divisible_by = array<i64: 8, 1>},
    !q {quad.divisible_by = array<i64: 2, 1>, quad.alignment = 16 : i64})

// CHECK-LABEL: func.func @hadamard
// CHECK:         quad.hadamard %{{.*}}, %{{.*}} {axis = 0 : i64} : tensor<64x?xbf16>, tensor<32xf32> -> tensor<64x?xf32>
func.func @hadamard(%x: tensor<64x?xbf16>, %s: tensor<32xf32>) -> tensor<64x?xf32> {
  %h = quad.hadamard %x, %s {axis = 0} : tensor<64x?xbf16>, tensor<32xf32> -> tensor<64x?xf32>
  return %h : tensor<64x?xf32>
}

// CHECK-LABEL: func.func @amax
// CHECK:         quad.amax %{{.*}} {axis = 1 : i64} : tensor<?x?xf16>
// CHECK:         quad.amax %{{.*}} signs(%{{.*}} : tensor<16xf32>) {axis = 1 : i64, pad = true} : tensor<?x?xf16>
func.func @amax(%x: tensor<?x?xf16>, %s: tensor<16xf32>) -> (tensor<1xf32>, tensor<1xf32>) {
  %a = quad.amax %x {axis = 1} : tensor<?x?xf16>
  %b = quad.amax %x signs(%s : tensor<16xf32>) {axis = 1, pad = true} : tensor<?x?xf16>
  return %a, %b : tensor<1xf32>, tensor<1xf32>
}

// Attributes of their default value are not printed.
// CHECK-LABEL: func.func @quantize
// CHECK:         quad.quantize %{{.*}} {axis = 1 : i64, rht = #[[RHT]]} : tensor<?x64xf32> -> !quad.tensor<?x64, #[[UFP4B]], axis = 1, rht = #[[RHT]]>
func.func @quantize(%x: tensor<?x64xf32>) -> !q {
  %q = quad.quantize %x {axis = 1, rht = #rht, rounding = #quad.nearest_even, stream = 0, pad = false}
    : tensor<?x64xf32> -> !q
  return %q : !q
}

// CHECK-LABEL: func.func @quantize_with_everything
// CHECK:         quad.quantize %{{.*}} signs(%{{.*}} : tensor<16xf32>) key(%{{.*}}, %{{.*}}) step(%{{.*}}) amax(%{{.*}}) amax_out(%[[NEXT:.*]]) flags(%[[FLAGS:.*]])
// CHECK-SAME:      {axis = 0 : i64, pad = true, rht = #[[RHT]], rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 1 : i64}
// CHECK-SAME:      : tensor<?x64xbf16> -> !quad.tensor<?x64, #[[NVFP4]], axis = 0, rht = #[[RHT]], padded = ?>
func.func @quantize_with_everything(%x: tensor<?x64xbf16>, %s: tensor<16xf32>, %key: i64, %base: i64,
    %step: tensor<1xi64>, %a: tensor<1xf32>, %next: memref<1xf32>, %flags: memref<1xi32>)
    -> !quad.tensor<?x64, #nvfp4, axis = 0, rht = #rht, padded = ?> {
  %q = quad.quantize %x signs(%s : tensor<16xf32>) key(%key, %base) step(%step) amax(%a) amax_out(%next) flags(%flags)
    {axis = 0, rht = #rht, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 1, pad = true}
    : tensor<?x64xbf16> -> !quad.tensor<?x64, #nvfp4, axis = 0, rht = #rht, padded = ?>
  return %q : !quad.tensor<?x64, #nvfp4, axis = 0, rht = #rht, padded = ?>
}

// CHECK-LABEL: func.func @dequantize
// CHECK:         quad.dequantize %{{.*}} : !quad.tensor<?x64, #[[UFP4B]], axis = 1, rht = #[[RHT]]> -> tensor<?x64xf32>
// CHECK:         quad.dequantize %{{.*}} signs(%{{.*}} : tensor<16xf32>) : !quad.tensor<?x64, #[[UFP4B]], axis = 1, rht = #[[RHT]]> -> tensor<?x64xbf16>
func.func @dequantize(%q: !q, %s: tensor<16xf32>) -> (tensor<?x64xf32>, tensor<?x64xbf16>) {
  %d = quad.dequantize %q : !q -> tensor<?x64xf32>
  %x = quad.dequantize %q signs(%s : tensor<16xf32>) : !q -> tensor<?x64xbf16>
  return %d, %x : tensor<?x64xf32>, tensor<?x64xbf16>
}

// CHECK-LABEL: func.func @scales
// CHECK:         quad.scales %{{.*}} {layout = #quad.scale_layout<blocked128x4>} : !quad.tensor<?x64, #[[NVFP4]], axis = 1> -> tensor<?x4xi8>
// CHECK:         quad.scales %{{.*}} {layout = #quad.scale_layout<row_major>} : !quad.tensor<130x64, #[[NVFP4]], axis = 1, scales = blocked128x4> -> tensor<130x4xi8>
func.func @scales(%q: !quad.tensor<?x64, #nvfp4, axis = 1>, %b: !quad.tensor<130x64, #nvfp4, axis = 1, scales = blocked128x4>)
    -> (tensor<?x4xi8>, tensor<130x4xi8>) {
  %0 = quad.scales %q {layout = #quad.scale_layout<blocked128x4>} : !quad.tensor<?x64, #nvfp4, axis = 1> -> tensor<?x4xi8>
  %1 = quad.scales %b {layout = #quad.scale_layout<row_major>}
    : !quad.tensor<130x64, #nvfp4, axis = 1, scales = blocked128x4> -> tensor<130x4xi8>
  return %0, %1 : tensor<?x4xi8>, tensor<130x4xi8>
}

// CHECK-LABEL: func.func @to_carrier
// CHECK:         quad.to_carrier %{{.*}} : (!quad.tensor<?x64, #[[MXUF4:[a-zA-Z0-9_]+]], axis = 1>) -> (tensor<?x64xf8E5M2>, tensor<?xi32>, tensor<?xi32>)
// CHECK:         quad.to_carrier %{{.*}} : (!quad.tensor<?x64, #[[MXUF4]], axis = 1>) -> tensor<?x64xbf16>
func.func @to_carrier(%q: !quad.tensor<?x64, #mxuf4, axis = 1>) -> (tensor<?xi32>, tensor<?x64xbf16>) {
  %0:3 = quad.to_carrier %q : (!quad.tensor<?x64, #mxuf4, axis = 1>) -> (tensor<?x64xf8E5M2>, tensor<?xi32>, tensor<?xi32>)
  %1 = quad.to_carrier %q : (!quad.tensor<?x64, #mxuf4, axis = 1>) -> tensor<?x64xbf16>
  return %0#1, %1 : tensor<?xi32>, tensor<?x64xbf16>
}

// CHECK-LABEL: func.func @transpose
// CHECK:         quad.transpose %{{.*}} : !quad.tensor<32x64, #[[UFP4B]], axis = 1, rht = #[[RHT]]> -> !quad.tensor<64x32, #[[UFP4B]], axis = 0, rht = #[[RHT]]>
func.func @transpose(%w: !w) -> !wt {
  %t = quad.transpose %w : !w -> !wt
  return %t : !wt
}

// CHECK-LABEL: func.func @prepare
// CHECK:         quad.prepare %{{.*}} {other = #[[MXUF4]], side = #quad.side<rhs>} : {{.*}} -> !quad.prepared<!quad.tensor<{{.*}}, axis = 1>>
// CHECK:         quad.transpose %{{.*}} : !quad.prepared<!quad.tensor<?x64, #[[MXUF4]], axis = 1>, "rhs"> -> !quad.prepared<!quad.tensor<64x?, #[[MXUF4]], axis = 0>, "rhs">
// CHECK:         quad.matmul %{{.*}}, %{{.*}} : tensor<?x64xbf16>, !quad.prepared<{{.*}}> -> tensor<?x?xbf16>
func.func @prepare(%q: !quad.tensor<?x64, #mxuf4, axis = 1>, %p: !quad.prepared<!quad.tensor<?x64, #mxuf4, axis = 1>, "rhs">, %x: tensor<?x64xbf16>)
    -> (!quad.prepared<!quad.tensor<?x64, #mxuf4, axis = 1>>, !quad.prepared<!quad.tensor<?x64, #mxuf4, axis = 1>>, tensor<?x?xbf16>) {
  %0 = quad.prepare %q {side = #quad.side<rhs>, other = #mxuf4} : !quad.tensor<?x64, #mxuf4, axis = 1> -> !quad.prepared<!quad.tensor<?x64, #mxuf4, axis = 1>>
  %1 = quad.prepare %q {side = #quad.side<lhs>, other = bf16, exact = false} : !quad.tensor<?x64, #mxuf4, axis = 1> -> !quad.prepared<!quad.tensor<?x64, #mxuf4, axis = 1>>
  %t = quad.transpose %p : !quad.prepared<!quad.tensor<?x64, #mxuf4, axis = 1>, "rhs"> -> !quad.prepared<!quad.tensor<64x?, #mxuf4, axis = 0>, "rhs">
  %y = quad.matmul %x, %t : tensor<?x64xbf16>, !quad.prepared<!quad.tensor<64x?, #mxuf4, axis = 0>, "rhs"> -> tensor<?x?xbf16>
  return %0, %1, %y : !quad.prepared<!quad.tensor<?x64, #mxuf4, axis = 1>>, !quad.prepared<!quad.tensor<?x64, #mxuf4, axis = 1>>, tensor<?x?xbf16>
}

// CHECK-LABEL: func.func @matmul
// CHECK:         quad.matmul %{{.*}}, %{{.*}} : !quad.tensor<{{.*}}>, !quad.tensor<{{.*}}> -> tensor<?x32xbf16>
// CHECK:         quad.matmul %{{.*}}, %{{.*}} bias(%{{.*}} : tensor<32xf32>) acc(%{{.*}} : tensor<?x32xf32>) {accum = #quad.accum<f32>, exact = false} : !quad.tensor<{{.*}}>, !quad.tensor<{{.*}}> -> tensor<?x32xf32>
func.func @matmul(%q: !q, %wt: !wt, %b: tensor<32xf32>, %c: tensor<?x32xf32>) -> (tensor<?x32xbf16>, tensor<?x32xf32>) {
  %0 = quad.matmul %q, %wt {exact = true, accum = #quad.accum<default>} : !q, !wt -> tensor<?x32xbf16>
  %1 = quad.matmul %q, %wt bias(%b : tensor<32xf32>) acc(%c : tensor<?x32xf32>)
    {exact = false, accum = #quad.accum<f32>} : !q, !wt -> tensor<?x32xf32>
  return %0, %1 : tensor<?x32xbf16>, tensor<?x32xf32>
}

// A plain operand, and square blocks used along their other axis.
// CHECK-LABEL: func.func @matmul_mixed
// CHECK:         quad.matmul %{{.*}}, %{{.*}} : tensor<?x48xbf16>, !quad.tensor<48x32, #[[SQUARE]], axis = 1> -> tensor<?x32xbf16>
func.func @matmul_mixed(%x: tensor<?x48xbf16>, %w: !quad.tensor<48x32, #square, axis = 1>) -> tensor<?x32xbf16> {
  %0 = quad.matmul %x, %w : tensor<?x48xbf16>, !quad.tensor<48x32, #square, axis = 1> -> tensor<?x32xbf16>
  return %0 : tensor<?x32xbf16>
}

// CHECK-LABEL: func.func @matmul_epilogue
// CHECK:         quad.matmul %{{.*}}, %{{.*}} bias(%{{.*}} : tensor<32xf32>) epilogue(%{{.*}}, %{{.*}} : tensor<?x32xbf16>, f32) : {{.*}} -> tensor<?x32xbf16> {
// CHECK-NEXT:    ^bb0(%[[SUM:.*]]: f32, %[[G:.*]]: f32, %[[S:.*]]: f32):
// CHECK-NEXT:      %[[R:.*]] = quad.round %[[SUM]] to bf16
// CHECK-NEXT:      %[[E:.*]] = quad.evaluate silu %[[R]]
// CHECK:           quad.yield %{{.*}} : f32
func.func @matmul_epilogue(%q: !q, %wt: !wt, %b: tensor<32xf32>, %gate: tensor<?x32xbf16>, %s: f32) -> tensor<?x32xbf16> {
  %0 = quad.matmul %q, %wt bias(%b : tensor<32xf32>) epilogue(%gate, %s : tensor<?x32xbf16>, f32)
    : !q, !wt -> tensor<?x32xbf16> {
  ^bb0(%sum: f32, %g: f32, %n: f32):
    %r = quad.round %sum to bf16
    %e = quad.evaluate silu %r
    %m = arith.mulf %e, %g : f32
    %y = arith.divf %m, %n : f32
    quad.yield %y : f32
  }
  return %0 : tensor<?x32xbf16>
}

// CHECK-LABEL: func.func @map
// CHECK:         quad.map(%{{.*}}, %{{.*}}, %{{.*}}) : (tensor<?x?xbf16>, tensor<?xf16>, tensor<?x1xf32>) -> tensor<?x?xf32> {
// CHECK-NEXT:    ^bb0(%{{.*}}: f32, %{{.*}}: f32, %{{.*}}: f32):
func.func @map(%x: tensor<?x?xbf16>, %row: tensor<?xf16>, %col: tensor<?x1xf32>) -> tensor<?x?xf32> {
  %0 = quad.map(%x, %row, %col) : (tensor<?x?xbf16>, tensor<?xf16>, tensor<?x1xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %less = arith.cmpf olt, %a, %b : f32
    %r = arith.select %less, %a, %c : f32
    quad.yield %r : f32
  }
  return %0 : tensor<?x?xf32>
}

// CHECK-LABEL: quad.scale_rule @four_over_six(%{{.*}}: tensor<16xf32>) -> tensor<f32> {
// CHECK:         quad.block_reduce max %{{.*}} : tensor<16xf32> -> tensor<f32>
// CHECK:         quad.round_to_scale %{{.*}} {scale = #quad.scale<e4m3, nearest>} : tensor<f32>
// CHECK:         quad.splat %{{.*}} : tensor<f32> -> tensor<16xf32>
// CHECK:         quad.round_to_grid %{{.*}} {grid = #quad.grid<e2m1>} : tensor<16xf32>
// CHECK:         quad.block_reduce sum %{{.*}} : tensor<16xf32> -> tensor<f32>
// CHECK:         quad.yield %{{.*}} : tensor<f32>
quad.scale_rule @four_over_six(%block: tensor<16xf32>) -> tensor<f32> {
  %abs = math.absf %block : tensor<16xf32>
  %amax = quad.block_reduce max %abs : tensor<16xf32> -> tensor<f32>
  %sixth = arith.constant dense<0.166666672> : tensor<f32>
  %quarter = arith.constant dense<0.25> : tensor<f32>
  %raw6 = arith.mulf %amax, %sixth : tensor<f32>
  %raw4 = arith.mulf %amax, %quarter : tensor<f32>
  %s6 = quad.round_to_scale %raw6 {scale = #quad.scale<e4m3, nearest>} : tensor<f32>
  %s4 = quad.round_to_scale %raw4 {scale = #quad.scale<e4m3, nearest>} : tensor<f32>
  %v6 = quad.splat %s6 : tensor<f32> -> tensor<16xf32>
  %v4 = quad.splat %s4 : tensor<f32> -> tensor<16xf32>
  %t6 = arith.divf %block, %v6 : tensor<16xf32>
  %t4 = arith.divf %block, %v4 : tensor<16xf32>
  %g6 = quad.round_to_grid %t6 {grid = #quad.grid<e2m1>} : tensor<16xf32>
  %g4 = quad.round_to_grid %t4 {grid = #quad.grid<e2m1>} : tensor<16xf32>
  %d6 = arith.subf %g6, %t6 : tensor<16xf32>
  %d4 = arith.subf %g4, %t4 : tensor<16xf32>
  %q6 = arith.mulf %d6, %d6 : tensor<16xf32>
  %q4 = arith.mulf %d4, %d4 : tensor<16xf32>
  %e6 = quad.block_reduce sum %q6 : tensor<16xf32> -> tensor<f32>
  %e4 = quad.block_reduce sum %q4 : tensor<16xf32> -> tensor<f32>
  %better = arith.cmpf olt, %e4, %e6 : tensor<f32>
  %s = arith.select %better, %s4, %s6 : tensor<i1>, tensor<f32>
  quad.yield %s : tensor<f32>
}

// CHECK-LABEL: quad.scale_rule @with_choice(%{{.*}}: tensor<16xf32>) -> (tensor<f32>, tensor<i1>) {
quad.scale_rule @with_choice(%block: tensor<16xf32>) -> (tensor<f32>, tensor<i1>) {
  %max = quad.block_reduce max %block : tensor<16xf32> -> tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %choice = arith.cmpf ogt, %max, %one : tensor<f32>
  quad.yield %max, %choice : tensor<f32>, tensor<i1>
}

// CHECK-LABEL: func.func @quantize_by_choice
// CHECK-SAME:    -> (!quad.tensor<?x64, #[[MIX]], axis = 1>, !quad.tensor<?x64, #[[MIXLUT]], axis = 1>)
func.func @quantize_by_choice(%x: tensor<?x64xbf16>)
    -> (!quad.tensor<?x64, #mix, axis = 1>, !quad.tensor<?x64, #mixlut, axis = 1>) {
  %q = quad.quantize %x {axis = 1} : tensor<?x64xbf16> -> !quad.tensor<?x64, #mix, axis = 1>
  %r = quad.quantize %x {axis = 1} : tensor<?x64xbf16> -> !quad.tensor<?x64, #mixlut, axis = 1>
  return %q, %r : !quad.tensor<?x64, #mix, axis = 1>, !quad.tensor<?x64, #mixlut, axis = 1>
}

// CHECK-LABEL: func.func @quantize_by_rule
// CHECK:         -> !quad.tensor<?x64, #[[FOO]], axis = 1>
func.func @quantize_by_rule(%x: tensor<?x64xbf16>) -> !quad.tensor<?x64, #foursix, axis = 1> {
  %q = quad.quantize %x {axis = 1} : tensor<?x64xbf16> -> !quad.tensor<?x64, #foursix, axis = 1>
  return %q : !quad.tensor<?x64, #foursix, axis = 1>
}

// CHECK-LABEL: quad.kernel @quantize_x(%{{.*}}: tensor<?x64xf32>)
// CHECK-SAME:    -> !quad.tensor<?x64, #[[UFP4B]], axis = 1, rht = #[[RHT]]> {
// CHECK:         quad.yield %{{.*}} : !quad.tensor
quad.kernel @quantize_x(%x: tensor<?x64xf32>) -> !q {
  %q = quad.quantize %x {axis = 1, rht = #rht} : tensor<?x64xf32> -> !q
  quad.yield %q : !q
}

// CHECK-LABEL: func.func @launch
// CHECK:         quad.launch @quantize_x(%{{.*}}) : (tensor<?x64xf32>) -> !quad.tensor<?x64, #[[UFP4B]], axis = 1, rht = #[[RHT]]>
func.func @launch(%x: tensor<?x64xf32>) -> !q {
  %q = quad.launch @quantize_x(%x) : (tensor<?x64xf32>) -> !q
  return %q : !q
}
