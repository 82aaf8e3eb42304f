// RUN: quad-opt %s --split-input-file --verify-diagnostics

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
// expected-error @+1 {{expected 'scales', 'rht', 'padded' or 'grouped'}}
func.func private @option(!quad.tensor<?x64, #f, axis = 0, groups>)

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
// expected-error @+1 {{groups have offsets that the device alone knows, so their padded length is not static}}
func.func private @static(!quad.tensor<?x64, #f, axis = 0, grouped, padded = 48>)

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
func.func @no_offsets(%x: tensor<?x64xbf16>) {
  // expected-error @+1 {{needs the offsets of a grouped tensor: groups(%offsets)}}
  %q = quad.quantize %x {axis = 0, pad = true} : tensor<?x64xbf16> -> !quad.tensor<?x64, #f, axis = 0, grouped>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
func.func @not_grouped(%x: tensor<?x64xbf16>, %i: tensor<?xi32>) {
  // expected-error @+1 {{has offsets of groups for a tensor that is not grouped}}
  %q = quad.quantize %x groups(%i : tensor<?xi32>) {axis = 0, pad = true} : tensor<?x64xbf16> -> !quad.tensor<?x64, #f, axis = 0, padded = ?>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
func.func @no_pad(%x: tensor<?x64xbf16>, %i: tensor<?xi32>) {
  // expected-error @+1 {{result is padded, which needs pad = true}}
  %q = quad.quantize %x groups(%i : tensor<?xi32>) {axis = 0} : tensor<?x64xbf16> -> !quad.tensor<?x64, #f, axis = 0, grouped>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
#rht = #quad.rht<16, digest = 1>
func.func @no_signs(%x: tensor<?x64xbf16>, %i: tensor<?xi32>) {
  // expected-error @+1 {{transforms every group by itself, which needs signs}}
  %q = quad.quantize %x groups(%i : tensor<?xi32>) {axis = 0, pad = true, rht = #rht} : tensor<?x64xbf16> -> !quad.tensor<?x64, #f, axis = 0, rht = #rht, grouped>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
func.func @offsets(%x: tensor<?x64xbf16>, %i: tensor<?xi16>) {
  // expected-error @+1 {{must be 1D tensor of 32-bit signless integer or 64-bit signless integer values}}
  %q = quad.quantize %x groups(%i : tensor<?xi16>) {axis = 0, pad = true} : tensor<?x64xbf16> -> !quad.tensor<?x64, #f, axis = 0, grouped>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
func.func @dequantize(%q: !quad.tensor<?x64, #f, axis = 0, grouped>) {
  // expected-error @+1 {{needs the offsets of a grouped tensor: groups(%offsets)}}
  %y = quad.dequantize %q : !quad.tensor<?x64, #f, axis = 0, grouped> -> tensor<?x64xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!grouped = !quad.tensor<?x64, #f, axis = 0, grouped>
func.func @mixed(%a: !quad.tensor<64x?, #f, axis = 1, padded = ?>, %b: !grouped) {
  // expected-error @+1 {{both sides must be grouped or none, but only rhs is grouped}}
  %y = quad.matmul %a, %b : !quad.tensor<64x?, #f, axis = 1, padded = ?>, !grouped -> tensor<64x64xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
func.func @plain(%a: !quad.tensor<64x?, #f, axis = 1, grouped>, %b: tensor<?x64xbf16>) {
  // expected-error @+1 {{both sides must be grouped or none, but only lhs is grouped}}
  %y = quad.matmul %a, %b : !quad.tensor<64x?, #f, axis = 1, grouped>, tensor<?x64xbf16> -> tensor<64x64xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!a = !quad.tensor<64x?, #f, axis = 1, grouped>
!b = !quad.tensor<?x64, #f, axis = 0, grouped>
func.func @both(%a: !a, %b: !b) {
  // expected-error @+1 {{needs the offsets of its grouped sides: groups(%offsets)}}
  %y = quad.matmul %a, %b : !a, !b -> tensor<64x64xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!a = !quad.tensor<64x?, #f, axis = 1, grouped>
!b = !quad.tensor<?x64, #f, axis = 0, grouped>
func.func @rows(%a: !a, %b: !b, %i: tensor<4xi32>) {
  // expected-error @+1 {{result 'tensor<128x64xf32>' does not fit operands}}
  %y = quad.matmul %a, %b groups(%i : tensor<4xi32>) : !a, !b -> tensor<128x64xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!a = !quad.tensor<?x64, #f, axis = 1>
!b = !quad.tensor<96x32, #f, axis = 0>
func.func @experts(%a: !a, %b: !b, %i: tensor<?xi32>) {
  // expected-error @+1 {{contracts 64 columns of lhs with 96 rows of rhs, which are neither as many nor those of experts}}
  %y = quad.matmul %a, %b groups(%i : tensor<?xi32>) : !a, !b -> tensor<?x32xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!a = !quad.tensor<?x64, #f, axis = 1>
!b = !quad.tensor<64x96, #f, axis = 0>
func.func @columns(%a: !a, %b: !b, %i: tensor<3xi32>) {
  // expected-error @+1 {{result 'tensor<?x32xf32>' does not fit operands}}
  %y = quad.matmul %a, %b groups(%i : tensor<3xi32>) : !a, !b -> tensor<?x32xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!a = !quad.tensor<?x64, #f, axis = 1>
!b = !quad.tensor<64x96, #f, axis = 0>
func.func @prepared(%a: !quad.prepared<!a>, %b: !b, %i: tensor<3xi32>) {
  // expected-error @+1 {{has groups of the rows of lhs, which decide where they are prepared; prepare rhs alone}}
  %y = quad.matmul %a, %b groups(%i : tensor<3xi32>) : !quad.prepared<!a>, !b -> tensor<?x48xf32>
  return
}
