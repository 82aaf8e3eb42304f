//===- Carrier.h - Which matrix instruction holds a format exactly -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A 4-bit grid, with or without its scales, embeds into the operand type of a
// matrix instruction: the carrier. Selection proves the embedding by
// enumerating encoded bit patterns: every code the grid can produce (-0
// included) times every scale that its rule can produce. Scales of f32, too
// many to enumerate, are decided by counting significant bits, which is exact
// for products. docs/carriers.md explains the rules with the resulting table.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_CARRIER_H
#define QUADRILLE_TARGET_CARRIER_H

#include "quadrille/Target/Capability.h"

namespace quadrille::target {

//===----------------------------------------------------------------------===//
// Proofs
//===----------------------------------------------------------------------===//

/// Exponents e for which every value of a grid times 2^e is in a carrier.
struct ExponentWindow {
  int low = 0, high = -1;
  int size() const { return high - low + 1; }
  bool empty() const { return high < low; }
};
ExponentWindow findExponentWindow(const Grid &grid, const CarrierType &carrier,
                                  bool subnormals = true);
/// Of all grids of a format.
ExponentWindow findExponentWindow(const Format &format, const CarrierType &carrier,
                                  bool subnormals = true);

/// Whether code times the `numLevels` innermost scales is in a carrier, for
/// every code and every scale its rule can produce.
struct FoldProof {
  /// Products enumerated and those among them that the carrier lacks; products
  /// is 0 when f32 scales were decided by their significant bits.
  uint64_t products = 0, inexact = 0;
  bool exact = false;
  /// All products times 2^shift are held; the epilogue takes it back.
  int shift = 0;
  /// Most significant bits of a product.
  unsigned significantBits = 0;
  /// Smallest and largest non-zero magnitude of a product, as powers of two
  /// (of the last place of the smallest, and of the leading bit of the largest).
  int lowExponent = 0, highExponent = 0;
};
FoldProof proveFold(const Format &format, size_t numLevels, const CarrierType &carrier,
                    bool subnormals = true);

/// The scales that level `i` of a format can take, by their bits; in increasing
/// order of value. Only for types of at most 16 bits.
std::vector<uint32_t> producibleScales(const Format &format, size_t i);

/// Consecutive exponents that a window must have for scales to be folded as exponents: with
/// fewer, ordinary data (a block maximum of 2^-4 .. 2^4 around a row's) would often fall out.
inline constexpr int leastExponentWindow = 12;

/// How a whole tensor is stored in a carrier (docs/numerics.md, "Carriers").
struct CarrierForm {
  /// Why it is not, and what would work; empty if it is.
  std::string refusal = "", instead = "";
  const CarrierType *carrier = nullptr;
  /// Of an 8-bit carrier: exponents that fit, relative to a row's reference. Empty: the
  /// carrier holds code x scale as it is.
  ExponentWindow window = {};
};
/// The carriers that tensors can be stored in, the preferred first.
inline constexpr std::string_view storedCarriers[] = {"e5m2", "e4m3", "bf16"};
/// `carrier`: one of them, or "auto" for the first that holds the format. Other names are refused.
CarrierForm findCarrierForm(const Format &format, std::string_view carrier);

//===----------------------------------------------------------------------===//
// Selection
//===----------------------------------------------------------------------===//

/// How an operand's block scales meet its codes. Tensor-level scales are always
/// applied in the epilogue.
enum class ScaleApplication : uint8_t {
  None,           ///< a plain operand, or no scales but the tensor's
  Native,         ///< the instruction takes them
  Folded,         ///< code x scale is exact in the carrier
  FoldedExponent, ///< code x 2^(k - reference) is, while k stays in a window
  PerKBlock,      ///< sums over a K-block of codes are multiplied by the scales
};
std::string_view scaleApplicationName(ScaleApplication application);

/// An operand of a matmul: of a format, or plain elements of a float type.
struct Operand {
  const Format *format = nullptr;
  const CarrierType *plain = nullptr;

  Operand(const Format &format) : format(&format) {}
  Operand(const CarrierType &plain) : plain(&plain) {}
};

struct OperandPlan {
  const CarrierType *carrier = nullptr;
  ScaleApplication application = ScaleApplication::None;
  /// Innermost levels folded into the carrier; the others are PerKBlock.
  size_t foldedLevels = 0;
  /// The carrier holds value * 2^shift.
  int shift = 0;
  /// FoldedExponent: exponents, relative to a row's reference, that fit.
  ExponentWindow window = {};
  /// False for a rounding carrier that `exact = false` allowed.
  bool exact = true;
};

enum class Accumulation : uint8_t {
  Default,    ///< promote where the instruction keeps fewer than f32's bits
  F32,        ///< refuse instructions that keep fewer
  Promote128, ///< add partial sums to f32 every 128 of k
  Fast,       ///< take the instruction's own sums
};

struct SelectOptions {
  /// False allows the carriers of docs/carriers.md that round code x scale.
  bool exact = true;
  Accumulation accumulation = Accumulation::Default;
  /// If not empty: this carrier for both quantized operands or a refusal.
  std::string_view carrier = "";
  /// False refuses instructions that take the scales of blocks.
  bool takesScales = true;
  /// Refuse what is slower (see CarrierChoice::rate).
  double minimumRate = 0;
};

struct CarrierChoice {
  /// Empty `refusal` means that the rest is valid.
  std::string refusal;
  const MmaEntry *mma = nullptr;
  OperandPlan a, b;
  /// PerKBlock: how many k are summed before scales are applied; else 0.
  unsigned kBlock = 0;
  /// Partial sums are promoted to f32 every 128 of k.
  bool promote = false;
  /// Throughput as a multiple of the target's bf16 matrix throughput, with the
  /// estimated cost of per-K-block scaling, without that of promotion.
  double rate = 0;
  /// The rate to compare by: what scales beside the instruction promises more than it keeps.
  double comparedRate() const;
  std::string why; ///< one sentence
  struct Rejected {
    std::string carrier, why;
  };
  /// Carriers of the target that are not taken.
  std::vector<Rejected> rejected;
  /// Named formats of the same grid that run faster exactly, with their rate.
  std::vector<std::string> alternatives;

  bool refused() const { return !refusal.empty(); }
  /// The instruction reads panels (Target/NVVM/Matmul.h), which something has to make.
  bool readsPanels() const { return mma && mma->name.starts_with("wgmma"); }
  /// What quantizes an operand can write its panels: they are of code x scale alone.
  bool quantizesToPanels(const OperandPlan &operand) const {
    return readsPanels() && !kBlock && operand.carrier->name == "bf16" &&
           !(operand.exact && operand.shift);
  }
};

/// The fastest exact carrier of a matmul on a target. Deterministic, and cheap
/// after the first call for a format (proofs are kept). Thread-safe.
CarrierChoice selectCarrier(const Capability &target, const Operand &a, const Operand &b,
                            const SelectOptions &options = {});

struct Support {
  bool supported;
  std::string why;
  std::vector<std::string> instead;
};
/// Whether and how `op` (quantize, dequantize, hadamard, amax, matmul) works
/// for a format on a target. An unknown target or op is unsupported, with the
/// choices in `why`.
Support isSupported(std::string_view target, const Format &format, std::string_view op);

/// What a cell of the table says, such as "e5m2 folded exponent, 2x".
std::string describe(const CarrierChoice &choice);
/// The table of docs/carriers.md: named formats by targets, in Markdown.
std::string carrierTable();

} // namespace quadrille::target

#endif // QUADRILLE_TARGET_CARRIER_H
