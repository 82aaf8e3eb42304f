// One kernel from end to end: row quantization to UFP4_B after an RHT of 16, by the
// passes and LLVM's own tools alone, for each kind of target.
//
// RUN: quad-opt %s --quad-to-ptx | mlir-translate --mlir-to-llvmir | llc -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -o - | FileCheck %s --check-prefix=PTX --implicit-check-not=.ftz --implicit-check-not=shfl --implicit-check-not=.approx
// RUN: quad-opt %s --quad-to-amdgcn | mlir-translate --mlir-to-llvmir | FileCheck %s --check-prefix=IR --implicit-check-not=contract --implicit-check-not=reassoc --implicit-check-not="fast "
// RUN: quad-opt %s --quad-to-amdgcn | mlir-translate --mlir-to-llvmir | llc -mtriple=amdgcn-amd-amdhsa -mcpu=gfx942 -o - | FileCheck %s --check-prefix=GCN
// RUN: quad-opt %s --quad-to-host=target=host:avx512 | mlir-translate --mlir-to-llvmir | llc -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4 -o - | FileCheck %s --check-prefix=AVX512

// A thread has a block of each of its program's tiles, in one loop, and the block's transform:
// 4 stages of 8 butterflies, and no exchange. The only fused operations are the 16 of a first
// stage, whose products with signs are exact, and the 16 that round to the grid; everything
// rounds to nearest and keeps subnormal numbers.
//
// PTX-LABEL:     .visible .entry f_quantize_row(
// PTX:           .reqntid 128
// PTX:           Loop Header
// PTX-COUNT-8:   {{mul.rn.f32.*[[:space:]]+(neg.f32.*[[:space:]]+)?fma.rn.f32.*[[:space:]]+fma.rn.f32}}
// PTX-NOT:       fma.rn.f32
// PTX-COUNT-24:  sub.rn.f32
// PTX-NOT:       sub.rn.f32
// PTX:           div.rn.f32
// PTX-NOT:       div.rn.f32
// PTX:           rcp.rn.f32
// PTX-NOT:       rcp.rn.f32
// PTX-COUNT-16:  fma.rn.f32
// PTX-NOT:       fma.rn.f32
// PTX:           ret;

// IR:            define amdgpu_kernel void @f_quantize_row(
// IR-COUNT-16:   call float @llvm.fma.f32(
// IR-NOT:        @llvm.fma.f32(
// IR-COUNT-48:   = f{{add|sub}} float
// IR-NOT:        = f{{add|sub}} float
// IR-COUNT-2:    fdiv float
// IR-NOT:        fdiv float
// IR-COUNT-16:   call float @llvm.fma.f32(
// IR-NOT:        @llvm.fma.f32(float %

// GCN-LABEL:     f_quantize_row:
// GCN-NOT:       ds_
// GCN:           v_div_fixup_f32
// GCN:           s_endpgm
// GCN:           .amdhsa_float_denorm_mode_32 3

// On the host a lane of the vector is a thread: 16 blocks at once.
//
// AVX512-LABEL:  f_quantize_row:
// AVX512:        vsubps {{.*}}zmm
// AVX512:        vdivps {{.*}}zmm
// AVX512:        vf{{n?}}madd{{[0-9]+}}ps {{.*}}zmm

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
#rht = #quad.rht<16, digest = 0x1234abcd5678ef00>
!q = !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht>
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %s: tensor<16xf32>) -> !q {
  %h = quad.hadamard %x, %s {axis = 1} : tensor<?x?xbf16>, tensor<16xf32> -> tensor<?x?xf32>
  %q = quad.quantize %h {axis = 1, rht = #rht} : tensor<?x?xf32> -> !q
  return %q : !q
}
