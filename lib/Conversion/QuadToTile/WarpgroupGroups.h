//===- WarpgroupGroups.h - Products of groups by wgmma -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lhs has panels as if there were no groups. Of groups of rows every tile of rows is multiplied
// once for each group that has some of them, by the panels of that group's expert, and stores
// those. Of groups of the contraction each is multiplied where it lies in the pieces of panels,
// whose other steps count as zeros. Offsets, of which all that depends, are read by kernels alone.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_WARPGROUPGROUPS_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_WARPGROUPGROUPS_H

#include "MatmulKernel.h"
#include "quadrille/Target/NVVM/Matmul.h"

namespace quadrille {

class WarpgroupGroups {
public:
  /// Launches the kernel that makes the table, and checks what a call has to have.
  WarpgroupGroups(ScheduleBuilder &s, const nvvm::WarpgroupPlan &plan,
                  const MatmulRequest &request, int64_t granularity);

  /// Length of the contraction as the panels of a side have it.
  mlir::Value contraction(bool isLhs) const;
  /// The rows of rhs' panels: each expert's from a panel of its own on.
  std::optional<PanelRowMap> rhsRows() const;
  /// At most so many rows of tiles.
  mlir::Value tiles() const;
  mlir::Value tileRows() const { return tileSize(&nvvm::TileSize::rows); }
  mlir::Value tileCols() const { return tileSize(&nvvm::TileSize::cols); }
  /// In a kernel, i1: tiles are wide; null: they are square.
  mlir::Value areWide(KernelBuilder &kernel) const;
  /// What they are, in a kernel.
  nvvm::TilesOfRows tilesOfRows(KernelBuilder &kernel) const;
  /// The first row of rhs, as stored, of a panel.
  mlir::Value storedRow(KernelBuilder &kernel, mlir::Value panel) const;

private:
  mlir::Value tileSize(int64_t nvvm::TileSize::*side) const;
  nvvm::TilesOfRows ofRows(KernelBuilder &kernel) const;
  nvvm::TilesOfRows ofContraction(KernelBuilder &kernel) const;

  ScheduleBuilder &s;
  const nvvm::WarpgroupPlan &plan;
  const MatmulRequest &request;
  const MatmulGroups &groups;
  mlir::Value rows;           ///< of lhs
  mlir::Value isWide;         ///< i1: tiles are; null: not
  mlir::Value log2TileRows;   ///< of groups of rows
  mlir::Value panelsOfExpert; ///< of rhs along its rows; 0 if experts lie along the contraction
  ScheduledGroups table;
};

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_WARPGROUPGROUPS_H
