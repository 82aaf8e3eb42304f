//===- DiskCache.cpp - Compiled programs on disk --------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/DiskCache.h"
#include "quadrille/Runtime/Message.h"
#include "quadrille/Target/TargetSpec.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CachePruning.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/SHA256.h"

using namespace llvm;

namespace quadrille::runtime {

static constexpr StringLiteral magic = "QDRCACH1";
static constexpr size_t digestSize = 32;
/// pruneCache touches only files with this prefix.
static constexpr StringLiteral entryPrefix = "llvmcache-";

DiskCache::DiskCache(std::string directory, uint64_t maxBytes)
    : directory(std::move(directory)), maxBytes(maxBytes) {}

std::string DiskCache::key(const CompileRequest &request, const std::string &fingerprint) {
  SHA256 hash;
  hash.update(encode(request));
  hash.update(fingerprint);
  // An unknown target is an error of the compilation, not of the cache.
  if (Expected<TargetSpec> target = resolveTarget(request.target))
    hash.update(target->fingerprint());
  else
    consumeError(target.takeError());
  return toHex(hash.final(), /*LowerCase=*/true);
}

std::string DiskCache::keyOf(ArrayRef<StringRef> parts) {
  SHA256 hash;
  for (StringRef part : parts) {
    hash.update(std::to_string(part.size()) + ":"); // where one ends
    hash.update(part);
  }
  return toHex(hash.final(), /*LowerCase=*/true);
}

std::string DiskCache::entryPath(const std::string &key) const {
  SmallString<256> path(directory);
  sys::path::append(path, entryPrefix + key);
  return path.str().str();
}

static std::array<uint8_t, digestSize> digest(StringRef key, StringRef payload) {
  SHA256 hash;
  hash.update(key);
  hash.update(payload);
  return hash.final();
}

/// The result in `entry`, if it is whole and belongs to `key`.
static std::optional<CompileResult> parseEntry(StringRef entry, StringRef key) {
  if (!entry.consume_front(magic) || entry.size() < digestSize)
    return std::nullopt;
  StringRef expected = entry.take_front(digestSize);
  StringRef payload = entry.drop_front(digestSize);
  CompileResult result;
  if (toStringRef(digest(key, payload)) != expected || !decode(payload, result))
    return std::nullopt;
  return result;
}

std::optional<CompileResult> DiskCache::lookup(const std::string &key) const {
  if (directory.empty())
    return std::nullopt;
  std::string path = entryPath(key);
  Expected<sys::fs::file_t> file = sys::fs::openNativeFileForRead(path);
  if (!file) {
    consumeError(file.takeError());
    return std::nullopt;
  }
  auto buffer = MemoryBuffer::getOpenFile(*file, path, /*FileSize=*/-1,
                                          /*RequiresNullTerminator=*/false, /*IsVolatile=*/true);
  // Pruning goes by access time, which many mounts do not keep.
  (void)sys::fs::setLastAccessAndModificationTime(*file, std::chrono::system_clock::now());
  sys::fs::closeFile(*file);
  if (!buffer)
    return std::nullopt;
  std::optional<CompileResult> result = parseEntry((*buffer)->getBuffer(), key);
  if (!result)
    sys::fs::remove(path);
  return result;
}

/// Writes a whole file at `path` or nothing. Not by sys::fs::TempFile, which
/// would install LLVM's signal handlers in the user's process.
static std::error_code writeAtomically(const Twine &path, const Twine &model,
                                       ArrayRef<StringRef> parts) {
  int fd;
  SmallString<256> temporary;
  if (std::error_code error = sys::fs::createUniqueFile(model, fd, temporary))
    return error;
  raw_fd_ostream stream(fd, /*shouldClose=*/true);
  for (StringRef part : parts)
    stream << part;
  stream.close();
  std::error_code error = stream.error();
  stream.clear_error();
  if (!error)
    error = sys::fs::rename(temporary, path);
  if (error)
    sys::fs::remove(temporary);
  return error;
}

bool DiskCache::store(const std::string &key, const CompileResult &result) const {
  std::string payload = encode(result);
  auto checksum = digest(key, payload);
  if (directory.empty() || sys::fs::create_directories(directory))
    return false;
  // The prefix lets pruning remove what a killed process leaves behind.
  std::string model = directory + "/" + entryPrefix.str() + "tmp-%%%%%%%%%%%%";
  if (writeAtomically(entryPath(key), model, {magic, toStringRef(checksum), payload}))
    return false;
  prune();
  return true;
}

void DiskCache::prune() const {
  CachePruningPolicy policy;
  policy.MaxSizeBytes = maxBytes;
  policy.Expiration = std::chrono::hours(24 * 90);
  pruneCache(directory, policy);
}

std::string DiskCache::defaultDirectory() {
  if (std::optional<std::string> directory = sys::Process::GetEnv("QUADRILLE_CACHE_DIR"))
    return *directory;
  SmallString<256> directory;
  if (!sys::path::cache_directory(directory))
    return "";
  sys::path::append(directory, "quadrille");
  return directory.str().str();
}

} // namespace quadrille::runtime
