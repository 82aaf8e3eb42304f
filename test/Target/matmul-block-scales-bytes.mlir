// f32 scales of long blocks: codes become bytes, and instructions for these sum a block's products.
//
// RUN: quad-opt %s --quad-to-tile=target=sm_80 2>/dev/null | FileCheck %s --check-prefixes=TILE,S8
// RUN: quad-opt %s --quad-to-tile=target=sm_89 2>/dev/null | FileCheck %s --check-prefixes=TILE,FP8
// RUN: quad-opt %s --quad-to-ptx=target=sm_80 2>/dev/null | FileCheck %s --check-prefix=SM80
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx942 2>/dev/null | FileCheck %s --check-prefix=GFX942

#long = #quad.format<"LONG", grid = e1m2, levels = [<1x128, f32, nearest>]>

// TILE-LABEL: func.func @product_matmul_8(
// TILE: tile.lookup_bytes
// S8: tile.dot {{.*}} by "s8" scales
// FP8: tile.dot {{.*}} by "e4m3" scales
// SM80-LABEL: llvm.func @product_matmul_8(
// SM80: mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32
// SM80: llvm.sitofp
// GFX942: llvm.amdgcn.mfma.f32.16x16x32.fp8.fp8
func.func @product(%x: !quad.tensor<?x?, #long, axis = 1>, %w: !quad.tensor<?x?, #long, axis = 0>) -> tensor<?x?xf32> {
  %y = quad.matmul %x, %w : !quad.tensor<?x?, #long, axis = 1>, !quad.tensor<?x?, #long, axis = 0> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
