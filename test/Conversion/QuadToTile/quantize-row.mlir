// Row quantization, step by step as docs/numerics.md has it. A lane holds one block.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=sm_90a | FileCheck %s --check-prefix=NVVM
// RUN: quad-opt %s --quad-to-tile=target=gfx942 | FileCheck %s --check-prefix=ROCDL

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
#rht = #quad.rht<16, digest = 0x1234abcd5678ef00>
!q = !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht>

// The schedule: buffers of the results are arguments; a matrix whose rows follow
// each other is one row.
//
// CHECK-LABEL: func.func @f(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: !tile.buffer<2 x bf16>, %[[S:.*]]: !tile.buffer<1 x f32>, %[[C:.*]]: !tile.buffer<2 x i8> {tile.out}, %[[B:.*]]: !tile.buffer<2 x bf16> {tile.out}) attributes {tile.schedule}
// CHECK:         %[[ROWS:.*]] = tile.dim %[[X]], 0
// CHECK:         %[[STRIDE:.*]] = tile.stride %[[X]], 0
// CHECK:         %[[COLS:.*]] = tile.dim %[[X]], 1
// CHECK:         arith.remsi %[[COLS]]
// CHECK:         tile.check %{{.*}}, "the length of axis 1 must be a multiple of 16; pad=True extends it with zeros"
// CHECK:         %[[DENSE:.*]] = arith.cmpi eq, %[[STRIDE]], %[[COLS]]
// CHECK:         %[[ALL:.*]] = arith.muli %[[ROWS]], %[[COLS]]
// CHECK:         %[[LENGTH:.*]] = arith.select %[[DENSE]], %[[ALL]], %[[COLS]]
// CHECK:         %[[ONE:.*]] = arith.select %[[DENSE]], %{{.*}}, %[[ROWS]]
// CHECK:         %[[GRID:.*]] = arith.ceildivsi %[[LENGTH]], %c256_i64
// CHECK:         tile.launch @f_quantize_row grid(%[[GRID]], %[[ONE]]) args(
//
// CHECK-LABEL: func.func @f_quantize_row(
// CHECK-SAME:    attributes {tile.cost = {{[0-9]+}} : i64, tile.kernel, tile.tuned = {elements_per_lane = 16 : i64}}
// The transform's factors, signs / 4.
// CHECK:         %[[QUARTER:.*]] = arith.constant dense<2.500000e-01> : tensor<1x1x16xf32
// CHECK:         %[[SIGNS:.*]] = tile.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr -> tensor<1x1x16xf32
// CHECK-NEXT:    %[[FACTORS:.*]] = arith.mulf %[[SIGNS]], %[[QUARTER]]
// Whether the whole tile is within the bounds is computed once. bf16 to f32 is a shift. Read
// in the order of memory, computed in blocks.
// CHECK:         %[[INSIDE:.*]] = arith.andi %{{.*}} : i1
// CHECK:         %[[LOAD:.*]] = tile.load %{{.*}} inside %[[INSIDE]] {{.*}} -> tensor<1x256xi16, #tile.layout<reg = [16, 32, 64, 128], lane = [1, 2, 4, 8], warp = []>>
// CHECK-NEXT:    arith.extui %[[LOAD]]
// CHECK-NEXT:    arith.shli
// CHECK-NEXT:    arith.bitcast
// CHECK-NEXT:    tile.convert_layout {{.*}} -> tensor<1x256xf32, #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32, 64, 128], warp = []>>
// Butterflies of the elements times the factors, and nothing after them.
// CHECK-NEXT:    tile.reshape
// CHECK-NEXT:    %[[H:.*]] = tile.hadamard %{{.*}} factors %[[FACTORS]] : tensor<1x1x16xf32{{.*}} : tensor<1x16x16xf32
// CHECK-NEXT:    %[[ROW:.*]] = tile.reshape %[[H]]
// CHECK-NEXT:    %[[Y:.*]] = tile.reshape %[[ROW]] {{.*}} -> tensor<1x1x16x16xf32
// The scale of each block: amax by bits, / 1.75, 5 significant bits, or NaN. The division has
// no branches: of the significand between 1 and 2 a quotient and what is left of it, each
// rounded once; then the exponent that was taken away is added, 0 being the least.
// CHECK-NEXT:    %[[AMAX:.*]] = tile.reduce{{ +}}amax %[[Y]] dims = [1, 3] : tensor<1x1x16x16xf32
// CHECK-NEXT:    %[[BITS:.*]] = arith.bitcast %[[AMAX]]
// CHECK-NEXT:    %[[MANTISSA:.*]] = arith.andi %[[BITS]], %
// CHECK-NEXT:    %[[ONE_TO_TWO:.*]] = arith.ori %[[MANTISSA]], %
// CHECK-NEXT:    %[[M:.*]] = arith.bitcast %[[ONE_TO_TWO]]
// CHECK-NEXT:    %[[NEARLY:.*]] = arith.mulf %[[M]], %[[RECIPROCAL:.*]] : tensor
// CHECK-NEXT:    %[[LEFT:.*]] = math.fma %[[NEARLY]], %{{.*}}, %[[M]] : tensor
// CHECK-NEXT:    %[[QUOTIENT:.*]] = math.fma %[[LEFT]], %[[RECIPROCAL]], %[[NEARLY]] : tensor
// CHECK-NEXT:    %[[EXPONENT:.*]] = arith.subi %[[BITS]], %[[ONE_TO_TWO]]
// CHECK-NEXT:    %[[QUOTIENT_BITS:.*]] = arith.bitcast %[[QUOTIENT]]
// CHECK-NEXT:    %[[SUM:.*]] = arith.addi %[[QUOTIENT_BITS]], %[[EXPONENT]]
// CHECK-NEXT:    arith.maxsi %[[SUM]], %
// CHECK:         arith.maxsi
// CHECK-NEXT:    arith.minsi
// CHECK:         %[[FINITE:.*]] = arith.cmpi ult, %[[BITS]]
// CHECK-NEXT:    %[[SCALE:.*]] = arith.select %[[FINITE]]
// CHECK:         tile.store %{{.*}} inside %[[INSIDE]] {{.*}} : tensor<1x16xi16
// The codes of x * (1 / scale): the sum with a constant whose last place is the grid's step
// rounds, a word at a time loses that constant and gets the signs, a NaN scale masks. No number
// is beyond the grid, so none is clamped: five bits of the scale leave t below 1.75 (1 + 2^-4).
// CHECK:         arith.divf %{{.*}} : tensor<1x1x16x1xf32
// CHECK:         %[[SCALED:.*]] = arith.mulf %[[Y]], %
// CHECK-NEXT:    %[[T:.*]] = tile.reshape %[[SCALED]] {{.*}} -> tensor<1x256xf32
// CHECK-NEXT:    %[[ABS:.*]] = math.absf %[[T]]
// CHECK-NEXT:    %[[ROUNDED:.*]] = arith.addf %[[ABS]], %
// CHECK-NEXT:    %[[VALUES:.*]] = arith.bitcast %[[ROUNDED]]
// CHECK-NEXT:    %[[PACKED:.*]] = tile.pack %[[VALUES]] {bias = 1245708288 : i32} : tensor<1x256xi32
// CHECK-NEXT:    %[[SIGNS:.*]] = tile.pack_signs %[[T]] : tensor<1x256xf32
// CHECK-NEXT:    %[[WORDS:.*]] = arith.ori %[[PACKED]], %[[SIGNS]]
// CHECK:         %[[MASKED:.*]] = arith.andi %[[WORDS]], %{{.*}} : tensor<1x32xi32
// CHECK:         %[[STORED:.*]] = tile.convert_layout %[[MASKED]]
// CHECK-NEXT:    tile.store %[[STORED]], {{.*}} inside %[[INSIDE]] {alignment = 8 : i64, granularity = 2 : i64} : tensor<1x32xi32

