//===- InsertAmax.cpp - The tensor amax, where the program gives none -----===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Dialect/Quad/IR/QuadOps.h"
#include "quadrille/Dialect/Quad/Transforms/Passes.h"

#include "mlir/IR/Builders.h"

namespace quadrille::quad {
#define GEN_PASS_DEF_QUADINSERTAMAX
#include "quadrille/Dialect/Quad/Transforms/Passes.h.inc"
} // namespace quadrille::quad

using namespace mlir;
using namespace quadrille::quad;

/// True if `amax` is the amax of what `op` quantizes. The axis matters only to
/// a rotation.
static bool isAmaxOf(AmaxOp amax, QuantizeOp op) {
  if (amax.getInput() != op.getInput() || amax.getSigns() != op.getSigns() ||
      amax.getGroups() != op.getGroups())
    return false;
  return (!op.getSigns() && !op.getGroups()) ||
         (amax.getAxis() == op.getAxis() && amax.getPad() == op.getPad());
}

/// An amax of what `op` quantizes that is computed before it in its block.
static AmaxOp findAmax(QuantizeOp op) {
  for (Operation *user : op.getInput().getUsers())
    if (auto amax = dyn_cast<AmaxOp>(user))
      if (amax->getBlock() == op->getBlock() && amax->isBeforeInBlock(op) &&
          isAmaxOf(amax, op))
        return amax;
  return {};
}

namespace {
struct QuadInsertAmax
    : quadrille::quad::impl::QuadInsertAmaxBase<QuadInsertAmax> {
  void runOnOperation() override {
    getOperation()->walk([](QuantizeOp op) {
      if (op.getAmax() || !op.getFormat().hasTensorLevel())
        return;
      AmaxOp amax = findAmax(op);
      if (!amax) {
        OpBuilder builder(op);
        // Zeros are no maximum.
        bool pad = (op.getSigns() || op.getGroups()) && op.getPad();
        amax = AmaxOp::create(builder, op.getLoc(), op.getInput(), op.getSigns(),
                              op.getGroups(), op.getAxis(), pad);
      }
      op.getAmaxMutable().assign(amax.getResult());
    });
  }
};
} // namespace
