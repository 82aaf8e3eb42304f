//===- QuadDialect.cpp - The quad dialect ---------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Dialect/Quad/IR/Quad.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace quadrille::quad;

#include "quadrille/Dialect/Quad/IR/QuadDialect.cpp.inc"

void QuadDialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "quadrille/Dialect/Quad/IR/QuadOps.cpp.inc"
      >();
}
