//===- CapabilityReport.cpp - Carriers, for people ------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/Carrier.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

using namespace quadrille;
using namespace quadrille::target;

std::string_view target::scaleApplicationName(ScaleApplication application) {
  static constexpr std::string_view names[] = {"none", "native", "folded", "folded-exponent",
                                               "per-k-block"};
  return names[static_cast<size_t>(application)];
}

static std::string rateText(double rate) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3gx", rate);
  return text;
}

/// "(number)".
static std::string parenthesized(unsigned number) {
  std::string text = "(";
  text += std::to_string(number);
  text += ')';
  return text;
}

std::string target::describe(const CarrierChoice &choice) {
  if (choice.refused())
    return "refused";
  // A plain operand says nothing; the other one does.
  const OperandPlan &plan = choice.a.application == ScaleApplication::None ? choice.b : choice.a;
  std::string text(plan.carrier->name);
  text += ' ';
  text += scaleApplicationName(plan.application);
  if (plan.application == ScaleApplication::FoldedExponent)
    text += parenthesized(plan.window.size());
  if (choice.kBlock)
    text += parenthesized(choice.kBlock);
  text += ' ';
  return text + rateText(choice.rate);
}

/// One line of a Markdown table.
static void appendRow(std::string &table, const std::vector<std::string> &cells) {
  for (const std::string &cell : cells) {
    table += "| ";
    table += cell;
    table += ' ';
  }
  table += "|\n";
}

std::string target::carrierTable() {
  std::string table;
  std::vector<std::string> header = {"target"};
  for (const Format &format : namedFormats())
    header.push_back(format.name);
  appendRow(table, header);
  appendRow(table, std::vector<std::string>(header.size(), "---"));
  for (const Capability &target : capabilities()) {
    std::vector<std::string> row = {std::string(target.name)};
    for (const Format &format : namedFormats())
      row.push_back(describe(selectCarrier(target, format, format)));
    appendRow(table, row);
  }
  return table;
}

static Support matmulSupport(const Capability &target, const Format &format) {
  CarrierChoice choice = selectCarrier(target, format, format);
  if (choice.refused())
    return {false, choice.refusal, choice.alternatives};
  std::string why = describe(choice) + " by " + std::string(choice.mma->name) + ": " + choice.why;
  return {true, std::move(why), choice.alternatives};
}

Support target::isSupported(std::string_view name, const Format &format, std::string_view op) {
  const Capability *target = lookupCapability(name);
  if (!target)
    return {false, unknownTarget(name), {}};
  if (op == "matmul")
    return matmulSupport(*target, format);
  static constexpr std::string_view elementwise[] = {"quantize", "dequantize", "hadamard", "amax"};
  if (std::find(std::begin(elementwise), std::end(elementwise), op) != std::end(elementwise))
    return {true, "f32 vector arithmetic, the same bits on every target", {}};
  return {false,
          "unknown operation '" + std::string(op) +
              "': expected quantize, dequantize, hadamard, amax or matmul",
          {}};
}
