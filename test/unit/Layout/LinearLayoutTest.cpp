//===- LinearLayoutTest.cpp - Layouts against brute force -----------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RandomLayout.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

using namespace quadrille::layout;

namespace {

std::map<uint64_t, std::vector<HardwareIndex>> placesByElement(const LinearLayout &layout) {
  std::map<uint64_t, std::vector<HardwareIndex>> places;
  forEachPlace(layout, [&](HardwareIndex h) { places[layout.evaluate(h)].push_back(h); });
  return places;
}

TEST(LinearLayout, EvaluateIsXorOfBases) {
  LinearLayout layout(4, {1, 2}, {4, 12}, {0});
  EXPECT_EQ(layout.evaluate(3, 0, 0), 3u);
  EXPECT_EQ(layout.evaluate(1, 3, 1), 1u ^ 4u ^ 12u);
}

TEST(LinearLayout, PropertiesMatchBruteForce) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    unsigned bits = 1 + below(random, 5);
    LinearLayout layout =
        randomLayout(random, below(random, 4), below(random, 4), below(random, 3), bits);
    auto places = placesByElement(layout);
    bool injective = std::all_of(places.begin(), places.end(),
                                 [](const auto &entry) { return entry.second.size() == 1; });
    EXPECT_TRUE(layout.isWellFormed());
    EXPECT_EQ(layout.isInjective(), injective) << layout.str();
    EXPECT_EQ(layout.isSurjective(), places.size() == layout.numElements()) << layout.str();

    HardwareIndex redundant = layout.redundantBits();
    for (uint64_t element = 0; element < layout.numElements(); ++element) {
      std::optional<HardwareIndex> owner = layout.invert(element);
      ASSERT_EQ(owner.has_value(), places.count(element) == 1) << layout.str();
      if (!owner)
        continue;
      EXPECT_EQ(layout.evaluate(*owner), element) << layout.str();
      // Exactly one place without redundant bits holds it: the owner.
      unsigned owners = 0;
      for (HardwareIndex h : places[element])
        if (!(h.reg & redundant.reg) && !(h.lane & redundant.lane) && !(h.warp & redundant.warp)) {
          ++owners;
          EXPECT_EQ(h, *owner) << layout.str();
        }
      EXPECT_EQ(owners, 1u) << layout.str();
    }
  }
}

TEST(LinearLayout, IsWellFormedRejectsIndicesOutsideOfTheTile) {
  EXPECT_TRUE(LinearLayout(2, {1, 2}, {3}).isWellFormed());
  EXPECT_FALSE(LinearLayout(2, {1, 4}, {}).isWellFormed());
}

TEST(LinearLayout, ComposeAppliesTheMapToEveryElement) {
  Random random(2);
  for (int i = 0; i < 200; ++i) {
    LinearLayout layout = randomLayout(random, 2, 3, 1, 5);
    std::vector<uint64_t> map = randomBases(random, 5, 7);
    LinearLayout composed = layout.compose(map, 7);
    forEachPlace(layout, [&](HardwareIndex h) {
      EXPECT_EQ(composed.evaluate(h), applyColumns(map, layout.evaluate(h)));
    });
  }
}

TEST(LinearLayout, ProductPutsTheOuterTileAroundTheInner) {
  Random random(3);
  for (int i = 0; i < 200; ++i) {
    LinearLayout inner = randomLayout(random, 2, 1, 1, 3), outer = randomLayout(random, 1, 2, 1, 4);
    LinearLayout both = inner.product(outer);
    ASSERT_EQ(both.indexBits, 7u);
    forEachPlace(both, [&](HardwareIndex h) {
      uint64_t low = inner.evaluate(h.reg & 3, h.lane & 1, h.warp & 1);
      uint64_t high = outer.evaluate(h.reg >> 2, h.lane >> 1, h.warp >> 1);
      EXPECT_EQ(both.evaluate(h), high << 3 | low);
    });
    EXPECT_EQ(both.divideLeft(inner), outer);
    EXPECT_EQ(both.divideRight(outer), inner);
  }
}

TEST(LinearLayout, DivisionFailsUnlessTheProductIsTheDividend) {
  Random random(4);
  unsigned divisible = 0;
  for (int i = 0; i < 20000; ++i) {
    LinearLayout whole = randomLayout(random, 2, 1, 0, 2), part = randomLayout(random, 1, 0, 0, 1);
    if (std::optional<LinearLayout> outer = whole.divideLeft(part)) {
      EXPECT_EQ(part.product(*outer), whole);
      ++divisible;
    }
    if (std::optional<LinearLayout> inner = whole.divideRight(part)) {
      EXPECT_EQ(inner->product(part), whole);
    }
  }
  EXPECT_GT(divisible, 0u);
  EXPECT_FALSE(LinearLayout(2, {1, 3}, {}).divideLeft(LinearLayout(1, {1}, {})));
  EXPECT_FALSE(LinearLayout(2, {1, 2}, {}).divideLeft(LinearLayout(1, {}, {1})));
}

