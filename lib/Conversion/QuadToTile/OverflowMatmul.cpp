//===- OverflowMatmul.cpp - What an 8-bit carrier cannot multiply -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows whose exponents differ by more than a carrier holds are found out on the device: a
// launch whose blocks mostly see no flag and end. Training steps have some, so blocks that do
// see one have to be fast too.
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"
#include "MatmulKernel.h"
#include "WarpgroupGroups.h"
#include "quadrille/Target/VectorBuilder.h"

using namespace mlir;

namespace quadrille {
namespace {

// A lane makes eight columns of a row, from every eighth block of the contraction.
constexpr unsigned columnsOfLane = nvvm::storedColumns, partsOfSum = 8;

/// A packed operand as a kernel reads it.
struct PackedRows {
  Value codes, scales, rows, length;
  ArrayRef<float> grid;
};

/// What a block makes: a panel of rows of C by one of columns.
struct Stretch {
  Value row, begin, end, result; ///< as of nvvm::TileRows
  Value col;                     ///< of C
  Value rhsPanel, rhsRow;        ///< rhs' panel, and its first row as stored
  Value k, kEnd, rhsK;           ///< the part of the contraction, and where rhs has it
};

class OverflowEmitter {
public:
  OverflowEmitter(KernelBuilder &kernel, const MatmulRequest &request,
                  const OverflowRequest &overflow)
      : kernel(kernel), b(kernel.body, kernel.loc, columnsOfLane), overflow(overflow) {
    quad::MatmulOp op = request.op;
    formats[0] = formatOf(op.getLhs());
    formats[1] = formatOf(op.getRhs());
    lhs = pass(overflow.lhs, *formats[0]);
    rhs = pass(overflow.rhs, *formats[1]);
    cols = kernel.pass(request.result.sizes[1]);
    block = formats[0]->levels.front().block.cols;
  }

  void emit(const MatmulStore &store);
  ArrayRef<std::optional<Format>> operandFormats() const { return formats; }

private:
  PackedRows pass(const ScheduledTensor &tensor, const Format &format) {
    return {kernel.pass(tensor.codes), kernel.pass(tensor.scales.front()),
            kernel.pass(tensor.rows), kernel.pass(tensor.length), format.grid.values};
  }
  Value i32(int64_t value) {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(value));
  }
  Value flagsOf(Value words, Value panel) {
    return nvvm::loadFlags(b, kernel.pass(words), b.mul(panel, b.i64(panelRows)));
  }
  Value extend(Value value) { return arith::ExtUIOp::create(b, b.getI64Type(), value); }
  /// Of flags, for a panel of either side.
  struct Words {
    Value lhs, rhs;
  };
  void emitRow(const Stretch &stretch, Value row, Value inPanel, const Words &flags,
               const MatmulStore &store);
  Stretch stretchOf(Value panelOfRows, Value panelOfCols);
  Stretch stretchOfGroup(Value panelOfRows, Value panelOfCols);
  Value dotOf(const Stretch &stretch, Value row, Value col, Value part);
  /// Of a row.
  unsigned columnsOfWarp() const { return kernel.target.getLanes() / partsOfSum * columnsOfLane; }
  Value wordAt(const PackedRows &operand, Value row, Value k);
  Value scaleAt(const PackedRows &operand, Value row, Value blockNumber);
  SmallVector<Value> sumBlock(Value row, ValueRange cols, Value k, Value rhsK);

