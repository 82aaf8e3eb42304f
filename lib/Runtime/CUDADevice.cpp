//===- CUDADevice.cpp - NVIDIA GPUs as devices ----------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CUDADriver.h"
#include "GPUDevice.h"
#include "quadrille/Runtime/DiskCache.h"
#include "llvm/BinaryFormat/Magic.h"

using namespace llvm;

namespace quadrille::runtime {
namespace {

using cuda::Driver;

class CUDADevice : public gpu::GPUDevice {
public:
  static Expected<std::unique_ptr<CUDADevice>> create(unsigned ordinal);

  Expected<std::unique_ptr<LoadedCode>> load(StringRef code, StringRef target) override;

protected:
  Expected<int> enter() const override;
  void leave(int) const override;
  int64_t mostBlocks(unsigned) const override { return INT32_MAX; }
  Error allowShared(const gpu::Kernel &kernel, int bytes) override;

private:
  CUDADevice(const Driver &driver, unsigned ordinal)
      : GPUDevice(driver, "cuda", ordinal), driver(driver) {}

  Error initialize();
  Expected<int> attribute(cuda::DeviceAttribute attribute);
  Expected<std::string> compilePTX(StringRef ptx);
  Expected<std::string> linkPTX(StringRef ptx);

  const Driver &driver;
  cuda::Context context = nullptr;
  int major = 0, minor = 0;
};

} // namespace

//===----------------------------------------------------------------------===//
// The device
//===----------------------------------------------------------------------===//

/// Libraries that share the primary context mostly have it current already.
Expected<int> CUDADevice::enter() const {
  cuda::Context current = nullptr;
  if (driver.ctxGetCurrent(&current) == 0 && current == context)
    return wasCurrent;
  if (Error error = driver.check(driver.ctxPushCurrent(context), driver.ctxPushCurrent.name))
    return error;
  return 0;
}

void CUDADevice::leave(int previous) const {
  cuda::Context popped;
  if (previous != wasCurrent)
    driver.ctxPopCurrent(&popped);
}

/// More than 48 KiB need to be asked for.
Error CUDADevice::allowShared(const gpu::Kernel &kernel, int bytes) {
  return check(driver.funcSetAttribute(kernel.function, cuda::maxDynamicSharedSizeBytes, bytes),
               "cuFuncSetAttribute(MAX_DYNAMIC_SHARED_SIZE_BYTES)", kernel);
}

Expected<int> CUDADevice::attribute(cuda::DeviceAttribute attribute) {
  int value = 0;
  if (Error error = check(driver.deviceGetAttribute(&value, attribute, handle),
                          driver.deviceGetAttribute.name))
    return error;
  return value;
}

Error CUDADevice::initialize() {
  if (Error error = open())
    return error;
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
    return createStringError(name + " (" + description + ") has compute capability " +
                             Twine(major) + "." + Twine(minor) + "; 8.0 or later is needed");
  target = *supported;
  return check(driver.devicePrimaryCtxRetain(&context, handle),
               driver.devicePrimaryCtxRetain.name);
}

Expected<std::unique_ptr<CUDADevice>> CUDADevice::create(unsigned ordinal) {
  Expected<const Driver *> driver = Driver::get();
  if (!driver)
    return driver.takeError();
  std::unique_ptr<CUDADevice> device(new CUDADevice(**driver, ordinal));
  if (Error error = device->initialize())
    return error;
  return device;
}

Expected<Device *> cudaDevice(unsigned ordinal) {
  return gpu::deviceOf<CUDADevice>(ordinal, "CUDA");
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

/// Machine code of `ptx`, by the driver.
Expected<std::string> CUDADevice::linkPTX(StringRef ptx) {
  Current current(*this);
  if (Error error = current.check())
    return error;
  char log[8192] = "";
  int options[] = {cuda::errorLogBuffer, cuda::errorLogBufferSizeBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log))};
  cuda::Link link = nullptr;
  if (Error error = check(driver.linkCreate(2, options, values, &link), driver.linkCreate.name))
    return error;
  std::string text = ptx.str(); // which ends with a zero, as the driver needs
  void *cubin = nullptr;
  size_t size = 0;
  cuda::Result result = driver.linkAddData(link, cuda::ptxInput, text.data(), text.size() + 1,
                                           "quadrille", 0, nullptr, nullptr);
  StringRef call = driver.linkAddData.name;
  if (result == 0) {
    result = driver.linkComplete(link, &cubin, &size);
    call = driver.linkComplete.name;
  }
  std::string code(static_cast<const char *>(cubin), size); // of the link, which goes now
  driver.linkDestroy(link);
  if (result != 0)
    return check(result, call + " of PTX for " + target.name.data() + ": " +
                             StringRef(log).trim());
  return code;
}

/// The same from the disk cache, if it is there.
Expected<std::string> CUDADevice::compilePTX(StringRef ptx) {
  int version = 0;
  if (Error error =
          driver.check(driver.driverGetVersion(&version), driver.driverGetVersion.name))
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
  if (identify_magic(code) != file_magic::unknown)
    return loadImage(code.data());
  Expected<std::string> cubin = compilePTX(code); // of text
  if (!cubin)
    return cubin.takeError();
  return loadImage(cubin->data());
}

} // namespace quadrille::runtime
