//===- CodeObject.cpp - What an AMD driver loads --------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/ROCDL/CodeObject.h"
#include "../ScratchDirectory.h"
#include "lld/Common/Driver.h"
#include "llvm/Support/raw_ostream.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace quadrille {

Expected<std::string> linkCodeObject(StringRef relocatable) {
  Expected<ScratchDirectory> scratch = ScratchDirectory::create("quadrille-lld");
  if (!scratch)
    return scratch.takeError();
  std::string input = scratch->path("code.o"), output = scratch->path("code.hsaco");
  if (Error error = writeFile(input, relocatable))
    return error;
  const char *arguments[] = {"ld.lld",       "-shared", "--no-undefined", "--threads=1",
                             input.c_str(), "-o",      output.c_str()};
  std::string said;
  raw_string_ostream stream(said);
  static std::mutex mutex; // lld's state is of the process
  std::lock_guard lock(mutex);
  lld::Result result = lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return createStringError("lld cannot link the code object: " + StringRef(said).trim());
  return readFile(output);
}

} // namespace quadrille
