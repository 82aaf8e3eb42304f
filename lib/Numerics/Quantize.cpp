//===- Quantize.cpp - Quantize and dequantize a tensor --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Quantize.h"
#include "quadrille/Numerics/Hadamard.h"

#include <algorithm>
#include <cassert>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <numeric>

using namespace quadrille;
using namespace quadrille::numerics;

FloatEnvironment::FloatEnvironment() {
  static_assert(sizeof(std::fenv_t) <= sizeof(saved));
  std::fenv_t environment;
  std::fegetenv(&environment);
  std::memcpy(saved, &environment, sizeof(environment));
  std::fesetenv(FE_DFL_ENV);
}

FloatEnvironment::~FloatEnvironment() {
  std::fenv_t environment;
  std::memcpy(&environment, saved, sizeof(environment));
  std::fesetenv(&environment);
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

static uint32_t shiftRightToNearestEven(uint32_t bits, unsigned drop) {
  return (bits + (1u << (drop - 1)) - 1 + (bits >> drop & 1)) >> drop;
}

float numerics::widenBF16(uint16_t bits) { return floatOf(static_cast<uint32_t>(bits) << 16); }

uint16_t numerics::narrowToBF16(float value) {
  uint32_t bits = bitsOf(value);
  if (std::isnan(value))
    return static_cast<uint16_t>(bits >> 16 | 0x0040); // quiet, or it could become infinity
  return static_cast<uint16_t>(shiftRightToNearestEven(bits, 16));
}

float numerics::widenF16(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  uint32_t exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0x1f)
    return floatOf(sign | 0x7f800000 | mantissa << 13);
  float magnitude = exponent == 0 ? static_cast<float>(mantissa) * 0x1p-24f
                                  : floatOf((exponent + 112) << 23 | mantissa << 13);
  return floatOf(sign | bitsOf(magnitude));
}

uint16_t numerics::narrowToF16(float value) {
  auto sign = static_cast<uint16_t>(bitsOf(value) >> 16 & 0x8000);
  float magnitude = std::fabs(value);
  uint32_t bits;
  if (std::isnan(value))
    bits = 0x7e00;
  else if (magnitude < 0x1p-14f) // subnormal: 2^-1 has the last place 2^-24
    bits = bitsOf(magnitude + 0.5f) - bitsOf(0.5f);
  else
    bits = std::min(shiftRightToNearestEven(bitsOf(magnitude), 13) - (112u << 10), 0x7c00u);
  return static_cast<uint16_t>(sign | bits);
}

//===----------------------------------------------------------------------===//
// Input
//===----------------------------------------------------------------------===//

int64_t numerics::storedMultiple(const Format &format, int64_t hadamardSize) {
  int64_t multiple = std::lcm<int64_t>(2, hadamardSize ? hadamardSize : 1);
  for (const Level &level : format.levels)
    if (!level.block.isTensor())
      multiple = std::lcm(multiple, level.block.cols);
  return multiple;
}

static float loadElement(const unsigned char *from, ElementType type) {
  if (type == ElementType::F32) {
    float value;
    std::memcpy(&value, from, sizeof(value));
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, from, sizeof(bits));
  return type == ElementType::BF16 ? widenBF16(bits) : widenF16(bits);
}

Values numerics::load(const MatrixRef &input, int64_t storedCols) {
  assert(storedCols >= input.cols);
  Values y{input.rows, storedCols,
           std::vector<float>(static_cast<size_t>(input.rows * storedCols), 0.0f)};
  const auto *bytes = static_cast<const unsigned char *>(input.data);
  for (int64_t row = 0; row < input.rows; ++row)
    for (int64_t col = 0; col < input.cols; ++col)
      y.data[static_cast<size_t>(row * storedCols + col)] =
          loadElement(bytes + row * input.rowStride + col * input.colStride, input.type);
  return y;
}

void numerics::rotate(Values &y, std::span<const float> signs) {
  auto n = static_cast<int64_t>(signs.size());
  if (n == 0)
    return;
  assert(isHadamardSize(n) && y.cols % n == 0);
  for (size_t i = 0; i < y.data.size(); i += signs.size())
    hadamard(&y.data[i], signs.data(), n);
}

