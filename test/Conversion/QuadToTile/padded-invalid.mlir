// The values of a padded tensor that is an argument: only the caller knows how many are its
// own, so what is computed of them would have more than the caller's buffers hold.
//
// RUN: quad-opt %s --quad-to-kernels --quad-to-tile=target=host:avx512 --split-input-file --verify-diagnostics

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!padded = !quad.tensor<?x?, #ufp4b, axis = 1, padded = ?>

func.func @map(%q: !padded) -> tensor<?x?xf32> {
  %x = quad.dequantize %q : !padded -> tensor<?x?xf32>
  // expected-error @+1 {{computes with the values of a padded tensor, whose own length only the caller knows; return dequantize(..) and compute with that}}
  %0 = quad.map(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    quad.yield %r : f32
  }
  return %0 : tensor<?x?xf32>
}

// -----

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!grouped = !quad.tensor<?x?, #ufp4b, axis = 0, grouped>
!w = !quad.tensor<?x?, #ufp4b, axis = 0>

func.func @rows(%q: !grouped, %i: tensor<?xi32>, %w: !w) -> tensor<?x?xf32> {
  %x = quad.dequantize %q groups(%i : tensor<?xi32>) : !grouped -> tensor<?x?xbf16>
  // expected-error @+1 {{computes with the values of a padded tensor}}
  %y = quad.matmul %x, %w : tensor<?x?xbf16>, !w -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!padded = !quad.tensor<?x?, #ufp4b, axis = 1, padded = ?>

func.func @quantize(%q: !padded) -> !padded {
  %x = quad.dequantize %q : !padded -> tensor<?x?xf32>
  // expected-error @+1 {{computes with the values of a padded tensor}}
  %0 = quad.quantize %x {axis = 1, pad = true} : tensor<?x?xf32> -> !padded
  return %0 : !padded
}

// -----

// Along what a product contracts, padding is zeros times zeros.

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!padded = !quad.tensor<?x?, #ufp4b, axis = 1, padded = ?>
!w = !quad.tensor<?x?, #ufp4b, axis = 0, padded = ?>

func.func @contracted(%q: !padded, %w: !w) -> tensor<?x?xf32> {
  %x = quad.dequantize %q : !padded -> tensor<?x?xbf16>
  // expected-remark @+1 {{carrier f32 folded 1x}}
  %y = quad.matmul %x, %w : tensor<?x?xbf16>, !w -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
