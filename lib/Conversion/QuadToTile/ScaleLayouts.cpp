//===- ScaleLayouts.cpp - Where scales are in memory -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The layout blocked128x4 takes the bits of a row's number apart: a tile of scales
// is stored as one of five dimensions, each with a stride of its own.
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"

using namespace mlir;
using quadrille::quad::ScaleLayout;

namespace quadrille {
namespace {

// A tile of 128 rows and 4 columns is 32 rows of 4 x 4 bytes (docs/numerics.md, "Storage").
constexpr int64_t tileRows = 128, tileCols = 4, innerRows = 32;

/// A (rows, columns) tile of scales as the dimensions of the blocked layout: 128 rows,
/// 32 rows, a row; 4 columns, a column.
struct BlockedAccess {
  SmallVector<int64_t> shape;
  SmallVector<Value> offsets, bounds, strides;
};

BlockedAccess blockedAccess(KernelBuilder &kernel, ArrayRef<int64_t> tile, Value row, Value col,
                            Value rows, Value cols) {
  OpBuilder &b = kernel.body;
  auto split = [&](int64_t size, int64_t outer) { // size as (its multiples of outer, the rest)
    return std::pair(std::max<int64_t>(1, size / outer), std::min(size, outer));
  };
  auto ceilDiv = [&](Value x, int64_t y) {
    return kernel.div(arith::AddIOp::create(b, kernel.loc, x, kernel.constant(y - 1)), y);
  };
  auto rest = [&](Value x, int64_t y) -> Value {
    return arith::RemUIOp::create(b, kernel.loc, x, kernel.constant(y));
  };
  auto [tilesDown, rowsOfTile] = split(tile[0], tileRows);
  auto [quarters, rowsOfQuarter] = split(rowsOfTile, innerRows);
  auto [tilesAcross, colsOfTile] = split(tile[1], tileCols);
  Value across = ceilDiv(cols, tileCols);
  return {{tilesDown, quarters, rowsOfQuarter, tilesAcross, colsOfTile},
          {kernel.div(row, tileRows), rest(kernel.div(row, innerRows), tileRows / innerRows),
           rest(row, innerRows), kernel.div(col, tileCols), rest(col, tileCols)},
          {ceilDiv(rows, tileRows), kernel.constant(tileRows / innerRows),
           kernel.constant(innerRows), across, kernel.constant(tileCols)},
          {kernel.mul(across, kernel.constant(tileRows * tileCols)), kernel.constant(tileCols),
           kernel.constant(tileRows * tileCols / innerRows), kernel.constant(tileRows * tileCols),
           kernel.constant(1)}};
}

} // namespace

Value paddedScaleRows(ScheduleBuilder &s, ScaleLayout layout, Value rows) {
  return layout == ScaleLayout::RowMajor ? rows : s.roundUp(rows, tileRows);
}

Value paddedScaleCols(ScheduleBuilder &s, ScaleLayout layout, Value cols) {
  return layout == ScaleLayout::RowMajor ? cols : s.roundUp(cols, tileCols);
}

void storeBlockedScales(KernelBuilder &kernel, Tile bits, Value buffer, Value row, Value col,
                        Value rows, Value cols) {
  TileBuilder t(kernel.body, kernel.loc);
  BlockedAccess access = blockedAccess(kernel, TileBuilder::shapeOf(bits), row, col, rows, cols);
  tile::StoreOp::create(kernel.body, kernel.loc, t.reshape(bits, access.shape), buffer,
                        access.offsets, access.bounds, access.strides, /*inside=*/Value(), /*where=*/Value(),
                        /*alignment=*/IntegerAttr(), /*granularity=*/IntegerAttr());
}

Tile loadBlockedScales(KernelBuilder &kernel, RankedTensorType type, Value buffer, Value row,
                       Value col, Value rows, Value cols) {
  TileBuilder t(kernel.body, kernel.loc);
  BlockedAccess access = blockedAccess(kernel, type.getShape(), row, col, rows, cols);
  Tile bits = tile::LoadOp::create(kernel.body, kernel.loc, tile::reshapedType(type, access.shape),
                                   buffer, access.offsets, access.bounds, access.strides,
                                   /*inside=*/Value(), /*alignment=*/IntegerAttr(),
                                   /*granularity=*/IntegerAttr());
  return t.reshape(bits, type.getShape());
}

void emitScaleLayout(KernelBuilder &kernel, const ScaleMatrix &input, const ScaleMatrix &result) {
  // A lane has a row of four: they are neighbours in either layout.
  TileShape shape{kernel.target.getLanes() * kernel.target.getWarps(), tileCols};
  auto type = tile::withLayout(
      RankedTensorType::get({shape.across, shape.along}, kernel.body.getI8Type()),
      computeLayout(kernel.target, shape, tileCols));
  Value row = kernel.tileOrigin(1, shape.across), col = kernel.tileOrigin(0, shape.along);
  Value rows = kernel.pass(input.rows), cols = kernel.pass(input.cols);
  Value source = kernel.pass(input.buffer), target = kernel.pass(result.buffer);
  // What is read beyond the scales is zero, and the padding.
  Tile bits = input.layout == ScaleLayout::RowMajor
                  ? loadDense(kernel, type, source, row, col, rows, cols)
                  : loadBlockedScales(kernel, type, source, row, col, rows, cols);
  if (result.layout == ScaleLayout::RowMajor)
    storeDense(kernel, bits, target, row, col, rows, cols);
  else
    storeBlockedScales(kernel, bits, target, row, col, rows, cols);
  ScheduleBuilder &s = kernel.schedule;
  kernel.launch(s.ceilDiv(paddedScaleCols(s, result.layout, input.cols), shape.along),
                s.ceilDiv(paddedScaleRows(s, result.layout, input.rows), shape.across),
                2 * shape.along * shape.across);
}

} // namespace quadrille
