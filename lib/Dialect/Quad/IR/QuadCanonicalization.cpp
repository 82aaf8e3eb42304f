//===- QuadCanonicalization.cpp - Rewrites that keep every bit ------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Dialect/Quad/IR/QuadOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace quadrille::quad;

/// The operations that widen their input to f32 take a narrow one as it is:
/// widening is exact, and the narrow tensor is fewer bytes to read.
template <typename Op>
static LogicalResult takeNarrowInput(Op op, PatternRewriter &rewriter) {
  auto widen = op.getInput().template getDefiningOp<arith::ExtFOp>();
  if (!widen)
    return failure();
  Type narrow = getElementTypeOrSelf(widen.getIn().getType());
  if (!narrow.isBF16() && !narrow.isF16())
    return failure();
  rewriter.modifyOpInPlace(op,
                           [&] { op.getInputMutable().assign(widen.getIn()); });
  return success();
}

LogicalResult HadamardOp::canonicalize(HadamardOp op,
                                       PatternRewriter &rewriter) {
  return takeNarrowInput(op, rewriter);
}

LogicalResult AmaxOp::canonicalize(AmaxOp op, PatternRewriter &rewriter) {
  return takeNarrowInput(op, rewriter);
}

LogicalResult QuantizeOp::canonicalize(QuantizeOp op,
                                       PatternRewriter &rewriter) {
  return takeNarrowInput(op, rewriter);
}

/// transpose(transpose(x)) is x: nothing moved in the first place.
OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (auto inner = getInput().getDefiningOp<TransposeOp>())
    return inner.getInput();
  return {};
}
