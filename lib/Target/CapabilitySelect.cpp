//===- CapabilitySelect.cpp - The fastest exact carrier -------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Numerics/ScaleTypes.h"
#include "quadrille/Target/Carrier.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <numeric>

using namespace quadrille;
using namespace quadrille::target;

namespace {

// Vector operations for each output and K-block that scaling outside of the
// instruction takes: the product of both scales, the multiply-add, the fresh
// accumulator; and the conversion of an integer sum.
constexpr double kFloatScalingOps = 3, kIntegerScalingOps = 4;

// That count knows nothing of registers and issue slots, so a path that scales
// beside the instruction has to promise half as much again to be preferred.
constexpr double kScalingMargin = 1.5;

/// Carriers that may round code x scale when the user says `exact = false`.
struct RoundingFold {
  ScaleType scale;
  std::string_view carrier;
};
constexpr RoundingFold roundingFolds[] = {
    {ScaleType::F32, "bf16"},
    {ScaleType::F32, "f32"},
    {ScaleType::BF16, "bf16"},
    {ScaleType::E4M3, "e4m3"},
    {ScaleType::E4M3, "e4m3fnuz"},
};

struct Candidate {
  const MmaEntry *mma = nullptr;
  OperandPlan a, b;
  unsigned kBlock = 0;
  double rate = 0;
};

/// Levels with blocks: all but a tensor's.
size_t numBlockLevels(const Format &format) {
  return format.levels.size() - format.hasTensorLevel();
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string gridNames(const Format &format) {
  return format.alternative ? "grids " + format.grid.name + " and " + format.alternative->name
                            : "grid " + format.grid.name;
}

std::string scaleNames(const Format &format, size_t begin, size_t end) {
  std::string names;
  for (size_t i = begin; i < end; ++i)
    names += (i > begin ? ", " : "") +
             std::string(numerics::scaleTypeInfo(format.levels[i].type).name);
  return names;
}

//===----------------------------------------------------------------------===//
// One operand under one instruction
//===----------------------------------------------------------------------===//

/// The ways in which an operand can use a carrier, or why there is none.
struct OperandOptions {
  std::vector<OperandPlan> plans;
  std::string whyNot;
};

OperandOptions plainOptions(const CarrierType &type, const MmaEntry &mma,
                            const CarrierType &carrier) {
  if (mma.scaleType || !carrier.holdsAllOf(type))
    return {{}, "does not hold every " + std::string(type.name)};
  return {{OperandPlan{.carrier = &carrier}}, ""};
}

OperandOptions nativeOptions(const Format &format, const MmaEntry &mma,
                             const CarrierType &carrier) {
  if (format.alternative)
    return {{}, "the instruction takes scales without a sign, which chooses a grid here"};
  ExponentWindow window = findExponentWindow(format, carrier, mma.subnormals);
  const Level &inner = format.levels.front();
  bool scalesMatch = numBlockLevels(format) == 1 && inner.type == *mma.scaleType &&
                     inner.block.cols % mma.scaleBlock == 0;
  if (!scalesMatch)
    return {{}, "the instruction takes " +
                    std::string(numerics::scaleTypeInfo(*mma.scaleType).name) + " scales of " +
                    std::to_string(mma.scaleBlock) + " elements only"};
  if (window.empty())
    return {{}, "does not hold the " + gridNames(format)};
  int shift = std::clamp(0, window.low, window.high);
  return {{OperandPlan{.carrier = &carrier,
                       .application = ScaleApplication::Native,
                       .shift = shift,
                       .window = window}},
          ""};
}

/// True if the format's scales are powers of two, whose exponents can be taken
/// relative to a reference.
bool scalesAreExponents(const Format &format) {
  return numBlockLevels(format) == 1 && format.levels[0].type == ScaleType::E8M0;
}

bool mayRound(const Format &format, const CarrierType &carrier) {
  return numBlockLevels(format) == 1 &&
         std::any_of(std::begin(roundingFolds), std::end(roundingFolds), [&](RoundingFold fold) {
           return fold.scale == format.levels[0].type && fold.carrier == carrier.name;
         });
}

/// Folds every level, or the innermost ones with the rest left to K-blocks.
OperandOptions foldedOptions(const Format &format, const MmaEntry &mma,
                             const CarrierType &carrier, bool exact) {
  OperandOptions options;
  ExponentWindow window = findExponentWindow(format, carrier, mma.subnormals);
  if (window.empty())
    return {{}, "does not hold the " + gridNames(format)};
  size_t levels = numBlockLevels(format);
  if (scalesAreExponents(format) && window.size() >= leastExponentWindow)
    options.plans.push_back({.carrier = &carrier,
                             .application = ScaleApplication::FoldedExponent,
                             .foldedLevels = 1,
                             .window = window});
  for (size_t folded = levels + 1; folded-- > 0;) {
    FoldProof proof = proveFold(format, folded, carrier, mma.subnormals);
    bool all = folded == levels;
    bool rounds = !proof.exact && all && !exact && mayRound(format, carrier);
    if (all && !proof.exact)
      options.whyNot =
          proof.significantBits > carrier.significantBits() && !carrier.isInteger
              ? "code x scale needs " + std::to_string(proof.significantBits) +
                    " significant bits, it has " + std::to_string(carrier.significantBits())
              : "code x scale leaves its range";
    if (!proof.exact && !rounds)
      continue;
    auto application = levels == 0 ? ScaleApplication::None
                       : all       ? ScaleApplication::Folded
                                   : ScaleApplication::PerKBlock;
    int shift = proof.shift;
    if (rounds) // the largest product at the top; what underflows is rounded too
      shift = std::min(0, std::ilogb(carrier.maxFinite) - proof.highExponent - 1);
    options.plans.push_back({.carrier = &carrier,
                             .application = application,
                             .foldedLevels = folded,
                             .shift = shift,
                             .exact = !rounds});
    if (!rounds)
      break; // fewer folded levels are only slower
  }
  return options;
}

OperandOptions operandOptions(const Operand &operand, const MmaEntry &mma,
                              const CarrierType &carrier, bool exact) {
  if (operand.plain)
    return plainOptions(*operand.plain, mma, carrier);
  if (mma.scaleType)
    return nativeOptions(*operand.format, mma, carrier);
  return foldedOptions(*operand.format, mma, carrier, exact);
}

//===----------------------------------------------------------------------===//
// Both operands
//===----------------------------------------------------------------------===//

unsigned kBlockOf(const Operand &operand, const OperandPlan &plan) {
  if (plan.application != ScaleApplication::PerKBlock)
    return 0;
  return operand.format->levels[plan.foldedLevels].block.cols;
}

/// True if sums are floats of fewer bits than f32; integer sums are exact.
bool roundsSums(const MmaEntry &mma) {
  return !mma.operands.front()->isInteger && mma.accumulatorBits < 24;
}

/// Bits that the largest carrier value of an operand has, in units of the smallest.
unsigned valueBits(const Operand &operand, const OperandPlan &plan, const MmaEntry &mma) {
  FoldProof proof =
      proveFold(*operand.format, plan.foldedLevels, *plan.carrier, mma.subnormals);
  return proof.highExponent + 1 - proof.lowExponent;
}

/// Completes a candidate, or says why the operands do not go together.
std::string combine(Candidate &candidate, const Operand &a, const Operand &b,
                    const Capability &target) {
  const MmaEntry &mma = *candidate.mma;
  unsigned kA = kBlockOf(a, candidate.a), kB = kBlockOf(b, candidate.b);
  candidate.kBlock = std::gcd(kA, kB); // gcd with 0 is the other
  candidate.rate = mma.rate;
  if (candidate.kBlock == 0)
    return "";
  if (candidate.kBlock % mma.k != 0)
    return "sums " + std::to_string(mma.k) + " k at once, scales change every " +
           std::to_string(candidate.kBlock);
  bool integer = candidate.a.carrier->isInteger;
  if (integer || mma.accumulatorBits < 24) {
    unsigned bits = valueBits(a, candidate.a, mma) + valueBits(b, candidate.b, mma) +
                    std::bit_width(candidate.kBlock - 1);
    if (bits > mma.accumulatorBits)
      return "sums of a K-block need " + std::to_string(bits) + " bits, it keeps " +
             std::to_string(mma.accumulatorBits);
  }
  double ops = integer ? kIntegerScalingOps : kFloatScalingOps;
  candidate.rate = 1 / (1 / mma.rate + ops / (target.vectorRate * candidate.kBlock));
  return "";
}

int applicationRank(ScaleApplication application) {
  switch (application) {
  case ScaleApplication::None:
  case ScaleApplication::Native:
    return 0;
  case ScaleApplication::Folded:
    return 1;
  case ScaleApplication::FoldedExponent:
    return 2;
  case ScaleApplication::PerKBlock:
    return 3;
  }
  return 4;
}

double withMargin(double rate, unsigned kBlock) { return kBlock ? rate / kScalingMargin : rate; }

/// Strictly better: faster; else the simpler application; else the larger
/// folded window; else the narrower carrier. Otherwise the order of the table
/// stands.
bool isBetter(const Candidate &x, const Candidate &y) {
  auto score = [](const Candidate &c) { return withMargin(c.rate, c.kBlock); };
  if (std::fabs(score(x) - score(y)) > 1e-9)
    return score(x) > score(y);
  auto both = [](const Candidate &c, auto measure) { return measure(c.a) + measure(c.b); };
  auto costs = [&](const Candidate &c) {
    return std::array{
        both(c, [](const OperandPlan &p) { return applicationRank(p.application); }),
        both(c, [](const OperandPlan &p) {
          return p.application == ScaleApplication::FoldedExponent ? -p.window.size() : 0;
        }),
        both(c, [](const OperandPlan &p) { return int(p.carrier->storageBits); }),
    };
  };
  return costs(x) < costs(y);
}

//===----------------------------------------------------------------------===//
// The search
//===----------------------------------------------------------------------===//

class Selector {
public:
  Selector(const Capability &target, const Operand &a, const Operand &b,
           const SelectOptions &options)
      : target(target), a(a), b(b), options(options) {}

  CarrierChoice run() {
    search();
    return best.mma ? accept() : refuse();
  }

private:
  void search() {
    for (const MmaEntry &mma : target.mma)
      for (const CarrierType *carrierA : mma.operands)
        for (const CarrierType *carrierB : mma.operands)
          consider(mma, *carrierA, *carrierB);
  }

  void note(const CarrierType &carrier, std::string why) {
    for (CarrierChoice::Rejected &r : reasons)
      if (r.carrier == carrier.name)
        return;
    reasons.push_back({std::string(carrier.name), std::move(why)});
  }

  bool isWanted(const Operand &operand, const CarrierType &carrier) const {
    return operand.plain || options.carrier.empty() || options.carrier == carrier.name;
  }

  void consider(const MmaEntry &mma, const CarrierType &carrierA, const CarrierType &carrierB) {
    if (!isWanted(a, carrierA) || !isWanted(b, carrierB) ||
        (mma.scaleType && !options.takesScales))
      return;
    OperandOptions forA = operandOptions(a, mma, carrierA, options.exact);
    OperandOptions forB = operandOptions(b, mma, carrierB, options.exact);
    if (forA.plans.empty())
      return note(carrierA, forA.whyNot);
    if (forB.plans.empty())
      return note(carrierB, forB.whyNot);
    if (options.accumulation == Accumulation::F32 && roundsSums(mma))
      return note(carrierA, "sums keep " + std::to_string(mma.accumulatorBits) +
                                " bits, f32 was asked for");
    for (const OperandPlan &planA : forA.plans)
      for (const OperandPlan &planB : forB.plans) {
        Candidate candidate{&mma, planA, planB};
        std::string whyNot = combine(candidate, a, b, target);
        if (!whyNot.empty())
          note(carrierA, forA.whyNot.empty() ? whyNot : forA.whyNot + "; " + whyNot);
        else if (candidate.rate < options.minimumRate)
          note(carrierA, number(candidate.rate) + "x is below the least wanted");
        else {
          possible.push_back(candidate);
          if (!best.mma || isBetter(candidate, best))
            best = candidate;
        }
      }
  }

  CarrierChoice accept() {
    CarrierChoice choice;
    choice.mma = best.mma;
    choice.a = best.a;
    choice.b = best.b;
    choice.kBlock = best.kBlock;
    choice.rate = best.rate;
    choice.promote = roundsSums(*best.mma) && !best.kBlock &&
                     options.accumulation != Accumulation::Fast;
    choice.why = explain();
    choice.rejected = rejections();
    if (best.kBlock)
      choice.alternatives = fasterFormats(best.rate);
    return choice;
  }

  CarrierChoice refuse() {
    CarrierChoice choice;
    std::string why = options.carrier.empty()
                          ? "no carrier of " + std::string(target.name)
                          : "carrier " + std::string(options.carrier) + " of " +
                                std::string(target.name);
    why += options.carrier.empty() ? " holds the operands exactly" : " does not serve";
    if (options.minimumRate > 0)
      why += " at " + number(options.minimumRate) + "x or more";
    if (!options.carrier.empty() && reasons.empty())
      why += "; the target has no such carrier";
    choice.rejected = rejections();
    for (const CarrierChoice::Rejected &r : choice.rejected)
      why += "; " + r.carrier + ": " + r.why;
    choice.alternatives = fasterFormats(0);
    for (size_t i = 0; i < choice.alternatives.size(); ++i)
      why += (i ? ", " : "; exact here: ") + choice.alternatives[i];
    choice.refusal = std::move(why);
    return choice;
  }

  /// Reasons of the carriers that are not chosen, in the order of the table.
  std::vector<CarrierChoice::Rejected> rejections() const {
    std::vector<CarrierChoice::Rejected> result;
    for (const MmaEntry &mma : target.mma)
      for (const CarrierType *carrier : mma.operands) {
        bool chosen = best.mma && (carrier == best.a.carrier || carrier == best.b.carrier);
        bool listed = std::any_of(result.begin(), result.end(),
                                  [&](const auto &r) { return r.carrier == carrier->name; });
        if (!chosen && !listed)
          if (std::string why = whyNot(*carrier); !why.empty())
            result.push_back({std::string(carrier->name), why});
      }
    return result;
  }

  std::string whyNot(const CarrierType &carrier) const {
    const Candidate *fastest = nullptr;
    for (const Candidate &c : possible)
      if (c.a.carrier == &carrier && (!fastest || isBetter(c, *fastest)))
        fastest = &c;
    if (fastest) {
      std::string text = "exact at " + number(fastest->rate) + "x";
      if (fastest->kBlock)
        text += " with scales applied every " + std::to_string(fastest->kBlock);
      else if (fastest->a.application == ScaleApplication::FoldedExponent)
        text += " in a window of " + std::to_string(fastest->a.window.size()) + " exponents";
      return text;
    }
    for (const CarrierChoice::Rejected &r : reasons)
      if (r.carrier == carrier.name)
        return r.why;
    return "";
  }

  /// Why the best candidate is right for its first quantized operand.
  std::string explain() const {
    const Operand &operand = a.format ? a : b;
    const OperandPlan &plan = a.format ? best.a : best.b;
    std::string carrier(plan.carrier->name);
    if (!operand.format)
      return "both operands are plain";
    const Format &format = *operand.format;
    switch (plan.application) {
    case ScaleApplication::None:
      return carrier + " holds the grid; its one scale goes to the epilogue";
    case ScaleApplication::Native:
      return carrier + " holds every code and the instruction takes the " +
             scaleNames(format, 0, 1) + " scales";
    case ScaleApplication::Folded:
      return explainFolded(format, plan);
    case ScaleApplication::FoldedExponent:
      return "code x 2^k is exact in " + carrier + " for " + std::to_string(plan.window.size()) +
             " consecutive exponents around a row's reference";
    case ScaleApplication::PerKBlock:
      return "no fast carrier holds code x scale: codes in " + carrier + ", sums over " +
             std::to_string(best.kBlock) + " of k times the " +
             scaleNames(format, plan.foldedLevels, numBlockLevels(format)) + " scales in f32";
    }
    return "";
  }

  std::string explainFolded(const Format &format, const OperandPlan &plan) const {
    FoldProof proof =
        proveFold(format, plan.foldedLevels, *plan.carrier, best.mma->subnormals);
    std::string carrier(plan.carrier->name);
    if (!plan.exact)
      return "rounds code x scale to " + carrier + " (allowed by exact = false)";
    std::string products =
        proof.products ? "all " + std::to_string(proof.products) + " products" : "products";
    return products + " of code and scale have at most " +
           std::to_string(proof.significantBits) + " significant bits and lie in the range of " +
           carrier + ", which has " + std::to_string(plan.carrier->significantBits());
  }

  /// Named formats of the same grid that run exactly, without K-blocks, at
  /// more than `rate`; the fastest first.
  std::vector<std::string> fasterFormats(double rate) const {
    std::vector<std::pair<double, std::string>> found;
    const Format *own = a.format ? a.format : b.format;
    for (const Format &other : namedFormats()) {
      if (!own || other.grid != own->grid || own->alternative || other == *own)
        continue;
      Selector selector(target, a.format ? Operand(other) : a, b.format ? Operand(other) : b, {});
      selector.search();
      if (selector.best.mma && !selector.best.kBlock && selector.best.rate > rate)
        found.push_back({-selector.best.rate, other.name});
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const auto &x, const auto &y) { return x.first < y.first; });
    std::vector<std::string> names;
    for (auto &[negated, name] : found)
      names.push_back(name + " (" + number(-negated) + "x)");
    return names;
  }

  const Capability &target;
  Operand a, b;
  SelectOptions options;
  Candidate best;
  std::vector<Candidate> possible;
  std::vector<CarrierChoice::Rejected> reasons;
};

} // namespace

double CarrierChoice::comparedRate() const { return withMargin(rate, kBlock); }

CarrierChoice target::selectCarrier(const Capability &target, const Operand &a, const Operand &b,
                                    const SelectOptions &options) {
  return Selector(target, a, b, options).run();
}
