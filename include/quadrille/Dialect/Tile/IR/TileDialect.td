//===- TileDialect.td - The tile dialect -*- tablegen -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_TILE_IR_TILEDIALECT_TD
#define QUADRILLE_DIALECT_TILE_IR_TILEDIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def TileDialect : Dialect {
  let name = "tile";
  let summary = "SPMD programs of one block over tensors distributed in registers";
  let description = [{
    A tile program is what one block (a CUDA thread block, an AMD work group, a
    SIMD loop iteration of the host) does to one tile of the operands. Its values
    are builtin tensors of static power-of-two shape whose encoding
    (`#tile.layout`) says which register of which lane of which warp holds each
    element. Elementwise computation uses the `arith` and `math` dialects; this
    dialect adds only what crosses elements or touches memory.

    There is no control flow that differs between lanes and there are no per-lane
    pointers, so the same program runs on a warp of 32 threads, a wave of 64, and
    16 SIMD lanes of a CPU core.

    Numeric effect of the dialect: none beyond what each operation states. Every
    floating-point operation is one IEEE f32 operation rounded to nearest even.
  }];
  let cppNamespace = "::quadrille::tile";
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let extraClassDeclaration = [{
    /// Fails with a diagnostic on `op` if `type` is a tile with a size that is no
    /// power of two or a layout beyond its size.
    static ::llvm::LogicalResult verifyTile(::mlir::Operation *op, ::mlir::Type type);
  }];
}

def LayoutAttr : AttrDef<TileDialect, "Layout"> {
  let mnemonic = "layout";
  let summary = "Where the elements of a tile live: a linear map over F2";
  let description = [{
    Maps the bits of a register number, a lane number and a warp number to bits of
    the element's row-major index in the tile: bit `i` of the register number
    contributes `reg[i]` (by exclusive or), and so on. A basis of 0 means that the
    hardware bit holds a copy.

    `#tile.layout<reg = [1, 2, 4, 8], lane = [16, 32, 64, 128], warp = []>` gives
    each of 16 lanes 16 consecutive elements of a 256-element tile.
  }];
  let parameters = (ins
    OptionalArrayRefParameter<"int64_t">:$reg,
    OptionalArrayRefParameter<"int64_t">:$lane,
    OptionalArrayRefParameter<"int64_t">:$warp);
  let assemblyFormat = [{
    `<` `reg` `=` `[` (`]`) : ($reg^ `]`)? `,` `lane` `=` `[` (`]`) : ($lane^ `]`)?
    `,` `warp` `=` `[` (`]`) : ($warp^ `]`)? `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    static LayoutAttr get(::mlir::MLIRContext *context, const ::quadrille::layout::LinearLayout &layout);
    /// The layout of a tile of `numElements` elements (a power of two).
    ::quadrille::layout::LinearLayout toLayout(int64_t numElements) const;
  }];
}

#endif // QUADRILLE_DIALECT_TILE_IR_TILEDIALECT_TD
