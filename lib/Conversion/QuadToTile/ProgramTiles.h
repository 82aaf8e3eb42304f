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

  /// For the origin of each tile: `enter`, which says what is known there, then `work` on
  /// what `load` gave for it. The next tile is loaded before the work, which hides its way.
  mlir::LogicalResult forEach(llvm::function_ref<void(mlir::Value)> enter,
                              llvm::function_ref<Tile(mlir::Value)> load,
                              llvm::function_ref<mlir::LogicalResult(Tile, mlir::Value)> work);
  /// Programs for so many tiles.
  mlir::Value gridSize(mlir::Value tiles) {
    return count == 1 ? tiles : kernel.schedule.ceilDiv(tiles, count);
  }

private:
  Tile loadNext(mlir::Value next, mlir::Value index, mlir::Type type,
                llvm::function_ref<void(mlir::Value)> enter,
                llvm::function_ref<Tile(mlir::Value)> load);

  KernelBuilder &kernel;
  int64_t along, count;
};

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_PROGRAMTILES_H
