//===- ScaleRule.cpp - A user's scale rule on tiles of blocks -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codes.h"
#include "Kernels.h"
#include "Scales.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace quadrille {
namespace {

/// Inlines a rule's body for many blocks at once: a tensor of a block's elements
/// becomes a tile (.., elements), one of rank 0 a tile (.., 1).
class RuleInliner {
public:
  RuleInliner(TileBuilder &t, Tile blocks)
      : t(t), blocks(TileBuilder::typeOf(blocks)),
        scalars(tile::reducedType(this->blocks, ofBlock)) {}

  FailureOr<RuleResult> inlineRule(quad::ScaleRuleOp rule, Tile argument) {
    mlir::Block &body = rule.getBody().front();
    mapping.map(body.getArgument(0), argument);
    for (Operation &op : body.without_terminator())
      if (failed(emit(&op)))
        return failure();
    ValueRange results = body.getTerminator()->getOperands();
    return RuleResult{get(results[0]), results.size() == 2 ? get(results[1]) : Tile()};
  }

private:
  LogicalResult emit(Operation *op);
  LogicalResult emitElementwise(Operation *op);
  void emitConstant(arith::ConstantOp op);

  Tile get(Value value) { return mapping.lookup(value); }
  /// The tile type of a tensor of the rule.
  RankedTensorType tileTypeOf(Type type) {
    auto tensor = cast<RankedTensorType>(type);
    return cast<RankedTensorType>(
        (tensor.getRank() == 0 ? scalars : blocks).clone(tensor.getElementType()));
  }

  /// The dimensions of a block; the order of sums is the specification's, by row.
  static constexpr int64_t ofBlock[] = {1, 3};

  TileBuilder &t;
  RankedTensorType blocks, scalars;
  IRMapping mapping;
};

void RuleInliner::emitConstant(arith::ConstantOp op) {
  auto value = cast<SplatElementsAttr>(op.getValue());
  auto type = tileTypeOf(op.getType());
  mapping.map(op.getResult(), arith::ConstantOp::create(
                      t.b, t.loc, DenseElementsAttr::get(type, value.getSplatValue<Attribute>()))
                      .getResult());
}

LogicalResult RuleInliner::emitElementwise(Operation *op) {
  if (!op->hasTrait<OpTrait::Elementwise>() || op->getNumResults() != 1)
    return op->emitOpError("cannot be part of a scale rule: use elementwise operations, "
                           "constants, block_reduce, splat, round_to_grid and round_to_scale");
  SmallVector<Value> operands =
      llvm::map_to_vector(op->getOperands(), [&](Value v) { return get(v); });
  Operation *onTiles = t.b.create(op->getLoc(), op->getName().getIdentifier(), operands,
                                  {tileTypeOf(op->getResult(0).getType())}, op->getAttrs());
  mapping.map(op->getResult(0), onTiles->getResult(0));
  return success();
}

LogicalResult RuleInliner::emit(Operation *op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (!isa<SplatElementsAttr>(constant.getValue()))
      return op->emitOpError("must have one value for all elements in a scale rule");
    emitConstant(constant);
    return success();
  }
  if (auto reduce = dyn_cast<quad::BlockReduceOp>(op)) {
    auto kind = reduce.getKind() == quad::ReduceKind::Max ? tile::Reduction::maximumf
                                                          : tile::Reduction::addf;
    mapping.map(reduce.getResult(),
                t.reduce(kind, get(reduce.getInput()), ofBlock));
    return success();
  }
  if (auto splat = dyn_cast<quad::SplatOp>(op)) {
    mapping.map(splat.getResult(), t.broadcast(get(splat.getInput()), blocks));
    return success();
  }
  if (auto round = dyn_cast<quad::RoundToGridOp>(op)) {
    Grid grid = round.getGrid().toGrid();
    Tile codes = encodeGrid(t, grid, round.getRounding().toRounding(), get(round.getInput()));
    mapping.map(round.getResult(), decodeGrid(t, grid, codes));
    return success();
  }
  if (auto round = dyn_cast<quad::RoundToScaleOp>(op)) {
    quad::ScaleAttr scale = round.getScale();
    Tile encoding = encodeScale(t, scale.getType(), scale.getBits(), get(round.getInput()),
                                scale.getRule() == ScaleRule::Up);
    mapping.map(round.getResult(), decodeScale(t, scale.getType(), encoding));
    return success();
  }
  return emitElementwise(op);
}

} // namespace

FailureOr<RuleResult> emitScaleRule(TileBuilder &t, quad::ScaleRuleOp rule, Tile blocks) {
  return RuleInliner(t, blocks).inlineRule(rule, blocks);
}

} // namespace quadrille
