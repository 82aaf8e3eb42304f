//===- HadamardTest.cpp - Block Hadamard transform ------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Hadamard.h"
#include "quadrille/Numerics/Philox.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

using namespace quadrille::numerics;

class Hadamard : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, Hadamard, testing::Values(16, 32, 64, 128, 256));

static std::vector<float> unit(int64_t n, int64_t i) {
  std::vector<float> vector(n, 0.0f);
  vector[i] = 1.0f;
  return vector;
}

TEST_P(Hadamard, ColumnsAreSignedWalshFunctions) {
  int64_t n = GetParam();
  std::vector<float> signs = signsFromSeed(7, n);
  for (int64_t i = 0; i < n; ++i) {
    std::vector<float> column = unit(n, i);
    hadamard(column.data(), signs.data(), n);
    for (int64_t j = 0; j < n; ++j) {
      bool odd = std::popcount(static_cast<uint64_t>(i & j)) % 2;
      EXPECT_EQ(column[j], signs[i] * (odd ? -hadamardScale(n) : hadamardScale(n)));
    }
  }
}

TEST_P(Hadamard, RowsAreOrthogonal) {
  int64_t n = GetParam();
  std::vector<float> ones(n, 1.0f);
  std::vector<std::vector<float>> columns;
  for (int64_t i = 0; i < n; ++i) {
    columns.push_back(unit(n, i));
    hadamard(columns.back().data(), ones.data(), n);
    for (float &value : columns.back())
      value /= hadamardScale(n); // +1 or -1, so the sums below are exact
  }
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      float dot = 0;
      for (int64_t k = 0; k < n; ++k)
        dot += columns[i][k] * columns[j][k];
      EXPECT_EQ(dot, i == j ? static_cast<float>(n) : 0.0f);
    }
}

TEST_P(Hadamard, ScaleIsNearestToOneOverRoot) {
  long double exact = 1.0L / std::sqrt(static_cast<long double>(GetParam()));
  float scale = hadamardScale(GetParam());
  long double error = std::fabs(scale - exact);
  EXPECT_LE(error, std::fabs(std::nextafter(scale, 0.0f) - exact));
  EXPECT_LE(error, std::fabs(std::nextafter(scale, 1.0f) - exact));
}

TEST_P(Hadamard, StagesGoFromNeighboursOutwards) {
  // The order matters to the last bit; recompute it recursively: a transform of
  // n is two of n / 2 on the halves, then the stage h = n / 2; the first one has the
  // factors and is not of this form.
  struct Recursive {
    static void apply(float *y, int64_t n, int64_t done) {
      if (n == done)
        return;
      apply(y, n / 2, done);
      apply(y + n / 2, n / 2, done);
      for (int64_t i = 0; i < n / 2; ++i) {
        float u = y[i], v = y[i + n / 2];
        y[i] = u + v;
        y[i + n / 2] = u - v;
      }
    }
  };
  int64_t n = GetParam();
  std::vector<float> ones(n, 1.0f), y(n);
  for (int64_t i = 0; i < n; ++i)
    y[i] = std::sin(static_cast<float>(i * i + 1));
  std::vector<float> expected = y;
  float scale = hadamardScale(n);
  for (int64_t i = 0; i < n; i += 2) {
    float u = y[i] * scale;
    expected[i] = std::fma(y[i + 1], scale, u);
    expected[i + 1] = std::fma(y[i + 1], -scale, u);
  }
  Recursive::apply(expected.data(), n, /*done=*/2);
  hadamard(y.data(), ones.data(), n);
  for (int64_t i = 0; i < n; ++i)
    EXPECT_EQ(y[i], expected[i]);
}

TEST_P(Hadamard, SecondOfAPairIsMultipliedWithoutRounding) {
  int64_t n = GetParam();
  std::vector<float> signs = signsFromSeed(5, n), y(n, 0.0f);
  y[0] = 1;
  y[1] = 0x1.fffffep-1f; // its products with c_n are not floats, unless that is a power of two
  float scale = hadamardScale(n), u = signs[0] * scale, factor = signs[1] * scale;
  float odd = static_cast<float>(u - static_cast<double>(y[1]) * factor);
  hadamard(y.data(), signs.data(), n);
  EXPECT_EQ(y[1], odd);
}

TEST_P(Hadamard, SumsOverflowOnlyIfTheResultDoes) {
  int64_t n = GetParam(); // the sum of the n values alone is above the largest float
  std::vector<float> ones(n, 1.0f), y(n, 0x1p127f / (static_cast<float>(n) * hadamardScale(n)));
  hadamard(y.data(), ones.data(), n);
  EXPECT_NEAR(y[0], 0x1p127f, 0x1p105f);
}

TEST_P(Hadamard, InverseUndoesIt) {
  int64_t n = GetParam();
  std::vector<float> signs = signsFromSeed(3, n), x(n);
  for (int64_t i = 0; i < n; ++i)
    x[i] = std::cos(static_cast<float>(3 * i));
  std::vector<float> y = x;
  hadamard(y.data(), signs.data(), n);
  inverseHadamard(y.data(), signs.data(), n);
  for (int64_t i = 0; i < n; ++i)
    EXPECT_NEAR(y[i], x[i], 2e-6);
}

TEST(HadamardSizes, OnlyPowersOfTwoFrom16To256) {
  for (int64_t n = -1; n <= 600; ++n)
    EXPECT_EQ(isHadamardSize(n), n == 16 || n == 32 || n == 64 || n == 128 || n == 256) << n;
}
