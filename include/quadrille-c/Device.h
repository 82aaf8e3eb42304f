//===- Device.h - C API of devices ----------------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The machines that programs run on. See quadrille/Runtime/Device.h.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_C_DEVICE_H
#define QUADRILLE_C_DEVICE_H

#include "quadrille-c/Support.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Devices live until the process ends: nobody destroys them.
typedef struct QuadrilleDevice QuadrilleDevice;

/// "host", "cuda:N" or "hip:N"; an error if this machine does not have it.
QUADRILLE_CAPI_EXPORTED QuadrilleError *quadrilleDeviceGet(QuadrilleStringRef name,
                                                           QuadrilleDevice **device);

/// The target that code for it is compiled for.
QUADRILLE_CAPI_EXPORTED QuadrilleStringRef quadrilleDeviceGetTarget(QuadrilleDevice *device);
/// Whether that must be PTX, for the driver to compile.
QUADRILLE_CAPI_EXPORTED bool quadrilleDeviceCompilesByDriver(QuadrilleDevice *device);
QUADRILLE_CAPI_EXPORTED QuadrilleStringRef quadrilleDeviceGetDescription(QuadrilleDevice *device);

QUADRILLE_CAPI_EXPORTED QuadrilleError *
quadrilleDeviceIsCapturing(QuadrilleDevice *device, void *stream, bool *isCapturing);

/// A copy of the bytes that kernels may read until the process ends.
QUADRILLE_CAPI_EXPORTED QuadrilleError *quadrilleDeviceUpload(QuadrilleDevice *device,
                                                              const void *data, size_t bytes,
                                                              const void **copy);

/// Waits for `stream` and copies to the host.
QUADRILLE_CAPI_EXPORTED QuadrilleError *quadrilleDeviceDownload(QuadrilleDevice *device, void *to,
                                                                const void *from, size_t bytes,
                                                                void *stream);
/// Later work on `later` waits for what is on `earlier` now.
QUADRILLE_CAPI_EXPORTED QuadrilleError *quadrilleDeviceOrder(QuadrilleDevice *device,
                                                             void *earlier, void *later);

/// Memory in the order of `stream`, aligned to 64 bytes.
QUADRILLE_CAPI_EXPORTED QuadrilleError *
quadrilleDeviceAllocate(QuadrilleDevice *device, size_t bytes, void *stream, void **memory);
QUADRILLE_CAPI_EXPORTED void quadrilleDeviceDeallocate(QuadrilleDevice *device, void *memory,
                                                       void *stream);

#ifdef __cplusplus
}
#endif

#endif // QUADRILLE_C_DEVICE_H
