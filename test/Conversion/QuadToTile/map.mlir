// RUN: quad-opt %s --quad-to-kernels --quad-to-tile=target=host:avx512 --verify-diagnostics | FileCheck %s
// RUN: quad-opt %s --quad-to-kernels --quad-to-tile=target=sm_90a --verify-diagnostics | FileCheck %s --check-prefix=SIMT

// Elementwise code as a kernel: operands that repeat are loaded once and broadcast,
// numbers are arguments, bf16 is rounded as integers.
//
// CHECK-LABEL: func.func @f_map(
// CHECK-SAME:    %{{.*}}: f32
// CHECK-DAG:     %[[NUMBER:.*]] = tile.splat %{{.*}} : f32 -> tensor<1x256xf32
// CHECK-DAG:     tile.load {{.*}} -> tensor<1x256xi16
// CHECK-DAG:     tile.load {{.*}} -> tensor<1x1xf32
// CHECK:         arith.addf
// CHECK:         arith.divf
// CHECK:         tile.store {{.*}} : tensor<1x256xi16
// SIMT-LABEL:  func.func @f_map(
// SIMT:          tile.broadcast
// SIMT:          arith.divf
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %col: tensor<?x1xf32> {quad.unit_stride = 1 : i64},
             %s: f32) -> tensor<?x?xbf16> {
  %0 = quad.map(%x, %col, %s) : (tensor<?x?xbf16>, tensor<?x1xf32>, f32) -> tensor<?x?xbf16> {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %sum = arith.addf %a, %b : f32
    %r = arith.divf %sum, %c : f32
    quad.yield %r : f32
  }
  return %0 : tensor<?x?xbf16>
}

// exp is a sequence of exactly specified operations.
//
// CHECK-LABEL: func.func @exp_map(
// CHECK-NOT:     math.exp
// CHECK-COUNT-8: math.fma
func.func @exp(%x: tensor<?x?xf32> {quad.unit_stride = 1 : i64}) -> tensor<?x?xf32> {
  %0 = quad.map(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    %r = quad.evaluate exp %a
    quad.yield %r : f32
  }
  return %0 : tensor<?x?xf32>
}

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!padded = !quad.tensor<?x?, #ufp4b, axis = 1, padded = ?>

// In a quantization it is computed where the input is read; beyond the matrix, zero.
//
// CHECK-LABEL: func.func @quantize_map_quantize_row(
// CHECK:         math.fma
// CHECK:         %[[I:.*]] = tile.iota
// CHECK:         arith.cmpi slt, %[[I]]
// CHECK:         tile.pack
func.func @quantize(%x: tensor<?x?xf32> {quad.unit_stride = 1 : i64}) -> !padded {
  %0 = quad.map(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    %r = quad.evaluate exp %a
    quad.yield %r : f32
  }
  %q = quad.quantize %0 {axis = 1, pad = true} : tensor<?x?xf32> -> !padded
  return %q : !padded
}
