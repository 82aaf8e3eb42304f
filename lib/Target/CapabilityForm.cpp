//===- CapabilityForm.cpp - Tensors stored in a carrier -------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Numerics/ScaleTypes.h"
#include "quadrille/Target/Carrier.h"

#include <algorithm>

using namespace quadrille;
using namespace quadrille::target;

/// Scales of blocks as exponents of a row's reference.
static CarrierForm foldExponents(const Format &format, const CarrierType &carrier) {
  const Level &inner = format.levels.front();
  if (format.levels.size() != 1 || inner.type != ScaleType::E8M0) {
    std::string scales;
    for (const Level &level : format.levels)
      scales += (scales.empty() ? "" : " and ") +
                std::string(numerics::scaleTypeInfo(level.type).name);
    return {.refusal = "its " + scales + " scales are no powers of two alone, as e8m0 scales are"};
  }
  ExponentWindow window = findExponentWindow(format, carrier);
  if (window.size() < leastExponentWindow)
    return {.refusal = "it holds the grid " + format.grid.name + " times " +
                       std::to_string(window.size()) + " powers of two, fewer than " +
                       std::to_string(leastExponentWindow)};
  return {.carrier = &carrier, .window = window};
}

/// Code x scale itself, but for the scale of the tensor.
static CarrierForm foldScales(const Format &format, const CarrierType &carrier) {
  FoldProof proof = proveFold(format, format.levels.size() - format.hasTensorLevel(), carrier);
  if (proof.exact && proof.shift == 0)
    return {.carrier = &carrier};
  if (proof.significantBits > carrier.significantBits())
    return {.refusal = "code x scale needs " + std::to_string(proof.significantBits) +
                       " significant bits, it has " +
                       std::to_string(carrier.significantBits())};
  return {.refusal = "code x scale leaves its range"};
}

static CarrierForm formIn(const Format &format, std::string_view name) {
  const CarrierType &carrier = *lookupCarrierType(name);
  return carrier.storageBits == 8 ? foldExponents(format, carrier) : foldScales(format, carrier);
}

static std::string joined(const std::vector<std::string> &names, std::string_view between) {
  std::string text;
  for (const std::string &name : names)
    text += (text.empty() ? "" : std::string(between)) + name;
  return text;
}

/// Named formats of the same grid that one of the carriers holds.
static std::vector<std::string> formatsIn(const std::vector<std::string_view> &carriers,
                                          const Grid &grid) {
  std::vector<std::string> names;
  for (const Format &format : namedFormats())
    if (format.grid == grid &&
        std::any_of(carriers.begin(), carriers.end(), [&](std::string_view carrier) {
          return formIn(format, carrier).refusal.empty();
        }))
      names.push_back(format.name);
  return names;
}

CarrierForm target::findCarrierForm(const Format &format, std::string_view carrier) {
  std::vector<std::string_view> wanted;
  for (std::string_view name : storedCarriers)
    if (carrier == "auto" || carrier == name)
      wanted.push_back(name);
  if (wanted.empty())
    return {.refusal = "no tensor is stored in the carrier '" + std::string(carrier) + "'",
            .instead = "auto, e5m2, e4m3 or bf16"};
  std::vector<std::string> reasons, others;
  for (std::string_view name : wanted) {
    CarrierForm form = formIn(format, name);
    if (form.refusal.empty())
      return form;
    reasons.push_back(std::string(name) + ": " + form.refusal);
  }
  for (std::string_view name : storedCarriers)
    if (formIn(format, name).refusal.empty())
      others.push_back("the carrier " + std::string(name));
  std::string formats = joined(formatsIn(wanted, format.grid), ", ");
  if (!formats.empty())
    others.push_back("a format such as " + formats);
  return {.refusal = "no exact carrier for " + format.name + " (" + joined(reasons, "; ") + ")",
          .instead = others.empty() ? "qd.dequantize, which rounds" : joined(others, " or ")};
}
