//===- Tuning.cpp - What tuning may choose of a kernel -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Conversion/QuadToTile/Tuning.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quadrille/Dialect/Quad/IR/Quad.h"
#include "quadrille/Dialect/Quad/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"

using namespace mlir;

namespace quadrille {
namespace {

/// What notes are kept under.
constexpr llvm::StringLiteral tunedAttr = "tile.tuned";

/// The powers of two from `least` to `most`: a lane packs at least a word of eight codes, and
/// far beyond what it has of registers nothing is fast.
struct KnobInfo {
  llvm::StringLiteral name;
  int64_t least, most;
};
constexpr KnobInfo knobs[numKnobs] = {
    {"elements_per_lane", 8, 64},
    {"tiles_per_program", 1, 8},
    {"column_elements_per_lane", 16, 64},
    {"column_reach", 32, 128},
};

SmallVector<int64_t> valuesOf(const KnobInfo &knob) {
  SmallVector<int64_t> values;
  for (int64_t value = knob.least; value <= knob.most; value *= 2)
    values.push_back(value);
  return values;
}

std::string listed(ArrayRef<int64_t> values) {
  return llvm::join(llvm::map_range(values, [](int64_t v) { return std::to_string(v); }), ", ");
}

} // namespace

StringRef nameOf(Knob knob) { return knobs[unsigned(knob)].name; }

FailureOr<Tuning> Tuning::of(quad::KernelOp kernel) {
  Tuning tuning;
  Attribute attr = kernel->getAttr(quad::tuningAttr);
  if (!attr)
    return tuning;
  auto entries = dyn_cast<DictionaryAttr>(attr);
  if (!entries)
    return kernel.emitOpError() << quad::tuningAttr << " must be a dictionary of integers, got "
                                << attr;
  for (NamedAttribute entry : entries) {
    const KnobInfo *info =
        llvm::find_if(knobs, [&](const KnobInfo &knob) { return knob.name == entry.getName(); });
    if (info == std::end(knobs)) {
      auto names = llvm::map_range(knobs, [](const KnobInfo &knob) { return knob.name.str(); });
      return kernel.emitOpError() << quad::tuningAttr << " has no " << entry.getName()
                                  << "; there are " << llvm::join(names, ", ");
    }
    auto value = dyn_cast<IntegerAttr>(entry.getValue());
    SmallVector<int64_t> allowed = valuesOf(*info);
    if (!value || !value.getType().isSignlessInteger(64) ||
        !llvm::is_contained(allowed, value.getInt()))
      return kernel.emitOpError() << quad::tuningAttr << " " << info->name << " must be one of "
                                  << listed(allowed) << ", got " << entry.getValue();
    tuning.values[info - knobs] = value.getInt();
  }
  return tuning;
}

void noteKnob(Operation *program, Knob knob, int64_t value) {
  NamedAttrList notes(program->getAttrOfType<DictionaryAttr>(tunedAttr));
  Builder b(program->getContext());
  notes.set(nameOf(knob), b.getI64IntegerAttr(value));
  program->setAttr(tunedAttr, notes.getDictionary(program->getContext()));
}

static std::string toText(llvm::json::Value value) {
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}

std::string describeKernels(ModuleOp module) {
  llvm::json::Array kernels;
  for (auto program : module.getOps<func::FuncOp>()) {
    auto notes = program->getAttrOfType<DictionaryAttr>(tunedAttr);
    if (!notes)
      continue;
    llvm::json::Object kernel{{"name", program.getName()}};
    for (NamedAttribute note : notes)
      kernel[note.getName().str()] = cast<IntegerAttr>(note.getValue()).getInt();
    kernels.push_back(std::move(kernel));
  }
  return toText(std::move(kernels));
}

std::string describeKnobs() {
  llvm::json::Object table;
  for (const KnobInfo &knob : knobs)
    table[knob.name] = llvm::json::Array(valuesOf(knob));
  return toText(std::move(table));
}

} // namespace quadrille
