//===- QuadToTile.cpp - Lowering of kernels to tile programs -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Conversion/QuadToTile/QuadToTile.h"
#include "Elementwise.h"
#include "Groups.h"
#include "MatmulKernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quadrille/Target/Carrier.h"
#include "quadrille/Target/TargetSpec.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/SaveAndRestore.h"
#include <numeric>

namespace quadrille {
#define GEN_PASS_DEF_QUADTOTILE
#include "quadrille/Conversion/QuadToTile/Passes.h.inc"

using namespace mlir;

namespace {

/// Lowers one function and the kernels that it launches.
class FunctionLowering {
public:
  FunctionLowering(ModuleOp module, func::FuncOp source, const TargetInfo &target,
                   const TargetSpec &spec)
      : module(module), source(source), target(target), spec(spec), b(source.getContext()),
        s(b, source.getLoc()) {}

  LogicalResult run();

private:
  void createSchedule();
  void bindArgument(BlockArgument argument);
  void bindFacts(unsigned number, ScheduledMatrix &matrix);
  SmallVector<Value> addBuffers(Type type, bool isOut);
  void bindResults();
  void bindPrepared(BlockArgument argument, ArrayRef<Value> buffers);
  void describePrepared();

  LogicalResult lowerLaunch(quad::LaunchOp launch);
  LogicalResult checkPadding(quad::LaunchOp launch, Operation *op);
  LogicalResult lowerQuantize(quad::KernelOp kernel, quad::LaunchOp launch);
  LogicalResult lower(quad::AmaxOp op, quad::LaunchOp launch);
  LogicalResult lower(quad::HadamardOp op, quad::LaunchOp launch);
  LogicalResult lower(quad::DequantizeOp op, quad::LaunchOp launch);
  LogicalResult lower(quad::ScalesOp op, quad::LaunchOp launch);
  LogicalResult lower(quad::ToCarrierOp op, quad::LaunchOp launch);
  LogicalResult lower(quad::PrepareOp op, quad::LaunchOp launch);
  LogicalResult lower(quad::MatmulOp op, quad::LaunchOp launch);
  PrepareRequest prepareRequest(quad::LaunchOp launch, quad::PrepareOp op);
  QuantizeRequest quantizeRequest(quad::LaunchOp launch, quad::QuantizeOp op, Value result,
                                  const ScheduledMatrix &input);
  QuantizedProduct *planQuantized(Value product);
  std::optional<DirectPanels> directPanels(Value result, const ScheduledMatrix &input,
                                           unsigned axis, Value length);
  ScheduledTensor preparedTensor(Value result, Value rows, Value length);
  MatmulOperand matmulOperand(quad::LaunchOp launch, Value inKernel, StringRef suffix);
  MatmulGroups matmulGroups(quad::LaunchOp launch, quad::MatmulOp op, const MatmulOperand &lhs,
                            const MatmulOperand &rhs);
  LogicalResult lower(quad::MapOp op, quad::LaunchOp launch);

  KernelBuilder makeKernel(quad::LaunchOp launch, StringRef suffix = "") {
    return KernelBuilder(s, target, (launch.getCallee() + suffix).str(), module, tuning);
  }
  /// The launch's operand for a value of its kernel; null stays null.
  Value operandOf(quad::LaunchOp launch, Value inKernel) {
    return inKernel ? launch.getInputs()[cast<BlockArgument>(inKernel).getArgNumber()] : Value();
  }
  /// The schedule's value for the kernel's scalar or vector operand.
  Value scheduledOf(quad::LaunchOp launch, Value inKernel) {
    Value operand = operandOf(launch, inKernel);
    return operand ? scalars.lookup(operand) : Value();
  }
  const ScheduledMatrix &matrixOf(quad::LaunchOp launch, Value inKernel) {
    return matrices[operandOf(launch, inKernel)];
  }

  Value groupCount(quad::LaunchOp launch, Value inKernel);
  ScheduledGroups scheduledGroups(quad::LaunchOp launch, Value inKernel, Value length,
                                  int64_t multiple);
  ScheduledGroups groupTable(quad::LaunchOp launch, Value inKernel, Value count, Value length,
                             int64_t multiple, GroupExtent extent, StringRef suffix);
  /// The tensor for a kernel's quantized operand, whose codes it reads by words.
  ScheduledTensor tensorOf(quad::LaunchOp launch, Value inKernel);
  ScheduledTensor withRowMajorScales(quad::LaunchOp launch, ScheduledTensor tensor,
                                     quad::QuantizedTensorType type, StringRef suffix);
  FailureOr<ScheduledMap> scheduledMap(quad::LaunchOp launch, Region &body, ValueRange inputs,
                                       Type element);

