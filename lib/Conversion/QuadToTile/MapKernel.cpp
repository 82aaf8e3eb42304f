//===- MapKernel.cpp - Tiles of quad.map -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Elementwise.h"

using namespace mlir;

namespace quadrille {

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

ScheduledOperand makeOperand(RankedTensorType type, const ScheduledMatrix &matrix) {
  ScheduledOperand operand;
  operand.matrix = matrix;
  operand.repeats[0] = type.getRank() == 1 || type.getDimSize(0) == 1;
  operand.repeats[1] = type.getShape().back() == 1;
  return operand;
}

Value sizeOf(ScheduleBuilder &s, const ScheduledMap &map, unsigned dim) {
  for (const ScheduledOperand &operand : map.operands)
    if (operand.matrix && !operand.repeats[dim])
      return operand.matrix->sizes[dim];
  return s.constant(1);
}

QuantizeInput inputOf(ScheduleBuilder &s, const ScheduledMap &map) {
  QuantizeInput input;
  input.map = &map;
  input.isContiguous = false;
  for (unsigned dim : {0, 1})
    input.sizes[dim] = sizeOf(s, map, dim);
  for (const ScheduledOperand &operand : map.operands) {
    if (!operand.matrix)
      continue;
    for (unsigned dim : {0, 1})
      if (!operand.repeats[dim])
        input.divisors[dim] = std::max(input.divisors[dim], operand.matrix->divisors[dim]);
    if (!operand.repeats[0] && !operand.repeats[1])
      input.contiguousDim = operand.matrix->contiguousDim;
  }
  return input;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {

/// Loads what repeats along some dimensions: a tile of size 1 there, and copies of it.
Tile loadRepeated(KernelBuilder &kernel, const ScheduledOperand &operand, unsigned axis,
                  RankedTensorType type, Value p0, Value a0) {
  const ScheduledMatrix &matrix = *operand.matrix;
  TileBuilder t(kernel.body, kernel.loc);
  Type element = cast<tile::BufferType>(matrix.buffer.getType()).getElementType();
  if (element.isBF16())
    element = kernel.body.getI16Type();
  Value zero = kernel.constant(0), one = kernel.constant(1);
  unsigned dims[2] = {1 - axis, axis};
  Value offsets[2] = {p0, a0}, bounds[2], strides[2];
  SmallVector<int64_t> repeated;
  for (unsigned d = 0; d < 2; ++d) {
    bool repeats = operand.repeats[dims[d]];
    if (repeats)
      repeated.push_back(d);
    offsets[d] = repeats ? zero : offsets[d];
    bounds[d] = repeats ? one : kernel.pass(matrix.sizes[dims[d]]);
    strides[d] = repeats ? zero : kernel.pass(matrix.strides[dims[d]]);
  }
  auto stored = cast<RankedTensorType>(tile::reducedType(type, repeated).clone(element));
  Tile x = tile::LoadOp::create(kernel.body, kernel.loc, stored, kernel.pass(matrix.buffer),
                                offsets, bounds, strides, kernel.inside,
                                /*alignment=*/IntegerAttr(), /*granularity=*/IntegerAttr());
  return t.broadcast(t.widen(x), type);
}

/// flattenRows of the result and of all that is read, if all are dense.
void flattenAll(ScheduleBuilder &s, ScheduledMap &map, ScheduledMatrix &result) {
  Value rows = result.sizes[0], length = result.sizes[1], dense;
  for (const ScheduledOperand &operand : map.operands) {
    if (operand.number || (operand.repeats[0] && operand.repeats[1]))
      continue;
    if (operand.repeats[0] || operand.repeats[1] || !operand.matrix->isContiguous ||
        operand.matrix->contiguousDim != 1)
      return;
    Value gapless = s.isEqual(operand.matrix->strides[0], length);
    dense = dense ? Value(arith::AndIOp::create(s.b, s.loc, dense, gapless)) : gapless;
  }
  if (!dense)
    return;
  Value all = s.mul(rows, length), one = s.constant(1);
  auto flatten = [&](ScheduledMatrix &matrix) {
    matrix.sizes[1] = s.select(dense, all, length);
    matrix.sizes[0] = s.select(dense, one, rows);
  };
  flatten(result);
  for (ScheduledOperand &operand : map.operands)
    if (operand.matrix && !operand.repeats[0])
      flatten(*operand.matrix);
}

} // namespace

Tile loadOperand(KernelBuilder &kernel, const ScheduledOperand &operand, unsigned axis,
                 const Tiling &tiling, Value p0, Value a0) {
  auto [shape, layout] = tiling;
  auto type = tile::withLayout(
      RankedTensorType::get({shape.across, shape.along}, kernel.body.getF32Type()), layout);
  if (operand.number)
    return tile::SplatOp::create(kernel.body, kernel.loc, type, kernel.pass(operand.number));
  if (operand.repeats[0] || operand.repeats[1])
    return loadRepeated(kernel, operand, axis, type, p0, a0);
  return loadMatrix(kernel, *operand.matrix, axis, tiling, p0, a0);
}

Tile computeMap(KernelBuilder &kernel, const ScheduledMap &map, unsigned axis,
                const Tiling &tiling, Value p0, Value a0) {
  SmallVector<Value> arguments;
  for (const ScheduledOperand &operand : map.operands)
    arguments.push_back(loadOperand(kernel, operand, axis, tiling, p0, a0));
  return emitElementwiseBody(kernel.body, *map.body, arguments);
}

Tile zeroOutside(KernelBuilder &kernel, Tile y, ArrayRef<Value> origin, ArrayRef<Value> size) {
  OpBuilder &b = kernel.body;
  Location loc = kernel.loc;
  TileBuilder t(b, loc);
  auto positions = cast<RankedTensorType>(t.withElement(y, b.getI32Type()));
  for (unsigned d = 0; d < 2; ++d) {
    Value rest = arith::SubIOp::create(b, loc, size[d], origin[d]);
    rest = arith::MinSIOp::create(b, loc, rest, kernel.constant(positions.getDimSize(d)));
    rest = arith::TruncIOp::create(b, loc, b.getI32Type(), rest);
    Tile inside = t.cmp(arith::CmpIPredicate::slt, tile::IotaOp::create(b, loc, positions, d),
                        Tile(tile::SplatOp::create(b, loc, positions, rest)));
    y = t.select(inside, y, t.f32(y, 0));
  }
  return y;
}

LogicalResult emitMap(KernelBuilder &kernel, ScheduledMap map, ScheduledMatrix result) {
  ScheduleBuilder &s = kernel.schedule;
  const TargetInfo &target = kernel.target;
  int64_t perLane = kernel.choose(Knob::ElementsPerLane, target.getElementsPerLane());
  TileShape shape = {1, int64_t(target.getLanes()) * target.getWarps() * perLane};
  int64_t divisor = inputOf(s, map).divisors[1];
  flattenAll(s, map, result);
  Value row = kernel.tileOrigin(1, shape.across), column = kernel.tileOrigin(0, shape.along);
  kernel.inside = isInside(kernel, result, {row, column}, {shape.across, shape.along});
  Tile y = computeMap(kernel, map, /*axis=*/1, {shape, computeLayout(target, shape, perLane)}, row,
                      column);
  TileBuilder t(kernel.body, kernel.loc);
  storeDense(kernel, t.narrow(y, map.element, kernel.target.roundsToBF16()), kernel.pass(result.buffer), row, column, kernel.pass(result.sizes[0]),
             kernel.pass(result.sizes[1]), divisor);
  int64_t bytes = 4 * shape.along * int64_t(1 + map.operands.size());
  kernel.launch(s.ceilDiv(result.sizes[1], shape.along), result.sizes[0], bytes);
  return success();
}

} // namespace quadrille
