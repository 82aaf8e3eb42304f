//===- CarrierKernels.cpp - quad.to_carrier -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// docs/numerics.md, "Carriers". The bytes of an 8-bit carrier come from a table of 16 for
// each block, whose entries grow by the same step for each power of two once all products
// are normal numbers; so four elements are made at once, as bytes of a word.
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "quadrille/Numerics/ScaleTypes.h"
#include "quadrille/Target/Carrier.h"
#include "quadrille/Target/Panels.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace quadrille::numerics;
using quadrille::layout::LinearLayout;

namespace quadrille {
namespace {

constexpr int64_t bytesPerWord = 4;
constexpr unsigned wordsPerTable = 4;

/// Neighbours in a lane: what it writes at once, so that lanes follow each other in memory.
int64_t neighboursOf(const TargetInfo &target, unsigned elementBytes) {
  return std::max<int64_t>(codesPerWord, target.maxAccessWidth(elementBytes, resultAlignment));
}

/// Elements of a tile: a lane has several runs of neighbours, to have reads in flight.
int64_t elementsOfTile(const TargetInfo &target) {
  return int64_t(target.getLanes()) * target.getWarps() * target.columnTile().elementsPerLane;
}

/// Panels are written to their end.
void launchOverRows(KernelBuilder &kernel, const ScheduledTensor &input,
                    const CarrierResult &result, TileShape shape, unsigned elementBits) {
  ScheduleBuilder &s = kernel.schedule;
  Value length = result.pieces ? s.mul(result.pieces, s.constant(8 * pieceBytes / elementBits))
                               : input.length;
  int64_t bytesPerElement = elementBits / 8 + 1;
  kernel.launch(s.ceilDiv(length, shape.along),
                s.ceilDiv(result.numRows(input.rows), shape.across),
                bytesPerElement * shape.across * shape.along);
}

/// Whether rows and columns of a tile from (row, column) on are within the bounds; like
/// `tile`, whose elements are `step` columns.
Tile isWithin(KernelBuilder &kernel, Tile like, Value row, Value column, Value rows, Value cols) {
  TileBuilder t(kernel.body, kernel.loc);
  auto isBelow = [&](unsigned dim, Value first, Value bound) {
    Value left = arith::SubIOp::create(t.b, t.loc, bound, first);
    left = arith::MinSIOp::create(t.b, t.loc, left, kernel.constant(1 << 30));
    left = arith::TruncIOp::create(t.b, t.loc, t.b.getI32Type(), left);
    auto words = cast<RankedTensorType>(t.withElement(like, t.b.getI32Type()));
    Tile end = tile::SplatOp::create(t.b, t.loc, words, left);
    Tile number = tile::IotaOp::create(t.b, t.loc, words, dim);
    return t.cmp(arith::CmpIPredicate::slt, number, end);
  };
  return t.op<arith::AndIOp>(isBelow(0, row, rows), isBelow(1, column, cols));
}

/// The array of the scales of blocks.
struct ScaleArray {
  Value buffer, rows, cols;
  int64_t divisor; ///< a power of two that divides cols and the address
};
ScaleArray scaleArray(KernelBuilder &kernel, const Block &block, const ScheduledTensor &input) {
  int64_t divisor = std::max<int64_t>(1, input.divisor / block.cols);
  return {kernel.pass(input.scales.front()),
          kernel.pass(kernel.schedule.ceilDiv(input.rows, block.rows)),
          kernel.div(kernel.pass(input.length), block.cols),
          std::gcd(divisor, std::max<int64_t>(1, input.alignment))};
}

/// Numbers of bf16 as `rounding` says.
Tile roundToCarrier(TileBuilder &t, Tile value, CarrierRounding rounding) {
  if (!rounding.isExact) {
    Tile power = t.f32(value, std::ldexp(1.0f, rounding.shift));
    return t.narrow(t.mulf(value, power), t.b.getBF16Type());
  }
  // The products are bf16, so the lower half of each is zero.
  Tile isNaN = t.cmpf(arith::CmpFPredicate::UNO, value, value), word = t.bits(value);
  word = t.select(isNaN, t.i32(word, int32_t(carrierNaNBF16) << 16), word);
  return t.truncate(t.shrU(word, 16), t.b.getI16Type());
}

/// Whether bf16 is made of codes by two elements at once (decodePairs).
bool holdsPairs(const Format &format, CarrierRounding rounding) {
  return rounding.isExact && !format.alternative;
}

/// `bits` with zeros beyond the tensor, in columns of `perColumn` elements.
Tile zeroBeyond(KernelBuilder &kernel, Tile bits, const ScheduledTensor &tensor, Value row,
                Value a0, int64_t perColumn = 1) {
  TileBuilder t(kernel.body, kernel.loc);
  Tile isValid = isWithin(kernel, bits, row, kernel.div(a0, perColumn), kernel.pass(tensor.rows),
                          kernel.div(kernel.pass(tensor.length), perColumn));
  RankedTensorType type = TileBuilder::typeOf(bits);
  Tile none = arith::ConstantOp::create(
      t.b, t.loc, DenseElementsAttr::get(type, t.b.getIntegerAttr(type.getElementType(), 0)));
  return t.select(isValid, bits, none);
}

} // namespace

//===----------------------------------------------------------------------===//
// Code x scale
//===----------------------------------------------------------------------===//

void emitToCarrier(KernelBuilder &kernel, quad::QuantizedTensorType type,
                   const ScheduledTensor &input, const CarrierResult &result,
                   CarrierRounding rounding) {
  Format format = type.getFormat().toFormat();
  constexpr unsigned elementBytes = 2;
  Tiling tiling = result.pieces
                      ? panelTiling(kernel.target, rowsOfBlocks(type), type.getGranularity())
                      : valuesTiling(kernel.target, type, elementsOfTile(kernel.target),
                                     neighboursOf(kernel.target, elementBytes));
  Value p0 = kernel.tileOrigin(1, tiling.shape.across);
  Value a0 = kernel.tileOrigin(0, tiling.shape.along);
  Value row = result.sourceRow(kernel, p0);
  TileBuilder t(kernel.body, kernel.loc);
  // Of NaN pairs have other bits than a carrier that is stored.
  const bool isOfPairs = result.pieces && holdsPairs(format, rounding);
  const int64_t perColumn = isOfPairs ? 2 : 1;
  Tile bits;
  if (isOfPairs) {
    PackedTile packed = loadPacked(kernel, input, type, tiling, row, a0);
    bits = decodePairs(kernel, input, type, tiling, packed, *target::lookupCarrierType("bf16"));
  } else {
    Tile value = loadValues(kernel, input, type, tiling, row, a0,
                            format.levels.size() - format.hasTensorLevel());
    bits = roundToCarrier(t, value, rounding);
  }
  // Code 0 of some grids is not 0.
  if (result.pieces && input.divisor % (pieceBytes / elementBytes) != 0)
    bits = zeroBeyond(kernel, bits, input, row, a0, perColumn);
  if (result.pieces)
    storePanels(kernel, bits, result, p0, kernel.div(a0, perColumn));
  else
    storeDense(kernel, bits, kernel.pass(result.values), p0, a0, kernel.pass(input.rows),
               kernel.pass(input.length), input.divisor);
  launchOverRows(kernel, input, result, tiling.shape, 8 * elementBytes);
}

void storePacked(KernelBuilder &kernel, quad::QuantizedTensorType type,
                 const ScheduledTensor &tensor, const Tiling &tiling, const PackedTile &packed,
                 const DirectPanels &panels, Value p0, Value a0) {
  Format format = type.getFormat().toFormat();
  auto hasZero = [](const Grid &grid) { return llvm::is_contained(grid.values, 0.0f); };
  Tiling stored{tiling.shape, panelLayout(kernel.target, tiling.layout,
                                          llvm::Log2_64(tiling.shape.along))};
  PackedTile converted = convertPacked(kernel, type, stored, packed);
  TileBuilder t(kernel.body, kernel.loc);
  Tile bits;
  const bool isOfPairs = holdsPairs(format, panels.rounding);
  const int64_t perColumn = isOfPairs ? 2 : 1;
  if (isOfPairs) {
    bits = decodePairs(kernel, tensor, type, stored, converted, *target::lookupCarrierType("bf16"));
  } else {
    bits = roundToCarrier(t, decodeValues(kernel, type, stored, converted), panels.rounding);
  }
  // Zeros beyond the input are quantized to zero by grids that have it.
  if (!hasZero(format.grid) || (format.alternative && !hasZero(*format.alternative)))
    bits = zeroBeyond(kernel, bits, tensor, p0, a0, perColumn);
  storePanels(kernel, bits, panels.result, p0, kernel.div(a0, perColumn));
}

//===----------------------------------------------------------------------===//
// Codes and scales for instructions that take both
//===----------------------------------------------------------------------===//

void emitCarrierWords(KernelBuilder &kernel, quad::QuantizedTensorType type,
                      const ScheduledTensor &input, const target::OperandPlan &plan,
                      const CarrierResult &result) {
  Tiling tiling = panelTiling(kernel.target, /*rows=*/1, type.getGranularity());
  Value p0 = kernel.tileOrigin(1, tiling.shape.across);
  Value a0 = kernel.tileOrigin(0, tiling.shape.along);
  TileBuilder t(kernel.body, kernel.loc);
  Value row = result.sourceRow(kernel, p0);
  auto codes = tile::withLayout(
      RankedTensorType::get({tiling.shape.across, tiling.shape.along}, t.b.getI32Type()),
      tiling.layout);
  Tile loaded = loadCodes(kernel, tile::packedType(codes), input, row, a0);
  Tile words = carrierWords(kernel, type, tiling, loaded, plan);
  const int64_t perWord = tiling.shape.along / TileBuilder::shapeOf(words)[1];
  if (type.getFormat().toFormat().grid.values.front() != 0)
    words = zeroBeyond(kernel, words, input, row, a0, perWord);
  storePanels(kernel, words, result, p0, kernel.div(a0, perWord));
  launchOverRows(kernel, input, result, tiling.shape, unsigned(32 / perWord));
}

/// A lane has a chunk of a row. What is read beyond the scales is 0, a number of either type.
void emitScalePanels(KernelBuilder &kernel, quad::QuantizedTensorType type,
                     const ScheduledTensor &input, int64_t scaleBlock,
                     const CarrierResult &result) {
  const Block block = type.getFormat().toFormat().levels.front().block;
  const int64_t across = threadsOf(kernel.target), copies = block.cols / scaleBlock;
  assert(panelRows % across == 0 && across % block.rows == 0 && chunkBytes % copies == 0);
  auto c = [&](int64_t value) { return kernel.constant(value); };
  TileBuilder t(kernel.body, kernel.loc);
  auto flat = tile::withLayout(
      RankedTensorType::get({across, chunkBytes}, t.b.getI8Type()),
      computeLayout(kernel.target, {across, chunkBytes}, /*perLane=*/chunkBytes));
  auto split = tile::reshapedType(
      flat, {across / block.rows, block.rows, chunkBytes / copies, copies});
  Value chunk = kernel.tileOrigin(0, 1), p0 = kernel.tileOrigin(1, across);
  ScaleArray scales = scaleArray(kernel, block, input);
  Value offsets[] = {kernel.div(result.sourceRow(kernel, p0), block.rows), c(0),
                     kernel.mul(chunk, c(chunkBytes / copies)), c(0)};
  Value bounds[] = {scales.rows, c(block.rows), scales.cols, c(copies)};
  Value strides[] = {scales.cols, c(0), c(1), c(0)};
  auto divisor = t.b.getI64IntegerAttr(copies == 1 ? scales.divisor : 1);
  Tile loaded = tile::LoadOp::create(t.b, t.loc, split, scales.buffer, offsets, bounds, strides,
                                     /*inside=*/Value(), /*alignment=*/divisor,
                                     /*granularity=*/divisor);
  ScheduleBuilder &s = kernel.schedule;
  Value chunks = s.ceilDiv(s.ceilDiv(input.length, scaleBlock), chunkBytes);
  // Panel, chunk, row.
  Value before = arith::AddIOp::create(
      t.b, t.loc, kernel.mul(kernel.div(p0, panelRows), kernel.pass(chunks)), chunk);
  Value inPanel = arith::RemUIOp::create(t.b, t.loc, p0, c(panelRows));
  Value stored[] = {
      arith::AddIOp::create(t.b, t.loc, kernel.mul(before, c(panelRows)), inPanel), c(0)};
  Value storedBounds[] = {c(int64_t(1) << 40), c(chunkBytes)};
  Value storedStrides[] = {c(chunkBytes), c(1)};
  tile::StoreOp::create(t.b, t.loc, t.reshape(loaded, flat.getShape()),
                        kernel.pass(result.scales), stored, storedBounds, storedStrides,
                        /*inside=*/Value(), /*where=*/Value(), t.b.getI64IntegerAttr(chunkBytes),
                        t.b.getI64IntegerAttr(chunkBytes));
  kernel.launch(chunks, s.ceilDiv(result.numRows(input.rows), across), 2 * across * chunkBytes);
}

//===----------------------------------------------------------------------===//
// Exponents of rows
//===----------------------------------------------------------------------===//

namespace {

/// Where a row has scales of its own eight lanes of a GPU read it, each 16 bytes: rows are short
/// where there are many. Else, and on a host, all lanes do, byte by byte.
Tiling scalesTiling(const TargetInfo &target, bool ownScales) {
  const bool sharesWarp = ownScales && target.getWarps() > 1;
  unsigned laneBits = llvm::Log2_32(target.getLanes()), warpBits = llvm::Log2_32(target.getWarps());
  unsigned alongLanes = sharesWarp ? 3 : laneBits, registerBits = sharesWarp ? 4 : 2;
  unsigned alongBits = alongLanes + registerBits;
  unsigned acrossBits = ownScales ? laneBits - alongLanes + warpBits : 0;
  std::vector<uint64_t> reg, lane, warp;
  for (unsigned bit = 0; bit < alongBits; ++bit) {
    bool isOfRegister = sharesWarp ? bit < registerBits : bit >= laneBits;
    (isOfRegister ? reg : lane).push_back(uint64_t(1) << bit);
  }
  for (unsigned bit = alongBits; bit < alongBits + acrossBits; ++bit)
    (lane.size() < laneBits ? lane : warp).push_back(uint64_t(1) << bit);
  warp.resize(warpBits);
  return {{int64_t(1) << acrossBits, int64_t(1) << alongBits},
          LinearLayout(alongBits + acrossBits, reg, lane, warp)};
}

/// The largest encoding of each row of a tile's scales, NaN aside: (across, 1), i32.
Tile largestScales(KernelBuilder &kernel, const ScaleArray &scales, ScaleType type,
                   const Tiling &tiling, Value row) {
  OpBuilder &b = kernel.body;
  auto divisor = b.getI64IntegerAttr(scales.divisor);
  TileBuilder t(b, kernel.loc);
  auto bytes = tile::withLayout(
      RankedTensorType::get({tiling.shape.across, tiling.shape.along}, b.getI8Type()),
      tiling.layout);
  auto words = cast<RankedTensorType>(bytes.clone(b.getI32Type()));
  Tile none = arith::ConstantOp::create(b, kernel.loc, DenseElementsAttr::get(words, int32_t(0)));
  auto loop = scf::ForOp::create(b, kernel.loc, kernel.constant(0), scales.cols,
                                 kernel.constant(tiling.shape.along), ValueRange{none});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Tile loaded = tile::LoadOp::create(
        b, kernel.loc, bytes, scales.buffer, ValueRange{row, loop.getInductionVar()},
        ValueRange{scales.rows, scales.cols}, ValueRange{scales.cols, kernel.constant(1)},
        /*inside=*/Value(), /*alignment=*/divisor, /*granularity=*/divisor);
    Tile scale = t.extend(loaded);
    Tile isNaN = t.cmp(arith::CmpIPredicate::eq, scale, scaleTypeInfo(type).nanBits);
    scale = t.select(isNaN, t.i32(scale, 0), scale);
    Tile largest = t.op<arith::MaxUIOp>(loop.getRegionIterArg(0), scale);
    scf::YieldOp::create(b, kernel.loc, ValueRange{largest});
  }
  return t.reduce(tile::Reduction::maxui, loop.getResult(0), {1});
}

} // namespace

