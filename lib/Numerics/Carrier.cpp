//===- Carrier.cpp - A quantized tensor in its carrier --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Numerics/Carrier.h"
#include "quadrille/Numerics/ScaleTypes.h"

#include <algorithm>
#include <cassert>
#include <cmath>

using namespace quadrille;
using namespace quadrille::numerics;

/// The bits of a value that the type holds.
static uint8_t encodeExact(const FoldedCarrier &type, double value) {
  uint8_t sign = std::signbit(value) ? carrierSign : 0;
  if (value == 0)
    return type.hasNegativeZero ? sign : 0;
  int exponent = std::max(std::ilogb(value), 1 - type.bias);
  double units = std::ldexp(std::fabs(value), int(type.mantissaBits) - exponent);
  assert(units == std::floor(units) && "the window holds every product");
  // The leading bit of a normal number counts one more in the exponent field.
  int field = exponent - (1 - type.bias);
  return static_cast<uint8_t>(sign | ((field << type.mantissaBits) + static_cast<int>(units)));
}

static bool isProduced(const Grid &grid, size_t code) {
  constexpr size_t minusEight = 8;
  return code < grid.values.size() && !(grid.kind == GridKind::INT4 && code == minusEight);
}

std::array<uint8_t, 16> numerics::carrierTable(const Grid &grid, const FoldedCarrier &carrier,
                                               int position) {
  assert(position >= 0 && position < carrier.size());
  std::array<uint8_t, 16> table;
  for (size_t code = 0; code < table.size(); ++code)
    table[code] = isProduced(grid, code)
                      ? encodeExact(carrier, std::ldexp(double(grid.values[code]),
                                                        carrier.low + position))
                      : carrier.nan();
  return table;
}

/// The largest stored exponent among a row's scales, NaN aside.
static uint32_t largestScale(const LevelScales &scales, size_t first) {
  uint32_t nan = scaleTypeInfo(scales.type).nanBits, largest = 0;
  for (size_t i = first; i < first + static_cast<size_t>(scales.blockCols); ++i)
    if (scales.bits[i] != nan)
      largest = std::max(largest, scales.bits[i]);
  return largest;
}

CarrierRows numerics::toCarrier(const Format &format, const FoldedCarrier &carrier, int64_t rows,
                                int64_t cols, std::span<const uint8_t> packedCodes,
                                const LevelScales &scales) {
  const Block &block = format.levels.front().block;
  const ScaleTypeInfo &info = scaleTypeInfo(scales.type);
  std::vector<std::array<uint8_t, 16>> tables;
  for (int position = 0; position < carrier.size(); ++position)
    tables.push_back(carrierTable(format.grid, carrier, position));
  std::vector<uint8_t> codes = unpackCodes(packedCodes);
  CarrierRows result;
  result.values.reserve(codes.size());
  for (int64_t row = 0; row < rows; ++row) {
    size_t first = static_cast<size_t>(row / block.rows * scales.blockCols);
    int exponent = int(largestScale(scales, first)) - info.bias - carrier.high;
    int32_t overflow = 0;
    for (int64_t col = 0; col < cols; ++col) {
      uint32_t bits = scales.bits[first + static_cast<size_t>(col / block.cols)];
      int position = int(bits) - info.bias - exponent - carrier.low;
      position = std::min(position, carrier.size() - 1); // NaN is above
      uint8_t code = codes[static_cast<size_t>(row * cols + col)];
      uint8_t byte = tables[static_cast<size_t>(std::max(position, 0))][code];
      uint8_t sign = byte & carrierSign;
      uint8_t zero = carrier.hasNegativeZero ? sign : 0;
      if (bits == info.nanBits) {
        byte = zero | carrier.nan();
      } else if (position < 0) {
        overflow |= byte != zero;
        byte = zero;
      }
      result.values.push_back(byte);
    }
    result.exponents.push_back(exponent);
    result.overflow.push_back(overflow);
  }
  return result;
}

std::vector<uint16_t> numerics::toCarrierBF16(const Format &format, int64_t rows, int64_t cols,
                                              std::span<const uint8_t> packedCodes,
                                              std::span<const LevelScales> scales) {
  Format blocks = format;
  if (format.hasTensorLevel())
    blocks.levels.pop_back();
  Values y = dequantize(blocks, rows, cols, packedCodes, scales.first(blocks.levels.size()));
  std::vector<uint16_t> result;
  std::ranges::transform(y.data, std::back_inserter(result), [](float value) {
    return std::isnan(value) ? carrierNaNBF16 : static_cast<uint16_t>(bitsOf(value) >> 16);
  });
  return result;
}
