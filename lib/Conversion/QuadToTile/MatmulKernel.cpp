//===- MatmulKernel.cpp - quad.matmul -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MatmulKernel.h"
#include "Elementwise.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "quadrille/Dialect/Quad/Transforms/SelectCarrier.h"
#include "quadrille/Target/Host/Matmul.h"
#include "quadrille/Target/TargetSpec.h"
#include <numeric>

using namespace mlir;

namespace quadrille {

std::optional<Format> formatOf(Value operand) {
  if (auto type = dyn_cast<quad::QuantizedTensorType>(operand.getType()))
    return type.getFormat().toFormat();
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// The epilogue
//===----------------------------------------------------------------------===//

MatmulEpilogue::MatmulEpilogue(KernelBuilder &kernel, const MatmulRequest &request,
                               ArrayRef<std::optional<Format>> formats)
    : kernel(kernel), request(request) {
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
      tensorScales.push_back(kernel.pass(operand->quantized->scales.back()));
  body = [&request](OpBuilder &b, Location, ValueRange arguments) {
    return emitElementwiseBody(b, *request.epilogue->body, arguments);
  };
}

/// fl(ta * tb) of the tensor-level scales, where there are any.
void MatmulEpilogue::begin() {
  if (request.epilogue)
    to.body = body;
  for (Value pointer : tensorScales) {
    Value scale = LLVM::LoadOp::create(kernel.body, kernel.loc, kernel.body.getF32Type(), pointer);
    to.scale = to.scale
                   ? Value(arith::MulFOp::create(kernel.body, kernel.loc, to.scale, scale))
                   : scale;
  }
}

host::EpilogueOperand MatmulEpilogue::pass(const ScheduledOperand &operand) {
  host::EpilogueOperand passed;
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

/// Emits the two packs and the product for a CPU.
class HostMatmulEmitter {
public:
  HostMatmulEmitter(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module, StringRef name,
                    const MatmulRequest &request, const host::MatmulPlan &plan,
                    ArrayRef<std::optional<Format>> formats,
                    Allocate allocate)
      : s(s), target(target), module(module), name(name), request(request), plan(plan),
        formats(formats), allocate(allocate) {}

  void emit();

private:
  Value contraction() const;
  Value emitPack(host::MatmulSide side);
  void emitProduct(Value lhsPanels, Value rhsPanels);
  host::ProgramRange range(KernelBuilder &kernel, unsigned dim) {
    auto arguments = kernel.kernel.getArguments().take_back(4);
    return {arguments[2 * dim], arguments[2 * dim + 1]};
  }

  ScheduleBuilder &s;
  const TargetInfo &target;
  ModuleOp module;
  StringRef name;
  const MatmulRequest &request;
  const host::MatmulPlan &plan;
  ArrayRef<std::optional<Format>> formats;
  Allocate allocate;
};

/// Length of the contraction as the panels have it.
Value HostMatmulEmitter::contraction() const {
  for (const MatmulOperand &operand : {request.lhs, request.rhs})
    if (operand.quantized)
      return operand.quantized->length;
  return request.lhs.plain->sizes[1];
}

Value HostMatmulEmitter::emitPack(host::MatmulSide side) {
  bool isLhs = side == host::MatmulSide::LHS;
  const MatmulOperand &operand = isLhs ? request.lhs : request.rhs;
  Value k = contraction(), rows = operand.outerSize(isLhs ? 0 : 1);
  int64_t panelRows = plan.panelRows(side);
  Value panels = s.ceilDiv(rows, panelRows), blocks = s.ceilDiv(k, plan.kBlock);
  Value workspace =
      allocate(s.mul(s.mul(panels, blocks), s.constant(plan.blockBytes(side))));

  KernelBuilder kernel(s, target, (name + (isLhs ? "_pack_lhs" : "_pack_rhs")).str(), module);
  Value panelsArgument = kernel.pass(workspace);
  Value rowsArgument = kernel.pass(rows), kArgument = kernel.pass(k);
  if (operand.quantized) {
    host::QuantizedOperand packed{&*formats[isLhs ? 0 : 1], kernel.pass(operand.quantized->codes),
                                  {}, rowsArgument, kArgument};
    for (Value scale : operand.quantized->scales)
      packed.scales.push_back(kernel.pass(scale));
    kernel.beginRanged();
    host::emitPack(kernel.body, kernel.loc, plan, side, packed, panelsArgument, range(kernel, 0));
  } else {
    const ScheduledMatrix &matrix = *operand.plain;
    unsigned outer = isLhs ? 0 : 1;
    Type element = cast<tile::BufferType>(matrix.buffer.getType()).getElementType();
    host::PlainOperand packed{element, kernel.pass(matrix.buffer), rowsArgument, kArgument,
                              kernel.pass(matrix.sizes[1 - outer]),
                              kernel.pass(matrix.strides[outer]),
                              kernel.pass(matrix.strides[1 - outer])};
    kernel.beginRanged();
    host::emitPack(kernel.body, kernel.loc, plan, side, packed, panelsArgument, range(kernel, 0));
  }
  kernel.launch(panels, s.constant(1), costOfPanel);
  return workspace;
}

void HostMatmulEmitter::emitProduct(Value lhsPanels, Value rhsPanels) {
  KernelBuilder kernel(s, target, name, module);
  Value m = request.result.sizes[0], n = request.result.sizes[1];
  host::MatmulOperands operands{kernel.pass(lhsPanels), kernel.pass(rhsPanels), kernel.pass(m),
                                kernel.pass(n), kernel.pass(contraction())};
  MatmulEpilogue epilogue(kernel, request, formats);
  kernel.beginRanged();
  epilogue.begin();
  host::emitMatmul(kernel.body, kernel.loc, plan, operands, range(kernel, 0), range(kernel, 1),
                   [&](OpBuilder &b, Location loc, const host::MatmulElements &elements) {
                     host::emitStore(b, loc, epilogue.get(), elements);
                   });
  kernel.launch(s.ceilDiv(n, plan.nTile), s.ceilDiv(m, plan.mTile), costOfTile);
}

void HostMatmulEmitter::emit() {
  Value lhsPanels = emitPack(host::MatmulSide::LHS);
  emitProduct(lhsPanels, emitPack(host::MatmulSide::RHS));
}

bool isPerKBlock(const target::OperandPlan &plan) {
  return plan.application == target::ScaleApplication::PerKBlock;
}

/// The carrier and the engine's plan for it. The integer engine has limits of its
/// own (length of a block, magnitude of a user's codes), beyond which f32 serves if
/// it holds code x scale: its engine multiplies scales in when it packs.
std::pair<target::CarrierChoice, std::optional<host::MatmulPlan>>
chooseEngine(quad::MatmulOp op, const target::Capability &capability, host::VectorISA isa,
             ArrayRef<std::optional<Format>> formats) {
  auto planFor = [&](host::MatmulCarrier carrier) {
    return host::MatmulPlan::get(isa, carrier, formats[0] ? &*formats[0] : nullptr,
                                 formats[1] ? &*formats[1] : nullptr);
  };
  target::CarrierChoice choice = quad::selectCarrier(op, capability);
  if (choice.refused())
    return {choice, std::nullopt};
  if (choice.a.carrier->isInteger) {
    if (std::optional<host::MatmulPlan> plan = planFor(host::MatmulCarrier::S8))
      return {choice, plan};
    target::SelectOptions f32;
    f32.carrier = "f32";
    choice = quad::selectCarrier(op, capability, f32);
  }
  if (isPerKBlock(choice.a) || isPerKBlock(choice.b))
    return {choice, std::nullopt};
  return {choice, planFor(host::MatmulCarrier::F32)};
}

/// Both quantized axes are the contraction's, as storage needs.
LogicalResult verifyOrientation(quad::MatmulOp op) {
  const Value operands[] = {op.getLhs(), op.getRhs()};
  for (auto [side, value] : llvm::enumerate(operands)) {
    auto type = dyn_cast<quad::QuantizedTensorType>(value.getType());
    if (type && type.getAxis() != (side == 0 ? 1 : 0))
      return op.emitOpError("operand ")
             << side << " is stored along its other axis; quantize it with axis="
             << (side == 0 ? 1 : 0);
  }
  return success();
}

} // namespace

/// Few rows of the result: rhs is read once, packed, by instructions of single warps. More:
/// by wgmma where there is that, after conversion; else the same again for every few rows.
static LogicalResult emitDeviceMatmul(ScheduleBuilder &s, const TargetInfo &target,
                                      const TargetSpec &spec, ModuleOp module, StringRef name,
                                      const MatmulRequest &request, Allocate allocate) {
  quad::MatmulOp op = request.op;
  const target::Capability &capability = *target::lookupCapability(spec.name);
  target::CarrierChoice choice = quad::selectCarrier(op, capability);
  if (choice.refused())
    return op.emitOpError() << choice.refusal;
  target::SelectOptions bf16;
  bf16.carrier = "bf16";
  target::CarrierChoice ofWarps = quad::selectCarrier(op, capability, bf16);
  std::string whyNot = whyNoDot(target, request, ofWarps);
  bool hasWarpgroups = StringRef(choice.mma->name).starts_with("wgmma");
  if (!hasWarpgroups && !whyNot.empty())
    return op.emitOpError("has no engine for ") << StringRef(choice.mma->name) << " of target "
                                                << spec.name << ", and " << whyNot;
  op.emitRemark() << "carrier " << target::describe(hasWarpgroups ? choice : ofWarps) << ": "
                  << (hasWarpgroups ? choice : ofWarps).why;
  if (!whyNot.empty())
    return emitWarpgroupMatmul(s, target, module, name, request, choice, allocate);
  constexpr int64_t fewest = 8, few = 16;
  Value m = request.result.sizes[0];
  s.condition = s.isAtMost(m, s.constant(fewest));
  emitDotMatmul(s, target, module, (name + "_" + Twine(fewest)).str(), request, fewest);
  s.condition = s.isAtMost(s.constant(fewest + 1), m);
  if (hasWarpgroups)
    s.condition = arith::AndIOp::create(s.b, s.loc, s.condition, s.isAtMost(m, s.constant(few)));
  emitDotMatmul(s, target, module, (name + "_" + Twine(few)).str(), request, few);
  LogicalResult result = success();
  s.condition = s.isAtMost(s.constant(few + 1), m);
  if (hasWarpgroups)
    result = emitWarpgroupMatmul(s, target, module, name, request, choice, allocate);
  s.condition = Value();
  return result;
}

LogicalResult emitMatmul(ScheduleBuilder &s, const TargetInfo &target, const TargetSpec &spec,
                         ModuleOp module, StringRef name, const MatmulRequest &request,
                         Allocate allocate) {
  quad::MatmulOp op = request.op;
  if (failed(verifyOrientation(op)))
    return failure();
  const target::Capability *capability = target::lookupCapability(spec.name);
  if (!spec.isHost())
    return emitDeviceMatmul(s, target, spec, module, name, request, allocate);
  std::optional<host::VectorISA> isa = host::VectorISA::get(spec);
  if (!isa)
    return op.emitOpError("has no engine for target ") << spec.name << "; AVX2 is needed";
  std::optional<Format> formats[2] = {formatOf(op.getLhs()), formatOf(op.getRhs())};
  auto [choice, plan] = chooseEngine(op, *capability, *isa, formats);
  if (choice.refused())
    return op.emitOpError() << choice.refusal;
  if (!plan)
    return op.emitOpError("cannot be packed into the carrier ")
           << choice.a.carrier->name << " by the host's engine";
  op.emitRemark() << "carrier " << target::describe(choice) << ": " << choice.why;
  HostMatmulEmitter(s, target, module, name, request, *plan, formats, allocate).emit();
  return success();
}

} // namespace quadrille
