//===- WarpgroupMatmul.cpp - quad.matmul by wgmma -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"
#include "MatmulKernel.h"
#include "WarpgroupGroups.h"
#include "WarpgroupParts.h"
#include "quadrille/Dialect/Quad/Transforms/SelectCarrier.h"
#include "quadrille/Target/NVVM/Matmul.h"
#include "quadrille/Target/TargetSpec.h"

using namespace mlir;
using quadrille::nvvm::WarpgroupPlan;
using quadrille::target::OperandPlan;
using quadrille::target::ScaleApplication;

namespace quadrille {
namespace {

/// An operand in panels. Of a carrier with exponents of rows these follow the panels, then a word
/// of flags for each panel. What is prepared has its codes and scales behind them, for products
/// that the carrier does not hold.
class Panels {
public:
  Panels(ScheduleBuilder &s, const WarpgroupPlan &plan, const OperandPlan &carrier)
      : s(s), plan(plan), carrier(carrier) {}

  /// `quantized` is nothing for a plain matrix; `keepsPacked`: for an operand that is prepared.
  PanelForm form(std::optional<quad::QuantizedTensorType> quantized, bool keepsPacked) const;
  bool isFolded() const { return carrier.application == ScaleApplication::FoldedExponent; }

  /// The parts of `data` for so many rows and so long a contraction.
  CarrierResult parts(Value data, Value rows, Value length) const;
  /// The codes and scales of `data`, kept there.
  ScheduledTensor packed(Value data, Value rows, Value length, Block block) const;

private:
  Value valueBytes(Value rows, Value length) const;
  static constexpr int64_t exponentBytes = nvvm::panelRows * sizeof(int32_t);
  Value at(Value data, Value bytes, Type element, unsigned rank) const {
    auto type = tile::BufferType::get(s.b.getContext(), rank, element);
    return tile::OffsetOp::create(s.b, s.loc, type, data, bytes);
  }

  ScheduleBuilder &s;
  const WarpgroupPlan &plan;
  const OperandPlan &carrier;
};

PanelForm Panels::form(std::optional<quad::QuantizedTensorType> quantized,
                       bool keepsPacked) const {
  PanelForm form{plan.carrier + " panels of " + std::to_string(nvvm::panelRows) + " x " +
                     std::to_string(plan.kBlock()),
                 nvvm::panelRows, plan.kBlock(), nvvm::panelPieceBytes};
  if (!carrier.exact)
    form.description += ", rounded, in units of 2^" + std::to_string(-carrier.shift);
  if (!isFolded())
    return form;
  form.description += ", 2^" + std::to_string(carrier.window.low) + " to 2^" +
                      std::to_string(carrier.window.high) + " of a row's exponent";
  form.panelBytes = 2 * exponentBytes;
  if (keepsPacked) {
    int64_t elements = nvvm::panelRows * plan.kBlock();
    form.blockBytes += elements / 2 + elements / quantized->getFormat().getBlockCols();
  }
  return form;
}

Value Panels::valueBytes(Value rows, Value length) const {
  Value pieces = s.mul(s.ceilDiv(rows, nvvm::panelRows), s.ceilDiv(length, plan.kBlock()));
  return s.mul(pieces, s.constant(nvvm::panelPieceBytes));
}

CarrierResult Panels::parts(Value data, Value rows, Value length) const {
  CarrierResult result;
  result.values = data;
  result.panels = s.ceilDiv(rows, nvvm::panelRows);
  result.pieces = s.ceilDiv(length, plan.kBlock());
  if (!isFolded())
    return result;
  Value panels = result.panels, behind = valueBytes(rows, length);
  result.exponents = at(data, behind, s.b.getI32Type(), 1);
  behind = s.add(behind, s.mul(panels, s.constant(exponentBytes)));
  result.overflow = at(data, behind, s.b.getI32Type(), 1);
  return result;
}

ScheduledTensor Panels::packed(Value data, Value rows, Value length, Block block) const {
  Value panels = s.ceilDiv(rows, nvvm::panelRows);
  Value behind = s.add(valueBytes(rows, length), s.mul(panels, s.constant(2 * exponentBytes)));
  Value codes = at(data, behind, s.b.getI8Type(), 2);
  Value elements = s.mul(s.mul(panels, s.constant(nvvm::panelRows * plan.kBlock())),
                         s.ceilDiv(length, plan.kBlock()));
  Value scales = at(data, s.add(behind, s.div(elements, 2)), s.b.getI8Type(), 2);
  return {codes, {scales}, rows, length, block.cols, /*ownLength=*/{}, resultAlignment};
}

/// Emits conversions of operands to panels.
class PanelEmitter {
public:
  PanelEmitter(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module, StringRef name)
      : s(s), target(target), module(module), name(name) {}

