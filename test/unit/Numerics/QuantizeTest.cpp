//===- QuantizeTest.cpp - Quantize and dequantize -------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Quantize.h"
#include "quadrille/Numerics/Hadamard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

using namespace quadrille;
using namespace quadrille::numerics;

static const float infinity = std::numeric_limits<float>::infinity();
static const float quietNaN = std::numeric_limits<float>::quiet_NaN();

static const Format &format(const char *name) { return *lookupFormat(name); }

/// Smooth values over several binades; no two rows alike.
static Values wave(int64_t rows, int64_t cols) {
  Values x{rows, cols, {}};
  for (int64_t i = 0; i < rows * cols; ++i)
    x.data.push_back(std::sin(0.7f * static_cast<float>(i)) *
                     std::exp2(static_cast<float>(i % 23) / 3.0f - 4.0f));
  return x;
}

static MatrixRef ref(const Values &x) {
  return {x.data.data(), ElementType::F32, x.rows, x.cols, x.cols * 4, 4};
}

static Quantized run(const Values &x, const Format &format, const QuantizeOptions &options = {}) {
  Quantized result;
  EXPECT_EQ(quantize(ref(x), format, options, result), "");
  return result;
}

static float encodedBF16(float value) {
  return decodeScale(ScaleType::BF16, encodeScale(ScaleType::BF16, value));
}

static void expectSame(const Quantized &a, const Quantized &b) {
  EXPECT_EQ(a.codes, b.codes);
  ASSERT_EQ(a.scales.size(), b.scales.size());
  for (size_t i = 0; i < a.scales.size(); ++i)
    EXPECT_EQ(a.scales[i].bits, b.scales[i].bits);
}

