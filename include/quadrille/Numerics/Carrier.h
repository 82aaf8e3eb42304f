//===- Carrier.h - A quantized tensor in its carrier ------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The bytes of docs/numerics.md, "Carriers". Which carrier holds a format, and
// with which exponents, is proved elsewhere (quadrille/Target/Carrier.h).
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_NUMERICS_CARRIER_H
#define QUADRILLE_NUMERICS_CARRIER_H

#include "quadrille/Numerics/Quantize.h"

#include <array>

namespace quadrille::numerics {

/// A float type of 8 bits (sign, exponent, mantissa; subnormals) that holds every value
/// of a grid times 2^e for e in [low, high].
struct FoldedCarrier {
  unsigned mantissaBits;
  int bias;
  int low, high;
  /// False of the fnuz types, which have NaN in the place of -0 alone.
  bool hasNegativeZero = true;
  int size() const { return high - low + 1; }
  /// NaN, without a sign of its own.
  uint8_t nan() const { return hasNegativeZero ? 0x7f : 0x80; }
};

inline constexpr uint8_t carrierSign = 0x80;
inline constexpr uint16_t carrierNaNBF16 = 0x7fc0;

/// For each code its value times 2^(low + position), position in [0, size). A code that
/// quantization never produces (-8 of int4, one beyond a short LUT) is NaN.
std::array<uint8_t, 16> carrierTable(const Grid &grid, const FoldedCarrier &carrier, int position);

/// Rows of an 8-bit carrier: element = values * 2^exponents[row].
struct CarrierRows {
  std::vector<uint8_t> values;
  std::vector<int32_t> exponents;
  std::vector<int32_t> overflow; ///< 1 for rows with blocks below the window, which are flushed
};

/// Of a format with one level of blocks, of E8M0 scales.
CarrierRows toCarrier(const Format &format, const FoldedCarrier &carrier, int64_t rows,
                      int64_t cols, std::span<const uint8_t> packedCodes,
                      const LevelScales &scales);

/// Code times the scales of blocks, not that of the tensor, as bf16 bits.
std::vector<uint16_t> toCarrierBF16(const Format &format, int64_t rows, int64_t cols,
                                    std::span<const uint8_t> packedCodes,
                                    std::span<const LevelScales> scales);

} // namespace quadrille::numerics

#endif // QUADRILLE_NUMERICS_CARRIER_H
