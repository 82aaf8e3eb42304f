//===- Fragments.cpp - Layouts of matrix instructions' operands -----------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Layout/Fragments.h"

#include <algorithm>
#include <bit>
#include <cassert>

using namespace quadrille::layout;

namespace {

/// What a hardware bit adds to (row, column).
struct Offset {
  uint64_t row, col;
};
using Offsets = std::vector<Offset>;

Fragment makeFragment(std::string name, uint64_t rows, uint64_t cols, const Offsets &reg,
                      const Offsets &lane, const Offsets &warp = {}) {
  auto flatten = [&](const Offsets &offsets) {
    std::vector<uint64_t> bases;
    for (Offset o : offsets)
      bases.push_back(o.row * cols + o.col);
    return bases;
  };
  unsigned indexBits = log2Size(std::vector<uint64_t>{rows, cols});
  return {std::move(name), rows, cols,
          LinearLayout(indexBits, flatten(reg), flatten(lane), flatten(warp))};
}

// Eight groups of four lanes: the group is the row (or column of B), the lane
// in the group two neighbouring elements across.
const Offsets quadLanes = {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}};
// The same with four neighbouring elements (8-bit operands).
const Offsets quadLanesBytes = {{0, 4}, {0, 8}, {1, 0}, {2, 0}, {4, 0}};

std::vector<Fragment> makeNamedFragments() {
  return {
      makeFragment("mma.m16n8k16.a", 16, 16, {{0, 1}, {8, 0}, {0, 8}}, quadLanes),
      makeFragment("mma.m16n8k16.b", 16, 8, {{1, 0}, {8, 0}},
                   {{2, 0}, {4, 0}, {0, 1}, {0, 2}, {0, 4}}),
      makeFragment("mma.m16n8k16.c", 16, 8, {{0, 1}, {8, 0}}, quadLanes),
      makeFragment("mma.m16n8k32.a", 16, 32, {{0, 1}, {0, 2}, {8, 0}, {0, 16}}, quadLanesBytes),
      makeFragment("mma.m16n8k32.b", 32, 8, {{1, 0}, {2, 0}, {16, 0}},
                   {{4, 0}, {8, 0}, {0, 1}, {0, 2}, {0, 4}}),
      makeFragment("mfma.32x32.c", 32, 32, {{1, 0}, {2, 0}, {8, 0}, {16, 0}},
                   {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {4, 0}}),
      makeFragment("mfma.16x16.c", 16, 16, {{1, 0}, {2, 0}},
                   {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {4, 0}, {8, 0}}),
      makeFragment("wmma.gfx11.a", 16, 16, {{0, 1}, {0, 2}, {0, 4}, {0, 8}},
                   {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {0, 0}}),
      makeFragment("wmma.gfx11.c", 16, 16, {{2, 0}, {4, 0}, {8, 0}},
                   {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {1, 0}}),
      makeFragment("wmma.gfx12.a", 16, 16, {{0, 1}, {0, 2}, {0, 4}},
                   {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {0, 8}}),
      makeFragment("wmma.gfx12.c", 16, 16, {{1, 0}, {2, 0}, {4, 0}},
                   {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {8, 0}}),
  };
}

} // namespace

const std::vector<Fragment> &quadrille::layout::namedFragments() {
  static const std::vector<Fragment> fragments = makeNamedFragments();
  return fragments;
}

const Fragment *quadrille::layout::lookupFragment(std::string_view name) {
  const std::vector<Fragment> &all = namedFragments();
  auto it = std::find_if(all.begin(), all.end(), [&](const Fragment &f) { return f.name == name; });
  return it == all.end() ? nullptr : &*it;
}

Fragment quadrille::layout::wgmmaAccumulator(unsigned n) {
  assert(std::has_single_bit(n) && n >= 8 && n <= 256 && "see the declaration");
  Offsets reg = {{0, 1}, {8, 0}};
  for (unsigned col = 8; col < n; col *= 2)
    reg.push_back({0, col});
  return makeFragment("wgmma.m64n" + std::to_string(n) + ".c", 64, n, reg, quadLanes,
                      {{16, 0}, {32, 0}});
}

Fragment quadrille::layout::mfmaOperand(unsigned m, unsigned elements) {
  assert(std::has_single_bit(m) && m <= 64 && std::has_single_bit(elements));
  Offsets reg, lane;
  for (unsigned k = 1; k < elements; k *= 2)
    reg.push_back({0, k});
  for (unsigned row = 1; row < m; row *= 2)
    lane.push_back({row, 0});
  for (unsigned group = 1; group < 64 / m; group *= 2)
    lane.push_back({0, group * elements});
  unsigned k = 64 / m * elements;
  return makeFragment("mfma." + std::to_string(m) + "x" + std::to_string(k) + ".a", m, k, reg,
                      lane);
}

LinearLayout quadrille::layout::tileFragment(const Fragment &fragment, uint64_t rows,
                                             uint64_t cols, unsigned warpRowBits,
                                             unsigned warpColBits) {
  assert(std::has_single_bit(rows) && std::has_single_bit(cols) && rows >= fragment.rows &&
         cols >= fragment.cols && "the tile is a multiple of the fragment");
  // Row-major in the fragment to row-major in the tile.
  std::vector<uint64_t> columns;
  for (uint64_t col = 1; col < fragment.cols; col *= 2)
    columns.push_back(col);
  for (uint64_t row = 1; row < fragment.rows; row *= 2)
    columns.push_back(row * cols);
  LinearLayout result =
      fragment.layout.compose(columns, log2Size(std::vector<uint64_t>{rows, cols}));

  uint64_t nextRow = fragment.rows, nextCol = fragment.cols;
  for (unsigned i = 0; i < warpRowBits; ++i, nextRow *= 2)
    result.warp.push_back(nextRow < rows ? nextRow * cols : 0);
  for (unsigned i = 0; i < warpColBits; ++i, nextCol *= 2)
    result.warp.push_back(nextCol < cols ? nextCol : 0);
  for (; nextCol < cols; nextCol *= 2)
    result.reg.push_back(nextCol);
  for (; nextRow < rows; nextRow *= 2)
    result.reg.push_back(nextRow * cols);
  return result;
}