void emitRowExponents(KernelBuilder &kernel, quad::QuantizedTensorType type,
                      const ScheduledTensor &input, const FoldedCarrier &carrier,
                      const CarrierResult &result) {
  const Level level = type.getFormat().toFormat().levels.front();
  // Rows of one block share its scale.
  Tiling tiling = scalesTiling(kernel.target, /*ownScales=*/level.block.rows == 1);
  const int64_t across = tiling.shape.across;
  Value p0 = kernel.tileOrigin(0, across);
  TileBuilder t(kernel.body, kernel.loc);
  ScaleArray scales = scaleArray(kernel, level.block, input);
  Tile largest = largestScales(kernel, scales, level.type, tiling,
                               kernel.div(result.sourceRow(kernel, p0), level.block.rows));
  Tile exponents = t.add(largest, -(scaleTypeInfo(level.type).bias + carrier.high));
  auto store = [&](Tile value, Value buffer) {
    storeDense(kernel, value, kernel.pass(buffer), p0, kernel.constant(0),
               kernel.pass(result.numRows(input.rows)), kernel.constant(1));
  };
  store(exponents, result.exponents);
  store(t.i32(exponents, 0), result.overflow);
  ScheduleBuilder &s = kernel.schedule;
  constexpr int64_t costOfRow = 1024;
  kernel.launch(s.ceilDiv(result.numRows(input.rows), across), s.constant(1),
                costOfRow * across);
}

