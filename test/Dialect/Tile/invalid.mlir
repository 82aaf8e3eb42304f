// RUN: quad-opt %s --split-input-file --verify-diagnostics

// Tiles and layouts.

// expected-error @+1 {{layout bases must not be negative, got -1}}
func.func @negative(%v: tensor<4xf32, #tile.layout<reg = [1, -1], lane = [], warp = []>>)

// -----

func.func @size(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{needs tiles whose sizes are powers of two, got 'tensor<3x4xf32>'}}
  %0 = tile.load %p[%n, %n] bounds(%n, %n) strides(%n, %n) : !llvm.ptr -> tensor<3x4xf32>
  return
}

// -----

func.func @beyond(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{has a layout with a basis beyond the last element of}}
  %0 = tile.load %p[%n] bounds(%n) strides(%n) : !llvm.ptr -> tensor<4xf32, #tile.layout<reg = [1], lane = [4], warp = []>>
  return
}

// -----

// Programs and memory.

func.func @grid() {
  // expected-error @+1 {{attribute 'dim' failed to satisfy constraint}}
  %0 = tile.program_id 2
  return
}

// -----

func.func @load_rank(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{needs an offset, a bound and a stride for each of the tile's 2 dimensions}}
  %0 = tile.load %p[%n, %n] bounds(%n) strides(%n, %n) : !llvm.ptr -> tensor<4x4xf32>
  return
}

// -----

func.func @store_rank(%p: !llvm.ptr, %n: i64, %v: tensor<4xf32>) {
  // expected-error @+1 {{needs an offset, a bound and a stride for each of the tile's 1 dimensions}}
  tile.store %v, %p[%n, %n] bounds(%n, %n) strides(%n, %n) : tensor<4xf32>, !llvm.ptr
  return
}

// -----

func.func @alignment(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{needs an alignment that is a power of two}}
  %0 = tile.load %p[%n] bounds(%n) strides(%n) {alignment = 12 : i64} : !llvm.ptr -> tensor<4xf32>
  return
}

// -----

func.func @atomic_type(%p: !llvm.ptr, %v: tensor<4xf32>) {
  // expected-error @+1 {{needs elements of type 'i32' for ori, got 'tensor<4xf32>'}}
  tile.atomic_reduce ori %v, %p : tensor<4xf32>, !llvm.ptr
  return
}

// -----

// Shape.

func.func @reshape_count(%v: tensor<16xf32>) {
  // expected-error @+1 {{must keep the number of elements}}
  %0 = tile.reshape %v : tensor<16xf32> -> tensor<8xf32>
  return
}

// -----

#a = #tile.layout<reg = [1], lane = [2], warp = []>
#b = #tile.layout<reg = [2], lane = [1], warp = []>
func.func @reshape_layout(%v: tensor<4xf32, #a>) {
  // expected-error @+1 {{must have the result type 'tensor<2x2xf32, #tile.layout<reg = [1], lane = [2], warp = []>>'}}
  %0 = tile.reshape %v : tensor<4xf32, #a> -> tensor<2x2xf32, #b>
  return
}

// -----

func.func @transpose_rank(%v: tensor<2x2x2xf32>) {
  // expected-error @+1 {{needs a two-dimensional tile, got 'tensor<2x2x2xf32>'}}
  %0 = tile.transpose %v : tensor<2x2x2xf32> -> tensor<2x2x2xf32>
  return
}

// -----

// Columns, once in registers, are rows.
#a = #tile.layout<reg = [1], lane = [2, 4], warp = []>
func.func @transpose_layout(%v: tensor<4x2xf32, #a>) {
  // expected-error @+1 {{must have the result type 'tensor<2x4xf32, #tile.layout<reg = [4], lane = [1, 2], warp = []>>'}}
  %0 = tile.transpose %v : tensor<4x2xf32, #a> -> tensor<2x4xf32, #a>
  return
}

// -----

