// RUN: quad-opt %s --quad-to-tile=target=host:avx2 -split-input-file -verify-diagnostics -o /dev/null

// Codes whose products saturate 16 bits: the integer engine declines, f32 holds them.
#wide = #quad.format<"wide", grid = lut<"wide", [-127.0, 0.0, 1.0, 127.0], qmax = 127.0>, levels = [<1x32, e8m0, ocp>]>
!row = !quad.tensor<?x?, #wide, axis = 1>
!column = !quad.tensor<?x?, #wide, axis = 0>

func.func @wide_codes(%a: !row, %b: !column) -> tensor<?x?xf32> {
  // expected-remark @+1 {{carrier f32 folded 1x}}
  %y = quad.matmul %a, %b : !row, !column -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

// f32 does not hold them with an f32 scale, and is not taken to round in silence.
#wide = #quad.format<"wide", grid = lut<"wide", [-127.0, 0.0, 1.0, 127.0], qmax = 127.0>, levels = [<1x32, f32, nearest>]>
!row = !quad.tensor<?x?, #wide, axis = 1>
!column = !quad.tensor<?x?, #wide, axis = 0>

func.func @wide_codes_with_f32_scales(%a: !row, %b: !column) -> tensor<?x?xf32> {
  // expected-error @+1 {{cannot be packed into the carrier f32 by the host's engine}}
  %y = quad.matmul %a, %b : !row, !column -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
