//===- QuadToTile.cpp - Lowering of kernels to tile programs -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Conversion/QuadToTile/QuadToTile.h"
#include "FunctionLowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quadrille/Target/Carrier.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/JSON.h"

namespace quadrille {
#define GEN_PASS_DEF_QUADTOTILE
#include "quadrille/Conversion/QuadToTile/Passes.h.inc"

using namespace mlir;

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// How many groups the offsets are of.
Value FunctionLowering::groupCount(quad::LaunchOp launch, Value inKernel) {
  Value offsets = matrixOf(launch, inKernel).sizes[1];
  s.check(s.isLess(s.constant(0), offsets), "groups must have at least one offset, which is 0");
  return s.add(offsets, s.constant(-1));
}

/// The table of the groups of `offsets` along an axis, or none.
ScheduledGroups FunctionLowering::scheduledGroups(quad::LaunchOp launch, Value inKernel,
                                                  Value length, int64_t multiple) {
  if (!inKernel)
    return {};
  return groupTable(launch, inKernel, groupCount(launch, inKernel), length, s.constant(multiple),
                    GroupExtent::Extended, "_groups");
}

ScheduledGroups FunctionLowering::groupTable(quad::LaunchOp launch, Value inKernel, Value count,
                                             Value length, Value multiple, GroupExtent extent,
                                             StringRef suffix) {
  const ScheduledMatrix &offsets = matrixOf(launch, inKernel);
  ScheduledGroups groups;
  groups.count = count;
  groups.table = allocate(groupTableSize(s, groups.count), b.getI64Type(), 1);
  KernelBuilder kernel = makeKernel(launch, suffix);
  emitGroups(kernel, offsets, length, multiple, extent, groups);
  return groups;
}

LogicalResult FunctionLowering::lower(quad::AmaxOp op, quad::LaunchOp launch) {
  ScheduledMatrix input = matrixOf(launch, op.getInput());
  if (op.getSigns() && !op.getPad() && !op.getGroups())
    s.checkDivides(input.sizes[op.getAxis()], op.getSigns().getType().getDimSize(0),
                   "the length of axis " + Twine(op.getAxis()) +
                       " must be a multiple of the transform's size; pad=True extends it");
  int64_t n = op.getSigns() ? op.getSigns().getType().getDimSize(0) : 1;
  ScheduledGroups groups =
      scheduledGroups(launch, op.getGroups(), input.sizes[op.getAxis()], n);
  Value result = resultScalar(launch.getResult(0));
  KernelBuilder first = makeKernel(launch, "_start");
  if (failed(emitAmaxStart(first, result)))
    return failure();
  KernelBuilder second = makeKernel(launch);
  return emitAmax(second, op, input, scheduledOf(launch, op.getSigns()), groups, result);
}

LogicalResult FunctionLowering::lower(quad::HadamardOp op, quad::LaunchOp launch) {
  ScheduledMatrix input = matrixOf(launch, op.getInput());
  s.checkDivides(input.sizes[op.getAxis()], op.getSigns().getType().getDimSize(0),
                 "the length of axis " + Twine(op.getAxis()) +
                     " must be a multiple of the transform's size");
  ScheduledMatrix result = resultMatrix(launch.getResult(0), input.sizes[0], input.sizes[1]);
  KernelBuilder kernel = makeKernel(launch);
  return emitHadamard(kernel, op, input, scheduledOf(launch, op.getSigns()), result);
}

ScheduledTensor FunctionLowering::tensorOf(quad::LaunchOp launch, Value inKernel) {
  ScheduledTensor tensor = tensors[operandOf(launch, inKernel)];
  int64_t granularity = cast<quad::QuantizedTensorType>(inKernel.getType()).getGranularity();
  if (granularity % codesPerWord != 0)
    s.checkDivides(tensor.length, codesPerWord,
                   "kernels of this format need a multiple of " + Twine(codesPerWord) +
                       " elements along the quantized axis");
  tensor.divisor = std::max(tensor.divisor, powerOfTwoDivisor(granularity));
  return tensor;
}

LogicalResult FunctionLowering::lower(quad::DequantizeOp op, quad::LaunchOp launch) {
  ScheduledTensor input = tensorOf(launch, op.getInput());
  quad::QuantizedTensorType type = op.getInput().getType();
  // The logical length: the caller's buffer has it where padding dropped some.
  auto destination = destinations.find(launch.getResult(0));
  Value sizes[2];
  sizes[1 - type.getAxis()] = input.rows;
  sizes[type.getAxis()] = input.ownLength ? input.ownLength : input.length;
  bool isKnown = bool(input.ownLength);
  if (type.getPadded() && destination != destinations.end()) {
    sizes[type.getAxis()] = tile::DimOp::create(b, s.loc, b.getI64Type(),
                                                destination->second.front(), type.getAxis());
    isKnown = true;
  }
  ScheduledMatrix result = resultMatrix(launch.getResult(0), sizes[0], sizes[1]);
  if (!isKnown)
    matrices[launch.getResult(0)].paddedDim = type.getAxis();
  ScheduledGroups groups =
      scheduledGroups(launch, op.getGroups(), sizes[type.getAxis()], type.getGranularity());
  if (!type.getPadded() && !groups)
    result.divisors[type.getAxis()] = input.divisor;
  KernelBuilder kernel = makeKernel(launch);
  return emitDequantize(kernel, op, input, scheduledOf(launch, op.getSigns()), groups, result);
}

/// The innermost scales of a tensor of the schedule.
static ScaleMatrix scalesOf(ScheduleBuilder &s, const ScheduledTensor &tensor,
                            quad::QuantizedTensorType type) {
  Value cols = s.div(tensor.length, type.getFormat().getBlockCols());
  return {tensor.scales.front(), tensor.rows, cols, type.getScaleLayout()};
}

LogicalResult FunctionLowering::lower(quad::ScalesOp op, quad::LaunchOp launch) {
  ScaleMatrix input =
      scalesOf(s, tensors[operandOf(launch, op.getInput())], op.getInput().getType());
  ScaleMatrix result = input;
  result.layout = op.getLayout();
  result.buffer = resultMatrix(launch.getResult(0), paddedScaleRows(s, result.layout, input.rows),
                               paddedScaleCols(s, result.layout, input.cols)).buffer;
  KernelBuilder kernel = makeKernel(launch);
  emitScaleLayout(kernel, input, result);
  return success();
}

/// The tensor with its innermost scales row-major, in workspace if they are not so.
ScheduledTensor FunctionLowering::withRowMajorScales(quad::LaunchOp launch, ScheduledTensor tensor,
                                                     quad::QuantizedTensorType type,
                                                     StringRef suffix) {
  if (type.getScaleLayout() == quad::ScaleLayout::RowMajor)
    return tensor;
  ScaleMatrix input = scalesOf(s, tensor, type), result = input;
  result.layout = quad::ScaleLayout::RowMajor;
  result.buffer = allocate(s.mul(input.rows, input.cols), b.getI8Type(), 2);
  KernelBuilder kernel = makeKernel(launch, suffix);
  emitScaleLayout(kernel, input, result);
  tensor.scales.front() = result.buffer;
  return tensor;
}

LogicalResult FunctionLowering::lower(quad::ToCarrierOp op, quad::LaunchOp launch) {
  quad::QuantizedTensorType type = op.getInput().getType();
  target::CarrierForm form =
      target::findCarrierForm(type.getFormat().toFormat(), op.getCarrier().str());
  if (!form.refusal.empty())
    return launch.emitError(form.refusal + "; instead: " + form.instead);
  ScheduledTensor input = tensorOf(launch, op.getInput());
  CarrierResult result;
  result.values = resultMatrix(launch.getResult(0), input.rows, input.length).buffer;
  if (form.window.empty()) { // which reads scales in any layout
    KernelBuilder kernel = makeKernel(launch);
    emitToCarrier(kernel, type, input, result);
    return success();
  }
  input = withRowMajorScales(launch, input, type, "_scales");
  KernelBuilder kernel = makeKernel(launch);
  result.exponents = resultVector(launch.getResult(1), input.rows);
  result.overflow = resultVector(launch.getResult(2), input.rows);
  numerics::FoldedCarrier carrier{form.carrier->mantissaBits, form.carrier->bias, form.window.low,
                                  form.window.high};
  KernelBuilder first = makeKernel(launch, "_exponents");
  emitRowExponents(first, type, input, carrier, result);
  return emitToFoldedCarrier(kernel, type, input, carrier, result);
}

FailureOr<ScheduledMap> FunctionLowering::scheduledMap(quad::LaunchOp launch, Region &body,
                                                       ValueRange inputs, Type element) {
  ScheduledMap map{&body, element, {}};
  for (Value input : inputs) {
    ScheduledOperand &operand = map.operands.emplace_back();
    auto type = dyn_cast<RankedTensorType>(input.getType());
    if (!type) {
      operand.number = scheduledOf(launch, input);
      continue;
    }
    operand = makeOperand(type, matrixOf(launch, input));
  }
  return map;
}

LogicalResult FunctionLowering::lower(quad::MapOp op, quad::LaunchOp launch) {
  auto map = scheduledMap(launch, op.getBody(), op.getInputs(), op.getType().getElementType());
  if (failed(map))
    return failure();
  Value rows = sizeOf(s, *map, 0), cols = sizeOf(s, *map, 1);
  ScheduledMatrix result = resultMatrix(launch.getResult(0), rows, cols);
  KernelBuilder kernel = makeKernel(launch);
  return emitMap(kernel, *map, result);
}

/// Padding may lie along what a product contracts, where it adds zeros; elsewhere the result
/// would have it, and the caller's buffer has no room for that.
LogicalResult FunctionLowering::checkPadding(quad::LaunchOp launch, Operation *op) {
  for (Value operand : launch.getInputs()) {
    auto known = matrices.find(operand);
    if (known == matrices.end() || !known->second.paddedDim)
      continue;
    auto matmul = dyn_cast<quad::MatmulOp>(op);
    auto isContracted = [&](Value side, unsigned dim) {
      return operandOf(launch, side) == operand && known->second.paddedDim == dim;
    };
    if (!matmul || !(isContracted(matmul.getLhs(), 1) || isContracted(matmul.getRhs(), 0)))
      return launch.emitError("computes with the values of a padded tensor, whose own length only "
                              "the caller knows; return dequantize(..) and compute with that");
  }
  return success();
}

LogicalResult FunctionLowering::lowerLaunch(quad::LaunchOp launch) {
  auto kernel = SymbolTable::lookupNearestSymbolFrom<quad::KernelOp>(launch, launch.getCalleeAttr());
  s.loc = launch.getLoc();
  Operation *first = &kernel.getBody().front().front();
  FailureOr<Tuning> given = Tuning::of(kernel);
  if (failed(given) || failed(checkPadding(launch, first)))
    return failure();
  tuning = *given;
  return llvm::TypeSwitch<Operation *, LogicalResult>(first)
      .Case<quad::QuantizeOp>([&](auto) { return lowerQuantize(kernel, launch); })
      .Case<quad::MapOp>([&](quad::MapOp op) {
        return isa<quad::QuantizeOp>(op->getNextNode()) ? lowerQuantize(kernel, launch)
                                                        : lower(op, launch);
      })
      .Case<quad::AmaxOp, quad::HadamardOp, quad::DequantizeOp, quad::ScalesOp, quad::ToCarrierOp,
            quad::PrepareOp, quad::MatmulOp>(
          [&](auto op) { return lower(op, launch); })
      .Default([](Operation *op) { return op->emitOpError("cannot be lowered to a tile program"); });
}

LogicalResult FunctionLowering::run() {
  createSchedule();
  for (Operation &op : source.getBody().front().without_terminator()) {
    if (auto transpose = dyn_cast<quad::TransposeOp>(op)) {
      if (isa<quad::PreparedType>(transpose.getType()))
        prepared[transpose.getResult()] = prepared[transpose.getInput()];
      else
        tensors[transpose.getResult()] = tensors[transpose.getInput()];
      continue;
    }
    auto launch = dyn_cast<quad::LaunchOp>(op);
    if (!launch)
      return op.emitOpError("is not part of a kernel and cannot run on the host schedule");
    if (failed(lowerLaunch(launch)))
      return failure();
  }
  for (Value result : source.getBody().front().getTerminator()->getOperands())
    if (isa<BlockArgument>(storageRoot(result)))
      return source.emitError("returns an argument as it is; return what is computed from it");
  describePrepared();
  func::ReturnOp::create(b, source.getLoc());
  return success();
}

/// Notes at the module the forms of prepared results, as JSON: the caller makes their buffers.
void FunctionLowering::describePrepared() {
  llvm::json::Array forms;
  for (Value result : source.getBody().front().getTerminator()->getOperands()) {
    auto made = prepared.find(storageRoot(result));
    if (made == prepared.end())
      continue;
    const PanelForm &form = made->second.form;
    forms.push_back(llvm::json::Object{{"form", form.description},
                                       {"panel_rows", form.panelRows},
                                       {"k_block", form.kBlock},
                                       {"block_bytes", form.blockBytes},
                                       {"panel_bytes", form.panelBytes}});
  }
  if (forms.empty())
    return;
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(forms));
  module->setAttr("quadrille.prepared", b.getStringAttr(text));
}

namespace {
class QuadToTilePass : public impl::QuadToTileBase<QuadToTilePass> {
public:
  using QuadToTileBase::QuadToTileBase;

  void runOnOperation() override {
    llvm::Expected<TargetSpec> spec = resolveTarget(target);
    if (!spec) {
      getOperation().emitError() << llvm::toString(spec.takeError());
      return signalPassFailure();
    }
    std::unique_ptr<TargetInfo> info = createTargetInfo(*spec);
    for (auto func : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      if (FunctionLowering(getOperation(), func, *info, *spec).run().failed())
        return signalPassFailure();
      func.erase();
    }
    for (Operation &op : llvm::make_early_inc_range(*getOperation().getBody()))
      if (isa<quad::KernelOp, quad::ScaleRuleOp>(op))
        op.erase();
  }
};
} // namespace

} // namespace quadrille
