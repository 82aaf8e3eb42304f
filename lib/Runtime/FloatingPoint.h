//===- FloatingPoint.h - The floating-point environment --------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_RUNTIME_FLOATINGPOINT_H
#define QUADRILLE_LIB_RUNTIME_FLOATINGPOINT_H

#include <cfenv>

namespace quadrille::runtime {

/// While it lives, this thread rounds to nearest, keeps subnormals and traps
/// nothing (on x86: MXCSR is 0x1f80). Then the caller's environment comes back,
/// exception flags included.
class DefaultFloatingPoint {
public:
  DefaultFloatingPoint() {
    std::fegetenv(&saved);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatingPoint() { std::fesetenv(&saved); }
  DefaultFloatingPoint(const DefaultFloatingPoint &) = delete;
  DefaultFloatingPoint &operator=(const DefaultFloatingPoint &) = delete;

private:
  std::fenv_t saved;
};

} // namespace quadrille::runtime

#endif // QUADRILLE_LIB_RUNTIME_FLOATINGPOINT_H
