// Every operation, type and attribute of the dialect prints as it was read.
//
// RUN: quad-opt %s | quad-opt | FileCheck %s
// RUN: quad-opt %s --mlir-print-op-generic | quad-opt | FileCheck %s

#tile16 = #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32], warp = [64]>
// Lanes and warps whose basis is 0 hold copies.
#copies = #tile.layout<reg = [], lane = [0, 0], warp = [0]>

// CHECK-LABEL: func.func @memory(
// CHECK-SAME:    %[[P:.*]]: !llvm.ptr, %[[N:.*]]: i64, %[[INSIDE:.*]]: i1)
func.func @memory(%p: !llvm.ptr, %n: i64, %inside: i1) {
  // CHECK-NEXT: %[[X:.*]] = tile.program_id 0
  // CHECK-NEXT: %[[Y:.*]] = tile.program_id 1
  %x = tile.program_id 0
  %y = tile.program_id 1
  // CHECK-NEXT: %[[V:.*]] = tile.load %[[P]][%[[X]], %[[Y]]] bounds(%[[N]], %[[N]]) strides(%[[N]], %[[N]]) : !llvm.ptr -> tensor<2x64xbf16, #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32], warp = [64]>>
  %v = tile.load %p[%x, %y] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<2x64xbf16, #tile16>
  // CHECK-NEXT: tile.store %[[V]], %[[P]][%[[X]], %[[Y]]] bounds(%[[N]], %[[N]]) strides(%[[N]], %[[N]]) {alignment = 16 : i64} :
  tile.store %v, %p[%x, %y] bounds(%n, %n) strides(%n, %n) {alignment = 16 : i64} : tensor<2x64xbf16, #tile16>, !llvm.ptr
  // CHECK-NEXT: %[[W:.*]] = tile.load %[[P]][%[[X]], %[[Y]]] bounds(%[[N]], %[[N]]) strides(%[[N]], %[[N]]) inside %[[INSIDE]] {alignment = 8 : i64, granularity = 2 : i64} : !llvm.ptr -> tensor<2x64xbf16,
  %w = tile.load %p[%x, %y] bounds(%n, %n) strides(%n, %n) inside %inside {alignment = 8 : i64, granularity = 2 : i64} : !llvm.ptr -> tensor<2x64xbf16, #tile16>
  // CHECK-NEXT: tile.store %[[W]], %[[P]][%[[X]], %[[Y]]] bounds(%[[N]], %[[N]]) strides(%[[N]], %[[N]]) inside %[[INSIDE]] {granularity = 4 : i64} :
  tile.store %w, %p[%x, %y] bounds(%n, %n) strides(%n, %n) inside %inside {granularity = 4 : i64} : tensor<2x64xbf16, #tile16>, !llvm.ptr
  // CHECK-NEXT: %[[U:.*]] = tile.load %[[P]][%[[X]], %[[Y]]] {{.*}} {window} : !llvm.ptr -> tensor<2x64xbf16,
  %u = tile.load %p[%x, %y] bounds(%n, %n) strides(%n, %n) {window} : !llvm.ptr -> tensor<2x64xbf16, #tile16>
  // CHECK-NEXT: tile.store %[[U]], %[[P]][%[[X]], %[[Y]]] {{.*}} {window} :
  tile.store %u, %p[%x, %y] bounds(%n, %n) strides(%n, %n) {window} : tensor<2x64xbf16, #tile16>, !llvm.ptr
  // CHECK-NEXT: tile.load {{.*}} -> tensor<1xf32, #tile.layout<reg = [], lane = [0, 0], warp = [0]>>
  %one = tile.load %p[%x] bounds(%n) strides(%n) : !llvm.ptr -> tensor<1xf32, #copies>
  // CHECK-NEXT: tile.atomic_reduce{{ +}}amax %{{.*}}, %[[P]] : tensor<1xf32, #tile.layout<reg = [], lane = [0, 0], warp = [0]>>, !llvm.ptr
  // CHECK-NEXT: %[[I:.*]] = tile.iota
  // CHECK-NEXT: tile.atomic_reduce{{ +}}ori %[[I]], %[[P]] : tensor<4xi32>, !llvm.ptr
  tile.atomic_reduce amax %one, %p : tensor<1xf32, #copies>, !llvm.ptr
  %i = tile.iota 0 : tensor<4xi32>
  tile.atomic_reduce ori %i, %p : tensor<4xi32>, !llvm.ptr
  return
}

