// RUN: quad-opt %s --verify-diagnostics --quad-to-kernels --convert-quad-to-tile=target=gfx942

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x32, e8m0, up>]>
func.func @product(%x: !quad.tensor<?x?, #fmt, axis = 1>, %w: tensor<?x?xbf16>) -> tensor<?x?xf32> {
  // expected-error @+1 {{has no engine for mfma.32x32x8.bf16 of target gfx942, and the right operand is not quantized}}
  %y = quad.matmul %x, %w : !quad.tensor<?x?, #fmt, axis = 1>, tensor<?x?xbf16> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
