//===- QuadDialect.td - The quad dialect -------------------*- tablegen -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_IR_QUADDIALECT_TD
#define QUADRILLE_DIALECT_QUAD_IR_QUADDIALECT_TD

include "mlir/IR/OpBase.td"

def QuadDialect : Dialect {
  let name = "quad";
  let summary = "Value tensors in 4-bit formats, and the operations of a recipe";
  let description = [{
    A program of this dialect says *what* is computed on whole tensors: which
    operand is rotated, into which format it is quantized along which axis, with
    which rounding, and which products are taken. It says nothing of tiles,
    threads or instructions.

    Its values are builtin tensors of rank 2 (the data) and `!quad.tensor` (the
    same data as 4-bit codes and scales). Elementwise code between them is a region
    of `arith` and `math` operations on f32.

    Every operation defines its result to the bit; `docs/numerics.md` is the
    definition, `lib/Numerics` its executable form. Floating-point arithmetic is
    f32, each operation rounded once to nearest even, subnormals kept; `fl()`
    below is that rounding. All operations are pure: stochastic rounding takes its
    key as an operand.

    An argument of a function may carry what the caller promises of it, which code
    generation uses and nothing else depends on:

    * `quad.divisible_by = array<i64: d0, d1>`: each size is a multiple of its entry;
    * `quad.unit_stride = d : i64`: neighbours along dimension d are adjacent in memory;
    * `quad.alignment = n : i64`: addresses of its arrays are multiples of n bytes, a power of two;
    * `quad.stride_divisible_by = array<i64: d0, d1>`: each stride, in elements, is a
      multiple of its entry.

    A function may carry `quad.tuning`, a dictionary of integers that say how its kernels are
    cut into programs and lanes; no bit of a result depends on it (docs/runtime.md, "Tuning").

    The arrays of results are dense, and on a GPU aligned to 16 bytes.

    `docs/Dialects/Quad/RationaleQuad.md` says why the dialect is as it is.
  }];
  let cppNamespace = "::quadrille::quad";
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let discardableAttrs = (ins
    "::mlir::DenseI64ArrayAttr":$divisible_by,
    "::mlir::IntegerAttr":$unit_stride,
    "::mlir::IntegerAttr":$alignment,
    "::mlir::DenseI64ArrayAttr":$stride_divisible_by
  );
  let hasRegionArgAttrVerify = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
  }];
}

#endif // QUADRILLE_DIALECT_QUAD_IR_QUADDIALECT_TD
