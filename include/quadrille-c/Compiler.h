//===- Compiler.h - C API of the compiler ---------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles modules in helper processes, with a cache on disk. See
// quadrille/Runtime/Compiler.h for the behaviour.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_C_COMPILER_H
#define QUADRILLE_C_COMPILER_H

#include "quadrille-c/Support.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct QuadrilleCompiler QuadrilleCompiler;
typedef struct QuadrilleCompileResult QuadrilleCompileResult;

typedef struct {
  /// Paths; empty strings mean the defaults of quadrille/Runtime/Compiler.h,
  /// but an empty cache directory means no cache.
  QuadrilleStringRef helper;
  QuadrilleStringRef cacheDirectory;
  QuadrilleStringRef reproducerDirectory;
  double timeoutSeconds;
  uint64_t cacheBytes;
  unsigned maxHelpers;
} QuadrilleCompilerOptions;

/// Default values; the cache directory is QUADRILLE_CACHE_DIR or the user's.
/// The strings live until the process ends.
QUADRILLE_CAPI_EXPORTED QuadrilleCompilerOptions quadrilleCompilerOptionsGetDefault(void);

/// Starts no process yet.
QUADRILLE_CAPI_EXPORTED QuadrilleCompiler *
quadrilleCompilerCreate(const QuadrilleCompilerOptions *options);
/// Ends the helpers. No compilation may be under way.
QUADRILLE_CAPI_EXPORTED void quadrilleCompilerDestroy(QuadrilleCompiler *compiler);

/// Starts a helper in the background, so that the first compilation is faster.
QUADRILLE_CAPI_EXPORTED void quadrilleCompilerWarmUp(QuadrilleCompiler *compiler);

typedef struct {
  uint64_t compilations, cacheHits, helpersStarted, helpersLost;
  double helperStartSeconds;
} QuadrilleCompilerStatistics;

QUADRILLE_CAPI_EXPORTED QuadrilleCompilerStatistics
quadrilleCompilerGetStatistics(const QuadrilleCompiler *compiler);

typedef struct {
  QuadrilleStringRef key, value;
} QuadrilleOption;

/// Blocks until there is a result, which is never null and belongs to the
/// caller. module, target, stage, options: see quadrille/Target/Compile.h.
QUADRILLE_CAPI_EXPORTED QuadrilleCompileResult *
quadrilleCompile(QuadrilleCompiler *compiler, QuadrilleStringRef module, QuadrilleStringRef target,
                 QuadrilleStringRef stage, const QuadrilleOption *options, size_t numOptions);
QUADRILLE_CAPI_EXPORTED void quadrilleCompileResultDestroy(QuadrilleCompileResult *result);

typedef enum {
  QuadrilleFailureNone,
  QuadrilleFailureInvalid,
  QuadrilleFailureCrash,
  QuadrilleFailureTimeout,
  QuadrilleFailureUnavailable,
} QuadrilleFailure;

QUADRILLE_CAPI_EXPORTED QuadrilleFailure
quadrilleCompileResultGetFailure(const QuadrilleCompileResult *result);
QUADRILLE_CAPI_EXPORTED bool quadrilleCompileResultWasCached(const QuadrilleCompileResult *result);
QUADRILLE_CAPI_EXPORTED QuadrilleStringRef
quadrilleCompileResultGetOutput(const QuadrilleCompileResult *result);
QUADRILLE_CAPI_EXPORTED QuadrilleStringRef
quadrilleCompileResultGetSchedule(const QuadrilleCompileResult *result);
QUADRILLE_CAPI_EXPORTED QuadrilleStringRef
quadrilleCompileResultGetLog(const QuadrilleCompileResult *result);
QUADRILLE_CAPI_EXPORTED QuadrilleStringRef
quadrilleCompileResultGetReproducer(const QuadrilleCompileResult *result);

QUADRILLE_CAPI_EXPORTED size_t
quadrilleCompileResultGetNumMetadata(const QuadrilleCompileResult *result);
QUADRILLE_CAPI_EXPORTED QuadrilleOption
quadrilleCompileResultGetMetadata(const QuadrilleCompileResult *result, size_t index);

typedef struct {
  QuadrilleStringRef phase;
  double seconds;
} QuadrilleTiming;

QUADRILLE_CAPI_EXPORTED size_t
quadrilleCompileResultGetNumTimings(const QuadrilleCompileResult *result);
QUADRILLE_CAPI_EXPORTED QuadrilleTiming
quadrilleCompileResultGetTiming(const QuadrilleCompileResult *result, size_t index);

typedef enum {
  QuadrilleSeverityError,
  QuadrilleSeverityWarning,
  QuadrilleSeverityRemark,
  QuadrilleSeverityNote,
} QuadrilleSeverity;

typedef struct {
  QuadrilleSeverity severity;
  QuadrilleStringRef message;
  QuadrilleStringRef file; ///< empty: no location
  unsigned line, column;   ///< from 1
  size_t numNotes;
} QuadrilleDiagnostic;

QUADRILLE_CAPI_EXPORTED size_t
quadrilleCompileResultGetNumDiagnostics(const QuadrilleCompileResult *result);
QUADRILLE_CAPI_EXPORTED QuadrilleDiagnostic
quadrilleCompileResultGetDiagnostic(const QuadrilleCompileResult *result, size_t index);
QUADRILLE_CAPI_EXPORTED QuadrilleDiagnostic quadrilleCompileResultGetNote(
    const QuadrilleCompileResult *result, size_t diagnostic, size_t index);

/// Identifies this compiler: version, build id, LLVM's version.
QUADRILLE_CAPI_EXPORTED QuadrilleStringRef quadrilleGetFingerprint(void);

/// LLVM's CPU and features of a target, or an error for an unknown name. The
/// strings are valid until the next call in the same thread.
QUADRILLE_CAPI_EXPORTED QuadrilleError *quadrilleResolveTarget(QuadrilleStringRef name,
                                                               QuadrilleStringRef *cpu,
                                                               QuadrilleStringRef *features);
/// Success if code compiled for host target `name` runs on this machine.
QUADRILLE_CAPI_EXPORTED QuadrilleError *quadrilleCheckRunsHere(QuadrilleStringRef name);

/// The main program of the helper process.
QUADRILLE_CAPI_EXPORTED int quadrilleCompilerMain(int argc, const char *const *argv);

#ifdef __cplusplus
}
#endif

#endif // QUADRILLE_C_COMPILER_H
