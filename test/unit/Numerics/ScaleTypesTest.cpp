//===- ScaleTypesTest.cpp - Element types of scales -----------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/ScaleTypes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace quadrille;
using namespace quadrille::numerics;

static const float infinity = std::numeric_limits<float>::infinity();
static const float quietNaN = std::numeric_limits<float>::quiet_NaN();

static float up(float value) { return std::nextafter(value, infinity); }
static float down(float value) { return std::nextafter(value, -infinity); }

/// Every 8- and 16-bit type is small enough to look at every encoding.
class SmallScaleType : public testing::TestWithParam<ScaleType> {
protected:
  const ScaleTypeInfo &info = scaleTypeInfo(GetParam());
  float decode(uint32_t bits) const { return decodeScale(info.type, bits); }
  uint32_t encode(float value) const { return encodeScale(info.type, value); }
};
INSTANTIATE_TEST_SUITE_P(All, SmallScaleType,
                         testing::Values(ScaleType::BF16, ScaleType::E4M3, ScaleType::E8M0,
                                         ScaleType::UE5M3, ScaleType::E6M2),
                         [](auto info) { return std::string(scaleTypeInfo(info.param).name); });

TEST_P(SmallScaleType, EveryEncodingRoundTripsAndIncreases) {
  for (uint32_t bits = info.floorBits; bits <= info.maxBits; ++bits) {
    EXPECT_EQ(encode(decode(bits)), bits);
    if (bits > info.floorBits) {
      EXPECT_LT(decode(bits - 1), decode(bits));
    }
  }
}

TEST_P(SmallScaleType, EveryTieGoesToTheEvenSignificand) {
  for (uint32_t bits = info.floorBits; bits < info.maxBits; ++bits) {
    // Exact: neighbours differ by one unit of at most 8 bits.
    float middle = decode(bits) + (decode(bits + 1) - decode(bits)) / 2;
    bool odd = info.mantissaBits == 0 || bits % 2; // the implicit 1 is odd
    EXPECT_EQ(encode(middle), odd ? bits + 1 : bits);
    EXPECT_EQ(encode(down(middle)), bits);
    EXPECT_EQ(encode(up(middle)), bits + 1);
  }
}

TEST_P(SmallScaleType, UpIsTheSmallestNotUnder) {
  Level level{{1, 16}, info.type, ScaleRule::Up};
  for (uint32_t bits = info.floorBits; bits < info.maxBits; ++bits) {
    EXPECT_EQ(encodeScaleOfAmax(level, 1, decode(bits)), bits);
    EXPECT_EQ(encodeScaleOfAmax(level, 1, up(decode(bits))), bits + 1);
  }
}

TEST_P(SmallScaleType, ValuesOutsideTheRange) {
  EXPECT_EQ(encode(0.0f), info.floorBits);
  EXPECT_EQ(encode(-0.0f), info.floorBits);
  EXPECT_EQ(encode(-1.0f), info.floorBits);
  EXPECT_EQ(encode(-infinity), info.floorBits);
  EXPECT_EQ(encode(0x1p-149f), info.floorBits);
  EXPECT_EQ(encode(std::numeric_limits<float>::max()), info.maxBits);
  EXPECT_EQ(encode(infinity), info.maxBits);
  EXPECT_EQ(encode(quietNaN), info.nanBits);
  EXPECT_TRUE(std::isnan(decode(info.nanBits)));
}

TEST_P(SmallScaleType, BlockMaximaOutsideTheRange) {
  for (ScaleRule rule : {ScaleRule::Nearest, ScaleRule::Up}) {
    Level level{{1, 16}, info.type, rule};
    EXPECT_EQ(encodeScaleOfAmax(level, 6, 0), info.floorBits);
    EXPECT_EQ(encodeScaleOfAmax(level, 6, 0x1p-149f), info.floorBits);
    EXPECT_EQ(encodeScaleOfAmax(level, 6, quietNaN), info.nanBits);
    EXPECT_EQ(encodeScaleOfAmax(level, 6, infinity), info.nanBits);
    float most = maxScale(info.type);
    if (most < 0x1p120f) {
      EXPECT_EQ(encodeScaleOfAmax(level, 1, most * 1.5f), info.maxBits);
      EXPECT_TRUE(saturatesScale(level, 1, most * 1.5f));
    }
    EXPECT_FALSE(saturatesScale(level, 1, most));
    EXPECT_FALSE(saturatesScale(level, 6, infinity));
  }
}

