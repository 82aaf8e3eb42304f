//===- StreamingKernels.cpp - hadamard, dequantize and amax -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codes.h"
#include "Elementwise.h"
#include "Groups.h"
#include "Kernels.h"
#include "Scales.h"
#include "quadrille/Numerics/Hadamard.h"
#include "quadrille/Target/Carrier.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quadrille::numerics;
using quadrille::layout::LinearLayout;

namespace quadrille {
namespace {

/// Read and written, roughly, for each element.
constexpr int64_t bytesPerElement = 4;

/// Elements of a buffer that a lane accesses at once; no fewer than the codes of a word.
int64_t accessOf(const TargetInfo &target, Value buffer) {
  unsigned bits = cast<tile::BufferType>(buffer.getType()).getElementType().getIntOrFloatBitWidth();
  return std::max<int64_t>(codesPerWord, target.maxAccessWidth(bits / 8, resultAlignment));
}

/// A tile whose rows hold at least `along` elements along the axis.
Tiling tileAlong(KernelBuilder &kernel, int64_t along, bool acrossMemory) {
  if (acrossMemory)
    return columnTiling(kernel, {1, along});
  const TargetInfo &target = kernel.target;
  int64_t perLane = kernel.choose(Knob::ElementsPerLane, target.getElementsPerLane());
  TileShape shape{1, std::max(along, threadsOf(target) * perLane)};
  return {shape, computeLayout(target, shape, perLane)};
}

/// Stores a P x A tile to a matrix that is dense and row-major in logical order; `divisor`
/// divides the length of its rows.
void storeMatrix(KernelBuilder &kernel, Tile value, const ScheduledMatrix &matrix, unsigned axis,
                 Value p0, Value a0, int64_t divisor = 1, const ScheduledGroups &groups = {}) {
  TileBuilder t(kernel.body, kernel.loc);
  Type element = cast<tile::BufferType>(matrix.buffer.getType()).getElementType();
  value = t.narrow(value, element, kernel.target.roundsToBF16());
  if (axis == 0)
    value = t.transpose(value);
  if (groups)
    return storeGroups(kernel, value, matrix, axis, groups, p0, a0);
  if (axis == 0)
    std::swap(p0, a0);
  storeDense(kernel, value, kernel.pass(matrix.buffer), p0, a0, kernel.pass(matrix.sizes[0]),
             kernel.pass(matrix.sizes[1]), divisor);
}

/// Launches over all tiles of a matrix.
void launchOver(KernelBuilder &kernel, const ScheduledMatrix &matrix, unsigned axis,
                TileShape shape) {
  ScheduleBuilder &s = kernel.schedule;
  kernel.launch(s.ceilDiv(matrix.sizes[axis], shape.along),
                s.ceilDiv(matrix.sizes[1 - axis], shape.across),
                bytesPerElement * shape.along * shape.across);
}

} // namespace

//===----------------------------------------------------------------------===//
// quad.hadamard
//===----------------------------------------------------------------------===//

LogicalResult emitHadamard(KernelBuilder &kernel, quad::HadamardOp op,
                           const ScheduledMatrix &input, Value signs,
                           const ScheduledMatrix &result) {
  unsigned axis = op.getAxis();
  int64_t n = op.getSigns().getType().getDimSize(0);
  Tiling tiling = tileAlong(kernel, n, axis != input.contiguousDim);
  Value p0 = kernel.tileOrigin(1, tiling.shape.across);
  Value a0 = kernel.tileOrigin(0, tiling.shape.along);
  Tile x = loadMatrix(kernel, input, axis, tiling, p0, a0);
  TileBuilder t(kernel.body, kernel.loc);
  Tile factors = loadFactors(kernel, signs, TileBuilder::typeOf(x), n);
  storeMatrix(kernel, rotate(t, x, factors), result, axis, p0, a0);
  launchOver(kernel, input, axis, tiling.shape);
  return success();
}

//===----------------------------------------------------------------------===//
// quad.dequantize
//===----------------------------------------------------------------------===//

namespace {

/// A tile of a dense array, read in its own layout.
Tile loadInPlace(KernelBuilder &kernel, RankedTensorType type, Value buffer, Value row,
                 Value column, Value rows, Value length, int64_t alignment, int64_t divisor) {
  OpBuilder &b = kernel.body;
  IntegerAttr aligned = alignment ? b.getI64IntegerAttr(alignment) : IntegerAttr();
  IntegerAttr granularity = divisor > 1 ? b.getI64IntegerAttr(divisor) : IntegerAttr();
  Value stride = kernel.unlessRepeated(length, 0);
  rows = kernel.unlessRepeated(rows, std::numeric_limits<int32_t>::max());
  return tile::LoadOp::create(b, kernel.loc, type, buffer, ValueRange{row, column},
                              ValueRange{rows, length}, ValueRange{stride, kernel.constant(1)},
                              kernel.inside, aligned, granularity);
}

} // namespace

Tile loadDense(KernelBuilder &kernel, RankedTensorType type, Value buffer, Value row, Value column,
               Value rows, Value length, int64_t alignment, int64_t divisor) {
  TileBuilder t(kernel.body, kernel.loc);
  LinearLayout computed = tile::getLayout(type);
  unsigned contiguous = llvm::Log2_64(type.getDimSize(1));
  auto stored = tile::withLayout(
      type, kernel.target.memoryLayout(computed, contiguous, bytesOf(type)));
  Tile value = loadInPlace(kernel, stored, buffer, row, column, rows, length, alignment, divisor);
  return t.convertLayout(value, computed);
}

Tile loadCopies(KernelBuilder &kernel, RankedTensorType type, Value buffer, Value row,
                Value column, Value rows, Value length) {
  bool sharesMemory = kernel.target.getWarps() > 1;
  return sharesMemory ? loadInPlace(kernel, type, buffer, row, column, rows, length,
                                    /*alignment=*/0, /*divisor=*/1)
                      : loadDense(kernel, type, buffer, row, column, rows, length);
}

Tile loadCodes(KernelBuilder &kernel, RankedTensorType words, const ScheduledTensor &input,
               Value p0, Value a0) {
  int64_t divisor = std::max<int64_t>(1, input.divisor / codesPerWord);
  int64_t alignment = std::min(input.alignment, denseAlignment(words, divisor));
  return loadDense(kernel, words, kernel.pass(input.codes), p0, kernel.div(a0, codesPerWord),
                   kernel.pass(input.rows), kernel.div(kernel.pass(input.length), codesPerWord),
                   alignment, divisor);
}

namespace {

/// The scale of each block of level `i`, as (rows / block rows, 1, cols / block
/// cols, 1) for blocks of the tile type `blocks`.
class ScaleLoader {
public:
  ScaleLoader(KernelBuilder &kernel, const ScheduledTensor &input, quad::ScaleLayout layout,
              const Format &format, Value p0, Value a0)
      : kernel(kernel), t(kernel.body, kernel.loc), input(input), layout(layout), format(format),
        p0(p0), a0(a0) {}

