//===- CarrierProofTest.cpp - Proofs against independent enumeration ------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CarrierValues.h"
#include "quadrille/Numerics/ScaleTypes.h"
#include "quadrille/Target/Carrier.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace quadrille;
using namespace quadrille::target;

namespace {

const CarrierType &carrier(const char *name) { return *lookupCarrierType(name); }
const Grid &grid(const char *name) { return *lookupGrid(name); }
const Format &format(const char *name) { return *lookupFormat(name); }

/// How many powers of two can be folded into the codes of a grid.
int windowSize(const char *gridName, const char *carrierName) {
  return findExponentWindow(grid(gridName), carrier(carrierName)).size();
}

TEST(ExponentWindow, E2M1) {
  EXPECT_EQ(windowSize("e2m1", "e2m1"), 1);
  EXPECT_EQ(windowSize("e2m1", "e2m3"), 3);
  EXPECT_EQ(windowSize("e2m1", "e3m2"), 6);
  EXPECT_EQ(windowSize("e2m1", "e4m3"), 15);
  EXPECT_EQ(windowSize("e2m1", "e5m2"), 29);
  EXPECT_EQ(windowSize("e2m1", "s8"), 4);
  EXPECT_EQ(windowSize("e2m1", "bf16"), 258);
  EXPECT_EQ(windowSize("e2m1", "f16"), 37);
  EXPECT_EQ(windowSize("e2m1", "e4m3fnuz"), 15);
  EXPECT_EQ(windowSize("e2m1", "e5m2fnuz"), 30);
}

TEST(ExponentWindow, UniformGrids) {
  for (const char *name : {"int4", "e1m2"}) {
    EXPECT_EQ(windowSize(name, "e2m1"), 0) << name;
    EXPECT_EQ(windowSize(name, "e2m3"), 4) << name;
    EXPECT_EQ(windowSize(name, "e3m2"), 7) << name;
    EXPECT_EQ(windowSize(name, "e4m3"), 16) << name;
    EXPECT_EQ(windowSize(name, "e5m2"), 30) << name;
    EXPECT_EQ(windowSize(name, "s8"), 5) << name;
    EXPECT_EQ(windowSize(name, "s4"), 1) << name;
    EXPECT_EQ(windowSize(name, "bf16"), 259) << name;
    EXPECT_EQ(windowSize(name, "f16"), 38) << name;
  }
}

TEST(ExponentWindow, Positions) {
  auto expectWindow = [](const char *gridName, const char *carrierName, int low, int high) {
    ExponentWindow window = findExponentWindow(grid(gridName), carrier(carrierName));
    EXPECT_EQ(window.low, low) << gridName << " in " << carrierName;
    EXPECT_EQ(window.high, high) << gridName << " in " << carrierName;
  };
  expectWindow("e2m1", "e4m3", -8, 6);
  expectWindow("e2m1", "e5m2", -15, 13);
  expectWindow("e2m1", "f16", -23, 13);
  expectWindow("int4", "e4m3", -9, 6);
  expectWindow("int4", "e5m2", -16, 13);
  expectWindow("int4", "f16", -24, 13);
  expectWindow("int4", "e2m3", -3, 0);
}

TEST(ExponentWindow, ShrinksWhenSubnormalsAreFlushed) {
  EXPECT_EQ(findExponentWindow(grid("e2m1"), carrier("e5m2"), /*subnormals=*/false).size(), 27);
}

//===----------------------------------------------------------------------===//
// Code x scale
//===----------------------------------------------------------------------===//

struct Count {
  uint64_t products = 0, inexact = 0;
};

/// Enumerates code x the innermost scale against the decoded carrier, with
/// scale bytes from `low` to `high`.
Count enumerate(const Format &f, uint32_t low, uint32_t high, const char *carrierName) {
  const std::set<double> &values = magnitudes(carrierName);
  Count count;
  for (uint32_t bits = low; bits <= high; ++bits)
    for (float code : f.grid.values) {
      if (code == -8)
        continue; // never produced
      double product = std::fabs(double(code) * numerics::decodeScale(f.levels[0].type, bits));
      ++count.products;
      count.inexact += values.count(product) == 0;
    }
  return count;
}

TEST(FoldProof, E4M3ScalesMatchEnumeration) {
  for (const char *name : {"NVFP4", "NVINT4"})
    for (const char *carrierName : {"bf16", "f16"}) {
      // E4M3 without zero and NaN: 0x01 to 0x7e.
      Count expected = enumerate(format(name), 0x01, 0x7e, carrierName);
      FoldProof proof = proveFold(format(name), 1, carrier(carrierName));
      EXPECT_EQ(proof.products, expected.products) << name;
      EXPECT_EQ(expected.inexact, 0u) << name << " in " << carrierName;
      EXPECT_TRUE(proof.exact) << name << " in " << carrierName;
      EXPECT_EQ(proof.shift, 0);
    }
  EXPECT_EQ(proveFold(format("NVFP4"), 1, carrier("bf16")).significantBits, 6u);
  EXPECT_EQ(proveFold(format("NVINT4"), 1, carrier("bf16")).significantBits, 7u);
}

TEST(FoldProof, E4M3ScalesDoNotFoldInto8Bits) {
  for (const char *name : {"NVFP4", "NVINT4"})
    for (const char *carrierName : {"e4m3", "e5m2", "e4m3fnuz", "e5m2fnuz", "s8"}) {
      FoldProof proof = proveFold(format(name), 1, carrier(carrierName));
      EXPECT_FALSE(proof.exact) << name << " in " << carrierName;
      EXPECT_GT(proof.inexact, 0u);
      EXPECT_LE(proof.inexact, enumerate(format(name), 0x01, 0x7e, carrierName).inexact);
    }
}

TEST(FoldProof, PowerOfTwoScalesFoldIntoBf16) {
  // OCP scales of finite data end at 2^(127 - floor(log2 qmax)): 127 for
  // e1m2, 125 for e2m1 and int4; they start at 2^-127.
  const struct {
    const char *name;
    uint32_t highest;
  } cases[] = {{"MXUF4", 254}, {"MXFP4", 252}, {"MXINT4", 252}};
  for (auto [name, highest] : cases) {
    std::vector<uint32_t> scales = producibleScales(format(name), 0);
    EXPECT_EQ(scales.front(), 0u) << name;
    EXPECT_EQ(scales.back(), highest) << name;
    EXPECT_EQ(enumerate(format(name), 0, highest, "bf16").inexact, 0u) << name;
    EXPECT_TRUE(proveFold(format(name), 1, carrier("bf16")).exact) << name;
    EXPECT_FALSE(proveFold(format(name), 1, carrier("f16")).exact) << name;
    EXPECT_FALSE(proveFold(format(name), 1, carrier("e5m2")).exact) << name;
    EXPECT_FALSE(proveFold(format(name), 1, carrier("bf16"), /*subnormals=*/false).exact) << name;
  }
}

TEST(FoldProof, ScalesOfFiveBitsFoldIntoBf16AndSixDoNot) {
  Format f = format("UFP4_B");
  EXPECT_TRUE(proveFold(f, 1, carrier("bf16")).exact);
  EXPECT_EQ(proveFold(f, 1, carrier("bf16")).significantBits, 8u);
  f.levels[0].bits = 6;
  EXPECT_FALSE(proveFold(f, 1, carrier("bf16")).exact);
  EXPECT_TRUE(proveFold(f, 1, carrier("tf32")).exact);
}

TEST(FoldProof, FiveBitScalesMatchEnumeration) {
  const Format &f = format("UFP4_B");
  const std::set<double> &values = magnitudes("bf16");
  uint64_t products = 0;
  for (uint32_t scale : producibleScales(f, 0)) {
    EXPECT_EQ(scale & 7, 0u); // 8 - 5 bits are zero
    for (float code : f.grid.values) {
      ++products;
      double product = double(code) * numerics::decodeScale(ScaleType::BF16, scale);
      ASSERT_TRUE(values.count(std::fabs(product))) << scale << " x " << code;
    }
  }
  EXPECT_EQ(proveFold(f, 1, carrier("bf16")).products, products);
}

TEST(FoldProof, HiF4) {
  const Format &f = format("HIF4");
  // Element times both one-bit exponents: k/4 * {1, 2, 4}.
  EXPECT_TRUE(proveFold(f, 2, carrier("e2m3")).exact);
  EXPECT_TRUE(proveFold(f, 2, carrier("e3m2")).exact);
  EXPECT_TRUE(proveFold(f, 2, carrier("e4m3")).exact);
  EXPECT_FALSE(proveFold(f, 2, carrier("e2m1")).exact);
  FoldProof s8 = proveFold(f, 2, carrier("s8"));
  EXPECT_TRUE(s8.exact);
  EXPECT_EQ(s8.shift, 2);
  EXPECT_FALSE(proveFold(f, 2, carrier("s4")).exact);
  // With the E6M2 scale too.
  FoldProof bf16 = proveFold(f, 3, carrier("bf16"));
  EXPECT_TRUE(bf16.exact);
  EXPECT_EQ(bf16.significantBits, 6u);
  EXPECT_EQ(bf16.products, 16u * 2 * 2 * 255);
  EXPECT_FALSE(proveFold(f, 3, carrier("f16")).exact);
  EXPECT_FALSE(proveFold(f, 3, carrier("e4m3")).exact);
}

TEST(FoldProof, F32ScalesBySignificantBits) {
  EXPECT_EQ(proveFold(format("UFP4"), 1, carrier("f32")).significantBits, 27u);
  EXPECT_EQ(proveFold(format("E2M1_REF"), 1, carrier("f32")).significantBits, 26u);
  Format cut = format("UFP4");
  for (unsigned bits = 1; bits <= 24; ++bits) {
    cut.levels[0].bits = bits;
    EXPECT_EQ(proveFold(cut, 1, carrier("f32")).exact, bits <= 21) << bits;
    EXPECT_EQ(proveFold(cut, 1, carrier("tf32")).exact, bits <= 8) << bits;
    EXPECT_EQ(proveFold(cut, 1, carrier("bf16")).exact, bits <= 5) << bits;
  }
}

TEST(FoldProof, F32SignificantBitsAreAttained) {
  // One scale of 22 bits times the code 7/4 is not a float, though every one of 21 is.
  double scale22 = std::ldexp(0x3fffffp0, -21), scale21 = std::ldexp(0x1fffffp0, -20);
  EXPECT_FALSE(carrier("f32").holds(1.75 * scale22));
  EXPECT_TRUE(carrier("f32").holds(1.75 * scale21));
}

TEST(FoldProof, BothGridsOfAFormatAreProved) {
  Format mix = format("NVFP4");
  mix.levels[0].rule = ScaleRule::Program;
  mix.alternative = grid("int4");
  FoldProof proof = proveFold(mix, 1, carrier("bf16"));
  EXPECT_TRUE(proof.exact);
  EXPECT_EQ(proof.significantBits, 7u) << "INT4's";
  // Scales without their sign, 0x01 to 0x7e; -8 is never produced.
  EXPECT_EQ(proof.products, uint64_t(0x7e) * (16 + 15));
  EXPECT_EQ(proveFold(format("NVFP4"), 1, carrier("bf16")).significantBits, 6u);
  // Each grid alone is in e2m1 or s4, but not both.
  EXPECT_FALSE(proveFold(mix, 0, carrier("e2m1")).exact);
  EXPECT_FALSE(proveFold(mix, 0, carrier("s4")).exact);
  EXPECT_EQ(findExponentWindow(mix, carrier("e2m3")).size(), 3);
  EXPECT_TRUE(findExponentWindow(mix, carrier("s4")).empty());
}

TEST(FoldProof, UserTablesAreProvedToo) {
  Format f = format("MXFP4");
  f.grid = {GridKind::LUT, "thirds", {0, 0.5f, 1.0f / 3, -1}, 1};
  EXPECT_FALSE(proveFold(f, 0, carrier("bf16")).exact);
  EXPECT_TRUE(proveFold(f, 0, carrier("f32")).exact);
  f.grid = {GridKind::LUT, "powers", {-4, -1, -0.25f, 0, 0.25f, 1, 4, 16}, 16};
  EXPECT_TRUE(proveFold(f, 1, carrier("bf16")).exact);
  EXPECT_TRUE(proveFold(f, 0, carrier("e2m3")).exact == false);
  EXPECT_TRUE(proveFold(f, 0, carrier("e4m3")).exact);
}

} // namespace
