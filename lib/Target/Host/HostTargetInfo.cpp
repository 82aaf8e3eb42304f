//===- HostTargetInfo.cpp - A CPU as a target: lanes are SIMD lanes -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quadrille/Target/TargetInfo.h"
#include "quadrille/Target/TargetSpec.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using quadrille::layout::LinearLayout;

namespace quadrille {
namespace {

/// Bytes of a slot of the argument array (include/quadrille/Runtime/Schedule.h).
constexpr unsigned slotBytes = 8;

class HostTargetInfo : public TargetInfo {
public:
  explicit HostTargetInfo(unsigned lanes, bool hasWidePermute)
      : TargetInfo(lanes, /*warps=*/1, /*elementsPerLane=*/16), hasWidePermute(hasWidePermute) {}

  LinearLayout memoryLayout(const LinearLayout &compute, unsigned contiguousBits,
                            unsigned elementBytes) const override;
  /// One row of memory fills the lanes; stack takes what registers do not hold.
  ColumnTile columnTile() const override { return {256, getElementsPerLane(), getLanes()}; }

  Type registerType(Type element) const override {
    return VectorType::get({int64_t(getLanes())}, element);
  }

  Value splat(OpBuilder &b, Location loc, Value scalar) const override {
    return vector::BroadcastOp::create(b, loc, registerType(scalar.getType()), scalar);
  }

  Value laneId(OpBuilder &b, Location loc) const override {
    auto ids = llvm::to_vector(llvm::seq<int32_t>(0, getLanes()));
    auto type = cast<VectorType>(registerType(b.getI32Type()));
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef(ids)));
  }

  Value warpId(OpBuilder &b, Location loc) const override {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0));
  }

  void beginKernel(FunctionOpInterface kernel) const override {
    if (kernel->hasAttr("tile.ranged"))
      return;
    Type i64 = IntegerType::get(kernel.getContext(), 64);
    for (unsigned dim = 0; dim < 2; ++dim)
      (void)kernel.insertArgument(kernel.getNumArguments(), i64, {}, kernel.getLoc());
  }

  Value programId(OpBuilder &, Location, FunctionOpInterface kernel, unsigned dim) const override {
    return kernel.getArgument(kernel.getNumArguments() - 2 + dim);
  }

  Value exchange(OpBuilder &b, Location loc, Value reg, unsigned bit) const override {
    return shuffle(b, loc, reg, reg, [&](unsigned lane) { return lane ^ 1u << bit; });
  }

  Value permuteLanes(OpBuilder &b, Location loc, Value reg,
                     ArrayRef<unsigned> sourceLane) const override {
    return shuffle(b, loc, reg, reg, [&](unsigned lane) { return sourceLane[lane]; });
  }

  Value selectByLaneBit(OpBuilder &b, Location loc, unsigned bit, Value ifSet,
                        Value ifClear) const override {
    return shuffle(b, loc, ifSet, ifClear, [&](unsigned lane) {
      return lane >> bit & 1 ? lane : lane + getLanes();
    });
  }

  std::pair<Value, Value> swapRegisterAndLane(OpBuilder &b, Location loc, Value low, Value high,
                                              unsigned bit) const override {
    unsigned distance = 1u << bit, lanes = getLanes();
    Value newLow = shuffle(b, loc, low, high, [&](unsigned lane) {
      return lane & distance ? (lane ^ distance) + lanes : lane;
    });
    Value newHigh = shuffle(b, loc, low, high, [&](unsigned lane) {
      return lane & distance ? lane + lanes : lane ^ distance;
    });
    return {newLow, newHigh};
  }

  Value lookup(OpBuilder &b, Location loc, ArrayRef<float> table, Value index) const override;
  bool looksUpFast() const override { return hasWidePermute; }

  unsigned maxAccessWidth(unsigned elementBytes, unsigned) const override {
    return 16 / elementBytes;
  }
  SmallVector<Value> load(OpBuilder &b, Location loc, const Access &access) const override;
  void store(OpBuilder &b, Location loc, ValueRange registers,
             const Access &access) const override;

  void atomicReduce(OpBuilder &b, Location loc, arith::AtomicRMWKind kind, Value reg,
                    Value pointer) const override {
    auto combine = kind == arith::AtomicRMWKind::maxu ? vector::CombiningKind::MAXUI
                                                      : vector::CombiningKind::OR;
    Value word = vector::ReductionOp::create(b, loc, combine, reg);
    Value zero = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0));
    Value some = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, word, zero);
    atomicReduceIf(b, loc, some, kind, word, pointer, /*scope=*/"");
  }

  void finishKernel(FunctionOpInterface kernel) const override;

