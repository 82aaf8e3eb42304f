//===- Matmul.cpp - Panels to a product -----------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The blocking of Goto and van de Geijn (ACM TOMS 34(3), 2008) within a tile of
// C per program: for each stretch of K, for each panel of B (in L1), for each
// panel of A (in L2), one register tile. Register tiles rest in a scratch tile
// on the stack between stretches, from which the epilogue takes them.
//
//===----------------------------------------------------------------------===//
#include "MatmulInternal.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;
using namespace quadrille;
using namespace quadrille::host;

//===----------------------------------------------------------------------===//
// Integer dot products
//===----------------------------------------------------------------------===//

DotProduct::DotProduct(VectorBuilder &builder, const MatmulPlan &plan, int64_t maxU8,
                       int64_t maxS8)
    : b(builder) {
  // A 16-bit lane collects half of the block's products.
  bool fits = plan.kBlock / 2 * maxU8 * maxS8 < (1 << 15);
  kind = plan.isa.vnni ? Kind::VNNI : fits ? Kind::Narrow : Kind::Wide;
}

Value DotProduct::begin(Value start) {
  return kind == Kind::Narrow ? b.zero(b.vec(b.getI16Type(), 2)) : start;
}

Value DotProduct::addPairs(Value pairs) {
  Value ones = b.splat(b.vec(b.getI16Type(), 2), b.getI16IntegerAttr(1));
  StringRef name = b.lanes == 16 ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd";
  return b.call(name, b.i32s(), {pairs, ones});
}

Value DotProduct::step(Value partial, Value u8, Value s8) {
  u8 = b.bitcast(b.bytes(), u8);
  s8 = b.bitcast(b.bytes(), s8);
  if (kind == Kind::VNNI) {
    StringRef name =
        b.lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
    return b.call(name, b.i32s(), {partial, u8, s8});
  }
  StringRef name = b.lanes == 16 ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw";
  Value pairs = b.call(name, b.vec(b.getI16Type(), 2), {u8, s8});
  return b.add(partial, kind == Kind::Wide ? addPairs(pairs) : pairs);
}

Value DotProduct::finish(Value partial, Value start) {
  return kind == Kind::Narrow ? b.add(start, addPairs(partial)) : partial;
}

float host::getMagic(const MatmulPlan &plan) {
  return std::ldexp(1.5f, 23 - plan.lhsUnit - plan.rhsUnit);
}

//===----------------------------------------------------------------------===//
// Register tiles
//===----------------------------------------------------------------------===//

namespace {

/// Emits the updates of one mr x nr register tile by `blocks` blocks of its two
/// panels. `tile` points to it in the scratch, row by row.
class RegisterTile {
public:
  RegisterTile(VectorBuilder &b, const MatmulPlan &plan)
      : b(b), plan(plan), vectors(plan.nr / b.lanes) {}

  void update(Value lhs, Value rhs, Value tile, Value blocks);

private:
  /// acc += the products of `unroll` columns of K.
  void stepF32(Value lhs, Value rhs, MutableArrayRef<Value> acc);
  /// acc += the scaled products of one block.
  void stepS8(Value lhs, Value rhs, MutableArrayRef<Value> acc);
  SmallVector<Value> sumBlock(Value lhs, Value rhs, ArrayRef<Value> start);

  int64_t size() const { return plan.mr * vectors; }
  Value loadVector(Type type, Value base, int64_t index) {
    return b.load(type, b.at(base, 4 * b.lanes * index));
  }
  Value loadBroadcast(Type type, Value base, int64_t index) {
    return b.broadcast(b.load(type, b.at(base, 4 * index)));
  }

  static constexpr int64_t unroll = 4; ///< divides kBlock