  ScheduledTensor resultTensor(Value result, Value rows, Value length, Value ownLength);
  ScheduledMatrix resultMatrix(Value result, Value rows, Value cols);
  Value resultScalar(Value result);
  Value resultVector(Value result, Value length);
  Value allocate(Value elements, Type element, unsigned rank);

  ModuleOp module;
  func::FuncOp source, schedule;
  const TargetInfo &target;
  const TargetSpec &spec;
  OpBuilder b;
  ScheduleBuilder s;
  Tuning tuning; ///< of the kernel that is being lowered
  // Schedule values of the source's values, by their kind: plain matrices,
  // quantized and prepared tensors, and whatever is one pointer or number.
  llvm::DenseMap<Value, ScheduledMatrix> matrices;
  llvm::DenseMap<Value, ScheduledTensor> tensors;
  llvm::DenseMap<Value, ScheduledPrepared> prepared;
  llvm::DenseMap<Value, Value> scalars;
  /// By their launches, the quantizations that products may do.
  llvm::DenseMap<Operation *, std::unique_ptr<QuantizedProduct>> quantizedProducts;
  /// Buffers of the caller for values that the function returns.
  llvm::DenseMap<Value, SmallVector<Value>> destinations;
};

//===----------------------------------------------------------------------===//
// Arguments and results
//===----------------------------------------------------------------------===//

/// Element types of the arrays in memory of a value.
SmallVector<std::pair<unsigned, Type>> storageOf(Type type) {
  SmallVector<std::pair<unsigned, Type>> arrays;
  SmallVector<Type> parts;
  if (auto quantized = dyn_cast<quad::QuantizedTensorType>(type))
    parts = quantized.getStorageTypes();
  else if (auto prepared = dyn_cast<quad::PreparedType>(type))
    parts = prepared.getStorageTypes();
  for (Type part : parts)
    arrays.push_back({cast<RankedTensorType>(part).getRank(),
                      cast<RankedTensorType>(part).getElementType()});
  if (isa<RankedTensorType, MemRefType>(type))
    arrays.push_back({cast<ShapedType>(type).getRank(), cast<ShapedType>(type).getElementType()});
  return arrays;
}

SmallVector<Value> FunctionLowering::addBuffers(Type type, bool isOut) {
  SmallVector<Value> buffers;
  for (auto [rank, element] : storageOf(type)) {
    unsigned index = schedule.getNumArguments();
    auto buffer = tile::BufferType::get(b.getContext(), rank, element);
    DictionaryAttr attrs =
        isOut ? b.getDictionaryAttr(b.getNamedAttr("tile.out", b.getUnitAttr())) : DictionaryAttr();
    (void)schedule.insertArgument(index, buffer, attrs, source.getLoc());
    buffers.push_back(schedule.getArgument(index));
  }
  return buffers;
}

/// The largest power of two that divides `x`, at most 128: all that accesses need.
static int64_t powerOfTwoDivisor(int64_t x) { return std::gcd<int64_t>(x, 128); }

/// What the signature says of an argument's address and sizes.
void FunctionLowering::bindFacts(unsigned number, ScheduledMatrix &matrix) {
  // A row's address is the array's plus a multiple of the stride across memory.
  auto alignment = source.getArgAttrOfType<IntegerAttr>(number, "quad.alignment");
  auto strides = source.getArgAttrOfType<DenseI64ArrayAttr>(number, "quad.stride_divisible_by");
  if (alignment && strides && matrix.isContiguous) {
    int64_t bytes = cast<tile::BufferType>(matrix.buffer.getType())
                        .getElementType().getIntOrFloatBitWidth() / 8;
    matrix.alignment = std::gcd(alignment.getInt(), strides[1 - matrix.contiguousDim] * bytes);
  }
  if (auto sizes = source.getArgAttrOfType<DenseI64ArrayAttr>(number, "quad.divisible_by"))
    for (unsigned d = 0; d < 2; ++d)
      matrix.divisors[d] = powerOfTwoDivisor(sizes[d]);
}

void FunctionLowering::bindArgument(BlockArgument argument) {
  Type type = argument.getType();
  SmallVector<Value> buffers = addBuffers(type, /*isOut=*/isa<MemRefType>(type));
  auto dim = [&](Value buffer, unsigned d) -> Value {
    return tile::DimOp::create(b, s.loc, b.getI64Type(), buffer, d);
  };
  if (buffers.empty()) { // a number
    unsigned index = schedule.getNumArguments();
    (void)schedule.insertArgument(index, type, {}, source.getLoc());
    scalars[argument] = schedule.getArgument(index);
  } else if (isa<quad::QuantizedTensorType>(type)) {
    Value length = s.mul(dim(buffers[0], 1), s.constant(2));
    auto quantized = cast<quad::QuantizedTensorType>(type);
    auto alignment =
        source.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(), "quad.alignment");
    tensors[argument] = {buffers[0], llvm::to_vector(ArrayRef(buffers).drop_front()),
                         dim(buffers[0], 0), length, /*divisor=*/1,
                         quantized.getPadded() ? Value() : length,
                         alignment ? alignment.getInt() : 0};
    if (auto sizes = source.getArgAttrOfType<DenseI64ArrayAttr>(argument.getArgNumber(),
                                                                "quad.divisible_by"))
      tensors[argument].rowsDivisor = powerOfTwoDivisor(sizes[1 - quantized.getAxis()]);
  } else if (isa<quad::PreparedType>(type)) {
    bindPrepared(argument, buffers);
  } else if (isa<MemRefType>(type)) {
    scalars[argument] = buffers[0];
  } else {
    // A vector is one row; what has one element for the whole tensor, a pointer.
    unsigned rank = cast<RankedTensorType>(type).getRank();
    ScheduledMatrix &matrix = matrices[argument];
    matrix.buffer = scalars[argument] = buffers[0];
    matrix.sizes[0] = matrix.strides[0] = s.constant(1);
    for (unsigned d = 0; d < rank; ++d) {
      matrix.sizes[2 - rank + d] = dim(buffers[0], d);
      matrix.strides[2 - rank + d] =
          tile::StrideOp::create(b, s.loc, b.getI64Type(), buffers[0], d);
    }
    if (auto attr = source.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(),
                                                         "quad.unit_stride"))
      matrix.contiguousDim = 2 - rank + attr.getInt();
    else
      matrix.isContiguous = false;
    if (rank == 2)
      bindFacts(argument.getArgNumber(), matrix);
  }
}

