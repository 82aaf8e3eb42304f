//===- Passes.h - Passes of the quad dialect --------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_TRANSFORMS_PASSES_H
#define QUADRILLE_DIALECT_QUAD_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace quadrille::quad {

/// The attribute of a function, and of its kernels, that sets what tuning may choose
/// (Conversion/QuadToTile/Tuning.h): a dictionary of integers.
inline constexpr llvm::StringLiteral tuningAttr = "quad.tuning";

#define GEN_PASS_DECL
#include "quadrille/Dialect/Quad/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "quadrille/Dialect/Quad/Transforms/Passes.h.inc"

} // namespace quadrille::quad

#endif // QUADRILLE_DIALECT_QUAD_TRANSFORMS_PASSES_H
