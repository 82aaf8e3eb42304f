//===- TargetInfo.cpp - What a lowering asks of a target -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/Registry.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "quadrille/Target/TargetSpec.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace quadrille {

TargetInfo::~TargetInfo() = default;

static llvm::StringMap<MakeTargetInfo> &registeredInfos() {
  static llvm::StringMap<MakeTargetInfo> table;
  return table;
}

void registerTargetInfo(llvm::StringRef name, MakeTargetInfo make) {
  registeredInfos()[name] = std::move(make);
}

std::unique_ptr<TargetInfo> createTargetInfo(const TargetSpec &spec) {
  if (auto found = registeredInfos().find(spec.name); found != registeredInfos().end())
    return found->second(spec);
  llvm::StringRef triple = spec.triple;
  if (triple.starts_with("nvptx"))
    return createNVVMTargetInfo(spec);
  if (triple.starts_with("amdgcn"))
    return createROCDLTargetInfo(spec);
  return createHostTargetInfo(spec);
}

/// A register of i1: bit `bit` of the i32 register `value` is set.
static Value testBit(OpBuilder &b, Location loc, const TargetInfo &target, Value value,
                     unsigned bit) {
  auto constant = [&](int32_t c) {
    return target.splat(b, loc, arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(c)));
  };
  Value masked = arith::AndIOp::create(b, loc, value, constant(1 << bit));
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, masked, constant(0));
}

Value TargetInfo::selectByLaneBit(OpBuilder &b, Location loc, unsigned bit, Value ifSet,
                                  Value ifClear) const {
  Value condition = testBit(b, loc, *this, laneId(b, loc), bit);
  return arith::SelectOp::create(b, loc, condition, ifSet, ifClear);
}

std::pair<Value, Value> TargetInfo::swapRegisterAndLane(OpBuilder &b, Location loc, Value low,
                                                        Value high, unsigned bit) const {
  Value sent = selectByLaneBit(b, loc, bit, low, high);
  Value received = exchange(b, loc, sent, bit);
  return {selectByLaneBit(b, loc, bit, received, low),
          selectByLaneBit(b, loc, bit, high, received)};
}

/// The bits of an f32 register without the sign: they order like the magnitude.
static Value magnitudeBits(OpBuilder &b, Location loc, const TargetInfo &target, Value x) {
  Value bits = arith::BitcastOp::create(b, loc, target.registerType(b.getI32Type()), x);
  Value mask = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0x7fffffff));
  return arith::AndIOp::create(b, loc, bits, target.splat(b, loc, mask));
}

Value TargetInfo::maxMagnitude(OpBuilder &b, Location loc, Value x, Value y) const {
  Value bits = arith::MaxUIOp::create(b, loc, magnitudeBits(b, loc, *this, x),
                                      magnitudeBits(b, loc, *this, y));
  return arith::BitcastOp::create(b, loc, x.getType(), bits);
}

Value TargetInfo::permuteBytes(OpBuilder &b, Location loc, Value low, Value high,
                               std::array<unsigned, 4> selector) const {
  auto constant = [&](int32_t c) {
    return splat(b, loc, arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(c)));
  };
  Value result = constant(0);
  for (auto [i, byte] : llvm::enumerate(selector)) {
    Value shifted = arith::ShRUIOp::create(b, loc, byte < 4 ? low : high, constant(byte % 4 * 8));
    Value masked = arith::AndIOp::create(b, loc, shifted, constant(0xff));
    result = arith::OrIOp::create(b, loc, result,
                                  arith::ShLIOp::create(b, loc, masked, constant(8 * i)));
  }
  return result;
}

Value TargetInfo::addByte(OpBuilder &b, Location loc, Value word, unsigned byte,
                          Value addend) const {
  auto constant = [&](int32_t c) {
    return splat(b, loc, arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(c)));
  };
  Value shifted = arith::ShRUIOp::create(b, loc, word, constant(8 * byte));
  return arith::AddIOp::create(b, loc, addend,
                               arith::AndIOp::create(b, loc, shifted, constant(0xff)));
}

