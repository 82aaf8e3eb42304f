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
#include "llvm/Support/MathExtras.h"

namespace quadrille {

/// How a product uses panels (Target/Panels.h), or why it does not.
struct PanelPlan {
  std::string whyNot;
  target::CarrierChoice choice;
  /// Multiplied by warpgroups; else by single warps (PanelDots.cpp).
  std::optional<nvvm::WarpgroupPlan> warpgroups = {};
  struct Dots {
    const TargetInfo::MmaAtom *atom;
    TargetInfo::PanelTile tile;
    int64_t stepsOfTurn; ///< of its loop

    int64_t piecesOfTurn() const { return stepsOfTurn * tile.stepBytes / pieceBytes; }
  };
  std::optional<Dots> dots = {};

  bool exists() const { return choice.mma && whyNot.empty(); }
  /// The instruction takes scales.
  bool hasScales() const { return dots && dots->atom->wordsOfScale; }
  /// Of a row. Six bits take a byte (tile.pack_six_bits).
  int64_t elementsOfPiece() const {
    return 8 * pieceBytes / int64_t(llvm::PowerOf2Ceil(choice.a.carrier->storageBits));
  }
  /// Pieces are made by so many.
  int64_t piecesOfBlock() const { return dots ? dots->piecesOfTurn() : 1; }
  int64_t kBlock() const { return piecesOfBlock() * elementsOfPiece(); }
};

/// The fastest carrier that panels are made in.
PanelPlan planPanels(const TargetInfo &target, const target::Capability &capability,
                     quad::MatmulOp op);
PanelPlan planPanels(const TargetInfo &target, const target::Capability &capability,
                     quad::PrepareOp op);

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
