//===- FuseElementwise.cpp - Elementwise code into what computes ----------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Fuse.h"
#include "quadrille/Dialect/Quad/IR/QuadOps.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace quadrille::quad;

static bool isOnlyReadBy(Value value, Operation *op) {
  return llvm::all_of(value.getUsers(), [op](Operation *user) { return user == op; });
}

/// True if `value`, an input of `op`, has an element for each of its result.
static bool hasItsShape(Value value, MapOp op) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getRank() == 2 &&
         llvm::all_of(llvm::zip(type.getShape(), op.getType().getShape()), [](auto sizes) {
           return std::get<0>(sizes) != 1 || std::get<1>(sizes) == 1;
         });
}

namespace {
/// Builds the region of an operation that computes in one what several did.
class FusedBody {
public:
  /// `numLeading` arguments come before those for `inputs`.
  FusedBody(OpBuilder &b, Region &region, ArrayRef<Value> inputs, unsigned numLeading)
      : b(b), inputs(inputs), numLeading(numLeading) {
    SmallVector<Type> types(numLeading + inputs.size(), b.getF32Type());
    SmallVector<Location> locations(types.size(), region.getLoc());
    block = b.createBlock(&region, {}, types, locations);
  }

  Value leadingArgument() const { return block->getArgument(0); }
  /// The argument for an input.
  Value argumentOf(Value input) const {
    return block->getArgument(numLeading + (llvm::find(inputs, input) - inputs.begin()));
  }
  /// `source` on these values; what it yields.
  Value inlineBody(Region &source, ArrayRef<Value> arguments) {
    IRMapping mapping;
    mapping.map(source.getArguments(), arguments);
    for (Operation &op : source.front().without_terminator())
      b.clone(op, mapping);
    return mapping.lookupOrDefault(source.front().getTerminator()->getOperand(0));
  }
  /// What reading a result again that was written as `type` would give.
  Value roundTo(RankedTensorType type, Value value) {
    if (type.getElementType().isF32())
      return value;
    return RoundOp::create(b, value.getLoc(), value, type.getElementType());
  }
  /// The body of `op`, with `value` in place of its input `fused`.
  Value inlineMap(MapOp op, Value fused, Value value) {
    return inlineBody(op.getBody(), llvm::map_to_vector(op.getInputs(), [&](Value input) {
                        return input == fused ? value : argumentOf(input);
                      }));
  }
  void yield(Location loc, Value value) { YieldOp::create(b, loc, value); }

private:
  OpBuilder &b;
  ArrayRef<Value> inputs;
  unsigned numLeading;
  mlir::Block *block;
};
} // namespace

/// The inputs of `op` but `fused`, after `first`; each once.
static SmallVector<Value> joinInputs(ValueRange first, MapOp op, Value fused) {
  llvm::SetVector<Value> inputs(first.begin(), first.end());
  for (Value input : op.getInputs())
    if (input != fused)
      inputs.insert(input);
  return inputs.takeVector();
}

/// Elementwise code that makes an input of `op`, for nothing else. If the input
/// repeats it is computed for each element: cheaper than a kernel of its own.
static MapOp findMap(MapOp op) {
  for (Value input : op.getInputs())
    if (auto producer = input.getDefiningOp<MapOp>(); producer && isOnlyReadBy(input, op))
      return producer;
  return {};
}

static LogicalResult fuseIntoMap(MapOp op, PatternRewriter &rewriter) {
  MapOp producer = findMap(op);
  if (!producer)
    return failure();
  Value result = producer.getResult();
  SmallVector<Value> inputs = joinInputs(producer.getInputs(), op, result);
  auto fused = MapOp::create(rewriter, op.getLoc(), op.getType(), inputs);
  {
    OpBuilder::InsertionGuard guard(rewriter);
    FusedBody body(rewriter, fused.getBody(), inputs, 0);
    Value value = body.inlineBody(
        producer.getBody(), llvm::map_to_vector(producer.getInputs(),
                                                [&](Value v) { return body.argumentOf(v); }));
    value = body.roundTo(producer.getType(), value);
    body.yield(op.getLoc(), body.inlineMap(op, result, value));
  }
  rewriter.replaceOp(op, fused);
  rewriter.eraseOp(producer);
  return success();
}

/// The last product among the inputs of `op` that nothing else reads.
static MatmulOp findProduct(MapOp op) {
  MatmulOp last;
  for (Value input : op.getInputs()) {
    auto product = input.getDefiningOp<MatmulOp>();
    if (product && product->getBlock() == op->getBlock() && isOnlyReadBy(input, op) &&
        hasItsShape(input, op) && (!last || last->isBeforeInBlock(product)))
      last = product;
  }
  return last;
}

static LogicalResult fuseIntoMatmul(MapOp op, PatternRewriter &rewriter) {
  MatmulOp product = findProduct(op);
  if (!product)
    return failure();
  Value result = product.getResult();
  SmallVector<Value> inputs = joinInputs(product.getEpilogueInputs(), op, result);
  auto fused = MatmulOp::create(rewriter, product.getLoc(), op.getType(), product.getLhs(),
                                product.getRhs(), product.getBias(), product.getAcc(),
                                product.getGroups(), inputs, product.getExact(), product.getAccum());
  {
    OpBuilder::InsertionGuard guard(rewriter);
    FusedBody body(rewriter, fused.getEpilogue(), inputs, 1);
    Value value = body.leadingArgument();
    if (!product.getEpilogue().empty()) {
      SmallVector<Value> arguments = {value};
      for (Value input : product.getEpilogueInputs())
        arguments.push_back(body.argumentOf(input));
      value = body.inlineBody(product.getEpilogue(), arguments);
    }
    value = body.roundTo(cast<RankedTensorType>(product.getType()), value);
    body.yield(op.getLoc(), body.inlineMap(op, result, value));
  }
  rewriter.replaceOp(op, fused);
  rewriter.eraseOp(product);
  return success();
}

void quadrille::quad::populateFuseElementwisePatterns(RewritePatternSet &patterns) {
  patterns.add(fuseIntoMap);
  patterns.add(fuseIntoMatmul);
}
