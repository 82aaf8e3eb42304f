//===- Device.h - What a program needs of a machine ------------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_RUNTIME_DEVICE_H
#define QUADRILLE_RUNTIME_DEVICE_H

#include "quadrille/Runtime/Schedule.h"
#include "quadrille/Target/Capability.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace quadrille::runtime {

/// A failure of the machine or its driver, not of the caller's arguments.
class DeviceError : public llvm::ErrorInfo<DeviceError, llvm::StringError> {
public:
  static char ID;
  explicit DeviceError(const llvm::Twine &message)
      : ErrorInfo(message, llvm::inconvertibleErrorCode()) {}
};

/// What a kernel takes of the machine; 0 where the device does not say.
struct KernelFacts {
  unsigned registers = 0;     ///< of a thread
  unsigned spillBytes = 0;    ///< local memory of a thread
  unsigned sharedBytes = 0;   ///< of a block, static and dynamic
  unsigned threads = 0;       ///< of a block
  unsigned blocksPerUnit = 0; ///< resident on one multiprocessor
  double occupancy = 0;       ///< resident threads, as a part of the most possible
};

/// The code of one program, loaded; it is unloaded with the object.
class LoadedCode {
public:
  virtual ~LoadedCode();
  /// A handle for Device::launch; valid as long as the code is.
  virtual llvm::Expected<void *> lookup(const KernelDecl &kernel) = 0;
  /// Of a handle of `kernel`.
  virtual llvm::Expected<KernelFacts> describe(const KernelDecl &kernel, void *handle) {
    return KernelFacts();
  }
};

/// A machine that runs kernels. A stream is the device's own notion of an order
/// of work (null: its default one); work on one stream happens in the order of
/// the calls. All functions are safe to call from several threads.
class Device {
public:
  virtual ~Device();

  /// What code for this device is compiled as.
  virtual target::DeviceTarget getTarget() const = 0;
  /// For people: "NVIDIA H200".
  virtual llvm::StringRef getDescription() const = 0;

  /// Loads `code`, which was compiled for `target` (Target/TargetSpec.h). An
  /// error if this device lacks what the target has.
  virtual llvm::Expected<std::unique_ptr<LoadedCode>> load(llvm::StringRef code,
                                                           llvm::StringRef target) = 0;

  /// Memory aligned to at least 64 bytes; freed in the stream's order.
  virtual llvm::Expected<void *> allocate(size_t bytes, void *stream) = 0;
  virtual void deallocate(void *memory, void *stream) = 0;

  /// A copy of `bytes` that kernels may read, aligned to 16 bytes. It stays until
  /// the process ends, as captured work may refer to it for as long.
  virtual llvm::Expected<const void *> upload(llvm::ArrayRef<char> bytes) = 0;

  /// Waits for `stream` and copies from the device to the host.
  virtual llvm::Error download(void *to, const void *from, size_t bytes, void *stream) = 0;

  /// Work on `later` from now on waits for what is on `earlier` now.
  virtual llvm::Error order(void *earlier, void *later) { return llvm::Error::success(); }

  /// Whether `stream` records work in place of doing it.
  virtual llvm::Expected<bool> isCapturing(void *stream) { return false; }

  /// Runs `kernel` for gridX x gridY programs, both > 0. `slots` are its packed
  /// 8-byte arguments: pointers, i64, or f32 in the low 4 bytes.
  virtual llvm::Error launch(void *kernel, const KernelAttributes &attributes, int64_t gridX,
                             int64_t gridY, llvm::ArrayRef<uint64_t> slots, void *stream) = 0;
};

/// A kernel of the host: runs programs [x0, x1) x [y0, y1) of the grid. x is
/// the slow dimension: a launch is split along x first. Programs have no effect
/// but on the buffers in `slots`, do not depend on each other, and run with the
/// floating-point environment at its default (rounding to nearest, subnormals
/// kept).
using HostKernel = void (*)(const uint64_t *slots, int64_t x0, int64_t x1, int64_t y0, int64_t y1);

/// The CPU. Code is an ELF object; launches return when the work is done, on
/// all threads of numThreads() if it is large.
Device &hostDevice();

/// An NVIDIA GPU. Code is machine code (a cubin) or PTX, which the driver then
/// compiles and the disk cache keeps. A kernel is `void kernel(slots.., i64 y0)`,
/// of which one launch runs at most 65535 programs along y, from number y0 on.
/// Launches do not wait, allocate or synchronize. The primary context is shared
/// with other libraries of the process, and is current only within a call.
/// A machine without the GPU or its driver is an error.
llvm::Expected<Device *> cudaDevice(unsigned ordinal);

/// An AMD GPU. Code is a code object for its architecture; kernels and launches are as on
/// NVIDIA's, with HIP's device in place of a context. Not yet run on a GPU.
llvm::Expected<Device *> hipDevice(unsigned ordinal);

/// "host", "cuda:N" or "hip:N".
llvm::Expected<Device *> lookupDevice(llvm::StringRef name);

/// Threads that a launch uses, the caller's included: QUADRILLE_NUM_THREADS if
/// it is a positive number when first asked, else the CPUs of the process.
unsigned numThreads();

} // namespace quadrille::runtime

#endif // QUADRILLE_RUNTIME_DEVICE_H
