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
//===----------------------------------------------------------------------===//
#include "quadrille/Target/NVVM/Matmul.h"
#include "FragmentEpilogue.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "quadrille/Target/TargetInfo.h"

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

/// Of the block's copying warpgroup and of the others: together all that there are.
constexpr unsigned copyingRegisters = 40, multiplyingRegisters = 232;

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
  using Sums = FragmentEpilogue::Sums;
  Sums multiplyTile(const TileRows &rows, Value count);
  SmallVector<Value> multiplyStage(const TileRows &rows, const Stage &stage, Value piece,
                                   ValueRange sums);
  SmallVector<Value> descriptors(const TileRows &rows, Value address, Value piece);
  void release(const Stage &stage);

  Value piece(Value panels, Value panel, Value pieces, Value number);
  Value ceilDiv(Value x, int64_t y) { return b.ceilDiv(x, y); }

  WarpgroupBuilder b;
  const TargetInfo &target;
  const WarpgroupPlan &plan;
  const WarpgroupOperands &operands;
  const MatmulStore &store;
  static constexpr int64_t ringBytes = WarpgroupPlan::stages * (stageBytes + 2 * barrierBytes);
  Value zerosAddress() { return b.add(shared, b.i32(ringBytes)); }
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
  FragmentEpilogue epilogue{b,        target, plan,
                            operands, store,  b.add(shared, b.i32(ringBytes + zerosBytes))};
  forEachTile([&, row = row, col = col](const TileRows &rows, Value first, Value count) -> Value {
    epilogue.storeTile(rows, multiplyTile(rows, count), b.add(rows.row, row), b.add(first, col));
    return b.add(count, b.truncate(rows.pieces));
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
         multiplyingWarpgroups * FragmentEpilogue::bytesOfWarpgroup;
}

void nvvm::emitMatmul(OpBuilder &builder, Location loc, const TargetInfo &target,
                      const WarpgroupPlan &plan, const WarpgroupOperands &operands,
                      const MatmulStore &store) {
  Emitter(builder, loc, target, plan, operands, store).emit();
}
