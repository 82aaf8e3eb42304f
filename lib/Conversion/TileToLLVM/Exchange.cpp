//===- Exchange.cpp - Tile operations across elements -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TilePattern.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "quadrille/Conversion/TileToLLVM/TileToLLVM.h"
#include "quadrille/Layout/Conversion.h"

using namespace mlir;

namespace quadrille {

uint64_t registerIndex(const LinearLayout &layout, unsigned r) {
  return layout.evaluate(r, /*lane=*/0, /*warp=*/0);
}

unsigned registerOf(const LinearLayout &layout, uint64_t index) {
  for (unsigned r = 0, e = layout.numRegisters(); r < e; ++r)
    if (registerIndex(layout, r) == index)
      return r;
  llvm_unreachable("no register of the layout holds this index in lane 0");
}

std::optional<unsigned> findBasis(ArrayRef<uint64_t> bases, uint64_t basis) {
  const auto *it = llvm::find(bases, basis);
  if (it == bases.end())
    return std::nullopt;
  return it - bases.begin();
}

namespace {

/// Bits of the index that the dimensions `dims` of `shape` take, lowest first.
SmallVector<unsigned> bitsOfDims(ArrayRef<int64_t> shape, ArrayRef<int64_t> dims) {
  SmallVector<unsigned> bits;
  for (int64_t dim : dims) {
    auto [first, count] = tile::indexBitsOf(shape, dim);
    for (unsigned i = 0; i < count; ++i)
      bits.push_back(first + i);
  }
  llvm::sort(bits);
  return bits;
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

Value combine(OpBuilder &b, Location loc, const TargetInfo &target, tile::Reduction kind, Value x,
              Value y) {
  switch (kind) {
  case tile::Reduction::amax:
    return target.maxMagnitude(b, loc, x, y);
  case tile::Reduction::maxui:
    return arith::MaxUIOp::create(b, loc, x, y);
  case tile::Reduction::addf:
    return arith::AddFOp::create(b, loc, x, y);
  case tile::Reduction::maximumf:
    return arith::MaximumFOp::create(b, loc, x, y);
  case tile::Reduction::ori:
    return arith::OrIOp::create(b, loc, x, y);
  case tile::Reduction::addi:
    return arith::AddIOp::create(b, loc, x, y);
  }
  llvm_unreachable("unknown reduction");
}

class ReducePattern : public TilePattern<tile::ReduceOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::ReduceOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto type = tileType(op.getSource());
    LinearLayout layout = tile::getLayout(type);
    // Registers by index; combining halves those in use, from the lowest bit of
    // the index up, which is the order the operation promises.
    Registers values(adaptor.getSource());
    uint64_t live = ~uint64_t(0);
    for (unsigned bit : bitsOfDims(type.getShape(), op.getDims())) {
      uint64_t basis = uint64_t(1) << bit;
      if (auto r = findBasis(layout.reg, basis)) {
        combineRegisters(op, rewriter, values, *r, live);
        live &= ~(uint64_t(1) << *r);
      } else if (auto lane = findBasis(layout.lane, basis)) {
        combineLanes(op, rewriter, values, *lane, live);
      } else {
        return op.emitOpError("reduces along a bit that lies across warps");
      }
    }
    Registers results;
    bool magnitudes = op.getKind() == tile::Reduction::amax;
    for (auto [r, value] : llvm::enumerate(values))
      if ((r & ~live) == 0) // a single element has its sign yet
        results.push_back(magnitudes ? math::AbsFOp::create(rewriter, op.getLoc(), value) : value);
    rewriter.replaceOpWithMultiple(op, {results});
    return success();
  }

private:
  void combineRegisters(tile::ReduceOp op, OpBuilder &b, Registers &values, unsigned bit,
                        uint64_t live) const {
    for (unsigned r = 0; r < values.size(); ++r)
      if ((r & ~live) == 0 && !(r >> bit & 1))
        values[r] = combine(b, op.getLoc(), target, op.getKind(), values[r], values[r | 1u << bit]);
  }