// CHECK-LABEL: func.func @shape(
// CHECK-SAME:    %[[V:.*]]: tensor<4x32xf32>, %[[ROW:.*]]: tensor<1x32xf32>, %[[S:.*]]: f32)
func.func @shape(%v: tensor<4x32xf32>, %row: tensor<1x32xf32>, %s: f32) {
  // CHECK-NEXT: tile.reshape %[[V]] : tensor<4x32xf32> -> tensor<4x2x16xf32>
  %0 = tile.reshape %v : tensor<4x32xf32> -> tensor<4x2x16xf32>
  // CHECK-NEXT: tile.transpose %[[V]] : tensor<4x32xf32> -> tensor<32x4xf32>
  %1 = tile.transpose %v : tensor<4x32xf32> -> tensor<32x4xf32>
  // CHECK-NEXT: tile.broadcast %[[ROW]] : tensor<1x32xf32> -> tensor<4x32xf32>
  %2 = tile.broadcast %row : tensor<1x32xf32> -> tensor<4x32xf32>
  // CHECK-NEXT: tile.splat %[[S]] : f32 -> tensor<4x32xf32>
  %3 = tile.splat %s : f32 -> tensor<4x32xf32>
  // CHECK-NEXT: tile.iota 1 : tensor<4x32xi32>
  %4 = tile.iota 1 : tensor<4x32xi32>
  // CHECK-NEXT: tile.convert_layout %[[V]] : tensor<4x32xf32> -> tensor<4x32xf32, #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32], warp = [64]>>
  %5 = tile.convert_layout %v : tensor<4x32xf32> -> tensor<4x32xf32, #tile16>
  return
}

