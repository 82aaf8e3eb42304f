//===- CapabilityTest.cpp - The table is consistent and complete ----------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CarrierValues.h"
#include "quadrille/Target/Capability.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

using namespace quadrille;
using namespace quadrille::target;

namespace {

TEST(CarrierType, HoldsExactlyTheEncodedValues) {
  for (const CarrierType &type : carrierTypes()) {
    if (type.storageBits > 16)
      continue;
    const std::set<double> &values = magnitudes(std::string(type.name));
    ASSERT_FALSE(values.empty()) << type.name;
    EXPECT_EQ(*values.rbegin(), type.maxFinite) << type.name;
    for (double value : values) {
      EXPECT_TRUE(type.holds(value)) << type.name << " " << value;
      EXPECT_TRUE(type.holds(-value)) << type.name << " " << value;
    }
    // Midpoints of neighbours, half of the smallest and twice the largest.
    for (auto it = values.begin(); std::next(it) != values.end(); ++it)
      EXPECT_FALSE(type.holds((*it + *std::next(it)) / 2)) << type.name << " after " << *it;
    EXPECT_FALSE(type.holds(2 * type.maxFinite)) << type.name;
    EXPECT_EQ(std::ldexp(1.0, type.minExponent()), *std::next(values.begin())) << type.name;
    // Magnitudes are in the order of their encodings.
    if (!type.isInteger)
      for (uint32_t encoding = 0; double value : values) {
        EXPECT_EQ(type.encode(value), encoding) << type.name << " " << value;
        uint32_t sign = value != 0 || type.hasNegativeZero ? 1u << (type.storageBits - 1) : 0;
        EXPECT_EQ(type.encode(-value), encoding++ | sign) << type.name << " " << value;
      }
  }
}

TEST(CarrierType, IntegersAreTwosComplements) {
  const CarrierType &s8 = *lookupCarrierType("s8"), &s4 = *lookupCarrierType("s4");
  EXPECT_EQ(s8.encode(0), 0u);
  EXPECT_EQ(s8.encode(-0.0), 0u);
  EXPECT_EQ(s8.encode(7), 7u);
  EXPECT_EQ(s8.encode(-7), 0xf9u);
  EXPECT_EQ(s8.encode(-127), 0x81u);
  EXPECT_EQ(s4.encode(-7), 9u);
}

TEST(CarrierType, WideFloats) {
  const CarrierType &f32 = *lookupCarrierType("f32"), &tf32 = *lookupCarrierType("tf32");
  EXPECT_TRUE(f32.holds(0x1.fffffep127));
  EXPECT_TRUE(f32.holds(0x1p-149));
  EXPECT_FALSE(f32.holds(0x1p-150));
  EXPECT_FALSE(f32.holds(0x1.000001p0));
  EXPECT_TRUE(tf32.holds(0x1.004p0));
  EXPECT_FALSE(tf32.holds(0x1.002p0));
  EXPECT_FALSE(f32.holds(HUGE_VAL));
  EXPECT_FALSE(f32.holds(NAN));
}

TEST(CarrierType, SubnormalsCanBeExcluded) {
  const CarrierType &e5m2 = *lookupCarrierType("e5m2");
  EXPECT_TRUE(e5m2.holds(0x1p-16));
  EXPECT_FALSE(e5m2.holds(0x1p-16, /*subnormals=*/false));
  EXPECT_TRUE(e5m2.holds(0x1p-14, /*subnormals=*/false));
}

TEST(CarrierType, Inclusion) {
  auto includes = [](const char *outer, const char *inner) {
    return lookupCarrierType(outer)->holdsAllOf(*lookupCarrierType(inner));
  };
  EXPECT_TRUE(includes("f32", "bf16"));
  EXPECT_TRUE(includes("f32", "f16"));
  EXPECT_TRUE(includes("tf32", "bf16"));
  EXPECT_TRUE(includes("bf16", "e4m3"));
  EXPECT_TRUE(includes("e5m2", "e2m1"));
  EXPECT_FALSE(includes("bf16", "f16"));
  EXPECT_FALSE(includes("f16", "bf16"));
  EXPECT_FALSE(includes("e4m3", "e5m2"));
  EXPECT_FALSE(includes("s8", "e2m1"));
}

TEST(Capability, EveryTargetIsWellFormed) {
  for (const Capability &target : capabilities()) {
    EXPECT_EQ(lookupCapability(target.name), &target);
    EXPECT_TRUE(std::has_single_bit(target.lanes)) << target.name;
    EXPECT_EQ(target.vendor == Vendor::Host, target.sharedMemoryBytes == 0) << target.name;
    bool lastResort = false;
    for (const MmaEntry &entry : target.mma) {
      EXPECT_FALSE(entry.operands.empty()) << entry.name;
      EXPECT_GT(entry.rate, 0) << entry.name;
      EXPECT_EQ(entry.scaleType.has_value(), entry.scaleBlock != 0) << entry.name;
      if (entry.scaleBlock) {
        EXPECT_EQ(entry.k % entry.scaleBlock, 0u) << entry.name;
      }
      for (const CarrierType *type : entry.operands)
        EXPECT_EQ(type->isInteger, entry.operands[0]->isInteger) << entry.name;
      lastResort |= entry.takes(lookupCarrierType("f32"));
    }
    EXPECT_TRUE(lastResort) << target.name;
  }
}

TEST(Capability, HostIsOneOfTheLevels) {
  const Capability *host = lookupCapability("host");
  ASSERT_NE(host, nullptr);
  EXPECT_EQ(host->vendor, Vendor::Host);
}

TEST(Capability, UnknownTargetsAreNamedWithTheChoices) {
  EXPECT_EQ(lookupCapability("sm_70"), nullptr);
  std::string message = unknownTarget("sm_70");
  EXPECT_NE(message.find("unknown target 'sm_70'"), std::string::npos);
  for (const Capability &target : capabilities())
    EXPECT_NE(message.find(target.name), std::string::npos) << target.name;
}

// What LLVM 22 can select: with less it aborts the process.
TEST(Capability, FeaturesOfOptionalInstructions) {
  auto feature = [](const char *target, const char *instruction) {
    return lookupCapability(target)->featureFor(instruction);
  };
  constexpr const char *stochastic = "cvt.rs.satfinite.e2m1x4.f32";
  EXPECT_EQ(feature("sm_100a", stochastic), "ptx87");
  EXPECT_EQ(feature("sm_103a", stochastic), "ptx88");
  EXPECT_EQ(feature("sm_120a", stochastic), std::nullopt);
  EXPECT_EQ(feature("sm_90a", "cvt.rn.satfinite.e2m1x2.f32"), std::nullopt);
  EXPECT_EQ(feature("sm_120a", "cvt.rn.satfinite.e2m1x2.f32"), "ptx87");
  EXPECT_EQ(feature("sm_100a", "tcgen05.mma.mxf4nvf4.4x"), "ptx88");
  EXPECT_EQ(feature("sm_120a", "mma.m16n8k64.mxf4nvf4.4x"), "ptx87");
  EXPECT_EQ(feature("gfx950", "v_cvt_scalef32_sr_pk_fp4_f32"), "");
  EXPECT_EQ(feature("gfx942", "v_cvt_scalef32_sr_pk_fp4_f32"), std::nullopt);
  EXPECT_EQ(feature("gfx1100", "wmma.i32.16x16x16.iu4"), "");
}

TEST(DeviceTarget, OfEachComputeCapability) {
  struct Case {
    unsigned major, minor;
    std::string_view target;
    bool byDriver;
  };
  for (auto [major, minor, name, byDriver] :
       {Case{8, 0, "sm_80", false}, Case{8, 6, "sm_80", false}, Case{8, 9, "sm_89", false},
        Case{9, 0, "sm_90a", false}, Case{10, 0, "sm_100a", false}, Case{10, 3, "sm_103a", false},
        Case{12, 0, "sm_120a", false}, Case{12, 1, "sm_89", true}, Case{15, 0, "sm_89", true}}) {
    std::optional<DeviceTarget> found = targetOfComputeCapability(major, minor);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, name) << major << "." << minor;
    EXPECT_EQ(found->byDriver, byDriver) << major << "." << minor;
    EXPECT_NE(lookupCapability(found->name), nullptr) << found->name;
  }
  EXPECT_FALSE(targetOfComputeCapability(7, 5));
}

} // namespace
