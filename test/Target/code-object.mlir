// Quadrille reproducer: quadrille-compiler --replay THIS_FILE
// target: gfx942
// stage: object
//
// A code object is what AMD's driver loads: linked, with the kernels' descriptors and metadata.
// Nothing is passed that a kernel does not ask for: the arguments end with the number of the
// first block along y, and their pointers are of global memory.
//
// RUN: %quadrille-compiler --replay %s | llvm-readobj -h --notes --dyn-symbols - | FileCheck %s --check-prefixes=CHECK,GFX942
// RUN: sed 's/target: .*/target: gfx950/' %s | %quadrille-compiler --replay - | llvm-readobj -h --notes --dyn-symbols - | FileCheck %s --check-prefixes=CHECK,GFX950
// RUN: sed 's/target: .*/target: gfx1100/' %s | %quadrille-compiler --replay - | llvm-readobj -h --notes --dyn-symbols - | FileCheck %s --check-prefixes=CHECK,GFX1100
// RUN: sed 's/target: .*/target: gfx1200/' %s | %quadrille-compiler --replay - | llvm-readobj -h --notes --dyn-symbols - | FileCheck %s --check-prefixes=CHECK,GFX1200
// RUN: sed 's/target: .*/target: gfx1250/' %s | %quadrille-compiler --replay - | llvm-readobj -h --notes --dyn-symbols - | FileCheck %s --check-prefixes=CHECK,GFX1250
// RUN: sed 's/stage: .*/stage: asm/' %s | %quadrille-compiler --replay - | FileCheck %s --check-prefix=ASM

// CHECK:        OS/ABI: AMDGPU_HSA
// CHECK:        Type: SharedObject
// GFX942:       EF_AMDGPU_MACH_AMDGCN_GFX942
// GFX950:       EF_AMDGPU_MACH_AMDGCN_GFX950
// GFX1100:      EF_AMDGPU_MACH_AMDGCN_GFX1100
// GFX1200:      EF_AMDGPU_MACH_AMDGCN_GFX1200
// GFX1250:      EF_AMDGPU_MACH_AMDGCN_GFX1250
// CHECK-DAG:    Name: f_quantize_row (
// CHECK-DAG:    Name: f_quantize_row.kd (
// CHECK:        amdhsa.kernels:
// CHECK-NOT:    hidden_
// CHECK:        .group_segment_fixed_size: 0
// CHECK:        .kernarg_segment_size: 72
// CHECK:        .max_flat_workgroup_size: 128
// CHECK:        .name: f_quantize_row
// CHECK:        .private_segment_fixed_size: 0
// CHECK:        .reqd_workgroup_size:
// CHECK-NEXT:   - 128
// CHECK-NEXT:   - 1
// CHECK-NEXT:   - 1
// CHECK:        .sgpr_spill_count: 0
// CHECK:        .symbol: f_quantize_row.kd
// CHECK:        .vgpr_spill_count: 0
// GFX942:       .wavefront_size: 64
// GFX950:       .wavefront_size: 64
// GFX1100:      .wavefront_size: 32
// GFX1200:      .wavefront_size: 32
// GFX1250:      .wavefront_size: 32

// ASM-LABEL:    {{^}}f_quantize_row:
// ASM-NOT:      flat_{{load|store}}
// ASM:          global_load_dwordx4
// ASM-NOT:      flat_{{load|store}}
// ASM:          global_store
// ASM-NOT:      flat_{{load|store}}
// ASM:          s_endpgm
#mxfp4 = #quad.format<"MXFP4", grid = e2m1, levels = [<1x32, e8m0, ocp>]>
!row = !quad.tensor<?x?, #mxfp4, axis = 1>
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.alignment = 64 : i64, quad.divisible_by = array<i64: 1, 32>, quad.stride_divisible_by = array<i64: 32, 1>}) -> !row {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %q : !row
}
