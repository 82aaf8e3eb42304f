// One kernel from end to end: row quantization to UFP4_B after an RHT of 16, by the
// passes and LLVM's own tools alone, for each kind of target.
//
// RUN: quad-opt %s --quad-to-ptx | mlir-translate --mlir-to-llvmir | llc -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -o - | FileCheck %s --check-prefix=PTX --implicit-check-not=.ftz --implicit-check-not=shfl --implicit-check-not=.approx --implicit-check-not=div.rn.f32
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx1100 | mlir-translate --mlir-to-llvmir | FileCheck %s --check-prefix=IR --implicit-check-not=contract --implicit-check-not=reassoc --implicit-check-not="fast "
// RUN: quad-opt %s --quad-to-amdgcn | mlir-translate --mlir-to-llvmir | llc -mtriple=amdgcn-amd-amdhsa -mcpu=gfx942 -o - | FileCheck %s --check-prefix=GCN
// RUN: quad-opt %s --quad-to-host=target=host:avx512 | mlir-translate --mlir-to-llvmir | llc -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4 -o - | FileCheck %s --check-prefix=AVX512

// A thread has a block of each of its program's tiles, which are unrolled or, at the end, in a
// loop. The 16 factors are multiplied once. A block then has
//
//   its transform, 4 stages of 8 butterflies and no exchange: 8 products and 16 fused operations
//   in the first, 24 sums and 24 differences in the others;
//   the scale, a product and two fused operations instead of a division by 1.75;
//   its reciprocal, the only division;
//   the codes, 16 products with that, and 16 sums that round to the grid, where none needs a
//   clamp.
//
// Everything rounds to nearest and keeps subnormal numbers.
//
// PTX-LABEL:     .visible .entry f_quantize_row(
// PTX:           .reqntid 128
// PTX-NOT:       fma.rn.f32
// PTX-COUNT-16:  mul.rn.f32
// PTX-NOT:       {{(mul|fma).rn.f32}}
// PTX:           bra
// PTX-COUNT-8:   {{mul.rn.f32.*[[:space:]]+(neg.f32.*[[:space:]]+)?fma.rn.f32.*[[:space:]]+(neg.f32.*[[:space:]]+)?fma.rn.f32}}
// PTX-NOT:       fma.rn.f32
// PTX-COUNT-24:  sub.rn.f32
// PTX-NOT:       sub.rn.f32
// PTX:           {{mul.rn.f32.*[[:space:]]+fma.rn.f32.*[[:space:]]+fma.rn.f32}}
// PTX-NOT:       {{(fma|mul|sub).rn.f32}}
// PTX:           st.global.b16
// PTX:           rcp.rn.f32
// PTX-NOT:       {{fma.rn.f32|rcp.rn.f32}}
// PTX-COUNT-16:  mul.rn.f32
// PTX-NOT:       mul.rn.f32
// PTX-COUNT-16:  add.rn.f32
// PTX-NOT:       {{(fma|mul|add|sub|rcp).rn.f32|(min|max)\.}}
// PTX:           st.global.v2.b32
// The other three.
// PTX-COUNT-3:   st.global.v2.b32
// PTX-NOT:       fma.rn.f32
// PTX:           Loop Header
// PTX-NOT:       fma.rn.f32
// PTX-COUNT-8:   {{mul.rn.f32.*[[:space:]]+(neg.f32.*[[:space:]]+)?fma.rn.f32.*[[:space:]]+(neg.f32.*[[:space:]]+)?fma.rn.f32}}
// PTX-NOT:       fma.rn.f32
// PTX-COUNT-24:  sub.rn.f32
// PTX-NOT:       sub.rn.f32
// PTX:           {{mul.rn.f32.*[[:space:]]+fma.rn.f32.*[[:space:]]+fma.rn.f32}}
// PTX-NOT:       {{(fma|mul|sub).rn.f32}}
// PTX:           st.global.b16
// PTX:           rcp.rn.f32
// PTX-NOT:       {{fma.rn.f32|rcp.rn.f32}}
// PTX-COUNT-16:  mul.rn.f32
// PTX-NOT:       mul.rn.f32
// PTX-COUNT-16:  add.rn.f32
// PTX-NOT:       {{(fma|mul|add|sub|rcp).rn.f32|(min|max)\.}}
// PTX:           st.global.v2.b32