TEST(ScaleTypes, StatedConstants) {
  struct Row {
    ScaleType type;
    double largest, floor;
    uint32_t nanBits;
  };
  const Row rows[] = {
      {ScaleType::F32, 0x1.fffffep127, 0x1p-126, 0x7fc00000},
      {ScaleType::BF16, 0x1.fep127, 0x1p-126, 0x7fc0},
      {ScaleType::E4M3, 448, 0x1p-9, 0x7f},
      {ScaleType::E8M0, 0x1p127, 0x1p-127, 0xff},
      {ScaleType::UE5M3, 114688, 0x1p-17, 0xff},
      {ScaleType::E6M2, 49152, 0x1p-48, 0xff},
  };
  for (const Row &row : rows) {
    const ScaleTypeInfo &info = scaleTypeInfo(row.type);
    EXPECT_EQ(maxScale(row.type), row.largest) << info.name;
    EXPECT_EQ(decodeScale(row.type, info.floorBits), row.floor) << info.name;
    EXPECT_EQ(info.nanBits, row.nanBits) << info.name;
    EXPECT_EQ(lookupScaleType(info.name), &info);
  }
  EXPECT_EQ(decodeScale(ScaleType::E1, 0), 1.0f);
  EXPECT_EQ(decodeScale(ScaleType::E1, 1), 2.0f);
  EXPECT_EQ(lookupScaleType("e5m2"), nullptr);
}

/// Values whose rounding is interesting at every exponent of f32.
static std::vector<float> samples() {
  std::vector<float> values;
  for (uint32_t exponent = 0; exponent < 255; ++exponent)
    for (uint32_t mantissa :
         {0u, 1u, 0x0fffffu, 0x100000u, 0x100001u, 0x2aaaaau, 0x3fffffu, 0x400000u, 0x400001u,
          0x555555u, 0x5fffffu, 0x600000u, 0x600001u, 0x6fffffu, 0x700000u, 0x7ffffeu, 0x7fffffu})
      values.push_back(floatOf(exponent << 23 | mantissa));
  return values;
}

TEST(ScaleTypes, CutToSignificantBits) {
  for (unsigned bits = 1; bits <= 24; ++bits)
    for (float value : samples()) {
      if (value < 0x1p-126f)
        continue;
      int exponent;
      double fraction = std::frexp(static_cast<double>(value), &exponent); // [0.5, 1)
      double rounded =
          std::ldexp(std::nearbyint(std::ldexp(fraction, bits)), exponent - static_cast<int>(bits));
      double expected = std::min<double>(rounded, maxScale(ScaleType::F32, bits));
      EXPECT_EQ(decodeScale(ScaleType::F32, encodeScale(ScaleType::F32, value, bits)), expected);
      if (bits <= 8) {
        EXPECT_EQ(decodeScale(ScaleType::BF16, encodeScale(ScaleType::BF16, value, bits)),
                  expected);
      }
    }
}

TEST(ScaleTypes, UpToSignificantBits) {
  Level level{{1, 16}, ScaleType::BF16, ScaleRule::Up, /*bits=*/5};
  EXPECT_EQ(decodeScale(ScaleType::BF16, encodeScaleOfAmax(level, 1, 1.0625f)), 1.0625f);
  EXPECT_EQ(decodeScale(ScaleType::BF16, encodeScaleOfAmax(level, 1, up(1.0625f))), 1.125f);
  EXPECT_EQ(encodeScaleOfAmax(level, 1, std::numeric_limits<float>::max()), 0x7f78u);
}

TEST(ScaleTypes, PowersOfTwoComeFromAmaxAndQmaxExactly) {
  for (float qmax : {0.75f, 1.0f, 1.75f, 6.0f, 7.0f, up(4.0f)})
    for (float amax : samples()) {
      if (amax == 0)
        continue;
      int exponent = -127; // brute force, exact in double
      while (exponent < 127 && amax > static_cast<double>(qmax) * std::ldexp(1.0, exponent))
        ++exponent;
      Level upLevel{{1, 32}, ScaleType::E8M0, ScaleRule::Up};
      EXPECT_EQ(encodeScaleOfAmax(upLevel, qmax, amax), exponent + 127u) << amax << " " << qmax;

      int ocp = std::clamp(std::ilogb(amax) - std::ilogb(qmax), -127, 127);
      Level ocpLevel{{1, 32}, ScaleType::E8M0, ScaleRule::OCP};
      EXPECT_EQ(encodeScaleOfAmax(ocpLevel, qmax, amax), ocp + 127u) << amax << " " << qmax;
    }
}

TEST(ScaleTypes, QuotientIsRoundedOnceBeforeTheScale) {
  Level level{{1, 16}, ScaleType::F32};
  for (float amax : samples()) {
    float quotient = amax / 1.75f;
    EXPECT_EQ(decodeScale(ScaleType::F32, encodeScaleOfAmax(level, 1.75f, amax)),
              std::max(quotient, 0x1p-126f));
  }
}
