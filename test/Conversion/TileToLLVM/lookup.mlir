// RUN: quad-opt %s --convert-tile-to-llvm=target=host:avx512 | FileCheck %s --check-prefix=AVX512
// RUN: sed 's/lane = .1, 2, 4, 8./lane = [1, 2, 4]/; s/16x/8x/g' %s | quad-opt --convert-tile-to-llvm=target=host:avx2 | FileCheck %s --check-prefix=AVX2

// A table of 16 values is one vector of AVX-512: one permutation. A shorter one is
// filled up with its last value.
//
// AVX512-LABEL: func.func private @lookup.program(
// AVX512:         %[[T:.*]] = arith.constant dense<[0.000000e+00, 5.000000e-01, 1.000000e+00, 1.500000e+00, 2.000000e+00, 2.000000e+00, {{.*}}, 2.000000e+00]> : vector<16xf32>
// AVX512-NEXT:    llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"(%[[T]], %{{.*}}) : (vector<16xf32>, vector<16xi32>) -> vector<16xf32>
// AVX512-NOT:     arith.select

// Elsewhere the bits of the index halve the table: 3 + 2 + 1 selections for 5 values.
//
// AVX2-LABEL: func.func private @lookup.program(
// AVX2-NOT:     call_intrinsic
// AVX2:         vector.broadcast %{{.*}} : i32 to vector<8xi32>
// AVX2-COUNT-6: arith.select %{{.*}} : vector<8xi1>, vector<8xf32>
// AVX2-NOT:     arith.select
// AVX2:         return
#lanes = #tile.layout<reg = [], lane = [1, 2, 4, 8], warp = []>
func.func @lookup(%i: i32) attributes {tile.kernel} {
  %v = tile.splat %i : i32 -> tensor<16xi32, #lanes>
  %f = tile.lookup %v, [0.0, 0.5, 1.0, 1.5, 2.0] : tensor<16xi32, #lanes> -> tensor<16xf32, #lanes>
  return
}
