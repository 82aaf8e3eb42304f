//===- CUDADeviceTest.cpp - Tests of the CUDA device ----------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With the driver of FakeCUDA.cpp, which writes down what it is asked.
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/Device.h"
#include "quadrille/Runtime/Program.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "gtest/gtest.h"
#include <cstdlib>
#include <dlfcn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace quadrille::runtime;
using namespace llvm;

namespace {

/// The fake driver's functions for tests.
struct Fake {
  const char *(*takeLog)();
  void (*fail)(const char *, int);
  void (*setCapturing)(uintptr_t, int);
  void (*setFunctionAttribute)(int, int);
  size_t (*numAllocated)();
  size_t (*contextDepth)();

  static const Fake &get() {
    static const Fake fake = [] {
      setenv("QUADRILLE_LIBCUDA", FAKE_CUDA_PATH, /*overwrite=*/1);
      void *library = dlopen(FAKE_CUDA_PATH, RTLD_NOW);
      Fake result;
      auto bind = [&](auto &function, const char *name) {
        function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      };
      bind(result.takeLog, "fakeCudaTakeLog");
      bind(result.fail, "fakeCudaFail");
      bind(result.setCapturing, "fakeCudaSetCapturing");
      bind(result.setFunctionAttribute, "fakeCudaSetFunctionAttribute");
      bind(result.numAllocated, "fakeCudaNumAllocated");
      bind(result.contextDepth, "fakeCudaContextDepth");
      return result;
    }();
    return fake;
  }
};

constexpr StringLiteral ptx = "//\n.version 8.0\n.target sm_90a\n"
                              ".visible .entry f(.param .u64 a, .param .u64 b, .param .f32 c, "
                              ".param .u64 y0)\n{\n}\n.visible .entry g(.param .u64 y0)\n{\n}\n";
const std::string header = "quadrille-schedule 1\n";

class CUDADeviceTest : public testing::Test {
protected:
  void SetUp() override {
    SmallString<128> path;
    ASSERT_FALSE(sys::fs::createUniqueDirectory("quadrille-cuda", path));
    cache = path.str();
    setenv("QUADRILLE_CACHE_DIR", cache.c_str(), /*overwrite=*/1);
    fake.takeLog();
  }
  void TearDown() override {
    sys::fs::remove_directories(cache);
    EXPECT_EQ(fake.contextDepth(), 0u) << "a context was left current";
  }

  Device &device(unsigned ordinal = 0) {
    Expected<Device *> found = cudaDevice(ordinal);
    EXPECT_TRUE(bool(found)) << toString(found.takeError());
    return **found;
  }
  std::unique_ptr<Program> make(const std::string &schedule, unsigned ordinal = 0) {
    auto program = Program::create(device(ordinal), ptx, header + schedule, "sm_90a");
    EXPECT_TRUE(bool(program)) << toString(program.takeError());
    fake.takeLog();
    return std::move(*program);
  }
  /// The lines of the log that begin with `call`.
  std::vector<std::string> calls(StringRef call) {
    std::vector<std::string> lines;
    for (StringRef line : llvm::split(StringRef(fake.takeLog()), '\n'))
      if (line.starts_with(call))
        lines.push_back(line.str());
    return lines;
  }

