//===- CapabilityTable.cpp - What each target can do, as data -------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/Capability.h"

#include <algorithm>
#include <cassert>
#include <initializer_list>

using namespace quadrille;
using namespace quadrille::target;

//===----------------------------------------------------------------------===//
// Carrier types
//===----------------------------------------------------------------------===//

const std::vector<CarrierType> &target::carrierTypes() {
  // The fnuz types of CDNA3 spend the code of -0 on NaN and have one more bias.
  static const std::vector<CarrierType> types = {
      // name, storage, integer, mantissa, bias, largest, -0
      {"e1m2", 4, false, 2, 1, 1.75, true},
      {"e2m1", 4, false, 1, 1, 6, true},
      {"e2m3", 6, false, 3, 1, 7.5, true},
      {"e3m2", 6, false, 2, 3, 28, true},
      {"e4m3", 8, false, 3, 7, 448, true},
      {"e5m2", 8, false, 2, 15, 57344, true},
      {"e4m3fnuz", 8, false, 3, 8, 240, false},
      {"e5m2fnuz", 8, false, 2, 16, 57344, false},
      {"s4", 4, true, 0, 0, 7, false},
      {"s8", 8, true, 0, 0, 127, false},
      {"f16", 16, false, 10, 15, 65504, true},
      {"bf16", 16, false, 7, 127, 0x1.fep127, true},
      {"tf32", 32, false, 10, 127, 0x1.ffcp127, true},
      {"f32", 32, false, 23, 127, 0x1.fffffep127, true},
  };
  return types;
}

