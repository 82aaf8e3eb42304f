// What combines into the caller's memory is neither dead nor the same as another that does.
//
// RUN: quad-opt %s --canonicalize --cse | FileCheck %s
// RUN: quad-opt %s --quad-form-kernels --canonicalize --cse | FileCheck %s --check-prefix=LAUNCH

#ufp4 = #quad.format<"UFP4", grid = e1m2, levels = [<1x16, f32, nearest>]>
!q = !quad.tensor<?x64, #ufp4, axis = 1>

// CHECK-LABEL: func.func @words(
// CHECK-COUNT-2: quad.quantize %{{.*}} flags(
// CHECK:         quad.quantize %{{.*}} amax_out(
// CHECK-NOT:     quad.quantize
// CHECK:         return
//
// LAUNCH-LABEL: func.func @words(
// LAUNCH-COUNT-3: quad.launch
// LAUNCH-NOT:     quad.launch
// LAUNCH:         return
func.func @words(%x: tensor<?x64xbf16>, %f: memref<1xi32>, %a: memref<1xf32>) {
  %0 = quad.quantize %x flags(%f) {axis = 1} : tensor<?x64xbf16> -> !q
  %1 = quad.quantize %x flags(%f) {axis = 1} : tensor<?x64xbf16> -> !q
  %2 = quad.quantize %x amax_out(%a) {axis = 1} : tensor<?x64xbf16> -> !q
  %3 = quad.quantize %x {axis = 1} : tensor<?x64xbf16> -> !q
  return
}

// CHECK-LABEL: func.func @without(
// CHECK-NEXT:    %[[Q:.*]] = quad.quantize
// CHECK-NEXT:    return %[[Q]], %[[Q]]
func.func @without(%x: tensor<?x64xbf16>) -> (!q, !q) {
  %0 = quad.quantize %x {axis = 1} : tensor<?x64xbf16> -> !q
  %1 = quad.quantize %x {axis = 1} : tensor<?x64xbf16> -> !q
  return %0, %1 : !q, !q
}
