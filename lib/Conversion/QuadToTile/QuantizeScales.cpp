//===- QuantizeScales.cpp - Scales of a tile, level by level -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codes.h"
#include "Kernels.h"
#include "Scales.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace quadrille::numerics;

namespace quadrille {
namespace {

constexpr int64_t infinityBits = 0x7f800000;

/// The scales of one quantize: loads what is given, stores what is computed.
class ScaleEmitter {
public:
  ScaleEmitter(KernelBuilder &kernel, TileBuilder &t, const QuantizeRequest &request, Value p0,
               Value a0)
      : kernel(kernel), t(t), request(request), p0(p0), a0(a0),
        formatAttr(request.op.getType().getFormat()), format(formatAttr.toFormat()) {}

  FailureOr<Scaled> emit(Tile y) {
    if (format.levels.front().rule == ScaleRule::HiF4)
      return emitHiF4(y);
    for (size_t i = format.levels.size(); i-- > 0;) {
      FailureOr<Tile> next = format.levels[i].block.isTensor() ? emitTensorLevel(i, y)
                                                               : emitBlockLevel(i, y);
      if (failed(next))
        return failure();
      y = *next;
    }
    return Scaled{y, factor, isFinite, isAlternative, kept};
  }

private:
  FailureOr<Tile> emitTensorLevel(size_t i, Tile y);
  FailureOr<Tile> emitBlockLevel(size_t i, Tile y);
  FailureOr<Tile> encodeBlocks(size_t i, Tile blocks, Tile amaxBits);
  Scaled emitHiF4(Tile y);
  /// Sets bits in the caller's flag word, if there is one.
  template <typename Fn> void noteFlags(Fn flags) {
    if (request.flags)
      t.atomicReduce(tile::AtomicReduction::ori, flags(), kernel.pass(request.flags));
  }
  /// Takes part in the amax of what is quantized, if that is asked for: `values` are all
  /// elements of the tile or the largest magnitudes of their blocks.
  void noteAmax(Tile values) {
    if (request.amaxOut)
      t.atomicReduce(tile::AtomicReduction::amax, values, kernel.pass(request.amaxOut));
  }
  /// i1 of (rows, blocks of `cols`): those that are not beyond the tensor.
  Tile isInside(Tile blocks, const Block &block);
  void storeLevel(size_t i, Tile encoding);
  void storeBits(size_t i, Tile bits, int64_t colsPerElement);
  /// Whether the scales of a level are asked for as they are, not in memory.
  bool keep(size_t i, Tile stored) {
    if (!request.panels)
      return false;
    kept.resize(std::max(kept.size(), i + 1));
    kept[i] = stored;
    return true;
  }
  /// The largest magnitude of each of `groups` groups in a row.
  Tile groupAmax(Tile values, int64_t groups);

  /// A power of two that divides the entries of a row, one for each `cols` elements.
  int64_t divisorOf(int64_t cols) const {
    return std::max<int64_t>(1, request.result.divisor / cols);
  }

