//===- ScaleTypes.h - Element types of scales -------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One table describes every scale type; encoding and decoding are driven by it.
// Scales are never negative. All encodings are monotone in their value as
// unsigned integers, so clamping is an integer min and max on any target.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_NUMERICS_SCALETYPES_H
#define QUADRILLE_NUMERICS_SCALETYPES_H

#include "quadrille/Numerics/Format.h"

#include <bit>

namespace quadrille::numerics {

inline uint32_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }
inline float floatOf(uint32_t bits) { return std::bit_cast<float>(bits); }

/// |x| as an unsigned integer: orders like |x|, with NaN above infinity.
inline uint32_t magnitudeBits(float value) { return bitsOf(value) & 0x7fffffffu; }
/// True of infinities and NaN.
inline bool isNonFinite(float value) { return magnitudeBits(value) >= 0x7f800000u; }

struct ScaleTypeInfo {
  ScaleType type;
  std::string_view name; ///< as written in IR and in Python
  unsigned storageBits;
  unsigned mantissaBits; ///< stored ones, without the implicit 1
  int bias;              ///< exponent field e encodes 2^(e - bias)
  bool hasSubnormals;    ///< exponent field 0 encodes mantissa * 2^(1 - bias - mantissaBits)
  uint32_t maxBits;      ///< largest finite value; larger ones saturate to it
  uint32_t floorBits;    ///< smallest value a scale takes; a zero block gets it
  uint32_t nanBits;      ///< the one NaN we produce; 0 if the type has none

  unsigned storageBytes() const { return (storageBits + 7) / 8; }
  /// The sign bit, which no scale has set; 0 for a type without one.
  uint32_t signBit() const {
    uint32_t top = uint32_t(1) << (storageBits - 1);
    return maxBits < top ? top : 0;
  }
};

/// The table row of a type.
const ScaleTypeInfo &scaleTypeInfo(ScaleType type);
/// f32, bf16, e4m3, e8m0, ue5m3, e6m2 or e1; null for another name.
const ScaleTypeInfo *lookupScaleType(std::string_view name);
/// nearest, up, ocp, hif4 or program.
std::string_view scaleRuleName(ScaleRule rule);

/// What the bits stand for, exact in f32 (NaN for the type's NaN).
float decodeScale(ScaleType type, uint32_t bits);

/// Largest finite value of the type when only `significantBits` of f32/bf16
/// are kept (0: all).
float maxScale(ScaleType type, unsigned significantBits = 0);

/// Rounds a value to the type, to nearest, ties to the even significand (to the
/// even encoding, or up where there are no mantissa bits).
/// Values under the floor (negative ones too) become the floor, values above
/// the range saturate (infinity too), NaN becomes the type's NaN.
/// `significantBits` (1..24 for f32, 1..8 for bf16, 0: all) cuts f32 and bf16.
/// `type` is not E1, whose values exist inside the HiF4 algorithm only.
uint32_t encodeScale(ScaleType type, float value, unsigned significantBits = 0);

/// The scale of a block with largest magnitude `amax` >= 0 under a level's
/// rule (nearest, up or ocp), where `qmax` in [2^-16, 2^32] is what amax is
/// mapped to. A NaN or infinite amax gives the type's NaN.
uint32_t encodeScaleOfAmax(const Level &level, float qmax, float amax);

/// True if `encodeScaleOfAmax` would saturate for a finite amax.
bool saturatesScale(const Level &level, float qmax, float amax);

} // namespace quadrille::numerics

#endif // QUADRILLE_NUMERICS_SCALETYPES_H
