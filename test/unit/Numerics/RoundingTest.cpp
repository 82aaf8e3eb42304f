//===- RoundingTest.cpp - Rounding to a grid ------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Rounding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace quadrille;
using namespace quadrille::numerics;

static const float infinity = std::numeric_limits<float>::infinity();

/// The 16 normal-quantile values of QLoRA's NF4: a grid without symmetry.
static Grid nf4() {
  return makeLutGrid("nf4", {-1.0f, -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f,
                             -0.18477343f, -0.091050036f, 0.0f, 0.0795803f, 0.1609302f, 0.2461123f,
                             0.33791524f, 0.44070983f, 0.562617f, 0.72295684f, 1.0f});
}

/// A built-in grid as a LUT; int4's unused code 8 is made a duplicate of 0.
static Grid reentered(const Grid &grid) {
  std::vector<float> values = grid.values;
  if (grid.kind == GridKind::INT4)
    values[8] = 0;
  return makeLutGrid(grid.name + "_lut", values, grid.qmax);
}

/// Values near every threshold and value of a grid, every exponent, and a walk.
static std::vector<float> samples(const Grid &grid) {
  std::vector<float> values = {0.0f, infinity, std::numeric_limits<float>::max(), 0x1p-149f};
  auto addNeighbourhood = [&](float value) {
    uint32_t bits = bitsOf(std::fabs(value));
    for (uint32_t offset = 0; offset < 9; ++offset)
      values.push_back(floatOf(bits + 4 < offset ? 0 : bits + 4 - offset));
  };
  for (float a : grid.values)
    for (float b : grid.values)
      addNeighbourhood((a + b) / 2);
  for (uint32_t bits = 0; bits < 0x7f800000; bits += 0x0004e201)
    values.push_back(floatOf(bits));
  for (float walk = 0; walk < 8; walk += 0x1.2345p-10f)
    values.push_back(walk);
  size_t count = values.size();
  for (size_t i = 0; i < count; ++i)
    values.push_back(-values[i]);
  return values;
}

/// The nearest value by exhaustive search in exact arithmetic.
static float nearestValue(const Grid &grid, float t, RoundingKind kind) {
  const size_t count = grid.values.size();
  auto better = [&](size_t a, size_t b) { // is code a a better choice than b?
    long double da = std::fabs(static_cast<long double>(t) - grid.values[a]);
    long double db = std::fabs(static_cast<long double>(t) - grid.values[b]);
    if (da != db)
      return da < db;
    if (kind == RoundingKind::NearestAway)
      return std::fabs(grid.values[a]) > std::fabs(grid.values[b]);
    return a % 2 < b % 2;
  };
  size_t best = 0;
  for (size_t code = 1; code < count; ++code)
    if (!(grid.kind == GridKind::INT4 && code == 8) && better(code, best))
      best = code;
  return grid.values[best];
}

static float valueTowardZero(const Grid &grid, float t) {
  float best = 0;
  for (float value : grid.values)
    if (std::signbit(value) == std::signbit(t) && std::fabs(value) <= std::fabs(t) &&
        std::fabs(value) > std::fabs(best) && !(grid.kind == GridKind::INT4 && value == -8))
      best = value;
  return best;
}