private:
  Value shuffle(OpBuilder &b, Location loc, Value x, Value y,
                llvm::function_ref<int64_t(unsigned)> source) const {
    SmallVector<int64_t> mask = llvm::map_to_vector(
        llvm::seq<unsigned>(0, getLanes()), [&](unsigned lane) { return source(lane); });
    return vector::ShuffleOp::create(b, loc, x, y, mask);
  }

  bool hasWidePermute;
};

LinearLayout HostTargetInfo::memoryLayout(const LinearLayout &compute, unsigned contiguousBits,
                                          unsigned) const {
  unsigned laneBits = std::min<unsigned>(compute.lane.size(), compute.indexBits);
  if (contiguousBits < laneBits)
    return compute;
  std::vector<uint64_t> lane(compute.lane.size(), 0), reg;
  for (unsigned bit = 0; bit < compute.indexBits; ++bit) {
    if (bit < laneBits)
      lane[bit] = uint64_t(1) << bit;
    else
      reg.push_back(uint64_t(1) << bit);
  }
  return LinearLayout(compute.indexBits, reg, lane);
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

/// A permutation instruction where a vector holds the whole table.
Value HostTargetInfo::lookup(OpBuilder &b, Location loc, ArrayRef<float> table,
                             Value index) const {
  if (!hasWidePermute)
    return TargetInfo::lookup(b, loc, table, index);
  SmallVector<float> padded(table);
  padded.resize(getLanes(), table.back());
  auto type = cast<VectorType>(registerType(b.getF32Type()));
  Value values = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef(padded)));
  return LLVM::CallIntrinsicOp::create(b, loc, type,
                                       b.getStringAttr("llvm.x86.avx512.permvar.sf.512"),
                                       ValueRange{values, index})
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Address of `offset` elements of `element` from `base`.
Value elementPointer(OpBuilder &b, Location loc, Value base, Type element, Value offset) {
  return LLVM::GEPOp::create(b, loc, base.getType(), element, base, offset);
}

Value zeroOf(OpBuilder &b, Location loc, Type type) {
  return arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
}

/// The first `count` lanes of `value`.
Value firstLanes(OpBuilder &b, Location loc, Value value, unsigned count) {
  if (cast<VectorType>(value.getType()).getNumElements() == count)
    return value;
  return vector::ExtractStridedSliceOp::create(b, loc, value, ArrayRef<int64_t>{0},
                                               ArrayRef<int64_t>{int64_t(count)},
                                               ArrayRef<int64_t>{1});
}

unsigned alignmentOf(Type element) {
  return std::max(1u, element.getIntOrFloatBitWidth() / 8);
}

/// Lanes whose elements are not copies of others'.
unsigned activeLanesOf(const TargetInfo::Access &access, unsigned lanes) {
  return std::min(access.activeLanes, lanes);
}

/// Whether one vector is at consecutive addresses. One lane is a scalar: LLVM fails at masks of
/// a single i1.
bool isOneVector(const TargetInfo::Access &access) {
  return access.contiguousLanes && access.activeLanes > 1;
}

/// Lanes from `active` on get copies of those before.
Value copyToLanes(OpBuilder &b, Location loc, Value value, unsigned active, unsigned lanes) {
  if (active == lanes)
    return value;
  SmallVector<int64_t> sources = llvm::map_to_vector(
      llvm::seq<unsigned>(0, lanes), [&](unsigned lane) { return int64_t(lane % active); });
  return vector::ShuffleOp::create(b, loc, value, value, sources);
}

