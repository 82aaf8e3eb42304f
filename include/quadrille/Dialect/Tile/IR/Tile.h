//===- Tile.h - The tile dialect -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_TILE_IR_TILE_H
#define QUADRILLE_DIALECT_TILE_IR_TILE_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "quadrille/Layout/LinearLayout.h"

#include "quadrille/Dialect/Tile/IR/TileEnums.h.inc"

#include "quadrille/Dialect/Tile/IR/TileDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quadrille/Dialect/Tile/IR/TileAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "quadrille/Dialect/Tile/IR/TileTypes.h.inc"

#define GET_OP_CLASSES
#include "quadrille/Dialect/Tile/IR/TileOps.h.inc"

namespace quadrille::tile {

/// The layout of a tile type; fails an assertion if it carries none.
layout::LinearLayout getLayout(mlir::RankedTensorType type);
/// `type`'s shape and element type under `layout`.
mlir::RankedTensorType withLayout(mlir::RankedTensorType type, const layout::LinearLayout &layout);

/// The bits of the row-major index of a tile of `shape` that belong to
/// dimension `dim`, as (first bit, number of bits).
std::pair<unsigned, unsigned> indexBitsOf(llvm::ArrayRef<int64_t> shape, unsigned dim);

// Result types of the operations that keep or derive the layout.
mlir::RankedTensorType reshapedType(mlir::RankedTensorType type, llvm::ArrayRef<int64_t> shape);
mlir::RankedTensorType transposedType(mlir::RankedTensorType type);
mlir::RankedTensorType reducedType(mlir::RankedTensorType type, llvm::ArrayRef<int64_t> dims);
mlir::RankedTensorType packedType(mlir::RankedTensorType type);
/// The words of two elements of 16 bits each.
mlir::RankedTensorType halvedType(mlir::RankedTensorType type);

/// Index in a tile of shape `source` of what a broadcast to `result` puts at `index`.
uint64_t broadcastSourceIndex(llvm::ArrayRef<int64_t> source, llvm::ArrayRef<int64_t> result,
                              uint64_t index);

} // namespace quadrille::tile

#endif // QUADRILLE_DIALECT_TILE_IR_TILE_H
