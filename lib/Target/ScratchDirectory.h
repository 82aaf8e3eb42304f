//===- ScratchDirectory.h - Files for tools that need them ------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_TARGET_SCRATCHDIRECTORY_H
#define QUADRILLE_LIB_TARGET_SCRATCHDIRECTORY_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace quadrille {

/// A directory of its own in the system's temporary one, removed with the object.
class ScratchDirectory {
public:
  /// Its name starts with `prefix`.
  static llvm::Expected<ScratchDirectory> create(llvm::StringRef prefix);
  ScratchDirectory(ScratchDirectory &&other) : directory(std::exchange(other.directory, "")) {}
  ScratchDirectory &operator=(ScratchDirectory &&) = delete;
  ~ScratchDirectory();

  /// The path of a file in it.
  std::string path(llvm::StringRef name) const { return directory + "/" + name.str(); }

private:
  explicit ScratchDirectory(std::string directory) : directory(std::move(directory)) {}

  std::string directory; ///< empty: moved away
};

llvm::Error writeFile(const std::string &path, llvm::StringRef bytes);
llvm::Expected<std::string> readFile(const std::string &path);

} // namespace quadrille

#endif // QUADRILLE_LIB_TARGET_SCRATCHDIRECTORY_H
