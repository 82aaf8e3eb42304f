// RUN: quad-opt %s --split-input-file --verify-diagnostics --quad-to-tile=target=sm_90a

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!q = !quad.tensor<?x?, #fmt, axis = 1>
func.func @unknown(%x: tensor<?x?xbf16>) -> !q attributes {quad.tuning = {stages = 2}} {
  // expected-error @+1 {{quad.tuning has no "stages"; there are elements_per_lane, tiles_per_program, column_elements_per_lane, column_reach}}
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !q
  return %q : !q
}

// -----

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!q = !quad.tensor<?x?, #fmt, axis = 1>
func.func @no_power_of_two(%x: tensor<?x?xbf16>) -> !q attributes {quad.tuning = {elements_per_lane = 24}} {
  // expected-error @+1 {{quad.tuning elements_per_lane must be one of 8, 16, 32, 64, got 24}}
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !q
  return %q : !q
}

// -----

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!q = !quad.tensor<?x?, #fmt, axis = 1>
func.func @too_many(%x: tensor<?x?xbf16>) -> !q attributes {quad.tuning = {tiles_per_program = 16}} {
  // expected-error @+1 {{quad.tuning tiles_per_program must be one of 1, 2, 4, 8, got 16}}
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !q
  return %q : !q
}

// -----

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!q = !quad.tensor<?x?, #fmt, axis = 1>
func.func @text(%x: tensor<?x?xbf16>) -> !q attributes {quad.tuning = {column_reach = "far"}} {
  // expected-error @+1 {{quad.tuning column_reach must be one of 32, 64, 128, got "far"}}
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !q
  return %q : !q
}

// -----

#fmt = #quad.format<"F", grid = e1m2, levels = [<1x16, bf16, nearest>]>
!q = !quad.tensor<?x?, #fmt, axis = 1>
func.func @no_dictionary(%x: tensor<?x?xbf16>) -> !q attributes {quad.tuning = 32} {
  // expected-error @+1 {{quad.tuning must be a dictionary of integers, got 32}}
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !q
  return %q : !q
}
