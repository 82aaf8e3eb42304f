//===- CUDADevice.cpp - NVIDIA GPUs as devices ----------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CUDADriver.h"
#include "quadrille/Runtime/Device.h"
#include "quadrille/Runtime/DiskCache.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Support/MathExtras.h"
#include <deque>
#include <map>
#include <mutex>
#include <unistd.h>

using namespace llvm;

namespace quadrille::runtime {
namespace {

using cuda::Driver;

/// Makes a context this thread's current one while it lives. Libraries that share
/// the primary context mostly have it current already.
class CurrentContext {
public:
  CurrentContext(const Driver &driver, cuda::Context context) : driver(driver) {
    cuda::Context current = nullptr;
    if (driver.ctxGetCurrent(&current) == 0 && current == context)
      return;
    result = driver.ctxPushCurrent(context);
    isPushed = result == 0;
  }
  ~CurrentContext() {
    cuda::Context popped;
    if (isPushed)
      driver.ctxPopCurrent(&popped);
  }
  CurrentContext(const CurrentContext &) = delete;
  CurrentContext &operator=(const CurrentContext &) = delete;

  Error check() const { return driver.check(result, "cuCtxPushCurrent"); }

private:
  const Driver &driver;
  cuda::Result result = 0;
  bool isPushed = false;
};

/// What launch needs of a kernel.
struct Kernel {
  cuda::Function function;
  std::string name;
  unsigned threads;
  int64_t mostBlocks = INT32_MAX; ///< along x; of all GPUs, or as many as run at once
};

class CUDADevice : public Device {
public:
  static Expected<std::unique_ptr<CUDADevice>> create(unsigned ordinal);

  target::DeviceTarget getTarget() const override { return target; }
  StringRef getDescription() const override { return description; }
  Expected<std::unique_ptr<LoadedCode>> load(StringRef code, StringRef target) override;
  Expected<void *> allocate(size_t bytes, void *stream) override;
  void deallocate(void *memory, void *stream) override;
  Expected<const void *> upload(ArrayRef<char> bytes) override;
  Error download(void *to, const void *from, size_t bytes, void *stream) override;
  Error order(void *earlier, void *later) override;
  Expected<bool> isCapturing(void *stream) override;
  Error launch(void *kernel, const KernelAttributes &attributes, int64_t gridX, int64_t gridY,
               ArrayRef<uint64_t> slots, void *stream) override;

  Expected<Kernel> bind(cuda::Module module, const KernelDecl &declaration);
  Expected<KernelFacts> describe(const KernelDecl &declaration, const Kernel &kernel);

private:
  CUDADevice(const Driver &driver, unsigned ordinal) : driver(driver), ordinal(ordinal) {}

  Error initialize();
  Expected<int> attribute(cuda::DeviceAttribute attribute);
  Expected<int> attribute(const Kernel &kernel, cuda::FunctionAttribute attribute);
  Expected<int> occupancy(const KernelDecl &declaration, const Kernel &kernel);
  Expected<std::string> compilePTX(StringRef ptx);
  Expected<std::string> linkPTX(StringRef ptx);
  Error check(cuda::Result result, const Twine &call) const {
    return driver.check(result, call + " on cuda:" + Twine(ordinal));
  }
  Error check(cuda::Result result, StringRef call, const Kernel &kernel) const {
    return result == 0 ? Error::success()
                       : check(result, call + " of kernel '" + kernel.name + "'");
  }

  const Driver &driver;
  const unsigned ordinal;
  cuda::DeviceHandle handle = 0;
  cuda::Context context = nullptr;
  std::string description;
  target::DeviceTarget target;
  int major = 0, minor = 0, maxThreads = 0, processors = 0;

  std::mutex uploadMutex;
  cuda::Pointer slab = 0; ///< where the next upload goes
  size_t slabLeft = 0;
};

cuda::Stream toStream(void *stream) { return static_cast<cuda::Stream>(stream); }

/// Not unloaded when it goes: a captured graph may launch its kernels later.
class CUDACode : public LoadedCode {
public:
  CUDACode(CUDADevice &device, cuda::Module module) : device(device), module(module) {}

  Expected<void *> lookup(const KernelDecl &declaration) override {
    Expected<Kernel> kernel = device.bind(module, declaration);
    if (!kernel)
      return kernel.takeError();
    return &kernels.emplace_back(std::move(*kernel));
  }

