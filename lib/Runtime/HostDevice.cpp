//===- HostDevice.cpp - The CPU as a device -------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FloatingPoint.h"
#include "ParallelFor.h"
#include "quadrille/Runtime/Device.h"
#include "quadrille/Target/TargetSpec.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h"
#include "llvm/ExecutionEngine/Orc/SelfExecutorProcessControl.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>
#include <cstdlib>
#include <cstring>

using namespace llvm;

namespace quadrille::runtime {

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

namespace {

/// Links ELF objects into this process. There is no code generation here: the
/// helper process did it. One session serves all programs; it is never
/// destroyed, as programs may outlive static destructors.
class Linker {
public:
  static Expected<Linker *> get();

  Expected<orc::JITDylibSP> link(StringRef object);
  Error unlink(orc::JITDylib &library) { return session.removeJITDylib(library); }
  Expected<void *> lookup(orc::JITDylib &library, StringRef symbol);

private:
  explicit Linker(std::unique_ptr<orc::ExecutorProcessControl> process)
      : session(std::move(process)), layer(session) {
    // What lookup returns says only that linking failed. The reason is reported
    // here, in the same thread.
    session.setErrorReporter(
        [](Error error) { reason += (reason.empty() ? "" : "; ") + toString(std::move(error)); });
  }

  orc::SymbolMap processSymbols();

  orc::ExecutionSession session;
  orc::ObjectLinkingLayer layer;
  std::atomic<uint64_t> numLibraries = 0;
  static thread_local std::string reason;
};

thread_local std::string Linker::reason;

class HostCode : public LoadedCode {
public:
  HostCode(Linker &linker, orc::JITDylibSP library) : linker(linker), library(std::move(library)) {}
  ~HostCode() override { consumeError(linker.unlink(*library)); }

