//===- Functions.h - exp and its relatives, to the bit ----------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The last bits of a libm's expf differ between machines, so elementwise code
// uses these: each function is a fixed sequence of f32 operations, every one
// rounded to nearest even. The sequence is written once, over the operations of a
// machine: floats here, registers of a tile in the compiler.
//
// Such a machine has
//
//   Value, Integer, Condition    f32, i32, and the result of a comparison
//   constant(float)              a Value
//   add, sub, mul, div (x, y), fma(x, y, z) = fl(x y + z)
//   abs(x), copySign(magnitude, sign)
//   less(x, y)                   false if one is NaN
//   select(condition, x, y)
//   bits(Value), fromBits(Integer)
//   addI(Integer, int32_t), subI(x, y), shiftLeft(x, n), shiftRight(x, n)
//                                on Integers, wrapping; the right shift is signed
//
// Errors (FunctionsTest): at most 1 unit in the last place of f32 for exp, 2 for tanh,
// 3 for erf and sigmoid. silu multiplies a sigmoid, gelu a sum of 1 and an erf.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_NUMERICS_FUNCTIONS_H
#define QUADRILLE_NUMERICS_FUNCTIONS_H

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace quadrille::numerics {

/// The functions, in the order of the quad dialect's enumeration. GeluTanh is the
/// approximation of Gelu that tanh gives.
enum class Function : uint8_t { Exp, Tanh, Erf, Sigmoid, Silu, Gelu, GeluTanh };

inline constexpr std::string_view functionNames[] = {"exp",  "tanh", "erf",      "sigmoid",
                                                     "silu", "gelu", "gelu_tanh"};

/// f(x) in f32. A NaN gives a NaN.
float evaluate(Function function, float x);

template <typename Machine> class FunctionProgram {
  using Value = typename Machine::Value;
  using Integer = typename Machine::Integer;

public:
  explicit FunctionProgram(Machine &m) : m(m) {}

  Value emit(Function function, Value x) {
    switch (function) {
    case Function::Exp:
      return exp(x);
    case Function::Tanh:
      return tanh(x);
    case Function::Erf:
      return erf(x);
    case Function::Sigmoid:
      return sigmoid(x);
    case Function::Silu:
      return m.mul(x, sigmoid(x));
    case Function::Gelu:
      return gelu(x);
    case Function::GeluTanh:
      return geluTanh(x);
    }
    return x;
  }

private:
  /// 2^n (1 + r + r^2 p(r)) with n the integer nearest to x / ln 2.
  Value exp(Value x) {
    // Beyond these the result is 0 or infinity by the last product.
    x = m.select(m.less(x, m.constant(-104.0f)), m.constant(-104.0f), x);
    x = m.select(m.less(m.constant(89.0f), x), m.constant(89.0f), x);
    // Adding 1.5 * 2^23 leaves n in the low bits.
    Value magic = m.constant(0x1.8p23f);
    Value shifted = m.fma(x, m.constant(0x1.715476p+0f), magic);
    Value n = m.sub(shifted, magic);
    // ln 2 in two parts, the first of 16 bits: its product with n is exact.
    Value r = m.fma(n, m.constant(-0x1.62e4p-1f), x);
    r = m.fma(n, m.constant(-0x1.7f7d1cp-20f), r);
    Value p = polynomial(r, {0x1.6a2434p-10f, 0x1.1239e2p-7f, 0x1.5558f2p-5f, 0x1.555492p-3f,
                             0x1.fffffcp-2f});
    p = m.add(m.fma(m.mul(r, r), p, r), m.constant(1.0f));
    // In two factors, as 2^n alone may leave the range of normal numbers.
    Integer exponent = m.subI(m.bits(shifted), m.bits(magic));
    Integer half = m.shiftRight(exponent, 1);
    return m.mul(m.mul(p, power(half)), power(m.subI(exponent, half)));
  }

  /// |x| + |x|^3 p(x^2) up to 5/8, then 1 - 2 / (e^2|x| + 1).
  Value tanh(Value x) {
    Value magnitude = m.abs(x), square = m.mul(x, x), one = m.constant(1.0f);
    Value p = polynomial(square, {-0x1.75e1ccp-8f, 0x1.52269cp-6f, -0x1.b83c5ap-5f, 0x1.110726p-3f,
                                  -0x1.555532p-2f});
    Value small = m.fma(m.mul(magnitude, square), p, magnitude);
    Value power = exp(m.add(magnitude, magnitude));
    Value large = m.sub(one, m.div(m.constant(2.0f), m.add(power, one)));
    return m.copySign(m.select(m.less(magnitude, m.constant(0.625f)), small, large), x);
  }

  /// x p(x^2) up to 1, then 1 - e^-q(|x|).
  Value erf(Value x) {
    Value magnitude = m.abs(x), four = m.constant(4.0f);
    Value small = m.mul(magnitude, polynomial(m.mul(x, x), {0x1.496a3p-14f, -0x1.a3f7p-11f, 0x1.5405b2p-8f,
                                                        -0x1.b7f90ep-6f, 0x1.ce2cf8p-4f,
                                                        -0x1.81273ep-2f, 0x1.20dd74p+0f}));
    Value limited = m.select(m.less(four, magnitude), four, magnitude);
    Value q = polynomial(limited, {-0x1.87b2fap-13f, 0x1.82e874p-9f, -0x1.6617f8p-6f, 0x1.a67e76p-4f,
                                   0x1.46b434p-1f, 0x1.208b1ap+0f, 0x1.5cda9ap-12f});
    Value large = m.sub(m.constant(1.0f), exp(m.sub(m.constant(0.0f), q)));
    return m.copySign(m.select(m.less(magnitude, m.constant(1.0f)), small, large), x);
  }

  /// 1 / (1 + e^-|x|), times e^-|x| where x is negative.
  Value sigmoid(Value x) {
    Value one = m.constant(1.0f), zero = m.constant(0.0f);
    Value e = exp(m.sub(zero, m.abs(x)));
    return m.div(m.select(m.less(x, zero), e, one), m.add(one, e));
  }

  /// (x / 2) (1 + erf(x / sqrt 2)).
  Value gelu(Value x) {
    Value half = m.mul(x, m.constant(0.5f));
    return m.mul(half, m.add(m.constant(1.0f), erf(m.mul(x, m.constant(0x1.6a09e6p-1f)))));
  }

  /// (x / 2) (1 + tanh(u)) = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
  Value geluTanh(Value x) {
    Value factor = m.fma(m.mul(x, x), m.constant(0x1.2444f2p-4f), m.constant(0x1.988454p+0f));
    return m.mul(x, sigmoid(m.mul(x, factor)));
  }

  /// Horner's rule, from the highest coefficient.
  Value polynomial(Value x, std::initializer_list<float> coefficients) {
    const float *next = coefficients.begin();
    Value sum = m.constant(*next++);
    while (next != coefficients.end())
      sum = m.fma(sum, x, m.constant(*next++));
    return sum;
  }

  /// 2^n of a normal number's exponent.
  Value power(Integer n) { return m.fromBits(m.shiftLeft(m.addI(n, 127), 23)); }

  Machine &m;
};

} // namespace quadrille::numerics

#endif // QUADRILLE_NUMERICS_FUNCTIONS_H
