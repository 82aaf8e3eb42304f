//===- PanelOperands.cpp - Operands of large products, as panels -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PanelOperands.h"
#include "quadrille/Dialect/Quad/Transforms/SelectCarrier.h"
#include "quadrille/Target/TargetSpec.h"

using namespace mlir;
using quadrille::target::OperandPlan;
using quadrille::target::ScaleApplication;

namespace quadrille {
namespace {

//===----------------------------------------------------------------------===//
// The plan
//===----------------------------------------------------------------------===//

/// What the kernels of CarrierKernels.cpp write; empty if they do.
std::string whyNotWritten(const OperandPlan &operand) {
  const target::CarrierType &carrier = *operand.carrier;
  if (operand.application == ScaleApplication::Native)
    return ""; // whyNoScales
  if (carrier.storageBits == 8 ? operand.application == ScaleApplication::FoldedExponent
                               : carrier.name == "bf16" && !(operand.exact && operand.shift))
    return "";
  return "panels are of bf16, or with exponents apart of fp8, not of " +
         std::string(carrier.name) + " as the operands need it";
}

/// Which formats the kernels of scales and codes serve; empty if this.
std::string whyNoScales(const TargetInfo &target, const Format &format,
                        const target::CarrierChoice &choice, const OperandPlan &operand) {
  const Block &block = format.levels.front().block;
  if (threadsOf(target) % block.rows != 0 || block.cols > chunkBytes * choice.mma->scaleBlock)
    return format.name + " has blocks larger than what one kernel copies scales of";
  return whyNoCarrierWords(format, operand);
}

/// How single warps multiply; a turn takes a chunk of scales, or two steps.
PanelPlan::Dots dotsOf(const TargetInfo &target, const TargetInfo::MmaAtom &atom) {
  PanelPlan::Dots dots{&atom, target.panelTile(atom), /*stepsOfTurn=*/2};
  if (atom.wordsOfScale)
    dots.stepsOfTurn = chunkBytes * atom.wordsOfScale / atom.k;
  return dots;
}

/// Sets how panels are multiplied, or says why they are not.
std::string whyNoPanels(const TargetInfo &target, PanelPlan &plan,
                        const OperandFormats &formats) {
  const target::CarrierChoice &choice = plan.choice;
  if (choice.refused())
    return choice.refusal;
  if (choice.kBlock)
    return "scales are applied every " + std::to_string(choice.kBlock) +
           " of the contraction, which panels have no engine for; exact=False rounds code x " +
           "scale to a carrier, and formats such as UFP4_B need neither";
  const OperandPlan *operands[] = {&choice.a, &choice.b};
  for (const OperandPlan *operand : operands)
    if (std::string why = whyNotWritten(*operand); !why.empty())
      return why;
  std::string_view carrier = choice.a.carrier->name;
  if (choice.a.carrier != choice.b.carrier)
    return "the operands need different carriers, " + std::string(carrier) + " and " +
           std::string(choice.b.carrier->name);
  if (choice.mma->name.starts_with("wgmma")) {
    plan.warpgroups = nvvm::WarpgroupPlan::get(carrier, choice.promote);
    return "";
  }
  const TargetInfo::MmaAtom *atom = target.mmaAtom(atomName(choice));
  bool isNative = choice.a.application == ScaleApplication::Native;
  if (!atom || isNative != (atom->wordsOfScale != 0) || !target.panelTile(*atom).columns)
    return "its instructions for " + std::string(carrier) + " are not used yet";
  for (auto [operand, format] : llvm::zip_equal(operands, formats))
    if (isNative)
      if (std::string why = whyNoScales(target, *format, choice, *operand); !why.empty())
        return why;
  plan.dots = dotsOf(target, *atom);
  return "";
}

template <typename OpT>
PanelPlan planFor(const TargetInfo &target, const target::Capability &capability, OpT op) {
  // The target's fastest, that without scales, then what a slower instruction may take.
  const std::pair<StringRef, bool> carriers[] = {
      {"", true},          {"", false},         {"e5m2", false}, {"e4m3", false},
      {"e5m2fnuz", false}, {"e4m3fnuz", false}, {"bf16", false}};
  std::optional<PanelPlan> first;
  for (auto [carrier, takesScales] : carriers) {
    target::SelectOptions options;
    options.carrier = carrier;
    options.takesScales = takesScales;
    PanelPlan plan{.whyNot = "", .choice = quad::selectCarrier(op, capability, options)};
    plan.whyNot = whyNoPanels(target, plan, formatsOf(op));
    if (plan.exists())
      return plan;
    if (!first)
      first = plan;
  }
  return *first;
}

//===----------------------------------------------------------------------===//
// Memory and kernels
//===----------------------------------------------------------------------===//

/// An operand in panels. Of a carrier with exponents of rows these follow the panels, then a word
/// of flags for each panel. What is prepared has its codes and scales behind them, for products
/// that the carrier does not hold.
class Panels {
public:
  Panels(ScheduleBuilder &s, const PanelPlan &plan, const OperandPlan &carrier)
      : s(s), plan(plan), carrier(carrier) {}

