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
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace quadrille::runtime {

/// The code of one program, loaded; it is unloaded with the object.
class LoadedCode {
public:
  virtual ~LoadedCode();
  /// A handle for Device::launch; valid as long as the code is.
  virtual llvm::Expected<void *> lookup(llvm::StringRef kernel) = 0;
};

/// A machine that runs kernels. A stream is the device's own notion of an order
/// of work (null: its default one); work on one stream happens in the order of
/// the calls. All functions are safe to call from several threads.
class Device {
public:
  virtual ~Device();

  /// Loads `code`, which was compiled for `target` (Target/TargetSpec.h). An
  /// error if this device lacks what the target has.
  virtual llvm::Expected<std::unique_ptr<LoadedCode>> load(llvm::StringRef code,
                                                           llvm::StringRef target) = 0;

  /// Memory aligned to at least 64 bytes; freed in the stream's order.
  virtual llvm::Expected<void *> allocate(size_t bytes, void *stream) = 0;
  virtual void deallocate(void *memory, void *stream) = 0;

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

/// Threads that a launch uses, the caller's included: QUADRILLE_NUM_THREADS if
/// it is a positive number when first asked, else the CPUs of the process.
unsigned numThreads();

} // namespace quadrille::runtime

#endif // QUADRILLE_RUNTIME_DEVICE_H
