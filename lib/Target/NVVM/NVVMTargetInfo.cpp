//===- NVVMTargetInfo.cpp - NVIDIA GPUs -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "quadrille/Target/SIMTTargetInfo.h"
#include "quadrille/Target/TargetSpec.h"

using namespace mlir;

namespace quadrille {
namespace {

/// What an architecture has instructions for: conversions (PTX ISA, "cvt") to E4M3 since sm_89, to
/// E2M1 in its architecture-specific targets since sm_100a; mma of fp8 since sm_89, by PTX 8.4,
/// which is not asked for where wgmma multiplies.
struct Instructions {
  StringLiteral target;
  bool toE4M3, toE2M1, multipliesFp8;
};

constexpr Instructions instructionTable[] = {
    {"sm_80", false, false, false}, {"sm_86", false, false, false}, {"sm_89", true, false, true},
    {"sm_90", true, false, false},  {"sm_90a", true, false, false}, {"sm_100a", true, true, true},
    {"sm_103a", true, true, true},  {"sm_120a", true, true, true},  {"sm_121a", true, true, true},
};

Instructions instructionsOf(const TargetSpec &spec) {
  const auto *row = llvm::find_if(instructionTable, [&](auto &r) { return r.target == spec.cpu; });
  return row == std::end(instructionTable) ? instructionTable[0] : *row;
}

/// An instruction of mma.sync, its operands in words.
struct MatrixInstruction {
  StringLiteral carrier, name;
  bool isFp8;
  TargetInfo::MmaAtom atom;
};

/// PTX ISA, "Matrix Fragments for mma": of rows of eight words lane / 4 is a row and lane % 4 a
/// word, then there are eight rows more, then four words more. Of rows of four words alike.
const MatrixInstruction *findMatrixInstruction(StringRef carrier) {
  const TargetInfo::MmaAtom eight{16,
                                  8,
                                  8,
                                  {7, {64, 4}, {1, 2, 8, 16, 32}},
                                  {6, {4}, {1, 2, 8, 16, 32}},
                                  {7, {1, 64}, {2, 4, 8, 16, 32}}};
  const TargetInfo::MmaAtom four{16,
                                 8,
                                 4,
                                 {6, {32}, {1, 2, 4, 8, 16}},
                                 {5, {}, {1, 2, 4, 8, 16}},
                                 {7, {1, 64}, {2, 4, 8, 16, 32}},
                                 /*sumsIntegers=*/true};
  static const MatrixInstruction table[] = {
      {"bf16", "m16n8k16.row.col.f32.bf16.bf16.f32", false, eight},
      {"e4m3", "m16n8k32.row.col.f32.e4m3.e4m3.f32", true, eight},
      {"e5m2", "m16n8k32.row.col.f32.e5m2.e5m2.f32", true, eight},
      // Of few elements, as blocks have at least.
      {"s8", "m16n8k16.row.col.s32.s8.s8.s32", false, four},
      {"s4", "m16n8k32.row.col.s32.s4.s4.s32", false, four},
  };
  const auto *row = llvm::find_if(table, [&](auto &r) { return r.carrier == carrier; });
  return row == std::end(table) ? nullptr : row;
}

class NVVMTargetInfo : public SIMTTargetInfo {
public:
  NVVMTargetInfo(Instructions has)
      : SIMTTargetInfo(/*lanes=*/32, /*warps=*/4, /*elementsPerLane=*/16),
        has(has) {}

  /// One instruction each: magnitudes are free modifiers of the operands.
  Value maxMagnitude(OpBuilder &b, Location loc, Value x, Value y) const override {
    return arith::MaximumFOp::create(b, loc, math::AbsFOp::create(b, loc, x),
                                     math::AbsFOp::create(b, loc, y));
  }
  Value permuteBytes(OpBuilder &b, Location loc, Value low, Value high,
                     std::array<unsigned, 4> selector) const override {
    unsigned nibbles = 0;
    for (auto [i, byte] : llvm::enumerate(selector))
      nibbles |= byte << (4 * i);
    return permute(b, loc, low, high, constant(b, loc, nibbles));
  }

  bool roundsToBF16() const override { return true; } // cvt.rn.bf16.f32, from sm_80 on

