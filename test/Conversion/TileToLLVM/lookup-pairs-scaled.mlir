// RUN: quad-opt %s --convert-tile-to-llvm=target=gfx942 --canonicalize --cse --split-input-file | FileCheck %s
// RUN: quad-opt %s --convert-tile-to-llvm=target=gfx942 --split-input-file | FileCheck %s --check-prefix=F16
// RUN: sed 's/, 0], warp = .0./], warp = [0, 0]/' %s \
// RUN:   | not quad-opt --convert-tile-to-llvm=target=gfx1250 --split-input-file 2>&1 | FileCheck %s --check-prefix=NONE

// The table's entries are multiplied, two by an instruction, and taken apart into bytes; then
// each half of the codes takes an index, two bytes of each entry and two words of pairs.
//
// CHECK-LABEL:   llvm.func @scaled(
// CHECK-COUNT-4: arith.mulf %{{.*}} : vector<2xf32>
// CHECK-NOT:     arith.mulf
// CHECK:         return
// NONE: needs a target whose tables of pairs can be multiplied
#words = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16, 0], warp = [0]>
#pairs = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32, 64, 0], warp = [0]>
func.func @scaled(%i: i32, %f: f32) attributes {tile.kernel} {
  %v = tile.splat %i : i32 -> tensor<32xi32, #words>
  %s = tile.splat %f : f32 -> tensor<32xf32, #words>
  %b = tile.lookup_pairs %v, [0, 16000, 16128, 16192, 16256, 16288, 16320, 16352, -32768, -16768, -16640, -16576, -16512, -16480, -16448, -16416] times %s : tensor<32xf32, #words> : tensor<32xi32, #words> -> tensor<128xi32, #pairs>
  return
}

// -----

// f16: entries have no lower bytes, so that two lookups and four words of pairs are all, and two
// products are one instruction.
//
// CHECK-LABEL:   llvm.func @upper_bytes(
// CHECK-COUNT-6: llvm.call_intrinsic "llvm.amdgcn.perm"
// CHECK-NOT:     llvm.amdgcn.perm
// CHECK:         return
// F16-LABEL:     llvm.func @upper_bytes(
// F16-COUNT-4:   arith.mulf %{{.*}} : vector<2xf16>
// F16-NOT:       arith.mulf
// F16:           return
#words = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16, 0], warp = [0]>
#pairs = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32, 64, 0], warp = [0]>
func.func @upper_bytes(%i: i32) attributes {tile.kernel} {
  %v = tile.splat %i : i32 -> tensor<32xi32, #words>
  %b = tile.lookup_pairs %v, [0, 13312, 14336, 14848, 15360, 15616, 15872, 16128, -32768, -19456, -18432, -17920, -17408, -17152, -16896, -16640] : tensor<32xi32, #words> -> tensor<128xi32, #pairs>
  %c = tile.multiply_pairs %b, %b {f16} : tensor<128xi32, #pairs>
  return
}