// A block of 4 warps takes tiles of 2048 elements, one block in each lane, and needs no
// exchange. It takes four of them (program-tiles.mlir), and makes the factors once.
//
// NVVM:       %[[TILES:.*]] = arith.ceildivsi %{{.*}}, %c2048_i64
// NVVM-NEXT:  %[[GRID:.*]] = arith.ceildivsi %[[TILES]], %c4_i64
// NVVM-NEXT:  tile.launch @f_quantize_row grid(%[[GRID]],
// NVVM-LABEL: func.func @f_quantize_row(
// NVVM:         %[[FACTORS:.*]] = arith.mulf %{{.*}} : tensor<1x1x16xf32
// NVVM-NOT:     tile.convert_layout
// NVVM-COUNT-5: tile.hadamard %{{.*}} factors %[[FACTORS]] : {{.*}} : tensor<1x128x16xf32, #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32, 64, 128, 256], warp = [512, 1024]>>
// NVVM-NOT:     tile.convert_layout
// NVVM:         return
// ROCDL-LABEL: func.func @f_quantize_row(
// ROCDL:         tile.hadamard %{{.*}} : tensor<1x128x16xf32, #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32, 64, 128, 256, 512], warp = [1024]>>
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %s: tensor<16xf32>) -> !q {
  %q = quad.quantize %x signs(%s : tensor<16xf32>) {axis = 1, rht = #rht} : tensor<?x?xbf16> -> !q
  return %q : !q
}
