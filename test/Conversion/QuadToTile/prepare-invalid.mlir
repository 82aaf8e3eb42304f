// RUN: quad-opt %s --split-input-file --quad-to-tile=target=host:avx512 --verify-diagnostics
// RUN: not quad-opt %s --split-input-file --quad-to-tile=target=gfx942 2>&1 | FileCheck %s
// CHECK: rhs is prepared as "rhs in f32 panels of 32 x 16", but this product reads "e5m2fnuz panels of 128 x 128

#mxuf4 = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
!q = !quad.tensor<?x?, #mxuf4, axis = 1>
!p = !quad.prepared<!quad.tensor<?x?, #mxuf4, axis = 0>, "rhs in f32 panels of 32 x 16">
func.func @other_form(%q: !q, %p: !p) -> tensor<?x?xbf16> {
  // expected-remark @+2 {{carrier s8}}
  // expected-error @+1 {{rhs is prepared as "rhs in f32 panels of 32 x 16", but this product reads "rhs in s8 panels of 32 x 32, codes in units of 2^-2, of lhs 2^-2 up to 7"; prepare it with side = rhs and other = MXUF4}}
  %y = quad.matmul %q, %p : !q, !p -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}

// -----

#mxuf4 = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
!q = !quad.tensor<?x?, #mxuf4, axis = 1>
!p = !quad.prepared<!quad.tensor<?x?, #mxuf4, axis = 0>>
func.func @no_form(%q: !q, %p: !p) -> tensor<?x?xbf16> {
  // expected-remark @+2 {{carrier s8}}
  // expected-error @+1 {{rhs is prepared as "", but}}
  %y = quad.matmul %q, %p : !q, !p -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}
