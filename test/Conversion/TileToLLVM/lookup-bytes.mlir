// RUN: sed 's/16x/32x/g; s/LANES/1, 2, 4, 8, 16/; s/WARPS/0, 0/; s/32xi32, #bytes/64xi32, #bytes/; s/BYTES/2, 4, 8, 16, 32/' %s \
// RUN:   | quad-opt --convert-tile-to-llvm=target=sm_90a | FileCheck %s --check-prefix=NVVM
// RUN: sed 's/16xi32, #bytes/32xi32, #bytes/; s/LANES/1, 2, 4, 8/; s/WARPS//; s/BYTES/2, 4, 8, 16/' %s \
// RUN:   | quad-opt --convert-tile-to-llvm=target=host:avx512 | FileCheck %s --check-prefix=HOST

// Two words of four bytes from a word of codes. prmt takes codes as a selector: twice for the
// halves of the table, and once for masks of the codes' top bits.
//
// NVVM-LABEL: llvm.func @lookup(
// NVVM-COUNT-6: llvm.call_intrinsic "llvm.nvvm.prmt"
// NVVM-NOT:     llvm.call_intrinsic
//
// Elsewhere bits choose between bytes.
// HOST-LABEL: func.func private @lookup.program(
// HOST:         arith.xori %{{.*}} : vector<16xi32>
// HOST-NOT:     call_intrinsic
// HOST:         return
#words = #tile.layout<reg = [], lane = [LANES], warp = [WARPS]>
#bytes = #tile.layout<reg = [1], lane = [BYTES], warp = [WARPS]>
func.func @lookup(%i: i32, %t: i32) attributes {tile.kernel} {
  %v = tile.splat %i : i32 -> tensor<16xi32, #words>
  %u = tile.splat %t : i32 -> tensor<16xi32, #words>
  %b = tile.lookup_bytes %v, %u, %u, %u, %u : tensor<16xi32, #words>, tensor<16xi32, #words>, tensor<16xi32, #words>, tensor<16xi32, #words>, tensor<16xi32, #words> -> tensor<16xi32, #bytes>
  return
}
