// RUN: quad-opt %s --split-input-file --verify-diagnostics --quad-to-kernels --convert-quad-to-tile=target=sm_90a

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
func.func @product(%x: !quad.tensor<?x?, #fmt, axis = 1>, %w: !quad.tensor<?x?, #fmt, axis = 0>) -> tensor<?x?xf32> {
  // expected-remark @+2 {{carrier tf32 folded 0.5x}}
  // expected-error @+1 {{has no engine for the carrier tf32, which the operands need; sm_90a has those for bf16, e5m2, e4m3 and s8}}
  %y = quad.matmul %x, %w : !quad.tensor<?x?, #fmt, axis = 1>, !quad.tensor<?x?, #fmt, axis = 0> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

// Prepared operands are panels, which have no scales beside them.
#fmt = #quad.format<"P", grid = e1m2, levels = [<1x16, f32, nearest>]>
func.func @per_block(%x: !quad.tensor<?x?, #fmt, axis = 1>) -> !quad.prepared<!quad.tensor<?x?, #fmt, axis = 1>> {
  // expected-error @+1 {{needs scales applied every 16 of the contraction, which has no engine; exact=False rounds code x scale to a carrier, and formats such as UFP4_B need neither}}
  %p = quad.prepare %x {side = #quad.side<lhs>, other = #fmt} : !quad.tensor<?x?, #fmt, axis = 1> -> !quad.prepared<!quad.tensor<?x?, #fmt, axis = 1>>
  return %p : !quad.prepared<!quad.tensor<?x?, #fmt, axis = 1>>
}
