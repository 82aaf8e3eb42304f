// A product on the host: both operands are packed into panels of the carrier, which
// a remark names; the product walks its ranges itself.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 --verify-diagnostics | FileCheck %s

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!x = !quad.tensor<?x?, #ufp4b, axis = 1>
!w = !quad.tensor<?x?, #ufp4b, axis = 0>

// CHECK-LABEL: func.func @f(
// CHECK-SAME:    %[[XC:[a-z0-9]+]]: !tile.buffer<2 x i8>, %[[XS:[a-z0-9]+]]: !tile.buffer<2 x bf16>, %[[WC:[a-z0-9]+]]: !tile.buffer<2 x i8>, %[[WS:[a-z0-9]+]]: !tile.buffer<2 x bf16>, %[[BIAS:[a-z0-9]+]]: !tile.buffer<1 x f32>, %[[Y:[a-z0-9]+]]: !tile.buffer<2 x bf16> {tile.out})
// CHECK:         %[[A:.*]] = tile.alloc
// CHECK-NEXT:    tile.launch @f_matmul_pack_lhs {{.*}} args(%[[A]], {{.*}}, %[[XC]], %[[XS]] :
// CHECK:         %[[B:.*]] = tile.alloc
// CHECK-NEXT:    tile.launch @f_matmul_pack_rhs {{.*}} args(%[[B]], {{.*}}, %[[WC]], %[[WS]] :
// CHECK:         tile.launch @f_matmul grid({{.*}}) args(%[[A]], %[[B]], {{.*}}, %[[Y]], %[[BIAS]] :
// CHECK-LABEL: func.func @f_matmul_pack_lhs({{.*}}tile.kernel, tile.ranged}
// CHECK-LABEL: func.func @f_matmul({{.*}}tile.kernel, tile.ranged}
func.func @f(%x: !x, %w: !w, %b: tensor<?xf32> {quad.unit_stride = 0 : i64}) -> tensor<?x?xbf16> {
  // expected-remark @+1 {{carrier f32}}
  %y = quad.matmul %x, %w bias(%b : tensor<?xf32>) : !x, !w -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}
