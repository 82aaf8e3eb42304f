//===- SharedMemory.cpp - Tiles through shared memory -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TilePattern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "quadrille/Conversion/TileToLLVM/TileToLLVM.h"
#include "quadrille/Layout/BitVectorSpace.h"

using namespace mlir;

namespace quadrille {
namespace {

/// The addresses of a layout's elements in shared memory. They are linear over F2, so
/// a thread has a base, and a register adds what no thread bit overlaps, which is the
/// immediate offset of an access, and xors the rest.
class SharedAddresses {
public:
  SharedAddresses(OpBuilder &b, Location loc, const TargetInfo &target, Type element, Value base,
                  const LinearLayout &layout, const layout::SharedMemory &step)
      : b(b), loc(loc), element(element), base(base), layout(layout), step(step) {
    thread = constant(0);
    addBits(layout.lane, target.laneId(b, loc));
    addBits(layout.warp, target.warpId(b, loc));
  }

  Value at(unsigned reg) {
    uint64_t offset = offsetOf(layout.evaluate(reg, /*lane=*/0, /*warp=*/0));
    Value index = thread;
    if (uint64_t overlapping = offset & threadBits)
      index = arith::XOrIOp::create(b, loc, index, constant(overlapping));
    Value pointer = LLVM::GEPOp::create(b, loc, base.getType(), element, base, index);
    return LLVM::GEPOp::create(b, loc, base.getType(), element, pointer,
                               ArrayRef<LLVM::GEPArg>{int32_t(offset & ~threadBits)});
  }

private:
  Value constant(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  }
  uint64_t offsetOf(uint64_t index) const { return layout::applyColumns(step.columns, index); }

  /// thread ^= the offset of each bit of `id` that is set.
  void addBits(ArrayRef<uint64_t> bases, Value id) {
    for (auto [bit, basis] : llvm::enumerate(bases)) {
      uint64_t offset = offsetOf(basis);
      if (!offset)
        continue;
      threadBits |= offset;
      Value digit = arith::AndIOp::create(
          b, loc, arith::ShRUIOp::create(b, loc, id, constant(bit)), constant(1));
      Value part = arith::MulIOp::create(b, loc, digit, constant(offset));
      thread = arith::XOrIOp::create(b, loc, thread, part);
    }
  }

  OpBuilder &b;
  Location loc;
  Type element;
  Value base, thread;
  uint64_t threadBits = 0;
  const LinearLayout &layout;
  const layout::SharedMemory &step;
};

} // namespace

Registers emitSharedConversion(OpBuilder &b, Location loc, const TargetInfo &target,
                               const layout::Conversion &plan, const layout::SharedMemory &step,
                               ValueRange values) {
  Type element = values.front().getType();
  auto vector = [&](unsigned width) { return VectorType::get({int64_t(width)}, element); };
  auto position = [&](unsigned i) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(i));
  };
  // Only another pass through a loop finds memory in use. As there is a barrier then, so may be
  // other conversions in loops.
  Operation *parent = b.getInsertionBlock()->getParentOp();
  const bool isInLoop = isa<scf::ForOp>(parent) || parent->getParentOfType<scf::ForOp>();
  Value base = target.sharedMemory(b, loc, step.bytes, /*takesTurns=*/isInLoop);
  if (isInLoop)
    target.barrier(b, loc);

  unsigned bytes = element.getIntOrFloatBitWidth() / 8;
  SharedAddresses stores(b, loc, target, element, base, plan.source, step);
  for (const std::vector<unsigned> &group : step.storeRegisters) {
    Value packed = LLVM::PoisonOp::create(b, loc, vector(group.size()));
    for (auto [i, reg] : llvm::enumerate(group))
      packed = LLVM::InsertElementOp::create(b, loc, packed, values[reg], position(i));
    LLVM::StoreOp::create(b, loc, packed, stores.at(group.front()), bytes * group.size());
  }
  target.barrier(b, loc);

  LinearLayout destination = plan.destination.sliceIndexBits(0);
  SharedAddresses loads(b, loc, target, element, base, destination, step);
  Registers results(step.loadRegisters.size() * step.loadVector);
  for (const std::vector<unsigned> &group : step.loadRegisters) {
    Value packed = LLVM::LoadOp::create(b, loc, vector(group.size()), loads.at(group.front()),
                                        bytes * group.size());
    for (auto [i, reg] : llvm::enumerate(group))
      results[reg] = LLVM::ExtractElementOp::create(b, loc, packed, position(i));
  }
  return results;
}

} // namespace quadrille