Value loadContiguous(OpBuilder &b, Location loc, const TargetInfo::Access &access,
                     unsigned lanes) {
  unsigned active = activeLanesOf(access, lanes);
  auto type = VectorType::get({int64_t(active)}, access.element);
  Value pointer = elementPointer(b, loc, access.base, access.element, access.offset);
  unsigned alignment = alignmentOf(access.element);
  Value loaded;
  if (access.mask)
    loaded = LLVM::MaskedLoadOp::create(b, loc, type, pointer,
                                        firstLanes(b, loc, access.mask, active),
                                        zeroOf(b, loc, type), alignment);
  else
    loaded = LLVM::LoadOp::create(b, loc, type, pointer, alignment);
  return copyToLanes(b, loc, loaded, active, lanes);
}

/// Offset of lane `lane`'s first element from the base.
Value laneOffset(OpBuilder &b, Location loc, const TargetInfo::Access &access, unsigned lane) {
  Value offset = vector::ExtractOp::create(b, loc, access.laneOffset, int64_t(lane));
  return arith::AddIOp::create(b, loc, access.offset, offset);
}

SmallVector<Value> HostTargetInfo::load(OpBuilder &b, Location loc, const Access &access) const {
  if (isOneVector(access))
    return {loadContiguous(b, loc, access, getLanes())};
  // Lane by lane. A masked-off lane reads the first element instead, which
  // exists where a kernel runs at all.
  unsigned active = activeLanesOf(access, getLanes());
  Type type = registerType(access.element);
  SmallVector<Value> registers(access.width, zeroOf(b, loc, type));
  auto laneType = VectorType::get({int64_t(access.width)}, access.element);
  for (unsigned lane = 0; lane < active; ++lane) {
    Value offset = laneOffset(b, loc, access, lane);
    Value inside;
    if (access.mask) {
      inside = vector::ExtractOp::create(b, loc, access.mask, int64_t(lane));
      offset = arith::SelectOp::create(b, loc, inside, offset,
                                       arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(0)));
    }
    Value pointer = elementPointer(b, loc, access.base, access.element, offset);
    Value loaded = LLVM::LoadOp::create(b, loc, laneType, pointer, alignmentOf(access.element));
    for (unsigned i = 0; i < access.width; ++i) {
      Value element = vector::ExtractOp::create(b, loc, loaded, int64_t(i));
      if (inside)
        element = arith::SelectOp::create(b, loc, inside, element,
                                          zeroOf(b, loc, access.element));
      registers[i] = vector::InsertOp::create(b, loc, element, registers[i], int64_t(lane));
    }
  }
  for (Value &reg : registers)
    reg = copyToLanes(b, loc, reg, active, getLanes());
  return registers;
}

