//===- HostGroups.h - Products of groups on the host -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every panel and every tile of the host's engine belongs to one group. Groups of rows of lhs
// (T x K) have panels of their own, and tiles; rhs has those of each expert, one behind the
// other along its rows, or blocks of each along the contraction. Of groups of the contraction
// each has its own tiles, over the blocks where it is stored. Offsets, of which all that
// depends, are read by kernels alone.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_HOSTGROUPS_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_HOSTGROUPS_H

#include "MatmulKernel.h"
#include "quadrille/Target/Host/Matmul.h"

namespace quadrille {

class HostGroups {
public:
  using PanelRowsOf =
      std::function<host::PanelRows(mlir::OpBuilder &, mlir::Location, mlir::Value)>;
  using TileRowsOf =
      std::function<host::TileRows(mlir::OpBuilder &, mlir::Location, mlir::Value)>;

  /// Launches the kernels that make the tables.
  HostGroups(ScheduleBuilder &s, const host::MatmulPlan &plan, const MatmulRequest &request,
             int64_t granularity);

  /// How many panels a side has, of groups of rows. (Of others operands are packed as they are.)
  mlir::Value panels(host::MatmulSide side);
  /// Which rows of the operand each of them has, in a kernel that packs it.
  PanelRowsOf panelRows(KernelBuilder &kernel, host::MatmulSide side);
  /// Tiles along the rows of the result, of all groups.
  mlir::Value tiles();
  /// What each of them is the product of, in the kernel that multiplies.
  TileRowsOf tileRows(KernelBuilder &kernel);

private:
  TileRowsOf tilesOfRows(KernelBuilder &kernel);
  TileRowsOf tilesOfContraction(KernelBuilder &kernel);
  /// Of `rows` positions, those of no group included, each group as a multiple of `size`.
  mlir::Value partsOf(mlir::Value rows, int64_t size);

  ScheduleBuilder &s;
  const host::MatmulPlan &plan;
  const MatmulRequest &request;
  const MatmulGroups &groups;
  mlir::Value rows;                      ///< of lhs: T, or of one group's result
  mlir::Value experts, rowsOfExpert;     ///< of rhs along its rows: one, if elsewhere
  ScheduledGroups panelTable, tileTable; ///< of rows
  ScheduledGroups table;                 ///< of the contraction
};

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_HOSTGROUPS_H
