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
#include "quadrille/Target/Carrier.h"
#include "quadrille/Target/Host/Matmul.h"
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

/// What a kernel of a product does with sums: operands of the request, which are passed to
/// it, and the epilogue's code. Lives until the kernel is emitted.
class MatmulEpilogue {
public:
  MatmulEpilogue(KernelBuilder &kernel, const MatmulRequest &request,
                 llvm::ArrayRef<std::optional<Format>> formats);
  /// Emits what is the same for all elements; after the last argument is passed.
  void begin();
  const host::MatmulStore &get() const { return to; }

private:
  host::EpilogueOperand pass(const ScheduledOperand &operand);

  KernelBuilder &kernel;
  const MatmulRequest &request;
  host::MatmulStore to;
  llvm::SmallVector<mlir::Value> tensorScales; ///< pointers
  std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::ValueRange)> body;
};

/// Makes workspace of so many bytes.
using Allocate = llvm::function_ref<mlir::Value(mlir::Value)>;

/// The kernels of a product by wgmma, for operands in the carriers of `choice`.
mlir::LogicalResult emitWarpgroupMatmul(ScheduleBuilder &schedule, const TargetInfo &target,
                                        mlir::ModuleOp module, llvm::StringRef name,
                                        const MatmulRequest &request,
                                        const target::CarrierChoice &choice, Allocate allocate);

/// Why products of these operands cannot be made by a matrix instruction of a warp from packed
/// operands in registers; empty if they can.
std::string whyNoDot(const TargetInfo &target, const MatmulRequest &request,
                     const target::CarrierChoice &choice);
/// One kernel of such products: each block makes 32 columns of so many rows of the result,
/// each warp a part of the contraction. For few rows: it reads rhs anew for every `rows`.
void emitDotMatmul(ScheduleBuilder &schedule, const TargetInfo &target, mlir::ModuleOp module,
                   llvm::StringRef name, const MatmulRequest &request, int64_t rows);

/// Words of flags for stretches of so many rows of either operand.
struct OverflowFlags {
  mlir::Value lhs, rhs;
  int64_t rows;
};
/// The part of a product whose operands' rows have flags, by scalar arithmetic: sums of the
/// products of codes of a block, exact, times both scales, added in f32 in increasing k. For
/// operands of one level of e8m0 scales, whose exponents a carrier did not hold.
void emitOverflowMatmul(ScheduleBuilder &schedule, const TargetInfo &target,
                        mlir::ModuleOp module, llvm::StringRef name,
                        const MatmulRequest &request, const OverflowFlags &flags);

/// The format of an operand; nothing for a plain one.
std::optional<Format> formatOf(mlir::Value operand);

/// Chooses the carrier, and emits and launches the kernels: both operands packed
/// into it, then the product.
mlir::LogicalResult emitMatmul(ScheduleBuilder &schedule, const TargetInfo &target,
                               const TargetSpec &spec, mlir::ModuleOp module,
                               llvm::StringRef name, const MatmulRequest &request,
                               Allocate allocate);

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_MATMULKERNEL_H
