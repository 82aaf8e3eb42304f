//===- Functions.cpp - exp and its relatives, to the bit ------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Numerics/Functions.h"

#include <bit>
#include <cmath>

namespace quadrille::numerics {
namespace {

/// Floats of this CPU. The library is compiled without contraction.
struct ScalarMachine {
  using Value = float;
  using Integer = int32_t;

  float constant(float value) { return value; }
  float add(float x, float y) { return x + y; }
  float sub(float x, float y) { return x - y; }
  float mul(float x, float y) { return x * y; }
  float div(float x, float y) { return x / y; }
  float fma(float x, float y, float z) { return std::fmaf(x, y, z); }
  float abs(float x) { return std::fabs(x); }
  float copySign(float magnitude, float sign) { return std::copysign(magnitude, sign); }
  bool less(float x, float y) { return x < y; }
  float select(bool condition, float x, float y) { return condition ? x : y; }
  int32_t bits(float x) { return std::bit_cast<int32_t>(x); }
  float fromBits(int32_t bits) { return std::bit_cast<float>(bits); }
  int32_t addI(int32_t x, int32_t y) { return int32_t(uint32_t(x) + uint32_t(y)); }
  int32_t subI(int32_t x, int32_t y) { return int32_t(uint32_t(x) - uint32_t(y)); }
  int32_t shiftLeft(int32_t x, unsigned n) { return int32_t(uint32_t(x) << n); }
  int32_t shiftRight(int32_t x, unsigned n) { return x >> n; }
};

} // namespace

float evaluate(Function function, float x) {
  ScalarMachine machine;
  return FunctionProgram(machine).emit(function, x);
}

} // namespace quadrille::numerics
