// pad = true: the stored axis is the next multiple of what belongs together, of the
// block and of the transform; what is not there reads as zero.
//
// RUN: quad-opt %s --quad-to-tile=target=host:avx512 | FileCheck %s

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
#rht = #quad.rht<64, digest = 1>
!q = !quad.tensor<?x?, #ufp4b, axis = 1, rht = #rht, padded = ?>

// CHECK-LABEL: func.func @f(
// CHECK-NOT:     tile.check
// CHECK:         %[[N:.*]] = tile.dim %{{.*}}, 1
// CHECK:         %[[BLOCKS:.*]] = arith.ceildivsi %[[N]], %[[C64:.*]] : i64
// CHECK:         %[[STORED:.*]] = arith.muli %[[BLOCKS]], %[[C64]]
// Rows that follow each other are one only where nothing is added to them.
// CHECK:         arith.cmpi eq, %[[N]], %[[STORED]]
// CHECK:         tile.launch @f_quantize_row
func.func @f(%x: tensor<?x?xbf16> {quad.unit_stride = 1 : i64}, %s: tensor<64xf32>) -> !q {
  %q = quad.quantize %x signs(%s : tensor<64xf32>) {axis = 1, rht = #rht, pad = true} : tensor<?x?xbf16> -> !q
  return %q : !q
}
