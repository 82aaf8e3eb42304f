// Words of the caller's that quantize combines into: the amax of what it quantizes, before
// the levels, and flags of every level.
//
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=sm_90a | FileCheck %s
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=host:avx512 | FileCheck %s

#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>

// They are written to, and the amax of another step needs no pass of its own.
//
// CHECK-LABEL: func.func @delayed(
// CHECK-SAME:    %[[A:[a-z0-9]+]]: !tile.buffer<1 x f32>, %[[NEXT:[a-z0-9]+]]: !tile.buffer<1 x f32> {tile.out}, %[[F:[a-z0-9]+]]: !tile.buffer<1 x i32> {tile.out}
// CHECK:         tile.check
// CHECK:         tile.launch @delayed_quantize_row
// CHECK-NEXT:    return
// CHECK-LABEL: func.func @delayed_quantize_row(
// CHECK:         tile.atomic_reduce{{ +}}amax %{{.*}} : tensor<1x{{[0-9]+}}xf32
// CHECK:         tile.atomic_reduce{{ +}}ori %{{.*}} : tensor<1x1xi32
// CHECK:         tile.atomic_reduce{{ +}}ori %{{.*}} : tensor<1x1x{{[0-9]+}}x1xi32
func.func @delayed(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %a: tensor<1xf32>, %next: memref<1xf32>,
    %flags: memref<1xi32>) -> !quad.tensor<?x?, #nvfp4, axis = 1> {
  %q = quad.quantize %x amax(%a) amax_out(%next) flags(%flags) {axis = 1}
    : tensor<?x?xbf16> -> !quad.tensor<?x?, #nvfp4, axis = 1>
  return %q : !quad.tensor<?x?, #nvfp4, axis = 1>
}

// -----

#hif4 = #quad.format<"HIF4", grid = e1m2, levels = [<1x4, e1, hif4>, <1x8, e1, hif4>, <1x64, e6m2, hif4>]>
// CHECK-LABEL: func.func @hif4_quantize_row(
// CHECK:         tile.atomic_reduce{{ +}}ori %{{.*}} : tensor<1x{{[0-9]+}}xi32
// CHECK-NOT:     tile.atomic_reduce
// CHECK:         tile.store %{{.*}} : tensor<1x{{[0-9]+}}xi32
func.func @hif4(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %flags: memref<1xi32>)
    -> !quad.tensor<?x?, #hif4, axis = 1> {
  %q = quad.quantize %x flags(%flags) {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #hif4, axis = 1>
  return %q : !quad.tensor<?x?, #hif4, axis = 1>
}

// -----

// What a rule makes of blocks beyond the tensor does not count.
//
// CHECK-LABEL: func.func @ruled_quantize_row(
// CHECK-DAG:     tile.iota 0
// CHECK-DAG:     tile.iota 1
// CHECK:         %[[INSIDE:.*]] = arith.andi %{{.*}}, %{{.*}} : tensor<1x{{[0-9]+}}xi1
// CHECK:         arith.select %[[INSIDE]]
// CHECK-NEXT:    tile.atomic_reduce{{ +}}ori
#ruled = #quad.format<"RULED", grid = e1m2, levels = [<1x16, bf16, @twice>]>
quad.scale_rule @twice(%block: tensor<16xf32>) -> tensor<f32> {
  %0 = quad.block_reduce max %block : tensor<16xf32> -> tensor<f32>
  quad.yield %0 : tensor<f32>
}
func.func @ruled(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %flags: memref<1xi32>)
    -> !quad.tensor<?x?, #ruled, axis = 1> {
  %q = quad.quantize %x flags(%flags) {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #ruled, axis = 1>
  return %q : !quad.tensor<?x?, #ruled, axis = 1>
}
