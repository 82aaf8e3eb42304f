//===- MatmulKernel.h - quad.matmul -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_MATMULKERNEL_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_MATMULKERNEL_H

#include "Kernels.h"
#include "quadrille/Target/Carrier.h"
#include "quadrille/Target/Host/Matmul.h"
#include <functional>
#include <optional>

namespace quadrille {
struct TargetSpec;
class WarpgroupGroups;

/// Makes workspace of so many bytes.
using Allocate = llvm::function_ref<mlir::Value(mlir::Value)>;

/// How an engine has an operand in memory: panels of rows, of blocks of the contraction.
struct PanelForm {
  std::string description; ///< of all that the bytes depend on
  int64_t panelRows = 0, kBlock = 0;
  int64_t blockBytes = 0; ///< of each block of a panel
  int64_t panelBytes = 0; ///< of each panel, beside its blocks

  mlir::Value bytes(ScheduleBuilder &s, mlir::Value rows, mlir::Value length) const;
};

/// A prepared tensor of the schedule.
struct ScheduledPrepared {
  mlir::Value data;
  mlir::Value tensorScale;  ///< null unless the format has one
  mlir::Value rows, length; ///< i64; length of the contraction as stored
  PanelForm form;           ///< of an argument the description alone
  int64_t rowsDivisor = 1;  ///< a power of two that divides rows

  /// Makes `data` of workspace unless it is there.
  void allocate(ScheduleBuilder &s, Allocate allocate);
};

/// A quantized, a prepared or a plain operand of the schedule.
struct MatmulOperand {
  std::optional<ScheduledTensor> quantized;
  std::optional<ScheduledMatrix> plain;
  std::optional<ScheduledPrepared> prepared;

  /// Size along `dim`, which is not the contraction's.
  mlir::Value outerSize(unsigned dim) const {
    return plain ? plain->sizes[dim] : prepared ? prepared->rows : quantized->rows;
  }
  /// One f32 of the tensor, of a format that has it.
  mlir::Value tensorScale() const {
    return prepared ? prepared->tensorScale : quantized->scales.back();
  }
  /// Of the contraction as stored; null for a plain operand, which has no padding.
  mlir::Value storedLength() const {
    return plain ? mlir::Value() : prepared ? prepared->length : quantized->length;
  }
};

/// The groups of a product: of rows of lhs, each of which meets one expert of rhs, or of
/// positions of the contraction.
struct MatmulGroups {
  mlir::Value count; ///< i64
  bool ofContraction = false;
  /// Of rows: the length of the contraction, padding included, with one expert.
  mlir::Value length;
  /// Of rows: how many rows of rhs, as stored, or how many positions of the contraction one
  /// expert is behind the one before. The other one is 0.
  mlir::Value expertRows, expertLength;
  /// The table (Groups.h) of the groups of `length` positions, made by a kernel of that suffix.
  std::function<ScheduledGroups(mlir::Value length, mlir::Value multiple, GroupExtent extent,
                                llvm::StringRef suffix)>
      makeTable;
};

/// How the result of a product is quantized, which is all that is read of it.
struct QuantizedProduct {
  QuantizeRequest request;
  /// i1: the product's kernel did so; null: none did.
  mlir::Value isDone = {};
};

/// Schedule values of one quad.matmul; absent parts empty.
struct MatmulRequest {
  mutable quad::MatmulOp op; // accessors of operations are not const
  MatmulOperand lhs, rhs;
  llvm::SmallVector<ScheduledOperand> addends; ///< bias, then acc
  std::optional<ScheduledMap> epilogue;
  ScheduledMatrix result;
  std::optional<MatmulGroups> groups = {};
  /// Engines may store this in place of the result where they say so.
  QuantizedProduct *quantized = nullptr;
};

/// What a kernel of a product does with sums: operands of the request, which are passed to
/// it, and the epilogue's code. Lives until the kernel is emitted.
class MatmulEpilogue {
public:
  /// The sums are those of the product times 2^shift.
  MatmulEpilogue(KernelBuilder &kernel, const MatmulRequest &request,
                 llvm::ArrayRef<std::optional<Format>> formats, int shift = 0);
  /// Emits what is the same for all elements; after the last argument is passed.
  void begin();
  const MatmulStore &get() const { return to; }

private:
  EpilogueOperand pass(const ScheduledOperand &operand);

  KernelBuilder &kernel;
  const MatmulRequest &request;
  MatmulStore to;
  llvm::SmallVector<mlir::Value> tensorScales; ///< pointers
  int shift;
  std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::ValueRange)> body;
};

/// How a product of packed operands is made by a matrix instruction of a warp, the operands in
/// registers.
struct DotPlan {
  std::string whyNot; ///< if it cannot be
  target::CarrierChoice choice;

  bool exists() const { return choice.mma && whyNot.empty(); }
};
/// The one of the fastest carrier.
DotPlan planDot(const TargetInfo &target, const target::Capability &capability,
                const MatmulRequest &request);
