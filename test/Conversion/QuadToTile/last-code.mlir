// What is beyond the last code of a grid, as far as a block's scale lets numbers get there. The
// scale alone says that none rounds beyond it, and there is no clamp; or that none rounds beyond
// the next one, 8, and w - ((w >> 3) & 0x11111111) makes 7 of 8 in the eight codes of a word; or
// neither, and each coordinate is clamped to that of code 7.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=sm_90a | FileCheck %s --check-prefix=GPU
// RUN: quad-opt %s --quad-to-tile=target=gfx942 | FileCheck %s --check-prefix=GPU

// Five bits of a wide scale: t is at most 1.75 (1 + 2^-4), 7.44 steps of the grid, which rounds
// to 7. Noise of less than a step can make 8 of it.
//
// CHECK-LABEL:   func.func @ufp4b_quantize_row(
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %[[ABS]], %
// CHECK-NEXT:    %[[V:.*]] = arith.bitcast %[[SUM]]
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[V]] {bias = 1245708288 : i32}
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[W]], %[[S]]
// GPU-LABEL:     func.func @ufp4b_quantize_row(
// GPU:           %[[W:.*]] = tile.pack
// GPU-NEXT:      tile.pack_signs
#ufp4b = #quad.format<"UFP4B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!ufp4b = !quad.tensor<?x?, #ufp4b, axis = 1>
func.func @ufp4b(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !ufp4b {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !ufp4b
  return %q : !ufp4b
}

// CHECK-LABEL:   func.func @ufp4b_noise_quantize_row(
// CHECK-DAG:     %[[THREE:.*]] = arith.constant dense<3> : tensor<1x32xi32
// CHECK-DAG:     %[[LOW:.*]] = arith.constant dense<286331153> : tensor<1x32xi32
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %[[ABS]], %
// CHECK-NEXT:    %[[V:.*]] = arith.bitcast %[[SUM]]
// CHECK-NEXT:    %[[N:.*]] = tile.random %{{.*}} bits = 8 rounds = 7 stream = 0 to %[[V]]
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[N]] {bias = 1178599424 : i32, shift = 8 : i32}
// CHECK-NEXT:    %[[TOP:.*]] = arith.shrui %[[W]], %[[THREE]]
// CHECK-NEXT:    %[[ONES:.*]] = arith.andi %[[TOP]], %[[LOW]]
// CHECK-NEXT:    %[[MENDED:.*]] = arith.subi %[[W]], %[[ONES]]
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[MENDED]], %[[S]]
// GPU-LABEL:     func.func @ufp4b_noise_quantize_row(
// GPU:           %[[W:.*]] = tile.pack
// GPU-NEXT:      %[[TOP:.*]] = arith.shrui %[[W]], %
// GPU-NEXT:      %[[ONES:.*]] = arith.andi %[[TOP]], %
// GPU-NEXT:      arith.subi %[[W]], %[[ONES]]
// GPU-NEXT:      tile.pack_signs
func.func @ufp4b_noise(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %key: i64, %base: i64) -> !ufp4b {
  %q = quad.quantize %x key(%key, %base) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 0} : tensor<?x?xbf16> -> !ufp4b
  return %q : !ufp4b
}

