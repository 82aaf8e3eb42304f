//===- TileToLLVM.cpp - Lowering of tile programs -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Conversion/TileToLLVM/TileToLLVM.h"
#include "TilePattern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quadrille/Target/TargetSpec.h"

namespace quadrille {
#define GEN_PASS_DEF_TILETOLLVM
#include "quadrille/Conversion/TileToLLVM/Passes.h.inc"

using namespace mlir;

namespace {

class TileToLLVMPass : public impl::TileToLLVMBase<TileToLLVMPass> {
public:
  using TileToLLVMBase::TileToLLVMBase;

  void runOnOperation() override {
    llvm::Expected<TargetSpec> spec = resolveTarget(this->target);
    if (!spec) {
      getOperation().emitError() << llvm::toString(spec.takeError());
      return signalPassFailure();
    }
    std::unique_ptr<TargetInfo> target = createTargetInfo(*spec);
    for (auto kernel : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (kernel->hasAttr("tile.kernel") && failed(lower(kernel, *target)))
        return signalPassFailure();
  }

private:
  LogicalResult lower(func::FuncOp kernel, const TargetInfo &target);
};

/// Every tile must be laid out for the machine it is lowered to.
LogicalResult checkLayouts(func::FuncOp kernel, const TargetInfo &target) {
  WalkResult result = kernel.walk([&](Operation *op) -> WalkResult {
    for (Value value : op->getResults()) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type)
        continue;
      if (!isa_and_nonnull<tile::LayoutAttr>(type.getEncoding()))
        return op->emitOpError("has a result without a tile layout");
      LinearLayout layout = tile::getLayout(type);
      if (layout.numLanes() != target.getLanes() || layout.numWarps() != target.getWarps())
        return op->emitOpError("is laid out for ")
               << layout.numLanes() << " lanes and " << layout.numWarps()
               << " warps, but the target has " << target.getLanes() << " and "
               << target.getWarps();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

LogicalResult TileToLLVMPass::lower(func::FuncOp kernel, const TargetInfo &target) {
  if (failed(checkLayouts(kernel, target)))
    return failure();
  target.beginKernel(cast<FunctionOpInterface>(kernel.getOperation()));
  MLIRContext *context = &getContext();
  TypeConverter converter;
  populateTileTypeConversion(converter, target);

  RewritePatternSet patterns(context);
  populateTileElementwisePatterns(patterns, converter, target);
  populateTileExchangePatterns(patterns, converter, target);
  populateTileMemoryPatterns(patterns, converter, target);
  populateTileAtomicPatterns(patterns, converter, target);
  populateTileRandomPatterns(patterns, converter, target);
  populateTileDotPatterns(patterns, converter, target);

  ConversionTarget legality(*context);
  scf::populateSCFStructuralTypeConversionsAndLegality(converter, patterns, legality);
  legality.addIllegalDialect<tile::TileDialect>();
  legality.markUnknownOpDynamicallyLegal([](Operation *op) {
    auto isTile = [](Type type) { return isa<RankedTensorType>(type); };
    return llvm::none_of(op->getOperandTypes(), isTile) &&
           llvm::none_of(op->getResultTypes(), isTile);
  });
  if (failed(applyPartialConversion(kernel, legality, std::move(patterns))))
    return failure();
  target.finishKernel(cast<FunctionOpInterface>(kernel.getOperation()));
  return success();
}

} // namespace
} // namespace quadrille
