//===- KernelBuilder.cpp - A kernel and its launch, built together -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quadrille {

//===----------------------------------------------------------------------===//
// ScheduleBuilder
//===----------------------------------------------------------------------===//

Value ScheduleBuilder::constant(int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
}
Value ScheduleBuilder::add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
Value ScheduleBuilder::mul(Value x, Value y) { return arith::MulIOp::create(b, loc, x, y); }
// What is divided by one stays the same argument of a kernel, which then compares it once.
Value ScheduleBuilder::ceilDiv(Value x, int64_t y) {
  if (y == 1)
    return x;
  return arith::CeilDivSIOp::create(b, loc, x, constant(y));
}
Value ScheduleBuilder::div(Value x, int64_t y) {
  if (y == 1)
    return x;
  return arith::DivSIOp::create(b, loc, x, constant(y));
}
Value ScheduleBuilder::div(Value x, Value y) { return arith::DivSIOp::create(b, loc, x, y); }
Value ScheduleBuilder::isEqual(Value x, Value y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, y);
}
Value ScheduleBuilder::isAtMost(Value x, Value y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, x, y);
}
Value ScheduleBuilder::isNot(Value condition) {
  return isEqual(select(condition, constant(1), constant(0)), constant(0));
}
Value ScheduleBuilder::select(Value condition, Value x, Value y) {
  return arith::SelectOp::create(b, loc, condition, x, y);
}
Value ScheduleBuilder::isLess(Value x, Value y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
}
void ScheduleBuilder::check(Value condition, const Twine &message) {
  tile::CheckOp::create(b, loc, condition, b.getStringAttr(message));
}
void ScheduleBuilder::checkDivides(Value x, int64_t y, const Twine &message) {
  Value rest = arith::RemSIOp::create(b, loc, x, constant(y));
  check(isEqual(rest, constant(0)), message);
}

//===----------------------------------------------------------------------===//
// KernelBuilder
//===----------------------------------------------------------------------===//

KernelBuilder::KernelBuilder(ScheduleBuilder &schedule, const TargetInfo &target, StringRef name,
                             ModuleOp module, const Tuning &tuning)
    : schedule(schedule), target(target), body(module.getContext()), loc(schedule.loc),
      tuning(tuning) {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  kernel = func::FuncOp::create(b, loc, name, b.getFunctionType({}, {}));
  kernel->setAttr("tile.kernel", b.getUnitAttr());
  body.setInsertionPointToStart(kernel.addEntryBlock());
}

int64_t KernelBuilder::choose(Knob knob, int64_t heuristic) {
  int64_t value = tuning.get(knob).value_or(heuristic);
  noteKnob(kernel, knob, value);
  return value;
}

Value KernelBuilder::pass(Value scheduled) {
  const auto *known = llvm::find(passed, scheduled);
  if (known != passed.end())
    return kernel.getArgument(known - passed.begin());
  passed.push_back(scheduled);
  Type type = scheduled.getType();
  if (isa<tile::BufferType>(type))
    type = LLVM::LLVMPointerType::get(type.getContext());
  (void)kernel.insertArgument(kernel.getNumArguments(), type, {}, loc);
  return kernel.getArguments().back();
}

void KernelBuilder::beginRanged() {
  kernel->setAttr("tile.ranged", body.getUnitAttr());
  for (unsigned i = 0; i < 4; ++i)
    (void)kernel.insertArgument(kernel.getNumArguments(), body.getI64Type(), {}, loc);
}

void KernelBuilder::launch(Value gridX, Value gridY, int64_t cost) {
  kernel->setAttr("tile.cost", body.getI64IntegerAttr(cost));
  if (unsigned threads = target.getThreads(); threads && !kernel->hasAttr("tile.threads"))
    kernel->setAttr("tile.threads", body.getI64IntegerAttr(threads));
  func::ReturnOp::create(body, loc);
  tile::LaunchOp::create(schedule.b, loc, SymbolRefAttr::get(kernel),
                         schedule.conditional(gridX), gridY, passed);
}

Value KernelBuilder::programId(unsigned dim) {
  return tile::ProgramIdOp::create(body, loc, body.getI64Type(), dim);
}
Value KernelBuilder::tileOrigin(unsigned dim, int64_t step) {
  return mul(programId(dim), constant(step));
}
Value KernelBuilder::constant(int64_t value) {
  return arith::ConstantOp::create(body, loc, body.getI64IntegerAttr(value));
}
Value KernelBuilder::mul(Value x, Value y) { return arith::MulIOp::create(body, loc, x, y); }
Value KernelBuilder::div(Value x, int64_t y) {
  return arith::DivUIOp::create(body, loc, x, constant(y));
}
Value KernelBuilder::unlessRepeated(Value x, int64_t instead) {
  return repeatsRow ? Value(arith::SelectOp::create(body, loc, repeatsRow, constant(instead), x))
                    : x;
}

} // namespace quadrille
