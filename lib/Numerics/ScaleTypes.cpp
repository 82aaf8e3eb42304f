//===- ScaleTypes.cpp - Element types of scales ---------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/ScaleTypes.h"

#include <algorithm>
#include <cassert>
#include <cmath>

using namespace quadrille;
using namespace quadrille::numerics;

// In the order of the enum.
static constexpr ScaleTypeInfo kScaleTypes[] = {
    // type, name, storage, mantissa, bias, subnormals, max, floor, NaN
    {ScaleType::F32, "f32", 32, 23, 127, true, 0x7f7fffff, 0x00800000, 0x7fc00000},
    {ScaleType::BF16, "bf16", 16, 7, 127, true, 0x7f7f, 0x0080, 0x7fc0},
    {ScaleType::E4M3, "e4m3", 8, 3, 7, true, 0x7e, 0x01, 0x7f},
    {ScaleType::E8M0, "e8m0", 8, 0, 127, false, 0xfe, 0x00, 0xff},
    {ScaleType::UE5M3, "ue5m3", 8, 3, 15, true, 0xfe, 0x01, 0xff},
    {ScaleType::E6M2, "e6m2", 8, 2, 48, false, 0xfe, 0x00, 0xff},
    {ScaleType::E1, "e1", 1, 0, 0, false, 1, 0, 0},
};

const ScaleTypeInfo &numerics::scaleTypeInfo(ScaleType type) {
  return kScaleTypes[static_cast<size_t>(type)];
}

const ScaleTypeInfo *numerics::lookupScaleType(std::string_view name) {
  for (const ScaleTypeInfo &info : kScaleTypes)
    if (info.name == name)
      return &info;
  return nullptr;
}

std::string_view numerics::scaleRuleName(ScaleRule rule) {
  static constexpr std::string_view names[] = {"nearest", "up", "ocp", "hif4", "program"};
  return names[static_cast<size_t>(rule)];
}

float numerics::decodeScale(ScaleType type, uint32_t bits) {
  const ScaleTypeInfo &info = scaleTypeInfo(type);
  if (info.nanBits && bits == info.nanBits)
    return floatOf(0x7fc00000);
  if (info.storageBits >= 16) // the upper bits of an f32
    return floatOf(bits << (32 - info.storageBits));
  int exponent = static_cast<int>(bits >> info.mantissaBits);
  int mantissa = static_cast<int>(bits & ((1u << info.mantissaBits) - 1));
  if (info.hasSubnormals && exponent == 0)
    exponent = 1;
  else
    mantissa += 1 << info.mantissaBits;
  return std::ldexp(static_cast<float>(mantissa),
                    exponent - info.bias - static_cast<int>(info.mantissaBits));
}

/// Mantissa bits of the type that a level keeps.
static unsigned keptMantissaBits(const ScaleTypeInfo &info, unsigned significantBits) {
  return significantBits ? significantBits - 1 : info.mantissaBits;
}

/// The largest encoding when the lowest `info.mantissaBits - kept` are zero.
static uint32_t maxBits(const ScaleTypeInfo &info, unsigned kept) {
  return info.maxBits >> (info.mantissaBits - kept) << (info.mantissaBits - kept);
}

float numerics::maxScale(ScaleType type, unsigned significantBits) {
  const ScaleTypeInfo &info = scaleTypeInfo(type);
  return decodeScale(type, maxBits(info, keptMantissaBits(info, significantBits)));
}

/// f32 bits of a value >= 0 with the exponent's range extended below zero, so
/// that subnormals have a normalised mantissa: the integer's upper part is
/// floor(log2(value)) + 127, the lower 23 bits the mantissa. Zero gives a
/// number below that of every scale type's smallest value.
static int32_t normalizedBits(float value) {
  constexpr int32_t minNormal = 0x00800000;
  int32_t bits = static_cast<int32_t>(bitsOf(value));
  if (bits >= minNormal)
    return bits;
  return static_cast<int32_t>(bitsOf(value * 0x1p24f)) - 24 * minNormal;
}

/// Keeps the upper `kept` of f32 bits' 23 mantissa bits, rounding to nearest,
/// ties to the even significand. With no mantissa bits kept the significand is
/// the implicit 1, which is odd: ties go up. Exact for negative integers too.
static int32_t roundMantissa(int32_t bits, unsigned kept) {
  unsigned drop = 23 - kept;
  if (drop == 0)
    return bits;
  int32_t half = (1 << (drop - 1)) - 1;
  int32_t odd = kept == 0 ? 1 : (bits >> drop) & 1;
  return (bits + half + odd) >> drop;
}

