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
