//===- VectorBuilder.h - Short names for code on vectors --------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_VECTORBUILDER_H
#define QUADRILLE_TARGET_VECTORBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace quadrille {

/// A builder of code on vectors of `lanes` 32-bit elements and on byte
/// addresses. Integer operands of different widths do not mix.
class VectorBuilder : public mlir::ImplicitLocOpBuilder {
public:
  VectorBuilder(mlir::OpBuilder &builder, mlir::Location loc, unsigned lanes)
      : ImplicitLocOpBuilder(loc, builder), lanes(lanes) {}

  const unsigned lanes;

  mlir::VectorType vec(mlir::Type element, unsigned perLane = 1) {
    return mlir::VectorType::get({int64_t(lanes) * perLane}, element);
  }
  mlir::VectorType i32s() { return vec(getI32Type()); }
  mlir::VectorType f32s() { return vec(getF32Type()); }
  mlir::VectorType bytes() { return vec(getI8Type(), 4); }

  mlir::Value i64(int64_t value) {
    return mlir::arith::ConstantOp::create(*this, getI64IntegerAttr(value));
  }
  mlir::Value i32s(int64_t value) { return splat(i32s(), getI32IntegerAttr(value)); }
  mlir::Value f32s(float value) { return splat(f32s(), getF32FloatAttr(value)); }
  mlir::Value splat(mlir::VectorType type, mlir::Attribute value) {
    return mlir::arith::ConstantOp::create(*this, mlir::DenseElementsAttr::get(type, value));
  }
  /// 0, 1, 2, .. as i64 lanes.
  mlir::Value iota() {
    llvm::SmallVector<int64_t> values(lanes);
    for (unsigned i = 0; i < lanes; ++i)
      values[i] = i;
    return mlir::arith::ConstantOp::create(
        *this, mlir::DenseElementsAttr::get(vec(getI64Type()), llvm::ArrayRef(values)));
  }

