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

class OrderByUsePass : public impl::OrderByUseBase<OrderByUsePass> {
public:
  void runOnOperation() override {
    getOperation()->walk([](mlir::Block *block) {
      // From the end, so that a user already stands where it stays.
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
        if (op.getNumResults() == 1 && op.hasOneUse() && op.getNumRegions() == 0 && isPure(&op))
          if (Operation *user = *op.user_begin(); user->getBlock() == block)
            op.moveBefore(user);
    });
  }
};

} // namespace
} // namespace quadrille