  KernelBuilder &kernel;
  VectorBuilder b;
  const OverflowRequest &overflow;
  std::optional<Format> formats[2];
  PackedRows lhs, rhs;
  Value cols;
  int64_t block;
};

/// Eight codes of a row, from element k on.
Value OverflowEmitter::wordAt(const PackedRows &operand, Value row, Value k) {
  Value bytes = b.divU(b.add(b.mul(row, operand.length), k), b.i64(2));
  return b.load(b.getI32Type(), b.at(operand.codes, bytes), sizeof(int32_t));
}

Value OverflowEmitter::scaleAt(const PackedRows &operand, Value row, Value blockNumber) {
  constexpr int32_t nanBits = 0xff, subnormal = 1 << 22, mantissaBits = 23;
  Value perRow = b.divU(operand.length, b.i64(block));
  Value byte = b.load(b.getI8Type(), b.at(operand.scales, b.add(b.mul(row, perRow), blockNumber)));
  Value code = arith::ExtUIOp::create(b, b.getI32Type(), byte);
  // The exponent's field as it is, but for 2^-127 and NaN.
  Value bits = b.select(b.equal(code, i32(0)), i32(subnormal), b.shl(code, i32(mantissaBits)));
  bits = b.select(b.equal(code, i32(nanBits)), i32(0x7fc00000), bits);
  return arith::BitcastOp::create(b, b.getF32Type(), bits);
}

/// The sums of products of codes of the block from element k on, for each row of rhs.
SmallVector<Value> OverflowEmitter::sumBlock(Value row, ValueRange rhsRows, Value k, Value rhsK) {
  Value none = b.zero(b.getF32Type());
  auto value = [&](const PackedRows &operand, Value word, unsigned i) {
    Value code = b.bitAnd(b.shrU(word, i32(4 * i)), i32(15));
    return kernel.target.lookup(b, b.getLoc(), operand.grid, code);
  };
  return b.loop(b.i64(0), b.i64(block), codesPerWord, SmallVector<Value>(rhsRows.size(), none),
                [&](Value position, ValueRange sums) {
    Value lhsWord = wordAt(lhs, row, b.add(k, position));
    SmallVector<Value> next(sums), lhsValues;
    for (unsigned i = 0; i < codesPerWord; ++i)
      lhsValues.push_back(value(lhs, lhsWord, i));
    for (auto [sum, rhsRow] : llvm::zip_equal(next, rhsRows)) {
      Value rhsWord = wordAt(rhs, rhsRow, b.add(rhsK, position));
      for (unsigned i = 0; i < codesPerWord; ++i)
        sum = b.addF(sum, b.mulF(lhsValues[i], value(rhs, rhsWord, i)));
    }
    return next;
  });
}

/// Elements (row, col) .. (row, col + 7), of the stretch, of which a lane sums a part; a column
/// that there is not repeats the last.
Value OverflowEmitter::dotOf(const Stretch &stretch, Value row, Value col, Value part) {
  SmallVector<Value> rhsRows;
  for (unsigned i = 0; i < columnsOfLane; ++i)
    rhsRows.push_back(b.minS(b.add(b.add(stretch.rhsRow, col), b.i64(i)),
                             b.sub(rhs.rows, b.i64(1))));
  SmallVector<Value> sums(columnsOfLane, b.zero(b.getF32Type()));
  Value first = b.add(stretch.k, b.mul(part, b.i64(block)));
  sums = b.loop(first, stretch.kEnd, partsOfSum * block, sums, [&](Value k, ValueRange carried) {
    Value rhsK = b.add(stretch.rhsK, b.sub(k, stretch.k));
    SmallVector<Value> next(carried), products = sumBlock(row, rhsRows, k, rhsK);
    Value scale = scaleAt(lhs, row, b.divU(k, b.i64(block)));
    for (unsigned i = 0; i < columnsOfLane; ++i) {
      Value scaled = b.mulF(b.mulF(products[i], scale),
                            scaleAt(rhs, rhsRows[i], b.divU(rhsK, b.i64(block))));
      next[i] = b.addF(next[i], scaled);
    }
    return next;
  });
  for (Value &sum : sums)
    for (unsigned bit = 0; (1u << bit) < partsOfSum; ++bit)
      sum = b.addF(sum, kernel.target.exchange(b, b.getLoc(), sum, bit));
  return vector::FromElementsOp::create(b, b.f32s(), sums);
}

Stretch OverflowEmitter::stretchOf(Value panelOfRows, Value panelOfCols) {
  if (overflow.groups)
    return stretchOfGroup(panelOfRows, panelOfCols);
  Value zero = b.i64(0), size = b.i64(panelRows);
  Value col = b.mul(panelOfCols, size);
  return {b.mul(panelOfRows, size), zero, lhs.rows, zero, col,
          panelOfCols, col, zero, lhs.length, zero};
}

Stretch OverflowEmitter::stretchOfGroup(Value panelOfRows, Value panelOfCols) {
  Value panels = kernel.pass(kernel.schedule.div(overflow.groups->tileRows(), panelRows));
  Value number = b.divU(panelOfRows, panels);
  Value inTile = arith::RemUIOp::create(b, panelOfRows, panels);
  nvvm::TileRows rows = overflow.groups->tilesOfRows(kernel).at(b, b.getLoc(), number);
  auto orZero = [&](Value value) { return value ? value : b.i64(0); };
  const int64_t kBlock = overflow.elementsOfPiece, step = kBlock / nvvm::stepsOfPiece;
  Stretch stretch;
  stretch.row = b.add(rows.row, b.mul(inTile, b.i64(panelRows)));
  stretch.begin = orZero(rows.begin);
  stretch.end = rows.end;
  stretch.result = orZero(rows.result);
  stretch.col = b.mul(panelOfCols, b.i64(panelRows));
  stretch.rhsPanel = b.add(orZero(rows.rhsPanel), panelOfCols);
  stretch.rhsRow = overflow.groups->storedRow(kernel, stretch.rhsPanel);
  stretch.k = rows.beginStep ? b.mul(rows.beginStep, b.i64(step)) : b.i64(0);
  stretch.kEnd = rows.endStep ? b.mul(rows.endStep, b.i64(step))
                              : b.minS(b.mul(rows.pieces, b.i64(kBlock)), lhs.length);
  stretch.rhsK = rows.beginStep ? stretch.k : b.mul(orZero(rows.rhsPiece), b.i64(kBlock));
  return stretch;
}

/// Columns `inPanel` .. of a row, if one of them is flagged.
void OverflowEmitter::emitRow(const Stretch &stretch, Value row, Value inPanel, const Words &flags,
                              const MatmulStore &store) {
  Value isRow = b.bitAnd(b.lessS(row, stretch.end), b.lessS(b.sub(stretch.begin, b.i64(1)), row));
  Value isSome = nvvm::isFlagged(b, flags.lhs, flags.rhs, row, inPanel, columnsOfWarp());
  auto some = scf::IfOp::create(b, b.bitAnd(isRow, isSome), /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(some.thenBlock());
  Value lane = extend(kernel.target.laneId(b, b.getLoc())), parts = b.i64(partsOfSum);
  Value own = b.add(inPanel, b.mul(b.divU(lane, parts), b.i64(columnsOfLane)));
  Value part = arith::RemUIOp::create(b, lane, parts);
  MatmulElements elements;
  elements.acc = dotOf(stretch, row, own, part);
  elements.row = b.add(row, stretch.result);
  elements.col = b.add(stretch.col, own);
  elements.end = cols;
  elements.isFull = b.lessS(b.add(elements.col, b.i64(columnsOfLane - 1)), cols);
  Value isStored = b.bitAnd(b.equal(part, b.i64(0)), b.lessS(elements.col, cols));
  isStored = b.bitAnd(isStored, nvvm::isFlagged(b, flags.lhs, flags.rhs, row, own));
  auto stored = scf::IfOp::create(b, isStored, /*withElseRegion=*/false);
  b.setInsertionPointToStart(stored.thenBlock());
  emitStore(b, b.getLoc(), store, elements);
}

/// A block makes one panel of rows times one of columns.
void OverflowEmitter::emit(const MatmulStore &store) {
  const TargetInfo &target = kernel.target;
  Stretch stretch = stretchOf(kernel.programId(1), kernel.programId(0));
  Value size = b.i64(panelRows), last = b.sub(b.ceilDiv(lhs.rows, panelRows), b.i64(1));
  Value lhsPanel = b.minS(b.divU(stretch.row, size), last);
  Words flags{flagsOf(overflow.lhsFlags, lhsPanel), flagsOf(overflow.rhsFlags, stretch.rhsPanel)};
  Value isAny = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, b.bitOr(flags.lhs, flags.rhs),
                                      i32(0));
  auto ifOp = scf::IfOp::create(b, isAny, /*withElseRegion=*/false);
  b.setInsertionPointToStart(ifOp.thenBlock());
  const int64_t perRow = panelRows / columnsOfWarp();
  b.loop(extend(target.warpId(b, b.getLoc())), b.i64(panelRows * perRow), target.getWarps(),
         [&](Value index) {
    Value inRow = arith::RemUIOp::create(b, index, b.i64(perRow));
    emitRow(stretch, b.add(stretch.row, b.divU(index, b.i64(perRow))),
            b.mul(inRow, b.i64(columnsOfWarp())), flags, store);
  });
}

} // namespace

void emitOverflowMatmul(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module,
                        StringRef name, const MatmulRequest &request,
                        const OverflowRequest &overflow) {
  KernelBuilder kernel(s, target, name, module);
  OverflowEmitter emitter(kernel, request, overflow);
  MatmulEpilogue epilogue(kernel, request, emitter.operandFormats());
  epilogue.begin();
  emitter.emit(epilogue.get());
  kernel.body.setInsertionPointToEnd(&kernel.kernel.getBody().front());
  Value ofRows = overflow.groups ? s.mul(overflow.groups->tiles(),
                                         s.div(overflow.groups->tileRows(), panelRows))
                                 : s.ceilDiv(request.lhs.outerSize(0), panelRows);
  kernel.launch(s.ceilDiv(request.result.sizes[1], panelRows), ofRows, /*cost=*/0);
}

} // namespace quadrille
