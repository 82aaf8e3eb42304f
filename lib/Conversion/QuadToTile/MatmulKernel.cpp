//===- MatmulKernel.cpp - quad.matmul -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MatmulKernel.h"
#include "Elementwise.h"
#include "PanelOperands.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "quadrille/Dialect/Quad/Transforms/SelectCarrier.h"
#include "quadrille/Target/TargetSpec.h"
#include <cmath>
#include <numeric>

using namespace mlir;

namespace quadrille {

std::optional<Format> formatOf(Value operand) {
  if (quad::QuantizedTensorType type = quad::getQuantizedType(operand.getType()))
    return type.getFormat().toFormat();
  return std::nullopt;
}

OperandFormats formatsOf(quad::MatmulOp op) {
  return {formatOf(op.getLhs()), formatOf(op.getRhs())};
}

OperandFormats formatsOf(quad::PrepareOp op) {
  std::optional<Format> own = formatOf(op.getInput()), other;
  if (auto format = dyn_cast<quad::FormatAttr>(op.getOther()))
    other = format.toFormat();
  return op.getSide() == quad::OperandSide::LHS ? OperandFormats{own, other}
                                                : OperandFormats{other, own};
}

//===----------------------------------------------------------------------===//
// The epilogue
//===----------------------------------------------------------------------===//

MatmulEpilogue::MatmulEpilogue(KernelBuilder &kernel, const MatmulRequest &request,
                               ArrayRef<std::optional<Format>> formats, int shift)
    : kernel(kernel), request(request), shift(shift) {
  to.elementType = cast<tile::BufferType>(request.result.buffer.getType()).getElementType();
  to.out = kernel.pass(request.result.buffer);
  to.ldc = kernel.pass(request.result.sizes[1]);
  int64_t elementBytes = to.elementType.getIntOrFloatBitWidth() / 8;
  to.roundsToBF16 = kernel.target.roundsToBF16();
  to.alignment = std::gcd(resultAlignment, request.result.divisors[1] * elementBytes);
  for (const ScheduledOperand &addend : request.addends)
    to.addends.push_back(pass(addend));
  if (request.op.getAcc())
    to.addends.back().mayBeOut = true;
  if (request.epilogue)
    for (const ScheduledOperand &operand : request.epilogue->operands)
      to.inputs.push_back(pass(operand));
  const MatmulOperand *sides[] = {&request.lhs, &request.rhs};
  for (auto [operand, format] : llvm::zip_equal(sides, formats))
    if (format && format->hasTensorLevel())
      tensorScales.push_back(kernel.pass(operand->tensorScale()));
  body = [&request](OpBuilder &b, Location, ValueRange arguments) {
    return emitElementwiseBody(b, *request.epilogue->body, arguments);
  };
}

/// fl(ta * tb) of the tensor-level scales, where there are any, and what undoes the shift.
void MatmulEpilogue::begin() {
  if (request.epilogue)
    to.body = body;
  OpBuilder &b = kernel.body;
  auto multiply = [&](Value factor) {
    to.scale = to.scale ? Value(arith::MulFOp::create(b, kernel.loc, to.scale, factor)) : factor;
  };
  for (Value pointer : tensorScales)
    multiply(LLVM::LoadOp::create(b, kernel.loc, b.getF32Type(), pointer));
  if (shift)
    multiply(arith::ConstantOp::create(b, kernel.loc,
                                       b.getF32FloatAttr(std::ldexp(1.0f, -shift))));
}

EpilogueOperand MatmulEpilogue::pass(const ScheduledOperand &operand) {
  EpilogueOperand passed;
  if (operand.number) {
    passed.number = kernel.pass(operand.number);
    return passed;
  }
  const ScheduledMatrix &matrix = *operand.matrix;
  passed.elementType = cast<tile::BufferType>(matrix.buffer.getType()).getElementType();
  passed.data = kernel.pass(matrix.buffer);
  if (!operand.repeats[0])
    passed.rowStride = kernel.pass(matrix.strides[0]);
  passed.isContiguous = matrix.isContiguous && matrix.contiguousDim == 1;
  passed.alignment = std::max<int64_t>(matrix.alignment,
                                       passed.elementType.getIntOrFloatBitWidth() / 8);
  if (!operand.repeats[1])
    passed.colStride = passed.isContiguous ? kernel.constant(1) : kernel.pass(matrix.strides[1]);
  return passed;
}

namespace {

/// Both quantized axes are the contraction's, as storage needs.
LogicalResult verifyOrientation(quad::MatmulOp op) {
  const Value operands[] = {op.getLhs(), op.getRhs()};
  for (auto [side, value] : llvm::enumerate(operands)) {
    quad::QuantizedTensorType type = quad::getQuantizedType(value.getType());
    if (type && type.getAxis() != (side == 0 ? 1 : 0))
      return op.emitOpError("operand ")
             << side << " is stored along its other axis; quantize it with axis="
             << (side == 0 ? 1 : 0);
  }
  return success();
}

} // namespace

std::string atomName(const target::CarrierChoice &choice) {
  std::string name(choice.a.carrier->name);
  if (choice.a.application == target::ScaleApplication::Native &&
      *choice.mma->scaleType != ScaleType::E8M0)
    name += ":" + std::string(numerics::scaleTypeInfo(*choice.mma->scaleType).name);
  return name;
}

/// Null stands for what always holds.
static Value both(ScheduleBuilder &s, Value x, Value y) {
  return x && y ? Value(arith::AndIOp::create(s.b, s.loc, x, y)) : x ? x : y;
}

/// Few rows of the result: rhs is read once, packed, by instructions of single warps. More:
/// by wgmma where there is that, after conversion; else by instructions of single warps with more
/// accumulators, or the same again for every few rows.
static LogicalResult emitDeviceMatmul(ScheduleBuilder &s, const TargetInfo &target,
                                      const TargetSpec &spec, ModuleOp module, StringRef name,
                                      const MatmulRequest &request, Allocate allocate) {
  quad::MatmulOp op = request.op;
  const target::Capability &capability = *target::lookupCapability(spec.name);
  target::CarrierChoice fastest = quad::selectCarrier(op, capability);
  if (fastest.refused())
    return op.emitOpError() << fastest.refusal;
  DotPlan dot = planDot(target, capability, request);
  PanelPlan panels = planPanels(target, capability, op);
  if (request.groups && panels.exists() && !panels.warpgroups)
    panels.whyNot = "the product has groups, which the host and sm_90a have an engine for";
  if (!panels.exists() && !dot.exists())
    return op.emitOpError("has no engine for ")
           << StringRef(fastest.mma->name) << " of target " << spec.name << ": " << panels.whyNot
           << ", and " << dot.whyNot;
  const target::CarrierChoice &used = panels.exists() ? panels.choice : dot.choice;
  op.emitRemark() << "carrier " << target::describe(used) << ": " << used.why;
  auto emitLarge = [&] {
    if (!panels.exists())
      return emitLargeDots(s, target, module, name, request, dot), success();
    auto emit = panels.warpgroups ? emitWarpgroupMatmul : emitPanelDots;
    return emit(s, target, module, name, request, panels, allocate);
  };
  if (!dot.exists())
    return emitLarge();
  Value m = request.result.sizes[0];
  SmallVector<int64_t> counts = rowsOfDots(target, dot);
  bool hasLarge = panels.exists() || hasLargeDots(target, dot);
  Value isMore;
  for (int64_t rows : counts) {
    bool takesAll = rows == counts.back() && !hasLarge;
    s.condition = both(s, isMore, takesAll ? Value() : s.isAtMost(m, s.constant(rows)));
    emitDotMatmul(s, target, module, (name + "_" + Twine(rows)).str(), request, dot, rows);
    isMore = s.isAtMost(s.constant(rows + 1), m);
  }
  s.condition = isMore;
  LogicalResult result = hasLarge ? emitLarge() : success();
  s.condition = Value();
  if (request.quantized && request.quantized->isDone)
    request.quantized->isDone = both(s, isMore, request.quantized->isDone);
  return result;
}

LogicalResult emitMatmul(ScheduleBuilder &s, const TargetInfo &target, const TargetSpec &spec,
                         ModuleOp module, StringRef name, const MatmulRequest &request,
                         Allocate allocate) {
  if (failed(verifyOrientation(request.op)))
    return failure();
  auto emit = spec.isHost() ? emitHostMatmul : emitDeviceMatmul;
  return emit(s, target, spec, module, name, request, allocate);
}

//===----------------------------------------------------------------------===//
// Prepared operands
//===----------------------------------------------------------------------===//

Value PanelForm::bytes(ScheduleBuilder &s, Value rows, Value length) const {
  Value ofBlocks = s.mul(s.ceilDiv(length, kBlock), s.constant(blockBytes));
  return s.mul(s.ceilDiv(rows, panelRows), s.add(ofBlocks, s.constant(panelBytes)));
}

void ScheduledPrepared::allocate(ScheduleBuilder &s, Allocate allocate) {
  if (!data)
    data = allocate(form.bytes(s, rows, length));
}

LogicalResult checkPrepared(ScheduleBuilder &s, const MatmulRequest &request, bool isLhs,
                            const PanelForm &form) {
  const MatmulOperand &own = isLhs ? request.lhs : request.rhs;
  if (!own.prepared)
    return success();
  const ScheduledPrepared &prepared = *own.prepared;
  quad::MatmulOp op = request.op;
  if (prepared.form.description != form.description) {
    std::optional<Format> other = formatOf(isLhs ? op.getRhs() : op.getLhs());
    StringRef which = isLhs ? "lhs" : "rhs";
    return op.emitOpError() << which << " is prepared as \"" << prepared.form.description
                            << "\", but this product reads \"" << form.description
                            << "\"; prepare it with side = " << which << " and other = "
                            << (other ? StringRef(other->name) : "its element type");
  }
  if (isa<BlockArgument>(prepared.data)) { // memory of the caller
    Value bytes = tile::DimOp::create(s.b, s.loc, s.b.getI64Type(), prepared.data, 0);
    s.check(s.isEqual(bytes, form.bytes(s, prepared.rows, prepared.length)),
            "the bytes of a prepared operand are not as many as its shape needs");
  }
  if (request.groups)
    s.checkDivides(request.groups->expertRows, form.panelRows,
                   "the experts of a prepared operand need a multiple of " +
                       Twine(form.panelRows) + " rows each; pass the tensor itself");
  else if (Value length = (isLhs ? request.rhs : request.lhs).storedLength())
    s.check(s.isEqual(length, prepared.length),
            "an operand is prepared for another length of the contraction");
  return success();
}

FailureOr<ScheduledPrepared> emitPrepare(ScheduleBuilder &s, const TargetInfo &target,
                                         const TargetSpec &spec, ModuleOp module, StringRef name,
                                         const PrepareRequest &request, Allocate allocate) {
  quad::PrepareOp op = request.op;
  const ScheduledTensor &input = *request.operand.quantized;
  ScheduledPrepared prepared{request.data, request.tensorScale, input.rows,
                             input.length, {},                  input.rowsDivisor};
  if (formatOf(op.getInput())->hasTensorLevel() && !prepared.tensorScale)
    prepared.tensorScale = input.scales.back();
  auto emit = spec.isHost() ? emitHostPrepare : emitDevicePrepare;
  if (failed(emit(s, target, spec, module, name, request, allocate, prepared)))
    return failure();
  return prepared;
}

} // namespace quadrille
