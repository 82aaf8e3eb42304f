//===- Runtime.cpp - Compiling and running from Python --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Over libquadrille's C API: LLVM and its helper process stay behind it.
//
//===----------------------------------------------------------------------===//
#include "Runtime.h"
#include "quadrille-c/Compiler.h"
#include "quadrille-c/Program.h"
#include <map>
#include <memory>
#include <optional>
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace py::literals;

namespace {

//===----------------------------------------------------------------------===//
// Compiler
//===----------------------------------------------------------------------===//

struct Destroy {
  void operator()(QuadrilleCompiler *compiler) const { quadrilleCompilerDestroy(compiler); }
  void operator()(QuadrilleCompileResult *result) const { quadrilleCompileResultDestroy(result); }
};
template <typename T> using Handle = std::unique_ptr<T, Destroy>;

py::dict toDict(const QuadrilleDiagnostic &diagnostic, py::list notes) {
  static constexpr const char *severities[] = {"error", "warning", "remark", "note"};
  return py::dict("severity"_a = severities[diagnostic.severity],
                  "message"_a = toText(diagnostic.message), "file"_a = toText(diagnostic.file),
                  "line"_a = diagnostic.line, "column"_a = diagnostic.column, "notes"_a = notes);
}

py::list diagnosticsOf(const QuadrilleCompileResult *result) {
  py::list list;
  for (size_t i = 0; i < quadrilleCompileResultGetNumDiagnostics(result); ++i) {
    QuadrilleDiagnostic diagnostic = quadrilleCompileResultGetDiagnostic(result, i);
    py::list notes;
    for (size_t n = 0; n < diagnostic.numNotes; ++n)
      notes.append(toDict(quadrilleCompileResultGetNote(result, i, n), py::list()));
    list.append(toDict(diagnostic, notes));
  }
  return list;
}

py::dict toDict(const QuadrilleCompileResult *result, bool text) {
  static constexpr const char *failures[] = {"", "invalid", "crash", "timeout", "unavailable"};
  py::dict metadata, timings;
  for (size_t i = 0; i < quadrilleCompileResultGetNumMetadata(result); ++i) {
    QuadrilleOption item = quadrilleCompileResultGetMetadata(result, i);
    metadata[toText(item.key)] = toText(item.value);
  }
  for (size_t i = 0; i < quadrilleCompileResultGetNumTimings(result); ++i) {
    QuadrilleTiming timing = quadrilleCompileResultGetTiming(result, i);
    timings[toText(timing.phase)] = timing.seconds;
  }
  QuadrilleStringRef output = quadrilleCompileResultGetOutput(result);
  return py::dict("failure"_a = failures[quadrilleCompileResultGetFailure(result)],
                  "diagnostics"_a = diagnosticsOf(result),
                  "output"_a =
                      text ? py::object(toText(output)) : py::bytes(output.data, output.length),
                  "schedule"_a = toText(quadrilleCompileResultGetSchedule(result)),
                  "metadata"_a = metadata, "timings"_a = timings,
                  // What a dying process wrote need not be UTF-8.
                  "log"_a = py::bytes(toView(quadrilleCompileResultGetLog(result)))
                                .attr("decode")("utf-8", "replace"),
                  "reproducer"_a = toText(quadrilleCompileResultGetReproducer(result)),
                  "cached"_a = quadrilleCompileResultWasCached(result));
}

class Compiler {
public:
  Compiler(const std::string &helper, const std::optional<std::string> &cacheDirectory,
           const std::string &reproducerDirectory, double timeout, uint64_t cacheBytes,
           unsigned maxHelpers) {
    QuadrilleCompilerOptions options = quadrilleCompilerOptionsGetDefault();
    options.helper = toRef(helper);
    if (cacheDirectory)
      options.cacheDirectory = toRef(*cacheDirectory);
    options.reproducerDirectory = toRef(reproducerDirectory);
    options.timeoutSeconds = timeout;
    options.cacheBytes = cacheBytes;
    options.maxHelpers = maxHelpers;
    compiler.reset(quadrilleCompilerCreate(&options));
  }

