//===- TilePattern.h - Base of the tile lowering's patterns -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_TILETOLLVM_TILEPATTERN_H
#define QUADRILLE_LIB_CONVERSION_TILETOLLVM_TILEPATTERN_H

#include "mlir/Transforms/DialectConversion.h"
#include "quadrille/Dialect/Tile/IR/Tile.h"
#include "quadrille/Layout/Conversion.h"
#include "quadrille/Target/TargetInfo.h"

namespace quadrille {

using layout::LinearLayout;
using Registers = llvm::SmallVector<mlir::Value>;

/// A pattern whose tile operands arrive as their registers.
template <typename OpT>
class TilePattern : public mlir::OpConversionPattern<OpT> {
public:
  TilePattern(const mlir::TypeConverter &converter, mlir::MLIRContext *context,
              const TargetInfo &target)
      : mlir::OpConversionPattern<OpT>(converter, context), target(target) {}

protected:
  const TargetInfo &target;
};

inline mlir::RankedTensorType tileType(mlir::Value tile) {
  return llvm::cast<mlir::RankedTensorType>(tile.getType());
}
inline LinearLayout layoutOf(mlir::Value tile) { return tile::getLayout(tileType(tile)); }

/// Row-major index of register `r`'s element in lane 0 of warp 0.
uint64_t registerIndex(const LinearLayout &layout, unsigned r);
/// The register that holds index `index` in lane 0 of warp 0.
unsigned registerOf(const LinearLayout &layout, uint64_t index);
/// The shared-memory step of a planned conversion: stores, a barrier, loads.
Registers emitSharedConversion(mlir::OpBuilder &b, mlir::Location loc, const TargetInfo &target,
                               const layout::Conversion &plan, const layout::SharedMemory &step,
                               mlir::ValueRange values);
/// Two registers of f32 as a vector (TargetInfo::packsF32), and back.
mlir::Value packPair(mlir::OpBuilder &b, mlir::Location loc, mlir::Value low, mlir::Value high);
std::pair<mlir::Value, mlir::Value> unpackPair(mlir::OpBuilder &b, mlir::Location loc,
                                               mlir::Value pair);
/// Position of `basis` in `bases`, or nothing.
std::optional<unsigned> findBasis(llvm::ArrayRef<uint64_t> bases, uint64_t basis);

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_TILETOLLVM_TILEPATTERN_H