  VectorBuilder &b;
  const MatmulPlan &plan;
  int64_t vectors; ///< of a row of the tile
};

void RegisterTile::update(Value lhs, Value rhs, Value tile, Value blocks) {
  bool isF32 = plan.carrier == MatmulCarrier::F32;
  int64_t stepsPerBlock = isF32 ? plan.kBlock / unroll : 1;
  int64_t lhsStep = plan.blockBytes(MatmulSide::LHS) / stepsPerBlock;
  int64_t rhsStep = plan.blockBytes(MatmulSide::RHS) / stepsPerBlock;
  // The panel of A comes from L2, a little too late for the CPU's own prefetch.
  constexpr int64_t prefetchDistance = 768;

  SmallVector<Value> carried = {lhs, rhs};
  for (int64_t i = 0; i < size(); ++i)
    carried.push_back(loadVector(b.f32s(), tile, i));
  Value steps = b.mul(blocks, b.i64(stepsPerBlock));
  carried = b.loop(b.i64(0), steps, 1, carried, [&](Value, ValueRange values) {
    SmallVector<Value> next(values);
    MutableArrayRef<Value> acc = MutableArrayRef<Value>(next).drop_front(2);
    for (int64_t line = 0; line < lhsStep; line += 64)
      b.prefetch(b.at(next[0], prefetchDistance + line));
    isF32 ? stepF32(next[0], next[1], acc) : stepS8(next[0], next[1], acc);
    next[0] = b.at(next[0], lhsStep);
    next[1] = b.at(next[1], rhsStep);
    return next;
  });
  for (int64_t i = 0; i < size(); ++i)
    b.store(carried[2 + i], b.at(tile, 4 * b.lanes * i));
}

void RegisterTile::stepF32(Value lhs, Value rhs, MutableArrayRef<Value> acc) {
  for (int64_t k = 0; k < unroll; ++k) {
    SmallVector<Value> row;
    for (int64_t v = 0; v < vectors; ++v)
      row.push_back(loadVector(b.f32s(), rhs, k * vectors + v));
    Value element;
    for (int64_t i = 0; i < size(); ++i) {
      if (i % vectors == 0)
        element = loadBroadcast(b.getF32Type(), lhs, k * plan.mr + i / vectors);
      acc[i] = math::FmaOp::create(b, element, row[i % vectors], acc[i]);
    }
  }
}

/// start + the integer products of one block.
SmallVector<Value> RegisterTile::sumBlock(Value lhs, Value rhs, ArrayRef<Value> start) {
  DotProduct dot(b, plan, 2 * plan.lhsMax, plan.rhsMax);
  SmallVector<Value> sums;
  for (int64_t i = 0; i < size(); ++i)
    sums.push_back(dot.begin(start[i % vectors]));
  for (int64_t quad = 0; quad < plan.kBlock / 4; ++quad) {
    SmallVector<Value> row;
    for (int64_t v = 0; v < vectors; ++v)
      row.push_back(loadVector(b.i32s(), rhs, quad * vectors + v));
    Value codes;
    for (int64_t i = 0; i < size(); ++i) {
      if (i % vectors == 0)
        codes = loadBroadcast(b.getI32Type(), lhs, quad * plan.mr + i / vectors);
      sums[i] = dot.step(sums[i], codes, row[i % vectors]);
    }
  }
  for (int64_t i = 0; i < size(); ++i)
    sums[i] = dot.finish(sums[i], start[i % vectors]);
  return sums;
}

void RegisterTile::stepS8(Value lhs, Value rhs, MutableArrayRef<Value> acc) {
  int64_t quads = plan.kBlock / 4;
  SmallVector<Value> start, scales;
  for (int64_t v = 0; v < vectors; ++v) {
    scales.push_back(loadVector(b.f32s(), rhs, quads * vectors + v));
    start.push_back(loadVector(b.i32s(), rhs, (quads + 1) * vectors + v));
  }
  SmallVector<Value> sums = sumBlock(lhs, rhs, start);
  Value magic = b.f32s(getMagic(plan)), scale;
  for (int64_t i = 0; i < size(); ++i) {
    if (i % vectors == 0)
      scale = loadBroadcast(b.getF32Type(), lhs, quads * plan.mr + i / vectors);
    Value sum = b.subF(b.bitcast(b.f32s(), sums[i]), magic);
    acc[i] = b.addF(acc[i], b.mulF(sum, b.mulF(scale, scales[i % vectors])));
  }
}

//===----------------------------------------------------------------------===//
// Tiles of C
//===----------------------------------------------------------------------===//

/// Emits the product of one program id.
class Tile {
public:
  Tile(VectorBuilder &b, const MatmulPlan &plan, const MatmulOperands &operands, Value scratch,
       Value x, const TileRows &rows);
  void accumulate();
  void finish(MatmulEpilogue epilogue);

private:
  Value getRegisterTile(Value rowPanel, Value colPanel) {
    Value index = b.add(b.mul(colPanel, rowPanels), rowPanel);
    return b.at(scratch, b.mul(index, b.i64(4 * plan.mr * plan.nr)));
  }

