//===- ROCDLTargetInfo.cpp - AMD GPUs -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LaneExchange.h"
#include "MatrixInstruction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "quadrille/Target/SIMTTargetInfo.h"
#include "quadrille/Target/TargetSpec.h"

using namespace mlir;

namespace quadrille {
namespace {

constexpr unsigned threadsPerBlock = 128;

/// What LLVM selects one instruction for (its features packed-fp32-ops,
/// ieee-minimum-maximum-insts or minimum3-maximum3-f32, bf16-cvt-insts and bf16-pk-insts).
struct Instructions {
  StringLiteral targets; ///< what their names start with
  bool packsF32;
  bool maximum; ///< of f32, NaN if one is; magnitudes are free modifiers
  bool roundsToBF16;
  bool multipliesBF16; ///< two at once
};

/// The first row whose name fits.
constexpr Instructions instructionTable[] = {
    {"gfx90a", true, false, false, false}, {"gfx942", true, false, false, false},
    {"gfx950", true, true, true, false},   {"gfx1250", true, true, true, true},
    {"gfx12", false, true, false, false},  {"gfx", false, false, false, false},
};

Instructions instructionsOf(StringRef cpu) {
  return *llvm::find_if(instructionTable,
                        [&](const Instructions &row) { return cpu.starts_with(row.targets); });
}

class ROCDLTargetInfo : public SIMTTargetInfo {
public:
  ROCDLTargetInfo(StringRef cpu, const rocdl::LaneExchange &lanes)
      : SIMTTargetInfo(lanes.lanes, threadsPerBlock / lanes.lanes, /*elementsPerLane=*/16),
        cpu(cpu), has(instructionsOf(cpu)), moves(lanes.moves) {}

  Value maxMagnitude(OpBuilder &b, Location loc, Value x, Value y) const override {
    if (!has.maximum)
      return SIMTTargetInfo::maxMagnitude(b, loc, x, y);
    return arith::MaximumFOp::create(b, loc, math::AbsFOp::create(b, loc, x),
                                     math::AbsFOp::create(b, loc, y));
  }
  bool packsF32() const override { return has.packsF32; }
  bool roundsToBF16() const override { return has.roundsToBF16; }

  Value permuteBytes(OpBuilder &b, Location loc, Value low, Value high,
                     std::array<unsigned, 4> selector) const override {
    uint32_t bytes = 0;
    for (auto [i, byte] : llvm::enumerate(selector))
      bytes |= byte << (8 * i);
    return permute(b, loc, high, low, constant(b, loc, int32_t(bytes)));
  }

