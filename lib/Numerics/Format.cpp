//===- Format.cpp - Grids and named formats -------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Format.h"
#include "quadrille/Numerics/ScaleTypes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

using namespace quadrille;
using namespace quadrille::numerics;

//===----------------------------------------------------------------------===//
// Grids
//===----------------------------------------------------------------------===//

/// The 16 values of a sign-magnitude grid from its 8 magnitudes.
static std::vector<float> mirrored(std::vector<float> magnitudes) {
  std::vector<float> values = magnitudes;
  for (float magnitude : magnitudes)
    values.push_back(-magnitude);
  return values;
}

static const std::array<Grid, 3> &builtinGrids() {
  static const std::array<Grid, 3> grids = {{
      {GridKind::E2M1, "e2m1", mirrored({0, 0.5f, 1, 1.5f, 2, 3, 4, 6}), 6},
      {GridKind::E1M2, "e1m2", mirrored({0, 0.25f, 0.5f, 0.75f, 1, 1.25f, 1.5f, 1.75f}), 1.75f},
      // Code 8 (-8) decodes but is never produced.
      {GridKind::INT4, "int4", {0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1}, 7},
  }};
  return grids;
}

const Grid *quadrille::lookupGrid(std::string_view name) {
  for (const Grid &grid : builtinGrids())
    if (grid.name == name)
      return &grid;
  return nullptr;
}

Grid quadrille::makeLutGrid(std::string name, std::vector<float> values, float qmax) {
  if (qmax == 0)
    for (float value : values)
      qmax = std::max(qmax, std::fabs(value));
  return {GridKind::LUT, std::move(name), std::move(values), qmax};
}

// Bounds that keep every table of a grid, and every quotient by its qmax, away
// from overflow and underflow in f32.
static constexpr float kSmallestQmax = 0x1p-16f, kLargestQmax = 0x1p16f;

std::string quadrille::verify(const Grid &grid) {
  const std::string who = "grid '" + grid.name + "': ";
  if (grid.kind != GridKind::LUT) {
    const Grid *known = lookupGrid(grid.name);
    return known && *known == grid ? "" : who + "a built-in grid cannot be changed";
  }
  size_t count = grid.values.size();
  if (count < 2 || count > 16)
    return who + "needs 2 to 16 values, has " + std::to_string(count);
  for (float value : grid.values)
    if (isNonFinite(value) || std::fabs(value) > kLargestQmax)
      return who + "values must be finite and at most 65536 in magnitude, got " +
             std::to_string(value);
  if (std::set<float>(grid.values.begin(), grid.values.end()).size() < 2)
    return who + "needs two different values";
  if (!(grid.qmax >= kSmallestQmax && grid.qmax <= kLargestQmax))
    return who + "qmax must be in [2^-16, 2^16], got " + std::to_string(grid.qmax);
  return "";
}

//===----------------------------------------------------------------------===//
// Formats
//===----------------------------------------------------------------------===//

static std::vector<Format> makeNamedFormats() {
  using enum ScaleType;
  const auto &[e2m1, e1m2, int4] = builtinGrids();
  constexpr auto nearest = ScaleRule::Nearest, ocp = ScaleRule::OCP, hif4 = ScaleRule::HiF4;
  const Level tensor{{0, 0}, F32, nearest};
  return {
      {"UFP4", e1m2, {{{1, 16}, F32, nearest}}},
      {"UFP4_B", e1m2, {{{1, 16}, BF16, nearest, /*bits=*/5}}},
      {"MXUF4", e1m2, {{{1, 32}, E8M0, ocp}}},
      {"NVFP4", e2m1, {{{1, 16}, E4M3, nearest}, tensor}},
      {"NVINT4", int4, {{{1, 16}, E4M3, nearest}, tensor}},
      {"MXFP4", e2m1, {{{1, 32}, E8M0, ocp}}},
      {"MXINT4", int4, {{{1, 32}, E8M0, ocp}}},
      {"HIF4", e1m2, {{{1, 4}, E1, hif4}, {{1, 8}, E1, hif4}, {{1, 64}, E6M2, hif4}}},
      {"E2M1_REF", e2m1, {{{1, 16}, F32, nearest}}},
      {"NVFP4_16x16", e2m1, {{{16, 16}, E4M3, nearest}, tensor}},
  };
}

const std::vector<Format> &quadrille::namedFormats() {
  static const std::vector<Format> formats = makeNamedFormats();
  return formats;
}