Value TargetInfo::multiplyPairs(OpBuilder &b, Location loc, Type element, Value x,
                                Value y) const {
  Type word = x.getType();
  int64_t words = isa<VectorType>(word) ? cast<VectorType>(word).getNumElements() : 1;
  auto pairs = VectorType::get({2 * words}, element);
  Value product = arith::MulFOp::create(b, loc, LLVM::BitcastOp::create(b, loc, pairs, x),
                                        LLVM::BitcastOp::create(b, loc, pairs, y));
  return LLVM::BitcastOp::create(b, loc, word, product);
}

/// Both halves apart: of vectors LLVM then makes a multiply-high, where it would widen
/// and narrow a shared product.
std::pair<Value, Value> TargetInfo::multiplyWide(OpBuilder &b, Location loc, Value x,
                                                 Value y) const {
  Type wide = registerType(b.getI64Type()), narrow = registerType(b.getI32Type());
  Value product = arith::MulIOp::create(b, loc, arith::ExtUIOp::create(b, loc, wide, x),
                                        arith::ExtUIOp::create(b, loc, wide, y));
  Value shift = splat(b, loc, arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(32)));
  Value high = arith::TruncIOp::create(b, loc, narrow,
                                       arith::ShRUIOp::create(b, loc, product, shift));
  return {arith::MulIOp::create(b, loc, x, y), high};
}

Value TargetInfo::encodeE2M1(OpBuilder &, Location, ValueRange) const {
  llvm_unreachable("only where encodesE2M1");
}
Value TargetInfo::encodeE4M3(OpBuilder &, Location, Value) const {
  llvm_unreachable("only where encodesE4M3");
}

Value TargetInfo::sharedMemory(OpBuilder &, Location, uint64_t, bool) const {
  llvm_unreachable("a block of one warp shares nothing");
}
void TargetInfo::barrier(OpBuilder &, Location) const {}

bool TargetInfo::hasWholeBlock(Operation *kernel) const {
  auto threads = kernel->getAttrOfType<IntegerAttr>("tile.threads");
  return !threads || threads.getInt() == int64_t(getThreads());
}

layout::LinearLayout TargetInfo::MmaAtom::scalesOf(const layout::LinearLayout &operand) const {
  const uint64_t perRow = scaleWords();
  std::vector<uint64_t> reg, lane;
  auto isWord = [&](uint64_t basis) { return basis < k; };
  auto place = [&](uint64_t basis) {
    return isWord(basis) ? (choosesScale ? basis / wordsOfScale : 0) : basis / k * perRow;
  };
  for (uint64_t word = 1; word < perRow && !choosesScale; word *= 2)
    reg.push_back(word);
  for (uint64_t basis : operand.reg)
    if (uint64_t own = place(basis))
      reg.push_back(own);
  llvm::transform(operand.lane, std::back_inserter(lane), place);
  unsigned indexBits = operand.indexBits - llvm::Log2_32(k) + llvm::Log2_64(perRow);
  return {indexBits, std::move(reg), std::move(lane)};
}

const TargetInfo::MmaAtom *TargetInfo::mmaAtom(llvm::StringRef) const { return nullptr; }

SmallVector<Value> TargetInfo::multiplyFragments(OpBuilder &, Location, llvm::StringRef,
                                                 const MmaFragment &, const MmaFragment &,
                                                 ValueRange) const {
  llvm_unreachable("there is no atom");
}

Value TargetInfo::lookup(OpBuilder &b, Location loc, llvm::ArrayRef<float> table,
                         Value index) const {
  SmallVector<Value> values = llvm::map_to_vector(table, [&](float value) {
    return splat(b, loc, arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value)));
  });
  // Halve by the bits of the index; a table of another length than a power of
  // two repeats its last value, which no index reaches.
  for (unsigned bit = 0; values.size() > 1; ++bit) {
    Value condition = testBit(b, loc, *this, index, bit);
    SmallVector<Value> half;
    for (size_t i = 0; i < values.size(); i += 2) {
      Value odd = values[std::min(i + 1, values.size() - 1)];
      half.push_back(arith::SelectOp::create(b, loc, condition, odd, values[i]));
    }
    values = std::move(half);
  }
  return values.front();
}

