//===- SIMTTargetInfo.cpp - What GPUs have in common -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/SIMTTargetInfo.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace quadrille {
namespace {

Value constantI32(OpBuilder &b, Location loc, int32_t value) {
  return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
}

/// `value`, of at most 32 bits, as the low bits of an i32, and back.
Value toWord(OpBuilder &b, Location loc, Value value) {
  unsigned bits = value.getType().getIntOrFloatBitWidth();
  Type integer = b.getIntegerType(bits);
  if (value.getType() != integer)
    value = LLVM::BitcastOp::create(b, loc, integer, value);
  return bits == 32 ? value : Value(LLVM::ZExtOp::create(b, loc, b.getI32Type(), value));
}

Value fromWord(OpBuilder &b, Location loc, Value word, Type type) {
  unsigned bits = type.getIntOrFloatBitWidth();
  Type integer = b.getIntegerType(bits);
  if (bits != 32)
    word = LLVM::TruncOp::create(b, loc, integer, word);
  return type == integer ? word : Value(LLVM::BitcastOp::create(b, loc, type, word));
}

} // namespace

/// The layout itself if each run of memory that a warp touches at once is a sector or
/// all there is; else one in which lanes follow each other with wide accesses.
layout::LinearLayout SIMTTargetInfo::memoryLayout(const layout::LinearLayout &compute,
                                                  unsigned contiguousBits,
                                                  unsigned elementBytes) const {
  constexpr unsigned sectorBytes = 32, widestAccess = 16;
  unsigned bytesBits = llvm::Log2_32(std::max(1u, elementBytes));
  auto isInWarp = [&](unsigned bit) {
    uint64_t basis = uint64_t(1) << bit;
    return llvm::is_contained(compute.reg, basis) || llvm::is_contained(compute.lane, basis);
  };
  unsigned run = 0;
  while (run < contiguousBits && isInWarp(run))
    ++run;
  if (run == contiguousBits || run + bytesBits >= llvm::Log2_32(sectorBytes))
    return compute;
  unsigned threadBits = compute.lane.size() + compute.warp.size();
  unsigned perThread = compute.indexBits > threadBits ? compute.indexBits - threadBits : 0;
  unsigned vectorBits = std::min({llvm::Log2_32(widestAccess) - bytesBits, perThread, contiguousBits});
  return layout::LinearLayout::contiguous(compute.indexBits, vectorBits, compute.lane.size(),
                                          compute.warp.size());
}

void SIMTTargetInfo::beginKernel(FunctionOpInterface kernel) const {
  Builder b(kernel.getContext());
  (void)kernel.insertArgument(kernel.getNumArguments(), b.getI64Type(), {}, kernel.getLoc());
}

Value SIMTTargetInfo::programId(OpBuilder &b, Location loc, FunctionOpInterface kernel,
                                unsigned dim) const {
  Value id = arith::ExtUIOp::create(b, loc, b.getI64Type(), blockId(b, loc, dim));
  return dim == 0 ? id : arith::AddIOp::create(b, loc, id, kernel.getArguments().back());
}

Value SIMTTargetInfo::laneId(OpBuilder &b, Location loc) const {
  return arith::AndIOp::create(b, loc, threadId(b, loc), constantI32(b, loc, getLanes() - 1));
}

Value SIMTTargetInfo::warpId(OpBuilder &b, Location loc) const {
  // Of a block with more warps than tiles have, each so many have tiles of their own.
  Value warp = arith::ShRUIOp::create(b, loc, threadId(b, loc),
                                      constantI32(b, loc, llvm::Log2_32(getLanes())));
  return arith::AndIOp::create(b, loc, warp, constantI32(b, loc, getWarps() - 1));
}

Value SIMTTargetInfo::exchange(OpBuilder &b, Location loc, Value reg, unsigned bit) const {
  Value word = exchangeWord(b, loc, toWord(b, loc, reg), 1u << bit);
  return fromWord(b, loc, word, reg.getType());
}

Value SIMTTargetInfo::permuteLanes(OpBuilder &b, Location loc, Value reg,
                                   ArrayRef<unsigned> sourceLane) const {
  // The planner's permutations are affine over F2: one constant, and one more
  // for each bit of the lane's number.
  Value source = constantI32(b, loc, sourceLane[0]), zero = constantI32(b, loc, 0);
  for (unsigned bit = 0; 1u << bit < sourceLane.size(); ++bit) {
    Value column = constantI32(b, loc, sourceLane[1u << bit] ^ sourceLane[0]);
    source = arith::XOrIOp::create(b, loc, source, selectByLaneBit(b, loc, bit, column, zero));
  }
  return fromWord(b, loc, readLane(b, loc, toWord(b, loc, reg), source), reg.getType());
}

