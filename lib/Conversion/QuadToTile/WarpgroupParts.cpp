//===- WarpgroupParts.cpp - Products by wgmma with few tiles -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "WarpgroupParts.h"
#include "Kernels.h"
#include "quadrille/Target/VectorBuilder.h"

using namespace mlir;
using quadrille::nvvm::PartialSums;
using quadrille::nvvm::TileRows;
using quadrille::nvvm::TilesOfRows;
using quadrille::nvvm::WarpgroupPlan;

namespace quadrille {
namespace {

constexpr int64_t tileSize = WarpgroupPlan::squareTile.rows;
constexpr int64_t sumBytes = sizeof(float);

} // namespace

WarpgroupParts::WarpgroupParts(ScheduleBuilder &s, const WarpgroupPlan &plan,
                               const MatmulRequest &request, Value pieces, Allocate allocate)
    : s(s), plan(plan), request(request), rows(request.lhs.outerSize(0)),
      cols(request.result.sizes[1]), pieces(pieces), tilesOfRows(s.ceilDiv(rows, tileSize)) {
  stride = s.roundUp(cols, tileSize);
  count = choose(s.mul(tilesOfRows, s.ceilDiv(cols, tileSize)));
  // Rounded up, fewer parts may have all pieces. One part has none if there are none.
  auto ceilDiv = [&](Value x, Value y) { return s.div(s.add(x, s.add(y, s.constant(-1))), y); };
  Value some = s.select(s.isLess(pieces, s.constant(1)), s.constant(1), pieces);
  piecesOfPart = ceilDiv(some, count);
  count = ceilDiv(some, piecesOfPart);
  Value bytes = s.mul(s.mul(tiles(), s.constant(tileSize * sumBytes)), stride);
  Value isUsed = s.isLess(s.constant(1), count);
  storage = allocate(s.select(isUsed, bytes, s.constant(0)));
}

/// The number that is done first, by a model: clusters work in rounds on a tile each, for as long
/// as its pieces take, and storing it as long as so many of them.
Value WarpgroupParts::choose(Value tiles) const {
  // Of the GPUs with wgmma that there are: 132 multiprocessors, in pairs.
  constexpr int64_t clusters = 66, most = 8, storing = 2, storingSums = 16;
  auto cost = [&](int64_t parts) {
    Value rounds = s.ceilDiv(s.mul(tiles, s.constant(parts)), clusters);
    Value each = s.add(s.ceilDiv(pieces, parts), s.constant(parts > 1 ? storingSums : storing));
    return s.mul(rounds, each);
  };
  Value best = s.constant(1), least = cost(1);
  for (int64_t parts = 2; parts <= most; ++parts) {
    Value own = cost(parts), isLess = s.isLess(own, least);
    least = s.select(isLess, own, least);
    best = s.select(isLess, s.constant(parts), best);
  }
  return best;
}

TilesOfRows WarpgroupParts::describeTiles(KernelBuilder &kernel) const {
  Value each = kernel.pass(tilesOfRows), m = kernel.pass(rows), total = kernel.pass(pieces);
  Value ofPart = kernel.pass(piecesOfPart);
  return {kernel.pass(tiles()), [=](OpBuilder &b, Location loc, Value number) {
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
    };
    auto mul = [&](Value x, Value y) -> Value { return arith::MulIOp::create(b, loc, x, y); };
    Value part = arith::DivUIOp::create(b, loc, number, each);
    Value inPart = arith::RemUIOp::create(b, loc, number, each);
    TileRows tile;
    tile.row = mul(inPart, constant(tileSize));
    tile.end = m;
    tile.result = mul(mul(part, each), constant(tileSize));
    tile.lhsPiece = tile.rhsPiece = mul(part, ofPart);
    Value left = arith::SubIOp::create(b, loc, total, tile.lhsPiece);
    tile.pieces = arith::MinSIOp::create(b, loc, ofPart, left);
    return tile;
  }};
}

PartialSums WarpgroupParts::sums(KernelBuilder &kernel) const {
  Value isUsed = arith::CmpIOp::create(kernel.body, kernel.loc, arith::CmpIPredicate::sgt,
                                       kernel.pass(count), kernel.constant(1));
  return {isUsed, kernel.pass(storage), kernel.pass(stride)};
}

