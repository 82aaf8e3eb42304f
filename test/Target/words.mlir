// Words of the caller's memory from end to end: atomic operations of each kind of target.
//
// RUN: quad-opt %s --quad-to-ptx | mlir-translate --mlir-to-llvmir | llc -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -o - | FileCheck %s --check-prefix=PTX
// RUN: quad-opt %s --quad-to-amdgcn | mlir-translate --mlir-to-llvmir | llc -mtriple=amdgcn-amd-amdhsa -mcpu=gfx942 -o - | FileCheck %s --check-prefix=GCN
// RUN: quad-opt %s --quad-to-host=target=host:avx512 | mlir-translate --mlir-to-llvmir | llc -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4 -o - | FileCheck %s --check-prefix=X86

// PTX-LABEL: .visible .entry f_quantize_row(
// PTX:         ld.relaxed.gpu.global.b32
// PTX:         atom.global.max.u32
// PTX:         atom.global.or.b32

// GCN-LABEL: f_quantize_row:
// GCN:         {{global|flat}}_atomic_umax
// GCN:         {{global|flat}}_atomic_or

// X86-LABEL: f_quantize_row.program:
// X86:         lock {{.*}}cmpxchg
// X86:         lock {{.*}}or

#mxfp4 = #quad.format<"MXFP4", grid = e2m1, levels = [<1x32, e8m0, ocp>]>
!q = !quad.tensor<?x?, #mxfp4, axis = 1>
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %amax: memref<1xf32>, %flags: memref<1xi32>) -> !q {
  %q = quad.quantize %x amax_out(%amax) flags(%flags) {axis = 1} : tensor<?x?xbf16> -> !q
  return %q : !q
}