class EveryFormat : public testing::TestWithParam<std::string> {
protected:
  const Format &tested = *lookupFormat(GetParam());
  bool isHiF4 = GetParam() == "HIF4";
};
static std::vector<std::string> formatNames() {
  std::vector<std::string> names;
  for (const Format &format : namedFormats())
    names.push_back(format.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Named, EveryFormat, testing::ValuesIn(formatNames()),
                         [](auto info) { return info.param; });

TEST_P(EveryFormat, DequantizedIsNear) {
  Values x = wave(33, 256);
  Quantized q = run(x, tested);
  EXPECT_EQ(q.flags, 0u);
  Values d = dequantize(tested, q.rows, q.cols, q.codes, q.scales);
  double error = 0, power = 0;
  for (size_t i = 0; i < x.data.size(); ++i) {
    error += std::pow(d.data[i] - x.data[i], 2);
    power += std::pow(x.data[i], 2);
  }
  EXPECT_LT(error, power / 30);
}

TEST_P(EveryFormat, ZeroBlocksTakeTheFloorAndKeepSigns) {
  Values x{2, 64, std::vector<float>(128, 0.0f)};
  for (size_t i = 0; i < 128; i += 3)
    x.data[i] = -0.0f;
  Quantized q = run(x, tested);
  for (const LevelScales &level : q.scales)
    for (uint32_t bits : level.bits)
      EXPECT_EQ(bits, scaleTypeInfo(level.type).floorBits);
  std::vector<uint8_t> codes = unpackCodes(q.codes);
  for (size_t i = 0; i < 128; ++i)
    EXPECT_EQ(codes[i], i % 3 == 0 && tested.grid.isSignMagnitude() ? 8 : 0);
}

TEST_P(EveryFormat, NonFiniteBlocks) {
  for (float bad : {quietNaN, -quietNaN, infinity, -infinity}) {
    Values x = wave(40, 128);
    x.data[17 * 128 + 70] = bad;
    Quantized q = run(x, tested);
    EXPECT_EQ(q.flags, static_cast<uint32_t>(FlagNonFinite));
    const Level &inner = tested.levels[isHiF4 ? 2 : 0];
    const LevelScales &scales = q.scales[isHiF4 ? 2 : 0];
    Values d = dequantize(tested, q.rows, q.cols, q.codes, q.scales);
    std::vector<uint8_t> codes = unpackCodes(q.codes);
    for (int64_t row = 0; row < 40; ++row)
      for (int64_t col = 0; col < 128; ++col) {
        int64_t block = row / inner.block.rows * scales.blockCols + col / inner.block.cols;
        // A tensor level spreads it over everything.
        bool hit = tested.hasTensorLevel() || (row / inner.block.rows == 17 / inner.block.rows &&
                                               col / inner.block.cols == 70 / inner.block.cols);
        EXPECT_EQ(scales.bits[block] == scaleTypeInfo(scales.type).nanBits, hit);
        EXPECT_EQ(std::isnan(d.data[row * 128 + col]), hit);
        if (hit) {
          EXPECT_EQ(codes[row * 128 + col], 0);
        }
      }
  }
}

TEST_P(EveryFormat, SubnormalAndHugeBlocksStayFinite) {
  for (float scale : {0x1p-149f, 0x1p-140f, 0x1p-126f, 0x1p120f, 0x1.8p123f}) {
    Values x = wave(16, 64);
    for (float &value : x.data)
      value = std::clamp(value, -1.0f, 1.0f) * scale;
    Quantized q = run(x, tested);
    EXPECT_EQ(q.flags & FlagNonFinite, 0u);
    Values d = dequantize(tested, q.rows, q.cols, q.codes, q.scales);
    for (size_t i = 0; i < d.data.size(); ++i) {
      EXPECT_TRUE(std::isfinite(d.data[i]));
      EXPECT_TRUE(d.data[i] == 0 || std::signbit(d.data[i]) == std::signbit(x.data[i]));
    }
  }
}

TEST_P(EveryFormat, StridesDoNotMatter) {
  Values x = wave(32, 128);
  Values transposed{128, 32, std::vector<float>(x.data.size())};
  for (int64_t row = 0; row < 32; ++row)
    for (int64_t col = 0; col < 128; ++col)
      transposed.data[col * 32 + row] = x.data[row * 128 + col];
  Quantized strided;
  MatrixRef view{transposed.data.data(), ElementType::F32, 32, 128, 4, 32 * 4};
  ASSERT_EQ(quantize(view, tested, {}, strided), "");
  expectSame(strided, run(x, tested));

  Values reversed = x;
  std::ranges::reverse(reversed.data);
  MatrixRef backwards{&reversed.data.back(), ElementType::F32, 32, 128, -128 * 4, -4};
  ASSERT_EQ(quantize(backwards, tested, {}, strided), "");
  expectSame(strided, run(x, tested));
}

TEST_P(EveryFormat, StepsMakeTheWhole) {
  if (isHiF4)
    return;
  Values y = wave(24, 256);
  QuantizeOptions options;
  options.signs = signsFromSeed(5, 64);
  options.rounding = {RoundingKind::Stochastic, 8, 7};
  options.random = {keyFromSeed(9), 1000, Stream::Column};
  Quantized whole = run(y, tested, options);

  rotate(y, options.signs);
  uint32_t flags = 0;
  std::vector<LevelScales> scales(tested.levels.size());
  for (size_t i = tested.levels.size(); i-- > 0;) {
    scales[i] = levelScales(y, tested, i, std::nullopt, flags);
    divideByScales(y, tested.levels[i].block, scales[i]);
  }
  Quantized steps{y.rows, y.cols,
                  packCodes(encode(y, tested.grid, options.rounding, options.random)), scales,
                  flags};
  expectSame(steps, whole);
}

TEST_P(EveryFormat, ShardsGetTheBitsOfTheWhole) {
  Values x = wave(32, 128);
  QuantizeOptions options;
  options.rounding = {RoundingKind::Stochastic, 4, 10};
  options.random.key = keyFromSeed(1);
  options.tensorAmax = amax(x);
  Quantized whole = run(x, tested, options);
  Values lower{16, 128, {x.data.begin() + 16 * 128, x.data.end()}};
  options.random.base = 16 * 128;
  Quantized shard = run(lower, tested, options);
  EXPECT_TRUE(std::equal(shard.codes.begin(), shard.codes.end(), whole.codes.begin() + 16 * 64));
}

TEST_P(EveryFormat, StoredScalesRoundTrip) {
  Quantized q = run(wave(5, 192), tested);
  for (const LevelScales &level : q.scales) {
    std::vector<uint8_t> stored = packScales(level);
    EXPECT_EQ(stored.size(),
              static_cast<size_t>(level.blockRows * scaleRowBytes(level.type, level.blockCols)));
    LevelScales back = unpackScales(level.type, level.blockRows, level.blockCols, stored);
    EXPECT_EQ(back.bits, level.bits);
  }
}

TEST_P(EveryFormat, PaddingIsZeros) {
  int64_t multiple = storedMultiple(tested, 32);
  Values x = wave(3, multiple + 5), extended{3, 2 * multiple, {}};
  for (int64_t row = 0; row < 3; ++row)
    for (int64_t col = 0; col < 2 * multiple; ++col)
      extended.data.push_back(col < x.cols ? x.data[row * x.cols + col] : 0.0f);
  QuantizeOptions options;
  options.signs = signsFromSeed(0, 32);
  Quantized result;
  EXPECT_NE(quantize(ref(x), tested, options, result).find("pad=True"), std::string::npos);
  options.pad = true;
  Quantized padded = run(x, tested, options);
  EXPECT_EQ(padded.cols, 2 * multiple);
  expectSame(padded, run(extended, tested, options));
}

TEST_P(EveryFormat, EmptyTensors) {
  for (auto [rows, cols] : {std::pair{0, 64}, {3, 0}, {0, 0}}) {
    Quantized q = run(wave(rows, cols), tested);
    EXPECT_TRUE(q.codes.empty());
    Values d = dequantize(tested, rows, cols, q.codes, q.scales);
    EXPECT_TRUE(d.data.empty());
  }
}

//===----------------------------------------------------------------------===//
// Single properties
//===----------------------------------------------------------------------===//

TEST(Quantize, ReciprocalIsRoundedBeforeTheProduct) {
  Values x = wave(8, 16);
  Quantized q = run(x, format("UFP4"));
  std::vector<uint8_t> codes = unpackCodes(q.codes);
  GridRounder rounder(format("UFP4").grid, {});
  for (size_t i = 0; i < x.data.size(); ++i) {
    float scale = floatOf(q.scales[0].bits[i / 16]);
    float reciprocal = 1.0f / scale;
    EXPECT_EQ(codes[i], rounder.encode(x.data[i] * reciprocal));
  }
}

TEST(Quantize, BlockMaximaNeverMoveUnderStochasticRounding) {
  for (const char *name : {"UFP4", "E2M1_REF"})
    for (unsigned bits : {4u, 8u, 16u}) {
      Values x = wave(64, 64);
      QuantizeOptions options;
      options.rounding = {RoundingKind::Stochastic, bits, 7};
      std::vector<float> largest = blockAmax(x, {1, 16});
      for (uint64_t seed = 0; seed < 8; ++seed) {
        options.random.key = keyFromSeed(seed);
        Quantized q = run(x, format(name), options);
        std::vector<uint8_t> codes = unpackCodes(q.codes);
        for (size_t i = 0; i < x.data.size(); ++i)
          if (std::fabs(x.data[i]) == largest[i / 16]) {
            EXPECT_EQ(codes[i] & 7, 7);
          }
      }
    }
}

TEST(Quantize, BlocksOf16x16AreTheSameTransposed) {
  Values x = wave(48, 32), transposed{32, 48, std::vector<float>(48 * 32)};
  for (int64_t row = 0; row < 48; ++row)
    for (int64_t col = 0; col < 32; ++col)
      transposed.data[col * 48 + row] = x.data[row * 32 + col];
  const Format &weights = format("NVFP4_16x16");
  Quantized a = run(x, weights), b = run(transposed, weights);
  std::vector<uint8_t> codes = unpackCodes(a.codes), other = unpackCodes(b.codes);
  for (int64_t row = 0; row < 48; ++row)
    for (int64_t col = 0; col < 32; ++col) {
      EXPECT_EQ(codes[row * 32 + col], other[col * 48 + row]);
      EXPECT_EQ(a.scales[0].bits[row / 16 * 2 + col / 16],
                b.scales[0].bits[col / 16 * 3 + row / 16]);
    }
}

TEST(Quantize, LastBlockOfRowsMayBePartial) {
  Values x = wave(20, 16), extended = x;
  extended.rows = 32;
  extended.data.resize(32 * 16, 0.0f);
  Quantized a = run(x, format("NVFP4_16x16")), b = run(extended, format("NVFP4_16x16"));
  EXPECT_EQ(a.scales[0].bits, b.scales[0].bits);
  EXPECT_TRUE(std::equal(a.codes.begin(), a.codes.end(), b.codes.begin()));
}

TEST(Quantize, GivenTensorAmaxReplacesTheComputedOne) {
  Values x = wave(4, 64);
  QuantizeOptions options;
  options.tensorAmax = 2688.0f;
  Quantized q = run(x, format("NVFP4"), options);
  EXPECT_EQ(q.scales[1].bits, std::vector<uint32_t>{bitsOf(1.0f)});
}

TEST(Quantize, AmaxOrdersByMagnitudeAndHasOneNaN) {
  EXPECT_EQ(amax({1, 3, {1, -4, 2}}), 4.0f);
  EXPECT_EQ(amax({1, 3, {1, -infinity, 2}}), infinity);
  for (uint32_t nan : {0x7fc00000u, 0xffc12345u, 0x7f800001u, 0x7fffffffu})
    EXPECT_EQ(bitsOf(amax({1, 2, {infinity, floatOf(nan)}})), 0x7fc00000u);
  EXPECT_EQ(amax({0, 16, {}}), 0.0f);
}

TEST(Quantize, ScaleAboveTheRangeSaturatesAndIsFlagged) {
  Values x{1, 16, std::vector<float>(16, 6000.0f)};
  QuantizeOptions options;
  options.tensorAmax = 2688.0f; // s = 1: the block would need 1000
  Quantized q = run(x, format("NVFP4"), options);
  EXPECT_EQ(q.flags, static_cast<uint32_t>(FlagScaleSaturated));
  EXPECT_EQ(q.scales[0].bits[0], 0x7eu);
  EXPECT_EQ(unpackCodes(q.codes)[0], 7);
}

TEST(Quantize, ProgramScalesAreRoundedAndNaNWins) {
  Format rule = format("NVFP4");
  rule.levels[0].rule = ScaleRule::Program;
  Values y = wave(1, 64);
  y.data[40] = infinity;
  uint32_t flags = 0;
  LevelScales scales =
      programScales(y, rule.levels[0], std::vector{1.07f, 500.0f, 3.0f, -1.0f}, {}, flags);
  EXPECT_EQ(scales.bits, (std::vector<uint32_t>{0x39, 0x7e, 0x7f, 0x01}));
  EXPECT_EQ(flags, FlagNonFinite | FlagScaleSaturated);
  Quantized result;
  EXPECT_NE(quantize(ref(y), rule, {}, result), "");
}

/// E2M1 or INT4, chosen by a program.
static Format twoGrids(ScaleType type, Block block = {1, 16}) {
  Format mix{"MIX", *lookupGrid("e2m1"), {{block, type, ScaleRule::Program}}, *lookupGrid("int4")};
  EXPECT_EQ(verify(mix), "");
  return mix;
}

TEST(Quantize, TheChoiceIsTheSignOfTheScale) {
  const struct {
    ScaleType type;
    uint32_t one, sign, nan;
  } cases[] = {{ScaleType::E4M3, 0x38, 0x80, 0x7f},
               {ScaleType::BF16, 0x3f80, 0x8000, 0x7fc0},
               {ScaleType::F32, 0x3f800000, 0x80000000, 0x7fc00000}};
  for (auto [type, one, sign, nan] : cases) {
    Format mix = twoGrids(type);
    EXPECT_EQ(mix.choiceBit(), sign);
    Values y = wave(1, 64);
    y.data[20] = quietNaN;
    uint32_t flags = 0;
    LevelScales scales = programScales(y, mix.levels[0], std::vector{1.0f, 1.0f, quietNaN, 1.0f},
                                       std::vector<uint8_t>{0, 1, 1, 1}, flags);
    EXPECT_EQ(scales.bits, (std::vector<uint32_t>{one, nan, nan, one | sign}));
    EXPECT_EQ(scales.value(3), 1.0f);
    EXPECT_FALSE(scales.choice(0));
    EXPECT_FALSE(scales.choice(1)) << "a NaN has no choice";
    EXPECT_TRUE(scales.choice(3));
    LevelScales back = unpackScales(type, 1, 4, packScales(scales), mix.choiceBit());
    EXPECT_EQ(back.bits, scales.bits);
    EXPECT_TRUE(back.choice(3));
  }
  EXPECT_EQ(format("NVFP4").choiceBit(), 0u);
}

TEST(Quantize, EachBlockHasTheCodesAndValuesOfItsGrid) {
  for (Block block : {Block{1, 16}, Block{2, 4}})
    for (RoundingKind kind : {RoundingKind::NearestEven, RoundingKind::NearestAway,
                              RoundingKind::TowardZero, RoundingKind::Stochastic}) {
      Format mix = twoGrids(ScaleType::BF16, block);
      Values x = wave(3, 64), t = x;
      std::vector<float> values = blockAmax(x, block);
      std::vector<uint8_t> choices;
      for (size_t i = 0; i < values.size(); ++i) {
        choices.push_back(i % 3 == 1);
        values[i] /= choices[i] ? 7 : 6;
      }
      uint32_t flags = 0;
      LevelScales scales = programScales(x, mix.levels[0], values, choices, flags);
      divideByScales(t, block, scales);
      Rounding rounding{kind, 8, 7};
      RandomSource random{5, 100, Stream::Column};
      std::vector<uint8_t> codes = encode(t, mix, scales, rounding, random);
      std::vector<uint8_t> one = encode(t, mix.grid, rounding, random),
                           other = encode(t, *mix.alternative, rounding, random);
      Values d = dequantize(mix, 3, 64, packCodes(codes), {&scales, 1});
      for (int64_t row = 0; row < 3; ++row)
        for (int64_t col = 0; col < 64; ++col) {
          size_t i = row * 64 + col;
          size_t b = row / block.rows * (64 / block.cols) + col / block.cols;
          ASSERT_EQ(codes[i], choices[b] ? other[i] : one[i]);
          const Grid &grid = choices[b] ? *mix.alternative : mix.grid;
          ASSERT_EQ(d.data[i], grid.values[codes[i]] * encodedBF16(values[b]));
        }
    }
}

TEST(Quantize, RequestsThatAreRefused) {
  Values x = wave(2, 64);
  Quantized result;
  QuantizeOptions options;
  options.signs.assign(24, 1.0f);
  EXPECT_NE(quantize(ref(x), format("UFP4"), options, result), "");
  options.signs.assign(16, 0.5f);
  EXPECT_NE(quantize(ref(x), format("UFP4"), options, result), "");
  options = {};
  options.rounding = {RoundingKind::Stochastic, 5, 7};
  EXPECT_NE(quantize(ref(x), format("UFP4"), options, result), "");
  options.rounding = {RoundingKind::Stochastic, 8, 8};
  EXPECT_NE(quantize(ref(x), format("UFP4"), options, result), "");
}

TEST(Quantize, HalfPrecisionConversions) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    auto bits = static_cast<uint16_t>(half);
    float value = widenF16(bits);
    int exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
    if (exponent == 0x1f) {
      EXPECT_EQ(std::isnan(value), mantissa != 0);
    } else {
      double magnitude =
          exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
      EXPECT_EQ(std::fabs(value), magnitude);
      EXPECT_EQ(narrowToF16(value), bits);
    }
    EXPECT_EQ(std::signbit(value), bits >> 15 != 0);
    if (!std::isnan(widenBF16(bits))) {
      EXPECT_EQ(narrowToBF16(widenBF16(bits)), bits);
    }
  }
  EXPECT_EQ(narrowToF16(65519.996f), 0x7bff);
  EXPECT_EQ(narrowToF16(65520.0f), 0x7c00);
  EXPECT_EQ(narrowToF16(0x1p-25f), 0);
  EXPECT_EQ(narrowToF16(0x1.8p-24f), 2);
  EXPECT_EQ(narrowToBF16(1 + 0x1p-8f), 0x3f80);
  EXPECT_EQ(narrowToBF16(1 + 0x3p-8f), 0x3f82);
  EXPECT_TRUE(std::isnan(widenBF16(narrowToBF16(floatOf(0x7f800001)))));
  EXPECT_TRUE(std::isnan(widenF16(narrowToF16(quietNaN))));
}

