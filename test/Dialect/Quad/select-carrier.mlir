// RUN: quad-opt %s --quad-select-carrier=target=sm_90a -verify-diagnostics | FileCheck %s

#mxuf4 = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
#ufp4 = #quad.format<"UFP4", grid = e1m2, levels = [<1x16, f32, nearest>]>
!mxuf4_row = !quad.tensor<?x?, #mxuf4, axis = 1>
!mxuf4_column = !quad.tensor<?x?, #mxuf4, axis = 0>
!nvfp4_row = !quad.tensor<?x?, #nvfp4, axis = 1>
!nvfp4_column = !quad.tensor<?x?, #nvfp4, axis = 0>
!ufp4_row = !quad.tensor<?x?, #ufp4, axis = 1>
!ufp4_column = !quad.tensor<?x?, #ufp4, axis = 0>
#mix = #quad.format<"MIX", grid = e2m1 or int4, levels = [<1x16, e4m3, @rule>]>
!mix_row = !quad.tensor<?x?, #mix, axis = 1>
!mix_column = !quad.tensor<?x?, #mix, axis = 0>

// Powers of two fold into fp8, whose 14-bit sums are promoted.
// CHECK-LABEL: func.func @mxuf4(
// CHECK:         quad.matmul
// CHECK-SAME:      instruction = "wgmma.m64nNk32.f8"
// CHECK-SAME:      lhs = {carrier = "e5m2", scales = "folded-exponent"}
// CHECK-SAME:      promote = 128
// CHECK-SAME:      rhs = {carrier = "e5m2", scales = "folded-exponent"}
func.func @mxuf4(%a: !mxuf4_row, %b: !mxuf4_column) -> tensor<?x?xf32> {
  // expected-remark @+1 {{carrier e5m2 folded-exponent(30) 2x: code x 2^k is exact in e5m2 for 30 consecutive exponents}}
  %y = quad.matmul %a, %b : !mxuf4_row, !mxuf4_column -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// The caller's own choice of sums.
// CHECK-LABEL: func.func @f32_sums(
// CHECK:         quad.matmul
// CHECK-SAME:      instruction = "wgmma.m64nNk16.bf16"
// CHECK-LABEL: func.func @fast_sums(
// CHECK:         instruction = "wgmma.m64nNk32.f8"
// CHECK-NOT:     promote
// CHECK:         return
func.func @f32_sums(%a: !mxuf4_row, %b: !mxuf4_column) -> tensor<?x?xf32> {
  // expected-remark @+1 {{carrier bf16 folded 1x}}
  %y = quad.matmul %a, %b {accum = #quad.accum<f32>} : !mxuf4_row, !mxuf4_column -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
func.func @fast_sums(%a: !mxuf4_row, %b: !mxuf4_column) -> tensor<?x?xf32> {
  // expected-remark @+1 {{carrier e5m2 folded-exponent(30) 2x}}
  %y = quad.matmul %a, %b {accum = #quad.accum<fast>} : !mxuf4_row, !mxuf4_column -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// CHECK-LABEL: func.func @nvfp4(
// CHECK:         quad.matmul
// CHECK-SAME:      lhs = {carrier = "bf16", scales = "folded"}
// CHECK-LABEL: func.func @nvfp4_inexact(
// CHECK:         quad.matmul
// CHECK-SAME:      exact = false
// CHECK-SAME:      lhs = {carrier = "e4m3", scales = "folded"}
func.func @nvfp4(%a: !nvfp4_row, %b: !nvfp4_column) -> tensor<?x?xbf16> {
  // expected-remark @+1 {{all 2016 products of code and scale have at most 6 significant bits}}
  %y = quad.matmul %a, %b : !nvfp4_row, !nvfp4_column -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}
func.func @nvfp4_inexact(%a: !nvfp4_row, %b: !nvfp4_column) -> tensor<?x?xbf16> {
  // expected-remark @+1 {{rounds code x scale to e4m3 (allowed by exact = false)}}
  %y = quad.matmul %a, %b {exact = false} : !nvfp4_row, !nvfp4_column -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}

// A slow path is never silent.
// CHECK-LABEL: func.func @ufp4(
// CHECK:         quad.matmul
// CHECK-SAME:      k_block = 16
func.func @ufp4(%a: !ufp4_row, %b: !ufp4_column) -> tensor<?x?xf32> {
  // expected-remark @+2 {{carrier bf16 per-k-block(16) 0.25x: no fast carrier holds code x scale}}
  // expected-note @+1 {{faster with MXUF4 (2x), UFP4_B (1x), HIF4 (1x)}}
  %y = quad.matmul %a, %b : !ufp4_row, !ufp4_column -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// CHECK-LABEL: func.func @mixed(
// CHECK:         lhs = {carrier = "bf16", scales = "none"}
// CHECK-SAME:    rhs = {carrier = "bf16", scales = "folded"}
func.func @mixed(%a: tensor<?x?xbf16>, %b: !nvfp4_column) -> tensor<?x?xf32> {
  // expected-remark @+1 {{carrier bf16 folded 1x}}
  %y = quad.matmul %a, %b : tensor<?x?xbf16>, !nvfp4_column -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// The codes of both grids with every scale.
// CHECK-LABEL: func.func @two_grids(
// CHECK:         quad.matmul
// CHECK-SAME:      lhs = {carrier = "bf16", scales = "folded"}
func.func @two_grids(%a: !mix_row, %b: !mix_column) -> tensor<?x?xbf16> {
  // expected-remark @+1 {{all 3906 products of code and scale have at most 7 significant bits}}
  %y = quad.matmul %a, %b : !mix_row, !mix_column -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}
