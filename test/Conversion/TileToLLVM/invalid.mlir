// RUN: quad-opt %s --split-input-file --verify-diagnostics --convert-tile-to-llvm=target=sm_90a
// RUN: not quad-opt %s --split-input-file --convert-tile-to-llvm=target=sm_42 2>&1 | FileCheck %s
// CHECK: error: unknown target 'sm_42'

func.func @no_layout() attributes {tile.kernel} {
  // expected-error @+1 {{has a result without a tile layout}}
  %0 = tile.iota 0 : tensor<4xi32>
  return
}

// -----

func.func @other_machine() attributes {tile.kernel} {
  // expected-error @+1 {{is laid out for 16 lanes and 1 warps, but the target has 32 and 4}}
  %0 = tile.iota 0 : tensor<16xi32, #tile.layout<reg = [], lane = [1, 2, 4, 8], warp = []>>
  return
}

// -----

#warps = #tile.layout<reg = [], lane = [4, 8, 16, 32, 64], warp = [1, 2]>
func.func @reduce_across_warps(%f: f32) attributes {tile.kernel} {
  %v = tile.splat %f : f32 -> tensor<128xf32, #warps>
  // expected-error @+2 {{reduces along a bit that lies across warps}}
  // expected-error @+1 {{failed to legalize operation 'tile.reduce'}}
  %r = tile.reduce addf %v dims = [0] : tensor<128xf32, #warps> -> tensor<1xf32, #tile.layout<reg = [], lane = [0, 0, 0, 0, 0], warp = [0, 0]>>
  return
}

// -----

#warps = #tile.layout<reg = [], lane = [4, 8, 16, 32, 64], warp = [1, 2]>
func.func @rotate_across_warps(%f: f32) attributes {tile.kernel} {
  %v = tile.splat %f : f32 -> tensor<128xf32, #warps>
  // expected-error @+2 {{has a stage that lies across warps}}
  // expected-error @+1 {{failed to legalize operation 'tile.hadamard'}}
  %h = tile.hadamard %v : tensor<128xf32, #warps>
  return
}

// -----

#half = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [0, 0]>
#all = #tile.layout<reg = [32, 64], lane = [1, 2, 4, 8, 16], warp = [0, 0]>
func.func @convert_what_is_not_there(%f: f32) attributes {tile.kernel} {
  %v = tile.splat %f : f32 -> tensor<128xf32, #half>
  // expected-error @+2 {{has a source that lacks elements of the result}}
  // expected-error @+1 {{failed to legalize operation 'tile.convert_layout'}}
  %c = tile.convert_layout %v : tensor<128xf32, #half> -> tensor<128xf32, #all>
  return
}

// -----

#lanes = #tile.layout<reg = [2], lane = [1, 4, 8, 16, 32], warp = [64, 128]>
#factors = #tile.layout<reg = [2], lane = [1, 0, 0, 0, 0], warp = [0, 0]>
func.func @factors_in_lanes(%p: !llvm.ptr, %s: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  %v = tile.load %p[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<64x4xf32, #lanes>
  %factors = tile.load %s[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<1x4xf32, #factors>
  // expected-error @+2 {{has factors for pairs that lie in several lanes}}
  // expected-error @+1 {{failed to legalize operation 'tile.hadamard'}}
  %h = tile.hadamard %v factors %factors : tensor<1x4xf32, #factors> : tensor<64x4xf32, #lanes>
  return
}