func.func @broadcast_rank(%v: tensor<4xf32>) {
  // expected-error @+1 {{must keep the rank}}
  %0 = tile.broadcast %v : tensor<4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @broadcast_size(%v: tensor<1x2xf32>) {
  // expected-error @+1 {{can repeat only dimensions of size 1, but dimension 1 has size 2}}
  %0 = tile.broadcast %v : tensor<1x2xf32> -> tensor<4x8xf32>
  return
}

// -----

#result = #tile.layout<reg = [1], lane = [2], warp = []>
#other = #tile.layout<reg = [], lane = [1], warp = []>
func.func @broadcast_layout(%v: tensor<1x2xf32, #other>) {
  // expected-error @+1 {{needs a source of type 'tensor<1x2xf32, #tile.layout<reg = [1], lane = [0], warp = []>>'}}
  %0 = tile.broadcast %v : tensor<1x2xf32, #other> -> tensor<2x2xf32, #result>
  return
}

// -----

func.func @iota_dim() {
  // expected-error @+1 {{has no dimension 1 in 'tensor<4xi32>'}}
  %0 = tile.iota 1 : tensor<4xi32>
  return
}

// -----

func.func @convert_shape(%v: tensor<4x4xf32>) {
  // expected-error @+1 {{requires the same shape for all operands and results}}
  %0 = tile.convert_layout %v : tensor<4x4xf32> -> tensor<16xf32>
  return
}

// -----

// Across elements.

func.func @reduce_dim(%v: tensor<4xf32>) {
  // expected-error @+1 {{cannot reduce dimension 1 of 'tensor<4xf32>'}}
  %0 = tile.reduce addf %v dims = [1] : tensor<4xf32> -> tensor<1xf32>
  return
}

// -----

func.func @reduce_shape(%v: tensor<4x2xf32>) {
  // expected-error @+1 {{must have the result type 'tensor<4x1xf32>'}}
  %0 = tile.reduce addf %v dims = [1] : tensor<4x2xf32> -> tensor<1x2xf32>
  return
}

// -----

func.func @reduce_floats(%v: tensor<4xf32>) {
  // expected-error @+1 {{cannot combine elements of type 'f32' by maxui}}
  %0 = tile.reduce maxui %v dims = [0] : tensor<4xf32> -> tensor<1xf32>
  return
}

// -----

func.func @reduce_integers(%v: tensor<4xi32>) {
  // expected-error @+1 {{cannot combine elements of type 'i32' by addf}}
  %0 = tile.reduce addf %v dims = [0] : tensor<4xi32> -> tensor<1xi32>
  return
}

// -----

#a = #tile.layout<reg = [1], lane = [2, 4], warp = []>
#other = #tile.layout<reg = [1], lane = [1, 2], warp = []>
func.func @reduce_layout(%v: tensor<4x2xf32, #a>) {
  // expected-error @+1 {{must have the result type 'tensor<4x1xf32, #tile.layout<reg = [], lane = [1, 2], warp = []>>'}}
  %0 = tile.reduce addf %v dims = [1] : tensor<4x2xf32, #a> -> tensor<4x1xf32, #other>
  return
}

// -----

func.func @pack_count(%c: tensor<4xi32>) {
  // expected-error @+1 {{needs a multiple of 8 codes in a row, got 'tensor<4xi32>'}}
  %0 = tile.pack %c : tensor<4xi32> -> tensor<1xi32>
  return
}

// -----

#spread = #tile.layout<reg = [1, 2], lane = [4, 8], warp = []>
#words = #tile.layout<reg = [], lane = [0, 1], warp = []>
func.func @pack_lanes(%c: tensor<16xi32, #spread>) {
  // expected-error @+1 {{needs the eight codes of a word in registers of one lane}}
  %0 = tile.pack %c : tensor<16xi32, #spread> -> tensor<2xi32, #words>
  return
}

// -----

func.func @pack_shift(%c: tensor<8xi32>) {
  // expected-error @+1 {{needs codes of four bits, got a shift of 29}}
  %0 = tile.pack %c {shift = 29 : i32} : tensor<8xi32> -> tensor<1xi32>
  return
}

// -----

#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16], warp = []>
func.func @pack_signs_words(%v: tensor<32xf32, #codes>) {
  // expected-error @+1 {{needs words of type 'tensor<4xi32, #tile.layout<reg = [], lane = [1, 2], warp = []>>'}}
  %0 = tile.pack_signs %v : tensor<32xf32, #codes> -> tensor<4xi32, #tile.layout<reg = [1, 2], lane = [], warp = []>>
  return
}

// -----

func.func @widen_type(%w: tensor<4xi32>) {
  // expected-error @+1 {{widens bf16 or f16, not 'f32'}}
  %0 = tile.widen %w from f32 : tensor<4xi32> -> tensor<8xf32>
  return
}

// -----

#apart = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
#words = #tile.layout<reg = [], lane = [0, 1, 2], warp = []>
func.func @widen_lanes(%w: tensor<4xi32, #words>) {
  // expected-error @+1 {{needs the two halves of a word in registers of one lane}}
  %0 = tile.widen %w from bf16 : tensor<4xi32, #words> -> tensor<8xf32, #apart>
  return
}

// -----

func.func @lookup_bytes_table(%w: tensor<4xi32>) {
  // expected-error @+1 {{needs the four words of a table, got 2}}
  %0 = tile.lookup_bytes %w, %w, %w : tensor<4xi32>, tensor<4xi32>, tensor<4xi32> -> tensor<8xi32>
  return
}

// -----

#apart = #tile.layout<reg = [], lane = [1, 2, 4], warp = []>
#words = #tile.layout<reg = [], lane = [0, 1, 2], warp = []>
func.func @lookup_bytes_lanes(%w: tensor<4xi32, #words>) {
  // expected-error @+1 {{needs the bytes of a word of codes in registers of one lane}}
  %0 = tile.lookup_bytes %w, %w, %w, %w, %w : tensor<4xi32, #words>, tensor<4xi32, #words>, tensor<4xi32, #words>, tensor<4xi32, #words>, tensor<4xi32, #words> -> tensor<8xi32, #apart>
  return
}

// -----

func.func @lookup_pairs_table(%w: tensor<4xi32>) {
  // expected-error @+1 {{needs a table of 16 entries, got 2}}
  %0 = tile.lookup_pairs %w, [0, 1] : tensor<4xi32> -> tensor<16xi32>
  return
}

// -----

#pairs = #tile.layout<reg = [1], lane = [2, 4, 8], warp = []>
#words = #tile.layout<reg = [], lane = [0, 1, 2], warp = []>
func.func @lookup_pairs_lanes(%w: tensor<4xi32, #words>) {
  // expected-error @+1 {{needs the entries of a word of codes in registers of one lane}}
  %0 = tile.lookup_pairs %w, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] : tensor<4xi32, #words> -> tensor<16xi32, #pairs>
  return
}

