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

namespace quadrille {

/// Elements of the table of `count` groups.
mlir::Value groupTableSize(ScheduleBuilder &s, mlir::Value count);

/// Most positions that `count` groups of `length` positions together are stored at.
mlir::Value groupedLength(ScheduleBuilder &s, mlir::Value length, mlir::Value count,
                          int64_t multiple);

/// Writes the table of `groups`, whose `offsets` are clamped to not decrease and to stay
/// within `length`; the first counts as 0.
void emitGroups(KernelBuilder &kernel, const ScheduledMatrix &offsets, mlir::Value length,
                int64_t multiple, const ScheduledGroups &groups);

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
