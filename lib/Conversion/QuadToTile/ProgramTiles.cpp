//===- ProgramTiles.cpp - The tiles of one program -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ProgramTiles.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;

namespace quadrille {

LogicalResult ProgramTiles::forEach(IsInside isInside, Load load, Work work) {
  OpBuilder &b = kernel.body;
  llvm::SaveAndRestore onlyHere(kernel.inside); // what is inside is known of a tile at a time
  Value origin = kernel.tileOrigin(0, along * count);
  Value inside = isInside(origin, along * count);
  if (count == 1) {
    kernel.inside = inside;
    return work(load(origin), origin);
  }
  auto branch = scf::IfOp::create(b, kernel.loc, inside, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  if (failed(unrolled(origin, load, work)))
    return failure();
  b.setInsertionPointToStart(branch.elseBlock());
  return looped(origin, isInside, load, work);
}

LogicalResult ProgramTiles::unrolled(Value origin, Load load, Work work) {
  OpBuilder &b = kernel.body;
  kernel.inside = arith::ConstantOp::create(b, kernel.loc, b.getBoolAttr(true));
  auto at = [&](int64_t tile) {
    return arith::AddIOp::create(b, kernel.loc, origin, kernel.constant(tile * along));
  };
  Tile tile = load(at(0));
  for (int64_t i = 0; i < count; ++i) {
    Tile next = i + 1 < count ? load(at(i + 1)) : Tile();
    if (failed(work(tile, at(i))))
      return failure();
    tile = next;
  }
  return success();
}

LogicalResult ProgramTiles::looped(Value origin, IsInside isInside, Load load, Work work) {
  OpBuilder &b = kernel.body;
  auto loop = scf::ForOp::create(b, kernel.loc, kernel.constant(0), kernel.constant(count),
                                 kernel.constant(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value distance = kernel.mul(loop.getInductionVar(), kernel.constant(along));
  Value at = arith::AddIOp::create(b, kernel.loc, origin, distance);
  kernel.inside = isInside(at, along);
  return work(load(at), at);
}

} // namespace quadrille
