// Products of few rows are made from packed operands by instructions of single warps, on all
// targets; those of many rows read panels.
//
// RUN: quad-opt %s --quad-to-tile=target=sm_90a 2>/dev/null | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=sm_80 2>/dev/null | FileCheck %s --check-prefix=MANY
// RUN: quad-opt %s --quad-to-tile=target=sm_89 2>/dev/null | FileCheck %s --check-prefix=MANY
// RUN: quad-opt %s --quad-to-tile=target=sm_120a 2>/dev/null | FileCheck %s --check-prefix=MANY
// RUN: quad-opt %s --quad-to-ptx=target=sm_80 2>/dev/null | FileCheck %s --check-prefix=SM80

#nv = #quad.format<"N", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>

// At most 8 rows, at most 16, or more: kernels that do not run have no blocks.
// CHECK-LABEL: func.func @product(
// CHECK-DAG: %[[M:.*]] = tile.dim %arg0, 0
// CHECK-DAG: %[[FEWEST:.*]] = arith.cmpi sle, %[[M]], %c8_i64
// CHECK: %[[GRID:.*]] = arith.select %[[FEWEST]], %{{.*}}, %c0_i64
// CHECK: tile.launch @product_matmul_8 grid(%[[GRID]]
// CHECK: tile.launch @product_matmul_16
// CHECK: tile.launch @product_matmul_lhs
// CHECK: tile.launch @product_matmul_rhs
// CHECK: tile.launch @product_matmul grid

// CHECK-LABEL: func.func @product_matmul_8(
// CHECK-NOT: tile.resident
// CHECK: tile.lookup_pairs
// CHECK: tile.multiply_pairs
// CHECK: tile.dot {{.*}} by "bf16" : tensor<16x512xi32, {{.*}}>, tensor<8x512xi32, {{.*}}> -> tensor<16x8x4xf32
// CHECK: tile.reduce addf

// MANY-LABEL: func.func @product(
// MANY: tile.launch @product_matmul_8 grid
// MANY: tile.launch @product_matmul_16 grid
// MANY: tile.launch @product_matmul_lhs grid
// MANY: tile.launch @product_matmul_rhs grid
// MANY: tile.launch @product_matmul grid

// SM80-LABEL: llvm.func @product_matmul_16(
// SM80: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// SM80-NOT: wgmma
func.func @product(%x: !quad.tensor<?x?, #nv, axis = 1>, %w: !quad.tensor<?x?, #nv, axis = 0>) -> tensor<?x?xbf16> {
  %y = quad.matmul %x, %w : !quad.tensor<?x?, #nv, axis = 1>, !quad.tensor<?x?, #nv, axis = 0> -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}

// Blocks that read plain rows find room for four on a multiprocessor.
// CHECK-LABEL: func.func @plain_matmul_8(
// CHECK-SAME: tile.resident = 4 : i64
// CHECK-LABEL: func.func @plain_matmul_16(
// CHECK-NOT: tile.resident
// CHECK: return
// SM80-LABEL: llvm.func @plain_matmul_8(
// SM80-SAME: nvvm.minctasm = 4 : i32
func.func @plain(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.divisible_by = array<i64: 1, 32>, quad.stride_divisible_by = array<i64: 8, 1>, quad.alignment = 16 : i64},
                 %w: !quad.tensor<?x?, #nv, axis = 0>) -> tensor<?x?xbf16> {
  %y = quad.matmul %x, %w : tensor<?x?xbf16>, !quad.tensor<?x?, #nv, axis = 0> -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}
