//===- TargetSpec.h - What code generation needs of a target ---*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_TARGETSPEC_H
#define QUADRILLE_TARGET_TARGETSPEC_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace quadrille {

/// A target in LLVM's terms. `name` is the user's name for it.
struct TargetSpec {
  std::string name;
  std::string triple;
  std::string cpu;
  std::string features; ///< "+a,-b,..."

  bool isHost() const;
  /// True if `feature` (LLVM's name) is switched on explicitly in `features`.
  bool hasFeature(llvm::StringRef feature) const;
  /// All of it in one line: the target's part of a cache key.
  std::string fingerprint() const;
};

/// Names:
///   host                   the running CPU with all its features
///   host:sse4, host:avx2, host:avx512, host:avx512vnni
///                          x86-64 restricted to a level that does not depend
///                          on the machine
///   sm_80, ..., sm_121a    NVIDIA, with the PTX version that the target needs
///   gfx942, ...            any AMD GPU that LLVM knows
/// Anything else is an error that lists the choices.
llvm::Expected<TargetSpec> resolveTarget(llvm::StringRef name);

/// Success if code for host target `spec` runs on this machine; otherwise names
/// the features that are missing.
llvm::Error checkRunsHere(const TargetSpec &spec);

} // namespace quadrille

#endif // QUADRILLE_TARGET_TARGETSPEC_H
