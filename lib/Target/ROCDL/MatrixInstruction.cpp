//===- MatrixInstruction.cpp - MFMA and WMMA ------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MatrixInstruction.h"
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
                                     std::vector<uint64_t> rowsByHigherLanes) {
  constexpr unsigned size = 16;
  std::vector<uint64_t> reg, lane{1, 2, 4, 8};
  for (uint64_t row : rowsByRegister)
    reg.push_back(row * size);
  for (uint64_t row : rowsByHigherLanes)
    lane.push_back(row * size);
  return {size, size, unsigned(operand.numElements()) / size, operand, operand, {8, reg, lane}};
}

/// "MFMA Register Layout" of AMD's CDNA3 and CDNA4 ISA documents, "WMMA" of its RDNA3 and RDNA4
/// ones. RDNA3 wants each row in two lanes. Of gfx1250 (no document was published) as Triton's
/// AMD back end has it; there both operands are alike, so the order of words does not matter.
const std::vector<MatrixInstruction> &table() {
  using Form = MatrixInstruction::Form;
  static const std::vector<MatrixInstruction> rows = {
      {"gfx950", "bf16", "llvm.amdgcn.mfma.f32.16x16x32.bf16", Form::MFMA, true,
       sixteenBySixteen(rowsByLane(16, {1, 2}, {4, 8}), {1, 2}, {4, 8})},
      {"gfx942", "bf16", "llvm.amdgcn.mfma.f32.16x16x16bf16.1k", Form::MFMA, false,
       sixteenBySixteen(rowsByLane(8, {1}, {2, 4}), {1, 2}, {4, 8})},
      {"gfx1250", "bf16", "llvm.amdgcn.wmma.f32.16x16x32.bf16.v8f32.v16bf16", Form::WMMAModified,
       true, sixteenBySixteen(rowsByLane(16, {1, 2, 8}, {4}), {1, 2, 4}, {8})},
      {"gfx12", "bf16", "llvm.amdgcn.wmma.f32.16x16x16.bf16.v8f32.v8i16", Form::WMMA, false,
       sixteenBySixteen(rowsByLane(8, {1, 2}, {4}), {1, 2, 4}, {8})},
      {"gfx11", "bf16", "llvm.amdgcn.wmma.f32.16x16x16.bf16.v8f32.v16i16", Form::WMMA, false,
       sixteenBySixteen(rowsByLane(8, {1, 2, 4}, {0}), {2, 4, 8}, {1})},
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
  Type element = instruction.isBF16 ? Type(b.getBF16Type()) : b.getI16Type();
  auto type = VectorType::get({2 * int64_t(words.size())}, element);
  return LLVM::BitcastOp::create(b, loc, type, vectorOf(b, loc, words));
}

SmallVector<Value> argumentsOf(OpBuilder &b, Location loc, MatrixInstruction::Form form, Value lhs,
                               Value rhs, Value acc) {
  auto none = [&](unsigned bits) -> Value {
    return LLVM::ConstantOp::create(b, loc, b.getIntegerAttr(b.getIntegerType(bits), 0));
  };
  switch (form) {
  case MatrixInstruction::MFMA:
    return {lhs, rhs, acc, none(32), none(32), none(32)};
  case MatrixInstruction::WMMA:
    return {lhs, rhs, acc};
  case MatrixInstruction::WMMAModified:
    return {none(1), lhs, none(1), rhs, none(16), acc, none(1), none(1)};
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
                                         const MatrixInstruction &instruction, ValueRange lhs,
                                         ValueRange rhs, ValueRange acc) {
  Value sums = vectorOf(b, loc, acc);
  SmallVector<Value> arguments =
      argumentsOf(b, loc, instruction.form, fragmentOf(b, loc, instruction, lhs),
                  fragmentOf(b, loc, instruction, rhs), sums);
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
