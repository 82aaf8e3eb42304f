//===- Format.h - What a 4-bit format is ------------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A format is data: a grid of up to 16 values, or two of them, and a chain of
// scales, inner to outer. Nothing else in the project knows a format by its name.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_NUMERICS_FORMAT_H
#define QUADRILLE_NUMERICS_FORMAT_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quadrille {

/// The code-to-value maps. E2M1 and E1M2 are sign-magnitude with bit 3 as the
/// sign; INT4 is two's complement (-8 is never produced); LUT is any table.
enum class GridKind : uint8_t { E2M1, E1M2, INT4, LUT };

struct Grid {
  GridKind kind;
  std::string name;          ///< as written in IR: e2m1, e1m2, int4, or the user's
  std::vector<float> values; ///< by code; 16 for the built-in grids, 2..16 for LUT
  float qmax;                ///< amax maps to this: 6, 1.75, 7, or the LUT's own

  bool isSignMagnitude() const { return kind == GridKind::E2M1 || kind == GridKind::E1M2; }
  bool operator==(const Grid &) const = default;
};

/// Element types of a scale. E1 is HiF4's one-bit exponent: 0 -> 1, 1 -> 2.
enum class ScaleType : uint8_t { F32, BF16, E4M3, E8M0, UE5M3, E6M2, E1 };

/// How a scale is rounded into its type. Program: computed by a user's scale
/// rule outside of the chain; HiF4: the three-level algorithm of
/// arXiv 2602.11287, which determines all its levels together.
enum class ScaleRule : uint8_t { Nearest, Up, OCP, HiF4, Program };

/// Block of one level in storage order: `cols` along the quantized axis,
/// `rows` across it. {0, 0} is the whole tensor.
struct Block {
  int64_t rows = 1, cols = 0;
  bool isTensor() const { return rows == 0 && cols == 0; }
  bool operator==(const Block &) const = default;
};

struct Level {
  Block block;
  ScaleType type;
  ScaleRule rule = ScaleRule::Nearest;
  unsigned bits = 0; ///< significant bits kept of f32/bf16 (0: all of the type's)
  float qmax = 0;    ///< amax of the block maps to this; 0: derived (see Format::qmax)
  bool operator==(const Level &) const = default;
};

struct Format {
  std::string name;
  Grid grid;
  std::vector<Level> levels; ///< inner to outer
  /// A second grid. The rule of the innermost level, which is the user's, chooses
  /// one for each block; the choice is the sign bit of the block's scale.
  std::optional<Grid> alternative = {};

  /// What a block maximum of level `i` is mapped to: the level's own qmax if
  /// given, else grid.qmax times the largest value of each level inside it.
  float qmax(size_t i) const;
  /// The bit of an innermost scale that chooses the alternative grid and is no part
  /// of the scale's value; 0 if there is one grid.
  uint32_t choiceBit() const;
  /// Block of the innermost level along the quantized axis.
  int64_t blockCols() const { return levels.front().block.cols; }
  /// True if the outermost level is one scale for the tensor (needs its amax).
  bool hasTensorLevel() const { return !levels.empty() && levels.back().block.isTensor(); }
  /// True if a block spans more than one row (weights' 16x16): such a code is
  /// the same in both orientations.
  bool is2D() const;
  bool operator==(const Format &) const = default;
};

/// Version of the numerics of docs/numerics.md: a change of any code or scale
/// of any input changes it.
inline constexpr unsigned numericsVersion = 2;

/// e2m1, e1m2 or int4; null for another name.
const Grid *lookupGrid(std::string_view name);
/// A named format (UFP4, NVFP4, ...); null if there is none of that name.
const Format *lookupFormat(std::string_view name);
/// All named formats, in the order of docs/numerics.md.
const std::vector<Format> &namedFormats();

/// A LUT grid of 2 to 16 values in code order; qmax 0 means their largest
/// magnitude. Check it with `verify`.
Grid makeLutGrid(std::string name, std::vector<float> values, float qmax = 0);

/// What is wrong with a grid or a format, in one sentence; empty if nothing.
std::string verify(const Grid &grid);
std::string verify(const Format &format);

} // namespace quadrille

#endif // QUADRILLE_NUMERICS_FORMAT_H
