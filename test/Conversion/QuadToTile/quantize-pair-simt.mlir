// Row and column results of one read on GPUs: the tile is read as the column result wants it,
// and goes through shared memory for the row result, which wants a row in each lane. An instruction
// stores whole sectors of 32 bytes: where addresses are known to allow no more than two bytes, or
// eight, lanes follow each other.
//
// RUN: quad-opt %s --quad-to-tile=target=sm_90a 2>&1 | FileCheck %s --implicit-check-not=remark
// RUN: quad-opt %s --quad-to-ptx=target=sm_90a 2>&1 | FileCheck %s --check-prefixes=GPU,NVVM --implicit-check-not=remark
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx942 2>&1 | FileCheck %s --check-prefixes=GPU,ROCDL --implicit-check-not=remark

// CHECK-LABEL: func.func @f(
// CHECK:         tile.launch @f_quantize_pair grid
// CHECK-NOT:     tile.launch @f_
// CHECK-LABEL: func.func @f_quantize_pair(
// CHECK:         tile.load {{.*}} -> tensor<128x64xi16, #tile.layout<reg = [64, 128, 256, 512, 1, 2], lane = [4, 8, 16, 32, 1024], warp = [2048, 4096]>>
// CHECK:         tile.convert_layout {{.*}} -> tensor<128x64xi16, #tile.layout<reg = [1, 2, 4, 8, 16, 32], lane = [64, 128, 256, 512, 1024], warp = [2048, 4096]>>
// CHECK-NOT:     tile.load
// CHECK:         tile.store {{.*}} {alignment = 2 : i64{{.*}} : tensor<128x4xi16, #tile.layout<reg = [32, 64], lane = [1, 2, 4, 8, 16],
// CHECK:         tile.store {{.*}} {alignment = 8 : i64{{.*}} : tensor<128x8xi32, #tile.layout<reg = [1, 64, 128], lane = [2, 4, 8, 16, 32],
// CHECK-NOT:     tile.load %arg3
// CHECK:         tile.store {{.*}} : tensor<64x16xi32, #tile.layout<reg = [1, 64, 512], lane = [2, 4, 8, 16, 32],
// CHECK:         return

// 128 x 64 numbers of 2 bytes.
//
// GPU-DAG:       llvm.mlir.global internal @{{f_quantize_pair_shared[0-9]*}}() {addr_space = 3 : i32, {{.*}}} : !llvm.array<16384 x i8>
// GPU-LABEL:     llvm.func @f_quantize_pair(
// GPU:           llvm.store {{.*}} !llvm.ptr<3>
// NVVM:          nvvm.barrier
// ROCDL:         rocdl.s.barrier
// GPU:           llvm.load {{.*}} !llvm.ptr<3>

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!row = !quad.tensor<?x?, #ufp4b, axis = 1>
!column = !quad.tensor<?x?, #ufp4b, axis = 0>
!padded_row = !quad.tensor<?x?, #ufp4b, axis = 1, padded = ?>
!padded_column = !quad.tensor<?x?, #ufp4b, axis = 0, padded = ?>

func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> (!row, !column) {
  %r = quad.quantize %x {axis = 1 : i64} : tensor<?x?xbf16> -> !row
  %c = quad.quantize %x {axis = 0 : i64, stream = 1 : i64} : tensor<?x?xbf16> -> !column
  return %r, %c : !row, !column
}

// Lengths that blocks divide are not extended, and what divides them is known of the result.
//
// CHECK-LABEL: func.func @known_quantize_pair(
// CHECK:         tile.store {{.*}} {alignment = 8 : i64{{.*}} : tensor<128x4xi16, #tile.layout<reg = [1, 2], lane = [4,
// CHECK:         tile.store {{.*}} {alignment = 16 : i64{{.*}} : tensor<128x8xi32, #tile.layout<reg = [1, 2, 128], lane = [4, 8,
// CHECK:         tile.store {{.*}} {alignment = 16 : i64{{.*}} : tensor<64x16xi32, #tile.layout<reg = [1, 2, 512], lane = [4, 8,
func.func @known(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.divisible_by = array<i64: 128, 256>})
    -> (!padded_row, !padded_column) {
  %r = quad.quantize %x {axis = 1 : i64, pad = true} : tensor<?x?xbf16> -> !padded_row
  %c = quad.quantize %x {axis = 0 : i64, stream = 1 : i64, pad = true} : tensor<?x?xbf16> -> !padded_column
  return %r, %c : !padded_row, !padded_column
}