//===----------------------------------------------------------------------===//
// Code x 2^(exponent - the row's)
//===----------------------------------------------------------------------===//

namespace {

/// The tables of a grid by position in the carrier's window: constants below `first`, from
/// there on bytes that grow by a step.
class TableWords {
public:
  TableWords(const Grid &grid, const FoldedCarrier &carrier) {
    std::vector<std::array<uint32_t, wordsPerTable>> tables;
    for (int position = 0; position < carrier.size(); ++position)
      tables.push_back(wordsOf(carrierTable(grid, carrier, position)));
    size_t start = tables.size() - 1;
    if (tables.size() > 1)
      step = stepFrom(tables[start - 1], tables[start]);
    while (start > 0 && stepFrom(tables[start - 1], tables[start]) == step)
      --start;
    first = int64_t(start);
    base = tables[start];
    special.assign(tables.begin(), tables.begin() + start);
  }

  /// Word `i` of the tables at `position` (i32).
  Tile word(TileBuilder &t, Tile position, unsigned i) const {
    Tile steps = t.add(position, -first);
    Tile grown = t.op<arith::MulIOp>(steps, t.i32(steps, int32_t(step[i])));
    Tile result = t.add(grown, int32_t(base[i]));
    for (size_t p = 0; p < special.size(); ++p) {
      Tile isHere = t.cmp(arith::CmpIPredicate::eq, position, int64_t(p));
      result = t.select(isHere, t.i32(result, int32_t(special[p][i])), result);
    }
    return result;
  }

private:
  using Words = std::array<uint32_t, wordsPerTable>;

