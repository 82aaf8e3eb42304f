//===- Conversion.h - From one layout to another ----------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The planner behind convert_layout: an ordered list of steps, each of which a
// target knows how to emit, that brings a tile from one layout to another.
// Pure register renaming is free; where no element leaves its warp there are
// exchanges between registers and lanes and lane permutations; and there is shared
// memory, swizzled so that no access conflicts in its banks. The cheapest is taken.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LAYOUT_CONVERSION_H
#define QUADRILLE_LAYOUT_CONVERSION_H

#include "quadrille/Layout/LinearLayout.h"

#include <string>
#include <variant>

namespace quadrille::layout {

/// New register r takes old register `source[r]`. Costs nothing.
struct RegisterPermute {
  std::vector<unsigned> source;
};

/// New register r of lane l, warp w takes old register
///   source[r] ^ (xor of laneMasks[i] over bits i of l)
///             ^ (xor of warpMasks[i] over bits i of w)
/// of its own lane: one select for each register and non-zero mask.
struct RegisterSelect {
  std::vector<unsigned> source;
  std::vector<unsigned> laneMasks, warpMasks;
};

/// New register r of lane l, warp w takes register r of lane
///   (xor of laneColumns[i] over bits i of l)
///   ^ registerMasks[r] ^ (xor of warpColumns[i] over bits i of w):
/// one shuffle for each register. laneColumns need not be invertible.
struct LanePermute {
  std::vector<unsigned> laneColumns, registerMasks, warpColumns;
  /// True if every lane reads lane l ^ registerMasks[r] (a butterfly).
  bool isButterfly() const;
};

/// Exchanges bit `regBit` of the register number with bit `laneBit` of the
/// lane number. For registers r0 < r1 that differ in regBit alone: lanes with
/// laneBit = 1 of r0 and lanes with laneBit = 0 of r1 trade places, lane l with
/// lane l ^ (1 << laneBit). One shuffle and two selects for each pair.
struct SwapRegLane {
  unsigned regBit, laneBit;
};

/// Through shared memory: element i is at offset (xor of columns[b] over the
/// bits b of i), in elements. Registers come in groups that are contiguous in
/// memory: `storeRegisters[g]` lists the source registers of the g-th vector
/// store in the order of their offsets, `loadRegisters` likewise for the
/// destination. Redundant copies of an element are stored more than once with
/// the same value.
struct SharedMemory {
  std::vector<uint64_t> columns;
  std::vector<std::vector<unsigned>> storeRegisters, loadRegisters;
  unsigned storeVector = 1, loadVector = 1; ///< elements for each access
  /// Shared-memory cycles of one vector access of a warp, as a multiple of
  /// what its bytes need: 1 is free of conflicts.
  unsigned storeConflicts = 1, loadConflicts = 1;
  uint64_t bytes = 0;
};

using Step = std::variant<RegisterPermute, RegisterSelect, LanePermute, SwapRegLane, SharedMemory>;

/// What a barrier costs in instructions of a warp.
constexpr unsigned barrierCost = 16;

/// Instructions of one warp.
struct Cost {
  unsigned shuffles = 0, selects = 0;
  unsigned sharedAccesses = 0; ///< vector stores and loads times their conflicts
  unsigned barriers = 0;
  unsigned total() const {
    return 2 * shuffles + selects + 4 * sharedAccesses + barrierCost * barriers;
  }
};

struct Conversion {
  struct CostedStep {
    Step step;
    Cost cost;
  };
  LinearLayout source, destination;
  std::vector<CostedStep> steps;

  Cost cost() const;
  bool isNoOp() const { return steps.empty(); }
  bool usesSharedMemory() const;
  /// Some step does not do the same in every warp.
  bool dependsOnWarp() const;
  /// One line for each step, for remarks and tests.
  std::string str() const;
};

/// The memory that a swizzle is for. Lanes are served in groups of consecutive
/// ones: as many as make `banks * bankBytes` bytes, at most one for each bank.
struct SharedMemoryModel {
  unsigned elementBytes = 4; ///< a power of two
  unsigned maxVectorBytes = 16;
  unsigned banks = 32, bankBytes = 4;
};

/// True if both layouts describe a tile of one size on the same number of lanes
/// and warps (register counts may differ), and the source holds every element
/// that the destination does.
bool canConvert(const LinearLayout &source, const LinearLayout &destination);

/// The cheapest way from `source` to `destination` by Cost; nothing unless canConvert.
/// Within a warp: exchanges, then at most one selection, then at most one lane
/// permutation; when the source is a permutation no plan of that form has fewer exchanges.
/// `allowShared = false` (a target without it) gives nothing where only shared
/// memory would do.
std::optional<Conversion> planConversion(const LinearLayout &source,
                                         const LinearLayout &destination,
                                         const SharedMemoryModel &memory = {},
                                         bool allowShared = true);

/// The way through shared memory, whatever else there is.
std::optional<Conversion> planSharedConversion(const LinearLayout &source,
                                               const LinearLayout &destination,
                                               const SharedMemoryModel &memory = {});

/// log2 of the widest aligned vector with which registers of `layout` can be
/// accessed when element i lies at offset columns * i: that many low bits of
/// the offset are made by registers alone.
unsigned accessVectorBits(const LinearLayout &layout, std::span<const uint64_t> columns,
                          const SharedMemoryModel &memory);

/// Cycles of one access of a warp with vectors of 1 << vectorBits elements, as
/// a multiple of what its bytes need: 1 is free of bank conflicts. Lanes that
/// touch the same bank word do not conflict.
unsigned bankConflicts(const LinearLayout &layout, std::span<const uint64_t> columns,
                       unsigned vectorBits, const SharedMemoryModel &memory);

/// Runs a conversion on values: values[(warp * lanes + lane) * registers + reg].
/// The meaning of the steps, for tests and for target authors.
std::vector<uint64_t> applyConversion(const Conversion &conversion,
                                      std::vector<uint64_t> values);

} // namespace quadrille::layout

#endif // QUADRILLE_LAYOUT_CONVERSION_H
