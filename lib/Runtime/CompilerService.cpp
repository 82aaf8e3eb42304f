//===- CompilerService.cpp - The helper process's side --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/CompilerService.h"
#include "quadrille/Runtime/Message.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <csignal>
#include <poll.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

using namespace llvm;

namespace quadrille::runtime {

/// Ends this process when the other end of `fd` goes away, even in the middle
/// of a long compilation that nobody waits for any more.
static void exitWithPeer(int fd) {
  std::thread([fd] {
    pollfd descriptor = {fd, POLLRDHUP, 0};
    while (poll(&descriptor, 1, -1) < 0 && errno == EINTR) {
    }
    _exit(0);
  }).detach();
}

static int serve(int fd, const CompileFunction &compile) {
  // An interrupt at the terminal is the client's to handle, and an abort is
  // reported by the client: no core file.
  std::signal(SIGINT, SIG_IGN);
  rlimit noCore = {0, 0};
  setrlimit(RLIMIT_CORE, &noCore);
  exitWithPeer(fd);

  Hello hello;
  hello.protocol = Hello::currentProtocol;
  hello.fingerprint = compilerFingerprint();
  hello.readyTime =
      std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  if (sendFrame(fd, encode(hello)) != IOStatus::Done)
    return 1;
  std::string message;
  while (receiveFrame(fd, message) == IOStatus::Done) {
    CompileRequest request;
    if (!decode(message, request))
      return 1;
    CompileResult result;
    compile(request, result);
    outs().flush();
    if (sendFrame(fd, encode(result)) != IOStatus::Done)
      break;
  }
  return 0;
}

static StringRef severityName(Severity severity) {
  static constexpr StringLiteral names[] = {"error", "warning", "remark", "note"};
  return names[static_cast<unsigned>(severity)];
}

static void print(raw_ostream &os, const Diagnostic &diagnostic) {
  if (!diagnostic.file.empty())
    os << diagnostic.file << ":" << diagnostic.line << ":" << diagnostic.column << ": ";
  os << severityName(diagnostic.severity) << ": " << diagnostic.message << "\n";
  for (const Diagnostic &note : diagnostic.notes)
    print(os, note);
}

static int replay(StringRef path, const CompileFunction &compile) {
  auto buffer = MemoryBuffer::getFileOrSTDIN(path);
  if (!buffer) {
    errs() << "error: cannot read " << path << ": " << buffer.getError().message() << "\n";
    return 1;
  }
  CompileRequest request;
  if (!fromReproducer((*buffer)->getBuffer(), request)) {
    errs() << "error: " << path << " is not a reproducer of quadrille\n";
    return 1;
  }
  CompileResult result;
  bool succeeded = compile(request, result);
  for (const Diagnostic &diagnostic : result.diagnostics)
    print(errs(), diagnostic);
  outs() << result.output;
  return succeeded ? 0 : 1;
}

int compilerMain(int argc, const char *const *argv, const CompileFunction &compile) {
  ArrayRef<const char *> arguments(argv + 1, argc > 1 ? argc - 1 : 0);
  StringRef command = arguments.empty() ? "" : arguments.front();
  int fd;
  if (command == "--serve" && arguments.size() == 2 && to_integer(arguments[1], fd))
    return serve(fd, compile);
  if (command == "--replay" && arguments.size() == 2)
    return replay(arguments[1], compile);
  if (command == "--version" && arguments.size() == 1) {
    outs() << compilerFingerprint() << "\n";
    return 0;
  }
  errs() << "usage: quadrille-compiler --replay FILE | --version | --serve FD\n";
  return 2;
}

} // namespace quadrille::runtime
