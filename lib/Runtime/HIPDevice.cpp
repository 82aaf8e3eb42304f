//===- HIPDevice.cpp - AMD GPUs as devices --------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "GPUDevice.h"
#include "HIPDriver.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace quadrille::runtime {
namespace {

using hip::Driver;

class HIPDevice : public gpu::GPUDevice {
public:
  static Expected<std::unique_ptr<HIPDevice>> create(unsigned ordinal);

  Expected<std::unique_ptr<LoadedCode>> load(StringRef code, StringRef target) override;

protected:
  Expected<int> enter() const override;
  void leave(int previous) const override;
  /// A launch counts its threads along x in 32 bits.
  int64_t mostBlocks(unsigned threads) const override {
    return UINT32_MAX / std::max(threads, 1u);
  }

private:
  HIPDevice(const Driver &driver, unsigned ordinal)
      : GPUDevice(driver, "hip", ordinal), driver(driver) {}

  Error initialize();
  Expected<std::string> findArchitecture();

  const Driver &driver;
};

} // namespace

/// HIP has no contexts to push, but a device that is current in each thread.
Expected<int> HIPDevice::enter() const {
  int previous = 0;
  if (Error error = check(driver.getDevice(&previous), driver.getDevice.name))
    return error;
  if (previous == static_cast<int>(ordinal))
    return wasCurrent;
  if (Error error = check(driver.setDevice(static_cast<int>(ordinal)), driver.setDevice.name))
    return error;
  return previous;
}

void HIPDevice::leave(int previous) const {
  if (previous != wasCurrent)
    driver.setDevice(previous);
}

/// "gfx942" of "gfx942:sramecc+:xnack-", which is somewhere in the properties: where, depends on
/// the version. No other property starts so.
Expected<std::string> HIPDevice::findArchitecture() {
  constexpr size_t moreThanAny = 16 << 10;
  std::string properties(moreThanAny, '\0');
  if (Error error = check(driver.getDeviceProperties(properties.data(), static_cast<int>(ordinal)),
                          driver.getDeviceProperties.name))
    return error;
  size_t at = properties.find(std::string("\0gfx", 4));
  if (at == std::string::npos)
    return createStringError(name + " (" + description + ") does not name its architecture");
  return StringRef(properties).substr(at + 1).take_while(isAlnum).str();
}

Error HIPDevice::initialize() {
  if (Error error = open())
    return error;
  Expected<std::string> architecture = findArchitecture();
  if (!architecture)
    return architecture.takeError();
  const target::Capability *capability = target::lookupCapability(*architecture);
  if (!capability)
    return createStringError(name + " (" + description + ") is " + *architecture +
                             ", for which there is no target: see `quadrille targets`");
  target = {capability->name, /*byDriver=*/false};
  return Error::success();
}

Expected<std::unique_ptr<HIPDevice>> HIPDevice::create(unsigned ordinal) {
  Expected<const Driver *> driver = Driver::get();
  if (!driver)
    return driver.takeError();
  std::unique_ptr<HIPDevice> device(new HIPDevice(**driver, ordinal));
  if (Error error = device->initialize())
    return error;
  return device;
}

Expected<std::unique_ptr<LoadedCode>> HIPDevice::load(StringRef code, StringRef compiled) {
  if (compiled != StringRef(target.name))
    return createStringError("code for " + compiled + " does not run on " + name + ", which is " +
                             StringRef(target.name));
  return loadImage(code.data());
}

Expected<Device *> hipDevice(unsigned ordinal) {
  return gpu::deviceOf<HIPDevice>(ordinal, "HIP");
}

} // namespace quadrille::runtime
