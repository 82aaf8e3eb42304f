//===- TargetSpec.cpp - What code generation needs of a target ------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/Registry.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/TargetParser.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/TargetParser/X86TargetParser.h"

using namespace llvm;

namespace quadrille {

bool TargetSpec::isHost() const { return StringRef(name).starts_with("host"); }

bool TargetSpec::hasFeature(StringRef feature) const {
  return llvm::any_of(llvm::split(features, ','),
                      [&](StringRef item) { return item.consume_front("+") && item == feature; });
}

std::string TargetSpec::fingerprint() const {
  return name + " " + triple + " " + cpu + " " + features;
}

static std::string joinFeatures(ArrayRef<std::string> features) {
  return llvm::join(features, ",");
}

static Error unknownTarget(StringRef name, const Twine &choices) {
  return createStringError("unknown target '" + name + "': expected " + choices);
}

//===----------------------------------------------------------------------===//
// Host
//===----------------------------------------------------------------------===//

namespace {
/// A subset of the host's instructions that is the same on every machine.
struct HostLevel {
  StringLiteral name;
  StringLiteral cpu;
  StringLiteral extra; ///< a feature on top of the CPU's
};
} // namespace

static constexpr HostLevel hostLevels[] = {
    {"host:sse4", "x86-64-v2", ""},
    {"host:avx2", "x86-64-v3", ""},
    {"host:avx512", "x86-64-v4", ""},
    {"host:avx512vnni", "x86-64-v4", "avx512vnni"},
};

static TargetSpec runningHost() {
  // Sorted, so that the specification is the same text in every process.
  std::vector<std::string> features;
  for (const auto &feature : sys::getHostCPUFeatures())
    features.push_back((Twine(feature.second ? "+" : "-") + feature.first()).str());
  llvm::sort(features);
  return {"host", sys::getProcessTriple(), sys::getHostCPUName().str(), joinFeatures(features)};
}

/// The features of a level are spelled out, with all that they imply, so that
/// hasFeature answers for them.
static TargetSpec hostAtLevel(const HostLevel &level) {
  SmallVector<StringRef> cpuFeatures;
  X86::getFeaturesForCPU(level.cpu, cpuFeatures);
  if (!level.extra.empty())
    cpuFeatures.push_back(level.extra);
  StringMap<bool> enabled;
  for (StringRef feature : cpuFeatures) {
    enabled[feature] = true;
    X86::updateImpliedFeatures(feature, /*Enabled=*/true, enabled);
  }
  std::vector<std::string> features;
  for (StringRef feature : enabled.keys())
    features.push_back(("+" + feature).str());
  llvm::sort(features);
  return {level.name.str(), sys::getProcessTriple(), level.cpu.str(), joinFeatures(features)};
}

static Expected<TargetSpec> resolveHost(StringRef name) {
  // Detecting the CPU reads /proc; it cannot change while we run.
  static const TargetSpec running = runningHost();
  if (name == "host")
    return running;
  const auto *level = llvm::find_if(hostLevels, [&](auto &l) { return l.name == name; });
  if (level != std::end(hostLevels) && Triple(running.triple).isX86())
    return hostAtLevel(*level);
  std::string choices = "host";
  for (const HostLevel &l : hostLevels)
    choices += ", " + l.name.str();
  return unknownTarget(name, choices + " (all but host on x86-64 only)");
}

Error checkRunsHere(const TargetSpec &spec) {
  if (!spec.isHost())
    return createStringError("target " + spec.name + " is not the host");
  StringMap<bool> here = sys::getHostCPUFeatures();
  std::vector<std::string> missing;
  for (StringRef item : llvm::split(spec.features, ','))
    // Features of a level that are not instructions are unknown here.
    if (item.consume_front("+"))
      if (auto it = here.find(item); it != here.end() && !it->second)
        missing.push_back(item.str());
  if (missing.empty())
    return Error::success();
  return createStringError("target " + spec.name + " needs what this CPU (" +
                           sys::getHostCPUName() + ") lacks: " + llvm::join(missing, ", "));
}

//===----------------------------------------------------------------------===//
// GPUs
//===----------------------------------------------------------------------===//

namespace {
struct NVIDIATarget {
  StringLiteral name;
  StringLiteral ptx; ///< the oldest PTX with the target's matrix instructions
};
} // namespace

// The PTX version is that of the newest instruction which Quadrille emits for
// the target: LLVM aborts on an intrinsic that the version lacks, and an older
// driver cannot read a newer version.
static constexpr NVIDIATarget nvidiaTargets[] = {
    {"sm_80", "ptx70"},   {"sm_86", "ptx71"},   {"sm_89", "ptx84"},
    {"sm_90", "ptx80"},   {"sm_90a", "ptx80"},  {"sm_100a", "ptx88"},
    {"sm_103a", "ptx88"}, {"sm_120a", "ptx88"}, {"sm_121a", "ptx88"},
};

static Expected<TargetSpec> resolveNVIDIA(StringRef name) {
  const auto *target = llvm::find_if(nvidiaTargets, [&](auto &t) { return t.name == name; });
  if (target != std::end(nvidiaTargets))
    return TargetSpec{name.str(), "nvptx64-nvidia-cuda", name.str(),
                      (Twine("+") + target->ptx).str()};
  return unknownTarget(
      name, llvm::join(llvm::map_range(nvidiaTargets, [](auto &t) { return t.name.str(); }), ", "));
}

static Expected<TargetSpec> resolveAMD(StringRef name) {
  if (AMDGPU::parseArchAMDGCN(name) == AMDGPU::GK_NONE)
    return unknownTarget(name, "an AMD GPU that LLVM " LLVM_VERSION_STRING
                               " knows, such as gfx942, gfx950 or gfx1100");
  return TargetSpec{name.str(), "amdgcn-amd-amdhsa", name.str(), ""};
}

static StringMap<TargetSpec> &registeredSpecs() {
  static StringMap<TargetSpec> table;
  return table;
}

void registerTargetSpec(TargetSpec spec) {
  std::string name = spec.name;
  registeredSpecs().insert_or_assign(name, std::move(spec));
}

Expected<TargetSpec> resolveTarget(StringRef name) {
  if (auto found = registeredSpecs().find(name); found != registeredSpecs().end())
    return found->second;
  if (name.starts_with("host"))
    return resolveHost(name);
  if (name.starts_with("sm_"))
    return resolveNVIDIA(name);
  if (name.starts_with("gfx"))
    return resolveAMD(name);
  return unknownTarget(name, "host, an NVIDIA sm_* or an AMD gfx*");
}

} // namespace quadrille