// CHECK-LABEL: func.func @across_elements(
// CHECK-SAME:    %[[V:.*]]: tensor<4x32xf32>, %[[S:.*]]: tensor<1x32xf32>, %[[C:.*]]: tensor<4x32xi32>, %[[K:.*]]: i64)
func.func @across_elements(%v: tensor<4x32xf32>, %s: tensor<1x32xf32>, %c: tensor<4x32xi32>, %k: i64) {
  // CHECK-NEXT: tile.reduce{{ +}}addf %[[V]] dims = [1] : tensor<4x32xf32> -> tensor<4x1xf32>
  %0 = tile.reduce addf %v dims = [1] : tensor<4x32xf32> -> tensor<4x1xf32>
  // CHECK-NEXT: tile.reduce{{ +}}maximumf %[[V]] dims = [0, 1] : tensor<4x32xf32> -> tensor<1x1xf32>
  %1 = tile.reduce maximumf %v dims = [0, 1] : tensor<4x32xf32> -> tensor<1x1xf32>
  // CHECK-NEXT: tile.reduce{{ +}}maxui %[[C]]
  // CHECK-NEXT: tile.reduce{{ +}}ori %[[C]]
  // CHECK-NEXT: tile.reduce{{ +}}addi %[[C]]
  %2 = tile.reduce maxui %c dims = [1] : tensor<4x32xi32> -> tensor<4x1xi32>
  %3 = tile.reduce ori %c dims = [1] : tensor<4x32xi32> -> tensor<4x1xi32>
  %4 = tile.reduce addi %c dims = [1] : tensor<4x32xi32> -> tensor<4x1xi32>
  // CHECK-NEXT: tile.reduce{{ +}}amax %[[V]] dims = [1] : tensor<4x32xf32> -> tensor<4x1xf32>
  %10 = tile.reduce amax %v dims = [1] : tensor<4x32xf32> -> tensor<4x1xf32>
  // CHECK-NEXT: tile.hadamard %[[V]] : tensor<4x32xf32>
  // CHECK-NEXT: tile.hadamard %[[V]] factors %[[S]] : tensor<1x32xf32> : tensor<4x32xf32>
  %5 = tile.hadamard %v : tensor<4x32xf32>
  %11 = tile.hadamard %v factors %s : tensor<1x32xf32> : tensor<4x32xf32>
  // CHECK-NEXT: %[[W:.*]] = tile.pack %[[C]] : tensor<4x32xi32> -> tensor<4x4xi32>
  %6 = tile.pack %c : tensor<4x32xi32> -> tensor<4x4xi32>
  // CHECK-NEXT: tile.pack %[[C]] {bias = 1262485504 : i32, shift = 8 : i32} : tensor<4x32xi32> -> tensor<4x4xi32>
  %12 = tile.pack %c {bias = 1262485504 : i32, shift = 8 : i32} : tensor<4x32xi32> -> tensor<4x4xi32>
  // CHECK-NEXT: tile.encode_e2m1 %[[V]] : tensor<4x32xf32> -> tensor<4x4xi32>
  %e2m1 = tile.encode_e2m1 %v : tensor<4x32xf32> -> tensor<4x4xi32>
  // CHECK-NEXT: tile.encode_e4m3 %[[V]] : tensor<4x32xf32> -> tensor<4x32xi32>
  %e4m3 = tile.encode_e4m3 %v : tensor<4x32xf32> -> tensor<4x32xi32>
  // CHECK-NEXT: tile.pack_signs %[[V]] : tensor<4x32xf32> -> tensor<4x4xi32>
  %13 = tile.pack_signs %v : tensor<4x32xf32> -> tensor<4x4xi32>
  // CHECK-NEXT: tile.widen %{{.*}} from bf16 : tensor<4x4xi32> -> tensor<4x8xf32>
  %widened = tile.widen %6 from bf16 : tensor<4x4xi32> -> tensor<4x8xf32>
  // CHECK-NEXT: tile.lookup_bytes %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<4x4xi32>, tensor<4x4xi32>, tensor<4x4xi32>, tensor<4x4xi32>, tensor<4x4xi32> -> tensor<4x8xi32>
  %bytes = tile.lookup_bytes %6, %6, %6, %6, %6 : tensor<4x4xi32>, tensor<4x4xi32>, tensor<4x4xi32>, tensor<4x4xi32>, tensor<4x4xi32> -> tensor<4x8xi32>
  // CHECK-NEXT: tile.lookup_pairs %{{.*}}, [0, 16000, 16128, 16192, 16256, 16288, 16320, 16352, -32768, -16768, -16640, -16576, -16512, -16480, -16448, -16416] : tensor<4x4xi32> -> tensor<4x16xi32>
  %pairs = tile.lookup_pairs %6, [0, 16000, 16128, 16192, 16256, 16288, 16320, 16352, -32768, -16768, -16640, -16576, -16512, -16480, -16448, -16416] : tensor<4x4xi32> -> tensor<4x16xi32>
  // CHECK-NEXT: tile.unpack %[[W]] : tensor<4x4xi32> -> tensor<4x32xi32>
  %7 = tile.unpack %6 : tensor<4x4xi32> -> tensor<4x32xi32>
  // CHECK-NEXT: tile.lookup %[[C]], [0.000000e+00, 5.000000e-01] : tensor<4x32xi32> -> tensor<4x32xf32>
  %8 = tile.lookup %c, [0.0, 0.5] : tensor<4x32xi32> -> tensor<4x32xf32>
  // CHECK-NEXT: tile.random %[[K]], %[[K]] at(%[[K]], %[[K]]) of %[[K]] bits = 8 rounds = 7 stream = 1 : tensor<4x32xi32>
  // CHECK-NEXT: tile.random %[[K]], %[[K]] at(%[[K]], %[[K]]) of %[[K]] bits = 8 rounds = 7 stream = 1 to %[[C]] : tensor<4x32xi32> : tensor<4x32xi32>
  %9 = tile.random %k, %k at(%k, %k) of %k bits = 8 rounds = 7 stream = 1 : tensor<4x32xi32>
  %15 = tile.random %k, %k at(%k, %k) of %k bits = 8 rounds = 7 stream = 1 to %c : tensor<4x32xi32> : tensor<4x32xi32>
  return
}

func.func @kernel(%a: !llvm.ptr, %b: !llvm.ptr, %c: i64, %d: f32) attributes {tile.kernel} {
  return
}
func.func @ranged(%a: i64, %x0: i64, %x1: i64, %y0: i64, %y1: i64) attributes {tile.kernel, tile.ranged} {
  return
}

