// RUN: quad-opt %s --quad-fuse | FileCheck %s

#mx = #quad.format<"MXUF4", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
!x = !quad.tensor<?x64, #mx, axis = 1>
!w = !quad.tensor<64x?, #mx, axis = 0>

// What lay between two operations is rounded as memory would; each operand is read once.
//
// CHECK-LABEL: func.func @map_into_map(
// CHECK-SAME:      %[[X:.*]]: tensor<?x?xbf16>, %[[Y:.*]]: tensor<?x?xf32>
// CHECK-NEXT:    %[[R:.*]] = quad.map(%[[X]], %[[Y]]) : (tensor<?x?xbf16>, tensor<?x?xf32>) -> tensor<?x?xf32> {
// CHECK-NEXT:    ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32):
// CHECK-NEXT:      %[[E:.*]] = quad.evaluate exp %[[A]]
// CHECK-NEXT:      %[[ROUNDED:.*]] = quad.round %[[E]] to bf16
// CHECK-NEXT:      %[[M:.*]] = arith.mulf %[[ROUNDED]], %[[B]]
// CHECK-NEXT:      %[[S:.*]] = arith.addf %[[M]], %[[A]]
// CHECK-NEXT:      quad.yield %[[S]]
// CHECK:         return %[[R]]
func.func @map_into_map(%x: tensor<?x?xbf16>, %y: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %0 = quad.map(%x) : (tensor<?x?xbf16>) -> tensor<?x?xbf16> {
  ^bb0(%a: f32):
    %r = quad.evaluate exp %a
    quad.yield %r : f32
  }
  %1 = quad.map(%0, %y) : (tensor<?x?xbf16>, tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.mulf %a, %b : f32
    quad.yield %r : f32
  }
  %2 = quad.map(%1, %x) : (tensor<?x?xf32>, tensor<?x?xbf16>) -> tensor<?x?xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    quad.yield %r : f32
  }
  return %2 : tensor<?x?xf32>
}

// What repeats is computed for each element.
//
// CHECK-LABEL: func.func @what_repeats(
// CHECK-NEXT:    quad.map(%{{.*}}, %{{.*}}, %{{.*}}) : (f32, tensor<1x?xf32>, tensor<?x?xf32>)
// CHECK-NOT:     quad.map
func.func @what_repeats(%x: tensor<?x?xf32>, %row: tensor<1x?xf32>, %s: f32) -> tensor<?x?xf32> {
  %0 = quad.map(%row) : (tensor<1x?xf32>) -> tensor<1x?xf32> {
  ^bb0(%a: f32):
    %r = quad.evaluate exp %a
    quad.yield %r : f32
  }
  %1 = quad.map(%s) : (f32) -> tensor<1x1xf32> {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    quad.yield %r : f32
  }
  %2 = quad.map(%x, %0, %1) : (tensor<?x?xf32>, tensor<1x?xf32>, tensor<1x1xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %p, %c : f32
    quad.yield %r : f32
  }
  return %2 : tensor<?x?xf32>
}

// Another use keeps two apart.
//
// CHECK-LABEL: func.func @other_use(
// CHECK:         quad.map(
// CHECK:         quad.map(
func.func @other_use(%x: tensor<?x?xf32>) -> (tensor<?x?xf32>, tensor<?x?xf32>) {
  %0 = quad.map(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    quad.yield %r : f32
  }
  %1 = quad.map(%0) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    %r = math.sqrt %a : f32
    quad.yield %r : f32
  }
  return %0, %1 : tensor<?x?xf32>, tensor<?x?xf32>
}

// The last product takes the elementwise code, with what it has already.
//
// CHECK-LABEL: func.func @swiglu(
// CHECK-SAME:      %[[X:.*]]: !quad.tensor<{{.*}}>, %[[G:.*]]: !quad.tensor<{{.*}}>, %[[U:.*]]: !quad.tensor<{{.*}}>, %[[B:.*]]: tensor<?xf32>, %[[C:.*]]: tensor<?x?xbf16>
// CHECK-NEXT:    %[[GATE:.*]] = quad.matmul %[[X]], %[[G]] :
// CHECK-NEXT:    %[[Y:.*]] = quad.matmul %[[X]], %[[U]] bias(%[[B]] : tensor<?xf32>) acc(%[[C]] : tensor<?x?xbf16>) epilogue(%[[GATE]] : tensor<?x?xbf16>) {exact = false} : {{.*}} -> tensor<?x?xf32> {
// CHECK-NEXT:    ^bb0(%[[SUM:.*]]: f32, %[[A:.*]]: f32):
// CHECK-NEXT:      %[[UP:.*]] = quad.round %[[SUM]] to bf16
// CHECK-NEXT:      %[[E:.*]] = quad.evaluate silu %[[A]]
// CHECK-NEXT:      %[[SILU:.*]] = quad.round %[[E]] to bf16
// CHECK-NEXT:      %[[M:.*]] = arith.mulf %[[SILU]], %[[UP]]
// CHECK-NEXT:      quad.yield %[[M]]
// CHECK:         return %[[Y]]
func.func @swiglu(%x: !x, %g: !w, %u: !w, %b: tensor<?xf32>, %c: tensor<?x?xbf16>) -> tensor<?x?xf32> {
  %gate = quad.matmul %x, %g : !x, !w -> tensor<?x?xbf16>
  %0 = quad.map(%gate) : (tensor<?x?xbf16>) -> tensor<?x?xbf16> {
  ^bb0(%a: f32):
    %r = quad.evaluate silu %a
    quad.yield %r : f32
  }
  %up = quad.matmul %x, %u bias(%b : tensor<?xf32>) acc(%c : tensor<?x?xbf16>) {exact = false}
    : !x, !w -> tensor<?x?xbf16>
  %1 = quad.map(%0, %up) : (tensor<?x?xbf16>, tensor<?x?xbf16>) -> tensor<?x?xf32> {
  ^bb0(%a: f32, %b0: f32):
    %r = arith.mulf %a, %b0 : f32
    quad.yield %r : f32
  }
  return %1 : tensor<?x?xf32>
}

// A product of one row that repeats over more is data like any other.
//
// CHECK-LABEL: func.func @one_row(
// CHECK:         quad.matmul {{.*}} -> tensor<1x?xf32>{{$}}
// CHECK:         quad.map(
func.func @one_row(%x: !quad.tensor<1x64, #mx, axis = 1>, %w: !w, %y: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %0 = quad.matmul %x, %w : !quad.tensor<1x64, #mx, axis = 1>, !w -> tensor<1x?xf32>
  %1 = quad.map(%0, %y) : (tensor<1x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.mulf %a, %b : f32
    quad.yield %r : f32
  }
  return %1 : tensor<?x?xf32>
}

// A product of groups keeps them.
//
// CHECK-LABEL: func.func @groups(
// CHECK:         quad.matmul %{{.*}}, %{{.*}} groups(%{{.*}} : tensor<?xi32>) epilogue(%{{.*}} : tensor<?x?xbf16>) :
// CHECK-NOT:     quad.map
func.func @groups(%x: !x, %w: !w, %g: tensor<?x?xbf16>, %i: tensor<?xi32>) -> tensor<?x?xbf16> {
  %0 = quad.matmul %x, %w groups(%i : tensor<?xi32>) : !x, !w -> tensor<?x?xbf16>
  %1 = quad.map(%0, %g) : (tensor<?x?xbf16>, tensor<?x?xbf16>) -> tensor<?x?xbf16> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.mulf %a, %b : f32
    quad.yield %r : f32
  }
  return %1 : tensor<?x?xbf16>
}
