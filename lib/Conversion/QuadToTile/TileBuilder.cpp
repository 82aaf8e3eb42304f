//===- TileBuilder.cpp - Arithmetic on tiles -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TileBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace quadrille {

Tile TileBuilder::splat(Tile like, TypedAttr value) {
  auto type = withElement(like, value.getType());
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<Attribute>(value)));
}

Tile TileBuilder::orderedBits(Tile x) {
  Tile value = bits(x);
  return bitXor(value, bitAnd(shrS(value, 31), 0x7fffffff));
}

Tile TileBuilder::widen(Tile x) {
  Type element = getElementTypeOrSelf(x);
  if (element.isF32())
    return x;
  if (element.isInteger(16))
    return fromBits(shl(extend(x), 16));
  return arith::ExtFOp::create(b, loc, withElement(x, b.getF32Type()), x);
}

Tile TileBuilder::truncate(Tile x, Type element) {
  if (getElementTypeOrSelf(x) == element)
    return x;
  return arith::TruncIOp::create(b, loc, withElement(x, element), x);
}

Tile TileBuilder::extend(Tile x) {
  if (getElementTypeOrSelf(x).isInteger(32))
    return x;
  return arith::ExtUIOp::create(b, loc, withElement(x, b.getI32Type()), x);
}

Tile TileBuilder::narrow(Tile x, Type element, bool roundsToBF16) {
  if (element.isF32())
    return x;
  if (element.isF16() || roundsToBF16) {
    Tile rounded = arith::TruncFOp::create(b, loc, withElement(x, element), x);
    return element.isF16() ? rounded
                           : arith::BitcastOp::create(b, loc, withElement(x, b.getI16Type()), rounded);
  }
  // bf16: add half of the last place kept less one, plus the bit that makes a
  // tie even. NaN stays one: quiet, with its upper bits.
  Tile value = bits(x);
  Tile odd = bitAnd(shrU(value, 16), 1);
  Tile rounded = shrU(add(add(value, 0x7fff), odd), 16);
  Tile nan = bitOr(shrU(value, 16), i32(value, 0x40));
  Tile isNaN = cmp(arith::CmpIPredicate::ugt, bitAnd(value, 0x7fffffff), 0x7f800000);
  return truncate(select(isNaN, nan, rounded), b.getI16Type());
}

Tile TileBuilder::reshape(Tile x, ArrayRef<int64_t> shape) {
  if (shapeOf(x) == shape)
    return x;
  return tile::ReshapeOp::create(b, loc, tile::reshapedType(typeOf(x), shape), x);
}

Tile TileBuilder::reduce(tile::Reduction kind, Tile x, ArrayRef<int64_t> dims) {
  return tile::ReduceOp::create(b, loc, tile::reducedType(typeOf(x), dims), kind, x, dims);
}

Tile TileBuilder::broadcast(Tile x, RankedTensorType like) {
  auto type = cast<RankedTensorType>(like.clone(typeOf(x).getElementType()));
  return type == x.getType() ? x : Tile(tile::BroadcastOp::create(b, loc, type, x));
}

Tile TileBuilder::pack(Tile values, uint32_t bias, unsigned shift) {
  return tile::PackOp::create(b, loc, tile::packedType(typeOf(values)), values, bias, shift);
}

Tile TileBuilder::packSigns(Tile values) {
  auto words = cast<RankedTensorType>(typeOf(values).clone(b.getI32Type()));
  return tile::PackSignsOp::create(b, loc, tile::packedType(words), values);
}

Tile TileBuilder::encodeE2M1(Tile values) {
  auto words = cast<RankedTensorType>(typeOf(values).clone(b.getI32Type()));
  return tile::EncodeE2M1Op::create(b, loc, tile::packedType(words), values);
}

Tile TileBuilder::encodeE4M3(Tile values) {
  return tile::EncodeE4M3Op::create(b, loc, typeOf(values).clone(b.getI32Type()), values);
}

Tile TileBuilder::widenHalves(Tile words, Type element, RankedTensorType type) {
  return tile::WidenOp::create(b, loc, type.clone(b.getF32Type()), words, element);
}

Tile TileBuilder::unpack(Tile words, RankedTensorType codesType) {
  return tile::UnpackOp::create(b, loc, codesType, words);
}

Tile TileBuilder::lookup(Tile index, ArrayRef<float> table) {
  return tile::LookupOp::create(b, loc, withElement(index, b.getF32Type()), index, table);
}

Tile TileBuilder::lookupBF16(Tile words, ArrayRef<int16_t> table, RankedTensorType type) {
  auto pairs = tile::halvedType(cast<RankedTensorType>(type.clone(b.getI32Type())));
  return widenHalves(tile::LookupPairsOp::create(b, loc, pairs, words, table), b.getBF16Type(),
                     type);
}

Tile TileBuilder::transpose(Tile x) {
  return tile::TransposeOp::create(b, loc, tile::transposedType(typeOf(x)), x);
}

Tile TileBuilder::convertLayout(Tile x, const layout::LinearLayout &layout) {
  RankedTensorType type = tile::withLayout(typeOf(x), layout);
  return type == x.getType() ? x : Tile(tile::ConvertLayoutOp::create(b, loc, type, x));
}

} // namespace quadrille
