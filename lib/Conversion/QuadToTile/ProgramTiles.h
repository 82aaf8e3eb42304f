//===- ProgramTiles.h - The tiles of one program -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_PROGRAMTILES_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_PROGRAMTILES_H

#include "KernelBuilder.h"
#include "TileBuilder.h"

namespace quadrille {

/// The tiles of one program, which follow each other along the axis.
class ProgramTiles {
public:
  ProgramTiles(KernelBuilder &kernel, int64_t along, int64_t count)
      : kernel(kernel), along(along), count(count) {}

  /// Says whether so many elements along the axis from an origin are inside, an i1.
  using IsInside = llvm::function_ref<mlir::Value(mlir::Value, int64_t)>;
  using Load = llvm::function_ref<Tile(mlir::Value)>;
  using Work = llvm::function_ref<mlir::LogicalResult(Tile, mlir::Value)>;

  /// `work` on what `load` gave for the origin of each tile. Where all tiles are inside they
  /// are unrolled, and the next one is loaded before the work, which hides its way.
  mlir::LogicalResult forEach(IsInside isInside, Load load, Work work);
  /// Programs for so many tiles.
  mlir::Value gridSize(mlir::Value tiles) {
    return count == 1 ? tiles : kernel.schedule.ceilDiv(tiles, count);
  }

private:
  mlir::LogicalResult unrolled(mlir::Value origin, Load load, Work work);
  mlir::LogicalResult looped(mlir::Value origin, IsInside isInside, Load load, Work work);

  KernelBuilder &kernel;
  int64_t along, count;
};

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_PROGRAMTILES_H
