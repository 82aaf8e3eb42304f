//===- Registry.h - Targets that are not in the tables ----------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What an accelerator outside of this tree gives to become a target; docs/porting.md. The
// targets of lib/Target are rows of tables there.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_REGISTRY_H
#define QUADRILLE_TARGET_REGISTRY_H

#include "quadrille/Target/Capability.h"
#include "quadrille/Target/TargetInfo.h"
#include "quadrille/Target/TargetSpec.h"
#include <functional>

namespace quadrille {

using MakeTargetInfo = std::function<std::unique_ptr<TargetInfo>(const TargetSpec &)>;

// Each is for as long as the process lives, and replaces what had the name. Before the first
// compilation: compilers look names up without locks.
namespace target {
void registerCapability(Capability capability);
}
void registerTargetSpec(TargetSpec spec);
void registerTargetInfo(llvm::StringRef name, MakeTargetInfo make);

/// Makes a target known by its name, that of all three parts, to passes and compilers.
inline void registerTarget(const TargetSpec &spec, const target::Capability &capability,
                           const MakeTargetInfo &make) {
  target::registerCapability(capability);
  registerTargetSpec(spec);
  registerTargetInfo(spec.name, make);
}

} // namespace quadrille

#endif // QUADRILLE_TARGET_REGISTRY_H
