// The schedule as the text that the runtime reads (quadrille/Runtime/Schedule.h).
//
// RUN: quad-opt %s --split-input-file --tile-serialize-schedule | sed 's/\\0A/\n/g' | FileCheck %s --match-full-lines
// RUN: quad-opt %s --split-input-file --tile-serialize-schedule | FileCheck %s --check-prefix=IR
// IR-NOT: tile.schedule

// What a kernel says for its launch: its cost is what a program of it takes.
//      CHECK:module attributes {quadrille.schedule = "quadrille-schedule 1
// CHECK-NEXT:arg buffer rank=2 itemsize=2
// CHECK-NEXT:arg i64
// CHECK-NEXT:arg f32
// CHECK-NEXT:arg buffer rank=2 itemsize=1 out
// CHECK-NEXT:kernel twice cost=512 threads=128 shared=1024
// CHECK-NEXT:kernel once
// CHECK-NEXT:%0 = dim 0 1
// CHECK-NEXT:%1 = stride 0 0
// CHECK-NEXT:%2 = const 16
// CHECK-NEXT:%3 = rem %0 %2
// CHECK-NEXT:%4 = const 0
// CHECK-NEXT:%5 = eq %3 %4
// CHECK-NEXT:check %5 a multiple of 16, please
// CHECK-NEXT:%6 = select %5 %0 %1
// A number is read where it is first used.
// CHECK-NEXT:%7 = scalar 1
// CHECK-NEXT:%8 = add %6 %7
// CHECK-NEXT:%9 = alloc %8
// CHECK-NEXT:launch twice %0 %7 @0 %9 %8 @2
// CHECK-NEXT:launch once %2 %2 @3 @1
// CHECK-NEXT:launch twice %0 %0 @0 %9 %8 @2
// CHECK-NEXT:"} {
func.func @twice(%x: !llvm.ptr, %w: !llvm.ptr, %n: i64, %s: f32) attributes {tile.kernel, tile.cost = 512 : i64, tile.threads = 128 : i64, tile.shared = 1024 : i64} {
  return
}
func.func @once(%out: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  return
}
func.func @f(%x: !tile.buffer<2 x bf16>, %n: i64, %s: f32, %out: !tile.buffer<2 x i8> {tile.out}) attributes {tile.schedule} {
  %0 = tile.dim %x, 1 : <2 x bf16>
  %1 = tile.stride %x, 0 : <2 x bf16>
  %2 = arith.constant 16 : i64
  %3 = arith.remsi %0, %2 : i64
  %4 = arith.constant 0 : i64
  %5 = arith.cmpi eq, %3, %4 : i64
  tile.check %5, "a multiple of 16, please"
  %6 = arith.select %5, %0, %1 : i64
  %8 = arith.addi %6, %n : i64
  %9 = tile.alloc %8 : <1 x i8>
  tile.launch @twice grid(%0, %n) args(%x, %9, %8, %s : !tile.buffer<2 x bf16>, !tile.buffer<1 x i8>, i64, f32)
  tile.launch @once grid(%2, %2) args(%out, %n : !tile.buffer<2 x i8>, i64)
  tile.launch @twice grid(%0, %0) args(%x, %9, %8, %s : !tile.buffer<2 x bf16>, !tile.buffer<1 x i8>, i64, f32)
  return
}

// -----

// Every operation on numbers.
//
//      CHECK:%2 = add %0 %1
// CHECK-NEXT:%3 = sub %0 %1
// CHECK-NEXT:%4 = mul %0 %1
// CHECK-NEXT:%5 = div %0 %1
// CHECK-NEXT:%6 = rem %0 %1
// CHECK-NEXT:%7 = ceildiv %0 %1
// CHECK-NEXT:%8 = min %0 %1
// CHECK-NEXT:%9 = max %0 %1
// CHECK-NEXT:%10 = and %0 %1
// CHECK-NEXT:%11 = or %0 %1
// CHECK-NEXT:%12 = eq %0 %1
// CHECK-NEXT:%13 = ne %0 %1
// CHECK-NEXT:%14 = lt %0 %1
// CHECK-NEXT:%15 = le %0 %1
// CHECK-NEXT:%16 = lt %1 %0
// CHECK-NEXT:%17 = le %1 %0
func.func @numbers(%a: i64, %b: i64) attributes {tile.schedule} {
  %0 = arith.addi %a, %b : i64
  %1 = arith.subi %a, %b : i64
  %2 = arith.muli %a, %b : i64
  %3 = arith.divsi %a, %b : i64
  %4 = arith.remsi %a, %b : i64
  %5 = arith.ceildivsi %a, %b : i64
  %6 = arith.minsi %a, %b : i64
  %7 = arith.maxsi %a, %b : i64
  %8 = arith.andi %a, %b : i64
  %9 = arith.ori %a, %b : i64
  %10 = arith.cmpi eq, %a, %b : i64
  %11 = arith.cmpi ne, %a, %b : i64
  %12 = arith.cmpi slt, %a, %b : i64
  %13 = arith.cmpi sle, %a, %b : i64
  %14 = arith.cmpi sgt, %a, %b : i64
  %15 = arith.cmpi sge, %a, %b : i64
  return
}

// -----

// Conditions are numbers, 0 or 1: such a one as i64 is itself, and its opposite what is not equal to 1.
//      CHECK:module attributes {quadrille.schedule = "quadrille-schedule 1
//      CHECK:%[[TRUE:[0-9]+]] = const 1
//      CHECK:%[[LESS:[0-9]+]] = lt %{{[0-9]+}} %{{[0-9]+}}
//      CHECK:%[[NOT:[0-9]+]] = ne %[[LESS]] %[[TRUE]]
//      CHECK:%{{[0-9]+}} = or %[[NOT]] %[[NOT]]
func.func @flags(%a: i64, %b: i64) attributes {tile.schedule} {
  %true = arith.constant true
  %less = arith.cmpi slt, %a, %b : i64
  %not = arith.xori %less, %true : i1
  %number = arith.extui %not : i1 to i64
  return
}
