// Quadrille reproducer: quadrille-compiler --replay THIS_FILE
// target: host
// stage: asm
//
// The floating-point environment is pinned on every target, whatever the module
// permits: each operation is rounded by itself to nearest even, subnormals stay,
// division and square root are IEEE.
//
// RUN: sed 's/target: host/target: host:avx2/' %s | %quadrille-compiler --replay - | FileCheck %s --check-prefix=X86
// RUN: sed 's/target: host/target: sm_90a/' %s | %quadrille-compiler --replay - | FileCheck %s --check-prefix=PTX --implicit-check-not=.ftz --implicit-check-not=approx
// RUN: sed 's/target: host/target: gfx942/' %s | %quadrille-compiler --replay - | FileCheck %s --check-prefix=AMD

// X86-LABEL: multiply_add:
// X86-NOT: fmadd
// X86: vmulss
// X86-NOT: fmadd
// X86: vaddss
// X86: ret
// PTX-LABEL: .func multiply_add
// PTX: mul.rn.f32
// PTX: add.rn.f32
// AMD-LABEL: multiply_add:
// AMD-NOT: {{fma|mad|mac}}
// AMD: v_mul_f32
// AMD-NOT: {{fma|mad|mac}}
// AMD: v_add_f32
// AMD: s_setpc_b64
llvm.func @multiply_add(%p: !llvm.ptr, %a: f32, %b: f32, %c: f32) {
  %ab = llvm.fmul %a, %b {fastmathFlags = #llvm.fastmath<fast>} : f32
  %r = llvm.fadd %ab, %c {fastmathFlags = #llvm.fastmath<fast>} : f32
  llvm.store %r, %p : f32, !llvm.ptr
  llvm.return
}

// X86-LABEL: no_reassociation:
// X86: vaddss
// X86: vsubss
// PTX-LABEL: .func no_reassociation
// PTX: add.rn.f32
// PTX: sub.rn.f32
// AMD-LABEL: no_reassociation:
// AMD: v_add_f32
// AMD: v_sub{{(rev)?}}_f32
llvm.func @no_reassociation(%p: !llvm.ptr, %a: f32, %b: f32) {
  %s = llvm.fadd %a, %b {fastmathFlags = #llvm.fastmath<fast>} : f32
  %r = llvm.fsub %s, %b {fastmathFlags = #llvm.fastmath<fast>} : f32
  llvm.store %r, %p : f32, !llvm.ptr
  llvm.return
}

// X86-LABEL: quotient:
// X86-NOT: vrcp
// X86: vdivss
// PTX-LABEL: .func quotient
// PTX: div.rn.f32
// PTX: sqrt.rn.f32
// AMD-LABEL: quotient:
// AMD: v_div_scale_f32
// AMD: v_div_fixup_f32
llvm.func @quotient(%p: !llvm.ptr, %a: f32, %b: f32) {
  %q = llvm.fdiv %a, %b {fastmathFlags = #llvm.fastmath<fast>} : f32
  %r = llvm.intr.sqrt(%q) {fastmathFlags = #llvm.fastmath<fast>} : (f32) -> f32
  llvm.store %r, %p : f32, !llvm.ptr
  llvm.return
}

// A product that is narrowed keeps the sign of its zero: no FMA with +0.
//
// X86-LABEL: narrowed:
// X86: vmulss
// X86: vcvtps2ph
// PTX-LABEL: .func narrowed
// PTX: mul.rn.f32
// PTX: cvt.rn.f16.f32
// AMD-LABEL: narrowed:
// AMD-NOT: mix
// AMD: v_mul_f32
// AMD-NEXT: v_cvt_f16_f32
// AMD-NOT: mix
// AMD: s_setpc_b64
llvm.func @narrowed(%p: !llvm.ptr, %a: f32, %b: f32) {
  %ab = llvm.fmul %a, %b : f32
  %r = llvm.fptrunc %ab : f32 to f16
  llvm.store %r, %p : f16, !llvm.ptr
  llvm.return
}
