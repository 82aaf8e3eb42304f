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
  /// What a fragment of an operand is to LLVM.
  enum Operand : uint8_t {
    F16,
    BF16,
    I16,   ///< in the place of bf16
    Words, ///< as they are
    I64,   ///< two words
    Bits6, ///< words as by tile.pack_six_bits, without those that are 0
  };
  /// The intrinsic's parameters besides the fragments.
  enum Form : uint8_t {
    MFMA,         ///< a, b, acc, cbsz, abid, blgp
    ScaledMFMA,   ///< a, b, acc, type of a, type of b, and of each operand byte and scales
    ScaleOfOne,   ///< ScaledMFMA without scales, which LLVM makes the instruction that takes none
    WMMA,         ///< a, b, acc
    WMMAScaled,   ///< of each operand type and a, modifier of acc, acc, of each operand half of the
                  ///< lanes, type and words of scales, reuse a, reuse b
    WMMAScaled16, ///< WMMAScaled with two words of scales
    WMMAInteger,  ///< a is signed, a, b is signed, b, acc, clamp
    WMMAModified, ///< neg a, a, neg b, b, modifier of acc, acc, reuse a, reuse b
    WMMAOfBytes,  ///< a, b, modifier of acc, acc, reuse a, reuse b
    WMMAOfSigned, ///< a is signed, a, b is signed, b, acc, reuse a, reuse b, clamp
  };

  llvm::StringLiteral targets; ///< what their names start with
  llvm::StringLiteral carrier; ///< as TargetInfo::mmaAtom has it
  llvm::StringLiteral intrinsic;
  Form form;
  Operand operand;
  TargetInfo::MmaAtom atom;
  int type = 0; ///< of f8f6f4: the number of both operands' type
};

/// The one of a target's processor, such as gfx942; null if there is none.
const MatrixInstruction *findMatrixInstruction(llvm::StringRef cpu, llvm::StringRef carrier);

/// The accumulators after `instruction`; all in the order of the atom's registers.
llvm::SmallVector<mlir::Value> emitMatrixInstruction(mlir::OpBuilder &b, mlir::Location loc,
                                                     const MatrixInstruction &instruction,
                                                     const TargetInfo::MmaFragment &lhs,
                                                     const TargetInfo::MmaFragment &rhs,
                                                     mlir::ValueRange acc);

} // namespace quadrille::rocdl

#endif // QUADRILLE_LIB_TARGET_ROCDL_MATRIXINSTRUCTION_H
