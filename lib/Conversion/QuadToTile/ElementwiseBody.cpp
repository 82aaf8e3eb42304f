//===- ElementwiseBody.cpp - Regions on tiles and vectors -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Elementwise.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "quadrille/Numerics/Functions.h"

using namespace mlir;

namespace quadrille {
namespace {

/// numerics::FunctionProgram's machine: emits operations on values shaped as `like`.
struct ShapedMachine {
  using Value = mlir::Value;
  using Integer = mlir::Value;

  TileBuilder &t;
  Value like;

  Value constant(float value) { return t.f32(like, value); }
  Value add(Value x, Value y) { return t.addf(x, y); }
  Value sub(Value x, Value y) { return t.subf(x, y); }
  Value mul(Value x, Value y) { return t.mulf(x, y); }
  Value div(Value x, Value y) { return t.divf(x, y); }
  Value fma(Value x, Value y, Value z) { return math::FmaOp::create(t.b, t.loc, x, y, z); }
  Value abs(Value x) { return math::AbsFOp::create(t.b, t.loc, x); }
  Value copySign(Value magnitude, Value sign) { return t.op<math::CopySignOp>(magnitude, sign); }
  Value less(Value x, Value y) { return t.cmpf(arith::CmpFPredicate::OLT, x, y); }
  Value select(Value condition, Value x, Value y) { return t.select(condition, x, y); }
  Value bits(Value x) { return t.bits(x); }
  Value fromBits(Value x) { return t.fromBits(x); }
  Value addI(Value x, int32_t y) { return t.add(x, int64_t(y)); }
  Value subI(Value x, Value y) { return t.sub(x, y); }
  Value shiftLeft(Value x, unsigned n) { return t.shl(x, n); }
  Value shiftRight(Value x, unsigned n) { return t.shrS(x, n); }
};

class BodyEmitter {
public:
  BodyEmitter(OpBuilder &b, Value like) : b(b), like(like) {}

  Value emit(Region &body, ValueRange arguments) {
    mapping.map(body.getArguments(), arguments);
    for (Operation &op : body.front().without_terminator())
      mapping.map(op.getResult(0), emit(op));
    return mapping.lookup(body.front().getTerminator()->getOperand(0));
  }

private:
  Value emit(Operation &op) {
    TileBuilder t(b, op.getLoc());
    SmallVector<Value> operands =
        llvm::map_to_vector(op.getOperands(), [&](Value v) { return mapping.lookup(v); });
    auto type = cast<ShapedType>(like.getType()).clone(op.getResult(0).getType());
    if (auto constant = dyn_cast<arith::ConstantOp>(op))
      return arith::ConstantOp::create(b, op.getLoc(),
                                       DenseElementsAttr::get(type, Attribute(constant.getValue())));
    if (auto round = dyn_cast<quad::RoundOp>(op))
      return t.widen(t.narrow(operands.front(), round.getType()));
    if (auto evaluate = dyn_cast<quad::EvaluateOp>(op)) {
      ShapedMachine machine{t, like};
      return numerics::FunctionProgram(machine).emit(
          static_cast<numerics::Function>(evaluate.getFunction()), operands.front());
    }
    Operation *shaped =
        b.create(op.getLoc(), op.getName().getIdentifier(), operands, Type(type), op.getAttrs());
    return shaped->getResult(0);
  }

  OpBuilder &b;
  Value like;
  IRMapping mapping;
};

} // namespace

Value emitElementwiseBody(OpBuilder &b, Region &body, ValueRange arguments) {
  return BodyEmitter(b, arguments.front()).emit(body, arguments);
}

} // namespace quadrille
