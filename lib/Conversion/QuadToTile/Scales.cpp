//===- Scales.cpp - Encoding of scales on tiles -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The same results as lib/Numerics/ScaleTypes.cpp, by its steps on bits with selects for
// branches and, where that is exact, without its division. They run once a block.
//
//===----------------------------------------------------------------------===//
#include "Scales.h"
#include "quadrille/Numerics/Quantize.h"
#include "llvm/ADT/bit.h"
#include <cmath>

using namespace mlir;
using namespace quadrille::numerics;

namespace quadrille {
namespace {

constexpr int64_t infinityBits = 0x7f800000;
constexpr int64_t minNormalBits = 0x00800000;

unsigned keptMantissaBits(const ScaleTypeInfo &info, unsigned significantBits) {
  return significantBits ? significantBits - 1 : info.mantissaBits;
}

/// The bits of a positive number as if the exponent had no lower end.
Tile normalizedBits(TileBuilder &t, Tile value) {
  Tile direct = t.bits(value);
  Tile raised = t.add(t.bits(t.mulf(value, t.f32(value, 0x1p24f))), -24 * minNormalBits);
  return t.select(t.cmp(arith::CmpIPredicate::sge, direct, minNormalBits), direct, raised);
}

/// Keeps `kept` mantissa bits, ties to the even significand: without mantissa bits
/// that is the implicit 1, which is odd, so ties go up.
Tile roundMantissa(TileBuilder &t, Tile bits, unsigned kept) {
  unsigned drop = 23 - kept;
  if (drop == 0)
    return bits;
  Tile below = t.add(bits, (int64_t(1) << (drop - 1)) - 1);
  Tile odd = kept == 0 ? t.i32(bits, 1) : t.bitAnd(t.shrS(bits, drop), 1);
  return t.shrS(t.add(below, odd), drop);
}

/// The encoding of a positive number without regard to the type's range, which a target's own
/// conversion may saturate to.
Tile encodeNearest(TileBuilder &t, const ScaleTypeInfo &info, unsigned kept, Tile value) {
  if (info.type == ScaleType::E4M3 && t.encodesE4M3())
    return t.encodeE4M3(value);
  Tile bits = info.hasSubnormals ? t.bits(value) : normalizedBits(t, value);
  Tile encoding = roundMantissa(t, bits, kept);
  encoding = t.add(encoding, -(int64_t(127 - info.bias) << kept));
  if (!info.hasSubnormals || info.bias == 127)
    return encoding;
  // Below the smallest normal number the spacing is constant: adding the power
  // of two whose last place is that spacing leaves the integer there.
  float minNormal = std::ldexp(1.0f, 1 - info.bias);
  float magic = std::ldexp(1.0f, 1 - info.bias - int(info.mantissaBits) + 23);
  Tile small = t.add(t.bits(t.addf(value, t.f32(value, magic))), -int64_t(bitsOf(magic)));
  Tile isSmall = t.cmpf(arith::CmpFPredicate::OLT, value, t.f32(value, minNormal));
  return t.select(isSmall, small, encoding);
}

Tile clampEncoding(TileBuilder &t, const ScaleTypeInfo &info, unsigned kept, Tile encoding) {
  unsigned dropped = info.mantissaBits - kept;
  Tile clamped = t.maxS(encoding, info.floorBits >> dropped);
  return t.shl(t.minS(clamped, info.maxBits >> dropped), dropped);
}

Tile encodeUp(TileBuilder &t, const ScaleTypeInfo &info, unsigned kept, Tile value) {
  Tile encoding = encodeNearest(t, info, kept, value);
  Tile clamped = clampEncoding(t, info, kept, encoding);
  Tile under = t.cmpf(arith::CmpFPredicate::OLT, decodeScale(t, info.type, clamped), value);
  Tile next = t.add(t.shrU(clamped, info.mantissaBits - kept), 1);
  return t.select(under, next, encoding);
}

/// E8M0 by `up` or `ocp`, from the exponents.
Tile encodePowerOfTwo(TileBuilder &t, ScaleRule rule, float qmax, Tile amax) {
  int64_t qmaxBits = bitsOf(qmax);
  Tile bits = normalizedBits(t, amax);
  if (rule == ScaleRule::Up) // carries into the exponent if amax's mantissa is larger
    bits = t.add(bits, 0x7fffff - (qmaxBits & 0x7fffff));
  return t.add(t.shrS(bits, 23), -((qmaxBits >> 23) - 127));
}

/// Whether the scale of divideNormal's result is that of the quotient: where it is less the
/// floor is taken, and Markstein's theorem excepts divisors whose significand is all ones.
bool canDivideNormal(const ScaleTypeInfo &info, float qmax) {
  bool floorIsNormal = info.hasSubnormals || info.bias < 127;
  bool isAllOnes = (~bitsOf(qmax) & 0x7fffff) == 0;
  return floorIsNormal && qmax >= 1 && !isAllOnes;
}

/// fl(amax / qmax) where that is a normal number, and less than any elsewhere: Markstein's
/// sequence on the significand, so that no step can overflow or underflow. A division has
/// branches for such cases on GPUs.
Tile divideNormal(TileBuilder &t, Tile amax, float qmax) {
  constexpr int64_t mantissa = minNormalBits - 1, one = 0x3f800000;
  Tile bits = t.bits(amax);
  Tile significandBits = t.bitOr(t.bitAnd(bits, mantissa), t.i32(bits, one));
  Tile significand = t.fromBits(significandBits), reciprocal = t.f32(amax, 1 / qmax);
  Tile quotient = t.mulf(significand, reciprocal);
  Tile remainder = t.fma(quotient, t.f32(amax, -qmax), significand);
  quotient = t.fma(remainder, reciprocal, quotient);
  return t.fromBits(t.maxS(t.add(t.bits(quotient), t.sub(bits, significandBits)), 0));
}

Tile encodeFiniteAmax(TileBuilder &t, const ScaleTypeInfo &info, const Level &level, float qmax,
                      Tile amax) {
  if (level.type == ScaleType::E8M0 && level.rule != ScaleRule::Nearest)
    return encodePowerOfTwo(t, level.rule, qmax, amax);
  unsigned kept = keptMantissaBits(info, level.bits);
  Tile quotient = canDivideNormal(info, qmax) ? divideNormal(t, amax, qmax)
                                              : t.divf(amax, t.f32(amax, qmax));
  return level.rule == ScaleRule::Up ? encodeUp(t, info, kept, quotient)
                                     : encodeNearest(t, info, kept, quotient);
}

Tile selectFlags(TileBuilder &t, Tile finite, Tile saturates) {
  Tile some = t.select(saturates, t.i32(finite, FlagScaleSaturated), t.i32(finite, 0));
  return t.select(finite, some, t.i32(some, FlagNonFinite));
}

} // namespace

Tile flagsOfAmax(TileBuilder &t, const Level &level, float qmax, Tile amaxBits) {
  const ScaleTypeInfo &info = scaleTypeInfo(level.type);
  unsigned dropped = info.mantissaBits - keptMantissaBits(info, level.bits);
  TileBuilder unsaturated(t.b, t.loc);
  Tile encoding = encodeFiniteAmax(unsaturated, info, level, qmax, t.fromBits(amaxBits));
  Tile saturates = t.cmp(arith::CmpIPredicate::sgt, encoding, info.maxBits >> dropped);
  return selectFlags(t, t.cmp(arith::CmpIPredicate::ult, amaxBits, infinityBits), saturates);
}

Tile flagsOfValue(TileBuilder &t, ScaleType type, unsigned bits, Tile value, Tile finite) {
  Tile isNumber = t.cmpf(arith::CmpFPredicate::ORD, value, value);
  Tile saturates = t.cmpf(arith::CmpFPredicate::OGT, value, t.f32(value, maxScale(type, bits)));
  return selectFlags(t, t.op<arith::AndIOp>(finite, isNumber), saturates);
}

Tile encodeScaleOfAmax(TileBuilder &t, const Level &level, float qmax, Tile amaxBits) {
  const ScaleTypeInfo &info = scaleTypeInfo(level.type);
  Tile encoding = clampEncoding(t, info, keptMantissaBits(info, level.bits),
                                encodeFiniteAmax(t, info, level, qmax, t.fromBits(amaxBits)));
  Tile finite = t.cmp(arith::CmpIPredicate::ult, amaxBits, infinityBits);
  return t.select(finite, encoding, t.i32(encoding, info.nanBits));
}

Tile encodeScale(TileBuilder &t, ScaleType type, unsigned bits, Tile value, bool up) {
  const ScaleTypeInfo &info = scaleTypeInfo(type);
  unsigned kept = keptMantissaBits(info, bits);
  Tile encoding = up ? encodeUp(t, info, kept, value) : encodeNearest(t, info, kept, value);
  // -0 and negative numbers would be huge integers.
  Tile positive = t.cmpf(arith::CmpFPredicate::OGT, value, t.f32(value, 0));
  encoding = clampEncoding(t, info, kept, t.select(positive, encoding, t.i32(encoding, 0)));
  Tile isNaN = t.cmpf(arith::CmpFPredicate::UNO, value, value);
  return t.select(isNaN, t.i32(encoding, info.nanBits), encoding);
}

Tile decodeScale(TileBuilder &t, ScaleType type, Tile encoding) {
  const ScaleTypeInfo &info = scaleTypeInfo(type);
  if (info.storageBits >= 16) // the upper bits of an f32
    return t.fromBits(t.shl(encoding, 32 - info.storageBits));
  int64_t rebias = int64_t(127 - info.bias) << 23;
  Tile value = t.fromBits(t.add(t.shl(encoding, 23 - info.mantissaBits), rebias));
  if (info.hasSubnormals) {
    Tile integer = arith::SIToFPOp::create(t.b, t.loc, t.withElement(encoding, t.b.getF32Type()),
                                           encoding);
    float step = std::ldexp(1.0f, 1 - info.bias - int(info.mantissaBits));
    Tile small = t.mulf(integer, t.f32(integer, step));
    Tile isSmall =
        t.cmp(arith::CmpIPredicate::slt, encoding, int64_t(1) << info.mantissaBits);
    value = t.select(isSmall, small, value);
  } else if (info.bias == 127) { // 2^-127 is no normal f32
    value = t.select(t.cmp(arith::CmpIPredicate::eq, encoding, 0), t.f32(value, 0x1p-127f), value);
  }
  if (!info.nanBits)
    return value;
  Tile isNaN = t.cmp(arith::CmpIPredicate::eq, encoding, info.nanBits);
  return t.select(isNaN, t.fromBits(t.i32(encoding, 0x7fc00000)), value);
}

Tile reciprocalScale(TileBuilder &t, ScaleType type, Tile encoding) {
  if (type != ScaleType::E8M0) {
    Tile value = decodeScale(t, type, encoding);
    return t.divf(t.f32(value, 1), value);
  }
  // 1 / 2^k is 2^-k, of which 2^-127 is no normal f32.
  Tile mirrored = t.sub(t.i32(encoding, 254), encoding);
  Tile normal = t.fromBits(t.shl(mirrored, 23));
  Tile isSmall = t.cmp(arith::CmpIPredicate::eq, mirrored, 0);
  Tile isNaN = t.cmp(arith::CmpIPredicate::slt, mirrored, 0);
  return t.select(isNaN, t.fromBits(t.i32(encoding, 0x7fc00000)),
                  t.select(isSmall, t.f32(normal, 0x1p-127f), normal));
}

} // namespace quadrille
