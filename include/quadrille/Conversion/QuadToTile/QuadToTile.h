//===- QuadToTile.h - Lowering of kernels to tile programs -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_CONVERSION_QUADTOTILE_QUADTOTILE_H
#define QUADRILLE_CONVERSION_QUADTOTILE_QUADTOTILE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace quadrille {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "quadrille/Conversion/QuadToTile/Passes.h.inc"

} // namespace quadrille

#endif // QUADRILLE_CONVERSION_QUADTOTILE_QUADTOTILE_H
