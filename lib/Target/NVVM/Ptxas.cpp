//===- Ptxas.cpp - NVIDIA's assembler, if it is there ---------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/NVVM/Ptxas.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace quadrille {

std::string findPtxas() {
  if (std::optional<std::string> path = sys::Process::GetEnv("QUADRILLE_PTXAS"))
    return *path;
  if (ErrorOr<std::string> found = sys::findProgramByName("ptxas"))
    return *found;
  if (std::optional<std::string> home = sys::Process::GetEnv("CUDA_HOME"))
    if (ErrorOr<std::string> found = sys::findProgramByName("ptxas", {*home + "/bin"}))
      return *found;
  return "";
}

std::string ptxasFingerprint(StringRef path) {
  sys::fs::file_status status;
  if (path.empty() || sys::fs::status(path, status))
    return path.str();
  auto time = status.getLastModificationTime().time_since_epoch().count();
  return (path + " " + Twine(status.getSize()) + " " + Twine(time)).str();
}

static Error writeFile(const Twine &path, StringRef text) {
  std::error_code error;
  raw_fd_ostream stream(path.str(), error);
  stream << text;
  stream.close();
  if (!error)
    error = stream.error();
  stream.clear_error();
  return error ? createStringError(error, "cannot write " + path) : Error::success();
}

static Expected<std::string> readFile(const Twine &path) {
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return createStringError(buffer.getError(), "cannot read " + path);
  return (*buffer)->getBuffer().str();
}

Expected<std::string> assemblePTX(StringRef ptx, StringRef arch, StringRef ptxas,
                                  std::string &log) {
  SmallString<128> directory;
  if (std::error_code error = sys::fs::createUniqueDirectory("quadrille-ptxas", directory))
    return createStringError(error, "cannot make a temporary directory for ptxas");
  auto remove = make_scope_exit([&] { sys::fs::remove_directories(directory); });
  auto inside = [&](StringRef name) { return (directory + "/" + name).str(); };
  std::string input = inside("code.ptx"), output = inside("code.cubin"), said = inside("log");
  if (Error error = writeFile(input, ptx))
    return error;
  std::string target = ("--gpu-name=" + arch).str();
  StringRef arguments[] = {ptxas, target, "--verbose", input, "--output-file", output};
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(said), StringRef(said)};
  std::string reason;
  int status = sys::ExecuteAndWait(ptxas, arguments, /*Env=*/std::nullopt, redirects,
                                   /*SecondsToWait=*/0, /*MemoryLimit=*/0, &reason);
  if (Expected<std::string> text = readFile(said))
    log = std::move(*text);
  else
    consumeError(text.takeError());
  if (status != 0)
    return createStringError(ptxas + " refuses the code for " + arch + ": " +
                             (reason.empty() ? "" : reason + "; ") + StringRef(log).trim());
  return readFile(output);
}

} // namespace quadrille