  bool permutesBytes() const override { return true; }
  /// prmt takes eight bytes and, as selector, four nibbles, such as codes are. Their top bits
  /// become masks that choose between the halves of the table.
  Value lookupBytes(OpBuilder &b, Location loc, const std::array<Value, 4> &table, Value codes,
                    bool upperHalf) const override {
    Value magnitudes = arith::AndIOp::create(b, loc, codes, constant(b, loc, 0x77777777));
    if (upperHalf)
      magnitudes = arith::ShRUIOp::create(b, loc, magnitudes, constant(b, loc, 16));
    Value low = permute(b, loc, table[0], table[1], magnitudes);
    Value high = permute(b, loc, table[2], table[3], magnitudes);
    // The even codes' top bits are those of bytes of the shifted word.
    Value even = arith::ShLIOp::create(b, loc, codes, constant(b, loc, 4));
    constexpr int32_t signOfByte = 8; // in a selector: its top bit, eight times
    auto signs = [](int32_t first) {
      return (signOfByte | first) | (signOfByte | 4 | first) << 4 |
             (signOfByte | (first + 1)) << 8 | (signOfByte | 4 | (first + 1)) << 12;
    };
    Value mask = permute(b, loc, even, codes, constant(b, loc, signs(upperHalf ? 2 : 0)));
    Value differs = arith::XOrIOp::create(b, loc, low, high);
    Value changes = arith::AndIOp::create(b, loc, differs, mask);
    return arith::XOrIOp::create(b, loc, low, changes);
  }

  Value lookupEightBytes(OpBuilder &b, Location loc, const std::array<Value, 2> &table,
                         Value codes, bool upperHalf) const override {
    if (upperHalf)
      codes = arith::ShRUIOp::create(b, loc, codes, constant(b, loc, 16));
    return permute(b, loc, table[0], table[1], codes);
  }

  /// The dot product with a byte of ones.
  Value addByte(OpBuilder &b, Location loc, Value word, unsigned byte,
                Value addend) const override {
    return LLVM::CallIntrinsicOp::create(
               b, loc, b.getI32Type(), b.getStringAttr("llvm.nvvm.idp4a.u.u"),
               ValueRange{word, constant(b, loc, 1 << (8 * byte)), addend})
        .getResult(0);
  }

  bool encodesE2M1() const override { return has.toE2M1; }
  bool encodesE4M3() const override { return has.toE4M3; }
  /// An instruction converts two numbers, the first of them to the upper half.
  Value encodeE2M1(OpBuilder &b, Location loc, ValueRange values) const override {
    return assembly(b, loc, b.getI32Type(), values,
                    "{ .reg .b8 c0, c1, c2, c3;"
                    " cvt.rn.satfinite.e2m1x2.f32 c0, $2, $1;"
                    " cvt.rn.satfinite.e2m1x2.f32 c1, $4, $3;"
                    " cvt.rn.satfinite.e2m1x2.f32 c2, $6, $5;"
                    " cvt.rn.satfinite.e2m1x2.f32 c3, $8, $7;"
                    " mov.b32 $0, {c0, c1, c2, c3}; }",
                    "=r,f,f,f,f,f,f,f,f");
  }
  Value encodeE4M3(OpBuilder &b, Location loc, Value value) const override {
    Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
    Value pair = assembly(b, loc, b.getI16Type(), {zero, value},
                          "cvt.rn.satfinite.e4m3x2.f32 $0, $1, $2;", "=h,f,f");
    return arith::ExtUIOp::create(b, loc, b.getI32Type(), pair);
  }
  const MmaAtom *mmaAtom(StringRef carrier) const override {
    const MatrixInstruction *found = findMatrixInstruction(carrier);
    return found && (has.multipliesFp8 || !found->isFp8) ? &found->atom : nullptr;
  }
  unsigned sectorBytes() const override { return 32; }
  /// 32 accumulators of a lane: with the operands of two steps they fit 255 registers.
  DotTile dotTile(StringRef) const override { return {32, 32}; }
  /// 64 accumulators, and 96 words of operands.
  PanelTile panelTile(const MmaAtom &) const override { return {32, 64, 64}; }
  SmallVector<Value> multiplyFragments(OpBuilder &b, Location loc, StringRef carrier,
                                       const MmaFragment &lhs, const MmaFragment &rhs,
                                       ValueRange acc) const override {
    const MatrixInstruction &instruction = *findMatrixInstruction(carrier);
    const char *sum = instruction.atom.sumsIntegers ? "=r" : "=f";
    std::string text = ("mma.sync.aligned." + instruction.name).str(), constraints, tied;
    SmallVector<Value> operands;
    unsigned next = 0;
    auto list = [&](size_t count) {
      text += next ? ", {" : " {";
      for (size_t i = 0; i < count; ++i)
        text += (i ? ", $" : "$") + std::to_string(next++);
      text += "}";
    };
    auto pass = [&](ValueRange values) {
      list(values.size());
      llvm::append_range(operands, values);
    };
    list(acc.size());
    pass(lhs.words);
    pass(rhs.words);
    pass(acc);
    text += ";";
    for (size_t i = 0; i < acc.size(); ++i) {
      constraints += (i ? "," : "") + std::string(sum);
      tied += "," + std::to_string(i);
    }
    for (size_t i = 0; i < lhs.words.size() + rhs.words.size(); ++i)
      constraints += ",r";
    SmallVector<Type> types(acc.getTypes());
    Value sums = assembly(b, loc, LLVM::LLVMStructType::getLiteral(b.getContext(), types), operands,
                          text, constraints + tied);
    SmallVector<Value> results;
    for (unsigned i = 0; i < acc.size(); ++i)
      results.push_back(LLVM::ExtractValueOp::create(b, loc, sums, i));
    return results;
  }

