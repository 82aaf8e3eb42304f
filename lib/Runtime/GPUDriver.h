//===- GPUDriver.h - What the drivers of GPUs have in common ---*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// HIP has the functions of the CUDA driver API under other names, with the same
// parameters and the same numbers. They are found at run time, by dlopen: nothing
// links CUDA or HIP, and a machine without them only lacks GPUs.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_RUNTIME_GPUDRIVER_H
#define QUADRILLE_LIB_RUNTIME_GPUDRIVER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstddef>
#include <cstdint>
#include <string>

namespace quadrille::runtime::gpu {

using Result = int; ///< 0: success
using Pointer = uint64_t;
using DeviceHandle = int;
struct EventImpl;
struct FunctionImpl;
struct ModuleImpl;
struct StreamImpl;
using Event = EventImpl *;
using Function = FunctionImpl *;
using Module = ModuleImpl *;
using Stream = StreamImpl *;

/// Numbers of the ABIs' enumerations.
enum FunctionAttribute : int {
  maxThreadsPerBlock = 0,
  sharedSizeBytes = 1,
  localSizeBytes = 3,
  numRegisters = 4,
  maxDynamicSharedSizeBytes = 8,
};

/// X(member, parameters)
#define QUADRILLE_GPU_FUNCTIONS(X)                                                                 \
  X(init, (unsigned flags))                                                                        \
  X(deviceGetCount, (int *count))                                                                  \
  X(deviceGet, (DeviceHandle * device, int ordinal))                                               \
  X(deviceGetName, (char *name, int length, DeviceHandle device))                                  \
  X(moduleLoadData, (Module * module, const void *image))                                          \
  X(moduleGetFunction, (Function * function, Module module, const char *name))                     \
  X(funcGetAttribute, (int *value, int attribute, Function function))                              \
  X(occupancy, (int *blocks, Function function, int threads, size_t dynamicShared))                \
  X(launchKernel,                                                                                  \
    (Function function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,           \
     unsigned blockY, unsigned blockZ, unsigned dynamicShared, Stream stream, void **parameters,   \
     void **extra))                                                                                \
  X(memAlloc, (Pointer * pointer, size_t bytes))                                                   \
  X(memcpyHtoD, (Pointer to, const void *from, size_t bytes))                                      \
  X(memAllocAsync, (Pointer * pointer, size_t bytes, Stream stream))                               \
  X(memFreeAsync, (Pointer pointer, Stream stream))                                                \
  X(memcpyDtoH, (void *to, Pointer from, size_t bytes))                                            \
  X(streamSynchronize, (Stream stream))                                                            \
  X(streamWaitEvent, (Stream stream, Event event, unsigned flags))                                 \
  X(eventCreate, (Event * event, unsigned flags))                                                  \
  X(eventRecord, (Event event, Stream stream))                                                     \
  X(eventDestroy, (Event event))                                                                   \
  X(streamIsCapturing, (Stream stream, int *status))

/// A function of a driver, and its name in messages.
template <typename Signature> struct DriverFunction;
template <typename... Parameters> struct DriverFunction<Result(Parameters...)> {
  llvm::StringRef name;
  Result (*address)(Parameters...) = nullptr;

  Result operator()(Parameters... parameters) const { return address(parameters...); }
};

class Driver {
public:
  virtual ~Driver();

  /// An error that names `call` and says what `result` means; success for 0.
  llvm::Error check(Result result, const llvm::Twine &call) const;

#define QUADRILLE_GPU_MEMBER(member, parameters) DriverFunction<Result parameters> member;
  QUADRILLE_GPU_FUNCTIONS(QUADRILLE_GPU_MEMBER)
#undef QUADRILLE_GPU_MEMBER

protected:
  /// A symbol of the library and where its address and its name go.
  struct Symbol {
    const char *symbol;
    void *address;
    llvm::StringRef *name;

    template <typename Signature>
    Symbol(const char *symbol, DriverFunction<Signature> &function)
        : symbol(symbol), address(&function.address), name(&function.name) {}
  };

  /// Opens the library and initializes it. `what` ("the CUDA driver") and `needed` ("CUDA
  /// 11.4 or later") are for the errors.
  llvm::Error load(const std::string &path, llvm::StringRef what, llvm::StringRef needed,
                   llvm::ArrayRef<Symbol> symbols);

  /// What the ABI calls `result`, and a sentence about it; empty if it does not know.
  virtual std::pair<std::string, std::string> describe(Result result) const = 0;
  /// The setting of the environment with which launches are waited for.
  virtual llvm::StringRef blockingLaunches() const = 0;
};

} // namespace quadrille::runtime::gpu

#endif // QUADRILLE_LIB_RUNTIME_GPUDRIVER_H
