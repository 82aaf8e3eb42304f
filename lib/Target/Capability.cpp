//===- Capability.cpp - Questions to the capability table -----------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/Capability.h"

#include <map>
#include <string>
#include <algorithm>
#include <cmath>

using namespace quadrille;
using namespace quadrille::target;

bool CarrierType::holds(double value, bool subnormals) const {
  value = std::fabs(value);
  if (value == 0)
    return true;
  if (!(value <= maxFinite))
    return false;
  if (isInteger)
    return value == std::floor(value);
  int exponent = std::ilogb(value), minNormal = 1 - bias;
  if (exponent < minNormal && !subnormals)
    return false;
  double units = std::ldexp(value, int(mantissaBits) - std::max(exponent, minNormal));
  return units == std::floor(units);
}

uint32_t CarrierType::encode(double value) const {
  if (isInteger)
    return uint32_t(int32_t(value)) & ((uint32_t(1) << storageBits) - 1);
  uint32_t sign = std::signbit(value) && (value != 0 || hasNegativeZero);
  double magnitude = std::fabs(value);
  int exponent = magnitude == 0 ? 1 - bias : std::max(std::ilogb(magnitude), 1 - bias);
  // The leading one of a normal number adds the one that its exponent's field lacks.
  auto units = uint32_t(std::ldexp(magnitude, int(mantissaBits) - exponent));
  return sign << (storageBits - 1) | ((uint32_t(exponent + bias - 1) << mantissaBits) + units);
}

bool CarrierType::holdsAllOf(const CarrierType &other) const {
  return !isInteger && !other.isInteger && mantissaBits >= other.mantissaBits &&
         maxFinite >= other.maxFinite && minExponent() <= other.minExponent();
}

bool MmaEntry::takes(const CarrierType *type) const {
  return std::find(operands.begin(), operands.end(), type) != operands.end();
}

std::optional<std::string_view> Capability::featureFor(std::string_view instruction) const {
  for (const MmaEntry &entry : mma)
    if (entry.name == instruction)
      return entry.feature;
  for (const ConversionEntry &entry : conversions)
    if (entry.name == instruction)
      return entry.feature;
  return std::nullopt;
}

/// The level of the running CPU.
static std::string_view runningHostLevel() {
#if defined(__x86_64__)
  bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512)
    return __builtin_cpu_supports("avx512vnni") ? "host:avx512vnni" : "host:avx512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return "host:avx2";
#endif
  return "host:sse4"; // four f32 lanes: right for any 128-bit vector unit
}

/// By name. Pointers to entries stay.
static std::map<std::string, Capability, std::less<>> &registeredCapabilities() {
  static std::map<std::string, Capability, std::less<>> table;
  return table;
}

namespace quadrille::target {
void registerCapability(Capability capability); // Target/Registry.h, which needs LLVM
}

void target::registerCapability(Capability capability) {
  registeredCapabilities().insert_or_assign(std::string(capability.name), std::move(capability));
}

const Capability *target::lookupCapability(std::string_view name) {
  if (name == "host")
    name = runningHostLevel();
  auto &registered = registeredCapabilities();
  if (auto found = registered.find(name); found != registered.end())
    return &found->second;
  for (const Capability &capability : capabilities())
    if (capability.name == name)
      return &capability;
  return nullptr;
}

std::string target::unknownTarget(std::string_view name) {
  std::string message = "unknown target '" + std::string(name) + "': expected host";
  for (const Capability &capability : capabilities())
    message += ", " + std::string(capability.name);
  return message;
}
