//===- CompilerService.h - The helper process's side -----------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Code generation runs in a process of its own, because LLVM aborts on what it
// cannot select. The helper answers one request at a time on a socket it was
// started with; it lives until the other end is closed.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_RUNTIME_COMPILERSERVICE_H
#define QUADRILLE_RUNTIME_COMPILERSERVICE_H

#include "quadrille/Target/Compile.h"

namespace quadrille::runtime {

/// The main program of quadrille-compiler around `compile`:
///   --serve FD            answer requests on that socket
///   --replay FILE         compile a reproducer in this process; the output or
///                         the messages go to standard output and error
///   --version             print the compiler's fingerprint
/// Returns the exit status: 0, 1 if the compilation failed, 2 for wrong usage.
int compilerMain(int argc, const char *const *argv, const CompileFunction &compile);

} // namespace quadrille::runtime

#endif // QUADRILLE_RUNTIME_COMPILERSERVICE_H
