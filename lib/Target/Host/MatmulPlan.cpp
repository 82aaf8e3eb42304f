//===- MatmulPlan.cpp - Tile sizes and panels of a product ----------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MatmulInternal.h"
#include "quadrille/Target/TargetSpec.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <numeric>

using llvm::StringRef;
using namespace quadrille;
using namespace quadrille::host;

unsigned host::countFoldedLevels(const Format &format) {
  auto isOneBit = [](const Level &level) { return level.type == ScaleType::E1; };
  return llvm::find_if_not(format.levels, isOneBit) - format.levels.begin();
}

namespace {

/// A grid, or the two of a format, as integers: code * 2^-unit.
struct IntegerGrid {
  int unit;
  int64_t max;
};

std::optional<IntegerGrid> getIntegerGrid(const Format &format) {
  std::vector<float> values = format.grid.values;
  if (format.alternative)
    llvm::append_range(values, format.alternative->values);
  constexpr int maxUnit = 6;
  for (int unit = 0; unit <= maxUnit; ++unit) {
    auto isInteger = [&](float v) { return std::ldexp(v, unit) == std::rint(std::ldexp(v, unit)); };
    if (!llvm::all_of(values, isInteger))
      continue;
    float max = 0;
    for (float v : values)
      max = std::max(max, std::fabs(std::ldexp(v, unit)));
    // Each one-bit exponent may double the code.
    return IntegerGrid{unit, int64_t(max) << countFoldedLevels(format)};
  }
  return std::nullopt;
}

bool dividesEitherWay(int64_t a, int64_t b) { return a > 0 && (a % b == 0 || b % a == 0); }

bool canPackF32(const Format *format, int64_t kBlock) {
  return !format || llvm::all_of(format->levels, [&](const Level &level) {
    return level.block.isTensor() || dividesEitherWay(level.block.cols, kBlock);
  });
}

/// What the f32 carrier's panels are cut into: it divides the contraction, whose length is a
/// multiple of the formats' blocks and of the eight codes that are read at once.
int64_t getUnscaledBlock(const Format *lhs, const Format *rhs) {
  int64_t kBlock = 16;
  for (const Format *format : {lhs, rhs}) {
    int64_t outer = kBlock;
    if (format)
      for (const Level &level : format->levels)
        if (!level.block.isTensor())
          outer = level.block.cols;
    kBlock = std::gcd(kBlock, outer);
  }
  return std::max<int64_t>(kBlock, 8);
}

/// The block whose code sums are scaled at once, or 0: the innermost level that
/// is not folded into the codes. What is folded applies to whole groups of four
/// codes; what lies outside, to whole blocks.
int64_t getScaledBlock(const Format &format) {
  unsigned folded = countFoldedLevels(format);
  if (folded == format.levels.size() || format.levels[folded].block.isTensor())
    return 0;
  int64_t kBlock = format.levels[folded].block.cols;
  bool fits = kBlock % 8 == 0;
  for (auto [i, level] : llvm::enumerate(format.levels)) {
    if (level.block.isTensor())
      continue;
    int64_t cols = level.block.cols;
    fits &= i < folded ? cols % 4 == 0 && kBlock % cols == 0 : cols % kBlock == 0;
  }
  return fits ? kBlock : 0;
}

/// Fills what depends on the operands in the s8 carrier; false if they do not fit.
bool planIntegers(MatmulPlan &plan, const Format *lhs, const Format *rhs) {
  if (!lhs || !rhs)
    return false;
  std::optional<IntegerGrid> a = getIntegerGrid(*lhs), b = getIntegerGrid(*rhs);
  plan.kBlock = getScaledBlock(*lhs);
  if (!a || !b || plan.kBlock == 0 || plan.kBlock != getScaledBlock(*rhs))
    return false;
  plan.lhsUnit = a->unit;
  plan.rhsUnit = b->unit;
  plan.lhsMax = a->max;
  plan.rhsMax = b->max;
  // A step without VNNI saturates a pair of products to s16. The sum of a block
  // stays within half the range of the magic number's mantissa; a block is
  // unrolled, so it is no longer than that is sensible for.
  int64_t product = a->max * b->max;
  constexpr int64_t maxCode = 127, maxPair = (1 << 15) - 1, maxSum = (1 << 22) - 1, maxBlock = 256;
  return a->max <= maxCode && b->max <= maxCode && plan.kBlock <= maxBlock &&
         (plan.isa.vnni || 2 * 2 * product <= maxPair) && plan.kBlock * product <= maxSum;
}

/// Rows of a register tile of two vectors a row. Beside the accumulators there
/// are two vectors of B and two temporaries in the 32 registers (16 with AVX2), and
/// with s8 as many integer sums as accumulators; AVX2 spills a few of those.
int64_t getTileRows(VectorISA isa, MatmulCarrier carrier) {
  if (isa.lanes == 16)
    return carrier == MatmulCarrier::F32 ? 12 : 6;
  return carrier == MatmulCarrier::F32 ? 6 : 4;
}

} // namespace