  Expected<KernelFacts> describe(const KernelDecl &declaration, void *handle) override {
    return device.describe(declaration, *static_cast<const Kernel *>(handle));
  }

private:
  CUDADevice &device;
  cuda::Module module;
  std::deque<Kernel> kernels; ///< whose elements do not move
};

} // namespace

//===----------------------------------------------------------------------===//
// The device
//===----------------------------------------------------------------------===//

Expected<int> CUDADevice::attribute(cuda::DeviceAttribute attribute) {
  int value = 0;
  if (Error error = check(driver.deviceGetAttribute(&value, attribute, handle),
                          "cuDeviceGetAttribute"))
    return error;
  return value;
}

Error CUDADevice::initialize() {
  if (Error error = check(driver.deviceGet(&handle, static_cast<int>(ordinal)), "cuDeviceGet"))
    return error;
  char name[256] = "";
  if (Error error = check(driver.deviceGetName(name, sizeof(name), handle), "cuDeviceGetName"))
    return error;
  description = name;
  struct Wanted {
    cuda::DeviceAttribute attribute;
    int &value;
  };
  for (auto [number, value] : {Wanted{cuda::computeCapabilityMajor, major},
                               Wanted{cuda::computeCapabilityMinor, minor},
                               Wanted{cuda::maxThreadsPerMultiprocessor, maxThreads},
                               Wanted{cuda::multiprocessorCount, processors}}) {
    Expected<int> found = attribute(number);
    if (!found)
      return found.takeError();
    value = *found;
  }
  auto supported = target::targetOfComputeCapability(major, minor);
  if (!supported)
    return createStringError("cuda:" + Twine(ordinal) + " (" + description +
                             ") has compute capability " + Twine(major) + "." + Twine(minor) +
                             "; 8.0 or later is needed");
  target = *supported;
  return check(driver.devicePrimaryCtxRetain(&context, handle), "cuDevicePrimaryCtxRetain");
}

Expected<std::unique_ptr<CUDADevice>> CUDADevice::create(unsigned ordinal) {
  Expected<const Driver *> driver = Driver::get();
  if (!driver)
    return driver.takeError();
  int count = 0;
  if (Error error = (*driver)->check((*driver)->deviceGetCount(&count), "cuDeviceGetCount"))
    return error;
  if (static_cast<int>(ordinal) >= count)
    return createStringError("there is no cuda:" + Twine(ordinal) + ": this process sees " +
                             Twine(count) + " GPUs");
  std::unique_ptr<CUDADevice> device(new CUDADevice(**driver, ordinal));
  if (Error error = device->initialize())
    return error;
  return device;
}

Expected<Device *> cudaDevice(unsigned ordinal) {
  // Never destroyed: programs may outlive static destructors.
  static auto &mutex = *new std::mutex;
  static auto &devices = *new std::map<unsigned, std::unique_ptr<CUDADevice>>;
  static const pid_t owner = getpid();
  if (owner != getpid())
    return createStringError("CUDA was used before this process was forked and cannot be used in "
                             "it; start processes by spawn");
  std::lock_guard lock(mutex);
  std::unique_ptr<CUDADevice> &device = devices[ordinal];
  if (!device) {
    Expected<std::unique_ptr<CUDADevice>> created = CUDADevice::create(ordinal);
    if (!created)
      return created.takeError();
    device = std::move(*created);
  }
  return device.get();
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

/// Machine code of `ptx`, by the driver.
Expected<std::string> CUDADevice::linkPTX(StringRef ptx) {
  CurrentContext current(driver, context);
  if (Error error = current.check())
    return error;
  char log[8192] = "";
  int options[] = {cuda::errorLogBuffer, cuda::errorLogBufferSizeBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log))};
  cuda::Link link = nullptr;
  if (Error error = check(driver.linkCreate(2, options, values, &link), "cuLinkCreate"))
    return error;
  std::string text = ptx.str(); // which ends with a zero, as the driver needs
  void *cubin = nullptr;
  size_t size = 0;
  cuda::Result result = driver.linkAddData(link, cuda::ptxInput, text.data(), text.size() + 1,
                                           "quadrille", 0, nullptr, nullptr);
  const char *call = "cuLinkAddData";
  if (result == 0) {
    result = driver.linkComplete(link, &cubin, &size);
    call = "cuLinkComplete";
  }
  std::string code(static_cast<const char *>(cubin), size); // of the link, which goes now
  driver.linkDestroy(link);
  if (result != 0)
    return check(result, Twine(call) + " of PTX for " + target.name.data() + ": " +
                             StringRef(log).trim());
  return code;
}

