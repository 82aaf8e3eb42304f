// RUN: quad-opt --quad-to-tile=target=host:avx512 %s 2>/dev/null | FileCheck %s --check-prefixes=CHECK,AVX512
// RUN: quad-opt --quad-to-tile=target=host:avx2 %s 2>/dev/null | FileCheck %s --check-prefixes=CHECK,AVX2
//
// A plain operand meets a quantized one in f32: every element is one chain of
// fused multiply-adds.

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!wt = !quad.tensor<2048x?, #ufp4b, axis = 0>

// CHECK-LABEL: func.func @w4a16(
// CHECK:      tile.launch @w4a16_matmul_pack_lhs
// CHECK:      tile.launch @w4a16_matmul_pack_rhs
// CHECK:      tile.launch @w4a16_matmul grid
func.func @w4a16(%x: tensor<?x2048xbf16>, %wt: !wt, %bias: tensor<?xf32> {quad.unit_stride = 0 : i64}) -> tensor<?x?xbf16> {
  %y = quad.matmul %x, %wt bias(%bias : tensor<?xf32>) : tensor<?x2048xbf16>, !wt -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}

// bf16 is widened as bits.
// CHECK-LABEL: func.func @w4a16_matmul_pack_lhs(
// CHECK:      llvm.intr.masked.gather
// CHECK-NOT:  arith.extf
// CHECK:      llvm.intr.masked.store

// CHECK-LABEL: func.func @w4a16_matmul_pack_rhs(
// CHECK:      llvm.intr.masked.gather
// AVX512:     llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"
// AVX2-COUNT-2: llvm.call_intrinsic "llvm.x86.avx2.permps"
// CHECK:      arith.mulf

// Four columns of K a step: 4 * mr * 2 vectors.
// CHECK-LABEL: func.func @w4a16_matmul(
// CHECK-NOT:  fastmath
// CHECK:      llvm.intr.prefetch
// AVX512-COUNT-96: math.fma {{.*}} : vector<16xf32>
// AVX2-COUNT-48:   math.fma {{.*}} : vector<8xf32>
// CHECK-NOT:  math.fma
// The bias is one addition, then one rounding to bf16 in integers.
// CHECK:      llvm.intr.masked.load
// CHECK:      arith.addf
// CHECK-NOT:  arith.truncf
// CHECK:      arith.cmpf uno
// CHECK:      scf.if
