//===- Tiling.cpp - Which lane has what, and how it gets it -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using quadrille::layout::LinearLayout;

namespace quadrille {

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

int64_t columnElementsPerLane(KernelBuilder &kernel) {
  return kernel.choose(Knob::ColumnElementsPerLane, kernel.target.columnTile().elementsPerLane);
}

Tiling columnTiling(KernelBuilder &kernel, TileShape minimum) {
  const TargetInfo &target = kernel.target;
  const unsigned maxAlong = target.columnTile().maxAlong;
  const int64_t across = kernel.choose(Knob::ColumnReach, target.columnTile().across);
  unsigned laneBits = llvm::Log2_32(target.getLanes()), warpBits = llvm::Log2_32(target.getWarps());
  constexpr int64_t shortest = 16; // two words of codes, one draw of random bits
  unsigned alongBits = llvm::Log2_64(std::max(minimum.along, shortest));
  unsigned acrossBits = llvm::Log2_64(std::max(minimum.across, across));
  unsigned along = std::min(alongBits, llvm::Log2_32(maxAlong));
  unsigned perLane = std::max(along, llvm::Log2_64(columnElementsPerLane(kernel)));
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

LinearLayout storeLayout(const TargetInfo &target, const LinearLayout &computed,
                         unsigned contiguousBits, unsigned elementBytes, int64_t alignment) {
  LinearLayout layout = target.memoryLayout(computed, contiguousBits, elementBytes);
  if (!target.sectorBytes())
    return layout;
  const unsigned wanted =
      std::min(contiguousBits, llvm::Log2_32(std::max(1u, target.sectorBytes() / elementBytes)));
  const unsigned access = std::min(
      wanted, llvm::Log2_32(target.maxAccessWidth(elementBytes, unsigned(alignment))));
  auto isOf = [](const std::vector<uint64_t> &bases, unsigned bit) {
    return llvm::is_contained(bases, uint64_t(1) << bit);
  };
  unsigned run = 0; // of what one instruction writes
  while (run < wanted &&
         (isOf(layout.lane, run) || (run < access && isOf(layout.reg, run))))
    ++run;
  bool isInWarp = llvm::none_of(llvm::seq(0u, wanted),
                                [&](unsigned bit) { return isOf(layout.warp, bit); });
  return run == wanted || !isInWarp ? layout : storeLayoutOfWarps(layout, access);
}

LinearLayout storeLayoutOfWarps(const LinearLayout &computed, unsigned access) {
  std::vector<uint64_t> reg, lane;
  for (unsigned bit = 0; bit < computed.indexBits; ++bit)
    if (uint64_t basis = uint64_t(1) << bit; !llvm::is_contained(computed.warp, basis))
      (bit < access || lane.size() == computed.lane.size() ? reg : lane).push_back(basis);
  lane.resize(computed.lane.size());
  return LinearLayout(computed.indexBits, reg, lane, computed.warp);
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
    : kernel(kernel), matrix(matrix), tiling(tiling), axis(axis), dims{1 - axis, axis},
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

RankedTensorType MatrixReader::rawType() const {
  RankedTensorType type = isWords ? tile::halvedType(elements) : elements;
  if (!matrix.isContiguous)
    return type;
  unsigned contiguous = llvm::Log2_64(type.getDimSize(1));
  return tile::withLayout(type, kernel.target.memoryLayout(tile::getLayout(type), contiguous,
                                                           bytesOf(type)));
}

Tile MatrixReader::load(Value p0, Value a0, const Window &window) {
  OpBuilder &b = kernel.body;
  RankedTensorType type = rawType();
  int64_t perWord = isWords ? 2 : 1;
  Value offsets[] = {transposed ? a0 : p0, transposed ? p0 : a0};
  Value bounds[] = {kernel.pass(matrix.sizes[dims[0]]), kernel.pass(matrix.sizes[dims[1]])};
  Value strides[] = {kernel.pass(matrix.strides[dims[0]]),
                     matrix.isContiguous ? kernel.constant(1)
                                         : kernel.pass(matrix.strides[dims[1]])};
  Value base = kernel.pass(matrix.buffer);
  if (window.first) {
    unsigned along = transposed ? 0 : 1;
    Value first = kernel.mul(window.first, strides[along]);
    base = LLVM::GEPOp::create(b, kernel.loc, base.getType(), elements.getElementType(), base,
                               ValueRange{first});
    bounds[along] = window.size;
  }
  if (isWords)
    for (Value *number : {&offsets[1], &bounds[1], &strides[0]})
      *number = kernel.div(*number, 2);
  IntegerAttr alignment, granularity;
  if (matrix.alignment)
    alignment = b.getI64IntegerAttr(
        std::min<int64_t>(matrix.alignment, type.getDimSize(1) * bytesOf(type)));
  if (matrix.isContiguous)
    granularity = b.getI64IntegerAttr(matrix.divisors[dims[1]] / perWord);
  return tile::LoadOp::create(b, kernel.loc, type, base, offsets, bounds, strides, kernel.inside,
                              alignment, granularity, /*window=*/bool(window.first));
}

Value MatrixReader::isInside(Value p0, Value a0, const Window &window) {
  OpBuilder &b = kernel.body;
  auto isBelow = [&](Value position, int64_t size, Value bound) -> Value {
    Value end = arith::AddIOp::create(b, kernel.loc, position, kernel.constant(size));
    return arith::CmpIOp::create(b, kernel.loc, arith::CmpIPredicate::sle, end, bound);
  };
  auto both = [&](Value x, Value y) -> Value { return arith::AndIOp::create(b, kernel.loc, x, y); };
  Value across = isBelow(p0, tiling.shape.across, kernel.pass(matrix.sizes[1 - axis]));
  Value begins = arith::CmpIOp::create(b, kernel.loc, arith::CmpIPredicate::sge, a0,
                                       kernel.constant(0));
  return both(across, both(begins, isBelow(a0, tiling.shape.along, window.size)));
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

} // namespace quadrille
