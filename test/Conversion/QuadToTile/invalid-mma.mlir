// RUN: quad-opt %s --verify-diagnostics --quad-to-kernels --convert-quad-to-tile=target=gfx942

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x32, e8m0, up>]>
func.func @product(%x: !quad.tensor<?x?, #fmt, axis = 1>, %w: !quad.tensor<?x?, #fmt, axis = 0>) -> tensor<?x?xf32> {
  // expected-error @+1 {{has no engine for mfma.16x16x32.fp8 of target gfx942; it runs on the host and sm_90a}}
  %y = quad.matmul %x, %w : !quad.tensor<?x?, #fmt, axis = 1>, !quad.tensor<?x?, #fmt, axis = 0> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
