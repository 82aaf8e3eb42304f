//===- FuseHadamard.cpp - Rotations into what reads them ------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Fuse.h"
#include "quadrille/Dialect/Quad/IR/QuadOps.h"
#include "quadrille/Dialect/Quad/Transforms/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quadrille::quad {
#define GEN_PASS_DEF_QUADFUSE
#include "quadrille/Dialect/Quad/Transforms/Passes.h.inc"
} // namespace quadrille::quad

using namespace mlir;
using namespace quadrille::quad;

/// The rotation that made the input of `op`, unless `op` rotates by itself.
template <typename Op> static HadamardOp rotationOf(Op op) {
  if (op.getSigns())
    return {};
  return op.getInput().template getDefiningOp<HadamardOp>();
}

template <typename Op>
static void absorb(Op op, HadamardOp rotation, PatternRewriter &rewriter) {
  rewriter.modifyOpInPlace(op, [&] {
    op.getInputMutable().assign(rotation.getInput());
    op.getSignsMutable().assign(rotation.getSigns());
  });
}

/// Zeros beyond the end are rotated with the rest once the quantize rotates,
/// which may change their sign.
static bool zeroExtends(QuantizeOp op) {
  return op.getPad() && op.getType().getPadded() != 0 &&
         op.getType().getPadded() != op.getType().getAxisLength();
}

static LogicalResult fuseIntoQuantize(QuantizeOp op,
                                      PatternRewriter &rewriter) {
  HadamardOp rotation = rotationOf(op);
  if (!rotation || rotation.getAxis() != op.getAxis() || zeroExtends(op))
    return failure();
  RHTAttr rht = op.getRhtAttr();
  if (!rht || rotation.getSigns().getType().getDimSize(0) != rht.getSize())
    return failure();
  absorb(op, rotation, rewriter);
  return success();
}

static LogicalResult fuseIntoAmax(AmaxOp op, PatternRewriter &rewriter) {
  HadamardOp rotation = rotationOf(op);
  if (!rotation || op.getGroups()) // a group would be rotated by itself
    return failure();
  absorb(op, rotation, rewriter);
  // Without signs the axis does not matter: take the one rotated along.
  op.setAxis(rotation.getAxis());
  return success();
}

void quadrille::quad::populateFuseHadamardPatterns(RewritePatternSet &patterns) {
  patterns.add(fuseIntoQuantize);
  patterns.add(fuseIntoAmax);
}

namespace {
struct QuadFuse : quadrille::quad::impl::QuadFuseBase<QuadFuse> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateFuseHadamardPatterns(patterns);
    populateFuseElementwisePatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
