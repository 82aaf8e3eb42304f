//===- Ptxas.cpp - NVIDIA's assembler, if it is there ---------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/NVVM/Ptxas.h"
#include "../ScratchDirectory.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

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

Expected<std::string> assemblePTX(StringRef ptx, StringRef arch, StringRef ptxas,
                                  std::string &log) {
  Expected<ScratchDirectory> scratch = ScratchDirectory::create("quadrille-ptxas");
  if (!scratch)
    return scratch.takeError();
  std::string input = scratch->path("code.ptx"), output = scratch->path("code.cubin"),
              said = scratch->path("log");
  if (Error error = writeFile(input, ptx))
    return error;
  std::string target = ("--gpu-name=" + arch).str();
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(said), StringRef(said)};
  std::string reason;
  auto run = [&](ArrayRef<StringRef> more) {
    SmallVector<StringRef> arguments = {ptxas, target, "--verbose", input, "--output-file", output};
    llvm::append_range(arguments, more);
    int status = sys::ExecuteAndWait(ptxas, arguments, /*Env=*/std::nullopt, redirects,
                                     /*SecondsToWait=*/0, /*MemoryLimit=*/0, &reason);
    if (Expected<std::string> text = readFile(said))
      log = std::move(*text);
    else
      consumeError(text.takeError());
    return status;
  };
  // Kernels on all processors, which ptxas can since CUDA 12.1.
  constexpr StringLiteral parallel = "--split-compile=0";
  int status = run(parallel);
  if (status != 0 && StringRef(log).contains("split-compile"))
    status = run({});
  if (status != 0)
    return createStringError(ptxas + " refuses the code for " + arch + ": " +
                             (reason.empty() ? "" : reason + "; ") + StringRef(log).trim());
  return readFile(output);
}

} // namespace quadrille
