//===- HIPDeviceTest.cpp - Tests of the HIP device ------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With the driver of FakeHIP.cpp, which writes down what it is asked. What CUDA's
// device does too is tested by CUDADeviceTest.cpp.
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/Device.h"
#include "quadrille/Runtime/Program.h"
#include "quadrille/Target/Compile.h"
#include "llvm/ADT/StringExtras.h"
#include "gtest/gtest.h"
#include <cstdlib>
#include <dlfcn.h>

using namespace quadrille;
using namespace quadrille::runtime;
using namespace llvm;

namespace {

/// The fake driver's functions for tests.
struct Fake {
  const char *(*takeLog)();
  void (*fail)(const char *, int);
  void (*setCapturing)(uintptr_t, int);
  void (*setArchitecture)(const char *);
  size_t (*numAllocated)();
  int (*setDevice)(int);
  int (*getDevice)(int *);

  static const Fake &get() {
    static const Fake fake = [] {
      setenv("QUADRILLE_LIBHIP", FAKE_HIP_PATH, /*overwrite=*/1);
      void *library = dlopen(FAKE_HIP_PATH, RTLD_NOW);
      Fake result;
      auto bind = [&](auto &function, const char *name) {
        function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      };
      bind(result.takeLog, "fakeHipTakeLog");
      bind(result.fail, "fakeHipFail");
      bind(result.setCapturing, "fakeHipSetCapturing");
      bind(result.setArchitecture, "fakeHipSetArchitecture");
      bind(result.numAllocated, "fakeHipNumAllocated");
      bind(result.setDevice, "hipSetDevice");
      bind(result.getDevice, "hipGetDevice");
      return result;
    }();
    return fake;
  }
};

constexpr StringLiteral kernel = R"(module {
  llvm.func @f(%out: !llvm.ptr, %n: i64, %y0: i64) attributes {rocdl.kernel} {
    llvm.store %n, %out : i64, !llvm.ptr
    llvm.return
  }
}
)";
constexpr StringLiteral schedule = "quadrille-schedule 1\narg buffer rank=1 itemsize=8 out\n"
                                   "kernel f threads=128\n%0 = const 3\n%1 = dim 0 0\n"
                                   "launch f %0 %1 @0 %1\n";

class HIPDeviceTest : public testing::Test {
protected:
  void SetUp() override { fake.takeLog(); }

  Device &device(unsigned ordinal = 0) {
    Expected<Device *> found = hipDevice(ordinal);
    EXPECT_TRUE(bool(found)) << toString(found.takeError());
    return **found;
  }

  /// A code object of `kernel`.
  static std::string codeFor(const std::string &target) {
    CompileResult result;
    bool succeeded = compile({kernel.str(), target, "object", {}}, result);
    EXPECT_TRUE(succeeded) << (result.diagnostics.empty() ? "" : result.diagnostics[0].message);
    return result.output;
  }

  std::unique_ptr<Program> program(Device &device) {
    auto created = Program::create(device, codeFor("gfx942"), schedule, "gfx942");
    EXPECT_TRUE(bool(created)) << toString(created.takeError());
    return std::move(*created);
  }

  /// Lines of the log that start with `call`.
  std::vector<std::string> calls(StringRef call) {
    std::vector<std::string> found;
    for (StringRef line : split(StringRef(fake.takeLog()), '\n'))
      if (line.starts_with(call))
        found.push_back(line.str());
    return found;
  }

  const Fake &fake = Fake::get();
};

TEST_F(HIPDeviceTest, namesTheTargetOfItsArchitecture) {
  EXPECT_EQ(device().getTarget().name, "gfx942");
  EXPECT_FALSE(device().getTarget().byDriver);
  EXPECT_EQ(device().getDescription(), "Fake Instinct");
  EXPECT_EQ(&device(), &device());
  Expected<Device *> named = lookupDevice("hip:0");
  ASSERT_TRUE(bool(named)) << toString(named.takeError());
  EXPECT_EQ(*named, &device());
}

TEST_F(HIPDeviceTest, refusesWhatItLacks) {
  EXPECT_EQ(toString(hipDevice(7).takeError()), "there is no hip:7: this process sees 4 GPUs");
  fake.setArchitecture("gfx906");
  EXPECT_EQ(toString(hipDevice(2).takeError()),
            "hip:2 (Fake Instinct) is gfx906, for which there is no target: see `quadrille targets`");
  fake.setArchitecture("gfx942");
  EXPECT_EQ(toString(device().load(codeFor("gfx950"), "gfx950").takeError()),
            "code for gfx950 does not run on hip:0, which is gfx942");
}

