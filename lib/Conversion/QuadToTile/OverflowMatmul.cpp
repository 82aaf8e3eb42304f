//===- OverflowMatmul.cpp - What an 8-bit carrier cannot multiply -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rare, and found out on the device: a launch whose blocks mostly see no flag and end.
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"
#include "MatmulKernel.h"
#include "quadrille/Target/VectorBuilder.h"

using namespace mlir;

namespace quadrille {
namespace {

constexpr unsigned columnsOfLane = 8;

/// A packed operand as a kernel reads it.
struct PackedRows {
  Value codes, scales, rows;
  ArrayRef<float> grid;
};

class OverflowEmitter {
public:
  OverflowEmitter(KernelBuilder &kernel, const MatmulRequest &request, const OverflowFlags &flags)
      : kernel(kernel), b(kernel.body, kernel.loc, columnsOfLane), flags(flags) {
    quad::MatmulOp op = request.op;
    formats[0] = formatOf(op.getLhs());
    formats[1] = formatOf(op.getRhs());
    lhs = pass(*request.lhs.quantized, *formats[0]);
    rhs = pass(*request.rhs.quantized, *formats[1]);
    length = kernel.pass(request.lhs.quantized->length);
    block = formats[0]->levels.front().block.cols;
  }

  void emit(const MatmulStore &store);
  ArrayRef<std::optional<Format>> operandFormats() const { return formats; }

private:
  PackedRows pass(const ScheduledTensor &tensor, const Format &format) {
    return {kernel.pass(tensor.codes), kernel.pass(tensor.scales.front()),
            kernel.pass(tensor.rows), format.grid.values};
  }
  Value i32(int64_t value) {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(value));
  }
  Value isFlagged(Value buffer, Value stretch) {
    Value word = b.load(b.getI32Type(), b.at(buffer, b.mul(stretch, b.i64(sizeof(int32_t)))),
                        sizeof(int32_t));
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, word, i32(0));
  }
  Value wordAt(const PackedRows &operand, Value row, Value k);
  Value scaleAt(const PackedRows &operand, Value row, Value blockNumber);
  SmallVector<Value> sumBlock(Value row, ValueRange cols, Value k);
  Value dot(Value row, Value col);

  KernelBuilder &kernel;
  VectorBuilder b;
  const OverflowFlags &flags;
  std::optional<Format> formats[2];
  PackedRows lhs, rhs;
  Value length;
  int64_t block;
};

/// Eight codes of a row, from element k on.
Value OverflowEmitter::wordAt(const PackedRows &operand, Value row, Value k) {
  Value bytes = b.divU(b.add(b.mul(row, length), k), b.i64(2));
  return b.load(b.getI32Type(), b.at(operand.codes, bytes), sizeof(int32_t));
}

Value OverflowEmitter::scaleAt(const PackedRows &operand, Value row, Value blockNumber) {
  constexpr int32_t nanBits = 0xff, subnormal = 1 << 22, mantissaBits = 23;
  Value perRow = b.divU(length, b.i64(block));
  Value byte = b.load(b.getI8Type(), b.at(operand.scales, b.add(b.mul(row, perRow), blockNumber)));
  Value code = arith::ExtUIOp::create(b, b.getI32Type(), byte);
  // The exponent's field as it is, but for 2^-127 and NaN.
  Value bits = b.select(b.equal(code, i32(0)), i32(subnormal), b.shl(code, i32(mantissaBits)));
  bits = b.select(b.equal(code, i32(nanBits)), i32(0x7fc00000), bits);
  return arith::BitcastOp::create(b, b.getF32Type(), bits);
}

/// The sums of products of codes of the block from element k on, for each column.
SmallVector<Value> OverflowEmitter::sumBlock(Value row, ValueRange cols, Value k) {
  Value none = b.zero(b.getF32Type());
  auto value = [&](const PackedRows &operand, Value word, unsigned i) {
    Value code = b.bitAnd(b.shrU(word, i32(4 * i)), i32(15));
    return kernel.target.lookup(b, b.getLoc(), operand.grid, code);
  };
  return b.loop(k, b.add(k, b.i64(block)), codesPerWord, SmallVector<Value>(cols.size(), none),
                [&](Value position, ValueRange sums) {
    Value lhsWord = wordAt(lhs, row, position);
    SmallVector<Value> next(sums), lhsValues;
    for (unsigned i = 0; i < codesPerWord; ++i)
      lhsValues.push_back(value(lhs, lhsWord, i));
    for (auto [sum, col] : llvm::zip_equal(next, cols)) {
      Value rhsWord = wordAt(rhs, col, position);
      for (unsigned i = 0; i < codesPerWord; ++i)
        sum = b.addF(sum, b.mulF(lhsValues[i], value(rhs, rhsWord, i)));
    }
    return next;
  });
}