  void combineLanes(tile::ReduceOp op, OpBuilder &b, Registers &values, unsigned bit,
                    uint64_t live) const {
    for (unsigned r = 0; r < values.size(); ++r)
      if ((r & ~live) == 0)
        values[r] = combine(b, op.getLoc(), target, op.getKind(), values[r],
                            target.exchange(b, op.getLoc(), values[r], bit));
  }
};

//===----------------------------------------------------------------------===//
// Butterflies
//===----------------------------------------------------------------------===//

class HadamardPattern : public TilePattern<tile::HadamardOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::HadamardOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto type = tileType(op.getSource());
    LinearLayout layout = tile::getLayout(type);
    Registers values(adaptor.getSource()), factors;
    SmallVector<unsigned> stages = bitsOfDims(type.getShape(), type.getRank() - 1);
    if (op.getFactors()) {
      std::optional<unsigned> first = findBasis(layout.reg, 1);
      if (!first || stages.empty())
        return op.emitOpError("has factors for pairs that lie in several lanes");
      factors = factorsOfRegisters(op, adaptor.getFactors());
    }
    unsigned done = target.packsF32() ? stagesOfPairs(rewriter, op.getLoc(), values, factors,
                                                      layout, stages)
                                      : 0;
    if (done == 0 && !factors.empty()) {
      stageWithFactors(rewriter, op.getLoc(), values, factors, *findBasis(layout.reg, 1));
      done = 1;
    }
    for (unsigned bit : ArrayRef(stages).drop_front(done)) {
      uint64_t basis = uint64_t(1) << bit;
      if (auto r = findBasis(layout.reg, basis))
        stageInRegisters(rewriter, op.getLoc(), values, *r);
      else if (auto lane = findBasis(layout.lane, basis))
        stageAcrossLanes(rewriter, op.getLoc(), values, *lane);
      else
        return op.emitOpError("has a stage that lies across warps");
    }
    rewriter.replaceOpWithMultiple(op, {values});
    return success();
  }

private:
  /// The factor of each of the source's registers.
  static Registers factorsOfRegisters(tile::HadamardOp op, ValueRange factors) {
    auto type = tileType(op.getSource()), factorsType = tileType(op.getFactors());
    LinearLayout layout = tile::getLayout(type), ofFactors = tile::getLayout(factorsType);
    Registers result;
    for (unsigned r = 0, e = layout.numRegisters(); r < e; ++r) {
      uint64_t index = tile::broadcastSourceIndex(factorsType.getShape(), type.getShape(),
                                                  registerIndex(layout, r));
      result.push_back(factors[registerOf(ofFactors, index)]);
    }
    return result;
  }

  /// The first stages, between registers of a lane, on pairs of registers that the last of
  /// them would combine. Returns how many it did.
  static unsigned stagesOfPairs(OpBuilder &b, Location loc, Registers &values,
                                const Registers &factors, const LinearLayout &layout,
                                ArrayRef<unsigned> stages) {
    SmallVector<unsigned> bits; // of the register's number, in the order of the stages
    for (unsigned stage : stages) {
      std::optional<unsigned> bit = findBasis(layout.reg, uint64_t(1) << stage);
      if (!bit)
        break;
      bits.push_back(*bit);
    }
    if (bits.size() < 2)
      return 0;
    unsigned pairBit = bits.pop_back_val();
    auto packed = [&](const Registers &registers) {
      Registers pairs;
      for (unsigned r = 0; r < registers.size(); ++r)
        if (!(r >> pairBit & 1))
          pairs.push_back(packPair(b, loc, registers[r], registers[r | 1u << pairBit]));
      return pairs;
    };
    auto bitOfPairs = [&](unsigned bit) { return bit - (bit > pairBit); };
    Registers pairs = packed(values);
    for (auto [number, bit] : llvm::enumerate(bits))
      if (number == 0 && !factors.empty())
        stageWithFactors(b, loc, pairs, packed(factors), bitOfPairs(bit));
      else
        stageInRegisters(b, loc, pairs, bitOfPairs(bit));
    unsigned next = 0;
    for (unsigned r = 0; r < values.size(); ++r)
      if (!(r >> pairBit & 1))
        std::tie(values[r], values[r | 1u << pairBit]) = unpackPair(b, loc, pairs[next++]);
    return bits.size();
  }

  static void stageWithFactors(OpBuilder &b, Location loc, Registers &values,
                               const Registers &factors, unsigned bit) {
    for (unsigned r = 0; r < values.size(); ++r) {
      if (r >> bit & 1)
        continue;
      unsigned other = r | 1u << bit;
      Value u = arith::MulFOp::create(b, loc, values[r], factors[r]), v = values[other];
      Value minus = arith::NegFOp::create(b, loc, factors[other]);
      values[r] = math::FmaOp::create(b, loc, v, factors[other], u);
      values[other] = math::FmaOp::create(b, loc, v, minus, u);
    }
  }

  static void stageInRegisters(OpBuilder &b, Location loc, Registers &values, unsigned bit) {
    for (unsigned r = 0; r < values.size(); ++r) {
      if (r >> bit & 1)
        continue;
      Value &u = values[r], &v = values[r | 1u << bit];
      Value sum = arith::AddFOp::create(b, loc, u, v);
      v = arith::SubFOp::create(b, loc, u, v);
      u = sum;
    }
  }

  /// The lane with the bit clear wants u + v of (own, partner's), the other u - v
  /// of (partner's, own), which is partner's + (-1 own) in one rounding.
  void stageAcrossLanes(OpBuilder &b, Location loc, Registers &values, unsigned bit) const {
    auto splat = [&](float value) {
      return target.splat(b, loc, arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value)));
    };
    Value sign = target.selectByLaneBit(b, loc, bit, splat(-1), splat(1));
    for (Value &value : values)
      value = math::FmaOp::create(b, loc, value, sign, target.exchange(b, loc, value, bit));
  }
};

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

