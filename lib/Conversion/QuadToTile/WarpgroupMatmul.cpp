//===- WarpgroupMatmul.cpp - quad.matmul by wgmma -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Elementwise.h"
#include "PanelOperands.h"
#include "WarpgroupGroups.h"
#include "WarpgroupParts.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using quadrille::nvvm::WarpgroupPlan;

namespace quadrille {
namespace {

/// What a sink takes, of so many columns, as a tile.
Tile tileOfFragment(OpBuilder &b, Location loc, ValueRange values, int64_t columns) {
  constexpr int64_t rows = 64;
  auto row = [&](uint64_t number) { return number * columns; };
  std::vector<uint64_t> reg{1, 2, 4, row(8)}, lane{8, 16, row(1), row(2), row(4)};
  for (int64_t column = 32; column < columns; column *= 2)
    reg.push_back(column);
  layout::LinearLayout layout(llvm::Log2_64(rows * columns), reg, lane, {row(16), row(32)});
  auto type = tile::withLayout(RankedTensorType::get({rows, columns}, b.getF32Type()), layout);
  return tile::FromRegistersOp::create(b, loc, type, values);
}

/// The sink that quantizes.
nvvm::FragmentSink quantizingSink(KernelBuilder &kernel, const MatmulRequest &request) {
  const QuantizeRequest &own = request.quantized->request;
  constexpr int64_t least = 32;
  int64_t columns = std::max(least, minimalAlong(own));
  Value m = kernel.pass(request.result.sizes[0]), n = kernel.pass(request.result.sizes[1]);
  auto take = [&kernel, &own, columns, m, n](OpBuilder &b, Location loc, ValueRange values,
                                             Value row, Value col) {
    OpBuilder::InsertionGuard guard(kernel.body);
    kernel.body.setInsertionPoint(b.getInsertionBlock(), b.getInsertionPoint());
    Tile y = tileOfFragment(kernel.body, loc, values, columns);
    if (own.op.getPad() || own.flags || own.amaxOut)
      y = zeroOutside(kernel, y, {row, col}, {m, n});
    LogicalResult result = quantizeRegisters(kernel, own, y, row, col);
    assert(succeeded(result) && "a rule of the user's is left to the other kernel");
    (void)result;
  };
  return {unsigned(columns), take};
}

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
                                   passIf(rhs.panels.overflow)};
  quad::MatmulOp op = request.op;
  OperandFormats formats = formatsOf(op);
  const int shift = panels.choice.a.shift + panels.choice.b.shift;
  MatmulEpilogue epilogue(kernel, request, formats, shift);
  epilogue.begin();
  std::optional<WarpgroupParts> parts;
  if (groups) {
    operands.tiles = groups->tilesOfRows(kernel);
    operands.isWide = groups->areWide(kernel);
  } else {
    parts.emplace(s, plan, request, lhs.panels.pieces, allocate);
    operands.tiles = parts->describeTiles(kernel);
    operands.partial = parts->sums(kernel);
  }
  Builder b(module.getContext());
  kernel.kernel->setAttr("tile.threads", b.getI64IntegerAttr(plan.threads));
  if (request.quantized && !groups && !lhs.panels.overflow) {
    operands.sink = quantizingSink(kernel, request);
    request.quantized->isDone = parts->areFinished();
  }
  nvvm::emitMatmul(kernel.body, kernel.loc, target, plan, operands, epilogue.get());
  kernel.kernel->setAttr("tile.shared", b.getI64IntegerAttr(plan.sharedBytes()));
  kernel.kernel->setAttr("tile.cluster", b.getI64IntegerAttr(plan.blocksOfCluster));
  Value ofRows = groups ? groups->tiles() : parts->tiles();
  Value tileCols = groups ? groups->tileCols() : s.constant(WarpgroupPlan::squareTile.cols);
  Value ofCols = s.div(s.add(n, s.add(tileCols, s.constant(-1))), tileCols);
  Value tiles = s.mul(ofRows, ofCols);
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
