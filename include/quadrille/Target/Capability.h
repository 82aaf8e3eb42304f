//===- Capability.h - What each target can do, as data ----------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One table for all targets: lanes, shared memory, the matrix instructions and
// the conversions of each, with what LLVM needs to select them. No pass asks
// for an architecture by name; it asks this table. LLVM aborts on (or worse,
// encodes) instructions that a target lacks, so the table is consulted first.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_CAPABILITY_H
#define QUADRILLE_TARGET_CAPABILITY_H

#include "quadrille/Numerics/Format.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quadrille::target {

/// The values that an operand of a matrix instruction can take: all multiples
/// of the last place up to the largest finite value, of either sign.
struct CarrierType {
  std::string_view name; ///< e2m1, e2m3, e3m2, e4m3, e5m2, e4m3fnuz, ..., s8, f32
  unsigned storageBits;
  bool isInteger;
  unsigned mantissaBits; ///< stored ones (floats)
  int bias;              ///< exponent field e encodes 2^(e - bias) (floats)
  double maxFinite;      ///< integers: of either sign
  bool hasNegativeZero;

  unsigned significantBits() const { return mantissaBits + 1; }
  /// 2 to this power is the smallest positive value (subnormals included).
  int minExponent() const { return isInteger ? 0 : 1 - bias - int(mantissaBits); }
  /// True if `value` is one of the values; zero always is, whatever its sign.
  /// `subnormals = false`: for an instruction that flushes them.
  bool holds(double value, bool subnormals = true) const;
  /// The encoding of a value that the type holds(): of a float zero with its sign, of an integer
  /// its two's complement.
  uint32_t encode(double value) const;
  /// True if every finite value of `other` (a float type) is one of this.
  bool holdsAllOf(const CarrierType &other) const;
};

/// Null for an unknown name.
const CarrierType *lookupCarrierType(std::string_view name);
const std::vector<CarrierType> &carrierTypes();

/// One matrix instruction (or its vector stand-in), m x n x k.
struct MmaEntry {
  std::string_view name;
  /// Each operand is any of these.
  std::vector<const CarrierType *> operands;
  unsigned m, n, k;
  /// Throughput per multiply-add as a multiple of the target's bf16 matrix
  /// throughput (host: of its f32 FMA). From vendors' tables of dense peaks;
  /// docs/carriers.md lists the sources.
  double rate;
  /// Bits of a sum that are kept: 24 is f32, 31 is s32; fp8 on Ada and Hopper keeps 14.
  /// Sums of integers may not need more; sums of floats are rounded.
  unsigned accumulatorBits = 24;
  /// If it takes block scales: their type and how many k share one.
  std::optional<ScaleType> scaleType = std::nullopt;
  unsigned scaleBlock = 0;
  /// LLVM feature beyond the target's name without which selection aborts.
  std::string_view feature = "";
  /// Subnormal operands are multiplied as what they are.
  bool subnormals = true;
  /// No hardware and no implementation of the instruction that is independent of this project
  /// has run the kernels that use it (docs/targets/amd.md).
  bool unverified = false;

  bool takes(const CarrierType *type) const;
};

/// An instruction that converts or rounds, used where its bits are ours.
struct ConversionEntry {
  std::string_view name;
  std::string_view from, to;
  std::string_view rounding; ///< nearest_even, stochastic, exact
  std::string_view feature = "";
};

enum class Vendor : uint8_t { Host, NVIDIA, AMD };

struct Capability {
  std::string_view name; ///< host:avx2, sm_90a, gfx942, ...
  std::string_view description;
  Vendor vendor;
  unsigned lanes;             ///< of a warp; host: f32 lanes of a vector
  unsigned sharedMemoryBytes; ///< largest for one block; host: 0
  /// f32 FMA throughput outside of the matrix units, as a multiple of
  /// the bf16 matrix throughput: what work beside the instruction costs.
  double vectorRate;
  std::vector<MmaEntry> mma; ///< of equal rates the preferred first
  std::vector<ConversionEntry> conversions;

  /// The LLVM feature that `instruction` (an MMA or a conversion) needs: empty
  /// if only the target; nothing if the target lacks the instruction.
  std::optional<std::string_view> featureFor(std::string_view instruction) const;
};

/// All targets, in the order of docs/carriers.md.
const std::vector<Capability> &capabilities();

/// The entry of a target; "host" is the best level that the running CPU has. Null for
/// another name.
const Capability *lookupCapability(std::string_view name);

/// What code for one GPU is compiled as.
struct DeviceTarget {
  std::string_view name;
  /// The GPU runs no machine code of this target: its driver must compile the PTX.
  bool byDriver = false;
};

/// The target of an NVIDIA GPU of that compute capability: its own, or the nearest
/// that it can run. Nothing for a GPU older than every target.
std::optional<DeviceTarget> targetOfComputeCapability(unsigned major, unsigned minor);

/// "unknown target 'x': expected host, host:sse4, ...".
std::string unknownTarget(std::string_view name);

} // namespace quadrille::target

#endif // QUADRILLE_TARGET_CAPABILITY_H
