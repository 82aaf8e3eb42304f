//===- MatmulEpilogue.h - What becomes of a product's sums ------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shared by the engines: vectors of neighbours in a row, of whatever length an engine has
// them in, are finished and stored by the same code.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_MATMULEPILOGUE_H
#define QUADRILLE_TARGET_MATMULEPILOGUE_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"

namespace quadrille {
class VectorBuilder;

/// One vector of the product, given to an epilogue: elements
/// (row, col) .. (row, col + lanes - 1), those before column `end`.
struct MatmulElements {
  mlir::Value acc;           ///< vector<lanes x f32>
  mlir::Value row, col, end; ///< i64
  mlir::Value isFull;        ///< i1: none is beyond
};

/// What an epilogue reads beside the sum: one f32, or elements by row and column of
/// C. Pointers are !llvm.ptr, strides i64 and in elements.
struct EpilogueOperand {
  mlir::Value number;      ///< f32, in place of what follows
  mlir::Type elementType;  ///< f32, bf16 or f16
  mlir::Value data;
  mlir::Value rowStride;   ///< null: the same for all rows
  mlir::Value colStride;   ///< null: the same for all columns
  bool isContiguous = false; ///< colStride is 1
  unsigned alignment = 1;    ///< bytes that divide the address of each row, and elements
  bool mayBeOut = false;     ///< the kernel may store where it reads this
};

/// Computes the value of C from vectors of f32: the sum, then one for each input.
using EpilogueBody =
    llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::ValueRange)>;

/// The usual epilogue: out = cast(body(((acc * scale) + addend) + addend .., inputs)),
/// each operation rounded to f32, then once to the type of `out` (to nearest even; a
/// NaN becomes quiet). Absent parts are null or empty.
struct MatmulStore {
  mlir::Type elementType; ///< of out: f32, bf16 or f16
  mlir::Value out;        ///< !llvm.ptr
  mlir::Value ldc;        ///< i64: elements from one row to the next
  mlir::Value scale;      ///< f32: fl(ta * tb) of the tensor-level scales
  llvm::SmallVector<EpilogueOperand> addends; ///< in order; may equal out
  llvm::SmallVector<EpilogueOperand> inputs;
  EpilogueBody body;
  unsigned alignment = 1; ///< bytes that divide the address of each row, and elements
  bool roundsToBF16 = false; ///< by an instruction, as above
};
void emitStore(mlir::OpBuilder &builder, mlir::Location loc, const MatmulStore &store,
               const MatmulElements &elements);

// Its two halves, for engines in which those who sum elements are not those who store them.
/// The bits of what is stored, integers of the size of elements of `out`.
mlir::Value emitValue(mlir::OpBuilder &builder, mlir::Location loc, const MatmulStore &store,
                      const MatmulElements &elements);
void storeValue(mlir::OpBuilder &builder, mlir::Location loc, const MatmulStore &store,
                mlir::Value value, const MatmulElements &elements);

/// The f32 value of elements of a plain type held in lanes of their own width.
mlir::Value widenToF32(VectorBuilder &b, mlir::Value value);

} // namespace quadrille

#endif // QUADRILLE_TARGET_MATMULEPILOGUE_H
