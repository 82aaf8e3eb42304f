//===- Message.h - Requests and results as bytes ---------------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Requests and results are MessagePack maps (https://msgpack.org) with the
// fields' names as keys: the same bytes on the helper's socket and in the disk
// cache. Seconds keep the digits of a float. On the socket a message is a frame:
// its length as 8 bytes, little endian, then the bytes.
//
// A request can also be written as a text file that quad-opt reads too: the
// module after a header of comments, one `// key: value` a line.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_RUNTIME_MESSAGE_H
#define QUADRILLE_RUNTIME_MESSAGE_H

#include "quadrille/Target/Compile.h"
#include "llvm/ADT/StringRef.h"
#include <chrono>
#include <optional>

namespace quadrille::runtime {

/// What a helper says first, so that a client never talks to another version.
struct Hello {
  static constexpr int64_t currentProtocol = 1;
  int64_t protocol = 0;
  std::string fingerprint; ///< of the compiler, see compilerFingerprint
  int64_t readyTime = 0;   ///< when it was ready: nanoseconds of steady_clock
};

std::string encode(const Hello &hello);
std::string encode(const CompileRequest &request);
std::string encode(const CompileResult &result);

/// False if `bytes` are not a whole message of that kind.
bool decode(llvm::StringRef bytes, Hello &hello);
bool decode(llvm::StringRef bytes, CompileRequest &request);
bool decode(llvm::StringRef bytes, CompileResult &result);

/// A request as a text file, and back. Read fails (false) without a complete
/// header.
std::string toReproducer(const CompileRequest &request, llvm::StringRef reason);
bool fromReproducer(llvm::StringRef text, CompileRequest &request);

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

enum class IOStatus { Done, Closed, TimedOut };

/// Sends or receives one frame on a stream socket, until `deadline` if given.
/// Closed: the other end is gone, or sent what cannot be a frame.
IOStatus sendFrame(int fd, llvm::StringRef message, Deadline deadline = {});
IOStatus receiveFrame(int fd, std::string &message, Deadline deadline = {});

/// Identifies the compiler in this process: version, build id of the binary
/// that contains it, version of LLVM. Part of every cache key.
const std::string &compilerFingerprint();

} // namespace quadrille::runtime

#endif // QUADRILLE_RUNTIME_MESSAGE_H
