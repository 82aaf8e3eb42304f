//===- PhiloxTest.cpp - Random numbers ------------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Philox.h"

#include <gtest/gtest.h>

using namespace quadrille::numerics;

// Random123, tests/kat_vectors (github.com/DEShawResearch/random123).
TEST(Philox, KnownAnswers) {
  struct Vector {
    unsigned rounds;
    Philox4 counter;
    std::array<uint32_t, 2> key;
    Philox4 expected;
  };
  constexpr uint32_t ones = 0xffffffff;
  const Philox4 pi = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
  const std::array<uint32_t, 2> morePi = {0xa4093822, 0x299f31d0};
  const Vector vectors[] = {
      {7, {0, 0, 0, 0}, {0, 0}, {0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48}},
      {7, {ones, ones, ones, ones}, {ones, ones}, {0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662}},
      {7, pi, morePi, {0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a}},
      {10, {0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {10,
       {ones, ones, ones, ones},
       {ones, ones},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {10, pi, morePi, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Vector &vector : vectors)
    EXPECT_EQ(philox4x32(vector.counter, vector.key, vector.rounds), vector.expected);
}

TEST(Philox, KeysAreWordsOfTheStatedCounters) {
  uint64_t seed = 0x0123456789abcdef;
  Philox4 words = philox4x32({0, 0, 0, 0x4b455953}, {0x89abcdef, 0x01234567}, 10);
  EXPECT_EQ(keyFromSeed(seed), words[0] | static_cast<uint64_t>(words[1]) << 32);
  words = philox4x32({5, 1, 0, 0x464f4c44}, {0x89abcdef, 0x01234567}, 10);
  EXPECT_EQ(foldIn(seed, (1ull << 32) + 5), words[0] | static_cast<uint64_t>(words[1]) << 32);
}

TEST(Philox, ElementsTakeLanesOfTheDrawLowestFirst) {
  constexpr uint64_t key = 0xfeedfacecafebeef;
  for (unsigned bits : {4u, 8u, 16u}) {
    ElementBits random(key, Stream::Column, bits, 7);
    unsigned perDraw = 128 / bits;
    uint64_t first = (1ull << 35) + 3 * perDraw; // the index needs both words
    Philox4 block = draw(key, first / perDraw, Stream::Column, 7);
    for (unsigned lane = 0; lane < perDraw; ++lane) {
      uint32_t expected = 0;
      for (unsigned bit = 0; bit < bits; ++bit) {
        unsigned position = lane * bits + bit;
        expected |= (block[position / 32] >> position % 32 & 1) << bit;
      }
      EXPECT_EQ(random(first + lane), expected);
    }
  }
}

TEST(Philox, StreamsDiffer) {
  Philox4 row = draw(1, 0, Stream::Row, 7);
  for (Stream other : {Stream::Column, Stream::Scale, Stream::Signs})
    EXPECT_NE(draw(1, 0, other, 7), row);
}

TEST(Philox, SignsAreBitsOfTheSignStream) {
  std::vector<float> signs = signsFromSeed(42, 256);
  for (int i = 0; i < 256; ++i) {
    Philox4 block = draw(keyFromSeed(42), i / 128, Stream::Signs, 10);
    bool negative = block[i % 128 / 32] >> i % 32 & 1;
    EXPECT_EQ(signs[i], negative ? -1.0f : 1.0f);
  }
  std::vector<float> shorter = signsFromSeed(42, 16);
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), signs.begin()));
}
