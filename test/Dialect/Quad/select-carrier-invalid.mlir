// RUN: quad-opt %s --quad-select-carrier="target=sm_90a minimum-rate=1" -split-input-file -verify-diagnostics
// RUN: not quad-opt %s --quad-select-carrier=target=sm_70 -split-input-file 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: 'quad.matmul' op unknown target 'sm_70': expected host, {{.*}}sm_90a{{.*}}gfx942

#ufp4 = #quad.format<"UFP4", grid = e1m2, levels = [<1x16, f32, nearest>]>
!row = !quad.tensor<?x?, #ufp4, axis = 1>
!column = !quad.tensor<?x?, #ufp4, axis = 0>

func.func @too_slow(%a: !row, %b: !column) -> tensor<?x?xf32> {
  // expected-error @+1 {{no carrier of sm_90a holds the operands exactly at 1x or more; e5m2: code x scale needs 27 significant bits, it has 3}}
  %y = quad.matmul %a, %b : !row, !column -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
!column = !quad.tensor<?x?, #nvfp4, axis = 0>

func.func @plain_f32(%a: tensor<?x?xf32>, %b: !column) -> tensor<?x?xf32> {
  // expected-error @+1 {{bf16: does not hold every f32}}
  %y = quad.matmul %a, %b : tensor<?x?xf32>, !column -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

// A program without a product asks nothing of the table.
func.func @no_product(%a: tensor<?x?xf32>) -> tensor<?x?xf32> {
  return %a : tensor<?x?xf32>
}
