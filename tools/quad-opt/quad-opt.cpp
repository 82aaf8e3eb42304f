//===- quad-opt.cpp - Runs passes on MLIR ---------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/InitAll.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  quadrille::registerAllDialects(registry);
  quadrille::registerAllPasses();

  // canonicalize, cse, symbol-dce, .. and what finishes a lowering to LLVM.
  mlir::registerTransformsPasses();
  mlir::registerReconcileUnrealizedCastsPass();

  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "Quadrille's optimizer and pass driver\n", registry));
}
