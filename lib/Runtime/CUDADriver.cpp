//===- CUDADriver.cpp - NVIDIA's driver, found at run time ----------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CUDADriver.h"
#include "quadrille/Runtime/Device.h"
#include "llvm/Support/Process.h"
#include <dlfcn.h>

using namespace llvm;

namespace quadrille::runtime::cuda {

Error Driver::load(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return createStringError(Twine("no CUDA driver: ") + dlerror());
  struct Entry {
    const char *symbol;
    void *member; ///< where its address goes
  };
#define QUADRILLE_CUDA_ENTRY(member, symbol, parameters) {#symbol, static_cast<void *>(&member)},
  const Entry entries[] = {QUADRILLE_CUDA_FUNCTIONS(QUADRILLE_CUDA_ENTRY)};
#undef QUADRILLE_CUDA_ENTRY
  for (const Entry &entry : entries) {
    void *address = dlsym(library, entry.symbol);
    if (!address)
      return createStringError(Twine("the CUDA driver ") + path + " has no " + entry.symbol +
                               ": CUDA 11.4 or later is needed");
    std::memcpy(entry.member, &address, sizeof(address));
  }
  return check(init(0), "cuInit");
}

Expected<const Driver *> Driver::get() {
  static std::string failure;
  // Never destroyed: programs may outlive static destructors.
  static const Driver *driver = [] {
    std::optional<std::string> path = sys::Process::GetEnv("QUADRILLE_LIBCUDA");
    auto *loaded = new Driver;
    if (Error error = loaded->load(path ? path->c_str() : "libcuda.so.1"))
      failure = toString(std::move(error));
    return loaded;
  }();
  if (!failure.empty())
    return createStringError(failure);
  return driver;
}

/// Errors after which the context is of no more use. They belong to work that was
/// launched earlier and come back from whatever is called next.
static bool isSticky(Result result) {
  constexpr Result uncorrectableECC = 214, contained = 226, illegalAddress = 700,
                   launchTimeout = 702, assertion = 710, hardwareStack = 714,
                   illegalInstruction = 715, misalignedAddress = 716, invalidAddressSpace = 717,
                   invalidPC = 718, launchFailed = 719;
  for (Result each : {uncorrectableECC, contained, illegalAddress, launchTimeout, assertion,
                      hardwareStack, illegalInstruction, misalignedAddress, invalidAddressSpace,
                      invalidPC, launchFailed})
    if (result == each)
      return true;
  return false;
}

Error Driver::check(Result result, const Twine &call) const {
  if (result == 0)
    return Error::success();
  const char *name = nullptr, *text = nullptr;
  getErrorName(result, &name);
  getErrorString(result, &text);
  std::string message = (call + " failed: " + (name ? name : "error " + std::to_string(result)) +
                         (text ? " (" + std::string(text) + ")" : ""))
                            .str();
  if (isSticky(result))
    message += ". This is the fault of a kernel that was launched before, by any library of this "
               "process; the GPU stays unusable until the process ends. With "
               "CUDA_LAUNCH_BLOCKING=1 in the environment the kernel at fault is the one named";
  return make_error<DeviceError>(std::move(message));
}

} // namespace quadrille::runtime::cuda
