//===- Codes.cpp - Rounding to a grid on tiles -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codes.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace quadrille::numerics;

namespace quadrille {
namespace {

// Adding this to a number below 2^22 leaves it, rounded to the nearest even
// integer, in the low bits.
constexpr float magic = 0x1.8p23f;

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

/// rne(coordinate * 2^bits) in the low 22 bits of an i32. Products with a power of
/// two are exact, so each piece is rounded once, and rounding keeps their order.
Tile roundedCoordinate(TileBuilder &t, GridKind kind, unsigned bits, Tile magnitude) {
  float one = float(1u << bits);
  Tile least;
  for (const Piece &piece : codeCoordinate(kind)) {
    Tile rounded = t.bits(t.fma(magnitude, piece.slope * one, magic + piece.offset * one));
    least = least ? t.minU(least, rounded) : rounded;
  }
  return least;
}

/// |t| clamped to the largest value. As integers: NaN clamps as well.
Tile clampedMagnitude(TileBuilder &t, const Grid &grid, Tile value) {
  return t.fromBits(t.minU(t.magnitudeBits(value), bitsOf(grid.values[7])));
}

/// Puts t's sign on the code of |t|.
Tile withSign(TileBuilder &t, GridKind kind, Tile code, Tile value) {
  if (kind != GridKind::INT4)
    return t.bitOr(code, t.bitAnd(t.shrU(t.bits(value), 28), 8));
  Tile sign = t.shrS(t.bits(value), 31); // 0 or -1
  return t.bitAnd(t.sub(t.bitXor(code, sign), sign), 15);
}

Tile encodeMagnitude(TileBuilder &t, const Grid &grid, const Rounding &rounding, Tile magnitude,
                     Tile random) {
  if (rounding.kind == RoundingKind::NearestEven)
    return t.bitAnd(roundedCoordinate(t, grid.kind, 0, magnitude), 7);
  Tile coordinate = roundedCoordinate(t, grid.kind, rounding.bits, magnitude);
  return t.bitAnd(t.shrU(t.add(coordinate, random), rounding.bits), 7);
}

/// Thresholds T with orderedBits(T) <= orderedBits(v) choose the code.
Tile encodeByThresholds(TileBuilder &t, const Grid &grid, RoundingKind kind, Tile value) {
  GridThresholds staircase = gridThresholds(grid, kind);
  Tile ordered = t.orderedBits(value);
  Tile code = t.i32(ordered, staircase.codes.front());
  for (size_t i = 0; i < staircase.thresholds.size(); ++i) {
    Tile reached = t.cmp(arith::CmpIPredicate::sge, ordered, orderedBits(staircase.thresholds[i]));
    code = t.select(reached, t.i32(code, staircase.codes[i + 1]), code);
  }
  return code;
}

/// numerics::GridGaps: the neighbours of v and where it lies between them.
Tile encodeByGaps(TileBuilder &t, const Grid &grid, unsigned bits, Tile value, Tile random) {
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
  Tile far = t.cmp(arith::CmpIPredicate::uge, t.add(rounded, random), int64_t(1) << bits);
  return t.select(far, farCode, nearCode);
}

} // namespace

Tile encodeGrid(TileBuilder &t, const Grid &grid, const Rounding &rounding, Tile value,
                Tile random) {
  bool stochastic = rounding.kind == RoundingKind::Stochastic;
  if (grid.kind == GridKind::LUT)
    return stochastic ? encodeByGaps(t, grid, rounding.bits, value, random)
                      : encodeByThresholds(t, grid, rounding.kind, value);
  Tile magnitude = clampedMagnitude(t, grid, value);
  bool linear = stochastic || rounding.kind == RoundingKind::NearestEven;
  Tile code = linear ? encodeMagnitude(t, grid, rounding, magnitude, random)
                     : encodeByThresholds(t, grid, rounding.kind, magnitude);
  return withSign(t, grid.kind, code, value);
}

Tile decodeGrid(TileBuilder &t, const Grid &grid, Tile codes) {
  SmallVector<float> table(grid.values.begin(), grid.values.end());
  table.resize(16, floatOf(0x7fc00000)); // codes beyond a short LUT
  return t.lookup(codes, table);
}

} // namespace quadrille
