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
#include "WarpgroupBuilder.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "quadrille/Target/TargetInfo.h"

using namespace mlir;
using namespace quadrille;
using namespace quadrille::nvvm;

namespace {

constexpr int64_t barrierBytes = 8, stepBytes = 2 * groupRows * chunkBytes;
constexpr int64_t groupBytes = groupRows * pieceBytes, chunkDistance = groupRows * chunkBytes;
constexpr unsigned stepsOfPiece = pieceBytes / (2 * chunkBytes);
/// A stage has one panel's piece of the own side, then two of the shared one.
constexpr int64_t piecesOfStage = 3, stageBytes = piecesOfStage * panelPieceBytes;
constexpr unsigned fragmentRows = 64, elementsOfVector = 8;

/// Of the block's copying warpgroup and of the others: together all that there are.
constexpr unsigned copyingRegisters = 40, multiplyingRegisters = 232;

class Emitter {
public:
  Emitter(OpBuilder &builder, Location loc, const TargetInfo &target, const WarpgroupPlan &plan,
          const WarpgroupOperands &operands, host::MatmulEpilogue epilogue)
      : b(builder, loc, elementsOfVector), target(target), plan(plan), operands(operands),
        epilogue(epilogue) {}

  void emit();

private:
  /// A position in the ring: how many stages were passed.
  struct Stage {
    Value address, full, empty, parity;
  };
  Stage stageAt(Value count);
  void initialize();

  /// First row and column of the cluster's tile of that number.
  std::pair<Value, Value> originOf(Value tile);
  /// Over the tiles of this cluster, with the number of stages that were passed.
  void forEachTile(llvm::function_ref<Value(Value row, Value col, Value count)> body);

  void copyTiles();
  void multiplyTiles();
  using Sums = SmallVector<SmallVector<Value>>; ///< by fragment
  Sums multiplyTile(Value count);
  SmallVector<Value> multiplyStage(const Stage &stage, ValueRange sums);
  void release(const Stage &stage);
  void storeTile(const Sums &sums, Value row, Value col);
  void storeFragment(ValueRange sums, Value row, Value col);
  void storeElements(host::MatmulElements elements, Value isStored);
  Value undoExponents(Value elements, Value row, Value col);
  /// Whether what the panels of row and col make is to be stored.
  Value isExact(Value row, Value col);

  Value piece(Value panels, Value panel, Value numPanels, Value number);
  Value ceilDiv(Value x, int64_t y) { return b.ceilDiv(x, y); }

  WarpgroupBuilder b;
  const TargetInfo &target;
  const WarpgroupPlan &plan;
  const WarpgroupOperands &operands;
  host::MatmulEpilogue epilogue;
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
  });
  b.syncCluster();
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

/// Bands of rows of tiles, column by column: what runs at once then shares what it reads.
std::pair<Value, Value> Emitter::originOf(Value tile) {
  constexpr int32_t bandRows = 8;
  Value rows = b.truncate(ceilDiv(operands.m, plan.clusterTile));
  Value cols = b.truncate(ceilDiv(operands.n, plan.clusterTile));
  Value perBand = b.mul(cols, b.i32(bandRows));
  Value firstRow = b.mul(b.divU(tile, perBand), b.i32(bandRows));
  Value height = b.minS(b.sub(rows, firstRow), b.i32(bandRows)), inBand = b.remU(tile, perBand);
  Value row = b.add(firstRow, b.remU(inBand, height)), col = b.divU(inBand, height);
  auto origin = [&](Value number) { return b.mul(b.extend(number), b.i64(plan.clusterTile)); };
  return {origin(row), origin(col)};
}

void Emitter::forEachTile(llvm::function_ref<Value(Value, Value, Value)> body) {
  Value tiles = b.mul(ceilDiv(operands.m, plan.clusterTile), ceilDiv(operands.n, plan.clusterTile));
  auto loop = scf::ForOp::create(b, b.clusterId(), b.truncate(tiles), b.numClusters(),
                                 ValueRange{zero});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  auto [row, col] = originOf(loop.getInductionVar());
  scf::YieldOp::create(b, body(row, col, loop.getRegionIterArg(0)));
}

