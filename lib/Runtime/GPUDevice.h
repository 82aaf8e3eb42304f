//===- GPUDevice.h - GPUs as devices ----------------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_RUNTIME_GPUDEVICE_H
#define QUADRILLE_LIB_RUNTIME_GPUDEVICE_H

#include "GPUDriver.h"
#include "quadrille/Runtime/Device.h"
#include <map>
#include <mutex>
#include <unistd.h>

namespace quadrille::runtime::gpu {

/// What launch needs of a kernel.
struct Kernel {
  Function function;
  std::string name;
  unsigned threads;
  int64_t resident = 0; ///< blocks that run at once, if no more are to be launched; 0: any
};

/// All of a GPU that does not depend on whose it is.
class GPUDevice : public Device {
public:
  target::DeviceTarget getTarget() const override { return target; }
  llvm::StringRef getDescription() const override { return description; }
  llvm::Expected<void *> allocate(size_t bytes, void *stream) override;
  void deallocate(void *memory, void *stream) override;
  llvm::Expected<const void *> upload(llvm::ArrayRef<char> bytes) override;
  llvm::Error download(void *to, const void *from, size_t bytes, void *stream) override;
  llvm::Error order(void *earlier, void *later) override;
  llvm::Expected<bool> isCapturing(void *stream) override;
  llvm::Error launch(void *kernel, const KernelAttributes &attributes, int64_t gridX,
                     int64_t gridY, llvm::ArrayRef<uint64_t> slots, void *stream) override;

  llvm::Expected<Kernel> bind(Module module, const KernelDecl &declaration);
  llvm::Expected<KernelFacts> describe(const KernelDecl &declaration, const Kernel &kernel);

protected:
  /// The device is called `kind`:N.
  GPUDevice(const Driver &driver, llvm::StringRef kind, unsigned ordinal)
      : ordinal(ordinal), name((kind + ":" + llvm::Twine(ordinal)).str()), driver(driver) {}

  /// Makes the GPU this thread's current one while it lives.
  class Current {
  public:
    explicit Current(const GPUDevice &device) : device(device), previous(device.enter()) {}
    ~Current() {
      if (previous)
        device.leave(*previous);
      llvm::consumeError(previous.takeError());
    }
    Current(const Current &) = delete;
    Current &operator=(const Current &) = delete;

    llvm::Error check() { return previous ? llvm::Error::success() : previous.takeError(); }

  private:
    const GPUDevice &device;
    llvm::Expected<int> previous;
  };
  static constexpr int wasCurrent = -1;
  /// Makes the GPU current; what `leave` needs to undo it, or wasCurrent.
  virtual llvm::Expected<int> enter() const = 0;
  virtual void leave(int previous) const = 0;
  /// Blocks of that many threads that one launch may have along x.
  virtual int64_t mostBlocks(unsigned threads) const = 0;
  /// Lets a block of the kernel have that much dynamic shared memory.
  virtual llvm::Error allowShared(const Kernel &kernel, int bytes) { return llvm::Error::success(); }

  /// Sets the description; an error if the process does not see the GPU.
  llvm::Error open();
  llvm::Expected<std::unique_ptr<LoadedCode>> loadImage(const char *image);
  llvm::Error check(Result result, const llvm::Twine &call) const {
    return driver.check(result, call + " on " + name);
  }
  llvm::Error check(Result result, llvm::StringRef call, const Kernel &kernel) const {
    return result == 0 ? llvm::Error::success()
                       : check(result, call + " of kernel '" + kernel.name + "'");
  }

  const unsigned ordinal;
  const std::string name;
  DeviceHandle handle = 0;
  std::string description;
  target::DeviceTarget target;
  int maxThreads = 0; ///< resident on one multiprocessor; 0: not known
  int processors = 0; ///< multiprocessors

private:
  llvm::Expected<int> attribute(const Kernel &kernel, FunctionAttribute attribute);
  llvm::Expected<int> occupancy(const KernelDecl &declaration, const Kernel &kernel);

  const Driver &driver;
  std::mutex uploadMutex;
  Pointer slab = 0; ///< where the next upload goes
  size_t slabLeft = 0;
};

/// The device of that number, made when it is first asked for. `api` is for the errors.
template <typename DeviceT>
llvm::Expected<Device *> deviceOf(unsigned ordinal, llvm::StringRef api) {
  // Never destroyed: programs may outlive static destructors.
  static auto &mutex = *new std::mutex;
  static auto &devices = *new std::map<unsigned, std::unique_ptr<DeviceT>>;
  static const pid_t owner = getpid();
  if (owner != getpid())
    return llvm::createStringError(
        api + " was used before this process was forked and cannot be used in it; start processes "
              "by spawn");
  std::lock_guard lock(mutex);
  std::unique_ptr<DeviceT> &device = devices[ordinal];
  if (!device) {
    llvm::Expected<std::unique_ptr<DeviceT>> created = DeviceT::create(ordinal);
    if (!created)
      return created.takeError();
    device = std::move(*created);
  }
  return device.get();
}

} // namespace quadrille::runtime::gpu

#endif // QUADRILLE_LIB_RUNTIME_GPUDEVICE_H