const Format *quadrille::lookupFormat(std::string_view name) {
  for (const Format &format : namedFormats())
    if (format.name == name)
      return &format;
  return nullptr;
}

float Format::qmax(size_t i) const {
  if (levels[i].qmax != 0)
    return levels[i].qmax;
  float product = grid.qmax;
  for (size_t inner = 0; inner < i; ++inner)
    product *= maxScale(levels[inner].type, levels[inner].bits);
  return product;
}

uint32_t Format::choiceBit() const {
  return alternative ? scaleTypeInfo(levels.front().type).signBit() : 0;
}

bool Format::is2D() const {
  return std::ranges::any_of(levels, [](const Level &level) { return level.block.rows > 1; });
}

static bool usesHiF4(const Format &format) {
  return std::ranges::any_of(format.levels,
                             [](const Level &level) { return level.rule == ScaleRule::HiF4; });
}

/// HiF4's three levels are one algorithm and cannot be combined otherwise.
static std::string verifyHiF4(const Format &format) {
  const Format &known = *lookupFormat("HIF4");
  bool same = format.grid == known.grid && format.levels == known.levels;
  return same ? "" : "the hif4 rule needs the grid and the three levels of HIF4";
}

static std::string verifyType(const Level &level) {
  const std::string type(scaleTypeInfo(level.type).name);
  if (level.type == ScaleType::E1)
    return "e1 scales need the hif4 rule";
  if (level.rule == ScaleRule::OCP && level.type != ScaleType::E8M0)
    return "the ocp rule makes powers of two: it needs e8m0, not " + type;
  if (level.bits == 0)
    return "";
  unsigned most = level.type == ScaleType::F32 ? 24 : level.type == ScaleType::BF16 ? 8 : 0;
  if (most == 0)
    return "only f32 and bf16 scales can be cut to fewer bits, not " + type;
  if (level.bits > most)
    return type + " keeps 1 to " + std::to_string(most) + " significant bits, not " +
           std::to_string(level.bits);
  return "";
}

static std::string verifyBlock(const Format &format, size_t i) {
  const Block &block = format.levels[i].block;
  if (block.isTensor())
    return i > 0 && i + 1 == format.levels.size()
               ? ""
               : "a tensor level must be the outermost, around at least one level of blocks";
  if (block.rows < 1 || block.cols < 1)
    return "a block needs at least one row and one column";
  if (i == 0)
    return "";
  const Block &inner = format.levels[i - 1].block;
  if (block.rows % inner.rows != 0 || block.cols % inner.cols != 0)
    return "its block must be a multiple of the block inside it";
  return "";
}

static std::string verifyLevel(const Format &format, size_t i) {
  if (std::string error = verifyType(format.levels[i]); !error.empty())
    return error;
  if (std::string error = verifyBlock(format, i); !error.empty())
    return error;
  float qmax = format.qmax(i);
  if (!(qmax >= kSmallestQmax && qmax <= 0x1p32f))
    return "what amax is mapped to must be in [2^-16, 2^32]: give the level its own qmax";
  return "";
}

/// A second grid needs a rule that chooses and a bit to keep the choice in.
static std::string verifyAlternative(const Format &format) {
  if (!format.alternative)
    return "";
  const Level &inner = format.levels.front();
  if (inner.rule != ScaleRule::Program)
    return "two grids need a rule that chooses one for each block: the innermost level's must be "
           "a scale rule of the user, not " +
           std::string(scaleRuleName(inner.rule));
  if (!format.choiceBit())
    return "the sign bit of the innermost scale chooses the grid: it must be f32, bf16 or e4m3, "
           "not " +
           std::string(scaleTypeInfo(inner.type).name);
  return verify(*format.alternative);
}

std::string quadrille::verify(const Format &format) {
  if (std::string error = verify(format.grid); !error.empty())
    return error;
  const std::string who = "format '" + format.name + "': ";
  if (format.levels.empty())
    return who + "needs at least one level of scales";
  if (usesHiF4(format)) {
    std::string error = verifyHiF4(format);
    return error.empty() ? "" : who + error;
  }
  for (size_t i = 0; i < format.levels.size(); ++i)
    if (std::string error = verifyLevel(format, i); !error.empty())
      return who + "level " + std::to_string(i) + ": " + error;
  std::string error = verifyAlternative(format);
  return error.empty() ? "" : who + error;
}