  void barrier(OpBuilder &b, Location loc) const override { NVVM::Barrier0Op::create(b, loc); }

protected:
  void addKernelAttributes(Operation *kernel, const LaunchShape &shape) const override {
    Builder b(kernel->getContext());
    kernel->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
    kernel->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                    b.getDenseI32ArrayAttr({int32_t(shape.threads)}));
    // Of a cluster: one block a multiprocessor, whose warpgroups share out its registers.
    unsigned resident = shape.cluster > 1 ? 1 : shape.resident;
    if (resident)
      kernel->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(resident));
    if (shape.cluster > 1)
      kernel->setAttr(NVVM::NVVMDialect::getClusterDimAttrName(),
                      b.getDenseI32ArrayAttr({int32_t(shape.cluster), 1, 1}));
  }

  Value threadId(OpBuilder &b, Location loc) const override {
    return NVVM::ThreadIdXOp::create(b, loc, b.getI32Type());
  }

  Value blockId(OpBuilder &b, Location loc, unsigned dim) const override {
    Type i32 = b.getI32Type();
    return dim == 0 ? Value(NVVM::BlockIdXOp::create(b, loc, i32))
                    : Value(NVVM::BlockIdYOp::create(b, loc, i32));
  }

  StringRef deviceScope() const override { return "device"; }

  Value exchangeWord(OpBuilder &b, Location loc, Value word, unsigned distance) const override {
    return shuffle(b, loc, word, constant(b, loc, distance), NVVM::ShflKind::bfly);
  }

  Value readLane(OpBuilder &b, Location loc, Value word, Value source) const override {
    return shuffle(b, loc, word, source, NVVM::ShflKind::idx);
  }

private:
  static Value assembly(OpBuilder &b, Location loc, Type result, ValueRange operands,
                        StringRef text, StringRef constraints) {
    return LLVM::InlineAsmOp::create(b, loc, result, operands, text, constraints,
                                     /*has_side_effects=*/false, /*is_align_stack=*/false,
                                     LLVM::TailCallKind::None, /*asm_dialect=*/{},
                                     /*operand_attrs=*/{})
        .getResult(0);
  }

  static Value constant(OpBuilder &b, Location loc, int32_t value) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  }

  static Value permute(OpBuilder &b, Location loc, Value low, Value high, Value selector) {
    return LLVM::CallIntrinsicOp::create(b, loc, b.getI32Type(),
                                         b.getStringAttr("llvm.nvvm.prmt"),
                                         ValueRange{low, high, selector})
        .getResult(0);
  }

  Value shuffle(OpBuilder &b, Location loc, Value word, Value lane, NVVM::ShflKind kind) const {
    Value everyLane = constant(b, loc, -1), clamp = constant(b, loc, getLanes() - 1);
    return NVVM::ShflOp::create(b, loc, b.getI32Type(), everyLane, word, lane, clamp, kind,
                                /*return_value_and_is_valid=*/UnitAttr());
  }

  Instructions has;
};

} // namespace

std::unique_ptr<TargetInfo> createNVVMTargetInfo(const TargetSpec &spec) {
  return std::make_unique<NVVMTargetInfo>(instructionsOf(spec));
}

} // namespace quadrille
