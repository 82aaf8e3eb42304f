//===- HIPDriver.h - AMD's driver, found at run time -----------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions of HIP that are used here. Types and numbers are those of the ABI
// of ROCm 6, https://rocm.docs.amd.com/projects/HIP.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_RUNTIME_HIPDRIVER_H
#define QUADRILLE_LIB_RUNTIME_HIPDRIVER_H

#include "GPUDriver.h"

namespace quadrille::runtime::hip {

using namespace gpu;

/// X(member, symbol, parameters): what CUDA lacks, or has otherwise.
#define QUADRILLE_HIP_FUNCTIONS(X)                                                                 \
  X(getDevice, hipGetDevice, (int *ordinal))                                                       \
  X(setDevice, hipSetDevice, (int ordinal))                                                        \
  X(getDeviceProperties, hipGetDevicePropertiesR0600, (void *properties, int ordinal))             \
  X(getErrorName, hipDrvGetErrorName, (Result error, const char **name))                           \
  X(getErrorString, hipDrvGetErrorString, (Result error, const char **text))

class Driver : public gpu::Driver {
public:
  /// The driver of this process, initialized: QUADRILLE_LIBHIP if it is set when first
  /// asked, else libamdhip64.so. The same error each time if there is none.
  static llvm::Expected<const Driver *> get();

#define QUADRILLE_HIP_MEMBER(member, symbol, parameters) DriverFunction<Result parameters> member;
  QUADRILLE_HIP_FUNCTIONS(QUADRILLE_HIP_MEMBER)
#undef QUADRILLE_HIP_MEMBER

protected:
  std::pair<std::string, std::string> describe(Result result) const override;
  llvm::StringRef blockingLaunches() const override { return "AMD_SERIALIZE_KERNEL=3"; }

private:
  llvm::Error load(const std::string &path);
};

} // namespace quadrille::runtime::hip

#endif // QUADRILLE_LIB_RUNTIME_HIPDRIVER_H
