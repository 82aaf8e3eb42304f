//===- ParallelFor.h - Work for all threads --------------------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_RUNTIME_PARALLELFOR_H
#define QUADRILLE_LIB_RUNTIME_PARALLELFOR_H

#include "llvm/ADT/STLFunctionalExtras.h"

namespace quadrille::runtime {

/// Calls body(0) ... body(chunks - 1), each once, on this thread and those of
/// the pool; returns when all are done. May be called from several threads at
/// once and after a fork.
void parallelFor(int chunks, llvm::function_ref<void(int)> body);

} // namespace quadrille::runtime

#endif // QUADRILLE_LIB_RUNTIME_PARALLELFOR_H
