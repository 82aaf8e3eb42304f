//===- Elementwise.cpp - Tile operations within a lane -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TilePattern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "quadrille/Conversion/TileToLLVM/TileToLLVM.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace quadrille {

void populateTileTypeConversion(TypeConverter &converter, const TargetInfo &target) {
  converter.addConversion([](Type type) { return type; });
  converter.addConversion(
      [&target](RankedTensorType type, SmallVectorImpl<Type> &registers)
          -> std::optional<LogicalResult> {
        if (!isa_and_nonnull<tile::LayoutAttr>(type.getEncoding()))
          return std::nullopt;
        registers.assign(tile::getLayout(type).numRegisters(),
                         target.registerType(type.getElementType()));
        return success();
      });
}

Value packPair(OpBuilder &b, Location loc, Value low, Value high) {
  auto position = [&](int32_t i) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(i));
  };
  Value pair = LLVM::PoisonOp::create(b, loc, VectorType::get({2}, low.getType()));
  pair = LLVM::InsertElementOp::create(b, loc, pair, low, position(0));
  return LLVM::InsertElementOp::create(b, loc, pair, high, position(1));
}

std::pair<Value, Value> unpackPair(OpBuilder &b, Location loc, Value pair) {
  auto at = [&](int32_t i) -> Value {
    Value position = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(i));
    return LLVM::ExtractElementOp::create(b, loc, pair, position);
  };
  Value low = at(0), high = at(1);
  return {low, high};
}

namespace {

/// arith and math operations on tiles: the same operation on each register.
class ElementwisePattern : public ConversionPattern {
public:
  ElementwisePattern(const TypeConverter &converter, MLIRContext *context,
                     const TargetInfo &target)
      : ConversionPattern(converter, MatchAnyOpTypeTag(), /*benefit=*/1, context),
        target(target) {}

  LogicalResult matchAndRewrite(Operation *op, ArrayRef<ValueRange> operands,
                                ConversionPatternRewriter &rewriter) const override {
    if (!op->hasTrait<OpTrait::Elementwise>() || op->getNumResults() != 1 ||
        !isa<RankedTensorType>(op->getResult(0).getType()))
      return failure();
    Type type = target.registerType(
        cast<RankedTensorType>(op->getResult(0).getType()).getElementType());
    if (auto product = dyn_cast<arith::MulFOp>(op); product && type.isF32() && target.packsF32())
      return multiplyPairs(product, operands, rewriter);
    Registers results;
    for (unsigned r = 0, e = operands.front().size(); r < e; ++r) {
      SmallVector<Value> inputs = llvm::map_to_vector(operands, [&](ValueRange v) { return v[r]; });
      Operation *scalar = rewriter.create(op->getLoc(), op->getName().getIdentifier(), inputs,
                                          {type}, op->getAttrs());
      results.push_back(scalar->getResult(0));
    }
    rewriter.replaceOpWithMultiple(op, {results});
    return success();
  }

private:
  /// Two products in one instruction.
  static LogicalResult multiplyPairs(arith::MulFOp op, ArrayRef<ValueRange> operands,
                                     ConversionPatternRewriter &rewriter) {
    Location loc = op.getLoc();
    ValueRange x = operands[0], y = operands[1];
    Registers results;
    for (unsigned r = 0; r + 1 < x.size(); r += 2) {
      Value product = arith::MulFOp::create(rewriter, loc, packPair(rewriter, loc, x[r], x[r + 1]),
                                            packPair(rewriter, loc, y[r], y[r + 1]));
      auto [low, high] = unpackPair(rewriter, loc, product);
      results.append({low, high});
    }
    if (x.size() % 2)
      results.push_back(arith::MulFOp::create(rewriter, loc, x.back(), y.back()));
    rewriter.replaceOpWithMultiple(op, {results});
    return success();
  }