  /// `quantized` is nothing for a plain matrix; `keepsPacked`: for an operand that is prepared.
  PanelForm form(std::optional<quad::QuantizedTensorType> quantized, bool keepsPacked) const;
  bool isFolded() const { return carrier.application == ScaleApplication::FoldedExponent; }

  /// The parts of `data` for so many rows and so long a contraction.
  CarrierResult parts(Value data, Value rows, Value length) const;
  /// The codes and scales of `data`, kept there.
  ScheduledTensor packed(Value data, Value rows, Value length, Block block) const;

private:
  Value piecesOf(Value length) const {
    return s.mul(s.ceilDiv(length, plan.kBlock()), s.constant(plan.piecesOfBlock()));
  }
  Value valueBytes(Value rows, Value length) const;
  static constexpr int64_t exponentBytes = panelRows * sizeof(int32_t);
  Value at(Value data, Value bytes, Type element, unsigned rank) const {
    auto type = tile::BufferType::get(s.b.getContext(), rank, element);
    return tile::OffsetOp::create(s.b, s.loc, type, data, bytes);
  }

  ScheduleBuilder &s;
  const PanelPlan &plan;
  const OperandPlan &carrier;
};

PanelForm Panels::form(std::optional<quad::QuantizedTensorType> quantized,
                       bool keepsPacked) const {
  PanelForm form{std::string(carrier.carrier->name) + " panels of " + std::to_string(panelRows) +
                     " x " + std::to_string(plan.kBlock()),
                 panelRows, plan.kBlock(), plan.piecesOfBlock() * panelPieceBytes};
  if (plan.hasScales()) {
    form.description += ", with scales";
    form.blockBytes += panelRows * chunkBytes;
  }
  if (!carrier.exact)
    form.description += ", rounded, in units of 2^" + std::to_string(-carrier.shift);
  if (!isFolded())
    return form;
  form.description += ", 2^" + std::to_string(carrier.window.low) + " to 2^" +
                      std::to_string(carrier.window.high) + " of a row's exponent";
  form.panelBytes = 2 * exponentBytes;
  if (keepsPacked) {
    int64_t elements = panelRows * plan.kBlock();
    form.blockBytes += elements / 2 + elements / quantized->getFormat().getBlockCols();
  }
  return form;
}

Value Panels::valueBytes(Value rows, Value length) const {
  Value pieces = s.mul(s.ceilDiv(rows, panelRows), piecesOf(length));
  return s.mul(pieces, s.constant(panelPieceBytes));
}

CarrierResult Panels::parts(Value data, Value rows, Value length) const {
  CarrierResult result;
  result.values = data;
  result.panels = s.ceilDiv(rows, panelRows);
  result.pieces = piecesOf(length);
  if (plan.hasScales())
    result.scales = at(data, valueBytes(rows, length), s.b.getI8Type(), 1);
  if (!isFolded())
    return result;
  Value panels = result.panels, behind = valueBytes(rows, length);
  result.exponents = at(data, behind, s.b.getI32Type(), 1);
  behind = s.add(behind, s.mul(panels, s.constant(exponentBytes)));
  result.overflow = at(data, behind, s.b.getI32Type(), 1);
  return result;
}

ScheduledTensor Panels::packed(Value data, Value rows, Value length, Block block) const {
  Value panels = s.ceilDiv(rows, panelRows);
  Value behind = s.add(valueBytes(rows, length), s.mul(panels, s.constant(2 * exponentBytes)));
  Value codes = at(data, behind, s.b.getI8Type(), 2);
  Value elements = s.mul(s.mul(panels, s.constant(panelRows * plan.kBlock())),
                         s.ceilDiv(length, plan.kBlock()));
  Value scales = at(data, s.add(behind, s.div(elements, 2)), s.b.getI8Type(), 2);
  return {codes, {scales}, rows, length, block.cols, /*ownLength=*/{}, resultAlignment};
}

/// Emits conversions of operands to panels.
class PanelEmitter {
public:
  PanelEmitter(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module, StringRef name,
               const PanelPlan &panels)
      : s(s), target(target), module(module), name(name), panels(panels) {}

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
  const PanelPlan &panels;
};

/// 2^exponent of each row is left to the epilogue.
LogicalResult PanelEmitter::emitFolded(const ScheduledTensor &input,
                                       quad::QuantizedTensorType type, const OperandPlan &plan,
                                       const CarrierResult &result, StringRef suffix) {
  numerics::FoldedCarrier carrier{plan.carrier->mantissaBits, plan.carrier->bias, plan.window.low,
                                  plan.window.high, plan.carrier->hasNegativeZero};
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
  if (plan.application == ScaleApplication::Native) {
    emitCarrierWords(kernel, type, *operand.quantized, plan, result);
    KernelBuilder scales = makeKernel(suffix, "_scales");
    emitScalePanels(scales, type, *operand.quantized, panels.choice.mma->scaleBlock, result);
  } else if (operand.quantized)
    emitToCarrier(kernel, type, *operand.quantized, result, {plan.exact, plan.shift});
  else
    emitToPanels(kernel, *operand.plain, axis, result);
  return success();
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

PanelPlan planPanels(const TargetInfo &target, const target::Capability &capability,
                     quad::MatmulOp op) {
  return planFor(target, capability, op);
}
PanelPlan planPanels(const TargetInfo &target, const target::Capability &capability,
                     quad::PrepareOp op) {
  return planFor(target, capability, op);
}

Value contractionOf(const MatmulRequest &request) {
  for (const MatmulOperand *operand : {&request.lhs, &request.rhs})
    if (Value length = operand->storedLength())
      return length;
  return request.lhs.plain->sizes[1];
}

FailureOr<PanelSide> emitPanelSide(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module,
                                   StringRef name, const MatmulRequest &request,
                                   const PanelPlan &plan, bool isLhs, const PanelExtent &extent,
                                   Allocate allocate) {
  const MatmulOperand &operand = isLhs ? request.lhs : request.rhs;
  const OperandPlan &carrier = isLhs ? plan.choice.a : plan.choice.b;
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
    PanelSide side{panels.parts(own.data, own.rows, own.length), std::nullopt};
    if (panels.isFolded())
      side.packed = panels.packed(own.data, own.rows, own.length,
                                  type.getFormat().toFormat().levels.front().block);
    return side;
  }
  Value numRows = extent.rows ? extent.rows->count : operand.outerSize(isLhs ? 0 : 1);
  PanelSide side{panels.parts(allocate(form.bytes(s, numRows, extent.length)), numRows,
                              extent.length),
                 operand.quantized};
  side.panels.rows = extent.rows;
  if (failed(PanelEmitter(s, target, module, name, plan)
                 .emit(operand, type, /*axis=*/isLhs ? 1 : 0, carrier, side.panels,
                       isLhs ? "_lhs" : "_rhs")))
    return failure();
  return side;
}

std::optional<DirectPanels> planDirectPanels(ScheduleBuilder &s, const TargetInfo &target,
                                             const TargetSpec &spec, const PrepareRequest &request,
                                             Allocate allocate, ScheduledPrepared &prepared) {
  quad::PrepareOp op = request.op;
  quad::QuantizedTensorType type = op.getInput().getType();
  const target::Capability *capability = target::lookupCapability(spec.name);
  // One-bit scales are stored by words.
  bool hasBits = llvm::any_of(type.getFormat().getLevels(), [](quad::LevelAttr level) {
    return level.getType() == ScaleType::E1;
  });
  if (!capability || hasBits || type.getScaleLayout() != quad::ScaleLayout::RowMajor)
    return std::nullopt;
  PanelPlan plan = planPanels(target, *capability, op);
  const target::CarrierChoice &choice = plan.choice;
  const OperandPlan &carrier = op.getSide() == quad::OperandSide::LHS ? choice.a : choice.b;
  if (!plan.exists() || carrier.carrier->name != "bf16")
    return std::nullopt;
  op.emitRemark() << "is written by the kernel that quantizes, as " << target::describe(choice)
                  << "; codes and scales are not stored";
  Panels panels(s, plan, carrier);
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
  PanelPlan plan = planPanels(target, *target::lookupCapability(spec.name), op);
  if (plan.choice.refused())
    return op.emitOpError() << plan.choice.refusal;
  if (!plan.exists())
    return op.emitOpError("has no panels on target ")
           << spec.name << ": " << plan.whyNot << "; pass the tensor itself";
  op.emitRemark() << "carrier " << target::describe(plan.choice) << ": " << plan.choice.why;
  const OperandPlan &carrier = isLhs ? plan.choice.a : plan.choice.b;
  quad::QuantizedTensorType type = op.getInput().getType();
  Panels panels(s, plan, carrier);
  prepared.form = panels.form(type, /*keepsPacked=*/true);
  prepared.allocate(s, allocate);
  CarrierResult result = panels.parts(prepared.data, prepared.rows, prepared.length);
  if (failed(PanelEmitter(s, target, module, name, plan)
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
