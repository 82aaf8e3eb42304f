//===- MatmulReference.h - Operands and products by the book ----*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TEST_UNIT_TARGET_HOST_MATMULREFERENCE_H
#define QUADRILLE_TEST_UNIT_TARGET_HOST_MATMULREFERENCE_H

#include "quadrille/Numerics/Quantize.h"

namespace quadrille::test {

/// A random operand [rows, k] as stored and as numbers.
struct Operand {
  int64_t rows = 0, k = 0;
  numerics::Quantized quantized;
  std::vector<std::vector<uint8_t>> scales; ///< as stored, inner to outer
  std::vector<double> exact;  ///< code * scales, without the tensor level's
  std::vector<float> values;  ///< the same as f32 products, innermost first
  std::vector<float> codes;   ///< code * one-bit exponents
  std::vector<float> factors; ///< what codes are to be multiplied with
  float tensorScale = 1;

  /// Normal numbers with a magnitude of their own per stretch of 8, quantized.
  Operand(const Format &format, int64_t rows, int64_t k, unsigned seed);
};

/// sum |a b| and sum a b of an element of the product, in f64.
struct ExactSum {
  double sum = 0, absolute = 0;
};
ExactSum sumExactly(const Operand &a, const Operand &b, int64_t row, int64_t col);

/// The element in the order that Matmul.h states, before the epilogue.
float sumF32(const Operand &a, const Operand &b, int64_t row, int64_t col);
float sumS8(const Operand &a, const Operand &b, int64_t row, int64_t col, int64_t kBlock);

} // namespace quadrille::test

#endif // QUADRILLE_TEST_UNIT_TARGET_HOST_MATMULREFERENCE_H
