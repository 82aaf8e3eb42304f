//===- Program.h - C API of compiled programs -----------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Loads objects that the compiler made for the host, and runs them. See
// quadrille/Runtime/Program.h for the behaviour.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_C_PROGRAM_H
#define QUADRILLE_C_PROGRAM_H

#include "quadrille-c/Support.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct QuadrilleProgram QuadrilleProgram;

/// Loads `object` with `schedule`, both results of stage "object" for host
/// target `target`. On success *program is set.
QUADRILLE_CAPI_EXPORTED QuadrilleError *quadrilleProgramCreate(QuadrilleStringRef object,
                                                               QuadrilleStringRef schedule,
                                                               QuadrilleStringRef target,
                                                               QuadrilleProgram **program);
/// No run may be under way.
QUADRILLE_CAPI_EXPORTED void quadrilleProgramDestroy(QuadrilleProgram *program);

typedef enum {
  QuadrilleArgumentBuffer,
  QuadrilleArgumentI64,
  QuadrilleArgumentF32,
} QuadrilleArgumentKind;

typedef struct {
  QuadrilleArgumentKind kind;
  bool isOut;
  unsigned rank;     ///< of a buffer
  unsigned itemSize; ///< of a buffer, bytes
} QuadrilleArgumentDecl;

/// The arguments that a run takes: the function's, then its results' buffers.
QUADRILLE_CAPI_EXPORTED size_t quadrilleProgramGetNumArguments(const QuadrilleProgram *program);
QUADRILLE_CAPI_EXPORTED QuadrilleArgumentDecl
quadrilleProgramGetArgument(const QuadrilleProgram *program, size_t index);

/// One argument of a run: `data`, `sizes` and `strides` (in elements) of a
/// buffer, or one of the numbers.
typedef struct {
  QuadrilleArgumentKind kind;
  unsigned rank;
  void *data;
  const int64_t *sizes;
  const int64_t *strides;
  int64_t integer;
  float number;
} QuadrilleArgument;

typedef struct {
  uint64_t workspaceBytes;
  unsigned launches;
} QuadrilleRunStatistics;

/// Runs once and returns when the results are there. `statistics` may be null.
QUADRILLE_CAPI_EXPORTED QuadrilleError *quadrilleProgramRun(const QuadrilleProgram *program,
                                                            const QuadrilleArgument *arguments,
                                                            size_t numArguments,
                                                            QuadrilleRunStatistics *statistics);

/// Threads of a large run, the caller's included.
QUADRILLE_CAPI_EXPORTED unsigned quadrilleGetNumThreads(void);

#ifdef __cplusplus
}
#endif

#endif // QUADRILLE_C_PROGRAM_H
