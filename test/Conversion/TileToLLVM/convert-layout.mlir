// A conversion of layouts is what the planner finds cheapest.
//
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=host:avx512 | FileCheck %s
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=host:avx512 | FileCheck %s --check-prefix=COUNT

// Renamed registers cost nothing.
//
// CHECK-LABEL: func.func private @renamed.program(
// CHECK:         %[[V:.*]]:4 = scf.if
// CHECK:         arith.negf %[[V]]#0
// CHECK-NEXT:    arith.negf %[[V]]#2
// CHECK-NEXT:    arith.negf %[[V]]#1
// CHECK-NEXT:    arith.negf %[[V]]#3
#a = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32], warp = []>
#b = #tile.layout<reg = [2, 1], lane = [4, 8, 16, 32], warp = []>
func.func @renamed(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<64xf32, #a>
  %c = tile.convert_layout %v : tensor<64xf32, #a> -> tensor<64xf32, #b>
  %0 = arith.negf %c : tensor<64xf32, #b>
  return
}

// -----

// Registers trade places with lanes: two shuffles of two registers for each pair.
//
// CHECK-LABEL: func.func private @swapped.program(
// CHECK:         %[[V:.*]]:2 = scf.if
// CHECK:         vector.shuffle %[[V]]#0, %[[V]]#1 [0, 16, 2, 18, 4, 20,
// CHECK-NEXT:    vector.shuffle %[[V]]#0, %[[V]]#1 [1, 17, 3, 19, 5, 21,
// CHECK-NEXT:    arith.negf
#a = #tile.layout<reg = [1], lane = [2, 4, 8, 16], warp = []>
#b = #tile.layout<reg = [2], lane = [1, 4, 8, 16], warp = []>
func.func @swapped(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<32xf32, #a>
  %c = tile.convert_layout %v : tensor<32xf32, #a> -> tensor<32xf32, #b>
  %0 = arith.negf %c : tensor<32xf32, #b>
  return
}

// -----

// From memory's order to blocks of 16 in registers: log2(16) rounds of shuffles,
// as a transposition of 16 x 16.
//
// COUNT-LABEL:    func.func private @transposed.program(
// COUNT:            :16 = scf.if
// COUNT:            } else {
// COUNT:            }
// COUNT-COUNT-64:   vector.shuffle
// COUNT-NOT:        vector.shuffle
// COUNT:            arith.negf
#memory = #tile.layout<reg = [16, 32, 64, 128], lane = [1, 2, 4, 8], warp = []>
#blocks = #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32, 64, 128], warp = []>
func.func @transposed(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %v = tile.load %p[%n] bounds(%n) strides(%one) : !llvm.ptr -> tensor<256xf32, #memory>
  %c = tile.convert_layout %v : tensor<256xf32, #memory> -> tensor<256xf32, #blocks>
  %0 = arith.negf %c : tensor<256xf32, #blocks>
  return
}

// -----

// Lanes that change places among themselves: one shuffle a register.
//
// CHECK-LABEL: func.func private @lanes.program(
// CHECK:         %[[V:.*]] = scf.if
// CHECK:         %[[W:.*]] = vector.shuffle %[[V]], %[[V]] [0, 2, 1, 3, 4, 6, 5, 7,
// CHECK-NEXT:    arith.negf %[[W]]
#a = #tile.layout<reg = [], lane = [1, 2, 4, 8], warp = []>
#b = #tile.layout<reg = [], lane = [2, 1, 4, 8], warp = []>
func.func @lanes(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<16xf32, #a>
  %c = tile.convert_layout %v : tensor<16xf32, #a> -> tensor<16xf32, #b>
  %0 = arith.negf %c : tensor<16xf32, #b>
  return
}
