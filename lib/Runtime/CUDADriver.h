//===- CUDADriver.h - NVIDIA's driver, found at run time -------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions of the CUDA driver API that are used here, by dlopen: nothing
// links CUDA, and a machine without it only lacks GPUs. Types and numbers are
// those of the driver's ABI, https://docs.nvidia.com/cuda/cuda-driver-api.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_RUNTIME_CUDADRIVER_H
#define QUADRILLE_LIB_RUNTIME_CUDADRIVER_H

#include "llvm/Support/Error.h"
#include <cstddef>
#include <cstdint>

namespace quadrille::runtime::cuda {

using Result = int; ///< 0: success
using Pointer = uint64_t;
using DeviceHandle = int;
struct ContextImpl;
struct EventImpl;
struct FunctionImpl;
struct LinkImpl;
struct ModuleImpl;
struct StreamImpl;
using Context = ContextImpl *;
using Event = EventImpl *;
using Function = FunctionImpl *;
using Link = LinkImpl *;
using Module = ModuleImpl *;
using Stream = StreamImpl *;

/// Numbers of the ABI's enumerations.
enum FunctionAttribute : int {
  maxThreadsPerBlock = 0,
  sharedSizeBytes = 1,
  localSizeBytes = 3,
  numRegisters = 4,
  maxDynamicSharedSizeBytes = 8,
};
enum DeviceAttribute : int {
  multiprocessorCount = 16,
  maxThreadsPerMultiprocessor = 39,
  computeCapabilityMajor = 75,
  computeCapabilityMinor = 76,
  maxSharedMemoryPerBlockOptin = 97,
};
enum LinkOption : int { errorLogBuffer = 5, errorLogBufferSizeBytes = 6 };
enum LinkInput : int { ptxInput = 1 };

/// X(member, symbol, parameters): the symbols are those of the ABI's current
/// version, as cuda.h of CUDA 12 and 13 names them.
#define QUADRILLE_CUDA_FUNCTIONS(X)                                                                \
  X(init, cuInit, (unsigned flags))                                                                \
  X(driverGetVersion, cuDriverGetVersion, (int *version))                                          \
  X(getErrorName, cuGetErrorName, (Result error, const char **name))                               \
  X(getErrorString, cuGetErrorString, (Result error, const char **text))                           \
  X(deviceGetCount, cuDeviceGetCount, (int *count))                                                \
  X(deviceGet, cuDeviceGet, (DeviceHandle * device, int ordinal))                                  \
  X(deviceGetName, cuDeviceGetName, (char *name, int length, DeviceHandle device))                 \
  X(deviceGetAttribute, cuDeviceGetAttribute, (int *value, int attribute, DeviceHandle device))    \
  X(devicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, (Context * context, DeviceHandle device))    \
  X(ctxGetCurrent, cuCtxGetCurrent, (Context * context))                                           \
  X(ctxPushCurrent, cuCtxPushCurrent_v2, (Context context))                                        \
  X(ctxPopCurrent, cuCtxPopCurrent_v2, (Context * context))                                        \
  X(moduleLoadData, cuModuleLoadData, (Module * module, const void *image))                        \
  X(moduleGetFunction, cuModuleGetFunction,                                                        \
    (Function * function, Module module, const char *name))                                        \
  X(funcGetAttribute, cuFuncGetAttribute, (int *value, int attribute, Function function))          \
  X(funcSetAttribute, cuFuncSetAttribute, (Function function, int attribute, int value))           \
  X(occupancy, cuOccupancyMaxActiveBlocksPerMultiprocessor,                                        \
    (int *blocks, Function function, int threads, size_t dynamicShared))                           \
  X(launchKernel, cuLaunchKernel,                                                                  \
    (Function function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,           \
     unsigned blockY, unsigned blockZ, unsigned dynamicShared, Stream stream, void **parameters,   \
     void **extra))                                                                                \
  X(linkCreate, cuLinkCreate_v2,                                                                   \
    (unsigned numOptions, int *options, void **values, Link *state))                               \
  X(linkAddData, cuLinkAddData_v2,                                                                 \
    (Link state, int type, void *data, size_t size, const char *name, unsigned numOptions,         \
     int *options, void **values))                                                                 \
  X(linkComplete, cuLinkComplete, (Link state, void **cubin, size_t *size))                        \
  X(linkDestroy, cuLinkDestroy, (Link state))                                                      \
  X(memAlloc, cuMemAlloc_v2, (Pointer * pointer, size_t bytes))                                    \
  X(memcpyHtoD, cuMemcpyHtoD_v2, (Pointer to, const void *from, size_t bytes))                     \
  X(memAllocAsync, cuMemAllocAsync, (Pointer * pointer, size_t bytes, Stream stream))              \
  X(memFreeAsync, cuMemFreeAsync, (Pointer pointer, Stream stream))                                \
  X(memcpyDtoH, cuMemcpyDtoH_v2, (void *to, Pointer from, size_t bytes))                           \
  X(streamSynchronize, cuStreamSynchronize, (Stream stream))                                       \
  X(streamWaitEvent, cuStreamWaitEvent, (Stream stream, Event event, unsigned flags))              \
  X(eventCreate, cuEventCreate, (Event * event, unsigned flags))                                   \
  X(eventRecord, cuEventRecord, (Event event, Stream stream))                                      \
  X(eventDestroy, cuEventDestroy_v2, (Event event))                                                \
  X(streamIsCapturing, cuStreamIsCapturing, (Stream stream, int *status))

class Driver {
public:
  /// The driver of this process, initialized: QUADRILLE_LIBCUDA if it is set when
  /// first asked, else libcuda.so.1. The same error each time if there is none.
  static llvm::Expected<const Driver *> get();

  /// An error that names `call` and says what `result` means; success for 0.
  llvm::Error check(Result result, const llvm::Twine &call) const;

#define QUADRILLE_CUDA_MEMBER(member, symbol, parameters) Result(*member) parameters = nullptr;
  QUADRILLE_CUDA_FUNCTIONS(QUADRILLE_CUDA_MEMBER)
#undef QUADRILLE_CUDA_MEMBER

private:
  llvm::Error load(const char *path);
};

} // namespace quadrille::runtime::cuda

#endif // QUADRILLE_LIB_RUNTIME_CUDADRIVER_H