  VectorBuilder &b;
  const MatmulPlan &plan;
  const MatmulOperands &operands;
  Value scratch;              ///< [colPanels][rowPanels][mr][nr]
  TileRows rows;
  Value col0;                 ///< first column of the tile
  Value rowPanels, colPanels; ///< of the tile
};

Tile::Tile(VectorBuilder &b, const MatmulPlan &plan, const MatmulOperands &operands,
           Value scratch, Value x, const TileRows &rows)
    : b(b), plan(plan), operands(operands), scratch(scratch), rows(rows) {
  col0 = b.mul(x, b.i64(plan.nTile));
  rowPanels = b.ceilDiv(b.minS(b.sub(rows.end, rows.first), b.i64(plan.mTile)), plan.mr);
  colPanels = b.ceilDiv(b.minS(b.sub(operands.n, col0), b.i64(plan.nTile)), plan.nr);
}

void Tile::accumulate() {
  Value zero = b.i64(0);
  Value bytes = b.mul(b.mul(rowPanels, colPanels), b.i64(4 * plan.mr * plan.nr));
  LLVM::MemsetOp::create(b, scratch, b.zero(b.getI8Type()), bytes, /*isVolatile=*/false);

  Value rhsPanel0 = b.add(rows.rhsPanel, b.divU(col0, b.i64(plan.nr)));
  Value rhsK = operands.rhsK ? operands.rhsK : operands.k;
  auto getBlock = [&](MatmulSide side, Value k, Value panels, Value panel, Value block) {
    Value index = b.add(b.mul(panel, b.divU(k, b.i64(plan.kBlock))), block);
    return b.at(panels, b.mul(index, b.i64(plan.blockBytes(side))));
  };
  b.loop(zero, rows.blocks, plan.kCacheBlocks, [&](Value block) {
    Value count = b.minS(b.sub(rows.blocks, block), b.i64(plan.kCacheBlocks));
    b.loop(zero, colPanels, 1, [&](Value colPanel) {
      Value rhs = getBlock(MatmulSide::RHS, rhsK, operands.rhsPanels, b.add(rhsPanel0, colPanel),
                           b.add(rows.rhsBlock, block));
      b.loop(zero, rowPanels, 1, [&](Value rowPanel) {
        Value lhs = getBlock(MatmulSide::LHS, operands.k, operands.lhsPanels,
                             b.add(rows.lhsPanel, rowPanel), b.add(rows.lhsBlock, block));
        RegisterTile(b, plan).update(lhs, rhs, getRegisterTile(rowPanel, colPanel), count);
      });
    });
  });
}

void Tile::finish(MatmulEpilogue epilogue) {
  Value zero = b.i64(0);
  b.loop(zero, colPanels, 1, [&](Value colPanel) {
    b.loop(zero, rowPanels, 1, [&](Value rowPanel) {
      Value tile = getRegisterTile(rowPanel, colPanel);
      Value firstRow = b.add(rows.first, b.mul(rowPanel, b.i64(plan.mr)));
      Value firstCol = b.add(col0, b.mul(colPanel, b.i64(plan.nr)));
      Value count = b.minS(b.sub(rows.end, firstRow), b.i64(plan.mr));
      b.loop(zero, count, 1, [&](Value r) {
        b.loop(zero, b.i64(plan.nr), b.lanes, [&](Value c) {
          MatmulElements elements;
          Value index = b.add(b.mul(r, b.i64(plan.nr)), c);
          elements.acc = b.load(b.f32s(), b.at(tile, b.shl(index, b.i64(2))));
          elements.row = b.add(firstRow, r);
          elements.col = b.add(firstCol, c);
          elements.end = operands.n;
          elements.isFull = b.lessS(b.add(elements.col, b.i64(b.lanes - 1)), operands.n);
          epilogue(b, b.getLoc(), elements);
        });
      });
    });
  });
}

/// Those of a single product.
TileRows getTileRows(VectorBuilder &b, const MatmulPlan &plan, const MatmulOperands &operands,
                     Value y) {
  Value first = b.mul(y, b.i64(plan.mTile)), zero = b.i64(0);
  return {first, operands.m, b.divU(first, b.i64(plan.mr)), zero, zero, zero,
          b.divU(operands.k, b.i64(plan.kBlock))};
}

} // namespace

void host::emitMatmul(OpBuilder &builder, Location loc, const MatmulPlan &plan,
                      const MatmulOperands &operands, ProgramRange x, ProgramRange y,
                      MatmulEpilogue epilogue, TileRowsOf rowsOf) {
  VectorBuilder b(builder, loc, plan.isa.lanes);
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  // A tile's edge may reach into a panel that it does not fill.
  int64_t scratchSize = llvm::alignTo(plan.mTile, plan.mr) * llvm::alignTo(plan.nTile, plan.nr);
  Value scratch = LLVM::AllocaOp::create(b, pointer, b.getF32Type(), b.i64(scratchSize),
                                         /*alignment=*/64);
  b.loop(y.begin, y.end, 1, [&](Value tileY) {
    TileRows rows =
        rowsOf ? rowsOf(b, loc, tileY) : getTileRows(b, plan, operands, tileY);
    b.loop(x.begin, x.end, 1, [&](Value tileX) {
      Tile tile(b, plan, operands, scratch, tileX, rows);
      tile.accumulate();
      tile.finish(epilogue);
    });
  });
}
