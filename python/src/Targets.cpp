//===- Targets.cpp - The capability table, from Python --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// quadrille._core.targets: what each target can do and which carrier it takes
// for a format, as plain dictionaries. Formats are those of _core.numerics.
// Errors of a request are ValueError.
//
//===----------------------------------------------------------------------===//

#include "quadrille/Target/Carrier.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace quadrille;
using namespace quadrille::target;

static const Capability &findTarget(const std::string &name) {
  if (const Capability *capability = lookupCapability(name))
    return *capability;
  throw py::value_error(unknownTarget(name));
}

static std::vector<std::string> targetNames() {
  std::vector<std::string> names = {"host"};
  for (const Capability &capability : capabilities())
    names.emplace_back(capability.name);
  return names;
}

/// A format of _core.numerics, or the name of plain elements.
static Operand asOperand(const py::object &operand) {
  if (!py::isinstance<py::str>(operand))
    return operand.cast<const Format &>();
  std::string name = operand.cast<std::string>();
  if (const Format *format = lookupFormat(name))
    return *format;
  const CarrierType *type = lookupCarrierType(name);
  if (!type || (name != "f32" && name != "bf16" && name != "f16"))
    throw py::value_error("unknown operand '" + name +
                          "': expected a format, its name, f32, bf16 or f16");
  return *type;
}

static Accumulation parseAccumulation(const std::string &name) {
  static constexpr std::string_view names[] = {"default", "f32", "promote128", "fast"};
  for (size_t i = 0; i < std::size(names); ++i)
    if (names[i] == name)
      return static_cast<Accumulation>(i);
  throw py::value_error("unknown accum '" + name +
                        "': expected default, f32, promote128 or fast");
}

static py::dict toDict(const OperandPlan &plan) {
  py::dict result;
  result["carrier"] = plan.carrier->name;
  result["application"] = scaleApplicationName(plan.application);
  result["folded_levels"] = plan.foldedLevels;
  result["shift"] = plan.shift;
  result["window"] = plan.application == ScaleApplication::FoldedExponent
                         ? py::object(py::make_tuple(plan.window.low, plan.window.high))
                         : py::none();
  result["exact"] = plan.exact;
  return result;
}

static py::dict toDict(const CarrierChoice &choice) {
  py::dict result;
  result["refused"] = choice.refused();
  result["text"] = describe(choice);
  result["why"] = choice.refused() ? choice.refusal : choice.why;
  py::list rejected;
  for (const CarrierChoice::Rejected &r : choice.rejected)
    rejected.append(py::make_tuple(r.carrier, r.why));
  result["rejected"] = rejected;
  result["alternatives"] = choice.alternatives;
  if (choice.refused())
    return result;
  result["instruction"] = choice.mma->name;
  for (auto [name, operand] : {std::pair("a", &choice.a), std::pair("b", &choice.b)}) {
    py::dict plan = toDict(*operand);
    plan["quantizes_to_panels"] = choice.quantizesToPanels(*operand);
    result[name] = plan;
  }
  result["k_block"] = choice.kBlock;
  result["promote"] = choice.promote;
  result["rate"] = choice.rate;
  result["unverified"] = choice.mma->unverified;
  return result;
}

static py::dict selectForPython(const std::string &target, const py::object &a,
                                const py::object &b, bool exact, const std::string &accum,
                                const std::string &carrier, double minimumRate) {
  SelectOptions options{exact, parseAccumulation(accum), carrier, minimumRate};
  return toDict(selectCarrier(findTarget(target), asOperand(a), asOperand(b), options));
}

static py::dict carrierForm(const Format &format, const std::string &carrier) {
  CarrierForm form = findCarrierForm(format, carrier);
  py::dict result;
  result["refusal"] = form.refusal;
  result["instead"] = form.instead;
  if (!form.refusal.empty())
    return result;
  result["carrier"] = form.carrier->name;
  result["folded"] = form.window.empty()
                         ? py::object(py::none())
                         : py::make_tuple(form.carrier->mantissaBits, form.carrier->bias,
                                          form.window.low, form.window.high);
  return result;
}

