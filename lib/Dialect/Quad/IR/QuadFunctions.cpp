//===- QuadFunctions.cpp - Scale rules, kernels and their calls -----------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Elementwise.h"
#include "quadrille/Dialect/Quad/IR/QuadOps.h"

#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;
using namespace quadrille::quad;

//===----------------------------------------------------------------------===//
// What scale rules and kernels share
//===----------------------------------------------------------------------===//

template <typename FuncOp>
static ParseResult parseFunction(OpAsmParser &parser, OperationState &result) {
  auto buildType = [](Builder &builder, ArrayRef<Type> inputs,
                      ArrayRef<Type> results,
                      function_interface_impl::VariadicFlag, std::string &) {
    return builder.getFunctionType(inputs, results);
  };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false,
      FuncOp::getFunctionTypeAttrName(result.name), buildType,
      FuncOp::getArgAttrsAttrName(result.name),
      FuncOp::getResAttrsAttrName(result.name));
}

template <typename FuncOp>
static void printFunction(OpAsmPrinter &printer, FuncOp op) {
  function_interface_impl::printFunctionOp(
      printer, op, /*isVariadic=*/false, op.getFunctionTypeAttrName(),
      op.getArgAttrsAttrName(), op.getResAttrsAttrName());
}

/// The body yields the results that the signature promises.
template <typename FuncOp> static LogicalResult verifyYield(FuncOp op) {
  auto yield = dyn_cast<YieldOp>(op.getBody().front().getTerminator());
  if (!yield)
    return op.emitOpError("must end with quad.yield");
  if (yield.getOperandTypes() == op.getResultTypes())
    return success();
  return yield.emitOpError()
         << "yields (" << yield.getOperandTypes() << "), but '"
         << op.getSymName() << "' returns (" << op.getResultTypes() << ")";
}

//===----------------------------------------------------------------------===//
// ScaleRuleOp
//===----------------------------------------------------------------------===//

ParseResult ScaleRuleOp::parse(OpAsmParser &parser, OperationState &result) {
  return parseFunction<ScaleRuleOp>(parser, result);
}

void ScaleRuleOp::print(OpAsmPrinter &printer) {
  printFunction(printer, *this);
}

static bool isTensorOf(Type type, ArrayRef<int64_t> shape, Type elementType) {
  return type == RankedTensorType::get(shape, elementType);
}

static LogicalResult verifySignature(ScaleRuleOp op) {
  Builder builder(op.getContext());
  FunctionType type = op.getFunctionType();
  bool takesBlock = false;
  if (type.getNumInputs() == 1)
    if (auto block = dyn_cast<RankedTensorType>(type.getInput(0)))
      takesBlock = block.getRank() == 1 && block.hasStaticShape() &&
                   block.getElementType().isF32();
  ArrayRef<Type> results = type.getResults();
  bool yieldsScale = (results.size() == 1 || results.size() == 2) &&
                     isTensorOf(results[0], {}, builder.getF32Type());
  bool flagOrNone =
      results.size() < 2 || isTensorOf(results[1], {}, builder.getI1Type());
  if (takesBlock && yieldsScale && flagOrNone)
    return success();
  return op.emitOpError()
         << "must take one block, tensor<nxf32>, and return its scale, "
            "tensor<f32>, and optionally a flag, tensor<i1>; it is "
         << type;
}

/// Operations that compute every element by itself and everywhere the same, or
/// that this dialect defines for rules.
static bool isAllowedInRule(Operation &op) {
  return isExactlySpecified(&op) || isa<QuadDialect>(op.getDialect());
}

LogicalResult ScaleRuleOp::verify() {
  if (failed(verifySignature(*this)))
    return failure();
  for (Operation &op : getBody().front())
    if (!isAllowedInRule(op))
      return op.emitOpError("is not possible in a scale rule: it computes with "
                            "elementwise operations of arith and math, "
                            "constants, and quad.block_reduce, splat, "
                            "round_to_grid and round_to_scale");
  return verifyYield(*this);
}

LogicalResult BlockReduceOp::verify() {
  int64_t size = getInput().getType().getShape().front();
  if (ShapedType::isDynamic(size) || !llvm::isPowerOf2_64(size))
    return emitOpError() << "reduces blocks of a static power-of-two size, not "
                         << getInput().getType();
  return success();
}

LogicalResult RoundToGridOp::verify() {
  if (getRounding().isStochastic())
    return emitOpError("has no random bits: rounding must be nearest_even, "
                       "nearest_away or toward_zero");
  return success();
}

//===----------------------------------------------------------------------===//
// KernelOp and LaunchOp
//===----------------------------------------------------------------------===//

void KernelOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                     FunctionType type) {
  state.addAttribute(getSymNameAttrName(state.name),
                     builder.getStringAttr(name));
  state.addAttribute(getFunctionTypeAttrName(state.name), TypeAttr::get(type));
  mlir::Block &entry = state.addRegion()->emplaceBlock();
  SmallVector<Location> locations(type.getNumInputs(), state.location);
  entry.addArguments(type.getInputs(), locations);
}

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  return parseFunction<KernelOp>(parser, result);
}

void KernelOp::print(OpAsmPrinter &printer) { printFunction(printer, *this); }

LogicalResult KernelOp::verify() { return verifyYield(*this); }

void LaunchOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (OpOperand &input : getInputsMutable()) {
    if (!isa<MemRefType>(input.get().getType()))
      continue;
    effects.emplace_back(MemoryEffects::Read::get(), &input);
    effects.emplace_back(MemoryEffects::Write::get(), &input);
  }
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel =
      symbols.lookupNearestSymbolFrom<KernelOp>(*this, getCalleeAttr());
  if (!kernel)
    return emitOpError() << "no quad.kernel is named '" << getCallee() << "'";
  auto type =
      FunctionType::get(getContext(), getInputs().getTypes(), getResultTypes());
  if (type == kernel.getFunctionType())
    return success();
  InFlightDiagnostic diag =
      emitOpError() << "has the type " << type << ", but kernel '"
                    << getCallee() << "' has " << kernel.getFunctionType();
  diag.attachNote(kernel.getLoc()) << "the kernel is here";
  return diag;
}
