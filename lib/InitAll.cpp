//===- InitAll.cpp - Registration of dialects and passes ------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/InitAll.h"

#include "quadrille/Conversion/QuadToTile/QuadToTile.h"
#include "quadrille/Conversion/TileToLLVM/TileToLLVM.h"
#include "quadrille/Dialect/Quad/IR/QuadDialect.h"
#include "quadrille/Dialect/Quad/Transforms/Passes.h"
#include "quadrille/Dialect/Tile/IR/Tile.h"
#include "quadrille/Target/Pipelines.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

void quadrille::registerAllDialects(mlir::DialectRegistry &registry) {
  registry.insert<quad::QuadDialect, tile::TileDialect>();
  registry.insert<mlir::arith::ArithDialect, mlir::func::FuncDialect,
                  mlir::gpu::GPUDialect, mlir::index::IndexDialect,
                  mlir::LLVM::LLVMDialect, mlir::math::MathDialect,
                  mlir::memref::MemRefDialect, mlir::NVVM::NVVMDialect,
                  mlir::ROCDL::ROCDLDialect, mlir::scf::SCFDialect,
                  mlir::tensor::TensorDialect, mlir::vector::VectorDialect>();
}

void quadrille::registerAllPasses() {
  quad::registerQuadPasses();
  registerQuadToTilePasses();
  registerTileToLLVMPasses();
  registerPipelines();
}
