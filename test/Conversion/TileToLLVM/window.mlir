// A window: positions before 0 are outside as those beyond the bounds are, also when all of
// the tile is asked for at once.
//
// RUN: quad-opt %s --convert-tile-to-llvm=target=sm_90a --canonicalize --cse | FileCheck %s

#layout = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>

// CHECK-LABEL: llvm.func @window(
// CHECK-SAME:    %[[P:[a-z0-9]+]]: !llvm.ptr, %[[I:[a-z0-9]+]]: i64, %[[N:[a-z0-9]+]]: i64
// CHECK:         %[[END:.*]] = arith.addi %[[I]], %c128_i64
// CHECK:         %[[FITS:.*]] = arith.cmpi sle, %[[END]], %[[N]]
// CHECK:         %[[BEGINS:.*]] = arith.cmpi sge, %[[I]], %c0_i64
// CHECK:         %[[WHOLE:.*]] = arith.andi %[[FITS]], %[[BEGINS]]
// CHECK:         scf.if %[[WHOLE]]
// CHECK:         } else {
// CHECK:           %[[BEFORE:.*]] = arith.cmpi slt, %[[LANE:.*]], %{{.*}}
// CHECK:           %[[AFTER:.*]] = arith.cmpi sge, %[[LANE]], %{{.*}}
// CHECK:           %[[INSIDE:.*]] = arith.andi %[[BEFORE]], %[[AFTER]]
// CHECK:           llvm.select %[[INSIDE]]
// CHECK:         scf.if %[[WHOLE]]
// CHECK:         } else {
// CHECK:           scf.if %{{.*}} {
func.func @window(%p: !llvm.ptr, %i: i64, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%i] bounds(%n) strides(%one) {window} : !llvm.ptr -> tensor<128xf32, #layout>
  tile.store %v, %p[%i] bounds(%n) strides(%one) {window} : tensor<128xf32, #layout>, !llvm.ptr
  return
}
