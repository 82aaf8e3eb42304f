//===- Pipelines.cpp - Named pass pipelines -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/Pipelines.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "quadrille/Conversion/QuadToTile/QuadToTile.h"
#include "quadrille/Conversion/TileToLLVM/TileToLLVM.h"
#include "quadrille/Dialect/Quad/Transforms/Passes.h"

using namespace mlir;

namespace quadrille {

/// From the last operation to the first: the same result in a fifth of the time.
static std::unique_ptr<Pass> createCanonicalizer() {
  return createCanonicalizerPass(GreedyRewriteConfig().setUseTopDownTraversal(false));
}

void buildQuadToKernels(OpPassManager &pm) {
  pm.addPass(createCanonicalizer());
  pm.addPass(quad::createQuadInsertAmax());
  pm.addPass(quad::createQuadFuse());
  pm.addPass(createCSEPass());
  pm.addPass(quad::createQuadFormKernels());
}

void buildKernelsToTile(OpPassManager &pm, llvm::StringRef target) {
  QuadToTileOptions options;
  options.target = target.str();
  pm.addPass(createQuadToTile(options));
  pm.addPass(createCanonicalizer());
  pm.addPass(createCSEPass());
}

void buildTileToLLVM(OpPassManager &pm, llvm::StringRef target) {
  pm.addPass(createTileSerializeSchedule());
  TileToLLVMOptions options;
  options.target = target.str();
  pm.addPass(createTileToLLVM(options));
  // No canonicalization: LLVM simplifies the thousands of operations on registers
  // faster than patterns do.
  pm.addPass(createCSEPass());
  pm.addPass(createOrderByUse());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

namespace {
struct TargetOptions : PassPipelineOptions<TargetOptions> {
  Option<std::string> target{*this, "target", llvm::cl::desc("Name of the target")};
};

void registerPipeline(StringRef name, StringRef description, StringRef defaultTarget) {
  PassPipelineRegistration<TargetOptions>(
      name, description, [defaultTarget](OpPassManager &pm, const TargetOptions &options) {
        StringRef target = options.target.empty() ? defaultTarget : StringRef(options.target);
        buildQuadToKernels(pm);
        buildKernelsToTile(pm, target);
        buildTileToLLVM(pm, target);
      });
}
} // namespace

void registerPipelines() {
  PassPipelineRegistration<>("quad-to-kernels", "Form and fuse kernels", [](OpPassManager &pm) {
    buildQuadToKernels(pm);
  });
  PassPipelineRegistration<TargetOptions>(
      "quad-to-tile", "Form kernels and lower them to tile programs",
      [](OpPassManager &pm, const TargetOptions &options) {
        buildQuadToKernels(pm);
        buildKernelsToTile(pm, options.target.empty() ? StringRef("host")
                                                      : StringRef(options.target));
      });
  registerPipeline("quad-to-host", "Lower to the LLVM dialect for a CPU", "host");
  registerPipeline("quad-to-ptx", "Lower to the LLVM dialect for an NVIDIA GPU", "sm_90a");
  registerPipeline("quad-to-amdgcn", "Lower to the LLVM dialect for an AMD GPU", "gfx942");
}

} // namespace quadrille
