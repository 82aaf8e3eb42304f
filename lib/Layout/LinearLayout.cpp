//===- LinearLayout.cpp - Layouts as linear maps over F2 ------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Layout/LinearLayout.h"
#include "quadrille/Layout/BitVectorSpace.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <numeric>

using namespace quadrille::layout;

namespace {

uint64_t lowMask(unsigned bits) { return bits >= 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1; }

/// The bits of `value` at the positions of `mask`, packed together.
uint64_t extractBits(uint64_t value, uint64_t mask) {
  uint64_t result = 0;
  for (unsigned i = 0; mask; mask &= mask - 1, ++i)
    result |= (value >> std::countr_zero(mask) & 1) << i;
  return result;
}

/// The low bits of `value` at the positions of `mask`: extractBits backwards.
uint64_t depositBits(uint64_t value, uint64_t mask) {
  uint64_t result = 0;
  for (unsigned i = 0; mask; mask &= mask - 1, ++i)
    result |= (value >> i & 1) << std::countr_zero(mask);
  return result;
}

template <typename Fn> std::vector<uint64_t> mapBases(const std::vector<uint64_t> &bases, Fn fn) {
  std::vector<uint64_t> result(bases.size());
  std::transform(bases.begin(), bases.end(), result.begin(), fn);
  return result;
}

template <typename Fn>
LinearLayout mapAllBases(const LinearLayout &layout, unsigned indexBits, Fn fn) {
  return {indexBits, mapBases(layout.reg, fn), mapBases(layout.lane, fn),
          mapBases(layout.warp, fn)};
}

} // namespace

unsigned quadrille::layout::log2Size(std::span<const uint64_t> shape) {
  unsigned bits = 0;
  for (uint64_t extent : shape) {
    assert(std::has_single_bit(extent) && "tile extents are powers of two");
    bits += std::countr_zero(extent);
  }
  return bits;
}

//===----------------------------------------------------------------------===//
// Properties
//===----------------------------------------------------------------------===//

uint64_t LinearLayout::evaluate(uint64_t r, uint64_t l, uint64_t w) const {
  return applyColumns(reg, r) ^ applyColumns(lane, l) ^ applyColumns(warp, w);
}

std::vector<uint64_t> LinearLayout::bases() const {
  std::vector<uint64_t> all = reg;
  all.insert(all.end(), lane.begin(), lane.end());
  all.insert(all.end(), warp.begin(), warp.end());
  return all;
}

bool LinearLayout::isWellFormed() const {
  std::vector<uint64_t> all = bases();
  return indexBits < 64 && all.size() <= 64 &&
         std::all_of(all.begin(), all.end(), [&](uint64_t b) { return b < numElements(); });
}

bool LinearLayout::isInjective() const {
  std::vector<uint64_t> all = bases();
  return Subspace(all).dimension() == all.size();
}

bool LinearLayout::isSurjective() const { return Subspace(bases()).dimension() == indexBits; }

static HardwareIndex splitHardwareBits(const LinearLayout &layout, uint64_t bits) {
  unsigned regs = layout.reg.size(), lanes = layout.lane.size(), warps = layout.warp.size();
  // Shifting by 64 is undefined, hence the masks before the shifts.
  uint64_t lanesAndUp = regs >= 64 ? 0 : bits >> regs;
  uint64_t warpsAndUp = lanes >= 64 ? 0 : lanesAndUp >> lanes;
  return {bits & lowMask(regs), lanesAndUp & lowMask(lanes), warpsAndUp & lowMask(warps)};
}

std::optional<HardwareIndex> LinearLayout::invert(uint64_t index) const {
  std::optional<uint64_t> place = Subspace(bases()).combination(index);
  if (!place)
    return std::nullopt;
  return splitHardwareBits(*this, *place);
}

HardwareIndex LinearLayout::redundantBits() const {
  return splitHardwareBits(*this, ~Subspace(bases()).independentSet());
}

unsigned LinearLayout::contiguousVectorBits() const {
  unsigned width = 0;
  while (width < reg.size() && reg[width] == uint64_t(1) << width)
    ++width;
  // Every other basis has to leave the low bits alone; it may not reach into
  // the vector, or groups would start at unaligned or permuted elements.
  std::vector<uint64_t> all = bases();
  uint64_t others = std::accumulate(all.begin() + width, all.end(), uint64_t(0), std::bit_or<>());
  if (others)
    width = std::min<unsigned>(width, std::countr_zero(others));
  return width;
}

size_t LinearLayout::hash() const {
  size_t seed = indexBits;
  auto mix = [&seed](uint64_t v) {
    seed ^= std::hash<uint64_t>()(v) + 0x9e3779b97f4a7c15ull + (seed << 6) + (seed >> 2);
  };
  for (const std::vector<uint64_t> *bases : {&reg, &lane, &warp}) {
    mix(bases->size());
    for (uint64_t b : *bases)
      mix(b);
  }
  return seed;
}

