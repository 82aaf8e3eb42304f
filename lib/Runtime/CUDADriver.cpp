//===- CUDADriver.cpp - NVIDIA's driver, found at run time ----------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CUDADriver.h"
#include "llvm/Support/Process.h"

using namespace llvm;

namespace quadrille::runtime::cuda {

Error Driver::load(const std::string &path) {
#define QUADRILLE_CUDA_SYMBOL(member, symbol, parameters) {#symbol, member},
  const Symbol symbols[] = {
      {"cuInit", init},
      {"cuDeviceGetCount", deviceGetCount},
      {"cuDeviceGet", deviceGet},
      {"cuDeviceGetName", deviceGetName},
      {"cuModuleLoadData", moduleLoadData},
      {"cuModuleGetFunction", moduleGetFunction},
      {"cuFuncGetAttribute", funcGetAttribute},
      {"cuOccupancyMaxActiveBlocksPerMultiprocessor", occupancy},
      {"cuLaunchKernel", launchKernel},
      {"cuMemAlloc_v2", memAlloc},
      {"cuMemcpyHtoD_v2", memcpyHtoD},
      {"cuMemAllocAsync", memAllocAsync},
      {"cuMemFreeAsync", memFreeAsync},
      {"cuMemcpyDtoH_v2", memcpyDtoH},
      {"cuStreamSynchronize", streamSynchronize},
      {"cuStreamWaitEvent", streamWaitEvent},
      {"cuEventCreate", eventCreate},
      {"cuEventRecord", eventRecord},
      {"cuEventDestroy_v2", eventDestroy},
      {"cuStreamIsCapturing", streamIsCapturing},
      QUADRILLE_CUDA_FUNCTIONS(QUADRILLE_CUDA_SYMBOL)};
#undef QUADRILLE_CUDA_SYMBOL
  return gpu::Driver::load(path, "CUDA driver", "CUDA 11.4 or later", symbols);
}

Expected<const Driver *> Driver::get() {
  static std::string failure;
  // Never destroyed: programs may outlive static destructors.
  static const Driver *driver = [] {
    auto *loaded = new Driver;
    std::string path = sys::Process::GetEnv("QUADRILLE_LIBCUDA").value_or("libcuda.so.1");
    if (Error error = loaded->load(path))
      failure = toString(std::move(error));
    return loaded;
  }();
  if (!failure.empty())
    return createStringError(failure);
  return driver;
}

std::pair<std::string, std::string> Driver::describe(Result result) const {
  const char *name = nullptr, *text = nullptr;
  getErrorName(result, &name);
  getErrorString(result, &text);
  return {name ? name : "", text ? text : ""};
}

} // namespace quadrille::runtime::cuda