  static Words wordsOf(const std::array<uint8_t, 16> &table) {
    Words words = {};
    for (size_t code = 0; code < table.size(); ++code)
      words[code / bytesPerWord] |= uint32_t(table[code]) << (code % bytesPerWord * 8);
    return words;
  }

  /// No byte decreases, so none borrows of the next.
  static Words stepFrom(const Words &x, const Words &y) {
    Words step;
    for (unsigned i = 0; i < wordsPerTable; ++i)
      step[i] = y[i] - x[i];
    return step;
  }

  int64_t first = 0;
  Words base, step = {};
  std::vector<Words> special;
};

/// A tile in words of codes, with what each of its blocks in a row has.
class FoldedTile {
public:
  FoldedTile(KernelBuilder &kernel, const Tiling &tiling, const Block &block)
      : t(kernel.body, kernel.loc) {
    auto codes = tile::withLayout(
        RankedTensorType::get({tiling.shape.across, tiling.shape.along}, t.b.getI32Type()),
        tiling.layout);
    words = tile::packedType(codes);
    bytes = tile::halvedType(tile::halvedType(codes));
    numRows = tiling.shape.across;
    numBlocks = tiling.shape.along / block.cols;
  }

  RankedTensorType wordsType() const { return words; }
  /// (rows, blocks), i32, as every lane with a part of a block needs it.
  RankedTensorType blocksType() const {
    return tile::reshapedType(tile::reducedType(split(words), {2}), {numRows, numBlocks});
  }

