//===- QuadAttrs.td - Attributes of the quad dialect -------*- tablegen -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_IR_QUADATTRS_TD
#define QUADRILLE_DIALECT_QUAD_IR_QUADATTRS_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpAsmInterface.td"
include "quadrille/Dialect/Quad/IR/QuadDialect.td"

class QuadAttr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<QuadDialect, name, traits> {
  let mnemonic = attrMnemonic;
}

// An enumeration of quadrille/Numerics/Format.h, spelled as in QuadAttrs.cpp.
class NumericsEnum<string name, string summary>
    : AttrOrTypeParameter<"::quadrille::" # name, summary>;

//===----------------------------------------------------------------------===//
// Formats
//===----------------------------------------------------------------------===//

def GridAttr : QuadAttr<"Grid", "grid"> {
  let summary = "The values of the 16 codes";
  let description = [{
    One of

    | grid   | values                                   | encoding         | qmax |
    |--------|------------------------------------------|------------------|------|
    | `e2m1` | 0, .5, 1, 1.5, 2, 3, 4, 6 and negatives  | sign-magnitude   | 6    |
    | `e1m2` | k/4 for k = 0..7 and negatives           | sign-magnitude   | 1.75 |
    | `int4` | -7..7                                    | two's complement | 7    |

    or `lut<"name", [v0, v1, ..], qmax = q>`: 2 to 16 finite values in code order,
    which may be unsorted and repeat (the lowest code is produced). Block maxima map
    to `qmax`, by default the largest magnitude.

    ```mlir
    #uniform = #quad.grid<e1m2>
    #ternary = #quad.grid<lut<"ternary", [-1.0, 0.0, 1.0], qmax = 1.0>>
    ```
    Source: docs/numerics.md, "Grids"; OCP Microscaling Formats (MX) v1.0 for e2m1.
  }];
  let parameters = (ins
    NumericsEnum<"GridKind", "e2m1 | e1m2 | int4 | lut">:$kind,
    StringRefParameter<"the user's name of a lut">:$name,
    OptionalParameter<"::mlir::DenseF32ArrayAttr", "values of a lut, by code">:$values,
    OptionalParameter<"::mlir::FloatAttr", "f32 that a block maximum of a lut maps to">:$qmax);
  let assemblyFormat = "`<` custom<Grid>($kind, $name, $values, $qmax) `>`";
  let builders = [AttrBuilder<(ins "const ::quadrille::Grid &":$grid)>];
  let extraClassDeclaration = [{
    /// The grid by value, as the numerics library knows it.
    ::quadrille::Grid toGrid() const;
  }];
  let genVerifyDecl = 1;
}

def LevelAttr : QuadAttr<"Level", "level"> {
  let summary = "One level of a chain of scales";
  let description = [{
    `<block, type, rule[, bits = k][, qmax = q]>`:

    * block: `RxC`, R elements across and C along the quantized axis that share a
      scale, powers of two; or `tensor`: one scale for all;
    * type: `f32`, `bf16`, `e4m3`, `e8m0`, `ue5m3`, `e6m2`, `e1`;
    * rule: how the scale is rounded into its type: `nearest`; `up` and `ocp`, for
      powers of two; `hif4` (all three levels of HiF4 together); `@symbol`, a
      `quad.scale_rule` that computes the scale of a block;
    * bits: significant bits kept of f32 (1..24) or bf16 (1..8);
    * qmax: what a block maximum maps to, instead of the grid's times the largest
      value of the levels inside.

    Source: docs/numerics.md, "Scales".
  }];
  let parameters = (ins
    AttrOrTypeParameter<"::quadrille::Block", "elements that share a scale">:$block,
    NumericsEnum<"ScaleType", "element type of the scale">:$type,
    NumericsEnum<"ScaleRule", "rounding of the scale">:$rule,
    OptionalParameter<"::mlir::FlatSymbolRefAttr", "the quad.scale_rule of rule Program">:$program,
    DefaultValuedParameter<"unsigned", "0", "significant bits; 0: all">:$bits,
    OptionalParameter<"::mlir::FloatAttr", "f32">:$qmax);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The level by value. A Program level's symbol is not part of it.
    ::quadrille::Level toLevel() const;
    bool isTensor() const { return getBlock().isTensor(); }
  }];
}

