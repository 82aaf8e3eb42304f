//===- Dot.cpp - Products of tiles by matrix instructions -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TilePattern.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "quadrille/Conversion/TileToLLVM/TileToLLVM.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace quadrille {
namespace {

/// One dimension of an instruction within that of a tile: bit i of its number is bit
/// bits[i] of the tile's. The others repeat it.
class DimensionMap {
public:
  DimensionMap(unsigned atomSize, int64_t tileSize)
      : bits(llvm::Log2_32(atomSize), none), tileBits(llvm::Log2_64(tileSize)) {}

  /// False if that contradicts what is known.
  bool assign(unsigned atomBit, unsigned tileBit) {
    if (bits[atomBit] == none)
      bits[atomBit] = tileBit;
    return bits[atomBit] == tileBit && tileBit < tileBits;
  }
  bool isAssigned(unsigned atomBit) const { return bits[atomBit] != none; }
  bool uses(unsigned tileBit) const { return llvm::is_contained(bits, tileBit); }

  uint64_t spread(uint64_t number) const {
    uint64_t result = 0;
    for (auto [i, bit] : llvm::enumerate(bits))
      result |= (number >> i & 1) << bit;
    return result;
  }
  /// Where the instruction is repeated, but for the bits of `excluded`.
  SmallVector<uint64_t> repetitions(uint64_t excluded = 0) const {
    SmallVector<uint64_t> result{0};
    for (unsigned bit = 0; bit < tileBits; ++bit)
      if (uint64_t basis = uint64_t(1) << bit; !uses(bit) && !(excluded & basis))
        for (size_t i = 0, e = result.size(); i < e; ++i)
          result.push_back(result[i] | basis);
    llvm::sort(result);
    return result;
  }

private:
  static constexpr unsigned none = ~0u;
  SmallVector<unsigned> bits;
  unsigned tileBits;
};

/// A tile whose index is that of two dimensions, of an instruction and of the tile.
struct FragmentMap {
  const LinearLayout &atom;
  unsigned atomInner;
  LinearLayout tile;
  unsigned tileInner;
  DimensionMap &outer, &inner;

  /// Lanes hold what the instruction wants of them.
  bool matchLanes() {
    if (atom.lane.size() != tile.lane.size())
      return false;
    return llvm::all_of(llvm::zip_equal(atom.lane, tile.lane), [&](auto bases) {
      return match(std::get<0>(bases), std::get<1>(bases));
    });
  }
  /// Registers of an instruction are the tile's lowest ones of the dimension.
  bool matchRegisters() {
    for (uint64_t basis : atom.reg) {
      bool isInner = basis < atomInner;
      unsigned bit = llvm::Log2_64(isInner ? basis : basis / atomInner);
      if ((isInner ? inner : outer).isAssigned(bit))
        continue;
      auto found = llvm::find_if(tile.reg, [&](uint64_t own) {
        bool ownIsInner = own < tileInner;
        unsigned ownBit = llvm::Log2_64(ownIsInner ? own : own / tileInner);
        return ownIsInner == isInner && !(isInner ? inner : outer).uses(ownBit);
      });
      if (found == tile.reg.end() || !match(basis, *found))
        return false;
    }
    return true;
  }
  /// The tile's registers for the instruction at these offsets; empty if others hold them.
  SmallVector<unsigned> registers(uint64_t outerOffset, uint64_t innerOffset) const {
    SmallVector<unsigned> result;
    for (unsigned r = 0; r < atom.numRegisters(); ++r) {
      uint64_t index = atom.evaluate(r, 0);
      uint64_t own = (outer.spread(index / atomInner) | outerOffset) * tileInner +
                     (inner.spread(index % atomInner) | innerOffset);
      auto place = tile.invert(own);
      if (!place || place->lane || place->warp)
        return {};
      result.push_back(place->reg);
    }
    return result;
  }

private:
  bool match(uint64_t atomBasis, uint64_t tileBasis) {
    if (!atomBasis || !tileBasis) // copies
      return atomBasis == tileBasis;
    bool isInner = atomBasis < atomInner;
    if (isInner != (tileBasis < tileInner))
      return false;
    unsigned atomBit = llvm::Log2_64(isInner ? atomBasis : atomBasis / atomInner);
    unsigned tileBit = llvm::Log2_64(isInner ? tileBasis : tileBasis / tileInner);
    return (isInner ? inner : outer).assign(atomBit, tileBit);
  }
};

/// Scales in f32 of blocks of the contraction, by which sums of one block are multiplied.
class BlockScales {
public:
  /// `acc` is of one part. Words of a block are `wordsOfBlock` of `words`.
  BlockScales(ValueRange lhs, ValueRange rhs, const LinearLayout &lhsLayout,
              const LinearLayout &rhsLayout, int64_t blocks, int64_t words)
      : sides{{lhs, lhsLayout}, {rhs, rhsLayout}}, blocks(blocks), words(words) {}