constexpr unsigned codesPerWord = 8;

Value constantI32(OpBuilder &b, Location loc, const TargetInfo &target, int64_t value) {
  return target.splat(b, loc, arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value)));
}

/// The registers of each word's eight elements, words in the order of their registers.
SmallVector<Registers> registersOfWords(ValueRange elements, const LinearLayout &layout,
                                        const LinearLayout &words) {
  SmallVector<Registers> groups;
  for (unsigned r = 0, e = words.numRegisters(); r < e; ++r) {
    Registers &group = groups.emplace_back();
    for (unsigned i = 0; i < codesPerWord; ++i)
      group.push_back(elements[registerOf(layout, registerIndex(words, r) * codesPerWord + i)]);
  }
  return groups;
}

class PackPattern : public TilePattern<tile::PackOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::PackOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    uint32_t bias = op.getBias(), shift = op.getShift();
    // Bytes can be gathered where the code is in the low bits of one.
    bool gathers = shift % 8 == 0 && shift != 0 && bias << (28 - shift) == 0;
    Registers results;
    for (const Registers &values :
         registersOfWords(adaptor.getCodes(), layoutOf(op.getCodes()), layoutOf(op.getWords())))
      results.push_back(gathers ? gatherBytes(rewriter, op.getLoc(), values, shift / 8)
                                : sumUp(rewriter, op.getLoc(), values, bias, shift));
    rewriter.replaceOpWithMultiple(op, {results});
    return success();
  }

