//===- Random.cpp - Philox bits for the elements of a tile -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Philox4x32 (Salmon et al., SC 2011) makes 128 bits a draw, which serve 128/b
// elements in the order of their numbers. Elements of one draw mostly lie in
// registers of one lane, so a draw is computed once for them.
//
//===----------------------------------------------------------------------===//
#include "TilePattern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "quadrille/Conversion/TileToLLVM/TileToLLVM.h"

using namespace mlir;

namespace quadrille {
namespace {

using Draw = std::array<Value, 4>;

/// Emits i32 and i64 arithmetic on registers.
class RegisterBuilder {
public:
  RegisterBuilder(OpBuilder &b, Location loc, const TargetInfo &target)
      : b(b), loc(loc), target(target) {}

  Value i32(uint32_t value) {
    return target.splat(b, loc, arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value)));
  }
  Value i64(int64_t value) {
    return target.splat(b, loc, arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value)));
  }
  Value splat(Value scalar) { return target.splat(b, loc, scalar); }
  template <typename OpT> Value op(Value x, Value y) { return OpT::create(b, loc, x, y); }
  Value extend(Value x) {
    return arith::ExtUIOp::create(b, loc, target.registerType(b.getI64Type()), x);
  }
  Value truncate(Value x) {
    return arith::TruncIOp::create(b, loc, target.registerType(b.getI32Type()), x);
  }
  Value high(Value x) { return truncate(op<arith::ShRUIOp>(x, i64(32))); }
  Value select(Value condition, Value x, Value y) {
    return arith::SelectOp::create(b, loc, condition, x, y);
  }
  Value isNonZero(Value x) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, x, i32(0));
  }

  /// Sum over the bits of `id` of what they contribute (bases without carries).
  Value linear(ArrayRef<uint64_t> bases, Value id) {
    Value sum = i32(0);
    for (auto [bit, basis] : llvm::enumerate(bases))
      if (basis) {
        Value digit = op<arith::AndIOp>(op<arith::ShRUIOp>(id, i32(bit)), i32(1));
        sum = op<arith::AddIOp>(sum, op<arith::MulIOp>(digit, i32(basis)));
      }
    return sum;
  }

  /// Philox4x32 with `rounds` rounds. Constants: Random123.
  Draw philox(Draw counter, Value key0, Value key1, unsigned rounds) {
    for (unsigned round = 0; round < rounds; ++round) {
      auto [low0, high0] = target.multiplyWide(b, loc, counter[0], i32(0xD2511F53));
      auto [low1, high1] = target.multiplyWide(b, loc, counter[2], i32(0xCD9E8D57));
      counter = {op<arith::XOrIOp>(op<arith::XOrIOp>(high1, counter[1]), key0), low1,
                 op<arith::XOrIOp>(op<arith::XOrIOp>(high0, counter[3]), key1), low0};
      key0 = op<arith::AddIOp>(key0, i32(0x9E3779B9));
      key1 = op<arith::AddIOp>(key1, i32(0xBB67AE85));
    }
    return counter;
  }

  OpBuilder &b;
  Location loc;
  const TargetInfo &target;
};

class RandomPattern : public TilePattern<tile::RandomOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::RandomOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override;
};

/// The numbers of a tile's elements, as far as they are known in each register:
/// number = base + row * rowLength + column, all of which but `column`'s low
/// four bits are multiples of 16.
class ElementNumbers {
public:
  ElementNumbers(RegisterBuilder &r, tile::RandomOp op)
      : r(r), op(op), layout(layoutOf(op.getResult())),
        columns(tileType(op.getResult()).getShape().back()) {
    Value lane = r.target.laneId(r.b, r.loc);
    Value warp = r.splat(r.target.warpId(r.b, r.loc));
    laneIndex = r.op<arith::AddIOp>(r.linear(layout.lane, lane), r.linear(layout.warp, warp));
  }

  /// Number of the register's group of 16 elements, a register of i64, from its
  /// part that does not depend on the lane.
  Value group(uint64_t registerPart) {
    uint64_t row = registerPart / columns, column = registerPart % columns;
    Value laneRow = r.op<arith::ShRUIOp>(laneIndex, r.i32(llvm::Log2_64(columns)));
    Value laneColumn = r.op<arith::AndIOp>(laneIndex, r.i32(columns - 1));
    Value rows = r.op<arith::AddIOp>(r.splat(op.getRow()),
                                     r.op<arith::AddIOp>(r.extend(laneRow), r.i64(row)));
    Value number = r.op<arith::AddIOp>(
        r.op<arith::MulIOp>(rows, r.splat(op.getRowLength())),
        r.op<arith::AddIOp>(r.splat(op.getColumn()),
                            r.op<arith::AddIOp>(r.extend(laneColumn), r.i64(column))));
    number = r.op<arith::AddIOp>(number, r.splat(op.getBase()));
    return r.op<arith::ShRUIOp>(number, r.i64(4));
  }

