//===- Matmul.h - Matrix product kernels for Hopper -------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds, in upstream dialects and inline PTX, the kernel of
//
//   C[M, N] = A[M, K] * B[N, K]^T
//
// by wgmma (PTX ISA, "Asynchronous warpgroup level matrix instructions"). A block is
// one warpgroup that copies and two that multiply, two blocks are a cluster, and
// clusters stay while there are tiles of C left (Runtime/Schedule.h, `cluster`).
//
// Both operands are in the workspace as panels (Target/Panels.h).
//
// Tiles. A cluster makes 256 x 256 elements of C. Its blocks have one panel of the own
// side each and share the two of the other side, half of which each block copies to both. Or
// it makes 128 x 512: blocks have two panels of B each and share one of A.
// Products of groups (TileRows) have tiles of some rows of A by one expert's panels of B, or
// of all by all over some steps of K; what else lies in a piece is taken as zeros. Of a product
// with fewer tiles than clusters, tiles are of parts of K, whose sums another kernel adds.
//
// Numerics. Each element's products are summed by the instruction in increasing k: in
// groups of 32 bytes of K with two more bits than f32 (bf16) or 13 fraction bits (fp8)
// below the largest, cut off. With `promote`, sums over 128 of k are added in f32, and so are
// sums of parts of K, in their order. All that depends on the shape alone, not on the GPU.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_NVVM_MATMUL_H
#define QUADRILLE_TARGET_NVVM_MATMUL_H

#include "quadrille/Target/MatmulEpilogue.h"
#include "quadrille/Target/Panels.h"
#include "llvm/ADT/StringRef.h"
#include <functional>
#include <optional>
#include <string>

namespace quadrille {
class TargetInfo;
class VectorBuilder;
}

namespace quadrille::nvvm {

/// An instruction takes a step of K.
constexpr int64_t stepsOfPiece = pieceBytes / (2 * chunkBytes);
/// Columns that a lane finishes at once: those that flags keep from being stored are as many.
constexpr unsigned storedColumns = 8;

/// Of C.
struct TileSize {
  int64_t rows, cols;
};

/// Every constant of a kernel.
struct WarpgroupPlan {
  std::string carrier; ///< bf16, e5m2, e4m3 or s8
  unsigned elementBytes = 2;
  bool promote = false;

  /// Nothing if wgmma has no such operands.
  static std::optional<WarpgroupPlan> get(llvm::StringRef carrier, bool promote);

  // Two sums for each element leave registers for half as wide an instruction.
  unsigned width() const { return promote ? 128 : 256; } ///< N of the instruction
  unsigned fragments() const { return promote ? 2 : 1; } ///< of 64 rows, of a warpgroup
  /// Whether the panels that the blocks of a cluster share in a square tile are A's.
  bool sharesLHS() const { return promote; }

  static constexpr unsigned multiplyingWarpgroups = 2, blocksOfCluster = 2, stages = 4;
  static constexpr unsigned threads = 128 * (1 + multiplyingWarpgroups);
  static constexpr TileSize squareTile{256, 256}, wideTile{128, 512}; ///< of a cluster
  int64_t sharedBytes() const;
  /// What wgmma leaves: whether sums are s32 instead of f32.
  bool sumsIntegers() const;
  /// Elements of a row in a piece.
  int64_t kBlock() const { return pieceBytes / elementBytes; }
};

/// What a row of tiles is the product of, i64.
struct TileRows {
  mlir::Value row;        ///< of A: the first, a multiple of the tile's rows
  mlir::Value begin, end; ///< those of A that are stored; no begin: all up to the end
  mlir::Value result;     ///< what a row of A has less than the row of C; null: nothing
  mlir::Value rhsPanel;   ///< that of column 0; null: the first
  mlir::Value lhsPiece, rhsPiece, pieces; ///< of K: where they begin in panels (null: 0)
  /// The steps of A's panels that count of these pieces; null: all.
  mlir::Value beginStep, endStep;
};
/// How many rows of tiles there are, and what they are. The code is emitted at each use.
struct TilesOfRows {
  mlir::Value count;
  std::function<TileRows(mlir::OpBuilder &, mlir::Location, mlir::Value)> at;
};

/// Where sums of parts of the contraction go as they are, f32 or s32: rows of `stride`, which
/// like their number is a multiple of a square tile's.
struct PartialSums {
  mlir::Value isUsed; ///< i1, the same for all tiles
  mlir::Value sums;   ///< !llvm.ptr
  mlir::Value stride; ///< i64
};

/// Takes finished elements in place of memory.
struct FragmentSink {
  unsigned columns; ///< of 64 rows at once, a multiple of 32 that divides WarpgroupPlan::width
  /// `values` are a lane's, f32 as they would be stored, from (row, col) of C on. Their number is,
  /// from the lowest bit: column 1, 2, 4, row 8, columns 32, 64 and so on; the lane's: columns 8
  /// and 16, rows 1, 2, 4; and the warp's in its warpgroup rows 16 and 32. Some may lie beyond C.
  std::function<void(mlir::OpBuilder &, mlir::Location, mlir::ValueRange values, mlir::Value row,
                     mlir::Value col)>
      take;
};

struct WarpgroupOperands {
  mlir::Value lhsPanels, rhsPanels; ///< !llvm.ptr
  mlir::Value m, n;                 ///< i64: rows of A, columns of C
  mlir::Value lhsPieces, rhsPieces; ///< i64: of a panel
  /// i32 by row and by column, to the end of the last panel: the sum is in units of 2^(their
  /// sum); null: of 1.
  mlir::Value rowExponents, colExponents;
  /// i32 by panel: what a row with its bit set makes is not stored; null: all is.
  mlir::Value lhsOverflow, rhsOverflow;
  mlir::Value isWide = {};                 ///< i1: tiles are wide; null: they are square
  std::optional<TilesOfRows> tiles = {};   ///< nothing: of all rows of A by all of B
  std::optional<PartialSums> partial = {}; ///< nothing: sums are finished and stored
  std::optional<FragmentSink> sink = {};   ///< of what is finished; not with groups or flags
};

/// Whether some of so many columns of a row, from `col` on and both as panels have them, are
/// left to another kernel, by the words of their panels. Of a lane's columns all are, or none.
mlir::Value isFlagged(VectorBuilder &b, mlir::Value lhsWord, mlir::Value rhsWord,
                      mlir::Value row, mlir::Value col, unsigned columns = storedColumns);
/// The word of flags of the panel with that row.
mlir::Value loadFlags(VectorBuilder &b, mlir::Value words, mlir::Value row);

/// Emits the product, each element of which is finished and stored as `store` says.
void emitMatmul(mlir::OpBuilder &builder, mlir::Location loc, const TargetInfo &target,
                const WarpgroupPlan &plan, const WarpgroupOperands &operands,
                const MatmulStore &store);

} // namespace quadrille::nvvm

#endif // QUADRILLE_TARGET_NVVM_MATMUL_H
