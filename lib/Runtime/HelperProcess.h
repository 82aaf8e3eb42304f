//===- HelperProcess.h - A running quadrille-compiler ----------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_RUNTIME_HELPERPROCESS_H
#define QUADRILLE_LIB_RUNTIME_HELPERPROCESS_H

#include "quadrille/Runtime/Message.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <sys/types.h>

namespace quadrille::runtime {

/// A file descriptor that closes itself.
class UniqueFD {
public:
  explicit UniqueFD(int fd = -1) : fd(fd) {}
  UniqueFD(UniqueFD &&other) : fd(other.release()) {}
  UniqueFD &operator=(UniqueFD &&other);
  ~UniqueFD();

  int get() const { return fd; }
  int release();

private:
  int fd;
};

/// One helper and the client's end of its socket. Not thread-safe.
class HelperProcess {
public:
  /// Starts `path`. Returns at once; the helper gets ready in the background.
  static llvm::Expected<std::unique_ptr<HelperProcess>> start(const std::string &path);

  /// Ends the helper. After a fork, only the process that started it does.
  ~HelperProcess();

  /// Sends `request` and waits for the answer. If the status is not Done, the
  /// helper is of no further use.
  IOStatus exchange(llvm::StringRef request, std::string &response, Deadline deadline);

  /// True if it still waits for a request.
  bool isAlive() const;
  /// Kills and reaps it; says in words how it ended (by itself, if it had).
  std::string terminate();
  /// What it has printed since the last call.
  std::string takeOutput();

  /// From the start until it was ready; 0 before the first exchange.
  double startSeconds() const { return startTime; }
  /// Of the helper's compiler; empty before the first exchange.
  const std::string &fingerprint() const { return hello.fingerprint; }

private:
  HelperProcess(pid_t pid, UniqueFD socket, UniqueFD output);
  IOStatus receiveHello(Deadline deadline);

  pid_t pid;
  pid_t owner;
  UniqueFD socket;
  UniqueFD output;
  std::chrono::steady_clock::time_point started;
  double startTime = 0;
  Hello hello;
};

} // namespace quadrille::runtime

#endif // QUADRILLE_LIB_RUNTIME_HELPERPROCESS_H
