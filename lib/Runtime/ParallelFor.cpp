//===- ParallelFor.cpp - Work for all threads -----------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ParallelFor.h"
#include "quadrille/Runtime/Device.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/ThreadPool.h"
#include <atomic>
#include <pthread.h>

using namespace llvm;

namespace quadrille::runtime {

unsigned numThreads() {
  static const unsigned count = [] {
    unsigned requested = 0;
    if (auto text = sys::Process::GetEnv("QUADRILLE_NUM_THREADS"))
      if (to_integer(*text, requested, 10) && requested > 0)
        return requested;
    return hardware_concurrency().compute_thread_count();
  }();
  return count;
}

static std::atomic<StdThreadPool *> sharedPool;

/// The pool of this process. It is never destroyed: its threads sleep until the
/// process ends. The child of a fork has none of its parent's threads, so it
/// forgets the parent's pool and makes its own.
static StdThreadPool &getPool() {
  [[maybe_unused]] static const int registered =
      pthread_atfork(nullptr, nullptr, [] { sharedPool.store(nullptr); });
  StdThreadPool *pool = sharedPool.load();
  if (pool)
    return *pool;
  ThreadPoolStrategy strategy;
  strategy.ThreadsRequested = std::max(numThreads() - 1, 1u);
  auto fresh = std::make_unique<StdThreadPool>(strategy);
  if (sharedPool.compare_exchange_strong(pool, fresh.get()))
    return *fresh.release();
  return *pool;
}

namespace {
/// The chunks of one parallelFor. Tasks may outlive it in the pool's queue; by
/// then there is no chunk left, so they do not touch `body`.
struct Job {
  Job(int chunks, function_ref<void(int)> body) : chunks(chunks), body(body) {}

  void work() {
    for (int chunk; (chunk = next.fetch_add(1)) < chunks;) {
      body(chunk);
      if (done.fetch_add(1) + 1 == chunks)
        done.notify_all();
    }
  }

  void wait() {
    for (int count; (count = done.load()) < chunks;)
      done.wait(count);
  }

  const int chunks;
  const function_ref<void(int)> body;
  std::atomic<int> next = 0;
  std::atomic<int> done = 0;
};
} // namespace

void parallelFor(int chunks, function_ref<void(int)> body) {
  auto job = std::make_shared<Job>(chunks, body);
  // This thread takes its share, so a busy pool delays nothing.
  int helpers = std::min<int>(numThreads(), chunks) - 1;
  for (int i = 0; i < helpers; ++i)
    getPool().async([job] { job->work(); });
  job->work();
  job->wait();
}

} // namespace quadrille::runtime
