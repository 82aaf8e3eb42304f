// RUN: quad-opt %s --split-input-file --verify-diagnostics --quad-to-kernels --convert-quad-to-tile=target=sm_90a

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
func.func @product(%x: !quad.tensor<?x?, #fmt, axis = 1>, %w: tensor<?x?xbf16>) -> tensor<?x?xf32> {
  // expected-error @+1 {{has no engine for wgmma.m64nNk8.tf32 of target sm_90a: panels are of bf16, or with exponents apart of fp8, not of tf32 as the operands need it, and the right operand is not quantized}}
  %y = quad.matmul %x, %w : !quad.tensor<?x?, #fmt, axis = 1>, tensor<?x?xbf16> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

// Prepared operands are panels, which have no scales beside them.
#fmt = #quad.format<"P", grid = e1m2, levels = [<1x16, f32, nearest>]>
func.func @per_block(%x: !quad.tensor<?x?, #fmt, axis = 1>) -> !quad.prepared<!quad.tensor<?x?, #fmt, axis = 1>> {
  // expected-error @+1 {{has no panels on target sm_90a: scales are applied every 16 of the contraction, which panels have no engine for; exact=False rounds code x scale to a carrier, and formats such as UFP4_B need neither}}
  %p = quad.prepare %x {side = #quad.side<lhs>, other = #fmt} : !quad.tensor<?x?, #fmt, axis = 1> -> !quad.prepared<!quad.tensor<?x?, #fmt, axis = 1>>
  return %p : !quad.prepared<!quad.tensor<?x?, #fmt, axis = 1>>
}