  /// Of bf16 upper halves of the products in f32, which are exact: LLVM would round them first.
  Value multiplyPairs(OpBuilder &b, Location loc, Type element, Value x,
                      Value y) const override {
    if (element.isF16() || has.multipliesBF16)
      return SIMTTargetInfo::multiplyPairs(b, loc, element, x, y);
    auto asFloat = [&](Value word) {
      return arith::BitcastOp::create(b, loc, b.getF32Type(), word);
    };
    auto lower = [&](Value pair) {
      return asFloat(arith::ShLIOp::create(b, loc, pair, constant(b, loc, 16)));
    };
    auto upper = [&](Value pair) {
      return asFloat(arith::AndIOp::create(b, loc, pair, constant(b, loc, int32_t(0xffff0000))));
    };
    auto product = [&](Value p, Value q) {
      return arith::BitcastOp::create(b, loc, b.getI32Type(), arith::MulFOp::create(b, loc, p, q));
    };
    return permuteBytes(b, loc, product(lower(x), lower(y)), product(upper(x), upper(y)),
                        {2, 3, 6, 7});
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

  /// v_perm takes a byte for each selector. Of entries with one byte those of even and of odd
  /// codes are looked up apart; of others both bytes of four neighbours.
  SmallVector<Value> lookupSignedPairs(OpBuilder &b, Location loc, ArrayRef<Value> lower,
                                       ArrayRef<Value> upper, Value codes) const override {
    auto bitAnd = [&](Value x, uint32_t mask) {
      return arith::AndIOp::create(b, loc, x, constant(b, loc, int32_t(mask)));
    };
    auto select = [&](Value low, Value high, uint32_t selector) {
      return permute(b, loc, high, low, constant(b, loc, int32_t(selector)));
    };
    auto find = [&](ArrayRef<Value> bytes, Value index) {
      return permute(b, loc, bytes[1], bytes[0], bitAnd(index, 0x07070707));
    };
    Value four = constant(b, loc, 4);
    auto up = [&](Value x) { return arith::ShLIOp::create(b, loc, x, four); };
    auto withSigns = [&](Value bytes, Value signs) {
      return arith::OrIOp::create(b, loc, bitAnd(signs, 0x80808080), bytes);
    };
    Value odd = arith::ShRUIOp::create(b, loc, codes, four);
    SmallVector<Value> pairs;
    if (lower.empty()) {
      Value ofEven = withSigns(find(upper, codes), up(codes));
      Value ofOdd = withSigns(find(upper, odd), codes);
      constexpr uint32_t zero = 0x0c; // a selector
      for (uint32_t byte = 0; byte < 4; ++byte)
        pairs.push_back(select(ofEven, ofOdd, (byte + 4) << 24 | zero << 16 | byte << 8 | zero));
      return pairs;
    }
    for (uint32_t fourCodes : {0x05010400, 0x07030602}) {
      Value index = select(codes, odd, fourCodes);
      Value low = find(lower, index), high = withSigns(find(upper, index), up(index));
      pairs.push_back(select(low, high, 0x05010400));
      pairs.push_back(select(low, high, 0x07030602));
    }
    return pairs;
  }
  bool scalesTables() const override { return !has.multipliesBF16; }

  const MmaAtom *mmaAtom(StringRef carrier) const override {
    const rocdl::MatrixInstruction *found = rocdl::findMatrixInstruction(cpu, carrier);
    return found ? &found->atom : nullptr;
  }
  /// Accumulators and decoded operands fit 256 registers, of RDNA3 with HIF4's long steps too.
  DotTile dotTile(StringRef) const override { return {32, getLanes()}; }
  /// Accumulators and the operands of two steps fit 256 registers: where an instruction takes 128
  /// bytes of a row, with half the accumulators. With scales (fp6) that would keep shared memory
  /// busy for longer than the instructions, so it takes more registers and reads half as much.
  PanelTile panelTile(const MmaAtom &atom) const override {
    constexpr unsigned bytesOfWord = 4, least = 64;
    unsigned bytes = std::max(least, atom.k * bytesOfWord);
    if (getLanes() == 32)
      return {32, 64, bytes};
    if (bytes > least)
      return {atom.wordsOfScale ? 128u : 64u, 64, bytes};
    return {64, 128, bytes};
  }
  SmallVector<Value> multiplyFragments(OpBuilder &b, Location loc, StringRef carrier,
                                       const MmaFragment &lhs, const MmaFragment &rhs,
                                       ValueRange acc) const override {
    return rocdl::emitMatrixInstruction(b, loc, *rocdl::findMatrixInstruction(cpu, carrier), lhs,
                                        rhs, acc);
  }

  /// The fences make the waits that LLVM's model of memory prescribes, for shared memory
  /// alone: what was loaded from or stored to the rest concerns one thread.
  void barrier(OpBuilder &b, Location loc) const override {
    fence(b, loc, LLVM::AtomicOrdering::release);
    ROCDL::SBarrierOp::create(b, loc);
    fence(b, loc, LLVM::AtomicOrdering::acquire);
  }

protected:
  void addKernelAttributes(Operation *kernel, const LaunchShape &) const override {
    Builder b(kernel->getContext());
    kernel->setAttr(ROCDL::ROCDLDialect::getKernelFuncAttrName(), b.getUnitAttr());
    kernel->setAttr("rocdl.reqd_work_group_size", b.getDenseI32ArrayAttr({threadsPerBlock, 1, 1}));
    std::string size = std::to_string(threadsPerBlock);
    kernel->setAttr("rocdl.flat_work_group_size", b.getStringAttr(size + "," + size));
    WalkResult found = kernel->walk([](LLVM::CallIntrinsicOp op) {
      return op.getIntrin().starts_with("llvm.amdgcn.mfma") ? WalkResult::interrupt()
                                                            : WalkResult::advance();
    });
    if (!found.wasInterrupted())
      return;
    // With accumulators in registers of their own LLVM copies them in loops; other kernels spill to
    // these.
    Attribute noAccumulationRegisters[] = {b.getStringAttr("amdgpu-agpr-alloc"),
                                           b.getStringAttr("0")};
    cast<LLVM::LLVMFuncOp>(kernel).setPassthroughAttr(
        b.getArrayAttr(b.getArrayAttr(noAccumulationRegisters)));
  }

  Value threadId(OpBuilder &b, Location loc) const override {
    return ROCDL::ThreadIdXOp::create(b, loc, b.getI32Type());
  }

  Value blockId(OpBuilder &b, Location loc, unsigned dim) const override {
    Type i32 = b.getI32Type();
    return dim == 0 ? Value(ROCDL::BlockIdXOp::create(b, loc, i32))
                    : Value(ROCDL::BlockIdYOp::create(b, loc, i32));
  }

  StringRef deviceScope() const override { return "agent"; }

  Value exchangeWord(OpBuilder &b, Location loc, Value word, unsigned distance) const override {
    unsigned bit = llvm::Log2_32(distance);
    const rocdl::LaneMove &move = moves[bit];
    switch (move.kind) {
    case rocdl::LaneMove::DPP:
      for (int control : move.controls)
        if (control != rocdl::LaneMove::none)
          word = dpp(b, loc, word, control);
      return word;
    case rocdl::LaneMove::PermlaneX16:
      return otherRow(b, loc, word);
    case rocdl::LaneMove::Swap: {
      auto [low, high] = *swapWords(b, loc, word, word, bit);
      return selectByLaneBit(b, loc, bit, low, high);
    }
    case rocdl::LaneMove::Swizzle:
      return swizzle(b, loc, word, distance);
    case rocdl::LaneMove::Permute:
      return readLane(b, loc, word,
                      arith::XOrIOp::create(b, loc, laneId(b, loc), constant(b, loc, distance)));
    }
    llvm_unreachable("unknown move");
  }

  std::optional<std::pair<Value, Value>> swapWords(OpBuilder &b, Location loc, Value low,
                                                   Value high, unsigned bit) const override {
    if (moves[bit].kind != rocdl::LaneMove::Swap)
      return std::nullopt;
    Type word = b.getI32Type();
    auto both = LLVM::LLVMStructType::getLiteral(b.getContext(), {word, word});
    Value swapped = bit == 4 ? Value(ROCDL::Permlane16SwapOp::create(b, loc, both, low, high,
                                                                     /*fi=*/false,
                                                                     /*boundControl=*/false))
                             : Value(ROCDL::Permlane32SwapOp::create(b, loc, both, low, high,
                                                                     /*fi=*/false,
                                                                     /*boundControl=*/false));
    Value first = LLVM::ExtractValueOp::create(b, loc, swapped, 0);
    Value second = LLVM::ExtractValueOp::create(b, loc, swapped, 1);
    return std::pair(first, second);
  }

  Value readLane(OpBuilder &b, Location loc, Value word, Value source) const override {
    Value byte = arith::ShLIOp::create(b, loc, source, constant(b, loc, 2));
    return ROCDL::DsBpermuteOp::create(b, loc, b.getI32Type(), byte, word);
  }

private:
  static void fence(OpBuilder &b, Location loc, LLVM::AtomicOrdering ordering) {
    auto fence = LLVM::FenceOp::create(b, loc, ordering, "workgroup");
    fence->setDiscardableAttr(
        LLVM::LLVMDialect::getMmraAttrName(),
        LLVM::MMRATagAttr::get(b.getContext(), "amdgpu-synchronize-as", "local"));
  }

  /// Every lane takes part and has a source.
  static Value dpp(OpBuilder &b, Location loc, Value word, int control) {
    constexpr int everyRow = 15, everyBank = 15;
    Value none = LLVM::PoisonOp::create(b, loc, word.getType());
    return ROCDL::DPPUpdateOp::create(b, loc, word.getType(), none, word, control, everyRow,
                                      everyBank, /*boundCtrl=*/true);
  }

  /// The same lane of the neighbouring row of 16: a selector of four bits for each lane.
  static Value otherRow(OpBuilder &b, Location loc, Value word) {
    Value none = LLVM::PoisonOp::create(b, loc, word.getType());
    Value low = constant(b, loc, 0x76543210), high = constant(b, loc, int32_t(0xfedcba98));
    return ROCDL::PermlaneX16Op::create(b, loc, word.getType(), none, word, low, high,
                                        /*fi=*/false, /*boundControl=*/false);
  }

  /// Within 32 lanes: the pattern is xor-mask, or-mask and and-mask, five bits each.
  static Value swizzle(OpBuilder &b, Location loc, Value word, unsigned distance) {
    Value pattern = constant(b, loc, distance << 10 | 0x1f);
    return ROCDL::DsSwizzleOp::create(b, loc, b.getI32Type(), word, pattern);
  }

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

  std::string cpu;
  Instructions has;
  std::array<rocdl::LaneMove, 6> moves; ///< by bit of the lane's number
};

} // namespace

std::unique_ptr<TargetInfo> createROCDLTargetInfo(const TargetSpec &spec) {
  return std::make_unique<ROCDLTargetInfo>(spec.cpu, rocdl::laneExchangeOf(spec.cpu));
}

} // namespace quadrille
