//===- Device.cpp - What a program needs of a machine ---------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/Device.h"

using namespace llvm;

namespace quadrille::runtime {

char DeviceError::ID;

LoadedCode::~LoadedCode() = default;
Device::~Device() = default;

Expected<Device *> lookupDevice(StringRef name) {
  if (name == "host")
    return &hostDevice();
  auto [kind, number] = name.split(':');
  unsigned ordinal;
  if (!number.getAsInteger(10, ordinal)) {
    if (kind == "cuda")
      return cudaDevice(ordinal);
    if (kind == "hip")
      return hipDevice(ordinal);
  }
  return createStringError("unknown device '" + name + "': expected host, cuda:N or hip:N");
}

} // namespace quadrille::runtime