/// The same from the disk cache, if it is there.
Expected<std::string> CUDADevice::compilePTX(StringRef ptx) {
  int version = 0;
  if (Error error = driver.check(driver.driverGetVersion(&version), "cuDriverGetVersion"))
    return error;
  DiskCache cache = DiskCache::standard();
  std::string arch = std::to_string(major) + "." + std::to_string(minor);
  std::string key = DiskCache::keyOf({"cubin by driver", std::to_string(version), arch, ptx});
  if (std::optional<CompileResult> found = cache.lookup(key))
    return std::move(found->output);
  Expected<std::string> code = linkPTX(ptx);
  if (code) {
    CompileResult result;
    result.output = *code;
    cache.store(key, result);
  }
  return code;
}

Expected<std::unique_ptr<LoadedCode>> CUDADevice::load(StringRef code, StringRef) {
  std::string compiled;
  if (identify_magic(code) == file_magic::unknown) { // text
    Expected<std::string> cubin = compilePTX(code);
    if (!cubin)
      return cubin.takeError();
    compiled = std::move(*cubin);
    code = compiled;
  }
  CurrentContext current(driver, context);
  if (Error error = current.check())
    return error;
  cuda::Module module = nullptr;
  if (Error error = check(driver.moduleLoadData(&module, code.data()), "cuModuleLoadData"))
    return error;
  return std::make_unique<CUDACode>(*this, module);
}

Expected<int> CUDADevice::attribute(const Kernel &kernel, cuda::FunctionAttribute attribute) {
  int value = 0;
  if (Error error = check(driver.funcGetAttribute(&value, attribute, kernel.function),
                          "cuFuncGetAttribute", kernel))
    return error;
  return value;
}

Expected<Kernel> CUDADevice::bind(cuda::Module module, const KernelDecl &declaration) {
  CurrentContext current(driver, context);
  if (Error error = current.check())
    return error;
  Kernel kernel{nullptr, declaration.name, static_cast<unsigned>(declaration.attributes.threads)};
  if (Error error =
          check(driver.moduleGetFunction(&kernel.function, module, declaration.name.c_str()),
                "cuModuleGetFunction", kernel))
    return error;
  // Where loading is lazy the question loads the function: it must not be its
  // first launch, which may be captured.
  Expected<int> mostThreads = attribute(kernel, cuda::maxThreadsPerBlock);
  if (!mostThreads)
    return mostThreads.takeError();
  if (kernel.threads == 0)
    kernel.threads = *mostThreads;
  // More than 48 KiB need to be asked for.
  if (int shared = static_cast<int>(declaration.attributes.shared))
    if (Error error = check(
            driver.funcSetAttribute(kernel.function, cuda::maxDynamicSharedSizeBytes, shared),
            "cuFuncSetAttribute(MAX_DYNAMIC_SHARED_SIZE_BYTES)", kernel))
      return error;
  if (int64_t cluster = declaration.attributes.cluster) {
    Expected<int> perProcessor = occupancy(declaration, kernel);
    if (!perProcessor)
      return perProcessor.takeError();
    kernel.mostBlocks = std::max<int64_t>(1, *perProcessor) * processors / cluster * cluster;
  }
  return kernel;
}

/// Blocks of the kernel that a multiprocessor runs at once.
Expected<int> CUDADevice::occupancy(const KernelDecl &declaration, const Kernel &kernel) {
  int blocks = 0;
  if (Error error = check(driver.occupancy(&blocks, kernel.function,
                                           static_cast<int>(kernel.threads),
                                           size_t(declaration.attributes.shared)),
                          "cuOccupancyMaxActiveBlocksPerMultiprocessor", kernel))
    return error;
  return blocks;
}

