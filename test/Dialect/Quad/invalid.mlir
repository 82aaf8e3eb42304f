// RUN: quad-opt %s --split-input-file --verify-diagnostics

// Grids.

// expected-error @+1 {{'e3m0' is not a grid; expected e2m1, e1m2, int4 or lut<..>}}
#g = #quad.grid<e3m0>

// -----

// expected-error @+1 {{grid 'one': needs 2 to 16 values, has 1}}
#g = #quad.grid<lut<"one", [1.0]>>

// -----

// expected-error @+1 {{needs two different values}}
#g = #quad.grid<lut<"zeros", [0.0, 0.0]>>

// -----

// expected-error @+1 {{values must be finite}}
#g = #quad.grid<lut<"nan", [0.0, 0x7fc00000]>>

// -----

// expected-error @+1 {{qmax must be in [2^-16, 2^16]}}
#g = #quad.grid<lut<"negative", [0.0, 1.0], qmax = -1.0>>

// -----

// Levels.

// expected-error @+1 {{'e5m2' is not a scale type; expected one of f32, bf16, e4m3, e8m0, ue5m3, e6m2, e1}}
#l = #quad.level<1x16, e5m2, nearest>

// -----

// expected-error @+1 {{'down' is not a scale rule; expected one of nearest, up, ocp, hif4}}
#l = #quad.level<1x16, e4m3, down>

// -----

// expected-error @+1 {{block 1x24 is not possible: both sizes must be powers of two, with at least 2 columns}}
#l = #quad.level<1x24, e4m3, nearest>

// -----

// expected-error @+1 {{expected a block RxC or 'tensor'}}
#l = #quad.level<16, e4m3, nearest>

// -----

// expected-error @+1 {{a scale rule computes from one block; the tensor level cannot have one}}
#l = #quad.level<tensor, f32, @rule>

// -----

// expected-error @+1 {{qmax must be positive}}
#l = #quad.level<1x16, e4m3, nearest, qmax = 0.0>

// -----

// Formats.

// expected-error @+1 {{format 'F': level 0: the ocp rule makes powers of two: it needs e8m0, not e4m3}}
#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, ocp>]>

// -----

// expected-error @+1 {{format 'F': level 0: only f32 and bf16 scales can be cut to fewer bits, not e4m3}}
#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest, bits = 3>]>

// -----

// expected-error @+1 {{format 'F': level 0: bf16 keeps 1 to 8 significant bits, not 9}}
#f = #quad.format<"F", grid = e2m1, levels = [<1x16, bf16, nearest, bits = 9>]>

// -----

// expected-error @+1 {{format 'F': level 1: its block must be a multiple of the block inside it}}
#f = #quad.format<"F", grid = e2m1, levels = [<1x32, e4m3, nearest>, <1x16, f32, nearest>]>

// -----

// expected-error @+1 {{format 'F': level 0: a tensor level must be the outermost}}
#f = #quad.format<"F", grid = e2m1, levels = [<tensor, f32, nearest>, <1x16, e4m3, nearest>]>

// -----

// expected-error @+1 {{format 'F': level 0: a tensor level must be the outermost, around at least one level of blocks}}
#f = #quad.format<"F", grid = e2m1, levels = [<tensor, f32, nearest>]>

// -----

// expected-error @+1 {{format 'F': level 0: e1 scales need the hif4 rule}}
#f = #quad.format<"F", grid = e1m2, levels = [<1x16, e1, nearest>]>

// -----

// expected-error @+1 {{format 'F': two grids need a rule that chooses one for each block: the innermost level's must be a scale rule of the user, not nearest}}
#f = #quad.format<"F", grid = e2m1 or int4, levels = [<1x16, e4m3, nearest>]>

// -----

// expected-error @+1 {{format 'F': the sign bit of the innermost scale chooses the grid: it must be f32, bf16 or e4m3, not e8m0}}
#f = #quad.format<"F", grid = e2m1 or int4, levels = [<1x16, e8m0, @rule>]>

// -----

// expected-error @+1 {{'e3m0' is not a grid; expected e2m1, e1m2, int4 or lut<..>}}
#f = #quad.format<"F", grid = e2m1 or e3m0, levels = [<1x16, e4m3, @rule>]>

// -----

