//===- ProgramTiles.cpp - The tiles of one program -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ProgramTiles.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace quadrille {

LogicalResult ProgramTiles::forEach(llvm::function_ref<void(Value)> enter,
                                    llvm::function_ref<Tile(Value)> load,
                                    llvm::function_ref<LogicalResult(Tile, Value)> work) {
  OpBuilder &b = kernel.body;
  Value origin = kernel.tileOrigin(0, along * count);
  enter(origin);
  Tile first = load(origin);
  if (count == 1)
    return work(first, origin);
  auto loop = scf::ForOp::create(b, kernel.loc, kernel.constant(0), kernel.constant(count),
                                 kernel.constant(1), first);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value index = loop.getInductionVar(), step = kernel.constant(along);
  Value at = arith::AddIOp::create(b, kernel.loc, origin, kernel.mul(index, step));
  Value next = arith::AddIOp::create(b, kernel.loc, at, step);
  Tile following = loadNext(next, index, first.getType(), enter, load);
  enter(at);
  LogicalResult result = work(loop.getRegionIterArg(0), at);
  scf::YieldOp::create(b, kernel.loc, following);
  return result;
}

Tile ProgramTiles::loadNext(Value next, Value index, Type type,
                            llvm::function_ref<void(Value)> enter,
                            llvm::function_ref<Tile(Value)> load) {
  OpBuilder &b = kernel.body;
  Value exists = arith::CmpIOp::create(b, kernel.loc, arith::CmpIPredicate::slt, index,
                                       kernel.constant(count - 1));
  auto branch = scf::IfOp::create(b, kernel.loc, type, exists, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  enter(next);
  scf::YieldOp::create(b, kernel.loc, load(next));
  b.setInsertionPointToStart(branch.elseBlock());
  Value none = arith::ConstantOp::create(b, kernel.loc, cast<TypedAttr>(b.getZeroAttr(type)));
  scf::YieldOp::create(b, kernel.loc, none);
  return branch.getResult(0);
}

} // namespace quadrille