//===----------------------------------------------------------------------===//
// Levels
//===----------------------------------------------------------------------===//

float numerics::amax(const Values &y) {
  uint32_t largest = 0;
  for (float value : y.data)
    largest = std::max(largest, magnitudeBits(value));
  constexpr uint32_t infinity = 0x7f800000, nan = 0x7fc00000;
  return floatOf(largest > infinity ? nan : largest);
}

/// Blocks of a level over a tensor: the tensor's own size if it is one block.
static Block blockOf(const Values &y, Block block) {
  return block.isTensor() ? Block{std::max<int64_t>(y.rows, 1), std::max<int64_t>(y.cols, 1)}
                          : block;
}

static LevelScales emptyScales(const Values &y, const Block &level, ScaleType type) {
  if (level.isTensor())
    return {type, 1, 1, {}};
  return {type, (y.rows + level.rows - 1) / level.rows, y.cols / level.cols, {}};
}

/// Calls `visit(block index, values, count)` for each row of each block.
template <typename Data, typename Visitor>
static void forEachBlockRow(Data &&y, const Block &level, Visitor visit) {
  Block block = blockOf(y, level);
  int64_t across = y.cols / block.cols;
  for (int64_t row = 0; row < y.rows; ++row)
    for (int64_t i = 0; i < across; ++i)
      visit(static_cast<size_t>(row / block.rows * across + i),
            &y.data[static_cast<size_t>(row * y.cols + i * block.cols)], block.cols);
}

std::vector<float> numerics::blockAmax(const Values &y, const Block &block) {
  LevelScales shape = emptyScales(y, block, ScaleType::F32);
  std::vector<uint32_t> largest(static_cast<size_t>(shape.blockRows * shape.blockCols), 0);
  forEachBlockRow(y, block, [&](size_t index, const float *values, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      largest[index] = std::max(largest[index], magnitudeBits(values[i]));
  });
  std::vector<float> result;
  std::ranges::transform(largest, std::back_inserter(result), floatOf);
  return result;
}

LevelScales numerics::levelScales(const Values &y, const Format &format, size_t i,
                                  std::optional<float> tensorAmax, uint32_t &flags) {
  const Level &level = format.levels[i];
  float qmax = format.qmax(i);
  LevelScales scales = emptyScales(y, level.block, level.type);
  bool given = level.block.isTensor() && tensorAmax;
  std::vector<float> largest =
      given ? std::vector<float>{std::fabs(*tensorAmax)} : blockAmax(y, level.block);
  for (float blockLargest : largest) {
    scales.bits.push_back(encodeScaleOfAmax(level, qmax, blockLargest));
    if (isNonFinite(blockLargest))
      flags |= FlagNonFinite;
    else if (saturatesScale(level, qmax, blockLargest))
      flags |= FlagScaleSaturated;
  }
  return scales;
}

LevelScales numerics::programScales(const Values &y, const Level &level,
                                    std::span<const float> values,
                                    std::span<const uint8_t> choices, uint32_t &flags) {
  LevelScales scales = emptyScales(y, level.block, level.type);
  std::vector<float> largest = blockAmax(y, level.block);
  assert(values.size() == largest.size() && "one value per block");
  assert((choices.empty() || choices.size() == values.size()) && "one choice per block");
  if (!choices.empty())
    scales.choiceBit = scaleTypeInfo(level.type).signBit();
  float most = maxScale(level.type, level.bits);
  for (size_t i = 0; i < largest.size(); ++i) {
    bool nonFinite = isNonFinite(largest[i]) || std::isnan(values[i]);
    scales.bits.push_back(nonFinite ? scaleTypeInfo(level.type).nanBits
                                    : encodeScale(level.type, values[i], level.bits));
    if (!nonFinite && !choices.empty() && choices[i])
      scales.bits.back() |= scales.choiceBit;
    if (nonFinite)
      flags |= FlagNonFinite;
    else if (values[i] > most)
      flags |= FlagScaleSaturated;
  }
  return scales;
}

void numerics::divideByScales(Values &y, const Block &block, const LevelScales &scales) {
  forEachBlockRow(y, block, [&](size_t index, float *values, int64_t count) {
    float reciprocal = 1.0f / scales.value(index);
    for (int64_t i = 0; i < count; ++i)
      values[i] *= reciprocal;
  });
}