  const TargetInfo &target;
};

class ConstantPattern : public TilePattern<arith::ConstantOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(arith::ConstantOp op, OneToNOpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto splat = dyn_cast<SplatElementsAttr>(op.getValue());
    if (!splat)
      return rewriter.notifyMatchFailure(op, "only splat constants are tiles");
    Value scalar = arith::ConstantOp::create(rewriter, op.getLoc(),
                                             splat.getSplatValue<TypedAttr>());
    Value reg = target.splat(rewriter, op.getLoc(), scalar);
    Registers registers(layoutOf(op.getResult()).numRegisters(), reg);
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

class SplatPattern : public TilePattern<tile::SplatOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::SplatOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Value reg = target.splat(rewriter, op.getLoc(), adaptor.getScalar().front());
    Registers registers(layoutOf(op.getResult()).numRegisters(), reg);
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

/// Operations that only rename the index.
template <typename OpT>
class RenamingPattern : public TilePattern<OpT> {
public:
  using TilePattern<OpT>::TilePattern;
  using Adaptor = typename OpConversionPattern<OpT>::OneToNOpAdaptor;

  LogicalResult matchAndRewrite(OpT op, Adaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithMultiple(op, {adaptor.getSource()});
    return success();
  }
};

class BroadcastPattern : public TilePattern<tile::BroadcastOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::BroadcastOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto sourceType = tileType(op.getSource()), resultType = tileType(op.getResult());
    LinearLayout source = tile::getLayout(sourceType), result = tile::getLayout(resultType);
    Registers registers;
    for (unsigned r = 0, e = result.numRegisters(); r < e; ++r) {
      uint64_t index = tile::broadcastSourceIndex(sourceType.getShape(), resultType.getShape(),
                                                  registerIndex(result, r));
      registers.push_back(adaptor.getSource()[registerOf(source, index)]);
    }
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

/// A register's own position plus what the bits of the lane and the warp add.
class IotaPattern : public TilePattern<tile::IotaOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::IotaOp op, OneToNOpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto type = tileType(op.getResult());
    LinearLayout layout = tile::getLayout(type);
    auto [first, count] = tile::indexBitsOf(type.getShape(), op.getDim());
    auto along = [first, count](uint64_t index) {
      return index >> first & llvm::maskTrailingOnes<uint64_t>(count);
    };
    auto constant = [&](int64_t value) {
      return target.splat(rewriter, loc, arith::ConstantOp::create(
                                             rewriter, loc, rewriter.getI32IntegerAttr(value)));
    };
    Value zero = constant(0), part = zero;
    for (auto [bit, basis] : llvm::enumerate(layout.lane))
      if (along(basis))
        part = arith::AddIOp::create(
            rewriter, loc, part,
            target.selectByLaneBit(rewriter, loc, bit, constant(along(basis)), zero));
    Value warp = target.splat(rewriter, loc, target.warpId(rewriter, loc));
    for (auto [bit, basis] : llvm::enumerate(layout.warp))
      if (along(basis)) {
        Value digit = arith::AndIOp::create(
            rewriter, loc, arith::ShRUIOp::create(rewriter, loc, warp, constant(bit)),
            constant(1));
        part = arith::AddIOp::create(
            rewriter, loc, part,
            arith::MulIOp::create(rewriter, loc, digit, constant(along(basis))));
      }
    Registers registers;
    for (unsigned r = 0, e = layout.numRegisters(); r < e; ++r)
      registers.push_back(arith::AddIOp::create(rewriter, loc, part,
                                                constant(along(registerIndex(layout, r)))));
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

class LookupPattern : public TilePattern<tile::LookupOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::LookupOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Registers registers = llvm::map_to_vector(adaptor.getIndex(), [&](Value index) {
      return target.lookup(rewriter, op.getLoc(), op.getTable(), index);
    });
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

class FromRegistersPattern : public TilePattern<tile::FromRegistersOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::FromRegistersOp op, OneToNOpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (target.registerType(tileType(op.getResult()).getElementType()) !=
        op.getValues().front().getType())
      return op.emitOpError("needs a target whose lanes have scalars in registers");
    rewriter.replaceOpWithMultiple(op, {Registers(op.getValues())});
    return success();
  }
};

