//===- FragmentEpilogue.h - What becomes of wgmma's sums -------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums are scaled, finished (Target/MatmulEpilogue.h) and stored: those of a tile whose columns
// are all there go through shared memory, each warp's through its own, from where they are
// stored as whole runs of rows; of other tiles lanes exchange what they have.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_TARGET_NVVM_FRAGMENTEPILOGUE_H
#define QUADRILLE_LIB_TARGET_NVVM_FRAGMENTEPILOGUE_H

#include "WarpgroupBuilder.h"
#include "quadrille/Target/NVVM/Matmul.h"

namespace quadrille::nvvm {

/// What wgmma leaves: of every eight columns of 64 rows a lane has two, of rows lane / 4 and eight
/// more.
constexpr unsigned fragmentRows = 64, sumsOfLane = 2, lanesOfRow = 4, rowsOfLane = 2;

/// What stores the sums of a kernel.
struct FragmentEpilogue {
  WarpgroupBuilder &b;
  const TargetInfo &target;
  const WarpgroupPlan &plan;
  const WarpgroupOperands &operands;
  const MatmulStore &store;
  mlir::Value staging; ///< address of shared memory, bytesOfWarpgroup for each that multiplies

  static const int64_t bytesOfWarpgroup;
  using Sums = llvm::SmallVector<llvm::SmallVector<mlir::Value>>; ///< by fragment

  /// A warpgroup's part of a tile, whose first element is (row, col).
  void storeTile(const TileRows &rows, const Sums &sums, mlir::Value row, mlir::Value col) const;
};

} // namespace quadrille::nvvm

#endif // QUADRILLE_LIB_TARGET_NVVM_FRAGMENTEPILOGUE_H
