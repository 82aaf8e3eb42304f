//===- Tuning.h - What tuning may choose of a kernel -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A knob is a number by which a kernel is cut into programs, tiles and lanes: no bit of
// a result depends on it. Each is a heuristic of the TargetInfo unless the attribute
// `quad.tuning` of the kernel sets it.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_CONVERSION_QUADTOTILE_TUNING_H
#define QUADRILLE_CONVERSION_QUADTOTILE_TUNING_H

#include "mlir/IR/BuiltinOps.h"
#include <array>
#include <optional>
#include <string>

namespace quadrille {
namespace quad {
class KernelOp;
} // namespace quad

enum class Knob : unsigned {
  ElementsPerLane,       ///< of a row, in registers of one lane
  TilesPerProgram,       ///< each read while the one before is computed on
  ColumnElementsPerLane, ///< of a tile quantized across memory
  ColumnReach,           ///< of such a tile along memory
};
constexpr unsigned numKnobs = 4;

llvm::StringRef nameOf(Knob knob);

/// The knobs that are set; the others are left to heuristics.
class Tuning {
public:
  /// What a kernel's attribute says; an error at the kernel for what is no knob, or none of
  /// its values.
  static mlir::FailureOr<Tuning> of(quad::KernelOp kernel);

  std::optional<int64_t> get(Knob knob) const { return values[unsigned(knob)]; }

private:
  std::array<std::optional<int64_t>, numKnobs> values;
};

/// Writes down with which number of a knob a tile program was made.
void noteKnob(mlir::Operation *program, Knob knob, int64_t value);

/// The programs of a module that have knobs, as JSON: [{"name": "f_quantize_row",
/// "elements_per_lane": 16, ..}, ..].
std::string describeKernels(mlir::ModuleOp module);
/// The values that each knob may take, as JSON: {"elements_per_lane": [8, ..], ..}.
std::string describeKnobs();

} // namespace quadrille

#endif // QUADRILLE_CONVERSION_QUADTOTILE_TUNING_H
