//===- Rounding.h - Rounding a value to a grid ------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every deterministic rounding is a staircase, so it is a list of f32
// thresholds; every stochastic one is a fraction inside a gap between two
// neighbours. Both are tables computed here once per grid. A lowering may use
// the tables (compares) or anything that gives the same codes (for the built-in
// grids, the additions of docs/numerics.md).
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_NUMERICS_ROUNDING_H
#define QUADRILLE_NUMERICS_ROUNDING_H

#include "quadrille/Numerics/ScaleTypes.h"

#include <optional>

namespace quadrille::numerics {

enum class RoundingKind : uint8_t { NearestEven, NearestAway, TowardZero, Stochastic };

struct Rounding {
  RoundingKind kind = RoundingKind::NearestEven;
  unsigned bits = 8;   ///< random bits of an element: 4, 8 or 16 (stochastic)
  unsigned rounds = 7; ///< rounds of Philox: 7 or 10 (stochastic)
  bool operator==(const Rounding &) const = default;
};

/// nearest_even, nearest_away, toward_zero or stochastic; nothing otherwise.
std::optional<RoundingKind> lookupRounding(std::string_view name);
std::string_view roundingName(RoundingKind kind);

/// f32 bits as a signed integer that orders like the number, -0 below +0.
inline int32_t orderedBits(float value) {
  int32_t bits = static_cast<int32_t>(bitsOf(value));
  return bits ^ ((bits >> 31) & 0x7fffffff);
}

/// One value of a grid and the code that is produced for it.
struct GridEntry {
  float value;
  uint8_t code;
};

/// The grid's distinct values in increasing order. For the built-in grids only
/// the magnitudes with codes 0..7: their negative half is the mirror image. For
/// a LUT -0 and +0 are distinct, and of equal values the lowest code is kept.
std::vector<GridEntry> gridEntries(const Grid &grid);

/// True if rounding works on |t| and the sign is put on the code afterwards
/// (the built-in grids), false if it works on t itself (LUT).
inline bool roundsMagnitude(const Grid &grid) { return grid.kind != GridKind::LUT; }

/// A deterministic rounding: the code is `codes[n]`, where n is the number of
/// thresholds T with orderedBits(T) <= orderedBits(v), v = |t| or t. The
/// thresholds increase, so n may be counted by independent compares.
struct GridThresholds {
  std::vector<float> thresholds;
  std::vector<uint8_t> codes; ///< one more than thresholds
};
GridThresholds gridThresholds(const Grid &grid, RoundingKind kind);

/// A stochastic rounding with `bits` random bits. With v = |t| or t clamped to
/// the grid's ends, the gap is the number of `interior` values I with
/// orderedBits(I) <= orderedBits(v). In it
///   p = fl(fl(v - near) * slope), F = p rounded to an integer (ties to even),
/// and the code is `far` if F + U >= 2^bits, else `near`, for U uniform in
/// [0, 2^bits). `near` is the neighbour of smaller magnitude (the lower one of
/// two equal), so that negative values mirror positive ones draw by draw.
struct GridGaps {
  struct Gap {
    float near, slope; ///< slope = fl(2^bits / (far - near)), 0 between -0 and +0
    uint8_t nearCode, farCode;
  };
  float lowest, highest;
  std::vector<float> interior;
  std::vector<Gap> gaps; ///< one more than interior
};
GridGaps gridGaps(const Grid &grid, unsigned bits);

/// Rounds many values to one grid.
class GridRounder {
public:
  GridRounder(const Grid &grid, const Rounding &rounding);

  /// The code of t. NaN gives code 0. `random` in [0, 2^bits) matters to
  /// stochastic rounding only.
  uint8_t encode(float t, uint32_t random = 0) const;

private:
  uint8_t encodeStochastic(float value, size_t gap, uint32_t random) const;
  uint8_t withSign(uint8_t code, bool negative) const;

  GridKind kind;
  bool stochastic;
  uint32_t one = 0; ///< 2^bits
  GridGaps gaps;
  /// Ordered bits of what separates the staircase's steps or the gaps.
  std::vector<int32_t> separators;
  std::vector<uint8_t> codes; ///< of the staircase's steps
};

} // namespace quadrille::numerics

#endif // QUADRILLE_NUMERICS_ROUNDING_H
