//===- Matmul.cpp - Panels to a product by wgmma --------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A ring of stages in shared memory, each with a barrier that says that its bytes have
// come (`full`) and one that says that both blocks have multiplied them (`empty`). The
// copying warpgroup runs ahead over the tiles, so the next tile's first stages come while
// this one's elements are stored.
//
// Finished elements go through shared memory, each warp's through its own, from where they are
// stored as whole runs of rows.
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/NVVM/Matmul.h"
#include "WarpgroupBuilder.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "quadrille/Target/TargetInfo.h"
#include <array>

using namespace mlir;
using namespace quadrille;
using namespace quadrille::nvvm;

namespace {

constexpr int64_t barrierBytes = 8, stepBytes = 2 * groupRows * chunkBytes;
constexpr int64_t groupBytes = groupRows * pieceBytes, chunkDistance = groupRows * chunkBytes;
/// A stage has one panel's piece of a side, then two of the other one: in a square tile the
/// single one is the block's own and the two are shared, in a wide one it is A's, which is shared.
constexpr int64_t piecesOfStage = 3, stageBytes = piecesOfStage * panelPieceBytes;
/// Behind the ring: a chunk of each row of a group, all zeros.
constexpr int64_t zerosBytes = groupRows * chunkBytes;

// What wgmma leaves: of every eight columns of 64 rows a lane has two, of rows lane / 4 and
// eight more. Four lanes exchange what they have of four times eight columns before they store.
constexpr unsigned fragmentRows = 64, sumsOfLane = 2, lanesOfRow = 4;
constexpr unsigned columnsOfLane = sumsOfLane * lanesOfRow; ///< that a lane stores
static_assert(columnsOfLane == storedColumns);
constexpr unsigned columnsAtOnce = columnsOfLane * lanesOfRow;
constexpr unsigned rowsOfLane = 2, rowsApart = 8, lanesOfWarp = 32, warpsOfWarpgroup = 4;

// A warp's rows on their way to C, behind the zeros: so many bytes of each, at a distance that
// has eight rows' chunks in different banks.
constexpr unsigned rowsOfWarp = fragmentRows / warpsOfWarpgroup;
constexpr int64_t stagedBytes = 256, stagedDistance = stagedBytes + chunkBytes;
constexpr int64_t stagingBytes = rowsOfWarp * stagedDistance; ///< of a warp

/// Of the block's copying warpgroup and of the others: together all that there are.
constexpr unsigned copyingRegisters = 40, multiplyingRegisters = 232;

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

class Emitter {
public:
  Emitter(OpBuilder &builder, Location loc, const TargetInfo &target, const WarpgroupPlan &plan,
          const WarpgroupOperands &operands, const MatmulStore &store)
      : b(builder, loc, sumsOfLane), target(target), plan(plan), operands(operands),
        store(store) {}

  void emit();

private:
  /// A position in the ring: how many stages were passed.
  struct Stage {
    Value address, full, empty, parity;
  };
  Stage stageAt(Value count);
  void initialize();

  /// Row of tiles and first column of the cluster's tile of that number.
  std::pair<Value, Value> originOf(Value tile);
  /// Over the tiles of this cluster, with the number of stages that were passed.
  void forEachTile(llvm::function_ref<Value(const TileRows &rows, Value col, Value count)> body);
  TileRows allRows(Value number);

  void copyTiles();
  void multiplyTiles();
  std::pair<Value, Value> placeInTile();
  using Sums = SmallVector<SmallVector<Value>>; ///< by fragment
  Sums multiplyTile(const TileRows &rows, Value count);
  SmallVector<Value> multiplyStage(const TileRows &rows, const Stage &stage, Value piece,
                                   ValueRange sums);
  SmallVector<Value> descriptors(const TileRows &rows, Value address, Value piece);
  void release(const Stage &stage);
  /// As they are, or finished: a tile whose columns are all there, without flags and with moderate
  /// exponents, needs no branches, which would wait for each operand by itself.
  enum class StoreKind { partial, whole, cut };
  void storeTile(const TileRows &rows, const Sums &sums, Value row, Value col);
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

  Value piece(Value panels, Value panel, Value pieces, Value number);
  Value ceilDiv(Value x, int64_t y) { return b.ceilDiv(x, y); }

