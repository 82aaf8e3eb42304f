// RUN: quad-opt %s --quad-to-kernels --quad-to-tile=target=host:avx512 --verify-diagnostics

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!padded = !quad.tensor<?x?, #ufp4b, axis = 1, padded = ?>

func.func @padded(%q: !padded) -> tensor<?x?xf32> {
  %x = quad.dequantize %q : !padded -> tensor<?x?xf32>
  // expected-error @+1 {{elementwise code on the values of a padded tensor, whose own length only the caller knows; return dequantize(..) and compute with that}}
  %0 = quad.map(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    quad.yield %r : f32
  }
  return %0 : tensor<?x?xf32>
}