def FormatAttr : QuadAttr<"Format", "format", [
    DeclareAttrInterfaceMethods<OpAsmAttrInterface, ["getAlias"]>]> {
  let summary = "A grid, or two, and a chain of scales, inner to outer";
  let description = [{
    ```mlir
    #ufp4_b = #quad.format<"UFP4_B", grid = e1m2, levels = [<1x16, bf16, nearest, bits = 5>]>
    #nvfp4 = #quad.format<"NVFP4", grid = e2m1, levels = [<1x16, e4m3, nearest>, <tensor, f32, nearest>]>
    ```
    Of two grids, `grid = e2m1 or int4`, the rule of the innermost level chooses one for
    each block: it is a `quad.scale_rule` with a second result, which is kept in the
    sign bit of the block's scale (f32, bf16 or e4m3). It is set for the second grid, the
    `alternative`. Block maxima of the outer levels map to the first grid's qmax.

    ```mlir
    #mix = #quad.format<"MIX", grid = e2m1 or int4, levels = [<1x16, e4m3, @choose>, <tensor, f32, nearest>]>
    ```
    The name is for people: nothing in the compiler looks at it. Each level's block
    is a multiple of the one inside; only the last may be `tensor`. The rule `hif4`
    and the type `e1` exist only in the chain `[<1x4, e1, hif4>, <1x8, e1, hif4>,
    <1x64, e6m2, hif4>]` (arXiv 2602.11287).

    Source: docs/numerics.md, "Formats".
  }];
  let parameters = (ins StringRefParameter<"for people">:$name, "::quadrille::quad::GridAttr":$grid,
                    OptionalParameter<"::quadrille::quad::GridAttr", "of blocks that choose it">:$alternative,
                    ArrayRefParameter<"::quadrille::quad::LevelAttr">:$levels);
  let assemblyFormat = [{
    `<` $name `,` `grid` `=` custom<Grids>($grid, $alternative) `,` `levels` `=` `[` $levels `]` `>`
  }];
  let builders = [
    // `programs[i]` is the rule of the i-th level whose rule is Program.
    AttrBuilder<(ins "const ::quadrille::Format &":$format,
                 CArg<"::llvm::ArrayRef<::mlir::FlatSymbolRefAttr>", "{}">:$programs)>
  ];
  let extraClassDeclaration = [{
    /// The format by value, as the numerics library knows it.
    ::quadrille::Format toFormat() const;
    /// Elements along the quantized axis that share an innermost scale.
    int64_t getBlockCols() const { return getLevels().front().getBlock().cols; }
    /// Elements along the quantized axis that share the outermost scale below the
    /// tensor's: lengths are a multiple of it.
    int64_t getOuterBlockCols() const;
    /// True if the outermost level is one scale for the tensor.
    bool hasTensorLevel() const { return getLevels().back().isTensor(); }
    /// True if some block spans more than one row.
    bool is2D() const;
    /// True if every block is square (or the tensor), so that the codes of a tensor
    /// serve both of its axes.
    bool isOrientationFree() const;
  }];
  let genVerifyDecl = 1;
}

def RHTAttr : QuadAttr<"RHT", "rht", [
    DeclareAttrInterfaceMethods<OpAsmAttrInterface, ["getAlias"]>]> {
  let summary = "Identity of a randomized block Hadamard transform";
  let description = [{
    Size (16, 32, 64, 128 or 256) and a 64-bit digest of the sign vector. The signs
    themselves are run-time operands, so that a new vector needs no compilation; the
    digest makes two operands of a product comparable.

    `#quad.rht<16, digest = 0x1234abcd5678ef00>`
  }];
  let parameters = (ins "int64_t":$size, AttrOrTypeParameter<"uint64_t", "of the signs">:$digest);
  let assemblyFormat = "`<` $size `,` `digest` `=` custom<Hex>($digest) `>`";
  let genVerifyDecl = 1;
}

