//===- FragmentEpilogue.cpp - What becomes of wgmma's sums ----------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FragmentEpilogue.h"
#include "quadrille/Target/TargetInfo.h"
#include <array>

using namespace mlir;
using namespace quadrille;
using namespace quadrille::nvvm;

// Four lanes have what is stored of a row at once: of four times eight columns.
constexpr unsigned columnsOfLane = sumsOfLane * lanesOfRow; ///< that a lane stores
static_assert(columnsOfLane == storedColumns);
constexpr unsigned columnsAtOnce = columnsOfLane * lanesOfRow;
constexpr unsigned rowsApart = 8, lanesOfWarp = 32, warpsOfWarpgroup = 4;

// A warp's rows on their way to C: so many bytes of each, at a distance that has eight rows' chunks
// in different banks.
constexpr unsigned rowsOfWarp = fragmentRows / warpsOfWarpgroup;
constexpr int64_t stagedBytes = 256, stagedDistance = stagedBytes + chunkBytes;
constexpr int64_t stagingBytes = rowsOfWarp * stagedDistance; ///< of a warp
const int64_t FragmentEpilogue::bytesOfWarpgroup = warpsOfWarpgroup * stagingBytes;

namespace {

/// What the sums of a row or of columns are in units of.
struct Exponents {
  Value exponents; ///< i32
  Value powers;    ///< 2 to them, where they are moderate
  Value isModerate;
};
/// Of a lane's rows of a fragment, and of its pairs of columns, one of each eight.
struct FragmentExponents {
  SmallVector<Exponents> rows, cols;
};

class Storer {
public:
  explicit Storer(const FragmentEpilogue &epilogue)
      : b(epilogue.b), target(epilogue.target), plan(epilogue.plan), operands(epilogue.operands),
        store(epilogue.store), staging(epilogue.staging) {}

  using Sums = FragmentEpilogue::Sums;
  void storeTile(const TileRows &rows, const Sums &sums, Value row, Value col);

private:
  /// As they are, or finished: a tile whose columns are all there, without flags and with moderate
  /// exponents, needs no branches, which would wait for each operand by itself.
  enum class StoreKind { partial, whole, cut };
  Value isWhole(const TileRows &rows, ArrayRef<FragmentExponents> exponents, Value row, Value col);
  void storeFragment(const TileRows &rows, ValueRange sums, const FragmentExponents &ofWhole,
                     Value row, Value col, StoreKind kind);
  void storePartial(const TileRows &rows, Value pair, Value row, Value col);
  /// Words of a lane's rows of `columnsAtOnce` columns, finished.
  using RowWords = std::array<SmallVector<Value>, rowsOfLane>;
  RowWords finishColumns(const TileRows &rows, ValueRange sums, const FragmentExponents &ofWhole,
                         Value row, Value col, unsigned done, StoreKind kind);
  /// A whole tile's, by way of shared memory.
  void storeRows(const TileRows &rows, ValueRange sums, const FragmentExponents &exponents,
                 Value row, Value col);
  void stage(const RowWords &words, unsigned column);
  void storeStaged(const TileRows &rows, Value row, Value col);
  /// Whether all of so many columns are there.
  Value isFull(StoreKind kind, Value col, unsigned count);
  Value lane() { return b.bitAnd(b.threadId(), b.i32(lanesOfWarp - 1)); }
  /// The first of the warp's rows in a fragment.
  Value warpRow() {
    Value warp = b.divU(b.threadId(), b.i32(lanesOfWarp));
    return b.mul(b.bitAnd(warp, b.i32(warpsOfWarpgroup - 1)), b.i32(rowsOfWarp));
  }
  SmallVector<Value> rowsOf(Value row);
  /// The lane's pair of the eight columns of that number.
  Value pairCol(Value col, unsigned number);
  void finishElements(const TileRows &rows, MatmulElements elements,
                      SmallVectorImpl<Value> &words);
  void storeWords(const TileRows &rows, ValueRange words, MatmulElements elements,
                  Value isFlagged);
  /// What a lane has of a row's columns, as f32.
  void appendValues(ValueRange words, SmallVectorImpl<Value> &values);
  /// The row of C, and the column as panels of B have it.
  Value resultRow(const TileRows &rows, Value row) {
    return rows.result ? b.add(row, rows.result) : row;
  }
  Value panelCol(const TileRows &rows, Value col) {
    return rows.rhsPanel ? b.add(b.mul(rows.rhsPanel, b.i64(panelRows)), col) : col;
  }
  Exponents loadExponents(Value buffer, Value position, Type type, unsigned alignment);
  /// `count` times eight columns from the eight of number `first` on.
  FragmentExponents exponentsOf(const TileRows &rows, Value row, Value col, unsigned first,
                                unsigned count);
  void undoExponents(MutableArrayRef<Value> sums, ArrayRef<Exponents> rows,
                     ArrayRef<Exponents> cols, bool areModerate);
  /// The warp's shared memory.
  Value stagingAddress() {
    Value warp = b.sub(b.divU(b.threadId(), b.i32(lanesOfWarp)), b.i32(warpsOfWarpgroup));
    return b.add(staging, b.mul(warp, b.i32(stagingBytes)));
  }