//===----------------------------------------------------------------------===//
// Codes and storage
//===----------------------------------------------------------------------===//

std::vector<uint8_t> numerics::encode(const Values &t, const Grid &grid, const Rounding &rounding,
                                      const RandomSource &random) {
  GridRounder rounder(grid, rounding);
  std::vector<uint8_t> codes(t.data.size());
  if (rounding.kind != RoundingKind::Stochastic) {
    for (size_t i = 0; i < codes.size(); ++i)
      codes[i] = rounder.encode(t.data[i]);
    return codes;
  }
  ElementBits bits(random.key, random.stream, rounding.bits, rounding.rounds);
  for (size_t i = 0; i < codes.size(); ++i)
    codes[i] = rounder.encode(t.data[i], bits(random.base + i));
  return codes;
}

std::vector<uint8_t> numerics::encode(const Values &t, const Format &format,
                                      const LevelScales &innermost, const Rounding &rounding,
                                      const RandomSource &random) {
  std::vector<uint8_t> codes = encode(t, format.grid, rounding, random);
  if (!format.alternative)
    return codes;
  std::vector<uint8_t> others = encode(t, *format.alternative, rounding, random);
  forEachBlockRow(t, format.levels.front().block,
                  [&](size_t block, const float *values, int64_t count) {
                    auto first = values - t.data.data();
                    if (innermost.choice(block))
                      std::copy_n(others.begin() + first, count, codes.begin() + first);
                  });
  return codes;
}

Values numerics::decode(const Format &format, int64_t rows, int64_t cols,
                        std::span<const uint8_t> packedCodes, const LevelScales &innermost) {
  std::vector<uint8_t> codes = unpackCodes(packedCodes);
  Values y{rows, cols, std::vector<float>(codes.size())};
  auto lookUp = [&](const Grid &grid, size_t first, int64_t count) {
    std::vector<float> values = grid.values;
    values.resize(16, floatOf(0x7fc00000));
    for (size_t i = first; i < first + static_cast<size_t>(count); ++i)
      y.data[i] = values[codes[i]];
  };
  lookUp(format.grid, 0, rows * cols);
  if (format.alternative)
    forEachBlockRow(y, format.levels.front().block,
                    [&](size_t block, const float *values, int64_t count) {
                      if (innermost.choice(block))
                        lookUp(*format.alternative, values - y.data.data(), count);
                    });
  return y;
}

std::vector<uint8_t> numerics::packCodes(std::span<const uint8_t> codes) {
  assert(codes.size() % 2 == 0);
  std::vector<uint8_t> packed(codes.size() / 2);
  for (size_t i = 0; i < packed.size(); ++i)
    packed[i] = static_cast<uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
  return packed;
}

std::vector<uint8_t> numerics::unpackCodes(std::span<const uint8_t> packed) {
  std::vector<uint8_t> codes;
  codes.reserve(packed.size() * 2);
  for (uint8_t byte : packed) {
    codes.push_back(byte & 15);
    codes.push_back(byte >> 4);
  }
  return codes;
}

int64_t numerics::scaleRowBytes(ScaleType type, int64_t blockCols) {
  return (blockCols * scaleTypeInfo(type).storageBits + 7) / 8;
}

std::vector<uint8_t> numerics::packScales(const LevelScales &scales) {
  unsigned width = scaleTypeInfo(scales.type).storageBits;
  int64_t rowBytes = scaleRowBytes(scales.type, scales.blockCols);
  std::vector<uint8_t> stored(static_cast<size_t>(scales.blockRows * rowBytes), 0);
  for (size_t i = 0; i < scales.bits.size(); ++i) {
    size_t row = i / scales.blockCols, col = i % scales.blockCols;
    size_t bit = row * rowBytes * 8 + col * width;
    for (unsigned done = 0; done < width; done += 8)
      stored[(bit + done) / 8] |= static_cast<uint8_t>(scales.bits[i] >> done << bit % 8);
  }
  return stored;
}

