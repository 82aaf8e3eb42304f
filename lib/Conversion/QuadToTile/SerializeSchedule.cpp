//===- SerializeSchedule.cpp - The schedule as text -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Conversion/QuadToTile/QuadToTile.h"
#include "quadrille/Dialect/Tile/IR/Tile.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

namespace quadrille {
#define GEN_PASS_DEF_TILESERIALIZESCHEDULE
#include "quadrille/Conversion/QuadToTile/Passes.h.inc"

using namespace mlir;

namespace {

/// Prints a schedule function in the grammar of Runtime/Schedule.h.
class SchedulePrinter {
public:
  explicit SchedulePrinter(llvm::raw_ostream &os) : os(os) {}

  LogicalResult print(func::FuncOp schedule) {
    os << "quadrille-schedule 1\n";
    for (BlockArgument argument : schedule.getArguments())
      printArgument(argument, schedule.getArgAttr(argument.getArgNumber(), "tile.out") != nullptr);
    llvm::SetVector<StringRef> kernels;
    schedule.walk([&](tile::LaunchOp launch) { kernels.insert(launch.getKernel()); });
    for (StringRef kernel : kernels)
      printKernel(schedule, kernel);
    for (Operation &op : schedule.getBody().front().without_terminator())
      if (failed(printOperation(&op)))
        return failure();
    return success();
  }

private:
  void printKernel(func::FuncOp schedule, StringRef name);
  void printArgument(BlockArgument argument, bool isOut);
  LogicalResult printOperation(Operation *op);
  void printLaunch(tile::LaunchOp launch);
  static StringRef binaryName(Operation *op);
  /// x > y and x >= y are y < x and y <= x.
  static bool isGreater(Operation *op) {
    auto cmp = dyn_cast<arith::CmpIOp>(op);
    return cmp && llvm::is_contained({arith::CmpIPredicate::sgt, arith::CmpIPredicate::sge},
                                     cmp.getPredicate());
  }

  /// `%3`, or for an i64 argument the value that reads it.
  std::string value(Value v) {
    if (auto argument = dyn_cast<BlockArgument>(v); argument && !numbers.contains(v)) {
      os << "%" << define(v) << " = scalar " << argument.getArgNumber() << "\n";
    }
    return "%" + std::to_string(numbers.lookup(v));
  }
  unsigned define(Value v) {
    unsigned number = numbers.size();
    numbers[v] = number;
    return number;
  }

