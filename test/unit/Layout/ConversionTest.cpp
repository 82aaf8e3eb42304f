//===- ConversionTest.cpp - Conversions, run on values --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RandomLayout.h"
#include "quadrille/Layout/Conversion.h"
#include "quadrille/Layout/Fragments.h"

#include <gtest/gtest.h>

#include <map>

using namespace quadrille::layout;

namespace {

template <typename T> unsigned countSteps(const Conversion &conversion) {
  unsigned count = 0;
  for (const Conversion::CostedStep &s : conversion.steps)
    count += std::holds_alternative<T>(s.step);
  return count;
}

/// Runs the conversion: every place of the destination must get the element
/// that its layout says.
void expectCorrect(const Conversion &conversion) {
  std::vector<uint64_t> result =
      applyConversion(conversion, identityValues(conversion.source));
  ASSERT_EQ(result, identityValues(conversion.destination))
      << "from " << conversion.source.str() << "\nto   " << conversion.destination.str() << "\n"
      << conversion.str();
}

TEST(Conversion, EqualLayoutsNeedNothing) {
  LinearLayout layout(4, {1, 2}, {4, 8});
  EXPECT_TRUE(planConversion(layout, layout)->isNoOp());
}

TEST(Conversion, RegisterRenamingIsFree) {
  Conversion c = *planConversion({4, {1, 2}, {4, 8}}, {4, {2, 3}, {4, 8}});
  EXPECT_EQ(c.str(), "register permute [0, 2, 3, 1]\n");
  EXPECT_EQ(c.cost().total(), 0u);
  expectCorrect(c);
}

TEST(Conversion, DroppedAndCopiedRegistersAreFree) {
  for (auto [from, to] : {std::pair<LinearLayout, LinearLayout>{{3, {1, 2}, {4}}, {3, {2}, {4}}},
                          {{3, {1}, {4}}, {3, {1, 0}, {4}}},
                          {{3, {1, 1}, {4}}, {3, {1}, {4}}}}) {
    Conversion c = *planConversion(from, to);
    EXPECT_EQ(c.cost().total(), 0u) << c.str();
    expectCorrect(c);
  }
}

TEST(Conversion, BlockPerLaneToMemoryIsFourSwaps) {
  // One block of 16 in each lane, to memory order and back: a transposition
  // between registers and lanes, on a target without shared memory.
  LinearLayout compute = LinearLayout::contiguous(8, 4, 4),
               memory = LinearLayout::contiguous(8, 0, 4);
  for (auto [from, to] : {std::pair(compute, memory), std::pair(memory, compute)}) {
    Conversion c = *planConversion(from, to, {}, /*allowShared=*/false);
    EXPECT_EQ(countSteps<SwapRegLane>(c), 4u) << c.str();
    EXPECT_EQ(c.steps.size(), 4u) << c.str();
    EXPECT_EQ(c.cost().shuffles, 32u);
    expectCorrect(c);
  }
}

TEST(Conversion, ExchangesPickPairsThatNeedNoLanePermutation) {
  // Registers and lanes trade places, in whatever order of bits.
  Random random(10);
  for (int i = 0; i < 50; ++i) {
    LinearLayout from = randomPermutation(random, 3, 3, 0, /*simple=*/true);
    LinearLayout to(6, from.lane, from.reg);
    std::shuffle(to.reg.begin(), to.reg.end(), random);
    std::shuffle(to.lane.begin(), to.lane.end(), random);
    Conversion c = *planConversion(from, to);
    EXPECT_EQ(countSteps<SwapRegLane>(c), 3u) << c.str();
    EXPECT_EQ(countSteps<LanePermute>(c), 0u) << c.str();
    expectCorrect(c);
  }
}

TEST(Conversion, PackedWordsToMemory) {
  // Two 32-bit words of codes in each of 16 lanes to memory order.
  Conversion c = *planConversion({5, {1}, {2, 4, 8, 16}}, {5, {16}, {1, 2, 4, 8}});
  EXPECT_EQ(countSteps<SwapRegLane>(c), 1u) << c.str();
  EXPECT_FALSE(c.usesSharedMemory());
  expectCorrect(c);
}

TEST(Conversion, LaneRotationIsOnePermutation) {
  Conversion c = *planConversion({3, {}, {1, 2, 4}}, {3, {}, {2, 4, 1}});
  EXPECT_EQ(c.str(), "lane permute [2, 4, 1] by register [0] by warp []\n");
  expectCorrect(c);
}

TEST(Conversion, ButterflyByRegister) {
  // Register 1 holds what lane l ^ 1 held: a xor shuffle of that register.
  Conversion c = *planConversion({2, {2}, {1}}, {2, {3}, {1}});
  ASSERT_EQ(c.steps.size(), 1u);
  const LanePermute &step = std::get<LanePermute>(c.steps[0].step);
  EXPECT_TRUE(step.isButterfly());
  EXPECT_EQ(step.registerMasks, (std::vector<unsigned>{0, 1}));
  expectCorrect(c);
}

TEST(Conversion, LaneDependentRegistersAreSelects) {
  Conversion c = *planConversion({2, {1}, {2}}, {2, {1}, {3}});
  EXPECT_EQ(countSteps<RegisterSelect>(c), 1u) << c.str();
  EXPECT_EQ(c.cost().shuffles, 0u);
  expectCorrect(c);
}

TEST(Conversion, AllGatherAndBroadcast) {
  // Every lane gets every element; every lane gets element 0.
  expectCorrect(*planConversion({2, {}, {1, 2}}, {2, {1, 2}, {0, 0}}));
  expectCorrect(*planConversion({2, {}, {1, 2}}, {2, {}, {0, 0}}));
}

TEST(Conversion, WarpsNeedSharedMemoryOnlyWhenElementsChangeWarp) {
  LinearLayout byWarp(4, {1}, {2, 4}, {8}), otherWarp(4, {1}, {2, 8}, {4});
  EXPECT_TRUE(planConversion(byWarp, otherWarp)->usesSharedMemory());
  EXPECT_FALSE(planConversion(byWarp, otherWarp, {}, /*allowShared=*/false));
  expectCorrect(*planConversion(byWarp, otherWarp));
  // Replicated over warps: each warp picks its part.
  Conversion c = *planConversion({3, {1}, {2, 4}, {0}}, {3, {}, {2, 4}, {1}});
  EXPECT_FALSE(c.usesSharedMemory());
  expectCorrect(c);
}

TEST(Conversion, SharedMemoryReplacesDearerExchanges) {
  // The transposition again: four rounds of 8 shuffles and 16 selects, where a barrier,
  // 4 stores and 16 loads do.
  LinearLayout compute = LinearLayout::contiguous(8, 4, 4),
               memory = LinearLayout::contiguous(8, 0, 4);
  for (auto [from, to] : {std::pair(compute, memory), std::pair(memory, compute)}) {
    Conversion c = *planConversion(from, to);
    ASSERT_EQ(c.steps.size(), 1u) << c.str();
    EXPECT_TRUE(c.usesSharedMemory());
    EXPECT_EQ(c.cost().sharedAccesses, 20u) << c.str();
    EXPECT_EQ(c.cost().barriers, 1u);
    EXPECT_LT(c.cost().total(), planConversion(from, to, {}, false)->cost().total());
    expectCorrect(c);
  }
}

TEST(Conversion, FewExchangesAreCheaperThanSharedMemory) {
  // Two register bits trade places with lanes: more than a barrier, less than one with
  // accesses that only a common register bit widens.
  Conversion c = *planConversion({8, {1, 2, 4}, {8, 16, 32, 64, 128}},
                                 {8, {8, 16, 4}, {1, 2, 32, 64, 128}});
  EXPECT_FALSE(c.usesSharedMemory()) << c.str();
  EXPECT_EQ(countSteps<SwapRegLane>(c), 2u) << c.str();
  EXPECT_EQ(c.cost().total(), 32u);
  EXPECT_GT(c.cost().total(), barrierCost);
  EXPECT_GT(planSharedConversion(c.source, c.destination)->cost().total(), 32u);
  expectCorrect(c);
}

TEST(Conversion, CheapestIsChosen) {
  Random random(14);
  unsigned exchanged = 0, shared = 0;
  for (int i = 0; i < 1000; ++i) {
    unsigned regs = 2 + below(random, 4), lanes = 2 + below(random, 4);
    LinearLayout from = randomPermutation(random, regs, lanes, 0, i % 2);
    LinearLayout to = randomPermutation(random, regs, lanes, 0, i % 2);
    Conversion chosen = *planConversion(from, to);
    unsigned byLanes = planConversion(from, to, {}, /*allowShared=*/false)->cost().total();
    unsigned byMemory = planSharedConversion(from, to)->cost().total();
    EXPECT_EQ(chosen.cost().total(), std::min(byLanes, byMemory)) << chosen.str();
    ++(chosen.usesSharedMemory() ? shared : exchanged);
  }
  EXPECT_GT(exchanged, 100u);
  EXPECT_GT(shared, 100u);
}

TEST(Conversion, ImpossibleIsRefused) {
  EXPECT_FALSE(planConversion({2, {1}, {0}}, {2, {1}, {2}}));       // element 2 has no source
  EXPECT_FALSE(planConversion({2, {1}, {2}}, {3, {1, 4}, {2}}));    // another tile
  EXPECT_FALSE(planConversion({2, {1}, {2}}, {2, {1, 2}, {}}));     // another machine
  EXPECT_FALSE(planSharedConversion({2, {1}, {0}}, {2, {1}, {2}}));
}

TEST(Conversion, RandomLayoutsConvertCorrectly) {
  Random random(11);
  unsigned planned = 0, shared = 0;
  for (int i = 0; i < 4000; ++i) {
    unsigned lanes = below(random, 4), warps = below(random, 3), bits = 1 + below(random, 6);
    LinearLayout from = randomLayout(random, below(random, 5), lanes, warps, bits);
    LinearLayout to = randomLayout(random, below(random, 5), lanes, warps, bits);
    std::optional<Conversion> c = planConversion(from, to);
    ASSERT_EQ(c.has_value(), canConvert(from, to));
    if (!c)
      continue;
    ++planned;
    shared += c->usesSharedMemory();
    expectCorrect(*c);
    expectCorrect(*planSharedConversion(from, to));
  }
  EXPECT_GT(planned, 300u);
  EXPECT_GT(shared, 30u);
}

TEST(Conversion, RandomPermutationsConvertCorrectly) {
  Random random(12);
  for (int i = 0; i < 2000; ++i) {
    unsigned regs = below(random, 5), lanes = below(random, 5), warps = below(random, 3);
    LinearLayout from = randomPermutation(random, regs, lanes, warps, i % 2);
    LinearLayout to = randomPermutation(random, regs, lanes, warps, i % 2);
    expectCorrect(*planConversion(from, to));
    expectCorrect(*planSharedConversion(from, to));
    if (warps == 0) { // lanes reach all there is
      Conversion c = *planConversion(from, to, {}, /*allowShared=*/false);
      EXPECT_FALSE(c.usesSharedMemory());
      expectCorrect(c);
    }
  }
}

//===----------------------------------------------------------------------===//
// Minimality, by search
//===----------------------------------------------------------------------===//

/// The least number of exchanges after which one register selection and one
/// lane permutation do the rest, found by breadth-first search. A selection
/// changes lanes by registers only, so it can give destination lane bases
/// `to.lane` iff those and the registers' span make up the whole tile; the
/// lane permutation then fixes the registers.
unsigned searchExchanges(const LinearLayout &from, const LinearLayout &to) {
  unsigned bits = from.indexBits, regs = from.reg.size();
  std::map<std::vector<uint64_t>, unsigned> depth;
  std::vector<std::vector<uint64_t>> queue = {from.bases()};
  depth[queue[0]] = 0;
  for (size_t next = 0; next < queue.size(); ++next) {
    std::vector<uint64_t> bases = queue[next];
    Subspace reached(std::vector<uint64_t>(bases.begin(), bases.begin() + regs));
    bool done = true;
    for (uint64_t lane : to.lane)
      done &= reached.insert(lane);
    if (done)
      return depth[bases];
    for (unsigned r = 0; r < regs; ++r)
      for (unsigned l = regs; l < bits; ++l) {
        std::vector<uint64_t> swapped = bases;
        std::swap(swapped[r], swapped[l]);
        if (depth.emplace(swapped, depth[bases] + 1).second)
          queue.push_back(swapped);
      }
  }
  return ~0u;
}

TEST(Conversion, ExchangesAreMinimalForPermutations) {
  Random random(13);
  for (int i = 0; i < 300; ++i) {
    LinearLayout from = randomPermutation(random, 2, 3, 0, i % 2);
    LinearLayout to = randomPermutation(random, 2, 3, 0, i % 2);
    Conversion c = *planConversion(from, to);
    EXPECT_EQ(countSteps<SwapRegLane>(c), searchExchanges(from, to)) << c.str();
  }
}

TEST(Conversion, FragmentsToCoalescedRows) {
  // An accumulator to the layout of a coalesced store, within each warp.
  LinearLayout c = tileFragment(*lookupFragment("mma.m16n8k16.c"), 16, 16);
  LinearLayout rows = LinearLayout::contiguous(8, 2, 5);
  Conversion conversion = *planConversion(c, rows);
  EXPECT_FALSE(conversion.usesSharedMemory());
  expectCorrect(conversion);
  LinearLayout wgmma = wgmmaAccumulator(32).layout;
  expectCorrect(*planConversion(wgmma, LinearLayout::contiguous(11, 3, 5, 2)));
}

} // namespace