#if defined(__SSE2__)
TEST(Quantize, FlushToZeroOfTheCallerDoesNotMatter) {
  Values x = wave(4, 64);
  for (float &value : x.data)
    value *= 0x1p-140f;
  Quantized expected = run(x, format("UFP4"));
  unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040 | 0x6000); // flush, denormals are zero, toward zero
  Quantized got = run(x, format("UFP4"));
  unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  EXPECT_EQ(after & 0xe040, 0xe040u) << "the caller's settings are restored";
  expectSame(got, expected);
}
#endif

//===----------------------------------------------------------------------===//
// HiF4, against the paper's algorithm in double precision
//===----------------------------------------------------------------------===//

static double toBF16(double value) { // values whose f32 rounding is exact
  return widenBF16(narrowToBF16(static_cast<float>(value)));
}

TEST(HiF4, FollowsThePaperForBF16Input) {
  Values x = wave(16, 128);
  for (float &value : x.data)
    value = widenBF16(narrowToBF16(value));
  Quantized q = run(x, format("HIF4"));
  Values d = dequantize(format("HIF4"), q.rows, q.cols, q.codes, q.scales);
  for (size_t unit = 0; unit < x.data.size() / 64; ++unit) {
    const float *v = &x.data[unit * 64];
    auto largest = [&](int first, int count) {
      double result = 0;
      for (int i = first; i < first + count; ++i)
        result = std::max<double>(result, std::fabs(v[i]));
      return result;
    };
    double wanted = toBF16(largest(0, 64) * toBF16(1.0 / 7));
    int exponent = std::ilogb(wanted);
    double e6m2 = std::ldexp(std::nearbyint(std::ldexp(wanted, 2 - exponent)), exponent - 2);
    double reciprocal = toBF16(1 / e6m2);
    EXPECT_EQ(decodeScale(ScaleType::E6M2, q.scales[2].bits[unit]), e6m2);
    for (int i = 0; i < 64; ++i) {
      int e8 = largest(i / 8 * 8, 8) * reciprocal >= 4;
      int e4 = largest(i / 4 * 4, 4) * reciprocal * std::ldexp(1, -e8) >= 2;
      EXPECT_EQ(q.scales[1].bits[unit * 8 + i / 8], static_cast<uint32_t>(e8));
      EXPECT_EQ(q.scales[0].bits[unit * 16 + i / 4], static_cast<uint32_t>(e4));
      double scaled = std::fabs(v[i]) * reciprocal * std::ldexp(1, -e8 - e4);
      double element = std::min(std::nearbyint(scaled * 4) / 4, 1.75);
      EXPECT_EQ(std::fabs(d.data[unit * 64 + i]), e6m2 * std::ldexp(element, e8 + e4));
    }
  }
}

TEST(HiF4, OneBitExponentsArePackedFromTheLowestBit) {
  Values x{1, 64, std::vector<float>(64, 0.25f)};
  x.data[12] = 7.0f; // unit scale 1; group of eight 1, group of four 3
  Quantized q = run(x, format("HIF4"));
  EXPECT_EQ(decodeScale(ScaleType::E6M2, q.scales[2].bits[0]), 1.0f);
  EXPECT_EQ(packScales(q.scales[1]), std::vector<uint8_t>{0x02});
  EXPECT_EQ(packScales(q.scales[0]), (std::vector<uint8_t>{0x08, 0x00}));
  EXPECT_EQ(unpackCodes(q.codes)[12], 7);
}
