//===- Panels.h - Operands of matrix instructions in memory -----*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Large products on GPUs read operands that were converted to their carrier once, as panels of
// 128 rows, ceil(R / 128) of them; what is beyond R may be anything, what is beyond K is zero.
// A panel is ceil(K bytes / 128) pieces of 128 bytes of each row, a piece 16 groups of eight
// rows, and a group as wgmma reads it without a swizzle:
//
//   char element[16 groups][8 chunks][8 rows][16 bytes]
//
// Behind the panels of an instruction that takes scales are these: for each panel, for each 16
// bytes of a row's scales, 128 rows of 16 bytes. Elements are then padded to as many.
//
// So a piece is 16 KiB in a row, which one bulk copy takes to shared memory as it is, without
// tensor maps; and lanes that take a chunk each of eight rows read 128 bytes in a row.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_PANELS_H
#define QUADRILLE_TARGET_PANELS_H

#include <cstdint>

namespace quadrille {

constexpr int64_t panelRows = 128, pieceBytes = 128, groupRows = 8, chunkBytes = 16;
constexpr int64_t chunksOfPiece = pieceBytes / chunkBytes;
constexpr int64_t panelPieceBytes = panelRows * pieceBytes;
/// A panel's word of flags has a bit for so many rows.
constexpr int64_t flagRows = panelRows / 32;

} // namespace quadrille

#endif // QUADRILLE_TARGET_PANELS_H
