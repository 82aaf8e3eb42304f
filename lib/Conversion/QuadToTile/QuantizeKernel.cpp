//===- QuantizeKernel.cpp - Tiles of quad.quantize -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codes.h"
#include "Kernels.h"
#include "Scales.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "quadrille/Numerics/Hadamard.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using quadrille::layout::LinearLayout;

namespace quadrille {

//===----------------------------------------------------------------------===//
// Layouts and memory
//===----------------------------------------------------------------------===//

LinearLayout computeLayout(const TargetInfo &target, TileShape shape, int64_t perLane) {
  unsigned along = llvm::Log2_64(shape.along), across = llvm::Log2_64(shape.across);
  unsigned registers = std::min<unsigned>(along, llvm::Log2_64(perLane));
  // Bits of the index in the order in which hardware takes them: elements of a row in
  // one lane, then rows, so that a block of several stays in a warp, then the rest.
  std::vector<uint64_t> order;
  for (unsigned bit = 0; bit < registers; ++bit)
    order.push_back(uint64_t(1) << bit);
  for (unsigned bit = along; bit < along + across; ++bit)
    order.push_back(uint64_t(1) << bit);
  for (unsigned bit = registers; bit < along; ++bit)
    order.push_back(uint64_t(1) << bit);
  size_t taken = 0;
  auto take = [&](unsigned count) {
    std::vector<uint64_t> bases;
    for (unsigned i = 0; i < count; ++i)
      bases.push_back(taken < order.size() ? order[taken++] : 0);
    return bases;
  };
  std::vector<uint64_t> reg = take(registers);
  std::vector<uint64_t> lane = take(llvm::Log2_32(target.getLanes()));
  std::vector<uint64_t> warp = take(llvm::Log2_32(target.getWarps()));
  reg.insert(reg.end(), order.begin() + taken, order.end());
  return LinearLayout(along + across, reg, lane, warp);
}

namespace {

/// Hands out the bits of a tile's index, those along the quantized axis and those
/// across it, each from the lowest.
class IndexBits {
public:
  IndexBits(unsigned along, unsigned across) : next{0, along}, end{along, along + across} {}

