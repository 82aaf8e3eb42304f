//===- QuadAttrs.h - Attributes of the quad dialect -------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_IR_QUADATTRS_H
#define QUADRILLE_DIALECT_QUAD_IR_QUADATTRS_H

#include "quadrille/Dialect/Quad/IR/QuadDialect.h"
#include "quadrille/Numerics/Format.h"
#include "quadrille/Numerics/Rounding.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/OpImplementation.h"

#include "quadrille/Dialect/Quad/IR/QuadEnums.h.inc"

#include "quadrille/Dialect/Quad/IR/QuadAttrInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quadrille/Dialect/Quad/IR/QuadAttrs.h.inc"

namespace quadrille::quad {

/// The sizes of the RHT that exist.
inline bool isRHTSize(int64_t size) {
  return size >= 16 && size <= 256 && llvm::isPowerOf2_64(size);
}

} // namespace quadrille::quad

#endif // QUADRILLE_DIALECT_QUAD_IR_QUADATTRS_H