const CarrierType *target::lookupCarrierType(std::string_view name) {
  for (const CarrierType &type : carrierTypes())
    if (type.name == name)
      return &type;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Targets
//===----------------------------------------------------------------------===//

static std::vector<const CarrierType *> types(std::initializer_list<std::string_view> names) {
  std::vector<const CarrierType *> result;
  for (std::string_view name : names) {
    result.push_back(lookupCarrierType(name));
    assert(result.back() && "a name of the table above");
  }
  return result;
}

// Accumulators that are not f32. Ada's and Hopper's instructions for fp8 keep 13 fraction bits
// (arXiv 2511.10909; not tried on Ada). The host's engine reads an integer sum as the mantissa of
// a float, which leaves 22 bits and the sign.
static constexpr unsigned kS32 = 31, kNarrowFp8 = 14, kHostS32 = 22;

// The plain vector unit as a 1 x 1 x 1 matrix instruction: the last resort.
static MmaEntry fma(std::string_view name, double rate) {
  return {name, types({"f32"}), 1, 1, 1, rate};
}

static Capability host(std::string_view name, std::string_view description, unsigned lanes) {
  return {name, description, Vendor::Host, lanes, /*sharedMemoryBytes=*/0, /*vectorRate=*/1,
          {fma("fma.f32", 1)}, {}};
}

/// A host with 8-bit dot products: `rate` multiply-adds in each 32-bit lane.
static Capability hostWithBytes(std::string_view name, std::string_view description,
                                unsigned lanes, std::string_view instruction, double rate) {
  Capability result = host(name, description, lanes);
  result.mma.insert(result.mma.begin(), {instruction, types({"s8"}), 1, lanes, 4, rate, kHostS32});
  return result;
}

static std::vector<MmaEntry> ampereMma() {
  return {
      {"mma.m16n8k16.bf16", types({"bf16"}), 16, 8, 16, 1},
      {"mma.m16n8k16.f16", types({"f16"}), 16, 8, 16, 1},
      {"mma.m16n8k64.s4", types({"s4"}), 16, 8, 64, 4, kS32},
      {"mma.m16n8k32.s4", types({"s4"}), 16, 8, 32, 4, kS32},
      {"mma.m16n8k32.s8", types({"s8"}), 16, 8, 32, 2, kS32},
      {"mma.m16n8k16.s8", types({"s8"}), 16, 8, 16, 2, kS32},
      {"mma.m16n8k8.tf32", types({"tf32"}), 16, 8, 8, 0.5},
  };
}

static Capability sm80() {
  Capability result{"sm_80", "NVIDIA Ampere (A100)", Vendor::NVIDIA, 32, 163 * 1024, 1.0 / 16,
                    ampereMma(), {}};
  result.mma.push_back(fma("fma.rn.f32", 1.0 / 16));
  return result;
}

static Capability sm89() {
  Capability result{"sm_89", "NVIDIA Ada (L40S)", Vendor::NVIDIA, 32, 99 * 1024, 1.0 / 4,
                    ampereMma(),
                    {{"cvt.rn.satfinite.e4m3x2.f32", "f32", "e4m3", "nearest_even", "ptx81"},
                     {"cvt.rn.satfinite.e5m2x2.f32", "f32", "e5m2", "nearest_even", "ptx81"}}};
  result.mma.insert(result.mma.begin(),
                    {"mma.m16n8k32.f8", types({"e5m2", "e4m3"}), 16, 8, 32, 2,
                     kNarrowFp8, std::nullopt, 0, "ptx84"});
  result.mma.push_back(fma("fma.rn.f32", 1.0 / 4));
  return result;
}

static Capability sm90a() {
  return {"sm_90a",
          "NVIDIA Hopper (H100, H200)",
          Vendor::NVIDIA,
          32,
          227 * 1024,
          1.0 / 16,
          {
              {"wgmma.m64nNk32.f8", types({"e5m2", "e4m3"}), 64, 256, 32, 2, kNarrowFp8},
              {"wgmma.m64nNk32.s8", types({"s8"}), 64, 256, 32, 2, kS32},
              {"wgmma.m64nNk16.bf16", types({"bf16"}), 64, 256, 16, 1},
              {"wgmma.m64nNk16.f16", types({"f16"}), 64, 256, 16, 1},
              {"wgmma.m64nNk8.tf32", types({"tf32"}), 64, 256, 8, 0.5},
              fma("fma.rn.f32", 1.0 / 16),
          },
          {{"cvt.rn.satfinite.e4m3x2.f32", "f32", "e4m3", "nearest_even"},
           {"cvt.rn.satfinite.e5m2x2.f32", "f32", "e5m2", "nearest_even"}}};
}

static std::vector<MmaEntry> tcgen05Mma(double fp4Rate, bool hasI8) {
  constexpr std::string_view ptx86 = "ptx86", ptx88 = "ptx88";
  std::vector<MmaEntry> result = {
      {"tcgen05.mma.mxf4", types({"e2m1"}), 128, 256, 64, fp4Rate, 24, ScaleType::E8M0, 32, ptx88},
      {"tcgen05.mma.mxf4nvf4.4x", types({"e2m1"}), 128, 256, 64, fp4Rate, 24, ScaleType::E4M3, 16,
       ptx88},
      {"tcgen05.mma.mxf8f6f4", types({"e2m1", "e2m3", "e3m2", "e4m3", "e5m2"}), 128, 256, 32, 2,
       24, ScaleType::E8M0, 32, ptx88},
      {"tcgen05.mma.f8f6f4", types({"e5m2", "e4m3", "e3m2", "e2m3", "e2m1"}), 128, 256, 32, 2, 24,
       std::nullopt, 0, ptx86},
      {"tcgen05.mma.f16.bf16", types({"bf16"}), 128, 256, 16, 1, 24, std::nullopt, 0, ptx86},
      {"tcgen05.mma.f16.f16", types({"f16"}), 128, 256, 16, 1, 24, std::nullopt, 0, ptx86},
      {"tcgen05.mma.tf32", types({"tf32"}), 128, 256, 8, 0.5, 24, std::nullopt, 0, ptx86},
      fma("fma.rn.f32", 1.0 / 28),
  };
  if (hasI8)
    result.insert(result.begin() + 4, {"tcgen05.mma.i8", types({"s8"}), 128, 256, 32, 2, kS32,
                                       std::nullopt, 0, ptx86});
  return result;
}

static Capability sm100a() {
  return {"sm_100a", "NVIDIA Blackwell (B200)", Vendor::NVIDIA, 32, 227 * 1024, 1.0 / 28,
          tcgen05Mma(/*fp4Rate=*/4, /*hasI8=*/true),
          {{"cvt.rn.satfinite.e2m1x2.f32", "f32", "e2m1", "nearest_even", "ptx86"},
           {"cvt.rs.satfinite.e2m1x4.f32", "f32", "e2m1", "stochastic", "ptx87"},
           {"cvt.rn.satfinite.e4m3x2.f32", "f32", "e4m3", "nearest_even"}}};
}

static Capability sm103a() {
  return {"sm_103a", "NVIDIA Blackwell Ultra (B300)", Vendor::NVIDIA, 32, 227 * 1024, 1.0 / 28,
          tcgen05Mma(/*fp4Rate=*/6, /*hasI8=*/false),
          {{"cvt.rn.satfinite.e2m1x2.f32", "f32", "e2m1", "nearest_even", "ptx88"},
           {"cvt.rs.satfinite.e2m1x4.f32", "f32", "e2m1", "stochastic", "ptx88"},
           {"cvt.rn.satfinite.e4m3x2.f32", "f32", "e4m3", "nearest_even"}}};
}

static Capability sm120a() {
  constexpr std::string_view ptx87 = "ptx87";
  // s4 mma.sync is emulated here (and on 90a, 100a), so it is not listed.
  return {"sm_120a",
          "NVIDIA Blackwell (RTX PRO 6000)",
          Vendor::NVIDIA,
          32,
          99 * 1024,
          1.0 / 4,
          {
              {"mma.m16n8k64.mxf4", types({"e2m1"}), 16, 8, 64, 4, 24, ScaleType::E8M0, 32, ptx87},
              {"mma.m16n8k64.mxf4nvf4.4x", types({"e2m1"}), 16, 8, 64, 4, 24, ScaleType::E4M3, 16,
               ptx87},
              {"mma.m16n8k32.mxf8f6f4", types({"e2m1", "e2m3", "e3m2", "e4m3", "e5m2"}), 16, 8, 32,
               2, 24, ScaleType::E8M0, 32, ptx87},
              {"mma.m16n8k32.f8f6f4", types({"e5m2", "e4m3", "e3m2", "e2m3", "e2m1"}), 16, 8, 32,
               2, 24, std::nullopt, 0, ptx87},
              {"mma.m16n8k32.s8", types({"s8"}), 16, 8, 32, 2, kS32},
              {"mma.m16n8k16.s8", types({"s8"}), 16, 8, 16, 2, kS32},
              {"mma.m16n8k16.bf16", types({"bf16"}), 16, 8, 16, 1},
              {"mma.m16n8k16.f16", types({"f16"}), 16, 8, 16, 1},
              {"mma.m16n8k8.tf32", types({"tf32"}), 16, 8, 8, 0.5},
              fma("fma.rn.f32", 1.0 / 4),
          },
          // cvt.rs is not there: LLVM 22 cannot select it for this target.
          {{"cvt.rn.satfinite.e2m1x2.f32", "f32", "e2m1", "nearest_even", "ptx87"},
           {"cvt.rn.satfinite.e4m3x2.f32", "f32", "e4m3", "nearest_even"}}};
}

/// Of a target that no kernel has run on: unverified are all instructions but those of these
/// operand types, which an emulator's own code executed.
static Capability emulated(Capability target, std::initializer_list<std::string_view> verified) {
  for (MmaEntry &entry : target.mma)
    entry.unverified = std::find(verified.begin(), verified.end(),
                                 entry.operands.front()->name) == verified.end();
  return target;
}

static Capability gfx942() {
  return {"gfx942",
          "AMD CDNA3 (MI300X)",
          Vendor::AMD,
          64,
          64 * 1024,
          1.0 / 8,
          {
              {"mfma.16x16x32.fp8", types({"e5m2fnuz", "e4m3fnuz"}), 16, 16, 32, 2},
              {"mfma.i32.16x16x32.i8", types({"s8"}), 16, 16, 32, 2, kS32},
              {"mfma.32x32x8.f16", types({"f16"}), 32, 32, 8, 1},
              {"mfma.32x32x8.bf16", types({"bf16"}), 32, 32, 8, 1},
              {"mfma.32x32x4.xf32", types({"tf32"}), 32, 32, 4, 0.5},
              {"mfma.32x32x2.f32", types({"f32"}), 32, 32, 2, 1.0 / 8},
          },
          {{"v_cvt_pk_fp8_f32", "f32", "e4m3fnuz", "nearest_even"},
           {"v_cvt_sr_fp8_f32", "f32", "e4m3fnuz", "stochastic"}}};
}

static Capability gfx950() {
  constexpr ScaleType e8m0 = ScaleType::E8M0;
  // The converters to 4 and 6 bits use the exponent of their scale only.
  return {"gfx950",
          "AMD CDNA4 (MI355X)",
          Vendor::AMD,
          64,
          160 * 1024,
          1.0 / 16,
          {
              {"mfma.scale.32x32x64.f6f4", types({"e2m1", "e2m3", "e3m2"}), 32, 32, 64, 4, 24, e8m0,
               32},
              {"mfma.scale.32x32x64.f8f6f4", types({"e2m1", "e2m3", "e3m2", "e4m3", "e5m2"}), 32,
               32, 64, 2, 24, e8m0, 32},
              {"mfma.32x32x64.f6f4", types({"e2m3", "e3m2", "e2m1"}), 32, 32, 64, 4},
              {"mfma.32x32x64.f8f6f4", types({"e5m2", "e4m3"}), 32, 32, 64, 2},
              {"mfma.i32.32x32x32.i8", types({"s8"}), 32, 32, 32, 2, kS32},
              {"mfma.32x32x16.f16", types({"f16"}), 32, 32, 16, 1},
              {"mfma.32x32x16.bf16", types({"bf16"}), 32, 32, 16, 1},
              {"mfma.32x32x2.f32", types({"f32"}), 32, 32, 2, 1.0 / 16},
          },
          {{"v_cvt_scalef32_pk_fp4_f32", "f32", "e2m1", "nearest_even"},
           {"v_cvt_scalef32_sr_pk_fp4_f32", "f32", "e2m1", "stochastic"},
           {"v_cvt_scalef32_2xpk16_fp6_f32", "f32", "e2m3", "nearest_even"},
           {"v_cvt_pk_fp8_f32", "f32", "e4m3", "nearest_even"}}};
}

static Capability gfx1100() {
  return {"gfx1100",
          "AMD RDNA3 (RX 7900)",
          Vendor::AMD,
          32,
          64 * 1024,
          1.0 / 4,
          {
              {"wmma.f32.16x16x16.f16", types({"f16"}), 16, 16, 16, 1},
              {"wmma.f32.16x16x16.bf16", types({"bf16"}), 16, 16, 16, 1},
              {"wmma.i32.16x16x16.iu4", types({"s4"}), 16, 16, 16, 2, kS32},
              {"wmma.i32.16x16x16.iu8", types({"s8"}), 16, 16, 16, 1, kS32},
              fma("v_fma_f32", 1.0 / 4),
          },
          {}};
}

static Capability gfx1200() {
  return {"gfx1200",
          "AMD RDNA4 (RX 9000)",
          Vendor::AMD,
          32,
          64 * 1024,
          1.0 / 4,
          {
              {"wmma.f32.16x16x16.fp8", types({"e5m2", "e4m3"}), 16, 16, 16, 2},
              {"wmma.f32.16x16x16.f16", types({"f16"}), 16, 16, 16, 1},
              {"wmma.f32.16x16x16.bf16", types({"bf16"}), 16, 16, 16, 1},
              {"wmma.i32.16x16x32.iu4", types({"s4"}), 16, 16, 32, 4, kS32},
              {"wmma.i32.16x16x16.iu8", types({"s8"}), 16, 16, 16, 2, kS32},
              fma("v_fma_f32", 1.0 / 4),
          },
          {{"v_cvt_pk_fp8_f32", "f32", "e4m3", "nearest_even"},
           {"v_cvt_sr_fp8_f32", "f32", "e4m3", "stochastic"}}};
}

static Capability gfx1250() {
  constexpr ScaleType e8m0 = ScaleType::E8M0, e4m3 = ScaleType::E4M3;
  // Rates are LLVM 22's cycle counts for this target.
  return {"gfx1250",
          "AMD CDNA5 (MI450)",
          Vendor::AMD,
          32,
          320 * 1024,
          1.0 / 32,
          {
              {"wmma.scale.32x16x128.f4", types({"e2m1"}), 32, 16, 128, 8, 24, e8m0, 32},
              {"wmma.scale16.32x16x128.f4", types({"e2m1"}), 32, 16, 128, 8, 24, e4m3, 16},
              {"wmma.scale.16x16x128.f8f6f4", types({"e2m1", "e2m3", "e3m2", "e4m3", "e5m2"}), 16,
               16, 128, 4, 24, e8m0, 32},
              {"wmma.scale16.16x16x128.f8f6f4", types({"e2m1", "e2m3", "e3m2", "e4m3", "e5m2"}), 16,
               16, 128, 4, 24, e4m3, 16},
              {"wmma.f32.16x16x64.fp8", types({"e5m2", "e4m3"}), 16, 16, 64, 4},
              {"wmma.f32.16x16x32.f16", types({"f16"}), 16, 16, 32, 1},
              {"wmma.f32.16x16x32.bf16", types({"bf16"}), 16, 16, 32, 1},
              // The same with zeros in half of K, for sums of 16.
              {"wmma.f32.16x16x32.f16", types({"f16"}), 16, 16, 16, 0.5},
              {"wmma.f32.16x16x32.bf16", types({"bf16"}), 16, 16, 16, 0.5},
              {"wmma.i32.16x16x64.iu8", types({"s8"}), 16, 16, 64, 1, kS32},
              {"wmma.f32.16x16x4.f32", types({"f32"}), 16, 16, 4, 1.0 / 16},
          },
          {{"v_cvt_scalef32_pk8_fp4_f32", "f32", "e2m1", "nearest_even"},
           {"v_cvt_scalef32_sr_pk8_fp4_f32", "f32", "e2m1", "stochastic"},
           {"v_cvt_pk_fp8_f32", "f32", "e4m3", "nearest_even"}}};
}

const std::vector<Capability> &target::capabilities() {
  static const std::vector<Capability> table = {
      host("host:sse4", "x86-64 with SSE4.2 (x86-64-v2)", 4),
      // Two instructions for four products: multiply pairs, add in 16 bits.
      hostWithBytes("host:avx2", "x86-64 with AVX2 and FMA (x86-64-v3)", 8, "vpmaddubsw", 2),
      hostWithBytes("host:avx512", "x86-64 with AVX-512 (x86-64-v4)", 16, "vpmaddubsw", 2),
      hostWithBytes("host:avx512vnni", "x86-64 with AVX-512 and VNNI (8-bit dot products)", 16,
                    "vpdpbusd", 4),
      sm80(),
      sm89(),
      sm90a(),
      sm100a(),
      sm103a(),
      sm120a(),
      emulated(gfx942(), {"f16", "bf16"}),
      emulated(gfx950(), {"f16", "bf16"}),
      emulated(gfx1100(), {"f16", "bf16"}),
      emulated(gfx1200(), {"f16", "bf16"}),
      emulated(gfx1250(), {}),
  };
  return table;
}

//===----------------------------------------------------------------------===//
// GPUs
//===----------------------------------------------------------------------===//

namespace {
struct ComputeCapability {
  unsigned major, minor;
  std::string_view target;
};
} // namespace

// Machine code runs on later minor versions of its major version, but that of a
// target with an `a` on its own GPU alone.
static constexpr ComputeCapability computeCapabilities[] = {
    {8, 0, "sm_80"},   {8, 6, "sm_80"},   {8, 7, "sm_80"},    {8, 9, "sm_89"},
    {9, 0, "sm_90a"},  {10, 0, "sm_100a"}, {10, 3, "sm_103a"}, {12, 0, "sm_120a"},
};

std::optional<DeviceTarget> target::targetOfComputeCapability(unsigned major, unsigned minor) {
  for (const ComputeCapability &entry : computeCapabilities)
    if (entry.major == major && entry.minor == minor)
      return DeviceTarget{entry.target};
  if (major < computeCapabilities[0].major)
    return std::nullopt;
  // PTX without an `a` is compiled by the driver of any newer GPU.
  return DeviceTarget{"sm_89", /*byDriver=*/true};
}
