// Quadrille reproducer: quadrille-compiler --replay THIS_FILE
// target: sm_90a
// stage: llvm
//
// What each target gives at each stage, and the errors of those it does not have.
//
// RUN: %quadrille-compiler --replay %s | FileCheck %s --check-prefix=LLVM
// RUN: sed 's/target: .*/target: gfx942/; s/stage: .*/stage: object/' %s | %quadrille-compiler --replay - | llvm-readobj -h - | FileCheck %s --check-prefix=OBJECT
// RUN: sed 's/stage: .*/stage: object/' %s | %quadrille-compiler --replay - | FileCheck %s --check-prefix=PTX
// RUN: sed 's/target: .*/target: sm_42/' %s | not %quadrille-compiler --replay - 2>&1 | FileCheck %s --check-prefix=NO-SM
// RUN: sed 's/target: .*/target: gfx42/' %s | not %quadrille-compiler --replay - 2>&1 | FileCheck %s --check-prefix=NO-GFX
// RUN: sed 's/target: .*/target: host:avx42/' %s | not %quadrille-compiler --replay - 2>&1 | FileCheck %s --check-prefix=NO-LEVEL
// RUN: sed 's/target: .*/target: tpu/' %s | not %quadrille-compiler --replay - 2>&1 | FileCheck %s --check-prefix=NO-TARGET

// LLVM: target triple = "nvptx64-nvidia-cuda"
// LLVM: define void @copy(ptr {{.*}}) {{.*}}[[ATTRIBUTES:#[0-9]+]]
// LLVM: attributes [[ATTRIBUTES]] = {{.*}}"denormal-fp-math"="ieee,ieee"{{.*}}"target-cpu"="sm_90a"
// OBJECT: Format: elf64-amdgpu
// OBJECT: Type: SharedObject
// Without an assembler an object for the driver is its assembly.
// PTX: .target sm_90a
// NO-SM: error: unknown target 'sm_42': expected sm_80, {{.*}}sm_90a
// NO-GFX: error: unknown target 'gfx42': expected an AMD GPU
// NO-LEVEL: error: unknown target 'host:avx42': expected host, host:sse4, host:avx2
// NO-TARGET: error: unknown target 'tpu': expected host, an NVIDIA sm_* or an AMD gfx*
llvm.func @copy(%p: !llvm.ptr, %q: !llvm.ptr) {
  %v = llvm.load %p : !llvm.ptr -> i32
  llvm.store %v, %q : i32, !llvm.ptr
  llvm.return
}
