// Quadrille reproducer: quadrille-compiler --replay THIS_FILE
// target: host
// stage: asm
//
// A level of the host uses its widest registers and nothing above it.
//
// RUN: sed 's/target: host/target: host:sse4/' %s | %quadrille-compiler --replay - | FileCheck %s --check-prefix=SSE --implicit-check-not=ymm --implicit-check-not=zmm
// RUN: sed 's/target: host/target: host:avx2/' %s | %quadrille-compiler --replay - | FileCheck %s --check-prefix=AVX2 --implicit-check-not=zmm
// RUN: sed 's/target: host/target: host:avx512/' %s | %quadrille-compiler --replay - | FileCheck %s --check-prefix=AVX512
// REQUIRES: host-x86_64

// SSE-COUNT-4: mulps
// AVX2-COUNT-2: vmulps {{.*}}ymm
// AVX512: vmulps {{.*}}zmm
llvm.func @square(%p: !llvm.ptr) {
  %v = llvm.load %p : !llvm.ptr -> vector<16xf32>
  %r = llvm.fmul %v, %v : vector<16xf32>
  llvm.store %r, %p : vector<16xf32>, !llvm.ptr
  llvm.return
}