  LogicalResult emit(const MatmulOperand &operand, quad::QuantizedTensorType type, unsigned axis,
                     const OperandPlan &plan, const CarrierResult &result, StringRef suffix);

private:
  KernelBuilder makeKernel(StringRef suffix, StringRef part = "") {
    return KernelBuilder(s, target, (name + suffix + part).str(), module);
  }
  LogicalResult emitFolded(const ScheduledTensor &input, quad::QuantizedTensorType type,
                           const OperandPlan &plan, const CarrierResult &result,
                           StringRef suffix);

  ScheduleBuilder &s;
  const TargetInfo &target;
  ModuleOp module;
  StringRef name;
};

/// 2^exponent of each row is left to the epilogue.
LogicalResult PanelEmitter::emitFolded(const ScheduledTensor &input,
                                       quad::QuantizedTensorType type, const OperandPlan &plan,
                                       const CarrierResult &result, StringRef suffix) {
  numerics::FoldedCarrier carrier{plan.carrier->mantissaBits, plan.carrier->bias, plan.window.low,
                                  plan.window.high};
  KernelBuilder exponents = makeKernel(suffix, "_exponents"), kernel = makeKernel(suffix);
  emitRowExponents(exponents, type, input, carrier, result);
  return emitToFoldedCarrier(kernel, type, input, carrier, result);
}

LogicalResult PanelEmitter::emit(const MatmulOperand &operand, quad::QuantizedTensorType type,
                                 unsigned axis, const OperandPlan &plan,
                                 const CarrierResult &result, StringRef suffix) {
  if (plan.application == ScaleApplication::FoldedExponent)
    return emitFolded(*operand.quantized, type, plan, result, suffix);
  KernelBuilder kernel = makeKernel(suffix);
  if (operand.quantized)
    emitToCarrier(kernel, type, *operand.quantized, result, {plan.exact, plan.shift});
  else
    emitToPanels(kernel, *operand.plain, axis, result);
  return success();
}

/// Emits the conversions of both operands to panels, and the product.
class WarpgroupMatmulEmitter {
public:
  WarpgroupMatmulEmitter(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module,
                         StringRef name, const MatmulRequest &request,
                         const target::CarrierChoice &choice, const WarpgroupPlan &plan,
                         Allocate allocate)
      : s(s), target(target), module(module), name(name), request(request), choice(choice),
        plan(plan), allocate(allocate) {}

  LogicalResult emit();

private:
  /// An operand as the product reads it.
  struct Side {
    CarrierResult panels;
    std::optional<ScheduledTensor> packed;
  };

  LogicalResult beginGroups();
  Value contraction(bool isLhs) const;
  FailureOr<Side> emitSide(bool isLhs);
  void emitProduct(const Side &lhs, const Side &rhs);

