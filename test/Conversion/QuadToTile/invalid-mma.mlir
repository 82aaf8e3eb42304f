// RUN: quad-opt %s --verify-diagnostics --quad-to-kernels --convert-quad-to-tile=target=gfx942

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x32, e8m0, up>]>
func.func @product(%x: !quad.tensor<?x?, #fmt, axis = 1>, %w: tensor<?x?xf16>) -> tensor<?x?xf32> {
  // expected-error @+1 {{has no engine for mfma.32x32x8.f16 of target gfx942: panels are of bf16, or with exponents apart of fp8, not of f16 as the operands need it}}
  %y = quad.matmul %x, %w : !quad.tensor<?x?, #fmt, axis = 1>, tensor<?x?xf16> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
