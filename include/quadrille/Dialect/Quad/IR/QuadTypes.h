//===- QuadTypes.h - Types of the quad dialect ------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_IR_QUADTYPES_H
#define QUADRILLE_DIALECT_QUAD_IR_QUADTYPES_H

#include "quadrille/Dialect/Quad/IR/QuadAttrs.h"

#include "mlir/IR/BuiltinTypes.h"

#define GET_TYPEDEF_CLASSES
#include "quadrille/Dialect/Quad/IR/QuadTypes.h.inc"

namespace quadrille::quad {
/// The quantized tensor that an operand of a product is, or was prepared of; null for others.
QuantizedTensorType getQuantizedType(::mlir::Type type);
} // namespace quadrille::quad

#endif // QUADRILLE_DIALECT_QUAD_IR_QUADTYPES_H
