//===- QuadElementwise.cpp - Elementwise code -----------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Elementwise.h"
#include "quadrille/Dialect/Quad/IR/QuadOps.h"
#include "quadrille/Numerics/Functions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace quadrille;
using namespace quadrille::quad;

static_assert(int(quad::Function::GeluTanh) == int(numerics::Function::GeluTanh));

bool quad::isExactlySpecified(Operation *op) {
  static const llvm::StringSet<> names = {
      "arith.constant", "arith.addf",     "arith.subf",     "arith.mulf",     "arith.divf",
      "arith.negf",     "arith.maximumf", "arith.minimumf", "arith.cmpf",     "arith.select",
      "math.absf",      "math.sqrt",      "math.floor",     "math.ceil",      "math.trunc",
      "math.roundeven", "math.copysign",  "math.fma",
  };
  return names.contains(op->getName().getStringRef());
}

static bool isScalar(Type type) { return type.isF32() || type.isInteger(1); }

LogicalResult quad::verifyElementwiseBody(Operation *op, Region &body, size_t numArguments) {
  mlir::Block &block = body.front();
  if (block.getNumArguments() != numArguments ||
      !llvm::all_of(block.getArgumentTypes(), [](Type type) { return type.isF32(); }))
    return op->emitOpError() << "elementwise code must take " << numArguments
                             << " f32, one for each operand it reads; it takes ("
                             << block.getArgumentTypes() << ")";
  for (Operation &inner : block.without_terminator()) {
    if (!isExactlySpecified(&inner) && !isa<RoundOp, EvaluateOp>(inner))
      return inner.emitOpError("is not possible in elementwise code: its result differs between "
                               "machines, or it is not elementwise; quad.evaluate has exp, tanh, "
                               "erf and what is made of them");
    if (!llvm::all_of(inner.getResultTypes(), isScalar))
      return inner.emitOpError("must compute f32 in elementwise code, not ")
             << inner.getResultTypes();
  }
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield || yield.getNumOperands() != 1 || !yield.getOperand(0).getType().isF32())
    return op->emitOpError("elementwise code must yield one f32");
  return success();
}

/// Sizes of an input in two dimensions; a vector is one row.
static SmallVector<int64_t, 2> sizesOf(RankedTensorType type) {
  if (type.getRank() == 1)
    return {1, type.getDimSize(0)};
  return {type.getDimSize(0), type.getDimSize(1)};
}

LogicalResult quad::verifyElementwiseInputs(Operation *op, ValueRange inputs,
                                            RankedTensorType result) {
  for (Value input : inputs) {
    auto type = dyn_cast<RankedTensorType>(input.getType());
    if (!type)
      continue;
    for (auto [own, size] : llvm::zip_equal(sizesOf(type), result.getShape()))
      if (own != 1 && failed(verifyCompatibleDims({own, size})))
        return op->emitOpError() << "has an operand " << type << " that neither fits nor repeats in "
                                 << result;
  }
  return success();
}

/// True if the size of dimension `dim` of the result is known from an input.
static bool isSizeKnown(MapOp op, unsigned dim) {
  int64_t size = op.getType().getDimSize(dim);
  return !ShapedType::isDynamic(size) || llvm::any_of(op.getInputs(), [&](Value input) {
    auto type = dyn_cast<RankedTensorType>(input.getType());
    return type && sizesOf(type)[dim] != 1;
  });
}

LogicalResult MapOp::verify() {
  if (getInputs().empty())
    return emitOpError("needs an input");
  if (failed(verifyElementwiseInputs(*this, getInputs(), getType())))
    return failure();
  for (unsigned dim : {0, 1})
    if (!isSizeKnown(*this, dim))
      return emitOpError("has no input with the size of dimension ") << dim << " of its result";
  return verifyElementwiseBody(*this, getBody(), getInputs().size());
}
