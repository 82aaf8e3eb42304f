// RUN: quad-opt --quad-to-kernels --quad-to-tile=target=host:avx512vnni %s --verify-diagnostics | FileCheck %s
//
// Elementwise code is the product's epilogue: on vectors of the accumulator, which is
// rounded first as the product's own result would be.

#mxuf4 = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
!x = !quad.tensor<?x?, #mxuf4, axis = 1>
!wt = !quad.tensor<?x?, #mxuf4, axis = 0>

// CHECK-LABEL: func.func @f_matmul(
// CHECK:         llvm.x86.avx512.vpdpbusd.512
// CHECK:         %[[GATE:.*]] = llvm.intr.masked.load {{.*}} -> vector<16xi16>
// CHECK:         %[[STRIDED:.*]] = llvm.intr.masked.gather
// CHECK:         arith.cmpi ugt
// CHECK-COUNT-8: math.fma {{.*}} : vector<16xf32>
// CHECK:         llvm.intr.masked.store {{.*}} : vector<16xi32>
func.func @f(%x: !x, %w: !wt, %gate: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %any: tensor<?x?xf32>)
    -> tensor<?x?xf32> {
  // expected-remark @+1 {{carrier s8}}
  %y = quad.matmul %x, %w : !x, !wt -> tensor<?x?xbf16>
  %0 = quad.map(%y, %gate, %any) : (tensor<?x?xbf16>, tensor<?x?xbf16>, tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %e = quad.evaluate exp %a
    %m = arith.mulf %e, %b : f32
    %r = arith.subf %m, %c : f32
    quad.yield %r : f32
  }
  return %0 : tensor<?x?xf32>
}
