//===- BitVectorSpace.cpp - Linear algebra over F2 ------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Layout/BitVectorSpace.h"

#include <algorithm>

using namespace quadrille::layout;

std::pair<uint64_t, uint64_t> Subspace::reduce(uint64_t vector) const {
  uint64_t sources = 0;
  for (const Row &row : rows) {
    if ((vector ^ row.vector) < vector) {
      vector ^= row.vector;
      sources ^= row.sources;
    }
  }
  return {vector, sources};
}

bool Subspace::insert(uint64_t vector) {
  auto [rest, sources] = reduce(vector);
  unsigned number = inserted++;
  if (rest == 0)
    return false;
  independent |= uint64_t(1) << number;
  auto above = [&](const Row &row) { return row.vector > rest; };
  auto position = std::partition_point(rows.begin(), rows.end(), above);
  rows.insert(position, {rest, sources ^ (uint64_t(1) << number)});
  return true;
}

std::optional<uint64_t> Subspace::combination(uint64_t vector) const {
  auto [rest, sources] = reduce(vector);
  if (rest != 0)
    return std::nullopt;
  return sources;
}

std::vector<uint64_t> quadrille::layout::intersect(std::span<const uint64_t> a,
                                                   std::span<const uint64_t> b) {
  // Walk b; when a vector of b completes a combination with a, the a-part of
  // that combination lies in both spans.
  Subspace joint(a);
  std::vector<uint64_t> all(a.begin(), a.end()), result;
  uint64_t aMask = a.size() == 64 ? ~uint64_t(0) : (uint64_t(1) << a.size()) - 1;
  Subspace found;
  for (uint64_t v : b) {
    std::optional<uint64_t> sources = joint.combination(v);
    joint.insert(v);
    all.push_back(v);
    if (!sources)
      continue;
    uint64_t common = applyColumns(all, *sources & aMask);
    if (found.insert(common))
      result.push_back(common);
  }
  return result;
}

std::optional<std::vector<uint64_t>>
quadrille::layout::invert(std::span<const uint64_t> columns, unsigned size) {
  Subspace space(columns);
  if (columns.size() != size || space.dimension() != size)
    return std::nullopt;
  std::vector<uint64_t> inverse;
  for (unsigned i = 0; i < size; ++i) {
    std::optional<uint64_t> column = space.combination(uint64_t(1) << i);
    if (!column)
      return std::nullopt;
    inverse.push_back(*column);
  }
  return inverse;
}