// Powers of two by the rule ocp leave t below 2, 8 steps, and the greatest of them round up.
//
// CHECK-LABEL:   func.func @mxuf4_quantize_row(
// CHECK-DAG:     %[[THREE:.*]] = arith.constant dense<3> : tensor<1x32xi32
// CHECK-DAG:     %[[LOW:.*]] = arith.constant dense<286331153> : tensor<1x32xi32
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = math.fma %[[ABS]], %
// CHECK-NEXT:    %[[V:.*]] = arith.bitcast %[[SUM]]
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[V]] {bias = 1245708288 : i32}
// CHECK-NEXT:    %[[TOP:.*]] = arith.shrui %[[W]], %[[THREE]]
// CHECK-NEXT:    %[[ONES:.*]] = arith.andi %[[TOP]], %[[LOW]]
// CHECK-NEXT:    %[[MENDED:.*]] = arith.subi %[[W]], %[[ONES]]
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[MENDED]], %[[S]]
// GPU-LABEL:     func.func @mxuf4_quantize_row(
// GPU:           %[[W:.*]] = tile.pack
// GPU-NEXT:      %[[TOP:.*]] = arith.shrui %[[W]], %
// GPU-NEXT:      %[[ONES:.*]] = arith.andi %[[TOP]], %
// GPU-NEXT:      arith.subi %[[W]], %[[ONES]]
// GPU-NEXT:      tile.pack_signs
#mxuf4 = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
!mxuf4 = !quad.tensor<?x?, #mxuf4, axis = 1>
func.func @mxuf4(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !mxuf4 {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !mxuf4
  return %q : !mxuf4
}

// CHECK-LABEL:   func.func @mxuf4_noise_quantize_row(
// CHECK-DAG:     %[[THREE:.*]] = arith.constant dense<3> : tensor<1x32xi32
// CHECK-DAG:     %[[LOW:.*]] = arith.constant dense<286331153> : tensor<1x32xi32
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = math.fma %[[ABS]], %
// CHECK-NEXT:    %[[V:.*]] = arith.bitcast %[[SUM]]
// CHECK-NEXT:    %[[N:.*]] = tile.random %{{.*}} bits = 8 rounds = 7 stream = 0 to %[[V]]
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[N]] {bias = 1178599424 : i32, shift = 8 : i32}
// CHECK-NEXT:    %[[TOP:.*]] = arith.shrui %[[W]], %[[THREE]]
// CHECK-NEXT:    %[[ONES:.*]] = arith.andi %[[TOP]], %[[LOW]]
// CHECK-NEXT:    %[[MENDED:.*]] = arith.subi %[[W]], %[[ONES]]
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[MENDED]], %[[S]]
// GPU-LABEL:     func.func @mxuf4_noise_quantize_row(
// GPU:           %[[W:.*]] = tile.pack
// GPU-NEXT:      %[[TOP:.*]] = arith.shrui %[[W]], %
// GPU-NEXT:      %[[ONES:.*]] = arith.andi %[[TOP]], %
// GPU-NEXT:      arith.subi %[[W]], %[[ONES]]
// GPU-NEXT:      tile.pack_signs
func.func @mxuf4_noise(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %key: i64, %base: i64) -> !mxuf4 {
  %q = quad.quantize %x key(%key, %base) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 0} : tensor<?x?xbf16> -> !mxuf4
  return %q : !mxuf4
}

// Below 8 on E2M1, where 8 is one step after 6 too.
//
// CHECK-LABEL:   func.func @mxfp4_quantize_row(
// CHECK-DAG:     %[[THREE:.*]] = arith.constant dense<3> : tensor<1x32xi32
// CHECK-DAG:     %[[LOW:.*]] = arith.constant dense<286331153> : tensor<1x32xi32
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = math.fma %[[ABS]], %
// CHECK-NEXT:    arith.bitcast %[[SUM]]
// CHECK:         arith.minui
// CHECK:         %[[V:.*]] = arith.minui
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[V]] {bias = 1254096896 : i32}
// CHECK-NEXT:    %[[TOP:.*]] = arith.shrui %[[W]], %[[THREE]]
// CHECK-NEXT:    %[[ONES:.*]] = arith.andi %[[TOP]], %[[LOW]]
// CHECK-NEXT:    %[[MENDED:.*]] = arith.subi %[[W]], %[[ONES]]
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[MENDED]], %[[S]]
// GPU-LABEL:     func.func @mxfp4_quantize_row(
// GPU:           %[[W:.*]] = tile.pack
// GPU-NEXT:      %[[TOP:.*]] = arith.shrui %[[W]], %
// GPU-NEXT:      %[[ONES:.*]] = arith.andi %[[TOP]], %
// GPU-NEXT:      arith.subi %[[W]], %[[ONES]]
// GPU-NEXT:      tile.pack_signs
#mxfp4 = #quad.format<"MXFP4", grid = e2m1, levels = [<1x32, e8m0, ocp>]>
!mxfp4 = !quad.tensor<?x?, #mxfp4, axis = 1>
func.func @mxfp4(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !mxfp4 {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !mxfp4
  return %q : !mxfp4
}

// CHECK-LABEL:   func.func @mxfp4_noise_quantize_row(
// CHECK-DAG:     %[[THREE:.*]] = arith.constant dense<3> : tensor<1x32xi32
// CHECK-DAG:     %[[LOW:.*]] = arith.constant dense<286331153> : tensor<1x32xi32
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = math.fma %[[ABS]], %
// CHECK-NEXT:    arith.bitcast %[[SUM]]
// CHECK:         arith.minui
// CHECK:         %[[V:.*]] = arith.minui
// CHECK-NEXT:    %[[N:.*]] = tile.random %{{.*}} bits = 8 rounds = 7 stream = 0 to %[[V]]
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[N]] {bias = 1186988032 : i32, shift = 8 : i32}
// CHECK-NEXT:    %[[TOP:.*]] = arith.shrui %[[W]], %[[THREE]]
// CHECK-NEXT:    %[[ONES:.*]] = arith.andi %[[TOP]], %[[LOW]]
// CHECK-NEXT:    %[[MENDED:.*]] = arith.subi %[[W]], %[[ONES]]
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[MENDED]], %[[S]]
// GPU-LABEL:     func.func @mxfp4_noise_quantize_row(
// GPU:           %[[W:.*]] = tile.pack
// GPU-NEXT:      %[[TOP:.*]] = arith.shrui %[[W]], %
// GPU-NEXT:      %[[ONES:.*]] = arith.andi %[[TOP]], %
// GPU-NEXT:      arith.subi %[[W]], %[[ONES]]
// GPU-NEXT:      tile.pack_signs
func.func @mxfp4_noise(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %key: i64, %base: i64) -> !mxfp4 {
  %q = quad.quantize %x key(%key, %base) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 0} : tensor<?x?xbf16> -> !mxfp4
  return %q : !mxfp4
}

