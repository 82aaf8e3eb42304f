// A user's rule is inlined for all blocks of a tile: a block's elements are the last
// dimension, one value for a block has size 1 there.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s

#fmt = #quad.format<"MSE", grid = e2m1, levels = [<1x16, e4m3, @rule>]>
!q = !quad.tensor<?x?, #fmt, axis = 1>

// The rule itself is gone.
//
// CHECK-NOT:   quad.
// CHECK-LABEL: func.func @f_quantize_row(
// The bits of the amax are for blocks without finite values, which get a NaN scale.
// CHECK:         %[[BLOCK:.*]] = tile.reshape %{{.*}} -> tensor<1x1x16x16xf32
// CHECK:         %[[LARGEST:.*]] = tile.reduce{{ +}}amax %[[BLOCK]] dims = [1, 3]
// CHECK-NEXT:    %[[BITS:.*]] = arith.bitcast %[[LARGEST]]
// CHECK-NEXT:    %[[ABS:.*]] = math.absf %[[BLOCK]]
// CHECK-NEXT:    %[[AMAX:.*]] = tile.reduce{{ +}}maximumf %[[ABS]] dims = [1, 3] : {{.*}} -> tensor<1x1x16x1xf32
// CHECK-NEXT:    arith.mulf %[[AMAX]], %{{.*}} : tensor<1x1x16x1xf32
// Rounded to the scale's type: encoded and decoded.
// CHECK:         arith.sitofp
// CHECK:         tile.broadcast %{{.*}} -> tensor<1x1x16x16xf32
// CHECK-NEXT:    %[[T:.*]] = arith.divf %[[BLOCK]]
// Rounded to the grid: the same. Nothing but a clamp of what rounding leaves bounds it.
// CHECK-NEXT:    %[[MAGNITUDE:.*]] = math.absf %[[T]]
// CHECK-NEXT:    arith.addf %[[MAGNITUDE]], %
// CHECK-COUNT-2: arith.minui %{{.*}}, %{{[0-9]+}} :
// CHECK:         %[[CLAMPED:.*]] = arith.minui %{{.*}}, %cst{{.*}} : tensor<1x1x16x16xi32
// CHECK-NEXT:    arith.andi %[[CLAMPED]], %
// CHECK:         %[[G:.*]] = tile.lookup
// CHECK-NEXT:    %[[E:.*]] = arith.subf %[[G]], %[[T]]
// CHECK-NEXT:    tile.reduce{{ +}}addf %[[E]] dims = [1, 3]
// CHECK:         %[[FINITE:.*]] = arith.cmpi ult, %[[BITS]]
// CHECK-NEXT:    arith.select %[[FINITE]]
// CHECK:         %[[CLAMPED:.*]] = arith.minui %{{.*}}, %cst{{.*}} : tensor<1x256xi32
// CHECK-NEXT:    tile.pack %[[CLAMPED]] {bias
quad.scale_rule @rule(%block: tensor<16xf32>) -> tensor<f32> {
  %abs = math.absf %block : tensor<16xf32>
  %amax = quad.block_reduce max %abs : tensor<16xf32> -> tensor<f32>
  %quarter = arith.constant dense<0.25> : tensor<f32>
  %raw = arith.mulf %amax, %quarter : tensor<f32>
  %s = quad.round_to_scale %raw {scale = #quad.scale<e4m3, nearest>} : tensor<f32>
  %v = quad.splat %s : tensor<f32> -> tensor<16xf32>
  %t = arith.divf %block, %v : tensor<16xf32>
  %g = quad.round_to_grid %t {grid = #quad.grid<e2m1>} : tensor<16xf32>
  %e = arith.subf %g, %t : tensor<16xf32>
  %sum = quad.block_reduce sum %e : tensor<16xf32> -> tensor<f32>
  %result = arith.addf %s, %sum : tensor<f32>
  quad.yield %result : tensor<f32>
}
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !q {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !q
  return %q : !q
}