private:
  Value constant(OpBuilder &b, Location loc, uint32_t value) const {
    return constantI32(b, loc, target, int32_t(value));
  }

  /// The sum of the values, each 16 times the one before, less that of their biases.
  Value sumUp(OpBuilder &b, Location loc, Registers values, uint32_t bias, unsigned shift) const {
    if (shift) {
      for (Value &value : values) {
        value = arith::SubIOp::create(b, loc, value, constant(b, loc, bias));
        value = arith::ShRUIOp::create(b, loc, value, constant(b, loc, shift));
      }
      bias = 0;
    }
    Value four = constant(b, loc, 4), word = values.back();
    uint32_t biases = bias;
    for (Value value : llvm::reverse(ArrayRef(values).drop_back())) {
      word = arith::AddIOp::create(b, loc, arith::ShLIOp::create(b, loc, word, four), value);
      biases = (biases << 4) + bias;
    }
    return biases ? arith::SubIOp::create(b, loc, word, constant(b, loc, biases)) : word;
  }

  /// Byte `byte` of each value: the even ones below, the odd ones above a nibble.
  Value gatherBytes(OpBuilder &b, Location loc, const Registers &values, unsigned byte) const {
    auto four = [&](unsigned first) {
      auto pair = [&](unsigned i) {
        return target.permuteBytes(b, loc, values[i], values[i + 2], {byte, byte + 4, byte, byte});
      };
      Value all = target.permuteBytes(b, loc, pair(first), pair(first + 4), {0, 1, 4, 5});
      return arith::AndIOp::create(b, loc, all, constant(b, loc, 0x0f0f0f0f));
    };
    Value odd = arith::ShLIOp::create(b, loc, four(1), constant(b, loc, 4));
    return arith::AddIOp::create(b, loc, odd, four(0));
  }
};

class WidenPattern : public TilePattern<tile::WidenOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::WidenOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    LinearLayout result = layoutOf(op.getResult()), words = layoutOf(op.getWords());
    bool isBF16 = op.getType().isBF16();
    Registers registers;
    for (unsigned r = 0, e = result.numRegisters(); r < e; ++r) {
      uint64_t index = registerIndex(result, r);
      Value word = adaptor.getWords()[registerOf(words, index / 2)];
      registers.push_back(isBF16 ? upperHalf(rewriter, op.getLoc(), word, index % 2)
                                 : fromF16(rewriter, op.getLoc(), word, index % 2));
    }
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }

private:
  /// bf16 is the upper half of an f32.
  Value upperHalf(OpBuilder &b, Location loc, Value word, bool high) const {
    Value bits = high ? Value(arith::AndIOp::create(
                            b, loc, word, constantI32(b, loc, target, int32_t(0xffff0000))))
                      : Value(arith::ShLIOp::create(b, loc, word, constantI32(b, loc, target, 16)));
    return arith::BitcastOp::create(b, loc, target.registerType(b.getF32Type()), bits);
  }

  Value fromF16(OpBuilder &b, Location loc, Value word, bool high) const {
    if (high)
      word = arith::ShRUIOp::create(b, loc, word, constantI32(b, loc, target, 16));
    Value half = arith::TruncIOp::create(b, loc, target.registerType(b.getI16Type()), word);
    half = arith::BitcastOp::create(b, loc, target.registerType(b.getF16Type()), half);
    return arith::ExtFOp::create(b, loc, target.registerType(b.getF32Type()), half);
  }
};

class PackSignsPattern : public TilePattern<tile::PackSignsOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::PackSignsOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    Type i32 = target.registerType(b.getI32Type());
    Value four = constantI32(b, loc, target, 4);
    Registers results;
    for (const Registers &values :
         registersOfWords(adaptor.getValues(), layoutOf(op.getValues()), layoutOf(op.getWords()))) {
      // The top four bits of each number follow each other; the first is its sign.
      Value word = constantI32(b, loc, target, 0);
      for (Value value : llvm::reverse(values)) {
        Value bits = arith::BitcastOp::create(b, loc, i32, value);
        word = LLVM::FshlOp::create(b, loc, i32, word, bits, four);
      }
      Value mask = constantI32(b, loc, target, int32_t(0x88888888));
      results.push_back(arith::AndIOp::create(b, loc, word, mask));
    }
    b.replaceOpWithMultiple(op, {results});
    return success();
  }
};

