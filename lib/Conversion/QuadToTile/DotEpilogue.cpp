//===- DotEpilogue.cpp - From sums of tile.dot to a result -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "DotEpilogue.h"
#include "Elementwise.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <cmath>

using namespace mlir;

namespace quadrille {

/// What all sums are multiplied by: 2^-shift and the scales of tensors; null for 1.
static Value factorOf(KernelBuilder &kernel, const MatmulRequest &request, int shift) {
  OpBuilder &b = kernel.body;
  Value factor;
  if (shift)
    factor = arith::ConstantOp::create(b, kernel.loc,
                                       b.getF32FloatAttr(std::ldexp(1.0f, -shift)));
  quad::MatmulOp op = request.op;
  const MatmulOperand *operands[] = {&request.lhs, &request.rhs};
  const Value values[] = {op.getLhs(), op.getRhs()};
  for (auto [operand, own] : llvm::zip_equal(operands, values)) {
    std::optional<Format> format = formatOf(own);
    if (!format || !format->hasTensorLevel())
      continue;
    Value scale = LLVM::LoadOp::create(b, kernel.loc, b.getF32Type(),
                                       kernel.pass(operand->tensorScale()));
    factor = factor ? Value(arith::MulFOp::create(b, kernel.loc, factor, scale)) : scale;
  }
  return factor;
}

Tile finishSums(KernelBuilder &kernel, const MatmulRequest &request, int shift,
                const DotSums &sums) {
  TileBuilder t(kernel.body, kernel.loc);
  Tile value = sums.value;
  ArrayRef<int64_t> shape = TileBuilder::shapeOf(value);
  Tiling tiling{{shape[0], shape[1]}, tile::getLayout(TileBuilder::typeOf(value))};
  auto load = [&](const ScheduledOperand &operand) {
    return loadOperand(kernel, operand, /*axis=*/1, tiling, sums.row, sums.column);
  };
  if (Value factor = factorOf(kernel, request, shift))
    value = t.mulf(value, tile::SplatOp::create(t.b, t.loc, value.getType(), factor));
  for (const ScheduledOperand &addend : request.addends)
    value = t.addf(value, load(addend));
  if (!request.epilogue)
    return value;
  SmallVector<Value> arguments{value};
  for (const ScheduledOperand &operand : request.epilogue->operands)
    arguments.push_back(load(operand));
  return emitElementwiseBody(t.b, *request.epilogue->body, arguments);
}

void storeFinished(KernelBuilder &kernel, const MatmulRequest &request, const DotSums &finished,
                   Tile isStored) {
  TileBuilder t(kernel.body, kernel.loc);
  Type element = cast<tile::BufferType>(request.result.buffer.getType()).getElementType();
  const ScheduledMatrix &result = request.result;
  storeDense(kernel, t.narrow(finished.value, element, kernel.target.roundsToBF16()),
             kernel.pass(result.buffer), finished.row, finished.column,
             kernel.pass(result.sizes[0]), kernel.pass(result.sizes[1]), result.divisors[1],
             isStored);
}

} // namespace quadrille