  WarpgroupBuilder b;
  const TargetInfo &target;
  const WarpgroupPlan &plan;
  const WarpgroupOperands &operands;
  const MatmulStore &store;
  static constexpr int64_t ringBytes = WarpgroupPlan::stages * (stageBytes + 2 * barrierBytes);
  Value zerosAddress() { return b.add(shared, b.i32(ringBytes)); }
  Value stagingAddress() {
    Value warp = b.sub(b.divU(b.threadId(), b.i32(lanesOfWarp)), b.i32(warpsOfWarpgroup));
    return b.add(b.add(shared, b.i32(ringBytes + zerosBytes)), b.mul(warp, b.i32(stagingBytes)));
  }
  Value numTileRows() {
    return operands.tiles ? operands.tiles->count : ceilDiv(operands.m, plan.squareTile.rows);
  }
  /// By the tile's shape, of one type.
  Value byShape(Value ofSquare, Value ofWide) {
    return operands.isWide ? b.select(operands.isWide, ofWide, ofSquare) : ofSquare;
  }
  Value tileCols() { return byShape(b.i64(plan.squareTile.cols), b.i64(plan.wideTile.cols)); }
  Value numTileCols() {
    return b.divU(b.add(operands.n, b.sub(tileCols(), b.i64(1))), tileCols());
  }

  Value shared, rank, warpgroup, zero, one;
};

//===----------------------------------------------------------------------===//
// The ring
//===----------------------------------------------------------------------===//

Emitter::Stage Emitter::stageAt(Value count) {
  static_assert(llvm::isPowerOf2_32(WarpgroupPlan::stages));
  Value slot = b.bitAnd(count, b.i32(plan.stages - 1));
  Value barriers = b.add(shared, b.i32(plan.stages * stageBytes));
  Value full = b.add(barriers, b.mul(slot, b.i32(barrierBytes)));
  return {b.add(shared, b.mul(slot, b.i32(stageBytes))), full,
          b.add(full, b.i32(plan.stages * barrierBytes)),
          b.bitAnd(b.divU(count, b.i32(plan.stages)), one)};
}

/// Dynamic shared memory: static variables have at most 48 KiB.
Value sharedAddress(WarpgroupBuilder &b) {
  constexpr unsigned sharedSpace = 3, alignment = 128;
  constexpr StringLiteral name = "quadrille_dynamic_shared";
  auto module = b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(name)) {
    OpBuilder global = OpBuilder::atBlockBegin(module.getBody(), b.getListener());
    LLVM::GlobalOp::create(global, b.getLoc(), LLVM::LLVMArrayType::get(b.getI8Type(), 0),
                           /*isConstant=*/false, LLVM::Linkage::External, name,
                           /*value=*/Attribute(), alignment, sharedSpace);
  }
  Value pointer = LLVM::AddressOfOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), sharedSpace), name);
  return LLVM::PtrToIntOp::create(b, b.getI32Type(), pointer);
}

