// A lane reads eight bytes of codes and writes sixteen; bytes of tables are permuted.
//
// RUN: quad-opt %s --quad-to-ptx=target=sm_90a | FileCheck %s
// RUN: quad-opt %s --quad-to-amdgcn=target=gfx942 | FileCheck %s --check-prefix=GCN

// CHECK-LABEL: llvm.func @f_to_carrier(
// CHECK:         llvm.load %{{.*}} : !llvm.ptr{{.*}} -> vector<2xi32>
// CHECK:         llvm.call_intrinsic "llvm.nvvm.prmt"
// CHECK:         llvm.store %{{.*}} : vector<4xi32>
// GCN-LABEL:   llvm.func @f_to_carrier(
// GCN:           llvm.load %{{.*}} : !llvm.ptr{{.*}} -> vector<2xi32>
// GCN:           llvm.call_intrinsic "llvm.amdgcn.perm"
// GCN:           llvm.store %{{.*}} : vector<4xi32>
#mxuf4 = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
!q = !quad.tensor<?x?, #mxuf4, axis = 1>
func.func @f(%q: !q {quad.alignment = 16 : i64}) -> (tensor<?x?xf8E5M2>, tensor<?xi32>, tensor<?xi32>) {
  %v:3 = quad.to_carrier %q : (!q) -> (tensor<?x?xf8E5M2>, tensor<?xi32>, tensor<?xi32>)
  return %v#0, %v#1, %v#2 : tensor<?x?xf8E5M2>, tensor<?xi32>, tensor<?xi32>
}
