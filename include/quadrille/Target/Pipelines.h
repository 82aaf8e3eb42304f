//===- Pipelines.h - Named pass pipelines -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_PIPELINES_H
#define QUADRILLE_TARGET_PIPELINES_H

#include "llvm/ADT/StringRef.h"

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace quadrille {

/// quad to kernels and launches (`quad-to-kernels`).
void buildQuadToKernels(mlir::OpPassManager &pm);
/// Kernels to tile programs and the schedule's text (`quad-to-tile`, after the above).
void buildKernelsToTile(mlir::OpPassManager &pm, llvm::StringRef target);
/// Tile programs to the LLVM dialect (`tile-to-llvm`).
void buildTileToLLVM(mlir::OpPassManager &pm, llvm::StringRef target);

/// Registers `quad-to-host`, `quad-to-ptx`, `quad-to-amdgcn` (each with the option
/// `target`): all of the above, up to the LLVM dialect.
void registerPipelines();

} // namespace quadrille

#endif // QUADRILLE_TARGET_PIPELINES_H