// Powers of two no less than amax / 6: t is at most 6, and noise of less than a step ends at its code.
//
// CHECK-LABEL:   func.func @up_noise_quantize_row(
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = math.fma %[[ABS]], %
// CHECK-NEXT:    arith.bitcast %[[SUM]]
// CHECK:         arith.minui
// CHECK:         %[[V:.*]] = arith.minui
// CHECK-NEXT:    %[[N:.*]] = tile.random %{{.*}} bits = 8 rounds = 7 stream = 0 to %[[V]]
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[N]] {bias = 1186988032 : i32, shift = 8 : i32}
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[W]], %[[S]]
// GPU-LABEL:     func.func @up_noise_quantize_row(
// GPU:           tile.pack
// GPU-NEXT:      tile.pack_signs
#up = #quad.format<"UP", grid = e2m1, levels = [<1x32, e8m0, up>]>
!up = !quad.tensor<?x?, #up, axis = 1>
func.func @up_noise(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %key: i64, %base: i64) -> !up {
  %q = quad.quantize %x key(%key, %base) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 0} : tensor<?x?xbf16> -> !up
  return %q : !up
}

// Two's complement is made of what was mended.
//
// CHECK-LABEL:   func.func @int4_noise_quantize_row(
// CHECK-DAG:     %[[THREE:.*]] = arith.constant dense<3> : tensor<1x32xi32
// CHECK-DAG:     %[[LOW:.*]] = arith.constant dense<286331153> : tensor<1x32xi32
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %[[ABS]], %
// CHECK-NEXT:    %[[V:.*]] = arith.bitcast %[[SUM]]
// CHECK-NEXT:    %[[N:.*]] = tile.random %{{.*}} bits = 8 rounds = 7 stream = 0 to %[[V]]
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[N]] {bias = 1195376640 : i32, shift = 8 : i32}
// CHECK-NEXT:    %[[TOP:.*]] = arith.shrui %[[W]], %[[THREE]]
// CHECK-NEXT:    %[[ONES:.*]] = arith.andi %[[TOP]], %[[LOW]]
// CHECK-NEXT:    %[[MENDED:.*]] = arith.subi %[[W]], %[[ONES]]
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.addi %[[MENDED]], %
// GPU-LABEL:     func.func @int4_noise_quantize_row(
// GPU:           %[[W:.*]] = tile.pack
// GPU-NEXT:      %[[TOP:.*]] = arith.shrui %[[W]], %
// GPU-NEXT:      %[[ONES:.*]] = arith.andi %[[TOP]], %
// GPU-NEXT:      arith.subi %[[W]], %[[ONES]]
// GPU-NEXT:      tile.pack_signs
#int4 = #quad.format<"INT4", grid = int4, levels = [<1x16, bf16, nearest>]>
!int4 = !quad.tensor<?x?, #int4, axis = 1>
func.func @int4_noise(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %key: i64, %base: i64) -> !int4 {
  %q = quad.quantize %x key(%key, %base) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 0} : tensor<?x?xbf16> -> !int4
  return %q : !int4
}

