//===- ProgramTest.cpp - Tests of the program runner ----------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/Program.h"
#include "llvm/ADT/StringMap.h"
#include "gtest/gtest.h"
#include <atomic>
#include <cfenv>
#include <cfloat>
#include <cstring>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace quadrille::runtime;
using namespace llvm;

namespace {

//===----------------------------------------------------------------------===//
// A device whose code is this file
//===----------------------------------------------------------------------===//

template <typename T> T *pointer(uint64_t slot) { return reinterpret_cast<T *>(slot); }

/// counts[x * strideX + y] += 1 for each program.
void countPrograms(const uint64_t *slots, int64_t x0, int64_t x1, int64_t y0, int64_t y1) {
  for (int64_t x = x0; x < x1; ++x)
    for (int64_t y = y0; y < y1; ++y)
      ++pointer<std::atomic<uint32_t>>(slots[0])[x * static_cast<int64_t>(slots[1]) + y];
}

/// Copies its slots 1.. to the buffer in slot 0, whose length is slot 1.
void copySlots(const uint64_t *slots, int64_t, int64_t, int64_t, int64_t) {
  std::memcpy(pointer<void>(slots[0]), slots, 8 * slots[1]);
}

/// Half of the smallest normal number, computed at run time, and 1 + 2^-24
/// rounded: what flushing and other roundings change.
void probeEnvironment(const uint64_t *slots, int64_t x0, int64_t x1, int64_t, int64_t) {
  for (int64_t x = x0; x < x1; ++x) {
    volatile float half = 0.5f, tiny = FLT_MIN, one = 1.0f, ulp = 0x1.8p-24f;
    bool right = half * tiny == 0x1p-127f && half * tiny > 0 && one + ulp == 1 + 0x1p-23f &&
                 -one - ulp == -1 - 0x1p-23f;
    pointer<uint8_t>(slots[0])[x] = right;
  }
}

class TestCode : public LoadedCode {
public:
  Expected<void *> lookup(const KernelDecl &kernel) override {
    static const StringMap<HostKernel> kernels = {
        {"count", countPrograms}, {"copy", copySlots}, {"probe", probeEnvironment}};
    auto found = kernels.find(kernel.name);
    if (found == kernels.end())
      return createStringError("no kernel " + kernel.name);
    return reinterpret_cast<void *>(found->second);
  }
};

class TestDevice : public Device {
public:
  quadrille::target::DeviceTarget getTarget() const override { return {"host"}; }
  StringRef getDescription() const override { return "a test"; }
  Expected<const void *> upload(ArrayRef<char> bytes) override { return hostDevice().upload(bytes); }
  Error download(void *to, const void *from, size_t bytes, void *stream) override {
    return hostDevice().download(to, from, bytes, stream);
  }
  Expected<std::unique_ptr<LoadedCode>> load(StringRef, StringRef) override {
    return std::make_unique<TestCode>();
  }
  Expected<void *> allocate(size_t bytes, void *stream) override {
    Expected<void *> memory = hostDevice().allocate(bytes, stream);
    if (memory)
      live.insert(*memory);
    return memory;
  }
  void deallocate(void *memory, void *stream) override {
    EXPECT_EQ(live.erase(memory), 1u);
    hostDevice().deallocate(memory, stream);
  }
  Error launch(void *kernel, const KernelAttributes &attributes, int64_t gridX, int64_t gridY,
               ArrayRef<uint64_t> slots, void *stream) override {
    return hostDevice().launch(kernel, attributes, gridX, gridY, slots, stream);
  }

  std::set<void *> live;
};

class ProgramTest : public testing::Test {
protected:
  std::unique_ptr<Program> make(const std::string &schedule) {
    auto program = Program::create(device, "", "quadrille-schedule 1\n" + schedule, "host");
    EXPECT_TRUE(static_cast<bool>(program)) << toString(program.takeError());
    return std::move(*program);
  }
  void TearDown() override { EXPECT_TRUE(device.live.empty()) << "workspace was not freed"; }

