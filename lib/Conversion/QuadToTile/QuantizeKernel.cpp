//===- QuantizeKernel.cpp - Tiles of quad.quantize -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codes.h"
#include "Elementwise.h"
#include "Groups.h"
#include "ProgramTiles.h"
#include "Scales.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "quadrille/Numerics/Hadamard.h"
#include "quadrille/Target/Panels.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using quadrille::layout::LinearLayout;

namespace quadrille {

unsigned bytesOf(RankedTensorType tile) {
  return std::max(1u, tile.getElementTypeBitWidth() / 8);
}

int64_t denseAlignment(RankedTensorType tile, int64_t divisor) {
  int64_t bytes = bytesOf(tile);
  return std::min({resultAlignment, divisor * bytes, tile.getDimSize(1) * bytes});
}

void storeDense(KernelBuilder &kernel, Tile value, Value buffer, Value row, Value column,
                Value rows, Value length, int64_t divisor, Tile where) {
  TileBuilder t(kernel.body, kernel.loc);
  LinearLayout layout = tile::getLayout(TileBuilder::typeOf(value));
  unsigned contiguous = llvm::Log2_64(TileBuilder::shapeOf(value)[1]);
  unsigned bytes = bytesOf(TileBuilder::typeOf(value));
  int64_t alignment = denseAlignment(TileBuilder::typeOf(value), divisor);
  if (!where && kernel.target.hasWholeBlock(kernel.kernel)) {
    value =
        t.convertLayout(value, storeLayout(kernel.target, layout, contiguous, bytes, alignment));
  } else if (!where) {
    unsigned width = kernel.target.maxAccessWidth(bytes, unsigned(alignment));
    value = t.convertLayout(
        value, storeLayoutOfWarps(layout, std::min(contiguous, llvm::Log2_32(width))));
  }
  tile::StoreOp::create(kernel.body, kernel.loc, value, buffer, ValueRange{row, column},
                        ValueRange{rows, length}, ValueRange{length, kernel.constant(1)},
                        kernel.inside, where, t.b.getI64IntegerAttr(alignment),
                        t.b.getI64IntegerAttr(divisor));
}

Tile loadSigns(KernelBuilder &kernel, Value signs, RankedTensorType groups) {
  Value zero = kernel.constant(0), one = kernel.constant(1);
  return tile::LoadOp::create(kernel.body, kernel.loc, tile::reducedType(groups, {0, 1}),
                              kernel.pass(signs), ValueRange{zero, zero, zero},
                              ValueRange{one, one, kernel.constant(groups.getDimSize(2))},
                              ValueRange{zero, zero, one}, /*inside=*/Value(),
                              kernel.body.getI64IntegerAttr(resultAlignment),
                              /*granularity=*/IntegerAttr());
}

Tile loadFactors(KernelBuilder &kernel, Value signs, RankedTensorType tile, int64_t n) {
  TileBuilder t(kernel.body, kernel.loc);
  auto groups = tile::reshapedType(tile, {tile.getDimSize(0), tile.getDimSize(1) / n, n});
  Tile loaded = loadSigns(kernel, signs, groups);
  return t.mulf(loaded, t.f32(loaded, numerics::hadamardScale(n)));
}

Tile rotate(TileBuilder &t, Tile y, Tile factors) {
  SmallVector<int64_t> shape(TileBuilder::shapeOf(y));
  int64_t n = TileBuilder::shapeOf(factors).back();
  Tile groups = t.reshape(y, {shape[0], shape[1] / n, n});
  return t.reshape(t.hadamard(groups, factors), shape);
}

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

namespace {

constexpr int64_t elementBytesOfPanels = 2; ///< of what kernels write directly

/// Read and written, roughly, for each element.
constexpr int64_t bytesPerElement = 3;

/// `coordinate` plus random bits for each element.
Tile addRandomBits(KernelBuilder &kernel, const QuantizeRequest &request,
                   const numerics::Rounding &rounding, Tile coordinate, Value p0, Value a0) {
  OpBuilder &b = kernel.body;
  Value key = kernel.pass(request.key);
  if (request.step) {
    Value step = LLVM::LoadOp::create(b, kernel.loc, b.getI64Type(), kernel.pass(request.step));
    key = arith::AddIOp::create(b, kernel.loc, key, step);
  }
  return tile::RandomOp::create(b, kernel.loc, coordinate.getType(), key,
                                kernel.pass(request.indexBase), p0, a0,
                                kernel.pass(request.result.length), coordinate, rounding.bits,
                                rounding.rounds, uint32_t(request.op.getStream()));
}

/// What no |t| of a finite block exceeds: qmax (1 + 2^-4) where the scale is amax over qmax to
/// at least four significant bits, in a type that no amax saturates (for a qmax of 1 one could);
/// qmax where it is a power of two that is no less; below twice qmax's power of two by the rule
/// ocp; else not known. Nor is it in blocks of less than a word of codes: where one holds NaN,
/// what exceeds the code would carry into the next block's.
float largestMagnitude(const Format &format) {
  constexpr float unknown = std::numeric_limits<float>::infinity();
  const Level &inner = format.levels.front();
  float qmax = format.qmax(0);
  if (inner.block.cols < codesPerWord || qmax < format.grid.qmax)
    return unknown;
  if (inner.rule == ScaleRule::Up && inner.type == ScaleType::E8M0)
    return qmax;
  if (inner.rule == ScaleRule::OCP)
    return std::exp2(std::floor(std::log2(qmax)) + 1);
  bool wideRange = inner.type == ScaleType::F32 || inner.type == ScaleType::BF16;
  bool precise = inner.bits == 0 || inner.bits >= 4;
  return inner.rule == ScaleRule::Nearest && wideRange && precise ? qmax * (1 + 0x1p-4f) : unknown;
}

/// The factors of a request's transform for tiles in `layout`; null without one.
Tile factorsOf(KernelBuilder &kernel, const QuantizeRequest &request, TileShape shape,
               const LinearLayout &layout) {
  if (!request.signs)
    return {};
  auto type = RankedTensorType::get({shape.across, shape.along}, kernel.body.getF32Type());
  return loadFactors(kernel, request.signs, tile::withLayout(type, layout),
                     request.op.getType().getRht().getSize());
}

/// Quantizes a loaded tile at (p0, a0) of the result and stores codes and scales.
LogicalResult quantizeTile(KernelBuilder &kernel, const QuantizeRequest &request, Tile y,
                           Tile factors, Value p0, Value a0) {
  TileBuilder t(kernel.body, kernel.loc, &kernel.target);
  quad::QuantizedTensorType type = request.op.getType();
  numerics::Rounding rounding = request.op.getRounding().toRounding();
  if (factors)
    y = rotate(t, y, factors);
  FailureOr<Scaled> scaled = emitScales(kernel, t, request, y, p0, a0);
  if (failed(scaled))
    return failure();
  auto addRandom = [&](Tile coordinate) {
    return addRandomBits(kernel, request, rounding, coordinate, p0, a0);
  };
  Format format = type.getFormat().toFormat();
  auto encode = [&](const Grid &grid) {
    return encodeWords(t, grid, rounding, scaled->y, scaled->factor, largestMagnitude(format),
                       addRandom);
  };
  Tile words = encode(format.grid);
  if (format.alternative)
    words = selectCodes(t, words, encode(*format.alternative), *scaled);
  words = maskCodes(t, words, *scaled);
  if (request.panels) {
    ArrayRef<int64_t> shape = TileBuilder::shapeOf(y);
    Tiling tiling{{shape[0], shape[1]}, tile::getLayout(TileBuilder::typeOf(y))};
    storePacked(kernel, type, request.result, tiling, {words, scaled->scales}, *request.panels, p0,
                a0);
    return success();
  }
  storeDense(kernel, words, kernel.pass(request.result.codes), p0, kernel.div(a0, codesPerWord),
             kernel.pass(request.result.rows),
             kernel.div(kernel.pass(request.result.length), codesPerWord),
             std::max<int64_t>(1, request.result.divisor / codesPerWord));
  return success();
}

/// Rows that must be in one tile.
int64_t minimalAcross(const QuantizeRequest &request) {
  int64_t rows = rowsOfBlocks(request.op.getType());
  return request.panels ? std::max(rows, groupRows) : rows;
}

/// Reads tiles of what the requests quantize: a matrix, or what is computed of several.
class InputReader {
public:
  InputReader(KernelBuilder &kernel, const QuantizeInput &input,
              ArrayRef<QuantizeRequest> requests, unsigned axis, const Tiling &tiling)
      : kernel(kernel), input(input), axis(axis), tiling(tiling), groups(requests.front().groups) {
    if (!input.map)
      matrix.emplace(kernel, input, axis, tiling);
    // Blocks may reach beyond what is computed, whose continuation is zero.
    reachesOut = llvm::any_of(requests, [](const QuantizeRequest &request) {
      return request.op.getPad() || minimalAcross(request) > 1;
    });
  }

