// Quadrille reproducer: quadrille-compiler --replay THIS_FILE
// target: host:avx2
// stage: llvm
//
// Masked accesses that the CPU has no instruction for are functions, one for each type and alignment; those that
// it has stay where they are.
//
// RUN: %quadrille-compiler --replay %s | FileCheck %s --check-prefix=AVX2
// RUN: sed 's/target: .*/target: host:avx512/' %s | %quadrille-compiler --replay - | FileCheck %s --check-prefix=AVX512 --implicit-check-not=align2
// RUN: sed 's/stage: .*/stage: asm/' %s | %quadrille-compiler --replay - | FileCheck %s --check-prefix=ASM

// AVX2-LABEL: define void @narrow(
// AVX2-COUNT-2: call {{.*}}<8 x i16> @masked.load.v8i16.p0.align2(
// AVX2-COUNT-2: call {{.*}}void @masked.store.v8i16.p0.align2(
// AVX2-LABEL: define void @wide(
// AVX2: @llvm.masked.load.v8i32.p0(
// AVX2: @llvm.masked.store.v8i32.p0(
// AVX2: define internal {{.*}}<8 x i16> @masked.load.v8i16.p0.align2({{.*}}) {{.*}}[[ATTRIBUTES:#[0-9]+]]
// AVX2: @llvm.masked.load.v8i16.p0(
// AVX2: define internal {{.*}}void @masked.store.v8i16.p0.align2(
// AVX2-NOT: define
// AVX2: attributes [[ATTRIBUTES]] = {{.*}}noinline{{.*}}"denormal-fp-math"="ieee,ieee"{{.*}}"target-cpu"="x86-64-v3"

// AVX512-LABEL: define void @narrow(
// AVX512-COUNT-2: @llvm.masked.load.v8i16.p0(
// AVX512-COUNT-2: @llvm.masked.store.v8i16.p0(

// ASM-LABEL: narrow:
// ASM: callq
// ASM-LABEL: wide:
// ASM-NOT: callq
// ASM: vpmaskmovd
// ASM: retq
llvm.func @narrow(%p: !llvm.ptr, %q: !llvm.ptr, %mask: vector<8xi1>) {
  %zero = llvm.mlir.constant(dense<0> : vector<8xi16>) : vector<8xi16>
  %a = llvm.intr.masked.load %p, %mask, %zero {alignment = 2 : i32} : (!llvm.ptr, vector<8xi1>, vector<8xi16>) -> vector<8xi16>
  %b = llvm.intr.masked.load %q, %mask, %zero {alignment = 2 : i32} : (!llvm.ptr, vector<8xi1>, vector<8xi16>) -> vector<8xi16>
  llvm.intr.masked.store %a, %q, %mask {alignment = 2 : i32} : vector<8xi16>, vector<8xi1> into !llvm.ptr
  llvm.intr.masked.store %b, %p, %mask {alignment = 2 : i32} : vector<8xi16>, vector<8xi1> into !llvm.ptr
  llvm.return
}

llvm.func @wide(%p: !llvm.ptr, %q: !llvm.ptr, %mask: vector<8xi1>) {
  %zero = llvm.mlir.constant(dense<0> : vector<8xi32>) : vector<8xi32>
  %a = llvm.intr.masked.load %p, %mask, %zero {alignment = 4 : i32} : (!llvm.ptr, vector<8xi1>, vector<8xi32>) -> vector<8xi32>
  llvm.intr.masked.store %a, %q, %mask {alignment = 4 : i32} : vector<8xi32>, vector<8xi1> into !llvm.ptr
  llvm.return
}
