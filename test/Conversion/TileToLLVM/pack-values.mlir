// The word of the codes 0 to 7 is 0x76543210, whatever they are packed from: on the host the
// lowering folds to it.
//
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=host:avx2 --canonicalize --cse | FileCheck %s

// CHECK-LABEL: func.func private @codes.program(
// CHECK:         %[[WORDS:.*]] = arith.constant dense<1985229328> : vector<8xi32>
// CHECK:         llvm.store %[[WORDS]],
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32], warp = []>
#words = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
func.func @codes(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %i = tile.iota 0 : tensor<64xi32, #codes>
  %seven = arith.constant dense<7> : tensor<64xi32, #codes>
  %c = arith.andi %i, %seven : tensor<64xi32, #codes>
  %w = tile.pack %c : tensor<64xi32, #codes> -> tensor<8xi32, #words>
  tile.store %w, %p[%n] bounds(%n) strides(%one) : tensor<8xi32, #words>, !llvm.ptr
  return
}

// -----

// Codes above a constant with bits where other codes of the word go.
//
// CHECK-LABEL: func.func private @biased.program(
// CHECK:         %[[WORDS:.*]] = arith.constant dense<1985229328> : vector<8xi32>
// CHECK:         llvm.store %[[WORDS]],
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32], warp = []>
#words = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
func.func @biased(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %i = tile.iota 0 : tensor<64xi32, #codes>
  %seven = arith.constant dense<7> : tensor<64xi32, #codes>
  %bias = arith.constant dense<0x4b412345> : tensor<64xi32, #codes>
  %c = arith.andi %i, %seven : tensor<64xi32, #codes>
  %v = arith.addi %c, %bias : tensor<64xi32, #codes>
  %w = tile.pack %v {bias = 0x4b412345 : i32} : tensor<64xi32, #codes> -> tensor<8xi32, #words>
  tile.store %w, %p[%n] bounds(%n) strides(%one) : tensor<8xi32, #words>, !llvm.ptr
  return
}

// -----

// A code in the low nibble of a byte, above a fraction and below a bias.
//
// CHECK-LABEL: func.func private @bytes.program(
// CHECK:         %[[WORDS:.*]] = arith.constant dense<1985229328> : vector<8xi32>
// CHECK:         llvm.store %[[WORDS]],
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32], warp = []>
#words = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
func.func @bytes(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %i = tile.iota 0 : tensor<64xi32, #codes>
  %seven = arith.constant dense<7> : tensor<64xi32, #codes>
  %eight = arith.constant dense<8> : tensor<64xi32, #codes>
  %rest = arith.constant dense<0x4b4000a5> : tensor<64xi32, #codes>
  %c = arith.andi %i, %seven : tensor<64xi32, #codes>
  %s = arith.shli %c, %eight : tensor<64xi32, #codes>
  %v = arith.addi %s, %rest : tensor<64xi32, #codes>
  %w = tile.pack %v {bias = 0x4b400000 : i32, shift = 8 : i32} : tensor<64xi32, #codes> -> tensor<8xi32, #words>
  tile.store %w, %p[%n] bounds(%n) strides(%one) : tensor<8xi32, #words>, !llvm.ptr
  return
}

// -----

// The third byte, whose upper nibble has a bit of the bias.
//
// CHECK-LABEL: func.func private @third_bytes.program(
// CHECK:         %[[WORDS:.*]] = arith.constant dense<1985229328> : vector<8xi32>
// CHECK:         llvm.store %[[WORDS]],
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32], warp = []>
#words = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
func.func @third_bytes(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %i = tile.iota 0 : tensor<64xi32, #codes>
  %seven = arith.constant dense<7> : tensor<64xi32, #codes>
  %sixteen = arith.constant dense<16> : tensor<64xi32, #codes>
  %rest = arith.constant dense<0x4b40ffff> : tensor<64xi32, #codes>
  %c = arith.andi %i, %seven : tensor<64xi32, #codes>
  %s = arith.shli %c, %sixteen : tensor<64xi32, #codes>
  %v = arith.addi %s, %rest : tensor<64xi32, #codes>
  %w = tile.pack %v {bias = 0x4b400000 : i32, shift = 16 : i32} : tensor<64xi32, #codes> -> tensor<8xi32, #words>
  tile.store %w, %p[%n] bounds(%n) strides(%one) : tensor<8xi32, #words>, !llvm.ptr
  return
}

// -----

// Codes that lie across bytes.
//
// CHECK-LABEL: func.func private @shifted.program(
// CHECK:         %[[WORDS:.*]] = arith.constant dense<1985229328> : vector<8xi32>
// CHECK:         llvm.store %[[WORDS]],
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32], warp = []>
#words = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
func.func @shifted(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %i = tile.iota 0 : tensor<64xi32, #codes>
  %seven = arith.constant dense<7> : tensor<64xi32, #codes>
  %six = arith.constant dense<6> : tensor<64xi32, #codes>
  %rest = arith.constant dense<0x4b40003f> : tensor<64xi32, #codes>
  %c = arith.andi %i, %seven : tensor<64xi32, #codes>
  %s = arith.shli %c, %six : tensor<64xi32, #codes>
  %v = arith.addi %s, %rest : tensor<64xi32, #codes>
  %w = tile.pack %v {bias = 0x4b400000 : i32, shift = 6 : i32} : tensor<64xi32, #codes> -> tensor<8xi32, #words>
  tile.store %w, %p[%n] bounds(%n) strides(%one) : tensor<8xi32, #words>, !llvm.ptr
  return
}

// -----

// A bias within the byte of the code must be subtracted before bytes are gathered.
//
// CHECK-LABEL: func.func private @bias_in_the_byte.program(
// CHECK:         %[[WORDS:.*]] = arith.constant dense<1985229328> : vector<8xi32>
// CHECK:         llvm.store %[[WORDS]],
#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16, 32], warp = []>
#words = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
func.func @bias_in_the_byte(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %one = arith.constant 1 : i64
  %i = tile.iota 0 : tensor<64xi32, #codes>
  %seven = arith.constant dense<7> : tensor<64xi32, #codes>
  %eight = arith.constant dense<8> : tensor<64xi32, #codes>
  %rest = arith.constant dense<0x80000b42> : tensor<64xi32, #codes>
  %c = arith.andi %i, %seven : tensor<64xi32, #codes>
  %s = arith.shli %c, %eight : tensor<64xi32, #codes>
  %v = arith.addi %s, %rest : tensor<64xi32, #codes>
  %w = tile.pack %v {bias = 0x80000b00 : i32, shift = 8 : i32} : tensor<64xi32, #codes> -> tensor<8xi32, #words>
  tile.store %w, %p[%n] bounds(%n) strides(%one) : tensor<8xi32, #words>, !llvm.ptr
  return
}