  // Operators of arith; a scalar meets a vector as its broadcast.
  mlir::Value add(mlir::Value a, mlir::Value b) { return binary<mlir::arith::AddIOp>(a, b); }
  mlir::Value sub(mlir::Value a, mlir::Value b) { return binary<mlir::arith::SubIOp>(a, b); }
  mlir::Value mul(mlir::Value a, mlir::Value b) { return binary<mlir::arith::MulIOp>(a, b); }
  mlir::Value divU(mlir::Value a, mlir::Value b) { return binary<mlir::arith::DivUIOp>(a, b); }
  mlir::Value minS(mlir::Value a, mlir::Value b) { return binary<mlir::arith::MinSIOp>(a, b); }
  mlir::Value bitAnd(mlir::Value a, mlir::Value b) { return binary<mlir::arith::AndIOp>(a, b); }
  mlir::Value bitOr(mlir::Value a, mlir::Value b) { return binary<mlir::arith::OrIOp>(a, b); }
  mlir::Value shl(mlir::Value a, mlir::Value b) { return binary<mlir::arith::ShLIOp>(a, b); }
  mlir::Value shrU(mlir::Value a, mlir::Value b) { return binary<mlir::arith::ShRUIOp>(a, b); }
  mlir::Value addF(mlir::Value a, mlir::Value b) { return binary<mlir::arith::AddFOp>(a, b); }
  mlir::Value subF(mlir::Value a, mlir::Value b) { return binary<mlir::arith::SubFOp>(a, b); }
  mlir::Value mulF(mlir::Value a, mlir::Value b) { return binary<mlir::arith::MulFOp>(a, b); }
  mlir::Value lessS(mlir::Value a, mlir::Value b) {
    return compare(mlir::arith::CmpIPredicate::slt, a, b);
  }
  mlir::Value equal(mlir::Value a, mlir::Value b) {
    return compare(mlir::arith::CmpIPredicate::eq, a, b);
  }
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b) {
    return mlir::arith::SelectOp::create(*this, condition, a, b);
  }
  mlir::Value bitcast(mlir::Type type, mlir::Value value) {
    if (value.getType() == type)
      return value;
    return mlir::LLVM::BitcastOp::create(*this, type, value);
  }
  mlir::Value broadcast(mlir::Value scalar) {
    return mlir::vector::BroadcastOp::create(*this, vec(scalar.getType()), scalar);
  }
  mlir::Value ceilDiv(mlir::Value a, int64_t b) { return divU(add(a, i64(b - 1)), i64(b)); }

  mlir::Value call(llvm::StringRef intrinsic, mlir::Type result, mlir::ValueRange args) {
    return mlir::LLVM::CallIntrinsicOp::create(*this, result, getStringAttr(intrinsic), args)
        .getResults();
  }

  // Memory. Addresses are a pointer and a byte offset; nothing is assumed of
  // their alignment beyond what the CPU does not mind.
  mlir::Value at(mlir::Value pointer, mlir::Value byteOffset) {
    return mlir::LLVM::GEPOp::create(*this, pointer.getType(), getI8Type(), pointer,
                                     mlir::ValueRange{byteOffset});
  }
  mlir::Value at(mlir::Value pointer, int64_t byteOffset) {
    if (byteOffset == 0)
      return pointer;
    return mlir::LLVM::GEPOp::create(*this, pointer.getType(), getI8Type(), pointer,
                                     llvm::ArrayRef<mlir::LLVM::GEPArg>{int32_t(byteOffset)});
  }
  /// A pointer per lane.
  mlir::Value lanesAt(mlir::Value pointer, mlir::Value byteOffsets) {
    return mlir::LLVM::GEPOp::create(*this, vec(pointer.getType()), getI8Type(), pointer,
                                     mlir::ValueRange{byteOffsets});
  }
  mlir::Value load(mlir::Type type, mlir::Value pointer, unsigned alignment = 1) {
    return mlir::LLVM::LoadOp::create(*this, type, pointer, alignment);
  }
  /// Of what the kernel does not write: such reads may move ahead of its stores.
  mlir::Value loadConstant(mlir::Type type, mlir::Value pointer, unsigned alignment = 1) {
    return mlir::LLVM::LoadOp::create(*this, type, pointer, alignment, /*isVolatile=*/false,
                                      /*isNonTemporal=*/false, /*isInvariant=*/true);
  }
  void store(mlir::Value value, mlir::Value pointer, unsigned alignment = 1) {
    mlir::LLVM::StoreOp::create(*this, value, pointer, alignment);
  }
  mlir::Value maskedLoad(mlir::VectorType type, mlir::Value pointer, mlir::Value mask,
                         unsigned alignment = 1) {
    return mlir::LLVM::MaskedLoadOp::create(*this, type, pointer, mask, zero(type), alignment);
  }
  void maskedStore(mlir::Value value, mlir::Value pointer, mlir::Value mask,
                   unsigned alignment = 1) {
    mlir::LLVM::MaskedStoreOp::create(*this, value, pointer, mask, alignment);
  }
  void prefetch(mlir::Value pointer) {
    mlir::LLVM::Prefetch::create(*this, pointer, /*rw=*/0, /*hint=*/3, /*cache=*/1);
  }
  mlir::Value zero(mlir::Type type) {
    return mlir::arith::ConstantOp::create(*this, getZeroAttr(type));
  }

  /// for (i = begin; i < end; i += step) body(i), on i64.
  void loop(mlir::Value begin, mlir::Value end, int64_t step,
            llvm::function_ref<void(mlir::Value)> body) {
    loop(begin, end, step, {}, [&](mlir::Value i, mlir::ValueRange) {
      body(i);
      return llvm::SmallVector<mlir::Value>();
    });
  }
  /// The same with values carried from one iteration to the next.
  llvm::SmallVector<mlir::Value>
  loop(mlir::Value begin, mlir::Value end, int64_t step, mlir::ValueRange init,
       llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)> body) {
    auto loop = mlir::scf::ForOp::create(*this, begin, end, i64(step), init);
    mlir::OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(loop.getBody());
    llvm::SmallVector<mlir::Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
    // An empty loop is built with its terminator.
    if (!init.empty())
      mlir::scf::YieldOp::create(*this, next);
    return llvm::SmallVector<mlir::Value>(loop.getResults());
  }

private:
  template <typename Op> mlir::Value binary(mlir::Value a, mlir::Value b) {
    match(a, b);
    return Op::create(*this, a, b);
  }
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value a, mlir::Value b) {
    match(a, b);
    return mlir::arith::CmpIOp::create(*this, predicate, a, b);
  }
  void match(mlir::Value &a, mlir::Value &b) {
    bool aIsVector = llvm::isa<mlir::VectorType>(a.getType());
    bool bIsVector = llvm::isa<mlir::VectorType>(b.getType());
    if (aIsVector && !bIsVector)
      b = broadcast(b);
    if (bIsVector && !aIsVector)
      a = broadcast(a);
  }
};

} // namespace quadrille

#endif // QUADRILLE_TARGET_VECTORBUILDER_H