  KernelBuilder &kernel;
  TileBuilder &t;
  const QuantizeRequest &request;
  Value p0, a0;
  quad::FormatAttr formatAttr;
  Format format;
  Tile factor, isFinite, isAlternative; ///< see Scaled
  SmallVector<Tile> kept;
};

Type storageType(OpBuilder &b, const ScaleTypeInfo &info) {
  return b.getIntegerType(std::max(8u, info.storageBits));
}

/// Every program has the same tensor scale; the first stores it.
FailureOr<Tile> ScaleEmitter::emitTensorLevel(size_t i, Tile y) {
  noteAmax(y);
  const Level &level = format.levels[i];
  auto one = cast<RankedTensorType>(
      tile::reducedType(TileBuilder::typeOf(y), {0, 1}).clone(t.b.getF32Type()));
  Value zero = kernel.constant(0), unit = kernel.constant(1);
  Tile amax = tile::LoadOp::create(t.b, t.loc, one, kernel.pass(request.amax),
                                   ValueRange{zero, zero}, ValueRange{unit, unit},
                                   ValueRange{unit, unit}, /*inside=*/Value(),
                                   /*alignment=*/IntegerAttr(), /*granularity=*/IntegerAttr());
  Tile encoding = encodeScaleOfAmax(t, level, format.qmax(i), t.magnitudeBits(amax));
  noteFlags([&] { return flagsOfAmax(t, level, format.qmax(i), t.magnitudeBits(amax)); });
  Tile stored = t.truncate(encoding, storageType(t.b, scaleTypeInfo(level.type)));
  {
    llvm::SaveAndRestore notTheTile(kernel.inside, Value());
    storeDense(kernel, stored, kernel.pass(request.result.scales[i]), kernel.programId(1),
               kernel.programId(0), unit, unit);
  }
  Tile reciprocal = reciprocalScale(t, level.type, encoding);
  return t.mulf(y, t.broadcast(reciprocal, TileBuilder::typeOf(y)));
}

Tile ScaleEmitter::isInside(Tile blocks, const Block &block) {
  auto type = t.withElement(blocks, t.b.getI32Type());
  Value most = kernel.constant(std::numeric_limits<int32_t>::max());
  auto isBelow = [&](unsigned dim, Value count) {
    count = arith::MinSIOp::create(t.b, t.loc, count, most);
    Value bound = arith::TruncIOp::create(t.b, t.loc, t.b.getI32Type(), count);
    return t.cmp(arith::CmpIPredicate::slt, tile::IotaOp::create(t.b, t.loc, type, dim),
                 tile::SplatOp::create(t.b, t.loc, type, bound));
  };
  Value rows = arith::SubIOp::create(t.b, t.loc, kernel.pass(request.result.rows), p0);
  Value length = arith::SubIOp::create(t.b, t.loc, kernel.pass(request.result.length), a0);
  Value across = arith::DivSIOp::create(t.b, t.loc, length, kernel.constant(block.cols));
  Value down = arith::CeilDivSIOp::create(t.b, t.loc, rows, kernel.constant(block.rows));
  return t.op<arith::AndIOp>(isBelow(0, down), isBelow(1, across));
}

FailureOr<Tile> ScaleEmitter::encodeBlocks(size_t i, Tile blocks, Tile amaxBits) {
  const Level &level = format.levels[i];
  if (level.rule != ScaleRule::Program) {
    noteFlags([&] { return flagsOfAmax(t, level, format.qmax(i), amaxBits); });
    return encodeScaleOfAmax(t, level, format.qmax(i), amaxBits);
  }
  auto rule = SymbolTable::lookupNearestSymbolFrom<quad::ScaleRuleOp>(
      request.op, formatAttr.getLevels()[i].getProgram());
  SmallVector<int64_t> shape(TileBuilder::shapeOf(blocks));
  FailureOr<RuleResult> value = emitScaleRule(t, rule, blocks);
  if (failed(value))
    return failure();
  Tile scale = t.reshape(value->scale, TileBuilder::shapeOf(amaxBits));
  Tile encoding = encodeScale(t, level.type, level.bits, scale);
  Tile finite = t.cmp(arith::CmpIPredicate::ult, amaxBits, infinityBits);
  noteFlags([&] { // a rule may make NaN of the zeros beyond the tensor
    Tile flags = t.reshape(flagsOfValue(t, level.type, level.bits, scale, finite),
                           {shape[0], shape[2]});
    return t.select(isInside(flags, level.block), flags, t.i32(flags, 0));
  });
  int64_t nanBits = scaleTypeInfo(level.type).nanBits;
  encoding = t.select(finite, encoding, t.i32(encoding, nanBits));
  if (value->choice) { // which a NaN has not
    Tile chosen = t.select(value->choice, t.i32(value->choice, -1), t.i32(value->choice, 0));
    Tile isNaN = t.cmp(arith::CmpIPredicate::eq, encoding, nanBits);
    isAlternative = t.select(isNaN, t.i32(encoding, 0),
                             t.reshape(chosen, TileBuilder::shapeOf(encoding)));
  }
  return encoding;
}

FailureOr<Tile> ScaleEmitter::emitBlockLevel(size_t i, Tile y) {
  const Level &level = format.levels[i];
  SmallVector<int64_t> shape(TileBuilder::shapeOf(y));
  auto [rows, cols] = level.block;
  Tile blocks = t.reshape(y, {shape[0] / rows, rows, shape[1] / cols, cols});
  RankedTensorType type = TileBuilder::typeOf(blocks);
  Tile amax = t.reduce(tile::Reduction::amax, blocks, {1, 3});
  if (i + 1 == format.levels.size())
    noteAmax(amax);
  FailureOr<Tile> encoding = encodeBlocks(i, blocks, t.bits(amax));
  if (failed(encoding))
    return failure();
  Tile stored = *encoding;
  if (i == 0 && isAlternative)
    stored = t.bitOr(stored, t.bitAnd(isAlternative, format.choiceBit()));
  storeLevel(i, t.reshape(stored, {shape[0] / rows, shape[1] / cols}));
  if (i == 0) {
    // A block whose scale is NaN has codes 0.
    Tile isNaN = t.cmp(arith::CmpIPredicate::eq, *encoding, scaleTypeInfo(level.type).nanBits);
    isFinite = t.select(isNaN, t.i32(*encoding, 0), t.i32(*encoding, -1));
  }
  Tile reciprocal = t.broadcast(reciprocalScale(t, level.type, *encoding), type);
  if (i == 0 && level.type == ScaleType::E8M0) {
    factor = t.reshape(reciprocal, shape);
    return y;
  }
  return t.reshape(t.mulf(blocks, reciprocal), shape);
}

void ScaleEmitter::storeBits(size_t i, Tile bits, int64_t colsPerElement) {
  if (keep(i, bits))
    return;
  Value rows = kernel.pass(request.result.rows);
  storeDense(kernel, bits, kernel.pass(request.result.scales[i]), p0, kernel.div(a0, colsPerElement), rows,
             kernel.div(kernel.pass(request.result.length), colsPerElement),
             divisorOf(colsPerElement));
}

void ScaleEmitter::storeLevel(size_t i, Tile encoding) {
  const Level &level = format.levels[i];
  quad::ScaleLayout layout = request.op.getType().getScaleLayout();
  bool isBlocked = i == 0 && layout == quad::ScaleLayout::Blocked128x4;
  if (isBlocked) // padding is zeros, not floors
    encoding = t.select(isInside(encoding, level.block), encoding, t.i32(encoding, 0));
  Tile stored = t.truncate(encoding, storageType(t.b, scaleTypeInfo(level.type)));
  if (isBlocked)
    return storeBlockedScales(kernel, stored, kernel.pass(request.result.scales[i]), p0,
                              kernel.div(a0, level.block.cols), kernel.pass(request.result.rows),
                              kernel.div(kernel.pass(request.result.length), level.block.cols));
  if (level.block.rows == 1)
    return storeBits(i, stored, level.block.cols);
  if (keep(i, stored))
    return;
  Value rows = kernel.pass(kernel.schedule.ceilDiv(request.result.rows, level.block.rows));
  storeDense(kernel, stored, kernel.pass(request.result.scales[i]),
             kernel.div(p0, level.block.rows), kernel.div(a0, level.block.cols), rows,
             kernel.div(kernel.pass(request.result.length), level.block.cols),
             divisorOf(level.block.cols));
}

//===----------------------------------------------------------------------===//
// HiF4 (arXiv 2602.11287): lib/Numerics/HiF4.cpp step by step
//===----------------------------------------------------------------------===//

Tile ScaleEmitter::groupAmax(Tile values, int64_t groups) {
  SmallVector<int64_t> shape(TileBuilder::shapeOf(values));
  Tile grouped = t.reshape(values, {shape[0], groups, shape[1] / groups});
  return t.reshape(t.reduce(tile::Reduction::amax, grouped, {2}), {shape[0], groups});
}

Scaled ScaleEmitter::emitHiF4(Tile y) {
  constexpr int64_t unit = 64;
  constexpr float oneSeventh = 0x1.24p-3f; // 1/7 in bf16
  SmallVector<int64_t> shape(TileBuilder::shapeOf(y));
  int64_t rows = shape[0], units = shape[1] / unit;
  auto toBF16 = [&](Tile x) { return t.widen(t.narrow(x, t.b.getBF16Type())); };
  // A tile of (rows, n) repeated to (rows, m).
  auto repeat = [&](Tile x, int64_t m) {
    int64_t n = TileBuilder::shapeOf(x)[1];
    Tile groups = t.reshape(y, {rows, m, shape[1] / m});
    RankedTensorType like = tile::reshapedType(
        tile::reducedType(TileBuilder::typeOf(groups), {2}), {rows, n, m / n});
    return t.reshape(t.broadcast(t.reshape(x, {rows, n, 1}), like), {rows, m});
  };

  Tile amax4 = groupAmax(y, units * 16);
  Tile amax8 = groupAmax(amax4, units * 8);
  Tile amax = groupAmax(amax8, units);
  noteAmax(amax);
  Tile finite = t.cmp(arith::CmpIPredicate::ult, t.bits(amax), infinityBits);
  Tile wanted = toBF16(t.mulf(amax, t.f32(amax, oneSeventh)));
  Tile e6m2 = encodeScale(t, ScaleType::E6M2, /*bits=*/0, wanted);
  noteFlags([&] {
    Level level{{1, unit}, ScaleType::E6M2};
    return flagsOfAmax(t, level, /*qmax=*/1, t.bits(wanted));
  });
  Tile reciprocal = toBF16(reciprocalScale(t, ScaleType::E6M2, e6m2));
  e6m2 = t.select(finite, e6m2, t.i32(e6m2, scaleTypeInfo(ScaleType::E6M2).nanBits));

  auto atLeast = [&](Tile x, float bound) {
    Tile reached = t.cmpf(arith::CmpFPredicate::OGE, x, t.f32(x, bound));
    return t.select(reached, t.i32(t.bits(x), 1), t.i32(t.bits(x), 0));
  };
  // 1 or 1/2 for a one-bit exponent.
  auto factorOf = [&](Tile bit) {
    return t.fromBits(t.sub(t.i32(bit, bitsOf(1.0f)), t.shl(bit, 23)));
  };
  Tile zeroUnlessFinite = t.select(finite, t.i32(amax, 1), t.i32(amax, 0));
  Tile e8 = t.bitAnd(atLeast(t.mulf(amax8, repeat(reciprocal, units * 8)), 4),
                     repeat(zeroUnlessFinite, units * 8));
  Tile outer = repeat(factorOf(e8), units * 16);
  Tile scaled4 = t.mulf(t.mulf(amax4, repeat(reciprocal, units * 16)), outer);
  Tile e4 = t.bitAnd(atLeast(scaled4, 2), repeat(zeroUnlessFinite, units * 16));
  y = t.mulf(y, repeat(reciprocal, shape[1]));
  factor = repeat(t.mulf(outer, factorOf(e4)), shape[1]);

  // One-bit exponents, from the lowest bit of each byte.
  auto packBits = [&](Tile bits, int64_t perUnit) {
    Tile grouped = t.reshape(bits, {rows, units, perUnit});
    Tile position = tile::IotaOp::create(t.b, t.loc, TileBuilder::typeOf(grouped), 2);
    Tile shifted = arith::ShLIOp::create(t.b, t.loc, grouped, position);
    return t.reshape(t.reduce(tile::Reduction::ori, shifted, {2}), {rows, units});
  };
  storeBits(0, t.truncate(packBits(e4, 16), t.b.getI16Type()), unit);
  storeBits(1, t.truncate(packBits(e8, 8), t.b.getI8Type()), unit);
  storeBits(2, t.truncate(e6m2, t.b.getI8Type()), unit);
  Tile mask = t.select(finite, t.i32(amax, -1), t.i32(amax, 0));
  return {y, factor, t.reshape(mask, {rows, 1, units, 1}), /*isAlternative=*/Tile(), kept};
}

} // namespace

/// A mask of blocks for the words of eight codes of `elements`.
static Tile maskOfWords(TileBuilder &t, Tile ofBlocks, Tile words, Tile elements) {
  ArrayRef<int64_t> blocks = TileBuilder::shapeOf(ofBlocks);
  // The mask of each entry of `like`, which a block has several of.
  auto expanded = [&](Tile like) {
    SmallVector<int64_t> shape(TileBuilder::shapeOf(like));
    RankedTensorType type = tile::reshapedType(
        TileBuilder::typeOf(like),
        {blocks[0], shape[0] / blocks[0], blocks[2], shape[1] / blocks[2]});
    return t.reshape(t.broadcast(ofBlocks, type), shape);
  };
  bool wordsFitBlocks = blocks[2] <= TileBuilder::shapeOf(words)[1];
  return wordsFitBlocks ? expanded(words) : t.pack(t.bitAnd(expanded(elements), 15));
}

Tile maskCodes(TileBuilder &t, Tile words, const Scaled &scaled) {
  return t.bitAnd(words, maskOfWords(t, scaled.isFinite, words, scaled.y));
}

Tile selectCodes(TileBuilder &t, Tile words, Tile alternative, const Scaled &scaled) {
  Tile mask = maskOfWords(t, scaled.isAlternative, words, scaled.y);
  return t.bitXor(words, t.bitAnd(t.bitXor(words, alternative), mask));
}

FailureOr<Scaled> emitScales(KernelBuilder &kernel, TileBuilder &t, const QuantizeRequest &request,
                             Tile y, Value p0, Value a0) {
  return ScaleEmitter(kernel, t, request, p0, a0).emit(y);
}

} // namespace quadrille
