//===- Hadamard.h - Block Hadamard transform --------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_NUMERICS_HADAMARD_H
#define QUADRILLE_NUMERICS_HADAMARD_H

#include <cstdint>

namespace quadrille::numerics {

/// True of the sizes a transform may have: 16, 32, 64, 128, 256.
bool isHadamardSize(int64_t n);

/// c_n, the f32 nearest to 1/sqrt(n): what the butterflies' result is
/// multiplied by. Exact for 16, 64 and 256.
float hadamardScale(int64_t n);

/// y := H (s * y) in place, for n values and n signs (+1 or -1): log2(n) stages
/// of (u, v) -> (fl(u + v), fl(u - v)), with u and v 1, 2, .. n/2 apart, then
/// fl(y * c_n).
void hadamard(float *y, const float *signs, int64_t n);

/// The inverse, s * (H y): the same operations in the reverse order. It undoes
/// `hadamard` up to f32 rounding, not bit for bit.
void inverseHadamard(float *y, const float *signs, int64_t n);

} // namespace quadrille::numerics

#endif // QUADRILLE_NUMERICS_HADAMARD_H
