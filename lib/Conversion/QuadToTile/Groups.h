//===- Groups.h - Groups along the quantized axis -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Group g of a matrix is the positions [offsets[g], offsets[g + 1]) along an axis. Each is
// stored behind the one before, extended to a multiple of what blocks need. A first small
// kernel turns offsets, which may be anything, into a table of where groups are read and
// stored; then a tile, wherever it lies, finds its groups there by a binary search.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_GROUPS_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_GROUPS_H

#include "Kernels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace quadrille {

/// A table as a kernel reads it, with i64 arithmetic.
class GroupTable {
public:
  /// Emits where the kernel's body ends.
  GroupTable(KernelBuilder &kernel, const ScheduledGroups &groups);
  /// Emits by another builder; `table` is the kernel's argument.
  GroupTable(mlir::OpBuilder &b, mlir::Location loc, mlir::Value table)
      : b(b), loc(loc), table(table) {}

  template <typename OpT> mlir::Value op(mlir::Value x, mlir::Value y) {
    return OpT::create(b, loc, x, y);
  }
  mlir::Value constant(int64_t value);
  mlir::Value add(mlir::Value x, int64_t y) { return op<mlir::arith::AddIOp>(x, constant(y)); }
  mlir::Value cmp(mlir::arith::CmpIPredicate predicate, mlir::Value x, mlir::Value y) {
    return mlir::arith::CmpIOp::create(b, loc, predicate, x, y);
  }
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) {
    return mlir::arith::SelectOp::create(b, loc, condition, x, y);
  }

  /// Where a group is stored, and where it is read.
  mlir::Value loadStored(mlir::Value group) { return load(group, 0); }
  mlir::Value loadFirst(mlir::Value group) { return load(group, 1); }
  void store(mlir::Value group, mlir::Value stored, mlir::Value first);
  /// The last group of [0, count] that is stored at or before `position`.
  mlir::Value find(mlir::Value count, mlir::Value position);

private:
  mlir::Value at(mlir::Value group, int64_t field);
  mlir::Value load(mlir::Value group, int64_t field);

  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::Value table;
};

/// Elements of the table of `count` groups.
mlir::Value groupTableSize(ScheduleBuilder &s, mlir::Value count);

/// Most positions that `count` groups of `length` positions together are stored at.
mlir::Value groupedLength(ScheduleBuilder &s, mlir::Value length, mlir::Value count,
                          mlir::Value multiple, GroupExtent extent = GroupExtent::Extended);

/// Writes the table of `groups`, whose `offsets` are clamped to not decrease and to stay
/// within `length`; the first counts as 0. `multiple` is a constant, or a power of two.
void emitGroups(KernelBuilder &kernel, const ScheduledMatrix &offsets, mlir::Value length,
                mlir::Value multiple, GroupExtent extent, const ScheduledGroups &groups);

/// Where the last group's end is stored.
mlir::Value endOfGroups(KernelBuilder &kernel, const ScheduledGroups &groups);

/// Calls `work` in a loop over the groups that have some of the stored positions
/// [a0, a0 + along): with where the group is in the matrix, with a0 relative to it, which may
/// be negative, and with `carried`, which it returns changed. Returns the last of these.
mlir::Value forEachGroup(
    KernelBuilder &kernel, const ScheduledGroups &groups, mlir::Value a0, int64_t along,
    mlir::Value carried,
    llvm::function_ref<mlir::Value(const Window &, mlir::Value, mlir::Value)> work);

/// The matrix as one that is read from any position along `axis`.
ScheduledMatrix readFromAnywhere(ScheduledMatrix matrix, unsigned axis);

/// What `reader` loads for the stored positions (p0, a0), from where groups have them.
Tile loadGroups(KernelBuilder &kernel, MatrixReader &reader, const ScheduledGroups &groups,
                mlir::Value p0, mlir::Value a0);

/// Stores what belongs to the stored positions (p0, a0), a tile in logical order, to where
/// groups have them.
void storeGroups(KernelBuilder &kernel, Tile value, const ScheduledMatrix &matrix, unsigned axis,
                 const ScheduledGroups &groups, mlir::Value p0, mlir::Value a0);

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_GROUPS_H
