// Where an instruction computes on two registers of f32, products and the stages of a transform
// between registers are computed on pairs: all but the last stage, which combines the pairs'
// halves. Elsewhere nothing is packed.
//
// RUN: quad-opt %s --convert-tile-to-llvm=target=gfx950 --canonicalize --cse | FileCheck %s
// RUN: quad-opt %s --convert-tile-to-llvm=target=gfx942 --canonicalize --cse | FileCheck %s
// RUN: sed 's/, 256\], warp = .512./], warp = [256, 512]/' %s | quad-opt --convert-tile-to-llvm=target=gfx1100 --canonicalize --cse | FileCheck %s --check-prefix=SCALAR --implicit-check-not='vector<2xf32>'

// Registers 0 to 7; the stages of distance 1 and 2 on the pairs (0, 4), (1, 5), (2, 6), (3, 7).
//
// CHECK-LABEL:     llvm.func @transform(
// CHECK:             %[[P0:.*]] = llvm.insertelement %[[V0:.*]], %{{.*}}[%{{.*}} : i32] : vector<2xf32>
// CHECK:             %[[P:.*]] = llvm.insertelement %[[V4:.*]], %[[P0]]
// CHECK-COUNT-8:     arith.{{add|sub}}f %{{.*}} : vector<2xf32>
// CHECK-NOT:         arith.{{add|sub}}f %{{.*}} : vector
// CHECK-COUNT-8:     arith.{{add|sub}}f %{{.*}} : f32
// CHECK-NOT:         arith.{{add|sub}}f
// CHECK-COUNT-4:     arith.mulf %{{.*}} : vector<2xf32>
// CHECK-NOT:         arith.mulf
// CHECK:             llvm.return
// SCALAR-LABEL:    llvm.func @transform(
// SCALAR-COUNT-24:   arith.{{add|sub}}f %{{.*}} : f32
// SCALAR-COUNT-8:    arith.mulf %{{.*}} : f32
// SCALAR:            llvm.return
#layout = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32, 64, 128, 256], warp = [512]>
func.func @transform(%p: !llvm.ptr, %n: i64, %f: f32) attributes {tile.kernel} {
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %v = tile.load %p[%zero, %zero] bounds(%n, %n) strides(%n, %one) : !llvm.ptr -> tensor<128x8xf32, #layout>
  %h = tile.hadamard %v : tensor<128x8xf32, #layout>
  %s = tile.splat %f : f32 -> tensor<128x8xf32, #layout>
  %y = arith.mulf %h, %s : tensor<128x8xf32, #layout>
  tile.store %y, %p[%zero, %zero] bounds(%n, %n) strides(%n, %one) : tensor<128x8xf32, #layout>, !llvm.ptr
  return
}
