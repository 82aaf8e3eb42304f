//===- KernelBuilder.h - A kernel and its launch, built together -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lowering a quad kernel makes two pieces of IR: the tile program of a block, and
// what the host computes before it launches that. KernelBuilder holds both, so
// that a value of the schedule becomes an argument of the kernel by one call.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_KERNELBUILDER_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_KERNELBUILDER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quadrille/Conversion/QuadToTile/Tuning.h"
#include "quadrille/Dialect/Quad/IR/Quad.h"
#include "quadrille/Dialect/Tile/IR/Tile.h"
#include "quadrille/Target/TargetInfo.h"
#include <optional>

namespace quadrille {

/// A plain matrix of the schedule: a buffer, its sizes and strides (i64).
struct ScheduledMatrix {
  mlir::Value buffer;
  mlir::Value sizes[2], strides[2];
  /// The dimension along which kernels read, and whether neighbours along it are
  /// known to be adjacent.
  unsigned contiguousDim = 1;
  bool isContiguous = true;
  /// Bytes that divide the address of each row (along contiguousDim); 0: not known.
  int64_t alignment = 0;
  /// Powers of two that divide the sizes.
  int64_t divisors[2] = {1, 1};
  /// The dimension whose size includes padding, as the caller alone knows how much that is.
  std::optional<unsigned> paddedDim = {};
};

/// What elementwise code reads: a number (f32), or a matrix that repeats along the
/// dimensions where its size is 1.
struct ScheduledOperand {
  mlir::Value number;
  std::optional<ScheduledMatrix> matrix;
  bool repeats[2] = {false, false};
};

/// Elementwise code: a region over an element of each operand, and the type that its
/// result is rounded to.
struct ScheduledMap {
  mlir::Region *body = nullptr;
  mlir::Type element;
  llvm::SmallVector<ScheduledOperand> operands;
};

/// Bytes that divide the address of every result and of the workspace.
constexpr int64_t resultAlignment = 16;

/// A quantized tensor of the schedule, as stored.
struct ScheduledTensor {
  mlir::Value codes;
  llvm::SmallVector<mlir::Value> scales; ///< inner to outer
  mlir::Value rows, length;              ///< i64; length of the axis as stored
  int64_t divisor = 1;                   ///< a power of two that divides length
  mlir::Value ownLength = {};            ///< of the axis without padding; null: not known
  int64_t alignment = 0;                 ///< bytes that divide the arrays' addresses; 0: not known
  int64_t rowsDivisor = 1;               ///< a power of two that divides rows
};

/// Builds i64 arithmetic of the schedule.
class ScheduleBuilder {
public:
  ScheduleBuilder(mlir::OpBuilder &b, mlir::Location loc) : b(b), loc(loc) {}

  mlir::OpBuilder &b;
  mlir::Location loc;
  /// If not null, kernels run and workspace is allocated only where this is not 0.
  mlir::Value condition;

  mlir::Value constant(int64_t value);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value ceilDiv(mlir::Value x, int64_t y);
  mlir::Value div(mlir::Value x, int64_t y);
  mlir::Value div(mlir::Value x, mlir::Value y);
  mlir::Value isEqual(mlir::Value x, mlir::Value y);
  mlir::Value isAtMost(mlir::Value x, mlir::Value y);
  /// x where the condition holds, else 0.
  mlir::Value conditional(mlir::Value x) {
    return condition ? select(condition, x, constant(0)) : x;
  }
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  /// x rounded up to a multiple of y.
  mlir::Value roundUp(mlir::Value x, int64_t y) { return mul(ceilDiv(x, y), constant(y)); }
  mlir::Value isLess(mlir::Value x, mlir::Value y);
  mlir::Value isNot(mlir::Value condition);
  /// An error of the caller unless the condition holds.
  void check(mlir::Value condition, const llvm::Twine &message);
  /// An error of the caller unless y divides x.
  void checkDivides(mlir::Value x, int64_t y, const llvm::Twine &message);
};

/// One kernel under construction.
class KernelBuilder {
public:
  /// The kernel is put into the module of `schedule`'s function, under `name`.
  KernelBuilder(ScheduleBuilder &schedule, const TargetInfo &target, llvm::StringRef name,
                mlir::ModuleOp module, const Tuning &tuning = {});

  /// The number that tuning gives a knob, else `heuristic`; the kernel says which it has.
  int64_t choose(Knob knob, int64_t heuristic);

  /// The kernel's argument for a value of the schedule: a pointer for a buffer.
  mlir::Value pass(mlir::Value scheduled);
  /// Makes the kernel one that is given ranges of program numbers instead of being
  /// run for each: its last arguments are x0, x1, y0, y1. Nothing can be passed
  /// after that. For CPUs.
  void beginRanged();
  /// Ends the kernel and launches it. `cost` is about how many bytes one program
  /// reads and writes, or would in the time it takes: how much work is worth a thread.
  void launch(mlir::Value gridX, mlir::Value gridY, int64_t cost);

  /// The program's tile is within the bounds of all that it reads and writes, an i1;
  /// null where that is not known as one.
  mlir::Value inside;
  /// i1: rows of dense arrays that are loaded are all the first, of any number of them; null: none.
  mlir::Value repeatsRow;

  mlir::Value programId(unsigned dim);
  /// program number * step, the first position of a tile.
  mlir::Value tileOrigin(unsigned dim, int64_t step);
  mlir::Value constant(int64_t value);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value div(mlir::Value x, int64_t y);
  /// x, or `instead` where rows are repeated.
  mlir::Value unlessRepeated(mlir::Value x, int64_t instead);

  ScheduleBuilder &schedule;
  const TargetInfo &target;
  mlir::OpBuilder body;
  mlir::Location loc;
  mlir::func::FuncOp kernel;

private:
  llvm::SmallVector<mlir::Value> passed;
  Tuning tuning;
};

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_KERNELBUILDER_H
