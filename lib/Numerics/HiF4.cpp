//===- HiF4.cpp - The three-level scales of HiF4 --------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// arXiv 2602.11287: a unit of 64 values has one E6M2 scale, eight one-bit
// exponents of 8 values each and sixteen of 4 values each. The paper computes
// in bf16; for bf16 input the f32 products here are exact, so that the codes
// are the paper's.
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Quantize.h"

#include <algorithm>

using namespace quadrille;
using namespace quadrille::numerics;

namespace {
constexpr int64_t kUnit = 64, kEight = 8, kFour = 4;
constexpr float kOneSeventh = 0x1.24p-3f; // 1/7 in bf16

struct Unit {
  uint32_t e6m2 = 0;
  bool e8[kUnit / kEight] = {};
  bool e4[kUnit / kFour] = {};
};
} // namespace

static float groupAmax(const float *y, int64_t count) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i)
    largest = std::max(largest, magnitudeBits(y[i]));
  return floatOf(largest);
}

/// The scales of one unit; its 64 values become t.
static Unit quantizeUnit(float *y, uint32_t &flags) {
  Unit unit;
  float largest = groupAmax(y, kUnit);
  if (isNonFinite(largest)) {
    flags |= FlagNonFinite;
    unit.e6m2 = scaleTypeInfo(ScaleType::E6M2).nanBits;
    std::fill_n(y, kUnit, floatOf(0x7fc00000));
    return unit;
  }
  float wanted = widenBF16(narrowToBF16(largest * kOneSeventh));
  unit.e6m2 = encodeScale(ScaleType::E6M2, wanted);
  if (saturatesScale({{1, kUnit}, ScaleType::E6M2}, /*qmax=*/1, wanted))
    flags |= FlagScaleSaturated;
  float reciprocal = widenBF16(narrowToBF16(1.0f / decodeScale(ScaleType::E6M2, unit.e6m2)));

  for (int64_t i = 0; i < kUnit / kEight; ++i)
    unit.e8[i] = groupAmax(y + i * kEight, kEight) * reciprocal >= 4.0f;
  for (int64_t i = 0; i < kUnit / kFour; ++i) {
    float outer = unit.e8[i / 2] ? 0.5f : 1.0f;
    unit.e4[i] = groupAmax(y + i * kFour, kFour) * reciprocal * outer >= 2.0f;
    float factor = unit.e4[i] ? outer * 0.5f : outer;
    for (int64_t j = i * kFour; j < (i + 1) * kFour; ++j)
      y[j] = y[j] * reciprocal * factor;
  }
  return unit;
}

std::vector<LevelScales> numerics::hif4Scales(Values &y, uint32_t &flags) {
  auto level = [&](ScaleType type, int64_t group) {
    LevelScales scales{type, y.rows, y.cols / group, {}};
    scales.bits.reserve(static_cast<size_t>(scales.blockRows * scales.blockCols));
    return scales;
  };
  std::vector<LevelScales> scales = {level(ScaleType::E1, kFour), level(ScaleType::E1, kEight),
                                     level(ScaleType::E6M2, kUnit)};
  for (size_t i = 0; i < y.data.size(); i += kUnit) {
    Unit unit = quantizeUnit(&y.data[i], flags);
    scales[0].bits.insert(scales[0].bits.end(), std::begin(unit.e4), std::end(unit.e4));
    scales[1].bits.insert(scales[1].bits.end(), std::begin(unit.e8), std::end(unit.e8));
    scales[2].bits.push_back(unit.e6m2);
  }
  return scales;
}
