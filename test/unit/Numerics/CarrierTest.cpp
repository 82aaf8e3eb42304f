//===- CarrierTest.cpp - A quantized tensor in its carrier ----------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Carrier.h"
#include "quadrille/Numerics/ScaleTypes.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace quadrille;
using namespace quadrille::numerics;

// The windows that findExponentWindow proves (docs/carriers.md).
static constexpr FoldedCarrier e1m2InE5M2 = {2, 15, -14, 15};
static constexpr FoldedCarrier e1m2InE5M2FNUZ = {2, 16, -15, 15, /*hasNegativeZero=*/false};
static constexpr FoldedCarrier e2m1InE4M3 = {3, 7, -8, 6};

/// The value of a byte, by the definition of the type.
static double decode(uint8_t byte, const FoldedCarrier &type) {
  int field = (byte & 0x7f) >> type.mantissaBits, mantissa = byte & ((1 << type.mantissaBits) - 1);
  double magnitude =
      std::ldexp(field ? mantissa + (1 << type.mantissaBits) : mantissa,
                 (field ? field : 1) - type.bias - int(type.mantissaBits));
  return byte & 0x80 ? -magnitude : magnitude;
}

static void expectExactTables(const Grid &grid, const FoldedCarrier &type) {
  for (int position = 0; position < type.size(); ++position) {
    std::array<uint8_t, 16> table = carrierTable(grid, type, position);
    for (size_t code = 0; code < 16; ++code)
      EXPECT_EQ(decode(table[code], type), std::ldexp(grid.values[code], type.low + position));
  }
}

TEST(Carrier, TablesAreExact) {
  expectExactTables(*lookupGrid("e1m2"), e1m2InE5M2);
  expectExactTables(*lookupGrid("e2m1"), e2m1InE4M3);
}

TEST(Carrier, EndsOfTheRange) {
  EXPECT_EQ(carrierTable(*lookupGrid("e1m2"), e1m2InE5M2, 0)[1], 0x01);  // 2^-16
  EXPECT_EQ(carrierTable(*lookupGrid("e1m2"), e1m2InE5M2, 29)[7], 0x7b); // 57344
  EXPECT_EQ(carrierTable(*lookupGrid("e1m2"), e1m2InE5M2, 29)[15], 0xfb);
  EXPECT_EQ(carrierTable(*lookupGrid("e1m2"), e1m2InE5M2, 3)[8], 0x80); // -0
}

TEST(Carrier, CodesThatNothingProducesAreNaN) {
  FoldedCarrier type = {2, 15, -16, 13};
  EXPECT_EQ(carrierTable(*lookupGrid("int4"), type, 5)[8], type.nan());
  EXPECT_NE(carrierTable(*lookupGrid("int4"), type, 5)[9], type.nan());
}

/// One row of MXUF4: a block of 32 equal codes for each scale.
static CarrierRows rowOf(std::vector<uint8_t> codes, std::vector<uint32_t> scales,
                         const FoldedCarrier &carrier = e1m2InE5M2) {
  std::vector<uint8_t> all;
  for (uint8_t code : codes)
    all.insert(all.end(), 32, code);
  auto blocks = static_cast<int64_t>(scales.size());
  LevelScales level{ScaleType::E8M0, 1, blocks, std::move(scales)};
  return toCarrier(*lookupFormat("MXUF4"), carrier, 1, 32 * blocks, packCodes(all), level);
}

TEST(Carrier, FnuzHasNaNInThePlaceOfMinusZero) {
  // Zeros of both signs, NaN, and a block below the window.
  CarrierRows rows = rowOf({7, 8, 0, 3, 15}, {127, 127, 127, 255, 90}, e1m2InE5M2FNUZ);
  const uint8_t wanted[] = {0x7f, 0x00, 0x00, 0x80, 0x00};
  for (size_t block = 0; block < 5; ++block)
    EXPECT_EQ(rows.values[32 * block], wanted[block]) << block;
  EXPECT_EQ(rows.overflow[0], 1);
}

TEST(Carrier, TheLargestBlockIsAtTheTop) {
  CarrierRows rows = rowOf({7, 9, 0}, {127, 98, 127});
  EXPECT_EQ(rows.exponents[0], -15);
  EXPECT_EQ(rows.values[0], 0x7b);
  EXPECT_EQ(rows.values[32], 0x81); // -0.25 * 2^-29 * 2^15, the smallest subnormal
  EXPECT_EQ(rows.values[64], 0x00);
  EXPECT_EQ(rows.overflow[0], 0);
}

TEST(Carrier, BlocksBelowTheWindowAreFlushed) {
  CarrierRows rows = rowOf({7, 15}, {127, 97});
  EXPECT_EQ(rows.values[32], 0x80);
  EXPECT_EQ(rows.overflow[0], 1);
  // Zeros lose nothing, and keep their signs.
  rows = rowOf({7, 8}, {127, 0});
  EXPECT_EQ(rows.values[32], 0x80);
  EXPECT_EQ(rows.overflow[0], 0);
}

TEST(Carrier, NaNScales) {
  CarrierRows rows = rowOf({3, 8, 1}, {255, 255, 100});
  EXPECT_EQ(rows.exponents[0], 100 - 127 - 15);
  EXPECT_EQ(rows.values[0], 0x7f);
  EXPECT_EQ(rows.values[32], 0xff);
  EXPECT_EQ(rows.overflow[0], 0);
  EXPECT_EQ(rowOf({0}, {255}).exponents[0], -127 - 15);
}

TEST(Carrier, BF16IsCodeTimesScale) {
  const Format &format = *lookupFormat("UFP4_B");
  std::vector<uint8_t> codes = packCodes(std::vector<uint8_t>(16, 15));
  std::vector<LevelScales> scales = {{ScaleType::BF16, 1, 1, {0x3f88}}};
  EXPECT_EQ(toCarrierBF16(format, 1, 16, codes, scales)[0], 0xbfee); // -1.75 * 1.0625
  scales[0].bits[0] = 0x7fc0;
  EXPECT_EQ(toCarrierBF16(format, 1, 16, codes, scales)[0], carrierNaNBF16);
}
