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

/// c_n, the f32 nearest to 1/sqrt(n), which makes H orthogonal. Exact for 16, 64 and 256.
float hadamardScale(int64_t n);

/// y := H (c_n * s * y) in place, for n values and n signs (+1 or -1): log2(n) stages
/// of (u, v) -> (fl(u + v), fl(u - v)), with u and v 1, 2, .. n/2 apart. The first one
/// takes products: u = fl(y[i] * c_n s[i]), v = y[i+1] * c_n s[i+1], not rounded.
void hadamard(float *y, const float *signs, int64_t n);

/// The inverse, s * fl(c_n * (H y)), with the stages of `hadamard`. It undoes that up
/// to f32 rounding, not bit for bit.
void inverseHadamard(float *y, const float *signs, int64_t n);

} // namespace quadrille::numerics

#endif // QUADRILLE_NUMERICS_HADAMARD_H