  /// The values of words of codes, each in the grid that its block's scale chooses.
  Tile decode(Tile words, RankedTensorType codes) {
    Tile value = decodeWords(t, kernel.target, format.grid, words, codes);
    if (!format.alternative)
      return value;
    ArrayRef<int64_t> shape = codes.getShape();
    auto [rows, cols] = format.levels.front().block;
    auto blocks = tile::reshapedType(codes, {shape[0] / rows, rows, shape[1] / cols, cols});
    innermost = loadEncoding(tile::reducedType(blocks, {1, 3}), 0);
    Tile choice = t.broadcast(t.bitAnd(innermost, format.choiceBit()), blocks);
    choice = t.cmp(arith::CmpIPredicate::ne, t.reshape(choice, shape), 0);
    Tile alternative = decodeWords(t, kernel.target, *format.alternative, words, codes);
    return t.select(choice, alternative, value);
  }

  Tile multiply(Tile value, size_t i) {
    const Level &level = format.levels[i];
    SmallVector<int64_t> shape(TileBuilder::shapeOf(value));
    if (level.block.isTensor()) {
      auto one = tile::reducedType(TileBuilder::typeOf(value), {0, 1});
      Tile scale = decodeScale(t, level.type, t.extend(load(one, i, kernel.constant(0),
                                                            kernel.constant(0),
                                                            kernel.constant(1),
                                                            kernel.constant(1))));
      return t.mulf(value, t.broadcast(scale, TileBuilder::typeOf(value)));
    }
    auto [rows, cols] = level.block;
    Tile blocks = t.reshape(value, {shape[0] / rows, rows, shape[1] / cols, cols});
    RankedTensorType type = TileBuilder::typeOf(blocks);
    auto perBlock = tile::reducedType(type, {1, 3});
    Tile scale = level.type == ScaleType::E1 ? loadBits(perBlock, i) : loadScales(perBlock, i);
    return t.reshape(t.mulf(blocks, t.broadcast(scale, type)), shape);
  }

