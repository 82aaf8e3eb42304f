// RUN: quad-opt %s --split-input-file --verify-diagnostics --quad-to-kernels --convert-quad-to-tile=target=host:avx512
// RUN: not quad-opt %s --split-input-file --convert-quad-to-tile=target=host:avx42 2>&1 | FileCheck %s
// CHECK: error: unknown target 'host:avx42'

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!q = !quad.tensor<?x?, #fmt, axis = 1>
// expected-error @+1 {{returns an argument as it is; return what is computed from it}}
func.func @identity(%q: !q) -> !q {
  return %q : !q
}

// -----

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
// expected-error @+1 {{returns an argument as it is; return what is computed from it}}
func.func @transposed(%q: !quad.tensor<?x?, #fmt, axis = 1>) -> !quad.tensor<?x?, #fmt, axis = 0> {
  %t = quad.transpose %q : !quad.tensor<?x?, #fmt, axis = 1> -> !quad.tensor<?x?, #fmt, axis = 0>
  return %t : !quad.tensor<?x?, #fmt, axis = 0>
}

// -----

func.func @arithmetic(%x: tensor<?x?xf32>, %s: tensor<16xf32>) -> tensor<?x?xf32> {
  // expected-error @+1 {{is not part of a kernel and cannot run on the host schedule}}
  %y = arith.negf %x : tensor<?x?xf32>
  %h = quad.hadamard %y, %s {axis = 1} : tensor<?x?xf32>, tensor<16xf32> -> tensor<?x?xf32>
  return %h : tensor<?x?xf32>
}

// -----

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x16, f32, nearest>]>
func.func @carrier(%q: !quad.tensor<?x?, #fmt, axis = 1>) -> tensor<?x?xbf16> {
  // expected-error @+1 {{no exact carrier for F (bf16: code x scale needs 27 significant bits, it has 8); instead: a format such as UFP4_B, MXUF4, HIF4}}
  %v = quad.to_carrier %q : (!quad.tensor<?x?, #fmt, axis = 1>) -> tensor<?x?xbf16>
  return %v : tensor<?x?xbf16>
}

// -----

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x4, e8m0, ocp>]>
func.func @short_blocks(%q: !quad.tensor<?x?, #fmt, axis = 1>) -> tensor<?x?xf8E5M2> {
  // expected-error @+1 {{kernels of 8-bit carriers need blocks of at least 8 elements, format 'F' has 4}}
  %v:3 = quad.to_carrier %q : (!quad.tensor<?x?, #fmt, axis = 1>) -> (tensor<?x?xf8E5M2>, tensor<?xi32>, tensor<?xi32>)
  return %v#0 : tensor<?x?xf8E5M2>
}