std::pair<Value, Value> SIMTTargetInfo::swapRegisterAndLane(OpBuilder &b, Location loc, Value low,
                                                            Value high, unsigned bit) const {
  auto swapped = swapWords(b, loc, toWord(b, loc, low), toWord(b, loc, high), bit);
  if (!swapped)
    return TargetInfo::swapRegisterAndLane(b, loc, low, high, bit);
  return {fromWord(b, loc, swapped->first, low.getType()),
          fromWord(b, loc, swapped->second, high.getType())};
}

unsigned SIMTTargetInfo::maxAccessWidth(unsigned elementBytes, unsigned alignment) const {
  constexpr unsigned widestAccess = 16;
  return std::max(1u, std::min(alignment, widestAccess) / elementBytes);
}

static Value pointerTo(OpBuilder &b, Location loc, const TargetInfo::Access &access) {
  Value offset = arith::AddIOp::create(b, loc, access.offset, access.laneOffset);
  return LLVM::GEPOp::create(b, loc, access.base.getType(), access.element, access.base, offset);
}

SmallVector<Value> SIMTTargetInfo::load(OpBuilder &b, Location loc, const Access &access) const {
  Value pointer = pointerTo(b, loc, access);
  // A lane beyond the end reads the first elements instead, which exist.
  if (access.mask)
    pointer = LLVM::SelectOp::create(b, loc, access.mask, pointer, access.base);
  unsigned bytes = std::max(1u, access.element.getIntOrFloatBitWidth() / 8);
  auto type = VectorType::get({int64_t(access.width)}, access.element);
  Value loaded = LLVM::LoadOp::create(b, loc, type, pointer, access.width * bytes);
  if (access.mask) {
    Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
    loaded = LLVM::SelectOp::create(b, loc, access.mask, loaded, zero);
  }
  SmallVector<Value> registers;
  for (unsigned i = 0; i < access.width; ++i)
    registers.push_back(
        LLVM::ExtractElementOp::create(b, loc, loaded, constantI32(b, loc, i)));
  return registers;
}

/// A vector of registers.
static Value vectorOf(OpBuilder &b, Location loc, ValueRange registers) {
  auto type = VectorType::get({int64_t(registers.size())}, registers.front().getType());
  Value value = LLVM::PoisonOp::create(b, loc, type);
  for (auto [i, reg] : llvm::enumerate(registers))
    value = LLVM::InsertElementOp::create(b, loc, value, reg, constantI32(b, loc, i));
  return value;
}

/// Pairs of 16-bit registers as words, put together where they are made: that often is one
/// instruction, where each block that stores them would need more.
static SmallVector<Value> pairsOf(OpBuilder &b, Location loc, ValueRange registers) {
  SmallVector<Value> words;
  for (unsigned i = 0; i < registers.size(); i += 2) {
    OpBuilder::InsertionGuard guard(b);
    Operation *low = registers[i].getDefiningOp(), *high = registers[i + 1].getDefiningOp();
    if (low && high && low->getBlock() == high->getBlock())
      b.setInsertionPointAfter(low->isBeforeInBlock(high) ? high : low);
    words.push_back(LLVM::BitcastOp::create(b, loc, b.getI32Type(),
                                            vectorOf(b, loc, registers.slice(i, 2))));
  }
  return words;
}

void SIMTTargetInfo::store(OpBuilder &b, Location loc, ValueRange registers,
                           const Access &access) const {
  Value pointer = pointerTo(b, loc, access);
  unsigned bytes = std::max(1u, access.element.getIntOrFloatBitWidth() / 8);
  bool inPairs = bytes == 2 && access.width % 2 == 0;
  Value value = inPairs ? vectorOf(b, loc, pairsOf(b, loc, registers))
                        : vectorOf(b, loc, registers);
  auto storeVector = [&](OpBuilder &inner) {
    LLVM::StoreOp::create(inner, loc, value, pointer, access.width * bytes);
  };
  if (!access.mask)
    return storeVector(b);
  scf::IfOp::create(b, loc, access.mask, [&](OpBuilder &inner, Location) {
    storeVector(inner);
    scf::YieldOp::create(inner, loc);
  });
}