  /// The bytes of the codes in `loaded`, by four words of tables for each block.
  Tile lookUp(Tile loaded, ArrayRef<Tile> table) {
    SmallVector<Value> operands = llvm::map_to_vector(
        table, [&](Tile word) { return ofElements(word, words); });
    return tile::LookupBytesOp::create(t.b, t.loc, bytes, loaded, operands);
  }
  /// A block's word for each word of four bytes.
  Tile ofBytes(Tile perBlock) { return ofElements(perBlock, bytes); }

private:
  RankedTensorType split(RankedTensorType type) const {
    return tile::reshapedType(type, {numRows, numBlocks, type.getDimSize(1) / numBlocks});
  }
  Tile ofElements(Tile perBlock, RankedTensorType type) {
    Tile one = t.reshape(perBlock, {numRows, numBlocks, 1});
    return t.reshape(t.broadcast(one, split(type)), type.getShape());
  }

  TileBuilder t;
  RankedTensorType words, bytes;
  int64_t numRows, numBlocks;
};

/// The bytes that a block's word keeps and gets, and those that it loses below the window.
struct BlockMasks {
  Tile keep, set, lost;
};

constexpr int64_t signsOfWord = 0x80808080, magnitudesOfWord = 0x7f7f7f7f;

BlockMasks masksOf(TileBuilder &t, Tile isNaN, Tile isBelow, const FoldedCarrier &carrier) {
  Tile all = t.i32(isNaN, -1), none = t.i32(isNaN, 0), magnitudes = t.i32(isNaN, magnitudesOfWord);
  Tile loses = t.op<arith::OrIOp>(isNaN, isBelow);
  int64_t signOfZero = carrier.hasNegativeZero ? signsOfWord : 0;
  constexpr uint32_t everyByte = 0x01010101;
  return {t.select(loses, t.i32(all, int32_t(signOfZero)), all),
          t.select(isNaN, t.i32(all, int32_t(everyByte * carrier.nan())), none),
          t.select(isBelow, magnitudes, none)};
}

/// The bits of a tile's rows, from p0 on, in the words of their panels.
Tile flagsOfRows(KernelBuilder &kernel, Tile like, Value p0) {
  TileBuilder t(kernel.body, kernel.loc);
  Value first = arith::RemUIOp::create(t.b, t.loc, p0, kernel.constant(panelRows));
  first = arith::TruncIOp::create(t.b, t.loc, t.b.getI32Type(), first);
  Tile row = t.add(tile::SplatOp::create(t.b, t.loc, like.getType(), first),
                   tile::IotaOp::create(t.b, t.loc, like.getType(), /*dim=*/0));
  return t.op<arith::ShLIOp>(t.i32(like, 1), t.shrU(row, llvm::Log2_64(flagRows)));
}

} // namespace