class EncodeE2M1Pattern : public TilePattern<tile::EncodeE2M1Op> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::EncodeE2M1Op op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    if (!target.encodesE2M1())
      return op.emitOpError("needs a target that converts to E2M1");
    Registers results;
    for (const Registers &values :
         registersOfWords(adaptor.getValues(), layoutOf(op.getValues()), layoutOf(op.getWords())))
      results.push_back(target.encodeE2M1(b, op.getLoc(), values));
    b.replaceOpWithMultiple(op, {results});
    return success();
  }
};

class PackSixBitsPattern : public TilePattern<tile::PackSixBitsOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::PackSixBitsOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    LinearLayout layout = layoutOf(op.getBytes());
    Registers results(layout.numRegisters());
    for (unsigned r = 0; r < results.size(); ++r) {
      uint64_t first = registerIndex(layout, r);
      if (first % wordsOfRun != 0)
        continue;
      Registers bytes;
      for (unsigned word = 0; word < wordsOfRun; ++word)
        bytes.push_back(adaptor.getBytes()[registerOf(layout, first + word)]);
      for (auto [word, packed] : llvm::enumerate(packRun(rewriter, op.getLoc(), bytes)))
        results[registerOf(layout, first + word)] = packed;
    }
    rewriter.replaceOpWithMultiple(op, {results});
    return success();
  }

private:
  static constexpr unsigned wordsOfRun = 8;

  Registers packRun(OpBuilder &b, Location loc, ArrayRef<Value> bytes) const {
    auto constant = [&](int32_t value) { return constantI32(b, loc, target, value); };
    auto bitAnd = [&](Value x, int32_t mask) -> Value {
      return arith::AndIOp::create(b, loc, x, constant(mask));
    };
    auto right = [&](Value x, int32_t n) -> Value {
      return n ? Value(arith::ShRUIOp::create(b, loc, x, constant(n))) : x;
    };
    auto bitOr = [&](Value x, Value y) -> Value { return arith::OrIOp::create(b, loc, x, y); };
    constexpr unsigned wordsOfHalf = 4, bitsOfWord = 24;
    Registers words;
    for (size_t first = 0; first < wordsOfRun; first += wordsOfHalf) {
      Registers dense; // 24 bits each
      for (Value word : bytes.slice(first, wordsOfHalf)) {
        Value pairs = bitOr(bitAnd(word, 0x003f003f), bitAnd(right(word, 2), 0x0fc00fc0));
        dense.push_back(bitOr(bitAnd(pairs, 0xfff), bitAnd(right(pairs, 4), 0xfff000)));
      }
      for (unsigned i = 0; i + 1 < wordsOfHalf; ++i) {
        Value left = constant(bitsOfWord - 8 * i);
        words.push_back(bitOr(right(dense[i], 8 * i),
                              arith::ShLIOp::create(b, loc, dense[i + 1], left)));
      }
    }
    words.resize(wordsOfRun, constant(0));
    return words;
  }
};

class UnpackPattern : public TilePattern<tile::UnpackOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::UnpackOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    LinearLayout codes = layoutOf(op.getCodes()), words = layoutOf(op.getWords());
    Value mask = constantI32(rewriter, op.getLoc(), target, 15);
    Registers results;
    for (unsigned r = 0, e = codes.numRegisters(); r < e; ++r) {
      uint64_t index = registerIndex(codes, r);
      Value word = adaptor.getWords()[registerOf(words, index / codesPerWord)];
      Value shift = constantI32(rewriter, op.getLoc(), target, 4 * (index % codesPerWord));
      Value shifted = arith::ShRUIOp::create(rewriter, op.getLoc(), word, shift);
      results.push_back(arith::AndIOp::create(rewriter, op.getLoc(), shifted, mask));
    }
    rewriter.replaceOpWithMultiple(op, {results});
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Layout conversion
//===----------------------------------------------------------------------===//

/// Carries out the steps of a planned conversion on the registers of a tile.
class ConversionEmitter {
public:
  ConversionEmitter(OpBuilder &b, Location loc, const TargetInfo &target,
                    const layout::Conversion &plan, Registers values)
      : values(std::move(values)), b(b), loc(loc), target(target), plan(plan) {}

