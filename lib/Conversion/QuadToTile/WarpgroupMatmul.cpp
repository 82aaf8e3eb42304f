//===- WarpgroupMatmul.cpp - quad.matmul by wgmma -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PanelOperands.h"
#include "WarpgroupGroups.h"
#include "WarpgroupParts.h"

using namespace mlir;
using quadrille::nvvm::WarpgroupPlan;

namespace quadrille {
namespace {

/// Emits the conversions of both operands to panels, and the product.
class WarpgroupMatmulEmitter {
public:
  WarpgroupMatmulEmitter(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module,
                         StringRef name, const MatmulRequest &request, const PanelPlan &panels,
                         Allocate allocate)
      : s(s), target(target), module(module), name(name), request(request), panels(panels),
        plan(*panels.warpgroups), allocate(allocate) {}

  LogicalResult emit();

private:
  LogicalResult beginGroups();
  FailureOr<PanelSide> emitSide(bool isLhs);
  void emitProduct(const PanelSide &lhs, const PanelSide &rhs);

  ScheduleBuilder &s;
  const TargetInfo &target;
  ModuleOp module;
  StringRef name;
  const MatmulRequest &request;
  const PanelPlan &panels;
  const WarpgroupPlan &plan;
  Allocate allocate;
  std::optional<WarpgroupGroups> groups;
};

LogicalResult WarpgroupMatmulEmitter::beginGroups() {
  quad::MatmulOp op = request.op;
  auto lhs = quad::getQuantizedType(op.getLhs().getType());
  auto rhs = quad::getQuantizedType(op.getRhs().getType());
  int64_t granularity = lhs ? lhs.getGranularity() : 1;
  int64_t step = plan.kBlock() / nvvm::stepsOfPiece;
  if (request.groups->ofContraction && granularity % step != 0)
    return op.emitOpError("has groups stored at multiples of ")
           << granularity << ", but " << plan.carrier << " instructions take " << step
           << "; a format of longer blocks or a longer RHT has such multiples";
  groups.emplace(s, plan, request, granularity);
  if (int64_t rows = rhs ? rowsOfBlocks(rhs) : 1; rows > 1)
    s.checkDivides(request.groups->expertRows, rows,
                   "experts need whole blocks: a multiple of " + Twine(rows) + " rows each");
  return success();
}

FailureOr<PanelSide> WarpgroupMatmulEmitter::emitSide(bool isLhs) {
  PanelExtent extent{groups ? groups->contraction(isLhs) : contractionOf(request)};
  if (groups && !isLhs)
    extent.rows = groups->rhsRows();
  return emitPanelSide(s, target, module, name, request, panels, isLhs, extent, allocate);
}

void WarpgroupMatmulEmitter::emitProduct(const PanelSide &lhs, const PanelSide &rhs) {
  KernelBuilder kernel(s, target, name, module);
  auto passIf = [&](Value value) { return value ? kernel.pass(value) : Value(); };
  Value m = request.lhs.outerSize(0), n = request.result.sizes[1];
  nvvm::WarpgroupOperands operands{kernel.pass(lhs.panels.values),
                                   kernel.pass(rhs.panels.values),
                                   kernel.pass(m),
                                   kernel.pass(n),
                                   kernel.pass(lhs.panels.pieces),
                                   kernel.pass(rhs.panels.pieces),
                                   passIf(lhs.panels.exponents),
                                   passIf(rhs.panels.exponents),
                                   passIf(lhs.panels.overflow),
                                   passIf(rhs.panels.overflow),
                                   std::nullopt,
                                   std::nullopt};
  quad::MatmulOp op = request.op;
  std::optional<Format> formats[2] = {formatOf(op.getLhs()), formatOf(op.getRhs())};
  const int shift = panels.choice.a.shift + panels.choice.b.shift;
  MatmulEpilogue epilogue(kernel, request, formats, shift);
  epilogue.begin();
  std::optional<WarpgroupParts> parts;
  if (groups) {
    operands.tiles = groups->tilesOfRows(kernel);
  } else {
    parts.emplace(s, plan, request, lhs.panels.pieces, allocate);
    operands.tiles = parts->describeTiles(kernel);
    operands.partial = parts->sums(kernel);
  }
  nvvm::emitMatmul(kernel.body, kernel.loc, target, plan, operands, epilogue.get());
  Builder b(module.getContext());
  kernel.kernel->setAttr("tile.threads", b.getI64IntegerAttr(plan.threads));
  kernel.kernel->setAttr("tile.shared", b.getI64IntegerAttr(plan.sharedBytes()));
  kernel.kernel->setAttr("tile.cluster", b.getI64IntegerAttr(plan.blocksOfCluster));
  Value ofRows = groups ? groups->tiles() : parts->tiles();
  Value tiles = s.mul(ofRows, s.ceilDiv(n, plan.clusterTile));
  kernel.launch(s.mul(tiles, s.constant(plan.blocksOfCluster)), s.constant(1), /*cost=*/0);
  if (parts)
    parts->emitSum(target, module, (name + "_sum").str(), shift, lhs.panels.overflow,
                   rhs.panels.overflow);
  if (lhs.panels.overflow)
    emitOverflowMatmul(s, target, module, (name + "_overflow").str(), request,
                       {lhs.panels.overflow, rhs.panels.overflow, *lhs.packed, *rhs.packed,
                        panels.elementsOfPiece(), groups ? &*groups : nullptr});
}

LogicalResult WarpgroupMatmulEmitter::emit() {
  if (request.groups && failed(beginGroups()))
    return failure();
  FailureOr<PanelSide> lhs = emitSide(/*isLhs=*/true);
  if (failed(lhs))
    return failure();
  FailureOr<PanelSide> rhs = emitSide(/*isLhs=*/false);
  if (failed(rhs))
    return failure();
  emitProduct(*lhs, *rhs);
  return success();
}

/// The plan of an engine for the chosen carriers, or an error at `op`.
} // namespace

LogicalResult emitWarpgroupMatmul(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module,
                                  StringRef name, const MatmulRequest &request,
                                  const PanelPlan &plan, Allocate allocate) {
  return WarpgroupMatmulEmitter(s, target, module, name, request, plan, allocate).emit();
}

} // namespace quadrille