TEST(LinearLayout, TransposeMovesElements) {
  // As numpy.transpose of a 2 x 4 x 8 tile.
  std::vector<uint64_t> shape = {2, 4, 8};
  std::vector<unsigned> perm = {2, 0, 1};
  Random random(5);
  for (int i = 0; i < 50; ++i) {
    LinearLayout layout = randomPermutation(random, 2, 3, 1, /*simple=*/false);
    LinearLayout transposed = layout.transpose(shape, perm);
    forEachPlace(layout, [&](HardwareIndex h) {
      uint64_t index = layout.evaluate(h);
      uint64_t coords[3] = {index / 32, index / 8 % 4, index % 8};
      uint64_t expected = (coords[2] * 2 + coords[0]) * 4 + coords[1];
      EXPECT_EQ(transposed.evaluate(h), expected);
    });
  }
}

TEST(LinearLayout, PermuteIndexBits) {
  LinearLayout layout(3, {1}, {2}, {4});
  std::vector<unsigned> order = {2, 0, 1};
  EXPECT_EQ(layout.permuteIndexBits(order), LinearLayout(3, {2}, {4}, {1}));
}

TEST(LinearLayout, SliceKeepsWhatTheOtherBitsSay) {
  Random random(6);
  for (int i = 0; i < 500; ++i) {
    LinearLayout layout = randomLayout(random, 3, 2, 1, 5);
    uint64_t deleted = below(random, 32), kept = 0;
    LinearLayout slice = layout.sliceIndexBits(deleted, &kept);
    EXPECT_EQ(slice.lane.size(), layout.lane.size());
    EXPECT_EQ(slice.warp.size(), layout.warp.size());
    EXPECT_EQ(slice.redundantBits().reg, 0u);
    auto shrink = [&](uint64_t index) {
      uint64_t result = 0;
      for (unsigned b = 0, to = 0; b < 5; ++b)
        if (!(deleted >> b & 1))
          result |= (index >> b & 1) << to++;
      return result;
    };
    std::set<uint64_t> before, after;
    forEachPlace(layout, [&](HardwareIndex h) { before.insert(shrink(layout.evaluate(h))); });
    forEachPlace(slice, [&](HardwareIndex h) {
      after.insert(slice.evaluate(h));
      // The kept bits name the old register that the new one is.
      uint64_t old = 0;
      for (unsigned b = 0, from = 0; b < layout.reg.size(); ++b)
        if (kept >> b & 1)
          old |= (h.reg >> from++ & 1) << b;
      EXPECT_EQ(slice.evaluate(h), shrink(layout.evaluate(old, h.lane, h.warp)));
    });
    EXPECT_EQ(before, after);
  }
}

TEST(LinearLayout, ExpandThenSliceIsTheIdentity) {
  LinearLayout layout(3, {1}, {2, 4});
  LinearLayout wide = layout.expandIndexBits(0b00101);
  EXPECT_EQ(wide, LinearLayout(5, {2, 1, 4}, {8, 16}));
  EXPECT_EQ(wide.sliceIndexBits(0b00101), layout);
}

TEST(LinearLayout, ContiguousVectorMatchesBruteForce) {
  Random random(7);
  unsigned vectors = 0;
  for (int i = 0; i < 3000; ++i) {
    LinearLayout layout = i % 2 ? randomPermutation(random, 3, 2, 0, true)
                                : randomLayout(random, 3, 2, 0, 5);
    unsigned width = layout.contiguousVectorWidth();
    vectors += width > 1;
    // Width w: every aligned group of w registers holds w consecutive elements
    // from a multiple of w on.
    auto holds = [&](unsigned w) {
      bool all = true;
      forEachPlace(layout, [&](HardwareIndex h) {
        uint64_t first = layout.evaluate(h.reg / w * w, h.lane, h.warp);
        all &= first % w == 0 && layout.evaluate(h) == first + h.reg % w;
      });
      return all;
    };
    EXPECT_TRUE(holds(width)) << layout.str();
    if (2 * width <= layout.numRegisters()) {
      EXPECT_FALSE(holds(2 * width)) << layout.str();
    }
  }
  EXPECT_GT(vectors, 100u);
}

