//===- Groups.cpp - Groups along the quantized axis -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Groups.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using arith::CmpIPredicate;

namespace quadrille {

//===----------------------------------------------------------------------===//
// The table: for each group where it is stored and where it is read, both i64. Then the same
// of what is in no group, and of the end.
//===----------------------------------------------------------------------===//

GroupTable::GroupTable(KernelBuilder &kernel, const ScheduledGroups &groups)
    : b(kernel.body), loc(kernel.loc), table(kernel.pass(groups.table)) {}

Value GroupTable::constant(int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
}

Value GroupTable::at(Value group, int64_t field) {
  Value index = add(op<arith::MulIOp>(group, constant(2)), field);
  return LLVM::GEPOp::create(b, loc, table.getType(), b.getI64Type(), table, ValueRange{index});
}

Value GroupTable::load(Value group, int64_t field) {
  return LLVM::LoadOp::create(b, loc, b.getI64Type(), at(group, field));
}

void GroupTable::store(Value group, Value stored, Value first) {
  LLVM::StoreOp::create(b, loc, stored, at(group, 0));
  LLVM::StoreOp::create(b, loc, first, at(group, 1));
}

Value GroupTable::find(Value count, Value position) {
  Type i64 = b.getI64Type();
  auto loop = scf::WhileOp::create(b, loc, TypeRange{i64, i64}, ValueRange{constant(0), count});
  OpBuilder::InsertionGuard guard(b);
  mlir::Block *before = b.createBlock(&loop.getBefore(), {}, {i64, i64}, {loc, loc});
  Value isOpen = cmp(CmpIPredicate::slt, before->getArgument(0), before->getArgument(1));
  scf::ConditionOp::create(b, loc, isOpen, before->getArguments());
  mlir::Block *after = b.createBlock(&loop.getAfter(), {}, {i64, i64}, {loc, loc});
  Value low = after->getArgument(0), high = after->getArgument(1);
  Value middle = op<arith::DivUIOp>(add(op<arith::AddIOp>(low, high), 1), constant(2));
  Value isBefore = cmp(CmpIPredicate::sle, loadStored(middle), position);
  low = select(isBefore, middle, low);
  high = select(isBefore, high, add(middle, -1));
  scf::YieldOp::create(b, loc, ValueRange{low, high});
  return loop.getResult(0);
}

namespace {

/// The element of `offsets` as i64.
Value loadOffset(KernelBuilder &kernel, const ScheduledMatrix &offsets, Value index) {
  OpBuilder &b = kernel.body;
  Type element = cast<tile::BufferType>(offsets.buffer.getType()).getElementType();
  Value base = kernel.pass(offsets.buffer);
  Value position = kernel.mul(index, kernel.pass(offsets.strides[1]));
  Value address =
      LLVM::GEPOp::create(b, kernel.loc, base.getType(), element, base, ValueRange{position});
  Value offset = LLVM::LoadOp::create(b, kernel.loc, element, address);
  return element.isInteger(64)
             ? offset
             : Value(arith::ExtSIOp::create(b, kernel.loc, b.getI64Type(), offset));
}

} // namespace

Value groupTableSize(ScheduleBuilder &s, Value count) {
  return s.mul(s.add(count, s.constant(2)), s.constant(2));
}

Value groupedLength(ScheduleBuilder &s, Value length, Value count, Value multiple,
                    GroupExtent extent) {
  // The sum of multiples that exceed their group by less than one each, at each end.
  int64_t ends = extent == GroupExtent::Covering ? 2 : 1;
  Value excess = s.mul(s.add(multiple, s.constant(-1)), s.constant(ends));
  Value most = s.add(length, s.mul(count, excess));
  return s.mul(s.div(most, multiple), multiple);
}

void emitGroups(KernelBuilder &kernel, const ScheduledMatrix &offsets, Value length,
                Value multiple, GroupExtent extent, const ScheduledGroups &groups) {
  OpBuilder &b = kernel.body;
  GroupTable t(kernel, groups);
  Value zero = kernel.constant(0), one = kernel.constant(1);
  Value count = kernel.pass(groups.count), end = kernel.pass(length);
  const std::optional<int64_t> known = getConstantIntValue(multiple);
  multiple = known ? kernel.constant(*known) : kernel.pass(multiple);
  Value entries = t.add(count, 1); // the last is what is in no group
  auto loop = scf::ForOp::create(b, kernel.loc, zero, entries, one, ValueRange{zero, zero});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value group = loop.getInductionVar();
    Value stored = loop.getRegionIterArg(0), first = loop.getRegionIterArg(1);
    t.store(group, stored, first);
    Value next = t.op<arith::MinSIOp>(t.add(group, 1), count);
    Value offset = t.op<arith::MaxSIOp>(loadOffset(kernel, offsets, next), first);
    offset = t.op<arith::MinSIOp>(offset, end);
    offset = t.select(t.cmp(CmpIPredicate::eq, group, count), end, offset);
    auto roundDown = [&](Value x) -> Value {
      return known ? kernel.mul(kernel.div(x, *known), multiple)
                   : t.op<arith::AndIOp>(x, t.op<arith::SubIOp>(zero, multiple));
    };
    Value begin = extent == GroupExtent::Covering ? roundDown(first) : first;
    Value size = roundDown(
        t.add(t.op<arith::AddIOp>(t.op<arith::SubIOp>(offset, begin), multiple), -1));
    Value isEmpty = t.cmp(CmpIPredicate::eq, offset, first);
    size = extent == GroupExtent::Covering ? t.select(isEmpty, zero, size) : size;
    stored = t.op<arith::AddIOp>(stored, size);
    scf::YieldOp::create(b, kernel.loc, ValueRange{stored, offset});
  }
  t.store(entries, loop.getResult(0), loop.getResult(1));
  kernel.launch(kernel.schedule.constant(1), kernel.schedule.constant(1), /*cost=*/0);
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

Value endOfGroups(KernelBuilder &kernel, const ScheduledGroups &groups) {
  return GroupTable(kernel, groups).loadStored(kernel.pass(groups.count));
}

Value forEachGroup(KernelBuilder &kernel, const ScheduledGroups &groups, Value a0, int64_t along,
                   Value carried, function_ref<Value(const Window &, Value, Value)> work) {
  OpBuilder &b = kernel.body;
  GroupTable t(kernel, groups);
  Value count = kernel.pass(groups.count);
  Value first = t.find(count, a0), last = t.find(count, t.add(a0, along - 1));
  Value end = t.op<arith::MinSIOp>(t.add(last, 1), count);
  auto loop = scf::ForOp::create(b, kernel.loc, first, end, kernel.constant(1),
                                 carried ? ValueRange(carried) : ValueRange());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value group = loop.getInductionVar();
  Value start = t.loadFirst(group);
  Value size = t.op<arith::SubIOp>(t.loadFirst(t.add(group, 1)), start);
  // Accesses that are masked may touch the window's first element, so it has to exist.
  Value isEmpty = t.cmp(CmpIPredicate::eq, size, kernel.constant(0));
  Window window{t.select(isEmpty, kernel.constant(0), start), size};
  Value at = t.op<arith::SubIOp>(a0, t.loadStored(group));
  Value changed = work(window, at, carried ? loop.getRegionIterArg(0) : Value());
  if (!carried)
    return {};
  scf::YieldOp::create(b, kernel.loc, changed);
  return loop.getResult(0);
}

ScheduledMatrix readFromAnywhere(ScheduledMatrix matrix, unsigned axis) {
  if (axis == matrix.contiguousDim) {
    matrix.alignment = 0;
    matrix.divisors[axis] = 1;
  }
  return matrix;
}

/// Of two tiles of which one is zero at each position, the other one's elements.
static Tile merge(OpBuilder &b, Location loc, Tile x, Tile y) {
  RankedTensorType type = TileBuilder::typeOf(x);
  if (isa<IntegerType>(type.getElementType()))
    return arith::OrIOp::create(b, loc, x, y);
  Type bits = type.clone(b.getIntegerType(type.getElementTypeBitWidth()));
  Value merged = arith::OrIOp::create(b, loc, arith::BitcastOp::create(b, loc, bits, x),
                                      arith::BitcastOp::create(b, loc, bits, y));
  return arith::BitcastOp::create(b, loc, type, merged);
}

Tile loadGroups(KernelBuilder &kernel, MatrixReader &reader, const ScheduledGroups &groups,
                Value p0, Value a0) {
  OpBuilder &b = kernel.body;
  RankedTensorType type = reader.rawType();
  Value none = arith::ConstantOp::create(b, kernel.loc, cast<TypedAttr>(b.getZeroAttr(type)));
  return forEachGroup(
      kernel, groups, a0, reader.shape().along, none,
      [&](const Window &window, Value at, Value carried) {
        llvm::SaveAndRestore ofTheGroup(kernel.inside, reader.isInside(p0, at, window));
        return merge(b, kernel.loc, carried, reader.load(p0, at, window));
      });
}

void storeGroups(KernelBuilder &kernel, Tile value, const ScheduledMatrix &matrix, unsigned axis,
                 const ScheduledGroups &groups, Value p0, Value a0) {
  TileBuilder t(kernel.body, kernel.loc);
  RankedTensorType type = TileBuilder::typeOf(value);
  unsigned contiguous = llvm::Log2_64(type.getDimSize(1));
  value = t.convertLayout(
      value, kernel.target.memoryLayout(tile::getLayout(type), contiguous, bytesOf(type)));
  Value base = kernel.pass(matrix.buffer), cols = kernel.pass(matrix.sizes[1]);
  Value strides[] = {cols, kernel.constant(1)};
  auto store = [&](const Window &window, Value at, Value) {
    Value begin = LLVM::GEPOp::create(t.b, t.loc, base.getType(),
                                      t.b.getIntegerType(8 * bytesOf(type)), base,
                                      ValueRange{kernel.mul(window.first, strides[axis])});
    Value offsets[] = {p0, p0};
    Value bounds[] = {kernel.pass(matrix.sizes[0]), cols};
    offsets[axis] = at;
    bounds[axis] = window.size;
    tile::StoreOp::create(t.b, t.loc, value, begin, offsets, bounds, strides, /*inside=*/Value(),
                          /*where=*/Value(), /*alignment=*/IntegerAttr(), /*granularity=*/IntegerAttr(),
                          /*window=*/true);
    return Value();
  };
  forEachGroup(kernel, groups, a0, type.getDimSize(axis), /*carried=*/{}, store);
}

} // namespace quadrille
