//===- Passes.td - Passes that lower tile programs -*- tablegen -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_CONVERSION_TILETOLLVM_PASSES_TD
#define QUADRILLE_CONVERSION_TILETOLLVM_PASSES_TD

include "mlir/Pass/PassBase.td"

def TileToLLVM : Pass<"convert-tile-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Distribute tile programs over registers, lanes and warps of a target";
  let description = [{
    Replaces every tile by its registers (a scalar per lane on SIMT machines, a
    vector with an element per lane on a CPU) and every operation on tiles by
    operations on registers, asking `TargetInfo` for what differs between machines.
    Functions with the attribute `tile.kernel` become kernels of the target.

    Before:
    ```mlir
    %h = tile.hadamard %x : tensor<1x32xf32, #tile.layout<reg = [1], lane = [2, 4, 8, 16], warp = []>>
    ```
    After (host, 16 lanes), the first stage:
    ```mlir
    %h0 = arith.addf %x0, %x1 : vector<16xf32>
    %h1 = arith.subf %x0, %x1 : vector<16xf32>
    ```
    Precondition: every tile carries a layout for the target's number of lanes and
    warps. The result is in upstream dialects (arith, math, scf, vector, llvm, and
    nvvm or rocdl for the machine's own instructions).

    Numeric effect: none.
  }];
  let options = [Option<"target", "target", "std::string", "\"host\"", "Name of the target">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
      "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
      "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::ROCDL::ROCDLDialect"];
}

def OrderByUse : Pass<"order-by-use"> {
  let summary = "Put arithmetic next to its only use";
  let description = [{
    Lowering a tile emits each operation for all registers before the next operation.
    This pass moves what has no effect and one use, in its own block, to right before
    that use, the first operand's operations first, so that the operations of an element
    follow each other: fewer values are alive at once, and code generators that look at
    neighbours (three-operand minima of ptxas) see them. Run again, it changes nothing.

    Before:
    ```mlir
    %a0 = arith.mulf %x0, %f : f32
    %a1 = arith.mulf %x1, %f : f32
    %b0 = arith.addf %a0, %c : f32
    %b1 = arith.addf %a1, %c : f32
    ```
    After:
    ```mlir
    %a0 = arith.mulf %x0, %f : f32
    %b0 = arith.addf %a0, %c : f32
    %a1 = arith.mulf %x1, %f : f32
    %b1 = arith.addf %a1, %c : f32
    ```
    Numeric effect: none.
  }];
}

#endif // QUADRILLE_CONVERSION_TILETOLLVM_PASSES_TD