  /// The same of words of two bf16 or f16 numbers, exact where that type holds the scales.
  Tile multiplyPairs(Tile pairs, size_t i, bool isF16) {
    auto [perBlock, type] = blocksOfPairs(TileBuilder::typeOf(pairs), i);
    bool isBit = format.levels[i].type == ScaleType::E1;
    Tile scale = isBit ? loadBits(perBlock, i) : loadScales(perBlock, i);
    Tile product = tile::MultiplyPairsOp::create(
        t.b, t.loc, t.reshape(pairs, type.getShape()),
        t.broadcast(isF16 ? twiceF16(scale) : twiceBF16(scale), type), isF16);
    return t.reshape(product, TileBuilder::shapeOf(pairs));
  }

  /// The scales of level `i`, the same for all codes of each word.
  Tile scalesOfWords(RankedTensorType pairs, RankedTensorType words, size_t i) {
    auto [rows, cols] = format.levels[i].block;
    int64_t numRows = words.getDimSize(0) / rows, numBlocks = pairs.getDimSize(1) / (cols / 2);
    auto blocks = tile::reshapedType(
        words, {numRows, rows, numBlocks, words.getDimSize(1) / numBlocks});
    Tile scale = loadScales(blocksOfPairs(pairs, i).first, i);
    return t.reshape(t.broadcast(scale, blocks), words.getShape());
  }

  /// The scales as stored, of all levels but the tensor's, for blocks of words of pairs.
  SmallVector<Tile> loadAllStored(RankedTensorType pairs) {
    SmallVector<Tile> all;
    for (size_t i = 0; i < format.levels.size() - format.hasTensorLevel(); ++i)
      all.push_back(loadStored(blocksOfPairs(pairs, i).first, i));
    return all;
  }
  /// The types of what that gives.
  SmallVector<RankedTensorType> allStoredTypes(RankedTensorType pairs) {
    SmallVector<RankedTensorType> all;
    for (size_t i = 0; i < format.levels.size() - format.hasTensorLevel(); ++i)
      all.push_back(storedType(blocksOfPairs(pairs, i).first, i));
    return all;
  }
  /// What an earlier loadAllStored gave, to be used instead of loading.
  void use(ArrayRef<Tile> scales) { given = scales; }

private:
  /// Both halves of a word.
  Tile twiceBF16(Tile scale) {
    Tile bits = t.bits(scale);
    return t.bitOr(t.bitAnd(bits, int32_t(0xffff0000)), t.shrU(bits, 16));
  }
  Tile twiceF16(Tile scale) {
    RankedTensorType type = TileBuilder::typeOf(scale);
    Tile half = arith::TruncFOp::create(t.b, t.loc, type.clone(t.b.getF16Type()), scale);
    Tile bits = t.extend(arith::BitcastOp::create(t.b, t.loc, type.clone(t.b.getI16Type()), half));
    return t.bitOr(bits, t.shl(bits, 16));
  }

  /// One f32 for each block of level i, and words of pairs by blocks.
  std::pair<RankedTensorType, RankedTensorType> blocksOfPairs(RankedTensorType pairs, size_t i) {
    auto [rows, cols] = format.levels[i].block;
    ArrayRef<int64_t> shape = pairs.getShape();
    int64_t words = cols / 2;
    auto blocks = tile::reshapedType(pairs, {shape[0] / rows, rows, shape[1] / words, words});
    auto perBlock = tile::reducedType(blocks, {1, 3});
    return {cast<RankedTensorType>(perBlock.clone(t.b.getF32Type())), blocks};
  }

