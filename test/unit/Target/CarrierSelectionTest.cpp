//===- CarrierSelectionTest.cpp - Carriers of every format on every target ===//
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

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

using namespace quadrille;
using namespace quadrille::target;

namespace {

const Format &format(const char *name) { return *lookupFormat(name); }
const Capability &target(std::string_view name) { return *lookupCapability(name); }
CarrierChoice select(const char *targetName, const char *formatName,
                     const SelectOptions &options = {}) {
  return selectCarrier(target(targetName), format(formatName), format(formatName), options);
}

//===----------------------------------------------------------------------===//
// Every cell
//===----------------------------------------------------------------------===//

/// What is expected on a target of each kind of format.
struct Row {
  const char *target;
  const char *e2m1E8M0, *uniformE8M0, *e2m1E4M3, *uniformE4M3, *hif4, *ufp4b, *ufp4, *e2m1Ref;
};

constexpr Row rows[] = {
    {"host:sse4", "f32 folded 1x", "f32 folded 1x", "f32 folded 1x", "f32 folded 1x",
     "f32 folded 1x", "f32 folded 1x", "f32 per-k-block(16) 0.842x", "f32 per-k-block(16) 0.842x"},
    {"host:avx2", "s8 per-k-block(32) 1.6x", "s8 per-k-block(32) 1.6x", "f32 folded 1x",
     "f32 folded 1x", "s8 per-k-block(64) 1.78x", "f32 folded 1x", "s8 per-k-block(16) 1.33x",
     "s8 per-k-block(16) 1.33x"},
    {"host:avx512", "s8 per-k-block(32) 1.6x", "s8 per-k-block(32) 1.6x", "f32 folded 1x",
     "f32 folded 1x", "s8 per-k-block(64) 1.78x", "f32 folded 1x", "s8 per-k-block(16) 1.33x",
     "s8 per-k-block(16) 1.33x"},
    {"host:avx512vnni", "s8 per-k-block(32) 2.67x", "s8 per-k-block(32) 2.67x",
     "s8 per-k-block(16) 2x", "s8 per-k-block(16) 2x", "s8 per-k-block(64) 3.2x",
     "s8 per-k-block(16) 2x", "s8 per-k-block(16) 2x", "s8 per-k-block(16) 2x"},
    {"sm_80", "bf16 folded 1x", "bf16 folded 1x", "bf16 folded 1x", "bf16 folded 1x",
     "bf16 folded 1x", "bf16 folded 1x", "bf16 per-k-block(16) 0.25x",
     "bf16 per-k-block(16) 0.25x"},
    {"sm_89", "e5m2 folded-exponent(29) 2x", "e5m2 folded-exponent(30) 2x", "bf16 folded 1x",
     "bf16 folded 1x", "bf16 folded 1x", "bf16 folded 1x", "s8 per-k-block(16) 0.667x",
     "s8 per-k-block(16) 0.667x"},
    {"sm_90a", "e5m2 folded-exponent(29) 2x", "e5m2 folded-exponent(30) 2x", "bf16 folded 1x",
     "bf16 folded 1x", "bf16 folded 1x", "bf16 folded 1x", "bf16 per-k-block(16) 0.25x",
     "bf16 per-k-block(16) 0.25x"},
    {"sm_100a", "e2m1 native 4x", "e2m3 native 2x", "e2m1 native 4x", "bf16 folded 1x",
     "bf16 folded 1x", "bf16 folded 1x", "bf16 per-k-block(16) 0.16x",
     "bf16 per-k-block(16) 0.16x"},
    {"sm_103a", "e2m1 native 6x", "e2m3 native 2x", "e2m1 native 6x", "bf16 folded 1x",
     "bf16 folded 1x", "bf16 folded 1x", "bf16 per-k-block(16) 0.16x",
     "bf16 per-k-block(16) 0.16x"},
    {"sm_120a", "e2m1 native 4x", "e2m3 native 2x", "e2m1 native 4x", "bf16 folded 1x",
     "bf16 folded 1x", "bf16 folded 1x", "s8 per-k-block(16) 0.667x", "s8 per-k-block(16) 0.667x"},
    {"gfx942", "e5m2fnuz folded-exponent(30) 2x", "e5m2fnuz folded-exponent(31) 2x",
     "f16 folded 1x", "f16 folded 1x", "bf16 folded 1x", "bf16 folded 1x",
     "f16 per-k-block(16) 0.4x", "f16 per-k-block(16) 0.4x"},
    {"gfx950", "e2m1 native 4x", "e2m3 native 4x", "f16 folded 1x", "f16 folded 1x",
     "bf16 folded 1x", "bf16 folded 1x", "f16 per-k-block(16) 0.25x",
     "f16 per-k-block(16) 0.25x"},
    {"gfx1100", "bf16 folded 1x", "bf16 folded 1x", "f16 folded 1x", "f16 folded 1x",
     "bf16 folded 1x", "bf16 folded 1x", "s4 per-k-block(16) 0.667x",
     "f16 per-k-block(16) 0.571x"},
    {"gfx1200", "e5m2 folded-exponent(29) 2x", "e5m2 folded-exponent(30) 2x", "f16 folded 1x",
     "f16 folded 1x", "bf16 folded 1x", "bf16 folded 1x", "e5m2 per-k-block(16) 0.8x",
     "e5m2 per-k-block(16) 0.8x"},
    {"gfx1250", "e2m1 native 8x", "e2m3 native 4x", "e2m1 native 8x", "e2m3 native 4x",
     "bf16 folded 1x", "bf16 folded 1x", "f16 per-k-block(16) 0.125x",
     "f16 per-k-block(16) 0.125x"},
};

TEST(CarrierSelection, EveryCell) {
  EXPECT_EQ(std::size(rows), capabilities().size());
  for (const Row &row : rows) {
    const std::pair<const char *, const char *> cells[] = {
        {"UFP4", row.ufp4},         {"UFP4_B", row.ufp4b},       {"MXUF4", row.uniformE8M0},
        {"NVFP4", row.e2m1E4M3},    {"NVINT4", row.uniformE4M3}, {"MXFP4", row.e2m1E8M0},
        {"MXINT4", row.uniformE8M0}, {"HIF4", row.hif4},         {"E2M1_REF", row.e2m1Ref},
        {"NVFP4_16x16", row.e2m1E4M3}};
    EXPECT_EQ(std::size(cells), namedFormats().size());
    for (auto [name, expected] : cells)
      EXPECT_EQ(describe(select(row.target, name)), expected) << row.target << " " << name;
  }
}

/// Checks with separately decoded carriers that an operand's plan loses no bit.
void expectExact(const Format &f, const OperandPlan &plan, const std::string &where) {
  const std::set<double> &values = magnitudes(std::string(plan.carrier->name));
  auto held = [&](double value) {
    return values.empty() ? double(float(value)) == value // f32
                          : values.count(std::fabs(value)) == 1;
  };
  std::vector<double> products;
  for (float code : f.grid.values)
    if (!(f.grid.kind == GridKind::INT4 && code == -8))
      products.push_back(code);
  size_t folded = plan.application == ScaleApplication::FoldedExponent ? 0 : plan.foldedLevels;
  for (size_t i = 0; i < folded; ++i) {
    std::vector<double> next;
    for (uint32_t bits : producibleScales(f, i))
      for (double p : products)
        next.push_back(p * numerics::decodeScale(f.levels[i].type, bits));
    products = std::move(next);
  }
  for (double p : products)
    ASSERT_TRUE(held(std::ldexp(p, plan.shift))) << where << " " << p;
  if (plan.application != ScaleApplication::FoldedExponent)
    return;
  for (int e = plan.window.low; e <= plan.window.high; ++e)
    for (double p : products)
      ASSERT_TRUE(held(std::ldexp(p, e))) << where << " 2^" << e;
}

TEST(CarrierSelection, EveryCellIsExact) {
  for (const Capability &t : capabilities())
    for (const Format &f : namedFormats()) {
      CarrierChoice choice = selectCarrier(t, f, f);
      ASSERT_FALSE(choice.refused()) << choice.refusal;
      std::string where = std::string(t.name) + " " + f.name;
      EXPECT_TRUE(choice.mma->takes(choice.a.carrier)) << where;
      EXPECT_TRUE(choice.a.exact && choice.b.exact) << where;
      EXPECT_FALSE(choice.why.empty()) << where;
      expectExact(f, choice.a, where);
      expectExact(f, choice.b, where);
      if (choice.kBlock) {
        EXPECT_EQ(choice.kBlock % choice.mma->k, 0u) << where;
      }
    }
}

TEST(CarrierSelection, ChosenInstructionsMatchTheScales) {
  EXPECT_EQ(select("sm_100a", "MXFP4").mma->name, "tcgen05.mma.mxf4");
  EXPECT_EQ(select("sm_100a", "NVFP4").mma->name, "tcgen05.mma.mxf4nvf4.4x");
  EXPECT_EQ(select("sm_120a", "MXUF4").mma->name, "mma.m16n8k32.mxf8f6f4");
  EXPECT_EQ(select("gfx950", "MXUF4").mma->name, "mfma.scale.32x32x64.f6f4");
  EXPECT_EQ(select("gfx1250", "NVINT4").mma->name, "wmma.scale16.16x16x128.f8f6f4");
  EXPECT_EQ(select("sm_90a", "MXFP4").mma->name, "wgmma.m64nNk32.f8");
}

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

TEST(CarrierSelection, NarrowSumsOfFp8ArePromotedUnlessFast) {
  EXPECT_TRUE(select("sm_90a", "MXFP4").promote);
  EXPECT_FALSE(select("sm_90a", "MXFP4", {.accumulation = Accumulation::Fast}).promote);
  CarrierChoice f32 = select("sm_90a", "MXFP4", {.accumulation = Accumulation::F32});
  EXPECT_EQ(describe(f32), "bf16 folded 1x");
  EXPECT_TRUE(select("sm_89", "MXFP4").promote);
  EXPECT_FALSE(select("gfx942", "MXFP4").promote);
  EXPECT_FALSE(select("sm_90a", "NVFP4").promote);
}

TEST(CarrierSelection, InexactIsOptIn) {
  CarrierChoice nvfp4 = select("sm_90a", "NVFP4", {.exact = false});
  EXPECT_EQ(describe(nvfp4), "e4m3 folded 2x");
  EXPECT_FALSE(nvfp4.a.exact);
  // The largest product, 6 * 448, stays in range.
  EXPECT_LE(std::ldexp(6.0 * 448, nvfp4.a.shift), 448);
  CarrierChoice ufp4 = select("sm_90a", "UFP4", {.exact = false});
  EXPECT_EQ(describe(ufp4), "bf16 folded 1x");
  EXPECT_FALSE(ufp4.a.exact);
  EXPECT_NE(ufp4.why.find("exact = false"), std::string::npos) << ufp4.why;
  // Where exact is as fast, exact it stays.
  EXPECT_TRUE(select("sm_100a", "NVFP4", {.exact = false}).a.exact);
}

TEST(CarrierSelection, SlowPathsNameFasterFormats) {
  CarrierChoice choice = select("sm_90a", "UFP4");
  EXPECT_EQ(choice.kBlock, 16u);
  EXPECT_EQ(choice.alternatives,
            (std::vector<std::string>{"MXUF4 (2x)", "UFP4_B (1x)", "HIF4 (1x)"}));
}

TEST(CarrierSelection, RefusalsNameCarriersAndAlternatives) {
  CarrierChoice choice = select("sm_90a", "UFP4", {.minimumRate = 1});
  ASSERT_TRUE(choice.refused());
  EXPECT_NE(choice.refusal.find("bf16"), std::string::npos) << choice.refusal;
  EXPECT_NE(choice.refusal.find("27 significant bits"), std::string::npos) << choice.refusal;
  EXPECT_NE(choice.refusal.find("UFP4_B (1x)"), std::string::npos) << choice.refusal;
  EXPECT_EQ(choice.mma, nullptr);
}

TEST(CarrierSelection, AWantedCarrierIsUsedOrRefused) {
  EXPECT_EQ(describe(select("sm_90a", "MXFP4", {.carrier = "e4m3"})),
            "e4m3 folded-exponent(15) 2x");
  CarrierChoice fp8 = select("sm_90a", "NVFP4", {.carrier = "e5m2"});
  ASSERT_TRUE(fp8.refused());
  EXPECT_NE(fp8.refusal.find("6 significant bits"), std::string::npos) << fp8.refusal;
  CarrierChoice none = select("sm_90a", "MXFP4", {.carrier = "e2m1"});
  ASSERT_TRUE(none.refused());
  EXPECT_NE(none.refusal.find("has no such carrier"), std::string::npos) << none.refusal;
}

TEST(CarrierSelection, RejectedCarriersHaveReasons) {
  CarrierChoice choice = select("sm_90a", "NVFP4");
  bool fp8 = false;
  for (const CarrierChoice::Rejected &r : choice.rejected) {
    EXPECT_FALSE(r.why.empty()) << r.carrier;
    EXPECT_NE(r.carrier, "bf16");
    fp8 |= r.carrier == "e4m3" && r.why.find("6 significant bits") != std::string::npos;
  }
  EXPECT_TRUE(fp8);
}

//===----------------------------------------------------------------------===//
// Operands that differ, and formats of the user's
//===----------------------------------------------------------------------===//

TEST(CarrierSelection, PlainOperands) {
  const CarrierType &bf16 = *lookupCarrierType("bf16"), &f32 = *lookupCarrierType("f32");
  CarrierChoice mixed = selectCarrier(target("sm_90a"), format("NVFP4"), bf16);
  EXPECT_EQ(mixed.a.carrier->name, "bf16");
  EXPECT_EQ(mixed.b.application, ScaleApplication::None);
  // f32 elements fit nothing narrower.
  CarrierChoice wide = selectCarrier(target("gfx942"), format("NVFP4"), f32);
  EXPECT_EQ(wide.b.carrier->name, "f32");
}

TEST(CarrierSelection, OperandsOfDifferentFormats) {
  // One scale folds, the other does not: the K-block is that of the second.
  CarrierChoice choice = selectCarrier(target("sm_90a"), format("UFP4_B"), format("UFP4"));
  ASSERT_FALSE(choice.refused());
  EXPECT_EQ(choice.kBlock, 16u);
  EXPECT_EQ(choice.b.application, ScaleApplication::PerKBlock);
  // Different element types of one instruction.
  CarrierChoice mx = selectCarrier(target("sm_100a"), format("MXFP4"), format("MXUF4"));
  EXPECT_EQ(mx.a.carrier->name, "e2m1");
  EXPECT_EQ(mx.b.carrier->name, "e2m3");
  EXPECT_EQ(mx.mma->name, "tcgen05.mma.mxf8f6f4");
}

TEST(CarrierSelection, LongBlocksOfIntegersUseFourBits) {
  Format f = format("MXINT4");
  f.levels[0] = {{1, 1024}, ScaleType::F32};
  EXPECT_EQ(describe(selectCarrier(target("sm_80"), f, f)), "s4 per-k-block(1024) 3.2x");
}

TEST(CarrierSelection, IntegerSumsMustFitTheAccumulator) {
  Format f = format("MXINT4");
  f.grid = {GridKind::LUT, "wide", {-127, 0, 1, 127}, 127};
  const Capability &vnni = target("host:avx512vnni"), &ampere = target("sm_80");
  f.levels[0] = {{1, 1 << 8}, ScaleType::F32}; // 22 bits, and the sign
  EXPECT_EQ(selectCarrier(vnni, f, f).a.carrier->name, "s8");
  f.levels[0].block.cols = 1 << 9;
  EXPECT_NE(selectCarrier(vnni, f, f).a.carrier->name, "s8");
  EXPECT_EQ(selectCarrier(ampere, f, f).a.carrier->name, "s8");
  f.levels[0].block.cols = 1 << 18; // 32 bits
  EXPECT_NE(selectCarrier(ampere, f, f).a.carrier->name, "s8");
}

TEST(CarrierSelection, IntegerSumsAreExactEnoughForF32) {
  CarrierChoice choice = select("host:avx512vnni", "MXUF4", {.accumulation = Accumulation::F32});
  EXPECT_EQ(describe(choice), "s8 per-k-block(32) 2.67x");
  EXPECT_FALSE(choice.promote);
}

TEST(CarrierSelection, UncutBf16ScalesNeedTf32) {
  Format f = format("UFP4_B");
  f.levels[0].bits = 0;
  EXPECT_EQ(describe(selectCarrier(target("sm_90a"), f, f)), "tf32 folded 0.5x");
}

/// The capability table of sm_100a multiplies NVFP4 as it is stored; it cannot take scales
/// whose sign says which grid the codes are of, even where its operand type has both grids.
TEST(CarrierSelection, ScalesWithAChoiceAreNotNative) {
  Format mix = format("NVFP4");
  mix.levels[0].rule = ScaleRule::Program;
  CarrierChoice one = selectCarrier(target("sm_100a"), mix, mix);
  EXPECT_EQ(one.a.application, ScaleApplication::Native);
  mix.alternative = makeLutGrid("signs", {0, 1, -1});
  CarrierChoice two = selectCarrier(target("sm_100a"), mix, mix);
  EXPECT_EQ(two.a.application, ScaleApplication::Folded) << two.refusal;
  EXPECT_EQ(two.a.carrier->name, "bf16");
  bool explained = std::any_of(two.rejected.begin(), two.rejected.end(), [](const auto &r) {
    return r.carrier == "e2m1" && r.why.find("without a sign") != std::string::npos;
  });
  EXPECT_TRUE(explained);
  SelectOptions fast;
  fast.minimumRate = 3;
  EXPECT_TRUE(selectCarrier(target("sm_100a"), mix, mix, fast).alternatives.empty())
      << "no named format has these grids";
}

//===----------------------------------------------------------------------===//
// Answers for people
//===----------------------------------------------------------------------===//

TEST(Support, Answers) {
  Support yes = isSupported("sm_90a", format("UFP4"), "matmul");
  EXPECT_TRUE(yes.supported);
  EXPECT_EQ(yes.instead.front(), "MXUF4 (2x)");
  EXPECT_TRUE(isSupported("gfx942", format("HIF4"), "quantize").supported);
  Support unknown = isSupported("sm_70", format("UFP4"), "matmul");
  EXPECT_FALSE(unknown.supported);
  EXPECT_NE(unknown.why.find("gfx1250"), std::string::npos);
  EXPECT_FALSE(isSupported("sm_90a", format("UFP4"), "softmax").supported);
}

TEST(Form, TheFirstThatIsExact) {
  CarrierForm folded = findCarrierForm(format("MXUF4"), "auto");
  EXPECT_EQ(folded.carrier->name, "e5m2");
  EXPECT_EQ(folded.window.low, -14);
  EXPECT_EQ(folded.window.high, 15);
  CarrierForm scaled = findCarrierForm(format("HIF4"), "auto");
  EXPECT_EQ(scaled.carrier->name, "bf16");
  EXPECT_TRUE(scaled.window.empty());
}

TEST(Form, RefusalsSayWhyAndWhatWouldWork) {
  CarrierForm bits = findCarrierForm(format("UFP4"), "bf16");
  EXPECT_NE(bits.refusal.find("needs 27 significant bits, it has 8"), std::string::npos);
  EXPECT_EQ(bits.instead, "a format such as UFP4_B, MXUF4, HIF4");
  EXPECT_EQ(findCarrierForm(format("NVFP4"), "e4m3").instead,
            "the carrier bf16 or a format such as MXFP4");
  EXPECT_EQ(findCarrierForm(format("MXUF4"), "s8").instead, "auto, e5m2, e4m3 or bf16");
}

TEST(Support, ThePageHoldsTheTable) {
  std::ifstream page(QUADRILLE_CARRIERS_PAGE);
  ASSERT_TRUE(page.good()) << QUADRILLE_CARRIERS_PAGE;
  std::stringstream text;
  text << page.rdbuf();
  EXPECT_NE(text.str().find(carrierTable()), std::string::npos)
      << "docs/carriers.md should hold:\n"
      << carrierTable();
}

} // namespace