class GridRounding : public testing::TestWithParam<const char *> {
protected:
  Grid grid = GetParam() == std::string("nf4") ? nf4() : *lookupGrid(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Grids, GridRounding, testing::Values("e2m1", "e1m2", "int4", "nf4"),
                         [](auto info) { return std::string(info.param); });

TEST_P(GridRounding, NearestAgainstExhaustiveSearch) {
  for (RoundingKind kind : {RoundingKind::NearestEven, RoundingKind::NearestAway}) {
    GridRounder rounder(grid, {kind});
    for (float t : samples(grid)) {
      float clamped = std::clamp(t, -100.0f, 100.0f); // keeps differences exact
      EXPECT_EQ(grid.values[rounder.encode(t)], nearestValue(grid, clamped, kind)) << t;
    }
  }
}

TEST_P(GridRounding, TowardZeroNeverGrows) {
  GridRounder rounder(grid, {RoundingKind::TowardZero});
  for (float t : samples(grid))
    EXPECT_EQ(grid.values[rounder.encode(t)], valueTowardZero(grid, t)) << t;
}

TEST_P(GridRounding, SignMagnitudeKeepsTheSignOfZero) {
  if (!grid.isSignMagnitude())
    return;
  for (RoundingKind kind : {RoundingKind::NearestEven, RoundingKind::TowardZero}) {
    GridRounder rounder(grid, {kind});
    for (float t : samples(grid))
      EXPECT_EQ(rounder.encode(t) >> 3, std::signbit(t)) << t;
  }
}

TEST_P(GridRounding, ReenteredAsLutGivesTheSameCodes) {
  if (grid.kind == GridKind::LUT)
    return;
  Grid lut = reentered(grid);
  ASSERT_EQ(verify(lut), "");
  for (RoundingKind kind :
       {RoundingKind::NearestEven, RoundingKind::NearestAway, RoundingKind::TowardZero}) {
    GridRounder rounder(grid, {kind}), lutRounder(lut, {kind});
    for (float t : samples(grid))
      EXPECT_EQ(lutRounder.encode(t), rounder.encode(t)) << t << " " << roundingName(kind);
  }
  for (unsigned bits : {4u, 8u, 16u}) {
    GridRounder rounder(grid, {RoundingKind::Stochastic, bits});
    GridRounder lutRounder(lut, {RoundingKind::Stochastic, bits});
    for (float t : samples(grid))
      for (uint32_t random : {0u, 1u, (1u << bits) / 3, (1u << bits) / 2, (1u << bits) - 1})
        EXPECT_EQ(lutRounder.encode(t, random), rounder.encode(t, random)) << t << " " << random;
  }
}

TEST_P(GridRounding, StochasticPicksTheFarNeighbourInProportion) {
  for (unsigned bits : {4u, 8u}) {
    GridRounder rounder(grid, {RoundingKind::Stochastic, bits});
    GridRounder down(grid, {RoundingKind::TowardZero});
    uint32_t one = 1u << bits;
    for (float t = -1.2f * grid.qmax; t < 1.2f * grid.qmax; t += grid.qmax * 0x1.fp-7f) {
      double sum = 0;
      for (uint32_t random = 0; random < one; ++random)
        sum += grid.values[rounder.encode(t, random)];
      double lowest = grid.kind == GridKind::INT4 ? -7 : *std::ranges::min_element(grid.values);
      double highest = *std::ranges::max_element(grid.values);
      double clamped = std::clamp<double>(t, lowest, highest);
      double widest = grid.kind == GridKind::E2M1 ? 2 : grid.kind == GridKind::INT4 ? 1 : 0.31;
      EXPECT_NEAR(sum / one, clamped, widest / one / 2 * 1.001) << t;
      EXPECT_EQ(rounder.encode(t, 0) == down.encode(t) ||
                    std::fabs(t - grid.values[rounder.encode(t, 0)]) <= widest / one / 2,
                true)
          << t;
    }
  }
}

TEST_P(GridRounding, StochasticKeepsGridValues) {
  for (unsigned bits : {4u, 8u, 16u}) {
    GridRounder rounder(grid, {RoundingKind::Stochastic, bits});
    for (float value : grid.values) {
      if (grid.kind == GridKind::INT4 && value == -8)
        continue;
      EXPECT_EQ(grid.values[rounder.encode(value, 0)], value);
      EXPECT_EQ(grid.values[rounder.encode(value, (1u << bits) - 1)], value);
    }
  }
}

TEST_P(GridRounding, NaNIsCodeZero) {
  for (RoundingKind kind : {RoundingKind::NearestEven, RoundingKind::Stochastic}) {
    GridRounder rounder(grid, {kind});
    EXPECT_EQ(rounder.encode(std::numeric_limits<float>::quiet_NaN()), 0);
    EXPECT_EQ(rounder.encode(-std::numeric_limits<float>::quiet_NaN()), 0);
  }
}

//===----------------------------------------------------------------------===//
// The cheap forms of docs/numerics.md, "Rounding without tables"
//===----------------------------------------------------------------------===//

static int32_t bits(float value) { return static_cast<int32_t>(bitsOf(value)); }

/// F = rne(g 2^b) for the coordinate g of |t|, by additions.
static int32_t scaledCoordinate(GridKind kind, float a, unsigned b) {
  float magic = std::ldexp(1.0f, 23 - static_cast<int>(b));
  if (kind == GridKind::INT4)
    return bits(a + magic) - bits(magic);
  if (kind == GridKind::E1M2)
    return bits(a + magic / 4) - bits(magic / 4);
  int32_t first = bits(std::fma(a, 2.0f, magic));
  int32_t second = bits(a + (magic + 2));
  int32_t third = bits(std::fma(a, 0.5f, magic + 4));
  return std::min({first, second, third}) - bits(magic);
}

static uint8_t withSign(GridKind kind, int32_t code, float t) {
  if (!std::signbit(t))
    return static_cast<uint8_t>(code);
  return static_cast<uint8_t>(kind == GridKind::INT4 ? -code & 15 : code | 8);
}

TEST_P(GridRounding, AdditionsGiveTheSameCodes) {
  if (grid.kind == GridKind::LUT)
    return;
  GridRounder nearest(grid, {RoundingKind::NearestEven});
  for (float t : samples(grid)) {
    int32_t code = std::min(scaledCoordinate(grid.kind, std::fabs(t), 0), 7);
    EXPECT_EQ(withSign(grid.kind, code, t), nearest.encode(t)) << t;
  }
  for (unsigned b : {4u, 8u, 16u}) {
    GridRounder stochastic(grid, {RoundingKind::Stochastic, b});
    for (float t : samples(grid))
      for (uint32_t random : {0u, (1u << b) / 2, (1u << b) - 1}) {
        int32_t scaled = scaledCoordinate(grid.kind, std::fabs(t), b);
        int32_t code = std::min<int32_t>((scaled + static_cast<int32_t>(random)) >> b, 7);
        EXPECT_EQ(withSign(grid.kind, code, t), stochastic.encode(t, random)) << t;
      }
  }
}

TEST_P(GridRounding, AdditionsGiveTheSameCodesDensely) {
  if (grid.kind == GridKind::LUT)
    return;
  GridRounder nearest(grid, {RoundingKind::NearestEven});
  for (uint32_t pattern = bitsOf(0x1p-4f); pattern < bitsOf(16.0f); pattern += 53) {
    float t = floatOf(pattern);
    ASSERT_EQ(std::min(scaledCoordinate(grid.kind, t, 0), 7), nearest.encode(t)) << t;
  }
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

TEST(GridThresholds, OfE2M1) {
  GridThresholds even = gridThresholds(*lookupGrid("e2m1"), RoundingKind::NearestEven);
  auto above = [](float value) { return std::nextafter(value, infinity); };
  // A tie goes to the even code, so the threshold of an odd code is just above.
  EXPECT_EQ(even.thresholds, (std::vector<float>{above(0.25f), 0.75f, above(1.25f), 1.75f,
                                                 above(2.5f), 3.5f, above(5.0f)}));
  GridThresholds away = gridThresholds(*lookupGrid("e2m1"), RoundingKind::NearestAway);
  EXPECT_EQ(away.thresholds, (std::vector<float>{0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f}));
}

TEST(GridThresholds, DuplicatesProduceTheLowestCode) {
  Grid grid = makeLutGrid("dup", {2, 0, 1, 2, 0, 1, -1, -1});
  GridRounder rounder(grid, {RoundingKind::NearestEven});
  EXPECT_EQ(rounder.encode(2), 0);
  EXPECT_EQ(rounder.encode(0), 1);
  EXPECT_EQ(rounder.encode(1), 2);
  EXPECT_EQ(rounder.encode(-1), 6);
  EXPECT_EQ(rounder.encode(-100), 6);
  EXPECT_EQ(rounder.encode(100), 0);
}

TEST(GridThresholds, GapOverZero) {
  Grid grid = makeLutGrid("straddle", {-1, 3});
  GridRounder nearest(grid, {RoundingKind::NearestEven});
  EXPECT_EQ(nearest.encode(1), 0) << "a tie goes to the even code";
  EXPECT_EQ(nearest.encode(std::nextafter(1.0f, 2.0f)), 1);
  GridRounder towardZero(grid, {RoundingKind::TowardZero});
  EXPECT_EQ(towardZero.encode(2.9f), 0);
  EXPECT_EQ(towardZero.encode(3), 1);
  EXPECT_EQ(towardZero.encode(-5), 0);
}

TEST(GridThresholds, MidpointsThatAreNotF32) {
  // The midpoint of 1 and 2^-16 (1 + 2^-23) needs more bits than a double's sum
  // of smaller numbers; the threshold is still exact.
  float small = 0x1.000002p-16f;
  Grid grid = makeLutGrid("fine", {small, 1});
  GridThresholds table = gridThresholds(grid, RoundingKind::NearestEven);
  long double middle = (static_cast<long double>(small) + 1) / 2;
  EXPECT_GE(table.thresholds[0], middle);
  EXPECT_LT(std::nextafter(table.thresholds[0], 0.0f), middle);
}

TEST(Rounding, Names) {
  for (const char *name : {"nearest_even", "nearest_away", "toward_zero", "stochastic"})
    EXPECT_EQ(roundingName(*lookupRounding(name)), name);
  EXPECT_EQ(lookupRounding("up"), std::nullopt);
}