/// Nearest encoding of a finite value or +infinity, before clamping.
static int32_t encodeNearest(const ScaleTypeInfo &info, unsigned kept, float value) {
  int32_t rebias = (127 - info.bias) << kept;
  if (info.hasSubnormals && info.bias != 127) {
    // Below the smallest normal number the spacing is constant: adding the
    // power of two whose last place is that spacing leaves the integer there.
    float minNormal = std::ldexp(1.0f, 1 - info.bias);
    float magic = std::ldexp(1.0f, 1 - info.bias - static_cast<int>(info.mantissaBits) + 23);
    if (value < minNormal)
      return static_cast<int32_t>(bitsOf(value + magic)) - static_cast<int32_t>(bitsOf(magic));
  }
  int32_t bits = info.hasSubnormals ? static_cast<int32_t>(bitsOf(value)) : normalizedBits(value);
  return roundMantissa(bits, kept) - rebias;
}

/// Restores the dropped low mantissa bits (as zeros) and clamps to the range.
static uint32_t clampEncoding(const ScaleTypeInfo &info, unsigned kept, int32_t encoding) {
  unsigned dropped = info.mantissaBits - kept;
  int32_t low = static_cast<int32_t>(info.floorBits >> dropped);
  int32_t high = static_cast<int32_t>(info.maxBits >> dropped);
  return static_cast<uint32_t>(std::clamp(encoding, low, high)) << dropped;
}

uint32_t numerics::encodeScale(ScaleType type, float value, unsigned significantBits) {
  assert(type != ScaleType::E1 && "one-bit exponents come from the HiF4 algorithm");
  const ScaleTypeInfo &info = scaleTypeInfo(type);
  if (std::isnan(value))
    return info.nanBits;
  unsigned kept = keptMantissaBits(info, significantBits);
  if (value <= 0) // -0 would be a huge integer
    return clampEncoding(info, kept, 0);
  return clampEncoding(info, kept, encodeNearest(info, kept, value));
}

/// The smallest encoding that is not under the value, before clamping.
static int32_t encodeUp(const ScaleTypeInfo &info, unsigned kept, float value) {
  int32_t encoding = encodeNearest(info, kept, value);
  uint32_t clamped = clampEncoding(info, kept, encoding);
  bool under = decodeScale(info.type, clamped) < value;
  return under ? static_cast<int32_t>(clamped >> (info.mantissaBits - kept)) + 1 : encoding;
}

/// Powers of two are taken from amax and qmax themselves, not from their
/// rounded quotient: ocp is 2^(floor(log2 amax) - floor(log2 qmax)), up is the
/// smallest 2^k with amax <= qmax 2^k.
static int32_t encodePowerOfTwo(ScaleRule rule, float qmax, float amax) {
  int32_t qmaxBits = static_cast<int32_t>(bitsOf(qmax));
  int32_t qmaxExponent = (qmaxBits >> 23) - 127;
  int32_t qmaxMantissa = qmaxBits & 0x7fffff;
  int32_t bits = normalizedBits(amax);
  if (rule == ScaleRule::Up)
    bits += 0x7fffff - qmaxMantissa; // carries into the exponent if amax's mantissa is larger
  return (bits >> 23) - qmaxExponent;
}

/// The encoding for a finite amax, before clamping.
static int32_t encodeFiniteAmax(const ScaleTypeInfo &info, const Level &level, float qmax,
                                float amax) {
  bool powerOfTwo = level.type == ScaleType::E8M0;
  if (powerOfTwo && level.rule != ScaleRule::Nearest)
    return encodePowerOfTwo(level.rule, qmax, amax);
  unsigned kept = keptMantissaBits(info, level.bits);
  float quotient = amax / qmax;
  return level.rule == ScaleRule::Up ? encodeUp(info, kept, quotient)
                                     : encodeNearest(info, kept, quotient);
}

uint32_t numerics::encodeScaleOfAmax(const Level &level, float qmax, float amax) {
  assert(level.rule == ScaleRule::Nearest || level.rule == ScaleRule::Up ||
         (level.rule == ScaleRule::OCP && level.type == ScaleType::E8M0));
  const ScaleTypeInfo &info = scaleTypeInfo(level.type);
  if (isNonFinite(amax))
    return info.nanBits;
  return clampEncoding(info, keptMantissaBits(info, level.bits),
                       encodeFiniteAmax(info, level, qmax, amax));
}

bool numerics::saturatesScale(const Level &level, float qmax, float amax) {
  const ScaleTypeInfo &info = scaleTypeInfo(level.type);
  unsigned dropped = info.mantissaBits - keptMantissaBits(info, level.bits);
  return !isNonFinite(amax) &&
         encodeFiniteAmax(info, level, qmax, amax) > static_cast<int32_t>(info.maxBits >> dropped);
}