  py::dict compile(const std::string &module, const std::string &target, const std::string &stage,
                   const std::map<std::string, std::string> &options) {
    std::vector<QuadrilleOption> items;
    for (const auto &[key, value] : options)
      items.push_back({toRef(key), toRef(value)});
    Handle<QuadrilleCompileResult> result;
    {
      py::gil_scoped_release release;
      result.reset(quadrilleCompile(compiler.get(), toRef(module), toRef(target), toRef(stage),
                                    items.data(), items.size()));
    }
    return toDict(result.get(), /*text=*/stage != "object");
  }

  void warmUp() { quadrilleCompilerWarmUp(compiler.get()); }

  py::dict statistics() const {
    QuadrilleCompilerStatistics s = quadrilleCompilerGetStatistics(compiler.get());
    return py::dict("compilations"_a = s.compilations, "cache_hits"_a = s.cacheHits,
                    "helpers_started"_a = s.helpersStarted, "helpers_lost"_a = s.helpersLost,
                    "helper_start_seconds"_a = s.helperStartSeconds);
  }

private:
  Handle<QuadrilleCompiler> compiler;
};

py::tuple resolveTarget(const std::string &name) {
  QuadrilleStringRef cpu, features;
  check(quadrilleResolveTarget(toRef(name), &cpu, &features));
  return py::make_tuple(toText(cpu), toText(features));
}

void bindCompiler(py::module_ &module) {
  QuadrilleCompilerOptions defaults = quadrilleCompilerOptionsGetDefault();
  py::class_<Compiler>(module, "Compiler", R"(Compiles in helper processes, with a cache on disk.

Args:
    helper: path of quadrille-compiler; "": QUADRILLE_COMPILER, else beside this package.
    cache_dir: directory of the cache; None: QUADRILLE_CACHE_DIR, else the user's; "": no cache.
    reproducer_dir: where reproducers go; "": QUADRILLE_REPRODUCER_DIR, else the temporary directory.
    timeout: seconds that one compilation may take.
    cache_bytes: size at which the least recently used entries go; 0: no limit.
    max_helpers: processes at once.

Safe to use from several threads; no process starts before the first use.)")
      .def(py::init<const std::string &, const std::optional<std::string> &, const std::string &,
                    double, uint64_t, unsigned>(),
           py::kw_only(), "helper"_a = "", "cache_dir"_a = py::none(), "reproducer_dir"_a = "",
           "timeout"_a = defaults.timeoutSeconds, "cache_bytes"_a = defaults.cacheBytes,
           "max_helpers"_a = defaults.maxHelpers)
      .def("compile", &Compiler::compile, "module"_a, "target"_a, "stage"_a,
           "options"_a = std::map<std::string, std::string>(),
           R"(Compiles MLIR text for `target` up to `stage`: quad, tile, llvm, asm or object.

Returns a dict; it raises nothing for a failed compilation:
    failure: "" or "invalid" (see diagnostics), "crash", "timeout", "unavailable".
    diagnostics: list of {severity, message, file, line, column, notes}; severity is error, warning,
        remark or note; line and column count from 1, file is "" without a location.
    output: bytes for stage object, else str.
    schedule: how to run an object, for Program.
    metadata: dict of strings. timings: seconds by phase.
    log: what the compiler printed. reproducer: path of a file, after a crash or a time-out.
    cached: whether this came from the disk cache.)")
      .def("warm_up", &Compiler::warmUp, "Starts a helper in the background.")
      .def(
          "statistics", &Compiler::statistics,
          "dict of compilations, cache_hits, helpers_started, helpers_lost, helper_start_seconds.");
}

} // namespace

void bindRuntime(py::module_ &module) {
  py::module_ runtime = module.def_submodule("runtime", "Compiling and running (libquadrille).");
  py::register_exception<DeviceFailure>(runtime, "DeviceError", PyExc_RuntimeError);
  bindCompiler(runtime);
  bindProgram(runtime);
  runtime.def(
      "fingerprint", [] { return toText(quadrilleGetFingerprint()); },
      "Version, build id and LLVM version of the compiler.");
  runtime.def("resolve_target", &resolveTarget, "name"_a,
              "(CPU, features) of a target in LLVM's names; ValueError for an unknown one.");
  runtime.def(
      "check_runs_here", [](const std::string &n) { check(quadrilleCheckRunsHere(toRef(n))); },
      "name"_a, "ValueError unless code for this host target runs on this machine.");
  runtime.def("num_threads", &quadrilleGetNumThreads,
              "Threads of a large run: QUADRILLE_NUM_THREADS, else the CPUs of the process.");
}
