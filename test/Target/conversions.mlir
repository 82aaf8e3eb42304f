// Conversions by instructions where an architecture has them: a block's E4M3 scale since sm_89,
// eight E2M1 codes since sm_100a. Elsewhere the same bits come from arithmetic.
//
// RUN: quad-opt %s --quad-to-ptx=target=sm_80 | mlir-translate --mlir-to-llvmir | llc -mtriple=nvptx64-nvidia-cuda -mcpu=sm_80 -o - | FileCheck %s --check-prefix=SM80 --implicit-check-not=cvt.rn.satfinite
// RUN: quad-opt %s --quad-to-ptx=target=sm_90a | mlir-translate --mlir-to-llvmir | llc -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -o - | FileCheck %s --check-prefix=SM90 --implicit-check-not=e2m1x2
// RUN: quad-opt %s --quad-to-ptx=target=sm_100a | mlir-translate --mlir-to-llvmir | llc -mtriple=nvptx64-nvidia-cuda -mcpu=sm_100a -mattr=+ptx88 -o - | FileCheck %s --check-prefix=SM100

#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
!q = !quad.tensor<?x?, #nvfp4, axis = 1>

// SM80-LABEL:  .entry f_quantize_row(
// SM80:        min.u32
//
// The zero is the upper half of the pair.
//
// SM90-LABEL:  .entry f_quantize_row(
// SM90:        mov.b32 %[[ZERO:.*]], 0;
// SM90:        cvt.rn.satfinite.e4m3x2.f32 %{{.*}}, %[[ZERO]], %{{.*}};
// SM90:        min.u32
//
// SM100-LABEL: .entry f_quantize_row(
// SM100:       cvt.rn.satfinite.e4m3x2.f32
// SM100-NOT:   min.u32
// SM100:       { .reg .b8 c0, c1, c2, c3; cvt.rn.satfinite.e2m1x2.f32 c0,
// SM100-SAME:  mov.b32 %{{.*}}, {c0, c1, c2, c3}; }
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.alignment = 16 : i64}, %a: tensor<1xf32>) -> !q {
  %q = quad.quantize %x amax(%a) {axis = 1} : tensor<?x?xbf16> -> !q
  return %q : !q
}
