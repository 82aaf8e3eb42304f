//===- CodeObject.h - What an AMD driver loads ------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_ROCDL_CODEOBJECT_H
#define QUADRILLE_TARGET_ROCDL_CODEOBJECT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace quadrille {

/// The code object of a relocatable object of the AMDGPU back end, by lld in this
/// process. Errors are lld's own words. Safe to call from several threads.
llvm::Expected<std::string> linkCodeObject(llvm::StringRef relocatable);

} // namespace quadrille

#endif // QUADRILLE_TARGET_ROCDL_CODEOBJECT_H