/// What TargetInfo::mmaAtom knows the chosen instruction of single warps by.
std::string atomName(const target::CarrierChoice &choice);
/// For how many rows of the result such kernels are made, from the fewest: what the target's
/// instruction has at least, and 16.
llvm::SmallVector<int64_t> rowsOfDots(const TargetInfo &target, const DotPlan &plan);
/// One kernel of such products: each block makes 32 columns of so many rows of the result,
/// each warp a part of the contraction. For few rows: it reads rhs anew for every `rows`.
void emitDotMatmul(ScheduleBuilder &schedule, const TargetInfo &target, mlir::ModuleOp module,
                   llvm::StringRef name, const MatmulRequest &request, const DotPlan &plan,
                   int64_t rows);

/// The kernel for more rows, where TargetInfo::dotTile has one: warps have columns of the result.
bool hasLargeDots(const TargetInfo &target, const DotPlan &plan);
void emitLargeDots(ScheduleBuilder &schedule, const TargetInfo &target, mlir::ModuleOp module,
                   llvm::StringRef name, const MatmulRequest &request, const DotPlan &plan);

/// Words of flags for panels of either operand, and what that is of.
struct OverflowRequest {
  mlir::Value lhsFlags, rhsFlags;
  const ScheduledTensor &lhs, &rhs;
  int64_t elementsOfPiece; ///< of a row, in panels
  const WarpgroupGroups *groups; ///< null: all rows of lhs by all of rhs
};
/// The part of a product whose operands' rows have flags, by scalar arithmetic: sums of the
/// products of codes of a block, exact, times both scales, added in f32 in increasing k. For
/// operands of one level of e8m0 scales, whose exponents a carrier did not hold.
void emitOverflowMatmul(ScheduleBuilder &schedule, const TargetInfo &target,
                        mlir::ModuleOp module, llvm::StringRef name,
                        const MatmulRequest &request, const OverflowRequest &overflow);

/// The format of an operand; nothing for a plain one.
std::optional<Format> formatOf(mlir::Value operand);
/// Of lhs and of rhs of a product.
using OperandFormats = std::array<std::optional<Format>, 2>;
OperandFormats formatsOf(quad::MatmulOp op);
OperandFormats formatsOf(quad::PrepareOp op);

/// Schedule values of one quad.prepare.
struct PrepareRequest {
  mutable quad::PrepareOp op;
  MatmulOperand operand;
  mlir::Value data, tensorScale; ///< buffers to write; null: of workspace
};

/// Emits the kernels that make an engine's form of an operand.
mlir::FailureOr<ScheduledPrepared>
emitPrepare(ScheduleBuilder &schedule, const TargetInfo &target, const TargetSpec &spec,
            mlir::ModuleOp module, llvm::StringRef name, const PrepareRequest &request,
            Allocate allocate);
/// Where a kernel that quantizes writes an operand of which nothing but the engine's form is
/// needed, for `prepared`, whose form and memory it finds. Nothing for engines that want more than
/// code x scale.
std::optional<DirectPanels> planDirectPanels(ScheduleBuilder &schedule, const TargetInfo &target,
                                             const TargetSpec &spec, const PrepareRequest &request,
                                             Allocate allocate, ScheduledPrepared &prepared);
/// The same for one kind of target, into `prepared`, whose form it finds.
mlir::LogicalResult emitHostPrepare(ScheduleBuilder &schedule, const TargetInfo &target,
                                    const TargetSpec &spec, mlir::ModuleOp module,
                                    llvm::StringRef name, const PrepareRequest &request,
                                    Allocate allocate, ScheduledPrepared &prepared);
mlir::LogicalResult emitDevicePrepare(ScheduleBuilder &schedule, const TargetInfo &target,
                                      const TargetSpec &spec, mlir::ModuleOp module,
                                      llvm::StringRef name, const PrepareRequest &request,
                                      Allocate allocate, ScheduledPrepared &prepared);
/// What is prepared has the form that the product reads, and its sizes; an error at the
/// product, or checks of a call.
mlir::LogicalResult checkPrepared(ScheduleBuilder &schedule, const MatmulRequest &request,
                                  bool isLhs, const PanelForm &form);

/// Chooses the carrier, and emits and launches the kernels: both operands packed
/// into it, then the product.
mlir::LogicalResult emitMatmul(ScheduleBuilder &schedule, const TargetInfo &target,
                               const TargetSpec &spec, mlir::ModuleOp module,
                               llvm::StringRef name, const MatmulRequest &request,
                               Allocate allocate);
mlir::LogicalResult emitHostMatmul(ScheduleBuilder &schedule, const TargetInfo &target,
                                   const TargetSpec &spec, mlir::ModuleOp module,
                                   llvm::StringRef name, const MatmulRequest &request,
                                   Allocate allocate);

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_MATMULKERNEL_H
