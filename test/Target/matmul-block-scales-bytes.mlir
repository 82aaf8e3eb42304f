// f32 scales of long blocks: codes become bytes, or two's complement of four bits where there are
// instructions for it, which sum a block's products.
//
// RUN: quad-opt %s --quad-to-tile=target=sm_80 2>/dev/null | FileCheck %s --check-prefix=S4
// RUN: quad-opt %s --quad-to-tile=target=sm_90a 2>/dev/null | FileCheck %s --check-prefixes=TILE,S8
// RUN: quad-opt %s --quad-to-tile=target=sm_89 2>/dev/null | FileCheck %s --check-prefix=S4
// RUN: quad-opt %s --quad-to-tile=target=gfx942 2>/dev/null | FileCheck %s --check-prefixes=TILE,FP8
// RUN: quad-opt %s --quad-to-ptx=target=sm_80 2>/dev/null | FileCheck %s --check-prefix=SM80
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx1100 2>/dev/null | FileCheck %s --check-prefix=GFX1100
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx1200 2>/dev/null | FileCheck %s --check-prefix=GFX1200
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx942 2>/dev/null | FileCheck %s --check-prefix=GFX942

#long = #quad.format<"LONG", grid = e1m2, levels = [<1x128, f32, nearest>]>

// TILE-LABEL: func.func @product_matmul_{{8|16}}(
// TILE: tile.lookup_bytes
// S8: tile.dot {{.*}} by "s8" scales
// FP8: tile.dot {{.*}} by "e4m3fnuz" scales
// S4-LABEL: func.func @product_matmul_8(
// S4-NOT: lookup
// S4: tile.dot {{.*}} by "s4" scales
// SM80-LABEL: llvm.func @product_matmul_8(
// SM80: mma.sync.aligned.m16n8k32.row.col.s32.s4.s4.s32
// SM80: llvm.sitofp
// GFX1100: llvm.amdgcn.wmma.i32.16x16x16.iu4.v8i32.v2i32
// GFX1200: llvm.amdgcn.wmma.i32.16x16x32.iu4.v8i32.v2i32
// GFX942: llvm.amdgcn.mfma.f32.16x16x32.fp8.fp8
func.func @product(%x: !quad.tensor<?x?, #long, axis = 1>, %w: !quad.tensor<?x?, #long, axis = 0>) -> tensor<?x?xf32> {
  %y = quad.matmul %x, %w : !quad.tensor<?x?, #long, axis = 1>, !quad.tensor<?x?, #long, axis = 0> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