/// A code in each byte chooses by its bits, lowest first, between bytes of the table.
Value TargetInfo::lookupBytes(OpBuilder &b, Location loc, const std::array<Value, 4> &table,
                              Value codes, bool upperHalf) const {
  auto constant = [&](int32_t c) {
    return splat(b, loc, arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(c)));
  };
  auto bitAnd = [&](Value x, int32_t mask) {
    return arith::AndIOp::create(b, loc, x, constant(mask));
  };
  auto shiftRight = [&](Value x, int32_t bits) {
    return bits ? Value(arith::ShRUIOp::create(b, loc, x, constant(bits))) : x;
  };
  auto times = [&](Value x, int32_t factor) {
    return arith::MulIOp::create(b, loc, x, constant(factor));
  };
  auto spread = [&](Value x, int32_t bits, int32_t mask) {
    Value shifted = arith::ShLIOp::create(b, loc, x, constant(bits));
    return bitAnd(arith::OrIOp::create(b, loc, x, shifted), mask);
  };
  constexpr int32_t everyByte = 0x01010101;
  Value index = bitAnd(shiftRight(codes, upperHalf ? 16 : 0), 0xffff);
  index = spread(spread(index, 8, 0x00ff00ff), 4, 0x0f0f0f0f);
  SmallVector<Value> values;
  for (unsigned entry = 0; entry < 16; ++entry)
    values.push_back(times(bitAnd(shiftRight(table[entry / 4], entry % 4 * 8), 0xff), everyByte));
  for (unsigned bit = 0; values.size() > 1; ++bit) {
    Value mask = times(bitAnd(shiftRight(index, bit), everyByte), 0xff);
    SmallVector<Value> half;
    for (size_t i = 0; i < values.size(); i += 2) {
      Value differs = arith::XOrIOp::create(b, loc, values[i], values[i + 1]);
      Value changes = arith::AndIOp::create(b, loc, differs, mask);
      half.push_back(arith::XOrIOp::create(b, loc, values[i], changes));
    }
    values = std::move(half);
  }
  return values.front();
}

void TargetInfo::atomicReduceIf(OpBuilder &b, Location loc, Value condition,
                                arith::AtomicRMWKind kind, Value word, Value pointer,
                                llvm::StringRef scope) {
  auto ifThen = [&](OpBuilder &outer, Value flag, llvm::function_ref<void(OpBuilder &)> body) {
    scf::IfOp::create(outer, loc, flag, [&](OpBuilder &inner, Location) {
      body(inner);
      scf::YieldOp::create(inner, loc);
    });
  };
  bool isMax = kind == arith::AtomicRMWKind::maxu;
  ifThen(b, condition, [&](OpBuilder &inner) {
    constexpr unsigned wordBytes = 4;
    Value old = LLVM::LoadOp::create(inner, loc, word.getType(), pointer, wordBytes,
                                     /*isVolatile=*/false, /*isNonTemporal=*/false,
                                     /*isInvariant=*/false, /*isInvariantGroup=*/false,
                                     LLVM::AtomicOrdering::monotonic, scope);
    Value combined = isMax ? Value(arith::MaxUIOp::create(inner, loc, old, word))
                           : Value(arith::OrIOp::create(inner, loc, old, word));
    Value changes =
        arith::CmpIOp::create(inner, loc, arith::CmpIPredicate::ne, combined, old);
    ifThen(inner, changes, [&](OpBuilder &innermost) {
      auto operation = isMax ? LLVM::AtomicBinOp::umax : LLVM::AtomicBinOp::_or;
      LLVM::AtomicRMWOp::create(innermost, loc, operation, pointer, word,
                                LLVM::AtomicOrdering::monotonic, scope);
    });
  });
}

} // namespace quadrille
