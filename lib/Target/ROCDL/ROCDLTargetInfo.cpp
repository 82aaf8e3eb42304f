//===- ROCDLTargetInfo.cpp - AMD GPUs -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
#include "quadrille/Target/SIMTTargetInfo.h"
#include "quadrille/Target/TargetSpec.h"

using namespace mlir;

namespace quadrille {
namespace {

constexpr unsigned threadsPerBlock = 128;

class ROCDLTargetInfo : public SIMTTargetInfo {
public:
  explicit ROCDLTargetInfo(unsigned lanes)
      : SIMTTargetInfo(lanes, threadsPerBlock / lanes, /*elementsPerLane=*/16) {}

  Value programId(OpBuilder &b, Location loc, FunctionOpInterface, unsigned dim) const override {
    Type i32 = b.getI32Type();
    Value id = dim == 0 ? Value(ROCDL::BlockIdXOp::create(b, loc, i32))
                        : Value(ROCDL::BlockIdYOp::create(b, loc, i32));
    return arith::ExtUIOp::create(b, loc, b.getI64Type(), id);
  }

  Value permuteBytes(OpBuilder &b, Location loc, Value low, Value high,
                     std::array<unsigned, 4> selector) const override {
    uint32_t bytes = 0;
    for (auto [i, byte] : llvm::enumerate(selector))
      bytes |= byte << (8 * i);
    return permute(b, loc, high, low, constant(b, loc, int32_t(bytes)));
  }

  bool permutesBytes() const override { return true; }
  /// v_perm takes eight bytes and a selector for each byte.
  Value lookupBytes(OpBuilder &b, Location loc, const std::array<Value, 4> &table, Value codes,
                    bool upperHalf) const override {
    auto bitAnd = [&](Value x, int32_t mask) {
      return arith::AndIOp::create(b, loc, x, constant(b, loc, mask));
    };
    // Odd codes a nibble lower, so that each code of a half is in the low nibble of a byte.
    Value odd = arith::ShRUIOp::create(b, loc, codes, constant(b, loc, 4));
    Value index = permute(b, loc, odd, codes, constant(b, loc, upperHalf ? 0x07030602 : 0x05010400));
    Value magnitudes = bitAnd(index, 0x07070707);
    Value low = permute(b, loc, table[1], table[0], magnitudes);
    Value high = permute(b, loc, table[3], table[2], magnitudes);
    Value signs = bitAnd(arith::ShRUIOp::create(b, loc, index, constant(b, loc, 3)), 0x01010101);
    Value mask = arith::MulIOp::create(b, loc, signs, constant(b, loc, 0xff));
    Value changes = arith::AndIOp::create(b, loc, arith::XOrIOp::create(b, loc, low, high), mask);
    return arith::XOrIOp::create(b, loc, low, changes);
  }

  /// The fences make the waits for memory that LLVM's model of it prescribes.
  void barrier(OpBuilder &b, Location loc) const override {
    LLVM::FenceOp::create(b, loc, LLVM::AtomicOrdering::release, "workgroup");
    ROCDL::SBarrierOp::create(b, loc);
    LLVM::FenceOp::create(b, loc, LLVM::AtomicOrdering::acquire, "workgroup");
  }

protected:
  void addKernelAttributes(Operation *kernel, const LaunchShape &) const override {
    Builder b(kernel->getContext());
    kernel->setAttr(ROCDL::ROCDLDialect::getKernelFuncAttrName(), b.getUnitAttr());
    kernel->setAttr("rocdl.reqd_work_group_size", b.getDenseI32ArrayAttr({threadsPerBlock, 1, 1}));
    std::string size = std::to_string(threadsPerBlock);
    kernel->setAttr("rocdl.flat_work_group_size", b.getStringAttr(size + "," + size));
  }

  Value threadId(OpBuilder &b, Location loc) const override {
    return ROCDL::ThreadIdXOp::create(b, loc, b.getI32Type());
  }

  StringRef deviceScope() const override { return "agent"; }

  /// ds_swizzle reaches the lanes of the same half of a wave; its pattern is
  /// xor-mask, or-mask and and-mask, five bits each.
  Value exchangeWord(OpBuilder &b, Location loc, Value word, unsigned distance) const override {
    constexpr unsigned half = 32;
    if (distance < half) {
      Value pattern = constant(b, loc, distance << 10 | 0x1f);
      return ROCDL::DsSwizzleOp::create(b, loc, b.getI32Type(), word, pattern);
    }
    Value source =
        arith::XOrIOp::create(b, loc, laneId(b, loc), constant(b, loc, distance));
    return readLane(b, loc, word, source);
  }

  Value readLane(OpBuilder &b, Location loc, Value word, Value source) const override {
    Value byte = arith::ShLIOp::create(b, loc, source, constant(b, loc, 2));
    return ROCDL::DsBpermuteOp::create(b, loc, b.getI32Type(), byte, word);
  }

private:
  /// Bytes 0 to 3 are those of `low`, 4 to 7 those of `high`.
  static Value permute(OpBuilder &b, Location loc, Value high, Value low, Value selector) {
    return LLVM::CallIntrinsicOp::create(b, loc, b.getI32Type(),
                                         b.getStringAttr("llvm.amdgcn.perm"),
                                         ValueRange{high, low, selector})
        .getResult(0);
  }

  static Value constant(OpBuilder &b, Location loc, int32_t value) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  }
};

} // namespace

std::unique_ptr<TargetInfo> createROCDLTargetInfo(const TargetSpec &spec) {
  // CDNA runs waves of 64 lanes, RDNA of 32.
  unsigned lanes = llvm::StringRef(spec.cpu).starts_with("gfx9") ? 64 : 32;
  return std::make_unique<ROCDLTargetInfo>(lanes);
}

} // namespace quadrille
