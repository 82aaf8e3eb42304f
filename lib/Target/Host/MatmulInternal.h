//===- MatmulInternal.h - Shared by the parts of the engine -----*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_TARGET_HOST_MATMULINTERNAL_H
#define QUADRILLE_LIB_TARGET_HOST_MATMULINTERNAL_H

#include "quadrille/Target/VectorBuilder.h"
#include "quadrille/Target/Host/Matmul.h"

namespace quadrille::host {

/// Number of innermost levels that the s8 carrier multiplies into the codes:
/// the one-bit exponents.
unsigned countFoldedLevels(const Format &format);

/// Sums of four products of u8 by s8 codes per 32-bit lane, over at most one
/// block. Partial sums are 16 bits wide where that is faster and cannot
/// overflow, so they have to be finished.
class DotProduct {
public:
  DotProduct(VectorBuilder &builder, const MatmulPlan &plan, int64_t maxU8, int64_t maxS8);

  /// Initial partial sum for a result that begins with `start` (32-bit lanes).
  mlir::Value begin(mlir::Value start);
  /// Adds the products of the bytes of `u8` and `s8` (32-bit lanes).
  mlir::Value step(mlir::Value partial, mlir::Value u8, mlir::Value s8);
  mlir::Value finish(mlir::Value partial, mlir::Value start);

private:
  enum class Kind { VNNI, Narrow, Wide } kind;
  mlir::Value addPairs(mlir::Value pairs);

  VectorBuilder &b;
};

/// 1.5 * 2^23 in units of 2^-unit: its bits plus a small integer n are the bits
/// of the sum of it and n * 2^-unit.
float getMagic(const MatmulPlan &plan);

} // namespace quadrille::host

#endif // QUADRILLE_LIB_TARGET_HOST_MATMULINTERNAL_H