  const Fake &fake = Fake::get();
  std::string cache;
};

std::string messageOf(Error error) { return error ? toString(std::move(error)) : "success"; }

template <typename T> std::string messageOf(Expected<T> value) {
  return value ? "success" : toString(value.takeError());
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

TEST_F(CUDADeviceTest, namesAndTargets) {
  EXPECT_EQ(device().getTarget().name, "sm_90a");
  EXPECT_EQ(device().getDescription(), "Fake GPU");
  EXPECT_EQ(&device(), &device());
  EXPECT_EQ(*lookupDevice("cuda:1"), &device(1));
  EXPECT_EQ(*lookupDevice("host"), &hostDevice());
  EXPECT_EQ(messageOf(lookupDevice("cuda:7")), "there is no cuda:7: this process sees 2 GPUs");
  for (StringRef name : {"cuda", "cuda:", "cuda:-1", "tpu"})
    EXPECT_EQ(messageOf(lookupDevice(name)),
              ("unknown device '" + name + "': expected host, cuda:N or hip:N").str());
}

TEST_F(CUDADeviceTest, theContextIsRetainedOnce) {
  device();
  fake.takeLog();
  device();
  EXPECT_TRUE(calls("cuDevicePrimaryCtxRetain").empty());
}

TEST_F(CUDADeviceTest, aForkedProcessIsRefused) {
  device();
  pid_t child = fork();
  if (child == 0) {
    std::string message = messageOf(cudaDevice(0));
    _exit(StringRef(message).contains("forked") ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

TEST_F(CUDADeviceTest, ptxIsCompiledOnce) {
  ASSERT_EQ(messageOf(device().load(ptx, "sm_90a")), "success");
  EXPECT_EQ(calls("cuLinkComplete").size(), 1u);
  ASSERT_EQ(messageOf(device().load(ptx, "sm_90a")), "success");
  EXPECT_TRUE(calls("cuLinkComplete").empty()) << "the disk cache has it";
}

TEST_F(CUDADeviceTest, aRefusedProgramSaysWhatTheDriverSays) {
  fake.fail("cuLinkAddData", 218);
  std::string message = messageOf(device().load(ptx, "sm_90a"));
  fake.fail("cuLinkAddData", 0);
  EXPECT_EQ(message, "cuLinkAddData of PTX for sm_90a: ptxas fake.ptx, line 3; error: not so on "
                     "cuda:0 failed: CUDA_ERROR_INVALID_PTX");
  EXPECT_EQ(messageOf(device().load(ptx, "sm_90a")), "success") << "failures are not kept";
}

TEST_F(CUDADeviceTest, unknownKernels) {
  auto program = Program::create(device(), ptx, header + "kernel h\n", "sm_90a");
  EXPECT_EQ(messageOf(std::move(program)),
            "cuModuleGetFunction of kernel 'h' on cuda:0 failed: CUDA_ERROR_NOT_FOUND");
}

TEST_F(CUDADeviceTest, sharedMemoryIsAskedFor) {
  auto code = device().load(ptx, "sm_90a");
  ASSERT_TRUE(bool(code));
  fake.takeLog();
  KernelDecl declaration{"g", {/*cost=*/0, /*threads=*/256, /*shared=*/100000}};
  Expected<void *> kernel = (*code)->lookup(declaration);
  ASSERT_TRUE(bool(kernel));
  EXPECT_EQ(calls("cuFuncSetAttribute"),
            std::vector<std::string>{"cuFuncSetAttribute g 8=100000"});
  fake.setFunctionAttribute(3, 24);
  Expected<KernelFacts> facts = (*code)->describe(declaration, *kernel);
  fake.setFunctionAttribute(3, 0);
  ASSERT_TRUE(bool(facts));
  EXPECT_EQ(facts->registers, 40u);
  EXPECT_EQ(facts->spillBytes, 24u);
  EXPECT_EQ(facts->sharedBytes, 1024u + 100000u);
  EXPECT_EQ(facts->threads, 256u);
  EXPECT_EQ(facts->blocksPerUnit, 4u);
  EXPECT_EQ(facts->occupancy, 0.5);
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

const std::string schedule = "arg buffer rank=2 itemsize=2\narg f32\narg i64\nkernel f threads=128 "
                             "shared=64\n%0 = dim 0 0\n%1 = dim 0 1\n"
                             "launch f %1 %0 @0 @2 @1\n";

Error run(const Program &program, int64_t rows, int64_t columns, uintptr_t stream = 0,
          const Workspace *workspace = nullptr, RunStatistics *statistics = nullptr) {
  int64_t sizes[] = {rows, columns}, strides[] = {columns, 1};
  return program.run({Argument::buffer(reinterpret_cast<void *>(0x1000), sizes, strides),
                      Argument::f32(1.0f), Argument::i64(-1)},
                     reinterpret_cast<void *>(stream), statistics, workspace);
}

TEST_F(CUDADeviceTest, aLaunch) {
  auto program = make(schedule, /*ordinal=*/1);
  ASSERT_EQ(messageOf(run(*program, 3, 5, /*stream=*/42)), "success");
  // The arguments, and 0 as the first program along y; on the device's own context.
  EXPECT_EQ(calls("cu"),
            (std::vector<std::string>{
                "cuCtxPushCurrent 1",
                "cuLaunchKernel f grid=5,3,1 block=128,1,1 shared=64 stream=42 context=1 "
                "parameters=4096,18446744073709551615,1065353216,0",
                "cuCtxPopCurrent"}))
      << "no allocation, no synchronization";
}

TEST_F(CUDADeviceTest, longGridsAreLaunchedInParts) {
  auto program = make("arg i64\narg i64\nkernel g\n%0 = scalar 0\n%1 = scalar 1\n"
                      "launch g %0 %1\n");
  ASSERT_EQ(messageOf(program->run({Argument::i64(7), Argument::i64(2 * 65535 + 3)})), "success");
  EXPECT_EQ(calls("cuLaunchKernel"),
            (std::vector<std::string>{
                "cuLaunchKernel g grid=7,65535,1 block=128,1,1 shared=0 stream=0 context=0 "
                "parameters=0",
                "cuLaunchKernel g grid=7,65535,1 block=128,1,1 shared=0 stream=0 context=0 "
                "parameters=65535",
                "cuLaunchKernel g grid=7,3,1 block=128,1,1 shared=0 stream=0 context=0 "
                "parameters=131070"}));
  ASSERT_EQ(messageOf(program->run({Argument::i64(INT32_MAX), Argument::i64(1)})), "success");
  EXPECT_EQ(messageOf(program->run({Argument::i64(int64_t(1) << 31), Argument::i64(1)})),
            "kernel 'g' would need 2147483648 blocks along x, more than a GPU runs");
  ASSERT_EQ(messageOf(program->run({Argument::i64(0), Argument::i64(1)})), "success");
}

TEST_F(CUDADeviceTest, aCurrentContextIsLeftAlone) {
  auto program = make(schedule);
  void *driver = dlopen(FAKE_CUDA_PATH, RTLD_NOW);
  auto retain = reinterpret_cast<int (*)(void **, int)>(dlsym(driver, "cuDevicePrimaryCtxRetain"));
  auto push = reinterpret_cast<int (*)(void *)>(dlsym(driver, "cuCtxPushCurrent_v2"));
  auto pop = reinterpret_cast<int (*)(void **)>(dlsym(driver, "cuCtxPopCurrent_v2"));
  void *contexts[2], *popped;
  for (int ordinal : {0, 1})
    retain(&contexts[ordinal], ordinal);
  push(contexts[0]);
  fake.takeLog();
  ASSERT_EQ(messageOf(run(*program, 1, 1)), "success");
  EXPECT_TRUE(calls("cuCtxPushCurrent").empty());
  push(contexts[1]);
  ASSERT_EQ(messageOf(run(*program, 1, 1)), "success");
  pop(&popped);
  EXPECT_EQ(popped, contexts[1]);
  pop(&popped);
}

TEST_F(CUDADeviceTest, errorsNameKernelAndCall) {
  auto program = make(schedule);
  fake.fail("cuLaunchKernel", 701);
  EXPECT_EQ(messageOf(run(*program, 1, 1)),
            "cuLaunchKernel of kernel 'f' on cuda:0 failed: error 701");
  fake.fail("cuLaunchKernel", 700);
  Error error = run(*program, 1, 1);
  fake.fail("cuLaunchKernel", 0);
  EXPECT_TRUE(error.isA<DeviceError>());
  std::string message = messageOf(std::move(error));
  EXPECT_TRUE(StringRef(message).starts_with(
      "cuLaunchKernel of kernel 'f' on cuda:0 failed: CUDA_ERROR_ILLEGAL_ADDRESS (an illegal "
      "memory access was encountered). This is the fault of a kernel that was launched before"))
      << message;
}

const std::string withTemporaries = "arg buffer rank=1 itemsize=4\nkernel g\n%0 = dim 0 0\n"
                                    "%1 = const 1\n%2 = alloc %0\n%3 = alloc %1\n"
                                    "launch g %1 %1 %2 %3\n";

TEST_F(CUDADeviceTest, temporariesInTheOrderOfTheStream) {
  auto program = make(withTemporaries);
  int64_t size = 100, stride = 1;
  Argument argument = Argument::buffer(nullptr, size, stride);
  size_t before = fake.numAllocated();
  ASSERT_EQ(messageOf(program->run(argument, reinterpret_cast<void *>(42))), "success");
  EXPECT_EQ(fake.numAllocated(), before);
  std::vector<std::string> all = calls("cuMem");
  EXPECT_EQ(all, (std::vector<std::string>{"cuMemAllocAsync 100 stream=42",
                                           "cuMemAllocAsync 1 stream=42",
                                           "cuMemFreeAsync stream=42", "cuMemFreeAsync stream=42"}));
  fake.fail("cuMemAllocAsync", 2);
  EXPECT_EQ(messageOf(program->run(argument)),
            "cuMemAllocAsync of 100 bytes on cuda:0 failed: CUDA_ERROR_OUT_OF_MEMORY");
  fake.fail("cuMemAllocAsync", 0);
}

TEST_F(CUDADeviceTest, temporariesInAGivenWorkspace) {
  auto program = make(withTemporaries);
  int64_t size = 100, stride = 1;
  Argument argument = Argument::buffer(nullptr, size, stride);
  fake.takeLog();
  Expected<RunStatistics> needs = program->measure(argument);
  ASSERT_TRUE(bool(needs));
  EXPECT_EQ(needs->workspaceBytes, 128u + 64u);
  EXPECT_EQ(needs->launches, 1u);
  EXPECT_TRUE(calls("cuLaunchKernel").empty()) << "measuring runs nothing";
  alignas(64) char memory[192];
  Workspace workspace{memory, sizeof(memory)};
  ASSERT_EQ(messageOf(program->run(argument, nullptr, nullptr, &workspace)), "success");
  EXPECT_TRUE(calls("cuMem").empty());
  workspace.bytes = 191;
  EXPECT_EQ(messageOf(program->run(argument, nullptr, nullptr, &workspace)),
            "the workspace is too small: 63 bytes are left where 1 are needed");
}

TEST_F(CUDADeviceTest, uploadsStay) {
  std::vector<const char *> copies;
  for (char c : {'a', 'b'}) {
    std::string text(100, c);
    auto copy = device().upload(ArrayRef(text.data(), text.size()));
    ASSERT_TRUE(bool(copy));
    copies.push_back(static_cast<const char *>(*copy));
  }
  EXPECT_EQ(std::string(copies[0], 100), std::string(100, 'a'));
  EXPECT_EQ(std::string(copies[1], 100), std::string(100, 'b'));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(copies[1]) % 16, 0u);
  std::string large(1 << 20, 'x');
  auto copy = device().upload(ArrayRef(large.data(), large.size()));
  ASSERT_TRUE(bool(copy));
  EXPECT_EQ(std::string(static_cast<const char *>(*copy), large.size()), large);
}

TEST_F(CUDADeviceTest, downloadsWaitForTheStream) {
  auto copy = device().upload(ArrayRef("text", 4));
  ASSERT_TRUE(bool(copy));
  fake.takeLog();
  char text[5] = "";
  ASSERT_EQ(messageOf(device().download(text, *copy, 4, reinterpret_cast<void *>(42))), "success");
  EXPECT_STREQ(text, "text");
  std::string log = fake.takeLog();
  EXPECT_LT(log.find("cuStreamSynchronize 42"), log.find("cuMemcpyDtoH 4"));
}

TEST_F(CUDADeviceTest, streamsAreOrderedByAnEvent) {
  auto *first = reinterpret_cast<void *>(41), *second = reinterpret_cast<void *>(42);
  device();
  fake.takeLog();
  ASSERT_EQ(messageOf(device().order(first, first)), "success");
  EXPECT_TRUE(calls("cu").empty());
  ASSERT_EQ(messageOf(device().order(first, second)), "success");
  EXPECT_EQ(calls("cu"),
            (std::vector<std::string>{"cuCtxPushCurrent 0", "cuEventCreate", "cuEventRecord 41",
                                      "cuStreamWaitEvent 42", "cuEventDestroy", "cuCtxPopCurrent"}));
}

TEST_F(CUDADeviceTest, captures) {
  fake.setCapturing(42, 1);
  EXPECT_TRUE(*device().isCapturing(reinterpret_cast<void *>(42)));
  EXPECT_FALSE(*device().isCapturing(nullptr));
  fake.setCapturing(42, 0);
  EXPECT_FALSE(*device().isCapturing(reinterpret_cast<void *>(42)));
}

TEST_F(CUDADeviceTest, launchesFromManyThreads) {
  auto program = make(schedule);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        EXPECT_EQ(messageOf(run(*program, 2, 2)), "success");
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(calls("cuLaunchKernel").size(), 400u);
}

} // namespace