class LookupBytesPattern : public TilePattern<tile::LookupBytesOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::LookupBytesOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    LinearLayout result = layoutOf(op.getResult()), words = layoutOf(op.getWords());
    Registers registers;
    for (unsigned r = 0, e = result.numRegisters(); r < e; ++r) {
      uint64_t index = registerIndex(result, r);
      unsigned source = registerOf(words, index / 2);
      std::array<Value, 4> table;
      for (auto [word, operand] : llvm::zip_equal(table, adaptor.getTable()))
        word = operand[source];
      registers.push_back(target.lookupBytes(rewriter, op.getLoc(), table,
                                             adaptor.getWords()[source], index % 2));
    }
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

/// The 16-bit entries of tile.lookup_pairs as lower and upper bytes, four to a word.
class PairsTable {
public:
  PairsTable(OpBuilder &b, Location loc, const TargetInfo &target, ArrayRef<int16_t> entries)
      : b(b), loc(loc), target(target), entries(entries),
        hasSigns(tile::LookupPairsOp::hasSigns(entries)), lower(bytesOf(0)), upper(bytesOf(8)) {}

  /// The four words of pairs of a word of codes, with the entries times `factor` unless that is
  /// null.
  SmallVector<Value> lookup(Value codes, Value factor) {
    SmallVector<Value> found;
    if (factor) {
      const Words &bytes = scaled(factor);
      auto words = ArrayRef(bytes);
      found = target.lookupSignedPairs(b, loc, words.take_front(2), words.drop_front(2), codes);
    } else if (hasSigns) {
      bool hasLower = llvm::any_of(entries, [](int16_t entry) { return entry & 0xff; });
      found = target.lookupSignedPairs(b, loc, ArrayRef(lower).take_front(hasLower ? 2 : 0),
                                       ArrayRef(upper).take_front(2), codes);
    }
    return found.empty() && !factor ? lookupByHalves(codes) : found;
  }

private:
  using Words = std::array<Value, 4>;

  /// The lower and the upper bytes of four entries, then two of each to a word. Of grids with
  /// a sign half of the entries will do, and bit 3 of a code becomes the sign of an upper byte.
  SmallVector<Value> lookupByHalves(Value codes) {
    SmallVector<Value> pairs;
    for (bool half : {false, true}) {
      Value low = lookupBytes(lower, codes, half), high = lookupBytes(upper, codes, half);
      if (hasSigns)
        high = withSigns(high, codes, half);
      for (unsigned first : {0, 2})
        pairs.push_back(target.permuteBytes(b, loc, low, high,
                                            {first, first + 4, first + 1, first + 5}));
    }
    return pairs;
  }
  Value lookupBytes(const Words &bytes, Value codes, bool half) {
    if (!hasSigns)
      return target.lookupBytes(b, loc, bytes, codes, half);
    Value magnitudes = arith::AndIOp::create(b, loc, codes, splat(0x77777777));
    return target.lookupEightBytes(b, loc, {bytes[0], bytes[1]}, magnitudes, half);
  }
  /// `bytes` with the signs of half of the codes.
  Value withSigns(Value bytes, Value codes, bool half) {
    Value even = arith::ShLIOp::create(b, loc, codes, splat(4));
    const unsigned first = half ? 2 : 0;
    Value signs = target.permuteBytes(b, loc, even, codes,
                                      {first, first + 4, first + 1, first + 5});
    signs = arith::AndIOp::create(b, loc, signs, splat(int32_t(0x80808080)));
    return arith::OrIOp::create(b, loc, bytes, signs);
  }

