//===- Conversion.cpp - From one layout to another ------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Layout/Conversion.h"
#include "quadrille/Layout/BitVectorSpace.h"

#include <algorithm>
#include <cassert>

using namespace quadrille::layout;

namespace {

uint64_t bit(unsigned i) { return uint64_t(1) << i; }

/// What a conversion within a warp has to do, as a linear map from the places of the
/// destination to the places of the source that hold the same element. A place
/// is one number: register bits low, then lane bits, then warp bits. Only the
/// register and lane rows are stored: no element changes its warp.
struct PlaceMap {
  unsigned sourceRegs, lanes;
  std::vector<uint64_t> regColumns, laneColumns, warpColumns;

  uint64_t regPart(uint64_t place) const { return place & (bit(sourceRegs) - 1); }
  uint64_t lanePart(uint64_t place) const { return place >> sourceRegs; }

  /// Row `i` of the register part, restricted to the lane columns.
  uint64_t regRow(unsigned i) const { return row(i); }
  /// Row `j` of the lane part, restricted to the lane columns.
  uint64_t laneRow(unsigned j) const { return row(sourceRegs + j); }
  std::vector<uint64_t> laneRows() const {
    std::vector<uint64_t> rows;
    for (unsigned j = 0; j < lanes; ++j)
      rows.push_back(laneRow(j));
    return rows;
  }

