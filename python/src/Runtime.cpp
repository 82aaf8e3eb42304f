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
#include "quadrille-c/Compiler.h"
#include "quadrille-c/Program.h"
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace py::literals;

namespace {

QuadrilleStringRef toRef(std::string_view text) { return {text.data(), text.size()}; }
std::string_view toView(QuadrilleStringRef text) { return {text.data, text.length}; }
py::str toText(QuadrilleStringRef text) { return py::str(text.data, text.length); }

/// Throws ValueError with the error's message, if there is one.
void check(QuadrilleError *error) {
  if (!error)
    return;
  std::string message(toView(quadrilleErrorGetMessage(error)));
  quadrilleErrorDestroy(error);
  throw py::value_error(message);
}

//===----------------------------------------------------------------------===//
// Compiler
//===----------------------------------------------------------------------===//

struct Destroy {
  void operator()(QuadrilleCompiler *compiler) const { quadrilleCompilerDestroy(compiler); }
  void operator()(QuadrilleCompileResult *result) const { quadrilleCompileResultDestroy(result); }
  void operator()(QuadrilleProgram *program) const { quadrilleProgramDestroy(program); }
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

//===----------------------------------------------------------------------===//
// Program
//===----------------------------------------------------------------------===//

/// Python's side of one call: converts arguments without making Python objects
/// and holds what must live until the end.
class Call {
public:
  Call(const std::vector<QuadrilleArgumentDecl> &declarations, size_t totalRank)
      : declarations(declarations) {
    arguments.reserve(declarations.size());
    strides.reserve(totalRank); // never grows: `arguments` points into it
  }
  ~Call() {
    for (Py_buffer &buffer : buffers)
      PyBuffer_Release(&buffer);
  }

  void add(PyObject *object);

  const std::vector<QuadrilleArgument> &getArguments() const { return arguments; }
  /// Of all buffers: how much the call may read and write.
  uint64_t getBytes() const { return bytes; }

private:
  [[noreturn]] void fail(const std::string &message) const {
    throw py::value_error("argument " + std::to_string(arguments.size()) + " " + message);
  }
  void addArray(const QuadrilleArgumentDecl &declaration, const py::array &array);
  void addTuple(const QuadrilleArgumentDecl &declaration, const py::tuple &tuple);
  void addBuffer(const QuadrilleArgumentDecl &declaration, PyObject *object);
  void addMemory(const QuadrilleArgumentDecl &declaration, const void *data, py::ssize_t rank,
                 py::ssize_t itemSize, const py::ssize_t *sizes, const py::ssize_t *byteStrides);

  const std::vector<QuadrilleArgumentDecl> &declarations;
  std::vector<QuadrilleArgument> arguments;
  std::vector<int64_t> strides;
  std::vector<Py_buffer> buffers;
  std::deque<std::vector<int64_t>> shapes; ///< of tuples
  uint64_t bytes = 0;
};

static_assert(sizeof(py::ssize_t) == sizeof(int64_t));

void Call::addMemory(const QuadrilleArgumentDecl &declaration, const void *data, py::ssize_t rank,
                     py::ssize_t itemSize, const py::ssize_t *sizes,
                     const py::ssize_t *byteStrides) {
  if (rank != static_cast<py::ssize_t>(declaration.rank))
    fail("must have rank " + std::to_string(declaration.rank) + ", got " + std::to_string(rank));
  if (itemSize != static_cast<py::ssize_t>(declaration.itemSize))
    fail("must have elements of " + std::to_string(declaration.itemSize) + " bytes, got " +
         std::to_string(itemSize));
  int64_t *first = strides.data() + strides.size();
  uint64_t elements = 1;
  for (py::ssize_t d = 0; d < rank; ++d) {
    if (byteStrides[d] % itemSize)
      fail("has a stride that is not a multiple of its element");
    strides.push_back(byteStrides[d] / itemSize);
    elements *= sizes[d];
  }
  bytes += elements * itemSize;
  QuadrilleArgument argument = {};
  argument.kind = QuadrilleArgumentBuffer;
  argument.rank = declaration.rank;
  argument.data = const_cast<void *>(data);
  argument.sizes = reinterpret_cast<const int64_t *>(sizes);
  argument.strides = first;
  arguments.push_back(argument);
}

void Call::addArray(const QuadrilleArgumentDecl &declaration, const py::array &array) {
  if (declaration.isOut && !array.writeable())
    fail("is written to, but is a read-only array");
  addMemory(declaration, array.data(), array.ndim(), array.itemsize(), array.shape(),
            array.strides());
}

/// (address, sizes, strides in elements), whose meaning is the caller's word.
void Call::addTuple(const QuadrilleArgumentDecl &declaration, const py::tuple &tuple) {
  if (tuple.size() != 3)
    fail("must be (address, sizes, strides)");
  auto &sizes = shapes.emplace_back(tuple[1].cast<std::vector<int64_t>>());
  auto &steps = shapes.emplace_back(tuple[2].cast<std::vector<int64_t>>());
  if (sizes.size() != steps.size())
    fail("must have as many strides as sizes");
  for (int64_t &step : steps)
    step *= declaration.itemSize;
  addMemory(declaration, reinterpret_cast<void *>(tuple[0].cast<uintptr_t>()), sizes.size(),
            declaration.itemSize, sizes.data(), steps.data());
}

void Call::addBuffer(const QuadrilleArgumentDecl &declaration, PyObject *object) {
  Py_buffer buffer;
  if (PyObject_GetBuffer(object, &buffer, declaration.isOut ? PyBUF_STRIDED : PyBUF_STRIDED_RO))
    throw py::error_already_set();
  buffers.push_back(buffer);
  addMemory(declaration, buffer.buf, buffer.ndim, buffer.itemsize, buffer.shape, buffer.strides);
}

/// An integer in [-2^63, 2^64): keys use all 64 bits.
int64_t toInteger(PyObject *object) {
  int overflow = 0;
  int64_t value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow > 0)
    value = static_cast<int64_t>(
        PyLong_AsUnsignedLongLong(py::reinterpret_steal<py::object>(PyNumber_Index(object)).ptr()));
  if (overflow < 0)
    PyErr_SetString(PyExc_OverflowError, "integer below -2^63");
  if (PyErr_Occurred())
    throw py::error_already_set();
  return value;
}

void Call::add(PyObject *object) {
  const QuadrilleArgumentDecl &declaration = declarations[arguments.size()];
  if (declaration.kind != QuadrilleArgumentBuffer) {
    QuadrilleArgument argument = {};
    argument.kind = declaration.kind;
    if (declaration.kind == QuadrilleArgumentI64)
      argument.integer = toInteger(object);
    else
      argument.number = static_cast<float>(PyFloat_AsDouble(object));
    if (PyErr_Occurred())
      throw py::error_already_set();
    arguments.push_back(argument);
  } else if (py::isinstance<py::array>(object)) {
    addArray(declaration, py::reinterpret_borrow<py::array>(object));
  } else if (PyTuple_Check(object)) {
    addTuple(declaration, py::reinterpret_borrow<py::tuple>(object));
  } else {
    addBuffer(declaration, object);
  }
}

class Program {
public:
  Program(const py::bytes &object, const std::string &schedule, const std::string &target) {
    QuadrilleProgram *created = nullptr;
    check(quadrilleProgramCreate(toRef(std::string_view(object)), toRef(schedule), toRef(target),
                                 &created));
    program.reset(created);
    for (size_t i = 0; i < quadrilleProgramGetNumArguments(created); ++i) {
      declarations.push_back(quadrilleProgramGetArgument(created, i));
      totalRank += declarations.back().rank;
    }
  }

