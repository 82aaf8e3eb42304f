//===- Fuse.h - Patterns of quad-fuse ---------------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_DIALECT_QUAD_TRANSFORMS_FUSE_H
#define QUADRILLE_LIB_DIALECT_QUAD_TRANSFORMS_FUSE_H

#include "mlir/IR/PatternMatch.h"

namespace quadrille::quad {

/// Rotations into what reads them.
void populateFuseHadamardPatterns(mlir::RewritePatternSet &patterns);

/// Elementwise code into elementwise code, and into the product that it reads.
void populateFuseElementwisePatterns(mlir::RewritePatternSet &patterns);

} // namespace quadrille::quad

#endif // QUADRILLE_LIB_DIALECT_QUAD_TRANSFORMS_FUSE_H
