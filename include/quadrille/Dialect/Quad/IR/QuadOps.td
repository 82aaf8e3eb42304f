//===- QuadOps.td - Operations of the quad dialect ---------*- tablegen -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_IR_QUADOPS_TD
#define QUADRILLE_DIALECT_QUAD_IR_QUADOPS_TD

include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/IR/SymbolInterfaces.td"
include "quadrille/Dialect/Quad/IR/QuadTypes.td"

class QuadOp<string mnemonic, list<Trait> traits = []> : Op<QuadDialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// Operand kinds
//===----------------------------------------------------------------------===//

def RealType : AnyTypeOf<[F32, BF16, F16]>;
def Matrix : TensorRankOf<[F32, BF16, F16], [2]>;
def F32Matrix : TensorRankOf<[F32], [2]>;
def SignVector : TensorRankOf<[F32], [1]>;
def Vector : TensorRankOf<[F32, BF16, F16], [1]>;

// amax of a tensor: known by its shape, so that it needs no type in assembly.
def TensorAmax : Type<
    CPred<"$_self == ::mlir::RankedTensorType::get({1}, ::mlir::Float32Type::get($_self.getContext()))">,
    "tensor<1xf32>", "::mlir::RankedTensorType">,
  BuildableType<"::mlir::RankedTensorType::get({1}, $_builder.getF32Type())">;

// A counter in memory, which the kernel reads.
def KeyStep : Type<
    CPred<"$_self == ::mlir::RankedTensorType::get({1}, ::mlir::IntegerType::get($_self.getContext(), 64))">,
    "tensor<1xi64>", "::mlir::RankedTensorType">,
  BuildableType<"::mlir::RankedTensorType::get({1}, $_builder.getI64Type())">;

// Offsets of groups along an axis, in memory: G + 1 row numbers that do not decrease.
def GroupOffsets : TensorRankOf<[I32, I64], [1]>;

def BlockTensor : StaticShapeTensorOf<[F32]>;

// A word of the caller's memory that operations combine their results into.
class Accumulator<string element, string summary> : Type<
    CPred<"$_self == ::mlir::MemRefType::get({1}, ::mlir::Builder($_self.getContext())." # element # ")">,
    summary, "::mlir::MemRefType">,
  BuildableType<"::mlir::MemRefType::get({1}, $_builder." # element # ")">;
def AmaxAccumulator : Accumulator<"getF32Type()", "memref<1xf32>">;
def FlagAccumulator : Accumulator<"getI32Type()", "memref<1xi32>">;

// What elementwise code reads beside its main operand.
def ElementwiseOperand : AnyTypeOf<[Matrix, Vector, F32]>;

//===----------------------------------------------------------------------===//
// Rotation and quantization
//===----------------------------------------------------------------------===//

def HadamardOp : QuadOp<"hadamard", [Pure]> {
  let summary = "Randomized block Hadamard transform along an axis";
  let description = [{
    Every group of n consecutive elements along `axis`, widened to f32, is multiplied
    by the n factors sign * c_n, c_n the f32 nearest to 1/sqrt(n), and goes through the
    butterfly stages h = 1, 2, .., n/2, each `(u, v) -> (fl(u + v), fl(u - v))` on elements
    h apart; of the first stage u is rounded, v = x[i+1] * c_n sign[i+1] is not.

    n in {16, 32, 64, 128, 256} is the length of `signs` and divides the axis, if
    that is static. Shape: the result has the input's.

    ```mlir
    %h = quad.hadamard %x, %signs {axis = 1 : i64}
           : tensor<?x8192xbf16>, tensor<16xf32> -> tensor<?x8192xf32>
    ```
    Applying it twice is not the identity in f32, so it does not cancel.
    Source: docs/numerics.md, "Hadamard transform".
  }];
  let arguments = (ins Matrix:$input, SignVector:$signs, I64Attr:$axis);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $input `,` $signs attr-dict `:` type($input) `,` type($signs) `->` type($result)
  }];
  let hasVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