  QuadrilleRunStatistics run(const py::args &objects) const {
    if (objects.size() != declarations.size())
      throw py::value_error("expected " + std::to_string(declarations.size()) + " arguments, got " +
                            std::to_string(objects.size()));
    Call call(declarations, totalRank);
    for (size_t i = 0; i < declarations.size(); ++i)
      call.add(PyTuple_GET_ITEM(objects.ptr(), i));
    // Releasing the lock pays from about as much work as handing it over costs.
    constexpr uint64_t worthReleasing = 32 << 10;
    std::optional<py::gil_scoped_release> release;
    if (call.getBytes() >= worthReleasing)
      release.emplace();
    QuadrilleRunStatistics statistics = {};
    const auto &arguments = call.getArguments();
    QuadrilleError *error =
        quadrilleProgramRun(program.get(), arguments.data(), arguments.size(), &statistics);
    release.reset();
    check(error);
    return statistics;
  }

  py::list arguments() const {
    static constexpr const char *kinds[] = {"buffer", "i64", "f32"};
    py::list list;
    for (const QuadrilleArgumentDecl &d : declarations)
      list.append(py::dict("kind"_a = kinds[d.kind], "out"_a = d.isOut, "rank"_a = d.rank,
                           "itemsize"_a = d.itemSize));
    return list;
  }

private:
  Handle<QuadrilleProgram> program;
  std::vector<QuadrilleArgumentDecl> declarations;
  size_t totalRank = 0;
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

void bindProgram(py::module_ &module) {
  py::class_<Program>(module, "Program", R"(A compiled object, loaded into this process.

Args:
    object, schedule: output and schedule of a compilation of stage object.
    target: its target, a host; ValueError if this CPU lacks something of it.)")
      .def(py::init<const py::bytes &, const std::string &, const std::string &>(), "object"_a,
           "schedule"_a, "target"_a = "host")
      .def(
          "__call__", [](const Program &program, const py::args &args) { program.run(args); },
          R"(Runs once: the function's arguments in order, then a buffer for each result.

A buffer is a NumPy array, an object with the buffer protocol, or a tuple (address, sizes, strides in
elements); an i64 is an int in [-2^63, 2^64), an f32 a float. ValueError for a wrong rank, element size
or number, for a read-only result, and for what the program checks itself; then nothing was launched
after the failing check. Large runs use all threads and release the GIL.)")
      .def(
          "run",
          [](const Program &program, const py::args &args) {
            QuadrilleRunStatistics s = program.run(args);
            return py::dict("workspace_bytes"_a = s.workspaceBytes, "launches"_a = s.launches);
          },
          "As a call; returns a dict of workspace_bytes and launches.")
      .def_property_readonly("arguments", &Program::arguments,
                             "list of {kind: buffer|i64|f32, out, rank, itemsize}.");
}

} // namespace

void bindRuntime(py::module_ &module) {
  py::module_ runtime = module.def_submodule("runtime", "Compiling and running (libquadrille).");
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
