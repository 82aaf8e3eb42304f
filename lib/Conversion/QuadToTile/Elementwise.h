//===- Elementwise.h - Elementwise code in kernels -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The region of quad.map and of a product's epilogue, on whatever a kernel computes
// with: tiles of any layout (a matrix unit's accumulators included), or vectors.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_ELEMENTWISE_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_ELEMENTWISE_H

#include "Kernels.h"

namespace quadrille {

/// What `body` yields for `arguments`, shaped f32 values of one type.
mlir::Value emitElementwiseBody(mlir::OpBuilder &b, mlir::Region &body,
                                mlir::ValueRange arguments);

/// A matrix or a vector of that type (a vector is one row) as elementwise code reads it.
ScheduledOperand makeOperand(mlir::RankedTensorType type, const ScheduledMatrix &matrix);

/// Size of a map's result along a dimension.
mlir::Value sizeOf(ScheduleBuilder &s, const ScheduledMap &map, unsigned dim);

/// A map's result as what is quantized.
QuantizeInput inputOf(ScheduleBuilder &s, const ScheduledMap &map);

/// quad.map as a kernel: `result` is dense and row-major.
mlir::LogicalResult emitMap(KernelBuilder &kernel, ScheduledMap map, ScheduledMatrix result);

/// One of its operands at (p0, a0), in f32.
Tile loadOperand(KernelBuilder &kernel, const ScheduledOperand &operand, unsigned axis,
                 const Tiling &tiling, mlir::Value p0, mlir::Value a0);

/// A map's tile of the P x A orientation at (p0, a0) in f32, not yet rounded to the map's
/// element type. Where an element lies outside of the matrix, it is unspecified.
Tile computeMap(KernelBuilder &kernel, const ScheduledMap &map, unsigned axis,
                const Tiling &tiling, mlir::Value p0, mlir::Value a0);

/// The f32 tile `y` at `origin` of a matrix of `size`, zero outside of it.
Tile zeroOutside(KernelBuilder &kernel, Tile y, llvm::ArrayRef<mlir::Value> origin,
                 llvm::ArrayRef<mlir::Value> size);

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_ELEMENTWISE_H