def ScaleAttr : QuadAttr<"Scale", "scale"> {
  let summary = "An encoding of scales: type, rounding and significant bits";
  let description = [{
    What `quad.round_to_scale` rounds to: `#quad.scale<e4m3, nearest>`,
    `#quad.scale<bf16, nearest, bits = 5>`. Types, rules and bits as in `#quad.level`,
    without those that need the whole block (`ocp`, `hif4`, a symbol).
  }];
  let parameters = (ins
    NumericsEnum<"ScaleType", "element type of the scale">:$type,
    NumericsEnum<"ScaleRule", "nearest | up">:$rule,
    DefaultValuedParameter<"unsigned", "0", "significant bits; 0: all">:$bits);
  let assemblyFormat = "`<` $type `,` $rule (`,` `bits` `=` $bits^)? `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

def RoundingAttrInterface : AttrInterface<"RoundingAttrInterface"> {
  let cppNamespace = "::quadrille::quad";
  let description = "A way of rounding an element to its grid.";
  let methods = [
    InterfaceMethod<"The rounding by value, as the numerics library knows it.",
                    "::quadrille::numerics::Rounding", "toRounding">
  ];
  let extraSharedClassDeclaration = [{
    /// True if rounding consumes random bits, so that it needs a key.
    bool isStochastic() const {
      return $_attr.toRounding().kind == ::quadrille::numerics::RoundingKind::Stochastic;
    }
  }];
}

// As an argument of an operation, with a default named by its C++ class.
def RoundingAttr : Attr<CPred<"::mlir::isa<::quadrille::quad::RoundingAttrInterface>($_self)">,
                        "rounding attribute"> {
  let storageType = "::quadrille::quad::RoundingAttrInterface";
  let returnType = storageType;
  let convertFromStorage = "$_self";
  let constBuilderCall =
    "::mlir::cast<::quadrille::quad::RoundingAttrInterface>(::mlir::Attribute("
    "::quadrille::quad::$0::get($_builder.getContext())))";
}

class DeterministicRounding<string name, string mnemonic> : QuadAttr<name, mnemonic, [
    DeclareAttrInterfaceMethods<RoundingAttrInterface>]> {
  let extraClassDefinition = [{
    ::quadrille::numerics::Rounding $cppClass::toRounding() const {
      return {::quadrille::numerics::RoundingKind::}] # name # [{};
    }
  }];
}

def NearestEvenAttr : DeterministicRounding<"NearestEven", "nearest_even"> {
  let summary = "To the nearest grid value, ties to the even code";
}
def NearestAwayAttr : DeterministicRounding<"NearestAway", "nearest_away"> {
  let summary = "To the nearest grid value, ties away from zero";
}
def TowardZeroAttr : DeterministicRounding<"TowardZero", "toward_zero"> {
  let summary = "To the nearest grid value that is not larger in magnitude";
}

def StochasticAttr : QuadAttr<"Stochastic", "stochastic", [
    DeclareAttrInterfaceMethods<RoundingAttrInterface>]> {
  let summary = "Up or down with the probability that makes the mean exact";
  let description = [{
    With g the code coordinate of |t|, F = rne(g 2^bits) and U uniform in [0, 2^bits),
    the code is min((F + U) >> bits, max). U comes from Philox4x32 with `rounds`
    rounds (7 or 10), keyed by an operand; `bits` is 4, 8 or 16.

    Unbiased at multiples of 2^-bits, within 2^-(bits+1) of a step elsewhere.
    Source: docs/numerics.md, "Stochastic rounding"; Salmon et al., "Parallel random
    numbers: as easy as 1, 2, 3" (SC 2011).
  }];
  let parameters = (ins "unsigned":$bits, "unsigned":$rounds);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDefinition = [{
    ::quadrille::numerics::Rounding $cppClass::toRounding() const {
      return {::quadrille::numerics::RoundingKind::Stochastic, getBits(), getRounds()};
    }
  }];
}

#endif // QUADRILLE_DIALECT_QUAD_IR_QUADATTRS_TD
