//===- DiskCache.h - Compiled programs on disk -----------------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One file an entry, named after the SHA-256 of everything that determines it.
// Files appear by rename and carry a checksum: a torn, truncated or altered one
// is a miss (and is deleted), never used. Any number of processes may share a
// directory. Old entries are removed, least recently used first, by LLVM's
// cache pruning.
//
// File: the 8 bytes "QDRCACH1"; SHA-256 (32 bytes) of key and payload; payload:
// the result as a message (Runtime/Message.h).
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_RUNTIME_DISKCACHE_H
#define QUADRILLE_RUNTIME_DISKCACHE_H

#include "quadrille/Target/Compile.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>

namespace quadrille::runtime {

class DiskCache {
public:
  /// A cache in `directory`, created when first written to, of at most
  /// `maxBytes` (0: no limit).
  DiskCache(std::string directory, uint64_t maxBytes);

  /// The key of `request` as compiled by the compiler of that fingerprint: 64
  /// hexadecimal digits. "host" stands for the features of the running CPU.
  static std::string key(const CompileRequest &request, const std::string &fingerprint);

  /// The key of anything else: of `parts`, in that order.
  static std::string keyOf(llvm::ArrayRef<llvm::StringRef> parts);

  std::optional<CompileResult> lookup(const std::string &key) const;

  /// Errors (a full disk, no permission) are ignored: the entry is compiled
  /// again next time. Returns whether it was stored.
  bool store(const std::string &key, const CompileResult &result) const;

  std::string entryPath(const std::string &key) const;

  /// QUADRILLE_CACHE_DIR, else "quadrille" in the user's cache directory
  /// ($XDG_CACHE_HOME, ~/.cache). Empty, thus no cache, if the variable is set
  /// to nothing or there is no home.
  static std::string defaultDirectory();

  /// The cache there, of the default size; it never finds anything if there is
  /// no directory.
  static DiskCache standard() { return DiskCache(defaultDirectory(), defaultBytes); }
  static constexpr uint64_t defaultBytes = uint64_t(1) << 30;

private:
  void prune() const;

  std::string directory;
  uint64_t maxBytes;
};

} // namespace quadrille::runtime

#endif // QUADRILLE_RUNTIME_DISKCACHE_H