// -----

#pairs = #tile.layout<reg = [1, 2], lane = [4, 8, 0], warp = []>
#words = #tile.layout<reg = [], lane = [2, 1, 0], warp = []>
func.func @lookup_pairs_words(%w: tensor<4xi32, #words>) {
  // expected-error @+1 {{needs words of type}}
  %0 = tile.lookup_pairs %w, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] : tensor<4xi32, #words> -> tensor<16xi32, #pairs>
  return
}

// -----

func.func @granularity(%p: !llvm.ptr, %i: i64) {
  // expected-error @+1 {{needs a positive granularity}}
  %0 = tile.load %p[%i] bounds(%i) strides(%i) {granularity = 0 : i64} : !llvm.ptr -> tensor<4xf32>
  return
}

// -----

func.func @pack_signs_count(%v: tensor<4xf32>) {
  // expected-error @+1 {{needs a multiple of 8 codes in a row, got 'tensor<4xf32>'}}
  %0 = tile.pack_signs %v : tensor<4xf32> -> tensor<1xi32>
  return
}

// -----

#spread = #tile.layout<reg = [1, 2], lane = [4, 8], warp = []>
#words = #tile.layout<reg = [], lane = [0, 1], warp = []>
func.func @pack_signs_lanes(%v: tensor<16xf32, #spread>) {
  // expected-error @+1 {{needs the eight codes of a word in registers of one lane}}
  %0 = tile.pack_signs %v : tensor<16xf32, #spread> -> tensor<2xi32, #words>
  return
}

// -----

#codes = #tile.layout<reg = [1, 2, 4], lane = [8, 16], warp = []>
func.func @unpack_words(%w: tensor<4xi32, #tile.layout<reg = [1, 2], lane = [], warp = []>>) {
  // expected-error @+1 {{needs words of type 'tensor<4xi32, #tile.layout<reg = [], lane = [1, 2], warp = []>>'}}
  %0 = tile.unpack %w : tensor<4xi32, #tile.layout<reg = [1, 2], lane = [], warp = []>> -> tensor<32xi32, #codes>
  return
}

// -----

