//===- Scales.h - Encoding of scales on tiles -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_SCALES_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_SCALES_H

#include "TileBuilder.h"
#include "quadrille/Numerics/ScaleTypes.h"

namespace quadrille {

/// numerics::encodeScaleOfAmax on tiles: `amaxBits` are i32 magnitude bits; the
/// result is the encoding, i32.
Tile encodeScaleOfAmax(TileBuilder &t, const Level &level, float qmax, Tile amaxBits);

/// numerics::Flags (i32) of each block that encodeScaleOfAmax encodes: an amax that is
/// not finite, or one that wants a scale above the type's range.
Tile flagsOfAmax(TileBuilder &t, const Level &level, float qmax, Tile amaxBits);

/// The same for scales of a user's rule: `value` is what encodeScale encodes, and
/// `finite` (i1) whether the block is.
Tile flagsOfValue(TileBuilder &t, ScaleType type, unsigned bits, Tile value, Tile finite);

/// numerics::encodeScale on tiles: f32 to i32 encoding, to nearest or (`up`) not below.
Tile encodeScale(TileBuilder &t, ScaleType type, unsigned bits, Tile value, bool up = false);

/// numerics::decodeScale on tiles: i32 encoding to f32.
Tile decodeScale(TileBuilder &t, ScaleType type, Tile encoding);

/// fl(1 / decodeScale).
Tile reciprocalScale(TileBuilder &t, ScaleType type, Tile encoding);

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_SCALES_H