  /// What the lane adds to the low four bits of the number, an i32 register.
  Value laneOffset() { return r.op<arith::AndIOp>(laneIndex, r.i32(15)); }
  bool laneOffsetIsZero() const {
    auto low = [](uint64_t basis) { return (basis & 15) != 0; };
    return llvm::none_of(layout.lane, low) && llvm::none_of(layout.warp, low);
  }

  LinearLayout layout;

private:
  RegisterBuilder &r;
  tile::RandomOp op;
  uint64_t columns;
  Value laneIndex;
};

/// The words of `draw` beginning at run-time or constant positions.
class BitExtractor {
public:
  BitExtractor(RegisterBuilder &r, unsigned bits) : r(r), bits(bits) {}

  /// Bits [bits * position, + bits) of `words`, position = known + lane part, added to
  /// `addend` if there is one.
  Value at(ArrayRef<Value> words, unsigned known, Value lanePart, Value addend) {
    unsigned perWord = 32 / bits;
    if (addend && !lanePart && bits == 8)
      return r.target.addByte(r.b, r.loc, words[known / perWord], known % perWord, addend);
    Value drawn = extract(words, known, lanePart);
    return addend ? r.op<arith::AddIOp>(addend, drawn) : drawn;
  }

  /// words[index] for a run-time index, by halves.
  Value select(ArrayRef<Value> words, Value index) {
    if (words.size() == 1)
      return words.front();
    unsigned half = words.size() / 2;
    Value upper = r.isNonZero(r.op<arith::AndIOp>(index, r.i32(half)));
    return r.select(upper, select(words.drop_front(half), index),
                    select(words.take_front(half), index));
  }

private:
  Value extract(ArrayRef<Value> words, unsigned known, Value lanePart) {
    unsigned perWord = 32 / bits;
    Value word, shift;
    if (!lanePart) {
      word = words[known / perWord];
      shift = r.i32(known % perWord * bits);
    } else {
      Value position = r.op<arith::AddIOp>(lanePart, r.i32(known));
      Value which = r.op<arith::ShRUIOp>(position, r.i32(llvm::Log2_32(perWord)));
      word = select(words, which);
      shift = r.op<arith::MulIOp>(r.op<arith::AndIOp>(position, r.i32(perWord - 1)), r.i32(bits));
    }
    return r.op<arith::AndIOp>(r.op<arith::ShRUIOp>(word, shift), r.i32((1u << bits) - 1));
  }

  RegisterBuilder &r;
  unsigned bits;
};

/// The 4, 2 or 8 words of random bits of one group of 16 elements (b = 8, 4, 16).
SmallVector<Value> groupWords(RegisterBuilder &r, tile::RandomOp op, Value group) {
  Value key = op.getKey();
  Value key0 = r.truncate(r.splat(key)), key1 = r.high(r.splat(key));
  auto draw = [&](Value number) {
    Draw counter = {r.truncate(number), r.high(number), r.i32(op.getStream()), r.i32(0)};
    return r.philox(counter, key0, key1, op.getRounds());
  };
  switch (op.getBits()) {
  case 4: {
    Draw d = draw(r.op<arith::ShRUIOp>(group, r.i64(1)));
    Value odd = r.isNonZero(r.op<arith::AndIOp>(r.truncate(group), r.i32(1)));
    return {r.select(odd, d[2], d[0]), r.select(odd, d[3], d[1])};
  }
  case 8: {
    Draw d = draw(group);
    return {d.begin(), d.end()};
  }
  default: {
    Value first = r.op<arith::ShLIOp>(group, r.i64(1));
    Draw low = draw(first), high = draw(r.op<arith::AddIOp>(first, r.i64(1)));
    SmallVector<Value> words(low.begin(), low.end());
    words.append(high.begin(), high.end());
    return words;
  }
  }
}

LogicalResult RandomPattern::matchAndRewrite(tile::RandomOp op, OneToNOpAdaptor adaptor,
                                             ConversionPatternRewriter &rewriter) const {
  RegisterBuilder r(rewriter, op.getLoc(), target);
  ElementNumbers numbers(r, op);
  BitExtractor extract(r, op.getBits());
  Value lanePart = numbers.laneOffsetIsZero() ? Value() : numbers.laneOffset();
  llvm::DenseMap<uint64_t, SmallVector<Value>> wordsOfGroup;
  Registers results;
  for (unsigned i = 0, e = numbers.layout.numRegisters(); i < e; ++i) {
    uint64_t index = registerIndex(numbers.layout, i);
    SmallVector<Value> &words = wordsOfGroup[index / 16];
    if (words.empty())
      words = groupWords(r, op, numbers.group(index / 16 * 16));
    Value addend = op.getAddend() ? adaptor.getAddend()[i] : Value();
    results.push_back(extract.at(words, index % 16, lanePart, addend));
  }
  rewriter.replaceOpWithMultiple(op, {results});
  return success();
}

} // namespace

void populateTileRandomPatterns(RewritePatternSet &patterns, const TypeConverter &converter,
                                const TargetInfo &target) {
  patterns.add<RandomPattern>(converter, patterns.getContext(), target);
}

} // namespace quadrille
