//===- QuantizeKernel.cpp - Tiles of quad.quantize -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codes.h"
#include "Elementwise.h"
#include "Scales.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "quadrille/Numerics/Hadamard.h"
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

Tile loadMatrix(KernelBuilder &kernel, const ScheduledMatrix &matrix, unsigned axis,
                const Tiling &tiling, Value p0, Value a0, bool widen) {
  auto [shape, layout] = tiling;
  OpBuilder &b = kernel.body;
  TileBuilder t(b, kernel.loc);
  Type element = cast<tile::BufferType>(matrix.buffer.getType()).getElementType();
  if (element.isBF16())
    element = b.getI16Type();
  // Memory is read along its contiguous dimension and transposed by name.
  bool transposed = axis != matrix.contiguousDim;
  SmallVector<int64_t> sizes = {shape.across, shape.along};
  SmallVector<Value> offsets = {p0, a0};
  SmallVector<unsigned> dims = {1 - axis, axis};
  auto wanted = tile::withLayout(RankedTensorType::get(sizes, element), layout);
  if (transposed) {
    std::reverse(sizes.begin(), sizes.end());
    std::reverse(offsets.begin(), offsets.end());
    std::reverse(dims.begin(), dims.end());
    wanted = tile::transposedType(wanted);
  }
  LinearLayout computed = tile::getLayout(wanted);
  LinearLayout stored =
      matrix.isContiguous ? kernel.target.memoryLayout(computed, llvm::Log2_64(sizes[1]), bytesOf(wanted))
                          : computed;
  SmallVector<Value> bounds = {kernel.pass(matrix.sizes[dims[0]]),
                               kernel.pass(matrix.sizes[dims[1]])};
  SmallVector<Value> strides = {kernel.pass(matrix.strides[dims[0]]),
                                matrix.isContiguous ? kernel.constant(1)
                                                    : kernel.pass(matrix.strides[dims[1]])};
  int64_t rowBytes = sizes[1] * bytesOf(wanted);
  IntegerAttr alignment, granularity;
  if (matrix.alignment)
    alignment = b.getI64IntegerAttr(std::min(matrix.alignment, rowBytes));
  if (matrix.isContiguous)
    granularity = b.getI64IntegerAttr(matrix.divisors[dims[1]]);
  Tile x = tile::LoadOp::create(b, kernel.loc, tile::withLayout(wanted, stored),
                                kernel.pass(matrix.buffer), offsets, bounds, strides,
                                kernel.inside, alignment, granularity);
  x = t.convertLayout(widen ? t.widen(x) : x, computed);
  return transposed ? t.transpose(x) : x;
}

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

/// A tile of what the requests quantize, as loadMatrix.
Tile loadInput(KernelBuilder &kernel, const QuantizeInput &input,
               ArrayRef<QuantizeRequest> requests, unsigned axis, const Tiling &tiling, Value p0,
               Value a0, bool widen = true) {
  if (!input.map)
    return loadMatrix(kernel, input, axis, tiling, p0, a0, widen);
  TileBuilder t(kernel.body, kernel.loc);
  Tile y = computeMap(kernel, *input.map, axis, tiling, p0, a0);
  // Blocks may reach beyond the matrix, whose continuation is zero.
  if (llvm::any_of(requests, [](const QuantizeRequest &request) {
        return request.op.getPad() || minimalAcross(request.op.getType()) > 1;
      }))
    y = zeroOutside(kernel, y, {p0, a0},
                    {kernel.pass(input.sizes[1 - axis]), kernel.pass(input.sizes[axis])});
  y = t.narrow(y, input.map->element);
  return widen ? t.widen(y) : y;
}

bool runsAcrossMemory(const QuantizeRequest &request, const ScheduledMatrix &input) {
  return request.op.getAxis() != int64_t(input.contiguousDim);
}

/// The tile of a kernel with one result.
Tiling chooseTiling(const TargetInfo &target, const QuantizeRequest &request, bool acrossMemory) {
  TileShape minimum{minimalAcross(request.op.getType()), minimalAlong(request.op.getType())};
  if (acrossMemory)
    return columnTiling(target, minimum);
  int64_t perLane = target.getElementsPerLane();
  int64_t perTile = target.getLanes() * target.getWarps() * perLane;
  TileShape shape{minimum.across, std::max(minimum.along, perTile / minimum.across)};
  return {shape, computeLayout(target, shape, perLane)};
}

LogicalResult emitOne(KernelBuilder &kernel, QuantizeInput input, QuantizeRequest request) {
  unsigned axis = request.op.getAxis();
  Tiling tiling = chooseTiling(kernel.target, request, runsAcrossMemory(request, input));
  TileShape shape = tiling.shape;
  ScheduleBuilder &s = kernel.schedule;
  if (shape.across == 1 && input.isContiguous) {
    ScheduledTensor &result = request.result;
    Value dense = flattenRows(s, input, axis, result.length);
    result.length = s.select(dense, input.sizes[axis], result.length);
    result.rows = s.select(dense, input.sizes[1 - axis], result.rows);
  }
  Value p0 = kernel.tileOrigin(1, shape.across), a0 = kernel.tileOrigin(0, shape.along);
  kernel.inside = axis == 1 ? isInside(kernel, input, {p0, a0}, {shape.across, shape.along})
                            : isInside(kernel, input, {a0, p0}, {shape.along, shape.across});
  Tile y = loadInput(kernel, input, request, axis, tiling, p0, a0);
  if (failed(quantizeTile(kernel, request, y, p0, a0)))
    return failure();
  kernel.launch(s.ceilDiv(request.result.length, shape.along),
                s.ceilDiv(request.result.rows, shape.across),
                bytesPerElement * shape.along * shape.across);
  return success();
}

/// Row and column results of one read: a tile that holds whole blocks of both.
LogicalResult emitPair(KernelBuilder &kernel, const QuantizeInput &input,
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
  Tile x = loadInput(kernel, input, requests, outer, read, origin[contiguous], origin[outer],
                     /*widen=*/false);
  TileBuilder t(kernel.body, kernel.loc);
  for (const QuantizeRequest &request : requests) {
    unsigned axis = request.op.getAxis();
    TileShape shape = {sizes[1 - axis], sizes[axis]};
    Tile y = x;
    if (axis == contiguous) // a row for each lane
      y = t.convertLayout(t.transpose(x), computeLayout(kernel.target, shape, shape.along));
    y = t.widen(y);
    if (failed(quantizeTile(kernel, request, y, origin[1 - axis], origin[axis])))
      return failure();
  }
  ScheduleBuilder &s = kernel.schedule;
  // Padding makes the stored axes the longer ones.
  Value extent[2] = {input.sizes[0], input.sizes[1]};
  for (const QuantizeRequest &request : requests) {
    unsigned axis = request.op.getAxis();
    extent[axis] = arith::MaxSIOp::create(s.b, s.loc, extent[axis], request.result.length);
  }
  kernel.launch(s.ceilDiv(extent[1], sizes[1]), s.ceilDiv(extent[0], sizes[0]),
                bytesPerElement * sizes[0] * sizes[1]);
  return success();
}

} // namespace

LogicalResult emitQuantize(KernelBuilder &kernel, const QuantizeInput &input,
                           ArrayRef<QuantizeRequest> requests) {
  return requests.size() == 1 ? emitOne(kernel, input, requests.front())
                              : emitPair(kernel, input, requests);
}

} // namespace quadrille
