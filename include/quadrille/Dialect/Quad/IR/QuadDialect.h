//===- QuadDialect.h - The quad dialect -------------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_IR_QUADDIALECT_H
#define QUADRILLE_DIALECT_QUAD_IR_QUADDIALECT_H

#include "mlir/IR/Dialect.h"
#include "mlir/IR/Operation.h"

#include "quadrille/Dialect/Quad/IR/QuadDialect.h.inc"

#endif // QUADRILLE_DIALECT_QUAD_IR_QUADDIALECT_H
