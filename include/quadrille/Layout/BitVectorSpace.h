//===- BitVectorSpace.h - Linear algebra over F2 ----------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vectors of up to 64 bits, and what layouts need of them: independence and
// the combination of given vectors that makes another.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LAYOUT_BITVECTORSPACE_H
#define QUADRILLE_LAYOUT_BITVECTORSPACE_H

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace quadrille::layout {

/// The matrix with the given columns times `x`: the xor of `columns[i]` over
/// the set bits i of `x`.
inline uint64_t applyColumns(std::span<const uint64_t> columns, uint64_t x) {
  uint64_t result = 0;
  for (; x; x &= x - 1)
    result ^= columns[std::countr_zero(x)];
  return result;
}

/// A subspace of F2^64 that grows by insertion and remembers how each of its
/// vectors is made of the inserted ones.
class Subspace {
public:
  Subspace() = default;
  explicit Subspace(std::span<const uint64_t> vectors) {
    for (uint64_t v : vectors)
      insert(v);
  }

  /// Adds vector number `numInserted()`. True if it was independent of those
  /// before it. At most 64 vectors.
  bool insert(uint64_t vector);

  /// The set (by insertion number) of independent inserted vectors whose xor
  /// is `vector`; nothing if it is outside of the space. Vectors that were
  /// dependent when inserted are never used, so the answer is canonical.
  std::optional<uint64_t> combination(uint64_t vector) const;

  bool contains(uint64_t vector) const { return reduce(vector).first == 0; }
  unsigned dimension() const { return rows.size(); }
  unsigned numInserted() const { return inserted; }
  /// The inserted vectors that were independent of those before them.
  uint64_t independentSet() const { return independent; }

private:
  struct Row {
    uint64_t vector; ///< no other row has its highest bit as the highest
    uint64_t sources;
  };
  /// What remains of `vector` modulo the space, and the rows' sources used.
  std::pair<uint64_t, uint64_t> reduce(uint64_t vector) const;

  std::vector<Row> rows; ///< by decreasing highest bit
  uint64_t independent = 0;
  unsigned inserted = 0;
};

/// Vectors that, xored in every combination, make up the intersection of the
/// two spans.
std::vector<uint64_t> intersect(std::span<const uint64_t> a, std::span<const uint64_t> b);

/// The inverse of an invertible `size` x `size` matrix given by its columns;
/// nothing if it is singular.
std::optional<std::vector<uint64_t>> invert(std::span<const uint64_t> columns, unsigned size);

} // namespace quadrille::layout

#endif // QUADRILLE_LAYOUT_BITVECTORSPACE_H
