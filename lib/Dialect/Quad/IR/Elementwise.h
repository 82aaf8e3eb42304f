//===- Elementwise.h - Regions that compute one element ---------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_DIALECT_QUAD_IR_ELEMENTWISE_H
#define QUADRILLE_LIB_DIALECT_QUAD_IR_ELEMENTWISE_H

#include "mlir/IR/Operation.h"

namespace quadrille::quad {

/// True for operations of arith and math whose result IEEE 754 fixes.
bool isExactlySpecified(mlir::Operation *op);

/// `body` of `op` takes `numArguments` f32 and yields one, by operations that
/// elementwise code may have.
mlir::LogicalResult verifyElementwiseBody(mlir::Operation *op, mlir::Region &body,
                                          size_t numArguments);

/// Each of `inputs` is a number, or fits or repeats in a matrix of type `result`.
mlir::LogicalResult verifyElementwiseInputs(mlir::Operation *op, mlir::ValueRange inputs,
                                            mlir::RankedTensorType result);

} // namespace quadrille::quad

#endif // QUADRILLE_LIB_DIALECT_QUAD_IR_ELEMENTWISE_H
