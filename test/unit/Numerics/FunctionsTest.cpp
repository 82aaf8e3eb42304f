//===- FunctionsTest.cpp - Tests of exp and its relatives -----------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The oracle is the C library in double, whose errors are far below an f32's last
// place.
//
//===----------------------------------------------------------------------===//
#include "quadrille/Numerics/Functions.h"
#include "gtest/gtest.h"
#include <bit>
#include <cmath>
#include <limits>

using namespace quadrille::numerics;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

double exact(Function function, double x) {
  switch (function) {
  case Function::Exp:
    return std::exp(x);
  case Function::Tanh:
    return std::tanh(x);
  case Function::Erf:
    return std::erf(x);
  case Function::Sigmoid:
    return 1 / (1 + std::exp(-x));
  case Function::Silu:
    return x / (1 + std::exp(-x));
  case Function::Gelu:
    return x / 2 * std::erfc(-x * std::sqrt(0.5));
  case Function::GeluTanh:
    return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  return 0;
}

/// |y - exact| in units of the last place of the f32 nearest to the exact value.
double errorInPlaces(float y, double wanted) {
  if (float nearest = float(wanted); std::isinf(nearest))
    return y == nearest ? 0 : infinity;
  int exponent;
  std::frexp(wanted, &exponent);
  return std::fabs(y - wanted) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

/// Calls `check` for floats of all exponents and signs, about 4 million.
template <typename Check> void forManyFloats(Check check) {
  constexpr uint64_t step = 1009;
  for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += step)
    if (float x = std::bit_cast<float>(uint32_t(bits)); !std::isnan(x))
      check(x);
}

struct Bound {
  Function function;
  double places;
};

TEST(Functions, errorsOfAllExponents) {
  for (auto [function, places] : {Bound{Function::Exp, 1}, Bound{Function::Tanh, 2},
                                  Bound{Function::Erf, 3}, Bound{Function::Sigmoid, 3}})
    forManyFloats([&, function = function, places = places](float x) {
      float y = evaluate(function, x);
      ASSERT_LE(errorInPlaces(y, exact(function, x)), places)
          << functionNames[int(function)] << " of " << x << " is " << y;
    });
}

TEST(Functions, activationsNearTheirExactValues) {
  // Relative to |x|: a sigmoid, or the sum of 1 and an erf, is good to 2^-22.
  for (Function function : {Function::Silu, Function::Gelu, Function::GeluTanh})
    forManyFloats([&](float x) {
      if (std::isinf(x))
        return;
      float y = evaluate(function, x);
      ASSERT_LE(std::fabs(y - exact(function, x)), std::fabs(x) * 0x1p-22 + 0x1p-149)
          << functionNames[int(function)] << " of " << x << " is " << y;
    });
}

TEST(Functions, specialValues) {
  EXPECT_EQ(evaluate(Function::Exp, 0.0f), 1.0f);
  EXPECT_EQ(evaluate(Function::Exp, -0.0f), 1.0f);
  EXPECT_EQ(evaluate(Function::Exp, infinity), infinity);
  EXPECT_EQ(evaluate(Function::Exp, -infinity), 0.0f);
  EXPECT_EQ(evaluate(Function::Exp, 89.0f), infinity);
  EXPECT_EQ(evaluate(Function::Exp, -103.0f), 0x1p-149f) << "subnormals are kept";
  EXPECT_EQ(evaluate(Function::Tanh, infinity), 1.0f);
  EXPECT_EQ(evaluate(Function::Erf, -infinity), -1.0f);
  EXPECT_EQ(evaluate(Function::Sigmoid, -infinity), 0.0f);
  EXPECT_EQ(evaluate(Function::Sigmoid, infinity), 1.0f);
  EXPECT_EQ(evaluate(Function::Sigmoid, 0.0f), 0.5f);
  for (Function odd : {Function::Tanh, Function::Erf})
    EXPECT_EQ(std::bit_cast<uint32_t>(evaluate(odd, -0.0f)), 0x80000000u);
  for (size_t i = 0; i < std::size(functionNames); ++i)
    EXPECT_TRUE(std::isnan(evaluate(Function(i), std::nanf("")))) << functionNames[i];
}

} // namespace
