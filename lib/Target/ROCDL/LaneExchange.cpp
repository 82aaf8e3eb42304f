//===- LaneExchange.cpp - How lanes of AMD GPUs exchange words ------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LaneExchange.h"
#include "llvm/ADT/STLExtras.h"

namespace quadrille::rocdl {
namespace {

// Controls of DPP ("DPP_CTRL" in AMD's ISA documents): lanes of a quad, and of a row of 16.
constexpr int quadXor1 = 0xb1, quadXor2 = 0x4e, quadXor3 = 0x1b;
constexpr int rowRotate8 = 0x128, halfRowMirror = 0x141, rowXor4 = 0x164;

constexpr LaneMove xor1{LaneMove::DPP, {quadXor1, LaneMove::none}};
constexpr LaneMove xor2{LaneMove::DPP, {quadXor2, LaneMove::none}};
constexpr LaneMove xor4{LaneMove::DPP, {rowXor4, LaneMove::none}};
/// Mirroring eight lanes is xor 7, for GPUs without row_xmask.
constexpr LaneMove xor4ByMirror{LaneMove::DPP, {halfRowMirror, quadXor3}};
constexpr LaneMove xor8{LaneMove::DPP, {rowRotate8, LaneMove::none}};

/// The first row whose name fits.
constexpr LaneExchange table[] = {
    {"gfx950", 64, {xor1, xor2, xor4ByMirror, xor8, {LaneMove::Swap}, {LaneMove::Swap}}},
    {"gfx9", 64, {xor1, xor2, xor4ByMirror, xor8, {LaneMove::Swizzle}, {LaneMove::Permute}}},
    {"gfx", 32, {xor1, xor2, xor4, xor8, {LaneMove::PermlaneX16}, {LaneMove::Permute}}},
};

} // namespace

const LaneExchange &laneExchangeOf(llvm::StringRef cpu) {
  return *llvm::find_if(table, [&](const LaneExchange &row) { return cpu.starts_with(row.targets); });
}

} // namespace quadrille::rocdl