/// The engine's bytes, perhaps a scale of the tensor, then rows and length.
void FunctionLowering::bindPrepared(BlockArgument argument, ArrayRef<Value> buffers) {
  auto addNumber = [&]() -> Value {
    unsigned index = schedule.getNumArguments();
    (void)schedule.insertArgument(index, b.getI64Type(), {}, source.getLoc());
    return schedule.getArgument(index);
  };
  StringAttr form = cast<quad::PreparedType>(argument.getType()).getForm();
  ScheduledPrepared &operand = prepared[argument];
  operand.data = buffers[0];
  operand.tensorScale = buffers.size() > 1 ? buffers[1] : Value();
  operand.rows = addNumber();
  operand.length = addNumber();
  unsigned axis = quad::getQuantizedType(argument.getType()).getAxis();
  if (auto sizes = source.getArgAttrOfType<DenseI64ArrayAttr>(argument.getArgNumber(),
                                                              "quad.divisible_by"))
    operand.rowsDivisor = powerOfTwoDivisor(sizes[1 - axis]);
  operand.form.description = form ? form.str() : "";
}

/// The value whose storage a value shares.
Value storageRoot(Value value) {
  while (auto transpose = value.getDefiningOp<quad::TransposeOp>())
    value = transpose.getInput();
  return value;
}

void FunctionLowering::bindResults() {
  Operation *terminator = source.getBody().front().getTerminator();
  for (Value result : terminator->getOperands())
    destinations[storageRoot(result)] = addBuffers(result.getType(), /*isOut=*/true);
}

void FunctionLowering::createSchedule() {
  b.setInsertionPoint(source);
  schedule = func::FuncOp::create(b, source.getLoc(), source.getName(),
                                  b.getFunctionType({}, {}));
  schedule->setAttr("tile.schedule", b.getUnitAttr());
  b.setInsertionPointToStart(schedule.addEntryBlock());
  for (BlockArgument argument : source.getArguments())
    bindArgument(argument);
  bindResults();
}