TEST(LinearLayout, Contiguous) {
  // One block of 16 in each of 16 lanes, and the same tile as memory has it.
  EXPECT_EQ(LinearLayout::contiguous(8, 4, 4),
            LinearLayout(8, {1, 2, 4, 8}, {16, 32, 64, 128}));
  EXPECT_EQ(LinearLayout::contiguous(8, 0, 4),
            LinearLayout(8, {16, 32, 64, 128}, {1, 2, 4, 8}));
  EXPECT_EQ(LinearLayout::contiguous(8, 2, 3, 1), LinearLayout(8, {1, 2, 64, 128}, {4, 8, 16}, {32}));
  // Too small a tile: lanes replicate.
  EXPECT_EQ(LinearLayout::contiguous(2, 1, 2), LinearLayout(2, {1}, {2, 0}));
}

TEST(LinearLayout, Blocked) {
  std::vector<uint64_t> shape = {8, 16};
  std::vector<unsigned> order = {1, 0};
  LinearLayout layout =
      LinearLayout::blocked(shape, {{0, 1}, {1, 2}, {1, 0}}, order);
  EXPECT_EQ(layout, LinearLayout(7, {1, 8, 64}, {2, 4, 16}, {32}));
  EXPECT_TRUE(layout.isPermutation());
  // Hardware beyond the tile replicates, tile beyond the hardware is registers.
  EXPECT_EQ(LinearLayout::blocked(shape, {{0, 0}, {5, 0}, {0, 0}}, order),
            LinearLayout(7, {1, 2, 4, 8}, {16, 32, 64, 0, 0}));
}

TEST(LinearLayout, TextRoundTrips) {
  Random random(8);
  for (int i = 0; i < 200; ++i) {
    LinearLayout layout =
        randomLayout(random, below(random, 4), below(random, 4), below(random, 3), 9);
    EXPECT_EQ(LinearLayout::parse(layout.str(), 9), layout);
  }
  EXPECT_EQ(LinearLayout(4, {1, 2}, {4, 8}).str(), "reg = [1, 2], lane = [4, 8], warp = []");
  EXPECT_EQ(LinearLayout::parse(" reg=[1,2],lane=[ 4 ,8],\n warp=[ ] ", 4),
            LinearLayout(4, {1, 2}, {4, 8}));
}

TEST(LinearLayout, ParseRejectsOtherText) {
  for (const char *text :
       {"", "reg = [1]", "reg = [1], lane = [2]", "reg = [1,], lane = [], warp = []",
        "lane = [], reg = [], warp = []", "reg = [-1], lane = [], warp = []",
        "reg = [16], lane = [], warp = []", "reg = [1], lane = [], warp = [] x",
        "reg = [99999999999999999999], lane = [], warp = []"})
    EXPECT_FALSE(LinearLayout::parse(text, 4)) << text;
}

TEST(LinearLayout, HashFollowsEquality) {
  LinearLayout a(3, {1}, {2, 4}), b(3, {1, 2}, {4});
  EXPECT_EQ(a.hash(), LinearLayout(3, {1}, {2, 4}).hash());
  EXPECT_NE(a.hash(), b.hash());
}

//===----------------------------------------------------------------------===//
// Subspaces
//===----------------------------------------------------------------------===//

std::set<uint64_t> span(const std::vector<uint64_t> &vectors) {
  std::set<uint64_t> result;
  for (uint64_t i = 0; i < uint64_t(1) << vectors.size(); ++i)
    result.insert(applyColumns(vectors, i));
  return result;
}

TEST(Subspace, MatchesBruteForce) {
  Random random(9);
  for (int i = 0; i < 1000; ++i) {
    std::vector<uint64_t> a = randomBases(random, below(random, 6), 5),
                          b = randomBases(random, below(random, 6), 5);
    std::set<uint64_t> spanA = span(a), spanB = span(b), expected;
    std::set_intersection(spanA.begin(), spanA.end(), spanB.begin(), spanB.end(),
                          std::inserter(expected, expected.end()));
    EXPECT_EQ(span(intersect(a, b)), expected);
    EXPECT_EQ(uint64_t(1) << intersect(a, b).size(), expected.size());
    Subspace space(a);
    for (uint64_t v = 0; v < 32; ++v) {
      EXPECT_EQ(space.contains(v), spanA.count(v) == 1);
      if (std::optional<uint64_t> sources = space.combination(v)) {
        EXPECT_EQ(applyColumns(a, *sources), v);
        EXPECT_EQ(*sources & ~space.independentSet(), 0u);
      }
    }
  }
}

TEST(Subspace, Invert) {
  Random random(10);
  for (int i = 0; i < 200; ++i) {
    std::vector<uint64_t> matrix = randomInvertible(random, 6);
    std::vector<uint64_t> inverse = *invert(matrix, 6);
    for (uint64_t v = 0; v < 64; ++v)
      EXPECT_EQ(applyColumns(inverse, applyColumns(matrix, v)), v);
  }
  EXPECT_FALSE(invert(std::vector<uint64_t>{1, 1}, 2));
}

} // namespace
