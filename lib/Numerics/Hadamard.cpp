//===- Hadamard.cpp - Block Hadamard transform ----------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Hadamard.h"

#include <bit>
#include <cassert>
#include <cmath>

using namespace quadrille;
using namespace quadrille::numerics;

bool numerics::isHadamardSize(int64_t n) {
  return n >= 16 && n <= 256 && std::has_single_bit(static_cast<uint64_t>(n));
}

float numerics::hadamardScale(int64_t n) {
  assert(isHadamardSize(n));
  switch (n) {
  case 16:
    return 0.25f;
  case 32:
    return 0x1.6a09e6p-3f;
  case 64:
    return 0.125f;
  case 128:
    return 0x1.6a09e6p-4f;
  default:
    return 0.0625f;
  }
}

/// The stages of elements `h`, 2 h, .. n / 2 apart.
static void butterflies(float *y, int64_t n, int64_t h) {
  for (; h < n; h *= 2)
    for (int64_t i = 0; i < n; ++i)
      if ((i & h) == 0) {
        float u = y[i], v = y[i + h];
        y[i] = u + v;
        y[i + h] = u - v;
      }
}

void numerics::hadamard(float *y, const float *signs, int64_t n) {
  float scale = hadamardScale(n);
  for (int64_t i = 0; i < n; i += 2) {
    float u = y[i] * (signs[i] * scale), v = y[i + 1], factor = signs[i + 1] * scale;
    y[i] = std::fma(v, factor, u);
    y[i + 1] = std::fma(v, -factor, u);
  }
  butterflies(y, n, /*h=*/2);
}

void numerics::inverseHadamard(float *y, const float *signs, int64_t n) {
  butterflies(y, n, /*h=*/1);
  float scale = hadamardScale(n);
  for (int64_t i = 0; i < n; ++i)
    y[i] = y[i] * scale * signs[i];
}
