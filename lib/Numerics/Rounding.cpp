//===- Rounding.cpp - Rounding a value to a grid --------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Rounding.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <iterator>

using namespace quadrille;
using namespace quadrille::numerics;

// In the order of the enum.
static constexpr std::string_view kRoundingNames[] = {"nearest_even", "nearest_away", "toward_zero",
                                                      "stochastic"};

std::optional<RoundingKind> numerics::lookupRounding(std::string_view name) {
  for (size_t i = 0; i < std::size(kRoundingNames); ++i)
    if (kRoundingNames[i] == name)
      return static_cast<RoundingKind>(i);
  return std::nullopt;
}

std::string_view numerics::roundingName(RoundingKind kind) {
  return kRoundingNames[static_cast<size_t>(kind)];
}

std::vector<GridEntry> numerics::gridEntries(const Grid &grid) {
  size_t count = roundsMagnitude(grid) ? 8 : grid.values.size();
  std::vector<GridEntry> entries;
  for (size_t code = 0; code < count; ++code)
    entries.push_back({grid.values[code], static_cast<uint8_t>(code)});
  auto order = [](const GridEntry &entry) { return orderedBits(entry.value); };
  // Stable, so the lowest code of equal values comes first and survives.
  std::ranges::stable_sort(entries, {}, order);
  auto duplicates = std::ranges::unique(entries, {}, order);
  entries.erase(duplicates.begin(), duplicates.end());
  return entries;
}

//===----------------------------------------------------------------------===//
// Thresholds
//===----------------------------------------------------------------------===//

static float floatOfOrdered(int32_t ordered) {
  return floatOf(static_cast<uint32_t>(ordered ^ ((ordered >> 31) & 0x7fffffff)));
}

static float nextUp(float value) { return floatOfOrdered(orderedBits(value) + 1); }
static float nextDown(float value) { return floatOfOrdered(orderedBits(value) - 1); }

/// Who wins a tie: by parity of the code, lower code if that does not decide;
/// or by larger magnitude, upper if equal.
static bool tieGoesUp(GridEntry lower, GridEntry upper, RoundingKind kind) {
  if (kind == RoundingKind::NearestAway)
    return std::fabs(upper.value) >= std::fabs(lower.value);
  bool lowerEven = lower.code % 2 == 0, upperEven = upper.code % 2 == 0;
  return lowerEven != upperEven ? upperEven : upper.code < lower.code;
}

/// The smallest f32 that rounds to `upper` rather than to `lower`.
static float nearestThreshold(GridEntry lower, GridEntry upper, RoundingKind kind) {
  // lower + upper = sum + error exactly (Knuth's two-sum), so that comparing
  // 2 v with it is exact for any two values.
  double a = lower.value, b = upper.value;
  double sum = a + b, part = sum - a;
  double error = (a - (sum - part)) + (b - part);
  bool tieUp = tieGoesUp(lower, upper, kind);
  auto roundsUp = [&](float v) {
    double twice = 2.0 * v;
    if (twice != sum)
      return twice > sum;
    return error != 0 ? error < 0 : tieUp;
  };
  float threshold = static_cast<float>(sum / 2);
  while (roundsUp(threshold))
    threshold = nextDown(threshold);
  while (!roundsUp(threshold))
    threshold = nextUp(threshold);
  return threshold;
}

static float threshold(GridEntry lower, GridEntry upper, RoundingKind kind) {
  if (lower.value == upper.value) // -0 and +0: by sign
    return upper.value;
  if (kind != RoundingKind::TowardZero)
    return nearestThreshold(lower, upper, kind);
  bool upperIsNearZero = std::fabs(upper.value) < std::fabs(lower.value);
  return upperIsNearZero ? nextUp(lower.value) : upper.value;
}

GridThresholds numerics::gridThresholds(const Grid &grid, RoundingKind kind) {
  assert(kind != RoundingKind::Stochastic && "has gaps, not thresholds");
  std::vector<GridEntry> entries = gridEntries(grid);
  GridThresholds result;
  result.codes.push_back(entries.front().code);
  for (size_t i = 1; i < entries.size(); ++i) {
    result.thresholds.push_back(threshold(entries[i - 1], entries[i], kind));
    result.codes.push_back(entries[i].code);
  }
  return result;
}

GridGaps numerics::gridGaps(const Grid &grid, unsigned bits) {
  std::vector<GridEntry> entries = gridEntries(grid);
  GridGaps result{entries.front().value, entries.back().value, {}, {}};
  for (size_t i = 1; i < entries.size(); ++i) {
    GridEntry near = entries[i - 1], far = entries[i];
    if (std::fabs(far.value) < std::fabs(near.value))
      std::swap(near, far);
    // The difference of two f32 numbers of a grid's range and its reciprocal
    // times 2^bits, rounded to f32 once each.
    float width = far.value - near.value;
    float slope = width == 0 ? 0.0f : std::ldexp(1.0f, static_cast<int>(bits)) / width;
    result.gaps.push_back({near.value, slope, near.code, far.code});
    if (i + 1 < entries.size())
      result.interior.push_back(entries[i].value);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// GridRounder
//===----------------------------------------------------------------------===//

static std::vector<int32_t> orderedBitsOf(const std::vector<float> &values) {
  std::vector<int32_t> ordered;
  std::ranges::transform(values, std::back_inserter(ordered), orderedBits);
  return ordered;
}

GridRounder::GridRounder(const Grid &grid, const Rounding &rounding)
    : kind(grid.kind), stochastic(rounding.kind == RoundingKind::Stochastic) {
  if (stochastic) {
    one = 1u << rounding.bits;
    gaps = gridGaps(grid, rounding.bits);
    separators = orderedBitsOf(gaps.interior);
  } else {
    GridThresholds staircase = gridThresholds(grid, rounding.kind);
    separators = orderedBitsOf(staircase.thresholds);
    codes = std::move(staircase.codes);
  }
}

uint8_t GridRounder::encode(float t, uint32_t random) const {
  if (std::isnan(t))
    return 0;
  float value = kind == GridKind::LUT ? t : std::fabs(t);
  if (stochastic)
    value = std::min(std::max(value, gaps.lowest), gaps.highest);
  size_t reached = 0;
  for (int32_t separator : separators)
    reached += separator <= orderedBits(value);
  uint8_t code = stochastic ? encodeStochastic(value, reached, random) : codes[reached];
  return withSign(code, std::signbit(t));
}

uint8_t GridRounder::encodeStochastic(float value, size_t index, uint32_t random) const {
  const GridGaps::Gap &gap = gaps.gaps[index];
  float distance = value - gap.near;
  float position = distance * gap.slope;
  auto rounded = static_cast<uint32_t>(std::nearbyint(position));
  return rounded + random >= one ? gap.farCode : gap.nearCode;
}

uint8_t GridRounder::withSign(uint8_t code, bool negative) const {
  if (!negative || kind == GridKind::LUT)
    return code;
  return kind == GridKind::INT4 ? (16 - code) & 15 : code | 8;
}