  int64_t blockOf(uint64_t word) const { return word / (words / blocks); }
  /// How many an instruction of so many words sums.
  int64_t blocksOf(const DimensionMap &k, unsigned atomWords) const {
    return blockOf(k.spread(atomWords - 1)) + 1;
  }
  /// Lanes hold those of their accumulators' rows and columns; warps those of their words.
  bool match(const FragmentMap &acc, const LinearLayout &lhs, const LinearLayout &rhs) const {
    auto ofOperand = [&](uint64_t basis) {
      return basis / words * blocks + blockOf(basis % words);
    };
    for (auto [lane, basis] : llvm::enumerate(acc.tile.lane))
      if (sides[0].layout.lane[lane] != basis / acc.tileInner * blocks ||
          sides[1].layout.lane[lane] != basis % acc.tileInner * blocks)
        return false;
    for (auto [side, operand] : {std::pair(0, &lhs), std::pair(1, &rhs)})
      for (auto [own, basis] : llvm::zip_equal(sides[side].layout.warp, operand->warp))
        if (own != ofOperand(basis) || basis % words % (words / blocks) != 0)
          return false;
    return true;
  }
  /// total + sum * the scales of block `block`, of an accumulator.
  Value add(OpBuilder &b, Location loc, const FragmentMap &acc, unsigned reg, int64_t block,
            Value sum, Value total) const {
    uint64_t index = acc.tile.evaluate(reg, 0);
    Value ofRow = sides[0].at(index / acc.tileInner * blocks + block);
    Value ofColumn = sides[1].at(index % acc.tileInner * blocks + block);
    if (!sum.getType().isF32())
      sum = arith::SIToFPOp::create(b, loc, total.getType(), sum);
    return math::FmaOp::create(b, loc, arith::MulFOp::create(b, loc, sum, ofRow), ofColumn, total);
  }

private:
  struct Side {
    ValueRange registers;
    LinearLayout layout;

    Value at(uint64_t index) const { return registers[layout.invert(index)->reg]; }
  };
  Side sides[2];
  int64_t blocks, words;
};

/// The words of an operand of an instruction that are of block `own` of those that it sums, zeros
/// in place of the others.
SmallVector<Value> wordsOfBlock(OpBuilder &b, Location loc, const TargetInfo &target,
                                const FragmentMap &operand, const BlockScales &blocks,
                                ArrayRef<Value> words, int64_t own) {
  auto blockOf = [&](uint64_t index) {
    return blocks.blockOf(operand.inner.spread(index % operand.atomInner));
  };
  Value zero = target.splat(
      b, loc,
      arith::ConstantOp::create(b, loc, b.getZeroAttr(getElementTypeOrSelf(words.front()))));
  SmallVector<Value> result;
  for (auto [r, word] : llvm::enumerate(words)) {
    int64_t ofLanes = 0;
    Value kept = word;
    for (auto [bit, basis] : llvm::enumerate(operand.atom.lane))
      if (int64_t ofLane = basis ? blockOf(basis) : 0) {
        ofLanes |= ofLane;
        kept = own & ofLane ? target.selectByLaneBit(b, loc, bit, kept, zero)
                            : target.selectByLaneBit(b, loc, bit, zero, kept);
      }
    bool isOwn = blockOf(operand.atom.evaluate(r, 0)) == (own & ~ofLanes);
    result.push_back(isOwn ? kept : zero);
  }
  return result;
}

/// Scales as the instruction takes them: words of the bytes of blocks of an operand's words.
class ScaleWords {
public:
  ScaleWords(const TargetInfo::MmaAtom &atom, ValueRange registers, const LinearLayout &layout,
             const FragmentMap &operand)
      : atom(atom), own(atom.scalesOf(operand.atom)), registers(registers), layout(layout),
        operand(operand) {}

