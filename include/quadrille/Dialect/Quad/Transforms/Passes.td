//===- Passes.td - Passes of the quad dialect --------------*- tablegen -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_TRANSFORMS_PASSES_TD
#define QUADRILLE_DIALECT_QUAD_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

// Every pass states its purpose, IR before and after, preconditions and its
// numeric effect.

def QuadFuse : Pass<"quad-fuse"> {
  let summary = "Let operations do what was done to their input, or is done to their result";
  let description = [{
    Purpose: rotations go into what reads them, elementwise code into elementwise code
    and into the product that it reads.

    Rotations: a `quad.hadamard` writes f32 to memory that a `quad.quantize` or
    `quad.amax` reads again. Both can rotate what they read, so each such use becomes
    one, even if the hadamard has other uses: its input has no more bytes than its
    result, and a rotation is cheaper than a pass over memory.

    ```mlir
    // before
    %h = quad.hadamard %x, %s {axis = 1 : i64} : tensor<?x64xbf16>, tensor<16xf32> -> tensor<?x64xf32>
    %q = quad.quantize %h {axis = 1 : i64, rht = #rht16} : tensor<?x64xf32> -> !q
    // after
    %q = quad.quantize %x signs(%s : tensor<16xf32>) {axis = 1 : i64, rht = #rht16} : tensor<?x64xbf16> -> !q
    ```
    Preconditions: the quantize has the hadamard's axis, no signs of its own, and says
    by `rht` that its input is rotated with a transform of that size; it does not
    zero-extend (rotating zeros may give -0, another code); an amax has no signs.
    Two quantizations of one input stay two operations: `quad-form-kernels`
    groups them.

    Elementwise code: a `quad.map` whose input is the result of another becomes one with
    both bodies; one that reads a product of its shape becomes the product's epilogue. Where
    it reads several products, that is the last. What lies between is no longer written, but
    rounded as if it were.

    ```mlir
    // before
    %y = quad.matmul %q, %w : !q, !w -> tensor<?x64xbf16>
    %r = quad.map(%y, %g) : (tensor<?x64xbf16>, tensor<?x64xf32>) -> tensor<?x64xf32> {
    ^bb0(%a: f32, %b: f32):
      %0 = arith.mulf %a, %b : f32
      quad.yield %0 : f32
    }
    // after
    %r = quad.matmul %q, %w epilogue(%g : tensor<?x64xf32>) : !q, !w -> tensor<?x64xf32> {
    ^bb0(%sum: f32, %b: f32):
      %a = quad.round %sum to bf16
      %0 = arith.mulf %a, %b : f32
      quad.yield %0 : f32
    }
    ```
    Preconditions: nothing else reads the intermediate result.

    Numeric effect: none.
  }];
}

def QuadInsertAmax : Pass<"quad-insert-amax"> {
  let summary = "Compute the tensor amax where the program gives none";
  let description = [{
    Purpose: a format with a tensor level maps the largest magnitude of the whole
    tensor; where `quad.quantize` has no operand for it, a `quad.amax` of what it
    quantizes is inserted, one for all quantizations of the same values.

    ```mlir
    // before
    %q = quad.quantize %x {axis = 1 : i64} : tensor<?x64xbf16> -> !nvfp4
    // after
    %a = quad.amax %x {axis = 1 : i64} : tensor<?x64xbf16>
    %q = quad.quantize %x amax(%a) {axis = 1 : i64} : tensor<?x64xbf16> -> !nvfp4
    ```
    Preconditions: none. After it every quantize to such a format has its amax.

    Numeric effect: none; it makes explicit what the format defines.
  }];
}

def QuadFormKernels : Pass<"quad-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Put the operations of each launch into a kernel";
  let description = [{
    Purpose: what runs together is decided here and visible in the IR. Every
    operation that computes becomes a `quad.kernel` and a `quad.launch`;
    quantizations of one input along different axes share a kernel, so that it is
    read once, and elementwise code joins the quantizations that are all its uses: its
    result is never written. `merge = false` gives each its own. Kernels are named after the
    function and what they do, and have its `quad.tuning`.

    ```mlir
    // before
    %r = quad.quantize %x {axis = 1 : i64} : tensor<?x64xbf16> -> !row
    %c = quad.quantize %x {axis = 0 : i64} : tensor<?x64xbf16> -> !column
    // after
    %r, %c = quad.launch @f_quantize_pair(%x) : (tensor<?x64xbf16>) -> (!row, !column)
    ```
    Preconditions: `quad-fuse` and `quad-insert-amax` have run. A merged
    quantization's operands are available where the first one stands, and a tile with
    whole blocks (and transforms) of both axes has at most `max-tile` elements; a
    remark says where that keeps two apart, and where a result of elementwise code or of
    a product goes through memory to what reads it.

    Numeric effect: none.
  }];
  let options = [
    Option<"merge", "merge", "bool", "true", "Let quantizations of one input share a kernel">,
    Option<"maxTile", "max-tile", "int64_t", "1024",
           "Elements of the largest tile that holds whole blocks of both axes: registers "
           "of one core hold not much more">
  ];
  let dependentDialects = ["::quadrille::quad::QuadDialect"];
}

def QuadSelectCarrier : Pass<"quad-select-carrier"> {
  let summary = "Choose each product's matrix instruction, or refuse";
  let description = [{
    Purpose: a `quad.matmul` runs on the fastest matrix instruction of the target whose
    operand type, the carrier, holds code or code times scale exactly. That is
    proved by enumeration of encoded bits (docs/carriers.md). The choice is recorded as the
    attribute `quad.carrier` and told in a remark; where nothing is exact or fast enough, the
    error says what each carrier lacks and which formats would work.

    ```mlir
    // before
    %y = quad.matmul %q, %w : !mxuf4_row, !mxuf4_column -> tensor<?x?xf32>
    // after, target = sm_90a
    %y = quad.matmul %q, %w {quad.carrier = {instruction = "wgmma.m64nNk32.f8",
           lhs = {carrier = "e5m2", scales = "folded-exponent"},
           promote = 128 : i64, rhs = {carrier = "e5m2", scales = "folded-exponent"}}}
           : !mxuf4_row, !mxuf4_column -> tensor<?x?xf32>
    ```
    Preconditions: none. A program without products may have any target.

    Numeric effect: none on the operands, unless the operation says `exact = false`; the
    order and width of accumulation are those of the instruction.
  }];
  let options = [
    Option<"target", "target", "std::string", "\"host\"", "Name of the target">,
    Option<"minimumRate", "minimum-rate", "double", "0",
           "Refuse what runs at less than this multiple of the target's bf16 rate">
  ];
}

#endif // QUADRILLE_DIALECT_QUAD_TRANSFORMS_PASSES_TD
