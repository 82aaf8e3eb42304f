//===- HostGroups.cpp - Products of groups on the host -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "HostGroups.h"
#include "Groups.h"

using namespace mlir;
using arith::CmpIPredicate;
using quadrille::host::MatmulSide;
using quadrille::host::PanelRows;
using quadrille::host::TileRows;

namespace quadrille {

HostGroups::HostGroups(ScheduleBuilder &s, const host::MatmulPlan &plan,
                       const MatmulRequest &request, int64_t granularity)
    : s(s), plan(plan), request(request), groups(*request.groups),
      rows(request.lhs.outerSize(0)), experts(s.constant(1)),
      rowsOfExpert(request.rhs.outerSize(1)) {
  if (groups.ofContraction) {
    // The length without padding is not known here. Its place may be taken by the stored one:
    // what follows the last group is zeros.
    table = groups.makeTable(request.lhs.storedLength(), s.constant(granularity),
                             GroupExtent::Extended, "_groups");
    return;
  }
  Value isElsewhere = s.isEqual(groups.expertRows, s.constant(0));
  experts = s.select(isElsewhere, experts, groups.count);
  rowsOfExpert = s.select(isElsewhere, rowsOfExpert, groups.expertRows);
  panelTable = groups.makeTable(rows, s.constant(plan.mr), GroupExtent::Extended, "_panel_groups");
  tileTable = groups.makeTable(rows, s.constant(plan.mTile), GroupExtent::Extended, "_tile_groups");
}

Value HostGroups::partsOf(Value length, int64_t size) {
  Value entries = s.add(groups.count, s.constant(1));
  return s.div(groupedLength(s, length, entries, s.constant(size)), size);
}

Value HostGroups::panels(MatmulSide side) {
  return side == MatmulSide::LHS ? partsOf(rows, plan.mr)
                                 : s.mul(experts, s.ceilDiv(rowsOfExpert, plan.nr));
}

HostGroups::PanelRowsOf HostGroups::panelRows(KernelBuilder &kernel, MatmulSide side) {
  int64_t size = plan.panelRows(side);
  if (side == MatmulSide::RHS) {
    Value length = kernel.pass(rowsOfExpert);
    Value each = kernel.pass(s.ceilDiv(rowsOfExpert, size));
    return [=](OpBuilder &b, Location loc, Value panel) -> PanelRows {
      GroupTable t(b, loc, {});
      Value expert = t.op<arith::DivUIOp>(panel, each), rest = t.op<arith::RemUIOp>(panel, each);
      Value begin = t.op<arith::MulIOp>(expert, length);
      Value first = t.op<arith::MulIOp>(rest, t.constant(size));
      return {t.op<arith::AddIOp>(begin, first), t.op<arith::AddIOp>(begin, length)};
    };
  }
  Value table = kernel.pass(panelTable.table), count = kernel.pass(panelTable.count);
  return [=](OpBuilder &b, Location loc, Value panel) -> PanelRows {
    GroupTable t(b, loc, table);
    Value position = t.op<arith::MulIOp>(panel, t.constant(size));
    Value group = t.find(count, position);
    Value first = t.op<arith::AddIOp>(
        t.loadFirst(group), t.op<arith::SubIOp>(position, t.loadStored(group)));
    return {first, t.loadFirst(t.add(group, 1))};
  };
}

Value HostGroups::tiles() {
  return groups.ofContraction ? s.mul(groups.count, s.ceilDiv(rows, plan.mTile))
                              : partsOf(rows, plan.mTile);
}

HostGroups::TileRowsOf HostGroups::tileRows(KernelBuilder &kernel) {
  return groups.ofContraction ? tilesOfContraction(kernel) : tilesOfRows(kernel);
}

HostGroups::TileRowsOf HostGroups::tilesOfRows(KernelBuilder &kernel) {
  Value tileStarts = kernel.pass(tileTable.table), panelStarts = kernel.pass(panelTable.table);
  Value count = kernel.pass(groups.count);
  Value blocks = kernel.pass(s.div(groups.length, plan.kBlock));
  Value expertBlocks = kernel.pass(s.div(groups.expertLength, plan.kBlock));
  Value expertPanels = kernel.pass(s.ceilDiv(groups.expertRows, plan.nr));
  int64_t mTile = plan.mTile, mr = plan.mr;
  return [=](OpBuilder &b, Location loc, Value y) -> TileRows {
    GroupTable t(b, loc, tileStarts), panels(b, loc, panelStarts);
    Value position = t.op<arith::MulIOp>(y, t.constant(mTile)), zero = t.constant(0);
    Value group = t.find(count, position);
    Value inGroup = t.op<arith::SubIOp>(position, t.loadStored(group));
    Value end = t.loadFirst(t.add(group, 1));
    Value first = t.op<arith::AddIOp>(t.loadFirst(group), inGroup);
    first = t.op<arith::MinSIOp>(first, end); // beyond the last tile there are none
    Value lhsPanel = t.op<arith::AddIOp>(panels.loadStored(group), inGroup);
    Value isGroup = t.cmp(CmpIPredicate::slt, group, count);
    return {first,
            end,
            t.op<arith::DivUIOp>(lhsPanel, t.constant(mr)),
            t.op<arith::MulIOp>(group, expertPanels),
            zero,
            t.op<arith::MulIOp>(group, expertBlocks),
            t.select(isGroup, blocks, zero)};
  };
}

HostGroups::TileRowsOf HostGroups::tilesOfContraction(KernelBuilder &kernel) {
  Value starts = kernel.pass(table.table), rows = kernel.pass(this->rows);
  Value length = kernel.pass(request.lhs.storedLength());
  Value each = kernel.pass(s.ceilDiv(this->rows, plan.mTile));
  int64_t mTile = plan.mTile, mr = plan.mr, kBlock = plan.kBlock;
  return [=](OpBuilder &b, Location loc, Value y) -> TileRows {
    GroupTable t(b, loc, starts);
    Value group = t.op<arith::DivUIOp>(y, each), tile = t.op<arith::RemUIOp>(y, each);
    Value row = t.op<arith::MulIOp>(tile, t.constant(mTile)), zero = t.constant(0);
    Value begin = t.op<arith::MulIOp>(group, rows);
    auto blockOf = [&](Value group) {
      Value stored = t.op<arith::MinSIOp>(t.loadStored(group), length);
      return t.op<arith::DivUIOp>(stored, t.constant(kBlock));
    };
    Value block = blockOf(group);
    return {t.op<arith::AddIOp>(begin, row),
            t.op<arith::AddIOp>(begin, rows),
            t.op<arith::DivUIOp>(row, t.constant(mr)),
            zero,
            block,
            block,
            t.op<arith::SubIOp>(blockOf(t.add(group, 1)), block)};
  };
}

} // namespace quadrille
