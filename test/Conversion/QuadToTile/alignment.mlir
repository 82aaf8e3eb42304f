// What the caller promises about addresses and sizes reaches the accesses, those of a program's
// four tiles and that of the loop where some are not inside; results are aligned and a multiple
// of blocks by themselves.
//
// RUN: quad-opt %s --split-input-file --quad-to-tile=target=sm_90a | FileCheck %s

// Rows begin at multiples of 8 halves, which are loaded as words and of which 16 bytes are the
// largest access; a row has a multiple of 64, which are 32 words of halves and 8 of codes.
//
// CHECK-LABEL: func.func @row_quantize_row(
// CHECK-SAME:    %{{[a-z0-9]+}}: i64, %[[LENGTH:[a-z0-9]+]]: i64, %[[STRIDE:[a-z0-9]+]]: i64, %[[P:[a-z0-9]+]]: !llvm.ptr
// CHECK:         %[[WORDS:.*]] = arith.divui %[[LENGTH]], %c2_i64
// CHECK:         %[[WORD_STRIDE:.*]] = arith.divui %[[STRIDE]], %c2_i64
// CHECK-COUNT-2: tile.load %[[P]]{{.*}} bounds(%{{.*}}, %[[WORDS]]) strides(%[[WORD_STRIDE]], %c1_i64) inside %true {alignment = 16 : i64, granularity = 32 : i64} : !llvm.ptr -> tensor<1x1024xi32
// CHECK:         tile.widen %{{.*}} from bf16 : tensor<1x1024xi32{{.*}} -> tensor<1x2048xf32
// CHECK:         tile.store {{.*}} inside %true {alignment = 4 : i64, granularity = 4 : i64} : tensor<1x128xi8
// CHECK:         tile.store {{.*}} inside %true {alignment = 16 : i64, granularity = 8 : i64} : tensor<1x256xi32
// CHECK-COUNT-2: tile.load {{.*}} inside %true {alignment = 16 : i64, granularity = 32 : i64}
// CHECK:         scf.for
// CHECK:         %[[LOOP_WORDS:.*]] = arith.divui %[[LENGTH]], %c2_i64
// CHECK:         %[[LOOP_STRIDE:.*]] = arith.divui %[[STRIDE]], %c2_i64
// CHECK:         tile.load %[[P]]{{.*}} bounds(%{{.*}}, %[[LOOP_WORDS]]) strides(%[[LOOP_STRIDE]], %c1_i64) inside %[[IN:[0-9]+]] {alignment = 16 : i64, granularity = 32 : i64} : !llvm.ptr -> tensor<1x1024xi32
// CHECK:         tile.store {{.*}} inside %[[IN]] {alignment = 4 : i64, granularity = 4 : i64} : tensor<1x128xi8
// CHECK:         tile.store {{.*}} inside %[[IN]] {alignment = 16 : i64, granularity = 8 : i64} : tensor<1x256xi32
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!row = !quad.tensor<?x?, #nvfp4, axis = 1>
func.func @row(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.alignment = 64 : i64, quad.divisible_by = array<i64: 1, 192>, quad.stride_divisible_by = array<i64: 8, 1>}) -> !row {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %q : !row
}

// -----

// Across memory the length along memory counts, and the stride of rows of 4 halves, two words.
//
// CHECK-LABEL: func.func @column_quantize_column(
// CHECK:         tile.load {{.*}} {alignment = 8 : i64, granularity = 2 : i64} : !llvm.ptr -> tensor<128x32xi32
// CHECK:         tile.store {{.*}} {alignment = 1 : i64, granularity = 1 : i64} : tensor<64x8xi8
// CHECK:         tile.store {{.*}} {alignment = 8 : i64, granularity = 2 : i64} : tensor<64x16xi32
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!column = !quad.tensor<?x?, #nvfp4, axis = 0>
func.func @column(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.alignment = 64 : i64, quad.divisible_by = array<i64: 1, 4>, quad.stride_divisible_by = array<i64: 4, 1>}) -> !column {
  %q = quad.quantize %x {axis = 0} : tensor<?x?xbf16> -> !column
  return %q : !column
}

// -----

// The first address counts as well. A row that may end within a word is loaded by halves.
//
// CHECK-LABEL: func.func @unaligned_quantize_row(
// CHECK-COUNT-5: tile.load {{.*}} {alignment = 4 : i64, granularity = 1 : i64} : !llvm.ptr -> tensor<1x2048xi16
// CHECK-NOT:     tile.widen
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!row = !quad.tensor<?x?, #nvfp4, axis = 1>
func.func @unaligned(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.alignment = 4 : i64, quad.stride_divisible_by = array<i64: 16, 1>}) -> !row {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %q : !row
}

// -----

// The alignment of the first row says nothing of the others', and single elements have their
// own.
//
// CHECK-LABEL: func.func @one_row_quantize_row(
// CHECK-COUNT-5: tile.load {{.*}} inside %{{true|[0-9]+}} {granularity = 1 : i64} : !llvm.ptr -> tensor<1x2048xi16
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!row = !quad.tensor<?x?, #nvfp4, axis = 1>
func.func @one_row(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.alignment = 64 : i64}) -> !row {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %q : !row
}

// -----

// CHECK-LABEL: func.func @strided_quantize_row(
// CHECK-COUNT-5: tile.load {{.*}} inside %{{true|[0-9]+}} : !llvm.ptr -> tensor<1x2048xi16
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!row = !quad.tensor<?x?, #nvfp4, axis = 1>
func.func @strided(%x: tensor<?x?xbf16> {quad.alignment = 64 : i64, quad.divisible_by = array<i64: 1, 64>, quad.stride_divisible_by = array<i64: 16, 2>}) -> !row {
  %q = quad.quantize %x {axis = 1} : tensor<?x?xbf16> -> !row
  return %q : !row
}

// -----

// A padded result is longer than its input, whose divisor is not the result's.
//
// CHECK-LABEL: func.func @padded_quantize_row(
// CHECK-COUNT-5: tile.load {{.*}} {alignment = 16 : i64, granularity = 4 : i64} : !llvm.ptr -> tensor<1x1024xi32
// CHECK:         tile.store {{.*}} {alignment = 1 : i64, granularity = 1 : i64} : tensor<1x128xi8
// CHECK:         tile.store {{.*}} {alignment = 8 : i64, granularity = 2 : i64} : tensor<1x256xi32
#nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!row = !quad.tensor<?x?, #nvfp4, axis = 1, padded = ?>
func.func @padded(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64, quad.alignment = 64 : i64, quad.divisible_by = array<i64: 1, 8>, quad.stride_divisible_by = array<i64: 8, 1>}) -> !row {
  %q = quad.quantize %x {axis = 1, pad = true} : tensor<?x?xbf16> -> !row
  return %q : !row
}
