// A product of which only the quantized form is read: its kernel quantizes what it has in registers,
// without shared memory or barriers, for its warpgroups do not run at once. Where another kernel
// finishes the product, few rows and sums of parts, one more quantizes it.
//
// RUN: quad-opt %s --quad-to-tile=target=sm_90a 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.remarks
// RUN: quad-opt %s --quad-to-ptx=target=sm_90a 2>/dev/null | FileCheck %s --check-prefix=PTX

#ufp4b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, e4m3, nearest>]>
#mx = #quad.format<"MX", grid = e1m2, levels = [<1x32, e8m0, up>]>
#square = #quad.format<"SQUARE", grid = e1m2, levels = [<32x32, e8m0, up>]>
!x = !quad.tensor<?x?, #ufp4b, axis = 1>
!w = !quad.tensor<?x?, #ufp4b, axis = 0>

// REMARK: remark: is done by the kernel of the product

// CHECK-LABEL: func.func @layer(
// CHECK: tile.launch @layer_matmul grid
// CHECK: tile.launch @layer_matmul_sum grid
// CHECK: tile.launch @layer_quantize_row grid

// Eight parts of 32 columns, of 64 rows of a warpgroup.
// CHECK-LABEL: func.func @layer_matmul(
// CHECK-COUNT-8: tile.from_registers {{.*}} -> tensor<64x32xf32, #tile.layout<reg = [1, 2, 4, 256], lane = [8, 16, 32, 64, 128], warp = [512, 1024]>>
// CHECK-NOT: tile.from_registers
// CHECK: return

// PTX-LABEL: llvm.func @layer_matmul(
// PTX-NOT: nvvm.barrier0
// PTX-LABEL: llvm.func @layer_matmul_sum(
func.func @layer(%x: !x, %w: !w) -> !quad.tensor<?x?, #mx, axis = 1> {
  %y = quad.matmul %x, %w : !x, !w -> tensor<?x?xbf16>
  %q = quad.quantize %y {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #mx, axis = 1>
  return %q : !quad.tensor<?x?, #mx, axis = 1>
}

// Of what is read besides, and of blocks of several rows, it is left to the other kernel.
// CHECK-LABEL: func.func @read_twice_matmul(
// CHECK-NOT: tile.from_registers
// CHECK-LABEL: func.func @read_twice_matmul_sum(
func.func @read_twice(%x: !x, %w: !w) -> (tensor<?x?xbf16>, !quad.tensor<?x?, #mx, axis = 1>) {
  %y = quad.matmul %x, %w : !x, !w -> tensor<?x?xbf16>
  %q = quad.quantize %y {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #mx, axis = 1>
  return %y, %q : tensor<?x?xbf16>, !quad.tensor<?x?, #mx, axis = 1>
}

// CHECK-LABEL: func.func @square_matmul(
// CHECK-NOT: tile.from_registers
// CHECK-LABEL: func.func @square_matmul_sum(
func.func @square(%x: !x, %w: !w) -> !quad.tensor<?x?, #square, axis = 1> {
  %y = quad.matmul %x, %w : !x, !w -> tensor<?x?xbf16>
  %q = quad.quantize %y {axis = 1} : tensor<?x?xbf16> -> !quad.tensor<?x?, #square, axis = 1>
  return %q : !quad.tensor<?x?, #square, axis = 1>
}
