//===- GPUDriver.cpp - What the drivers of GPUs have in common ------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "GPUDriver.h"
#include "quadrille/Runtime/Device.h"
#include <cstring>
#include <dlfcn.h>

using namespace llvm;

namespace quadrille::runtime::gpu {

Driver::~Driver() = default;

Error Driver::load(const std::string &path, StringRef what, StringRef needed,
                   ArrayRef<Symbol> symbols) {
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return createStringError("no " + what + ": " + dlerror());
  for (const Symbol &entry : symbols) {
    void *address = dlsym(library, entry.symbol);
    if (!address)
      return createStringError("the " + what + " " + path + " has no " + entry.symbol + ": " +
                               needed + " is needed");
    std::memcpy(entry.address, &address, sizeof(address));
    *entry.name = entry.symbol;
    entry.name->consume_back("_v2"); // of the ABI's version, which headers hide
  }
  return check(init(0), init.name);
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
  auto [name, text] = describe(result);
  std::string message = (call + " failed: " + (name.empty() ? "error " + Twine(result) : Twine(name)) +
                         (text.empty() ? "" : " (" + Twine(text) + ")"))
                            .str();
  if (isSticky(result))
    message += ". This is the fault of a kernel that was launched before, by any library of this "
               "process; the GPU stays unusable until the process ends. With " +
               blockingLaunches().str() +
               " in the environment the kernel at fault is the one named";
  return make_error<DeviceError>(std::move(message));
}

} // namespace quadrille::runtime::gpu
