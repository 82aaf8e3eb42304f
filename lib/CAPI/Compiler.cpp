//===- Compiler.cpp - C API of the compiler -------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille-c/Compiler.h"
#include "Support.h"
#include "quadrille/Runtime/Compiler.h"
#include "quadrille/Runtime/CompilerService.h"
#include "quadrille/Runtime/DiskCache.h"
#include "quadrille/Runtime/Message.h"
#include "quadrille/Target/TargetSpec.h"

using namespace quadrille;
using namespace quadrille::capi;

struct QuadrilleCompiler {
  runtime::Compiler compiler;
};

struct QuadrilleCompileResult {
  CompileResult result;
  bool cached;
};

//===----------------------------------------------------------------------===//
// Compiler
//===----------------------------------------------------------------------===//

QuadrilleCompilerOptions quadrilleCompilerOptionsGetDefault(void) {
  static const std::string cacheDirectory = runtime::DiskCache::defaultDirectory();
  runtime::CompilerOptions defaults;
  QuadrilleCompilerOptions options = {};
  options.cacheDirectory = wrap(cacheDirectory);
  options.timeoutSeconds = defaults.timeout;
  options.cacheBytes = defaults.cacheBytes;
  options.maxHelpers = defaults.maxHelpers;
  return options;
}

QuadrilleCompiler *quadrilleCompilerCreate(const QuadrilleCompilerOptions *options) {
  runtime::CompilerOptions converted;
  converted.helper = unwrap(options->helper);
  converted.cacheDirectory = unwrap(options->cacheDirectory);
  converted.reproducerDirectory = unwrap(options->reproducerDirectory);
  converted.timeout = options->timeoutSeconds;
  converted.cacheBytes = options->cacheBytes;
  converted.maxHelpers = options->maxHelpers;
  return new QuadrilleCompiler{runtime::Compiler(std::move(converted))};
}

void quadrilleCompilerDestroy(QuadrilleCompiler *compiler) { delete compiler; }

void quadrilleCompilerWarmUp(QuadrilleCompiler *compiler) { compiler->compiler.warmUp(); }

QuadrilleCompilerStatistics quadrilleCompilerGetStatistics(const QuadrilleCompiler *compiler) {
  runtime::CompilerStatistics s = compiler->compiler.statistics();
  return {s.compilations, s.cacheHits, s.helpersStarted, s.helpersLost, s.helperStartSeconds};
}

QuadrilleCompileResult *quadrilleCompile(QuadrilleCompiler *compiler, QuadrilleStringRef module,
                                         QuadrilleStringRef target, QuadrilleStringRef stage,
                                         const QuadrilleOption *options, size_t numOptions) {
  CompileRequest request;
  request.module = unwrap(module);
  request.target = unwrap(target);
  request.stage = unwrap(stage);
  for (const QuadrilleOption &option : llvm::ArrayRef(options, numOptions))
    request.options.emplace_back(unwrap(option.key), unwrap(option.value));
  auto *result = new QuadrilleCompileResult();
  result->result = compiler->compiler.compile(request, &result->cached);
  return result;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void quadrilleCompileResultDestroy(QuadrilleCompileResult *result) { delete result; }

QuadrilleFailure quadrilleCompileResultGetFailure(const QuadrilleCompileResult *result) {
  static_assert(static_cast<int>(Failure::Unavailable) == QuadrilleFailureUnavailable);
  return static_cast<QuadrilleFailure>(result->result.failure);
}

bool quadrilleCompileResultWasCached(const QuadrilleCompileResult *result) {
  return result->cached;
}

QuadrilleStringRef quadrilleCompileResultGetOutput(const QuadrilleCompileResult *result) {
  return wrap(result->result.output);
}

QuadrilleStringRef quadrilleCompileResultGetSchedule(const QuadrilleCompileResult *result) {
  return wrap(result->result.schedule);
}

QuadrilleStringRef quadrilleCompileResultGetLog(const QuadrilleCompileResult *result) {
  return wrap(result->result.log);
}

QuadrilleStringRef quadrilleCompileResultGetReproducer(const QuadrilleCompileResult *result) {
  return wrap(result->result.reproducer);
}

size_t quadrilleCompileResultGetNumMetadata(const QuadrilleCompileResult *result) {
  return result->result.metadata.size();
}

QuadrilleOption quadrilleCompileResultGetMetadata(const QuadrilleCompileResult *result,
                                                  size_t index) {
  const auto &[key, value] = result->result.metadata[index];
  return {wrap(key), wrap(value)};
}

size_t quadrilleCompileResultGetNumTimings(const QuadrilleCompileResult *result) {
  return result->result.timings.size();
}

QuadrilleTiming quadrilleCompileResultGetTiming(const QuadrilleCompileResult *result,
                                                size_t index) {
  const auto &[phase, seconds] = result->result.timings[index];
  return {wrap(phase), seconds};
}

static QuadrilleDiagnostic wrapDiagnostic(const Diagnostic &diagnostic) {
  static_assert(static_cast<int>(Severity::Note) == QuadrilleSeverityNote);
  return {static_cast<QuadrilleSeverity>(diagnostic.severity),
          wrap(diagnostic.message),
          wrap(diagnostic.file),
          diagnostic.line,
          diagnostic.column,
          diagnostic.notes.size()};
}

size_t quadrilleCompileResultGetNumDiagnostics(const QuadrilleCompileResult *result) {
  return result->result.diagnostics.size();
}

QuadrilleDiagnostic quadrilleCompileResultGetDiagnostic(const QuadrilleCompileResult *result,
                                                        size_t index) {
  return wrapDiagnostic(result->result.diagnostics[index]);
}

QuadrilleDiagnostic quadrilleCompileResultGetNote(const QuadrilleCompileResult *result,
                                                  size_t diagnostic, size_t index) {
  return wrapDiagnostic(result->result.diagnostics[diagnostic].notes[index]);
}

//===----------------------------------------------------------------------===//
// Targets and the helper
//===----------------------------------------------------------------------===//

QuadrilleStringRef quadrilleGetFingerprint(void) { return wrap(runtime::compilerFingerprint()); }

QuadrilleError *quadrilleResolveTarget(QuadrilleStringRef name, QuadrilleStringRef *cpu,
                                       QuadrilleStringRef *features) {
  static thread_local TargetSpec spec;
  llvm::Expected<TargetSpec> resolved = resolveTarget(unwrap(name));
  if (!resolved)
    return wrapError(resolved.takeError());
  spec = std::move(*resolved);
  *cpu = wrap(spec.cpu);
  *features = wrap(spec.features);
  return nullptr;
}

QuadrilleError *quadrilleCheckRunsHere(QuadrilleStringRef name) {
  llvm::Expected<TargetSpec> spec = resolveTarget(unwrap(name));
  return wrapError(spec ? checkRunsHere(*spec) : spec.takeError());
}

int quadrilleCompilerMain(int argc, const char *const *argv) {
  return runtime::compilerMain(argc, argv, compile);
}
