//===- Philox.cpp - Counter-based random numbers --------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Philox.h"

using namespace quadrille;
using namespace quadrille::numerics;

static uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
static uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

Philox4 numerics::philox4x32(Philox4 counter, std::array<uint32_t, 2> key, unsigned rounds) {
  constexpr uint64_t multiplier0 = 0xd2511f53, multiplier1 = 0xcd9e8d57;
  constexpr uint32_t weyl0 = 0x9e3779b9, weyl1 = 0xbb67ae85;
  for (unsigned round = 0; round < rounds; ++round) {
    uint64_t product0 = multiplier0 * counter[0];
    uint64_t product1 = multiplier1 * counter[2];
    counter = {high(product1) ^ counter[1] ^ key[0], low(product1),
               high(product0) ^ counter[3] ^ key[1], low(product0)};
    key = {key[0] + weyl0, key[1] + weyl1};
  }
  return counter;
}

/// The last counter word that keeps key derivation apart from draws (whose
/// last word is 0): "KEYS" and "FOLD" in ASCII.
static constexpr uint32_t kKeyFromSeed = 0x4b455953, kFoldIn = 0x464f4c44;

static uint64_t deriveKey(uint64_t from, uint64_t number, uint32_t purpose) {
  Philox4 words =
      philox4x32({low(number), high(number), 0, purpose}, {low(from), high(from)}, /*rounds=*/10);
  return words[0] | static_cast<uint64_t>(words[1]) << 32;
}

uint64_t numerics::keyFromSeed(uint64_t seed) { return deriveKey(seed, 0, kKeyFromSeed); }

uint64_t numerics::foldIn(uint64_t key, uint64_t number) { return deriveKey(key, number, kFoldIn); }

Philox4 numerics::draw(uint64_t key, uint64_t index, Stream stream, unsigned rounds) {
  return philox4x32({low(index), high(index), static_cast<uint32_t>(stream), 0},
                    {low(key), high(key)}, rounds);
}

uint32_t ElementBits::operator()(uint64_t element) {
  unsigned perDraw = 128 / bits;
  uint64_t index = element / perDraw;
  if (!cached || index != cachedIndex) {
    block = draw(key, index, stream, rounds);
    cachedIndex = index;
    cached = true;
  }
  unsigned position = bits * static_cast<unsigned>(element % perDraw);
  return block[position / 32] >> (position % 32) & ((1u << bits) - 1);
}

std::vector<float> numerics::signsFromSeed(uint64_t seed, int64_t n) {
  uint64_t key = keyFromSeed(seed);
  std::vector<float> signs(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    Philox4 block = draw(key, static_cast<uint64_t>(i / 128), Stream::Signs, /*rounds=*/10);
    bool negative = block[i / 32 % 4] >> (i % 32) & 1;
    signs[static_cast<size_t>(i)] = negative ? -1.0f : 1.0f;
  }
  return signs;
}
