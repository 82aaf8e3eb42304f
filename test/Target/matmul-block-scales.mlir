// f32 scales of blocks, which no carrier holds with its codes, multiply the sums of their blocks:
// codes are decoded without them, and words change lanes so that an instruction's are of one block.
//
// RUN: quad-opt %s --quad-to-tile=target=sm_90a --verify-diagnostics | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=sm_80 2>/dev/null | FileCheck %s
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx942 2>/dev/null | FileCheck %s --check-prefix=GFX942
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx950 2>/dev/null | FileCheck %s --check-prefix=GFX950
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx1250 2>/dev/null | FileCheck %s --check-prefix=GFX1250

// CHECK-LABEL: func.func @product(
// CHECK: tile.launch @product_matmul_8 grid
// CHECK: tile.launch @product_matmul_16 grid
// CHECK: tile.launch @product_matmul grid
// CHECK-NOT: tile.launch
// CHECK-LABEL: func.func @product_matmul_8(
// CHECK: tile.lookup_pairs
// CHECK-NOT: tile.multiply_pairs
// CHECK: tile.convert_layout {{.*}} -> tensor<16x{{[0-9]+}}xi32, #tile.layout<reg = [{{[0-9]+}}, 4, {{.*}}], lane = [1, 2, {{.*}}
// CHECK: tile.dot {{.*}} by "bf16" scales %{{.*}}, %{{.*}} : tensor<16x{{[0-9]+}}xf32, {{.*}}>, tensor<8x{{[0-9]+}}xf32, {{.*}}>
// GFX942-LABEL: llvm.func @product_matmul(
// GFX942: llvm.intr.fma

// An instruction that sums two blocks is one for each, with zeros in place of the other: by lanes, or in registers.
// GFX950-LABEL: llvm.func @product_matmul_16(
// GFX950: llvm.select {{.*}} : i1, i32
// GFX950: llvm.call_intrinsic "llvm.amdgcn.mfma.f32.16x16x32.f16"
// GFX950: llvm.intr.fma
// GFX950: llvm.call_intrinsic "llvm.amdgcn.mfma.f32.16x16x32.f16"
// GFX950: llvm.intr.fma
// GFX1250-LABEL: llvm.func @product_matmul_16(
// GFX1250: llvm.call_intrinsic "llvm.amdgcn.wmma.f32.16x16x32.f16
// GFX1250: llvm.intr.fma
// GFX1250: llvm.call_intrinsic "llvm.amdgcn.wmma.f32.16x16x32.f16
// GFX1250: llvm.intr.fma

#ufp4 = #quad.format<"UFP4", grid = e1m2, levels = [<1x16, f32, nearest>]>
!a = !quad.tensor<?x?, #ufp4, axis = 1>
!b = !quad.tensor<?x?, #ufp4, axis = 0>
func.func @product(%x: !a, %w: !b) -> tensor<?x?xf32> {
  // expected-remark @+1 {{carrier bf16 per-k-block(16)}}
  %y = quad.matmul %x, %w : !a, !b -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