//===----------------------------------------------------------------------===//
// Algebra
//===----------------------------------------------------------------------===//

LinearLayout LinearLayout::compose(std::span<const uint64_t> columns,
                                   unsigned newIndexBits) const {
  assert(columns.size() == indexBits && "one column for each index bit");
  return mapAllBases(*this, newIndexBits, [&](uint64_t b) { return applyColumns(columns, b); });
}

LinearLayout LinearLayout::product(const LinearLayout &outer) const {
  LinearLayout result = *this;
  result.indexBits += outer.indexBits;
  auto append = [&](std::vector<uint64_t> &to, const std::vector<uint64_t> &from) {
    for (uint64_t b : from)
      to.push_back(b << indexBits);
  };
  append(result.reg, outer.reg);
  append(result.lane, outer.lane);
  append(result.warp, outer.warp);
  return result;
}

std::optional<LinearLayout> LinearLayout::divideLeft(const LinearLayout &inner) const {
  if (inner.indexBits > indexBits)
    return std::nullopt;
  LinearLayout outer;
  outer.indexBits = indexBits - inner.indexBits;
  auto divide = [&](const std::vector<uint64_t> &whole, const std::vector<uint64_t> &prefix,
                    std::vector<uint64_t> &rest) {
    if (whole.size() < prefix.size() || !std::equal(prefix.begin(), prefix.end(), whole.begin()))
      return false;
    for (size_t i = prefix.size(); i < whole.size(); ++i) {
      if (whole[i] & lowMask(inner.indexBits))
        return false;
      rest.push_back(whole[i] >> inner.indexBits);
    }
    return true;
  };
  if (!divide(reg, inner.reg, outer.reg) || !divide(lane, inner.lane, outer.lane) ||
      !divide(warp, inner.warp, outer.warp))
    return std::nullopt;
  return outer;
}

std::optional<LinearLayout> LinearLayout::divideRight(const LinearLayout &outer) const {
  if (outer.indexBits > indexBits || outer.reg.size() > reg.size() ||
      outer.lane.size() > lane.size() || outer.warp.size() > warp.size())
    return std::nullopt;
  LinearLayout inner = *this;
  inner.indexBits = indexBits - outer.indexBits;
  inner.reg.resize(reg.size() - outer.reg.size());
  inner.lane.resize(lane.size() - outer.lane.size());
  inner.warp.resize(warp.size() - outer.warp.size());
  if (!inner.isWellFormed() || inner.product(outer) != *this)
    return std::nullopt;
  return inner;
}

LinearLayout LinearLayout::permuteIndexBits(std::span<const unsigned> order) const {
  assert(order.size() == indexBits && "a permutation of the index bits");
  std::vector<uint64_t> columns(indexBits);
  for (unsigned i = 0; i < indexBits; ++i)
    columns[order[i]] = uint64_t(1) << i;
  return compose(columns, indexBits);
}

LinearLayout LinearLayout::transpose(std::span<const uint64_t> shape,
                                     std::span<const unsigned> perm) const {
  assert(shape.size() == perm.size() && log2Size(shape) == indexBits && "shape is the tile's");
  // Lowest index bit of each old dimension.
  std::vector<unsigned> base(shape.size());
  for (unsigned position = 0, d = shape.size(); d-- > 0;) {
    base[d] = position;
    position += std::countr_zero(shape[d]);
  }
  std::vector<unsigned> order;
  for (size_t i = perm.size(); i-- > 0;)
    for (unsigned bit = 0, n = std::countr_zero(shape[perm[i]]); bit < n; ++bit)
      order.push_back(base[perm[i]] + bit);
  return permuteIndexBits(order);
}

LinearLayout LinearLayout::sliceIndexBits(uint64_t deleted, uint64_t *keptRegisterBits) const {
  uint64_t remaining = lowMask(indexBits) & ~deleted;
  LinearLayout result = mapAllBases(*this, std::popcount(remaining),
                                    [&](uint64_t b) { return extractBits(b, remaining); });
  uint64_t kept = Subspace(result.reg).independentSet();
  std::vector<uint64_t> registers;
  for (size_t i = 0; i < result.reg.size(); ++i)
    if (kept >> i & 1)
      registers.push_back(result.reg[i]);
  result.reg = std::move(registers);
  if (keptRegisterBits)
    *keptRegisterBits = kept;
  return result;
}