  RankedTensorType asStored(RankedTensorType type, size_t i) {
    unsigned bits = std::max(8u, scaleTypeInfo(format.levels[i].type).storageBits);
    return cast<RankedTensorType>(type.clone(t.b.getIntegerType(bits)));
  }
  /// A matrix of the stored scales of blocks; of HiF4's one-bit exponents bytes for eight.
  RankedTensorType storedType(RankedTensorType perBlock, size_t i) {
    bool isBit = format.levels[i].type == ScaleType::E1;
    auto type = isBit ? bytesType(perBlock) : perBlock;
    return asStored(
        tile::reshapedType(type, {type.getDimSize(0), type.getDimSize(isBit ? 1 : 2)}), i);
  }

  Tile load(RankedTensorType type, size_t i, Value row, Value column, Value rows, Value length) {
    RankedTensorType stored = asStored(type, i);
    Value buffer = kernel.pass(input.scales[i]);
    bool isBlocked = i == 0 && layout == quad::ScaleLayout::Blocked128x4;
    return isBlocked ? loadBlockedScales(kernel, stored, buffer, row, column, rows, length)
                     : loadCopies(kernel, stored, buffer, row, column, rows, length);
  }

  Tile loadScales(RankedTensorType perBlock, size_t i) {
    Tile encoding = i == 0 && innermost ? t.bitAnd(innermost, ~int64_t(format.choiceBit()))
                                        : loadEncoding(perBlock, i);
    return decodeScale(t, format.levels[i].type, encoding);
  }

  Tile loadStored(RankedTensorType perBlock, size_t i) {
    if (!given.empty())
      return given[i];
    bool isBit = format.levels[i].type == ScaleType::E1;
    auto [rows, cols] = format.levels[i].block;
    int64_t elementsEach = cols * (isBit ? 8 : 1);
    Value allRows = kernel.pass(kernel.schedule.ceilDiv(input.rows, rows));
    return load(storedType(perBlock, i), i, kernel.div(p0, rows), kernel.div(a0, elementsEach), allRows,
                kernel.div(kernel.pass(input.length), elementsEach));
  }

  /// The stored bits of scales, i32.
  Tile loadEncoding(RankedTensorType perBlock, size_t i) {
    return t.reshape(t.extend(loadStored(perBlock, i)), perBlock.getShape());
  }

  static RankedTensorType groupedByEight(RankedTensorType perBlock) {
    return tile::reshapedType(perBlock, {perBlock.getDimSize(0), perBlock.getDimSize(2) / 8, 8});
  }
  static RankedTensorType bytesType(RankedTensorType perBlock) {
    return tile::reducedType(groupedByEight(perBlock), {2});
  }

  /// HiF4's one-bit exponents. 1 or 2.
  Tile loadBits(RankedTensorType perBlock, size_t i) {
    auto grouped = cast<RankedTensorType>(groupedByEight(perBlock).clone(t.b.getI32Type()));
    Tile bytes = t.extend(loadStored(perBlock, i));
    Tile all = t.broadcast(t.reshape(bytes, bytesType(perBlock).getShape()), grouped);
    Tile position = tile::IotaOp::create(t.b, t.loc, TileBuilder::typeOf(all), 2);
    Tile bit = t.bitAnd(t.op<arith::ShRUIOp>(all, position), 1);
    Tile scale = t.fromBits(t.add(t.shl(bit, 23), numerics::bitsOf(1.0f)));
    return t.reshape(scale, perBlock.getShape());
  }