// A scale in E4M3 saturates, so t may be anything.
//
// CHECK-LABEL:   func.func @nvfp4_quantize_row(
// CHECK-DAG:     %[[LAST:.*]] = arith.constant dense<1254096903> : tensor<1x256xi32
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %[[ABS]], %
// CHECK-NEXT:    arith.bitcast %[[SUM]]
// CHECK:         arith.minui
// CHECK:         %[[V:.*]] = arith.minui
// CHECK-NEXT:    %[[C:.*]] = arith.minui %[[V]], %[[LAST]]
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[C]] {bias = 1254096896 : i32}
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[W]], %[[S]]
// GPU-LABEL:     func.func @nvfp4_quantize_row(
// GPU:           %[[LAST:.*]] = arith.constant dense<1254096903> : tensor
// GPU:           %[[C:.*]] = arith.minui %{{.*}}, %[[LAST]]
// GPU-NEXT:      tile.pack %[[C]]
// GPU-NEXT:      tile.pack_signs
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
!nvfp4 = !quad.tensor<?x?, #nvfp4, axis = 1>
func.func @nvfp4(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %amax: tensor<1xf32>) -> !nvfp4 {
  %q = quad.quantize %x amax(%amax) {axis = 1} : tensor<?x?xbf16> -> !nvfp4
  return %q : !nvfp4
}

// CHECK-LABEL:   func.func @nvfp4_noise_quantize_row(
// CHECK-DAG:     %[[LAST:.*]] = arith.constant dense<1186989824> : tensor<1x256xi32
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %[[ABS]], %
// CHECK-NEXT:    arith.bitcast %[[SUM]]
// CHECK:         arith.minui
// CHECK:         %[[V:.*]] = arith.minui
// CHECK-NEXT:    %[[C:.*]] = arith.minui %[[V]], %[[LAST]]
// CHECK-NEXT:    %[[N:.*]] = tile.random %{{.*}} bits = 8 rounds = 7 stream = 0 to %[[C]]
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[N]] {bias = 1186988032 : i32, shift = 8 : i32}
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[W]], %[[S]]
// GPU-LABEL:     func.func @nvfp4_noise_quantize_row(
// GPU:           %[[LAST:.*]] = arith.constant dense<1186989824> : tensor
// GPU:           %[[C:.*]] = arith.minui %{{.*}}, %[[LAST]]
// GPU-NEXT:      %[[N:.*]] = tile.random {{.*}} to %[[C]]
// GPU-NEXT:      tile.pack %[[N]]
// GPU-NEXT:      tile.pack_signs
func.func @nvfp4_noise(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %key: i64, %base: i64, %amax: tensor<1xf32>) -> !nvfp4 {
  %q = quad.quantize %x key(%key, %base) amax(%amax) {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>, stream = 0} : tensor<?x?xbf16> -> !nvfp4
  return %q : !nvfp4
}

// Not so with the same tensor level above a wide scale: what the innermost level scales counts.
//
// CHECK-LABEL:   func.func @wide_quantize_row(
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %[[ABS]], %
// CHECK-NEXT:    arith.bitcast %[[SUM]]
// CHECK:         arith.minui
// CHECK:         %[[V:.*]] = arith.minui
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[V]] {bias = 1254096896 : i32}
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[W]], %[[S]]
// GPU-LABEL:     func.func @wide_quantize_row(
// GPU:           %[[W:.*]] = tile.pack
// GPU-NEXT:      tile.pack_signs
#wide = #quad.format<"WIDE", grid = e2m1, levels = [<1x16, bf16, nearest>, <tensor, f32, nearest, qmax = 1.0>]>
!wide = !quad.tensor<?x?, #wide, axis = 1>
func.func @wide(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %amax: tensor<1xf32>) -> !wide {
  %q = quad.quantize %x amax(%amax) {axis = 1} : tensor<?x?xbf16> -> !wide
  return %q : !wide
}

