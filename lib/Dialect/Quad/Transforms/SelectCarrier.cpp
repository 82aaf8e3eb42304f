//===- SelectCarrier.cpp - The matrix instruction of each matmul ----------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Dialect/Quad/Transforms/SelectCarrier.h"
#include "quadrille/Dialect/Quad/IR/QuadOps.h"
#include "quadrille/Dialect/Quad/Transforms/Passes.h"

#include "mlir/IR/Builders.h"

#include <optional>

namespace quadrille::quad {
#define GEN_PASS_DEF_QUADSELECTCARRIER
#include "quadrille/Dialect/Quad/Transforms/Passes.h.inc"
} // namespace quadrille::quad

using namespace mlir;
using namespace quadrille;
using namespace quadrille::quad;

static std::optional<Format> formatOf(Value operand) {
  if (QuantizedTensorType type = getQuantizedType(operand.getType()))
    return type.getFormat().toFormat();
  return std::nullopt;
}

static target::Operand asOperand(Type element) {
  StringRef name = element.isBF16() ? "bf16" : element.isF16() ? "f16" : "f32";
  return *target::lookupCarrierType(name);
}

static target::Operand asOperand(Value value, const std::optional<Format> &format) {
  if (format)
    return *format;
  return asOperand(cast<RankedTensorType>(value.getType()).getElementType());
}

static target::Accumulation asAccumulation(Accum accum) {
  switch (accum) {
  case Accum::Default:
    return target::Accumulation::Default;
  case Accum::F32:
    return target::Accumulation::F32;
  case Accum::Promote128:
    return target::Accumulation::Promote128;
  case Accum::Fast:
    return target::Accumulation::Fast;
  }
  llvm_unreachable("all ways are listed");
}

target::CarrierChoice quad::selectCarrier(MatmulOp op, const target::Capability &target,
                                          target::SelectOptions options) {
  std::optional<Format> lhs = formatOf(op.getLhs()), rhs = formatOf(op.getRhs());
  options.exact = op.getExact();
  options.accumulation = asAccumulation(op.getAccum());
  return target::selectCarrier(target, asOperand(op.getLhs(), lhs), asOperand(op.getRhs(), rhs),
                               options);
}

target::CarrierChoice quad::selectCarrier(PrepareOp op, const target::Capability &target,
                                          target::SelectOptions options) {
  options.exact = op.getExact();
  Format own = op.getInput().getType().getFormat().toFormat();
  std::optional<Format> format;
  if (auto attribute = dyn_cast<FormatAttr>(op.getOther()))
    format = attribute.toFormat();
  target::Operand other = format ? target::Operand(*format)
                                 : asOperand(cast<TypeAttr>(op.getOther()).getValue());
  if (op.getSide() == OperandSide::LHS)
    return target::selectCarrier(target, own, other, options);
  return target::selectCarrier(target, other, own, options);
}

/// The choice as an attribute, for people and later passes.
static DictionaryAttr asAttribute(const target::CarrierChoice &choice, Builder builder) {
  auto string = [&](std::string_view text) { return builder.getStringAttr(StringRef(text)); };
  auto side = [&](const target::OperandPlan &plan) {
    return builder.getDictionaryAttr(
        {builder.getNamedAttr("carrier", string(plan.carrier->name)),
         builder.getNamedAttr("scales", string(target::scaleApplicationName(plan.application)))});
  };
  SmallVector<NamedAttribute> entries = {
      builder.getNamedAttr("instruction", string(choice.mma->name)),
      builder.getNamedAttr("lhs", side(choice.a)),
      builder.getNamedAttr("rhs", side(choice.b)),
  };
  if (choice.kBlock)
    entries.push_back(
        builder.getNamedAttr("k_block", builder.getI64IntegerAttr(choice.kBlock)));
  if (choice.promote)
    entries.push_back(builder.getNamedAttr("promote", builder.getI64IntegerAttr(128)));
  return builder.getDictionaryAttr(entries);
}

static void emitCarrierRemark(MatmulOp op, const target::CarrierChoice &choice) {
  InFlightDiagnostic diagnostic = op.emitRemark("carrier ");
  diagnostic << target::describe(choice) << ": " << choice.why;
  if (choice.alternatives.empty())
    return;
  Diagnostic &note = diagnostic.attachNote(op.getLoc());
  note << "faster with ";
  llvm::interleaveComma(choice.alternatives, note);
}

namespace {
struct QuadSelectCarrier : quadrille::quad::impl::QuadSelectCarrierBase<QuadSelectCarrier> {
  using QuadSelectCarrierBase::QuadSelectCarrierBase;

  void runOnOperation() override {
    // Programs without a product run on targets without an entry in the table.
    const target::Capability *capability = target::lookupCapability(target.getValue());
    WalkResult result = getOperation()->walk([&](MatmulOp op) {
      if (!capability) {
        op.emitOpError(target::unknownTarget(target.getValue()));
        return WalkResult::interrupt();
      }
      target::SelectOptions options;
      options.minimumRate = minimumRate;
      target::CarrierChoice choice = selectCarrier(op, *capability, options);
      if (choice.refused()) {
        op.emitOpError(choice.refusal);
        return WalkResult::interrupt();
      }
      op->setAttr("quad.carrier", asAttribute(choice, Builder(op.getContext())));
      emitCarrierRemark(op, choice);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
