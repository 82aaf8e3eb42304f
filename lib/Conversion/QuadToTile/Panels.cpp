//===- Panels.cpp - Operands as a matrix unit reads them -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"
#include "quadrille/Target/Panels.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using quadrille::layout::LinearLayout;

namespace quadrille {

Tiling panelTiling(const TargetInfo &target, int64_t rows, int64_t along) {
  constexpr unsigned runBits = 5; // 16 bytes of codes
  const unsigned groupBits = llvm::Log2_64(groupRows);
  const unsigned laneBits = llvm::Log2_32(target.getLanes());
  const unsigned warpBits = llvm::Log2_32(target.getWarps());
  // Two runs of a lane, to have reads in flight.
  unsigned alongBits = std::max(runBits + laneBits - groupBits + 1, llvm::Log2_64_Ceil(along));
  unsigned acrossBits = std::max(groupBits + warpBits, llvm::Log2_64_Ceil(rows));
  std::vector<uint64_t> reg, lane, warp;
  unsigned nextAlong = 0, nextAcross = alongBits;
  auto take = [](std::vector<uint64_t> &bases, unsigned &next, unsigned count) {
    for (; count; --count)
      bases.push_back(uint64_t(1) << next++);
  };
  take(reg, nextAlong, runBits);
  take(lane, nextAcross, groupBits);
  take(lane, nextAlong, laneBits - groupBits);
  take(warp, nextAcross, warpBits);
  take(reg, nextAlong, alongBits - nextAlong);
  take(reg, nextAcross, alongBits + acrossBits - nextAcross);
  return {{int64_t(1) << acrossBits, int64_t(1) << alongBits},
          LinearLayout(alongBits + acrossBits, reg, lane, warp)};
}

LinearLayout panelLayout(const TargetInfo &target, const LinearLayout &computed,
                         unsigned alongBits) {
  const unsigned chunkBits = 3; // eight bf16 are what a lane stores at once
  const unsigned groupBits = llvm::Log2_64(groupRows);
  std::vector<uint64_t> order, reg, lane;
  auto append = [&](unsigned first, unsigned last) {
    for (unsigned bit = first; bit < last; ++bit)
      if (uint64_t basis = uint64_t(1) << bit; !llvm::is_contained(computed.warp, basis))
        order.push_back(basis);
  };
  const unsigned endOfGroup = std::min(alongBits + groupBits, computed.indexBits);
  append(alongBits, endOfGroup);
  append(chunkBits, alongBits);
  append(endOfGroup, computed.indexBits);
  for (unsigned bit = 0; bit < chunkBits; ++bit)
    reg.push_back(uint64_t(1) << bit);
  for (uint64_t basis : order)
    (lane.size() < llvm::Log2_32(target.getLanes()) ? lane : reg).push_back(basis);
  lane.resize(llvm::Log2_32(target.getLanes()));
  return LinearLayout(computed.indexBits, reg, lane, computed.warp);
}

void storePanels(KernelBuilder &kernel, Tile tile, const CarrierResult &result, Value p0,
                 Value a0) {
  TileBuilder t(kernel.body, kernel.loc);
  const int64_t bytes = bytesOf(TileBuilder::typeOf(tile));
  const int64_t perChunk = chunkBytes / bytes, perPiece = pieceBytes / bytes;
  constexpr int64_t groups = panelRows / groupRows;
  constexpr int64_t chunks = pieceBytes / chunkBytes;
  auto c = [&](int64_t value) { return kernel.constant(value); };
  Value rows = arith::RemUIOp::create(t.b, t.loc, p0, c(panelRows));
  Value pieces = kernel.pass(result.pieces);
  ArrayRef<int64_t> shape = TileBuilder::shapeOf(tile);
  // Panel, group, row; piece, chunk, element. What lies beyond the last of them is not stored.
  int64_t panels = std::max<int64_t>(1, shape[0] / panelRows);
  Tile split = t.reshape(tile, {panels, shape[0] / groupRows / panels, groupRows,
                                shape[1] / perPiece, chunks, perChunk});
  Value offsets[] = {kernel.div(p0, panelRows), kernel.div(rows, groupRows), c(0),
                     kernel.div(a0, perPiece), c(0), c(0)};
  constexpr int64_t unbounded = int64_t(1) << 40; // a tile of one panel has none beyond
  Value bounds[] = {panels > 1 ? kernel.pass(result.panels) : c(unbounded), c(groups),
                    c(groupRows), pieces, c(chunks), c(perChunk)};
  Value strides[] = {kernel.mul(pieces, c(panelRows * perPiece)),
                     c(groupRows * perPiece), c(perChunk), c(panelRows * perPiece),
                     c(groupRows * perChunk), c(1)};
  tile::StoreOp::create(t.b, t.loc, split, kernel.pass(result.values), offsets, bounds, strides,
                        /*inside=*/Value(), /*where=*/Value(), t.b.getI64IntegerAttr(chunkBytes),
                        t.b.getI64IntegerAttr(perChunk));
}

void emitToPanels(KernelBuilder &kernel, const ScheduledMatrix &input, unsigned axis,
                  const CarrierResult &result) {
  Tiling tiling = panelTiling(kernel.target, 1, 1);
  Value p0 = kernel.tileOrigin(1, tiling.shape.across);
  Value a0 = kernel.tileOrigin(0, tiling.shape.along);
  TileBuilder t(kernel.body, kernel.loc);
  Tile value = loadMatrix(kernel, input, axis, tiling, result.sourceRow(kernel, p0), a0);
  storePanels(kernel, t.narrow(value, t.b.getBF16Type()), result, p0, a0);
  ScheduleBuilder &s = kernel.schedule;
  constexpr int64_t elementBytes = 2;
  Value length = s.mul(result.pieces, s.constant(pieceBytes / elementBytes));
  kernel.launch(s.ceilDiv(length, tiling.shape.along),
                s.ceilDiv(result.numRows(input.sizes[1 - axis]), tiling.shape.across),
                2 * elementBytes * tiling.shape.across * tiling.shape.along);
}

} // namespace quadrille
