//===- PanelOperands.h - Operands of large products, as panels -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_PANELOPERANDS_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_PANELOPERANDS_H

#include "MatmulKernel.h"
#include "quadrille/Target/NVVM/Matmul.h"
#include "quadrille/Target/Panels.h"

namespace quadrille {

/// How a product uses panels (Target/Panels.h), or why it does not.
struct PanelPlan {
  std::string whyNot;
  target::CarrierChoice choice;
  /// Multiplied by warpgroups; nothing: by single warps (PanelDots.cpp).
  std::optional<nvvm::WarpgroupPlan> warpgroups = {};

  bool exists() const { return choice.mma && whyNot.empty(); }
  /// Elements of a row in a piece.
  int64_t kBlock() const { return 8 * pieceBytes / choice.a.carrier->storageBits; }
};

/// quad::selectCarrier of an operation.
using SelectCarrier =
    llvm::function_ref<target::CarrierChoice(const target::SelectOptions &options)>;
/// The fastest carrier that panels are made in.
PanelPlan planPanels(const TargetInfo &target, SelectCarrier select);

/// An operand as a product reads it.
struct PanelSide {
  CarrierResult panels;
  std::optional<ScheduledTensor> packed; ///< for what the carrier does not hold
};

/// Which part of an operand a product reads.
struct PanelExtent {
  mlir::Value length; ///< of the contraction, i64
  std::optional<PanelRowMap> rows = {}; ///< nothing: all
};

/// Converts a side to panels, unless it is prepared.
mlir::FailureOr<PanelSide> emitPanelSide(ScheduleBuilder &schedule, const TargetInfo &target,
                                         mlir::ModuleOp module, llvm::StringRef name,
                                         const MatmulRequest &request, const PanelPlan &plan,
                                         bool isLhs, const PanelExtent &extent,
                                         Allocate allocate);

/// The product by single warps. The launch is after those of both sides.
mlir::LogicalResult emitPanelDots(ScheduleBuilder &schedule, const TargetInfo &target,
                                  mlir::ModuleOp module, llvm::StringRef name,
                                  const MatmulRequest &request, const PanelPlan &plan,
                                  Allocate allocate);
/// The product by wgmma, of groups too.
mlir::LogicalResult emitWarpgroupMatmul(ScheduleBuilder &schedule, const TargetInfo &target,
                                        mlir::ModuleOp module, llvm::StringRef name,
                                        const MatmulRequest &request, const PanelPlan &plan,
                                        Allocate allocate);

/// The contraction as stored of a product without groups.
mlir::Value contractionOf(const MatmulRequest &request);

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_PANELOPERANDS_H