LogicalResult emitToFoldedCarrier(KernelBuilder &kernel, quad::QuantizedTensorType type,
                                  const ScheduledTensor &input, const FoldedCarrier &carrier,
                                  const CarrierResult &result) {
  Format format = type.getFormat().toFormat();
  const Level &level = format.levels.front();
  if (level.block.cols < codesPerWord)
    return emitError(kernel.loc) << "kernels of 8-bit carriers need blocks of at least "
                                 << codesPerWord << " elements, format '" << format.name
                                 << "' has " << level.block.cols << "; bf16 needs none";
  constexpr unsigned elementBytes = 1;
  Tiling tiling;
  if (result.pieces) {
    tiling = panelTiling(kernel.target, /*rows=*/1, type.getGranularity());
    assert(tiling.shape.across <= panelRows && "a tile sets flags in one word");
  } else { // one row, whatever rows a block has: it has an exponent of its own
    tiling.shape = {1, std::max(type.getGranularity(), elementsOfTile(kernel.target))};
    tiling.layout = computeLayout(kernel.target, tiling.shape,
                                  neighboursOf(kernel.target, elementBytes));
  }
  Value p0 = kernel.tileOrigin(1, tiling.shape.across);
  Value a0 = kernel.tileOrigin(0, tiling.shape.along);
  TileBuilder t(kernel.body, kernel.loc);
  FoldedTile folded(kernel, tiling, level.block);
  Value row = result.sourceRow(kernel, p0);
  Tile words = loadCodes(kernel, folded.wordsType(), input, row, a0);

  const ScaleTypeInfo &info = scaleTypeInfo(level.type);
  RankedTensorType blocks = folded.blocksType();
  ScaleArray scales = scaleArray(kernel, level.block, input);
  Tile scale = t.extend(loadCopies(kernel, cast<RankedTensorType>(blocks.clone(t.b.getI8Type())),
                                   scales.buffer, kernel.div(row, level.block.rows),
                                   kernel.div(a0, level.block.cols), scales.rows, scales.cols));
  Tile exponent = loadCopies(kernel, tile::reducedType(blocks, {1}),
                             kernel.pass(result.exponents), p0, kernel.constant(0),
                             kernel.pass(result.numRows(input.rows)), kernel.constant(1));
  Tile position = t.add(t.sub(scale, t.broadcast(exponent, blocks)), -(info.bias + carrier.low));
  Tile isNaN = t.cmp(arith::CmpIPredicate::eq, scale, info.nanBits);
  Tile isBelow = t.cmp(arith::CmpIPredicate::slt, position, 0);
  isBelow = t.op<arith::AndIOp>(isBelow, t.cmp(arith::CmpIPredicate::ne, scale, info.nanBits));
  Tile isValid;
  if (format.grid.values.front() != 0) { // what is read beyond the end is no number
    isValid = isWithin(kernel, scale, row, kernel.div(a0, level.block.cols),
                       kernel.pass(input.rows), scales.cols);
    isBelow = t.op<arith::AndIOp>(isBelow, isValid);
  }
  BlockMasks masks = masksOf(t, isNaN, isBelow, carrier);
  if (isValid && result.pieces)
    masks.keep = t.select(isValid, masks.keep, t.i32(masks.keep, 0));

  Tile inWindow = t.minS(t.maxS(position, 0), carrier.size() - 1);
  TableWords tables(format.grid, carrier);
  SmallVector<Tile> table;
  for (unsigned i = 0; i < wordsPerTable; ++i)
    table.push_back(tables.word(t, inWindow, i));
  Tile bytes = folded.lookUp(words, table);
  Tile values = t.bitOr(t.bitAnd(bytes, folded.ofBytes(masks.keep)), folded.ofBytes(masks.set));
  Value word0 = kernel.div(a0, bytesPerWord);
  if (result.pieces)
    storePanels(kernel, values, result, p0, word0);
  else
    storeDense(kernel, values, kernel.pass(result.values), p0, word0, kernel.pass(input.rows),
               kernel.div(kernel.pass(input.length), bytesPerWord),
               std::max<int64_t>(1, input.divisor / bytesPerWord));

  Tile lost = t.bitAnd(bytes, folded.ofBytes(masks.lost)), none = t.i32(lost, 0);
  Tile isLost = t.cmp(arith::CmpIPredicate::ne, lost, none);
  Tile overflow = t.select(isLost, result.pieces ? flagsOfRows(kernel, lost, p0) : t.i32(lost, 1),
                           none);
  Value flag = result.pieces ? kernel.div(p0, panelRows) : p0;
  Value word = LLVM::GEPOp::create(t.b, t.loc, LLVM::LLVMPointerType::get(t.b.getContext()),
                                   t.b.getI32Type(), kernel.pass(result.overflow),
                                   ValueRange{flag});
  t.atomicReduce(tile::AtomicReduction::ori, overflow, word);
  launchOverRows(kernel, input, result, tiling.shape, 8 * elementBytes);
  return success();
}

} // namespace quadrille
