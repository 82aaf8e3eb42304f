//===- Memory.cpp - Tile loads, stores and program numbers -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TilePattern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "quadrille/Conversion/TileToLLVM/TileToLLVM.h"
#include <numeric>

using namespace mlir;

namespace quadrille {
namespace {

/// The addresses and predicates of one tile.load or tile.store.
class TileAccess {
public:
  TileAccess(OpBuilder &b, Location loc, const TargetInfo &target, RankedTensorType type,
             Value base, ValueRange offsets, ValueRange bounds, ValueRange strides,
             std::optional<int64_t> alignment, std::optional<int64_t> granularity, bool window)
      : b(b), loc(loc), target(target), type(type), layout(tile::getLayout(type)), base(base),
        offsets(offsets), bounds(bounds), strides(strides), window(window) {
    Type element = type.getElementType();
    unsigned bytes = std::max(1u, element.getIntOrFloatBitWidth() / 8);
    if (matchPattern(strides.back(), m_One()))
      width = std::min(contiguousRegisters(),
                       target.maxAccessWidth(bytes, alignment.value_or(bytes)));
    maskedWidth = granularity ? std::gcd<int64_t>(width, *granularity) : 1;
    computeLanePositions();
  }

  /// One i1: the whole tile is inside of the bounds. Null for a tile without dimensions.
  Value isWhole() {
    Value whole;
    for (auto [offset, bound, size] : llvm::zip(offsets, bounds, type.getShape())) {
      Value end = arith::AddIOp::create(b, loc, offset, constant(size));
      Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, end, bound);
      if (window)
        inside = arith::AndIOp::create(
            b, loc, inside,
            arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, offset, constant(0)));
      whole = whole ? Value(arith::AndIOp::create(b, loc, whole, inside)) : inside;
    }
    return whole;
  }

  /// Elements of one access; masked ones must not straddle the last bound.
  unsigned getWidth(bool masked) const { return masked ? maskedWidth : width; }

  /// The registers of each access of `width` elements, in the order of their addresses.
  SmallVector<SmallVector<unsigned>> groups(unsigned width) const {
    SmallVector<unsigned> offsets = {0};
    for (unsigned step = 1; step < width; step *= 2)
      for (unsigned i = 0; i < step; ++i)
        offsets.push_back(offsets[i] | 1u << *findBasis(layout.reg, step));
    SmallVector<SmallVector<unsigned>> result;
    for (unsigned r = 0; r < layout.numRegisters(); ++r)
      if ((r & offsets.back()) == 0)
        result.push_back(llvm::map_to_vector(offsets, [r](unsigned o) { return r | o; }));
    return result;
  }

  /// The access of registers [r, r + width).
  TargetInfo::Access at(unsigned r, unsigned width, bool masked) {
    TargetInfo::Access access;
    access.element = type.getElementType();
    access.base = base;
    access.width = width;
    access.laneOffset = laneOffset;
    access.contiguousLanes = width == 1 && lanesAreContiguous();
    access.activeLanes = activeLanes();
    SmallVector<int64_t> position = positionOf(registerIndex(layout, r));
    access.offset = constant(0);
    for (auto [d, stride] : llvm::enumerate(strides)) {
      Value at = arith::AddIOp::create(b, loc, warpOrigin(d), constant(position[d]));
      access.offset = arith::AddIOp::create(
          b, loc, access.offset, arith::MulIOp::create(b, loc, at, stride));
    }
    if (masked)
      access.mask = maskAt(position);
    return access;
  }

private:
  Value constant(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }

  SmallVector<int64_t> positionOf(uint64_t index) const {
    SmallVector<int64_t> position(type.getRank());
    for (int64_t d = type.getRank() - 1; d >= 0; --d) {
      position[d] = index % type.getDimSize(d);
      index /= type.getDimSize(d);
    }
    return position;
  }

  /// Consecutive elements of a row that are in one lane's registers.
  unsigned contiguousRegisters() const {
    unsigned count = 1;
    while (int64_t(count) < type.getShape().back() && findBasis(layout.reg, count))
      count *= 2;
    return count;
  }

