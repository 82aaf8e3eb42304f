// Lowering emits an operation for all registers before the next operation; what has one use moves
// to right before that, so that the operations of an element follow each other.
//
// RUN: quad-opt %s --order-by-use | FileCheck %s
// RUN: quad-opt %s --order-by-use --order-by-use | FileCheck %s
// RUN: quad-opt %S/elementwise.mlir --split-input-file --convert-tile-to-llvm=target=host:avx512 --order-by-use | FileCheck %s --check-prefix=TILES

// After lowering, the comparison, choice and sum of each of four registers (elementwise.mlir).
//
// TILES-LABEL:   func.func private @arith.program(
// TILES-COUNT-4: arith.mulf
// TILES-COUNT-4: {{arith.cmpf .*[[:space:]]+.*arith.select .*[[:space:]]+.*math.fma}}
// TILES-NEXT:    return

// Two elements, whose operations alternated: each chain moves as a whole.
//
// CHECK-LABEL: func.func @chains(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: f32, %[[Y:[a-z0-9]+]]: f32, %[[F:[a-z0-9]+]]: f32, %[[C:[a-z0-9]+]]: f32, %[[P:[a-z0-9]+]]: !llvm.ptr)
// CHECK-NEXT:    %[[A0:.*]] = arith.mulf %[[X]], %[[F]]
// CHECK-NEXT:    %[[B0:.*]] = arith.addf %[[A0]], %[[C]]
// CHECK-NEXT:    %[[D0:.*]] = arith.bitcast %[[B0]]
// CHECK-NEXT:    llvm.store %[[D0]], %[[P]]
// CHECK-NEXT:    %[[A1:.*]] = arith.mulf %[[Y]], %[[F]]
// CHECK-NEXT:    %[[B1:.*]] = arith.addf %[[A1]], %[[C]]
// CHECK-NEXT:    %[[D1:.*]] = arith.bitcast %[[B1]]
// CHECK-NEXT:    llvm.store %[[D1]], %[[P]]
// CHECK-NEXT:    return
func.func @chains(%x: f32, %y: f32, %f: f32, %c: f32, %p: !llvm.ptr) {
  %a0 = arith.mulf %x, %f : f32
  %a1 = arith.mulf %y, %f : f32
  %b0 = arith.addf %a0, %c : f32
  %b1 = arith.addf %a1, %c : f32
  %d0 = arith.bitcast %b0 : f32 to i32
  %d1 = arith.bitcast %b1 : f32 to i32
  llvm.store %d0, %p : i32, !llvm.ptr
  llvm.store %d1, %p : i32, !llvm.ptr
  return
}

// A sum takes its terms one by one, from the first.
//
// CHECK-LABEL: func.func @sum(
// CHECK-SAME:    %[[X0:[a-z0-9]+]]: f32, %[[X1:[a-z0-9]+]]: f32,
// CHECK-NEXT:    %[[A0:.*]] = arith.negf %[[X0]]
// CHECK-NEXT:    %[[A1:.*]] = arith.negf %[[X1]]
// CHECK-NEXT:    %[[S1:.*]] = arith.addf %[[A0]], %[[A1]]
// CHECK-NEXT:    %[[A2:.*]] = arith.negf
// CHECK-NEXT:    %[[S2:.*]] = arith.addf %[[S1]], %[[A2]]
// CHECK-NEXT:    %[[A3:.*]] = arith.negf
// CHECK-NEXT:    %[[S3:.*]] = arith.addf %[[S2]], %[[A3]]
// CHECK-NEXT:    return %[[S3]]
func.func @sum(%x0: f32, %x1: f32, %x2: f32, %x3: f32) -> f32 {
  %a0 = arith.negf %x0 : f32
  %a1 = arith.negf %x1 : f32
  %a2 = arith.negf %x2 : f32
  %a3 = arith.negf %x3 : f32
  %s1 = arith.addf %a0, %a1 : f32
  %s2 = arith.addf %s1, %a2 : f32
  %s3 = arith.addf %s2, %a3 : f32
  return %s3 : f32
}