std::optional<VectorISA> VectorISA::get(const TargetSpec &spec) {
  auto hasAll = [&](std::initializer_list<StringRef> features) {
    return llvm::all_of(features, [&](StringRef feature) { return spec.hasFeature(feature); });
  };
  if (hasAll({"avx512f", "avx512bw", "avx512dq", "avx512vl"}))
    return VectorISA{16, spec.hasFeature("avx512vnni")};
  if (hasAll({"avx2", "fma", "f16c"}))
    return VectorISA{8, spec.hasFeature("avxvnni")};
  return std::nullopt;
}

std::optional<MatmulPlan> MatmulPlan::get(VectorISA isa, MatmulCarrier carrier,
                                          const Format *lhs, const Format *rhs) {
  // A B panel's share of K stays in 32 KiB of L1; the A panels of a tile and the
  // tile of C itself, in L2.
  constexpr int64_t l1Bytes = 32 << 10;
  MatmulPlan plan;
  plan.isa = isa;
  plan.carrier = carrier;
  plan.mr = getTileRows(isa, carrier);
  plan.nr = 2 * isa.lanes;
  plan.mTile = 168;
  plan.nTile = 256;
  if (carrier == MatmulCarrier::F32) {
    plan.kBlock = getUnscaledBlock(lhs, rhs);
    if (!canPackF32(lhs, plan.kBlock) || !canPackF32(rhs, plan.kBlock))
      return std::nullopt;
  } else if (!planIntegers(plan, lhs, rhs)) {
    return std::nullopt;
  }
  plan.kCacheBlocks = std::max<int64_t>(1, l1Bytes / plan.blockBytes(MatmulSide::RHS));
  return plan;
}

int64_t MatmulPlan::blockBytes(MatmulSide side) const {
  int64_t perRow = 4 * kBlock;
  if (carrier == MatmulCarrier::S8)
    perRow = kBlock + (side == MatmulSide::LHS ? 4 : 8);
  return panelRows(side) * perRow;
}

std::string MatmulPlan::describePanels(MatmulSide side) const {
  bool isLhs = side == MatmulSide::LHS;
  std::string text = (isLhs ? "lhs in " : "rhs in ") +
                     std::string(carrier == MatmulCarrier::S8 ? "s8" : "f32") + " panels of " +
                     std::to_string(panelRows(side)) + " x " + std::to_string(kBlock);
  if (carrier == MatmulCarrier::F32)
    return text;
  text += ", codes in units of 2^-" + std::to_string(isLhs ? lhsUnit : rhsUnit);
  if (isLhs) // offset by its own largest code
    return text;
  // See `start`.
  return text + ", of lhs 2^-" + std::to_string(lhsUnit) + " up to " + std::to_string(lhsMax);
}

int64_t MatmulPlan::panelBytes(MatmulSide side, int64_t rows, int64_t k) const {
  return llvm::divideCeil(rows, panelRows(side)) * (k / kBlock) * blockBytes(side);
}
