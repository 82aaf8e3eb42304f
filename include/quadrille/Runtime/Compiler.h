//===- Compiler.h - The compiler, at a safe distance -----------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_RUNTIME_COMPILER_H
#define QUADRILLE_RUNTIME_COMPILER_H

#include "quadrille/Runtime/DiskCache.h"
#include <memory>

namespace quadrille::runtime {

struct CompilerOptions {
  /// Path of quadrille-compiler; empty: QUADRILLE_COMPILER, else beside the
  /// binary that contains this library, else in ../bin or ../libexec of it.
  std::string helper;
  /// Seconds that one compilation may take, the helper's start included.
  double timeout = 60;
  /// Empty: no disk cache.
  std::string cacheDirectory;
  uint64_t cacheBytes = DiskCache::defaultBytes;
  /// Where reproducers go; empty: QUADRILLE_REPRODUCER_DIR, else the system's
  /// temporary directory.
  std::string reproducerDirectory;
  /// Helpers that may run at once.
  unsigned maxHelpers = 4;
};

struct CompilerStatistics {
  uint64_t compilations = 0; ///< done by a helper, failed ones included
  uint64_t cacheHits = 0;
  uint64_t helpersStarted = 0;
  uint64_t helpersLost = 0;      ///< crashed or timed out
  double helperStartSeconds = 0; ///< of the latest helper, start to ready
};

/// Compiles in helper processes that stay warm between requests, and keeps
/// results on disk. A crash or a time-out of the compiler is a failed result;
/// the next request gets a new helper. All functions are safe to call from
/// several threads; each request has a helper to itself.
class Compiler {
public:
  explicit Compiler(CompilerOptions options);
  ~Compiler();

  /// From the disk cache or a helper. Only results without a failure are
  /// cached. `cached`, if given, is set to whether it came from the cache.
  CompileResult compile(const CompileRequest &request, bool *cached = nullptr);

  /// Starts a helper in the background unless one is there.
  void warmUp();

  CompilerStatistics statistics() const;

private:
  class Pool;
  std::unique_ptr<Pool> pool;
};

} // namespace quadrille::runtime

#endif // QUADRILLE_RUNTIME_COMPILER_H
