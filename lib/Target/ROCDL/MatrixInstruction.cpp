//===- MatrixInstruction.cpp - MFMA and WMMA ------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MatrixInstruction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace quadrille::rocdl {
namespace {

/// Sixteen rows by the lanes' low bits, as all of these instructions have them, for rows of so
/// many words; then what the higher bits of the lane's number are.
layout::LinearLayout rowsByLane(unsigned words, std::vector<uint64_t> reg,
                                std::vector<uint64_t> higherLanes) {
  std::vector<uint64_t> lane;
  for (unsigned row = 1; row < 16; row *= 2)
    lane.push_back(row * words);
  lane.insert(lane.end(), higherLanes.begin(), higherLanes.end());
  return {unsigned(llvm::Log2_32(16 * words)), std::move(reg), std::move(lane)};
}

/// Both operands, and accumulators whose columns are the lanes' low bits: the others are rows.
TargetInfo::MmaAtom sixteenBySixteen(const layout::LinearLayout &operand,
                                     std::vector<uint64_t> rowsByRegister,
                                     std::vector<uint64_t> rowsByHigherLanes,
                                     bool sumsIntegers = false) {
  constexpr unsigned size = 16;
  std::vector<uint64_t> reg, lane{1, 2, 4, 8};
  for (uint64_t row : rowsByRegister)
    reg.push_back(row * size);
  for (uint64_t row : rowsByHigherLanes)
    lane.push_back(row * size);
  unsigned words = unsigned(operand.numElements()) / size;
  return {size, size, words, operand, operand, {8, reg, lane}, sumsIntegers};
}

/// With a byte of scale for so many words of a row: chosen of a lane's word (CDNA4), or four in one.
TargetInfo::MmaAtom withScales(TargetInfo::MmaAtom atom, unsigned wordsOfScale,
                               bool choosesScale = true) {
  atom.wordsOfScale = wordsOfScale;
  atom.choosesScale = choosesScale;
  return atom;
}

/// "MFMA Register Layout" of AMD's CDNA3 and CDNA4 ISA documents, "WMMA" of its RDNA3 and RDNA4
/// ones. RDNA3 wants each row in two lanes. Of gfx1250 (no document was published) as Triton's
/// AMD back end has it, where both operands are alike; and of its six-bit numbers, which that does
/// not have, as of four-bit ones: 32 numbers of one half of the lanes, then of the other.
const std::vector<MatrixInstruction> &table() {
  using I = MatrixInstruction;
  constexpr int e4m3 = 0, e5m2 = 1, e2m3 = 2, e2m1 = 4; // types of f8f6f4
  auto integers = [](const layout::LinearLayout &operand, std::vector<uint64_t> rowsByRegister,
                     std::vector<uint64_t> rowsByHigherLanes) {
    return sixteenBySixteen(operand, std::move(rowsByRegister), std::move(rowsByHigherLanes),
                            /*sumsIntegers=*/true);
  };
  const TargetInfo::MmaAtom
      fp4OfGfx1250 = sixteenBySixteen(rowsByLane(16, {1, 2, 8}, {4}), {1, 2, 4}, {8}),
      fp6OfGfx1250 = sixteenBySixteen(rowsByLane(32, {1, 2, 4, 16}, {8}), {1, 2, 4}, {8});
  auto withWords = [](const TargetInfo::MmaAtom &atom, unsigned wordsOfScale) {
    return withScales(atom, wordsOfScale, /*choosesScale=*/false);
  };
  static const std::vector<MatrixInstruction> rows = {
      {"gfx950", "f16", "llvm.amdgcn.mfma.f32.16x16x32.f16", I::MFMA, I::F16,
       sixteenBySixteen(rowsByLane(16, {1, 2}, {4, 8}), {1, 2}, {4, 8})},
      {"gfx950", "bf16", "llvm.amdgcn.mfma.f32.16x16x32.bf16", I::MFMA, I::BF16,
       sixteenBySixteen(rowsByLane(16, {1, 2}, {4, 8}), {1, 2}, {4, 8})},
      {"gfx950", "e2m1", "llvm.amdgcn.mfma.scale.f32.16x16x128.f8f6f4.v4i32.v4i32", I::ScaledMFMA,
       I::Words, withScales(sixteenBySixteen(rowsByLane(16, {1, 2}, {4, 8}), {1, 2}, {4, 8}), 4),
       e2m1},
      {"gfx950", "e2m3", "llvm.amdgcn.mfma.scale.f32.16x16x128.f8f6f4.v6i32.v6i32", I::ScaledMFMA,
       I::Bits6,
       withScales(sixteenBySixteen(rowsByLane(32, {1, 2, 4}, {8, 16}), {1, 2}, {4, 8}), 8),
       e2m3},
      {"gfx950", "e4m3", "llvm.amdgcn.mfma.scale.f32.16x16x128.f8f6f4.v8i32.v8i32", I::ScaleOfOne,
       I::Words, sixteenBySixteen(rowsByLane(32, {1, 2, 4}, {8, 16}), {1, 2}, {4, 8}), e4m3},
      {"gfx950", "e5m2", "llvm.amdgcn.mfma.scale.f32.16x16x128.f8f6f4.v8i32.v8i32", I::ScaleOfOne,
       I::Words, sixteenBySixteen(rowsByLane(32, {1, 2, 4}, {8, 16}), {1, 2}, {4, 8}), e5m2},
      {"gfx950", "s8", "llvm.amdgcn.mfma.i32.16x16x64.i8", I::MFMA, I::Words,
       integers(rowsByLane(16, {1, 2}, {4, 8}), {1, 2}, {4, 8})},
      {"gfx942", "e4m3fnuz", "llvm.amdgcn.mfma.f32.16x16x32.fp8.fp8", I::MFMA, I::I64,
       sixteenBySixteen(rowsByLane(8, {1}, {2, 4}), {1, 2}, {4, 8})},
      {"gfx942", "e5m2fnuz", "llvm.amdgcn.mfma.f32.16x16x32.bf8.bf8", I::MFMA, I::I64,
       sixteenBySixteen(rowsByLane(8, {1}, {2, 4}), {1, 2}, {4, 8})},
      {"gfx942", "s8", "llvm.amdgcn.mfma.i32.16x16x32.i8", I::MFMA, I::I64,
       integers(rowsByLane(8, {1}, {2, 4}), {1, 2}, {4, 8})},
      {"gfx942", "f16", "llvm.amdgcn.mfma.f32.16x16x16f16", I::MFMA, I::F16,
       sixteenBySixteen(rowsByLane(8, {1}, {2, 4}), {1, 2}, {4, 8})},
      {"gfx942", "bf16", "llvm.amdgcn.mfma.f32.16x16x16bf16.1k", I::MFMA, I::I16,
       sixteenBySixteen(rowsByLane(8, {1}, {2, 4}), {1, 2}, {4, 8})},
      {"gfx1250", "f16", "llvm.amdgcn.wmma.f32.16x16x32.f16.v8f32.v16f16", I::WMMAModified, I::F16,
       sixteenBySixteen(rowsByLane(16, {1, 2, 8}, {4}), {1, 2, 4}, {8})},
      {"gfx1250", "bf16", "llvm.amdgcn.wmma.f32.16x16x32.bf16.v8f32.v16bf16", I::WMMAModified,
       I::BF16, sixteenBySixteen(rowsByLane(16, {1, 2, 8}, {4}), {1, 2, 4}, {8})},
      {"gfx1250", "e2m1", "llvm.amdgcn.wmma.scale.f32.16x16x128.f8f6f4.v8f32.v8i32.v8i32",
       I::WMMAScaled, I::Words, withWords(fp4OfGfx1250, 4), e2m1},
      {"gfx1250", "e2m1:e4m3", "llvm.amdgcn.wmma.scale16.f32.16x16x128.f8f6f4.v8f32.v8i32.v8i32",
       I::WMMAScaled16, I::Words, withWords(fp4OfGfx1250, 2), e2m1},
      {"gfx1250", "e2m3", "llvm.amdgcn.wmma.scale.f32.16x16x128.f8f6f4.v8f32.v12i32.v12i32",
       I::WMMAScaled, I::Bits6, withWords(fp6OfGfx1250, 8), e2m3},
      {"gfx1250", "e2m3:e4m3", "llvm.amdgcn.wmma.scale16.f32.16x16x128.f8f6f4.v8f32.v12i32.v12i32",
       I::WMMAScaled16, I::Bits6, withWords(fp6OfGfx1250, 4), e2m3},
      {"gfx1250", "e4m3", "llvm.amdgcn.wmma.f32.16x16x64.fp8.fp8.v8f32.v8i32", I::WMMAOfBytes,
       I::Words, sixteenBySixteen(rowsByLane(16, {1, 2, 4}, {8}), {1, 2, 4}, {8})},
      {"gfx1250", "e5m2", "llvm.amdgcn.wmma.f32.16x16x64.bf8.bf8.v8f32.v8i32", I::WMMAOfBytes,
       I::Words, sixteenBySixteen(rowsByLane(16, {1, 2, 4}, {8}), {1, 2, 4}, {8})},
      {"gfx1250", "s8", "llvm.amdgcn.wmma.i32.16x16x64.iu8.v8i32.v8i32", I::WMMAOfSigned, I::Words,
       integers(rowsByLane(16, {1, 2, 4}, {8}), {1, 2, 4}, {8})},
      {"gfx12", "e4m3", "llvm.amdgcn.wmma.f32.16x16x16.fp8.fp8.v8f32.v2i32", I::WMMA, I::Words,
       sixteenBySixteen(rowsByLane(4, {1}, {2}), {1, 2, 4}, {8})},
      {"gfx12", "e5m2", "llvm.amdgcn.wmma.f32.16x16x16.bf8.bf8.v8f32.v2i32", I::WMMA, I::Words,
       sixteenBySixteen(rowsByLane(4, {1}, {2}), {1, 2, 4}, {8})},
      {"gfx12", "s8", "llvm.amdgcn.wmma.i32.16x16x16.iu8.v8i32.v2i32", I::WMMAInteger, I::Words,
       integers(rowsByLane(4, {1}, {2}), {1, 2, 4}, {8})},
      {"gfx12", "s4", "llvm.amdgcn.wmma.i32.16x16x32.iu4.v8i32.v2i32", I::WMMAInteger, I::Words,
       integers(rowsByLane(4, {1}, {2}), {1, 2, 4}, {8})},
      {"gfx12", "f16", "llvm.amdgcn.wmma.f32.16x16x16.f16.v8f32.v8f16", I::WMMA, I::F16,
       sixteenBySixteen(rowsByLane(8, {1, 2}, {4}), {1, 2, 4}, {8})},
      {"gfx12", "bf16", "llvm.amdgcn.wmma.f32.16x16x16.bf16.v8f32.v8i16", I::WMMA, I::I16,
       sixteenBySixteen(rowsByLane(8, {1, 2}, {4}), {1, 2, 4}, {8})},
      {"gfx11", "f16", "llvm.amdgcn.wmma.f32.16x16x16.f16.v8f32.v16f16", I::WMMA, I::F16,
       sixteenBySixteen(rowsByLane(8, {1, 2, 4}, {0}), {2, 4, 8}, {1})},
      {"gfx11", "bf16", "llvm.amdgcn.wmma.f32.16x16x16.bf16.v8f32.v16i16", I::WMMA, I::I16,
       sixteenBySixteen(rowsByLane(8, {1, 2, 4}, {0}), {2, 4, 8}, {1})},
      {"gfx11", "s8", "llvm.amdgcn.wmma.i32.16x16x16.iu8.v8i32.v4i32", I::WMMAInteger, I::Words,
       integers(rowsByLane(4, {1, 2}, {0}), {2, 4, 8}, {1})},
      {"gfx11", "s4", "llvm.amdgcn.wmma.i32.16x16x16.iu4.v8i32.v2i32", I::WMMAInteger, I::Words,
       integers(rowsByLane(2, {1}, {0}), {2, 4, 8}, {1})},
  };
  return rows;
}

Value vectorOf(OpBuilder &b, Location loc, ValueRange registers) {
  Value vector = LLVM::PoisonOp::create(
      b, loc, VectorType::get({int64_t(registers.size())}, registers.front().getType()));
  for (auto [i, reg] : llvm::enumerate(registers)) {
    Value index = LLVM::ConstantOp::create(b, loc, b.getI32IntegerAttr(i));
    vector = LLVM::InsertElementOp::create(b, loc, vector, reg, index);
  }
  return vector;
}

Value fragmentOf(OpBuilder &b, Location loc, const MatrixInstruction &instruction,
                 ValueRange words) {
  auto ofPairs = [&](Type element) -> Value {
    auto type = VectorType::get({2 * int64_t(words.size())}, element);
    return LLVM::BitcastOp::create(b, loc, type, vectorOf(b, loc, words));
  };
  switch (instruction.operand) {
  case MatrixInstruction::Words:
    return vectorOf(b, loc, words);
  case MatrixInstruction::I64:
    return LLVM::BitcastOp::create(b, loc, b.getI64Type(), vectorOf(b, loc, words));
  case MatrixInstruction::Bits6: {
    SmallVector<Value> six;
    for (auto [i, word] : llvm::enumerate(words))
      if (i % 8 < 6)
        six.push_back(word);
    return vectorOf(b, loc, six);
  }
  case MatrixInstruction::F16:
    return ofPairs(b.getF16Type());
  case MatrixInstruction::BF16:
    return ofPairs(b.getBF16Type());
  case MatrixInstruction::I16:
    return ofPairs(b.getI16Type());
  }
  llvm_unreachable("unknown operand");
}

using Fragment = TargetInfo::MmaFragment;

SmallVector<Value> argumentsOf(OpBuilder &b, Location loc, const MatrixInstruction &instruction,
                               const Fragment &lhs, const Fragment &rhs, Value acc) {
  auto number = [&](unsigned bits, int value) -> Value {
    return LLVM::ConstantOp::create(b, loc, b.getIntegerAttr(b.getIntegerType(bits), value));
  };
  Value x = fragmentOf(b, loc, instruction, lhs.words);
  Value y = fragmentOf(b, loc, instruction, rhs.words);
  Value none = number(32, 0), isSigned = number(1, 1), no = number(1, 0);
  switch (instruction.form) {
  case MatrixInstruction::MFMA:
    return {x, y, acc, none, none, none};
  case MatrixInstruction::ScaledMFMA: {
    Value type = number(32, instruction.type);
    Value byte = number(32, int(lhs.scaleByte));
    return {x, y, acc, type, type, byte, lhs.scales.front(), byte, rhs.scales.front()};
  }
  case MatrixInstruction::ScaleOfOne: {
    Value type = number(32, instruction.type);
    return {x, y, acc, type, type, none, none, none, none};
  }
  case MatrixInstruction::WMMAScaled:
  case MatrixInstruction::WMMAScaled16: {
    const bool isOf16 = instruction.form == MatrixInstruction::WMMAScaled16;
    constexpr int e8m0 = 0, e4m3 = 2; // types of scales
    Value type = number(32, instruction.type), scaleType = number(32, isOf16 ? e4m3 : e8m0);
    auto scales = [&](const Fragment &operand) -> Value {
      return isOf16 ? LLVM::BitcastOp::create(b, loc, b.getI64Type(),
                                              vectorOf(b, loc, operand.scales))
                    : operand.scales.front();
    };
    return {type, x,         type, y, number(16, 0), acc, none, scaleType, scales(lhs), none,
            scaleType, scales(rhs), no, no};
  }
  case MatrixInstruction::WMMA:
    return {x, y, acc};
  case MatrixInstruction::WMMAInteger:
    return {isSigned, x, isSigned, y, acc, no};
  case MatrixInstruction::WMMAOfBytes:
    return {x, y, number(16, 0), acc, no, no};
  case MatrixInstruction::WMMAOfSigned:
    return {isSigned, x, isSigned, y, acc, no, no, no};
  case MatrixInstruction::WMMAModified:
    return {no, x, no, y, number(16, 0), acc, no, no};
  }
  llvm_unreachable("unknown form");
}

} // namespace

const MatrixInstruction *findMatrixInstruction(llvm::StringRef cpu, llvm::StringRef carrier) {
  for (const MatrixInstruction &row : table())
    if (cpu.starts_with(row.targets) && row.carrier == carrier)
      return &row;
  return nullptr;
}

SmallVector<Value> emitMatrixInstruction(OpBuilder &b, Location loc,
                                         const MatrixInstruction &instruction, const Fragment &lhs,
                                         const Fragment &rhs, ValueRange acc) {
  Value sums = vectorOf(b, loc, acc);
  SmallVector<Value> arguments = argumentsOf(b, loc, instruction, lhs, rhs, sums);
  sums = LLVM::CallIntrinsicOp::create(b, loc, sums.getType(),
                                       b.getStringAttr(instruction.intrinsic), arguments)
             .getResult(0);
  SmallVector<Value> results;
  for (unsigned i = 0; i < acc.size(); ++i) {
    Value index = LLVM::ConstantOp::create(b, loc, b.getI32IntegerAttr(i));
    results.push_back(LLVM::ExtractElementOp::create(b, loc, sums, index));
  }
  return results;
}

} // namespace quadrille::rocdl
