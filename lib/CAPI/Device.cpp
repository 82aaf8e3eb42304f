//===- Device.cpp - C API of devices --------------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille-c/Device.h"
#include "Support.h"

using namespace quadrille;
using namespace quadrille::capi;

QuadrilleError *quadrilleDeviceGet(QuadrilleStringRef name, QuadrilleDevice **device) {
  runtime::Device *found = nullptr;
  QuadrilleError *error = unwrapInto(runtime::lookupDevice(unwrap(name)), found);
  *device = wrap(found);
  return error;
}

QuadrilleStringRef quadrilleDeviceGetTarget(QuadrilleDevice *device) {
  return wrap(llvm::StringRef(unwrap(device)->getTarget().name));
}

bool quadrilleDeviceCompilesByDriver(QuadrilleDevice *device) {
  return unwrap(device)->getTarget().byDriver;
}

QuadrilleStringRef quadrilleDeviceGetDescription(QuadrilleDevice *device) {
  return wrap(unwrap(device)->getDescription());
}

QuadrilleError *quadrilleDeviceIsCapturing(QuadrilleDevice *device, void *stream,
                                           bool *isCapturing) {
  return unwrapInto(unwrap(device)->isCapturing(stream), *isCapturing);
}

QuadrilleError *quadrilleDeviceUpload(QuadrilleDevice *device, const void *data, size_t bytes,
                                      const void **copy) {
  llvm::ArrayRef contents(static_cast<const char *>(data), bytes);
  return unwrapInto(unwrap(device)->upload(contents), *copy);
}

QuadrilleError *quadrilleDeviceDownload(QuadrilleDevice *device, void *to, const void *from,
                                        size_t bytes, void *stream) {
  return wrapError(unwrap(device)->download(to, from, bytes, stream));
}

QuadrilleError *quadrilleDeviceOrder(QuadrilleDevice *device, void *earlier, void *later) {
  return wrapError(unwrap(device)->order(earlier, later));
}

QuadrilleError *quadrilleDeviceAllocate(QuadrilleDevice *device, size_t bytes, void *stream,
                                        void **memory) {
  return unwrapInto(unwrap(device)->allocate(bytes, stream), *memory);
}

void quadrilleDeviceDeallocate(QuadrilleDevice *device, void *memory, void *stream) {
  unwrap(device)->deallocate(memory, stream);
}
