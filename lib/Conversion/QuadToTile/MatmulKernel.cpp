//===- MatmulKernel.cpp - quad.matmul -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MatmulKernel.h"
#include "Elementwise.h"
#include "HostGroups.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "quadrille/Dialect/Quad/Transforms/SelectCarrier.h"
#include "quadrille/Target/Host/Matmul.h"
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

//===----------------------------------------------------------------------===//
// The host's engine
//===----------------------------------------------------------------------===//

namespace {

// One panel or tile of any useful contraction is worth a thread.
constexpr int64_t costOfPanel = 1 << 16, costOfTile = 1 << 20;

host::ProgramRange rangeOf(KernelBuilder &kernel, unsigned dim) {
  auto arguments = kernel.kernel.getArguments().take_back(4);
  return {arguments[2 * dim], arguments[2 * dim + 1]};
}

/// An operand that is packed, and how.
struct PackRequest {
  const MatmulOperand &operand;
  const std::optional<Format> &format;
  host::MatmulSide side;
  Value length;           ///< of the contraction as panels have it
  Value panels, data;     ///< how many, and where to
  HostGroups *groups;     ///< which rows they have; null: all in order
  Value tensorScale = {}; ///< where the scale of the tensor is copied to, or null
};

/// Copies one f32, in the first program.
void copyScale(KernelBuilder &kernel, Value from, Value to) {
  OpBuilder &b = kernel.body;
  Value isFirst = arith::CmpIOp::create(b, kernel.loc, arith::CmpIPredicate::eq,
                                        rangeOf(kernel, 0).begin, kernel.constant(0));
  auto ifOp = scf::IfOp::create(b, kernel.loc, isFirst, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(ifOp.thenBlock());
  Value scale = LLVM::LoadOp::create(b, kernel.loc, b.getF32Type(), from);
  LLVM::StoreOp::create(b, kernel.loc, scale, to);
}

/// Emits the kernel that packs an operand into panels.
void emitPack(KernelBuilder &kernel, const host::MatmulPlan &plan, const PackRequest &request) {
  unsigned outer = request.side == host::MatmulSide::LHS ? 0 : 1;
  Value data = kernel.pass(request.data);
  Value rows = kernel.pass(request.operand.outerSize(outer)), k = kernel.pass(request.length);
  HostGroups::PanelRowsOf rowsOf;
  auto pack = [&](const auto &operand) {
    host::emitPack(kernel.body, kernel.loc, plan, request.side, operand, data, rangeOf(kernel, 0),
                   rowsOf ? host::PanelRowsOf(rowsOf) : host::PanelRowsOf());
  };
  auto begin = [&] {
    if (request.groups)
      rowsOf = request.groups->panelRows(kernel, request.side);
    kernel.beginRanged();
  };
  if (const std::optional<ScheduledTensor> &quantized = request.operand.quantized) {
    host::QuantizedOperand operand{&*request.format, kernel.pass(quantized->codes), {}, rows, k};
    for (Value scale : quantized->scales)
      operand.scales.push_back(kernel.pass(scale));
    Value copy = request.tensorScale ? kernel.pass(request.tensorScale) : Value();
    begin();
    if (copy)
      copyScale(kernel, operand.scales.back(), copy);
    pack(operand);
  } else {
    const ScheduledMatrix &matrix = *request.operand.plain;
    Type element = cast<tile::BufferType>(matrix.buffer.getType()).getElementType();
    host::PlainOperand operand{element, kernel.pass(matrix.buffer), rows, k,
                               kernel.pass(matrix.sizes[1 - outer]),
                               kernel.pass(matrix.strides[outer]),
                               kernel.pass(matrix.strides[1 - outer])};
    begin();
    pack(operand);
  }
  kernel.launch(request.panels, kernel.schedule.constant(1), costOfPanel);
}

/// Emits the two packs and the product for a CPU.
class HostMatmulEmitter {
public:
  HostMatmulEmitter(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module, StringRef name,
                    const MatmulRequest &request, const host::MatmulPlan &plan,
                    ArrayRef<std::optional<Format>> formats,
                    Allocate allocate)
      : s(s), target(target), module(module), name(name), request(request), plan(plan),
        formats(formats), allocate(allocate) {}

  LogicalResult emit();

private:
  const MatmulOperand &operandOf(host::MatmulSide side) const {
    return side == host::MatmulSide::LHS ? request.lhs : request.rhs;
  }
  LogicalResult checkPrepared(host::MatmulSide side);
  LogicalResult beginGroups();
  Value contraction(host::MatmulSide side) const;
  Value emitPack(host::MatmulSide side);
  void emitProduct(Value lhsPanels, Value rhsPanels);

  ScheduleBuilder &s;
  const TargetInfo &target;
  ModuleOp module;
  StringRef name;
  const MatmulRequest &request;
  const host::MatmulPlan &plan;
  ArrayRef<std::optional<Format>> formats;
  Allocate allocate;
  std::optional<HostGroups> groups;
};

/// What is prepared has the form that would be packed.
LogicalResult HostMatmulEmitter::checkPrepared(host::MatmulSide side) {
  const std::optional<ScheduledPrepared> &prepared = operandOf(side).prepared;
  if (!prepared)
    return success();
  bool isLhs = side == host::MatmulSide::LHS;
  std::string form = plan.describePanels(side);
  quad::MatmulOp op = request.op;
  if (prepared->form != form) {
    const std::optional<Format> &other = formats[isLhs ? 1 : 0];
    StringRef which = isLhs ? "lhs" : "rhs";
    return op.emitOpError() << which << " is prepared as \"" << prepared->form
                            << "\", but this product reads \"" << form
                            << "\"; prepare it with side = " << which << " and other = "
                            << (other ? StringRef(other->name) : "its element type");
  }
  // It is memory of the caller.
  auto bytes = [&](Value buffer) -> Value {
    return tile::DimOp::create(s.b, s.loc, s.b.getI64Type(), buffer, 0);
  };
  const MatmulOperand &other = operandOf(isLhs ? host::MatmulSide::RHS : host::MatmulSide::LHS);
  if (isa<BlockArgument>(prepared->data)) {
    Value panels = s.ceilDiv(prepared->rows, plan.panelRows(side));
    Value blocks = s.ceilDiv(prepared->length, plan.kBlock);
    Value expected = s.mul(s.mul(panels, blocks), s.constant(plan.blockBytes(side)));
    s.check(s.isEqual(bytes(prepared->data), expected),
            "the bytes of a prepared operand are not as many as its shape needs");
  }
  if (Value length = other.storedLength(); length && !groups)
    s.check(s.isEqual(length, prepared->length),
            "an operand is prepared for another length of the contraction");
  if (groups)
    s.checkDivides(request.groups->expertRows, plan.panelRows(side),
                   "the experts of a prepared operand need a multiple of " +
                       Twine(plan.panelRows(side)) + " rows each; pass the tensor itself");
  return success();
}

LogicalResult HostMatmulEmitter::beginGroups() {
  quad::MatmulOp op = request.op;
  auto type = quad::getQuantizedType(op.getLhs().getType());
  int64_t granularity = type ? type.getGranularity() : 1;
  if (request.groups->ofContraction && granularity % plan.kBlock != 0)
    return op.emitOpError("has groups stored at multiples of ")
           << granularity << ", but the host's panels have blocks of " << plan.kBlock;
  groups.emplace(s, plan, request, granularity);
  return success();
}

/// Length of the contraction as the panels of a side have it.
Value HostMatmulEmitter::contraction(host::MatmulSide side) const {
  const MatmulOperand &own = operandOf(side);
  if (Value length = own.storedLength())
    return length;
  if (!groups)
    return (side == host::MatmulSide::LHS ? request.rhs : request.lhs).storedLength();
  Value length = request.groups->length;
  if (side == host::MatmulSide::LHS)
    return length;
  Value isElsewhere = s.isEqual(request.groups->expertLength, s.constant(0));
  return s.select(isElsewhere, length, own.plain->sizes[0]);
}

Value HostMatmulEmitter::emitPack(host::MatmulSide side) {
  const MatmulOperand &operand = operandOf(side);
  if (operand.prepared)
    return operand.prepared->data;
  bool isLhs = side == host::MatmulSide::LHS;
  Value k = contraction(side), rows = operand.outerSize(isLhs ? 0 : 1);
  HostGroups *ofRows = groups && !request.groups->ofContraction ? &*groups : nullptr;
  Value panels = ofRows ? ofRows->panels(side) : s.ceilDiv(rows, plan.panelRows(side));
  Value blocks = s.ceilDiv(k, plan.kBlock);
  Value workspace =
      allocate(s.mul(s.mul(panels, blocks), s.constant(plan.blockBytes(side))));
  KernelBuilder kernel(s, target, (name + (isLhs ? "_pack_lhs" : "_pack_rhs")).str(), module);
  quadrille::emitPack(kernel, plan,
                      {operand, formats[isLhs ? 0 : 1], side, k, panels, workspace, ofRows});
  return workspace;
}

void HostMatmulEmitter::emitProduct(Value lhsPanels, Value rhsPanels) {
  KernelBuilder kernel(s, target, name, module);
  Value m = request.result.sizes[0], n = request.result.sizes[1];
  host::MatmulOperands operands{kernel.pass(lhsPanels), kernel.pass(rhsPanels), kernel.pass(m),
                                kernel.pass(n),
                                kernel.pass(contraction(host::MatmulSide::LHS))};
  MatmulEpilogue epilogue(kernel, request, formats);
  HostGroups::TileRowsOf rowsOf;
  if (groups) {
    operands.rhsK = kernel.pass(contraction(host::MatmulSide::RHS));
    rowsOf = groups->tileRows(kernel);
  }
  kernel.beginRanged();
  epilogue.begin();
  host::emitMatmul(kernel.body, kernel.loc, plan, operands, rangeOf(kernel, 0),
                   rangeOf(kernel, 1),
                   [&](OpBuilder &b, Location loc, const MatmulElements &elements) {
                     emitStore(b, loc, epilogue.get(), elements);
                   },
                   rowsOf ? host::TileRowsOf(rowsOf) : host::TileRowsOf());
  Value tiles = groups ? groups->tiles() : s.ceilDiv(m, plan.mTile);
  kernel.launch(s.ceilDiv(n, plan.nTile), tiles, costOfTile);
}

LogicalResult HostMatmulEmitter::emit() {
  if (request.groups && failed(beginGroups()))
    return failure();
  for (host::MatmulSide side : {host::MatmulSide::LHS, host::MatmulSide::RHS})
    if (failed(checkPrepared(side)))
      return failure();
  Value lhsPanels = emitPack(host::MatmulSide::LHS);
  emitProduct(lhsPanels, emitPack(host::MatmulSide::RHS));
  return success();
}

bool isPerKBlock(const target::OperandPlan &plan) {
  return plan.application == target::ScaleApplication::PerKBlock;
}

/// Selects the carrier of a product.
using SelectCarrier = llvm::function_ref<target::CarrierChoice(const target::SelectOptions &)>;

/// The carrier and the engine's plan for it. The integer engine has limits of its
/// own (length of a block, magnitude of a user's codes), beyond which f32 serves if
/// it holds code x scale: its engine multiplies scales in when it packs.
std::pair<target::CarrierChoice, std::optional<host::MatmulPlan>>
chooseEngine(SelectCarrier select, host::VectorISA isa, ArrayRef<std::optional<Format>> formats) {
  auto planFor = [&](host::MatmulCarrier carrier) {
    return host::MatmulPlan::get(isa, carrier, formats[0] ? &*formats[0] : nullptr,
                                 formats[1] ? &*formats[1] : nullptr);
  };
  target::CarrierChoice choice = select({});
  if (choice.refused())
    return {choice, std::nullopt};
  if (choice.a.carrier->isInteger) {
    if (std::optional<host::MatmulPlan> plan = planFor(host::MatmulCarrier::S8))
      return {choice, plan};
    target::SelectOptions f32;
    f32.carrier = "f32";
    choice = select(f32);
  }
  if (isPerKBlock(choice.a) || isPerKBlock(choice.b))
    return {choice, std::nullopt};
  return {choice, planFor(host::MatmulCarrier::F32)};
}

/// The engine for a product of a host, or errors at `op`.
template <typename OpT>
std::optional<host::MatmulPlan> planFor(OpT op, const TargetSpec &spec,
                                        ArrayRef<std::optional<Format>> formats) {
  std::optional<host::VectorISA> isa = host::VectorISA::get(spec);
  if (!spec.isHost() || !isa) {
    op.emitOpError("has no engine for target ") << spec.name << "; it runs on the host";
    return std::nullopt;
  }
  const target::Capability &capability = *target::lookupCapability(spec.name);
  auto select = [&](const target::SelectOptions &options) {
    return quad::selectCarrier(op, capability, options);
  };
  auto [choice, plan] = chooseEngine(select, *isa, formats);
  if (choice.refused())
    op.emitOpError() << choice.refusal;
  else if (!plan)
    op.emitOpError("cannot be packed into the carrier ")
        << choice.a.carrier->name << " by the host's engine";
  else
    op.emitRemark() << "carrier " << target::describe(choice) << ": " << choice.why;
  return plan;
}

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
  if (request.groups || request.lhs.prepared || request.rhs.prepared)
    return op.emitOpError("has no engine for ")
           << (request.groups ? "groups" : "prepared operands") << " on target " << spec.name
           << "; it runs on the host";
  const target::Capability &capability = *target::lookupCapability(spec.name);
  target::CarrierChoice choice = quad::selectCarrier(op, capability);
  if (choice.refused())
    return op.emitOpError() << choice.refusal;
  DotPlan dot = planDot(target, capability, request);
  bool hasWarpgroups = StringRef(choice.mma->name).starts_with("wgmma");
  if (!hasWarpgroups && !dot.exists())
    return op.emitOpError("has no engine for ") << StringRef(choice.mma->name) << " of target "
                                                << spec.name << ", and " << dot.whyNot;
  const target::CarrierChoice &used = hasWarpgroups ? choice : dot.choice;
  op.emitRemark() << "carrier " << target::describe(used) << ": " << used.why;
  if (!dot.exists())
    return emitWarpgroupMatmul(s, target, module, name, request, choice, allocate);
  Value m = request.result.sizes[0];
  SmallVector<int64_t> counts = rowsOfDots(target, dot);
  bool hasLarge = hasWarpgroups || hasLargeDots(target, dot);
  Value isMore;
  for (int64_t rows : counts) {
    bool takesAll = rows == counts.back() && !hasLarge;
    s.condition = both(s, isMore, takesAll ? Value() : s.isAtMost(m, s.constant(rows)));
    emitDotMatmul(s, target, module, (name + "_" + Twine(rows)).str(), request, dot, rows);
    isMore = s.isAtMost(s.constant(rows + 1), m);
  }
  LogicalResult result = success();
  s.condition = isMore;
  if (hasWarpgroups)
    result = emitWarpgroupMatmul(s, target, module, name, request, choice, allocate);
  else if (hasLarge)
    emitLargeDots(s, target, module, name, request, dot);
  s.condition = Value();
  return result;
}

LogicalResult emitMatmul(ScheduleBuilder &s, const TargetInfo &target, const TargetSpec &spec,
                         ModuleOp module, StringRef name, const MatmulRequest &request,
                         Allocate allocate) {
  quad::MatmulOp op = request.op;
  if (failed(verifyOrientation(op)))
    return failure();
  if (!spec.isHost())
    return emitDeviceMatmul(s, target, spec, module, name, request, allocate);
  std::optional<Format> formats[2] = {formatOf(op.getLhs()), formatOf(op.getRhs())};
  std::optional<host::MatmulPlan> plan = planFor(op, spec, formats);
  if (!plan)
    return failure();
  return HostMatmulEmitter(s, target, module, name, request, *plan, formats, allocate).emit();
}

FailureOr<ScheduledPrepared> emitPrepare(ScheduleBuilder &s, const TargetInfo &target,
                                         const TargetSpec &spec, ModuleOp module, StringRef name,
                                         const PrepareRequest &request, Allocate allocate) {
  quad::PrepareOp op = request.op;
  bool isLhs = op.getSide() == quad::OperandSide::LHS;
  std::optional<Format> formats[2];
  std::optional<Format> &own = formats[isLhs ? 0 : 1], &other = formats[isLhs ? 1 : 0];
  own = formatOf(op.getInput());
  if (auto format = dyn_cast<quad::FormatAttr>(op.getOther()))
    other = format.toFormat();
  std::optional<host::MatmulPlan> plan = planFor(op, spec, formats);
  if (!plan)
    return failure();
  host::MatmulSide side = isLhs ? host::MatmulSide::LHS : host::MatmulSide::RHS;
  const ScheduledTensor &input = *request.operand.quantized;
  ScheduledPrepared prepared{request.data,    request.tensorScale,        input.rows,
                             input.length,    plan->describePanels(side), plan->panelRows(side),
                             plan->kBlock,    plan->blockBytes(side)};
  Value panels = s.ceilDiv(input.rows, prepared.panelRows);
  if (!prepared.data)
    prepared.data = allocate(s.mul(s.mul(panels, s.ceilDiv(input.length, prepared.kBlock)),
                                   s.constant(prepared.blockBytes)));
  Value copy = prepared.tensorScale;
  if (own->hasTensorLevel() && !copy)
    prepared.tensorScale = input.scales.back();
  KernelBuilder kernel(s, target, name, module);
  emitPack(kernel, *plan,
           {request.operand, own, side, input.length, panels, prepared.data, nullptr, copy});
  return prepared;
}

} // namespace quadrille
