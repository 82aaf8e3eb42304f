//===- Support.h - Between C and C++ ---------------------------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CAPI_SUPPORT_H
#define QUADRILLE_LIB_CAPI_SUPPORT_H

#include "quadrille-c/Support.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

struct QuadrilleError {
  std::string message;
};

namespace quadrille::capi {

inline llvm::StringRef unwrap(QuadrilleStringRef text) { return {text.data, text.length}; }
inline QuadrilleStringRef wrap(llvm::StringRef text) { return {text.data(), text.size()}; }

/// Null for success.
inline QuadrilleError *wrapError(llvm::Error error) {
  return error ? new QuadrilleError{llvm::toString(std::move(error))} : nullptr;
}

} // namespace quadrille::capi

#endif // QUADRILLE_LIB_CAPI_SUPPORT_H