  bool lanesAreContiguous() const {
    if (!matchPattern(strides.back(), m_One()) || activeLanes() > type.getShape().back())
      return false;
    for (auto [bit, basis] : llvm::enumerate(layout.lane))
      if (basis != 0 && basis != uint64_t(1) << bit)
        return false;
    return true;
  }

  /// Lanes before those that only hold copies.
  unsigned activeLanes() const {
    unsigned bits = layout.lane.size();
    while (bits && layout.lane[bits - 1] == 0)
      --bits;
    return 1u << bits;
  }

  /// Each lane's position along each dimension, and its distance in memory.
  void computeLanePositions() {
    Value lane = target.laneId(b, loc), warp = target.warpId(b, loc);
    lanePosition.resize(type.getRank());
    warpPosition.resize(type.getRank());
    for (auto [d, stride] : llvm::enumerate(strides)) {
      lanePosition[d] = positionAlong(d, layout.lane, lane, /*inRegister=*/true);
      warpPosition[d] = positionAlong(d, layout.warp, warp, /*inRegister=*/false);
      Value distance =
          arith::MulIOp::create(b, loc, lanePosition[d], target.splat(b, loc, stride));
      laneOffset =
          laneOffset ? Value(arith::AddIOp::create(b, loc, laneOffset, distance)) : distance;
    }
  }

  /// Sum over the bits of `id` of what they contribute along dimension `d`; bits of
  /// which each contributes twice what the one before does are one number.
  Value positionAlong(unsigned d, ArrayRef<uint64_t> bases, Value id, bool inRegister) {
    auto imm = [&](int64_t value) {
      Value scalar = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
      return inRegister ? target.splat(b, loc, scalar) : scalar;
    };
    SmallVector<int64_t> steps =
        llvm::map_to_vector(bases, [&](uint64_t basis) { return positionOf(basis)[d]; });
    Value sum = imm(0);
    for (size_t first = 0, end; first < steps.size(); first = end) {
      for (end = first + 1; end < steps.size() && steps[end] == 2 * steps[end - 1];)
        ++end;
      if (steps[first] == 0)
        continue;
      Value digits = arith::AndIOp::create(
          b, loc, arith::ShRUIOp::create(b, loc, id, imm(first)), imm((1 << (end - first)) - 1));
      sum = arith::AddIOp::create(b, loc, sum,
                                  arith::MulIOp::create(b, loc, digits, imm(steps[first])));
    }
    Type wide = inRegister ? target.registerType(b.getI64Type()) : b.getI64Type();
    return arith::ExtUIOp::create(b, loc, wide, sum);
  }

  Value warpOrigin(unsigned d) {
    return arith::AddIOp::create(b, loc, offsets[d], warpPosition[d]);
  }

  Value maskAt(ArrayRef<int64_t> position) {
    Value mask;
    for (unsigned d = 0; d < position.size(); ++d) {
      Value origin = arith::AddIOp::create(b, loc, warpOrigin(d), constant(position[d]));
      Value left = arith::SubIOp::create(b, loc, bounds[d], origin);
      Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, lanePosition[d],
                                           target.splat(b, loc, left));
      mask = mask ? Value(arith::AndIOp::create(b, loc, mask, inside)) : inside;
      if (!window)
        continue;
      Value before = arith::SubIOp::create(b, loc, constant(0), origin);
      Value after = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, lanePosition[d],
                                          target.splat(b, loc, before));
      mask = arith::AndIOp::create(b, loc, mask, after);
    }
    return mask;
  }

  OpBuilder &b;
  Location loc;
  const TargetInfo &target;
  RankedTensorType type;
  LinearLayout layout;
  Value base;
  ValueRange offsets, bounds, strides;
  bool window;
  unsigned width = 1, maskedWidth = 1;
  SmallVector<Value> lanePosition, warpPosition;
  Value laneOffset;
};

