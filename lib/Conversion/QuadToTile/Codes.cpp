//===- Codes.cpp - Rounding to a grid on tiles -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codes.h"
#include "llvm/ADT/bit.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace quadrille::numerics;

namespace quadrille {
namespace {

// Adding this to a number below 2^22 leaves it, rounded to the nearest even
// integer, in the low bits.
constexpr float magic = 0x1.8p23f;

/// Of magnitudes on the built-in grids.
constexpr uint32_t lastCode = 7;

/// One linear piece of a grid's code coordinate: code = slope * |t| + offset.
struct Piece {
  float slope, offset;
};

/// The code coordinate of |t| is the least of these, for the built-in grids: their
/// spacing only grows.
ArrayRef<Piece> codeCoordinate(GridKind kind) {
  static constexpr Piece e2m1[] = {{2, 0}, {1, 2}, {0.5f, 4}};
  static constexpr Piece e1m2[] = {{4, 0}};
  static constexpr Piece int4[] = {{1, 0}};
  switch (kind) {
  case GridKind::E2M1:
    return e2m1;
  case GridKind::E1M2:
    return e1m2;
  case GridKind::INT4:
    return int4;
  case GridKind::LUT:
    return {};
  }
  return {};
}

/// Rounds magnitudes to rne(coordinate * 2^bits), which an i32 holds in its low 22 bits
/// above a constant. Products with a power of two are exact, so each piece is rounded once,
/// and rounding keeps their order; the steepest piece and all its powers of two are in the
/// place where the sum's last bit lies, so it needs no product.
class CoordinateRounding {
public:
  CoordinateRounding(GridKind kind, unsigned bits)
      : pieces(codeCoordinate(kind)), unit(pieces.front().slope * float(1u << bits)),
        one(float(1u << bits)), last(bitsOf(magic / unit) + (lastCode << bits)) {}

  uint32_t bias() const { return bitsOf(magic / unit); }