  /// Of the first eight entries times a factor: two words of lower, two of upper bytes. Words of
  /// a block have the same factor.
  const Words &scaled(Value factor) {
    auto [entry, isNew] = byFactor.try_emplace(factor);
    Words &bytes = entry->second;
    if (!isNew)
      return bytes;
    std::array<Value, 4> pairs; // two lower bytes, two upper ones
    for (unsigned i = 0; i < pairs.size(); ++i) {
      auto [low, high] = twoProducts(2 * i, factor);
      pairs[i] = target.permuteBytes(b, loc, low, high, {2, 6, 3, 7});
    }
    for (unsigned i : {0, 1}) {
      Value low = pairs[2 * i], high = pairs[2 * i + 1];
      bytes[i] = target.permuteBytes(b, loc, low, high, {0, 1, 4, 5});
      bytes[i + 2] = target.permuteBytes(b, loc, low, high, {2, 3, 6, 7});
    }
    return bytes;
  }
  /// The bits of entries `first` and its neighbour, as f32, times a factor.
  std::pair<Value, Value> twoProducts(unsigned first, Value factor) {
    auto entry = [&](unsigned i) {
      float value = llvm::bit_cast<float>(uint32_t(uint16_t(entries[i])) << 16);
      return target.splat(b, loc,
                          arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value)));
    };
    auto multiply = [&](Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); };
    auto bits = [&](Value x) {
      return arith::BitcastOp::create(b, loc, target.registerType(b.getI32Type()), x);
    };
    Value low = entry(first), high = entry(first + 1);
    if (!target.packsF32())
      return {bits(multiply(low, factor)), bits(multiply(high, factor))};
    Value products = multiply(packPair(b, loc, low, high), packPair(b, loc, factor, factor));
    std::tie(low, high) = unpackPair(b, loc, products);
    return {bits(low), bits(high)};
  }

  Value splat(int32_t word) {
    return target.splat(b, loc, arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(word)));
  }
  /// The bytes of the entries from bit `shift` on, four to a word.
  Words bytesOf(unsigned shift) {
    std::array<uint32_t, 4> words = {};
    for (auto [i, entry] : llvm::enumerate(entries))
      words[i / 4] |= (uint16_t(entry) >> shift & 0xffu) << (i % 4 * 8);
    Words values;
    for (auto [value, word] : llvm::zip_equal(values, words))
      value = splat(int32_t(word));
    return values;
  }

  OpBuilder &b;
  Location loc;
  const TargetInfo &target;
  ArrayRef<int16_t> entries;
  bool hasSigns;
  Words lower, upper;
  DenseMap<Value, Words> byFactor;
};

class LookupPairsPattern : public TilePattern<tile::LookupPairsOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::LookupPairsOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (op.getFactors() && !target.scalesTables())
      return op.emitOpError("needs a target whose tables of pairs can be multiplied");
    LinearLayout result = layoutOf(op.getResult()), ofWords = layoutOf(op.getWords());
    PairsTable table(rewriter, op.getLoc(), target, op.getTable());
    SmallVector<SmallVector<Value>> found;
    ValueRange words = adaptor.getWords();
    for (unsigned r = 0; r < words.size(); ++r)
      found.push_back(table.lookup(words[r], op.getFactors() ? adaptor.getFactors()[r] : Value()));
    Registers registers;
    for (unsigned r = 0, e = result.numRegisters(); r < e; ++r) {
      uint64_t index = registerIndex(result, r);
      registers.push_back(found[registerOf(ofWords, index / 4)][index % 4]);
    }
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

class MultiplyPairsPattern : public TilePattern<tile::MultiplyPairsOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::MultiplyPairsOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Type element = op.getF16() ? Type(rewriter.getF16Type()) : rewriter.getBF16Type();
    Registers results;
    for (auto [x, y] : llvm::zip_equal(adaptor.getLhs(), adaptor.getRhs()))
      results.push_back(target.multiplyPairs(rewriter, op.getLoc(), element, x, y));
    rewriter.replaceOpWithMultiple(op, {results});
    return success();
  }
};

class EncodeE4M3Pattern : public TilePattern<tile::EncodeE4M3Op> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::EncodeE4M3Op op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (!target.encodesE4M3())
      return op.emitOpError("needs a target that converts to E4M3");
    Registers registers = llvm::map_to_vector(adaptor.getValues(), [&](Value value) {
      return target.encodeE4M3(rewriter, op.getLoc(), value);
    });
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

} // namespace

void populateTileElementwisePatterns(RewritePatternSet &patterns, const TypeConverter &converter,
                                     const TargetInfo &target) {
  MLIRContext *context = patterns.getContext();
  patterns.add<ElementwisePattern, ConstantPattern, SplatPattern, IotaPattern, BroadcastPattern,
               LookupPattern, LookupBytesPattern, LookupPairsPattern, MultiplyPairsPattern,
               EncodeE4M3Pattern, FromRegistersPattern,
               RenamingPattern<tile::ReshapeOp>, RenamingPattern<tile::TransposeOp>>(
      converter, context, target);
}

} // namespace quadrille