  Expected<void *> lookup(const KernelDecl &kernel) override {
    return linker.lookup(*library, kernel.name);
  }

private:
  Linker &linker;
  orc::JITDylibSP library;
};

/// A function that code may call. All are exactly specified: a libm function
/// that is not (expf, ...) differs between machines, so there is none.
struct ProcessSymbol {
  StringLiteral name;
  void *address;
};

} // namespace

template <typename Result, typename... Arguments>
static void *addressOf(Result (*function)(Arguments...)) {
  return reinterpret_cast<void *>(function);
}

orc::SymbolMap Linker::processSymbols() {
  static const ProcessSymbol symbols[] = {
      {"memcpy", addressOf(memcpy)}, {"memmove", addressOf(memmove)},
      {"memset", addressOf(memset)}, {"memcmp", addressOf(memcmp)},
      {"fmaf", addressOf(fmaf)},     {"fma", addressOf<double>(fma)},
      {"sqrtf", addressOf(sqrtf)},   {"floorf", addressOf(floorf)},
      {"ceilf", addressOf(ceilf)},   {"truncf", addressOf(truncf)},
      {"rintf", addressOf(rintf)},   {"nearbyintf", addressOf(nearbyintf)},
      {"roundf", addressOf(roundf)}, {"ldexpf", addressOf(ldexpf)},
  };
  orc::SymbolMap map;
  for (const ProcessSymbol &symbol : symbols)
    map[session.intern(symbol.name)] = {orc::ExecutorAddr::fromPtr(symbol.address),
                                        JITSymbolFlags::Exported};
  return map;
}

Expected<Linker *> Linker::get() {
  static Expected<Linker *> linker = []() -> Expected<Linker *> {
    // Work happens in the calling thread: programs are small.
    auto process = orc::SelfExecutorProcessControl::Create(
        nullptr, std::make_unique<orc::InPlaceTaskDispatcher>());
    if (!process)
      return process.takeError();
    return new Linker(std::move(*process));
  }();
  if (!linker)
    return createStringError("cannot set up the linker for this process");
  return *linker;
}

Expected<orc::JITDylibSP> Linker::link(StringRef object) {
  std::string name = "program" + std::to_string(numLibraries++);
  orc::JITDylibSP library = &session.createBareJITDylib(name);
  if (Error error = library->define(orc::absoluteSymbols(processSymbols())))
    return error;
  if (Error error = layer.add(*library, MemoryBuffer::getMemBufferCopy(object, name)))
    return error;
  return library;
}

Expected<void *> Linker::lookup(orc::JITDylib &library, StringRef symbol) {
  Expected<orc::ExecutorSymbolDef> definition = session.lookup({&library}, symbol);
  std::string why = std::exchange(reason, "");
  if (!definition)
    return createStringError("cannot load '" + symbol + "': " + (why.empty() ? "" : why + "; ") +
                             toString(definition.takeError()));
  return definition->getAddress().toPtr<void *>();
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

namespace {

/// How a grid is cut: x into `x` parts, each of them into `y` parts along y.
struct Split {
  int x = 1, y = 1;
};

class HostDevice : public Device {
public:
  target::DeviceTarget getTarget() const override { return {"host"}; }
  StringRef getDescription() const override { return "the CPU"; }
  Expected<std::unique_ptr<LoadedCode>> load(StringRef code, StringRef target) override;
  Expected<void *> allocate(size_t bytes, void *stream) override;
  void deallocate(void *memory, void *stream) override { std::free(memory); }
  Expected<const void *> upload(ArrayRef<char> bytes) override;
  Error download(void *to, const void *from, size_t bytes, void *) override {
    std::memcpy(to, from, bytes);
    return Error::success();
  }
  Error launch(void *kernel, const KernelAttributes &attributes, int64_t gridX, int64_t gridY,
               ArrayRef<uint64_t> slots, void *stream) override;
};

} // namespace

Expected<std::unique_ptr<LoadedCode>> HostDevice::load(StringRef code, StringRef target) {
  Expected<TargetSpec> spec = resolveTarget(target);
  if (!spec)
    return spec.takeError();
  if (Error error = checkRunsHere(*spec))
    return error;
  Expected<Linker *> linker = Linker::get();
  if (!linker)
    return linker.takeError();
  Expected<orc::JITDylibSP> library = (*linker)->link(code);
  if (!library)
    return library.takeError();
  return std::make_unique<HostCode>(**linker, std::move(*library));
}

Expected<void *> HostDevice::allocate(size_t bytes, void *) {
  constexpr size_t alignment = 64;
  if (bytes <= std::numeric_limits<ptrdiff_t>::max() - alignment)
    if (void *memory =
            std::aligned_alloc(alignment, alignTo(std::max<size_t>(bytes, 1), alignment)))
      return memory;
  return createStringError("cannot allocate " + Twine(bytes) + " bytes of workspace");
}

Expected<const void *> HostDevice::upload(ArrayRef<char> bytes) {
  Expected<void *> memory = allocate(bytes.size(), nullptr);
  if (memory)
    llvm::copy(bytes, static_cast<char *>(*memory));
  return memory;
}

/// Waking a thread takes microseconds, so a part must be worth some: about as
/// long as it takes to move this many bytes.
static constexpr uint64_t minBytesOfPart = 64 << 10;
static constexpr int64_t defaultCost = 4096;
/// More parts than threads even out their speeds.
static constexpr uint64_t partsPerThread = 4;

static Split splitGrid(int64_t cost, int64_t gridX, int64_t gridY) {
  uint64_t bytes = SaturatingMultiply<uint64_t>(SaturatingMultiply<uint64_t>(gridX, gridY), cost);
  int64_t parts = std::min<uint64_t>(bytes / minBytesOfPart, numThreads() * partsPerThread);
  if (parts <= 1 || numThreads() == 1)
    return {};
  Split split;
  split.x = std::min(gridX, parts);
  split.y = std::min<int64_t>(gridY, divideCeil(parts, split.x));
  return split;
}

/// The start of part `i` of `parts` of [0, size).
static int64_t partStart(int64_t size, int64_t i, int64_t parts) {
  return size / parts * i + std::min(i, size % parts);
}

Error HostDevice::launch(void *kernel, const KernelAttributes &attributes, int64_t gridX,
                         int64_t gridY, ArrayRef<uint64_t> slots, void *) {
  auto run = reinterpret_cast<HostKernel>(kernel);
  Split split = splitGrid(attributes.cost ? attributes.cost : defaultCost, gridX, gridY);
  auto runPart = [&](int part) {
    DefaultFloatingPoint environment;
    int x = part / split.y, y = part % split.y;
    run(slots.data(), partStart(gridX, x, split.x), partStart(gridX, x + 1, split.x),
        partStart(gridY, y, split.y), partStart(gridY, y + 1, split.y));
  };
  if (int parts = split.x * split.y; parts > 1)
    parallelFor(parts, runPart);
  else
    runPart(0);
  return Error::success();
}

Device &hostDevice() {
  static HostDevice device;
  return device;
}

} // namespace quadrille::runtime
