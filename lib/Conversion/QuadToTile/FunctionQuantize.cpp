//===- FunctionQuantize.cpp - Launches that quantize -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FunctionLowering.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;

namespace quadrille {

/// The launch that prepares a result, if nothing else reads it.
static std::pair<quad::LaunchOp, quad::PrepareOp> findPrepare(Value result) {
  auto launch = result.hasOneUse() ? dyn_cast<quad::LaunchOp>(*result.user_begin())
                                   : quad::LaunchOp();
  if (!launch)
    return {};
  auto callee = launch.getCalleeAttr();
  auto kernel = SymbolTable::lookupNearestSymbolFrom<quad::KernelOp>(launch, callee);
  return {launch, dyn_cast<quad::PrepareOp>(kernel.getBody().front().front())};
}

PrepareRequest FunctionLowering::prepareRequest(quad::LaunchOp launch, quad::PrepareOp op) {
  PrepareRequest request{op, {}, {}, {}};
  if (auto buffers = destinations.find(launch.getResult(0)); buffers != destinations.end()) {
    request.data = buffers->second[0];
    request.tensorScale = buffers->second.size() > 1 ? buffers->second[1] : Value();
  }
  return request;
}

/// Where a quantized result that is only prepared is written in that form at once.
std::optional<DirectPanels> FunctionLowering::directPanels(Value result,
                                                           const ScheduledMatrix &input,
                                                           unsigned axis, Value length) {
  auto [launch, op] = findPrepare(result);
  if (!op)
    return std::nullopt;
  PrepareRequest request = prepareRequest(launch, op);
  ScheduledPrepared made{request.data, request.tensorScale, input.sizes[1 - axis],
                         length,       {},                  input.divisors[1 - axis]};
  auto allocateBytes = [&](Value bytes) { return allocate(bytes, b.getI8Type(), 1); };
  std::optional<DirectPanels> panels = planDirectPanels(s, target, spec, request, allocateBytes, made);
  if (!panels)
    return std::nullopt;
  quad::FormatAttr format = op.getInput().getType().getFormat();
  if (format.hasTensorLevel() && !made.tensorScale)
    made.tensorScale = allocate(s.constant(1), b.getF32Type(), 1);
  prepared[launch.getResult(0)] = made;
  return panels;
}

/// What is left of a result that is written to panels: its sizes, and the scale of the tensor.
ScheduledTensor FunctionLowering::preparedTensor(Value result, Value rows, Value length) {
  auto type = cast<quad::QuantizedTensorType>(result.getType());
  ScheduledTensor tensor{{}, {}, rows, length};
  tensor.scales.resize(type.getFormat().getLevels().size());
  tensor.scales.back() = prepared[findPrepare(result).first.getResult(0)].tensorScale;
  return tensor;
}

LogicalResult FunctionLowering::lowerQuantize(quad::KernelOp kernel, quad::LaunchOp launch) {
  std::vector<QuantizeRequest> requests;
  auto quantizations = llvm::to_vector(kernel.getBody().getOps<quad::QuantizeOp>());
  Value source = quantizations.front().getInput();
  FailureOr<ScheduledMap> map;
  QuantizeInput input;
  if (auto op = source.getDefiningOp<quad::MapOp>()) {
    map = scheduledMap(launch, op.getBody(), op.getInputs(), op.getType().getElementType());
    if (failed(map))
      return failure();
    input = inputOf(s, *map);
  } else {
    input = {matrixOf(launch, source)};
  }
  if (auto made = quantizedProducts.find(launch); made != quantizedProducts.end()) {
    const QuantizedProduct &product = *made->second;
    if (product.isDone) {
      quantizations.front().emitRemark("is done by the kernel of the product, but of few rows and "
                                       "of sums of parts of the contraction by its own");
      s.condition = s.isNot(product.isDone);
    }
    KernelBuilder builder = makeKernel(launch);
    LogicalResult result = emitQuantize(builder, input, product.request);
    s.condition = Value();
    return result;
  }
  for (auto [op, result] : llvm::zip_equal(quantizations, launch.getResults()))
    requests.push_back(quantizeRequest(launch, op, result, input));
  KernelBuilder builder = makeKernel(launch);
  return emitQuantize(builder, input, requests);
}

QuantizeRequest FunctionLowering::quantizeRequest(quad::LaunchOp launch, quad::QuantizeOp op,
                                                  Value result, const ScheduledMatrix &input) {
  unsigned axis = op.getAxis();
  int64_t granularity = op.getType().getGranularity();
  Value length = input.sizes[axis];
  ScheduledGroups groups = scheduledGroups(launch, op.getGroups(), length, granularity);
  if (groups)
    length = groupedLength(s, length, groups.count, s.constant(granularity));
  else if (op.getPad())
    length = s.roundUp(length, granularity);
  else
    s.checkDivides(length, granularity,
                   "the length of axis " + Twine(axis) + " must be a multiple of " +
                       Twine(granularity) + "; pad=True extends it with zeros");
  int64_t multiple = op.getKey() ? elementsPerDraw : codesPerWord;
  if (granularity % multiple != 0)
    s.checkDivides(length, multiple, "kernels of this format need a multiple of " +
                                         Twine(multiple) + " elements along axis " + Twine(axis));
  if (op.getKey())
    s.checkDivides(scheduledOf(launch, op.getIndexBase()), elementsPerDraw,
                   "index_base must be a multiple of " + Twine(elementsPerDraw));
  std::optional<DirectPanels> panels = directPanels(result, input, axis, length);
  ScheduledTensor stored =
      panels ? preparedTensor(result, input.sizes[1 - axis], length)
             : resultTensor(result, input.sizes[1 - axis], length,
                            /*ownLength=*/input.sizes[axis]);
  bool isExtended = groups || (op.getPad() && input.divisors[axis] % granularity != 0);
  stored.divisor = std::max(powerOfTwoDivisor(granularity),
                            isExtended ? 1 : input.divisors[axis]);
  stored.rowsDivisor = input.divisors[1 - axis];
  tensors[result] = stored;
  return {op, scheduledOf(launch, op.getSigns()), scheduledOf(launch, op.getKey()),
          scheduledOf(launch, op.getIndexBase()), scheduledOf(launch, op.getStep()),
          scheduledOf(launch, op.getAmax()), scheduledOf(launch, op.getAmaxOut()),
          scheduledOf(launch, op.getFlags()), stored, groups, panels};
}

/// What a product's kernel can do with values in its registers: a row's blocks and transforms lie
/// in one warp, and nothing has to be known of other tiles.
static bool canQuantizeRegisters(quad::QuantizeOp op) {
  constexpr int64_t most = 128;
  quad::QuantizedTensorType type = op.getType();
  quad::FormatAttr format = type.getFormat();
  bool isOfBlocks = llvm::all_of(format.getLevels(), [](quad::LevelAttr level) {
    return !level.isTensor() && level.getBlock().rows == 1 &&
           level.getRule() != ScaleRule::Program;
  });
  return isOfBlocks && op.getAxis() == 1 && !op.getGroups() &&
         type.getScaleLayout() == quad::ScaleLayout::RowMajor &&
         format.getOuterBlockCols() <= most && (!type.getRht() || type.getRht().getSize() <= most);
}

/// The quantization of a product that nothing else reads, by what the caller gave; or null.
QuantizedProduct *FunctionLowering::planQuantized(Value product) {
  auto launch = product.hasOneUse() ? dyn_cast<quad::LaunchOp>(*product.user_begin())
                                    : quad::LaunchOp();
  if (!launch || destinations.contains(product))
    return nullptr;
  auto callee = launch.getCalleeAttr();
  auto kernel = SymbolTable::lookupNearestSymbolFrom<quad::KernelOp>(launch, callee);
  auto op = dyn_cast<quad::QuantizeOp>(kernel.getBody().front().front());
  bool isOne = op && launch->getNumResults() == 1 && operandOf(launch, op.getInput()) == product;
  bool isGiven = llvm::all_of(launch.getInputs(), [&](Value input) {
    return input == product || isa<BlockArgument>(input);
  });
  if (!isOne || !isGiven || !canQuantizeRegisters(op) || findPrepare(launch.getResult(0)).second)
    return nullptr;
  llvm::SaveAndRestore ofLaunch(s.loc, Location(launch.getLoc()));
  QuantizeRequest request = quantizeRequest(launch, op, launch.getResult(0), matrices[product]);
  auto &made = quantizedProducts[launch];
  made = std::make_unique<QuantizedProduct>(QuantizedProduct{request});
  return made.get();
}

} // namespace quadrille