  /// As many as the operand's words need, whose blocks of a word of scales are neighbours.
  bool match(int64_t scaleWords) const {
    if (scaleWords != int64_t(operand.tileInner / unit()) ||
        layout.lane.size() != own.lane.size())
      return false;
    for (unsigned word = 1; word < unit(); word *= 2)
      if (operand.inner.spread(word) != word)
        return false;
    for (auto [place, basis] : llvm::zip_equal(layout.warp, operand.tile.warp))
      if (place != basis / operand.tileInner * scaleWords + basis % operand.tileInner / unit())
        return false;
    return llvm::all_of(llvm::zip_equal(own.lane, layout.lane), [&](auto bases) {
      return std::get<1>(bases) == place(std::get<0>(bases), 0, 0);
    });
  }
  /// Those of the instruction at these offsets; empty if others hold them.
  SmallVector<Value> at(uint64_t outerOffset, uint64_t innerOffset) const {
    SmallVector<Value> words;
    for (unsigned r = 0; r < own.numRegisters(); ++r) {
      auto found = layout.invert(place(own.evaluate(r, 0), outerOffset, innerOffset));
      if (!found || found->lane || found->warp)
        return {};
      words.push_back(registers[found->reg]);
    }
    return words;
  }

private:
  /// Words of the operand for each word of scales.
  unsigned unit() const { return atom.wordsOfScaleWord(); }
  /// The tile's index of the instruction's.
  uint64_t place(uint64_t index, uint64_t outerOffset, uint64_t innerOffset) const {
    uint64_t row = operand.outer.spread(index / atom.scaleWords()) | outerOffset;
    uint64_t word = operand.inner.spread(index % atom.scaleWords() * unit()) | innerOffset;
    return row * (operand.tileInner / unit()) + word / unit();
  }

  const TargetInfo::MmaAtom &atom;
  LinearLayout own; ///< of the instruction
  ValueRange registers;
  LinearLayout layout;
  const FragmentMap &operand;
};

class DotPattern : public TilePattern<tile::DotOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::DotOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    const TargetInfo::MmaAtom *atom = target.mmaAtom(op.getCarrier());
    if (!atom)
      return op.emitOpError("needs a target with a matrix instruction for ") << op.getCarrier();
    bool hasBlocks = !op.getScales().empty() && isOfBlocks(op.getScales().front());
    if ((op.getScales().empty() || hasBlocks) != !atom->wordsOfScale)
      return op.emitOpError("needs ") << (atom->wordsOfScale ? "" : "no ") << "scales for "
                                      << op.getCarrier();
    auto shape = tileType(op.getAcc()).getShape();
    int64_t words = tileType(op.getLhs()).getDimSize(1), parts = shape[2];
    LinearLayout accLayout = layoutOf(op.getAcc()), lhsLayout = layoutOf(op.getLhs());
    DimensionMap m(atom->m, shape[0]), n(atom->n, shape[1]), k(atom->k, words);
    FragmentMap lhs{atom->lhs, atom->k, lhsLayout, unsigned(words), m, k};
    FragmentMap rhs{atom->rhs, atom->k, layoutOf(op.getRhs()), unsigned(words), n, k};
    FragmentMap acc{atom->acc, atom->n, withoutParts(accLayout, parts), unsigned(shape[1]), m, n};
    bool matches = lhs.matchLanes() && rhs.matchLanes() && lhs.matchRegisters() &&
                   rhs.matchRegisters() && acc.matchLanes() &&
                   matchWarps(lhs, rhs, accLayout, shape[1], parts);
    if (!matches)
      return op.emitOpError("has layouts that are not those of the target's instruction");
    uint64_t ofWarps = 0, ofWarpsRhs = 0;
    for (uint64_t basis : lhsLayout.warp)
      ofWarps |= basis;
    for (uint64_t basis : rhs.tile.warp)
      ofWarpsRhs |= basis;