//===----------------------------------------------------------------------===//
// Copying
//===----------------------------------------------------------------------===//

/// Piece `number` of a panel; of the last one instead of those that there are not.
Value Emitter::piece(Value panels, Value panel, Value numPanels, Value number) {
  Value last = b.sub(numPanels, b.i64(1));
  Value index = b.add(b.mul(b.minS(panel, last), operands.pieces), number);
  return b.at(panels, b.mul(index, b.i64(panelPieceBytes)));
}

/// One thread's work.
void Emitter::copyTiles() {
  Value lhsPanels = ceilDiv(operands.m, panelRows), rhsPanels = ceilDiv(operands.n, panelRows);
  forEachTile([&](Value row, Value col, Value count) -> Value {
    Value lhs = b.add(b.divU(row, b.i64(panelRows)), b.extend(rank));
    Value rhs = b.add(b.divU(col, b.i64(panelRows)), b.extend(rank));
    return b.loop(b.i64(0), operands.pieces, 1, ValueRange{count},
                  [&](Value number, ValueRange carried) -> SmallVector<Value> {
      Stage stage = stageAt(carried[0]);
      b.wait(stage.empty, b.sub(one, stage.parity)); // at first passes
      b.expectBytes(stage.full, stageBytes);
      Value lhsPiece = piece(operands.lhsPanels, lhs, lhsPanels, number);
      Value rhsPiece = piece(operands.rhsPanels, rhs, rhsPanels, number);
      if (plan.sharesLHS())
        std::swap(lhsPiece, rhsPiece);
      constexpr unsigned bothBlocks = (1 << WarpgroupPlan::blocksOfCluster) - 1;
      Value half = b.mul(b.add(rank, one), b.i32(panelPieceBytes));
      b.copy(stage.address, lhsPiece, panelPieceBytes, stage.full);
      b.copy(b.add(stage.address, half), rhsPiece, panelPieceBytes, stage.full, bothBlocks);
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

/// The sums of all fragments plus a stage's products; with `promote` they are complete,
/// else those of the stage before are.
SmallVector<Value> Emitter::multiplyStage(const Stage &stage, ValueRange sums) {
  b.wait(stage.full, stage.parity);
  Value own = stage.address, both = b.add(own, b.i32(panelPieceBytes));
  Value number = b.sub(warpgroup, one);
  const WarpgroupOperandType &type = *lookupOperandType(plan.carrier);
  auto descriptor = [&](Value address) {
    return b.descriptor(address, groupBytes, chunkDistance);
  };
  constexpr int32_t fragmentBytes = fragmentRows * pieceBytes;
  if (!plan.promote) {
    Value lhs = b.add(own, b.mul(number, b.i32(fragmentBytes)));
    return b.multiply({type, plan.width(), /*accumulates=*/true, /*pending=*/1}, sums,
                      descriptor(lhs), descriptor(both), stepsOfPiece, stepBytes);
  }
  SmallVector<Value> result;
  Value lhs = b.add(both, b.mul(number, b.i32(panelPieceBytes)));
  for (unsigned i = 0; i < plan.fragments(); ++i) {
    SmallVector<Value> partial = b.multiply(
        {type, plan.width(), /*accumulates=*/false, /*pending=*/0}, {},
        descriptor(b.add(lhs, b.i32(i * fragmentBytes))), descriptor(own), stepsOfPiece,
        stepBytes);
    for (Value sum : partial)
      result.push_back(b.addF(sums[result.size()], sum));
  }
  return result;
}

Emitter::Sums Emitter::multiplyTile(Value count) {
  unsigned numSums = plan.width() / 2;
  bool isInteger = lookupOperandType(plan.carrier)->sum == "s32";
  Value none = b.zero(isInteger ? Type(b.getI32Type()) : b.getF32Type());
  SmallVector<Value> carried(plan.fragments() * numSums, none);
  carried = b.loop(b.i64(0), operands.pieces, 1, carried, [&](Value piece, ValueRange sums) {
    Value position = b.add(count, b.truncate(piece));
    SmallVector<Value> next = multiplyStage(stageAt(position), sums);
    if (plan.promote)
      release(stageAt(position));
    else
      b.ifThen(b.lessS(b.i64(0), piece), [&] { release(stageAt(b.sub(position, one))); });
    return next;
  });
  if (!plan.promote) {
    carried = b.waitForAll(carried);
    b.ifThen(b.lessS(b.i64(0), operands.pieces), [&] {
      release(stageAt(b.sub(b.add(count, b.truncate(operands.pieces)), one)));
    });
  }
  Sums sums;
  for (unsigned i = 0; i < plan.fragments(); ++i)
    sums.emplace_back(ArrayRef(carried).slice(i * numSums, numSums));
  return sums;
}

void Emitter::multiplyTiles() {
  forEachTile([&](Value row, Value col, Value count) -> Value {
    Value own = b.mul(b.extend(rank), b.i64(panelRows));
    Sums sums = multiplyTile(count);
    int64_t rowsOfWarpgroup = plan.fragments() * fragmentRows;
    Value first = b.mul(b.extend(b.sub(warpgroup, one)), b.i64(rowsOfWarpgroup));
    Value tileRow = b.add(row, first), tileCol = col;
    (plan.sharesLHS() ? tileCol : tileRow) = b.add(plan.sharesLHS() ? tileCol : tileRow, own);
    storeTile(sums, tileRow, tileCol);
    return b.add(count, b.truncate(operands.pieces));
  });
}

//===----------------------------------------------------------------------===//
// Storing
//===----------------------------------------------------------------------===//

/// Times 2^exponent, at most 252. Carriers with exponents hold at most 2^16: what a smaller
/// exponent than -252 leaves is zero anyway.
Value scaleByPower(WarpgroupBuilder &b, Value elements, Value exponent) {
  constexpr int32_t least = -252, bias = 127, mantissaBits = 23;
  exponent = arith::MaxSIOp::create(b, exponent, b.i32s(least));
  Value half = arith::ShRSIOp::create(b, exponent, b.i32s(1));
  for (Value part : {half, b.sub(exponent, half)}) {
    Value power = b.add(b.shl(part, b.i32s(mantissaBits)), b.i32s(bias << mantissaBits));
    elements = b.mulF(elements, b.bitcast(b.f32s(), power));
  }
  return elements;
}

Value Emitter::undoExponents(Value elements, Value row, Value col) {
  if (!operands.rowExponents)
    return elements;
  auto load = [&](Type type, Value exponents, Value position, unsigned alignment) {
    return b.load(type, b.at(exponents, b.mul(position, b.i64(sizeof(int32_t)))), alignment);
  };
  Value ofRow = load(b.getI32Type(), operands.rowExponents, row, sizeof(int32_t));
  constexpr unsigned widestAccess = 16;
  Value ofCols = load(b.i32s(), operands.colExponents, col, widestAccess);
  return scaleByPower(b, elements, b.add(ofCols, ofRow));
}

Value Emitter::isExact(Value row, Value col) {
  if (!operands.lhsOverflow)
    return arith::ConstantOp::create(b, b.getBoolAttr(true));
  auto load = [&](Value flags, Value position) {
    Value panel = b.divU(position, b.i64(panelRows)); // the next may be beyond, unused
    return b.load(b.getI32Type(), b.at(flags, b.mul(panel, b.i64(sizeof(int32_t)))),
                  sizeof(int32_t));
  };
  return b.equal(b.bitOr(load(operands.lhsOverflow, row), load(operands.rhsOverflow, col)), zero);
}

/// `block` is two sums of each of `lanes` times eight columns: lanes exchange them such that
/// each has all of its own eight.
void exchangeColumns(WarpgroupBuilder &b, const TargetInfo &target, MutableArrayRef<Value> block,
                     unsigned lanes) {
  constexpr unsigned perLane = 2;
  for (unsigned bit = 0; (1u << bit) < lanes; ++bit)
    for (unsigned i = 0; i < lanes; ++i)
      for (unsigned j = 0; j < perLane && !(i >> bit & 1); ++j) {
        Value &low = block[i * perLane + j], &high = block[(i | 1 << bit) * perLane + j];
        std::tie(low, high) = target.swapRegisterAndLane(b, b.getLoc(), low, high, bit);
      }
}

/// What wgmma leaves: of every eight columns a lane has two, of rows lane / 4 and eight more.
void Emitter::storeFragment(ValueRange sums, Value row, Value col) {
  constexpr unsigned lanesOfRow = 4, rowsApart = 8, perLane = 2, lanes = 32, warps = 4;
  Value lane = b.bitAnd(b.threadId(), b.i32(lanes - 1));
  Value warp = b.bitAnd(b.divU(b.threadId(), b.i32(lanes)), b.i32(warps - 1));
  Value rowOfLane = b.add(b.mul(warp, b.i32(fragmentRows / warps)), b.divU(lane, b.i32(lanesOfRow)));
  Value colOfLane = b.mul(b.bitAnd(lane, b.i32(lanesOfRow - 1)), b.i32(elementsOfVector));
  constexpr unsigned columnsAtOnce = lanesOfRow * elementsOfVector;
  Value isStored;
  for (unsigned first = 0; first < plan.width(); first += columnsAtOnce) {
    Value firstCol = b.add(col, b.i64(first));
    if (first % panelRows == 0)
      isStored = isExact(row, firstCol);
    for (unsigned lower = 0; lower < 2; ++lower) {
      SmallVector<Value> block;
      for (unsigned i = 0; i < lanesOfRow; ++i)
        for (unsigned j = 0; j < perLane; ++j)
          block.push_back(sums[(first / elementsOfVector + i) * 2 * perLane + lower * perLane + j]);
      exchangeColumns(b, target, block, lanesOfRow);
      host::MatmulElements elements;
      elements.acc = vector::FromElementsOp::create(b, b.vec(block[0].getType()), block);
      elements.row = b.add(row, b.add(b.extend(rowOfLane), b.i64(lower * rowsApart)));
      elements.col = b.add(firstCol, b.extend(colOfLane));
      storeElements(elements, isStored);
    }
  }
}

void Emitter::storeElements(host::MatmulElements elements, Value isStored) {
  auto both = [&](Value x, Value y) -> Value { return arith::AndIOp::create(b, x, y); };
  elements.end = operands.n;
  elements.isFull = b.lessS(b.add(elements.col, b.i64(elementsOfVector - 1)), operands.n);
  Value isInside = both(b.lessS(elements.row, operands.m), b.lessS(elements.col, operands.n));
  b.ifThen(both(isInside, isStored), [&] {
    if (cast<VectorType>(elements.acc.getType()).getElementType().isInteger())
      elements.acc = arith::SIToFPOp::create(b, b.f32s(), elements.acc);
    elements.acc = undoExponents(elements.acc, elements.row, elements.col);
    epilogue(b, b.getLoc(), elements);
  });
}

void Emitter::storeTile(const Sums &sums, Value row, Value col) {
  for (auto [i, fragment] : llvm::enumerate(sums))
    storeFragment(fragment, b.add(row, b.i64(i * fragmentRows)), col);
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

int64_t WarpgroupPlan::sharedBytes() const {
  return stages * (stageBytes + 2 * barrierBytes);
}

void nvvm::emitMatmul(OpBuilder &builder, Location loc, const TargetInfo &target,
                      const WarpgroupPlan &plan, const WarpgroupOperands &operands,
                      host::MatmulEpilogue epilogue) {
  Emitter(builder, loc, target, plan, operands, epilogue).emit();
}