/// Emits `access(masked)` once for whole tiles and once, masked, for those that
/// reach past the bounds.
template <typename Fn>
SmallVector<Value> forWholeOrPart(OpBuilder &b, Location loc, Value whole, TypeRange types,
                                  Fn access) {
  if (!whole || matchPattern(whole, m_One()))
    return access(b, /*masked=*/false);
  auto branch = scf::IfOp::create(b, loc, types, whole, /*addElseBlock=*/true);
  for (Block *block : {branch.thenBlock(), branch.elseBlock()}) {
    OpBuilder inner = OpBuilder::atBlockBegin(block);
    SmallVector<Value> results = access(inner, /*masked=*/block == branch.elseBlock());
    if (!types.empty() || block->empty() || !block->back().hasTrait<OpTrait::IsTerminator>()) {
      inner.setInsertionPointToEnd(block);
      scf::YieldOp::create(inner, loc, results);
    }
  }
  return branch.getResults();
}

class LoadPattern : public TilePattern<tile::LoadOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::LoadOp op, OneToNOpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto type = tileType(op.getResult());
    unsigned count = tile::getLayout(type).numRegisters();
    SmallVector<Type> types(count, target.registerType(type.getElementType()));
    Value whole = op.getInside() ? op.getInside() : tileAccess(op, rewriter).isWhole();
    SmallVector<Value> registers =
        forWholeOrPart(rewriter, loc, whole, types, [&](OpBuilder &b, bool masked) {
          TileAccess access = tileAccess(op, b);
          SmallVector<Value> values(count);
          unsigned width = access.getWidth(masked);
          for (ArrayRef<unsigned> group : access.groups(width)) {
            auto loaded = target.load(b, loc, access.at(group.front(), width, masked));
            for (auto [reg, value] : llvm::zip_equal(group, loaded))
              values[reg] = value;
          }
          return values;
        });
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }

private:
  TileAccess tileAccess(tile::LoadOp op, OpBuilder &b) const {
    return TileAccess(b, op.getLoc(), target, tileType(op.getResult()), op.getBase(),
                      op.getOffsets(), op.getBounds(), op.getStrides(), op.getAlignment(),
                      op.getGranularity(), op.getWindow());
  }
};

class StorePattern : public TilePattern<tile::StoreOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::StoreOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    SmallVector<Value> registers(adaptor.getValue());
    Value whole = op.getInside() ? op.getInside() : tileAccess(op, rewriter).isWhole();
    forWholeOrPart(rewriter, loc, whole, {}, [&](OpBuilder &b, bool masked) {
      TileAccess access = tileAccess(op, b);
      unsigned width = access.getWidth(masked);
      for (ArrayRef<unsigned> group : access.groups(width)) {
        auto values = llvm::map_to_vector(group, [&](unsigned r) { return registers[r]; });
        TargetInfo::Access place = access.at(group.front(), width, masked);
        if (op.getWhere()) {
          Value own = adaptor.getWhere()[group.front()];
          place.mask = place.mask ? Value(arith::AndIOp::create(b, loc, place.mask, own)) : own;
        }
        target.store(b, loc, values, place);
      }
      return SmallVector<Value>();
    });
    rewriter.eraseOp(op);
    return success();
  }

private:
  TileAccess tileAccess(tile::StoreOp op, OpBuilder &b) const {
    return TileAccess(b, op.getLoc(), target, tileType(op.getValue()), op.getBase(),
                      op.getOffsets(), op.getBounds(), op.getStrides(), op.getAlignment(),
                      op.getGranularity(), op.getWindow());
  }
};

class ProgramIdPattern : public TilePattern<tile::ProgramIdOp> {
public:
  using TilePattern::TilePattern;

  LogicalResult matchAndRewrite(tile::ProgramIdOp op, OneToNOpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto kernel = op->getParentOfType<FunctionOpInterface>();
    rewriter.replaceOp(op, target.programId(rewriter, op.getLoc(), kernel, op.getDim()));
    return success();
  }
};

} // namespace

void populateTileMemoryPatterns(RewritePatternSet &patterns, const TypeConverter &converter,
                                const TargetInfo &target) {
  patterns.add<LoadPattern, StorePattern, ProgramIdPattern>(converter, patterns.getContext(),
                                                            target);
}

} // namespace quadrille
