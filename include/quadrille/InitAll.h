//===- InitAll.h - Registration of dialects and passes ----------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_INITALL_H
#define QUADRILLE_INITALL_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace quadrille {

/// Registers the dialects of this project and the upstream ones that its
/// programs and lowerings use.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Registers the passes of this project, and the pipelines made of them, under
/// their command-line names.
void registerAllPasses();

} // namespace quadrille

#endif // QUADRILLE_INITALL_H
