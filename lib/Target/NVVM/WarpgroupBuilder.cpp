//===- WarpgroupBuilder.cpp - Hopper's asynchronous instructions ----------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "WarpgroupBuilder.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace quadrille::nvvm;

void WarpgroupBuilder::ifThen(Value condition, llvm::function_ref<void()> body,
                              llvm::function_ref<void()> otherwise) {
  auto ifOp = scf::IfOp::create(*this, condition, /*withElseRegion=*/bool(otherwise));
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(ifOp.thenBlock());
  body();
  if (!otherwise)
    return;
  setInsertionPointToStart(ifOp.elseBlock());
  otherwise();
}

/// Several results come as a struct. Memory is clobbered: nothing moves across.
static SmallVector<Value> emitAssembly(ImplicitLocOpBuilder &b, TypeRange results, StringRef text,
                                       StringRef constraints, ValueRange operands) {
  MLIRContext *context = b.getContext();
  Type type = results.empty()       ? Type(LLVM::LLVMVoidType::get(context))
              : results.size() == 1 ? results.front()
                                    : LLVM::LLVMStructType::getLiteral(
                                          context, llvm::to_vector(results));
  std::string clobbered = constraints.str() + (constraints.empty() ? "" : ",") + "~{memory}";
  auto op = LLVM::InlineAsmOp::create(b, results.empty() ? TypeRange() : TypeRange(type), operands,
                                      text, clobbered, /*has_side_effects=*/true,
                                      /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                      /*asm_dialect=*/LLVM::AsmDialectAttr(),
                                      /*operand_attrs=*/ArrayAttr());
  if (results.size() < 2)
    return llvm::to_vector_of<Value>(op.getResults());
  SmallVector<Value> values;
  for (size_t i = 0; i < results.size(); ++i)
    values.push_back(LLVM::ExtractValueOp::create(b, op.getRes(), i));
  return values;
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

Value WarpgroupBuilder::threadId() { return NVVM::ThreadIdXOp::create(*this, getI32Type()); }

Value WarpgroupBuilder::warpgroupId() {
  constexpr int32_t log2Threads = 7;
  Value number = shrU(threadId(), i32(log2Threads));
  return NVVM::ShflOp::create(*this, getI32Type(), i32(-1), number, i32(0), i32(31),
                              NVVM::ShflKind::idx, /*return_value_and_is_valid=*/UnitAttr());
}

Value WarpgroupBuilder::clusterId() { return NVVM::ClusterIdXOp::create(*this, getI32Type()); }
Value WarpgroupBuilder::numClusters() { return NVVM::ClusterDimXOp::create(*this, getI32Type()); }
Value WarpgroupBuilder::rankInCluster() { return NVVM::ClusterId::create(*this, getI32Type()); }

void WarpgroupBuilder::setMaxRegisters(unsigned count, bool increase) {
  NVVM::SetMaxRegisterOp::create(*this, count,
                                 increase ? NVVM::SetMaxRegisterAction::increase
                                          : NVVM::SetMaxRegisterAction::decrease);
}

//===----------------------------------------------------------------------===//
// Barriers and copies
//===----------------------------------------------------------------------===//

void WarpgroupBuilder::initBarrier(Value barrier, unsigned arrivals) {
  emitAssembly(*this, {}, "mbarrier.init.shared::cta.b64 [$0], $1;", "r,r",
               {barrier, i32(arrivals)});
}
void WarpgroupBuilder::publishBarriers() {
  emitAssembly(*this, {}, "fence.mbarrier_init.release.cluster;", "", {});
}
void WarpgroupBuilder::storeZeros(Value address, int64_t bytes) {
  constexpr int64_t atOnce = 16;
  for (int64_t done = 0; done < bytes; done += atOnce)
    emitAssembly(*this, {}, "st.shared.v4.b32 [$0], {$1, $1, $1, $1};", "r,r",
                 {add(address, i32(done)), i32(0)});
  emitAssembly(*this, {}, "fence.proxy.async.shared::cta;", "", {});
}
void WarpgroupBuilder::syncCluster() {
  emitAssembly(*this, {}, "barrier.cluster.arrive; barrier.cluster.wait;", "", {});
}
void WarpgroupBuilder::expectBytes(Value barrier, int64_t bytes) {
  emitAssembly(*this, {}, "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r",
               {barrier, i32(bytes)});
}
void WarpgroupBuilder::arrive(Value barrier, Value rank) {
  emitAssembly(*this, {},
               "{ .reg .b32 remote; mapa.shared::cluster.u32 remote, $0, $1;"
               " mbarrier.arrive.shared::cluster.b64 _, [remote]; }",
               "r,r", {barrier, rank});
}
void WarpgroupBuilder::wait(Value barrier, Value parity) {
  emitAssembly(*this, {},
               "{ .reg .pred done;\n"
               "again:\n"
               "mbarrier.try_wait.parity.shared::cta.b64 done, [$0], $1;\n"
               "@!done bra again; }",
               "r,r", {barrier, parity});
}
void WarpgroupBuilder::copy(Value shared, Value global, int64_t bytes, Value barrier,
                            unsigned blocks) {
  std::string text = "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes";
  SmallVector<Value> operands = {shared, global, i32(bytes), barrier};
  if (blocks) {
    text += ".multicast::cluster";
    operands.push_back(arith::ConstantOp::create(*this, getI16IntegerAttr(blocks)));
  }
  text += blocks ? " [$0], [$1], $2, [$3], $4;" : " [$0], [$1], $2, [$3];";
  emitAssembly(*this, {}, text, blocks ? "r,l,r,r,h" : "r,l,r,r", operands);
}

static std::string atOffset(int64_t offset) {
  return "[$0" + (offset ? "+" + std::to_string(offset) : std::string()) + "]";
}

void WarpgroupBuilder::storeMatrices(Value address, ValueRange words, int64_t offset) {
  SmallVector<Value> operands{address};
  llvm::append_range(operands, words);
  emitAssembly(*this, {},
               "stmatrix.sync.aligned.m8n8.x4.shared.b16 " + atOffset(offset) +
                   ", {$1, $2, $3, $4};",
               "r,r,r,r,r", operands);
}
void WarpgroupBuilder::storeShared(Value address, ValueRange words, int64_t offset) {
  emitAssembly(*this, {}, "st.shared.v2.b32 " + atOffset(offset) + ", {$1, $2};", "r,r,r",
               {address, words[0], words[1]});
}
Value WarpgroupBuilder::loadShared(Value address, int64_t offset) {
  SmallVector<Type> words(4, getI32Type());
  std::string text = "ld.shared.v4.b32 {$0, $1, $2, $3}, [$4+" + std::to_string(offset) + "];";
  return vector::FromElementsOp::create(
      *this, VectorType::get({4}, getI32Type()),
      emitAssembly(*this, words, text, "=r,=r,=r,=r,r", {address}));
}
Value WarpgroupBuilder::ofAllLanes(Value condition) {
  return NVVM::VoteSyncOp::create(*this, getI1Type(), i32(-1), condition,
                                  NVVM::VoteSyncKind::all);
}
void WarpgroupBuilder::syncWarp() {
  emitAssembly(*this, {}, "bar.warp.sync 0xffffffff;", "", {});
}

//===----------------------------------------------------------------------===//
// wgmma
//===----------------------------------------------------------------------===//

// PTX ISA, "Matrix descriptor format": distances and addresses in units of 16 bytes.
constexpr unsigned log2Unit = 4, chunkBit = 16, groupBit = 32;

Value WarpgroupBuilder::descriptor(Value address, int64_t groupBytes, int64_t chunkDistance) {
  constexpr int32_t addressMask = 0x3fff;
  Value units = bitAnd(shrU(address, i32(log2Unit)), i32(addressMask));
  return bitOr(extend(units), i64((groupBytes >> log2Unit) << groupBit |
                                  (chunkDistance >> log2Unit) << chunkBit));
}

/// "$first, .., $last".
static std::string operandList(unsigned first, unsigned count) {
  std::string list;
  for (unsigned i = 0; i < count; ++i)
    list += (i ? ", $" : "$") + std::to_string(first + i);
  return list;
}

static constexpr WarpgroupOperandType operandTypes[] = {
    {"bf16", 2, 16, "f32", ", 1, 1, 0, 0"},
    {"e5m2", 1, 32, "f32", ", 1, 1"},
    {"e4m3", 1, 32, "f32", ", 1, 1"},
    {"s8", 1, 32, "s32", ""},
};

const WarpgroupOperandType *quadrille::nvvm::lookupOperandType(StringRef carrier) {
  const auto *row = llvm::find_if(operandTypes, [&](auto &type) { return type.name == carrier; });
  return row == std::end(operandTypes) ? nullptr : row;
}

/// Registers for `count` sums of `type`, then the same again as inputs if they are `tied`.
static std::string sumConstraints(Type type, unsigned count, bool tied) {
  StringRef letter = type.isF32() ? "=f" : "=r";
  std::string text;
  for (unsigned i = 0; i < count; ++i)
    text += (i ? "," : "") + letter.str();
  for (unsigned i = 0; tied && i < count; ++i)
    text += "," + std::to_string(i);
  return text;
}

Value WarpgroupBuilder::advance(Value descriptor, int64_t bytes) {
  return add(descriptor, i64(bytes >> log2Unit));
}

SmallVector<Value> WarpgroupBuilder::multiply(const WarpgroupMma &mma, ValueRange sums,
                                              ValueRange lhs, ValueRange rhs) {
  const WarpgroupOperandType &operand = mma.type;
  unsigned numSums = mma.width / 2, numInputs = mma.accumulates ? numSums : 0;
  std::string opcode = ("wgmma.mma_async.sync.aligned.m64n" + Twine(mma.width) + "k" +
                        Twine(operand.k) + "." + operand.sum + "." + operand.name + "." +
                        operand.name + " {" + operandList(0, numSums) + "}, ")
                           .str();
  Type sumType = operand.sum == "f32" ? Type(getF32Type()) : getI32Type();
  std::string constraints = sumConstraints(sumType, numSums, mma.accumulates);
  std::string text = "{ .reg .pred add, start;\n"
                     "setp.eq.u32 add, 0, 0;\nsetp.ne.u32 start, 0, 0;\n"
                     "wgmma.fence.sync.aligned;\n";
  SmallVector<Value> operands(sums.take_front(numInputs));
  for (unsigned step = 0; step < lhs.size(); ++step) {
    bool starts = step == 0 && !mma.accumulates;
    text += opcode + operandList(numSums + numInputs + 2 * step, 2) +
            (starts ? ", start" : ", add") + operand.immediates.str() + ";\n";
    operands.push_back(lhs[step]);
    operands.push_back(rhs[step]);
    constraints += ",l,l";
  }
  text += "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned " +
          std::to_string(mma.pending) + "; }";
  return emitAssembly(*this, SmallVector<Type>(numSums, sumType), text, constraints, operands);
}

SmallVector<Value> WarpgroupBuilder::waitForAll(ValueRange sums) {
  return emitAssembly(*this, sums.getTypes(), "wgmma.wait_group.sync.aligned 0;",
                      sumConstraints(sums.front().getType(), sums.size(), /*tied=*/true), sums);
}
