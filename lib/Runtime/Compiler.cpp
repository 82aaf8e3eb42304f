//===- Compiler.cpp - The compiler, at a safe distance --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/Compiler.h"
#include "HelperProcess.h"
#include "quadrille/Target/NVVM/Ptxas.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <condition_variable>
#include <dlfcn.h>
#include <mutex>
#include <unistd.h>

using namespace llvm;

namespace quadrille::runtime {

//===----------------------------------------------------------------------===//
// Where things are
//===----------------------------------------------------------------------===//

/// quadrille-compiler as seen from the directory of this library: beside it (a
/// wheel), or in an installation or build tree.
static constexpr StringLiteral helperPlaces[] = {"quadrille-compiler", "../bin/quadrille-compiler",
                                                 "../libexec/quadrille-compiler"};

static Expected<std::string> findHelper() {
  if (std::optional<std::string> path = sys::Process::GetEnv("QUADRILLE_COMPILER"))
    return *path;
  Dl_info library;
  SmallString<256> real;
  if (!dladdr(reinterpret_cast<void *>(&findHelper), &library) ||
      sys::fs::real_path(library.dli_fname, real))
    return createStringError("cannot find the directory of the quadrille library");
  StringRef directory = sys::path::parent_path(real);
  for (StringRef place : helperPlaces) {
    SmallString<256> candidate(directory);
    sys::path::append(candidate, place);
    if (sys::fs::can_execute(candidate))
      return candidate.str().str();
  }
  return createStringError("cannot find quadrille-compiler from " + directory +
                           "; set QUADRILLE_COMPILER to its path");
}

static std::string reproducerDirectory(const CompilerOptions &options) {
  if (!options.reproducerDirectory.empty())
    return options.reproducerDirectory;
  if (std::optional<std::string> directory = sys::Process::GetEnv("QUADRILLE_REPRODUCER_DIR"))
    return *directory;
  SmallString<128> temporary;
  sys::path::system_temp_directory(/*ErasedOnReboot=*/true, temporary);
  return temporary.str().str();
}

//===----------------------------------------------------------------------===//
// Pool
//===----------------------------------------------------------------------===//

class Compiler::Pool {
public:
  explicit Pool(CompilerOptions options)
      : options(std::move(options)), cache(this->options.cacheDirectory, this->options.cacheBytes) {
  }

  CompileResult compile(const CompileRequest &request, bool &cached);
  void warmUp();
  CompilerStatistics getStatistics();

private:
  CompileResult compileUncached(const CompileRequest &request, std::string &fingerprint);
  CompileResult describeLoss(const CompileRequest &request, HelperProcess &helper, IOStatus status);

  Expected<std::unique_ptr<HelperProcess>> acquire();
  void release(std::unique_ptr<HelperProcess> helper, bool usable);
  Expected<std::unique_ptr<HelperProcess>> startHelper();
  void adoptAfterFork();

  const CompilerOptions options;
  const DiskCache cache;

