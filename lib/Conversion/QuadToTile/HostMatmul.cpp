//===- HostMatmul.cpp - quad.matmul on CPUs -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "HostGroups.h"
#include "MatmulKernel.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "quadrille/Dialect/Quad/Transforms/SelectCarrier.h"
#include "quadrille/Target/TargetSpec.h"

using namespace mlir;

namespace quadrille {
namespace {

// One panel or tile of any useful contraction is worth a thread.
constexpr int64_t costOfPanel = 1 << 16, costOfTile = 1 << 20;

host::ProgramRange rangeOf(KernelBuilder &kernel, unsigned dim) {
  auto arguments = kernel.kernel.getArguments().take_back(4);
  return {arguments[2 * dim], arguments[2 * dim + 1]};
}

PanelForm formOf(const host::MatmulPlan &plan, host::MatmulSide side) {
  return {plan.describePanels(side), plan.panelRows(side), plan.kBlock, plan.blockBytes(side)};
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
    if (failed(checkPrepared(s, request, side == host::MatmulSide::LHS, formOf(plan, side))))
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

} // namespace

LogicalResult emitHostMatmul(ScheduleBuilder &s, const TargetInfo &target, const TargetSpec &spec,
                             ModuleOp module, StringRef name, const MatmulRequest &request,
                             Allocate allocate) {
  quad::MatmulOp op = request.op;
  OperandFormats formats = formatsOf(op);
  std::optional<host::MatmulPlan> plan = planFor(op, spec, formats);
  if (!plan)
    return failure();
  return HostMatmulEmitter(s, target, module, name, request, *plan, formats, allocate).emit();
}

LogicalResult emitHostPrepare(ScheduleBuilder &s, const TargetInfo &target, const TargetSpec &spec,
                              ModuleOp module, StringRef name, const PrepareRequest &request,
                              Allocate allocate, ScheduledPrepared &prepared) {
  quad::PrepareOp op = request.op;
  bool isLhs = op.getSide() == quad::OperandSide::LHS;
  OperandFormats formats = formatsOf(op);
  std::optional<host::MatmulPlan> plan = planFor(op, spec, formats);
  if (!plan)
    return failure();
  host::MatmulSide side = isLhs ? host::MatmulSide::LHS : host::MatmulSide::RHS;
  prepared.form = formOf(*plan, side);
  prepared.allocate(s, allocate);
  Value panels = s.ceilDiv(prepared.rows, prepared.form.panelRows);
  KernelBuilder kernel(s, target, name, module);
  emitPack(kernel, *plan,
           {request.operand, formats[isLhs ? 0 : 1], side, prepared.length, panels, prepared.data,
            nullptr, request.tensorScale});
  return success();
}

} // namespace quadrille
