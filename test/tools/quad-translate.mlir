// The compiler without Python: schedules and code of any target.
// RUN: quad-translate --quad-to-schedule %s | FileCheck %s --check-prefix=SCHEDULE
// RUN: quad-translate --quad-to-code --target=sm_90a %s | FileCheck %s --check-prefix=PTX
// RUN: quad-translate --quad-to-code --target=gfx942 --stage=llvm %s | FileCheck %s --check-prefix=AMD
// RUN: not quad-translate --quad-to-code --target=sm_91 %s 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// SCHEDULE: quadrille-schedule 1
// SCHEDULE: arg buffer rank=2 itemsize=2
// SCHEDULE: arg buffer rank=2 itemsize=1 out
// SCHEDULE: kernel f_quantize_row cost=
// SCHEDULE: check %{{.*}} the length of axis 1 must be a multiple of 16; pad=True extends it with zeros
// SCHEDULE: launch f_quantize_row

// PTX: .target sm_90a
// PTX: .visible .entry f_quantize_row

// AMD: define amdgpu_kernel void @f_quantize_row

// UNKNOWN: error: unknown target 'sm_91'

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!q = !quad.tensor<?x?, #ufp4b, axis = 1>

func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}) -> !q {
  %q = quad.quantize %x {axis = 1 : i64} : tensor<?x?xbf16> -> !q
  return %q : !q
}