Value WarpgroupParts::areFinished() const { return s.isAtMost(count, s.constant(1)); }

/// The elements of a thread of a kernel of the sum: eight neighbours.
static MatmulElements elementsOf(KernelBuilder &kernel, VectorBuilder &b, Value cols) {
  const TargetInfo &target = kernel.target;
  auto extend = [&](Value x) -> Value { return arith::ExtUIOp::create(b, b.getI64Type(), x); };
  Value lane = extend(target.laneId(b, kernel.loc)), warp = extend(target.warpId(b, kernel.loc));
  Value first = kernel.tileOrigin(0, target.getThreads());
  Value number = b.add(first, b.add(b.mul(warp, b.i64(target.getLanes())), lane));
  Value perRow = b.ceilDiv(cols, b.lanes);
  MatmulElements elements;
  elements.row = b.divU(number, perRow);
  elements.col = b.mul(arith::RemUIOp::create(b, number, perRow), b.i64(b.lanes));
  elements.end = cols;
  elements.isFull = b.lessS(b.add(elements.col, b.i64(b.lanes - 1)), cols);
  return elements;
}

/// What the parts make of such elements, as f32.
Value WarpgroupParts::addSums(KernelBuilder &kernel, VectorBuilder &b,
                              const MatmulElements &elements) const {
  Value from = kernel.pass(storage), rowOfSums = kernel.pass(stride);
  Value heightOfPart = b.mul(kernel.pass(tilesOfRows), b.i64(tileSize));
  const bool isInteger = plan.sumsIntegers();
  auto sumsOf = [&](Value part) {
    Value row = b.add(b.mul(part, heightOfPart), elements.row);
    Value index = b.add(b.mul(row, rowOfSums), elements.col);
    return b.load(isInteger ? b.i32s() : b.f32s(), b.at(from, b.mul(index, b.i64(sumBytes))),
                  b.lanes * sumBytes);
  };
  Value sums = b.loop(b.i64(1), kernel.pass(count), 1, sumsOf(b.i64(0)),
                      [&](Value part, ValueRange carried) {
    Value next = sumsOf(part);
    return SmallVector<Value>{isInteger ? b.add(carried[0], next) : b.addF(carried[0], next)};
  })[0];
  return isInteger ? Value(arith::SIToFPOp::create(b, b.f32s(), sums)) : sums;
}

void WarpgroupParts::emitSum(const TargetInfo &target, ModuleOp module, StringRef name, int shift,
                             Value lhsFlags, Value rhsFlags) const {
  KernelBuilder kernel(s, target, name, module);
  quad::MatmulOp op = request.op;
  OperandFormats formats = formatsOf(op);
  MatmulEpilogue epilogue(kernel, request, formats, shift);
  epilogue.begin();
  VectorBuilder b(kernel.body, kernel.loc, nvvm::storedColumns);
  MatmulElements elements = elementsOf(kernel, b, kernel.pass(cols));
  auto onlyIf = [&](Value condition) {
    auto ifOp = scf::IfOp::create(b, condition, /*withElseRegion=*/false);
    b.setInsertionPointToStart(ifOp.thenBlock());
  };
  onlyIf(b.lessS(elements.row, kernel.pass(rows)));
  if (lhsFlags) {
    Value lhsWord = nvvm::loadFlags(b, kernel.pass(lhsFlags), elements.row);
    Value rhsWord = nvvm::loadFlags(b, kernel.pass(rhsFlags), elements.col);
    Value isLeft = nvvm::isFlagged(b, lhsWord, rhsWord, elements.row, elements.col);
    onlyIf(b.equal(isLeft, arith::ConstantOp::create(b, b.getBoolAttr(false))));
  }
  elements.acc = addSums(kernel, b, elements);
  emitStore(b, kernel.loc, epilogue.get(), elements);
  kernel.body.setInsertionPointToEnd(&kernel.kernel.getBody().front());
  Value blocks = s.ceilDiv(s.mul(rows, s.ceilDiv(cols, b.lanes)), target.getThreads());
  Value isUsed = s.isLess(s.constant(1), count);
  kernel.launch(s.select(isUsed, blocks, s.constant(0)), s.constant(1), /*cost=*/0);
}

} // namespace quadrille
