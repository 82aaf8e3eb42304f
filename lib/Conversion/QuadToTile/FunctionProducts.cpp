//===- FunctionProducts.cpp - Launches of products -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FunctionLowering.h"

using namespace mlir;

namespace quadrille {

LogicalResult FunctionLowering::lower(quad::PrepareOp op, quad::LaunchOp launch) {
  Value result = launch.getResult(0);
  if (prepared.contains(result)) // by the kernel that quantized it
    return success();
  PrepareRequest request = prepareRequest(launch, op);
  request.operand = matmulOperand(launch, op.getInput(), "_scales");
  auto allocateBytes = [&](Value bytes) { return allocate(bytes, b.getI8Type(), 1); };
  FailureOr<ScheduledPrepared> made =
      emitPrepare(s, target, spec, module, launch.getCallee(), request, allocateBytes);
  if (failed(made))
    return failure();
  prepared[result] = *made;
  return success();
}

/// An operand of a product, with row-major scales.
MatmulOperand FunctionLowering::matmulOperand(quad::LaunchOp launch, Value inKernel,
                                              StringRef suffix) {
  Value operand = operandOf(launch, inKernel);
  MatmulOperand result;
  if (auto type = dyn_cast<quad::QuantizedTensorType>(inKernel.getType()))
    result.quantized = withRowMajorScales(launch, tensorOf(launch, inKernel), type, suffix);
  else if (isa<quad::PreparedType>(inKernel.getType()))
    result.prepared = prepared[operand];
  else
    result.plain = matrices[operand];
  return result;
}

MatmulGroups FunctionLowering::matmulGroups(quad::LaunchOp launch, quad::MatmulOp op,
                                            const MatmulOperand &lhs, const MatmulOperand &rhs) {
  MatmulGroups groups;
  Value offsets = op.getGroups();
  groups.count = groupCount(launch, offsets);
  groups.makeTable = [this, launch, offsets, count = groups.count](
                         Value length, Value multiple, GroupExtent extent, StringRef suffix) {
    return groupTable(launch, offsets, count, length, multiple, extent, suffix);
  };
  quad::QuantizedTensorType left = quad::getQuantizedType(op.getLhs().getType());
  if (left && left.getGrouped()) {
    groups.ofContraction = true;
    return groups;
  }
  s.check(s.isLess(s.constant(0), groups.count), "a product of groups needs at least one group");
  groups.length = lhs.storedLength();
  if (!groups.length) // zeros follow, as many as the other side has
    groups.length = s.roundUp(lhs.plain->sizes[1],
                              quad::getQuantizedType(op.getRhs().getType()).getGranularity());
  Value length = rhs.plain ? rhs.plain->sizes[0] : rhs.storedLength();
  Value isStacked = s.isLess(groups.length, length);
  Value all = s.select(isStacked, s.mul(groups.length, groups.count), length);
  s.check(s.isEqual(all, length), "the contraction of b must have the length of a's, or that "
                                  "times the number of groups");
  Value rows = rhs.outerSize(1);
  Value perExpert = s.select(isStacked, s.constant(0), s.div(rows, groups.count));
  s.check(s.isEqual(s.select(isStacked, rows, s.mul(perExpert, groups.count)), rows),
          "b must have a multiple of the number of groups of columns, as many for each expert");
  groups.expertRows = perExpert;
  groups.expertLength = s.select(isStacked, groups.length, s.constant(0));
  return groups;
}

LogicalResult FunctionLowering::lower(quad::MatmulOp op, quad::LaunchOp launch) {
  MatmulOperand sides[2] = {matmulOperand(launch, op.getLhs(), "_lhs_scales"),
                            matmulOperand(launch, op.getRhs(), "_rhs_scales")};
  Value m = sides[0].outerSize(0), n = sides[1].outerSize(1);
  std::optional<MatmulGroups> groups;
  if (op.getGroups()) {
    groups = matmulGroups(launch, op, sides[0], sides[1]);
    if (groups->ofContraction)
      m = s.mul(groups->count, m);
    else
      n = s.select(s.isEqual(groups->expertRows, s.constant(0)), n, groups->expertRows);
  }
  ScheduledMatrix result = resultMatrix(launch.getResult(0), m, n);
  if (groups && !groups->ofContraction) // one expert's
    result.divisors[1] = 1;
  else if (sides[1].plain)
    result.divisors[1] = sides[1].plain->divisors[1];
  else
    result.divisors[1] = sides[1].quantized ? sides[1].quantized->rowsDivisor
                                            : sides[1].prepared->rowsDivisor;
  MatmulRequest request{op, sides[0], sides[1], {}, {}, result, groups};
  for (Value addend : {Value(op.getBias()), Value(op.getAcc())})
    if (addend)
      request.addends.push_back(
          makeOperand(cast<RankedTensorType>(addend.getType()), matrixOf(launch, addend)));
  if (!op.getEpilogue().empty()) {
    Type element = cast<RankedTensorType>(op.getType()).getElementType();
    auto epilogue = scheduledMap(launch, op.getEpilogue(), op.getEpilogueInputs(), element);
    if (failed(epilogue))
      return failure();
    request.epilogue = std::move(*epilogue);
  }
  if (!groups)
    request.quantized = planQuantized(launch.getResult(0));
  auto allocateBytes = [&](Value bytes) {
    return allocate(s.conditional(bytes), b.getI8Type(), 1);
  };
  return emitMatmul(s, target, spec, module, launch.getCallee(), request, allocateBytes);
}

} // namespace quadrille
