//===- CapabilityProof.cpp - Carriers proved by enumeration ---------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Numerics/ScaleTypes.h"
#include "quadrille/Target/Carrier.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>

using namespace quadrille;
using namespace quadrille::target;
using namespace quadrille::numerics;

namespace {

/// The values that quantization produces: all codes, but -8 of two's
/// complement.
std::vector<double> producibleCodes(const Grid &grid) {
  std::vector<double> values(grid.values.begin(), grid.values.end());
  if (grid.kind == GridKind::INT4)
    values.erase(values.begin() + 8);
  return values;
}

/// Those of all grids of a format.
std::vector<double> producibleCodes(const Format &format) {
  std::vector<double> values = producibleCodes(format.grid);
  if (format.alternative)
    for (double value : producibleCodes(*format.alternative))
      values.push_back(value);
  return values;
}

/// Exponent of the last place that is set; value is not zero.
int lastPlace(double value) {
  int exponent;
  double fraction = std::frexp(std::fabs(value), &exponent);
  auto digits = static_cast<uint64_t>(std::ldexp(fraction, 53));
  return exponent - 53 + std::countr_zero(digits);
}

/// What is known of a set of products without their list.
struct Extent {
  unsigned significantBits = 0;
  int low = std::numeric_limits<int>::max();  ///< lowest last place
  int high = std::numeric_limits<int>::min(); ///< highest leading bit
  double largest = 0;

  void include(double value) {
    if (value == 0)
      return;
    int last = lastPlace(value), leading = std::ilogb(value);
    significantBits = std::max(significantBits, unsigned(leading - last + 1));
    low = std::min(low, last);
    high = std::max(high, leading);
    largest = std::max(largest, std::fabs(value));
  }
};

/// The scales of f32 as an extent: all bit patterns from the floor to the
/// largest that the rule produces have `bits` significant ones.
Extent extentOfF32(const Format &format, size_t i) {
  const Level &level = format.levels[i];
  Extent extent;
  extent.significantBits = level.bits ? level.bits : 24;
  extent.low = -126 - int(extent.significantBits - 1);
  uint32_t top = level.rule == ScaleRule::Program
                     ? bitsOf(maxScale(level.type, level.bits))
                     : encodeScaleOfAmax(level, format.qmax(i), std::numeric_limits<float>::max());
  extent.largest = decodeScale(level.type, top);
  extent.high = std::ilogb(extent.largest);
  return extent;
}

/// Products of two sets: the bits add up, which some product attains.
Extent times(const Extent &a, const Extent &b) {
  Extent result;
  result.significantBits = a.significantBits + b.significantBits;
  // A single significant bit is a power of two and adds none.
  if (a.significantBits == 1 || b.significantBits == 1)
    --result.significantBits;
  result.low = a.low + b.low;
  result.largest = a.largest * b.largest;
  result.high = std::ilogb(result.largest);
  return result;
}

/// True if every value that the extent allows is in the carrier after
/// multiplication by 2^shift.
bool holdsExtent(const CarrierType &carrier, const Extent &e, int shift, bool subnormals) {
  if (std::ldexp(e.largest, shift) > carrier.maxFinite || e.low + shift < carrier.minExponent())
    return false;
  if (carrier.isInteger)
    return true;
  if (!subnormals && e.low + shift < 1 - carrier.bias)
    return false;
  return e.significantBits <= carrier.significantBits();
}

/// Shifts worth trying: none, the lowest place of the products at the lowest
/// of the carrier, or their largest at its largest.
std::vector<int> candidateShifts(const CarrierType &carrier, const Extent &extent) {
  int top = std::ilogb(carrier.maxFinite) - extent.high;
  return {0, carrier.minExponent() - extent.low, top, top - 1};
}

/// Enumerates code x scale over the given lists.
template <typename Fn>
void forEachProduct(double product, const std::vector<std::vector<double>> &factors, size_t i,
                    Fn &&fn) {
  if (i == factors.size())
    return fn(product);
  for (double factor : factors[i])
    forEachProduct(product * factor, factors, i + 1, fn);
}

constexpr uint64_t kMostProducts = uint64_t(1) << 23;

/// The lists of codes and scales; empty if they are too many to enumerate.
std::vector<std::vector<double>> enumerable(const Format &format, size_t numLevels) {
  std::vector<std::vector<double>> factors = {producibleCodes(format)};
  uint64_t count = factors[0].size();
  for (size_t i = 0; i < numLevels; ++i) {
    if (format.levels[i].type == ScaleType::F32)
      return {};
    std::vector<double> scales;
    for (uint32_t bits : producibleScales(format, i))
      scales.push_back(decodeScale(format.levels[i].type, bits));
    count *= scales.size();
    factors.push_back(std::move(scales));
    if (count > kMostProducts)
      return {};
  }
  return factors;
}

void proveByEnumeration(const std::vector<std::vector<double>> &factors,
                        const CarrierType &carrier, bool subnormals, FoldProof &proof) {
  Extent extent;
  forEachProduct(1, factors, 0, [&](double product) {
    ++proof.products;
    extent.include(product);
    proof.inexact += !carrier.holds(product, subnormals);
  });
  proof.significantBits = extent.significantBits;
  proof.lowExponent = extent.low;
  proof.highExponent = extent.high;
  proof.exact = proof.inexact == 0;
  if (proof.exact)
    return;
  // Not as they are; perhaps all of them times a power of two.
  for (int shift : candidateShifts(carrier, extent)) {
    uint64_t inexact = 0;
    forEachProduct(std::ldexp(1.0, shift), factors, 0,
                   [&](double product) { inexact += !carrier.holds(product, subnormals); });
    if (inexact < proof.inexact) {
      proof.inexact = inexact;
      proof.shift = shift;
      proof.exact = inexact == 0;
    }
    if (proof.exact)
      return;
  }
}

void proveByBits(const Format &format, size_t numLevels, const CarrierType &carrier,
                 bool subnormals, FoldProof &proof) {
  Extent extent;
  for (double code : producibleCodes(format))
    extent.include(code);
  for (size_t i = 0; i < numLevels; ++i) {
    Extent scales;
    if (format.levels[i].type == ScaleType::F32)
      scales = extentOfF32(format, i);
    else
      for (uint32_t bits : producibleScales(format, i))
        scales.include(decodeScale(format.levels[i].type, bits));
    extent = times(extent, scales);
  }
  proof.significantBits = extent.significantBits;
  proof.lowExponent = extent.low;
  proof.highExponent = extent.high;
  for (int shift : candidateShifts(carrier, extent))
    if (holdsExtent(carrier, extent, shift, subnormals)) {
      proof.exact = true;
      proof.shift = shift;
      return;
    }
}

/// Everything that a proof depends on, as text.
std::string proofKey(const Format &format, size_t numLevels, const CarrierType &carrier,
                     bool subnormals) {
  std::string key(carrier.name);
  auto append = [&](uint32_t number) {
    key += ' ';
    key += std::to_string(number);
  };
  append(subnormals);
  auto appendGrid = [&](const Grid &grid) {
    append(uint32_t(grid.kind));
    append(uint32_t(grid.values.size()));
    for (float value : grid.values)
      append(bitsOf(value));
  };
  appendGrid(format.grid);
  append(format.alternative.has_value());
  if (format.alternative)
    appendGrid(*format.alternative);
  for (size_t i = 0; i < numLevels; ++i) {
    const Level &level = format.levels[i];
    append(uint32_t(level.type));
    append(uint32_t(level.rule));
    append(level.bits);
    append(bitsOf(format.qmax(i)));
  }
  return key;
}

} // namespace