/// Both halves of one product, which one instruction makes.
std::pair<Value, Value> SIMTTargetInfo::multiplyWide(OpBuilder &b, Location loc, Value x,
                                                     Value y) const {
  Type wide = b.getI64Type(), narrow = b.getI32Type();
  Value product = arith::MulIOp::create(b, loc, arith::ExtUIOp::create(b, loc, wide, x),
                                        arith::ExtUIOp::create(b, loc, wide, y));
  Value shift = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(32));
  Value high = arith::ShRUIOp::create(b, loc, product, shift);
  return {arith::TruncIOp::create(b, loc, narrow, product),
          arith::TruncIOp::create(b, loc, narrow, high)};
}

/// A variable of the module in the address space that both vendors number 3.
Value SIMTTargetInfo::sharedMemory(OpBuilder &b, Location loc, uint64_t bytes,
                                   bool takesTurns) const {
  constexpr unsigned sharedSpace = 3, alignment = 16;
  Operation *kernel = b.getInsertionBlock()->getParentOp();
  while (!isa<FunctionOpInterface>(kernel))
    kernel = kernel->getParentOp();
  auto module = kernel->getParentOfType<ModuleOp>();
  std::string stem = (cast<FunctionOpInterface>(kernel).getName() + "_shared").str(), name = stem;
  if (takesTurns)
    name = stem + "_" + std::to_string(bytes);
  for (unsigned i = 1; !takesTurns && module.lookupSymbol(name); ++i)
    name = stem + std::to_string(i);
  if (!module.lookupSymbol(name)) {
    OpBuilder global = OpBuilder::atBlockBegin(module.getBody(), b.getListener());
    LLVM::GlobalOp::create(global, loc, LLVM::LLVMArrayType::get(b.getI8Type(), bytes),
                           /*isConstant=*/false, LLVM::Linkage::Internal, name,
                           /*value=*/Attribute(), alignment, sharedSpace);
  }
  return LLVM::AddressOfOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext(), sharedSpace),
                                   name);
}

/// A maximum concerns every lane: they agree on it, and one of them goes to memory.
/// Flags are rare: the lanes that have some go by themselves.
void SIMTTargetInfo::atomicReduce(OpBuilder &b, Location loc, arith::AtomicRMWKind kind,
                                  Value reg, Value pointer) const {
  Value zero = constantI32(b, loc, 0);
  Value tested = reg;
  auto predicate = arith::CmpIPredicate::ne;
  if (kind == arith::AtomicRMWKind::maxu) {
    for (unsigned bit = 0; 1u << bit < getLanes(); ++bit)
      reg = arith::MaxUIOp::create(b, loc, reg, exchange(b, loc, reg, bit));
    tested = laneId(b, loc);
    predicate = arith::CmpIPredicate::eq;
  }
  Value condition = arith::CmpIOp::create(b, loc, predicate, tested, zero);
  atomicReduceIf(b, loc, condition, kind, reg, pointer, deviceScope());
}

/// Only a function of the LLVM dialect can be a kernel; the arguments are pointers
/// and numbers, which need no conversion.
void SIMTTargetInfo::finishKernel(FunctionOpInterface kernel) const {
  auto program = cast<func::FuncOp>(kernel.getOperation());
  OpBuilder b(program);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                          program.getArgumentTypes());
  auto function = LLVM::LLVMFuncOp::create(b, program.getLoc(), program.getName(), type);
  function.getBody().takeBody(program.getBody());
  for (mlir::Block &block : function.getBody())
    if (auto end = dyn_cast<func::ReturnOp>(block.getTerminator())) {
      b.setInsertionPoint(end);
      LLVM::ReturnOp::create(b, end.getLoc(), ValueRange());
      end.erase();
    }
  auto valueOf = [&](StringRef name, unsigned otherwise) {
    auto attribute = program->getAttrOfType<IntegerAttr>(name);
    return attribute ? unsigned(attribute.getInt()) : otherwise;
  };
  addKernelAttributes(function, {valueOf("tile.threads", getLanes() * getWarps()),
                                 valueOf("tile.cluster", 1), valueOf("tile.resident", 0)});
  program.erase();
}

} // namespace quadrille
