//===- DotEpilogue.h - From sums of tile.dot to a result -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_DOTEPILOGUE_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_DOTEPILOGUE_H

#include "MatmulKernel.h"

namespace quadrille {

/// The sums of a block, (rows, columns) of the result as f32, and where the block begins.
struct DotSums {
  Tile value;
  mlir::Value row, column;
};

/// As Target/MatmulEpilogue.h says of MatmulStore; sums are those of the product times 2^shift.
Tile finishSums(KernelBuilder &kernel, const MatmulRequest &request, int shift,
                const DotSums &sums);
/// Stores what they were finished to, of all elements or of those of `isStored` (i1): of
/// nvvm::storedColumns neighbours all or none.
void storeFinished(KernelBuilder &kernel, const MatmulRequest &request, const DotSums &finished,
                   Tile isStored = {});

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_DOTEPILOGUE_H
