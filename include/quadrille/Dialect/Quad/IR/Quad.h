//===- Quad.h - Everything of the quad dialect ------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_IR_QUAD_H
#define QUADRILLE_DIALECT_QUAD_IR_QUAD_H

#include "quadrille/Dialect/Quad/IR/QuadAttrs.h"
#include "quadrille/Dialect/Quad/IR/QuadDialect.h"
#include "quadrille/Dialect/Quad/IR/QuadOps.h"
#include "quadrille/Dialect/Quad/IR/QuadTypes.h"

#endif // QUADRILLE_DIALECT_QUAD_IR_QUAD_H
