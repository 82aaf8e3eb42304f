//===- Diagnostics.h - MLIR's and LLVM's messages as plain data --*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_DIAGNOSTICS_H
#define QUADRILLE_TARGET_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"
#include "quadrille/Target/Compile.h"

namespace llvm {
class LLVMContext;
}

namespace quadrille {

/// The innermost file position in `location`; empty file if there is none. A
/// call site gives its callee, a fused location its first part with a file.
mlir::FileLineColLoc findFileLocation(mlir::Location location);

/// While it lives, collects what MLIR reports on `context` into `diagnostics`,
/// where the caller may add messages of its own.
class DiagnosticCollector {
public:
  DiagnosticCollector(mlir::MLIRContext &context, std::vector<Diagnostic> &diagnostics);

  /// Sends errors and warnings of LLVM IR passes and code generation to the
  /// same list.
  void attach(llvm::LLVMContext &context);

private:
  std::vector<Diagnostic> &diagnostics;
  mlir::ScopedDiagnosticHandler handler;
};

/// Appends an error without a location.
void addError(std::vector<Diagnostic> &diagnostics, const llvm::Twine &message);

} // namespace quadrille

#endif // QUADRILLE_TARGET_DIAGNOSTICS_H