  /// Exchanges register row i with lane row j.
  void swapRows(unsigned i, unsigned j) {
    for (std::vector<uint64_t> *columns : {&regColumns, &laneColumns, &warpColumns})
      for (uint64_t &c : *columns)
        if ((c >> i & 1) != (c >> (sourceRegs + j) & 1))
          c ^= bit(i) | bit(sourceRegs + j);
  }

private:
  uint64_t row(unsigned number) const {
    uint64_t result = 0;
    for (unsigned j = 0; j < lanes; ++j)
      result |= (laneColumns[j] >> number & 1) << j;
    return result;
  }
};

/// Expresses elements by places of the source, preferring the hardware bits of
/// `order` from its front.
class PlaceSolver {
public:
  PlaceSolver(const LinearLayout &source, std::vector<unsigned> order) : order(std::move(order)) {
    std::vector<uint64_t> bases = source.bases();
    for (unsigned place : this->order)
      space.insert(bases[place]);
  }
  std::optional<uint64_t> solve(uint64_t element) const {
    std::optional<uint64_t> used = space.combination(element);
    if (!used)
      return std::nullopt;
    uint64_t place = 0;
    for (unsigned i = 0; i < order.size(); ++i)
      place |= (*used >> i & 1) << order[i];
    return place;
  }

private:
  std::vector<unsigned> order;
  Subspace space;
};

/// The map for conversions that leave every element in its warp; nothing if
/// there is none. Registers are taken from registers where possible, lanes
/// from the same lane, then from other lanes, then from registers.
std::optional<PlaceMap> planWithinWarp(const LinearLayout &source, const LinearLayout &dest) {
  unsigned regs = source.reg.size(), lanes = source.lane.size();
  PlaceMap map{regs, lanes, {}, {}, {}};
  std::vector<unsigned> regsFirst, lanesFirst;
  for (unsigned i = 0; i < regs + lanes; ++i) {
    regsFirst.push_back(i);
    lanesFirst.push_back((i + regs) % (regs + lanes));
  }
  PlaceSolver byRegister(source, regsFirst);
  for (uint64_t element : dest.reg) {
    std::optional<uint64_t> place = byRegister.solve(element);
    if (!place)
      return std::nullopt;
    map.regColumns.push_back(*place);
  }
  for (unsigned j = 0; j < lanes; ++j) {
    std::vector<unsigned> order = lanesFirst;
    std::rotate(order.begin(), order.begin() + j, order.begin() + j + 1);
    std::optional<uint64_t> place = dest.lane[j] == source.lane[j]
                                        ? std::optional<uint64_t>(bit(regs + j))
                                        : PlaceSolver(source, order).solve(dest.lane[j]);
    if (!place)
      return std::nullopt;
    map.laneColumns.push_back(*place);
  }
  for (unsigned j = 0; j < source.warp.size(); ++j) {
    std::optional<uint64_t> place = byRegister.solve(dest.warp[j] ^ source.warp[j]);
    if (!place)
      return std::nullopt;
    map.warpColumns.push_back(*place);
  }
  return map;
}

/// The next exchange that is needed before register selection and one lane
/// permutation can do the rest: while a register row lies outside of the span
/// of the lane rows, it replaces a lane row that depends on the others. Pairs
/// that put the row where a lane permutation is not needed come first.
std::optional<SwapRegLane> nextSwap(const PlaceMap &map) {
  std::vector<uint64_t> rows = map.laneRows();
  Subspace laneSpace(rows);
  std::optional<SwapRegLane> best;
  int bestScore = -1;
  for (unsigned i = 0; i < map.sourceRegs; ++i) {
    uint64_t incoming = map.regRow(i);
    if (laneSpace.contains(incoming))
      continue;
    for (unsigned j = 0; j < map.lanes; ++j) {
      std::vector<uint64_t> others = rows;
      others.erase(others.begin() + j);
      if (!Subspace(others).contains(rows[j]))
        continue;
      int score = 2 * (incoming == bit(j)) + (rows[j] == 0);
      if (score > bestScore) {
        bestScore = score;
        best = SwapRegLane{i, j};
      }
    }
  }
  return best;
}

bool allZero(const std::vector<unsigned> &masks) {
  return std::all_of(masks.begin(), masks.end(), [](unsigned m) { return m == 0; });
}
bool isIota(const std::vector<unsigned> &list) {
  for (unsigned i = 0; i < list.size(); ++i)
    if (list[i] != i)
      return false;
  return true;
}
unsigned countNonZero(const std::vector<unsigned> &masks) {
  return masks.size() - std::count(masks.begin(), masks.end(), 0u);
}

/// What remains after the exchanges: place map = select * lane permutation,
/// with select = [[A, B, Bw], [0, I, 0]] and permutation = [[I, 0, 0],
/// [C, E, V]] (rows: registers, lanes; columns: registers, lanes, warps).
struct Remainder {
  RegisterSelect select;
  LanePermute permute;
};

Remainder factorRemainder(const PlaceMap &map) {
  // B E = Q: express each register row by lane rows.
  Subspace laneSpace(map.laneRows());
  std::vector<uint64_t> selectByLane(map.lanes, 0); // columns of B
  for (unsigned i = 0; i < map.sourceRegs; ++i) {
    std::optional<uint64_t> lanes = laneSpace.combination(map.regRow(i));
    assert(lanes && "exchanges are complete");
    for (unsigned j = 0; j < map.lanes; ++j)
      selectByLane[j] |= (*lanes >> j & 1) << i;
  }
  // A place's register after the lane permutation is undone: P - B C.
  auto registerOf = [&](uint64_t place) {
    return map.regPart(place) ^ applyColumns(selectByLane, map.lanePart(place));
  };

  Remainder result;
  result.select.laneMasks.assign(selectByLane.begin(), selectByLane.end());
  for (uint64_t column : map.warpColumns) {
    result.select.warpMasks.push_back(registerOf(column));
    result.permute.warpColumns.push_back(map.lanePart(column));
  }
  for (uint64_t column : map.laneColumns)
    result.permute.laneColumns.push_back(map.lanePart(column));
  for (uint64_t r = 0; r < bit(map.regColumns.size()); ++r) {
    uint64_t place = applyColumns(map.regColumns, r);
    result.select.source.push_back(registerOf(place));
    result.permute.registerMasks.push_back(map.lanePart(place));
  }
  return result;
}

bool isIdentity(const LanePermute &step) {
  return step.isButterfly() && allZero(step.registerMasks);
}

void appendWithinWarp(Conversion &conversion, PlaceMap map) {
  auto add = [&](Step step, Cost cost) { conversion.steps.push_back({std::move(step), cost}); };
  unsigned pairs = bit(map.sourceRegs) / 2;
  while (std::optional<SwapRegLane> swap = nextSwap(map)) {
    map.swapRows(swap->regBit, swap->laneBit);
    add(*swap, {.shuffles = pairs, .selects = 2 * pairs});
  }
  auto [select, permute] = factorRemainder(map);
  unsigned regs = select.source.size();
  if (!allZero(select.laneMasks) || !allZero(select.warpMasks)) {
    unsigned masks = countNonZero(select.laneMasks) + countNonZero(select.warpMasks);
    add(select, {.selects = masks * std::max<unsigned>(regs, bit(map.sourceRegs))});
  } else if (!isIota(select.source) || regs != bit(map.sourceRegs)) {
    add(RegisterPermute{select.source}, {});
  }
  if (!isIdentity(permute))
    add(permute, {.shuffles = regs});
}

} // namespace

