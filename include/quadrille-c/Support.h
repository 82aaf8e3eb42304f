//===- Support.h - Common parts of the C API ------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rules of the C API: handles are opaque and are destroyed by the function named
// after them; strings are UTF-8 with a length, may hold any byte, and live as
// long as what they were taken from; nothing throws or aborts on wrong
// arguments' values. Functions are safe to call from several threads unless they
// destroy something.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_C_SUPPORT_H
#define QUADRILLE_C_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QUADRILLE_CAPI_EXPORTED __attribute__((visibility("default")))

typedef struct {
  const char *data;
  size_t length;
} QuadrilleStringRef;

/// An error: null means success. Whoever receives one destroys it.
typedef struct QuadrilleError QuadrilleError;

QUADRILLE_CAPI_EXPORTED QuadrilleStringRef quadrilleErrorGetMessage(const QuadrilleError *error);
/// Whether the machine or its driver failed, not the caller.
QUADRILLE_CAPI_EXPORTED bool quadrilleErrorIsOfDevice(const QuadrilleError *error);
QUADRILLE_CAPI_EXPORTED void quadrilleErrorDestroy(QuadrilleError *error);

#ifdef __cplusplus
}
#endif

#endif // QUADRILLE_C_SUPPORT_H