TEST_F(HIPDeviceTest, launchesLongGridsInParts) {
  auto loaded = program(device());
  fake.takeLog();
  std::vector<int64_t> memory(1);
  int64_t size = 70000, stride = 1;
  Argument out = Argument::buffer(memory.data(), size, stride);
  void *stream = reinterpret_cast<void *>(9);
  ASSERT_FALSE(errorToBool(loaded->run(out, stream)));
  std::string head = " block=128,1,1 shared=0 stream=9 device=0 parameters=" +
                     std::to_string(reinterpret_cast<uintptr_t>(memory.data())) + ",70000,";
  EXPECT_EQ(calls("hipModuleLaunchKernel"),
            (std::vector<std::string>{"hipModuleLaunchKernel f grid=3,65535,1" + head + "0",
                                      "hipModuleLaunchKernel f grid=3,4465,1" + head + "65535"}));
}

TEST_F(HIPDeviceTest, aLaunchHasAtMost32BitsOfThreads) {
  auto code = device().load(codeFor("gfx942"), "gfx942");
  ASSERT_TRUE(bool(code)) << toString(code.takeError());
  KernelDecl declaration{"f", {0, 128, 0}};
  Expected<void *> handle = (*code)->lookup(declaration);
  ASSERT_TRUE(bool(handle)) << toString(handle.takeError());
  uint64_t slots[2] = {};
  auto launch = [&](int64_t x) {
    return toString(device().launch(*handle, declaration.attributes, x, 1, slots, nullptr));
  };
  EXPECT_EQ(launch(33554431), "");
  EXPECT_EQ(launch(33554432), "kernel 'f' would need 33554432 blocks along x, more than a GPU runs");
}

TEST_F(HIPDeviceTest, leavesTheCallersDeviceCurrent) {
  fake.setDevice(3);
  auto loaded = program(device(1));
  fake.takeLog();
  std::vector<int64_t> memory(1);
  int64_t size = 1, stride = 1;
  ASSERT_FALSE(errorToBool(loaded->run(Argument::buffer(memory.data(), size, stride))));
  EXPECT_EQ(calls("hipSetDevice"), (std::vector<std::string>{"hipSetDevice 1", "hipSetDevice 3"}));
  int current = -1;
  fake.getDevice(&current);
  EXPECT_EQ(current, 3);
  fake.setDevice(0);
}

TEST_F(HIPDeviceTest, errorsNameKernelAndCall) {
  auto loaded = program(device());
  std::vector<int64_t> memory(1);
  int64_t size = 1, stride = 1;
  fake.fail("hipModuleLaunchKernel", 700);
  std::string message = toString(loaded->run(Argument::buffer(memory.data(), size, stride)));
  fake.fail("hipModuleLaunchKernel", 0);
  EXPECT_TRUE(StringRef(message).starts_with(
      "hipModuleLaunchKernel of kernel 'f' on hip:0 failed: hipErrorIllegalAddress (an illegal "
      "memory access was encountered). This is the fault of a kernel that was launched before"))
      << message;
  EXPECT_NE(message.find("With AMD_SERIALIZE_KERNEL=3"), std::string::npos) << message;
}

TEST_F(HIPDeviceTest, memoryGoesThereAndBack) {
  const char text[] = "a row of signs";
  Expected<const void *> there = device().upload(ArrayRef(text, sizeof(text)));
  ASSERT_TRUE(bool(there)) << toString(there.takeError());
  char back[sizeof(text)];
  ASSERT_FALSE(errorToBool(device().download(back, *there, sizeof(text), nullptr)));
  EXPECT_STREQ(back, text);
  size_t before = fake.numAllocated();
  Expected<void *> memory = device().allocate(1000, nullptr);
  ASSERT_TRUE(bool(memory)) << toString(memory.takeError());
  EXPECT_EQ(fake.numAllocated(), before + 1);
  device().deallocate(*memory, nullptr);
  EXPECT_EQ(fake.numAllocated(), before);
}

TEST_F(HIPDeviceTest, knowsStreamsThatAreCaptured) {
  auto isCapturing = [&] {
    Expected<bool> found = device().isCapturing(reinterpret_cast<void *>(5));
    return found ? *found : (consumeError(found.takeError()), false);
  };
  fake.setCapturing(5, 1);
  EXPECT_TRUE(isCapturing());
  fake.setCapturing(5, 0);
  EXPECT_FALSE(isCapturing());
}

TEST_F(HIPDeviceTest, saysWhatKernelsTake) {
  auto loaded = program(device());
  Expected<KernelFacts> facts = loaded->describe(0);
  ASSERT_TRUE(bool(facts)) << toString(facts.takeError());
  EXPECT_EQ(facts->registers, 62u);
  EXPECT_EQ(facts->threads, 128u);
  EXPECT_EQ(facts->blocksPerUnit, 16u);
}

} // namespace
