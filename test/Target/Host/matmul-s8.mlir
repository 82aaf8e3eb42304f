// RUN: quad-opt --quad-to-tile=target=host:avx512vnni %s 2>/dev/null | FileCheck %s --check-prefixes=CHECK,VNNI
// RUN: quad-opt --quad-to-tile=target=host:avx2 %s 2>/dev/null | FileCheck %s --check-prefixes=CHECK,AVX2
//
// Integer sums of a block of 32, one scaling of each: the sum's bits are those
// of a float, and it is multiplied and added as two roundings.

#mxuf4 = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
!x = !quad.tensor<?x2048, #mxuf4, axis = 1>
!wt = !quad.tensor<2048x?, #mxuf4, axis = 0>

// CHECK-LABEL: func.func @linear(
// A panel block of w rows is w * (32 + 4) bytes on the left, w * (32 + 8) on the right.
// VNNI-DAG:   %[[LHS:.*]] = arith.constant 216 : i64
// VNNI-DAG:   %[[RHS:.*]] = arith.constant 1280 : i64
// AVX2-DAG:   %[[LHS:.*]] = arith.constant 144 : i64
// AVX2-DAG:   %[[RHS:.*]] = arith.constant 640 : i64
// CHECK:      %[[LHS_BYTES:.*]] = arith.muli %{{.*}}, %[[LHS]]
// CHECK:      %[[LHS_PANELS:.*]] = tile.alloc %[[LHS_BYTES]]
// CHECK:      tile.launch @linear_matmul_pack_lhs
// CHECK:      %[[RHS_BYTES:.*]] = arith.muli %{{.*}}, %[[RHS]]
// CHECK:      %[[RHS_PANELS:.*]] = tile.alloc %[[RHS_BYTES]]
// CHECK:      tile.launch @linear_matmul_pack_rhs
// CHECK:      tile.launch @linear_matmul grid({{.*}}) args(%[[LHS_PANELS]], %[[RHS_PANELS]],
func.func @linear(%x: !x, %wt: !wt) -> tensor<?x?xf32> {
  %y = quad.matmul %x, %wt : !x, !wt -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// The left codes are made unsigned by their largest magnitude; the lookup table
// holds 4 * value.
// CHECK-LABEL: func.func @linear_matmul_pack_lhs(
// VNNI-DAG:   arith.constant dense<7> : vector<64xi8>
// VNNI-DAG:   %[[TABLE:.*]] = arith.constant dense<[0, 1, 2, 3, 4, 5, 6, 7, 0, -1, -2, -3, -4, -5, -6, -7, {{.*}}]> : vector<64xi8>
// VNNI:       llvm.intr.masked.gather
// VNNI:       llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"(%[[TABLE]],
// AVX2-DAG:   arith.constant dense<7> : vector<32xi8>
// AVX2:       llvm.intr.masked.gather
// AVX2:       llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"

// Sums of the right codes give what the offset added.
// CHECK-LABEL: func.func @linear_matmul_pack_rhs(
// 1.5 * 2^19, the magic number in units of 1/16.
// CHECK-DAG:  arith.constant dense<1228931072> : vector<{{.*}}xi32>
// VNNI-COUNT-16: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// AVX2-COUNT-16: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"

// CHECK-LABEL: func.func @linear_matmul(
// CHECK-NOT:  fastmath
// CHECK-DAG:  %[[MAGIC:.*]] = arith.constant dense<7.864320e+05>
// CHECK:      llvm.intr.memset
// VNNI-COUNT-96: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// AVX2-COUNT-64: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// AVX2-COUNT-8:  llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// CHECK:      %[[SUM:.*]] = arith.subf %{{.*}}, %[[MAGIC]]
// CHECK:      %[[SCALE:.*]] = arith.mulf
// CHECK:      %[[PRODUCT:.*]] = arith.mulf %[[SUM]], %[[SCALE]]
// CHECK:      arith.addf %{{.*}}, %[[PRODUCT]]
// CHECK-NOT:  math.fma
// CHECK:      scf.if
// CHECK-NEXT:   llvm.store
// CHECK:      else
// CHECK:        llvm.intr.masked.store