  unsigned left(bool across) const { return end[across] - next[across]; }
  /// At most `count` more.
  void take(std::vector<uint64_t> &bases, bool across, unsigned count) {
    for (; count && next[across] < end[across]; --count)
      bases.push_back(uint64_t(1) << next[across]++);
  }

private:
  unsigned next[2], end[2];
};

} // namespace

Tiling columnTiling(const TargetInfo &target, TileShape minimum) {
  auto [maxAlong, elementsPerLane, across] = target.columnTile();
  unsigned laneBits = llvm::Log2_32(target.getLanes()), warpBits = llvm::Log2_32(target.getWarps());
  constexpr int64_t shortest = 16; // two words of codes, one draw of random bits
  unsigned alongBits = llvm::Log2_64(std::max(minimum.along, shortest));
  unsigned acrossBits = llvm::Log2_64(std::max<int64_t>(minimum.across, across));
  unsigned along = std::min(alongBits, llvm::Log2_32(maxAlong));
  unsigned perLane = std::max(along, llvm::Log2_32(elementsPerLane));
  // Lanes that the block and the reach along memory leave over extend the tile along the axis.
  unsigned threads = laneBits + warpBits, needed = alongBits + acrossBits - perLane;
  alongBits += threads > needed ? threads - needed : 0;

  // What a block has beyond a lane's share lies in lanes, which exchange values.
  const unsigned neighbours = perLane - along;
  const unsigned lanesOfBlock = llvm::Log2_64(std::max<int64_t>(1, minimum.along >> along));
  IndexBits bits(alongBits, acrossBits);
  std::vector<uint64_t> reg, lane, warp;
  bits.take(reg, /*across=*/false, along);
  bits.take(reg, /*across=*/true, neighbours);
  bits.take(lane, false, std::min(laneBits, lanesOfBlock));
  bits.take(lane, true, laneBits - lane.size());
  bits.take(lane, false, laneBits - lane.size());
  bits.take(warp, true, warpBits);
  bits.take(warp, false, warpBits - warp.size());
  bits.take(reg, false, bits.left(false));
  bits.take(reg, true, bits.left(true));
  lane.resize(laneBits);
  warp.resize(warpBits);
  TileShape shape{int64_t(1) << acrossBits, int64_t(1) << alongBits};
  return {shape, LinearLayout(alongBits + acrossBits, reg, lane, warp)};
}

Value flattenRows(ScheduleBuilder &s, ScheduledMatrix &matrix, unsigned axis, Value stored) {
  Value length = matrix.sizes[axis], rows = matrix.sizes[1 - axis];
  Value dense = s.isEqual(matrix.strides[1 - axis], length);
  if (stored)
    dense = arith::AndIOp::create(s.b, s.loc, dense, s.isEqual(length, stored));
  matrix.sizes[axis] = s.select(dense, s.mul(rows, length), length);
  matrix.sizes[1 - axis] = s.select(dense, s.constant(1), rows);
  return dense;
}

MatrixReader::MatrixReader(KernelBuilder &kernel, const ScheduledMatrix &matrix, unsigned axis,
                           const Tiling &tiling)
    : kernel(kernel), matrix(matrix), tiling(tiling), dims{1 - axis, axis},
      transposed(axis != matrix.contiguousDim) {
  Builder b(kernel.body.getContext());
  element = cast<tile::BufferType>(matrix.buffer.getType()).getElementType();
  auto stored = RankedTensorType::get({tiling.shape.across, tiling.shape.along},
                                      element.isBF16() ? b.getI16Type() : element);
  elements = tile::withLayout(stored, tiling.layout);
  if (transposed) {
    std::swap(dims[0], dims[1]);
    elements = tile::transposedType(elements);
  }
  isWords = element.getIntOrFloatBitWidth() == 16 && matrix.isContiguous &&
            matrix.alignment >= 4 && matrix.divisors[dims[1]] >= 2 &&
            llvm::is_contained(tile::getLayout(elements).reg, uint64_t(1));
}

Tile MatrixReader::load(Value p0, Value a0) {
  OpBuilder &b = kernel.body;
  RankedTensorType type = isWords ? tile::halvedType(elements) : elements;
  int64_t perWord = isWords ? 2 : 1;
  Value offsets[] = {transposed ? a0 : p0, transposed ? p0 : a0};
  Value bounds[] = {kernel.pass(matrix.sizes[dims[0]]), kernel.pass(matrix.sizes[dims[1]])};
  Value strides[] = {kernel.pass(matrix.strides[dims[0]]),
                     matrix.isContiguous ? kernel.constant(1)
                                         : kernel.pass(matrix.strides[dims[1]])};
  if (isWords)
    for (Value *number : {&offsets[1], &bounds[1], &strides[0]})
      *number = kernel.div(*number, 2);
  IntegerAttr alignment, granularity;
  if (matrix.alignment)
    alignment = b.getI64IntegerAttr(
        std::min<int64_t>(matrix.alignment, type.getDimSize(1) * bytesOf(type)));
  if (matrix.isContiguous) {
    granularity = b.getI64IntegerAttr(matrix.divisors[dims[1]] / perWord);
    unsigned contiguous = llvm::Log2_64(type.getDimSize(1));
    type = tile::withLayout(type, kernel.target.memoryLayout(tile::getLayout(type), contiguous,
                                                             bytesOf(type)));
  }
  return tile::LoadOp::create(b, kernel.loc, type, kernel.pass(matrix.buffer), offsets, bounds,
                              strides, kernel.inside, alignment, granularity);
}

Tile MatrixReader::widen(Tile raw, const LinearLayout &layout) {
  TileBuilder t(kernel.body, kernel.loc);
  // The wanted layout along memory, where a word holds neighbours.
  auto wanted = tile::withLayout(
      RankedTensorType::get({tiling.shape.across, tiling.shape.along}, t.b.getF32Type()), layout);
  RankedTensorType type = transposed ? tile::transposedType(wanted) : wanted;
  Tile x;
  if (isWords)
    x = t.widenHalves(t.convertLayout(raw, tile::getLayout(tile::halvedType(type))), element, type);
  else if (kernel.target.getWarps() > 1) // through memory, so while it is small
    x = t.widen(t.convertLayout(raw, tile::getLayout(type)));
  else
    x = t.convertLayout(t.widen(raw), tile::getLayout(type));
  return transposed ? t.transpose(x) : x;
}

Tile loadMatrix(KernelBuilder &kernel, const ScheduledMatrix &matrix, unsigned axis,
                const Tiling &tiling, Value p0, Value a0) {
  MatrixReader reader(kernel, matrix, axis, tiling);
  return reader.widen(reader.load(p0, a0));
}

unsigned bytesOf(RankedTensorType tile) {
  return std::max(1u, tile.getElementTypeBitWidth() / 8);
}

int64_t denseAlignment(RankedTensorType tile, int64_t divisor) {
  int64_t bytes = bytesOf(tile);
  return std::min({resultAlignment, divisor * bytes, tile.getDimSize(1) * bytes});
}

void storeDense(KernelBuilder &kernel, Tile value, Value buffer, Value row, Value column,
                Value rows, Value length, int64_t divisor) {
  TileBuilder t(kernel.body, kernel.loc);
  LinearLayout layout = tile::getLayout(TileBuilder::typeOf(value));
  unsigned contiguous = llvm::Log2_64(TileBuilder::shapeOf(value)[1]);
  unsigned bytes = bytesOf(TileBuilder::typeOf(value));
  value = t.convertLayout(value, kernel.target.memoryLayout(layout, contiguous, bytes));
  int64_t alignment = denseAlignment(TileBuilder::typeOf(value), divisor);
  tile::StoreOp::create(kernel.body, kernel.loc, value, buffer, ValueRange{row, column},
                        ValueRange{rows, length}, ValueRange{length, kernel.constant(1)},
                        kernel.inside, t.b.getI64IntegerAttr(alignment),
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

Tile rotate(KernelBuilder &kernel, TileBuilder &t, Tile y, Value signs, int64_t n) {
  SmallVector<int64_t> shape(TileBuilder::shapeOf(y));
  Tile groups = t.reshape(y, {shape[0], shape[1] / n, n});
  RankedTensorType type = TileBuilder::typeOf(groups);
  groups = t.hadamard(groups, loadSigns(kernel, signs, type));
  groups = t.mulf(groups, t.f32(groups, numerics::hadamardScale(n)));
  return t.reshape(groups, shape);
}

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

namespace {

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

/// Whether a number can round to a code beyond the grid's last one: not if its scale is the
/// block's amax over qmax, rounded to nearest to at least four significant bits, in a type
/// that no amax saturates. (7 (1 + 2^-4) < 7.5, in codes.)
bool canExceedGrid(const Format &format) {
  const Level &inner = format.levels.front();
  bool wideRange = inner.type == ScaleType::F32 || inner.type == ScaleType::BF16;
  bool precise = inner.bits == 0 || inner.bits >= 4;
  return !wideRange || !precise || inner.rule != ScaleRule::Nearest || format.grid.qmax < 1 ||
         format.qmax(0) < format.grid.qmax;
}

/// Quantizes a loaded tile at (p0, a0) of the result and stores codes and scales.
LogicalResult quantizeTile(KernelBuilder &kernel, const QuantizeRequest &request, Tile y, Value p0,
                           Value a0) {
  TileBuilder t(kernel.body, kernel.loc);
  quad::QuantizedTensorType type = request.op.getType();
  numerics::Rounding rounding = request.op.getRounding().toRounding();
  if (request.signs)
    y = rotate(kernel, t, y, request.signs, type.getRht().getSize());
  FailureOr<Scaled> scaled = emitScales(kernel, t, request, y, p0, a0);
  if (failed(scaled))
    return failure();
  auto addRandom = [&](Tile coordinate) {
    return addRandomBits(kernel, request, rounding, coordinate, p0, a0);
  };
  Format format = type.getFormat().toFormat();
  Tile words = encodeWords(t, format.grid, rounding, scaled->t, canExceedGrid(format), addRandom);
  words = maskCodes(t, words, *scaled);
  constexpr int64_t codesPerWord = 8;
  storeDense(kernel, words, kernel.pass(request.result.codes), p0, kernel.div(a0, codesPerWord),
             kernel.pass(request.result.rows),
             kernel.div(kernel.pass(request.result.length), codesPerWord),
             std::max<int64_t>(1, request.result.divisor / codesPerWord));
  return success();
}

/// Elements along the axis that must be in one tile.
int64_t minimalAlong(quad::QuantizedTensorType type) {
  int64_t along = type.getFormat().getOuterBlockCols();
  if (type.getRht())
    along = std::max(along, type.getRht().getSize());
  return along;
}

int64_t minimalAcross(quad::QuantizedTensorType type) {
  int64_t across = 1;
  for (quad::LevelAttr level : type.getFormat().getLevels())
    if (!level.isTensor())
      across = std::max(across, level.getBlock().rows);
  return across;
}

bool runsAcrossMemory(const QuantizeRequest &request, const ScheduledMatrix &input) {
  return request.op.getAxis() != int64_t(input.contiguousDim);
}

/// The tile of a kernel with one result.
Tiling chooseTiling(const TargetInfo &target, const QuantizeRequest &request, bool acrossMemory) {
  TileShape minimum{minimalAcross(request.op.getType()), minimalAlong(request.op.getType())};
  if (acrossMemory)
    return columnTiling(target, minimum);
  // A lane has a block; noise costs a lane less for each of more elements.
  int64_t most = target.getMaxElementsPerLane();
  int64_t perLane = request.key ? most
                                : std::clamp<int64_t>(request.op.getType().getFormat().getOuterBlockCols(),
                                                      target.getElementsPerLane(), most);
  int64_t perTile = target.getLanes() * target.getWarps() * perLane;
  TileShape shape{minimum.across, std::max(minimum.along, perTile / minimum.across)};
  return {shape, computeLayout(target, shape, perLane)};
}

/// Whether the tile at (p0, a0) lies within the matrix, and so within the result, whose
/// stored axis is no shorter.
Value isInside(KernelBuilder &kernel, const ScheduledMatrix &matrix, const Value (&origin)[2],
               const int64_t (&sizes)[2]) {
  OpBuilder &b = kernel.body;
  Value inside;
  for (unsigned d = 0; d < 2; ++d) {
    Value end = arith::AddIOp::create(b, kernel.loc, origin[d], kernel.constant(sizes[d]));
    Value fits = arith::CmpIOp::create(b, kernel.loc, arith::CmpIPredicate::sle, end,
                                       kernel.pass(matrix.sizes[d]));
    inside = inside ? Value(arith::AndIOp::create(b, kernel.loc, inside, fits)) : fits;
  }
  return inside;
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
  if (layout == quad::ScaleLayout::RowMajor)
    return {result.rows, result.length};
  int64_t cols = type.getFormat().getBlockCols();
  return {paddedScaleRows(s, layout, result.rows),
          s.mul(paddedScaleCols(s, layout, s.div(result.length, cols)), s.constant(cols))};
}

/// The tiles of one program, which follow each other along the axis.
class ProgramTiles {
public:
  ProgramTiles(KernelBuilder &kernel, int64_t along)
      : kernel(kernel), along(along), count(kernel.target.getTilesPerProgram()) {}

  /// For the origin of each tile: `enter`, which says what is known there, then `work` on
  /// what `load` gave for it. The next tile is loaded before the work, which hides its way.
  LogicalResult forEach(llvm::function_ref<void(Value)> enter,
                        llvm::function_ref<Tile(Value)> load,
                        llvm::function_ref<LogicalResult(Tile, Value)> work);
  /// Programs for so many tiles.
  Value gridSize(Value tiles) { return count == 1 ? tiles : kernel.schedule.ceilDiv(tiles, count); }

private:
  Tile loadNext(Value next, Value index, Type type, llvm::function_ref<void(Value)> enter,
                llvm::function_ref<Tile(Value)> load);

  KernelBuilder &kernel;
  int64_t along, count;
};

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

LogicalResult emitOne(KernelBuilder &kernel, ScheduledMatrix input, QuantizeRequest request) {
  unsigned axis = request.op.getAxis();
  Tiling tiling = chooseTiling(kernel.target, request, runsAcrossMemory(request, input));
  TileShape shape = tiling.shape;
  ScheduleBuilder &s = kernel.schedule;
  bool isRowMajor = request.op.getType().getScaleLayout() == quad::ScaleLayout::RowMajor;
  if (shape.across == 1 && input.isContiguous && isRowMajor) {
    ScheduledTensor &result = request.result;
    Value dense = flattenRows(s, input, axis, result.length);
    result.length = s.select(dense, input.sizes[axis], result.length);
    result.rows = s.select(dense, input.sizes[1 - axis], result.rows);
  }
  Value p0 = kernel.tileOrigin(1, shape.across);
  MatrixReader reader(kernel, input, axis, tiling);
  ProgramTiles tiles(kernel, shape.along);
  LogicalResult result = tiles.forEach(
      [&](Value a0) {
        kernel.inside = axis == 1 ? isInside(kernel, input, {p0, a0}, {shape.across, shape.along})
                                  : isInside(kernel, input, {a0, p0}, {shape.along, shape.across});
      },
      [&](Value a0) { return reader.load(p0, a0); },
      [&](Tile raw, Value a0) {
        return quantizeTile(kernel, request, reader.widen(raw), p0, a0);
      });
  if (failed(result))
    return failure();
  Coverage coverage = coverageOf(s, request);
  Value numTiles = numPrograms(s, coverage.length, shape.along, request);
  kernel.launch(tiles.gridSize(numTiles), numPrograms(s, coverage.rows, shape.across, request),
                bytesPerElement * shape.along * shape.across);
  return success();
}

/// Row and column results of one read: a tile that holds whole blocks of both.
LogicalResult emitPair(KernelBuilder &kernel, const ScheduledMatrix &input,
                       ArrayRef<QuantizeRequest> requests) {
  unsigned contiguous = input.contiguousDim;
  int64_t sizes[2] = {1, 1};
  for (const QuantizeRequest &request : requests) {
    unsigned axis = request.op.getAxis();
    sizes[axis] = std::max(sizes[axis], minimalAlong(request.op.getType()));
    sizes[1 - axis] = std::max(sizes[1 - axis], minimalAcross(request.op.getType()));
  }
  unsigned outer = 1 - contiguous;
  Tiling read = columnTiling(kernel.target, {sizes[contiguous], sizes[outer]});
  sizes[contiguous] = read.shape.across;
  sizes[outer] = read.shape.along;
  Value origin[2] = {kernel.tileOrigin(1, sizes[0]), kernel.tileOrigin(0, sizes[1])};
  kernel.inside = isInside(kernel, input, origin, sizes);
  // Read once as the request across memory wants it; the other one converts what was
  // stored, which is smaller than what it is widened to.
  MatrixReader reader(kernel, input, outer, read);
  Tile raw = reader.load(origin[contiguous], origin[outer]);
  TileBuilder t(kernel.body, kernel.loc);
  for (const QuantizeRequest &request : requests) {
    unsigned axis = request.op.getAxis();
    Tile y;
    if (axis == outer) {
      y = reader.widen(raw);
    } else {
      TileShape shape = {sizes[1 - axis], sizes[axis]};
      int64_t perLane = std::min<int64_t>(shape.along, kernel.target.columnTile().elementsPerLane);
      auto wanted = tile::withLayout(
          RankedTensorType::get({shape.across, shape.along}, t.b.getF32Type()),
          computeLayout(kernel.target, shape, perLane));
      y = t.transpose(reader.widen(raw, tile::getLayout(tile::transposedType(wanted))));
    }
    if (failed(quantizeTile(kernel, request, y, origin[1 - axis], origin[axis])))
      return failure();
  }
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
  return success();
}

} // namespace

LogicalResult emitQuantize(KernelBuilder &kernel, const ScheduledMatrix &input,
                           ArrayRef<QuantizeRequest> requests) {
  return requests.size() == 1 ? emitOne(kernel, input, requests.front())
                              : emitPair(kernel, input, requests);
}

} // namespace quadrille