  KernelBuilder &kernel;
  TileBuilder t;
  const ScheduledTensor &input;
  quad::ScaleLayout layout;
  const Format &format;
  Value p0, a0;
  Tile innermost; ///< stored bits of the innermost scales, once `decode` has read them
  ArrayRef<Tile> given;
};

/// s * (H y): undoes `rotate` up to rounding.
Tile unrotate(KernelBuilder &kernel, TileBuilder &t, Tile y, Value signs, int64_t n) {
  SmallVector<int64_t> shape(TileBuilder::shapeOf(y));
  Tile groups = t.reshape(y, {shape[0], shape[1] / n, n});
  RankedTensorType type = TileBuilder::typeOf(groups);
  groups = t.hadamard(groups);
  groups = t.mulf(groups, t.f32(groups, hadamardScale(n)));
  groups = t.mulf(groups, t.broadcast(loadSigns(kernel, signs, type), type));
  return t.reshape(groups, shape);
}

} // namespace

Tile loadValues(KernelBuilder &kernel, const ScheduledTensor &input, quad::QuantizedTensorType type,
                const Tiling &tiling, Value p0, Value a0, size_t numLevels) {
  TileBuilder t(kernel.body, kernel.loc);
  Format format = type.getFormat().toFormat();
  auto codesType = tile::withLayout(
      RankedTensorType::get({tiling.shape.across, tiling.shape.along}, t.b.getI32Type()),
      tiling.layout);
  Tile words = loadCodes(kernel, tile::packedType(codesType), input, p0, a0);
  ScaleLoader scales(kernel, input, type.getScaleLayout(), format, p0, a0);
  Tile value = scales.decode(words, codesType);
  for (size_t i = 0; i < numLevels; ++i)
    value = scales.multiply(value, i);
  return value;
}

static RankedTensorType codesTypeOf(KernelBuilder &kernel, const Tiling &tiling) {
  auto type = RankedTensorType::get({tiling.shape.across, tiling.shape.along},
                                    kernel.body.getI32Type());
  return tile::withLayout(type, tiling.layout);
}

PackedTile loadPacked(KernelBuilder &kernel, const ScheduledTensor &input,
                      quad::QuantizedTensorType type, const Tiling &tiling, Value p0, Value a0) {
  Format format = type.getFormat().toFormat();
  RankedTensorType codes = codesTypeOf(kernel, tiling);
  Tile words = loadCodes(kernel, tile::packedType(codes), input, p0, a0);
  ScaleLoader scales(kernel, input, type.getScaleLayout(), format, p0, a0);
  return {words, scales.loadAllStored(tile::halvedType(codes))};
}

PackedTile loadWithBlockScales(KernelBuilder &kernel, const ScheduledTensor &input,
                               quad::QuantizedTensorType type, const Tiling &tiling,
                               RankedTensorType scales, Value p0, Value a0) {
  const Level level = type.getFormat().toFormat().levels.front();
  Tile words = loadCodes(kernel, tile::packedType(codesTypeOf(kernel, tiling)), input, p0, a0);
  unsigned bits = std::max(8u, scaleTypeInfo(level.type).storageBits);
  auto stored = cast<RankedTensorType>(scales.clone(kernel.body.getIntegerType(bits)));
  Tile own = loadCopies(kernel, stored, kernel.pass(input.scales.front()), p0,
                        kernel.div(a0, level.block.cols), kernel.pass(input.rows),
                        kernel.div(kernel.pass(input.length), level.block.cols));
  return {words, {own}};
}

Tile decodeBlockScales(KernelBuilder &kernel, quad::QuantizedTensorType type, Tile scales) {
  TileBuilder t(kernel.body, kernel.loc);
  return decodeScale(t, type.getFormat().toFormat().levels.front().type, t.extend(scales));
}

PackedTile convertPacked(KernelBuilder &kernel, quad::QuantizedTensorType type,
                         const Tiling &tiling, const PackedTile &packed) {
  TileBuilder t(kernel.body, kernel.loc);
  Format format = type.getFormat().toFormat();
  RankedTensorType codes = codesTypeOf(kernel, tiling);
  const ScheduledTensor none;
  ScaleLoader loader(kernel, none, type.getScaleLayout(), format, Value(), Value());
  auto types = loader.allStoredTypes(tile::halvedType(codes));
  PackedTile result{
      t.convertLayout(packed.words, tile::getLayout(tile::packedType(codes))), {}};
  for (auto [scale, type] : llvm::zip_equal(packed.scales, types))
    result.scales.push_back(t.convertLayout(scale, tile::getLayout(type)));
  return result;
}

Tile decodeValues(KernelBuilder &kernel, quad::QuantizedTensorType type, const Tiling &tiling,
                  const PackedTile &packed) {
  Format format = type.getFormat().toFormat();
  const ScheduledTensor none;
  ScaleLoader scales(kernel, none, type.getScaleLayout(), format, Value(), Value());
  scales.use(packed.scales);
  auto values = cast<RankedTensorType>(
      codesTypeOf(kernel, tiling).clone(kernel.body.getI32Type()));
  Tile value = scales.decode(packed.words, values);
  for (size_t i = 0; i < packed.scales.size(); ++i)
    value = scales.multiply(value, i);
  return value;
}

Tile decodePairs(KernelBuilder &kernel, const ScheduledTensor &input,
                 quad::QuantizedTensorType type, const Tiling &tiling, const PackedTile &packed,
                 const target::CarrierType &carrier) {
  TileBuilder t(kernel.body, kernel.loc);
  Format format = type.getFormat().toFormat();
  SmallVector<int16_t> table = llvm::map_to_vector(
      format.grid.values, [&](float value) { return int16_t(carrier.encode(value)); });
  RankedTensorType pairsType = tile::halvedType(codesTypeOf(kernel, tiling));
  ScaleLoader scales(kernel, input, type.getScaleLayout(), format, Value(), Value());
  scales.use(packed.scales);
  // Entries of a table are multiplied where that is cheaper than what is looked up in it.
  const Level &innermost = format.levels.front();
  bool isF16 = carrier.name == "f16";
  bool scalesTable = !isF16 && kernel.target.scalesTables() &&
                     tile::LookupPairsOp::hasSigns(table) && !packed.scales.empty() &&
                     innermost.block.cols >= int64_t(table.size()) &&
                     innermost.type != ScaleType::E1;
  Tile factors;
  if (scalesTable)
    factors = scales.scalesOfWords(pairsType, TileBuilder::typeOf(packed.words), 0);
  Tile pairs = tile::LookupPairsOp::create(t.b, t.loc, pairsType, packed.words, table, factors);
  for (size_t i = scalesTable; i < packed.scales.size(); ++i)
    pairs = scales.multiplyPairs(pairs, i, isF16);
  return pairs;
}

/// The bytes of codes in words in a table of up to 16, four to a word.
static Tile lookUpBytes(KernelBuilder &kernel, const Tiling &tiling, Tile codes,
                        ArrayRef<uint8_t> table) {
  TileBuilder t(kernel.body, kernel.loc);
  constexpr unsigned wordsOfTable = 4, bytesOfWord = 4;
  RankedTensorType type = TileBuilder::typeOf(codes);
  SmallVector<Value> words;
  for (unsigned i = 0; i < wordsOfTable; ++i) {
    uint32_t word = 0;
    for (unsigned byte = 0; byte < bytesOfWord; ++byte)
      if (size_t code = i * bytesOfWord + byte; code < table.size())
        word |= uint32_t(table[code]) << (8 * byte);
    words.push_back(arith::ConstantOp::create(
        t.b, t.loc, DenseElementsAttr::get(type, t.b.getI32IntegerAttr(int32_t(word)))));
  }
  RankedTensorType bytes = tile::halvedType(tile::halvedType(codesTypeOf(kernel, tiling)));
  return tile::LookupBytesOp::create(t.b, t.loc, bytes, codes, words);
}

namespace {
/// What a grid's codes are in a carrier of at most 8 bits, in a byte each.
SmallVector<uint8_t> encodingsOf(const Grid &grid, const target::OperandPlan &plan) {
  return llvm::map_to_vector(grid.values, [&](float value) {
    return uint8_t(plan.carrier->encode(std::ldexp(double(value), plan.shift)));
  });
}
/// Codes as they are stored are the carrier's encodings.
bool isOfCodes(ArrayRef<uint8_t> encodings, const target::OperandPlan &plan) {
  return plan.carrier->storageBits == 4 && llvm::all_of(llvm::enumerate(encodings), [](auto entry) {
           return entry.value() == entry.index();
         });
}
/// Codes are a sign and the magnitude of the carrier's two's complement.
bool isOfMagnitudes(ArrayRef<uint8_t> encodings) {
  constexpr unsigned sign = 8, all = 15;
  return llvm::all_of(llvm::enumerate(encodings), [](auto entry) {
    unsigned magnitude = entry.index() & (sign - 1);
    return entry.value() == (entry.index() & sign ? (0 - magnitude) & all : magnitude);
  });
}

/// Words of codes that are a sign and a magnitude of three bits as two's complement.
Tile complementNegative(TileBuilder &t, Tile codes) {
  constexpr int64_t ones = 0x11111111;
  Tile magnitudes = t.bitAnd(codes, 7 * ones);
  Tile isSome = t.bitOr(t.bitOr(magnitudes, t.shrU(magnitudes, 1)), t.shrU(magnitudes, 2));
  Tile negative = t.bitAnd(t.bitAnd(t.shrU(codes, 3), isSome), ones); // but not -0
  Tile masks = t.sub(t.shl(negative, 4), negative);
  return t.add(t.bitXor(magnitudes, masks), negative);
}
} // namespace

std::string whyNoCarrierWords(const Format &format, const target::OperandPlan &plan) {
  SmallVector<uint8_t> table = encodingsOf(format.grid, plan);
  if (plan.carrier->storageBits > 4 || isOfCodes(table, plan) ||
      (plan.carrier->isInteger && isOfMagnitudes(table)))
    return "";
  return std::string(plan.carrier->name) + " does not take " + format.name + " as it is stored";
}

Tile carrierWords(KernelBuilder &kernel, quad::QuantizedTensorType type, const Tiling &tiling,
                  Tile codes, const target::OperandPlan &plan) {
  SmallVector<uint8_t> table = encodingsOf(type.getFormat().toFormat().grid, plan);
  if (isOfCodes(table, plan))
    return codes;
  if (plan.carrier->storageBits == 4) {
    TileBuilder t(kernel.body, kernel.loc);
    return complementNegative(t, codes);
  }
  Tile bytes = lookUpBytes(kernel, tiling, codes, table);
  return plan.carrier->storageBits == 6
             ? tile::PackSixBitsOp::create(kernel.body, kernel.loc, bytes.getType(), bytes)
             : bytes;
}

Tile scalesOfBlocks(KernelBuilder &kernel, quad::QuantizedTensorType type, const Tiling &tiling,
                    const PackedTile &packed, RankedTensorType words, unsigned wordsOfScale) {
  TileBuilder t(kernel.body, kernel.loc);
  auto [rows, cols] = type.getFormat().toFormat().levels.front().block;
  int64_t numRows = tiling.shape.across / rows, numBlocks = tiling.shape.along / cols;
  int64_t count = words.getDimSize(1) / wordsOfScale;
  auto blocks = tile::reducedType(
      tile::reshapedType(words, {numRows, rows, numBlocks, count / numBlocks, wordsOfScale}), {4});
  Tile scales = t.reshape(t.extend(packed.scales.front()), {numRows, 1, numBlocks, 1, 1});
  return t.reshape(t.broadcast(scales, blocks), {tiling.shape.across, count});
}

int64_t rowsOfBlocks(quad::QuantizedTensorType type) {
  int64_t rows = 1;
  for (quad::LevelAttr level : type.getFormat().getLevels())
    rows = std::max(rows, level.getBlock().rows);
  return rows;
}

Tiling valuesTiling(const TargetInfo &target, quad::QuantizedTensorType type, int64_t least,
                    int64_t perLane) {
  int64_t rows = rowsOfBlocks(type);
  int64_t along = std::max({least / rows, type.getGranularity(), threadsOf(target) * perLane / rows});
  TileShape shape{rows, along};
  return {shape, computeLayout(target, shape, perLane)};
}

static Tiling dequantizeTiling(KernelBuilder &kernel, quad::DequantizeOp op,
                               const ScheduledMatrix &result) {
  const TargetInfo &target = kernel.target;
  quad::QuantizedTensorType type = op.getInput().getType();
  int64_t least = 2 * type.getGranularity(), rows = rowsOfBlocks(type);
  if (type.getAxis() == 0) {
    Tiling tiling = tileAlong(kernel, least, /*acrossMemory=*/true);
    if (tiling.shape.across >= rows)
      return tiling;
    TileShape shape{rows, std::max<int64_t>(type.getGranularity(), tiling.shape.along / rows)};
    return {shape, computeLayout(target, shape, shape.along)};
  }
  // A lane's neighbours are one access to the result, if nothing else needs more of them;
  // it has several, to have reads in flight.
  int64_t perLane = op.getSigns() ? target.getElementsPerLane() : accessOf(target, result.buffer);
  int64_t most = kernel.choose(Knob::ElementsPerLane, target.columnTile().elementsPerLane);
  return valuesTiling(target, type, std::max(least, threadsOf(target) * most), perLane);
}

LogicalResult emitDequantize(KernelBuilder &kernel, quad::DequantizeOp op,
                             const ScheduledTensor &input, Value signs,
                             const ScheduledGroups &groups, const ScheduledMatrix &result) {
  quad::QuantizedTensorType type = op.getInput().getType();
  unsigned axis = type.getAxis();
  Tiling tiling = dequantizeTiling(kernel, op, result);
  Value p0 = kernel.tileOrigin(1, tiling.shape.across);
  Value a0 = kernel.tileOrigin(0, tiling.shape.along);
  TileBuilder t(kernel.body, kernel.loc);
  Tile value = loadValues(kernel, input, type, tiling, p0, a0,
                          type.getFormat().getLevels().size());
  if (signs)
    value = unrotate(kernel, t, value, signs, type.getRht().getSize());
  ScheduledMatrix covered = result;
  ScheduledGroups all = groups;
  if (groups) { // what is in none is 0, written as one more
    ScheduleBuilder &s = kernel.schedule;
    value = zeroOutside(kernel, value, {p0, a0},
                        {kernel.pass(input.rows), endOfGroups(kernel, groups)});
    all.count = s.add(groups.count, s.constant(1));
    covered.sizes[axis] =
        groupedLength(s, result.sizes[axis], all.count, s.constant(type.getGranularity()));
  }
  storeMatrix(kernel, value, result, axis, p0, a0, axis == 1 ? result.divisors[1] : 1, all);
  launchOver(kernel, covered, axis, tiling.shape);
  return success();
}

//===----------------------------------------------------------------------===//
// quad.amax
//===----------------------------------------------------------------------===//

namespace {
Tiling amaxTiling(KernelBuilder &kernel, quad::AmaxOp op, const ScheduledMatrix &input) {
  const TargetInfo &target = kernel.target;
  int64_t n = op.getSigns() ? op.getSigns().getType().getDimSize(0) : 1;
  if (op.getAxis() != int64_t(input.contiguousDim))
    return columnTiling(kernel, {1, n});
  // As much as a lane holds, for there is nothing to do but wait for memory.
  int64_t perLane = target.getElementsPerLane();
  TileShape shape{1, std::max(n, threadsOf(target) * target.columnTile().elementsPerLane)};
  return {shape, computeLayout(target, shape, perLane)};
}
} // namespace

LogicalResult emitAmaxStart(KernelBuilder &kernel, Value result) {
  TileBuilder t(kernel.body, kernel.loc);
  Value zero = kernel.constant(0), one = kernel.constant(1);
  auto layout = LinearLayout::contiguous(0, 0, llvm::Log2_32(kernel.target.getLanes()),
                                         llvm::Log2_32(kernel.target.getWarps()));
  auto type = tile::withLayout(RankedTensorType::get({1, 1}, t.b.getF32Type()), layout);
  Value none = arith::ConstantOp::create(t.b, t.loc, DenseElementsAttr::get(type, 0.0f));
  storeDense(kernel, none, kernel.pass(result), zero, zero, one, one);
  kernel.launch(kernel.schedule.constant(1), kernel.schedule.constant(1), /*cost=*/0);
  return success();
}

LogicalResult emitAmax(KernelBuilder &kernel, quad::AmaxOp op, ScheduledMatrix input, Value signs,
                       const ScheduledGroups &groups, Value result) {
  unsigned axis = op.getAxis();
  int64_t n = signs ? op.getSigns().getType().getDimSize(0) : 1;
  if (groups)
    input = readFromAnywhere(input, axis);
  Tiling tiling = amaxTiling(kernel, op, input);
  bool padsRows = groups || (signs && op.getPad());
  if (tiling.shape.across == 1 && input.isContiguous && !padsRows)
    flattenRows(kernel.schedule, input, axis);
  Value p0 = kernel.tileOrigin(1, tiling.shape.across);
  Value a0 = kernel.tileOrigin(0, tiling.shape.along);
  TileBuilder t(kernel.body, kernel.loc);
  MatrixReader reader(kernel, input, axis, tiling);
  Tile x = reader.widen(groups ? loadGroups(kernel, reader, groups, p0, a0) : reader.load(p0, a0));
  if (signs)
    x = rotate(t, x, loadFactors(kernel, signs, TileBuilder::typeOf(x), n));
  tile::AtomicReduceOp::create(t.b, t.loc, tile::AtomicReduction::amax, x, kernel.pass(result));
  ScheduledMatrix covered = input;
  if (groups)
    covered.sizes[axis] = groupedLength(kernel.schedule, input.sizes[axis], groups.count,
                                        kernel.schedule.constant(n));
  launchOver(kernel, covered, axis, tiling.shape);
  return success();
}

} // namespace quadrille
