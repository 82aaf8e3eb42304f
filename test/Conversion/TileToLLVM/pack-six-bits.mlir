// The lower six bits of 32 bytes of a lane become six words; the other two are 0. Checked by what a
// constant folds to.
//
// RUN: quad-opt %s --convert-tile-to-llvm=target=gfx950 --canonicalize | FileCheck %s

#words = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32, 64, 128, 256], warp = [0]>

// Numbers 1, 2, 3, 4 again and again: 0x81103081, 0x30811030 and 0x10308110, twice.
// CHECK-LABEL: llvm.func @pack(
// CHECK-DAG: constant{{.*}} -2129645439 : i32
// CHECK-DAG: constant{{.*}} 813764656 : i32
// CHECK-DAG: constant{{.*}} 271614224 : i32
// CHECK-NOT: ori
func.func @pack(%p: !llvm.ptr, %zero: i64, %many: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %x = arith.constant dense<0x04030201> : tensor<64x8xi32, #words>
  %packed = tile.pack_six_bits %x : tensor<64x8xi32, #words>
  tile.store %packed, %p[%zero, %zero] bounds(%many, %many) strides(%many, %one) : tensor<64x8xi32, #words>, !llvm.ptr
  return
}
