//===- ScratchDirectory.cpp - Files for tools that need them --------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ScratchDirectory.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace quadrille {

Expected<ScratchDirectory> ScratchDirectory::create(StringRef prefix) {
  SmallString<128> path;
  if (std::error_code error = sys::fs::createUniqueDirectory(prefix, path))
    return createStringError(error, "cannot make a temporary directory " + prefix);
  return ScratchDirectory(path.str().str());
}

ScratchDirectory::~ScratchDirectory() {
  if (!directory.empty())
    sys::fs::remove_directories(directory);
}

Error writeFile(const std::string &path, StringRef bytes) {
  std::error_code error;
  raw_fd_ostream stream(path, error);
  stream << bytes;
  stream.close();
  if (!error)
    error = stream.error();
  stream.clear_error();
  return error ? createStringError(error, "cannot write " + path) : Error::success();
}

Expected<std::string> readFile(const std::string &path) {
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return createStringError(buffer.getError(), "cannot read " + path);
  return (*buffer)->getBuffer().str();
}

} // namespace quadrille