  llvm::raw_ostream &os;
  llvm::DenseMap<Value, unsigned> numbers;
};

void SchedulePrinter::printArgument(BlockArgument argument, bool isOut) {
  auto buffer = dyn_cast<tile::BufferType>(argument.getType());
  if (!buffer) {
    os << "arg " << (isa<FloatType>(argument.getType()) ? "f32" : "i64") << "\n";
    return;
  }
  os << "arg buffer rank=" << buffer.getRank()
     << " itemsize=" << buffer.getElementType().getIntOrFloatBitWidth() / 8
     << (isOut ? " out\n" : "\n");
}

void SchedulePrinter::printKernel(func::FuncOp schedule, StringRef name) {
  auto module = schedule->getParentOfType<ModuleOp>();
  os << "kernel " << name;
  if (auto kernel = module.lookupSymbol<func::FuncOp>(name))
    for (StringRef attribute : {"cost", "threads", "shared", "cluster"})
      if (auto value = kernel->getAttrOfType<IntegerAttr>(("tile." + attribute).str());
          value && value.getInt())
        os << " " << attribute << "=" << value.getInt();
  os << "\n";
}

StringRef SchedulePrinter::binaryName(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case<arith::AddIOp>([](auto) { return "add"; })
      .Case<arith::SubIOp>([](auto) { return "sub"; })
      .Case<arith::MulIOp>([](auto) { return "mul"; })
      .Case<arith::DivSIOp>([](auto) { return "div"; })
      .Case<arith::RemSIOp>([](auto) { return "rem"; })
      .Case<arith::CeilDivSIOp>([](auto) { return "ceildiv"; })
      .Case<arith::MinSIOp>([](auto) { return "min"; })
      .Case<arith::MaxSIOp>([](auto) { return "max"; })
      .Case<arith::AndIOp>([](auto) { return "and"; })
      .Case<arith::OrIOp>([](auto) { return "or"; })
      .Case<arith::XOrIOp>([](arith::XOrIOp op) { return op.getType().isInteger(1) ? "ne" : ""; })
      .Case<arith::CmpIOp>([](arith::CmpIOp cmp) -> StringRef {
        switch (cmp.getPredicate()) {
        case arith::CmpIPredicate::eq:
          return "eq";
        case arith::CmpIPredicate::ne:
          return "ne";
        case arith::CmpIPredicate::slt:
        case arith::CmpIPredicate::sgt:
          return "lt";
        case arith::CmpIPredicate::sle:
        case arith::CmpIPredicate::sge:
          return "le";
        default:
          return "";
        }
      })
      .Default([](auto) { return ""; });
}

void SchedulePrinter::printLaunch(tile::LaunchOp launch) {
  std::string operands;
  for (Value operand : launch.getArgs()) {
    auto offset = operand.getDefiningOp<tile::OffsetOp>();
    if (offset)
      operand = offset.getBuffer();
    auto argument = dyn_cast<BlockArgument>(operand);
    operands += argument ? " @" + std::to_string(argument.getArgNumber()) : " " + value(operand);
    if (offset)
      operands += "+" + value(offset.getBytes());
  }
  std::string gridX = value(launch.getGridX()), gridY = value(launch.getGridY());
  os << "launch " << launch.getKernel() << " " << gridX << " " << gridY << operands << "\n";
}

LogicalResult SchedulePrinter::printOperation(Operation *op) {
  auto argumentNumber = [](Value buffer) { return cast<BlockArgument>(buffer).getArgNumber(); };
  if (auto launch = dyn_cast<tile::LaunchOp>(op)) {
    printLaunch(launch);
    return success();
  }
  if (isa<tile::OffsetOp>(op)) // part of the launches that have it
    return success();
  if (auto check = dyn_cast<tile::CheckOp>(op)) {
    std::string condition = value(check.getCondition());
    os << "check " << condition << " " << check.getMessage() << "\n";
    return success();
  }
  std::string text;
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    APInt number = cast<IntegerAttr>(constant.getValue()).getValue();
    bool isFlag = constant.getType().isInteger(1);
    text = "const " + std::to_string(isFlag ? int64_t(number.getZExtValue()) : number.getSExtValue());
  } else if (auto dim = dyn_cast<tile::DimOp>(op)) {
    text = "dim " + std::to_string(argumentNumber(dim.getBuffer())) + " " +
           std::to_string(dim.getDim());
  } else if (auto stride = dyn_cast<tile::StrideOp>(op)) {
    text = "stride " + std::to_string(argumentNumber(stride.getBuffer())) + " " +
           std::to_string(stride.getDim());
  } else if (auto alloc = dyn_cast<tile::AllocOp>(op)) {
    text = "alloc " + value(alloc.getBytes());
  } else if (auto select = dyn_cast<arith::SelectOp>(op)) {
    std::string condition = value(select.getCondition());
    std::string ifTrue = value(select.getTrueValue());
    text = "select " + condition + " " + ifTrue + " " + value(select.getFalseValue());
  } else if (auto extended = dyn_cast<arith::ExtUIOp>(op)) { // flags are numbers
    std::string flag = value(extended.getIn());
    text = "or " + flag + " " + flag;
  } else if (StringRef name = binaryName(op); !name.empty()) {
    std::string lhs = value(op->getOperand(0)), rhs = value(op->getOperand(1));
    if (isGreater(op))
      std::swap(lhs, rhs);
    text = name.str() + " " + lhs + " " + rhs;
  } else {
    return op->emitOpError("cannot be part of a schedule");
  }
  os << "%" << define(op->getResult(0)) << " = " << text << "\n";
  return success();
}

class TileSerializeSchedulePass
    : public impl::TileSerializeScheduleBase<TileSerializeSchedulePass> {
public:
  void runOnOperation() override {
    for (auto func : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (!func->hasAttr("tile.schedule"))
        continue;
      std::string text;
      llvm::raw_string_ostream os(text);
      if (failed(SchedulePrinter(os).print(func)))
        return signalPassFailure();
      getOperation()->setAttr("quadrille.schedule", StringAttr::get(&getContext(), text));
      func.erase();
    }
  }
};

} // namespace
} // namespace quadrille