LinearLayout LinearLayout::expandIndexBits(uint64_t inserted) const {
  unsigned newIndexBits = indexBits + std::popcount(inserted);
  assert((inserted & ~lowMask(newIndexBits)) == 0 && "inserted bits lie in the new index");
  uint64_t old = lowMask(newIndexBits) & ~inserted;
  LinearLayout result =
      mapAllBases(*this, newIndexBits, [&](uint64_t b) { return depositBits(b, old); });
  for (; inserted; inserted &= inserted - 1)
    result.reg.push_back(inserted & -inserted);
  return result;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static void printBases(std::string &out, std::string_view name,
                       const std::vector<uint64_t> &bases) {
  out += name;
  out += " = [";
  for (size_t i = 0; i < bases.size(); ++i) {
    if (i)
      out += ", ";
    out += std::to_string(bases[i]);
  }
  out += ']';
}

std::string LinearLayout::str() const {
  std::string out;
  printBases(out, "reg", reg);
  out += ", ";
  printBases(out, "lane", lane);
  out += ", ";
  printBases(out, "warp", warp);
  return out;
}

namespace {
/// A cursor over text that skips white space before every token.
struct Scanner {
  std::string_view rest;

  void skipSpace() {
    while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\n'))
      rest.remove_prefix(1);
  }
  bool eat(std::string_view token) {
    skipSpace();
    if (!rest.starts_with(token))
      return false;
    rest.remove_prefix(token.size());
    return true;
  }
  bool number(uint64_t &value) {
    skipSpace();
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc())
      return false;
    rest.remove_prefix(end - rest.data());
    return true;
  }
  bool list(std::vector<uint64_t> &values) {
    if (!eat("["))
      return false;
    if (eat("]"))
      return true;
    do {
      if (!number(values.emplace_back()))
        return false;
    } while (eat(","));
    return eat("]");
  }
};
} // namespace

std::optional<LinearLayout> LinearLayout::parse(std::string_view text, unsigned indexBits) {
  Scanner scan{text};
  LinearLayout result;
  result.indexBits = indexBits;
  bool complete = scan.eat("reg") && scan.eat("=") && scan.list(result.reg) && scan.eat(",") &&
                  scan.eat("lane") && scan.eat("=") && scan.list(result.lane) && scan.eat(",") &&
                  scan.eat("warp") && scan.eat("=") && scan.list(result.warp);
  scan.skipSpace();
  if (!complete || !scan.rest.empty() || !result.isWellFormed())
    return std::nullopt;
  return result;
}

//===----------------------------------------------------------------------===//
// Named constructors
//===----------------------------------------------------------------------===//

LinearLayout LinearLayout::contiguous(unsigned indexBits, unsigned vectorBits, unsigned laneBits,
                                      unsigned warpBits) {
  LinearLayout result;
  result.indexBits = indexBits;
  unsigned next = 0;
  auto take = [&](std::vector<uint64_t> &bases, unsigned count, bool replicate) {
    for (unsigned i = 0; i < count; ++i) {
      if (next < indexBits)
        bases.push_back(uint64_t(1) << next++);
      else if (replicate)
        bases.push_back(0);
    }
  };
  take(result.reg, vectorBits, /*replicate=*/false);
  take(result.lane, laneBits, /*replicate=*/true);
  take(result.warp, warpBits, /*replicate=*/true);
  take(result.reg, indexBits, /*replicate=*/false);
  return result;
}

LinearLayout LinearLayout::blocked(std::span<const uint64_t> shape, const Box &box,
                                   std::span<const unsigned> order) {
  size_t rank = shape.size();
  assert(box.regBits.size() == rank && box.laneBits.size() == rank &&
         box.warpBits.size() == rank && order.size() == rank && "one entry for each dimension");
  LinearLayout result;
  result.indexBits = log2Size(shape);
  // Index bits of each dimension that are not placed yet.
  std::vector<unsigned> next(rank), end(rank);
  for (unsigned position = 0, d = rank; d-- > 0;) {
    next[d] = position;
    end[d] = position += std::countr_zero(shape[d]);
  }
  auto take = [&](std::vector<uint64_t> &bases, unsigned d, unsigned count, bool replicate) {
    for (unsigned i = 0; i < count; ++i) {
      if (next[d] < end[d])
        bases.push_back(uint64_t(1) << next[d]++);
      else if (replicate)
        bases.push_back(0);
    }
  };
  for (unsigned d : order)
    take(result.reg, d, box.regBits[d], /*replicate=*/false);
  for (unsigned d : order)
    take(result.lane, d, box.laneBits[d], /*replicate=*/true);
  for (unsigned d : order)
    take(result.warp, d, box.warpBits[d], /*replicate=*/true);
  for (unsigned d : order)
    take(result.reg, d, result.indexBits, /*replicate=*/false);
  return result;
}
