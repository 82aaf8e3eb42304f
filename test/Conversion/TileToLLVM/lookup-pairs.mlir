// RUN: sed 's/16x/32x/g; s/LANES/1, 2, 4, 8, 16/; s/WARPS/0, 0/; s/64xi32, #pairs/128xi32, #pairs/; s/PAIRS/4, 8, 16, 32, 64/' %s \
// RUN:   | quad-opt --convert-tile-to-llvm=target=sm_90a --canonicalize --cse | FileCheck %s --check-prefix=NVVM
// RUN: sed 's/16x/32x/g; s/LANES/1, 2, 4, 8, 16, 0/; s/WARPS/0/; s/64xi32, #pairs/128xi32, #pairs/; s/PAIRS/4, 8, 16, 32, 64, 0/' %s \
// RUN:   | quad-opt --convert-tile-to-llvm=target=gfx942 --canonicalize --cse | FileCheck %s --check-prefix=GCN

// Lower bytes have no sign, so that one permutation finds four; upper ones take two and a mask.
// Then each word takes two of both. So of each half of the codes.
//
// NVVM-LABEL: llvm.func @lookup(
// NVVM:         %[[LOW:.*]] = llvm.call_intrinsic "llvm.nvvm.prmt"
// NVVM:         llvm.call_intrinsic "llvm.nvvm.prmt"
// NVVM:         llvm.call_intrinsic "llvm.nvvm.prmt"
// NVVM:         llvm.call_intrinsic "llvm.nvvm.prmt"
// NVVM-COUNT-2: llvm.call_intrinsic "llvm.nvvm.prmt"(%{{.*}}, %{{.*}}, %
// GCN-LABEL: llvm.func @lookup(
// GCN:          llvm.call_intrinsic "llvm.amdgcn.perm"
// GCN-NOT:      llvm.shl
// GCN:          return
#words = #tile.layout<reg = [], lane = [LANES], warp = [WARPS]>
#pairs = #tile.layout<reg = [1, 2], lane = [PAIRS], warp = [WARPS]>
func.func @lookup(%i: i32) attributes {tile.kernel} {
  %v = tile.splat %i : i32 -> tensor<16xi32, #words>
  %b = tile.lookup_pairs %v, [0, 16000, 16128, 16192, 16256, 16288, 16320, 16352, -32768, -16768, -16640, -16576, -16512, -16480, -16448, -16416] : tensor<16xi32, #words> -> tensor<64xi32, #pairs>
  return
}
