//===- LaneExchange.h - How lanes of AMD GPUs exchange words ----*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For each distance the cheapest instruction that a target has, by what they are (none
// was timed). From the cheapest:
// a DPP move, which LLVM often makes a modifier of the instruction that uses the
// word; two of them, which still wait for nothing; permlane instructions of the
// vector unit; and the crossbar of the shared memory, which the whole compute unit
// shares and whose result must be waited for: ds_swizzle with a constant pattern,
// ds_bpermute with an address to compute.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_TARGET_ROCDL_LANEEXCHANGE_H
#define QUADRILLE_LIB_TARGET_ROCDL_LANEEXCHANGE_H

#include "llvm/ADT/StringRef.h"
#include <array>
#include <cstdint>

namespace quadrille::rocdl {

/// How a word comes from lane `lane xor distance`.
struct LaneMove {
  enum Kind : uint8_t {
    DPP,         ///< v_mov_dpp with each of the controls in turn
    PermlaneX16, ///< v_permlanex16: distance 16
    Swap,        ///< v_permlane16_swap, v_permlane32_swap: of two registers
    Swizzle,     ///< ds_swizzle: distances below 32
    Permute,     ///< ds_bpermute
  };
  static constexpr int none = -1;

  Kind kind;
  std::array<int, 2> controls = {none, none};
};

struct LaneExchange {
  llvm::StringLiteral targets;       ///< what their names start with
  unsigned lanes;                    ///< of a wave
  std::array<LaneMove, 6> moves;     ///< by bit of the lane's number; bit 5 in waves of 64 only
};

/// The row of a target's processor, such as gfx942.
const LaneExchange &laneExchangeOf(llvm::StringRef cpu);

} // namespace quadrille::rocdl

#endif // QUADRILLE_LIB_TARGET_ROCDL_LANEEXCHANGE_H
