//===- Swizzle.cpp - Bank-conflict-free layouts of shared memory ----------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The offset of an element in shared memory is an invertible linear map of its
// index, so choosing a swizzle is choosing a basis of the index space:
//
//   [ vector | word | bank | row ]   from the lowest offset bit to the highest.
//
// The vector part comes from registers; lanes of one access must differ in
// the bank part, that is, no combination of them may lie in the row part, and
// this for the lanes of the store and for those of the load. Two subspaces of
// equal dimension always have a common complement: with a basis x_i of
// the one and y_i of the other outside of their intersection, the vectors
// x_i + y_i lie in neither.
//
//===----------------------------------------------------------------------===//
#include "quadrille/Layout/BitVectorSpace.h"
#include "quadrille/Layout/Conversion.h"

#include <algorithm>
#include <map>

using namespace quadrille::layout;

namespace {

using Vectors = std::vector<uint64_t>;

uint64_t bit(unsigned i) { return uint64_t(1) << i; }
unsigned log2Exact(unsigned powerOfTwo) { return std::countr_zero(powerOfTwo); }

/// Appends to `to` those of `from` that are independent of `space` and of one
/// another, at most `limit`; `space` grows by them.
void appendIndependent(Vectors &to, const Vectors &from, Subspace &space, size_t limit = 64) {
  for (uint64_t v : from)
    if (limit > 0 && space.insert(v)) {
      to.push_back(v);
      --limit;
    }
}

Vectors concat(const Vectors &a, const Vectors &b) {
  Vectors result = a;
  result.insert(result.end(), b.begin(), b.end());
  return result;
}

Vectors unitVectors(unsigned bits) {
  Vectors result;
  for (unsigned i = 0; i < bits; ++i)
    result.push_back(bit(i));
  return result;
}

/// log2 of the lanes that are served together.
unsigned phaseBits(const LinearLayout &layout, unsigned vectorBits, const SharedMemoryModel &m) {
  unsigned bytes = m.elementBytes << vectorBits;
  unsigned lanes = std::clamp(m.banks * m.bankBytes / bytes, 1u, m.banks);
  return std::min<unsigned>(log2Exact(lanes), layout.lane.size());
}

Vectors phaseLanes(const LinearLayout &layout, unsigned vectorBits, const SharedMemoryModel &m) {
  return {layout.lane.begin(), layout.lane.begin() + phaseBits(layout, vectorBits, m)};
}

/// Bits of the offset (in elements) below one bank word.
unsigned wordBits(const SharedMemoryModel &m) {
  return m.elementBytes >= m.bankBytes ? 0 : log2Exact(m.bankBytes / m.elementBytes);
}
/// Bits of the offset (in elements) below one row of all banks.
unsigned rowBits(const SharedMemoryModel &m) {
  return log2Exact(std::max(1u, m.banks * m.bankBytes / m.elementBytes));
}

/// Lanes and warps: what must not reach into the vector part of an offset.
Vectors lanesAndWarps(const LinearLayout &layout) { return concat(layout.lane, layout.warp); }

/// One side of the conversion (the store or the load) with the vector it is to
/// use.
struct Access {
  const LinearLayout &layout;
  unsigned vectorBits;
};

/// Splits the space of `free` (independent vectors) into bank and row vectors so
/// that no combination of `x`, nor one of `y`, is a row. All of it is modulo
/// `word`, the vectors below the bank bits.
void splitBanksAndRows(const Vectors &word, const Vectors &free, const Vectors &x,
                       const Vectors &y, unsigned bankBits, Vectors &banks, Vectors &rows) {
  Subspace seen(word);
  Vectors common, onlyX, onlyY, rest;
  Vectors both = intersect(concat(word, x), concat(word, y));
  appendIndependent(common, both, seen);
  appendIndependent(onlyX, x, seen);
  // onlyY must avoid the space of y's common part alone, not that of onlyX;
  // the two are independent because the intersection is taken out.
  appendIndependent(onlyY, y, seen);
  appendIndependent(rest, free, seen);

  size_t total = common.size() + onlyX.size() + onlyY.size() + rest.size();
  size_t numRows = total > bankBits ? total - bankBits : 0;
  banks = common;
  for (size_t i = 0; i < std::max(onlyX.size(), onlyY.size()); ++i) {
    bool paired = i < onlyX.size() && i < onlyY.size();
    if (i < onlyX.size())
      banks.push_back(onlyX[i]);
    if (paired && rows.size() < numRows)
      rows.push_back(onlyX[i] ^ onlyY[i]);
    else if (i < onlyY.size())
      banks.push_back(onlyY[i]);
  }
  for (uint64_t v : rest)
    (rows.size() < numRows ? rows : banks).push_back(v);
}

/// A basis [vector | word | bank | row] for accesses of which `wide` uses the
/// longer vectors, or nothing if registers do not allow those vectors.
std::optional<Vectors> buildBasis(const Access &wide, const Access &narrow,
                                  const SharedMemoryModel &m) {
  unsigned indexBits = wide.layout.indexBits;
  Vectors wideOthers = lanesAndWarps(wide.layout);
  Vectors allOthers = concat(wideOthers, lanesAndWarps(narrow.layout));

  // Both accesses vectorize over `shared`, so no lane or warp of either may
  // reach into it; the wide one goes on over `extra`.
  Vectors shared, extra;
  Subspace outside(allOthers);
  appendIndependent(shared, intersect(wide.layout.reg, narrow.layout.reg), outside,
                    narrow.vectorBits);
  Subspace wideOutside(concat(wideOthers, shared));
  Vectors narrowPhase = phaseLanes(narrow.layout, narrow.vectorBits, m);
  Subspace narrowLanes(narrowPhase);
  // Vectors that the narrow side has in lanes cost no bank of their own.
  Vectors candidates = intersect(wide.layout.reg, narrowPhase);
  for (uint64_t v : concat(candidates, wide.layout.reg))
    if (extra.size() < wide.vectorBits - narrow.vectorBits && wideOutside.insert(v))
      extra.push_back(v);
  if (shared.size() != narrow.vectorBits || shared.size() + extra.size() != wide.vectorBits)
    return std::nullopt;
  Subspace withExtra(concat(allOthers, extra));
  if (std::any_of(shared.begin(), shared.end(),
                  [&](uint64_t v) { return !withExtra.insert(v); }))
    return std::nullopt;

  // The complement of the vectors in which everything else is chosen: it holds
  // the wide side's lanes and warps, and pairs each extra vector with a lane
  // of the narrow side where it is not one itself.
  Vectors vectors = concat(shared, extra), complement;
  Subspace taken(vectors);
  appendIndependent(complement, wideOthers, taken);
  for (uint64_t v : extra)
    if (!narrowLanes.contains(v))
      for (uint64_t lane : narrowPhase)
        if (taken.insert(lane)) {
          complement.push_back(v ^ lane);
          break;
        }
  appendIndependent(complement, allOthers, taken);
  appendIndependent(complement, unitVectors(indexBits), taken);

  unsigned word = wordBits(m), row = rowBits(m);
  Vectors x = phaseLanes(wide.layout, wide.vectorBits, m);
  Vectors y = intersect(narrowPhase, complement);
  Vectors wordExtra;
  if (vectors.size() < word) {
    Subspace used;
    appendIndependent(wordExtra, concat(intersect(x, y), concat(x, complement)), used,
                      word - vectors.size());
  }
  unsigned below = vectors.size() + wordExtra.size();
  Vectors banks, rows;
  splitBanksAndRows(wordExtra, complement, x, y, row > below ? row - below : 0, banks, rows);
  return concat(concat(vectors, wordExtra), concat(banks, rows));
}

/// The registers that hold distinct elements, in groups that are contiguous in
/// memory, each in the order of offsets.
std::vector<std::vector<unsigned>> groupRegisters(const LinearLayout &layout,
                                                  const Vectors &columns, unsigned vectorBits) {
  uint64_t redundant = layout.redundantBits().reg;
  std::map<uint64_t, unsigned> byOffset;
  for (uint64_t r = 0; r < layout.numRegisters(); ++r)
    if ((r & redundant) == 0)
      byOffset[applyColumns(columns, layout.evaluate(r, 0, 0))] = r;
  std::map<uint64_t, std::vector<unsigned>> groups;
  for (auto [offset, reg] : byOffset)
    groups[offset >> vectorBits].push_back(reg);
  std::vector<std::vector<unsigned>> result;
  for (auto &[base, registers] : groups)
    result.push_back(std::move(registers));
  return result;
}

SharedMemory makeStep(const LinearLayout &source, const LinearLayout &dest, Vectors columns,
                      const SharedMemoryModel &m) {
  SharedMemory step;
  unsigned storeBits = accessVectorBits(source, columns, m);
  unsigned loadBits = accessVectorBits(dest, columns, m);
  step.storeVector = 1u << storeBits;
  step.loadVector = 1u << loadBits;
  step.storeConflicts = bankConflicts(source, columns, storeBits, m);
  step.loadConflicts = bankConflicts(dest, columns, loadBits, m);
  step.storeRegisters = groupRegisters(source, columns, storeBits);
  step.loadRegisters = groupRegisters(dest, columns, loadBits);
  step.bytes = source.numElements() * m.elementBytes;
  step.columns = std::move(columns);
  return step;
}

Cost costOf(const SharedMemory &step) {
  unsigned accesses = step.storeRegisters.size() * step.storeConflicts +
                      step.loadRegisters.size() * step.loadConflicts;
  return {.sharedAccesses = accesses, .barriers = 1};
}

/// The best step over the identity (if it is as good, it is the easiest to
/// read) and one basis for every pair of vector lengths.
SharedMemory chooseStep(const LinearLayout &source, const LinearLayout &dest,
                        const SharedMemoryModel &m) {
  SharedMemory best = makeStep(source, dest, unitVectors(source.indexBits), m);
  unsigned maxBits = log2Exact(std::max(1u, m.maxVectorBytes / m.elementBytes));
  for (unsigned wideBits = 0; wideBits <= maxBits; ++wideBits)
    for (unsigned narrowBits = 0; narrowBits <= wideBits; ++narrowBits)
      for (bool storeIsWide : {true, false}) {
        Access wide{storeIsWide ? source : dest, wideBits};
        Access narrow{storeIsWide ? dest : source, narrowBits};
        std::optional<Vectors> basis = buildBasis(wide, narrow, m);
        std::optional<Vectors> columns =
            basis ? invert(*basis, source.indexBits) : std::nullopt;
        if (!columns)
          continue;
        SharedMemory step = makeStep(source, dest, *columns, m);
        if (costOf(step).sharedAccesses < costOf(best).sharedAccesses)
          best = std::move(step);
      }
  return best;
}

} // namespace