func.func @lookup_table(%i: tensor<4xi32>) {
  // expected-error @+1 {{needs a table of 1 to 16 values}}
  %0 = tile.lookup %i, [] : tensor<4xi32> -> tensor<4xf32>
  return
}

// -----

func.func @lookup_shape(%i: tensor<4xi32>) {
  // expected-error @+1 {{needs a result shaped and laid out as its indices}}
  %0 = tile.lookup %i, [1.0] : tensor<4xi32> -> tensor<8xf32>
  return
}

// -----

#rows = #tile.layout<reg = [1, 2], lane = [4, 8], warp = []>
func.func @hadamard_signs(%v: tensor<4x4xf32, #rows>, %s: tensor<1x4xf32, #tile.layout<reg = [1], lane = [2, 0], warp = []>>) {
  // expected-error @+1 {{needs factors of type 'tensor<1x4xf32, #tile.layout<reg = [1, 2], lane = [0, 0], warp = []>>'}}
  %0 = tile.hadamard %v factors %s : tensor<1x4xf32, #tile.layout<reg = [1], lane = [2, 0], warp = []>> : tensor<4x4xf32, #rows>
  return
}

// -----

func.func @random_addend(%k: i64, %a: tensor<2x64xi32>) {
  // expected-error @+1 {{needs an addend of its result's type}}
  %0 = tile.random %k, %k at(%k, %k) of %k bits = 8 rounds = 7 stream = 0 to %a : tensor<2x64xi32> : tensor<4x32xi32>
  return
}

// -----

func.func @random_bits(%k: i64) {
  // expected-error @+1 {{needs 4, 8 or 16 bits, got 32}}
  %0 = tile.random %k, %k at(%k, %k) of %k bits = 32 rounds = 7 stream = 0 : tensor<4x32xi32>
  return
}

// -----

func.func @random_rounds(%k: i64) {
  // expected-error @+1 {{needs 7 or 10 rounds, got 8}}
  %0 = tile.random %k, %k at(%k, %k) of %k bits = 8 rounds = 8 stream = 0 : tensor<4x32xi32>
  return
}

// -----

func.func @random_shape(%k: i64) {
  // expected-error @+1 {{needs a two-dimensional tile with a multiple of 16 columns, got 'tensor<4x8xi32>'}}
  %0 = tile.random %k, %k at(%k, %k) of %k bits = 8 rounds = 7 stream = 0 : tensor<4x8xi32>
  return
}

// -----

func.func @splat_of_another_type(%s: i32) {
  // expected-error @+1 {{needs a scalar of type 'f32'}}
  %0 = tile.splat %s : i32 -> tensor<16xf32>
  return
}

// -----

// Host schedule.

func.func @dim(%b: !tile.buffer<2 x f32>) {
  // expected-error @+1 {{has no dimension 2 in a buffer of rank 2}}
  %0 = tile.dim %b, 2 : <2 x f32>
  return
}

// -----

func.func @stride(%b: !tile.buffer<1 x f32>) {
  // expected-error @+1 {{has no dimension 1 in a buffer of rank 1}}
  %0 = tile.stride %b, 1 : <1 x f32>
  return
}

// -----

func.func @negative_dim(%b: !tile.buffer<1 x f32>) {
  // expected-error @+1 {{attribute 'dim' failed to satisfy constraint}}
  %0 = tile.dim %b, -1 : <1 x f32>
  return
}

// -----

func.func @launch_of_nothing(%n: i64) {
  // expected-error @+1 {{no tile.kernel is named 'missing'}}
  tile.launch @missing grid(%n, %n) args()
  return
}

// -----

func.func @function() {
  return
}
func.func @launch_of_a_function(%n: i64) {
  // expected-error @+1 {{no tile.kernel is named 'function'}}
  tile.launch @function grid(%n, %n) args()
  return
}

// -----

// expected-note @+1 {{the kernel is here}}
func.func @kernel(%p: !llvm.ptr, %n: i64) attributes {tile.kernel} {
  return
}
func.func @launch_arguments(%b: !tile.buffer<1 x f32>, %n: i64) {
  // expected-error @+1 {{passes ('i64', '!llvm.ptr') to 'kernel', which takes ('!llvm.ptr', 'i64')}}
  tile.launch @kernel grid(%n, %n) args(%n, %b : i64, !tile.buffer<1 x f32>)
  return
}

// -----

