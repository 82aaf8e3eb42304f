//===- WarpgroupParts.h - Products by wgmma with few tiles -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A product with fewer tiles than there are clusters, or a few more, has its contraction cut into
// parts: their sums go to the workspace, and a second kernel adds them in order and finishes them.
// How many parts there are depends on the shape alone, so bits are the same on all GPUs.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_WARPGROUPPARTS_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_WARPGROUPPARTS_H

#include "MatmulKernel.h"
#include "quadrille/Target/NVVM/Matmul.h"

namespace quadrille {

class WarpgroupParts {
public:
  /// `pieces`: of a panel's contraction.
  WarpgroupParts(ScheduleBuilder &s, const nvvm::WarpgroupPlan &plan,
                 const MatmulRequest &request, mlir::Value pieces, Allocate allocate);

  /// There is one part: the product's kernel finishes its sums itself. An i1.
  mlir::Value areFinished() const;
  /// How many rows of tiles there are, of all parts.
  mlir::Value tiles() const { return s.mul(count, tilesOfRows); }
  // In the kernel of the product: what they are, and where sums go.
  nvvm::TilesOfRows describeTiles(KernelBuilder &kernel) const;
  nvvm::PartialSums sums(KernelBuilder &kernel) const;

  /// The kernel that adds sums, which are those of the product times 2^shift, and finishes them.
  /// What is flagged, if there are flags, is left out.
  void emitSum(const TargetInfo &target, mlir::ModuleOp module, llvm::StringRef name, int shift,
               mlir::Value lhsFlags, mlir::Value rhsFlags) const;

private:
  mlir::Value choose(mlir::Value tiles) const;
  mlir::Value addSums(KernelBuilder &kernel, VectorBuilder &b,
                      const MatmulElements &elements) const;

  ScheduleBuilder &s;
  const nvvm::WarpgroupPlan &plan;
  const MatmulRequest &request;
  mlir::Value rows, cols, pieces; ///< of the result, and of a panel
  mlir::Value tilesOfRows;        ///< of one part
  mlir::Value count;              ///< of parts, i64
  mlir::Value piecesOfPart;
  mlir::Value stride;  ///< of a row of sums
  mlir::Value storage; ///< count x (tilesOfRows x tile's rows) x stride sums
};

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_WARPGROUPPARTS_H