LevelScales numerics::unpackScales(ScaleType type, int64_t blockRows, int64_t blockCols,
                                   std::span<const uint8_t> stored, uint32_t choiceBit) {
  unsigned width = scaleTypeInfo(type).storageBits;
  int64_t rowBytes = scaleRowBytes(type, blockCols);
  assert(static_cast<int64_t>(stored.size()) == blockRows * rowBytes);
  LevelScales scales{type, blockRows, blockCols, {}, choiceBit};
  for (int64_t row = 0; row < blockRows; ++row)
    for (int64_t col = 0; col < blockCols; ++col) {
      size_t bit = static_cast<size_t>(row * rowBytes * 8 + col * width);
      uint32_t word = 0;
      for (unsigned done = 0; done < width; done += 8)
        word |= static_cast<uint32_t>(stored[(bit + done) / 8]) << done;
      scales.bits.push_back(width == 1 ? word >> bit % 8 & 1 : word);
    }
  return scales;
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

static std::string verifyOptions(const Format &format, const QuantizeOptions &options) {
  if (!options.signs.empty() && !isHadamardSize(static_cast<int64_t>(options.signs.size())))
    return "a Hadamard transform has 16, 32, 64, 128 or 256 signs, not " +
           std::to_string(options.signs.size());
  for (float sign : options.signs)
    if (std::fabs(sign) != 1)
      return "signs must be +1 or -1";
  for (const Level &level : format.levels)
    if (level.rule == ScaleRule::Program)
      return "a program's scales are computed outside; use the steps";
  const Rounding &rounding = options.rounding;
  if (rounding.kind != RoundingKind::Stochastic)
    return "";
  if (rounding.bits != 4 && rounding.bits != 8 && rounding.bits != 16)
    return "stochastic rounding uses 4, 8 or 16 bits, not " + std::to_string(rounding.bits);
  if (rounding.rounds != 7 && rounding.rounds != 10)
    return "Philox has 7 or 10 rounds, not " + std::to_string(rounding.rounds);
  return "";
}

/// Computes every level's scales, inner to outer, and turns y into t.
static std::vector<LevelScales> quantizeLevels(Values &y, const Format &format,
                                               std::optional<float> tensorAmax, uint32_t &flags) {
  if (format.levels.front().rule == ScaleRule::HiF4)
    return hif4Scales(y, flags);
  std::vector<LevelScales> scales(format.levels.size());
  for (size_t i = format.levels.size(); i-- > 0;) {
    scales[i] = levelScales(y, format, i, tensorAmax, flags);
    divideByScales(y, format.levels[i].block, scales[i]);
  }
  return scales;
}

std::string numerics::quantize(const MatrixRef &input, const Format &format,
                               const QuantizeOptions &options, Quantized &result) {
  if (std::string error = verify(format); !error.empty())
    return error;
  if (std::string error = verifyOptions(format, options); !error.empty())
    return error;
  int64_t multiple = storedMultiple(format, static_cast<int64_t>(options.signs.size()));
  int64_t stored = (input.cols + multiple - 1) / multiple * multiple;
  if (stored != input.cols && !options.pad)
    return "the quantized axis has length " + std::to_string(input.cols) + ", not a multiple of " +
           std::to_string(multiple) + "; pad=True extends it with zeros";

  FloatEnvironment environment;
  Values y = load(input, stored);
  rotate(y, options.signs);
  result = {y.rows, y.cols, {}, {}, 0};
  result.scales = quantizeLevels(y, format, options.tensorAmax, result.flags);
  result.codes =
      packCodes(encode(y, format, result.scales.front(), options.rounding, options.random));
  return "";
}

Values numerics::dequantize(const Format &format, int64_t rows, int64_t cols,
                            std::span<const uint8_t> packedCodes,
                            std::span<const LevelScales> scales) {
  assert(scales.size() == format.levels.size());
  FloatEnvironment environment;
  Values y = decode(format, rows, cols, packedCodes, scales.front());
  for (size_t i = 0; i < scales.size(); ++i)
    forEachBlockRow(y, format.levels[i].block, [&](size_t index, float *row, int64_t count) {
      float scale = scales[i].value(index);
      for (int64_t j = 0; j < count; ++j)
        row[j] *= scale;
    });
  return y;
}
