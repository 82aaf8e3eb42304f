//===- RandomLayout.h - Layouts to test with --------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TEST_UNIT_LAYOUT_RANDOMLAYOUT_H
#define QUADRILLE_TEST_UNIT_LAYOUT_RANDOMLAYOUT_H

#include "quadrille/Layout/BitVectorSpace.h"
#include "quadrille/Layout/LinearLayout.h"

#include <algorithm>
#include <random>

namespace quadrille::layout {

using Random = std::mt19937;

inline uint64_t below(Random &random, uint64_t bound) {
  return std::uniform_int_distribution<uint64_t>(0, bound - 1)(random);
}

/// `count` bases below 1 << bits, some of them zero or dependent.
inline std::vector<uint64_t> randomBases(Random &random, unsigned count, unsigned bits) {
  std::vector<uint64_t> bases;
  for (unsigned i = 0; i < count; ++i)
    bases.push_back(below(random, uint64_t(1) << bits));
  return bases;
}

inline LinearLayout randomLayout(Random &random, unsigned regs, unsigned lanes, unsigned warps,
                                 unsigned bits) {
  return {bits, randomBases(random, regs, bits), randomBases(random, lanes, bits),
          randomBases(random, warps, bits)};
}

/// A random invertible matrix, as columns.
inline std::vector<uint64_t> randomInvertible(Random &random, unsigned bits) {
  Subspace space;
  std::vector<uint64_t> columns;
  while (columns.size() < bits) {
    uint64_t v = below(random, uint64_t(1) << bits);
    if (space.insert(v))
      columns.push_back(v);
  }
  return columns;
}

/// Splits the given bases into registers, lanes and warps.
inline LinearLayout splitBases(const std::vector<uint64_t> &all, unsigned regs, unsigned lanes) {
  return {unsigned(all.size()),
          {all.begin(), all.begin() + regs},
          {all.begin() + regs, all.begin() + regs + lanes},
          {all.begin() + regs + lanes, all.end()}};
}

/// A layout in which every element has one place; its bases are single bits
/// (`simple`) or any.
inline LinearLayout randomPermutation(Random &random, unsigned regs, unsigned lanes,
                                      unsigned warps, bool simple) {
  unsigned bits = regs + lanes + warps;
  std::vector<uint64_t> all = randomInvertible(random, bits);
  if (simple) {
    for (unsigned i = 0; i < bits; ++i)
      all[i] = uint64_t(1) << i;
    std::shuffle(all.begin(), all.end(), random);
  }
  return splitBases(all, regs, lanes);
}

/// Calls fn(HardwareIndex) for every place.
template <typename Fn> void forEachPlace(const LinearLayout &layout, Fn fn) {
  for (uint64_t warp = 0; warp < layout.numWarps(); ++warp)
    for (uint64_t lane = 0; lane < layout.numLanes(); ++lane)
      for (uint64_t reg = 0; reg < layout.numRegisters(); ++reg)
        fn(HardwareIndex{reg, lane, warp});
}

/// What each place holds when element i has the value i, in the order of
/// applyConversion.
inline std::vector<uint64_t> identityValues(const LinearLayout &layout) {
  std::vector<uint64_t> values;
  forEachPlace(layout, [&](HardwareIndex h) { values.push_back(layout.evaluate(h)); });
  return values;
}

} // namespace quadrille::layout

#endif // QUADRILLE_TEST_UNIT_LAYOUT_RANDOMLAYOUT_H
