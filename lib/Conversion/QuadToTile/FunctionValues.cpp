//===- FunctionValues.cpp - Arguments, results and workspace -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FunctionLowering.h"

using namespace mlir;

namespace quadrille {

/// Element types of the arrays in memory of a value.
static SmallVector<std::pair<unsigned, Type>> storageOf(Type type) {
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

} // namespace quadrille
