//===- FunctionLowering.h - A function's kernels and its schedule -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_FUNCTIONLOWERING_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_FUNCTIONLOWERING_H

#include "Elementwise.h"
#include "Groups.h"
#include "MatmulKernel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quadrille/Target/TargetSpec.h"
#include <memory>
#include <numeric>

namespace quadrille {

/// Lowers one function and the kernels that it launches.
class FunctionLowering {
public:
  FunctionLowering(mlir::ModuleOp module, mlir::func::FuncOp source, const TargetInfo &target,
                   const TargetSpec &spec)
      : module(module), source(source), target(target), spec(spec), b(source.getContext()),
        s(b, source.getLoc()) {}

  mlir::LogicalResult run();

private:
  void createSchedule();
  void bindArgument(mlir::BlockArgument argument);
  void bindFacts(unsigned number, ScheduledMatrix &matrix);
  llvm::SmallVector<mlir::Value> addBuffers(mlir::Type type, bool isOut);
  void bindResults();
  void bindPrepared(mlir::BlockArgument argument, llvm::ArrayRef<mlir::Value> buffers);
  void describePrepared();

  mlir::LogicalResult lowerLaunch(quad::LaunchOp launch);
  mlir::LogicalResult checkPadding(quad::LaunchOp launch, mlir::Operation *op);
  mlir::LogicalResult lowerQuantize(quad::KernelOp kernel, quad::LaunchOp launch);
  mlir::LogicalResult lower(quad::AmaxOp op, quad::LaunchOp launch);
  mlir::LogicalResult lower(quad::HadamardOp op, quad::LaunchOp launch);
  mlir::LogicalResult lower(quad::DequantizeOp op, quad::LaunchOp launch);
  mlir::LogicalResult lower(quad::ScalesOp op, quad::LaunchOp launch);
  mlir::LogicalResult lower(quad::ToCarrierOp op, quad::LaunchOp launch);
  mlir::LogicalResult lower(quad::PrepareOp op, quad::LaunchOp launch);
  mlir::LogicalResult lower(quad::MatmulOp op, quad::LaunchOp launch);
  PrepareRequest prepareRequest(quad::LaunchOp launch, quad::PrepareOp op);
  QuantizeRequest quantizeRequest(quad::LaunchOp launch, quad::QuantizeOp op, mlir::Value result,
                                  const ScheduledMatrix &input);
  QuantizedProduct *planQuantized(mlir::Value product);
  std::optional<DirectPanels> directPanels(mlir::Value result, const ScheduledMatrix &input,
                                           unsigned axis, mlir::Value length);
  ScheduledTensor preparedTensor(mlir::Value result, mlir::Value rows, mlir::Value length);
  MatmulOperand matmulOperand(quad::LaunchOp launch, mlir::Value inKernel, llvm::StringRef suffix);
  MatmulGroups matmulGroups(quad::LaunchOp launch, quad::MatmulOp op, const MatmulOperand &lhs,
                            const MatmulOperand &rhs);
  mlir::LogicalResult lower(quad::MapOp op, quad::LaunchOp launch);

  KernelBuilder makeKernel(quad::LaunchOp launch, llvm::StringRef suffix = "") {
    return KernelBuilder(s, target, (launch.getCallee() + suffix).str(), module, tuning);
  }
  /// The launch's operand for a value of its kernel; null stays null.
  mlir::Value operandOf(quad::LaunchOp launch, mlir::Value inKernel) {
    return inKernel ? launch.getInputs()[llvm::cast<mlir::BlockArgument>(inKernel).getArgNumber()] : mlir::Value();
  }
  /// The schedule's value for the kernel's scalar or vector operand.
  mlir::Value scheduledOf(quad::LaunchOp launch, mlir::Value inKernel) {
    mlir::Value operand = operandOf(launch, inKernel);
    return operand ? scalars.lookup(operand) : mlir::Value();
  }
  const ScheduledMatrix &matrixOf(quad::LaunchOp launch, mlir::Value inKernel) {
    return matrices[operandOf(launch, inKernel)];
  }

  mlir::Value groupCount(quad::LaunchOp launch, mlir::Value inKernel);
  ScheduledGroups scheduledGroups(quad::LaunchOp launch, mlir::Value inKernel, mlir::Value length,
                                  int64_t multiple);
  ScheduledGroups groupTable(quad::LaunchOp launch, mlir::Value inKernel, mlir::Value count,
                             mlir::Value length, mlir::Value multiple, GroupExtent extent,
                             llvm::StringRef suffix);
  /// The tensor for a kernel's quantized operand, whose codes it reads by words.
  ScheduledTensor tensorOf(quad::LaunchOp launch, mlir::Value inKernel);
  ScheduledTensor withRowMajorScales(quad::LaunchOp launch, ScheduledTensor tensor,
                                     quad::QuantizedTensorType type, llvm::StringRef suffix);
  mlir::FailureOr<ScheduledMap> scheduledMap(quad::LaunchOp launch, mlir::Region &body, mlir::ValueRange inputs,
                                       mlir::Type element);

  ScheduledTensor resultTensor(mlir::Value result, mlir::Value rows, mlir::Value length,
                               mlir::Value ownLength);
  ScheduledMatrix resultMatrix(mlir::Value result, mlir::Value rows, mlir::Value cols);
  mlir::Value resultScalar(mlir::Value result);
  mlir::Value resultVector(mlir::Value result, mlir::Value length);
  mlir::Value allocate(mlir::Value elements, mlir::Type element, unsigned rank);

  mlir::ModuleOp module;
  mlir::func::FuncOp source, schedule;
  const TargetInfo &target;
  const TargetSpec &spec;
  mlir::OpBuilder b;
  ScheduleBuilder s;
  Tuning tuning; ///< of the kernel that is being lowered
  // Schedule values of the source's values, by their kind: plain matrices,
  // quantized and prepared tensors, and whatever is one pointer or number.
  llvm::DenseMap<mlir::Value, ScheduledMatrix> matrices;
  llvm::DenseMap<mlir::Value, ScheduledTensor> tensors;
  llvm::DenseMap<mlir::Value, ScheduledPrepared> prepared;
  llvm::DenseMap<mlir::Value, mlir::Value> scalars;
  /// By their launches, the quantizations that products may do.
  llvm::DenseMap<mlir::Operation *, std::unique_ptr<QuantizedProduct>> quantizedProducts;
  /// Buffers of the caller for values that the function returns.
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> destinations;
};

/// The largest power of two that divides `x`, at most 128: all that accesses need.
inline int64_t powerOfTwoDivisor(int64_t x) { return std::gcd<int64_t>(x, 128); }

/// The value whose storage a value shares.
mlir::Value storageRoot(mlir::Value value);

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_FUNCTIONLOWERING_H