void HostTargetInfo::store(OpBuilder &b, Location loc, ValueRange registers,
                           const Access &access) const {
  unsigned active = activeLanesOf(access, getLanes());
  unsigned alignment = alignmentOf(access.element);
  if (isOneVector(access)) {
    Value value = firstLanes(b, loc, registers.front(), active);
    Value pointer = elementPointer(b, loc, access.base, access.element, access.offset);
    if (access.mask)
      LLVM::MaskedStoreOp::create(b, loc, value, pointer,
                                  firstLanes(b, loc, access.mask, active), alignment);
    else
      LLVM::StoreOp::create(b, loc, value, pointer, alignment);
    return;
  }
  auto laneType = VectorType::get({int64_t(access.width)}, access.element);
  for (unsigned lane = 0; lane < active; ++lane) {
    Value value = zeroOf(b, loc, laneType);
    for (auto [i, reg] : llvm::enumerate(registers)) {
      Value element = vector::ExtractOp::create(b, loc, reg, int64_t(lane));
      value = vector::InsertOp::create(b, loc, element, value, int64_t(i));
    }
    Value pointer = elementPointer(b, loc, access.base, access.element,
                                   laneOffset(b, loc, access, lane));
    auto storeLane = [&](OpBuilder &inner) {
      LLVM::StoreOp::create(inner, loc, value, pointer, alignment);
    };
    if (!access.mask) {
      storeLane(b);
      continue;
    }
    Value inside = vector::ExtractOp::create(b, loc, access.mask, int64_t(lane));
    scf::IfOp::create(b, loc, inside, [&](OpBuilder &inner, Location) {
      storeLane(inner);
      scf::YieldOp::create(inner, loc);
    });
  }
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// Loads the kernel's arguments from their slots.
SmallVector<Value> loadArguments(OpBuilder &b, Location loc, Value slots, TypeRange types) {
  SmallVector<Value> arguments;
  for (auto [i, type] : llvm::enumerate(types)) {
    Value pointer = LLVM::GEPOp::create(b, loc, slots.getType(), b.getI8Type(), slots,
                                        ArrayRef<LLVM::GEPArg>{int32_t(i * slotBytes)});
    arguments.push_back(LLVM::LoadOp::create(b, loc, type, pointer, slotBytes));
  }
  return arguments;
}

/// Makes the program a function called in loops over its numbers:
/// `void name(const uint64_t *args, int64_t x0, int64_t x1, int64_t y0, int64_t y1)`.
void HostTargetInfo::finishKernel(FunctionOpInterface kernel) const {
  auto program = cast<func::FuncOp>(kernel.getOperation());
  MLIRContext *context = program.getContext();
  Location loc = program.getLoc();
  OpBuilder b(program);
  std::string name = program.getName().str();
  program.setName(name + ".program");
  program.setPrivate();
  program->setAttr("llvm.linkage",
                   LLVM::LinkageAttr::get(context, LLVM::Linkage::Internal));

  Type i64 = b.getI64Type();
  auto type = b.getFunctionType({LLVM::LLVMPointerType::get(context), i64, i64, i64, i64}, {});
  auto entry = func::FuncOp::create(b, loc, name, type);
  entry->setAttr("tile.kernel", b.getUnitAttr());
  Block *body = entry.addEntryBlock();
  b.setInsertionPointToStart(body);
  if (program->hasAttr("tile.ranged")) {
    TypeRange types = TypeRange(program.getArgumentTypes()).drop_back(4);
    SmallVector<Value> arguments = loadArguments(b, loc, body->getArgument(0), types);
    llvm::append_range(arguments, body->getArguments().drop_front());
    func::CallOp::create(b, loc, program, arguments);
    func::ReturnOp::create(b, loc);
    program->removeAttr("tile.kernel");
    return;
  }
  TypeRange types = TypeRange(program.getArgumentTypes()).drop_back(2);
  SmallVector<Value> arguments = loadArguments(b, loc, body->getArgument(0), types);
  Value one = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(1));
  auto forEach = [&](OpBuilder &b, unsigned dim, llvm::function_ref<void(OpBuilder &, Value)> fn) {
    scf::ForOp::create(b, loc, body->getArgument(1 + 2 * dim), body->getArgument(2 + 2 * dim), one,
                       ValueRange(), [&](OpBuilder &b, Location, Value id, ValueRange) {
                         fn(b, id);
                         scf::YieldOp::create(b, loc);
                       });
  };
  forEach(b, 1, [&](OpBuilder &b, Value y) {
    forEach(b, 0, [&](OpBuilder &b, Value x) {
      SmallVector<Value> all(arguments);
      all.append({x, y});
      func::CallOp::create(b, loc, program, all);
    });
  });
  func::ReturnOp::create(b, loc);
  program->removeAttr("tile.kernel");
}

} // namespace

std::unique_ptr<TargetInfo> createHostTargetInfo(const TargetSpec &spec) {
  unsigned lanes = spec.hasFeature("avx512f") ? 16 : spec.hasFeature("avx2") ? 8 : 4;
  return std::make_unique<HostTargetInfo>(lanes, /*hasWidePermute=*/lanes == 16);
}

} // namespace quadrille