/// Elements (row, col) .. (row, col + 7); a column that there is not repeats the last.
Value OverflowEmitter::dot(Value row, Value col) {
  SmallVector<Value> cols;
  for (unsigned i = 0; i < columnsOfLane; ++i)
    cols.push_back(b.minS(b.add(col, b.i64(i)), b.sub(rhs.rows, b.i64(1))));
  SmallVector<Value> sums(columnsOfLane, b.zero(b.getF32Type()));
  Value blocks = b.divU(length, b.i64(block));
  sums = b.loop(b.i64(0), blocks, 1, sums, [&](Value number, ValueRange carried) {
    SmallVector<Value> next(carried), products = sumBlock(row, cols, b.mul(number, b.i64(block)));
    Value scale = scaleAt(lhs, row, number);
    for (unsigned i = 0; i < columnsOfLane; ++i) {
      Value scaled = b.mulF(b.mulF(products[i], scale), scaleAt(rhs, cols[i], number));
      next[i] = b.addF(next[i], scaled);
    }
    return next;
  });
  return vector::FromElementsOp::create(b, b.f32s(), sums);
}

/// A block makes one stretch of rows times one of columns, a thread eight columns at a time.
void OverflowEmitter::emit(const MatmulStore &store) {
  const TargetInfo &target = kernel.target;
  Value stretchOfCols = kernel.programId(0), stretchOfRows = kernel.programId(1);
  Value flagged = b.bitOr(isFlagged(kernel.pass(flags.lhs), stretchOfRows),
                          isFlagged(kernel.pass(flags.rhs), stretchOfCols));
  auto ifOp = scf::IfOp::create(b, flagged, /*withElseRegion=*/false);
  b.setInsertionPointToStart(ifOp.thenBlock());
  Value thread = b.add(b.mul(target.warpId(b, b.getLoc()), i32(target.getLanes())),
                       target.laneId(b, b.getLoc()));
  Value first = arith::ExtUIOp::create(b, b.getI64Type(), thread);
  int64_t perRow = flags.rows / columnsOfLane;
  int64_t threads = int64_t(target.getLanes()) * target.getWarps();
  b.loop(first, b.i64(flags.rows * perRow), threads, [&](Value index) {
    MatmulElements elements;
    elements.row = b.add(b.mul(stretchOfRows, b.i64(flags.rows)), b.divU(index, b.i64(perRow)));
    Value inRow = arith::RemUIOp::create(b, index, b.i64(perRow));
    elements.col = b.add(b.mul(stretchOfCols, b.i64(flags.rows)),
                         b.mul(inRow, b.i64(columnsOfLane)));
    elements.end = rhs.rows;
    elements.isFull = b.lessS(b.add(elements.col, b.i64(columnsOfLane - 1)), rhs.rows);
    Value isInside = arith::AndIOp::create(b, b.lessS(elements.row, lhs.rows),
                                           b.lessS(elements.col, rhs.rows));
    auto inside = scf::IfOp::create(b, isInside, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(inside.thenBlock());
    elements.acc = dot(elements.row, elements.col);
    emitStore(b, b.getLoc(), store, elements);
  });
}

} // namespace

void emitOverflowMatmul(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module,
                        StringRef name, const MatmulRequest &request,
                        const OverflowFlags &flags) {
  KernelBuilder kernel(s, target, name, module);
  OverflowEmitter emitter(kernel, request, flags);
  MatmulEpilogue epilogue(kernel, request, emitter.operandFormats());
  epilogue.begin();
  emitter.emit(epilogue.get());
  kernel.body.setInsertionPointToEnd(&kernel.kernel.getBody().front());
  kernel.launch(s.ceilDiv(request.result.sizes[1], flags.rows),
                s.ceilDiv(request.result.sizes[0], flags.rows), /*cost=*/0);
}

} // namespace quadrille
