//===- Support.cpp - Common parts of the C API ----------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Support.h"

using namespace quadrille::capi;

QuadrilleStringRef quadrilleErrorGetMessage(const QuadrilleError *error) {
  return wrap(error->message);
}

bool quadrilleErrorIsOfDevice(const QuadrilleError *error) { return error->isOfDevice; }

void quadrilleErrorDestroy(QuadrilleError *error) { delete error; }
