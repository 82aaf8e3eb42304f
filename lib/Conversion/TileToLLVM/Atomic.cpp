//===- Atomic.cpp - Tiles combined into a word of memory -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TilePattern.h"
#include "quadrille/Conversion/TileToLLVM/TileToLLVM.h"

using namespace mlir;

namespace quadrille {
namespace {

constexpr int64_t magnitudeMask = 0x7fffffff, infinityBits = 0x7f800000, nanBits = 0x7fc00000;

/// Registers of a lane first, which costs no exchange; the target does the rest.
class AtomicReducePattern : public TilePattern<tile::AtomicReduceOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::AtomicReduceOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    ValueRange registers = adaptor.getValue();
    Value word = registers.front();
    auto kind = arith::AtomicRMWKind::ori;
    if (op.getKind() == tile::AtomicReduction::amax) {
      kind = arith::AtomicRMWKind::maxu;
      for (Value reg : registers.drop_front())
        word = target.maxMagnitude(rewriter, loc, word, reg);
      word = magnitudeBits(rewriter, loc, word);
    } else {
      for (Value reg : registers.drop_front())
        word = arith::OrIOp::create(rewriter, loc, word, reg);
    }
    target.atomicReduce(rewriter, loc, kind, word, adaptor.getBase().front());
    rewriter.eraseOp(op);
    return success();
  }

private:
  Value constant(OpBuilder &b, Location loc, int64_t value) const {
    return target.splat(b, loc, arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value)));
  }

  /// The bits without the sign, with one NaN for all: machines differ in what they make.
  Value magnitudeBits(OpBuilder &b, Location loc, Value reg) const {
    Value bits = arith::BitcastOp::create(b, loc, target.registerType(b.getI32Type()), reg);
    bits = arith::AndIOp::create(b, loc, bits, constant(b, loc, magnitudeMask));
    Value isNaN = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ugt, bits,
                                        constant(b, loc, infinityBits));
    return arith::SelectOp::create(b, loc, isNaN, constant(b, loc, nanBits), bits);
  }
};

} // namespace

void populateTileAtomicPatterns(RewritePatternSet &patterns, const TypeConverter &converter,
                                const TargetInfo &target) {
  patterns.add<AtomicReducePattern>(converter, patterns.getContext(), target);
}

} // namespace quadrille
