//===- FormatTest.cpp - Grids and formats ---------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace quadrille;

TEST(Format, EveryNamedFormatVerifies) {
  for (const Format &format : namedFormats()) {
    EXPECT_EQ(verify(format), "") << format.name;
    EXPECT_EQ(lookupFormat(format.name), &format);
  }
  EXPECT_EQ(lookupFormat("FP4"), nullptr);
}

TEST(Format, WhatAmaxIsMappedTo) {
  EXPECT_EQ(lookupFormat("UFP4")->qmax(0), 1.75f);
  EXPECT_EQ(lookupFormat("NVFP4")->qmax(0), 6.0f);
  EXPECT_EQ(lookupFormat("NVFP4")->qmax(1), 2688.0f);
  EXPECT_EQ(lookupFormat("NVINT4")->qmax(1), 3136.0f);
  Format custom = *lookupFormat("NVFP4");
  custom.levels[1].qmax = 6 * 256;
  EXPECT_EQ(custom.qmax(1), 1536.0f);
}

TEST(Format, GridValues) {
  const Grid &e2m1 = *lookupGrid("e2m1");
  const float magnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (int code = 0; code < 8; ++code) {
    EXPECT_EQ(e2m1.values[code], magnitudes[code]);
    EXPECT_EQ(e2m1.values[code + 8], -magnitudes[code]);
    EXPECT_TRUE(std::signbit(e2m1.values[code + 8]));
    EXPECT_EQ(lookupGrid("e1m2")->values[code], code / 4.0f);
    EXPECT_EQ(lookupGrid("int4")->values[code], code);
    EXPECT_EQ(lookupGrid("int4")->values[code + 8], code - 8);
  }
  EXPECT_EQ(lookupGrid("e3m0"), nullptr);
}

TEST(Format, GridsThatAreRefused) {
  auto error = [](std::vector<float> values, float qmax = 0) {
    return verify(makeLutGrid("g", std::move(values), qmax));
  };
  EXPECT_EQ(error({0, 1}), "");
  EXPECT_EQ(error({0, 1}, 0.5f), "");
  EXPECT_NE(error({1}), "");
  EXPECT_NE(error(std::vector<float>(17, 1)), "");
  EXPECT_NE(error({1, 1}), "");
  EXPECT_NE(error({0, -0.0f}), "");
  EXPECT_NE(error({0, std::numeric_limits<float>::infinity()}), "");
  EXPECT_NE(error({0, NAN}), "");
  EXPECT_NE(error({0, 70000}), "");
  EXPECT_NE(error({0, 1}, -1), "");
  EXPECT_NE(error({0, 0x1p-20f}), "");
}

TEST(Format, TwoGridsNeedARuleAndASign) {
  using enum ScaleType;
  const Level tensor{{0, 0}, F32};
  auto error = [](Level inner, Grid other = *lookupGrid("int4")) {
    return verify(Format{"f", *lookupGrid("e2m1"), {inner}, std::move(other)});
  };
  for (ScaleType type : {F32, BF16, E4M3})
    EXPECT_EQ(error({{1, 16}, type, ScaleRule::Program}), "");
  for (ScaleType type : {E8M0, UE5M3, E6M2})
    EXPECT_NE(error({{1, 16}, type, ScaleRule::Program}).find("f32, bf16 or e4m3"),
              std::string::npos);
  EXPECT_NE(error({{1, 16}, E4M3, ScaleRule::Nearest}).find("not nearest"), std::string::npos);
  EXPECT_NE(error({{1, 16}, E4M3, ScaleRule::Program}, makeLutGrid("g", {1})), "");
  Format mix{"f", *lookupGrid("e2m1"), {{{1, 16}, E4M3, ScaleRule::Program}, tensor},
             *lookupGrid("int4")};
  EXPECT_EQ(verify(mix), "");
  EXPECT_EQ(mix.qmax(1), 2688.0f) << "the first grid's";
}

TEST(Format, FormatsThatAreRefused) {
  using enum ScaleType;
  using enum ScaleRule;
  auto error = [](std::vector<Level> levels) {
    return verify(Format{"f", *lookupGrid("e1m2"), std::move(levels)});
  };
  const Level tensor{{0, 0}, F32};
  EXPECT_EQ(error({{{1, 16}, E4M3}, {{4, 64}, UE5M3}, tensor}), "");
  EXPECT_NE(error({}), "");
  EXPECT_NE(error({tensor}), "");
  EXPECT_NE(error({{{1, 16}, E4M3}, tensor, {{1, 64}, E4M3}}), "");
  EXPECT_NE(error({{{1, 16}, E4M3}, {{1, 24}, E4M3}}), "");
  EXPECT_NE(error({{{2, 16}, E4M3}, {{1, 32}, E4M3}}), "");
  EXPECT_NE(error({{{1, 0}, E4M3}}), "");
  EXPECT_NE(error({{{1, 16}, E4M3, OCP}}), "");
  EXPECT_NE(error({{{1, 16}, E4M3, Nearest, 3}}), "");
  EXPECT_NE(error({{{1, 16}, BF16, Nearest, 9}}), "");
  EXPECT_NE(error({{{1, 16}, E1}}), "");
  EXPECT_NE(error({{{1, 64}, E6M2, HiF4}}), "");
  EXPECT_NE(error({{{1, 16}, F32}, tensor}), "") << "f32's maximum is no qmax";
  EXPECT_EQ(error({{{1, 16}, F32}, {{0, 0}, F32, Nearest, 0, 448}}), "");
}
