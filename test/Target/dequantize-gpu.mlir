// Scales that all warps load reach the lanes that multiply with them, whatever the block.
//
// RUN: quad-opt %s --split-input-file --quad-to-ptx=target=sm_90a | FileCheck %s
// RUN: quad-opt %s --split-input-file --quad-to-amdgcn=target=gfx942 | FileCheck %s

// CHECK: llvm.func @square_dequantize
#square = #quad.format<"NVFP4_16x16", grid = e2m1, levels = [<16x16, e4m3, nearest>, <tensor, f32, nearest>]>
func.func @square(%q: !quad.tensor<?x?, #square, axis = 1>) -> tensor<?x?xbf16> {
  %d = quad.dequantize %q : !quad.tensor<?x?, #square, axis = 1> -> tensor<?x?xbf16>
  return %d : tensor<?x?xbf16>
}

// -----

// CHECK: llvm.func @long_dequantize
#long = #quad.format<"LONG", grid = e2m1, levels = [<1x1024, f32, nearest>]>
func.func @long(%q: !quad.tensor<?x?, #long, axis = 1>) -> tensor<?x?xbf16> {
  %d = quad.dequantize %q : !quad.tensor<?x?, #long, axis = 1> -> tensor<?x?xbf16>
  return %d : tensor<?x?xbf16>
}
