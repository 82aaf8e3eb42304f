// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=gfx942 | FileCheck %s --check-prefixes=CHECK,GFX942
// RUN: quad-opt %s --split-input-file --convert-tile-to-llvm=target=gfx950 | FileCheck %s --check-prefixes=CHECK,GFX950
// RUN: sed 's/, 32\], warp = .64./], warp = [32, 64]/; s/, 32\], warp = .128./], warp = [32, 128]/; s/, 0\], warp = .1./], warp = [1, 2]/; s/2x64x/4x32x/g; s/2x1x/4x1x/g' %s | quad-opt --split-input-file --convert-tile-to-llvm=target=gfx1100 | FileCheck %s --check-prefixes=CHECK,RDNA
// RUN: sed 's/, 32\], warp = .64./], warp = [32, 64]/; s/, 32\], warp = .128./], warp = [32, 128]/; s/, 0\], warp = .1./], warp = [1, 2]/; s/2x64x/4x32x/g; s/2x1x/4x1x/g' %s | quad-opt --split-input-file --convert-tile-to-llvm=target=gfx1250 | FileCheck %s --check-prefixes=CHECK,RDNA

// A block of 128 threads. Numbers along y count from the last argument, for a launch cannot have
// all of a long grid.
//
// CHECK-LABEL: llvm.func @kernel(
// CHECK-SAME:    %[[P:.*]]: !llvm.ptr, %[[N:.*]]: i64, %[[Y0:.*]]: i64) attributes {
// CHECK-SAME:    rocdl.flat_work_group_size = "128,128"
// CHECK-SAME:    rocdl.kernel
// CHECK-SAME:    rocdl.reqd_work_group_size = array<i32: 128, 1, 1>
// CHECK:         rocdl.workgroup.id.x : i32
// CHECK:         %[[Y:.*]] = rocdl.workgroup.id.y : i32
// CHECK:         %[[WIDE:.*]] = arith.extui %[[Y]] : i32 to i64
// CHECK:         arith.addi %[[WIDE]], %[[Y0]] : i64
// CHECK:         rocdl.workitem.id.x : i32
#rows = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16, 32], warp = [64]>
func.func @kernel(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %x = tile.program_id 0
  %y = tile.program_id 1
  %v = tile.load %p[%x, %y] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<64x2xf32, #rows>
  return
}

// -----

// Distances 1, 2 and 8 are one DPP move; so is 4 where there is row_xmask (356), elsewhere the
// mirror of eight lanes (321), then of a quad (27). The neighbouring row of 16 by v_permlanex16,
// by a swap of two registers, or through the crossbar of the shared memory.
//
// CHECK-LABEL:  llvm.func @exchange(
// CHECK:          rocdl.update.dpp %{{.*}}, %{{.*}} with 177, 15, 15, true : i32
// CHECK:          arith.addf
// CHECK:          rocdl.update.dpp %{{.*}}, %{{.*}} with 78, 15, 15, true : i32
// CHECK:          arith.addf
// GFX942:         %[[M:.*]] = rocdl.update.dpp %{{.*}}, %{{.*}} with 321, 15, 15, true : i32
// GFX942:         rocdl.update.dpp %{{.*}}, %[[M]] with 27, 15, 15, true : i32
// GFX950:         rocdl.update.dpp %{{.*}}, %{{.*}} with 321, 15, 15, true : i32
// RDNA:           rocdl.update.dpp %{{.*}}, %{{.*}} with 356, 15, 15, true : i32
// CHECK:          arith.addf
// CHECK:          rocdl.update.dpp %{{.*}}, %{{.*}} with 296, 15, 15, true : i32
// CHECK:          arith.addf
// GFX942:         %[[PATTERN:.*]] = arith.constant 16415 : i32
// GFX942:         rocdl.ds_swizzle %{{.*}}, %[[PATTERN]] : (i32, i32) -> i32
// GFX950:         %[[S:.*]] = rocdl.permlane16.swap %[[W:.*]], %[[W]], false, false : (i32, i32) -> <(i32, i32)>
// GFX950:         %[[A:.*]] = llvm.extractvalue %[[S]][0]
// GFX950:         %[[B:.*]] = llvm.extractvalue %[[S]][1]
// GFX950:         arith.select %{{.*}}, %[[A]], %[[B]] : i32
// RDNA:           rocdl.permlanex16 %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, false, false : i32, i32
// CHECK:          arith.addf
// GFX942:         rocdl.ds_bpermute
// GFX950:         rocdl.permlane32.swap
// RDNA-NOT:       {{dpp|permlane|bpermute|swizzle}}
// CHECK:          llvm.return
#lanes = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16, 32], warp = [64]>
#sums = #tile.layout<reg = [], lane = [0, 0, 0, 0, 0, 0], warp = [1]>
func.func @exchange(%f: f32) attributes {tile.kernel} {
  %v = tile.splat %f : f32 -> tensor<2x64xf32, #lanes>
  %r = tile.reduce addf %v dims = [1] : tensor<2x64xf32, #lanes> -> tensor<2x1xf32, #sums>
  return
}

// -----

// Two registers trade places with a lane's bit: one instruction where one swaps them.
//
// CHECK-LABEL:  llvm.func @swap(
// GFX942:         rocdl.ds_swizzle
// GFX950:         %[[S:.*]] = rocdl.permlane16.swap %[[LOW:.*]], %[[HIGH:.*]], false, false : (i32, i32) -> <(i32, i32)>
// GFX950-NOT:     select
// RDNA:           rocdl.permlanex16
// CHECK:          llvm.return
#source = #tile.layout<reg = [64], lane = [1, 2, 4, 8, 16, 32], warp = [128]>
#swapped = #tile.layout<reg = [16], lane = [1, 2, 4, 8, 64, 32], warp = [128]>
func.func @swap(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %v = tile.load %p[%zero] bounds(%n) strides(%one) : !llvm.ptr -> tensor<256xf32, #source>
  %c = tile.convert_layout %v : tensor<256xf32, #source> -> tensor<256xf32, #swapped>
  tile.store %c, %p[%zero] bounds(%n) strides(%one) : tensor<256xf32, #swapped>, !llvm.ptr
  return
}
