//===- WarpgroupMatmul.cpp - quad.matmul by wgmma -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"
#include "MatmulKernel.h"
#include "quadrille/Target/NVVM/Matmul.h"

using namespace mlir;
using quadrille::target::OperandPlan;
using quadrille::target::ScaleApplication;

namespace quadrille {
namespace {

/// Emits the conversions of both operands to panels, and the product.
class WarpgroupMatmulEmitter {
public:
  WarpgroupMatmulEmitter(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module,
                         StringRef name, const MatmulRequest &request,
                         const nvvm::WarpgroupPlan &plan, Allocate allocate)
      : s(s), target(target), module(module), name(name), request(request), plan(plan),
        allocate(allocate) {}

  LogicalResult emit(const target::CarrierChoice &choice);

private:
  struct Side {
    const MatmulOperand &operand;
    const OperandPlan &plan;
    unsigned axis; ///< that is contracted
    quad::QuantizedTensorType type;
    StringRef suffix;
  };

  KernelBuilder makeKernel(const Side &side, StringRef suffix) {
    return KernelBuilder(s, target, (name + side.suffix + suffix).str(), module);
  }
  Value rowsOf(const Side &side) { return side.operand.outerSize(1 - side.axis); }
  Value contraction() const;
  FailureOr<CarrierResult> emitPanels(const Side &side);
  LogicalResult emitFolded(const Side &side, CarrierResult &result);
  void emitProduct(const CarrierResult &lhs, const CarrierResult &rhs, int shift);

  ScheduleBuilder &s;
  const TargetInfo &target;
  ModuleOp module;
  StringRef name;
  const MatmulRequest &request;
  const nvvm::WarpgroupPlan &plan;
  Allocate allocate;
  Value pieces; ///< of a panel
};

Value WarpgroupMatmulEmitter::contraction() const {
  for (const MatmulOperand &operand : {request.lhs, request.rhs})
    if (operand.quantized)
      return operand.quantized->length;
  return request.lhs.plain->sizes[1];
}

/// 2^exponent of each row is left to the epilogue.
LogicalResult WarpgroupMatmulEmitter::emitFolded(const Side &side, CarrierResult &result) {
  const target::CarrierType &type = *side.plan.carrier;
  numerics::FoldedCarrier carrier{type.mantissaBits, type.bias, side.plan.window.low,
                                  side.plan.window.high};
  Value words = s.mul(s.roundUp(rowsOf(side), nvvm::panelRows), s.constant(sizeof(int32_t)));
  result.exponents = allocate(words);
  result.overflow = allocate(words);
  KernelBuilder exponents = makeKernel(side, "_exponents"), kernel = makeKernel(side, "");
  emitRowExponents(exponents, side.type, *side.operand.quantized, carrier, result);
  return emitToFoldedCarrier(kernel, side.type, *side.operand.quantized, carrier, result);
}

FailureOr<CarrierResult> WarpgroupMatmulEmitter::emitPanels(const Side &side) {
  CarrierResult result;
  result.pieces = pieces;
  Value panels = s.ceilDiv(rowsOf(side), nvvm::panelRows);
  result.values = allocate(s.mul(s.mul(panels, pieces), s.constant(nvvm::panelPieceBytes)));
  if (side.plan.application == ScaleApplication::FoldedExponent) {
    if (failed(emitFolded(side, result)))
      return failure();
    return result;
  }
  KernelBuilder kernel = makeKernel(side, "");
  if (side.operand.quantized)
    emitToCarrier(kernel, side.type, *side.operand.quantized, result,
                  {side.plan.exact, side.plan.shift});
  else
    emitToPanels(kernel, *side.operand.plain, side.axis, result);
  return result;
}

void WarpgroupMatmulEmitter::emitProduct(const CarrierResult &lhs, const CarrierResult &rhs,
                                         int shift) {
  KernelBuilder kernel(s, target, name, module);
  auto passIf = [&](Value value) { return value ? kernel.pass(value) : Value(); };
  Value m = request.result.sizes[0], n = request.result.sizes[1];
  nvvm::WarpgroupOperands operands{kernel.pass(lhs.values), kernel.pass(rhs.values),
                                   kernel.pass(m),          kernel.pass(n),
                                   kernel.pass(pieces),     passIf(lhs.exponents),
                                   passIf(rhs.exponents),   passIf(lhs.overflow),
                                   passIf(rhs.overflow)};
  quad::MatmulOp op = request.op;
  std::optional<Format> formats[2] = {formatOf(op.getLhs()), formatOf(op.getRhs())};
  MatmulEpilogue epilogue(kernel, request, formats, shift);
  epilogue.begin();
  nvvm::emitMatmul(kernel.body, kernel.loc, target, plan, operands, epilogue.get());
  Builder b(module.getContext());
  kernel.kernel->setAttr("tile.threads", b.getI64IntegerAttr(plan.threads));
  kernel.kernel->setAttr("tile.shared", b.getI64IntegerAttr(plan.sharedBytes()));
  kernel.kernel->setAttr("tile.cluster", b.getI64IntegerAttr(plan.blocksOfCluster));
  Value tiles = s.mul(s.ceilDiv(m, plan.clusterTile), s.ceilDiv(n, plan.clusterTile));
  kernel.launch(s.mul(tiles, s.constant(plan.blocksOfCluster)), s.constant(1), /*cost=*/0);
  if (lhs.overflow)
    emitOverflowMatmul(s, target, module, (name + "_overflow").str(), request,
                       {lhs.overflow, rhs.overflow, nvvm::panelRows});
}

LogicalResult WarpgroupMatmulEmitter::emit(const target::CarrierChoice &choice) {
  quad::MatmulOp op = request.op;
  pieces = s.ceilDiv(contraction(), nvvm::pieceBytes / plan.elementBytes);
  auto typeOf = [](Value value) { return dyn_cast<quad::QuantizedTensorType>(value.getType()); };
  FailureOr<CarrierResult> lhs =
      emitPanels({request.lhs, choice.a, 1, typeOf(op.getLhs()), "_lhs"});
  if (failed(lhs))
    return failure();
  FailureOr<CarrierResult> rhs =
      emitPanels({request.rhs, choice.b, 0, typeOf(op.getRhs()), "_rhs"});
  if (failed(rhs))
    return failure();
  emitProduct(*lhs, *rhs, choice.a.shift + choice.b.shift);
  return success();
}

} // namespace

LogicalResult emitWarpgroupMatmul(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module,
                                  StringRef name, const MatmulRequest &request,
                                  const target::CarrierChoice &choice, Allocate allocate) {
  quad::MatmulOp op = request.op;
  if (choice.kBlock)
    return op.emitOpError("needs scales applied every ")
           << choice.kBlock << " of the contraction, which has no engine; exact=False rounds code "
           << "x scale to a carrier, and formats such as UFP4_B need neither";
  auto plan = nvvm::WarpgroupPlan::get(choice.a.carrier->name, choice.promote);
  auto isShifted = [](const OperandPlan &plan) { return plan.exact && plan.shift; };
  if (!plan || choice.a.carrier != choice.b.carrier || isShifted(choice.a) || isShifted(choice.b))
    return op.emitOpError("has no engine for the carrier ")
           << choice.a.carrier->name << ", which the operands need; sm_90a has those for bf16, "
           << "e5m2, e4m3 and s8";
  return WarpgroupMatmulEmitter(s, target, module, name, request, *plan, allocate).emit(choice);
}

} // namespace quadrille