// What has two uses stays where it was made, be they of two operations or of one.
//
// CHECK-LABEL: func.func @two_uses(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: f32, %[[Y:[a-z0-9]+]]: f32, %[[P:[a-z0-9]+]]: !llvm.ptr)
// CHECK-NEXT:    %[[TWO_USERS:.*]] = arith.mulf
// CHECK-NEXT:    %[[TWICE:.*]] = arith.addf
// CHECK-NEXT:    llvm.store %[[X]], %[[P]]
// CHECK-NEXT:    %[[NEGATED:.*]] = arith.negf %[[TWO_USERS]]
// CHECK-NEXT:    %[[DIFFERENCE:.*]] = arith.subf %[[NEGATED]], %[[TWO_USERS]]
// CHECK-NEXT:    llvm.store %[[DIFFERENCE]], %[[P]]
// CHECK-NEXT:    %[[SQUARE:.*]] = arith.mulf %[[TWICE]], %[[TWICE]]
// CHECK-NEXT:    llvm.store %[[SQUARE]], %[[P]]
// CHECK-NEXT:    return
func.func @two_uses(%x: f32, %y: f32, %p: !llvm.ptr) {
  %two_users = arith.mulf %x, %y : f32
  %twice = arith.addf %x, %y : f32
  %negated = arith.negf %two_users : f32
  %square = arith.mulf %twice, %twice : f32
  llvm.store %x, %p : f32, !llvm.ptr
  %difference = arith.subf %negated, %two_users : f32
  llvm.store %difference, %p : f32, !llvm.ptr
  llvm.store %square, %p : f32, !llvm.ptr
  return
}

// Nothing moves into another block, which may run often or not at all; within a block of a region
// it does.
//
// CHECK-LABEL: func.func @other_block(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: f32, %[[Y:[a-z0-9]+]]: f32, %[[IF:[a-z0-9]+]]: i1, %[[P:[a-z0-9]+]]: !llvm.ptr)
// CHECK-NEXT:    %[[INSIDE:.*]] = arith.mulf
// CHECK-NEXT:    %[[BELOW:.*]] = arith.negf
// CHECK-NEXT:    scf.if %[[IF]] {
// CHECK-NEXT:      llvm.store %[[X]], %[[P]]
// CHECK-NEXT:      %[[NEAR:.*]] = arith.subf
// CHECK-NEXT:      %[[USE:.*]] = arith.addf %[[NEAR]], %[[INSIDE]]
// CHECK-NEXT:      llvm.store %[[USE]], %[[P]]
// CHECK-NEXT:    }
// CHECK-NEXT:    llvm.br ^[[NEXT:.*]]
// CHECK-NEXT:  ^[[NEXT]]:
// CHECK-NEXT:    llvm.store %[[BELOW]], %[[P]]
// CHECK-NEXT:    return
func.func @other_block(%x: f32, %y: f32, %if: i1, %p: !llvm.ptr) {
  %inside = arith.mulf %x, %y : f32
  %below = arith.negf %x : f32
  scf.if %if {
    %near = arith.subf %x, %y : f32
    llvm.store %x, %p : f32, !llvm.ptr
    %use = arith.addf %near, %inside : f32
    llvm.store %use, %p : f32, !llvm.ptr
  }
  llvm.br ^next
^next:
  llvm.store %below, %p : f32, !llvm.ptr
  return
}

// Loads, stores and calls keep their places, and so does what may trap; what only depends on them
// moves.
//
// CHECK-LABEL: func.func @effects(
// CHECK-SAME:    %[[P:[a-z0-9]+]]: !llvm.ptr,
// CHECK-NEXT:    %[[OLD:.*]] = llvm.load %[[P]]
// CHECK-NEXT:    %[[NUMBER:.*]] = call @number()
// CHECK-NEXT:    %[[QUOTIENT:.*]] = arith.divsi
// CHECK-NEXT:    llvm.store %{{.*}}, %[[P]]
// CHECK-NEXT:    %[[NEW:.*]] = llvm.load %[[P]]
// CHECK-NEXT:    %[[FIRST:.*]] = arith.addi %[[OLD]], %[[NUMBER]]
// CHECK-NEXT:    llvm.store %[[FIRST]], %[[P]]
// CHECK-NEXT:    %[[SECOND:.*]] = arith.subi %[[NEW]], %[[QUOTIENT]]
// CHECK-NEXT:    return %[[SECOND]]
func.func private @number() -> i32
func.func @effects(%p: !llvm.ptr, %n: i32, %d: i32) -> i32 {
  %old = llvm.load %p : !llvm.ptr -> i32
  %number = call @number() : () -> i32
  %first = arith.addi %old, %number : i32
  %quotient = arith.divsi %n, %d : i32
  llvm.store %n, %p : i32, !llvm.ptr
  %new = llvm.load %p : !llvm.ptr -> i32
  %second = arith.subi %new, %quotient : i32
  llvm.store %first, %p : i32, !llvm.ptr
  return %second : i32
}