// expected-error @+1 {{format 'F': the hif4 rule needs the grid and the three levels of HIF4}}
#f = #quad.format<"F", grid = e2m1, levels = [<1x4, e1, hif4>, <1x8, e1, hif4>, <1x64, e6m2, hif4>]>

// -----

// RHT, scale encodings, roundings.

// expected-error @+1 {{the size of an RHT must be 16, 32, 64, 128 or 256, not 8}}
#r = #quad.rht<8, digest = 1>

// -----

// expected-error @+1 {{the rule 'ocp' needs the block's maximum; only nearest and up round a value}}
#s = #quad.scale<e8m0, ocp>

// -----

// expected-error @+1 {{only f32 and bf16 scales can be cut to fewer bits, not e4m3}}
#s = #quad.scale<e4m3, nearest, bits = 2>

// -----

// expected-error @+1 {{stochastic rounding takes 4, 8 or 16 bits, not 5}}
#s = #quad.stochastic<bits = 5, rounds = 7>

// -----

// expected-error @+1 {{Philox has 7 or 10 rounds, not 8}}
#s = #quad.stochastic<bits = 8, rounds = 8>

// -----

// Types.

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
// expected-error @+1 {{a quantized tensor has rank 2, not 3}}
func.func private @rank(!quad.tensor<2x3x16, #f, axis = 1>)

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
// expected-error @+1 {{axis must be 0 or 1, not 2}}
func.func private @axis(!quad.tensor<16x16, #f, axis = 2>)

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
// expected-error @+1 {{the block of 16 of format 'F' does not divide the axis of 100; quantize with pad = true}}
func.func private @block(!quad.tensor<4x100, #f, axis = 1>)

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
#r = #quad.rht<64, digest = 1>
// expected-error @+1 {{the RHT of 64 does not divide the axis of 96; quantize with pad = true}}
func.func private @rht(!quad.tensor<4x96, #f, axis = 1, rht = #r>)

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
// expected-error @+1 {{the padded length 104 must be a multiple of 16 and at least the length of the axis}}
func.func private @padded(!quad.tensor<4x100, #f, axis = 1, padded = 104>)

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
// expected-error @+1 {{the axis has the static length 100, so its padded length is static too}}
func.func private @padded(!quad.tensor<4x100, #f, axis = 1, padded = ?>)

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, bf16, nearest>]>
// expected-error @+1 {{the scale layout blocked128x4 needs an innermost level of 8-bit scales of one row; format 'F' has #quad.level<1x16, bf16, nearest>}}
func.func private @layout(!quad.tensor<4x96, #f, axis = 1, scales = blocked128x4>)

// -----

// quad.hadamard and quad.amax.

func.func @signs(%x: tensor<4x64xf32>, %s: tensor<24xf32>) {
  // expected-error @+1 {{signs must be a tensor of 16, 32, 64, 128 or 256 f32, not 'tensor<24xf32>'}}
  %0 = quad.hadamard %x, %s {axis = 1} : tensor<4x64xf32>, tensor<24xf32> -> tensor<4x64xf32>
  return
}

// -----

func.func @length(%x: tensor<4x72xf32>, %s: tensor<16xf32>) {
  // expected-error @+1 {{the RHT of 16 does not divide the axis of 72; quantize with pad = true}}
  %0 = quad.hadamard %x, %s {axis = 1} : tensor<4x72xf32>, tensor<16xf32> -> tensor<4x72xf32>
  return
}

// -----

func.func @axis(%x: tensor<4x64xf32>, %s: tensor<16xf32>) {
  // expected-error @+1 {{axis must be 0 or 1, not -1}}
  %0 = quad.hadamard %x, %s {axis = -1} : tensor<4x64xf32>, tensor<16xf32> -> tensor<4x64xf32>
  return
}

// -----

func.func @shape(%x: tensor<4x64xf32>, %s: tensor<16xf32>) {
  // expected-error @+1 {{result must have the shape of the input, 4x64}}
  %0 = quad.hadamard %x, %s {axis = 1} : tensor<4x64xf32>, tensor<16xf32> -> tensor<64x4xf32>
  return
}

// -----

func.func @rank(%x: tensor<64xf32>, %s: tensor<16xf32>) {
  // expected-error @+1 {{must be 2D tensor of}}
  %0 = quad.hadamard %x, %s {axis = 0} : tensor<64xf32>, tensor<16xf32> -> tensor<64xf32>
  return
}

// -----

func.func @amax_axis(%x: tensor<4x64xf32>) {
  // expected-error @+1 {{axis must be 0 or 1, not 2}}
  %0 = quad.amax %x {axis = 2} : tensor<4x64xf32>
  return
}

// -----

func.func @amax_length(%x: tensor<4x72xf32>, %s: tensor<16xf32>) {
  // expected-error @+1 {{the RHT of 16 does not divide the axis of 72; quantize with pad = true}}
  %0 = quad.amax %x signs(%s : tensor<16xf32>) {axis = 1} : tensor<4x72xf32>
  return
}

// -----

// quad.quantize.

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @axis(%x: tensor<64x64xf32>) {
  // expected-error @+1 {{quantizes along axis 0, but the result has axis 1}}
  %0 = quad.quantize %x {axis = 0} : tensor<64x64xf32> -> !quad.tensor<64x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @shape(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{result must have the shape of the input, ?x64}}
  %0 = quad.quantize %x {axis = 1} : tensor<?x64xf32> -> !quad.tensor<32x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
#r = #quad.rht<16, digest = 1>
func.func @rht(%x: tensor<4x64xf32>) {
  // expected-error @+1 {{result has no RHT, but the attribute rht says #quad.rht<16, digest = 0x0000000000000001>}}
  %0 = quad.quantize %x {axis = 1, rht = #r} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
#r = #quad.rht<32, digest = 1>
func.func @signs(%x: tensor<4x64xf32>, %s: tensor<16xf32>) {
  // expected-error @+1 {{has 16 signs for an RHT of 32}}
  %0 = quad.quantize %x signs(%s : tensor<16xf32>) {axis = 1, rht = #r} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1, rht = #r>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @signs(%x: tensor<4x64xf32>, %s: tensor<16xf32>) {
  // expected-error @+1 {{with signs needs the identity of the rotation: rht = #quad.rht<..>}}
  %0 = quad.quantize %x signs(%s : tensor<16xf32>) {axis = 1} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @pad(%x: tensor<4x100xf32>) {
  // expected-error @+1 {{result is padded, which needs pad = true}}
  %0 = quad.quantize %x {axis = 1} : tensor<4x100xf32> -> !quad.tensor<4x100, #f, axis = 1, padded = 112>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
#r = #quad.rht<32, digest = 1>
func.func @pad(%x: tensor<4x100xf32>) {
  // expected-error @+1 {{pads the axis of 100 to 128, but the result stores 160}}
  %0 = quad.quantize %x {axis = 1, rht = #r, pad = true} : tensor<4x100xf32> -> !quad.tensor<4x100, #f, axis = 1, rht = #r, padded = 160>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @pad(%x: tensor<4x?xf32>) {
  // expected-error @+1 {{pads an axis of dynamic length, so the result must say padded = ?}}
  %0 = quad.quantize %x {axis = 1, pad = true} : tensor<4x?xf32> -> !quad.tensor<4x?, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @key(%x: tensor<4x64xf32>) {
  // expected-error @+1 {{stochastic rounding needs key(%key, %index_base)}}
  %0 = quad.quantize %x {axis = 1, rounding = #quad.stochastic<bits = 8, rounds = 7>} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @key(%x: tensor<4x64xf32>, %k: i64) {
  // expected-error @+1 {{a key has no use with #quad.nearest_even; only #quad.stochastic<..> draws random bits}}
  %0 = quad.quantize %x key(%k, %k) {axis = 1} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @step(%x: tensor<4x64xf32>, %s: tensor<1xi64>) {
  // expected-error @+1 {{has a step without the key that it advances}}
  %0 = quad.quantize %x step(%s) {axis = 1} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @stream(%x: tensor<4x64xf32>) {
  // expected-error @+1 {{attribute 'stream' failed to satisfy constraint: 64-bit signless integer attribute whose minimum value is 0 whose maximum value is 1}}
  %0 = quad.quantize %x {axis = 1, stream = 2} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @amax(%x: tensor<4x64xf32>, %a: tensor<1xf32>) {
  // expected-error @+1 {{format 'F' has no tensor level that could use an amax}}
  %0 = quad.quantize %x amax(%a) {axis = 1} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, @missing>]>
func.func @rule(%x: tensor<4x64xf32>) {
  // expected-error @+1 {{no quad.scale_rule is named @missing}}
  %0 = quad.quantize %x {axis = 1} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, @rule>]>
// expected-note @+1 {{the rule is here}}
quad.scale_rule @rule(%block: tensor<32xf32>) -> tensor<f32> {
  %0 = quad.block_reduce max %block : tensor<32xf32> -> tensor<f32>
  quad.yield %0 : tensor<f32>
}
func.func @rule_block(%x: tensor<4x64xf32>) {
  // expected-error @+1 {{the scale rule @rule takes a block of 32 elements, but level #quad.level<1x16, e4m3, @rule> has 16}}
  %0 = quad.quantize %x {axis = 1} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, @rule>]>
// expected-note @+1 {{the rule is here}}
quad.scale_rule @rule(%block: tensor<16xf32>) -> (tensor<f32>, tensor<i1>) {
  %0 = quad.block_reduce max %block : tensor<16xf32> -> tensor<f32>
  %1 = arith.cmpf ogt, %0, %0 : tensor<f32>
  quad.yield %0, %1 : tensor<f32>, tensor<i1>
}
func.func @rule_flag(%x: tensor<4x64xf32>) {
  // expected-error @+1 {{the scale rule @rule chooses between two grids, but format 'F' has one}}
  %0 = quad.quantize %x {axis = 1} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1 or int4, levels = [<1x16, e4m3, @rule>]>
// expected-note @+1 {{the rule is here}}
quad.scale_rule @rule(%block: tensor<16xf32>) -> tensor<f32> {
  %0 = quad.block_reduce max %block : tensor<16xf32> -> tensor<f32>
  quad.yield %0 : tensor<f32>
}
func.func @rule_without_choice(%x: tensor<4x64xf32>) {
  // expected-error @+1 {{the scale rule @rule chooses neither of the two grids of format 'F': it needs a second result, tensor<i1>, true for the second grid}}
  %0 = quad.quantize %x {axis = 1} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1 or int4, levels = [<1x16, e4m3, @inner>, <1x32, f32, @outer, qmax = 1.0>]>
quad.scale_rule @inner(%block: tensor<16xf32>) -> (tensor<f32>, tensor<i1>) {
  %0 = quad.block_reduce max %block : tensor<16xf32> -> tensor<f32>
  %1 = arith.cmpf ogt, %0, %0 : tensor<f32>
  quad.yield %0, %1 : tensor<f32>, tensor<i1>
}
// expected-note @+1 {{the rule is here}}
quad.scale_rule @outer(%block: tensor<32xf32>) -> (tensor<f32>, tensor<i1>) {
  %0 = quad.block_reduce max %block : tensor<32xf32> -> tensor<f32>
  %1 = arith.cmpf ogt, %0, %0 : tensor<f32>
  quad.yield %0, %1 : tensor<f32>, tensor<i1>
}
func.func @outer_choice(%x: tensor<4x64xf32>) {
  // expected-error @+1 {{the scale rule @outer chooses between two grids, which only the rule of the innermost level does}}
  %0 = quad.quantize %x {axis = 1} : tensor<4x64xf32> -> !quad.tensor<4x64, #f, axis = 1>
  return
}

// -----

// quad.dequantize and quad.transpose.

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @undo(%q: !quad.tensor<4x64, #f, axis = 1>, %s: tensor<16xf32>) {
  // expected-error @+1 {{has signs to undo a rotation, but the input has no RHT}}
  %0 = quad.dequantize %q signs(%s : tensor<16xf32>) : !quad.tensor<4x64, #f, axis = 1> -> tensor<4x64xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
#r = #quad.rht<32, digest = 1>
func.func @undo(%q: !quad.tensor<4x64, #f, axis = 1, rht = #r>, %s: tensor<16xf32>) {
  // expected-error @+1 {{has 16 signs for an RHT of 32}}
  %0 = quad.dequantize %q signs(%s : tensor<16xf32>) : !quad.tensor<4x64, #f, axis = 1, rht = #r> -> tensor<4x64xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @padding_is_dropped(%q: !quad.tensor<4x100, #f, axis = 1, padded = 112>) {
  // expected-error @+1 {{result must have the shape of the input, 4x100}}
  %0 = quad.dequantize %q : !quad.tensor<4x100, #f, axis = 1, padded = 112> -> tensor<4x112xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @transpose(%q: !quad.tensor<32x64, #f, axis = 1>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{inferred type(s)}}
  %0 = quad.transpose %q : !quad.tensor<32x64, #f, axis = 1> -> !quad.tensor<64x32, #f, axis = 1>
  return
}

// -----

// quad.prepare.

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!q = !quad.tensor<32x64, #f, axis = 1>
func.func @prepared_of(%q: !q) {
  // expected-error @+1 {{result must be prepared of '!quad.tensor<32x64}}
  %0 = quad.prepare %q {side = #quad.side<rhs>, other = #f} : !q -> !quad.prepared<!quad.tensor<64x64, #f, axis = 1>>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!q = !quad.tensor<32x64, #f, axis = 1>
func.func @prepared_for(%q: !q) {
  // expected-error @+1 {{other must be a #quad.format or f32, bf16 or f16, not i8}}
  %0 = quad.prepare %q {side = #quad.side<rhs>, other = i8} : !q -> !quad.prepared<!q>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!q = !quad.tensor<?x64, #f, axis = 0, grouped>
func.func @prepared_groups(%q: !q) {
  // expected-error @+1 {{has an input in groups, whose offsets each product reads}}
  %0 = quad.prepare %q {side = #quad.side<rhs>, other = #f} : !q -> !quad.prepared<!q>
  return
}

// -----

// quad.matmul.

func.func @plain(%a: tensor<4x64xf32>, %b: tensor<64x8xf32>) {
  // expected-error @+1 {{needs a quantized operand; linalg.matmul is for plain ones}}
  %0 = quad.matmul %a, %b : tensor<4x64xf32>, tensor<64x8xf32> -> tensor<4x8xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!a = !quad.tensor<32x64, #f, axis = 1>
func.func @contraction(%a: !a, %b: !quad.tensor<64x32, #f, axis = 1>) {
  // expected-error @+1 {{rhs is quantized along axis 1, but the product contracts axis 0; use quantize(rhs, .., axis=0)}}
  %0 = quad.matmul %a, %b : !a, !quad.tensor<64x32, #f, axis = 1> -> tensor<32x32xf32>
  return
}

// -----

// The axis that the message names is the one before the transposition.
#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!a = !quad.tensor<32x64, #f, axis = 1>
!w = !quad.tensor<32x64, #f, axis = 0>
!wt = !quad.tensor<64x32, #f, axis = 1>
func.func @contraction_after_transpose(%a: !a, %w: !w) {
  %wt = quad.transpose %w : !w -> !wt
  // expected-error @+1 {{rhs is quantized along axis 1, but the product contracts axis 0; use quantize(rhs, .., axis=1)}}
  %0 = quad.matmul %a, %wt : !a, !wt -> tensor<32x32xf32>
  return
}

// -----

#square = #quad.format<"S", grid = e2m1, levels = [<16x16, e4m3, nearest>]>
#r = #quad.rht<16, digest = 1>
!a = !quad.tensor<32x64, #square, axis = 1, rht = #r>
!b = !quad.tensor<64x32, #square, axis = 1, rht = #r>
func.func @rotated_square_blocks(%a: !a, %b: !b) {
  // expected-error @+1 {{rhs has square blocks, which serve both axes, but it is rotated along axis 1 and the product contracts axis 0; use quantize(rhs, .., axis=0)}}
  %0 = quad.matmul %a, %b : !a, !b -> tensor<32x32xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
#g = #quad.format<"G", grid = e2m1, levels = [<1x32, e8m0, ocp>]>
!a = !quad.tensor<32x64, #f, axis = 1>
!b = !quad.tensor<64x32, #g, axis = 0>
func.func @blocks(%a: !a, %b: !b) {
  // expected-error @+1 {{both sides must have the same blocks along the contraction axis; lhs ('F') has 16 and rhs ('G') has 32}}
  %0 = quad.matmul %a, %b : !a, !b -> tensor<32x32xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
#r1 = #quad.rht<16, digest = 1>
#r2 = #quad.rht<16, digest = 2>
!a = !quad.tensor<32x64, #f, axis = 1, rht = #r1>
!b = !quad.tensor<64x32, #f, axis = 0, rht = #r2>
func.func @other_signs(%a: !a, %b: !b) {
  // expected-error-re @+1 {{both sides must have the same RHT; lhs has {{.*}}1> and rhs has {{.*}}2> (other signs)}}
  %0 = quad.matmul %a, %b : !a, !b -> tensor<32x32xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
#r = #quad.rht<16, digest = 1>
!a = !quad.tensor<32x64, #f, axis = 1, rht = #r>
!b = !quad.tensor<64x32, #f, axis = 0>
func.func @one_rotated(%a: !a, %b: !b) {
  // expected-error @+1 {{both sides must have the same RHT, but only lhs is rotated}}
  %0 = quad.matmul %a, %b : !a, !b -> tensor<32x32xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
#r = #quad.rht<16, digest = 1>
!b = !quad.tensor<64x32, #f, axis = 0, rht = #r>
func.func @rotated_and_plain(%a: tensor<32x64xf32>, %b: !b) {
  // expected-error @+1 {{both sides must have the same RHT, but only rhs is rotated and the other is not quantized}}
  %0 = quad.matmul %a, %b : tensor<32x64xf32>, !b -> tensor<32x32xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!a = !quad.tensor<32x64, #f, axis = 1>
!b = !quad.tensor<48x32, #f, axis = 0>
func.func @inner_sizes(%a: !a, %b: !b) {
  // expected-error @+1 {{contracts 64 columns of lhs with 48 rows of rhs}}
  %0 = quad.matmul %a, %b : !a, !b -> tensor<32x32xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!a = !quad.tensor<32x48, #f, axis = 1, padded = 64>
!b = !quad.tensor<48x32, #f, axis = 0>
func.func @stored_sizes(%a: !a, %b: !b) {
  // expected-error @+1 {{lhs stores 64 elements along the contraction axis and rhs 48; pad both or none}}
  %0 = quad.matmul %a, %b : !a, !b -> tensor<32x32xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!a = !quad.tensor<32x64, #f, axis = 1>
!b = !quad.tensor<64x48, #f, axis = 0>
func.func @result(%a: !a, %b: !b) {
  // expected-error @+1 {{result 'tensor<48x32xf32>' does not fit operands}}
  %0 = quad.matmul %a, %b : !a, !b -> tensor<48x32xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!a = !quad.tensor<32x64, #f, axis = 1>
!b = !quad.tensor<64x48, #f, axis = 0>
func.func @bias(%a: !a, %b: !b, %bias: tensor<32xf32>) {
  // expected-error @+1 {{bias has 32 elements for 48 columns}}
  %0 = quad.matmul %a, %b bias(%bias : tensor<32xf32>) : !a, !b -> tensor<32x48xf32>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!a = !quad.tensor<32x64, #f, axis = 1>
!b = !quad.tensor<64x48, #f, axis = 0>
func.func @acc(%a: !a, %b: !b, %acc: tensor<32x48xf32>) {
  // expected-error @+1 {{acc must have the type of the result, 'tensor<32x48xbf16>', not 'tensor<32x48xf32>'}}
  %0 = quad.matmul %a, %b acc(%acc : tensor<32x48xf32>) : !a, !b -> tensor<32x48xbf16>
  return
}

// -----

// Scale rules.

// expected-error @+1 {{must take one block, tensor<nxf32>, and return its scale, tensor<f32>, and optionally a flag, tensor<i1>}}
quad.scale_rule @signature(%block: tensor<16xf32>) -> tensor<16xf32> {
  quad.yield %block : tensor<16xf32>
}

// -----

quad.scale_rule @foreign(%block: tensor<16xf32>) -> tensor<f32> {
  %i = arith.constant 0 : index
  // expected-error @+1 {{is not possible in a scale rule: it computes with elementwise operations of arith and math, constants, and quad.block_reduce, splat, round_to_grid and round_to_scale}}
  %0 = tensor.extract %block[%i] : tensor<16xf32>
  %1 = arith.constant dense<1.0> : tensor<f32>
  quad.yield %1 : tensor<f32>
}

// -----

quad.scale_rule @yield(%block: tensor<16xf32>) -> tensor<f32> {
  // expected-error-re @+1 {{yields ({{.*}}tensor<16xf32>{{.*}}), but 'yield' returns ({{.*}}tensor<f32>{{.*}})}}
  quad.yield %block : tensor<16xf32>
}

// -----

quad.scale_rule @uneven(%block: tensor<12xf32>) -> tensor<f32> {
  // expected-error @+1 {{reduces blocks of a static power-of-two size, not 'tensor<12xf32>'}}
  %0 = quad.block_reduce sum %block : tensor<12xf32> -> tensor<f32>
  quad.yield %0 : tensor<f32>
}

// -----

quad.scale_rule @random(%block: tensor<16xf32>) -> tensor<f32> {
  // expected-error @+1 {{has no random bits: rounding must be nearest_even, nearest_away or toward_zero}}
  %0 = quad.round_to_grid %block {grid = #quad.grid<e2m1>, rounding = #quad.stochastic<bits = 8, rounds = 7>} : tensor<16xf32>
  %1 = quad.block_reduce max %0 : tensor<16xf32> -> tensor<f32>
  quad.yield %1 : tensor<f32>
}

// -----

func.func @outside(%block: tensor<16xf32>) {
  // expected-error @+1 {{expects parent op 'quad.scale_rule'}}
  %0 = quad.block_reduce max %block : tensor<16xf32> -> tensor<f32>
  return
}

// -----

// Elementwise code.

func.func @arguments(%x: tensor<?x?xf32>) {
  // expected-error @+1 {{elementwise code must take 1 f32, one for each operand it reads; it takes ('bf16')}}
  %0 = quad.map(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: bf16):
    %c = arith.constant 0.0 : f32
    quad.yield %c : f32
  }
  return
}

// -----

func.func @libm(%x: tensor<?x?xf32>) {
  %0 = quad.map(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    // expected-error @+1 {{is not possible in elementwise code: its result differs between machines, or it is not elementwise; quad.evaluate has exp, tanh, erf and what is made of them}}
    %e = math.exp %a : f32
    quad.yield %e : f32
  }
  return
}

// -----

func.func @doubles(%x: tensor<?x?xf32>) {
  %0 = quad.map(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    // expected-error @+1 {{must compute f32 in elementwise code, not 'f64'}}
    %c = arith.constant 0.0 : f64
    quad.yield %a : f32
  }
  return
}

// -----

func.func @yields(%x: tensor<?x?xf32>) {
  // expected-error @+1 {{elementwise code must yield one f32}}
  %0 = quad.map(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    quad.yield %a, %a : f32, f32
  }
  return
}

// -----

func.func @shape(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>) {
  // expected-error @+1 {{has an operand 'tensor<?x4xf32>' that neither fits nor repeats in 'tensor<?x8xf32>'}}
  %0 = quad.map(%x, %y) : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: f32, %b: f32):
    quad.yield %a : f32
  }
  return
}

// -----

func.func @size(%x: tensor<?x1xf32>) {
  // expected-error @+1 {{has no input with the size of dimension 1 of its result}}
  %0 = quad.map(%x) : (tensor<?x1xf32>) -> tensor<?x?xf32> {
  ^bb0(%a: f32):
    quad.yield %a : f32
  }
  return
}

// -----

func.func @nothing() {
  // expected-error @+1 {{needs an input}}
  %0 = quad.map() : () -> tensor<4x4xf32> {
    %c = arith.constant 0.0 : f32
    quad.yield %c : f32
  }
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!x = !quad.tensor<?x64, #f, axis = 1>
!w = !quad.tensor<64x32, #f, axis = 0>
func.func @epilogue(%x: !x, %w: !w, %g: tensor<?x48xf32>) {
  // expected-error @+1 {{has an operand 'tensor<?x48xf32>' that neither fits nor repeats in 'tensor<?x32xf32>'}}
  %0 = quad.matmul %x, %w epilogue(%g : tensor<?x48xf32>) : !x, !w -> tensor<?x32xf32> {
  ^bb0(%sum: f32, %a: f32):
    quad.yield %a : f32
  }
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
!x = !quad.tensor<?x64, #f, axis = 1>
!w = !quad.tensor<64x32, #f, axis = 0>
func.func @no_epilogue(%x: !x, %w: !w, %g: f32) {
  // expected-error @+1 {{has operands of an epilogue, but no epilogue}}
  %0 = quad.matmul %x, %w epilogue(%g : f32) : !x, !w -> tensor<?x32xf32>
  return
}

// -----

// Kernels.

func.func @unknown(%x: tensor<4xf32>) {
  // expected-error @+1 {{no quad.kernel is named 'missing'}}
  %0 = quad.launch @missing(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

// expected-note @+1 {{the kernel is here}}
quad.kernel @k(%x: tensor<4xf32>) -> tensor<4xf32> {
  quad.yield %x : tensor<4xf32>
}
func.func @type(%x: tensor<8xf32>) {
  // expected-error-re @+1 {{has the type {{.*}}, but kernel 'k' has {{.*}}}}
  %0 = quad.launch @k(%x) : (tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

// What a caller promises of an argument.

// expected-error @+1 {{"quad.divisible_by" must be an i64 array with a divisor for each dimension of 'tensor<?x64xbf16>'}}
func.func private @false_divisor(tensor<?x64xbf16> {quad.divisible_by = array<i64: 1, 48>})

// -----

// expected-error @+1 {{"quad.divisible_by" must be an i64 array with a divisor for each dimension of 'tensor<?x64xbf16>'}}
func.func private @divisor_missing(tensor<?x64xbf16> {quad.divisible_by = array<i64: 64>})

// -----

// expected-error @+1 {{"quad.unit_stride" must be the i64 number of a dimension of 'tensor<?x64xbf16>'}}
func.func private @no_such_dimension(tensor<?x64xbf16> {quad.unit_stride = 2 : i64})

// -----

// expected-error @+1 {{"quad.unit_stride" must be the i64 number of a dimension of 'i64'}}
func.func private @no_dimensions(i64 {quad.unit_stride = 0 : i64})

// -----

// expected-error @+1 {{unknown argument attribute "quad.contiguous"}}
func.func private @unknown(tensor<?x64xbf16> {quad.contiguous = 1 : i64})

// -----

// expected-error @+1 {{"quad.alignment" must be an i64 power of two, of a tensor}}
func.func private @no_power_of_two(tensor<?x64xbf16> {quad.alignment = 12 : i64})

// -----

// expected-error @+1 {{"quad.alignment" must be an i64 power of two, of a tensor}}
func.func private @aligned_number(i64 {quad.alignment = 16 : i64})

// -----

// expected-error @+1 {{"quad.stride_divisible_by" must be an i64 array with a divisor for each dimension of a tensor that is not quantized}}
func.func private @stride_missing(tensor<?x64xbf16> {quad.stride_divisible_by = array<i64: 8>})

// -----

// Scales in another layout.

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, bf16, nearest>]>
func.func @scales_type(%q: !quad.tensor<4x96, #f, axis = 1>) {
  // expected-error @+1 {{needs innermost scales of one byte for one row; format 'F' has #quad.level<1x16, bf16, nearest>}}
  %s = quad.scales %q {layout = #quad.scale_layout<blocked128x4>} : !quad.tensor<4x96, #f, axis = 1> -> tensor<?x?xi8>
  return
}

// -----

#f = #quad.format<"F", grid = e2m1, levels = [<1x16, e4m3, nearest>]>
func.func @scales_shape(%q: !quad.tensor<130x96, #f, axis = 1>) {
  // expected-error @+1 {{result must have the type 'tensor<256x8xi8>'}}
  %s = quad.scales %q {layout = #quad.scale_layout<blocked128x4>} : !quad.tensor<130x96, #f, axis = 1> -> tensor<130x6xi8>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
func.func @carrier_shape(%q: !quad.tensor<32x100, #f, axis = 1, padded = 128>) {
  // expected-error @+1 {{values must have the shape of storage, rows x stored length, not 'tensor<32x100xbf16>'}}
  %v = quad.to_carrier %q : (!quad.tensor<32x100, #f, axis = 1, padded = 128>) -> tensor<32x100xbf16>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
func.func @carrier_without_exponents(%q: !quad.tensor<32x64, #f, axis = 1>) {
  // expected-error @+1 {{has 0 results for rows, but e5m2 has exponents and overflow}}
  %v = quad.to_carrier %q : (!quad.tensor<32x64, #f, axis = 1>) -> tensor<32x64xf8E5M2>
  return
}

// -----

#f = #quad.format<"F", grid = e1m2, levels = [<1x32, e8m0, ocp>]>
func.func @carrier_rows(%q: !quad.tensor<32x64, #f, axis = 1>) {
  // expected-error @+1 {{has a result for 64 rows of a tensor with 32}}
  %v:3 = quad.to_carrier %q : (!quad.tensor<32x64, #f, axis = 1>) -> (tensor<32x64xf8E4M3FN>, tensor<64xi32>, tensor<32xi32>)
  return
}