func.func @encode_shape(%v: tensor<16xf32>) {
  // expected-error @+1 {{needs a result shaped and laid out as its numbers}}
  %0 = tile.encode_e4m3 %v : tensor<16xf32> -> tensor<2xi32>
  return
}

// -----

func.func @dot_words(%lhs: tensor<16x8xi32>, %rhs: tensor<8x16xi32>, %acc: tensor<16x8x4xf32>) {
  // expected-error @+1 {{needs as many words of both operands, got 8 and 16}}
  %0 = tile.dot %lhs, %rhs to %acc by "bf16" : tensor<16x8xi32>, tensor<8x16xi32> -> tensor<16x8x4xf32>
  return
}

// -----

func.func @dot_sums(%lhs: tensor<16x8xi32>, %rhs: tensor<8x8xi32>, %acc: tensor<8x16x4xf32>) {
  // expected-error @+1 {{needs accumulators for 16 rows and 8 columns}}
  %0 = tile.dot %lhs, %rhs to %acc by "bf16" : tensor<16x8xi32>, tensor<8x8xi32> -> tensor<8x16x4xf32>
  return
}

// -----

func.func @dot_block_scales(%lhs: tensor<16x16xi32>, %rhs: tensor<8x16xi32>, %acc: tensor<16x8x1xf32>, %a: tensor<16x2xf32>, %b: tensor<8x4xf32>) {
  // expected-error @+1 {{needs scales for as many blocks of words of both operands, got 2 and 4 of 16 words}}
  %0 = tile.dot %lhs, %rhs to %acc by "bf16" scales %a, %b : tensor<16x2xf32>, tensor<8x4xf32> : tensor<16x16xi32>, tensor<8x16xi32> -> tensor<16x8x1xf32>
  return
}

// -----

func.func @dot_scales(%lhs: tensor<16x16xi32>, %rhs: tensor<8x16xi32>, %acc: tensor<16x8x1xf32>, %a: tensor<8x2xf32>) {
  // expected-error @+1 {{needs scales of one type for blocks of both operands' rows}}
  %0 = tile.dot %lhs, %rhs to %acc by "bf16" scales %a, %a : tensor<8x2xf32>, tensor<8x2xf32> : tensor<16x16xi32>, tensor<8x16xi32> -> tensor<16x8x1xf32>
  return
}

// -----

func.func @dot_scale_byte(%lhs: tensor<16x16xi32>, %rhs: tensor<8x16xi32>, %acc: tensor<16x8x1xf32>, %a: tensor<16x4xi32>, %b: tensor<8x4xi32>) {
  // expected-error @+1 {{needs a byte of a word, got number 4}}
  %0 = tile.dot %lhs, %rhs to %acc by "e2m1" scales %a, %b : tensor<16x4xi32>, tensor<8x4xi32> {scaleByte = 4 : i32} : tensor<16x16xi32>, tensor<8x16xi32> -> tensor<16x8x1xf32>
  return
}

// -----

func.func @pack_six_bits_words(%x: tensor<2x4xi32>) {
  // expected-error @+1 {{needs a multiple of 8 words in a row}}
  %0 = tile.pack_six_bits %x : tensor<2x4xi32>
  return
}

// -----

#lanes = #tile.layout<reg = [1, 2], lane = [4, 8], warp = []>
func.func @pack_six_bits_lanes(%x: tensor<2x8xi32, #lanes>) {
  // expected-error @+1 {{needs the eight words of 32 bytes in registers of one lane}}
  %0 = tile.pack_six_bits %x : tensor<2x8xi32, #lanes>
  return
}

// -----

func.func @registers_without_layout(%x: f32) {
  // expected-error @+1 {{needs a layout of its result}}
  %0 = tile.from_registers %x : f32 -> tensor<1x4xf32>
  return
}

// -----

#tile = #tile.layout<reg = [1], lane = [2], warp = []>
func.func @too_few_registers(%x: f32) {
  // expected-error @+1 {{needs 2 registers, got 1}}
  %0 = tile.from_registers %x : f32 -> tensor<1x4xf32, #tile>
  return
}

// -----

#tile = #tile.layout<reg = [1], lane = [2], warp = []>
func.func @other_registers(%x: i32) {
  // expected-error @+1 {{needs registers of type 'f32', got 'i32'}}
  %0 = tile.from_registers %x, %x : i32, i32 -> tensor<1x4xf32, #tile>
  return
}