void Emitter::initialize() {
  shared = sharedAddress(b);
  zero = b.i32(0);
  one = b.i32(1);
  rank = b.rankInCluster();
  warpgroup = b.warpgroupId();
  b.ifThen(b.equal(b.threadId(), zero), [&] {
    for (unsigned i = 0; i < plan.stages; ++i) {
      Stage stage = stageAt(b.i32(i));
      b.initBarrier(stage.full, 1);
      b.initBarrier(stage.empty, plan.multiplyingWarpgroups * plan.blocksOfCluster);
    }
    b.publishBarriers();
    if (operands.tiles)
      b.storeZeros(zerosAddress(), zerosBytes);
  });
  b.syncCluster();
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

/// Bands of rows of tiles, column by column: what runs at once then shares what it reads.
std::pair<Value, Value> Emitter::originOf(Value tile) {
  constexpr int32_t bandRows = 8;
  Value rows = b.truncate(numTileRows());
  Value cols = b.truncate(numTileCols());
  Value perBand = b.mul(cols, b.i32(bandRows));
  Value firstRow = b.mul(b.divU(tile, perBand), b.i32(bandRows));
  Value height = b.minS(b.sub(rows, firstRow), b.i32(bandRows)), inBand = b.remU(tile, perBand);
  Value row = b.add(firstRow, b.remU(inBand, height)), col = b.divU(inBand, height);
  return {b.extend(row), b.mul(b.extend(col), tileCols())};
}

TileRows Emitter::allRows(Value number) {
  TileRows rows;
  rows.row = b.mul(number, b.i64(plan.squareTile.rows));
  rows.end = operands.m;
  rows.pieces = operands.lhsPieces;
  return rows;
}

void Emitter::forEachTile(llvm::function_ref<Value(const TileRows &, Value, Value)> body) {
  Value tiles = b.mul(numTileRows(), numTileCols());
  auto loop = scf::ForOp::create(b, b.clusterId(), b.truncate(tiles), b.numClusters(),
                                 ValueRange{zero});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  auto [row, col] = originOf(loop.getInductionVar());
  TileRows rows = operands.tiles ? operands.tiles->at(b, b.getLoc(), row) : allRows(row);
  scf::YieldOp::create(b, body(rows, col, loop.getRegionIterArg(0)));
}

//===----------------------------------------------------------------------===//
// Copying
//===----------------------------------------------------------------------===//

/// Piece `number` of a panel.
Value Emitter::piece(Value panels, Value panel, Value pieces, Value number) {
  return b.at(panels, b.mul(b.add(b.mul(panel, pieces), number), b.i64(panelPieceBytes)));
}

/// One thread's work. The last panel comes instead of those that there are not.
void Emitter::copyTiles() {
  Value lastLhs = b.sub(ceilDiv(operands.m, panelRows), b.i64(1));
  Value lastRhs = b.sub(ceilDiv(operands.n, panelRows), b.i64(1));
  auto panelOf = [&](Value first, Value number, Value last) {
    return b.minS(b.add(b.divU(first, b.i64(panelRows)), number), last);
  };
  auto plus = [&](Value x, Value y) { return y ? b.add(x, y) : x; };
  constexpr unsigned bothBlocks = (1 << WarpgroupPlan::blocksOfCluster) - 1;
  Value own = b.extend(rank), ofPair = b.mul(own, b.i64(2));
  forEachTile([&](const TileRows &rows, Value col, Value count) -> Value {
    Value lhs = panelOf(rows.row, byShape(own, b.i64(0)), lastLhs);
    Value rhs = plus(panelOf(col, byShape(own, ofPair), lastRhs), rows.rhsPanel);
    Value second = plus(panelOf(col, b.add(ofPair, b.i64(1)), lastRhs), rows.rhsPanel);
    return b.loop(b.i64(0), rows.pieces, 1, ValueRange{count},
                  [&](Value number, ValueRange carried) -> SmallVector<Value> {
      Stage stage = stageAt(carried[0]);
      b.wait(stage.empty, b.sub(one, stage.parity)); // at first passes
      b.expectBytes(stage.full, stageBytes);
      Value lhsPiece = piece(operands.lhsPanels, lhs, operands.lhsPieces,
                             plus(number, rows.lhsPiece));
      auto rhsPiece = [&](Value panel) {
        return piece(operands.rhsPanels, panel, operands.rhsPieces, plus(number, rows.rhsPiece));
      };
      auto copySquare = [&] {
        Value single = lhsPiece, shared = rhsPiece(rhs);
        if (plan.sharesLHS())
          std::swap(single, shared);
        Value half = b.mul(b.add(rank, one), b.i32(panelPieceBytes));
        b.copy(stage.address, single, panelPieceBytes, stage.full);
        b.copy(b.add(stage.address, half), shared, panelPieceBytes, stage.full, bothBlocks);
      };
      auto copyWide = [&] {
        Value half = b.mul(rank, b.i32(panelPieceBytes / 2));
        b.copy(b.add(stage.address, half), b.at(lhsPiece, b.extend(half)), panelPieceBytes / 2,
               stage.full, bothBlocks);
        b.copy(b.add(stage.address, b.i32(panelPieceBytes)), rhsPiece(rhs), panelPieceBytes,
               stage.full);
        b.copy(b.add(stage.address, b.i32(2 * panelPieceBytes)), rhsPiece(second),
               panelPieceBytes, stage.full);
      };
      if (operands.isWide)
        b.ifThen(operands.isWide, copyWide, copySquare);
      else
        copySquare();
      return {b.add(carried[0], one)};
    })[0];
  });
}

//===----------------------------------------------------------------------===//
// Multiplying
//===----------------------------------------------------------------------===//

/// One thread of the warpgroup for each block that copies into the stage.
void Emitter::release(const Stage &stage) {
  constexpr int32_t lastThread = 127;
  Value thread = b.bitAnd(b.threadId(), b.i32(lastThread));
  b.ifThen(b.lessS(thread, b.i32(plan.blocksOfCluster)), [&] { b.arrive(stage.empty, thread); });
}

/// Of the steps of a piece at `address`; of zeros for those that do not count.
SmallVector<Value> Emitter::descriptors(const TileRows &rows, Value address, Value piece) {
  Value first = b.descriptor(address, groupBytes, chunkDistance);
  SmallVector<Value> steps;
  for (int64_t i = 0; i < stepsOfPiece; ++i)
    steps.push_back(b.advance(first, i * stepBytes));
  if (!rows.beginStep)
    return steps;
  Value zeros = b.descriptor(zerosAddress(), 0, 0);
  Value number = b.mul(b.add(piece, rows.lhsPiece), b.i64(stepsOfPiece));
  for (auto [i, step] : llvm::enumerate(steps)) {
    Value own = b.add(number, b.i64(i));
    step = b.select(b.lessS(own, rows.beginStep), zeros, step);
    step = b.select(b.lessS(own, rows.endStep), step, zeros);
  }
  return steps;
}

/// The sums of all fragments plus a stage's products; with `promote` they are complete,
/// else those of the stage before are.
SmallVector<Value> Emitter::multiplyStage(const TileRows &rows, const Stage &stage, Value piece,
                                          ValueRange sums) {
  b.wait(stage.full, stage.parity);
  Value own = stage.address, both = b.add(own, b.i32(panelPieceBytes)); // one panel, and two
  Value number = b.sub(warpgroup, one);
  const WarpgroupOperandType &type = *lookupOperandType(plan.carrier);
  constexpr int32_t fragmentBytes = fragmentRows * pieceBytes;
  if (!plan.promote) {
    Value first = b.add(own, b.mul(number, b.i32(fragmentBytes)));
    SmallVector<Value> lhs = descriptors(rows, first, piece), rhs = descriptors(rows, both, piece);
    return b.multiply({type, plan.width(), /*accumulates=*/true, /*pending=*/1}, sums, lhs, rhs);
  }
  SmallVector<Value> result;
  // Warpgroups have a panel each of the pair, A's in a square tile and B's in a wide one.
  Value ofPair = b.add(both, b.mul(number, b.i32(panelPieceBytes)));
  Value first = byShape(ofPair, own);
  SmallVector<Value> rhs = descriptors(rows, byShape(own, ofPair), piece);
  for (unsigned i = 0; i < plan.fragments(); ++i) {
    SmallVector<Value> lhs = descriptors(rows, b.add(first, b.i32(i * fragmentBytes)), piece);
    SmallVector<Value> partial = b.multiply(
        {type, plan.width(), /*accumulates=*/false, /*pending=*/0}, {}, lhs, rhs);
    for (Value sum : partial)
      result.push_back(b.addF(sums[result.size()], sum));
  }
  return result;
}

Emitter::Sums Emitter::multiplyTile(const TileRows &rows, Value count) {
  unsigned numSums = plan.width() / 2;
  Value none = b.zero(plan.sumsIntegers() ? Type(b.getI32Type()) : b.getF32Type());
  SmallVector<Value> carried(plan.fragments() * numSums, none);
  carried = b.loop(b.i64(0), rows.pieces, 1, carried, [&](Value piece, ValueRange sums) {
    Value position = b.add(count, b.truncate(piece));
    SmallVector<Value> next = multiplyStage(rows, stageAt(position), piece, sums);
    if (plan.promote)
      release(stageAt(position));
    else
      b.ifThen(b.lessS(b.i64(0), piece), [&] { release(stageAt(b.sub(position, one))); });
    return next;
  });
  if (!plan.promote) {
    carried = b.waitForAll(carried);
    b.ifThen(b.lessS(b.i64(0), rows.pieces), [&] {
      release(stageAt(b.sub(b.add(count, b.truncate(rows.pieces)), one)));
    });
  }
  Sums sums;
  for (unsigned i = 0; i < plan.fragments(); ++i)
    sums.emplace_back(ArrayRef(carried).slice(i * numSums, numSums));
  return sums;
}

/// Where in the cluster's tile the warpgroup's sums are.
std::pair<Value, Value> Emitter::placeInTile() {
  Value block = b.extend(rank), number = b.extend(b.sub(warpgroup, one)), none = b.i64(0);
  auto times = [&](Value x, int64_t y) { return b.mul(x, b.i64(y)); };
  constexpr int64_t colsOfBlock = WarpgroupPlan::wideTile.cols / WarpgroupPlan::blocksOfCluster;
  if (plan.sharesLHS()) // warpgroups have panels of rows, or of columns
    return {byShape(times(number, panelRows), none),
            byShape(times(block, panelRows),
                    b.add(times(block, colsOfBlock), times(number, panelRows)))};
  Value row = times(number, fragmentRows);
  return {b.add(row, byShape(times(block, panelRows), none)),
          byShape(none, times(block, colsOfBlock))};
}

void Emitter::multiplyTiles() {
  auto [row, col] = placeInTile();
  forEachTile([&, row = row, col = col](const TileRows &rows, Value first, Value count) -> Value {
    storeTile(rows, multiplyTile(rows, count), b.add(rows.row, row), b.add(first, col));
    return b.add(count, b.truncate(rows.pieces));
  });
}

//===----------------------------------------------------------------------===//
// Storing
//===----------------------------------------------------------------------===//

Value powerOf(WarpgroupBuilder &b, Value exponents) {
  constexpr int32_t bias = 127, mantissaBits = 23;
  auto constant = [&](int32_t value) {
    return isa<VectorType>(exponents.getType()) ? b.i32s(value) : b.i32(value);
  };
  Value bits = b.add(b.shl(exponents, constant(mantissaBits)), constant(bias << mantissaBits));
  Type type = b.getF32Type();
  return b.bitcast(isa<VectorType>(exponents.getType()) ? Type(b.f32s()) : type, bits);
}

Exponents Emitter::loadExponents(Value buffer, Value position, Type type, unsigned alignment) {
  Value address = b.at(buffer, b.mul(position, b.i64(sizeof(int32_t))));
  Value exponents = b.load(type, address, alignment);
  // Products of carriers lie within 2^+-32, so a moderate power neither overflows nor
  // makes subnormal what a second one does not.
  constexpr int32_t most = 64;
  SmallVector<Value> each{exponents};
  if (isa<VectorType>(type))
    each = {vector::ExtractOp::create(b, exponents, 0), vector::ExtractOp::create(b, exponents, 1)};
  Value beyond = zero;
  for (Value one : each)
    beyond = b.bitOr(beyond, b.add(one, b.i32(most)));
  return {exponents, powerOf(b, exponents), b.equal(b.bitAnd(beyond, b.i32(-2 * most)), zero)};
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

FragmentExponents Emitter::exponentsOf(const TileRows &tile, Value row, Value col, unsigned first,
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
void Emitter::undoExponents(MutableArrayRef<Value> sums, ArrayRef<Exponents> rows,
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
void Emitter::finishElements(const TileRows &rows, MatmulElements elements,
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
void Emitter::storeWords(const TileRows &rows, ValueRange words, MatmulElements elements,
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

void Emitter::appendValues(ValueRange words, SmallVectorImpl<Value> &values) {
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

void Emitter::storePartial(const TileRows &rows, Value pair, Value row, Value col) {
  constexpr int64_t bytes = sizeof(float);
  Value index = b.add(b.mul(resultRow(rows, row), operands.partial->stride), col);
  b.store(pair, b.at(operands.partial->sums, b.mul(index, b.i64(bytes))), sumsOfLane * bytes);
}

Value Emitter::isFull(StoreKind kind, Value col, unsigned count) {
  if (kind == StoreKind::whole)
    return b.constant(true);
  return b.lessS(b.add(col, b.i64(count - 1)), operands.n);
}

SmallVector<Value> Emitter::rowsOf(Value row) {
  Value first = b.extend(b.add(warpRow(), b.divU(lane(), b.i32(lanesOfRow))));
  SmallVector<Value> rows;
  for (unsigned i = 0; i < rowsOfLane; ++i)
    rows.push_back(b.add(row, b.add(first, b.i64(i * rowsApart))));
  return rows;
}

Value Emitter::pairCol(Value col, unsigned number) {
  Value pair = b.mul(b.bitAnd(lane(), b.i32(lanesOfRow - 1)), b.i32(sumsOfLane));
  return b.add(b.add(col, b.i64(number * columnsOfLane)), b.extend(pair));
}

Emitter::RowWords Emitter::finishColumns(const TileRows &tile, ValueRange sums,
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

void Emitter::storeFragment(const TileRows &tile, ValueRange sums,
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
void Emitter::stage(const RowWords &words, unsigned column) {
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
void Emitter::storeStaged(const TileRows &tile, Value row, Value col) {
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

void Emitter::storeRows(const TileRows &tile, ValueRange sums, const FragmentExponents &exponents,
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
Value Emitter::isWhole(const TileRows &tile, ArrayRef<FragmentExponents> exponents, Value row,
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
  return b.ofAllLanes(both(isWhole, b.equal(flags, zero)));
}

void Emitter::storeTile(const TileRows &tile, const Sums &sums, Value row, Value col) {
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

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

void Emitter::emit() {
  initialize();
  auto copies = scf::IfOp::create(b, b.equal(warpgroup, zero), /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(copies.thenBlock());
    b.setMaxRegisters(copyingRegisters, /*increase=*/false);
    b.ifThen(b.equal(b.threadId(), zero), [&] { copyTiles(); });
    b.setInsertionPointToStart(copies.elseBlock());
    b.setMaxRegisters(multiplyingRegisters, /*increase=*/true);
    multiplyTiles();
  }
  // No block goes while the other may still arrive at its barriers.
  b.syncCluster();
}

} // namespace

std::optional<WarpgroupPlan> WarpgroupPlan::get(StringRef carrier, bool promote) {
  const WarpgroupOperandType *type = lookupOperandType(carrier);
  if (!type)
    return std::nullopt;
  return WarpgroupPlan{carrier.str(), type->bytes, promote};
}

bool WarpgroupPlan::sumsIntegers() const { return lookupOperandType(carrier)->sum == "s32"; }

Value nvvm::loadFlags(VectorBuilder &b, Value words, Value row) {
  Value panel = b.divU(row, b.i64(panelRows)); // the next may be beyond, unused
  return b.load(b.getI32Type(), b.at(words, b.mul(panel, b.i64(sizeof(int32_t)))),
                sizeof(int32_t));
}

Value nvvm::isFlagged(VectorBuilder &b, Value lhsWord, Value rhsWord, Value row, Value col,
                      unsigned columns) {
  auto i32 = [&](int64_t value) {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(value));
  };
  auto bits = [&](Value word, Value position, int64_t count) {
    Value inPanel = b.bitAnd(position, b.i64(panelRows - 1));
    Value bit = arith::TruncIOp::create(b, b.getI32Type(), b.divU(inPanel, b.i64(flagRows)));
    return b.bitAnd(b.shrU(word, bit), i32((int64_t(1) << count) - 1));
  };
  Value any = b.bitOr(bits(lhsWord, row, 1), bits(rhsWord, col, columns / flagRows));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, any, i32(0));
}

int64_t WarpgroupPlan::sharedBytes() const {
  return stages * (stageBytes + 2 * barrierBytes) + zerosBytes +
         multiplyingWarpgroups * warpsOfWarpgroup * stagingBytes;
}

void nvvm::emitMatmul(OpBuilder &builder, Location loc, const TargetInfo &target,
                      const WarpgroupPlan &plan, const WarpgroupOperands &operands,
                      const MatmulStore &store) {
  Emitter(builder, loc, target, plan, operands, store).emit();
}
