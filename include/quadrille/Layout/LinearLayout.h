//===- LinearLayout.h - Layouts as linear maps over F2 ----------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where each element of a tile lives: a linear map over F2 from hardware bits
// (register, lane, warp) to the bits of the element's row-major index in the
// tile. Tile dimensions are powers of two, the last one varies fastest.
// Because the index is flattened, a reshape changes nothing, a transposition
// permutes index bits, a reduction deletes some and a broadcast inserts some.
//
// The model is that of "Linear Layouts" (arXiv 2505.23819).
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LAYOUT_LINEARLAYOUT_H
#define QUADRILLE_LAYOUT_LINEARLAYOUT_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quadrille::layout {

/// A place in the hardware. On the host a lane is a SIMD lane and there is one
/// warp.
struct HardwareIndex {
  uint64_t reg = 0, lane = 0, warp = 0;
  bool operator==(const HardwareIndex &) const = default;
};

/// The linear map itself. `reg[i]` is the xor-contribution of bit i of the
/// register number to the index, and so on for lanes and warps; a zero basis
/// means that the bit does not matter (the element is replicated over it).
class LinearLayout {
public:
  std::vector<uint64_t> reg, lane, warp;
  /// log2 of the number of elements of the tile, at most 63.
  unsigned indexBits = 0;

  LinearLayout() = default;
  LinearLayout(unsigned indexBits, std::vector<uint64_t> reg, std::vector<uint64_t> lane,
               std::vector<uint64_t> warp = {})
      : reg(std::move(reg)), lane(std::move(lane)), warp(std::move(warp)), indexBits(indexBits) {}

  bool operator==(const LinearLayout &) const = default;

  /// Index of the element that (reg, lane, warp) holds.
  uint64_t evaluate(uint64_t reg, uint64_t lane, uint64_t warp = 0) const;
  uint64_t evaluate(HardwareIndex h) const { return evaluate(h.reg, h.lane, h.warp); }

  uint64_t numRegisters() const { return uint64_t(1) << reg.size(); }
  uint64_t numLanes() const { return uint64_t(1) << lane.size(); }
  uint64_t numWarps() const { return uint64_t(1) << warp.size(); }
  uint64_t numElements() const { return uint64_t(1) << indexBits; }

  /// All bases: registers, then lanes, then warps.
  std::vector<uint64_t> bases() const;
  /// True if every basis is an index below numElements().
  bool isWellFormed() const;
  /// No two places hold the same element.
  bool isInjective() const;
  /// Every element has a place.
  bool isSurjective() const;
  /// Every element has exactly one place.
  bool isPermutation() const { return isInjective() && isSurjective(); }

  /// The place that owns an element when several hold it: the one whose
  /// redundant bits (see redundantBits) are zero. Nothing if none holds it.
  std::optional<HardwareIndex> invert(uint64_t index) const;
  /// Masks of register, lane and warp bits that add no element to what the
  /// bits before them (registers first, then lanes, then warps) hold. A store
  /// by the places where these bits are zero writes every element once.
  HardwareIndex redundantBits() const;

  /// log2 of how many consecutive registers hold consecutive elements:
  /// the largest v with reg[i] == 1 << i for i < v and no other basis
  /// overlapping the low v bits, so that every such group is aligned.
  unsigned contiguousVectorBits() const;
  unsigned contiguousVectorWidth() const { return 1u << contiguousVectorBits(); }

  /// The map followed by `columns` on the index (the new index of element i is
  /// the xor of columns[b] over the bits b of i), which has `newIndexBits`.
  LinearLayout compose(std::span<const uint64_t> columns, unsigned newIndexBits) const;

  /// The tile of tiles: this layout for the low index bits, `outer` for the
  /// high ones, and the hardware bits of `outer` above those of this one.
  LinearLayout product(const LinearLayout &outer) const;
  /// The `outer` for which inner.product(outer) is this layout, if any.
  std::optional<LinearLayout> divideLeft(const LinearLayout &inner) const;
  /// The `inner` for which inner.product(outer) is this layout, if any.
  std::optional<LinearLayout> divideRight(const LinearLayout &outer) const;

  /// Transposition and friends: bit i of the new index is bit `order[i]` of
  /// the old. `order` is a permutation of 0..indexBits-1.
  LinearLayout permuteIndexBits(std::span<const unsigned> order) const;
  /// The layout of a tile of the given shape (powers of two) with its
  /// dimensions permuted as by numpy.transpose: new dimension i is old
  /// dimension perm[i].
  LinearLayout transpose(std::span<const uint64_t> shape, std::span<const unsigned> perm) const;

  /// What a reduction over the index bits of the mask leaves: those bits are
  /// deleted from the index. Register bits whose basis becomes zero or
  /// depends on the register bits below are dropped; lanes and warps keep zero
  /// bases, for they then all hold the result. `keptRegisterBits` receives the
  /// mask of old register bits that remain, in order.
  LinearLayout sliceIndexBits(uint64_t deleted, uint64_t *keptRegisterBits = nullptr) const;
  /// What a broadcast makes: zero bits are inserted into the index so that the
  /// bits of `inserted` (a mask of *new* index bits) are new. They become new
  /// register bits above the old ones: new register r holds the value of old
  /// register r mod the old count.
  LinearLayout expandIndexBits(uint64_t inserted) const;

  /// `reg = [1, 2], lane = [4, 8], warp = []`; parse reads exactly this form,
  /// white space aside. Neither holds indexBits, which the tile's type gives.
  std::string str() const;
  static std::optional<LinearLayout> parse(std::string_view text, unsigned indexBits);

  size_t hash() const;

  //===--------------------------------------------------------------------===//
  // Named constructors
  //===--------------------------------------------------------------------===//

  /// Index bits from the lowest: `vectorBits` registers, then the lanes, then
  /// the warps, and what remains as more registers. Lanes and warps that the
  /// tile is too small for replicate. vectorBits = 0 is the layout of coalesced
  /// scalar access (or of memory in a SIMD register on the host);
  /// vectorBits = log2(block) is one block for each lane.
  static LinearLayout contiguous(unsigned indexBits, unsigned vectorBits, unsigned laneBits,
                                 unsigned warpBits = 0);

  /// A tile of `shape` cut into register x lane x warp boxes, in units of
  /// log2 per dimension. `order` lists the dimensions from the one that varies
  /// fastest. Hardware beyond the tile replicates; tile beyond the hardware
  /// becomes more registers.
  struct Box {
    std::vector<unsigned> regBits, laneBits, warpBits;
  };
  static LinearLayout blocked(std::span<const uint64_t> shape, const Box &box,
                              std::span<const unsigned> order);
};

/// log2 of the product of `shape`; every extent is a power of two.
unsigned log2Size(std::span<const uint64_t> shape);

} // namespace quadrille::layout

template <> struct std::hash<quadrille::layout::LinearLayout> {
  size_t operator()(const quadrille::layout::LinearLayout &l) const { return l.hash(); }
};

#endif // QUADRILLE_LAYOUT_LINEARLAYOUT_H
