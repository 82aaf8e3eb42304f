//===- QuadTypes.td - Types of the quad dialect ------------*- tablegen -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_IR_QUADTYPES_TD
#define QUADRILLE_DIALECT_QUAD_IR_QUADTYPES_TD

include "quadrille/Dialect/Quad/IR/QuadAttrs.td"
include "quadrille/Dialect/Quad/IR/QuadEnums.td"

def QuantizedTensorType : TypeDef<QuadDialect, "QuantizedTensor"> {
  let mnemonic = "tensor";
  let summary = "A matrix of 4-bit codes with its scales";
  let description = [{
    ```mlir
    !quad.tensor<?x8192, #ufp4_b, axis = 1, rht = #rht16>
    !quad.tensor<128x100, #ufp4_b, axis = 1, padded = 112, scales = blocked128x4>
    !quad.tensor<?x8192, #ufp4_b, axis = 0, grouped>
    ```
    * shape: the logical one, rank 2, dynamic sizes as `?`;
    * format: see `#quad.format`;
    * axis: the quantized axis in logical coordinates. Storage puts it last, so
      transposing swaps the logical axes and moves nothing;
    * rht: the rotation that the elements went through before quantization;
    * padded: length of the axis as stored where zero-extension made it longer than
      the logical one, or `?` if that is not known statically;
    * scales: `row_major` (default) or `blocked128x4`;
    * grouped: the axis is that of groups, each zero-extended by itself, whose offsets are
      known to the device alone. So the stored length is a bound, and `padded` is `?`.

    Storage: `codes`, two a byte, element 2i in the low nibble, of shape (other,
    stored/2); then one array of scales a level, inner to outer, row-major over the
    blocks, (ceil(other/rows), stored/cols), in the scale type's own bits. A level of
    `e1` packs 8 blocks a byte, rows padded to a byte; a tensor level is 1 element.

    The axis, if static, is a multiple of the outermost block and of the RHT size, or
    `padded` is. The other axis need not be a multiple of a block's rows.
  }];
  let parameters = (ins
    ArrayRefParameter<"int64_t", "logical sizes">:$shape,
    "::quadrille::quad::FormatAttr":$format,
    AttrOrTypeParameter<"int64_t", "quantized axis, 0 or 1">:$axis,
    OptionalParameter<"::quadrille::quad::RHTAttr", "rotation applied before quantization">:$rht,
    DefaultValuedParameter<"int64_t", "0", "stored length of the axis; 0: not padded">:$padded,
    DefaultValuedParameter<"::quadrille::quad::ScaleLayout",
                           "::quadrille::quad::ScaleLayout::RowMajor">:$scaleLayout,
    DefaultValuedParameter<"bool", "false", "groups are extended one by one">:$grouped);
  let builders = [
    TypeBuilderWithInferredContext<(ins
      "::llvm::ArrayRef<int64_t>":$shape, "::quadrille::quad::FormatAttr":$format,
      "int64_t":$axis, CArg<"::quadrille::quad::RHTAttr", "{}">:$rht,
      CArg<"int64_t", "0">:$padded,
      CArg<"::quadrille::quad::ScaleLayout", "::quadrille::quad::ScaleLayout::RowMajor">:$scaleLayout,
      CArg<"bool", "false">:$grouped), [{
      return $_get(format.getContext(), shape, format, axis, rht, padded, scaleLayout, grouped);
    }]>
  ];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Logical size along the quantized axis and across it; ShapedType::kDynamic
    /// where not static.
    int64_t getAxisLength() const { return getShape()[getAxis()]; }
    int64_t getOtherLength() const { return getShape()[1 - getAxis()]; }
    /// Stored size along the quantized axis.
    int64_t getStoredLength() const { return getPadded() ? getPadded() : getAxisLength(); }
    /// The stored length is a multiple of this: of blocks and of the RHT.
    int64_t getGranularity() const { return getGranularity(getFormat(), getRht()); }
    static int64_t getGranularity(FormatAttr format, RHTAttr rht);

    /// The tensor with its logical axes swapped; storage is the same.
    QuantizedTensorType getTransposed() const;
    /// The tensor with its innermost scales in another order.
    QuantizedTensorType getWithScaleLayout(ScaleLayout layout) const;
    /// True if scales of a format may be so in memory: in blocks, one byte for one row.
    static bool hasScaleLayout(FormatAttr format, ScaleLayout layout);
    /// A builtin tensor of the same logical shape.
    ::mlir::RankedTensorType getLogicalType(::mlir::Type elementType) const;

    /// The arrays in memory: codes as i8, then scales inner to outer. Scales are
    /// f32, bf16 or, for the types that MLIR has not, i8.
    ::mlir::RankedTensorType getCodesType() const;
    ::mlir::RankedTensorType getScalesType(unsigned level) const;
    ::llvm::SmallVector<::mlir::Type> getStorageTypes() const;
  }];
}

def PreparedType : TypeDef<QuadDialect, "Prepared"> {
  let mnemonic = "prepared";
  let summary = "A quantized tensor as an engine reads it";
  let description = [{
    ```mlir
    !quad.prepared<!quad.tensor<?x8192, #mxuf4, axis = 1>>
    !quad.prepared<!quad.tensor<?x8192, #mxuf4, axis = 1>, "rhs in s8 panels of 32 x 32">
    ```
    * tensor: what it was made of. Transposing swaps that one's axes;
    * form: all that bytes depend on, in words: equal forms of one tensor mean equal bytes. An
      argument of a function has one; what a function makes has that of its target's engine.

    Storage: the engine's bytes, and one f32 if the format has a scale of the tensor. An argument
    also has the rows and the length as stored, both i64.
  }];
  let parameters = (ins "::quadrille::quad::QuantizedTensorType":$tensor, OptionalParameter<"::mlir::StringAttr", "form of the bytes">:$form);
  let builders = [TypeBuilderWithInferredContext<(ins
    "::quadrille::quad::QuantizedTensorType":$tensor, CArg<"::mlir::StringAttr", "{}">:$form), [{
      return $_get(tensor.getContext(), tensor, form);
    }]>];
  let assemblyFormat = "`<` qualified($tensor) (`,` $form^)? `>`";
  let extraClassDeclaration = [{
    PreparedType getTransposed() const { return get(getTensor().getTransposed(), getForm()); }
    /// The arrays in memory.
    ::llvm::SmallVector<::mlir::Type> getStorageTypes() const;
  }];
}

#endif // QUADRILLE_DIALECT_QUAD_IR_QUADTYPES_TD