unsigned quadrille::layout::accessVectorBits(const LinearLayout &layout,
                                             std::span<const uint64_t> columns,
                                             const SharedMemoryModel &m) {
  LinearLayout offsets = layout.compose(columns, layout.indexBits);
  uint64_t others = 0;
  for (uint64_t b : lanesAndWarps(offsets))
    others |= b;
  Subspace registers(offsets.reg);
  unsigned maxBits = log2Exact(std::max(1u, m.maxVectorBytes / m.elementBytes));
  unsigned bits = 0;
  while (bits < maxBits && bits < layout.indexBits && !(others >> bits & 1) &&
         registers.contains(bit(bits)))
    ++bits;
  return bits;
}

unsigned quadrille::layout::bankConflicts(const LinearLayout &layout,
                                          std::span<const uint64_t> columns, unsigned vectorBits,
                                          const SharedMemoryModel &m) {
  Vectors words, banks;
  unsigned word = std::max(wordBits(m), vectorBits);
  uint64_t bankMask = bit(rowBits(m)) - 1;
  for (uint64_t lane : phaseLanes(layout, vectorBits, m)) {
    uint64_t offset = applyColumns(columns, lane) >> word << word;
    words.push_back(offset);
    banks.push_back(offset & bankMask);
  }
  return 1u << (Subspace(words).dimension() - Subspace(banks).dimension());
}

std::optional<Conversion>
quadrille::layout::planSharedConversion(const LinearLayout &source,
                                        const LinearLayout &destination,
                                        const SharedMemoryModel &memory) {
  if (!canConvert(source, destination))
    return std::nullopt;

  // Each distinct element is loaded once; redundant registers copy it after.
  uint64_t kept;
  LinearLayout distinct = destination.sliceIndexBits(0, &kept);
  Conversion result{source, destination, {}};
  SharedMemory step = chooseStep(source, distinct, memory);
  Cost cost = costOf(step);
  result.steps.push_back({std::move(step), cost});
  if (distinct.reg.size() != destination.reg.size()) {
    RegisterPermute copies;
    Subspace registers(distinct.reg);
    for (uint64_t r = 0; r < destination.numRegisters(); ++r)
      copies.source.push_back(*registers.combination(destination.evaluate(r, 0, 0)));
    result.steps.push_back({std::move(copies), {}});
  }
  return result;
}