// CHECK-LABEL: func.func @schedule(
// CHECK-SAME:    %[[B:.*]]: !tile.buffer<2 x bf16>, %[[F:.*]]: f32
func.func @schedule(%b: !tile.buffer<2 x bf16>, %f: f32) attributes {tile.schedule} {
  // CHECK-NEXT: %[[N:.*]] = tile.dim %[[B]], 0 : <2 x bf16>
  // CHECK-NEXT: %[[S:.*]] = tile.stride %[[B]], 1 : <2 x bf16>
  // CHECK-NEXT: %[[W:.*]] = tile.alloc %[[N]] : <1 x i8>
  %n = tile.dim %b, 0 : <2 x bf16>
  %s = tile.stride %b, 1 : <2 x bf16>
  %w = tile.alloc %n : <1 x i8>
  // CHECK: tile.check %{{.*}}, "rows must be packed"
  %packed = arith.cmpi eq, %n, %s : i64
  tile.check %packed, "rows must be packed"
  // CHECK-NEXT: tile.launch @kernel grid(%[[N]], %[[S]]) args(%[[B]], %[[W]], %[[N]], %[[F]] : !tile.buffer<2 x bf16>, !tile.buffer<1 x i8>, i64, f32)
  // CHECK-NEXT: tile.launch @ranged grid(%[[N]], %[[S]]) args(%[[N]] : i64)
  tile.launch @kernel grid(%n, %s) args(%b, %w, %n, %f : !tile.buffer<2 x bf16>, !tile.buffer<1 x i8>, i64, f32)
  tile.launch @ranged grid(%n, %s) args(%n : i64)
  return
}

// CHECK-LABEL: func.func @scaled_dot
func.func @scaled_dot(%lhs: tensor<16x16xi32>, %rhs: tensor<8x16xi32>, %acc: tensor<16x8x1xf32>, %a: tensor<16x2xf32>, %b: tensor<8x2xf32>) -> tensor<16x8x1xf32> {
  // CHECK: tile.dot %{{.*}}, %{{.*}} to %{{.*}} by "bf16" scales %{{.*}}, %{{.*}} : tensor<16x2xf32>, tensor<8x2xf32> : tensor<16x16xi32>, tensor<8x16xi32> -> tensor<16x8x1xf32>
  %sums = tile.dot %lhs, %rhs to %acc by "bf16" scales %a, %b : tensor<16x2xf32>, tensor<8x2xf32> : tensor<16x16xi32>, tensor<8x16xi32> -> tensor<16x8x1xf32>
  return %sums : tensor<16x8x1xf32>
}

// CHECK-LABEL: func.func @dot(
func.func @dot(%lhs: tensor<16x8xi32>, %rhs: tensor<8x8xi32>, %acc: tensor<16x8x4xf32>) -> tensor<16x8x4xf32> {
  // CHECK: tile.multiply_pairs %{{.*}}, %{{.*}} : tensor<16x8xi32>
  %scaled = tile.multiply_pairs %lhs, %lhs : tensor<16x8xi32>
  // CHECK: tile.multiply_pairs %{{.*}}, %{{.*}} {f16} : tensor<16x8xi32>
  %halves = tile.multiply_pairs %lhs, %lhs {f16} : tensor<16x8xi32>
  // CHECK: tile.dot %{{.*}}, %{{.*}} to %{{.*}} by "bf16" : tensor<16x8xi32>, tensor<8x8xi32> -> tensor<16x8x4xf32>
  %sums = tile.dot %scaled, %rhs to %acc by "bf16" : tensor<16x8xi32>, tensor<8x8xi32> -> tensor<16x8x4xf32>
  return %sums : tensor<16x8x4xf32>
}

#registers = #tile.layout<reg = [1, 2, 4], lane = [8], warp = []>
// CHECK-LABEL: func.func @words(
func.func @words(%x: i32, %lhs: tensor<16x16xi32>, %rhs: tensor<8x16xi32>, %acc: tensor<16x8x1xf32>, %a: tensor<16x4xi32>, %b: tensor<8x4xi32>) -> tensor<2x8xi32, #registers> {
  // CHECK: tile.from_registers %{{.*}} : i32, i32, i32, i32, i32, i32, i32, i32 -> tensor<2x8xi32, #{{.*}}>
  %words = tile.from_registers %x, %x, %x, %x, %x, %x, %x, %x : i32, i32, i32, i32, i32, i32, i32, i32 -> tensor<2x8xi32, #registers>
  // CHECK: tile.pack_six_bits %{{.*}} : tensor<2x8xi32, #{{.*}}>
  %packed = tile.pack_six_bits %words : tensor<2x8xi32, #registers>
  // CHECK: tile.dot %{{.*}} by "e2m1" scales %{{.*}}, %{{.*}} : tensor<16x4xi32>, tensor<8x4xi32> {scaleByte = 2 : i32} :
  %sums = tile.dot %lhs, %rhs to %acc by "e2m1" scales %a, %b : tensor<16x4xi32>, tensor<8x4xi32> {scaleByte = 2 : i32} : tensor<16x16xi32>, tensor<8x16xi32> -> tensor<16x8x1xf32>
  return %packed : tensor<2x8xi32, #registers>
}
