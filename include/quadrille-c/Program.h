//===- Program.h - C API of compiled programs -----------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Loads objects that the compiler made, and runs them. See
// quadrille/Runtime/Program.h for the behaviour.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_C_PROGRAM_H
#define QUADRILLE_C_PROGRAM_H

#include "quadrille-c/Device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct QuadrilleProgram QuadrilleProgram;

/// Loads `object` with `schedule`, both results of stage "object" for `target`,
/// on `device`. On success *program is set.
QUADRILLE_CAPI_EXPORTED QuadrilleError *quadrilleProgramCreate(QuadrilleDevice *device,
                                                               QuadrilleStringRef object,
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

/// Where a run of a device happens; null means the default stream, and temporaries
/// that the device allocates.
typedef struct {
  void *stream;
  void *workspace; ///< aligned to 64 bytes
  uint64_t workspaceBytes;
} QuadrilleRunOptions;

/// Runs once. On the host the results are there when it returns, on a GPU when the
/// stream has come that far. `options` and `statistics` may be null.
QUADRILLE_CAPI_EXPORTED QuadrilleError *
quadrilleProgramRun(const QuadrilleProgram *program, const QuadrilleArgument *arguments,
                    size_t numArguments, const QuadrilleRunOptions *options,
                    QuadrilleRunStatistics *statistics);

/// The workspace and the launches of a run with arguments of those sizes and
/// strides; their data is not used.
QUADRILLE_CAPI_EXPORTED QuadrilleError *
quadrilleProgramMeasure(const QuadrilleProgram *program, const QuadrilleArgument *arguments,
                        size_t numArguments, QuadrilleRunStatistics *statistics);

/// What a kernel takes of the machine; 0 where the device does not say.
typedef struct {
  unsigned registers, spillBytes, sharedBytes, threads, blocksPerUnit;
  double occupancy;
} QuadrilleKernelFacts;

QUADRILLE_CAPI_EXPORTED size_t quadrilleProgramGetNumKernels(const QuadrilleProgram *program);
/// `name` lives as long as the program.
QUADRILLE_CAPI_EXPORTED QuadrilleError *
quadrilleProgramGetKernel(const QuadrilleProgram *program, size_t index, QuadrilleStringRef *name,
                          QuadrilleKernelFacts *facts);

/// Threads of a large run, the caller's included.
QUADRILLE_CAPI_EXPORTED unsigned quadrilleGetNumThreads(void);

#ifdef __cplusplus
}
#endif

#endif // QUADRILLE_C_PROGRAM_H