Expected<KernelFacts> CUDADevice::describe(const KernelDecl &declaration, const Kernel &kernel) {
  CurrentContext current(driver, context);
  if (Error error = current.check())
    return error;
  KernelFacts facts;
  facts.threads = kernel.threads;
  struct Wanted {
    cuda::FunctionAttribute attribute;
    unsigned &value;
  };
  for (auto [number, value] : {Wanted{cuda::numRegisters, facts.registers},
                               Wanted{cuda::localSizeBytes, facts.spillBytes},
                               Wanted{cuda::sharedSizeBytes, facts.sharedBytes}}) {
    Expected<int> found = attribute(kernel, number);
    if (!found)
      return found.takeError();
    value = *found;
  }
  facts.sharedBytes += declaration.attributes.shared;
  Expected<int> blocks = occupancy(declaration, kernel);
  if (!blocks)
    return blocks.takeError();
  facts.blocksPerUnit = *blocks;
  facts.occupancy = maxThreads ? double(*blocks) * kernel.threads / maxThreads : 0;
  return facts;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Expected<void *> CUDADevice::allocate(size_t bytes, void *stream) {
  CurrentContext current(driver, context);
  if (Error error = current.check())
    return error;
  cuda::Pointer pointer = 0;
  if (Error error =
          check(driver.memAllocAsync(&pointer, std::max<size_t>(bytes, 1), toStream(stream)),
                "cuMemAllocAsync of " + Twine(bytes) + " bytes"))
    return error;
  return reinterpret_cast<void *>(pointer);
}

void CUDADevice::deallocate(void *memory, void *stream) {
  CurrentContext current(driver, context);
  consumeError(current.check());
  // A failure belongs to earlier work and comes back from the next call.
  driver.memFreeAsync(reinterpret_cast<cuda::Pointer>(memory), toStream(stream));
}

Expected<const void *> CUDADevice::upload(ArrayRef<char> bytes) {
  constexpr size_t alignment = 16, slabSize = 64 << 10;
  size_t size = alignTo(std::max<size_t>(bytes.size(), 1), alignment);
  CurrentContext current(driver, context);
  if (Error error = current.check())
    return error;
  std::lock_guard lock(uploadMutex);
  if (size > slabLeft) {
    size_t allocated = std::max(size, slabSize);
    if (Error error = check(driver.memAlloc(&slab, allocated), "cuMemAlloc"))
      return error;
    slabLeft = allocated;
  }
  if (Error error = check(driver.memcpyHtoD(slab, bytes.data(), bytes.size()), "cuMemcpyHtoD"))
    return error;
  slabLeft -= size;
  return reinterpret_cast<const void *>(std::exchange(slab, slab + size));
}

Error CUDADevice::download(void *to, const void *from, size_t bytes, void *stream) {
  CurrentContext current(driver, context);
  if (Error error = current.check())
    return error;
  if (Error error = check(driver.streamSynchronize(toStream(stream)), "cuStreamSynchronize"))
    return error;
  return check(driver.memcpyDtoH(to, reinterpret_cast<cuda::Pointer>(from), bytes),
               "cuMemcpyDtoH");
}

Error CUDADevice::order(void *earlier, void *later) {
  if (earlier == later)
    return Error::success();
  CurrentContext current(driver, context);
  if (Error error = current.check())
    return error;
  constexpr unsigned withoutTiming = 2;
  cuda::Event event = nullptr;
  if (Error error = check(driver.eventCreate(&event, withoutTiming), "cuEventCreate"))
    return error;
  Error error = check(driver.eventRecord(event, toStream(earlier)), "cuEventRecord");
  if (!error)
    error = check(driver.streamWaitEvent(toStream(later), event, 0), "cuStreamWaitEvent");
  driver.eventDestroy(event); // which takes effect when the event has come
  return error;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

Expected<bool> CUDADevice::isCapturing(void *stream) {
  CurrentContext current(driver, context);
  if (Error error = current.check())
    return error;
  int status = 0;
  if (Error error = check(driver.streamIsCapturing(toStream(stream), &status),
                          "cuStreamIsCapturing"))
    return error;
  return status != 0;
}

Error CUDADevice::launch(void *handle, const KernelAttributes &attributes, int64_t gridX,
                         int64_t gridY, ArrayRef<uint64_t> slots, void *stream) {
  constexpr int64_t maxGridX = INT32_MAX, maxGridY = UINT16_MAX; // of all GPUs
  const auto &kernel = *static_cast<const Kernel *>(handle);
  if (gridX > maxGridX)
    return createStringError("kernel '" + kernel.name + "' would need " + Twine(gridX) +
                             " blocks along x, more than a GPU runs");
  gridX = std::min(gridX, kernel.mostBlocks);
  int64_t y0 = 0;
  SmallVector<void *, 32> parameters;
  for (const uint64_t &slot : slots)
    parameters.push_back(const_cast<uint64_t *>(&slot));
  parameters.push_back(&y0);
  CurrentContext current(driver, context);
  if (Error error = current.check())
    return error;
  for (; y0 < gridY; y0 += maxGridY) {
    auto part = static_cast<unsigned>(std::min(gridY - y0, maxGridY));
    cuda::Result result = driver.launchKernel(
        kernel.function, static_cast<unsigned>(gridX), part, 1, kernel.threads, 1, 1,
        static_cast<unsigned>(attributes.shared), toStream(stream), parameters.data(), nullptr);
    if (result != 0)
      return check(result, "cuLaunchKernel", kernel);
  }
  return Error::success();
}

} // namespace quadrille::runtime
