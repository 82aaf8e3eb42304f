//===- MatmulKernel.h - quad.matmul -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_MATMULKERNEL_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_MATMULKERNEL_H

#include "KernelBuilder.h"
#include <optional>

namespace quadrille {
struct TargetSpec;

/// A quantized or a plain operand of the schedule.
struct MatmulOperand {
  std::optional<ScheduledTensor> quantized;
  std::optional<ScheduledMatrix> plain;

  /// Size along `dim`, which is not the contraction's.
  mlir::Value outerSize(unsigned dim) const { return plain ? plain->sizes[dim] : quantized->rows; }
};

/// Schedule values of one quad.matmul; absent parts empty.
struct MatmulRequest {
  mutable quad::MatmulOp op; // accessors of operations are not const
  MatmulOperand lhs, rhs;
  llvm::SmallVector<ScheduledOperand> addends; ///< bias, then acc
  std::optional<ScheduledMap> epilogue;
  ScheduledMatrix result;
};

/// Chooses the carrier, and emits and launches the kernels: both operands packed
/// into it, then the product. `allocate` makes workspace of so many bytes.
mlir::LogicalResult emitMatmul(ScheduleBuilder &schedule, const TargetInfo &target,
                               const TargetSpec &spec, mlir::ModuleOp module,
                               llvm::StringRef name, const MatmulRequest &request,
                               llvm::function_ref<mlir::Value(mlir::Value)> allocate);

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_MATMULKERNEL_H
