//===- TileBuilder.h - Arithmetic on tiles -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds elementwise and shape operations whose result types follow from their
// operands', so that the numerics above reads like docs/numerics.md. The elementwise
// ones work on vectors too.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_TILEBUILDER_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_TILEBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "quadrille/Dialect/Tile/IR/Tile.h"
#include "quadrille/Target/TargetInfo.h"

namespace quadrille {

/// A tile: a tensor value with a layout.
using Tile = mlir::Value;

class TileBuilder {
public:
  /// With a target the tiles are for it alone, and its own conversions may be used.
  TileBuilder(mlir::OpBuilder &b, mlir::Location loc, const TargetInfo *target = nullptr)
      : b(b), loc(loc), target(target) {}

  mlir::OpBuilder &b;
  mlir::Location loc;

  static mlir::RankedTensorType typeOf(Tile t) {
    return mlir::cast<mlir::RankedTensorType>(t.getType());
  }
  static llvm::ArrayRef<int64_t> shapeOf(Tile t) { return typeOf(t).getShape(); }

  // Constants shaped and laid out as `like`.
  Tile f32(Tile like, float value) { return splat(like, b.getF32FloatAttr(value)); }
  Tile i32(Tile like, int64_t value) { return splat(like, b.getI32IntegerAttr(value)); }

  template <typename OpT> Tile op(Tile x, Tile y) { return OpT::create(b, loc, x, y); }
  Tile addf(Tile x, Tile y) { return op<mlir::arith::AddFOp>(x, y); }
  Tile subf(Tile x, Tile y) { return op<mlir::arith::SubFOp>(x, y); }
  Tile mulf(Tile x, Tile y) { return op<mlir::arith::MulFOp>(x, y); }
  Tile divf(Tile x, Tile y) { return op<mlir::arith::DivFOp>(x, y); }
  Tile add(Tile x, int64_t y) { return add(x, i32(x, y)); }
  Tile add(Tile x, Tile y) { return op<mlir::arith::AddIOp>(x, y); }
  Tile sub(Tile x, Tile y) { return op<mlir::arith::SubIOp>(x, y); }
  Tile bitAnd(Tile x, int64_t y) { return op<mlir::arith::AndIOp>(x, i32(x, y)); }
  Tile bitAnd(Tile x, Tile y) { return op<mlir::arith::AndIOp>(x, y); }
  Tile bitOr(Tile x, Tile y) { return op<mlir::arith::OrIOp>(x, y); }
  Tile bitXor(Tile x, Tile y) { return op<mlir::arith::XOrIOp>(x, y); }
  Tile shl(Tile x, unsigned y) { return y ? op<mlir::arith::ShLIOp>(x, i32(x, y)) : x; }
  Tile shrU(Tile x, unsigned y) { return y ? op<mlir::arith::ShRUIOp>(x, i32(x, y)) : x; }
  Tile shrS(Tile x, unsigned y) { return y ? op<mlir::arith::ShRSIOp>(x, i32(x, y)) : x; }
  Tile minU(Tile x, int64_t y) { return op<mlir::arith::MinUIOp>(x, i32(x, y)); }
  Tile minU(Tile x, Tile y) { return op<mlir::arith::MinUIOp>(x, y); }
  Tile minS(Tile x, int64_t y) { return op<mlir::arith::MinSIOp>(x, i32(x, y)); }
  Tile maxS(Tile x, int64_t y) { return op<mlir::arith::MaxSIOp>(x, i32(x, y)); }
  /// fl(x * y + z) with one rounding.
  Tile fma(Tile x, Tile y, Tile z) { return mlir::math::FmaOp::create(b, loc, x, y, z); }

  Tile cmp(mlir::arith::CmpIPredicate predicate, Tile x, Tile y) {
    return mlir::arith::CmpIOp::create(b, loc, predicate, x, y);
  }
  Tile cmp(mlir::arith::CmpIPredicate predicate, Tile x, int64_t y) {
    return cmp(predicate, x, i32(x, y));
  }
  Tile cmpf(mlir::arith::CmpFPredicate predicate, Tile x, Tile y) {
    return mlir::arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  Tile select(Tile condition, Tile x, Tile y) {
    return mlir::arith::SelectOp::create(b, loc, condition, x, y);
  }

  /// The bits of f32 as i32 and back.
  Tile bits(Tile x) { return bitcast(x, b.getI32Type()); }
  Tile fromBits(Tile x) { return bitcast(x, b.getF32Type()); }
  Tile magnitude(Tile x) { return mlir::math::AbsFOp::create(b, loc, x); }
  /// The bits without the sign: orders like |x|, NaN above infinity.
  Tile magnitudeBits(Tile x) { return bitAnd(bits(x), 0x7fffffff); }
  /// f32 bits as a signed integer that orders like the number, -0 below +0.
  Tile orderedBits(Tile x);
  /// f16, f32 or the bits of bf16 (i16) to f32.
  Tile widen(Tile x);
  /// f32 rounded to nearest even to f16, f32 or the bits of bf16 (i16). bf16 goes
  /// by integer arithmetic, unless the target has an instruction: NaN are then any.
  Tile narrow(Tile x, mlir::Type element, bool roundsToBF16 = false);
  /// Integers to another width; values fit.
  Tile truncate(Tile x, mlir::Type element);
  Tile extend(Tile x);

  Tile reshape(Tile x, llvm::ArrayRef<int64_t> shape);
  Tile reduce(tile::Reduction kind, Tile x, llvm::ArrayRef<int64_t> dims);
  void atomicReduce(tile::AtomicReduction kind, Tile x, mlir::Value pointer) {
    tile::AtomicReduceOp::create(b, loc, kind, x, pointer);
  }
  Tile broadcast(Tile x, mlir::RankedTensorType like);
  Tile hadamard(Tile x, Tile factors = {}) {
    return tile::HadamardOp::create(b, loc, x.getType(), x, factors);
  }
  /// Words of eight codes (value - bias) >> shift.
  Tile pack(Tile values, uint32_t bias = 0, unsigned shift = 0);
  Tile packSigns(Tile values);
  bool encodesE2M1() const { return target && target->encodesE2M1(); }
  bool encodesE4M3() const { return target && target->encodesE4M3(); }
  Tile encodeE2M1(Tile values);
  Tile encodeE4M3(Tile values);
  /// The halves of words as f32, of `type` when widened.
  Tile widenHalves(Tile words, mlir::Type element, mlir::RankedTensorType type);
  Tile unpack(Tile words, mlir::RankedTensorType codesType);
  Tile lookup(Tile index, llvm::ArrayRef<float> table);
  /// Of words of eight codes, the bf16 numbers of a table of 16, as f32.
  Tile lookupBF16(Tile words, llvm::ArrayRef<int16_t> table, mlir::RankedTensorType type);
  Tile transpose(Tile x);
  Tile convertLayout(Tile x, const layout::LinearLayout &layout);

  mlir::ShapedType withElement(Tile like, mlir::Type element) {
    return mlir::cast<mlir::ShapedType>(like.getType()).clone(element);
  }

private:
  const TargetInfo *target;

  Tile splat(Tile like, mlir::TypedAttr value);
  Tile bitcast(Tile x, mlir::Type element) {
    return mlir::arith::BitcastOp::create(b, loc, withElement(x, element), x);
  }
};

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_TILEBUILDER_H
