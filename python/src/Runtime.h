//===- Runtime.h - What the bindings of the runtime share ------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_PYTHON_RUNTIME_H
#define QUADRILLE_PYTHON_RUNTIME_H

#include "quadrille-c/Support.h"
#include <pybind11/pybind11.h>
#include <stdexcept>
#include <string>
#include <string_view>

inline QuadrilleStringRef toRef(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view toView(QuadrilleStringRef text) { return {text.data, text.length}; }
inline pybind11::str toText(QuadrilleStringRef text) {
  return pybind11::str(text.data, text.length);
}

/// Becomes `quadrille._core.runtime.DeviceError`.
struct DeviceFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws what Python sees as DeviceError if the machine failed, as ValueError if the
/// caller did; returns if there is no error.
inline void check(QuadrilleError *error) {
  if (!error)
    return;
  std::string message(toView(quadrilleErrorGetMessage(error)));
  bool isOfDevice = quadrilleErrorIsOfDevice(error);
  quadrilleErrorDestroy(error);
  if (isOfDevice)
    throw DeviceFailure(message);
  throw pybind11::value_error(message);
}

void bindProgram(pybind11::module_ &module);

#endif // QUADRILLE_PYTHON_RUNTIME_H