    std::optional<BlockScales> blocks;
    int64_t blocksAtOnce = 1; // that an instruction would sum: each is summed by one of its own
    if (hasBlocks) {
      Value ofLhs = op.getScales()[0], ofRhs = op.getScales()[1];
      blocks.emplace(adaptor.getScales()[0], adaptor.getScales()[1], layoutOf(ofLhs),
                     layoutOf(ofRhs), tileType(ofLhs).getDimSize(1), words);
      blocksAtOnce = blocks->blocksOf(k, atom->k);
      if (!blocks->match(acc, lhsLayout, rhs.tile))
        return op.emitOpError("has scales for other words or lanes than the instruction has");
    }
    SmallVector<ScaleWords, 2> taken;
    if (atom->wordsOfScale) {
      const FragmentMap *operands[] = {&lhs, &rhs};
      for (auto [i, operand] : llvm::enumerate(operands))
        taken.emplace_back(*atom, adaptor.getScales()[i], layoutOf(op.getScales()[i]), *operand);
      if (!taken[0].match(tileType(op.getScales()[0]).getDimSize(1)) ||
          !taken[1].match(tileType(op.getScales()[1]).getDimSize(1)))
        return op.emitOpError("has scales for other words or lanes than the instruction has");
    }
    Type sum = atom->sumsIntegers ? Type(rewriter.getI32Type()) : rewriter.getF32Type();
    if (!hasBlocks && tileType(op.getAcc()).getElementType() != sum)
      return op.emitOpError("needs accumulators of type ") << sum << " for " << op.getCarrier();
    Value none = target.splat(
        rewriter, op.getLoc(),
        arith::ConstantOp::create(rewriter, op.getLoc(), rewriter.getZeroAttr(sum)));
    Registers sums(adaptor.getAcc());
    for (uint64_t row : m.repetitions(ofWarps / words))
      for (uint64_t col : n.repetitions(ofWarpsRhs / words)) {
        SmallVector<unsigned> own = acc.registers(row, col);
        SmallVector<Value> running = select(sums, own);
        auto steps = k.repetitions(ofWarps % words);
        for (auto [i, word] : llvm::enumerate(steps)) {
          SmallVector<unsigned> a = lhs.registers(row, word), c = rhs.registers(col, word);
          if (own.empty() || a.empty() || c.empty())
            return op.emitOpError("has fragments that other lanes hold");
          TargetInfo::MmaFragment x{select(adaptor.getLhs(), a), {}, op.getScaleByte()};
          TargetInfo::MmaFragment y{select(adaptor.getRhs(), c), {}, op.getScaleByte()};
          if (atom->wordsOfScale) {
            x.scales = taken[0].at(row, word);
            y.scales = taken[1].at(col, word);
            if (x.scales.empty() || y.scales.empty())
              return op.emitOpError("has scales that other lanes hold");
          }
          auto multiply = [&](const TargetInfo::MmaFragment &y) {
            running =
                target.multiplyFragments(rewriter, op.getLoc(), op.getCarrier(), x, y, running);
          };
          if (!blocks) {
            multiply(y);
            continue;
          }
          const int64_t first = blocks->blockOf(word);
          auto isElsewhere = [&](size_t step) {
            return step >= steps.size() || blocks->blockOf(steps[step]) != first;
          };
          for (int64_t block = 0; block < blocksAtOnce; ++block) {
            if (i == 0 || isElsewhere(i - 1) || blocksAtOnce > 1)
              running.assign(own.size(), none);
            multiply(blocksAtOnce == 1
                         ? y
                         : TargetInfo::MmaFragment{wordsOfBlock(rewriter, op.getLoc(), target, rhs,
                                                                *blocks, y.words, block)});
            if (isElsewhere(i + 1))
              for (auto [r, sum] : llvm::zip_equal(own, running))
                sums[r] = blocks->add(rewriter, op.getLoc(), acc, r, first + block, sum, sums[r]);
          }
        }
        if (!blocks)
          for (auto [r, value] : llvm::zip_equal(own, running))
            sums[r] = value;
      }
    rewriter.replaceOpWithMultiple(op, {sums});
    return success();
  }

private:
  static bool isOfBlocks(Value scales) { return tileType(scales).getElementType().isF32(); }
  static SmallVector<Value> select(ValueRange values, ArrayRef<unsigned> which) {
    return llvm::map_to_vector(which, [&](unsigned r) { return values[r]; });
  }
  /// Warps have rows or columns of the accumulators, as they have of the operands, or one part
  /// each of those of the words.
  static bool matchWarps(const FragmentMap &lhs, const FragmentMap &rhs, const LinearLayout &acc,
                         int64_t columns, int64_t parts) {
    uint64_t part = 1;
    for (auto [x, y, sum] : llvm::zip_equal(lhs.tile.warp, rhs.tile.warp, acc.warp)) {
      uint64_t word = x % lhs.tileInner;
      if (word != y % rhs.tileInner)
        return false;
      uint64_t place = (x / lhs.tileInner * columns + y / rhs.tileInner) * parts;
      if (sum != place + (word ? part : 0))
        return false;
      part <<= word != 0;
    }
    return int64_t(part) == parts;
  }
  /// The layout of one part.
  static LinearLayout withoutParts(LinearLayout layout, int64_t parts) {
    for (auto *bases : {&layout.reg, &layout.lane})
      for (uint64_t &basis : *bases)
        basis /= parts;
    layout.warp.clear();
    layout.indexBits -= llvm::Log2_64(parts);
    return layout;
  }
};

} // namespace

void populateTileDotPatterns(RewritePatternSet &patterns, const TypeConverter &converter,
                             const TargetInfo &target) {
  patterns.add<DotPattern>(converter, patterns.getContext(), target);
}

} // namespace quadrille
