//===- MatmulPack.cpp - Operands to panels --------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A lane is a row of the operand: a gather reads the next eight codes of every
// row, and what is stored is one vector per k, so the transposition to panels
// costs nothing.
//
//===----------------------------------------------------------------------===//
#include "MatmulInternal.h"
#include "quadrille/Numerics/ScaleTypes.h"

#include <bit>
#include <cmath>

using namespace mlir;
using namespace quadrille;
using namespace quadrille::host;

namespace {

/// The rows of one panel that one vector covers.
struct Rows {
  int64_t first; ///< of the panel
  Value index;   ///< i64 lanes: row of the operand
  Value mask;    ///< i1 lanes: the row exists and lies in this panel
};

/// State shared by everything that packs one operand.
struct Packer {
  VectorBuilder b;
  const MatmulPlan &plan;
  MatmulSide side;
  PanelRowsOf rowsOf;

  int64_t width() const { return plan.panelRows(side); }

  void forEachVector(Value rows, Value panels, ProgramRange range, Value blocks,
                     function_ref<void(const Rows &, Value panel)> body);
  /// 32 bits at a byte address per lane.
  Value gather(Value pointers, Value mask);
  /// `bytes` (1, 2 or 4) bytes at base + offset per lane, in the low bits.
  Value gatherElements(Value base, Value byteOffsets, unsigned bytes, Value mask);
  /// Stores the lanes that belong to the panel as elements `rows.first` and
  /// following of its row of vectors number `index` within a block.
  void storeRow(Value vector, Value block, int64_t index, const Rows &rows);
};

void Packer::forEachVector(Value rows, Value panels, ProgramRange range, Value blocks,
                           function_ref<void(const Rows &, Value)> body) {
  Value panelBytes = b.mul(blocks, b.i64(plan.blockBytes(side)));
  b.loop(range.begin, range.end, 1, [&](Value panel) {
    Value base = b.at(panels, b.mul(panel, panelBytes));
    PanelRows own{b.mul(panel, b.i64(width())), rows};
    if (rowsOf)
      own = rowsOf(b, b.getLoc(), panel);
    for (int64_t first = 0; first < width(); first += b.lanes) {
      Value lane = b.add(b.iota(), b.i64(first));
      Value row = b.add(lane, own.first);
      Value mask = b.lessS(row, own.end);
      if (first + b.lanes > width())
        mask = b.bitAnd(mask, b.lessS(lane, b.i64(width())));
      body({first, row, mask}, base);
    }
  });
}

Value Packer::gather(Value pointers, Value mask) {
  return LLVM::masked_gather::create(b, b.i32s(), pointers, mask,
                                     ValueRange{b.zero(b.i32s())}, /*alignment=*/1);
}

Value Packer::gatherElements(Value base, Value byteOffsets, unsigned bytes, Value mask) {
  if (bytes == 4)
    return gather(b.lanesAt(base, byteOffsets), mask);
  // Read the aligned word around the element: never more than it crosses a page.
  Value address = b.add(byteOffsets, LLVM::PtrToIntOp::create(b, b.getI64Type(), base));
  Value word = b.bitAnd(address, b.i64(~int64_t(3)));
  Value pointers = LLVM::IntToPtrOp::create(b, b.vec(base.getType()), word);
  Value shift = b.shl(b.bitAnd(address, b.i64(3)), b.i64(3));
  Value shift32 = arith::TruncIOp::create(b, b.i32s(), shift);
  return b.bitAnd(b.shrU(gather(pointers, mask), shift32), b.i32s((1 << (8 * bytes)) - 1));
}

void Packer::storeRow(Value vector, Value block, int64_t index, const Rows &rows) {
  Value pointer = b.at(block, 4 * (index * width() + rows.first));
  if (rows.first + b.lanes <= width())
    return b.store(vector, pointer);
  SmallVector<bool> inPanel(b.lanes);
  for (int64_t i = 0; i < b.lanes; ++i)
    inPanel[i] = rows.first + i < width();
  Value mask = arith::ConstantOp::create(
      b, DenseElementsAttr::get(b.vec(b.getI1Type()), ArrayRef<bool>(inPanel)));
  b.maskedStore(vector, pointer, mask);
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

/// The f32 values of encoded scales (see numerics::decodeScale).
Value decodeScales(VectorBuilder &b, ScaleType type, Value code) {
  const numerics::ScaleTypeInfo &info = numerics::scaleTypeInfo(type);
  if (info.storageBits >= 16) // the upper bits of an f32
    return b.bitcast(b.f32s(), b.shl(code, b.i32s(32 - info.storageBits)));
  Value bits = b.shl(code, b.i32s(23 - info.mantissaBits));
  Value value;
  if (info.hasSubnormals) {
    // As an f32 of a much smaller exponent, subnormals included.
    value = b.mulF(b.bitcast(b.f32s(), bits), b.f32s(std::ldexp(1.0f, 127 - info.bias)));
  } else {
    bits = b.add(bits, b.i32s((127 - info.bias) << 23));
    if (info.bias == 127) // exponent 0 is 2^-127, a subnormal of f32
      bits = arith::MaxUIOp::create(b, bits, b.i32s(1 << 22));
    value = b.bitcast(b.f32s(), bits);
  }
  if (!info.nanBits)
    return value;
  return b.select(b.equal(code, b.i32s(info.nanBits)), b.f32s(std::nanf("")), value);
}

/// Reads the scales of one level.
struct ScaleReader {
  Packer &p;
  const Level &level;
  Value base;
  Value rowOffset; ///< i64 lanes: bytes to the first block of the lane's row
  uint32_t choiceBit = 0; ///< of the scale's bits: the block has the alternative grid

  ScaleReader(Packer &p, const Level &level, Value base, Value k, const Rows &rows);
  /// Bits of the scale that covers column k (an i64).
  Value readBits(Value k, Value mask);
  Value decode(Value bits) {
    if (choiceBit)
      bits = p.b.bitAnd(bits, p.b.i32s(~choiceBit));
    return decodeScales(p.b, level.type, bits);
  }
  /// i1 lanes: the alternative grid is chosen.
  Value choose(Value bits) {
    Value bit = p.b.i32s(choiceBit);
    return p.b.equal(p.b.bitAnd(bits, bit), bit);
  }
};

ScaleReader::ScaleReader(Packer &p, const Level &level, Value base, Value k, const Rows &rows)
    : p(p), level(level), base(base) {
  VectorBuilder &b = p.b;
  Value perRow = b.ceilDiv(k, level.block.cols);
  const numerics::ScaleTypeInfo &info = numerics::scaleTypeInfo(level.type);
  Value rowBytes = b.ceilDiv(b.mul(perRow, b.i64(info.storageBits)), 8);
  Value blockRow = rows.index;
  if (level.block.rows != 1)
    blockRow = b.divU(rows.index, b.i64(level.block.rows));
  rowOffset = b.mul(blockRow, rowBytes);
}

Value ScaleReader::readBits(Value k, Value mask) {
  VectorBuilder &b = p.b;
  Value index = b.divU(k, b.i64(level.block.cols));
  if (level.type != ScaleType::E1) {
    unsigned bytes = numerics::scaleTypeInfo(level.type).storageBytes();
    return p.gatherElements(base, b.add(rowOffset, b.mul(index, b.i64(bytes))), bytes, mask);
  }
  Value byte = p.gatherElements(base, b.add(rowOffset, b.shrU(index, b.i64(3))), 1, mask);
  Value bit = arith::TruncIOp::create(b, b.getI32Type(), b.bitAnd(index, b.i64(7)));
  return b.bitAnd(b.shrU(byte, bit), b.i32s(1));
}

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

/// table[index mod 16] per lane.
Value lookupF32(VectorBuilder &b, const Grid &grid, Value index) {
  SmallVector<float> table(16, 0.0f);
  llvm::copy(grid.values, table.begin());
  auto constant = [&](ArrayRef<float> values) -> Value {
    return arith::ConstantOp::create(b, DenseElementsAttr::get(b.f32s(), values));
  };
  if (b.lanes == 16)
    return b.call("llvm.x86.avx512.permvar.sf.512", b.f32s(), {constant(table), index});
  ArrayRef<float> values(table);
  auto half = [&](ArrayRef<float> part) {
    return b.call("llvm.x86.avx2.permps", b.f32s(), {constant(part), index});
  };
  Value isHigh = b.equal(b.bitAnd(index, b.i32s(8)), b.i32s(8));
  return b.select(isHigh, half(values.drop_front(8)), half(values.take_front(8)));
}

/// The values of codes in the grid that each lane chooses (null: the format has one).
Value lookupF32(VectorBuilder &b, const Format &format, Value code, Value choice) {
  Value value = lookupF32(b, format.grid, code);
  return choice ? b.select(choice, lookupF32(b, *format.alternative, code), value) : value;
}

/// table[byte mod 16] per byte of the lanes.
Value lookupBytes(VectorBuilder &b, ArrayRef<int8_t> table, Value index) {
  SmallVector<int8_t> repeated;
  for (unsigned i = 0; i < 4 * b.lanes / 16; ++i)
    llvm::append_range(repeated, table);
  Value tables =
      arith::ConstantOp::create(b, DenseElementsAttr::get(b.bytes(), ArrayRef<int8_t>(repeated)));
  StringRef name = b.lanes == 16 ? "llvm.x86.avx512.pshuf.b.512" : "llvm.x86.avx2.pshuf.b";
  return b.call(name, b.bytes(), {tables, b.bitcast(b.bytes(), index)});
}

/// The four nibbles at bit 16 * half of each lane, one per byte.
Value spreadNibbles(VectorBuilder &b, Value codes, unsigned half) {
  Value x = half ? b.shrU(codes, b.i32s(16)) : b.bitAnd(codes, b.i32s(0xFFFF));
  x = b.bitAnd(b.bitOr(x, b.shl(x, b.i32s(8))), b.i32s(0x00FF00FF));
  return b.bitAnd(b.bitOr(x, b.shl(x, b.i32s(4))), b.i32s(0x0F0F0F0F));
}

/// Packs the blocks of one vector of rows of a quantized operand.
class BlockPacker {
public:
  BlockPacker(Packer &p, const QuantizedOperand &operand, const Rows &rows);
  /// Packs number `index` (i64) of the blocks, at `block`.
  void pack(Value index, Value block);

private:
  void packF32(Value k, Value block);
  void packS8(Value k, Value block);
  /// The next eight codes of every row, `group` * 8 after column k.
  Value gatherCodes(Value k, int64_t group);
  /// Codes as signed bytes, of four columns, in the grid that each lane chooses, the
  /// folded levels applied.
  Value getIntegers(Value codes, unsigned half, Value choice, ArrayRef<Value> folded);
  Value lookupIntegers(const Grid &grid, Value nibbles);

  Packer &p;
  VectorBuilder &b;
  const QuantizedOperand &operand;
  const Rows &rows;
  Value codeOffset;
  SmallVector<ScaleReader> readers; ///< of all but the tensor level
};

BlockPacker::BlockPacker(Packer &p, const QuantizedOperand &operand, const Rows &rows)
    : p(p), b(p.b), operand(operand), rows(rows) {
  codeOffset = b.mul(rows.index, b.shrU(operand.k, b.i64(1)));
  for (auto [level, base] : llvm::zip_equal(operand.format->levels, operand.scales))
    if (!level.block.isTensor())
      readers.emplace_back(p, level, base, operand.k, rows);
  readers.front().choiceBit = operand.format->choiceBit();
}

void BlockPacker::pack(Value index, Value block) {
  Value k = b.mul(index, b.i64(p.plan.kBlock));
  p.plan.carrier == MatmulCarrier::F32 ? packF32(k, block) : packS8(k, block);
}

Value BlockPacker::gatherCodes(Value k, int64_t group) {
  Value column = b.add(b.shrU(k, b.i64(1)), b.i64(4 * group));
  return p.gatherElements(operand.codes, b.add(codeOffset, column), 4, rows.mask);
}

void BlockPacker::packF32(Value k, Value block) {
  int64_t kBlock = p.plan.kBlock;
  SmallVector<SmallVector<Value>> scales;
  SmallVector<Value> choices; // of the innermost blocks, null with one grid
  for (ScaleReader &reader : readers)
    for (SmallVector<Value> &values = scales.emplace_back();
         int64_t(values.size()) * reader.level.block.cols < kBlock;) {
      Value column = b.add(k, b.i64(values.size() * reader.level.block.cols));
      Value bits = reader.readBits(column, rows.mask);
      values.push_back(reader.decode(bits));
      if (&reader == readers.begin())
        choices.push_back(reader.choiceBit ? reader.choose(bits) : Value());
    }
  Value codes;
  for (int64_t i = 0; i < kBlock; ++i) {
    if (i % 8 == 0)
      codes = gatherCodes(k, i / 8);
    Value value = lookupF32(b, *operand.format, b.shrU(codes, b.i32s(4 * (i % 8))),
                            choices[i / readers.front().level.block.cols]);
    for (auto [reader, values] : llvm::zip_equal(readers, scales))
      value = b.mulF(value, values[i / reader.level.block.cols]);
    p.storeRow(value, block, i, rows);
  }
}

Value BlockPacker::lookupIntegers(const Grid &grid, Value nibbles) {
  int unit = p.side == MatmulSide::LHS ? p.plan.lhsUnit : p.plan.rhsUnit;
  SmallVector<int8_t> table(16, 0);
  for (auto [entry, value] : llvm::zip(table, grid.values))
    entry = int8_t(std::ldexp(value, unit));
  return lookupBytes(b, table, nibbles);
}

Value BlockPacker::getIntegers(Value codes, unsigned half, Value choice, ArrayRef<Value> folded) {
  Value nibbles = spreadNibbles(b, codes, half);
  Value integers = lookupIntegers(operand.format->grid, nibbles);
  if (choice) {
    Value others = b.bitcast(b.i32s(), lookupIntegers(*operand.format->alternative, nibbles));
    integers = b.select(choice, others, b.bitcast(b.i32s(), integers));
    integers = b.bitcast(b.bytes(), integers);
  }
  for (Value bit : folded) { // doubles the lanes whose bit is set
    Value mask = b.bitcast(b.bytes(), b.sub(b.i32s(0), bit));
    integers = b.add(integers, b.bitAnd(integers, mask));
  }
  if (p.side == MatmulSide::LHS)
    integers = b.add(integers, b.splat(b.bytes(), b.getI8IntegerAttr(p.plan.lhsOffset())));
  return b.bitcast(b.i32s(), integers);
}

void BlockPacker::packS8(Value k, Value block) {
  int64_t quads = p.plan.kBlock / 4;
  MutableArrayRef<ScaleReader> foldedReaders(readers), outer(readers);
  unsigned numFolded = countFoldedLevels(*operand.format);
  foldedReaders = foldedReaders.take_front(numFolded);
  outer = outer.drop_front(numFolded);

  DotProduct dot(b, p.plan, /*maxU8=*/1, p.plan.rhsMax);
  Value zero = b.i32s(0), sums = dot.begin(zero), codes, choice;
  ScaleReader &innermost = readers.front();
  if (innermost.choiceBit)
    choice = innermost.choose(innermost.readBits(k, rows.mask));
  SmallVector<Value> folded(numFolded);
  for (int64_t quad = 0; quad < quads; ++quad) {
    if (quad % 2 == 0)
      codes = gatherCodes(k, quad / 2);
    for (auto [bits, reader] : llvm::zip_equal(folded, foldedReaders))
      if (4 * quad % reader.level.block.cols == 0)
        bits = reader.readBits(b.add(k, b.i64(4 * quad)), rows.mask);
    Value integers = getIntegers(codes, quad % 2, choice, folded);
    p.storeRow(integers, block, quad, rows);
    if (p.side == MatmulSide::RHS)
      sums = dot.step(sums, b.i32s(0x01010101), integers);
  }

  Value scale;
  for (ScaleReader &reader : outer) {
    Value value = reader.decode(reader.readBits(k, rows.mask));
    scale = scale ? b.mulF(scale, value) : value;
  }
  p.storeRow(scale, block, quads, rows);
  if (p.side == MatmulSide::LHS)
    return;
  Value magic = b.i32s(std::bit_cast<int32_t>(getMagic(p.plan)));
  Value excess = b.mul(dot.finish(sums, zero), b.i32s(p.plan.lhsOffset()));
  p.storeRow(b.sub(magic, excess), block, quads + 1, rows);
}

} // namespace

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

void host::emitPack(OpBuilder &builder, Location loc, const MatmulPlan &plan, MatmulSide side,
                    const QuantizedOperand &operand, Value panels, ProgramRange range,
                    PanelRowsOf rowsOf) {
  Packer p{VectorBuilder(builder, loc, plan.isa.lanes), plan, side, rowsOf};
  VectorBuilder &b = p.b;
  Value blocks = b.divU(operand.k, b.i64(plan.kBlock));
  p.forEachVector(operand.rows, panels, range, blocks, [&](const Rows &rows, Value panel) {
    BlockPacker packer(p, operand, rows);
    b.loop(b.i64(0), blocks, 1, [&](Value index) {
      packer.pack(index, b.at(panel, b.mul(index, b.i64(plan.blockBytes(side)))));
    });
  });
}

void host::emitPack(OpBuilder &builder, Location loc, const MatmulPlan &plan, MatmulSide side,
                    const PlainOperand &operand, Value panels, ProgramRange range,
                    PanelRowsOf rowsOf) {
  assert(plan.carrier == MatmulCarrier::F32 && "plain operands have no integer codes");
  Packer p{VectorBuilder(builder, loc, plan.isa.lanes), plan, side, rowsOf};
  VectorBuilder &b = p.b;
  unsigned bytes = operand.elementType.getIntOrFloatBitWidth() / 8;
  Value blocks = b.divU(operand.k, b.i64(plan.kBlock));
  Value kBytes = b.mul(operand.kStride, b.i64(bytes));
  Value rowBytes = b.mul(operand.rowStride, b.i64(bytes));
  p.forEachVector(operand.rows, panels, range, blocks, [&](const Rows &rows, Value panel) {
    Value rowOffset = b.mul(rows.index, rowBytes);
    b.loop(b.i64(0), operand.k, 1, [&](Value k) {
      Value mask = b.bitAnd(rows.mask, b.broadcast(b.lessS(k, operand.kValid)));
      Value bits = p.gatherElements(operand.data, b.add(rowOffset, b.mul(k, kBytes)), bytes, mask);
      if (bytes == 2)
        bits = arith::TruncIOp::create(b, b.vec(b.getI16Type()), bits);
      Value value = widenToF32(b, b.bitcast(b.vec(operand.elementType), bits));
      p.storeRow(value, b.at(panel, b.mul(k, b.i64(4 * p.width()))), 0, rows);
    });
  });
}
