//===- MatmulEpilogue.cpp - What becomes of a product's sums --------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/MatmulEpilogue.h"
#include "quadrille/Target/VectorBuilder.h"

using namespace mlir;
using namespace quadrille;

namespace {

/// f32 to bf16, to nearest even, as integers: the instruction flushes
/// subnormals, and LLVM uses it where the CPU has it.
Value narrowToBF16(VectorBuilder &b, Value value) {
  Value bits = b.bitcast(b.i32s(), value);
  Value odd = b.bitAnd(b.shrU(bits, b.i32s(16)), b.i32s(1));
  Value rounded = b.add(b.add(bits, b.i32s(0x7FFF)), odd);
  Value isNaN = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, value, value);
  Value quiet = b.bitOr(bits, b.i32s(1 << 22));
  Value high = b.shrU(b.select(isNaN, quiet, rounded), b.i32s(16));
  Value narrow = arith::TruncIOp::create(b, b.vec(b.getI16Type()), high);
  return b.bitcast(b.vec(b.getBF16Type()), narrow);
}

Value narrowFromF32(VectorBuilder &b, Type type, Value value, bool roundsToBF16) {
  if (type.isBF16() && !roundsToBF16)
    return narrowToBF16(b, value);
  return type.isF32() ? value : arith::TruncFOp::create(b, b.vec(type), value);
}

Value elementAddress(VectorBuilder &b, Value base, Value index, Type type) {
  return b.at(base, b.mul(index, b.i64(type.getIntOrFloatBitWidth() / 8)));
}

Value maskOf(VectorBuilder &b, const MatmulElements &elements) {
  return b.lessS(b.add(b.iota(), elements.col), elements.end);
}

/// Of vectors at positions that the number of elements divides: the bytes that divide their
/// address, where `alignment` does each row's.
unsigned vectorAlignment(VectorType type, unsigned alignment) {
  unsigned bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
  return std::min(alignment, bytes);
}

/// Neither AVX2 nor GPUs have masked accesses of 16-bit elements; LLVM would make them a
/// branch per element everywhere.
Value loadRow(VectorBuilder &b, VectorType type, Value address, const MatmulElements &elements,
              const EpilogueOperand &operand) {
  unsigned elementBytes = type.getElementTypeBitWidth() / 8;
  auto ifOp = scf::IfOp::create(b, type, elements.isFull, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(ifOp.thenBlock());
  unsigned whole = vectorAlignment(type, operand.alignment);
  scf::YieldOp::create(b, operand.mayBeOut ? b.load(type, address, whole)
                                           : b.loadConstant(type, address, whole));
  b.setInsertionPointToStart(ifOp.elseBlock());
  scf::YieldOp::create(b, b.maskedLoad(type, address, maskOf(b, elements),
                                       std::min(operand.alignment, elementBytes)));
  return ifOp.getResult(0);
}

/// The operand's elements for those of the product, as f32.
Value loadOperand(VectorBuilder &b, const EpilogueOperand &operand,
                  const MatmulElements &elements) {
  if (operand.number)
    return b.broadcast(operand.number);
  Type type = operand.elementType, bits = b.getIntegerType(type.getIntOrFloatBitWidth());
  Value base = operand.data;
  if (operand.rowStride)
    base = elementAddress(b, base, b.mul(elements.row, operand.rowStride), type);
  unsigned bytes = bits.getIntOrFloatBitWidth() / 8;
  Value loaded;
  if (!operand.colStride) {
    loaded = b.broadcast(b.load(bits, base, std::min(operand.alignment, bytes)));
  } else if (operand.isContiguous) {
    loaded = loadRow(b, b.vec(bits), elementAddress(b, base, elements.col, type), elements,
                     operand);
  } else {
    Value index = b.mul(b.add(b.iota(), elements.col), operand.colStride);
    Value pointers = b.lanesAt(base, b.mul(index, b.i64(type.getIntOrFloatBitWidth() / 8)));
    loaded = LLVM::masked_gather::create(b, b.vec(bits), pointers, maskOf(b, elements),
                                         ValueRange{b.zero(b.vec(bits))}, /*alignment=*/1);
  }
  return widenToF32(b, b.bitcast(b.vec(type), loaded));
}

} // namespace

Value quadrille::widenToF32(VectorBuilder &b, Value value) {
  Type element = getElementTypeOrSelf(value);
  if (element.isF16())
    return arith::ExtFOp::create(b, b.f32s(), value);
  if (element.isBF16()) {
    Value bits = b.bitcast(b.vec(b.getI16Type()), value);
    bits = arith::ExtUIOp::create(b, b.i32s(), bits);
    return b.bitcast(b.f32s(), b.shl(bits, b.i32s(16)));
  }
  return value;
}

Value quadrille::emitValue(OpBuilder &builder, Location loc, const MatmulStore &store,
                      const MatmulElements &elements) {
  unsigned lanes = cast<VectorType>(elements.acc.getType()).getNumElements();
  VectorBuilder b(builder, loc, lanes);
  Value value = elements.acc;
  if (store.scale)
    value = b.mulF(value, store.scale);
  for (const EpilogueOperand &addend : store.addends)
    value = b.addF(value, loadOperand(b, addend, elements));
  if (store.body) {
    SmallVector<Value> arguments = {value};
    for (const EpilogueOperand &input : store.inputs)
      arguments.push_back(loadOperand(b, input, elements));
    value = store.body(b, loc, arguments);
  }
  value = narrowFromF32(b, store.elementType, value, store.roundsToBF16);
  Type asInteger = b.getIntegerType(store.elementType.getIntOrFloatBitWidth());
  return b.bitcast(b.vec(asInteger), value);
}

void quadrille::storeValue(OpBuilder &builder, Location loc, const MatmulStore &store, Value value,
                      const MatmulElements &elements) {
  auto type = cast<VectorType>(value.getType());
  VectorBuilder b(builder, loc, type.getNumElements());
  Value index = b.add(b.mul(elements.row, store.ldc), elements.col);
  Value address = elementAddress(b, store.out, index, store.elementType);
  unsigned bytes = type.getElementTypeBitWidth() / 8;
  // As in loadRow.
  auto ifOp = scf::IfOp::create(b, elements.isFull, /*withElseRegion=*/true);
  b.setInsertionPointToStart(ifOp.thenBlock());
  b.store(value, address, vectorAlignment(type, store.alignment));
  b.setInsertionPointToStart(ifOp.elseBlock());
  b.maskedStore(value, address, maskOf(b, elements), std::min(store.alignment, bytes));
}

void quadrille::emitStore(OpBuilder &builder, Location loc, const MatmulStore &store,
                     const MatmulElements &elements) {
  storeValue(builder, loc, store, emitValue(builder, loc, store, elements), elements);
}