  /// As MatrixReader; what is computed is narrowed to its type.
  Tile load(Value p0, Value a0) {
    if (groups)
      return loadGroups(kernel, *matrix, groups, p0, a0);
    if (matrix)
      return matrix->load(p0, a0);
    TileBuilder t(kernel.body, kernel.loc);
    Tile y = computeMap(kernel, *input.map, axis, tiling, p0, a0);
    if (reachesOut)
      y = zeroOutside(kernel, y, {p0, a0},
                      {kernel.pass(input.sizes[1 - axis]), kernel.pass(input.sizes[axis])});
    return t.narrow(y, input.map->element);
  }

  Tile widen(Tile raw, const LinearLayout &layout) {
    if (matrix)
      return matrix->widen(raw, layout);
    TileBuilder t(kernel.body, kernel.loc);
    return t.widen(t.convertLayout(raw, layout));
  }
  Tile widen(Tile raw) { return widen(raw, tiling.layout); }

private:
  KernelBuilder &kernel;
  const QuantizeInput &input;
  unsigned axis;
  Tiling tiling;
  ScheduledGroups groups;
  std::optional<MatrixReader> matrix;
  bool reachesOut;
};

bool runsAcrossMemory(const QuantizeRequest &request, const ScheduledMatrix &input) {
  return request.op.getAxis() != int64_t(input.contiguousDim);
}

/// The tile of a kernel with one result.
Tiling chooseTiling(KernelBuilder &kernel, const QuantizeRequest &request, bool acrossMemory) {
  const TargetInfo &target = kernel.target;
  TileShape minimum{minimalAcross(request), minimalAlong(request)};
  if (acrossMemory)
    return columnTiling(kernel, minimum);
  // A lane has a block, as far as it has the room.
  int64_t block = std::clamp<int64_t>(request.op.getType().getFormat().getOuterBlockCols(),
                                      target.getElementsPerLane(), target.getMaxElementsPerLane());
  int64_t perLane = kernel.choose(Knob::ElementsPerLane, block);
  int64_t perTile = target.getLanes() * target.getWarps() * perLane;
  TileShape shape{minimum.across, std::max(minimum.along, perTile / minimum.across)};
  return {shape, computeLayout(target, shape, perLane)};
}

/// Programs that cover `extent`; one even of nothing, if they have a tensor's scale to
/// write.
Value numPrograms(ScheduleBuilder &s, Value extent, int64_t step,
                  ArrayRef<QuantizeRequest> requests) {
  Value number = s.ceilDiv(extent, step);
  bool hasTensorLevel = llvm::any_of(requests, [](const QuantizeRequest &request) {
    return request.op.getFormat().hasTensorLevel();
  });
  if (!hasTensorLevel)
    return number;
  return arith::MaxSIOp::create(s.b, s.loc, number, s.constant(1));
}

/// What programs have to cover: the result, and the padding of its scales.
struct Coverage {
  Value rows, length;
};

Coverage coverageOf(ScheduleBuilder &s, const QuantizeRequest &request) {
  quad::QuantizedTensorType type = request.op.getType();
  const ScheduledTensor &result = request.result;
  quad::ScaleLayout layout = type.getScaleLayout();
  if (request.panels)
    return {result.rows, s.mul(request.panels->result.pieces,
                               s.constant(pieceBytes / elementBytesOfPanels))};
  if (layout == quad::ScaleLayout::RowMajor)
    return {result.rows, result.length};
  int64_t cols = type.getFormat().getBlockCols();
  return {paddedScaleRows(s, layout, result.rows),
          s.mul(paddedScaleCols(s, layout, s.div(result.length, cols)), s.constant(cols))};
}

LogicalResult emitOne(KernelBuilder &kernel, QuantizeInput input, QuantizeRequest request) {
  unsigned axis = request.op.getAxis();
  bool acrossMemory = runsAcrossMemory(request, input);
  Tiling tiling = chooseTiling(kernel, request, acrossMemory);
  TileShape shape = tiling.shape;
  ScheduleBuilder &s = kernel.schedule;
  if (request.groups && input.map)
    return request.op.emitOpError("cannot compute elementwise code as it reads groups");
  bool isRowMajor = request.op.getType().getScaleLayout() == quad::ScaleLayout::RowMajor;
  if (request.groups) {
    static_cast<ScheduledMatrix &>(input) = readFromAnywhere(input, axis);
  } else if (shape.across == 1 && input.isContiguous && isRowMajor) {
    ScheduledTensor &result = request.result;
    Value dense = flattenRows(s, input, axis, result.length);
    result.length = s.select(dense, input.sizes[axis], result.length);
    result.rows = s.select(dense, input.sizes[1 - axis], result.rows);
  }
  Value p0 = kernel.tileOrigin(1, shape.across);
  InputReader reader(kernel, input, request, axis, tiling);
  // Groups are read from elsewhere than they are stored.
  ScheduledMatrix covered = input;
  if (request.groups)
    covered.sizes[axis] = request.result.length;
  // Across memory a tile fills the registers, so there is no room for the next one; nor is there
  // a choice on a target that gains nothing by reading ahead.
  int64_t count = acrossMemory ? 1 : kernel.target.getTilesPerProgram();
  if (count > 1)
    count = kernel.choose(Knob::TilesPerProgram, count);
  ProgramTiles tiles(kernel, shape.along, count);
  Tile factors = factorsOf(kernel, request, shape, tiling.layout);
  LogicalResult result = tiles.forEach(
      [&](Value a0, int64_t along) {
        return axis == 1 ? isInside(kernel, covered, {p0, a0}, {shape.across, along})
                         : isInside(kernel, covered, {a0, p0}, {along, shape.across});
      },
      [&](Value a0) { return reader.load(p0, a0); },
      [&](Tile raw, Value a0) {
        return quantizeTile(kernel, request, reader.widen(raw), factors, p0, a0);
      });
  if (failed(result))
    return failure();
  Coverage coverage = coverageOf(s, request);
  Value numTiles = numPrograms(s, coverage.length, shape.along, request);
  kernel.launch(tiles.gridSize(numTiles), numPrograms(s, coverage.rows, shape.across, request),
                bytesPerElement * shape.along * shape.across);
  return success();
}

/// y of a pair's tile for the request along memory, which converts what was read as the one
/// across memory wants it.
Tile widenAlongMemory(KernelBuilder &kernel, InputReader &reader, Tile raw, TileShape shape) {
  TileBuilder t(kernel.body, kernel.loc);
  int64_t perLane = std::min(shape.along, columnElementsPerLane(kernel));
  auto wanted =
      tile::withLayout(RankedTensorType::get({shape.across, shape.along}, t.b.getF32Type()),
                       computeLayout(kernel.target, shape, perLane));
  return t.transpose(reader.widen(raw, tile::getLayout(tile::transposedType(wanted))));
}

/// Tiles of `sizes` cover the input and all that the requests store.
void launchPair(KernelBuilder &kernel, const QuantizeInput &input,
                ArrayRef<QuantizeRequest> requests, const int64_t (&sizes)[2]) {
  ScheduleBuilder &s = kernel.schedule;
  // Padding makes the stored axes the longer ones.
  Value extent[2] = {input.sizes[0], input.sizes[1]};
  for (const QuantizeRequest &request : requests) {
    unsigned axis = request.op.getAxis();
    Coverage coverage = coverageOf(s, request);
    extent[axis] = arith::MaxSIOp::create(s.b, s.loc, extent[axis], coverage.length);
    extent[1 - axis] = arith::MaxSIOp::create(s.b, s.loc, extent[1 - axis], coverage.rows);
  }
  kernel.launch(numPrograms(s, extent[1], sizes[1], requests),
                numPrograms(s, extent[0], sizes[0], requests),
                bytesPerElement * sizes[0] * sizes[1]);
}

/// Row and column results of one read: a tile that holds whole blocks of both.
LogicalResult emitPair(KernelBuilder &kernel, const QuantizeInput &input,
                       ArrayRef<QuantizeRequest> requests) {
  for (const QuantizeRequest &request : requests)
    if (request.groups)
      return request.op.emitOpError("of groups is a kernel by itself");
  unsigned contiguous = input.contiguousDim;
  int64_t sizes[2] = {1, 1};
  for (const QuantizeRequest &request : requests) {
    unsigned axis = request.op.getAxis();
    sizes[axis] = std::max(sizes[axis], minimalAlong(request));
    sizes[1 - axis] = std::max(sizes[1 - axis], minimalAcross(request));
  }
  unsigned outer = 1 - contiguous;
  Tiling read = columnTiling(kernel, {sizes[contiguous], sizes[outer]});
  sizes[contiguous] = read.shape.across;
  sizes[outer] = read.shape.along;
  Value origin[2] = {kernel.tileOrigin(1, sizes[0]), kernel.tileOrigin(0, sizes[1])};
  kernel.inside = isInside(kernel, input, origin, sizes);
  InputReader reader(kernel, input, requests, outer, read);
  Tile raw = reader.load(origin[contiguous], origin[outer]);
  for (const QuantizeRequest &request : requests) {
    unsigned axis = request.op.getAxis();
    TileShape shape = {sizes[1 - axis], sizes[axis]};
    Tile y = axis == outer ? reader.widen(raw) : widenAlongMemory(kernel, reader, raw, shape);
    Tile factors = factorsOf(kernel, request, shape, tile::getLayout(TileBuilder::typeOf(y)));
    if (failed(quantizeTile(kernel, request, y, factors, origin[1 - axis], origin[axis])))
      return failure();
  }
  launchPair(kernel, input, requests, sizes);
  return success();
}

} // namespace

LogicalResult quantizeRegisters(KernelBuilder &kernel, const QuantizeRequest &request, Tile y,
                                Value p0, Value a0) {
  ArrayRef<int64_t> shape = TileBuilder::shapeOf(y);
  Tile factors = factorsOf(kernel, request, {shape[0], shape[1]},
                           tile::getLayout(TileBuilder::typeOf(y)));
  return quantizeTile(kernel, request, y, factors, p0, a0);
}

int64_t minimalAlong(const QuantizeRequest &request) {
  quad::QuantizedTensorType type = request.op.getType();
  int64_t along = type.getFormat().getOuterBlockCols();
  if (type.getRht())
    along = std::max(along, type.getRht().getSize());
  return request.key ? std::max(along, elementsPerDraw) : along;
}

LogicalResult emitQuantize(KernelBuilder &kernel, const QuantizeInput &input,
                           ArrayRef<QuantizeRequest> requests) {
  return requests.size() == 1 ? emitOne(kernel, input, requests.front())
                              : emitPair(kernel, input, requests);
}

} // namespace quadrille
