//===- WarpgroupBuilder.h - Hopper's asynchronous instructions --*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// PTX that upstream dialects lack in the form that is needed here (wgmma with a chain of
// steps and its sums in registers of the caller), and what goes with it. Addresses of
// shared memory are i32.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_TARGET_NVVM_WARPGROUPBUILDER_H
#define QUADRILLE_LIB_TARGET_NVVM_WARPGROUPBUILDER_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "quadrille/Target/VectorBuilder.h"

namespace quadrille::nvvm {

/// What wgmma takes as operands (PTX ISA, "wgmma.mma_async").
struct WarpgroupOperandType {
  llvm::StringLiteral name;
  unsigned bytes, k;
  llvm::StringLiteral sum;        ///< type of the sums
  llvm::StringLiteral immediates; ///< after the predicate: no negation, no transposition
};
/// Null if it does not take that.
const WarpgroupOperandType *lookupOperandType(llvm::StringRef carrier);

/// One chain of wgmma: shape, operand type and whether it starts from given sums.
struct WarpgroupMma {
  const WarpgroupOperandType &type;
  unsigned width; ///< columns
  bool accumulates;
  /// The chains in flight when the instruction ends, this one included.
  unsigned pending;
};

class WarpgroupBuilder : public VectorBuilder {
public:
  using VectorBuilder::VectorBuilder;

  mlir::Value i32(int32_t value) {
    return mlir::arith::ConstantOp::create(*this, getI32IntegerAttr(value));
  }
  mlir::Value truncate(mlir::Value value) {
    return mlir::arith::TruncIOp::create(*this, getI32Type(), value);
  }
  mlir::Value extend(mlir::Value value) {
    return mlir::arith::ExtUIOp::create(*this, getI64Type(), value);
  }
  mlir::Value remU(mlir::Value a, mlir::Value b) {
    return mlir::arith::RemUIOp::create(*this, a, b);
  }
  mlir::Value constant(bool value) {
    return mlir::arith::ConstantOp::create(*this, getBoolAttr(value));
  }
  void ifThen(mlir::Value condition, llvm::function_ref<void()> body,
              llvm::function_ref<void()> otherwise = nullptr);

  mlir::Value threadId();
  /// The number of the thread's warpgroup, the same register for all its warps.
  mlir::Value warpgroupId();
  mlir::Value clusterId();
  mlir::Value numClusters();
  mlir::Value rankInCluster();
  void setMaxRegisters(unsigned count, bool increase);

  // Barriers of shared memory.
  void initBarrier(mlir::Value barrier, unsigned arrivals);
  void publishBarriers();
  /// Zeros for wgmma to read: as many bytes, a multiple of 16.
  void storeZeros(mlir::Value address, int64_t bytes);
  void syncCluster();
  void expectBytes(mlir::Value barrier, int64_t bytes);
  /// Arrives at the barrier at this address of block `rank` of the cluster.
  void arrive(mlir::Value barrier, mlir::Value rank);
  /// Until the phase of that parity is complete.
  void wait(mlir::Value barrier, mlir::Value parity);
  /// Starts a copy, which arrives at `barrier` when done; with `blocks`, a mask, at the
  /// same address of each of these blocks.
  void copy(mlir::Value shared, mlir::Value global, int64_t bytes, mlir::Value barrier,
            unsigned blocks = 0);

  // A warp's shared memory. Addresses are a lane's, plus `offset`.
  /// Four matrices of 8 x 8 elements of 16 bits, whose rows are 16 bytes at lanes' addresses: of
  /// matrix i those of lanes 8 i and on.
  void storeMatrices(mlir::Value address, mlir::ValueRange words, int64_t offset);
  /// Two words of a lane.
  void storeShared(mlir::Value address, mlir::ValueRange words, int64_t offset);
  /// 16 bytes, vector<4xi32>.
  mlir::Value loadShared(mlir::Value address, int64_t offset);
  void syncWarp();
  /// Whether the condition holds in all lanes of the warp.
  mlir::Value ofAllLanes(mlir::Value condition);

  /// What wgmma reads at `address`: groups of eight rows at a distance of `groupBytes`,
  /// in chunks of 16 bytes of K at a distance of `chunkDistance`.
  mlir::Value descriptor(mlir::Value address, int64_t groupBytes, int64_t chunkDistance);
  /// sums (+)= the products of as many steps of 32 bytes of K as there are pairs of descriptors.
  /// Of `width` columns a thread has width / 2.
  llvm::SmallVector<mlir::Value> multiply(const WarpgroupMma &mma, mlir::ValueRange sums,
                                          mlir::ValueRange lhs, mlir::ValueRange rhs);
  /// The descriptor of what lies so many bytes behind.
  mlir::Value advance(mlir::Value descriptor, int64_t bytes);
  /// The sums when all chains are done.
  llvm::SmallVector<mlir::Value> waitForAll(mlir::ValueRange sums);
};

} // namespace quadrille::nvvm

#endif // QUADRILLE_LIB_TARGET_NVVM_WARPGROUPBUILDER_H