  /// Of |value| times `factor`, powers of two, if there is one; at most that of the last
  /// code if `clamps`, NaN included.
  Tile apply(TileBuilder &t, Tile value, Tile factor, bool clamps) const {
    Tile magnitude = t.magnitude(value), least;
    for (const Piece &piece : pieces) {
      Tile constant = t.f32(value, (magic + piece.offset * one) / unit);
      Tile slope = t.f32(value, piece.slope / pieces.front().slope);
      bool isUnit = piece.slope == pieces.front().slope;
      Tile scale = !factor ? slope : isUnit ? factor : t.mulf(factor, slope);
      Tile rounded = !factor && isUnit ? t.addf(magnitude, constant)
                                       : t.fma(magnitude, scale, constant);
      least = least ? t.minU(least, t.bits(rounded)) : t.bits(rounded);
    }
    return clamps ? t.minU(least, int64_t(last)) : least;
  }

private:
  ArrayRef<Piece> pieces;
  float unit, one;
  uint32_t last;
};

/// The code that no magnitude up to `largest` rounds beyond; noise is less than a code.
float largestCode(GridKind kind, const Rounding &rounding, float largest) {
  float coordinate = std::numeric_limits<float>::infinity();
  for (const Piece &piece : codeCoordinate(kind))
    coordinate = std::min(coordinate, piece.slope * largest + piece.offset);
  return rounding.kind == RoundingKind::Stochastic ? std::ceil(coordinate)
                                                   : std::floor(coordinate + 0.5f);
}

/// The words of magnitudes: rounding leaves a code, and below it the fraction that
/// stochastic rounding adds to, above a constant.
Tile packMagnitudes(TileBuilder &t, GridKind kind, const Rounding &rounding, Tile value,
                    Tile factor, float largest, llvm::function_ref<Tile(Tile)> addRandom) {
  bool stochastic = rounding.kind == RoundingKind::Stochastic;
  unsigned bits = stochastic ? rounding.bits : 0;
  constexpr float oneTooLarge = lastCode + 1;
  float code = largestCode(kind, rounding, largest);
  CoordinateRounding rounds(kind, bits);
  Tile coordinate = rounds.apply(t, value, factor, /*clamps=*/code > oneTooLarge);
  Tile words = t.pack(stochastic ? addRandom(coordinate) : coordinate, rounds.bias(), bits);
  if (code != oneTooLarge)
    return words;
  return t.sub(words, t.bitAnd(t.shrU(words, 3), 0x11111111)); // 7 for 8, eight at once
}

/// INT4 from words of magnitudes 0 to 7 and of sign bits: two's complement in each
/// nibble, which no carry leaves, for 0 stays as it is.
Tile negateNibbles(TileBuilder &t, Tile words, Tile signs) {
  Tile isNotZero = t.add(words, 0x77777777); // its top bits
  Tile one = t.shrU(t.bitAnd(signs, isNotZero), 3);
  Tile ones = t.sub(t.shl(one, 4), one); // 15 in each negative nibble, modulo 2^32
  return t.add(t.bitXor(words, ones), one);
}

/// Thresholds T with orderedBits(T) <= orderedBits(v) choose the code: v is the value on a
/// user's grid, its magnitude on the others. None is beyond the last code's, not even NaN.
Tile encodeByThresholds(TileBuilder &t, const Grid &grid, RoundingKind kind, Tile value) {
  GridThresholds staircase = gridThresholds(grid, kind);
  Tile ordered = grid.kind == GridKind::LUT ? t.orderedBits(value) : t.magnitudeBits(value);
  Tile code = t.i32(ordered, staircase.codes.front());
  for (size_t i = 0; i < staircase.thresholds.size(); ++i) {
    Tile reached = t.cmp(arith::CmpIPredicate::sge, ordered, orderedBits(staircase.thresholds[i]));
    code = t.select(reached, t.i32(code, staircase.codes[i + 1]), code);
  }
  return code;
}

/// numerics::GridGaps: the neighbours of v and where it lies between them.
Tile encodeByGaps(TileBuilder &t, const Grid &grid, unsigned bits, Tile value,
                  llvm::function_ref<Tile(Tile)> addRandom) {
  GridGaps gaps = gridGaps(grid, bits);
  auto clamp = [&](arith::CmpFPredicate predicate, float end) {
    Tile bound = t.f32(value, end);
    value = t.select(t.cmpf(predicate, value, bound), bound, value);
  };
  clamp(arith::CmpFPredicate::OLT, gaps.lowest);
  clamp(arith::CmpFPredicate::OGT, gaps.highest);
  Tile ordered = t.orderedBits(value);
  const GridGaps::Gap &first = gaps.gaps.front();
  Tile near = t.f32(value, first.near), slope = t.f32(value, first.slope);
  Tile nearCode = t.i32(value, first.nearCode), farCode = t.i32(value, first.farCode);
  for (size_t i = 0; i < gaps.interior.size(); ++i) {
    const GridGaps::Gap &gap = gaps.gaps[i + 1];
    Tile reached = t.cmp(arith::CmpIPredicate::sge, ordered, orderedBits(gaps.interior[i]));
    near = t.select(reached, t.f32(value, gap.near), near);
    slope = t.select(reached, t.f32(value, gap.slope), slope);
    nearCode = t.select(reached, t.i32(value, gap.nearCode), nearCode);
    farCode = t.select(reached, t.i32(value, gap.farCode), farCode);
  }
  Tile position = t.mulf(t.subf(value, near), slope);
  Tile rounded = t.bitAnd(t.bits(t.addf(position, t.f32(value, magic))), 0x3fffff);
  Tile far = t.cmp(arith::CmpIPredicate::uge, addRandom(rounded), int64_t(1) << bits);
  return t.select(far, farCode, nearCode);
}

} // namespace

Tile encodeWords(TileBuilder &t, const Grid &grid, const Rounding &rounding, Tile value,
                 Tile factor, float largest, llvm::function_ref<Tile(Tile)> addRandom) {
  bool stochastic = rounding.kind == RoundingKind::Stochastic;
  bool linear = grid.kind != GridKind::LUT &&
                (stochastic || rounding.kind == RoundingKind::NearestEven);
  bool byInstruction = grid.kind == GridKind::E2M1 && t.encodesE2M1() &&
                       rounding.kind == RoundingKind::NearestEven;
  if (factor && (byInstruction || !linear))
    value = t.mulf(value, factor);
  if (byInstruction)
    return t.encodeE2M1(value);
  if (grid.kind == GridKind::LUT)
    return t.pack(stochastic ? encodeByGaps(t, grid, rounding.bits, value, addRandom)
                             : encodeByThresholds(t, grid, rounding.kind, value));
  Tile words = linear ? packMagnitudes(t, grid.kind, rounding, value, factor, largest, addRandom)
                      : t.pack(encodeByThresholds(t, grid, rounding.kind, value));
  Tile signs = t.packSigns(value);
  return grid.kind == GridKind::INT4 ? negateNibbles(t, words, signs) : t.bitOr(words, signs);
}

Tile encodeGrid(TileBuilder &t, const Grid &grid, const Rounding &rounding, Tile value) {
  if (grid.kind == GridKind::LUT)
    return encodeByThresholds(t, grid, rounding.kind, value);
  Tile code;
  if (rounding.kind == RoundingKind::NearestEven)
    code = t.bitAnd(CoordinateRounding(grid.kind, /*bits=*/0)
                        .apply(t, value, /*factor=*/{}, /*clamps=*/true), 7);
  else
    code = encodeByThresholds(t, grid, rounding.kind, value);
  if (grid.kind != GridKind::INT4)
    return t.bitOr(code, t.bitAnd(t.shrU(t.bits(value), 28), 8));
  Tile sign = t.shrS(t.bits(value), 31); // 0 or -1
  return t.bitAnd(t.sub(t.bitXor(code, sign), sign), 15);
}

/// Sign-magnitude grids are floats of few bits: moved to where f32 has exponent and mantissa
/// they are the values, subnormal ones too, times 2^-126. int4 is what a magic number has added.
static Tile decodeByBits(TileBuilder &t, GridKind kind, Tile codes) {
  if (kind == GridKind::INT4) {
    constexpr int64_t two23 = 0x4b000000;
    Tile above = t.fromBits(t.bitOr(t.bitXor(codes, t.i32(codes, 8)), t.i32(codes, two23)));
    return t.subf(above, t.f32(above, 0x1p23f + 8));
  }
  unsigned mantissaBits = kind == GridKind::E2M1 ? 1 : 2;
  Tile magnitude = t.shl(t.bitAnd(codes, 7), 23 - mantissaBits);
  Tile bits = t.bitOr(magnitude, t.shl(t.bitAnd(codes, 8), 28));
  Tile small = t.fromBits(bits);
  return t.mulf(small, t.f32(small, 0x1p126f));
}

/// Of all 16 codes; those beyond a short LUT are NaN.
static SmallVector<float> tableOf(const Grid &grid) {
  SmallVector<float> table(grid.values.begin(), grid.values.end());
  table.resize(16, floatOf(0x7fc00000));
  return table;
}

/// The table in bf16, if that holds its values.
static std::optional<SmallVector<int16_t>> bf16TableOf(const Grid &grid) {
  SmallVector<int16_t> table;
  for (float value : tableOf(grid)) {
    if (bitsOf(value) & 0xffff)
      return std::nullopt;
    table.push_back(int16_t(bitsOf(value) >> 16));
  }
  return table;
}

Tile decodeGrid(TileBuilder &t, const Grid &grid, Tile codes) {
  return t.lookup(codes, tableOf(grid));
}

Tile decodeWords(TileBuilder &t, const TargetInfo &target, const Grid &grid, Tile words,
                 RankedTensorType codes) {
  if (target.permutesBytes())
    if (auto table = bf16TableOf(grid))
      return t.lookupBF16(words, *table, codes);
  bool byBits = !target.looksUpFast() && grid.kind != GridKind::LUT;
  Tile unpacked = t.unpack(words, codes);
  return byBits ? decodeByBits(t, grid.kind, unpacked) : decodeGrid(t, grid, unpacked);
}

} // namespace quadrille
