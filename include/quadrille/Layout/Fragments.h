//===- Fragments.h - Layouts of matrix instructions' operands ---*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which lane and register of a matrix instruction holds which element, as
// layouts of row-major tiles. A is M x K, B is K x N and C is M x N.
//
// Sources: PTX ISA, "Matrix Fragments for mma.m16n8k16" and "Asynchronous
// Warpgroup MMA register fragments"; AMD CDNA3 ISA chapter "Matrix Arithmetic
// Instructions", RDNA3 and RDNA4 ISA chapter "Wave Matrix Multiply Accumulate".
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LAYOUT_FRAGMENTS_H
#define QUADRILLE_LAYOUT_FRAGMENTS_H

#include "quadrille/Layout/LinearLayout.h"

#include <string>
#include <string_view>

namespace quadrille::layout {

struct Fragment {
  std::string name;
  uint64_t rows, cols;
  LinearLayout layout; ///< of the row-major rows x cols tile
};

/// Fragments of fixed size:
///   mma.m16n8k16.{a,b,c}   PTX mma.sync with 16-bit operands, f32 sums
///   mma.m16n8k32.{a,b}     the same with 8-bit operands (c as above)
///   mfma.32x32.c, mfma.16x16.c   AMD MFMA sums, 64 lanes
///   wmma.gfx11.{a,c}       RDNA3 16x16x16: lanes 16..31 repeat the operand
///   wmma.gfx12.{a,c}       RDNA4 16x16x16
const std::vector<Fragment> &namedFragments();
/// Null if there is none of that name.
const Fragment *lookupFragment(std::string_view name);

/// The f32 sums of a warpgroup's wgmma m64nNk*: 4 warps of 32 lanes, N / 2
/// registers. `n` is a power of two from 8 to 256.
Fragment wgmmaAccumulator(unsigned n);

/// The operand of an AMD MFMA m x m x k instruction: lane l holds row l mod m
/// and `elements` consecutive k from elements * (l / m). It serves A (m x k) as
/// it is, and B after a transposition. All are powers of two.
Fragment mfmaOperand(unsigned m, unsigned elements);

/// The fragment repeated over a larger tile: first over 2^warpRowBits warps
/// down and 2^warpColBits warps across, then over registers, across before
/// down. `rows` and `cols` are power-of-two multiples of the fragment's.
LinearLayout tileFragment(const Fragment &fragment, uint64_t rows, uint64_t cols,
                          unsigned warpRowBits = 0, unsigned warpColBits = 0);

} // namespace quadrille::layout

#endif // QUADRILLE_LAYOUT_FRAGMENTS_H