Value FunctionLowering::allocate(Value elements, Type element, unsigned rank) {
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  auto type = tile::BufferType::get(b.getContext(), rank, element);
  return tile::AllocOp::create(b, s.loc, type, s.mul(elements, s.constant(bytes)));
}

ScheduledTensor FunctionLowering::resultTensor(Value result, Value rows, Value length,
                                               Value ownLength) {
  auto type = cast<quad::QuantizedTensorType>(result.getType());
  ScheduledTensor tensor{{}, {}, rows, length, /*divisor=*/1, ownLength, resultAlignment};
  if (auto it = destinations.find(result); it != destinations.end()) {
    tensor.codes = it->second.front();
    tensor.scales.append(it->second.begin() + 1, it->second.end());
  } else {
    tensor.codes = allocate(s.mul(rows, s.ceilDiv(length, 2)), b.getI8Type(), 2);
    for (quad::LevelAttr level : type.getFormat().getLevels()) {
      auto [rank, element] = storageOf(type)[1 + tensor.scales.size()];
      Value count = s.constant(1);
      if (!level.isTensor()) {
        int64_t perByte = level.getType() == ScaleType::E1 ? 8 : 1;
        count = s.mul(s.ceilDiv(rows, level.getBlock().rows),
                      s.ceilDiv(length, level.getBlock().cols * perByte));
      }
      if (tensor.scales.empty()) {
        quad::ScaleLayout layout = type.getScaleLayout();
        Value cols = s.ceilDiv(length, level.getBlock().cols);
        if (layout != quad::ScaleLayout::RowMajor)
          count = s.mul(paddedScaleRows(s, layout, rows), paddedScaleCols(s, layout, cols));
      }
      tensor.scales.push_back(allocate(count, element, rank));
    }
  }
  tensors[result] = tensor;
  return tensor;
}

ScheduledMatrix FunctionLowering::resultMatrix(Value result, Value rows, Value cols) {
  Type element = cast<RankedTensorType>(result.getType()).getElementType();
  auto it = destinations.find(result);
  Value buffer =
      it != destinations.end() ? it->second.front() : allocate(s.mul(rows, cols), element, 2);
  ScheduledMatrix matrix{buffer, {rows, cols}, {cols, s.constant(1)}};
  return matrices[result] = matrix;
}

Value FunctionLowering::resultVector(Value result, Value length) {
  Type element = cast<RankedTensorType>(result.getType()).getElementType();
  auto it = destinations.find(result);
  return it != destinations.end() ? it->second.front() : allocate(length, element, 1);
}

Value FunctionLowering::resultScalar(Value result) {
  Value one = s.constant(1), buffer = resultVector(result, one);
  matrices[result] = {buffer, {one, one}, {one, one}};
  return scalars[result] = buffer;
}

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
  return groupTable(launch, inKernel, groupCount(launch, inKernel), length, multiple,
                    GroupExtent::Extended, "_groups");
}

ScheduledGroups FunctionLowering::groupTable(quad::LaunchOp launch, Value inKernel, Value count,
                                             Value length, int64_t multiple, GroupExtent extent,
                                             StringRef suffix) {
  const ScheduledMatrix &offsets = matrixOf(launch, inKernel);
  ScheduledGroups groups;
  groups.count = count;
  groups.table = allocate(groupTableSize(s, groups.count), b.getI64Type(), 1);
  KernelBuilder kernel = makeKernel(launch, suffix);
  emitGroups(kernel, offsets, length, multiple, extent, groups);
  return groups;
}

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
    length = groupedLength(s, length, groups.count, granularity);
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

LogicalResult FunctionLowering::lower(quad::PrepareOp op, quad::LaunchOp launch) {
  Value result = launch.getResult(0);
  if (prepared.contains(result)) // by the kernel that quantized it
    return success();
  PrepareRequest request = prepareRequest(launch, op);
  request.operand = matmulOperand(launch, op.getInput(), "_scales");
  auto allocateBytes = [&](Value bytes) { return allocate(bytes, b.getI8Type(), 1); };
  FailureOr<ScheduledPrepared> made =
      emitPrepare(s, target, spec, module, launch.getCallee(), request, allocateBytes);
  if (failed(made))
    return failure();
  prepared[result] = *made;
  return success();
}