static ExponentWindow windowOf(const std::vector<double> &codes, const CarrierType &carrier,
                               bool subnormals) {
  auto fits = [&](int exponent) {
    return std::all_of(codes.begin(), codes.end(), [&](double code) {
      return carrier.holds(std::ldexp(code, exponent), subnormals);
    });
  };
  // f32 values times what brings them into any carrier.
  constexpr int limit = 320;
  ExponentWindow window;
  for (int exponent = -limit; exponent <= limit; ++exponent) {
    if (!fits(exponent))
      continue;
    if (window.empty())
      window.low = exponent;
    window.high = exponent;
  }
  return window;
}

ExponentWindow target::findExponentWindow(const Grid &grid, const CarrierType &carrier,
                                          bool subnormals) {
  return windowOf(producibleCodes(grid), carrier, subnormals);
}

ExponentWindow target::findExponentWindow(const Format &format, const CarrierType &carrier,
                                          bool subnormals) {
  return windowOf(producibleCodes(format), carrier, subnormals);
}

std::vector<uint32_t> target::producibleScales(const Format &format, size_t i) {
  const Level &level = format.levels[i];
  const ScaleTypeInfo &info = scaleTypeInfo(level.type);
  uint32_t low = info.floorBits, high = info.maxBits;
  bool ofAmax = level.rule != ScaleRule::Program && level.rule != ScaleRule::HiF4;
  if (ofAmax) {
    // The rule is monotonic in amax, and so is the encoding.
    float qmax = format.qmax(i);
    low = encodeScaleOfAmax(level, qmax, 0);
    high = encodeScaleOfAmax(level, qmax, std::numeric_limits<float>::max());
  }
  std::vector<uint32_t> result;
  for (uint32_t bits = low; bits <= high; ++bits) {
    bool kept = level.bits == 0 ||
                encodeScale(level.type, decodeScale(level.type, bits), level.bits) == bits;
    if (kept)
      result.push_back(bits);
  }
  return result;
}

FoldProof target::proveFold(const Format &format, size_t numLevels, const CarrierType &carrier,
                            bool subnormals) {
  static std::mutex mutex;
  static std::map<std::string, FoldProof> known;
  std::string key = proofKey(format, numLevels, carrier, subnormals);
  {
    std::lock_guard lock(mutex);
    if (auto it = known.find(key); it != known.end())
      return it->second;
  }
  FoldProof proof;
  std::vector<std::vector<double>> factors = enumerable(format, numLevels);
  if (factors.empty())
    proveByBits(format, numLevels, carrier, subnormals, proof);
  else
    proveByEnumeration(factors, carrier, subnormals, proof);
  std::lock_guard lock(mutex);
  known.emplace(std::move(key), proof);
  return proof;
}
