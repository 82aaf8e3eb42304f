// Without wgmma products of many rows read panels by instructions of single warps: rows that the
// warps of a block share go through its shared memory.
//
// RUN: quad-opt %s --quad-to-tile=target=sm_80 2>/dev/null | FileCheck %s --check-prefixes=TILE,BF16
// RUN: quad-opt %s --quad-to-tile=target=sm_89 2>/dev/null | FileCheck %s --check-prefixes=TILE,FP8
// RUN: quad-opt %s --quad-to-tile=target=sm_120a 2>/dev/null | FileCheck %s --check-prefixes=TILE,FP8
// RUN: quad-opt %s --quad-to-ptx=target=sm_89 2>/dev/null | FileCheck %s --check-prefix=SM89
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx942 2>/dev/null | FileCheck %s --check-prefix=GFX942
// RUN: quad-opt %s --quad-to-tile=target=gfx950 2>/dev/null | FileCheck %s --check-prefix=SCALES
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx950 2>/dev/null | FileCheck %s --check-prefix=GFX950
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx1100 2>/dev/null | FileCheck %s --check-prefix=GFX1100
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx1200 2>/dev/null | FileCheck %s --check-prefix=GFX1200
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx1250 2>/dev/null | FileCheck %s --check-prefix=GFX1250

#mx = #quad.format<"MX", grid = e1m2, levels = [<1x32, e8m0, up>]>

// TILE-LABEL: func.func @product(
// TILE: tile.launch @product_matmul_8 grid
// TILE: tile.launch @product_matmul_16 grid
// BF16: tile.launch @product_matmul_lhs grid
// FP8: tile.launch @product_matmul_lhs_exponents grid
// FP8: tile.launch @product_matmul_lhs grid
// TILE: tile.launch @product_matmul_rhs
// TILE: tile.launch @product_matmul grid
// FP8: tile.launch @product_matmul_overflow grid

// The product's rows are read once a block, the weights' by the warp that has them.
// TILE-LABEL: func.func @product_matmul(
// TILE: scf.for
// TILE-COUNT-2: tile.load
// TILE: tile.convert_layout %{{.*}} -> tensor<64x16xi32, #tile.layout<{{.*}}, warp = [0, 0]>>
// BF16: tile.dot {{.*}} by "bf16" : tensor<128x16xi32, {{.*}}>, tensor<64x16xi32, {{.*}}> -> tensor<128x64x1xf32
// FP8: tile.dot {{.*}} by "e{{[45]}}m{{[23]}}" : tensor<128x16xi32, {{.*}}>, tensor<64x16xi32, {{.*}}> -> tensor<128x64x1xf32
// FP8: tile.store %{{.*}} where
// BF16-NOT: where
// TILE: return

// Instructions that take scales have them in panels too: words of four steps' bytes, of which each
// step chooses its own.
// SCALES: tile.launch @product_matmul_lhs grid
// SCALES: tile.launch @product_matmul_lhs_scales grid
// SCALES: tile.launch @product_matmul_rhs grid
// SCALES: tile.launch @product_matmul_rhs_scales grid
// SCALES: tile.launch @product_matmul grid
// SCALES-LABEL: func.func @product_matmul_lhs(
// SCALES: tile.pack_six_bits
// SCALES-LABEL: func.func @product_matmul(
// Blocks of fp6 have two panels of weights; where the second is not there the first is read again.
// SCALES: %[[NEXT:.*]] = arith.select %{{.*}}, %c0_i64, %{{.*}} : i64
// SCALES: tile.load {{.*}} strides(%[[NEXT]], {{.*}} -> tensor<2x16x8x{{[0-9x]+}}xi32
// SCALES: tile.dot {{.*}} by "e2m3" scales {{.*}} : tensor<256x4xi32, {{.*}}>, tensor<64x4xi32, {{.*}}> : tensor<256x32xi32
// SCALES: tile.dot {{.*}} by "e2m3" scales {{.*}} {scaleByte = 1 : i32}
// SCALES: tile.dot {{.*}} by "e2m3" scales {{.*}} {scaleByte = 3 : i32}

// SM89-LABEL: llvm.func @product_matmul(
// SM89: mma.sync.aligned.m16n8k32.row.col.f32.e{{[45]}}m{{[23]}}
// GFX942-LABEL: llvm.func @product_matmul(
// GFX942: llvm.amdgcn.mfma.f32.16x16x32.{{bf|fp}}8
// GFX950-LABEL: llvm.func @product_matmul(
// GFX950: llvm.amdgcn.mfma.scale.f32.16x16x128.f8f6f4.v6i32.v6i32
// GFX1100-LABEL: llvm.func @product_matmul(
// GFX1100: llvm.amdgcn.wmma.f32.16x16x16.bf16
// GFX1200-LABEL: llvm.func @product_matmul(
// GFX1200: llvm.amdgcn.wmma.f32.16x16x16.{{bf|fp}}8
// GFX1250-LABEL: llvm.func @product_matmul(
// GFX1250: llvm.amdgcn.wmma.scale.f32.16x16x128.f8f6f4.v8f32.v12i32.v12i32
func.func @product(%x: !quad.tensor<?x?, #mx, axis = 1>, %w: !quad.tensor<?x?, #mx, axis = 0>) -> tensor<?x?xbf16> {
  %y = quad.matmul %x, %w : !quad.tensor<?x?, #mx, axis = 1>, !quad.tensor<?x?, #mx, axis = 0> -> tensor<?x?xbf16>
  return %y : tensor<?x?xbf16>
}
