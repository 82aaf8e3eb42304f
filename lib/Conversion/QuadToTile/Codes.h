//===- Codes.h - Rounding to a grid on tiles -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_CODES_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_CODES_H

#include "TileBuilder.h"
#include "quadrille/Numerics/Rounding.h"
#include "quadrille/Target/TargetInfo.h"

namespace quadrille {

/// numerics::GridRounder on tiles: the codes of f32 `value`, eight to an i32 word.
/// `addRandom` adds bits in [0, 2^bits) to each entry of an i32 tile, for stochastic
/// rounding. `factor`, if there is one, are powers of two that values are still to be
/// multiplied by. `largest` is what no magnitude of a finite block exceeds after that, or
/// infinity. The code of a NaN is unspecified, as are those of its block: the caller masks them.
Tile encodeWords(TileBuilder &t, const Grid &grid, const numerics::Rounding &rounding, Tile value,
                 Tile factor, float largest, llvm::function_ref<Tile(Tile)> addRandom);

/// The same codes one by one (i32), for roundings that are not stochastic.
Tile encodeGrid(TileBuilder &t, const Grid &grid, const numerics::Rounding &rounding, Tile value);

/// The grid's value of each code, by a table.
Tile decodeGrid(TileBuilder &t, const Grid &grid, Tile codes);

/// The same of words of eight codes, of which `codes` is the type: by what is fast on the target.
Tile decodeWords(TileBuilder &t, const TargetInfo &target, const Grid &grid, Tile words,
                 mlir::RankedTensorType codes);

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_CODES_H