  LogicalResult operator()(const layout::RegisterPermute &step) {
    values = permuted(step.source);
    return success();
  }

  LogicalResult operator()(const layout::RegisterSelect &step) {
    for (auto [bit, mask] : llvm::enumerate(step.laneMasks)) {
      if (!mask)
        continue;
      Registers old = values;
      for (unsigned r = 0; r < values.size(); ++r)
        values[r] = target.selectByLaneBit(b, loc, bit, old[r ^ mask], old[r]);
    }
    values = permuted(step.source);
    return success(llvm::all_of(step.warpMasks, [](unsigned mask) { return mask == 0; }));
  }

  LogicalResult operator()(const layout::LanePermute &step) {
    for (auto [r, value] : llvm::enumerate(values)) {
      unsigned mask = step.registerMasks.empty() ? 0 : step.registerMasks[r];
      SmallVector<unsigned> sourceLane;
      for (unsigned l = 0; l < target.getLanes(); ++l) {
        unsigned source = mask;
        for (unsigned bit = 0; bit < step.laneColumns.size(); ++bit)
          source ^= (l >> bit & 1) * step.laneColumns[bit];
        sourceLane.push_back(source);
      }
      value = target.permuteLanes(b, loc, value, sourceLane);
    }
    return success(llvm::all_of(step.warpColumns, [](unsigned column) { return column == 0; }));
  }

  LogicalResult operator()(const layout::SwapRegLane &step) {
    unsigned other = 1u << step.regBit;
    for (unsigned r = 0; r < values.size(); ++r)
      if (!(r & other))
        std::tie(values[r], values[r | other]) = target.swapRegisterAndLane(
            b, loc, values[r], values[r | other], step.laneBit);
    return success();
  }

  LogicalResult operator()(const layout::SharedMemory &step) {
    values = emitSharedConversion(b, loc, target, plan, step, values);
    return success();
  }

  Registers values;

private:
  Registers permuted(ArrayRef<unsigned> source) const {
    return llvm::map_to_vector(source, [&](unsigned r) { return values[r]; });
  }

  OpBuilder &b;
  Location loc;
  const TargetInfo &target;
  const layout::Conversion &plan;
};

class ConvertLayoutPattern : public TilePattern<tile::ConvertLayoutOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::ConvertLayoutOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    unsigned bits = tileType(op.getSource()).getElementTypeBitWidth();
    layout::SharedMemoryModel memory;
    memory.elementBytes = std::max(1u, bits / 8);
    bool sharesMemory = target.getWarps() > 1 && target.hasWholeBlock(op->getParentOfType<func::FuncOp>());
    std::optional<layout::Conversion> plan = layout::planConversion(
        layoutOf(op.getSource()), layoutOf(op.getResult()), memory, sharesMemory);
    // Registers and lanes are named by constants, which all warps share.
    if (plan && plan->dependsOnWarp() && sharesMemory)
      plan = layout::planSharedConversion(layoutOf(op.getSource()), layoutOf(op.getResult()),
                                          memory);
    if (!plan)
      return op.emitOpError("has a source that lacks elements of the result");
    ConversionEmitter emitter(rewriter, op.getLoc(), target, *plan,
                              Registers(adaptor.getSource()));
    for (const layout::Conversion::CostedStep &step : plan->steps)
      if (failed(std::visit(emitter, step.step)))
        return op.emitOpError("needs data to cross warps, which this target's lowering lacks: ")
               << plan->str();
    rewriter.replaceOpWithMultiple(op, {emitter.values});
    return success();
  }
};

} // namespace

void populateTileExchangePatterns(RewritePatternSet &patterns, const TypeConverter &converter,
                                  const TargetInfo &target) {
  patterns.add<ReducePattern, HadamardPattern, PackPattern, PackSignsPattern, PackSixBitsPattern,
               EncodeE2M1Pattern, UnpackPattern, WidenPattern, ConvertLayoutPattern>(
      converter, patterns.getContext(), target);
}

} // namespace quadrille
