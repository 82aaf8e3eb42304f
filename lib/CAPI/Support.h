//===- Support.h - Between C and C++ ---------------------------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CAPI_SUPPORT_H
#define QUADRILLE_LIB_CAPI_SUPPORT_H

#include "quadrille-c/Device.h"
#include "quadrille/Runtime/Device.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

struct QuadrilleError {
  std::string message;
  bool isOfDevice = false;
};

namespace quadrille::capi {

inline llvm::StringRef unwrap(QuadrilleStringRef text) { return {text.data, text.length}; }
inline QuadrilleStringRef wrap(llvm::StringRef text) { return {text.data(), text.size()}; }

inline runtime::Device *unwrap(QuadrilleDevice *device) {
  return reinterpret_cast<runtime::Device *>(device);
}
inline QuadrilleDevice *wrap(runtime::Device *device) {
  return reinterpret_cast<QuadrilleDevice *>(device);
}

/// Null for success.
inline QuadrilleError *wrapError(llvm::Error error) {
  if (!error)
    return nullptr;
  bool isOfDevice = error.isA<runtime::DeviceError>();
  return new QuadrilleError{llvm::toString(std::move(error)), isOfDevice};
}

/// Stores the value, or returns the error.
template <typename T, typename Result>
QuadrilleError *unwrapInto(llvm::Expected<T> value, Result &result) {
  if (!value)
    return wrapError(value.takeError());
  result = std::move(*value);
  return nullptr;
}

} // namespace quadrille::capi

#endif // QUADRILLE_LIB_CAPI_SUPPORT_H
