//===- HelperProcess.cpp - A running quadrille-compiler -------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "HelperProcess.h"
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace llvm;

namespace quadrille::runtime {

UniqueFD &UniqueFD::operator=(UniqueFD &&other) {
  std::swap(fd, other.fd);
  return *this;
}

UniqueFD::~UniqueFD() {
  if (fd >= 0)
    close(fd);
}

int UniqueFD::release() { return std::exchange(fd, -1); }

static Error systemError(const Twine &what, int code) {
  return createStringError(what + ": " + strerror(code));
}

/// `fd` under a number that cannot be one of the child's 0 to 3, closed on exec.
static UniqueFD moveUp(UniqueFD fd) { return UniqueFD(fcntl(fd.get(), F_DUPFD_CLOEXEC, 10)); }

/// Spawns `path --serve 3` with `socket` as 3, and standard output and error
/// going to `output`. Signals are those of a new process, whatever the client
/// has blocked or ignored.
static Expected<pid_t> spawn(const std::string &path, int socket, int output) {
  constexpr int childSocket = 3;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&files, socket, childSocket);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::string socketText = std::to_string(childSocket);
  const char *argv[] = {path.c_str(), "--serve", socketText.c_str(), nullptr};
  pid_t pid = -1;
  int code = posix_spawn(&pid, path.c_str(), &files, &attributes, const_cast<char *const *>(argv),
                         environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (code)
    return systemError("cannot start " + path, code);
  return pid;
}

Expected<std::unique_ptr<HelperProcess>> HelperProcess::start(const std::string &path) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
    return systemError("cannot create a socket", errno);
  UniqueFD ours = moveUp(UniqueFD(ends[0]));
  UniqueFD theirs = moveUp(UniqueFD(ends[1]));
  // Memory, not a pipe: nobody has to read it while the helper works.
  UniqueFD output = moveUp(UniqueFD(memfd_create("quadrille-compiler", MFD_CLOEXEC)));
  if (ours.get() < 0 || theirs.get() < 0 || output.get() < 0 ||
      fcntl(output.get(), F_SETFL, O_APPEND) < 0)
    return systemError("cannot create descriptors for a helper process", errno);
  Expected<pid_t> pid = spawn(path, theirs.get(), output.get());
  if (!pid)
    return pid.takeError();
  return std::unique_ptr<HelperProcess>(
      new HelperProcess(*pid, std::move(ours), std::move(output)));
}

HelperProcess::HelperProcess(pid_t pid, UniqueFD socket, UniqueFD output)
    : pid(pid), owner(getpid()), socket(std::move(socket)), output(std::move(output)),
      started(std::chrono::steady_clock::now()) {}

HelperProcess::~HelperProcess() {
  if (getpid() == owner)
    terminate();
}

IOStatus HelperProcess::receiveHello(Deadline deadline) {
  std::string message;
  if (IOStatus status = receiveFrame(socket.get(), message, deadline); status != IOStatus::Done)
    return status;
  if (!decode(message, hello) || hello.protocol != Hello::currentProtocol)
    return IOStatus::Closed;
  std::chrono::steady_clock::time_point ready{std::chrono::nanoseconds(hello.readyTime)};
  startTime = std::chrono::duration<double>(ready - started).count();
  return IOStatus::Done;
}

IOStatus HelperProcess::exchange(StringRef request, std::string &response, Deadline deadline) {
  if (hello.protocol == 0)
    if (IOStatus status = receiveHello(deadline); status != IOStatus::Done)
      return status;
  IOStatus status = sendFrame(socket.get(), request, deadline);
  return status == IOStatus::Done ? receiveFrame(socket.get(), response, deadline) : status;
}

bool HelperProcess::isAlive() const {
  pollfd descriptor = {socket.get(), POLLRDHUP, 0};
  return getpid() == owner && pid > 0 && poll(&descriptor, 1, 0) == 0;
}

std::string HelperProcess::terminate() {
  if (pid <= 0)
    return "ended";
  // One that closed its socket is ending by itself: its own status says why.
  if (isAlive())
    kill(pid, SIGKILL);
  int status = 0;
  pid_t reaped;
  while ((reaped = waitpid(pid, &status, 0)) < 0 && errno == EINTR) {
  }
  bool known = reaped == std::exchange(pid, -1);
  if (known && WIFSIGNALED(status))
    return (Twine("signal ") + Twine(WTERMSIG(status)) + ", " + strsignal(WTERMSIG(status))).str();
  if (known && WIFEXITED(status))
    return (Twine("exit status ") + Twine(WEXITSTATUS(status))).str();
  return "ended";
}

std::string HelperProcess::takeOutput() {
  off_t size = lseek(output.get(), 0, SEEK_END);
  std::string text(std::max<off_t>(size, 0), '\0');
  ssize_t length = pread(output.get(), text.data(), text.size(), 0);
  text.resize(std::max<ssize_t>(length, 0));
  [[maybe_unused]] int status = ftruncate(output.get(), 0);
  return text;
}

} // namespace quadrille::runtime
