//===- MatrixInstruction.h - MFMA and WMMA ----------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_TARGET_ROCDL_MATRIXINSTRUCTION_H
#define QUADRILLE_LIB_TARGET_ROCDL_MATRIXINSTRUCTION_H

#include "quadrille/Target/TargetInfo.h"

namespace quadrille::rocdl {

/// An instruction by which a wave multiplies, and its intrinsic.
struct MatrixInstruction {
  /// The intrinsic's parameters besides the fragments.
  enum Form : uint8_t {
    MFMA,         ///< a, b, acc, cbsz, abid, blgp
    WMMA,         ///< a, b, acc
    WMMAModified, ///< neg a, a, neg b, b, modifier of acc, acc, reuse a, reuse b
  };

  llvm::StringLiteral targets; ///< what their names start with
  llvm::StringLiteral carrier;
  llvm::StringLiteral intrinsic;
  Form form;
  bool isBF16; ///< operands are of type bf16 to LLVM, or of i16
  TargetInfo::MmaAtom atom;
};

/// The one of a target's processor, such as gfx942; null if there is none.
const MatrixInstruction *findMatrixInstruction(llvm::StringRef cpu, llvm::StringRef carrier);

/// The accumulators after `instruction`; all in the order of the atom's registers.
llvm::SmallVector<mlir::Value> emitMatrixInstruction(mlir::OpBuilder &b, mlir::Location loc,
                                                     const MatrixInstruction &instruction,
                                                     mlir::ValueRange lhs, mlir::ValueRange rhs,
                                                     mlir::ValueRange acc);

} // namespace quadrille::rocdl

#endif // QUADRILLE_LIB_TARGET_ROCDL_MATRIXINSTRUCTION_H