/// An operand of a product, with row-major scales.
MatmulOperand FunctionLowering::matmulOperand(quad::LaunchOp launch, Value inKernel,
                                              StringRef suffix) {
  Value operand = operandOf(launch, inKernel);
  MatmulOperand result;
  if (auto type = dyn_cast<quad::QuantizedTensorType>(inKernel.getType()))
    result.quantized = withRowMajorScales(launch, tensorOf(launch, inKernel), type, suffix);
  else if (isa<quad::PreparedType>(inKernel.getType()))
    result.prepared = prepared[operand];
  else
    result.plain = matrices[operand];
  return result;
}

MatmulGroups FunctionLowering::matmulGroups(quad::LaunchOp launch, quad::MatmulOp op,
                                            const MatmulOperand &lhs, const MatmulOperand &rhs) {
  MatmulGroups groups;
  Value offsets = op.getGroups();
  groups.count = groupCount(launch, offsets);
  groups.makeTable = [this, launch, offsets, count = groups.count](
                         Value length, int64_t multiple, GroupExtent extent, StringRef suffix) {
    return groupTable(launch, offsets, count, length, multiple, extent, suffix);
  };
  quad::QuantizedTensorType left = quad::getQuantizedType(op.getLhs().getType());
  if (left && left.getGrouped()) {
    groups.ofContraction = true;
    return groups;
  }
  s.check(s.isLess(s.constant(0), groups.count), "a product of groups needs at least one group");
  groups.length = lhs.storedLength();
  if (!groups.length) // zeros follow, as many as the other side has
    groups.length = s.roundUp(lhs.plain->sizes[1],
                              quad::getQuantizedType(op.getRhs().getType()).getGranularity());
  Value length = rhs.plain ? rhs.plain->sizes[0] : rhs.storedLength();
  Value isStacked = s.isLess(groups.length, length);
  Value all = s.select(isStacked, s.mul(groups.length, groups.count), length);
  s.check(s.isEqual(all, length), "the contraction of b must have the length of a's, or that "
                                  "times the number of groups");
  Value rows = rhs.outerSize(1);
  Value perExpert = s.select(isStacked, s.constant(0), s.div(rows, groups.count));
  s.check(s.isEqual(s.select(isStacked, rows, s.mul(perExpert, groups.count)), rows),
          "b must have a multiple of the number of groups of columns, as many for each expert");
  groups.expertRows = perExpert;
  groups.expertLength = s.select(isStacked, groups.length, s.constant(0));
  return groups;
}

LogicalResult FunctionLowering::lower(quad::MatmulOp op, quad::LaunchOp launch) {
  MatmulOperand sides[2] = {matmulOperand(launch, op.getLhs(), "_lhs_scales"),
                            matmulOperand(launch, op.getRhs(), "_rhs_scales")};
  Value m = sides[0].outerSize(0), n = sides[1].outerSize(1);
  std::optional<MatmulGroups> groups;
  if (op.getGroups()) {
    groups = matmulGroups(launch, op, sides[0], sides[1]);
    if (groups->ofContraction)
      m = s.mul(groups->count, m);
    else
      n = s.select(s.isEqual(groups->expertRows, s.constant(0)), n, groups->expertRows);
  }
  ScheduledMatrix result = resultMatrix(launch.getResult(0), m, n);
  if (groups && !groups->ofContraction) // one expert's
    result.divisors[1] = 1;
  else if (sides[1].plain)
    result.divisors[1] = sides[1].plain->divisors[1];
  else
    result.divisors[1] = sides[1].quantized ? sides[1].quantized->rowsDivisor
                                            : sides[1].prepared->rowsDivisor;
  MatmulRequest request{op, sides[0], sides[1], {}, {}, result, groups};
  for (Value addend : {Value(op.getBias()), Value(op.getAcc())})
    if (addend)
      request.addends.push_back(
          makeOperand(cast<RankedTensorType>(addend.getType()), matrixOf(launch, addend)));
  if (!op.getEpilogue().empty()) {
    Type element = cast<RankedTensorType>(op.getType()).getElementType();
    auto epilogue = scheduledMap(launch, op.getEpilogue(), op.getEpilogueInputs(), element);
    if (failed(epilogue))
      return failure();
    request.epilogue = std::move(*epilogue);
  }
  if (!groups)
    request.quantized = planQuantized(launch.getResult(0));
  auto allocateBytes = [&](Value bytes) {
    return allocate(s.conditional(bytes), b.getI8Type(), 1);
  };
  return emitMatmul(s, target, spec, module, launch.getCallee(), request, allocateBytes);
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
