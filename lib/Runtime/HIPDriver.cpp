//===- HIPDriver.cpp - AMD's driver, found at run time --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "HIPDriver.h"
#include "llvm/Support/Process.h"

using namespace llvm;

namespace quadrille::runtime::hip {

Error Driver::load(const std::string &path) {
#define QUADRILLE_HIP_SYMBOL(member, symbol, parameters) {#symbol, member},
  const Symbol symbols[] = {
      {"hipInit", init},
      {"hipGetDeviceCount", deviceGetCount},
      {"hipDeviceGet", deviceGet},
      {"hipDeviceGetName", deviceGetName},
      {"hipModuleLoadData", moduleLoadData},
      {"hipModuleGetFunction", moduleGetFunction},
      {"hipFuncGetAttribute", funcGetAttribute},
      {"hipModuleOccupancyMaxActiveBlocksPerMultiprocessor", occupancy},
      {"hipModuleLaunchKernel", launchKernel},
      {"hipMalloc", memAlloc},
      {"hipMemcpyHtoD", memcpyHtoD},
      {"hipMallocAsync", memAllocAsync},
      {"hipFreeAsync", memFreeAsync},
      {"hipMemcpyDtoH", memcpyDtoH},
      {"hipStreamSynchronize", streamSynchronize},
      {"hipStreamWaitEvent", streamWaitEvent},
      {"hipEventCreateWithFlags", eventCreate},
      {"hipEventRecord", eventRecord},
      {"hipEventDestroy", eventDestroy},
      {"hipStreamIsCapturing", streamIsCapturing},
      QUADRILLE_HIP_FUNCTIONS(QUADRILLE_HIP_SYMBOL)};
#undef QUADRILLE_HIP_SYMBOL
  return gpu::Driver::load(path, "HIP driver", "ROCm 6 or later", symbols);
}

/// PyTorch for ROCm has its own HIP loaded, under the name without a version: a second one
/// would not know its streams.
Expected<const Driver *> Driver::get() {
  static std::string failure;
  // Never destroyed: programs may outlive static destructors.
  static const Driver *driver = [] {
    auto *loaded = new Driver;
    std::string path = sys::Process::GetEnv("QUADRILLE_LIBHIP").value_or("libamdhip64.so");
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

} // namespace quadrille::runtime::hip
