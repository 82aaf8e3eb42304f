// RUN: quad-opt %s --verify-diagnostics --quad-to-kernels --convert-quad-to-tile=target=sm_90a

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
func.func @product(%x: !quad.tensor<?x?, #fmt, axis = 1>, %w: !quad.tensor<?x?, #fmt, axis = 0>) -> tensor<?x?xf32> {
  // expected-error @+1 {{has no engine for target sm_90a; it runs on the host}}
  %y = quad.matmul %x, %w : !quad.tensor<?x?, #fmt, axis = 1>, !quad.tensor<?x?, #fmt, axis = 0> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