  WarpgroupBuilder &b;
  const TargetInfo &target;
  const WarpgroupPlan &plan;
  const WarpgroupOperands &operands;
  const MatmulStore &store;
  Value staging;
};

Value powerOf(WarpgroupBuilder &b, Value exponents) {
  constexpr int32_t bias = 127, mantissaBits = 23;
  auto constant = [&](int32_t value) {
    return isa<VectorType>(exponents.getType()) ? b.i32s(value) : b.i32(value);
  };
  Value bits = b.add(b.shl(exponents, constant(mantissaBits)), constant(bias << mantissaBits));
  Type type = b.getF32Type();
  return b.bitcast(isa<VectorType>(exponents.getType()) ? Type(b.f32s()) : type, bits);
}

Exponents Storer::loadExponents(Value buffer, Value position, Type type, unsigned alignment) {
  Value address = b.at(buffer, b.mul(position, b.i64(sizeof(int32_t))));
  Value exponents = b.load(type, address, alignment);
  // Products of carriers lie within 2^+-32, so a moderate power neither overflows nor
  // makes subnormal what a second one does not.
  constexpr int32_t most = 64;
  SmallVector<Value> each{exponents};
  if (isa<VectorType>(type))
    each = {vector::ExtractOp::create(b, exponents, 0), vector::ExtractOp::create(b, exponents, 1)};
  Value beyond = b.i32(0);
  for (Value one : each)
    beyond = b.bitOr(beyond, b.add(one, b.i32(most)));
  return {exponents, powerOf(b, exponents), b.equal(b.bitAnd(beyond, b.i32(-2 * most)), b.i32(0))};
}

/// Times 2^exponent, at most 252. What an exponent below -252 leaves is zero anyway.
static Value scaleByPower(WarpgroupBuilder &b, Value sums, Value exponent) {
  constexpr int32_t least = -252;
  exponent = arith::MaxSIOp::create(b, exponent, b.i32s(least));
  Value half = arith::ShRSIOp::create(b, exponent, b.i32s(1));
  for (Value part : {half, b.sub(exponent, half)})
    sums = b.mulF(sums, powerOf(b, part));
  return sums;
}

FragmentExponents Storer::exponentsOf(const TileRows &tile, Value row, Value col, unsigned first,
                                       unsigned count) {
  FragmentExponents result;
  if (!operands.rowExponents)
    return result;
  for (Value own : rowsOf(row))
    result.rows.push_back(
        loadExponents(operands.rowExponents, own, b.getI32Type(), sizeof(int32_t)));
  for (unsigned i = first; i < first + count; ++i)
    result.cols.push_back(loadExponents(operands.colExponents, panelCol(tile, pairCol(col, i)),
                                        b.i32s(), sumsOfLane * sizeof(int32_t)));
  return result;
}

Value allModerate(WarpgroupBuilder &b, ArrayRef<Exponents> rows, ArrayRef<Exponents> cols) {
  Value all = b.constant(true);
  for (const Exponents &one : llvm::concat<const Exponents>(rows, cols))
    all = arith::AndIOp::create(b, all, one.isModerate);
  return all;
}

/// `sums` by columns and rows, times the powers of both. Of exponents that may be anything that
/// takes three times as many instructions, which only the ends of a product are worth.
void Storer::undoExponents(MutableArrayRef<Value> sums, ArrayRef<Exponents> rows,
                            ArrayRef<Exponents> cols, bool areModerate) {
  for (auto [i, sum] : llvm::enumerate(sums)) {
    const Exponents &row = rows[i % rows.size()], &col = cols[i / rows.size()];
    sum = areModerate ? b.mulF(b.mulF(sum, row.powers), col.powers)
                      : scaleByPower(b, sum, b.add(col.exponents, row.exponents));
  }
}

/// `words` are as many of each of four times eight columns: lanes exchange them such that
/// each has all of its own eight.
void exchangeColumns(WarpgroupBuilder &b, const TargetInfo &target,
                     MutableArrayRef<Value> words) {
  const unsigned each = words.size() / lanesOfRow;
  for (unsigned bit = 0; (1u << bit) < lanesOfRow; ++bit)
    for (unsigned i = 0; i < lanesOfRow; ++i)
      for (unsigned j = 0; j < each && !(i >> bit & 1); ++j) {
        Value &low = words[i * each + j], &high = words[(i | 1 << bit) * each + j];
        std::tie(low, high) = target.swapRegisterAndLane(b, b.getLoc(), low, high, bit);
      }
}

/// Two elements, finished, as words.
void Storer::finishElements(const TileRows &rows, MatmulElements elements,
                             SmallVectorImpl<Value> &words) {
  elements.end = operands.n;
  // Rows beyond take part in the exchange, and read what the last one reads.
  elements.row = resultRow(rows, b.minS(elements.row, b.sub(rows.end, b.i64(1))));
  if (plan.sumsIntegers())
    elements.acc = arith::SIToFPOp::create(b, b.f32s(), elements.acc);
  Value value = emitValue(b, b.getLoc(), store, elements);
  unsigned bits = cast<VectorType>(value.getType()).getElementTypeBitWidth() * sumsOfLane;
  auto asWords = VectorType::get({int64_t(bits / 32)}, b.getI32Type());
  Value packed = b.bitcast(asWords, value);
  for (unsigned i = 0; i < bits / 32; ++i)
    words.push_back(vector::ExtractOp::create(b, packed, int64_t(i)));
}

/// Of a lane's columns, from that of `elements` on.
void Storer::storeWords(const TileRows &rows, ValueRange words, MatmulElements elements,
                         Value isFlagged) {
  auto type = VectorType::get({storedColumns}, b.getIntegerType(words.size() * 32 / storedColumns));
  Value packed = vector::FromElementsOp::create(
      b, VectorType::get({int64_t(words.size())}, b.getI32Type()), words);
  auto both = [&](Value x, Value y) -> Value { return arith::AndIOp::create(b, x, y); };
  Value isInside = both(b.lessS(elements.row, rows.end), b.lessS(elements.col, operands.n));
  if (rows.begin)
    isInside = both(isInside, b.lessS(b.sub(rows.begin, b.i64(1)), elements.row));
  if (isFlagged)
    isInside = both(isInside, b.equal(isFlagged, b.constant(false)));
  elements.row = resultRow(rows, elements.row);
  elements.end = operands.n;
  b.ifThen(isInside, [&] {
    storeValue(b, b.getLoc(), store, b.bitcast(type, packed), elements);
  });
}

void Storer::appendValues(ValueRange words, SmallVectorImpl<Value> &values) {
  Value packed = vector::FromElementsOp::create(
      b, VectorType::get({int64_t(words.size())}, b.getI32Type()), words);
  Value elements = b.bitcast(VectorType::get({storedColumns}, store.elementType), packed);
  for (unsigned i = 0; i < storedColumns; ++i) {
    Value element = vector::ExtractOp::create(b, elements, int64_t(i));
    bool isWide = store.elementType.isF32();
    values.push_back(isWide ? element
                            : Value(arith::ExtFOp::create(b, b.getF32Type(), element)));
  }
}

void Storer::storePartial(const TileRows &rows, Value pair, Value row, Value col) {
  constexpr int64_t bytes = sizeof(float);
  Value index = b.add(b.mul(resultRow(rows, row), operands.partial->stride), col);
  b.store(pair, b.at(operands.partial->sums, b.mul(index, b.i64(bytes))), sumsOfLane * bytes);
}

Value Storer::isFull(StoreKind kind, Value col, unsigned count) {
  if (kind == StoreKind::whole)
    return b.constant(true);
  return b.lessS(b.add(col, b.i64(count - 1)), operands.n);
}

SmallVector<Value> Storer::rowsOf(Value row) {
  Value first = b.extend(b.add(warpRow(), b.divU(lane(), b.i32(lanesOfRow))));
  SmallVector<Value> rows;
  for (unsigned i = 0; i < rowsOfLane; ++i)
    rows.push_back(b.add(row, b.add(first, b.i64(i * rowsApart))));
  return rows;
}

Value Storer::pairCol(Value col, unsigned number) {
  Value pair = b.mul(b.bitAnd(lane(), b.i32(lanesOfRow - 1)), b.i32(sumsOfLane));
  return b.add(b.add(col, b.i64(number * columnsOfLane)), b.extend(pair));
}

Storer::RowWords Storer::finishColumns(const TileRows &tile, ValueRange sums,
                                         const FragmentExponents &ofWhole, Value row, Value col,
                                         unsigned done, StoreKind kind) {
  const unsigned first = done / columnsOfLane;
  const bool isWhole = kind == StoreKind::whole;
  SmallVector<Value> rows = rowsOf(row), pairs; // by eight columns and rows
  for (unsigned i = 0; i < lanesOfRow * rowsOfLane; ++i) {
    ValueRange own = sums.slice((first * rowsOfLane + i) * sumsOfLane, sumsOfLane);
    pairs.push_back(vector::FromElementsOp::create(b, b.vec(own.front().getType()), own));
  }
  if (operands.rowExponents) {
    FragmentExponents own =
        isWhole ? ofWhole : exponentsOf(tile, row, col, first, lanesOfRow);
    ArrayRef<Exponents> cols = own.cols;
    undoExponents(pairs, own.rows, isWhole ? cols.slice(first, lanesOfRow) : cols, isWhole);
  }
  RowWords words;
  for (auto [i, pair] : llvm::enumerate(pairs)) {
    MatmulElements elements;
    elements.acc = pair;
    elements.row = rows[i % rowsOfLane];
    elements.col = pairCol(col, first + i / rowsOfLane);
    if (kind == StoreKind::partial) {
      storePartial(tile, pair, elements.row, elements.col);
      continue;
    }
    elements.isFull = isFull(kind, elements.col, sumsOfLane);
    finishElements(tile, elements, words[i % rowsOfLane]);
  }
  return words;
}

void Storer::storeFragment(const TileRows &tile, ValueRange sums,
                            const FragmentExponents &ofWhole, Value row, Value col,
                            StoreKind kind) {
  Value inRow = b.bitAnd(lane(), b.i32(lanesOfRow - 1));
  SmallVector<Value> rows = rowsOf(row);
  const bool hasFlags = operands.lhsOverflow && kind == StoreKind::cut;
  Value lhsFlags = hasFlags ? loadFlags(b, operands.lhsOverflow, row) : Value(), rhsFlags;
  SmallVector<Value> values; // for the sink
  for (unsigned done = 0; done < plan.width(); done += columnsAtOnce) {
    Value firstCol = b.add(col, b.i64(done));
    if (hasFlags && done % panelRows == 0)
      rhsFlags = loadFlags(b, operands.rhsOverflow, panelCol(tile, firstCol));
    RowWords words = finishColumns(tile, sums, ofWhole, row, col, done, kind);
    if (kind == StoreKind::partial)
      continue;
    MatmulElements elements;
    elements.col = b.add(firstCol, b.extend(b.mul(inRow, b.i32(columnsOfLane))));
    elements.isFull = isFull(kind, elements.col, storedColumns);
    for (unsigned j = 0; j < rowsOfLane; ++j) {
      exchangeColumns(b, target, words[j]);
      if (operands.sink) {
        appendValues(words[j], values);
        continue;
      }
      elements.row = rows[j];
      Value isLeft = hasFlags ? isFlagged(b, lhsFlags, rhsFlags, rows[j], elements.col) : Value();
      storeWords(tile, words[j], elements, isLeft);
    }
    if (unsigned end = done + columnsAtOnce; operands.sink && end % operands.sink->columns == 0) {
      operands.sink->take(b, b.getLoc(), values, row,
                          b.add(col, b.i64(end - operands.sink->columns)));
      values.clear();
    }
  }
}

/// The words of a lane's rows, from that column on, go to the warp's rows in shared memory.
void Storer::stage(const RowWords &words, unsigned column) {
  const unsigned wordsOfPair = words[0].size() / lanesOfRow, bytes = 2 * wordsOfPair;
  auto at = [&](Value row, Value chunk, unsigned bytesOfChunk) {
    Value inRow = b.mul(chunk, b.i32(bytesOfChunk));
    return b.add(stagingAddress(), b.add(b.mul(row, b.i32(stagedDistance)), inRow));
  };
  if (wordsOfPair == 1) { // an instruction for 16 rows and 16 columns, whose chunks are lanes'
    Value row = b.bitAnd(lane(), b.i32(rowsOfWarp - 1));
    Value address = at(row, b.divU(lane(), b.i32(rowsOfWarp)), chunkBytes);
    for (unsigned i = 0; i < lanesOfRow; i += 2)
      b.storeMatrices(address, {words[0][i], words[1][i], words[0][i + 1], words[1][i + 1]},
                      (column + i * columnsOfLane) * bytes);
    return;
  }
  Value address = at(b.divU(lane(), b.i32(lanesOfRow)), b.bitAnd(lane(), b.i32(lanesOfRow - 1)),
                     sumsOfLane * bytes);
  for (unsigned j = 0; j < rowsOfLane; ++j)
    for (unsigned i = 0; i < lanesOfRow; ++i)
      b.storeShared(address, ArrayRef(words[j]).slice(i * wordsOfPair, wordsOfPair),
                    j * rowsApart * stagedDistance + (column + i * columnsOfLane) * bytes);
}

/// Two rows at once; (row, col) is the fragment's. All are read before the first is stored.
void Storer::storeStaged(const TileRows &tile, Value row, Value col) {
  constexpr unsigned lanesOfRun = stagedBytes / chunkBytes, rowsAtOnce = lanesOfWarp / lanesOfRun;
  const int64_t bytes = store.elementType.getIntOrFloatBitWidth() / 8;
  Value inWarp = b.divU(lane(), b.i32(lanesOfRun));
  Value inRun = b.mul(b.bitAnd(lane(), b.i32(lanesOfRun - 1)), b.i32(chunkBytes));
  Value address = b.add(b.add(stagingAddress(), inRun), b.mul(inWarp, b.i32(stagedDistance)));
  Value first = b.add(row, b.extend(b.add(warpRow(), inWarp)));
  Value to = b.add(b.mul(b.add(b.mul(resultRow(tile, first), store.ldc), col), b.i64(bytes)),
                   b.extend(inRun));
  b.syncWarp();
  SmallVector<Value> chunks;
  for (unsigned i = 0; i < rowsOfWarp; i += rowsAtOnce)
    chunks.push_back(b.loadShared(address, i * stagedDistance));
  b.syncWarp(); // the next may be staged
  for (auto [i, chunk] : llvm::enumerate(chunks)) {
    Value own = b.add(first, b.i64(i * rowsAtOnce));
    Value isInside = b.lessS(own, tile.end);
    if (tile.begin)
      isInside = arith::AndIOp::create(b, isInside,
                                       b.lessS(b.sub(tile.begin, b.i64(1)), own));
    Value distance = b.mul(store.ldc, b.i64(i * rowsAtOnce * bytes));
    b.ifThen(isInside, [&, chunk = chunk] {
      b.store(chunk, b.at(store.out, b.add(to, distance)), chunkBytes);
    });
  }
}

void Storer::storeRows(const TileRows &tile, ValueRange sums, const FragmentExponents &exponents,
                        Value row, Value col) {
  const unsigned columns = stagedBytes * 8 / store.elementType.getIntOrFloatBitWidth();
  for (unsigned done = 0; done < plan.width(); done += columnsAtOnce) {
    stage(finishColumns(tile, sums, exponents, row, col, done, StoreKind::whole), done % columns);
    if (unsigned end = done + columnsAtOnce; end % columns == 0)
      storeStaged(tile, row, b.add(col, b.i64(end - columns)));
  }
}

/// That nothing of the warp's part of the tile needs a branch of its own: the same in all lanes,
/// for they store together, and ptxas keeps descriptors in uniform registers only where it knows.
Value Storer::isWhole(const TileRows &tile, ArrayRef<FragmentExponents> exponents, Value row,
                       Value col) {
  auto both = [&](Value x, Value y) -> Value { return arith::AndIOp::create(b, x, y); };
  Value isWhole = isFull(StoreKind::cut, col, plan.width());
  for (const FragmentExponents &one : exponents)
    isWhole = both(isWhole, allModerate(b, one.rows, one.cols));
  if (!operands.lhsOverflow)
    return operands.rowExponents ? b.ofAllLanes(isWhole) : isWhole;
  Value flags = loadFlags(b, operands.lhsOverflow, row);
  for (unsigned done = 0; done < plan.width(); done += panelRows)
    flags = b.bitOr(flags, loadFlags(b, operands.rhsOverflow,
                                     panelCol(tile, b.add(col, b.i64(done)))));
  return b.ofAllLanes(both(isWhole, b.equal(flags, b.i32(0))));
}

void Storer::storeTile(const TileRows &tile, const Sums &sums, Value row, Value col) {
  // Rows of C lie where lanes can store chunks of them.
  const bool hasChunks = store.alignment % chunkBytes == 0;
  auto rowOf = [&](size_t fragment) { return b.add(row, b.i64(fragment * fragmentRows)); };
  auto storeAs = [&](StoreKind kind) {
    for (auto [i, fragment] : llvm::enumerate(sums))
      storeFragment(tile, fragment, {}, rowOf(i), col, kind);
  };
  auto finish = [&] {
    if (operands.sink) // much code, which is there once
      return storeAs(StoreKind::cut);
    SmallVector<FragmentExponents> exponents; // all at once, so that they are waited for once
    for (size_t i = 0; i < sums.size(); ++i)
      exponents.push_back(exponentsOf(tile, rowOf(i), col, 0, plan.width() / columnsOfLane));
    auto storeWhole = [&] {
      for (auto [i, fragment] : llvm::enumerate(sums))
        if (hasChunks)
          storeRows(tile, fragment, exponents[i], rowOf(i), col);
        else
          storeFragment(tile, fragment, exponents[i], rowOf(i), col, StoreKind::whole);
    };
    b.ifThen(isWhole(tile, exponents, row, col), storeWhole, [&] { storeAs(StoreKind::cut); });
  };
  b.ifThen(b.lessS(col, operands.n), [&] { // of a wide tile it may have no columns
    if (operands.partial)
      b.ifThen(operands.partial->isUsed, [&] { storeAs(StoreKind::partial); }, finish);
    else
      finish();
  });
}

} // namespace

void FragmentEpilogue::storeTile(const TileRows &rows, const Sums &sums, Value row,
                                 Value col) const {
  Storer(*this).storeTile(rows, sums, row, col);
}