// No bound is assumed for a scale of fewer than four bits.
//
// CHECK-LABEL:   func.func @coarse_quantize_row(
// CHECK-DAG:     %[[LAST:.*]] = arith.constant dense<1245708295> : tensor<1x256xi32
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %[[ABS]], %
// CHECK-NEXT:    %[[V:.*]] = arith.bitcast %[[SUM]]
// CHECK-NEXT:    %[[C:.*]] = arith.minui %[[V]], %[[LAST]]
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[C]] {bias = 1245708288 : i32}
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[W]], %[[S]]
// GPU-LABEL:     func.func @coarse_quantize_row(
// GPU:           %[[LAST:.*]] = arith.constant dense<1245708295> : tensor
// GPU:           %[[C:.*]] = arith.minui %{{.*}}, %[[LAST]]
// GPU-NEXT:      tile.pack %[[C]]
// GPU-NEXT:      tile.pack_signs
#coarse = #quad.format<"COARSE", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 3>]>
!coarse = !quad.tensor<?x?, #coarse, axis = 1>
func.func @coarse(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !coarse {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !coarse
  return %q : !coarse
}

// A word has codes of two blocks, and what a NaN makes of one must not reach the other.
//
// CHECK-LABEL:   func.func @small_quantize_row(
// CHECK-DAG:     %[[LAST:.*]] = arith.constant dense<1245708295> : tensor<1x256xi32
// CHECK:         %[[ABS:.*]] = math.absf %[[T:.*]] :
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %[[ABS]], %
// CHECK-NEXT:    %[[V:.*]] = arith.bitcast %[[SUM]]
// CHECK-NEXT:    %[[C:.*]] = arith.minui %[[V]], %[[LAST]]
// CHECK-NEXT:    %[[W:.*]] = tile.pack %[[C]] {bias = 1245708288 : i32}
// CHECK-NEXT:    %[[S:.*]] = tile.pack_signs %[[T]]
// CHECK-NEXT:    arith.ori %[[W]], %[[S]]
// GPU-LABEL:     func.func @small_quantize_row(
// GPU:           %[[LAST:.*]] = arith.constant dense<1245708295> : tensor
// GPU:           %[[C:.*]] = arith.minui %{{.*}}, %[[LAST]]
// GPU-NEXT:      tile.pack %[[C]]
// GPU-NEXT:      tile.pack_signs
#small = #quad.format<"SMALL", grid = e1m2, levels = [<1x4, bf16, nearest>]>
!small = !quad.tensor<?x?, #small, axis = 1>
func.func @small(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !small {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !small
  return %q : !small
}

// Of roundings that have a threshold for each code after the first, the last code's is the last.
//
// CHECK-LABEL:   func.func @away_quantize_row(
// CHECK-DAG:     %[[QUARTER:.*]] = arith.constant dense<1048576000> : tensor<1x256xi32
// CHECK-DAG:     %[[FIVE:.*]] = arith.constant dense<1084227584> : tensor<1x256xi32
// CHECK-DAG:     %[[SEVEN:.*]] = arith.constant dense<7> : tensor<1x256xi32
// CHECK:         %[[IS_1:.*]] = arith.cmpi sge, %[[BITS:.*]], %[[QUARTER]] :
// CHECK-NEXT:    arith.select %[[IS_1]]
// CHECK-COUNT-5: arith.cmpi sge, %[[BITS]],
// CHECK-NEXT:    %[[UP_TO_6:.*]] = arith.select
// CHECK-NEXT:    %[[IS_7:.*]] = arith.cmpi sge, %[[BITS]], %[[FIVE]] :
// CHECK-NEXT:    %[[CODE:.*]] = arith.select %[[IS_7]], %[[SEVEN]], %[[UP_TO_6]]
// CHECK-NEXT:    tile.pack %[[CODE]] : tensor
// CHECK-NEXT:    tile.pack_signs
// GPU-LABEL:     func.func @away_quantize_row(
// GPU-COUNT-7:   {{arith.cmpi sge, .* : tensor<1x2048xi32.*[[:space:]]+.* = arith.select}}
// GPU-NEXT:      tile.pack %{{[0-9]+}} : tensor
func.func @away(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %amax: tensor<1xf32>) -> !nvfp4 {
  %q = quad.quantize %x amax(%amax) {axis = 1, rounding = #quad.nearest_away} : tensor<?x?xbf16> -> !nvfp4
  return %q : !nvfp4
}

// CHECK-LABEL:   func.func @toward_zero_quantize_row(
// CHECK-DAG:     %[[HALF:.*]] = arith.constant dense<1056964608> : tensor<1x256xi32
// CHECK-DAG:     %[[SIX:.*]] = arith.constant dense<1086324736> : tensor<1x256xi32
// CHECK:         arith.cmpi sge, %[[BITS:.*]], %[[HALF]] :
// CHECK:         %[[IS_7:.*]] = arith.cmpi sge, %[[BITS]], %[[SIX]] :
// CHECK-NEXT:    %[[CODE:.*]] = arith.select %[[IS_7]]
// CHECK-NEXT:    tile.pack %[[CODE]] : tensor
func.func @toward_zero(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %amax: tensor<1xf32>) -> !nvfp4 {
  %q = quad.quantize %x amax(%amax) {axis = 1, rounding = #quad.toward_zero} : tensor<?x?xbf16> -> !nvfp4
  return %q : !nvfp4
}
