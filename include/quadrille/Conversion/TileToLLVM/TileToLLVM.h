//===- TileToLLVM.h - Lowering of tile programs -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_CONVERSION_TILETOLLVM_TILETOLLVM_H
#define QUADRILLE_CONVERSION_TILETOLLVM_TILETOLLVM_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir {
class RewritePatternSet;
class TypeConverter;
} // namespace mlir

namespace quadrille {
class TargetInfo;

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "quadrille/Conversion/TileToLLVM/Passes.h.inc"

/// A tile becomes its registers; other types stay.
void populateTileTypeConversion(mlir::TypeConverter &converter, const TargetInfo &target);
/// Patterns for operations within a lane: elementwise operations, constants, shapes.
void populateTileElementwisePatterns(mlir::RewritePatternSet &patterns,
                                     const mlir::TypeConverter &converter, const TargetInfo &target);
/// Patterns for operations across elements: reductions, butterflies, conversions, packing.
void populateTileExchangePatterns(mlir::RewritePatternSet &patterns,
                                  const mlir::TypeConverter &converter, const TargetInfo &target);
/// Patterns for loads, stores and program numbers.
void populateTileMemoryPatterns(mlir::RewritePatternSet &patterns,
                                const mlir::TypeConverter &converter, const TargetInfo &target);
/// Pattern for tiles combined into a word of memory.
void populateTileAtomicPatterns(mlir::RewritePatternSet &patterns,
                                const mlir::TypeConverter &converter, const TargetInfo &target);
/// Pattern for random bits.
void populateTileRandomPatterns(mlir::RewritePatternSet &patterns,
                                const mlir::TypeConverter &converter, const TargetInfo &target);
/// Pattern for products by matrix instructions.
void populateTileDotPatterns(mlir::RewritePatternSet &patterns,
                             const mlir::TypeConverter &converter, const TargetInfo &target);

} // namespace quadrille

#endif // QUADRILLE_CONVERSION_TILETOLLVM_TILETOLLVM_H