static py::list carrierRows(const std::string &target) {
  const Capability &capability = findTarget(target);
  py::list rows;
  for (const Format &format : namedFormats()) {
    py::dict row = toDict(selectCarrier(capability, format, format));
    row["format"] = format.name;
    rows.append(row);
  }
  return rows;
}

static py::dict toDict(const MmaEntry &entry) {
  py::dict result;
  result["name"] = entry.name;
  py::list operands;
  for (const CarrierType *type : entry.operands)
    operands.append(type->name);
  result["operands"] = operands;
  result["shape"] = py::make_tuple(entry.m, entry.n, entry.k);
  result["rate"] = entry.rate;
  result["unverified"] = entry.unverified;
  result["accumulator_bits"] = entry.accumulatorBits;
  result["scale_block"] = entry.scaleBlock;
  result["feature"] = entry.feature;
  return result;
}

static py::dict capability(const std::string &target) {
  const Capability &entry = findTarget(target);
  py::dict result;
  result["name"] = entry.name;
  result["description"] = entry.description;
  result["lanes"] = entry.lanes;
  result["shared_memory_bytes"] = entry.sharedMemoryBytes;
  py::list instructions, conversions;
  for (const MmaEntry &mma : entry.mma)
    instructions.append(toDict(mma));
  for (const ConversionEntry &conversion : entry.conversions)
    conversions.append(py::make_tuple(conversion.name, conversion.from, conversion.to,
                                      conversion.rounding, conversion.feature));
  result["mma"] = instructions;
  result["conversions"] = conversions;
  return result;
}

static py::dict support(const std::string &target, const py::object &operand,
                        const std::string &op) {
  Operand parsed = asOperand(operand);
  if (!parsed.format)
    throw py::value_error("expected a format");
  Support answer = isSupported(target, *parsed.format, op);
  py::dict result;
  result["supported"] = answer.supported;
  result["why"] = answer.why;
  result["instead"] = answer.instead;
  return result;
}

void bindTargets(py::module_ &module) {
  py::module_ m = module.def_submodule("targets", "What each target can do.");
  m.def("names", &targetNames, "All targets; `host` is the best level of the running CPU.");
  m.def("capability", &capability, py::arg("target"),
        "Lanes, shared memory, matrix instructions and conversions of a target.");
  m.def("select", &selectForPython, py::arg("target"), py::arg("a"), py::arg("b"), py::kw_only(),
        py::arg("exact") = true, py::arg("accum") = "default", py::arg("carrier") = "",
        py::arg("minimum_rate") = 0.0,
        R"(The carrier of a matmul of two operands, each a format or f32, bf16, f16.

A dictionary: refused, text, why, rejected ((carrier, why) pairs), alternatives; unless
refused also instruction, a and b (quantizes_to_panels: whether what quantizes it can write what
the instruction reads; carrier, application, folded_levels, shift, window,
exact), k_block, promote, and rate (multiple of the target's bf16 matrix rate).)");
  m.def("carriers", &carrierRows, py::arg("target"),
        "`select` of every named format with itself, with the format's name under `format`.");
  m.def("carrier_form", &carrierForm, py::arg("format"), py::arg("carrier"),
        "How a tensor is stored in a carrier (e5m2, e4m3, bf16, or auto). A dictionary: refusal and "
        "instead, or carrier and folded: (mantissa bits, bias, lowest exponent, highest), or None "
        "if the carrier holds code x scale.");
  m.def("carrier_table", &carrierTable, "The table of docs/carriers.md, in Markdown.");
  m.def("is_supported", &support, py::arg("target"), py::arg("format"), py::arg("op"),
        "A dictionary: supported, why, instead (a list of alternatives).");
}