//===----------------------------------------------------------------------===//
// Planning
//===----------------------------------------------------------------------===//

bool quadrille::layout::canConvert(const LinearLayout &source, const LinearLayout &destination) {
  if (source.indexBits != destination.indexBits ||
      source.lane.size() != destination.lane.size() ||
      source.warp.size() != destination.warp.size())
    return false;
  Subspace held(source.bases());
  std::vector<uint64_t> wanted = destination.bases();
  return std::all_of(wanted.begin(), wanted.end(), [&](uint64_t b) { return held.contains(b); });
}

std::optional<Conversion> quadrille::layout::planConversion(const LinearLayout &source,
                                                            const LinearLayout &destination,
                                                            const SharedMemoryModel &memory,
                                                            bool allowShared) {
  if (!canConvert(source, destination))
    return std::nullopt;
  std::optional<Conversion> exchanged, shared;
  if (std::optional<PlaceMap> map = planWithinWarp(source, destination)) {
    exchanged = Conversion{source, destination, {}};
    appendWithinWarp(*exchanged, std::move(*map));
  }
  if (!allowShared || (exchanged && exchanged->cost().total() <= barrierCost))
    return exchanged;
  shared = planSharedConversion(source, destination, memory);
  return exchanged && exchanged->cost().total() <= shared->cost().total() ? exchanged : shared;
}

Cost Conversion::cost() const {
  Cost sum;
  for (const CostedStep &s : steps) {
    sum.shuffles += s.cost.shuffles;
    sum.selects += s.cost.selects;
    sum.sharedAccesses += s.cost.sharedAccesses;
    sum.barriers += s.cost.barriers;
  }
  return sum;
}

bool Conversion::usesSharedMemory() const {
  return std::any_of(steps.begin(), steps.end(), [](const CostedStep &s) {
    return std::holds_alternative<SharedMemory>(s.step);
  });
}

bool Conversion::dependsOnWarp() const {
  return std::any_of(steps.begin(), steps.end(), [](const CostedStep &s) {
    if (const auto *select = std::get_if<RegisterSelect>(&s.step))
      return !allZero(select->warpMasks);
    if (const auto *permute = std::get_if<LanePermute>(&s.step))
      return !allZero(permute->warpColumns);
    return false;
  });
}

