//===- CarrierValues.h - Carrier types decoded bit by bit -------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TEST_UNIT_TARGET_CARRIERVALUES_H
#define QUADRILLE_TEST_UNIT_TARGET_CARRIERVALUES_H

#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace quadrille::target {

/// The finite non-negative values of a small float type, from the encoding's
/// definition: `topCodes` magnitude codes at the end are Inf or NaN.
inline std::set<double> decodeAll(int exponentBits, int mantissaBits, int bias, int topCodes) {
  std::set<double> values;
  int codes = (1 << (exponentBits + mantissaBits)) - topCodes;
  for (int code = 0; code < codes; ++code) {
    int exponent = code >> mantissaBits, mantissa = code & ((1 << mantissaBits) - 1);
    double value = exponent == 0
                       ? std::ldexp(mantissa, 1 - bias - mantissaBits)
                       : std::ldexp((1 << mantissaBits) + mantissa, exponent - bias - mantissaBits);
    values.insert(value);
  }
  return values;
}

inline std::set<double> decodeCarrier(const std::string &name) {
  if (name == "s4" || name == "s8") {
    std::set<double> values;
    for (int i = 0; i <= (name == "s4" ? 7 : 127); ++i)
      values.insert(i);
    return values;
  }
  if (name == "e1m2")
    return decodeAll(1, 2, 1, 0);
  if (name == "e2m1")
    return decodeAll(2, 1, 1, 0);
  if (name == "e2m3")
    return decodeAll(2, 3, 1, 0);
  if (name == "e3m2")
    return decodeAll(3, 2, 3, 0);
  if (name == "e4m3") // one NaN
    return decodeAll(4, 3, 7, 1);
  if (name == "e5m2") // Inf and three NaN
    return decodeAll(5, 2, 15, 4);
  if (name == "e4m3fnuz") // NaN is the code of -0
    return decodeAll(4, 3, 8, 0);
  if (name == "e5m2fnuz")
    return decodeAll(5, 2, 16, 0);
  if (name == "f16")
    return decodeAll(5, 10, 15, 1024);
  if (name == "bf16")
    return decodeAll(8, 7, 127, 128);
  return {};
}

/// The magnitudes of a carrier of at most 16 bits; empty for wider ones.
inline const std::set<double> &magnitudes(const std::string &name) {
  static std::map<std::string, std::set<double>> known;
  auto [it, isNew] = known.try_emplace(name);
  if (isNew)
    it->second = decodeCarrier(name);
  return it->second;
}

} // namespace quadrille::target

#endif // QUADRILLE_TEST_UNIT_TARGET_CARRIERVALUES_H
