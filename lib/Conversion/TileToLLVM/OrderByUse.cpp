//===- OrderByUse.cpp - Arithmetic next to its only use -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Conversion/TileToLLVM/TileToLLVM.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace quadrille {
#define GEN_PASS_DEF_ORDERBYUSE
#include "quadrille/Conversion/TileToLLVM/Passes.h.inc"

using namespace mlir;

namespace {

/// Whether `op` can stand anywhere before what alone uses it, in the same block.
bool isMovable(Operation *op) {
  return op->getNumResults() == 1 && op->hasOneUse() && op->getNumRegions() == 0 && isPure(op) &&
         (*op->user_begin())->getBlock() == op->getBlock();
}

/// Moves what `root` alone uses to right before it, the first operand's first.
void gatherOperands(Operation *root) {
  SmallVector<Operation *> users{root};
  while (!users.empty()) {
    Operation *user = users.pop_back_val();
    for (Value operand : user->getOperands()) {
      Operation *definition = operand.getDefiningOp();
      if (!definition || !isMovable(definition))
        continue;
      definition->moveBefore(user);
      users.push_back(definition);
    }
  }
}

class OrderByUsePass : public impl::OrderByUseBase<OrderByUsePass> {
public:
  void runOnOperation() override {
    getOperation()->walk([](mlir::Block *block) {
      // What moves does so when its user is reached.
      for (Operation &op : llvm::make_early_inc_range(*block))
        if (!isMovable(&op))
          gatherOperands(&op);
    });
  }
};

} // namespace
} // namespace quadrille
