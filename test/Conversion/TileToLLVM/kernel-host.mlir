// A host kernel is a C function of packed arguments that runs a range of programs:
// void kernel(const uint64_t *args, int64_t x0, int64_t x1, int64_t y0, int64_t y1).
//
// RUN: quad-opt %s --convert-tile-to-llvm=target=host:avx2 | FileCheck %s

// CHECK-LABEL: func.func @scale(
// CHECK-SAME:    %[[ARGS:.*]]: !llvm.ptr, %[[X0:.*]]: i64, %[[X1:.*]]: i64, %[[Y0:.*]]: i64, %[[Y1:.*]]: i64) attributes {tile.kernel} {
// CHECK:         %[[S0:.*]] = llvm.getelementptr %[[ARGS]][0] {{.*}}, i8
// CHECK-NEXT:    %[[P:.*]] = llvm.load %[[S0]] {alignment = 8 : i64} : !llvm.ptr -> !llvm.ptr
// CHECK-NEXT:    %[[S1:.*]] = llvm.getelementptr %[[ARGS]][8] {{.*}}, i8
// CHECK-NEXT:    %[[N:.*]] = llvm.load %[[S1]] {alignment = 8 : i64} : !llvm.ptr -> i64
// CHECK-NEXT:    %[[S2:.*]] = llvm.getelementptr %[[ARGS]][16] {{.*}}, i8
// CHECK-NEXT:    %[[F:.*]] = llvm.load %[[S2]] {alignment = 8 : i64} : !llvm.ptr -> f32
// CHECK:         scf.for %[[Y:.*]] = %[[Y0]] to %[[Y1]] step
// CHECK-NEXT:      scf.for %[[X:.*]] = %[[X0]] to %[[X1]] step
// CHECK-NEXT:        func.call @scale.program(%[[P]], %[[N]], %[[F]], %[[X]], %[[Y]])
//
// CHECK-LABEL: func.func private @scale.program(
// CHECK-SAME:    %[[P:.*]]: !llvm.ptr, %[[N:.*]]: i64, %[[F:.*]]: f32, %[[X:.*]]: i64, %[[Y:.*]]: i64) attributes {llvm.linkage = #llvm.linkage<internal>} {
// CHECK-NEXT:    arith.addi %[[X]], %[[Y]]
func.func @scale(%p: !llvm.ptr, %n: i64, %f: f32) attributes {tile.kernel} {
  %x = tile.program_id 0
  %y = tile.program_id 1
  %i = arith.addi %x, %y : i64
  return
}

// One that walks its programs itself gets the range.
//
// CHECK-LABEL: func.func @ranged(
// CHECK-SAME:    %[[ARGS:.*]]: !llvm.ptr, %[[X0:.*]]: i64, %[[X1:.*]]: i64, %[[Y0:.*]]: i64, %[[Y1:.*]]: i64) attributes {tile.kernel} {
// CHECK:         %[[P:.*]] = llvm.load
// CHECK-NOT:     scf.for
// CHECK:         call @ranged.program(%[[P]], %[[X0]], %[[X1]], %[[Y0]], %[[Y1]])
func.func @ranged(%p: !llvm.ptr, %x0: i64, %x1: i64, %y0: i64, %y1: i64) attributes {tile.kernel, tile.ranged} {
  return
}

// What is no kernel stays.
//
// CHECK-LABEL: func.func @not_a_kernel(%{{.*}}: i64) {
func.func @not_a_kernel(%n: i64) {
  return
}
