//===- GPUDevice.cpp - GPUs as devices ------------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "GPUDevice.h"
#include "llvm/Support/MathExtras.h"
#include <deque>

using namespace llvm;

namespace quadrille::runtime::gpu {
namespace {

Stream toStream(void *stream) { return static_cast<Stream>(stream); }

/// Not unloaded when it goes: a captured graph may launch its kernels later.
class GPUCode : public LoadedCode {
public:
  GPUCode(GPUDevice &device, Module module) : device(device), module(module) {}

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
  GPUDevice &device;
  Module module;
  std::deque<Kernel> kernels; ///< whose elements do not move
};

} // namespace

Error GPUDevice::open() {
  int count = 0;
  if (Error error = driver.check(driver.deviceGetCount(&count), driver.deviceGetCount.name))
    return error;
  if (static_cast<int>(ordinal) >= count)
    return createStringError("there is no " + name + ": this process sees " + Twine(count) +
                             " GPUs");
  if (Error error =
          check(driver.deviceGet(&handle, static_cast<int>(ordinal)), driver.deviceGet.name))
    return error;
  char text[256] = "";
  if (Error error = check(driver.deviceGetName(text, sizeof(text), handle),
                          driver.deviceGetName.name))
    return error;
  description = text;
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

Expected<std::unique_ptr<LoadedCode>> GPUDevice::loadImage(const char *image) {
  Current current(*this);
  if (Error error = current.check())
    return error;
  Module module = nullptr;
  if (Error error = check(driver.moduleLoadData(&module, image), driver.moduleLoadData.name))
    return error;
  return std::make_unique<GPUCode>(*this, module);
}

Expected<int> GPUDevice::attribute(const Kernel &kernel, FunctionAttribute attribute) {
  int value = 0;
  if (Error error = check(driver.funcGetAttribute(&value, attribute, kernel.function),
                          driver.funcGetAttribute.name, kernel))
    return error;
  return value;
}

Expected<Kernel> GPUDevice::bind(Module module, const KernelDecl &declaration) {
  Current current(*this);
  if (Error error = current.check())
    return error;
  Kernel kernel{nullptr, declaration.name, static_cast<unsigned>(declaration.attributes.threads)};
  if (Error error =
          check(driver.moduleGetFunction(&kernel.function, module, declaration.name.c_str()),
                driver.moduleGetFunction.name, kernel))
    return error;
  // Where loading is lazy the question loads the function: it must not be its
  // first launch, which may be captured.
  Expected<int> mostThreads = attribute(kernel, maxThreadsPerBlock);
  if (!mostThreads)
    return mostThreads.takeError();
  if (kernel.threads == 0)
    kernel.threads = *mostThreads;
  if (int shared = static_cast<int>(declaration.attributes.shared))
    if (Error error = allowShared(kernel, shared))
      return error;
  if (int64_t cluster = declaration.attributes.cluster) {
    Expected<int> perProcessor = occupancy(declaration, kernel);
    if (!perProcessor)
      return perProcessor.takeError();
    kernel.resident = std::max<int64_t>(1, *perProcessor) * processors / cluster * cluster;
  }
  return kernel;
}

/// Blocks of the kernel that a multiprocessor runs at once.
Expected<int> GPUDevice::occupancy(const KernelDecl &declaration, const Kernel &kernel) {
  int blocks = 0;
  if (Error error = check(driver.occupancy(&blocks, kernel.function,
                                           static_cast<int>(kernel.threads),
                                           size_t(declaration.attributes.shared)),
                          driver.occupancy.name, kernel))
    return error;
  return blocks;
}

Expected<KernelFacts> GPUDevice::describe(const KernelDecl &declaration, const Kernel &kernel) {
  Current current(*this);
  if (Error error = current.check())
    return error;
  KernelFacts facts;
  facts.threads = kernel.threads;
  struct Wanted {
    FunctionAttribute attribute;
    unsigned &value;
  };
  for (auto [number, value] : {Wanted{numRegisters, facts.registers},
                               Wanted{localSizeBytes, facts.spillBytes},
                               Wanted{sharedSizeBytes, facts.sharedBytes}}) {
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

Expected<void *> GPUDevice::allocate(size_t bytes, void *stream) {
  Current current(*this);
  if (Error error = current.check())
    return error;
  Pointer pointer = 0;
  if (Error error =
          check(driver.memAllocAsync(&pointer, std::max<size_t>(bytes, 1), toStream(stream)),
                driver.memAllocAsync.name + " of " + Twine(bytes) + " bytes"))
    return error;
  return reinterpret_cast<void *>(pointer);
}

void GPUDevice::deallocate(void *memory, void *stream) {
  Current current(*this);
  consumeError(current.check());
  // A failure belongs to earlier work and comes back from the next call.
  driver.memFreeAsync(reinterpret_cast<Pointer>(memory), toStream(stream));
}

Expected<const void *> GPUDevice::upload(ArrayRef<char> bytes) {
  constexpr size_t alignment = 16, slabSize = 64 << 10;
  size_t size = alignTo(std::max<size_t>(bytes.size(), 1), alignment);
  Current current(*this);
  if (Error error = current.check())
    return error;
  std::lock_guard lock(uploadMutex);
  if (size > slabLeft) {
    size_t allocated = std::max(size, slabSize);
    if (Error error = check(driver.memAlloc(&slab, allocated), driver.memAlloc.name))
      return error;
    slabLeft = allocated;
  }
  if (Error error =
          check(driver.memcpyHtoD(slab, bytes.data(), bytes.size()), driver.memcpyHtoD.name))
    return error;
  slabLeft -= size;
  return reinterpret_cast<const void *>(std::exchange(slab, slab + size));
}

Error GPUDevice::download(void *to, const void *from, size_t bytes, void *stream) {
  Current current(*this);
  if (Error error = current.check())
    return error;
  if (Error error =
          check(driver.streamSynchronize(toStream(stream)), driver.streamSynchronize.name))
    return error;
  return check(driver.memcpyDtoH(to, reinterpret_cast<Pointer>(from), bytes),
               driver.memcpyDtoH.name);
}

Error GPUDevice::order(void *earlier, void *later) {
  if (earlier == later)
    return Error::success();
  Current current(*this);
  if (Error error = current.check())
    return error;
  constexpr unsigned withoutTiming = 2;
  Event event = nullptr;
  if (Error error = check(driver.eventCreate(&event, withoutTiming), driver.eventCreate.name))
    return error;
  Error error = check(driver.eventRecord(event, toStream(earlier)), driver.eventRecord.name);
  if (!error)
    error = check(driver.streamWaitEvent(toStream(later), event, 0), driver.streamWaitEvent.name);
  driver.eventDestroy(event); // which takes effect when the event has come
  return error;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

Expected<bool> GPUDevice::isCapturing(void *stream) {
  Current current(*this);
  if (Error error = current.check())
    return error;
  int status = 0;
  if (Error error = check(driver.streamIsCapturing(toStream(stream), &status),
                          driver.streamIsCapturing.name))
    return error;
  return status != 0;
}

Error GPUDevice::launch(void *handle, const KernelAttributes &attributes, int64_t gridX,
                        int64_t gridY, ArrayRef<uint64_t> slots, void *stream) {
  constexpr int64_t maxGridY = UINT16_MAX; // of all GPUs
  const auto &kernel = *static_cast<const Kernel *>(handle);
  if (kernel.resident)
    gridX = std::min(gridX, kernel.resident);
  if (gridX > mostBlocks(kernel.threads))
    return createStringError("kernel '" + kernel.name + "' would need " + Twine(gridX) +
                             " blocks along x, more than a GPU runs");
  int64_t y0 = 0;
  SmallVector<void *, 32> parameters;
  for (const uint64_t &slot : slots)
    parameters.push_back(const_cast<uint64_t *>(&slot));
  parameters.push_back(&y0);
  Current current(*this);
  if (Error error = current.check())
    return error;
  for (; y0 < gridY; y0 += maxGridY) {
    auto part = static_cast<unsigned>(std::min(gridY - y0, maxGridY));
    Result result = driver.launchKernel(
        kernel.function, static_cast<unsigned>(gridX), part, 1, kernel.threads, 1, 1,
        static_cast<unsigned>(attributes.shared), toStream(stream), parameters.data(), nullptr);
    if (result != 0)
      return check(result, driver.launchKernel.name, kernel);
  }
  return Error::success();
}

} // namespace quadrille::runtime::gpu
