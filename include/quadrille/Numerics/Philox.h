//===- Philox.h - Counter-based random numbers ------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Philox4x32-R (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy
// as 1, 2, 3", SC11). A random number is a function of a key and a counter, so
// that bits do not depend on who computes them, or in what order.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_NUMERICS_PHILOX_H
#define QUADRILLE_NUMERICS_PHILOX_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace quadrille::numerics {

using Philox4 = std::array<uint32_t, 4>;

/// The block of random bits of a counter under a key.
Philox4 philox4x32(Philox4 counter, std::array<uint32_t, 2> key, unsigned rounds);

/// What a draw is for; different streams of a key are independent.
enum class Stream : uint32_t { Row = 0, Column = 1, Scale = 2, Signs = 3 };

/// The 64-bit key of a seed.
uint64_t keyFromSeed(uint64_t seed);
/// A key derived from a key and a number (a layer, a step).
uint64_t foldIn(uint64_t key, uint64_t number);
/// Draw `index` of a stream of a key: 128 bits, word 0 lowest.
Philox4 draw(uint64_t key, uint64_t index, Stream stream, unsigned rounds);

/// The random bits of one element after the other: `bits` (4, 8 or 16) per
/// element, 128 / bits elements per draw, the first in the lowest bits.
class ElementBits {
public:
  ElementBits(uint64_t key, Stream stream, unsigned bits, unsigned rounds)
      : key(key), stream(stream), bits(bits), rounds(rounds) {}

  /// The bits of element number `element`, in [0, 2^bits).
  uint32_t operator()(uint64_t element);

private:
  uint64_t key;
  Stream stream;
  unsigned bits, rounds;
  uint64_t cachedIndex = 0;
  bool cached = false;
  Philox4 block{};
};

/// The n signs (+1 or -1) of a random Hadamard transform.
std::vector<float> signsFromSeed(uint64_t seed, int64_t n);

} // namespace quadrille::numerics

#endif // QUADRILLE_NUMERICS_PHILOX_H
