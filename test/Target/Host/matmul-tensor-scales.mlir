// RUN: quad-opt --quad-to-tile=target=host:avx512vnni %s 2>/dev/null | FileCheck %s
//
// The tensor-level scales of both operands meet in one factor of the epilogue.

#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
!x = !quad.tensor<?x2048, #nvfp4, axis = 1>
!wt = !quad.tensor<2048x?, #nvfp4, axis = 0>

// CHECK-LABEL: func.func @linear(
// CHECK:      tile.launch @linear_matmul grid
func.func @linear(%x: !x, %wt: !wt) -> tensor<?x?xf32> {
  %y = quad.matmul %x, %wt : !x, !wt -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// CHECK-LABEL: func.func @linear_matmul(
// CHECK:      %[[A:.*]] = llvm.load %{{.*}} : !llvm.ptr -> f32
// CHECK:      %[[B:.*]] = llvm.load %{{.*}} : !llvm.ptr -> f32
// CHECK:      %[[AB:.*]] = arith.mulf %[[A]], %[[B]] : f32
// CHECK-COUNT-48: llvm.x86.avx512.vpdpbusd.512
// CHECK:      %[[FACTOR:.*]] = vector.broadcast %[[AB]] : f32 to vector<16xf32>
// CHECK-NEXT: arith.mulf %{{.*}}, %[[FACTOR]]
