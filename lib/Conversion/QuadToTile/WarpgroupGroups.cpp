//===- WarpgroupGroups.cpp - Products of groups by wgmma -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "WarpgroupGroups.h"
#include "Groups.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using arith::CmpIPredicate;
using quadrille::nvvm::TileRows;
using quadrille::nvvm::TileSize;
using quadrille::nvvm::TilesOfRows;
using quadrille::nvvm::WarpgroupPlan;

namespace quadrille {

WarpgroupGroups::WarpgroupGroups(ScheduleBuilder &s, const WarpgroupPlan &plan,
                                 const MatmulRequest &request, int64_t granularity)
    : s(s), plan(plan), request(request), groups(*request.groups),
      rows(request.lhs.outerSize(0)) {
  if (groups.ofContraction) {
    // The length without padding is not known here. Its place may be taken by the stored one:
    // what follows the last group is zeros.
    table = groups.makeTable(request.lhs.storedLength(), s.constant(granularity),
                             GroupExtent::Extended, "_groups");
    return;
  }
  // Of small groups less is padding; large ones read less.
  constexpr int64_t leastOfSquare = 512; // rows of a group, on average
  isWide = s.isLess(rows, s.mul(groups.count, s.constant(leastOfSquare)));
  log2TileRows = s.select(isWide, s.constant(llvm::Log2_64(WarpgroupPlan::wideTile.rows)),
                          s.constant(llvm::Log2_64(WarpgroupPlan::squareTile.rows)));
  table = groups.makeTable(rows, tileSize(&TileSize::rows), GroupExtent::Covering, "_groups");
  panelsOfExpert = s.ceilDiv(groups.expertRows, panelRows);
  s.checkDivides(groups.expertLength, plan.kBlock(),
                 "experts that lie along the contraction need a multiple of " +
                     Twine(plan.kBlock()) + " rows each on this target; let b have shape (K, G N)");
}

/// Rows or columns of a cluster's tile.
Value WarpgroupGroups::tileSize(int64_t TileSize::*side) const {
  Value square = s.constant(WarpgroupPlan::squareTile.*side);
  return isWide ? s.select(isWide, s.constant(WarpgroupPlan::wideTile.*side), square) : square;
}

Value WarpgroupGroups::areWide(KernelBuilder &kernel) const {
  if (!isWide)
    return {};
  Value ofWide = kernel.constant(llvm::Log2_64(WarpgroupPlan::wideTile.rows));
  return arith::CmpIOp::create(kernel.body, kernel.loc, CmpIPredicate::eq,
                               kernel.pass(log2TileRows), ofWide);
}

Value WarpgroupGroups::contraction(bool isLhs) const {
  if (groups.ofContraction)
    return request.lhs.storedLength();
  if (isLhs)
    return groups.length;
  if (Value length = request.rhs.storedLength())
    return length;
  Value isElsewhere = s.isEqual(groups.expertLength, s.constant(0));
  return s.select(isElsewhere, groups.length, request.rhs.plain->sizes[0]);
}

std::optional<PanelRowMap> WarpgroupGroups::rhsRows() const {
  if (groups.ofContraction)
    return std::nullopt;
  Value isElsewhere = s.isEqual(groups.expertRows, s.constant(0));
  Value count = s.mul(s.mul(groups.count, panelsOfExpert), s.constant(panelRows));
  count = s.select(isElsewhere, request.rhs.outerSize(1), count);
  auto source = [this](KernelBuilder &kernel, Value row) -> Value {
    Value panel = kernel.div(row, panelRows);
    Value inPanel = arith::RemUIOp::create(kernel.body, kernel.loc, row,
                                           kernel.constant(panelRows));
    return arith::AddIOp::create(kernel.body, kernel.loc, storedRow(kernel, panel), inPanel);
  };
  return PanelRowMap{count, source};
}

Value WarpgroupGroups::storedRow(KernelBuilder &kernel, Value panel) const {
  Value first = kernel.mul(panel, kernel.constant(panelRows));
  if (groups.ofContraction)
    return first;
  // Panels of an expert end with rows of the next one, which no product stores.
  Value isElsewhere = s.isEqual(groups.expertRows, s.constant(0));
  Value each = kernel.pass(s.select(isElsewhere, s.constant(1), panelsOfExpert));
  Value missing = s.add(s.mul(panelsOfExpert, s.constant(panelRows)),
                        s.mul(groups.expertRows, s.constant(-1)));
  OpBuilder &b = kernel.body;
  Value expert = arith::DivUIOp::create(b, kernel.loc, panel, each);
  return arith::SubIOp::create(b, kernel.loc, first, kernel.mul(expert, kernel.pass(missing)));
}

Value WarpgroupGroups::tiles() const {
  if (groups.ofContraction)
    return s.mul(groups.count, s.ceilDiv(rows, WarpgroupPlan::squareTile.rows));
  Value entries = s.add(groups.count, s.constant(1)), tile = tileSize(&TileSize::rows);
  return s.div(groupedLength(s, rows, entries, tile, GroupExtent::Covering), tile);
}

TilesOfRows WarpgroupGroups::tilesOfRows(KernelBuilder &kernel) const {
  return groups.ofContraction ? ofContraction(kernel) : ofRows(kernel);
}

TilesOfRows WarpgroupGroups::ofRows(KernelBuilder &kernel) const {
  Value starts = kernel.pass(table.table), count = kernel.pass(groups.count);
  Value log2Rows = kernel.pass(log2TileRows);
  Value pieces = kernel.pass(s.ceilDiv(groups.length, plan.kBlock()));
  Value expertPieces = kernel.pass(s.div(groups.expertLength, plan.kBlock()));
  Value expertPanels = kernel.pass(panelsOfExpert);
  GroupTable t(kernel.body, kernel.loc, starts);
  Value numTiles = t.op<arith::ShRUIOp>(t.loadStored(t.add(count, 1)), log2Rows);
  return {numTiles, [=](OpBuilder &b, Location loc, Value number) {
    GroupTable t(b, loc, starts);
    Value position = t.op<arith::ShLIOp>(number, log2Rows), zero = t.constant(0);
    Value group = t.find(count, position), first = t.loadFirst(group);
    Value inGroup = t.op<arith::SubIOp>(position, t.loadStored(group));
    Value begin = t.op<arith::ShLIOp>(t.op<arith::ShRUIOp>(first, log2Rows), log2Rows);
    // What is in no group is the product of nothing.
    Value isGroup = t.cmp(CmpIPredicate::slt, group, count);
    TileRows rows;
    rows.row = t.op<arith::AddIOp>(begin, inGroup);
    rows.begin = first;
    rows.end = t.loadFirst(t.add(group, 1));
    Value expert = t.select(isGroup, group, zero);
    rows.rhsPanel = t.op<arith::MulIOp>(expert, expertPanels);
    rows.rhsPiece = t.op<arith::MulIOp>(expert, expertPieces);
    rows.pieces = t.select(isGroup, pieces, zero);
    return rows;
  }};
}

TilesOfRows WarpgroupGroups::ofContraction(KernelBuilder &kernel) const {
  constexpr int64_t tile = WarpgroupPlan::squareTile.rows;
  const int64_t step = plan.kBlock() / nvvm::stepsOfPiece;
  Value starts = kernel.pass(table.table), ofResult = kernel.pass(rows);
  Value length = kernel.pass(request.lhs.storedLength());
  Value each = kernel.pass(s.ceilDiv(rows, tile));
  Value numTiles = kernel.mul(kernel.pass(groups.count), each);
  return {numTiles, [=](OpBuilder &b, Location loc, Value number) {
    GroupTable t(b, loc, starts);
    Value group = t.op<arith::DivUIOp>(number, each);
    auto stepOf = [&](Value group) {
      Value stored = t.op<arith::MinSIOp>(t.loadStored(group), length);
      return t.op<arith::DivUIOp>(stored, t.constant(step));
    };
    constexpr int64_t steps = nvvm::stepsOfPiece;
    TileRows rows;
    rows.row = t.op<arith::MulIOp>(t.op<arith::RemUIOp>(number, each), t.constant(tile));
    rows.end = ofResult;
    rows.result = t.op<arith::MulIOp>(group, ofResult);
    rows.beginStep = stepOf(group);
    rows.endStep = stepOf(t.add(group, 1));
    rows.lhsPiece = rows.rhsPiece = t.op<arith::DivUIOp>(rows.beginStep, t.constant(steps));
    Value end = t.op<arith::DivUIOp>(t.add(rows.endStep, steps - 1), t.constant(steps));
    Value isEmpty = t.cmp(CmpIPredicate::eq, rows.beginStep, rows.endStep);
    rows.pieces = t.select(isEmpty, t.constant(0), t.op<arith::SubIOp>(end, rows.lhsPiece));
    return rows;
  }};
}

} // namespace quadrille