bool LanePermute::isButterfly() const {
  for (unsigned j = 0; j < laneColumns.size(); ++j)
    if (laneColumns[j] != 1u << j)
      return false;
  return allZero(warpColumns);
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

namespace {

template <typename T> std::string listText(const std::vector<T> &values) {
  std::string out = "[";
  for (size_t i = 0; i < values.size(); ++i)
    out += (i ? ", " : "") + std::to_string(values[i]);
  return out + "]";
}

struct StepPrinter {
  std::string operator()(const RegisterPermute &s) const {
    return "register permute " + listText(s.source);
  }
  std::string operator()(const RegisterSelect &s) const {
    return "register select " + listText(s.source) + " by lane " + listText(s.laneMasks) +
           " by warp " + listText(s.warpMasks);
  }
  std::string operator()(const LanePermute &s) const {
    return "lane permute " + listText(s.laneColumns) + " by register " +
           listText(s.registerMasks) + " by warp " + listText(s.warpColumns);
  }
  std::string operator()(const SwapRegLane &s) const {
    return "swap register bit " + std::to_string(s.regBit) + " with lane bit " +
           std::to_string(s.laneBit);
  }
  std::string operator()(const SharedMemory &s) const {
    return "shared memory " + std::to_string(s.bytes) + " bytes, swizzle " + listText(s.columns) +
           ", store x" + std::to_string(s.storeVector) + " conflicts " +
           std::to_string(s.storeConflicts) + ", load x" + std::to_string(s.loadVector) +
           " conflicts " + std::to_string(s.loadConflicts);
  }
};

} // namespace

std::string Conversion::str() const {
  std::string out;
  for (const CostedStep &s : steps)
    out += std::visit(StepPrinter(), s.step) + "\n";
  return out;
}

//===----------------------------------------------------------------------===//
// Simulation
//===----------------------------------------------------------------------===//

namespace {

/// The values of a tile in the hardware, and what each step does to them.
class Simulator {
public:
  Simulator(const LinearLayout &source, const LinearLayout &dest, std::vector<uint64_t> values)
      : source(source), dest(dest), lanes(source.numLanes()), warps(source.numWarps()),
        regs(source.numRegisters()), values(std::move(values)) {}

  void operator()(const RegisterPermute &s) {
    gather(s.source.size(), [&](HardwareIndex to) {
      return HardwareIndex{s.source[to.reg], to.lane, to.warp};
    });
  }
  void operator()(const RegisterSelect &s) {
    gather(s.source.size(), [&](HardwareIndex to) {
      uint64_t reg =
          s.source[to.reg] ^ combine(s.laneMasks, to.lane) ^ combine(s.warpMasks, to.warp);
      return HardwareIndex{reg, to.lane, to.warp};
    });
  }
  void operator()(const LanePermute &s) {
    gather(regs, [&](HardwareIndex to) {
      uint64_t lane = combine(s.laneColumns, to.lane) ^ s.registerMasks[to.reg] ^
                      combine(s.warpColumns, to.warp);
      return HardwareIndex{to.reg, lane, to.warp};
    });
  }
  void operator()(const SwapRegLane &s) {
    gather(regs, [&](HardwareIndex to) {
      if ((to.reg >> s.regBit & 1) != (to.lane >> s.laneBit & 1)) {
        to.reg ^= bit(s.regBit);
        to.lane ^= bit(s.laneBit);
      }
      return to;
    });
  }
  void operator()(const SharedMemory &s) {
    std::vector<uint64_t> memory(source.numElements());
    forEachPlace([&](uint64_t lane, uint64_t warp) {
      for (const std::vector<unsigned> &group : s.storeRegisters) {
        uint64_t base = applyColumns(s.columns, source.evaluate(group[0], lane, warp));
        for (size_t i = 0; i < group.size(); ++i)
          memory[base + i] = at({group[i], lane, warp});
      }
    });
    regs = s.loadRegisters.size() * s.loadVector;
    values.assign(warps * lanes * regs, 0);
    forEachPlace([&](uint64_t lane, uint64_t warp) {
      for (const std::vector<unsigned> &group : s.loadRegisters) {
        // The destination without its redundant registers numbers them as the
        // step does: see planSharedConversion.
        uint64_t base = applyColumns(s.columns, loadLayout().evaluate(group[0], lane, warp));
        for (size_t i = 0; i < group.size(); ++i)
          at({group[i], lane, warp}) = memory[base + i];
      }
    });
  }

  std::vector<uint64_t> take() { return std::move(values); }

private:
  static uint64_t combine(const std::vector<unsigned> &masks, uint64_t bits) {
    std::vector<uint64_t> columns(masks.begin(), masks.end());
    return applyColumns(columns, bits);
  }
  LinearLayout loadLayout() const { return dest.sliceIndexBits(0); }
  uint64_t &at(HardwareIndex h) { return values[(h.warp * lanes + h.lane) * regs + h.reg]; }
  template <typename Fn> void forEachPlace(Fn fn) {
    for (uint64_t warp = 0; warp < warps; ++warp)
      for (uint64_t lane = 0; lane < lanes; ++lane)
        fn(lane, warp);
  }
  template <typename Fn> void gather(uint64_t newRegs, Fn from) {
    std::vector<uint64_t> result;
    result.reserve(warps * lanes * newRegs);
    forEachPlace([&](uint64_t lane, uint64_t warp) {
      for (uint64_t reg = 0; reg < newRegs; ++reg)
        result.push_back(at(from(HardwareIndex{reg, lane, warp})));
    });
    values = std::move(result);
    regs = newRegs;
  }

  const LinearLayout &source, &dest;
  uint64_t lanes, warps, regs;
  std::vector<uint64_t> values;
};

} // namespace

std::vector<uint64_t> quadrille::layout::applyConversion(const Conversion &conversion,
                                                         std::vector<uint64_t> values) {
  Simulator simulator(conversion.source, conversion.destination, std::move(values));
  for (const Conversion::CostedStep &s : conversion.steps)
    std::visit(simulator, s.step);
  return simulator.take();
}