  std::mutex mutex;
  std::condition_variable released;
  std::vector<std::unique_ptr<HelperProcess>> idle;
  unsigned busy = 0;
  pid_t owner = getpid();
  CompilerStatistics statistics;
};

/// The child of a fork shares its parent's sockets but must not talk on them.
void Compiler::Pool::adoptAfterFork() {
  if (std::exchange(owner, getpid()) == getpid())
    return;
  idle.clear();
  busy = 0;
}

Expected<std::unique_ptr<HelperProcess>> Compiler::Pool::startHelper() {
  Expected<std::string> path =
      options.helper.empty() ? findHelper() : Expected<std::string>(options.helper);
  if (!path)
    return path.takeError();
  ++statistics.helpersStarted;
  return HelperProcess::start(*path);
}

Expected<std::unique_ptr<HelperProcess>> Compiler::Pool::acquire() {
  std::unique_lock lock(mutex);
  adoptAfterFork();
  released.wait(lock, [&] { return busy < std::max(options.maxHelpers, 1u); });
  while (!idle.empty()) {
    std::unique_ptr<HelperProcess> helper = std::move(idle.back());
    idle.pop_back();
    if (!helper->isAlive())
      continue;
    ++busy;
    return helper;
  }
  Expected<std::unique_ptr<HelperProcess>> helper = startHelper();
  busy += static_cast<bool>(helper);
  return helper;
}

void Compiler::Pool::release(std::unique_ptr<HelperProcess> helper, bool usable) {
  {
    std::lock_guard lock(mutex);
    --busy;
    ++statistics.compilations;
    statistics.helpersLost += !usable;
    statistics.helperStartSeconds = helper->startSeconds();
    if (usable)
      idle.push_back(std::move(helper));
  }
  released.notify_one();
}

void Compiler::Pool::warmUp() {
  std::lock_guard lock(mutex);
  adoptAfterFork();
  if (!idle.empty() || busy)
    return;
  // A failure to start is reported by the first compilation.
  if (Expected<std::unique_ptr<HelperProcess>> helper = startHelper())
    idle.push_back(std::move(*helper));
  else
    consumeError(helper.takeError());
}

CompilerStatistics Compiler::Pool::getStatistics() {
  std::lock_guard lock(mutex);
  return statistics;
}

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

static CompileResult failedResult(Failure failure, const Twine &message) {
  CompileResult result;
  result.failure = failure;
  Diagnostic diagnostic;
  diagnostic.message = message.str();
  result.diagnostics.push_back(std::move(diagnostic));
  return result;
}

/// Writes a reproducer; its path, or empty if that did not work.
static std::string writeReproducer(const CompilerOptions &options, const CompileRequest &request,
                                   StringRef reason) {
  SmallString<256> model(reproducerDirectory(options)), path;
  sys::path::append(model, "quadrille-reproducer-%%%%%%%%.mlir");
  sys::fs::create_directories(sys::path::parent_path(model));
  int fd;
  if (sys::fs::createUniqueFile(model, fd, path))
    return "";
  raw_fd_ostream stream(fd, /*shouldClose=*/true);
  stream << toReproducer(request, reason);
  stream.close();
  bool failed = stream.has_error();
  stream.clear_error();
  return failed ? "" : path.str().str();
}

/// The line of a dying LLVM that says why; otherwise its last line.
static StringRef lastWords(StringRef log) {
  StringRef words;
  for (StringRef line : llvm::split(log.rtrim(), '\n')) {
    if (line.starts_with("LLVM ERROR:"))
      return line;
    words = line;
  }
  return words;
}

CompileResult Compiler::Pool::describeLoss(const CompileRequest &request, HelperProcess &helper,
                                           IOStatus status) {
  bool timedOut = status == IOStatus::TimedOut;
  std::string end = helper.terminate();
  std::string log = helper.takeOutput();
  std::string message =
      timedOut ? formatv("the compiler did not finish within {0} s", options.timeout).str()
               : "the compiler crashed (" + end + ")";
  if (StringRef words = lastWords(log); !words.empty())
    message += ": " + words.str();
  CompileResult result = failedResult(timedOut ? Failure::Timeout : Failure::Crash, message);
  result.reproducer = writeReproducer(options, request, message);
  result.log = std::move(log);
  return result;
}

CompileResult Compiler::Pool::compileUncached(const CompileRequest &request,
                                              std::string &fingerprint) {
  Expected<std::unique_ptr<HelperProcess>> helper = acquire();
  if (!helper)
    return failedResult(Failure::Unavailable, toString(helper.takeError()));
  auto deadline = std::chrono::steady_clock::now() +
                  std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                      std::chrono::duration<double>(options.timeout));
  std::string response;
  IOStatus status = (*helper)->exchange(encode(request), response, deadline);
  CompileResult result;
  if (status == IOStatus::Done && !decode(response, result))
    status = IOStatus::Closed;
  if (status == IOStatus::Done)
    result.log = (*helper)->takeOutput();
  else
    result = describeLoss(request, **helper, status);
  fingerprint = (*helper)->fingerprint();
  release(std::move(*helper), status == IOStatus::Done);
  return result;
}

CompileResult Compiler::Pool::compile(const CompileRequest &request, bool &cached) {
  cached = false;
  if (options.cacheDirectory.empty()) {
    std::string fingerprint;
    return compileUncached(request, fingerprint);
  }
  std::string key =
      DiskCache::key(request, compilerFingerprint() + ptxasFingerprint(request.option("ptxas")));
  if (std::optional<CompileResult> found = cache.lookup(key)) {
    std::lock_guard lock(mutex);
    ++statistics.cacheHits;
    cached = true;
    return std::move(*found);
  }
  std::string fingerprint;
  CompileResult result = compileUncached(request, fingerprint);
  // A helper of another build may compile differently: its results are used,
  // but not kept under our name.
  if (result.succeeded() && fingerprint == compilerFingerprint())
    cache.store(key, result);
  return result;
}

Compiler::Compiler(CompilerOptions options) : pool(std::make_unique<Pool>(std::move(options))) {}
Compiler::~Compiler() = default;

/// The request with the assembler of NVIDIA's targets, unless it has one: the helper
/// and the cache's key must not depend on the environment.
static CompileRequest withAssembler(CompileRequest request) {
  bool isGiven = llvm::any_of(request.options, [](auto &o) { return o.first == "ptxas"; });
  if (request.stage == "object" && StringRef(request.target).starts_with("sm_") && !isGiven)
    request.options.emplace_back("ptxas", findPtxas());
  return request;
}

CompileResult Compiler::compile(const CompileRequest &request, bool *cached) {
  bool fromCache;
  CompileResult result = pool->compile(withAssembler(request), fromCache);
  if (cached)
    *cached = fromCache;
  return result;
}

void Compiler::warmUp() { pool->warmUp(); }
CompilerStatistics Compiler::statistics() const { return pool->getStatistics(); }

} // namespace quadrille::runtime