  ScheduleBuilder &s;
  const TargetInfo &target;
  ModuleOp module;
  StringRef name;
  const MatmulRequest &request;
  const target::CarrierChoice &choice;
  const WarpgroupPlan &plan;
  Allocate allocate;
  std::optional<WarpgroupGroups> groups;
};

LogicalResult WarpgroupMatmulEmitter::beginGroups() {
  quad::MatmulOp op = request.op;
  auto lhs = quad::getQuantizedType(op.getLhs().getType());
  auto rhs = quad::getQuantizedType(op.getRhs().getType());
  int64_t granularity = lhs ? lhs.getGranularity() : 1;
  int64_t step = plan.kBlock() / nvvm::stepsOfPiece;
  if (request.groups->ofContraction && granularity % step != 0)
    return op.emitOpError("has groups stored at multiples of ")
           << granularity << ", but " << plan.carrier << " instructions take " << step
           << "; a format of longer blocks or a longer RHT has such multiples";
  groups.emplace(s, plan, request, granularity);
  if (int64_t rows = rhs ? rowsOfBlocks(rhs) : 1; rows > 1)
    s.checkDivides(request.groups->expertRows, rows,
                   "experts need whole blocks: a multiple of " + Twine(rows) + " rows each");
  return success();
}

/// Length of the contraction as the panels of a side have it.
Value WarpgroupMatmulEmitter::contraction(bool isLhs) const {
  if (groups)
    return groups->contraction(isLhs);
  for (const MatmulOperand *operand : {&request.lhs, &request.rhs})
    if (Value length = operand->storedLength())
      return length;
  return request.lhs.plain->sizes[1];
}

FailureOr<WarpgroupMatmulEmitter::Side> WarpgroupMatmulEmitter::emitSide(bool isLhs) {
  const MatmulOperand &operand = isLhs ? request.lhs : request.rhs;
  const OperandPlan &carrier = isLhs ? choice.a : choice.b;
  quad::MatmulOp op = request.op;
  quad::QuantizedTensorType type =
      quad::getQuantizedType((isLhs ? op.getLhs() : op.getRhs()).getType());
  Panels panels(s, plan, carrier);
  PanelForm form = panels.form(type ? std::optional(type) : std::nullopt,
                               /*keepsPacked=*/operand.prepared.has_value());
  if (failed(checkPrepared(s, request, isLhs, form)))
    return failure();
  if (operand.prepared) {
    const ScheduledPrepared &own = *operand.prepared;
    Side side{panels.parts(own.data, own.rows, own.length), std::nullopt};
    if (panels.isFolded())
      side.packed = panels.packed(own.data, own.rows, own.length,
                                  type.getFormat().toFormat().levels.front().block);
    return side;
  }
  std::optional<PanelRowMap> rows;
  if (groups && !isLhs)
    rows = groups->rhsRows();
  Value numRows = rows ? rows->count : operand.outerSize(isLhs ? 0 : 1);
  Value length = contraction(isLhs);
  Side side{panels.parts(allocate(form.bytes(s, numRows, length)), numRows, length),
            operand.quantized};
  side.panels.rows = rows;
  if (failed(PanelEmitter(s, target, module, name)
                 .emit(operand, type, /*axis=*/isLhs ? 1 : 0, carrier, side.panels,
                       isLhs ? "_lhs" : "_rhs")))
    return failure();
  return side;
}

void WarpgroupMatmulEmitter::emitProduct(const Side &lhs, const Side &rhs) {
  KernelBuilder kernel(s, target, name, module);
  auto passIf = [&](Value value) { return value ? kernel.pass(value) : Value(); };
  Value m = request.lhs.outerSize(0), n = request.result.sizes[1];
  nvvm::WarpgroupOperands operands{kernel.pass(lhs.panels.values),
                                   kernel.pass(rhs.panels.values),
                                   kernel.pass(m),
                                   kernel.pass(n),
                                   kernel.pass(lhs.panels.pieces),
                                   kernel.pass(rhs.panels.pieces),
                                   passIf(lhs.panels.exponents),
                                   passIf(rhs.panels.exponents),
                                   passIf(lhs.panels.overflow),
                                   passIf(rhs.panels.overflow),
                                   std::nullopt,
                                   std::nullopt};
  quad::MatmulOp op = request.op;
  std::optional<Format> formats[2] = {formatOf(op.getLhs()), formatOf(op.getRhs())};
  const int shift = choice.a.shift + choice.b.shift;
  MatmulEpilogue epilogue(kernel, request, formats, shift);
  epilogue.begin();
  std::optional<WarpgroupParts> parts;
  if (groups) {
    operands.tiles = groups->tilesOfRows(kernel);
  } else {
    parts.emplace(s, plan, request, lhs.panels.pieces, allocate);
    operands.tiles = parts->describeTiles(kernel);
    operands.partial = parts->sums(kernel);
  }
  nvvm::emitMatmul(kernel.body, kernel.loc, target, plan, operands, epilogue.get());
  Builder b(module.getContext());
  kernel.kernel->setAttr("tile.threads", b.getI64IntegerAttr(plan.threads));
  kernel.kernel->setAttr("tile.shared", b.getI64IntegerAttr(plan.sharedBytes()));
  kernel.kernel->setAttr("tile.cluster", b.getI64IntegerAttr(plan.blocksOfCluster));
  Value ofRows = groups ? groups->tiles() : parts->tiles();
  Value tiles = s.mul(ofRows, s.ceilDiv(n, plan.clusterTile));
  kernel.launch(s.mul(tiles, s.constant(plan.blocksOfCluster)), s.constant(1), /*cost=*/0);
  if (parts)
    parts->emitSum(target, module, (name + "_sum").str(), shift, lhs.panels.overflow,
                   rhs.panels.overflow);
  if (lhs.panels.overflow)
    emitOverflowMatmul(s, target, module, (name + "_overflow").str(), request,
                       {lhs.panels.overflow, rhs.panels.overflow, *lhs.packed, *rhs.packed,
                        plan, groups ? &*groups : nullptr});
}

LogicalResult WarpgroupMatmulEmitter::emit() {
  if (request.groups && failed(beginGroups()))
    return failure();
  FailureOr<Side> lhs = emitSide(/*isLhs=*/true);
  if (failed(lhs))
    return failure();
  FailureOr<Side> rhs = emitSide(/*isLhs=*/false);
  if (failed(rhs))
    return failure();
  emitProduct(*lhs, *rhs);
  return success();
}

/// The plan of an engine for the chosen carriers, or an error at `op`.
std::optional<WarpgroupPlan> planFor(Operation *op, const target::CarrierChoice &choice) {
  if (choice.kBlock) {
    op->emitOpError("needs scales applied every ")
        << choice.kBlock << " of the contraction, which has no engine; exact=False rounds code "
        << "x scale to a carrier, and formats such as UFP4_B need neither";
    return std::nullopt;
  }
  auto plan = WarpgroupPlan::get(choice.a.carrier->name, choice.promote);
  auto isShifted = [](const OperandPlan &plan) { return plan.exact && plan.shift; };
  if (!plan || choice.a.carrier != choice.b.carrier || isShifted(choice.a) ||
      isShifted(choice.b)) {
    op->emitOpError("has no engine for the carrier ")
        << choice.a.carrier->name << ", which the operands need; sm_90a has those for bf16, "
        << "e5m2, e4m3 and s8";
    return std::nullopt;
  }
  return plan;
}

/// Copies bytes to where they begin at a multiple of 16.
void emitCopy(KernelBuilder &kernel, Value from, Value to, Value bytes, int64_t alignment) {
  constexpr int64_t perLane = 16;
  const int64_t size = int64_t(kernel.target.getLanes()) * kernel.target.getWarps() * perLane;
  auto type = tile::withLayout(RankedTensorType::get({1, size}, kernel.body.getI8Type()),
                               computeLayout(kernel.target, {1, size}, perLane));
  Value first = kernel.tileOrigin(0, size), zero = kernel.constant(0), one = kernel.constant(1);
  Tile copied = loadDense(kernel, type, kernel.pass(from), zero, first, one, kernel.pass(bytes),
                          alignment);
  storeDense(kernel, copied, kernel.pass(to), zero, first, one, kernel.pass(bytes));
  kernel.launch(kernel.schedule.ceilDiv(bytes, size), kernel.schedule.constant(1), 2 * size);
}

} // namespace

LogicalResult emitWarpgroupMatmul(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module,
                                  StringRef name, const MatmulRequest &request,
                                  const target::CarrierChoice &choice, Allocate allocate) {
  std::optional<WarpgroupPlan> plan = planFor(request.op, choice);
  if (!plan)
    return failure();
  return WarpgroupMatmulEmitter(s, target, module, name, request, choice, *plan, allocate).emit();
}

std::optional<DirectPanels> planDirectPanels(ScheduleBuilder &s, const TargetSpec &spec,
                                             const PrepareRequest &request, Allocate allocate,
                                             ScheduledPrepared &prepared) {
  quad::PrepareOp op = request.op;
  quad::QuantizedTensorType type = op.getInput().getType();
  const target::Capability *capability = target::lookupCapability(spec.name);
  // One-bit scales are stored by words.
  bool hasBits = llvm::any_of(type.getFormat().getLevels(), [](quad::LevelAttr level) {
    return level.getType() == ScaleType::E1;
  });
  if (!capability || hasBits || type.getScaleLayout() != quad::ScaleLayout::RowMajor)
    return std::nullopt;
  target::CarrierChoice choice = quad::selectCarrier(op, *capability);
  const OperandPlan &carrier = op.getSide() == quad::OperandSide::LHS ? choice.a : choice.b;
  if (choice.refused() || !choice.quantizesToPanels(carrier))
    return std::nullopt;
  auto plan = WarpgroupPlan::get(choice.a.carrier->name, choice.promote);
  op.emitRemark() << "is written by the kernel that quantizes, as " << target::describe(choice)
                  << "; codes and scales are not stored";
  Panels panels(s, *plan, carrier);
  prepared.form = panels.form(type, /*keepsPacked=*/true);
  prepared.allocate(s, allocate);
  return DirectPanels{panels.parts(prepared.data, prepared.rows, prepared.length),
                      {carrier.exact, carrier.shift}};
}

LogicalResult emitDevicePrepare(ScheduleBuilder &s, const TargetInfo &target,
                                const TargetSpec &spec, ModuleOp module, StringRef name,
                                const PrepareRequest &request, Allocate allocate,
                                ScheduledPrepared &prepared) {
  quad::PrepareOp op = request.op;
  bool isLhs = op.getSide() == quad::OperandSide::LHS;
  target::CarrierChoice choice = quad::selectCarrier(op, *target::lookupCapability(spec.name));
  if (choice.refused())
    return op.emitOpError() << choice.refusal;
  if (!choice.readsPanels())
    return op.emitOpError("has no panels on target ")
           << spec.name << ", whose products read operands as they are; pass the tensor itself";
  std::optional<WarpgroupPlan> plan = planFor(op, choice);
  if (!plan)
    return failure();
  op.emitRemark() << "carrier " << target::describe(choice) << ": " << choice.why;
  const OperandPlan &carrier = isLhs ? choice.a : choice.b;
  quad::QuantizedTensorType type = op.getInput().getType();
  Panels panels(s, *plan, carrier);
  prepared.form = panels.form(type, /*keepsPacked=*/true);
  prepared.allocate(s, allocate);
  CarrierResult result = panels.parts(prepared.data, prepared.rows, prepared.length);
  if (failed(PanelEmitter(s, target, module, name)
                 .emit(request.operand, type, type.getAxis(), carrier, result, "")))
    return failure();
  const ScheduledTensor &input = *request.operand.quantized;
  auto copy = [&](StringRef suffix, Value from, Value to, Value bytes) {
    KernelBuilder kernel(s, target, (name + suffix).str(), module);
    emitCopy(kernel, from, to, bytes, input.alignment);
  };
  if (panels.isFolded()) {
    Block block = type.getFormat().toFormat().levels.front().block;
    ScheduledTensor kept = panels.packed(prepared.data, input.rows, input.length, block);
    copy("_codes", input.codes, kept.codes, s.mul(input.rows, s.div(input.length, 2)));
    copy("_scales", input.scales.front(), kept.scales.front(),
         s.mul(s.ceilDiv(input.rows, block.rows), s.div(input.length, block.cols)));
  }
  if (request.tensorScale)
    copy("_tensor_scale", input.scales.back(), request.tensorScale, s.constant(sizeof(float)));
  return success();
}

} // namespace quadrille