  TestDevice device;
};

std::string messageOf(Error error) { return error ? toString(std::move(error)) : "success"; }

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

struct Operation {
  const char *name;
  int64_t a, b, result;
};

TEST_F(ProgramTest, arithmetic) {
  const int64_t lowest = INT64_MIN, highest = INT64_MAX;
  const Operation operations[] = {
      {"add", 2, 3, 5},       {"add", highest, 1, lowest},
      {"sub", 2, 3, -1},      {"mul", -4, 3, -12},
      {"div", 7, 2, 3},       {"div", -7, 2, -3},
      {"rem", 7, 4, 3},       {"rem", -7, 4, -3},
      {"ceildiv", 7, 2, 4},   {"ceildiv", 8, 2, 4},
      {"ceildiv", -7, 2, -3}, {"ceildiv", 0, 5, 0},
      {"ceildiv", -7, -2, 4}, {"min", -1, 3, -1},
      {"max", -1, 3, 3},      {"and", 6, 3, 2},
      {"or", 6, 3, 7},        {"eq", 4, 4, 1},
      {"eq", 4, 5, 0},        {"ne", 4, 5, 1},
      {"lt", -1, 0, 1},       {"lt", 0, 0, 0},
      {"le", 0, 0, 1},        {"le", 1, 0, 0},
  };
  for (const Operation &operation : operations) {
    auto program = make("arg i64\narg i64\narg buffer rank=1 itemsize=8 out\nkernel copy\n"
                        "%0 = scalar 0\n%1 = scalar 1\n%2 = " +
                        std::string(operation.name) +
                        " %0 %1\n%3 = const 3\n%4 = const 1\nlaunch copy %4 %4 @2 %3 %2\n");
    uint64_t out[3] = {};
    int64_t size = 3, stride = 1;
    Argument arguments[] = {Argument::i64(operation.a), Argument::i64(operation.b),
                            Argument::buffer(out, size, stride)};
    ASSERT_EQ(messageOf(program->run(arguments)), "success");
    EXPECT_EQ(static_cast<int64_t>(out[2]), operation.result)
        << operation.name << " " << operation.a << " " << operation.b;
  }
}

TEST_F(ProgramTest, divisionErrors) {
  for (const char *name : {"div", "rem", "ceildiv"}) {
    auto program = make(
        "arg i64\narg i64\n%0 = scalar 0\n%1 = scalar 1\n%2 = " + std::string(name) + " %0 %1\n");
    EXPECT_TRUE(StringRef(messageOf(program->run({Argument::i64(3), Argument::i64(0)})))
                    .starts_with("division of 3 by 0"));
    EXPECT_TRUE(StringRef(messageOf(program->run({Argument::i64(INT64_MIN), Argument::i64(-1)})))
                    .starts_with("division of"));
  }
}

TEST_F(ProgramTest, slotsOfALaunch) {
  auto program = make("arg buffer rank=2 itemsize=4\narg i64\narg f32\n"
                      "arg buffer rank=1 itemsize=8 out\nkernel copy\n"
                      "%0 = dim 0 1\n%1 = stride 0 0\n%2 = const 1\n%3 = const 9\n"
                      "%4 = select %0 %1 %2\n%5 = alloc %3\n"
                      "launch copy %2 %2 @3 %3 %0 %4 @0 @0+%1 @1 @2 %5+%1\n");
  uint64_t out[9] = {};
  float data[6];
  int64_t size = 9, one = 1;
  int64_t sizes[] = {2, 3}, strides[] = {40, 1};
  Argument arguments[] = {Argument::buffer(data, sizes, strides), Argument::i64(-5),
                          Argument::f32(1.5f), Argument::buffer(out, size, one)};
  RunStatistics statistics;
  ASSERT_EQ(messageOf(program->run(arguments, nullptr, &statistics)), "success");
  EXPECT_EQ(out[0], reinterpret_cast<uintptr_t>(out));
  EXPECT_EQ(out[2], 3u);
  EXPECT_EQ(out[3], 40u);
  EXPECT_EQ(out[4], reinterpret_cast<uintptr_t>(data));
  EXPECT_EQ(out[5], reinterpret_cast<uintptr_t>(data) + 40);
  EXPECT_EQ(static_cast<int64_t>(out[6]), -5);
  EXPECT_EQ(out[7], 0x3fc00000u);
  EXPECT_EQ((out[8] - 40) % 64, 0u) << "workspace is aligned to 64 bytes";
  EXPECT_EQ(statistics.workspaceBytes, 9u);
  EXPECT_EQ(statistics.launches, 1u);
}

TEST_F(ProgramTest, failedChecksStopTheRun) {
  auto program = make("arg i64\narg buffer rank=1 itemsize=4 out\nkernel count\n"
                      "%0 = scalar 0\n%1 = const 1\n%2 = alloc %1\n"
                      "check %0 the scalar must not be 0\nlaunch count %1 %1 @1 %1\n");
  uint32_t count = 0;
  int64_t one = 1;
  Argument out = Argument::buffer(&count, one, one);
  EXPECT_EQ(messageOf(program->run({Argument::i64(0), out})), "the scalar must not be 0");
  EXPECT_EQ(count, 0u);
  EXPECT_EQ(messageOf(program->run({Argument::i64(1), out})), "success");
  EXPECT_EQ(count, 1u);
}

TEST_F(ProgramTest, impossibleAllocations) {
  auto program = make("arg i64\n%0 = const 64\n%1 = alloc %0\n%2 = scalar 0\n%3 = alloc %2\n");
  EXPECT_EQ(messageOf(program->run({Argument::i64(-1)})), "a workspace of -1 bytes");
  EXPECT_EQ(messageOf(program->run({Argument::i64(INT64_MAX)})),
            "cannot allocate 9223372036854775807 bytes of workspace");
  EXPECT_EQ(messageOf(program->run({Argument::i64(0)})), "success");
}

TEST_F(ProgramTest, wrongArguments) {
  auto program = make("arg i64\narg buffer rank=2 itemsize=4\n");
  int64_t sizes[] = {1, 1};
  Argument matrix = Argument::buffer(nullptr, sizes, sizes);
  Argument vector = Argument::buffer(nullptr, ArrayRef(sizes, 1), ArrayRef(sizes, 1));
  EXPECT_EQ(messageOf(program->run({matrix})), "expected 2 arguments, got 1");
  EXPECT_EQ(messageOf(program->run({matrix, matrix})), "argument 0 must be an i64, got a buffer");
  EXPECT_EQ(messageOf(program->run({Argument::i64(1), Argument::f32(1)})),
            "argument 1 must be a buffer, got an f32");
  EXPECT_EQ(messageOf(program->run({Argument::i64(1), vector})),
            "argument 1 must have rank 2, got 1");
}

TEST_F(ProgramTest, unknownKernels) {
  auto program = Program::create(device, "", "quadrille-schedule 1\nkernel none\n", "host");
  ASSERT_FALSE(static_cast<bool>(program));
  EXPECT_EQ(toString(program.takeError()), "no kernel none");
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

const std::string countSchedule = "arg buffer rank=2 itemsize=4 out\nkernel count cost=65536\n"
                                  "%0 = dim 0 0\n%1 = dim 0 1\n%2 = stride 0 0\n"
                                  "launch count %0 %1 @0 %2\n";

/// Runs a grid of x by y and expects every program once.
void expectEachProgramOnce(const Program &program, int64_t x, int64_t y) {
  std::vector<uint32_t> counts(x * y + 1, 0);
  int64_t sizes[] = {x, y}, strides[] = {y, 1};
  ASSERT_EQ(messageOf(program.run({Argument::buffer(counts.data(), sizes, strides)})), "success");
  for (int64_t i = 0; i < x * y; ++i)
    ASSERT_EQ(counts[i], 1u) << "program " << i << " of " << x << " x " << y;
  EXPECT_EQ(counts.back(), 0u);
}

TEST_F(ProgramTest, everyProgramRunsOnce) {
  auto program = make(countSchedule);
  for (int64_t x : {0, 1, 2, 3, 7, 8, 9, 31, 1000})
    for (int64_t y : {0, 1, 2, 5, 63, 257})
      expectEachProgramOnce(*program, x, y);
}

TEST_F(ProgramTest, runsFromManyThreads) {
  auto program = make(countSchedule);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i)
        expectEachProgramOnce(*program, 1 + (i + t) % 40, 1 + i % 5);
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST_F(ProgramTest, runsInTheChildOfAFork) {
  auto program = make(countSchedule);
  expectEachProgramOnce(*program, 100, 10); // the pool has threads now
  pid_t child = fork();
  if (child == 0) {
    expectEachProgramOnce(*program, 100, 10);
    _exit(HasFailure());
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(ProgramTest, floatingPointEnvironment) {
  for (const char *cost : {"1", "1000000"}) { // inline, and on the pool
    auto program = make("arg buffer rank=1 itemsize=1 out\nkernel probe cost=" + std::string(cost) +
                        "\n%0 = dim 0 0\n%1 = const 1\nlaunch probe %0 %1 @0\n");
    std::fenv_t saved;
    std::fegetenv(&saved);
    std::fesetround(FE_UPWARD);
#if defined(__x86_64__)
    constexpr unsigned flushBits = 0x8040; // FTZ and DAZ
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | flushBits);
    unsigned before = __builtin_ia32_stmxcsr();
#endif
    uint8_t right[64] = {};
    int64_t size = 64, stride = 1;
    std::string message = messageOf(program->run({Argument::buffer(right, size, stride)}));
#if defined(__x86_64__)
    unsigned after = __builtin_ia32_stmxcsr();
#endif
    int rounding = std::fegetround();
    std::fesetenv(&saved);
    EXPECT_EQ(message, "success");
    EXPECT_EQ(rounding, FE_UPWARD);
#if defined(__x86_64__)
    EXPECT_EQ(after, before) << "the caller's MXCSR comes back, flags included";
#endif
    for (uint8_t each : right)
      EXPECT_EQ(each, 1);
  }
}

TEST(NumThreads, isPositive) { EXPECT_GE(numThreads(), 1u); }

} // namespace