// IR:            define amdgpu_kernel void @f_quantize_row(
// IR-NOT:        @llvm.fma.f32(
// IR-COUNT-16:   = fmul float
// IR-NOT:        = fmul float
// IR:            br i1
// IR-COUNT-16:   call float @llvm.fma.f32(
// IR-NOT:        @llvm.fma.f32(
// IR-COUNT-48:   = f{{add|sub}} float
// IR-NOT:        = f{{add|sub}} float
// IR-COUNT-2:    call float @llvm.fma.f32(
// IR-NOT:        @llvm.fma.f32(
// IR:            fdiv float 1.0
// IR-NOT:        {{@llvm.fma.f32|fdiv}}
// IR-COUNT-16:   = fmul float
// IR-NOT:        = fmul float
// IR-COUNT-16:   = fadd float
// IR-NOT:        {{= (fadd|fsub|fmul|fdiv) float|@llvm.(fma.f32|u?min|u?max)}}
// IR-COUNT-4:    store <2 x i32>
// IR-NOT:        store
// IR:            br label
// IR-COUNT-16:   call float @llvm.fma.f32(
// IR-NOT:        @llvm.fma.f32(
// IR-COUNT-48:   = f{{add|sub}} float
// IR-NOT:        = f{{add|sub}} float
// IR-COUNT-2:    call float @llvm.fma.f32(
// IR-NOT:        @llvm.fma.f32(
// IR:            fdiv float 1.0
// IR-NOT:        {{@llvm.fma.f32|fdiv}}
// IR-COUNT-16:   = fmul float
// IR-NOT:        = fmul float
// IR-COUNT-16:   = fadd float
// IR-NOT:        {{= (fadd|fsub|fmul|fdiv) float|@llvm.(fma.f32|u?min|u?max)}}
// IR:            ret void

// GCN-LABEL:     f_quantize_row:
// gfx942 computes on two elements at once: 4 products and 8 fused operations in the first stage,
// 16 sums and differences in the next two, 8 products with the scale's reciprocal.
// GCN-NOT:       ds_
// GCN-COUNT-8:   v_pk_fma_f32
// GCN-NOT:       v_pk_fma_f32
// GCN-COUNT-16:  v_pk_add_f32
// GCN-NOT:       v_pk_{{add|fma}}_f32
// GCN:           v_div_fixup_f32
// GCN-NOT:       v_pk_{{add|fma}}_f32
// GCN-COUNT-8:   v_pk_mul_f32
// GCN:           s_endpgm
// GCN:           .amdhsa_float_denorm_mode_32 3

// On the host a lane of the vector is a thread: 16 blocks at once.
//
// AVX512-LABEL:  f_quantize_row:
// AVX512:        vf{{n?}}madd{{[0-9]+}}ps {{.*}}zmm
// AVX512:        vsubps {{.*}}zmm
// AVX512:        vdivps {{.*}}zmm
// AVX512-NOT:    vdivps
// AVX512:        vaddps {{.*}}zmm

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
#rht = #quad.rht<16, digest = 0x1234abcd5678ef00>
!q = !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht>
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %s: tensor<16xf32>) -> !q {
  %h = quad.hadamard %x, %s {axis = 1} : tensor<?x?xbf16>, tensor<16xf32> -> tensor<?x?xf32>
  %q = quad.quantize %h {axis = 1, rht = #rht} : tensor<?x?xf32> -> !q
  return %q : !q
}
