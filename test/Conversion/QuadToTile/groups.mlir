// Groups: a kernel of one program makes the table of where they are read and stored; a tile
// looks for its groups there and reads a window of each.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=sm_90a | FileCheck %s
// RUN: quad-opt %s --quad-to-tile=target=gfx942 | FileCheck %s

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
!q = !quad.tensor<?x?, #ufp4b, axis = 0, grouped>

// CHECK-LABEL: func.func @f(
// CHECK-SAME:    %[[X:.*]]: !tile.buffer<2 x bf16>, %[[OFFSETS:.*]]: !tile.buffer<1 x i32>
// CHECK:         %[[T:.*]] = tile.dim %[[X]], 0
// CHECK:         %[[N:.*]] = tile.dim %[[OFFSETS]], 0
// CHECK:         tile.check %{{.*}}, "groups must have at least one offset, which is 0"
// CHECK:         %[[G:.*]] = arith.addi %[[N]], %c-1_i64
// CHECK:         %[[TABLE:.*]] = tile.alloc
// CHECK:         tile.launch @f_quantize_column_groups grid(%c1{{.*}}, %c1{{.*}}) args(
// As much as any groups need: (T + G * 15) / 16 * 16.
// CHECK:         %[[EXTRA:.*]] = arith.muli %[[G]], %c15_i64
// CHECK:         %[[MOST:.*]] = arith.addi %[[T]], %[[EXTRA]]
// CHECK:         %[[BLOCKS:.*]] = arith.divsi %[[MOST]], %c16_i64
// CHECK:         %[[STORED:.*]] = arith.muli %[[BLOCKS]], %c16_i64
// CHECK:         arith.ceildivsi %[[STORED]]
// CHECK:         tile.launch @f_quantize_column grid
//
// CHECK-LABEL: func.func @f_quantize_column_groups(
// CHECK:         scf.for {{.*}} iter_args(%[[PLACE:.*]] = %{{.*}}, %[[FIRST:.*]] = %{{.*}}) -> (i64, i64)
// CHECK:           llvm.store %[[PLACE]]
// CHECK:           llvm.store %[[FIRST]]
// CHECK:           %[[OFFSET:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i32
// CHECK:           %[[WIDE:.*]] = arith.extsi %[[OFFSET]]
// CHECK:           %[[NEXT:.*]] = arith.maxsi %[[WIDE]], %[[FIRST]]
// CHECK:           arith.minsi %[[NEXT]]
// CHECK:           scf.yield
// CHECK:         llvm.store
//
// CHECK-LABEL: func.func @f_quantize_column(
// CHECK:         scf.while
// CHECK:         scf.while
// CHECK:         scf.for {{.*}} -> (tensor<
// CHECK:           tile.load %{{.*}} inside %{{.*}} window} :
// CHECK:           arith.ori
// CHECK:         tile.reduce{{ +}}amax
// CHECK:         tile.store
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %i: tensor<?xi32>) -> !q {
  %q = quad.quantize %x groups(%i : tensor<?xi32>) {axis = 0, pad = true} : tensor<?x?xbf16> -> !q
  return %q : !q
}

// Along memory a group begins anywhere, so nothing is known of its alignment.
//
// CHECK-LABEL: func.func @along_quantize_column(
// CHECK:         tile.load %{{.*}} {granularity = 1 : i64, window} :
func.func @along(%x: tensor<?x?xbf16> {quad.unit_stride = 0 : i64, quad.alignment = 16 : i64,
                   quad.stride_divisible_by = array<i64: 1, 8>, quad.divisible_by = array<i64: 16, 16>},
                 %i: tensor<?xi64>) -> !q {
  %q = quad.quantize %x groups(%i : tensor<?xi64>) {axis = 0, pad = true} : tensor<?x?xbf16> -> !q
  return %q : !q
}

// Every row is written once: those of groups from where these are stored, the others as 0.
//
// CHECK-LABEL: func.func @d_dequantize(
// CHECK:         arith.select {{.*}} : tensor<
// CHECK:         scf.for
// CHECK:           tile.store {{.*}} {window} :
func.func @d(%q: !q, %i: tensor<?xi32>) -> tensor<?x?xf32> {
  %y = quad.dequantize %q groups(%i : tensor<?xi32>) : !q -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
