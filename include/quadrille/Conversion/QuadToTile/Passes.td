//===- Passes.td - Lowering of kernels to tile programs -*- tablegen -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_CONVERSION_QUADTOTILE_PASSES_TD
#define QUADRILLE_CONVERSION_QUADTOTILE_PASSES_TD

include "mlir/Pass/PassBase.td"

def QuadToTile : Pass<"convert-quad-to-tile", "::mlir::ModuleOp"> {
  let summary = "Lower quad kernels to tile programs and a host schedule";
  let description = [{
    Each `quad.kernel` becomes a tile program (a function with `tile.kernel`): the
    steps of docs/numerics.md on the tile of one block. The function that launches
    them becomes the schedule (`tile.schedule`): integer arithmetic on the sizes of
    its buffers, workspace, checks of what the caller must keep, and launches. Its
    arguments are the program's, then one buffer for each array of the results.

    Before:
    ```mlir
    func.func @f(%x: tensor<?x64xbf16>) -> !q {
      %q = quad.launch @f_quantize_row(%x) : (tensor<?x64xbf16>) -> !q
      return %q : !q
    }
    ```
    After:
    ```mlir
    func.func @f(%x: !tile.buffer<2 x bf16>, %codes: !tile.buffer<2 x i8>,
                 %scales: !tile.buffer<2 x bf16>) attributes {tile.schedule} {
      ..
      tile.launch @f_quantize_row grid(%gx, %gy) args(..)
      return
    }
    ```
    A tensor is read along the dimension that its attribute `quad.unit_stride`
    names; without it along the last, element by element.

    How a kernel is cut into programs, tiles and lanes are numbers that the target chooses, or
    the kernel's attribute `quad.tuning`: of powers of two, `elements_per_lane` (8 to 64) and
    `tiles_per_program` (1 to 8) of rows, `column_elements_per_lane` (16 to 64) and
    `column_reach` (32 to 128 elements along memory) of what is quantized across memory. The
    program's attribute `tile.tuned` holds those that it was made with. What is no such number
    is an error at the kernel.

    Precondition: `quad-form-kernels` has run; tensor-level formats have their amax.
    Numeric effect: none; this is where the specification becomes operations.
  }];
  let options = [Option<"target", "target", "std::string", "\"host\"", "Name of the target">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
      "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
      "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::ROCDL::ROCDLDialect",
      "::quadrille::tile::TileDialect"];
}

def TileSerializeSchedule : Pass<"tile-serialize-schedule", "::mlir::ModuleOp"> {
  let summary = "Move the host schedule from IR to the text that the runtime interprets";
  let description = [{
    The function with `tile.schedule` is erased; the module's attribute
    `quadrille.schedule` holds it in the grammar of Runtime/Schedule.h.

    Numeric effect: none.
  }];
}

#endif // QUADRILLE_CONVERSION_QUADTOTILE_PASSES_TD