def AmaxOp : QuadOp<"amax", [Pure, AttrSizedOperandSegments]> {
  let summary = "Largest magnitude of a tensor";
  let description = [{
    The maximum over all elements of the bits without the sign, as unsigned integers
    of f32: any NaN wins over Inf, Inf over numbers. With `signs` it is that of
    `quad.hadamard` of the input. With `pad`, an axis that n does not divide is
    zero-extended before that, as `quad.quantize` does. With `groups` it is that of the
    elements in groups, each extended by itself.

    ```mlir
    %a = quad.amax %x signs(%s : tensor<16xf32>) {axis = 1 : i64} : tensor<?x8192xbf16>
    ```
    Result: `tensor<1xf32>`, on the device, so that it may be reduced further
    before use. Source: docs/numerics.md, "Scales".
  }];
  let arguments = (ins Matrix:$input, Optional<SignVector>:$signs, Optional<GroupOffsets>:$groups,
                   I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$pad);
  let results = (outs TensorAmax:$result);
  let assemblyFormat = [{
    $input (`signs` `(` $signs^ `:` type($signs) `)`)? (`groups` `(` $groups^ `:` type($groups) `)`)?
    attr-dict `:` type($input)
  }];
  let hasVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

def QuantizeOp : QuadOp<"quantize", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Codes and scales of a tensor in a format";
  let description = [{
    With y the input widened to f32 (and, with `signs`, rotated as by
    `quad.hadamard` of the same axis):

    1. for each level of the format, outer to inner: s = enc(fl(amax / qmax)) of each
       of its blocks of y, by the level's rule; then y := fl(y * fl(1 / dec(s))).
       The tensor level takes its amax from the operand `amax`;
    2. each y is clamped and rounded to the grid by `rounding`.

    Beside its result it may combine into words of the caller's memory, which is then
    its only effect. Neither depends on an order, and the caller zeroes them:

    * `amax_out`: becomes the larger of itself and the amax of y, by the bits without
      the sign; a NaN is 0x7fc00000;
    * `flags`: bits are set in it. 1: a block held NaN or infinity; 2: a scale was above
      its type's range and saturated.

    Attributes:

    * `axis`: the quantized axis, the result type's;
    * `rht`: identity of the rotation that the result carries, whether `signs` or a
      `quad.hadamard` before applies it;
    * `rounding`: `#quad.nearest_even` by default. `#quad.stochastic<..>` takes
      `key(%key, %index_base)`: a 64-bit key and the offset of the tensor's elements
      in the sequence of draws, counted in the output's own order. `step(%step)` is a
      number in memory that is added to the key, modulo 2^64, when the kernel runs, so
      that captured work draws anew at each replay;
    * `stream`: 0 for a row output, 1 for a column output: independent draws of one key;
    * `pad`: an axis that blocks or the RHT do not divide is zero-extended (before
      the RHT); without it such a length is an error.

    With `groups`, the axis is that of groups: group g is the positions from element g of that
    vector up to element g + 1. Each group is zero-extended by itself to a multiple of what
    blocks and RHT need, before the RHT, and stored behind the one before; the rest of the
    stored length, a bound for any offsets, holds what zeros are quantized to. So do positions
    in no group. Offsets are read when the kernel runs: the first counts as 0, and each is
    clamped to [the one before, the length of the axis].

    ```mlir
    %q = quad.quantize %x signs(%s : tensor<16xf32>) key(%key, %base) amax(%a)
           amax_out(%next) flags(%flags)
           {axis = 1 : i64, rht = #rht16, rounding = #quad.stochastic<bits = 8, rounds = 7>}
           : tensor<?x8192xbf16> -> !quad.tensor<?x8192, #nvfp4, axis = 1, rht = #rht16>
    %g = quad.quantize %x groups(%offsets : tensor<?xi32>) {axis = 0 : i64, pad = true}
           : tensor<?x8192xbf16> -> !quad.tensor<?x8192, #ufp4_b, axis = 0, grouped>
    ```
    Blocks with NaN or Inf get the NaN of the scale's type and codes 0.
    Source: docs/numerics.md, "Quantization"; arXiv 2606.20381 (UFP4), arXiv
    2602.11287 (HiF4), OCP Microscaling Formats (MX) v1.0.
  }];
  let arguments = (ins
    Matrix:$input, Optional<SignVector>:$signs, Optional<I64>:$key, Optional<I64>:$index_base,
    Optional<KeyStep>:$step, Optional<TensorAmax>:$amax, Optional<AmaxAccumulator>:$amax_out,
    Optional<FlagAccumulator>:$flags, Optional<GroupOffsets>:$groups, I64Attr:$axis, OptionalAttr<RHTAttr>:$rht,
    DefaultValuedAttr<RoundingAttr, "NearestEvenAttr">:$rounding,
    DefaultValuedAttr<ConfinedAttr<I64Attr, [IntMinValue<0>, IntMaxValue<1>]>, "0">:$stream,
    DefaultValuedAttr<BoolAttr, "false">:$pad);
  let results = (outs QuantizedTensorType:$result);
  let assemblyFormat = [{
    $input (`signs` `(` $signs^ `:` type($signs) `)`)? (`key` `(` $key^ `,` $index_base `)`)?
    (`step` `(` $step^ `)`)? (`amax` `(` $amax^ `)`)? (`amax_out` `(` $amax_out^ `)`)? (`flags` `(` $flags^ `)`)?
    (`groups` `(` $groups^ `:` type($groups) `)`)? attr-dict `:` type($input) `->` qualified(type($result))
  }];
  let extraClassDeclaration = [{
    FormatAttr getFormat() { return getType().getFormat(); }
  }];
  let hasVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

def DequantizeOp : QuadOp<"dequantize", [Pure, AttrSizedOperandSegments]> {
  let summary = "The values that codes and scales stand for";
  let description = [{
    Each element is its code's grid value times its scales, `fl(v * s)` innermost
    first in f32, then one rounding to the result's element type. With `signs` the
    rotation that the tensor carries is undone: butterflies without factors, then
    `fl(. * c_n)`, then the signs, in f32 before that last rounding. A grouped tensor comes with the offsets
    of its `groups`: positions of the axis are read from where their group is stored, and
    are +0 where they are in none.

    ```mlir
    %d = quad.dequantize %q : !q -> tensor<?x8192xf32>
    %x = quad.dequantize %q signs(%s : tensor<16xf32>) : !q -> tensor<?x8192xbf16>
    ```
    Shape: the logical one; padding is dropped.
    Source: docs/numerics.md, "Dequantization".
  }];
  let arguments = (ins QuantizedTensorType:$input, Optional<SignVector>:$signs,
                   Optional<GroupOffsets>:$groups);
  let results = (outs Matrix:$result);
  let assemblyFormat = [{
    $input (`signs` `(` $signs^ `:` type($signs) `)`)? (`groups` `(` $groups^ `:` type($groups) `)`)?
    attr-dict `:` qualified(type($input)) `->` type($result)
  }];
  let hasVerifier = 1;
}

def TransposeOp : QuadOp<"transpose", [Pure, InferTypeOpAdaptor]> {
  let summary = "Swap the logical axes of a quantized or prepared tensor; nothing moves";
  let description = [{
    The result shares the memory of the input; its type has the sizes and
    the axis swapped.

    ```mlir
    %wt = quad.transpose %w : !quad.tensor<64x8192, #f, axis = 1> -> !quad.tensor<8192x64, #f, axis = 0>
    ```
  }];
  let arguments = (ins AnyTypeOf<[QuantizedTensorType, PreparedType]>:$input);
  let results = (outs AnyTypeOf<[QuantizedTensorType, PreparedType]>:$result);
  let assemblyFormat = [{
    $input attr-dict `:` qualified(type($input)) `->` qualified(type($result))
  }];
  let hasFolder = 1;
}

def ScalesOp : QuadOp<"scales", [Pure]> {
  let summary = "The innermost scales of a quantized tensor in a layout of memory";
  let description = [{
    The bytes of the innermost scales, rearranged to `layout`; padding is zeros. With
    the tensor's codes and other scales they make up the same tensor in that layout.

    ```mlir
    %s = quad.scales %q {layout = #quad.scale_layout<blocked128x4>}
           : !quad.tensor<?x64, #mxfp4, axis = 1> -> tensor<?x?xi8>
    ```
    The format has scales of one byte for one row. Shape: that of the scales in memory.
    Source: docs/numerics.md, "Storage".
  }];
  let arguments = (ins QuantizedTensorType:$input, ScaleLayoutAttr:$layout);
  let results = (outs TensorRankOf<[I8], [2]>:$result);
  let assemblyFormat = [{
    $input attr-dict `:` qualified(type($input)) `->` type($result)
  }];
  let extraClassDeclaration = [{
    /// The input's type in the other layout.
    QuantizedTensorType getTypeInLayout();
  }];
  let hasVerifier = 1;
}

def CarrierMatrix : TensorRankOf<[BF16, F8E5M2, F8E4M3FN], [2]>;
def RowIntegers : TensorRankOf<[I32], [1]>;

def ToCarrierOp : QuadOp<"to_carrier", [Pure]> {
  let summary = "A quantized tensor in the type that a matrix instruction takes";
  let description = [{
    The matrix in storage order, rows x stored length, the quantized axis last and padding
    included: each element is its code times the scales of its blocks, exactly. (The scale of
    a tensor is left to the consumer.) The element type says which carrier:

    * `bf16`: code times scale;
    * `f8E5M2`, `f8E4M3FN`: for scales that are powers of two. Element times 2^exponent of its
      row is code times scale; the exponent puts the row's largest scale at the top of the
      type's range. `rows` are these exponents, and 1 for each row with blocks too small for
      the type, which are flushed to zero, else 0.

    ```mlir
    %v, %exponents, %overflow = quad.to_carrier %q
      : (!quad.tensor<?x?, #mxuf4, axis = 1>) -> (tensor<?x?xf8E5M2>, tensor<?xi32>, tensor<?xi32>)
    %b = quad.to_carrier %q : (!q) -> tensor<?x?xbf16>
    ```
    A format that the carrier does not hold exactly is an error when kernels are made.
    Source: docs/numerics.md, "Carriers".
  }];
  let arguments = (ins QuantizedTensorType:$input);
  let results = (outs CarrierMatrix:$values, Variadic<RowIntegers>:$rows);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let extraClassDeclaration = [{
    /// e5m2, e4m3 or bf16.
    ::llvm::StringRef getCarrier();
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

def PrepareOp : QuadOp<"prepare", [Pure]> {
  let summary = "A quantized tensor as the engine of a target's products reads it";
  let description = [{
    What `quad.matmul` would make of the operand before it multiplies, kept: products with
    the result have the bits of those with the input. It is for operand `side` of products
    by an operand `other`, a format or the element type of a plain matrix. A product that takes
    another form, as that of another machine does, is an error when kernels are made.

    ```mlir
    %p = quad.prepare %w {side = #quad.side<rhs>, other = #mxfp4}
           : !quad.tensor<?x?, #mxuf4, axis = 1> -> !quad.prepared<!quad.tensor<?x?, #mxuf4, axis = 1>>
    %t = quad.transpose %p : !p -> !pt
    %y = quad.matmul %q, %t : !q, !pt -> tensor<?x?xbf16>
    ```
    * `exact`: as of `quad.matmul`.

    The input has no groups. Numeric effect: none.
  }];
  let arguments = (ins QuantizedTensorType:$input, SideAttr:$side, AnyAttr:$other,
                   DefaultValuedAttr<BoolAttr, "true">:$exact);
  let results = (outs PreparedType:$result);
  let assemblyFormat = [{
    $input attr-dict `:` qualified(type($input)) `->` qualified(type($result))
  }];
  let hasVerifier = 1;
}

def MatmulOperand : AnyTypeOf<[QuantizedTensorType, PreparedType, Matrix]>;

def MatmulOp : QuadOp<"matmul", [Pure, AttrSizedOperandSegments, IsolatedFromAbove]> {
  let summary = "Product of two matrices, at least one of them quantized";
  let description = [{
    `lhs` (M x K) times `rhs` (K x N), each quantized, prepared or plain, plus `bias` (N) on every row, plus `acc`
    (M x N), rounded once to the result's element type. Each quantized element
    enters as code times scales, exactly; the order of the f32 accumulation is fixed
    per target, kernel version and shape.

    A quantized operand is quantized along the contraction axis: axis 1 of `lhs`, axis
    0 of `rhs`. (A format whose blocks are all square serves the other axis as well,
    unless it is rotated.) Two quantized operands have the same blocks along that
    axis, the same stored length and the same RHT: the rotations then cancel in the
    product. A quantized operand with an RHT does not multiply a plain matrix.

    * `exact`: operands enter exactly (default), or the compiler may take a carrier
      that does not hold them, and says so in a remark;
    * `accum`: see `#quad.accum`.

    ```mlir
    %y = quad.matmul %q, %wt bias(%b : tensor<64xf32>) acc(%c : tensor<?x64xf32>) {accum = #quad.accum<f32>}
           : !q, !wt -> tensor<?x64xf32>
    ```
    `acc` has the type of the result.

    With the offsets of `groups`, such as the tokens of each of G experts, it is one product
    for each group (offsets as of `quad.quantize`: clamped, and read when the kernel runs).
    Which depends on the sides:

    * both grouped: group g contracts its positions alone, and its product is rows
      [g M, (g+1) M) of the result, G M x N;
    * neither grouped: group g is rows of `lhs` (T x K), which meet expert g of `rhs`: its
      columns [g N, (g+1) N) if that is K x G N, or its rows [g K, (g+1) K) if it is
      G K x N. The result is T x N. Which of the two, the sizes tell. Along the contraction
      each expert is whole blocks (and transforms). In rows of no group the sum is +0.

    ```mlir
    %y = quad.matmul %x, %experts groups(%offsets : tensor<?xi32>) : !x, !experts -> tensor<?x?xbf16>
    ```

    The epilogue, a region as that of `quad.map`, computes each element of the result
    from the sum (f32, bias and acc included, not yet rounded) and from an element of
    each of its operands, whose shapes are those of `quad.map`; what it yields is rounded
    to the result's element type. Then `acc` may have another one.

    ```mlir
    %y = quad.matmul %q, %wt epilogue(%g : tensor<?x64xbf16>) : !q, !wt -> tensor<?x64xbf16> {
    ^bb0(%sum: f32, %gate: f32):
      %rounded = quad.round %sum to bf16
      %0 = arith.mulf %rounded, %gate : f32
      quad.yield %0 : f32
    }
    ```
    Source: docs/numerics.md, "Products".
  }];
  let arguments = (ins MatmulOperand:$lhs, MatmulOperand:$rhs,
                   Optional<Vector>:$bias, Optional<Matrix>:$acc, Optional<GroupOffsets>:$groups,
                   Variadic<ElementwiseOperand>:$epilogue_inputs,
                   DefaultValuedAttr<BoolAttr, "true">:$exact,
                   DefaultValuedAttr<AccumAttr, "::quadrille::quad::Accum::Default">:$accum);
  let regions = (region MaxSizedRegion<1>:$epilogue);
  let results = (outs Matrix:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs (`bias` `(` $bias^ `:` type($bias) `)`)? (`acc` `(` $acc^ `:` type($acc) `)`)?
    (`groups` `(` $groups^ `:` type($groups) `)`)?
    (`epilogue` `(` $epilogue_inputs^ `:` type($epilogue_inputs) `)`)? attr-dict
    `:` type($lhs) `,` type($rhs) `->` type($result) ($epilogue^)?
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Elementwise code
//===----------------------------------------------------------------------===//

def MapOp : QuadOp<"map", [Pure, IsolatedFromAbove, SingleBlock]> {
  let summary = "Elementwise code on matrices, vectors and numbers";
  let description = [{
    Each element of the result is computed from an element of each input, widened to
    f32, by the region; what that yields is rounded once to the result's element type.

    An input is a number (f32), or has the result's shape, or repeats along the
    dimensions where its size is a *static* 1; a vector of N elements counts as 1 x N. A
    size that is not known never repeats.

    The region computes f32 from f32 with constants, `arith` addf, subf, mulf, divf, negf,
    maximumf, minimumf, cmpf and select, `math` absf, sqrt, floor, ceil, trunc, roundeven,
    copysign and fma, and `quad.round` and `quad.evaluate`. These have the same result on
    every machine, a NaN's sign and payload excepted; `math.exp` and the like do not.

    ```mlir
    %h = quad.map(%gate, %up) : (tensor<?x64xbf16>, tensor<?x64xbf16>) -> tensor<?x64xbf16> {
    ^bb0(%g: f32, %u: f32):
      %0 = quad.evaluate silu %g
      %1 = arith.mulf %0, %u : f32
      quad.yield %1 : f32
    }
    ```
    Source: docs/numerics.md, "Elementwise code".
  }];
  let arguments = (ins Variadic<ElementwiseOperand>:$inputs);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs Matrix:$result);
  let assemblyFormat = [{
    `(` $inputs `)` attr-dict `:` functional-type($inputs, $result) $body
  }];
  let hasVerifier = 1;
}

def RoundOp : QuadOp<"round", [Pure, SameOperandsAndResultType]> {
  let summary = "An f32 rounded to the values of a narrower type";
  let description = [{
    To nearest even, as storing it as bf16 or f16 and reading it again would.

    ```mlir
    %1 = quad.round %0 to bf16
    ```
  }];
  let arguments = (ins F32:$input, TypeAttrOf<AnyTypeOf<[BF16, F16]>>:$type);
  let results = (outs F32:$result);
  let assemblyFormat = "$input `to` $type attr-dict";
}

def EvaluateOp : QuadOp<"evaluate", [Pure, SameOperandsAndResultType]> {
  let summary = "A function of an f32 that is specified to the bit";
  let description = [{
    ```mlir
    %1 = quad.evaluate exp %0
    ```
    Source: docs/numerics.md, "Functions".
  }];
  let arguments = (ins Function:$function, F32:$input);
  let results = (outs F32:$result);
  let assemblyFormat = "$function $input attr-dict";
}

//===----------------------------------------------------------------------===//
// Scale rules
//===----------------------------------------------------------------------===//

class QuadFunctionOp<string mnemonic, list<Trait> traits = []> : QuadOp<mnemonic, !listconcat([
    FunctionOpInterface, IsolatedFromAbove, SingleBlock], traits)> {
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type,
                   OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  // Required by FunctionOpInterface.
  code functionInterface = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
  }];
  let extraClassDeclaration = functionInterface;
}

def ScaleRuleOp : QuadFunctionOp<"scale_rule"> {
  let summary = "A user's rule for the scale of a block";
  let description = [{
    A function of the elements of one block (row-major, f32, after the rotation and
    the scales outside) to its scale, which a level names as its rule. The scale is
    then rounded to nearest in the level's type. The body computes on `tensor<nxf32>`
    and `tensor<f32>` with elementwise operations of `arith` and `math`, constants,
    and `block_reduce`, `splat`, `round_to_grid`, `round_to_scale` of this dialect:
    each is one f32 operation an element, so the rule has the same bits everywhere.

    A second result `tensor<i1>` chooses between the two grids of a format that has two:
    true is the alternative. The format's innermost level takes such a rule, others one
    of a single result.

    ```mlir
    quad.scale_rule @clipped(%block: tensor<16xf32>) -> tensor<f32> {
      %0 = math.absf %block : tensor<16xf32>
      %1 = quad.block_reduce max %0 : tensor<16xf32> -> tensor<f32>
      %c = arith.constant dense<0.15> : tensor<f32>
      %2 = arith.mulf %1, %c : tensor<f32>
      quad.yield %2 : tensor<f32>
    }
    ```
    Source: docs/numerics.md, "Scale rules".
  }];
}

def BlockReduceOp : QuadOp<"block_reduce", [Pure, HasParent<"ScaleRuleOp">]> {
  let summary = "Maximum or sum over a block";
  let description = [{
    `max` is the IEEE 754-2019 maximum (NaN if any element is); `sum` is pairwise by
    index bit: for h = 1, 2, 4, ..: `v[i] := fl(v[i] + v[i xor h])`.

    ```mlir
    %m = quad.block_reduce max %v : tensor<16xf32> -> tensor<f32>
    ```
  }];
  let arguments = (ins ReduceKind:$kind, 1DTensorOf<[F32]>:$input);
  let results = (outs 0DTensorOf<[F32]>:$result);
  let assemblyFormat = "$kind $input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def SplatOp : QuadOp<"splat", [
    Pure, HasParent<"ScaleRuleOp">, SameOperandsAndResultElementType]> {
  let summary = "A value for every element of a block";
  let description = [{
    ```mlir
    %v = quad.splat %s : tensor<f32> -> tensor<16xf32>
    ```
  }];
  let arguments = (ins 0DTensorOf<[F32, I1]>:$input);
  let results = (outs 1DTensorOf<[F32, I1]>:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def RoundToGridOp : QuadOp<"round_to_grid", [
    Pure, HasParent<"ScaleRuleOp">, SameOperandsAndResultType]> {
  let summary = "The grid value that each element would become";
  let description = [{
    Clamps and rounds as `quad.quantize` does, and returns the code's value in f32.
    Only the deterministic roundings are possible.

    ```mlir
    %v = quad.round_to_grid %t {grid = #quad.grid<e2m1>} : tensor<16xf32>
    ```
  }];
  let arguments = (ins BlockTensor:$input, GridAttr:$grid,
                   DefaultValuedAttr<RoundingAttr, "NearestEvenAttr">:$rounding);
  let results = (outs BlockTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def RoundToScaleOp : QuadOp<"round_to_scale", [
    Pure, HasParent<"ScaleRuleOp">, SameOperandsAndResultType]> {
  let summary = "The value a scale has after encoding";
  let description = [{
    `dec(enc(s))` in f32, with the saturation and the floor of the scale's type.

    ```mlir
    %e = quad.round_to_scale %s {scale = #quad.scale<e4m3, nearest>} : tensor<f32>
    ```
  }];
  let arguments = (ins BlockTensor:$input, ScaleAttr:$scale);
  let results = (outs BlockTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

def KernelOp : QuadFunctionOp<"kernel"> {
  let summary = "The operations of one launch";
  let description = [{
    A function formed by `quad-form-kernels`: everything in its body becomes one
    kernel. Its arguments are what the kernel reads, its results what it writes.

    ```mlir
    quad.kernel @quantize_x(%x: tensor<?x8192xbf16>, %s: tensor<16xf32>) -> !q {
      %q = quad.quantize %x signs(%s : tensor<16xf32>) {..} : tensor<?x8192xbf16> -> !q
      quad.yield %q : !q
    }
    ```
  }];
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::FunctionType":$type)>];
  let skipDefaultBuilders = 1;
}

def LaunchOp : QuadOp<"launch", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
                                 DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Run a kernel";
  let description = [{
    ```mlir
    %q = quad.launch @quantize_x(%x, %s) : (tensor<?x8192xbf16>, tensor<16xf32>) -> !q
    ```
    A kernel's effects are on the memrefs among its inputs. Without those an unused
    launch is dead.
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = [{
    $callee `(` $inputs `)` attr-dict `:` functional-type($inputs, $results)
  }];
}

def YieldOp : QuadOp<"yield", [
    Pure, Terminator, ReturnLike,
    ParentOneOf<["ScaleRuleOp", "KernelOp", "MapOp", "MatmulOp"]>]> {
  let summary = "Results of a region";
  let description = [{
    Ends the body of a `quad.scale_rule` or a `quad.kernel`, where types and number of its
    operands are those of the signature's results, and of elementwise code, which yields
    one f32.

    ```mlir
    quad.yield %scale : tensor<f32>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$operands);
  let assemblyFormat = "($operands^ `:` type($operands))? attr-dict";
}

#endif // QUADRILLE_DIALECT_QUAD_IR_QUADOPS_TD
