//===- quadrille-compiler.cpp - The helper process ------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles in a process of its own, since LLVM may abort. It is started by
// libquadrille, which holds all of its code; by hand it replays reproducers.
//
//===----------------------------------------------------------------------===//
#include "quadrille-c/Compiler.h"

int main(int argc, char **argv) { return quadrilleCompilerMain(argc, argv); }
