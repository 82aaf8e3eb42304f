// Groups along the quantized axis: what prints as it was read, and what the passes make of it.
//
// RUN: quad-opt %s | quad-opt | FileCheck %s
// RUN: quad-opt %s --mlir-print-op-generic | quad-opt | FileCheck %s
// RUN: quad-opt %s --quad-insert-amax | FileCheck %s --check-prefix=AMAX
// RUN: quad-opt %s --quad-fuse | FileCheck %s --check-prefix=FUSE
// RUN: quad-opt %s --quad-form-kernels --verify-diagnostics | FileCheck %s --check-prefix=KERNELS

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
#rht = #quad.rht<32, digest = 1>
!q = !quad.tensor<?x?, #ufp4b, axis = 0, grouped>

// The padded length of groups is not static, even if the axis is.
//
// CHECK-LABEL: func.func private @types(
// CHECK-SAME:    !quad.tensor<?x?, #{{.*}}, axis = 0, grouped>
// CHECK-SAME:    !quad.tensor<100x64, #{{.*}}, axis = 0, rht = #{{.*}}, grouped, scales = blocked128x4>
func.func private @types(!q, !quad.tensor<100x64, #nvfp4, axis = 0, rht = #rht, grouped, scales = blocked128x4>)

// A tensor scale is that of the groups.
//
// CHECK-LABEL: func.func @quantize(
// CHECK:         quad.amax %{{.*}} groups(%{{.*}} : tensor<?xi32>) {axis = 0 : i64, pad = true} : tensor<?x?xbf16>
// CHECK:         quad.quantize %{{.*}} signs(%{{.*}} : tensor<32xf32>) groups(%{{.*}} : tensor<?xi64>) {axis = 0 : i64, pad = true, rht = #{{.*}}}
// AMAX-LABEL: func.func @quantize(
// AMAX-SAME:    %[[X:.*]]: tensor<?x?xbf16>, %[[S:.*]]: tensor<32xf32>, %[[I:.*]]: tensor<?xi32>, %[[J:.*]]: tensor<?xi64>)
// AMAX-NEXT:    %[[A:.*]] = quad.amax %[[X]] groups(%[[I]] : tensor<?xi32>)
// AMAX-NEXT:    quad.quantize %[[X]] amax(%[[A]]) groups(%[[I]] : tensor<?xi32>)
// AMAX-NEXT:    %[[B:.*]] = quad.amax %[[X]] signs(%[[S]] : tensor<32xf32>) groups(%[[J]] : tensor<?xi64>) {axis = 0 : i64, pad = true}
// AMAX-NEXT:    quad.quantize %[[X]] signs(%[[S]] : tensor<32xf32>) amax(%[[B]]) groups(%[[J]]
func.func @quantize(%x: tensor<?x?xbf16>, %s: tensor<32xf32>, %i: tensor<?xi32>, %j: tensor<?xi64>)
    -> (tensor<1xf32>, !quad.tensor<?x?, #nvfp4, axis = 0, grouped>, !quad.tensor<?x?, #nvfp4, axis = 0, rht = #rht, grouped>) {
  %a = quad.amax %x groups(%i : tensor<?xi32>) {axis = 0, pad = true} : tensor<?x?xbf16>
  %0 = quad.quantize %x groups(%i : tensor<?xi32>) {axis = 0, pad = true}
         : tensor<?x?xbf16> -> !quad.tensor<?x?, #nvfp4, axis = 0, grouped>
  %1 = quad.quantize %x signs(%s : tensor<32xf32>) groups(%j : tensor<?xi64>) {axis = 0, pad = true, rht = #rht}
         : tensor<?x?xbf16> -> !quad.tensor<?x?, #nvfp4, axis = 0, rht = #rht, grouped>
  return %a, %0, %1 : tensor<1xf32>, !quad.tensor<?x?, #nvfp4, axis = 0, grouped>, !quad.tensor<?x?, #nvfp4, axis = 0, rht = #rht, grouped>
}

// CHECK-LABEL: func.func @dequantize(
// CHECK:         %[[T:.*]] = quad.transpose %{{.*}} -> !quad.tensor<?x?, #{{.*}}, axis = 1, grouped>
// CHECK:         quad.dequantize %[[T]] groups(%{{.*}} : tensor<?xi32>) : !quad.tensor<?x?, #{{.*}}, axis = 1, grouped> -> tensor<?x?xf32>
func.func @dequantize(%q: !q, %i: tensor<?xi32>) -> tensor<?x?xf32> {
  %t = quad.transpose %q : !q -> !quad.tensor<?x?, #ufp4b, axis = 1, grouped>
  %y = quad.dequantize %t groups(%i : tensor<?xi32>) : !quad.tensor<?x?, #ufp4b, axis = 1, grouped> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// A transform before is of the rows as they are, not of groups: the amax of it stays one of
// the transformed.
//
// FUSE-LABEL: func.func @after_hadamard(
// FUSE:         %[[H:.*]] = quad.hadamard
// FUSE-NEXT:    quad.amax %[[H]] groups
func.func @after_hadamard(%x: tensor<?x?xbf16>, %s: tensor<32xf32>, %i: tensor<?xi32>) -> tensor<1xf32> {
  %h = quad.hadamard %x, %s {axis = 0} : tensor<?x?xbf16>, tensor<32xf32> -> tensor<?x?xf32>
  %a = quad.amax %h groups(%i : tensor<?xi32>) {axis = 0, pad = true} : tensor<?x?xf32>
  return %a : tensor<1xf32>
}

// Rows and columns of groups do not share a read; elementwise code before goes through memory.
//
// KERNELS-LABEL: func.func @pair(
// KERNELS-NEXT:    quad.launch @pair_quantize_row(
// KERNELS-NEXT:    quad.launch @pair_quantize_column(
func.func @pair(%x: tensor<?x?xbf16>, %i: tensor<?xi32>) -> (!quad.tensor<?x?, #ufp4b, axis = 1>, !q) {
  %r = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #ufp4b, axis = 1>
  // expected-remark @+1 {{reads its input again: the rows of a group are stored elsewhere than they are read}}
  %c = quad.quantize %x groups(%i : tensor<?xi32>) {axis = 0, pad = true} : tensor<?x?xbf16> -> !q
  return %r, %c : !quad.tensor<?x?, #ufp4b, axis = 1>, !q
}

// KERNELS-LABEL: func.func @map(
// KERNELS-NEXT:    %[[M:.*]] = quad.launch @map_map(
// KERNELS-NEXT:    quad.launch @map_quantize_column(%[[M]]
func.func @map(%x: tensor<?x?xbf16>, %i: tensor<?xi32>) -> !q {
  %m = quad.map(%x) : (tensor<?x?xbf16>) -> tensor<?x?xbf16> {
  ^bb0(%e: f32):
    %0 = arith.negf %e : f32
    quad.yield %0 : f32
  }
  // expected-remark @+1 {{reads the result of elementwise code from memory: it is quantized in groups}}
  %q = quad.quantize %m groups(%i : tensor<?xi32>) {axis = 0, pad = true} : tensor<?x?xbf16> -> !q
  return %q : !q
}

// Products: of tokens with experts stacked along columns or rows, and of the groups of both.
//
// CHECK-LABEL: func.func @products(
// CHECK:         quad.matmul %{{.*}}, %{{.*}} groups(%{{.*}} : tensor<3xi32>) : {{.*}} -> tensor<?x64xbf16>
// CHECK:         quad.matmul %{{.*}}, %{{.*}} groups(%{{.*}} : tensor<3xi32>) : {{.*}} -> tensor<?x32xf32>
// CHECK:         quad.matmul %{{.*}}, %{{.*}} acc(%{{.*}} : tensor<64x32xf32>) groups(%{{.*}} : tensor<3xi32>) : {{.*}} -> tensor<64x32xf32>
func.func @products(%x: !quad.tensor<?x32, #ufp4b, axis = 1>, %w: !quad.tensor<32x128, #ufp4b, axis = 0>, %r: !quad.tensor<64x32, #ufp4b, axis = 0>,
                    %a: !quad.tensor<32x?, #ufp4b, axis = 1, grouped>, %b: !quad.tensor<?x32, #ufp4b, axis = 0, grouped>,
                    %c: tensor<64x32xf32>, %i: tensor<3xi32>) -> (tensor<?x64xbf16>, tensor<?x32xf32>, tensor<64x32xf32>) {
  %0 = quad.matmul %x, %w groups(%i : tensor<3xi32>)
         : !quad.tensor<?x32, #ufp4b, axis = 1>, !quad.tensor<32x128, #ufp4b, axis = 0> -> tensor<?x64xbf16>
  %1 = quad.matmul %x, %r groups(%i : tensor<3xi32>)
         : !quad.tensor<?x32, #ufp4b, axis = 1>, !quad.tensor<64x32, #ufp4b, axis = 0> -> tensor<?x32xf32>
  %2 = quad.matmul %a, %b acc(%c : tensor<64x32xf32>) groups(%i : tensor<3xi32>)
         : !quad.tensor<32x?, #ufp4b, axis = 1, grouped>, !quad.tensor<?x32, #ufp4b, axis = 0, grouped> -> tensor<64x32xf32>
  return %0, %1, %2 : tensor<?x64xbf16>, tensor<?x32xf32>, tensor<64x32xf32>
}
