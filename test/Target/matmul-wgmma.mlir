// Products by wgmma: operands in panels, a ring of stages, sums in registers.
//
// RUN: quad-opt %s --quad-to-tile=target=sm_90a 2>/dev/null | FileCheck %s
// RUN: quad-opt %s --quad-to-ptx=target=sm_90a 2>/dev/null | FileCheck %s --check-prefix=LLVM

// A piece of panels is 16 KiB: 128 rows of 64 bf16 or 128 of eight bits.
// CHECK-LABEL: func.func @wide_matmul_lhs(
// CHECK: tile.lookup_pairs
// CHECK: tile.store {{.*}} {alignment = 16 : i64, granularity = 4 : i64}
// CHECK-LABEL: func.func @wide_matmul_rhs(

// CHECK-LABEL: func.func @wide_matmul(
// CHECK-SAME: tile.cluster = 2 : i64
// CHECK-SAME: tile.shared = 231616 : i64, tile.threads = 384 : i64
// CHECK: "mbarrier.init.shared::cta.b64
// CHECK: "fence.mbarrier_init.release.cluster;"
// CHECK: nvvm.setmaxregister decrease 40
// CHECK: cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [$0], [$1], $2, [$3];
// CHECK: cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster
// CHECK: nvvm.setmaxregister increase 232
// CHECK: wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16
// CHECK-SAME: wgmma.wait_group.sync.aligned 1;
// CHECK: wgmma.wait_group.sync.aligned 0;
// Sums of parts of the contraction go to the workspace as they are.
// CHECK: llvm.store {{.*}} {alignment = 8 : i64} : vector<2xf32>
// Of whole tiles rows pass through shared memory; of others lanes exchange columns.
// CHECK: "stmatrix.sync.aligned.m8n8.x4.shared.b16 [$0], {$1, $2, $3, $4};"
// CHECK: "stmatrix.sync.aligned.m8n8.x4.shared.b16 [$0+224]
// CHECK: bar.warp.sync
// CHECK: ld.shared.v4.b32 {{.*}} [$4+3808]
// CHECK: bar.warp.sync
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xi32>
// CHECK: nvvm.shfl.sync bfly
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<8xi16>

// CHECK-LABEL: func.func @wide_matmul_sum(
// CHECK: %[[FIRST:.*]] = llvm.load {{.*}} {alignment = 32 : i64} : !llvm.ptr -> vector<8xf32>
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[FIRST]]) -> (vector<8xf32>)
// CHECK: arith.addf
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<8xi16>

// LLVM-LABEL: llvm.func @wide_matmul(
// LLVM-SAME: nvvm.cluster_dim = array<i32: 2, 1, 1>
// LLVM-SAME: nvvm.minctasm = 1
// LLVM-SAME: nvvm.reqntid = array<i32: 384>

#wide = #quad.format<"W", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
func.func @wide(%x: !quad.tensor<?x?, #wide, axis = 1>,
                %w: !quad.tensor<?x?, #wide, axis = 0> {quad.divisible_by = array<i64: 16, 8>}) -> tensor<?x?xbf16> {
  %y = quad.matmul %x, %w : !quad.tensor<?x?, #wide, axis = 1>, !quad.tensor<?x?, #wide, axis = 0> -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}

// Sums of 128 of k by fp8, which keeps fewer bits, are added in f32; or not. f32 passes through shared
// memory by pairs, 64 columns at once.
// CHECK-LABEL: func.func @promoted_matmul_lhs_exponents(
// CHECK-LABEL: func.func @promoted_matmul(
// CHECK: wgmma.mma_async.sync.aligned.m64n128k32.f32.e5m2.e5m2
// CHECK-SAME: wgmma.wait_group.sync.aligned 0;
// CHECK: arith.addf
// CHECK: "st.shared.v2.b32 [$0], {$1, $2};"
// CHECK: "st.shared.v2.b32 [$0+2400], {$1, $2};"
// CHECK: ld.shared.v4.b32
// CHECK-LABEL: func.func @fast_matmul(
// CHECK: wgmma.mma_async.sync.aligned.m64n256k32.f32.e5m2.e5m2
// CHECK-SAME: wgmma.wait_group.sync.aligned 1;

#mx = #quad.format<"M", grid = e1m2, levels = [<1x32, e8m0, up>]>
!a = !quad.tensor<?x?, #mx, axis = 1>
!b = !quad.tensor<?x?, #mx, axis = 0>
func.func @promoted(%x: !a, %w: !b {quad.divisible_by = array<i64: 16, 8>}) -> tensor<?x?xf32> {
  %y = quad.matmul %x, %w : !a, !b -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
func.func @fast(%x: !a, %w: !b) -> tensor<?x?xf32> {
  %y = quad.matmul %x, %w {accum = #quad.accum<fast>} : !a, !b -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// A plain matrix goes into panels as it is.
// CHECK-LABEL: func.func @mixed_matmul_lhs(
// CHECK: tile.load
// CHECK: tile.store {{.*}} : tensor<1x4x8x4x8x8xi16
func.func @mixed(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %w: !quad.tensor<?x?, #wide, axis = 0>) -> tensor<?x?xf32> {
  %y = quad.matmul %x, %w : tensor<?x?xbf16>, !quad.tensor<?x?, #wide, axis = 0> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// A bias, which the kernel does not write, may be read ahead of its stores; what is added in place may not.
// CHECK-LABEL: func.func @biased_matmul(
// CHECK-NOT: llvm.load {{.*}} invariant {{.*}} -> vector<2xi32>
// CHECK: llvm.load {{.*}} invariant {{.*}} -> vector<2xi16>
// CHECK-NOT: llvm.load {{.*}} invariant {{.*}} -> vector<2xi32>
// CHECK: llvm.load {{.*}} -> vector<2xi32>
// CHECK-LABEL: func.func @biased_matmul_sum(
func.func @biased(%x: !quad.tensor<?x?, #wide, axis = 1>, %w: !quad.tensor<?x?, #wide, axis = 0>,
                  %bias: tensor<?xbf16> {quad.unit_stride = 0 : i64}, %acc: tensor<?x?xf32> {quad.unit_stride = 1 : i64}) -> tensor<?x?xf32> {
  %y = quad.matmul %x, %w bias(%bias : tensor<?xbf16>) acc(%acc : tensor<?x?xf32>) : !quad.tensor<?x?, #wide, axis = 1>, !quad.tensor<?x?, #wide, axis = 0> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
