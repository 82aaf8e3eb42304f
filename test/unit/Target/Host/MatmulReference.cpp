//===- MatmulReference.cpp - Operands and products by the book ------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MatmulReference.h"
#include "gtest/gtest.h"

#include <cmath>
#include <random>

using namespace quadrille;
using namespace quadrille::test;

static std::vector<float> makeInput(int64_t rows, int64_t k, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> exponent(-6, 6);
  std::vector<float> values(rows * k);
  float magnitude = 1;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i % 8 == 0)
      magnitude = std::ldexp(1.0f, exponent(random));
    values[i] = magnitude * normal(random);
  }
  return values;
}

Operand::Operand(const Format &format, int64_t rows, int64_t k, unsigned seed)
    : rows(rows), k(k) {
  std::vector<float> input = makeInput(rows, k, seed);
  numerics::MatrixRef matrix{input.data(), numerics::ElementType::F32, rows, k, k * 4, 4};
  std::string error = numerics::quantize(matrix, format, {}, quantized);
  EXPECT_EQ(error, "");
  for (const numerics::LevelScales &level : quantized.scales)
    scales.push_back(numerics::packScales(level));
  if (format.hasTensorLevel())
    tensorScale = numerics::decodeScale(format.levels.back().type,
                                        quantized.scales.back().bits.front());

  std::vector<uint8_t> unpacked = numerics::unpackCodes(quantized.codes);
  for (int64_t i = 0; i < rows * k; ++i) {
    float value = format.grid.values[unpacked[i]];
    double product = value;
    codes.push_back(value);
    factors.push_back(1);
    for (size_t l = 0; l < format.levels.size(); ++l) {
      const Level &level = format.levels[l];
      if (level.block.isTensor())
        continue;
      int64_t across = quantized.scales[l].blockCols;
      int64_t block = i / k / level.block.rows * across + i % k / level.block.cols;
      float scale = numerics::decodeScale(level.type, quantized.scales[l].bits[block]);
      value *= scale;
      product *= scale;
      (level.type == ScaleType::E1 ? codes : factors).back() *= scale;
    }
    values.push_back(value);
    exact.push_back(product);
  }
}

ExactSum test::sumExactly(const Operand &a, const Operand &b, int64_t row, int64_t col) {
  ExactSum result;
  for (int64_t i = 0; i < a.k; ++i) {
    double product = a.exact[row * a.k + i] * b.exact[col * b.k + i];
    result.sum += product;
    result.absolute += std::fabs(product);
  }
  return result;
}

float test::sumF32(const Operand &a, const Operand &b, int64_t row, int64_t col) {
  float acc = 0;
  for (int64_t i = 0; i < a.k; ++i)
    acc = std::fma(a.values[row * a.k + i], b.values[col * b.k + i], acc);
  return acc;
}

float test::sumS8(const Operand &a, const Operand &b, int64_t row, int64_t col, int64_t kBlock) {
  float acc = 0;
  for (int64_t k = 0; k < a.k; k += kBlock) {
    int64_t i = row * a.k + k, j = col * b.k + k;
    double sum = 0; // exact: the codes are small multiples of a power of two
    for (int64_t l = 0; l < kBlock; ++l)
      sum += double(a.codes[i + l]) * b.codes[j + l];
    float scale = a.factors[i] * b.factors[j];
    float product = float(sum) * scale;
    acc += product;
  }
  return acc;
}
