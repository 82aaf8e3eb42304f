//===- SwizzleTest.cpp - Swizzles against a simulated memory --------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RandomLayout.h"
#include "quadrille/Layout/Conversion.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

using namespace quadrille::layout;

namespace {

/// Plays every access of every warp against the banks, one byte at a time, and
/// returns the worst number of cycles over the accesses of one phase.
unsigned simulateConflicts(const LinearLayout &layout, const std::vector<uint64_t> &columns,
                           const std::vector<std::vector<unsigned>> &groups,
                           const SharedMemoryModel &m) {
  unsigned worst = 1;
  size_t vectorBytes = groups[0].size() * m.elementBytes;
  size_t together = std::clamp<size_t>(m.banks * m.bankBytes / vectorBytes, 1, m.banks);
  for (uint64_t warp = 0; warp < layout.numWarps(); ++warp)
    for (const std::vector<unsigned> &group : groups)
      for (uint64_t first = 0; first < layout.numLanes(); first += together) {
        std::map<uint64_t, std::set<uint64_t>> wordsOfBank;
        uint64_t end = std::min<uint64_t>(first + together, layout.numLanes());
        for (uint64_t lane = first; lane < end; ++lane)
          for (unsigned reg : group) {
            uint64_t offset = applyColumns(columns, layout.evaluate(reg, lane, warp));
            for (unsigned byte = 0; byte < m.elementBytes; ++byte) {
              uint64_t word = (offset * m.elementBytes + byte) / m.bankBytes;
              wordsOfBank[word % m.banks].insert(word);
            }
          }
        for (auto &[bank, words] : wordsOfBank)
          worst = std::max<unsigned>(worst, words.size());
      }
  return worst;
}

/// True if every group is contiguous, in order and aligned for every lane and
/// warp.
bool vectorsAreContiguous(const LinearLayout &layout, const std::vector<uint64_t> &columns,
                          const std::vector<std::vector<unsigned>> &groups) {
  for (uint64_t warp = 0; warp < layout.numWarps(); ++warp)
    for (uint64_t lane = 0; lane < layout.numLanes(); ++lane)
      for (const std::vector<unsigned> &group : groups) {
        uint64_t base = applyColumns(columns, layout.evaluate(group[0], lane, warp));
        if (base % group.size() != 0)
          return false;
        for (size_t i = 0; i < group.size(); ++i)
          if (applyColumns(columns, layout.evaluate(group[i], lane, warp)) != base + i)
            return false;
      }
  return true;
}

const SharedMemory &sharedStep(const Conversion &conversion) {
  return std::get<SharedMemory>(conversion.steps.front().step);
}

/// Checks what a step says of itself; returns it.
SharedMemory checkedStep(const LinearLayout &from, const LinearLayout &to,
                         const SharedMemoryModel &m) {
  Conversion conversion = *planSharedConversion(from, to, m);
  const SharedMemory &step = sharedStep(conversion);
  LinearLayout distinct = to.sliceIndexBits(0);
  EXPECT_TRUE(invert(step.columns, from.indexBits)) << conversion.str();
  EXPECT_TRUE(vectorsAreContiguous(from, step.columns, step.storeRegisters)) << conversion.str();
  EXPECT_TRUE(vectorsAreContiguous(distinct, step.columns, step.loadRegisters))
      << conversion.str();
  EXPECT_EQ(simulateConflicts(from, step.columns, step.storeRegisters, m), step.storeConflicts)
      << conversion.str();
  EXPECT_EQ(simulateConflicts(distinct, step.columns, step.loadRegisters, m), step.loadConflicts)
      << conversion.str();
  EXPECT_EQ(applyConversion(conversion, identityValues(from)), identityValues(to))
      << conversion.str();
  return step;
}

TEST(Swizzle, TranspositionOfFloatsIsFreeOfConflicts) {
  // 32 x 32 floats: rows in, columns out; without a swizzle 32-way conflicts.
  LinearLayout rows = LinearLayout::contiguous(10, 0, 5);
  std::vector<uint64_t> shape = {32, 32};
  std::vector<unsigned> perm = {1, 0};
  LinearLayout columns = rows.transpose(shape, perm);
  SharedMemory step = checkedStep(rows, columns, {});
  EXPECT_EQ(step.storeConflicts, 1u);
  EXPECT_EQ(step.loadConflicts, 1u);
  // One side uses 16-byte accesses: 8 of them and 32 scalar ones.
  EXPECT_EQ(step.storeRegisters.size() + step.loadRegisters.size(), 40u);
  std::vector<uint64_t> identity;
  for (unsigned i = 0; i < 10; ++i)
    identity.push_back(uint64_t(1) << i);
  EXPECT_EQ(bankConflicts(columns, identity, 0, {}), 32u);
}

TEST(Swizzle, CommonVectorsStayVectors) {
  // Both sides hold 8 consecutive bf16: 16-byte accesses on both sides.
  LinearLayout from(11, {1, 2, 4}, {8, 16, 32, 64, 128}, {256, 512, 1024});
  LinearLayout to(11, {1, 2, 4}, {256, 512, 1024, 8, 16}, {32, 64, 128});
  SharedMemory step = checkedStep(from, to, {.elementBytes = 2});
  EXPECT_EQ(step.storeVector, 8u);
  EXPECT_EQ(step.loadVector, 8u);
  EXPECT_EQ(step.storeConflicts * step.loadConflicts, 1u);
}

TEST(Swizzle, RandomPermutationsAreFreeOfConflicts) {
  Random random(21);
  for (int i = 0; i < 300; ++i) {
    unsigned regs = below(random, 5), lanes = i % 3 == 0 ? 6 : 5, warps = below(random, 4);
    LinearLayout from = randomPermutation(random, regs, lanes, warps, /*simple=*/true);
    LinearLayout to = randomPermutation(random, regs, lanes, warps, /*simple=*/true);
    SharedMemoryModel model{.elementBytes = 1u << below(random, 4)};
    SharedMemory step = checkedStep(from, to, model);
    EXPECT_EQ(step.storeConflicts, 1u) << from.str() << " to " << to.str();
    EXPECT_EQ(step.loadConflicts, 1u) << from.str() << " to " << to.str();
  }
}

TEST(Swizzle, AnyLayoutsReportWhatTheMemoryDoes) {
  Random random(22);
  for (int i = 0; i < 300; ++i) {
    LinearLayout from = randomPermutation(random, below(random, 4), 5, 2, /*simple=*/false);
    LinearLayout to = randomLayout(random, below(random, 5), 5, 2, from.indexBits);
    checkedStep(from, to, {.elementBytes = 1u << below(random, 3)});
  }
}

/// Accesses times conflicts, least over *every* invertible map of the index.
unsigned searchAccesses(const LinearLayout &from, const LinearLayout &to,
                        const SharedMemoryModel &m) {
  unsigned bits = from.indexBits, best = ~0u;
  auto accesses = [&](const LinearLayout &layout, const std::vector<uint64_t> &columns) {
    unsigned vector = accessVectorBits(layout, columns, m);
    return (layout.numRegisters() >> vector) * bankConflicts(layout, columns, vector, m);
  };
  std::vector<uint64_t> columns;
  auto recurse = [&](auto &&self) -> void {
    if (columns.size() == bits) {
      best = std::min<unsigned>(best, accesses(from, columns) + accesses(to, columns));
      return;
    }
    Subspace space(columns);
    for (uint64_t v = 1; v < uint64_t(1) << bits; ++v) {
      if (space.contains(v))
        continue;
      columns.push_back(v);
      self(self);
      columns.pop_back();
    }
  };
  recurse(recurse);
  return best;
}

unsigned plannedAccesses(const SharedMemory &s) {
  return s.storeRegisters.size() * s.storeConflicts + s.loadRegisters.size() * s.loadConflicts;
}

TEST(Swizzle, MinimalOverAllLinearMaps) {
  // Four banks of one element, vectors of up to two or four: small enough to
  // try all 20160 invertible maps of four index bits.
  Random random(23);
  for (int i = 0; i < 40; ++i) {
    unsigned regs = 1 + i % 3;
    bool simple = i % 2;
    LinearLayout from = randomPermutation(random, regs, 4 - regs, 0, simple);
    LinearLayout to = randomPermutation(random, regs, 4 - regs, 0, simple);
    SharedMemoryModel m{.maxVectorBytes = i % 4 < 2 ? 8u : 16u, .banks = 4};
    EXPECT_EQ(plannedAccesses(checkedStep(from, to, m)), searchAccesses(from, to, m))
        << from.str() << " to " << to.str();
  }
}

} // namespace
