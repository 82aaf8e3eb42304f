//===- SIMTTargetInfo.h - What GPUs have in common -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_SIMTTARGETINFO_H
#define QUADRILLE_TARGET_SIMTTARGETINFO_H

#include "quadrille/Target/TargetInfo.h"
#include <optional>

namespace quadrille {

/// A machine whose lanes are threads: a register of a tile is a scalar.
class SIMTTargetInfo : public TargetInfo {
public:
  unsigned getThreads() const override { return getLanes() * getWarps(); }
  layout::LinearLayout memoryLayout(const layout::LinearLayout &compute, unsigned contiguousBits,
                                    unsigned elementBytes) const override;
  unsigned getMaxElementsPerLane() const override { return 32; }
  unsigned getTilesPerProgram() const override { return 4; }
  /// Reads of 128 bytes of bf16, and registers for several of them in flight.
  ColumnTile columnTile() const override { return {32, 64, 64}; }
  mlir::Type registerType(mlir::Type element) const override { return element; }
  mlir::Value splat(mlir::OpBuilder &, mlir::Location, mlir::Value scalar) const override {
    return scalar;
  }
  /// A launch has at most 65535 blocks along y: the last argument is the number of
  /// its first one (Runtime/Device.h).
  void beginKernel(mlir::FunctionOpInterface kernel) const override;
  mlir::Value programId(mlir::OpBuilder &b, mlir::Location loc, mlir::FunctionOpInterface kernel,
                        unsigned dim) const override;
  mlir::Value laneId(mlir::OpBuilder &b, mlir::Location loc) const override;
  mlir::Value warpId(mlir::OpBuilder &b, mlir::Location loc) const override;
  mlir::Value exchange(mlir::OpBuilder &b, mlir::Location loc, mlir::Value reg,
                       unsigned bit) const override;
  mlir::Value permuteLanes(mlir::OpBuilder &b, mlir::Location loc, mlir::Value reg,
                           llvm::ArrayRef<unsigned> sourceLane) const override;
  std::pair<mlir::Value, mlir::Value> swapRegisterAndLane(mlir::OpBuilder &b, mlir::Location loc,
                                                          mlir::Value low, mlir::Value high,
                                                          unsigned bit) const override;
  unsigned maxAccessWidth(unsigned elementBytes, unsigned alignment) const override;
  llvm::SmallVector<mlir::Value> load(mlir::OpBuilder &b, mlir::Location loc,
                                      const Access &access) const override;
  void store(mlir::OpBuilder &b, mlir::Location loc, mlir::ValueRange registers,
             const Access &access) const override;
  std::pair<mlir::Value, mlir::Value> multiplyWide(mlir::OpBuilder &b, mlir::Location loc,
                                                   mlir::Value x, mlir::Value y) const override;
  mlir::Value sharedMemory(mlir::OpBuilder &b, mlir::Location loc,
                           uint64_t bytes, bool takesTurns) const override;
  void atomicReduce(mlir::OpBuilder &b, mlir::Location loc, mlir::arith::AtomicRMWKind kind,
                    mlir::Value reg, mlir::Value pointer) const override;
  void finishKernel(mlir::FunctionOpInterface kernel) const override;

protected:
  using TargetInfo::TargetInfo;

  struct LaunchShape {
    unsigned threads;  ///< of a block
    unsigned cluster;  ///< blocks that run together
    unsigned resident; ///< blocks that a multiprocessor should hold at once; 0: as it comes
  };
  /// The attributes by which LLVM knows a kernel and its block's size.
  virtual void addKernelAttributes(mlir::Operation *kernel, const LaunchShape &shape) const = 0;
  /// The thread's number in its block, an i32.
  virtual mlir::Value threadId(mlir::OpBuilder &b, mlir::Location loc) const = 0;
  /// The block's number in its launch along x (0) or y (1), an i32.
  virtual mlir::Value blockId(mlir::OpBuilder &b, mlir::Location loc, unsigned dim) const = 0;
  /// The i32 `word` of lane `lane xor distance`.
  virtual mlir::Value exchangeWord(mlir::OpBuilder &b, mlir::Location loc, mlir::Value word,
                                   unsigned distance) const = 0;
  /// swapRegisterAndLane of i32 words by one instruction; nothing where there is none.
  virtual std::optional<std::pair<mlir::Value, mlir::Value>>
  swapWords(mlir::OpBuilder &b, mlir::Location loc, mlir::Value low, mlir::Value high,
            unsigned bit) const {
    return std::nullopt;
  }
  /// LLVM's name of the threads of one device.
  virtual llvm::StringRef deviceScope() const = 0;
  /// The i32 `word` of lane `source`, an i32.
  virtual mlir::Value readLane(mlir::OpBuilder &b, mlir::Location loc, mlir::Value word,
                               mlir::Value source) const = 0;
};

} // namespace quadrille

#endif // QUADRILLE_TARGET_SIMTTARGETINFO_H
