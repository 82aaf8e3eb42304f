//===- FragmentsTest.cpp - Fragments against the vendors' formulas --------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Layout/Fragments.h"

#include <gtest/gtest.h>

using namespace quadrille::layout;

namespace {

/// The (row, column) that a vendor's document gives for (warp, lane, register).
struct Position {
  unsigned row, col;
};
using Formula = Position (*)(unsigned warp, unsigned lane, unsigned i);

void expectFormula(const Fragment &fragment, Formula formula) {
  const LinearLayout &layout = fragment.layout;
  EXPECT_TRUE(layout.isSurjective()) << fragment.name;
  for (unsigned warp = 0; warp < layout.numWarps(); ++warp)
    for (unsigned lane = 0; lane < layout.numLanes(); ++lane)
      for (unsigned i = 0; i < layout.numRegisters(); ++i) {
        Position p = formula(warp, lane, i);
        ASSERT_EQ(layout.evaluate(i, lane, warp), p.row * fragment.cols + p.col)
            << fragment.name << " warp " << warp << " lane " << lane << " register " << i;
      }
}

// PTX: groupID = lane >> 2, threadID_in_group = lane % 4.
TEST(Fragments, PtxMma16BitOperands) {
  expectFormula(*lookupFragment("mma.m16n8k16.a"), [](unsigned, unsigned lane, unsigned i) {
    unsigned row = i < 2 || (i >= 4 && i < 6) ? lane >> 2 : (lane >> 2) + 8;
    unsigned col = lane % 4 * 2 + (i & 1) + (i < 4 ? 0 : 8);
    return Position{row, col};
  });
  expectFormula(*lookupFragment("mma.m16n8k16.b"), [](unsigned, unsigned lane, unsigned i) {
    return Position{lane % 4 * 2 + (i & 1) + (i < 2 ? 0 : 8), lane >> 2};
  });
  expectFormula(*lookupFragment("mma.m16n8k16.c"), [](unsigned, unsigned lane, unsigned i) {
    return Position{i < 2 ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + (i & 1)};
  });
}

TEST(Fragments, PtxMma8BitOperands) {
  expectFormula(*lookupFragment("mma.m16n8k32.a"), [](unsigned, unsigned lane, unsigned i) {
    unsigned row = i < 4 || (i >= 8 && i < 12) ? lane >> 2 : (lane >> 2) + 8;
    unsigned col = lane % 4 * 4 + (i & 3) + (i < 8 ? 0 : 16);
    return Position{row, col};
  });
  expectFormula(*lookupFragment("mma.m16n8k32.b"), [](unsigned, unsigned lane, unsigned i) {
    return Position{lane % 4 * 4 + (i & 3) + (i < 4 ? 0 : 16), lane >> 2};
  });
}

TEST(Fragments, WgmmaAccumulator) {
  for (unsigned n : {8u, 64u, 256u})
    expectFormula(wgmmaAccumulator(n), [](unsigned warp, unsigned lane, unsigned i) {
      return Position{warp * 16 + (lane >> 2) + 8 * (i / 2 % 2), i / 4 * 8 + lane % 4 * 2 + i % 2};
    });
}

TEST(Fragments, Mfma) {
  expectFormula(*lookupFragment("mfma.32x32.c"), [](unsigned, unsigned lane, unsigned i) {
    return Position{8 * (i / 4) + i % 4 + 4 * (lane / 32), lane % 32};
  });
  expectFormula(*lookupFragment("mfma.16x16.c"), [](unsigned, unsigned lane, unsigned i) {
    return Position{4 * (lane / 16) + i, lane % 16};
  });
  expectFormula(mfmaOperand(32, 4), [](unsigned, unsigned lane, unsigned i) {
    return Position{lane % 32, 4 * (lane / 32) + i};
  });
  expectFormula(mfmaOperand(16, 8), [](unsigned, unsigned lane, unsigned i) {
    return Position{lane % 16, 8 * (lane / 16) + i};
  });
}

TEST(Fragments, Wmma) {
  expectFormula(*lookupFragment("wmma.gfx11.a"), [](unsigned, unsigned lane, unsigned i) {
    return Position{lane % 16, i};
  });
  expectFormula(*lookupFragment("wmma.gfx11.c"), [](unsigned, unsigned lane, unsigned i) {
    return Position{2 * i + lane / 16, lane % 16};
  });
  expectFormula(*lookupFragment("wmma.gfx12.a"), [](unsigned, unsigned lane, unsigned i) {
    return Position{lane % 16, 8 * (lane / 16) + i};
  });
  expectFormula(*lookupFragment("wmma.gfx12.c"), [](unsigned, unsigned lane, unsigned i) {
    return Position{i + 8 * (lane / 16), lane % 16};
  });
}

TEST(Fragments, TileRepeatsOverWarpsThenRegisters) {
  const Fragment &c = *lookupFragment("mma.m16n8k16.c");
  LinearLayout tile = tileFragment(c, 64, 32, /*warpRowBits=*/1, /*warpColBits=*/1);
  EXPECT_TRUE(tile.isPermutation());
  for (unsigned warp = 0; warp < 4; ++warp)
    for (unsigned lane = 0; lane < 32; ++lane)
      for (unsigned i = 0; i < 16; ++i) {
        uint64_t inner = c.layout.evaluate(i % 4, lane);
        unsigned row = inner / 8 + 16 * (warp % 2) + 32 * (i / 8 % 2);
        unsigned col = inner % 8 + 8 * (warp / 2) + 16 * (i / 4 % 2);
        EXPECT_EQ(tile.evaluate(i, lane, warp), row * 32 + col);
      }
}

TEST(Fragments, NamesAreUnique) {
  for (const Fragment &f : namedFragments())
    EXPECT_EQ(lookupFragment(f.name), &f);
  EXPECT_EQ(lookupFragment("mma.m8n8k4.a"), nullptr);
}

} // namespace
