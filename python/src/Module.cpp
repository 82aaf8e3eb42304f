//===- Module.cpp - The extension module quadrille._core ------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One submodule per library: numerics (the specification), targets (the
// capability tables), runtime (compiling and running), dlpack (arrays in).
// A submodule is absent if its library was not built.
//
//===----------------------------------------------------------------------===//
#include <pybind11/pybind11.h>

namespace py = pybind11;

void bindNumerics(py::module_ &module);
void bindTargets(py::module_ &module);
void bindRuntime(py::module_ &module);
void bindDLPack(py::module_ &module);

PYBIND11_MODULE(_core, module) {
  module.doc() = "Quadrille's compiled parts; use the package quadrille instead.";
  module.attr("VERSION") = QUADRILLE_VERSION;
  bindDLPack(module);
#ifdef QUADRILLE_BIND_NUMERICS
  bindNumerics(module);
#endif
#ifdef QUADRILLE_BIND_TARGETS
  bindTargets(module);
#endif
#ifdef QUADRILLE_BIND_RUNTIME
  bindRuntime(module);
#endif
}
