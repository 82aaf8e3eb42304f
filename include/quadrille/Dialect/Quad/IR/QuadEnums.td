//===- QuadEnums.td - Enumerations of the quad dialect -----*- tablegen -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_IR_QUADENUMS_TD
#define QUADRILLE_DIALECT_QUAD_IR_QUADENUMS_TD

include "mlir/IR/EnumAttr.td"
include "quadrille/Dialect/Quad/IR/QuadDialect.td"

// Grids, scale types and scale rules are the enumerations of
// quadrille/Numerics/Format.h; here are only those that exist in IR alone.

class QuadEnum<string name, string summary, list<I32EnumCase> cases>
    : I32Enum<name, summary, cases> {
  let cppNamespace = "::quadrille::quad";
}

def ScaleLayout : QuadEnum<"ScaleLayout", "Order of the scales of a level in memory", [
  I32EnumCase<"RowMajor", 0, "row_major">,
  I32EnumCase<"Blocked128x4", 1, "blocked128x4">
]> {
  let description = [{
    * `row_major`: one scale a block, blocks in row-major order, quantized axis last.
    * `blocked128x4`: the layout of block-scaled tensor cores, of innermost scales of
      one byte and one row: rows padded to 128, columns to 4, with zeros; each 128x4
      tile stored as 32 rows of 4x4, so that the scale of row r and column c of a tile
      is byte 16 (r mod 32) + 4 (r / 32) + c; tiles in row-major order.
  }];
}

def Accum : QuadEnum<"Accum", "How a matmul accumulates", [
  I32EnumCase<"Default", 0, "default">,
  I32EnumCase<"F32", 1, "f32">,
  I32EnumCase<"Promote128", 2, "promote128">,
  I32EnumCase<"Fast", 3, "fast">
]> {
  let description = [{
    * `default`: as `f32`, with the target free to use a faster unit where the
      spread of the scales is within a proven bound;
    * `f32`: IEEE f32 (or exact integer) accumulation;
    * `promote128`: the unit's own accumulator, promoted to f32 every 128 elements;
    * `fast`: the unit's own accumulator throughout.
  }];
}

def ReduceKind : I32EnumAttr<"ReduceKind", "Reduction of a block", [
  I32EnumAttrCase<"Max", 0, "max">,
  I32EnumAttrCase<"Sum", 1, "sum">
]> {
  let cppNamespace = "::quadrille::quad";
  let description = [{
    * `max`: IEEE 754-2019 maximum: NaN if any element is, and -0 < +0;
    * `sum`: pairwise by index bit: for h = 1, 2, 4, ..: `v[i] := fl(v[i] + v[i xor h])`.
  }];
}

// In the order of numerics::Function, which defines them.
def Function : I32EnumAttr<"Function", "Function of one f32", [
  I32EnumAttrCase<"Exp", 0, "exp">,
  I32EnumAttrCase<"Tanh", 1, "tanh">,
  I32EnumAttrCase<"Erf", 2, "erf">,
  I32EnumAttrCase<"Sigmoid", 3, "sigmoid">,
  I32EnumAttrCase<"Silu", 4, "silu">,
  I32EnumAttrCase<"Gelu", 5, "gelu">,
  I32EnumAttrCase<"GeluTanh", 6, "gelu_tanh">
]> {
  let cppNamespace = "::quadrille::quad";
  let description = [{
    Sequences of f32 operations that docs/numerics.md, "Functions", writes out:
    `silu` is x sigmoid(x), `gelu` the form with erf, `gelu_tanh` its approximation
    with tanh.
  }];
}

def OperandSide : QuadEnum<"OperandSide", "Operand of a product", [
  I32EnumCase<"LHS", 0, "lhs">,
  I32EnumCase<"RHS", 1, "rhs">
]>;

class QuadEnumAttr<EnumInfo info, string mnemonic> : EnumAttr<QuadDialect, info, mnemonic> {
  let assemblyFormat = "`<` $value `>`";
}
def SideAttr : QuadEnumAttr<OperandSide, "side">;
def AccumAttr : QuadEnumAttr<Accum, "accum">;
def ScaleLayoutAttr : QuadEnumAttr<ScaleLayout, "scale_layout">;

#endif // QUADRILLE_DIALECT_QUAD_IR_QUADENUMS_TD
