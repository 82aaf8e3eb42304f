//===- CUDADriver.h - NVIDIA's driver, found at run time -------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions of the CUDA driver API that are used here. Types and numbers are
// those of the driver's ABI, https://docs.nvidia.com/cuda/cuda-driver-api.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_RUNTIME_CUDADRIVER_H
#define QUADRILLE_LIB_RUNTIME_CUDADRIVER_H

#include "GPUDriver.h"

namespace quadrille::runtime::cuda {

using namespace gpu;

struct ContextImpl;
struct LinkImpl;
using Context = ContextImpl *;
using Link = LinkImpl *;

/// Numbers of the ABI's enumerations.
enum DeviceAttribute : int {
  multiprocessorCount = 16,
  maxThreadsPerMultiprocessor = 39,
  computeCapabilityMajor = 75,
  computeCapabilityMinor = 76,
  maxSharedMemoryPerBlockOptin = 97,
};
enum LinkOption : int { errorLogBuffer = 5, errorLogBufferSizeBytes = 6 };
enum LinkInput : int { ptxInput = 1 };

/// X(member, symbol, parameters): what HIP lacks, or has otherwise. The symbols are those
/// of the ABI's current version, as cuda.h of CUDA 12 and 13 names them.
#define QUADRILLE_CUDA_FUNCTIONS(X)                                                                \
  X(driverGetVersion, cuDriverGetVersion, (int *version))                                          \
  X(getErrorName, cuGetErrorName, (Result error, const char **name))                               \
  X(getErrorString, cuGetErrorString, (Result error, const char **text))                           \
  X(deviceGetAttribute, cuDeviceGetAttribute, (int *value, int attribute, DeviceHandle device))    \
  X(devicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, (Context * context, DeviceHandle device))    \
  X(ctxGetCurrent, cuCtxGetCurrent, (Context * context))                                           \
  X(ctxPushCurrent, cuCtxPushCurrent_v2, (Context context))                                        \
  X(ctxPopCurrent, cuCtxPopCurrent_v2, (Context * context))                                        \
  X(funcSetAttribute, cuFuncSetAttribute, (Function function, int attribute, int value))           \
  X(linkCreate, cuLinkCreate_v2,                                                                   \
    (unsigned numOptions, int *options, void **values, Link *state))                               \
  X(linkAddData, cuLinkAddData_v2,                                                                 \
    (Link state, int type, void *data, size_t size, const char *name, unsigned numOptions,         \
     int *options, void **values))                                                                 \
  X(linkComplete, cuLinkComplete, (Link state, void **cubin, size_t *size))                        \
  X(linkDestroy, cuLinkDestroy, (Link state))

class Driver : public gpu::Driver {
public:
  /// The driver of this process, initialized: QUADRILLE_LIBCUDA if it is set when
  /// first asked, else libcuda.so.1. The same error each time if there is none.
  static llvm::Expected<const Driver *> get();

#define QUADRILLE_CUDA_MEMBER(member, symbol, parameters) DriverFunction<Result parameters> member;
  QUADRILLE_CUDA_FUNCTIONS(QUADRILLE_CUDA_MEMBER)
#undef QUADRILLE_CUDA_MEMBER

protected:
  std::pair<std::string, std::string> describe(Result result) const override;
  llvm::StringRef blockingLaunches() const override { return "CUDA_LAUNCH_BLOCKING=1"; }

private:
  llvm::Error load(const std::string &path);
};

} // namespace quadrille::runtime::cuda

#endif // QUADRILLE_LIB_RUNTIME_CUDADRIVER_H
