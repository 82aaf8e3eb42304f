//===- TileOps.td - Operations of the tile dialect -*- tablegen -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_TILE_IR_TILEOPS_TD
#define QUADRILLE_DIALECT_TILE_IR_TILEOPS_TD

include "quadrille/Dialect/Tile/IR/TileDialect.td"
include "mlir/Dialect/LLVMIR/LLVMTypes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class TileOp<string mnemonic, list<Trait> traits = []> : Op<TileDialect, mnemonic, traits>;

def LLVMPointer : Type<CPred<"::mlir::isa<::mlir::LLVM::LLVMPointerType>($_self)">, "pointer",
                       "::mlir::LLVM::LLVMPointerType">;
def TileTensor : StaticShapeTensorOf<[AnyFloat, AnySignlessInteger]>;
def F32Tile : StaticShapeTensorOf<[F32]>;
def I32Tile : StaticShapeTensorOf<[I32]>;

//===----------------------------------------------------------------------===//
// Program and memory
//===----------------------------------------------------------------------===//

def ProgramIdOp : TileOp<"program_id", [Pure]> {
  let summary = "Number of this program along one grid dimension";
  let description = "Dimension 0 varies fastest. Result: i64, from 0.";
  let arguments = (ins ConfinedAttr<I32Attr, [IntNonNegative, IntMaxValue<1>]>:$dim);
  let results = (outs I64:$id);
  let assemblyFormat = "$dim attr-dict";
}

class TileAccess<string mnemonic, list<Trait> traits> : TileOp<mnemonic,
    !listconcat([AttrSizedOperandSegments], traits)> {
  code accessors = [{
    /// Rank of the access, which is the rank of the tile.
    unsigned getRank() { return getOffsets().size(); }
  }];
}

def LoadOp : TileAccess<"load", [MemoryEffects<[MemRead]>]> {
  let summary = "Read a tile from memory";
  let description = [{
    Element (i, j, ..) of the tile is read from
    `base + ((offset0 + i) * stride0 + (offset1 + j) * stride1 + ..)` elements.
    Positions at or beyond `bounds` read as zero and are not touched. Offsets,
    bounds and strides are in elements. The address of every position (i, j, .., 0)
    is a multiple of `alignment` bytes, by default of the element's size, and the
    last bound is a multiple of `granularity`, by default of 1: within these a lane
    may access several elements at once. If `inside` is true the whole tile is within
    the bounds; a program that knows need not compute it for each access. Offsets are not
    negative, but for `window`: then positions before 0 are as those beyond the bounds.
  }];
  let arguments = (ins LLVMPointer:$base, Variadic<I64>:$offsets,
                   Variadic<I64>:$bounds, Variadic<I64>:$strides, Optional<I1>:$inside,
                   OptionalAttr<I64Attr>:$alignment, OptionalAttr<I64Attr>:$granularity,
                   UnitAttr:$window);
  let results = (outs TileTensor:$result);
  let assemblyFormat = [{
    $base `[` $offsets `]` `bounds` `(` $bounds `)` `strides` `(` $strides `)`
    (`inside` $inside^)? attr-dict
    `:` type($base) `->` type($result)
  }];
  let extraClassDeclaration = accessors;
  let hasVerifier = 1;
}

def StoreOp : TileAccess<"store", [MemoryEffects<[MemWrite]>]> {
  let summary = "Write a tile to memory";
  let description = [{
    The counterpart of `tile.load`: positions outside of the bounds are not written, nor are
    those where `where`, a tile of i1 shaped and laid out as the value, is false. It is the same
    for all elements that a lane may access at once.
  }];
  let arguments = (ins TileTensor:$value, LLVMPointer:$base, Variadic<I64>:$offsets,
                   Variadic<I64>:$bounds, Variadic<I64>:$strides, Optional<I1>:$inside,
                   Optional<StaticShapeTensorOf<[I1]>>:$where,
                   OptionalAttr<I64Attr>:$alignment, OptionalAttr<I64Attr>:$granularity,
                   UnitAttr:$window);
  let assemblyFormat = [{
    $value `,` $base `[` $offsets `]` `bounds` `(` $bounds `)` `strides` `(` $strides `)`
    (`inside` $inside^)? (`where` $where^)? attr-dict
    `:` type($value) `,` type($base) (`,` type($where)^)?
  }];
  let extraClassDeclaration = accessors;
  let hasVerifier = 1;
}

def AtomicReduction : I32EnumAttr<"AtomicReduction", "what a tile does to a word of memory", [
    I32EnumAttrCase<"amax", 0>, I32EnumAttrCase<"ori", 1>]> {
  let cppNamespace = "::quadrille::tile";
  let genSpecializedAttr = 0;
}
def AtomicReductionAttr : EnumAttr<TileDialect, AtomicReduction, "atomic_reduction"> {
  let assemblyFormat = "$value";
}

def AtomicReduceOp : TileOp<"atomic_reduce", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Combine a tile into one word of memory that all programs share";
  let description = [{
    The word at `base` and all elements of the tile are combined into the word, in one
    atomic step as other programs see it:

    * `amax` of f32: the largest of the bits without the sign, as unsigned integers; any
      NaN counts as 0x7fc00000;
    * `ori` of i32: bitwise or.

    Neither depends on an order or on how often an element is seen, so the word has
    the same bits whatever runs when. Memory is written only where that changes it: a tile of
    zeros costs a comparison.
  }];
  let arguments = (ins AtomicReductionAttr:$kind, TileTensor:$value, LLVMPointer:$base);
  let assemblyFormat = "$kind $value `,` $base attr-dict `:` type($value) `,` type($base)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Shape
//===----------------------------------------------------------------------===//

def FromRegistersOp : TileOp<"from_registers", [Pure]> {
  let summary = "A tile of what code outside of tiles made";
  let description = [{
    Value i is register i of a lane, all of the tile's element type, in the result's layout.
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let results = (outs TileTensor:$result);
  let assemblyFormat = "$values attr-dict `:` type($values) `->` type($result)";
  let hasVerifier = 1;
}

def ReshapeOp : TileOp<"reshape", [Pure, SameOperandsAndResultElementType]> {
  let summary = "Same elements in row-major order under another shape";
  let description = "Moves nothing: a layout speaks of the row-major index.";
  let arguments = (ins TileTensor:$source);
  let results = (outs TileTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def TransposeOp : TileOp<"transpose", [Pure, SameOperandsAndResultElementType]> {
  let summary = "Swap the dimensions of a two-dimensional tile";
  let description = "Moves nothing: it permutes the bits of the index that the layout maps to.";
  let arguments = (ins TileTensor:$source);
  let results = (outs TileTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def BroadcastOp : TileOp<"broadcast", [Pure, SameOperandsAndResultElementType]> {
  let summary = "Repeat a tile along its dimensions of size 1";
  let description = [{
    The source's layout must be the result's with the bits of the repeated
    dimensions deleted, so that every lane has what it needs.
  }];
  let arguments = (ins TileTensor:$source);
  let results = (outs TileTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def SplatOp : TileOp<"splat", [Pure]> {
  let summary = "A tile with one scalar everywhere";
  let arguments = (ins AnyTypeOf<[AnyFloat, AnySignlessInteger]>:$scalar);
  let results = (outs TileTensor:$result);
  let assemblyFormat = "$scalar attr-dict `:` type($scalar) `->` type($result)";
  let hasVerifier = 1;
}

def IotaOp : TileOp<"iota", [Pure]> {
  let summary = "Each element's position along a dimension, as i32";
  let arguments = (ins ConfinedAttr<I32Attr, [IntNonNegative]>:$dim);
  let results = (outs I32Tile:$result);
  let assemblyFormat = "$dim attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def ConvertLayoutOp : TileOp<"convert_layout", [Pure, SameOperandsAndResultShape,
                                                SameOperandsAndResultElementType]> {
  let summary = "The same tile under another layout";
  let description = [{
    Lowered to what the conversion planner of lib/Layout finds cheapest: renamed
    registers, exchanges between lanes, or shared memory.
  }];
  let arguments = (ins TileTensor:$source);
  let results = (outs TileTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasFolder = 1;
}

//===----------------------------------------------------------------------===//
// Computation across elements
//===----------------------------------------------------------------------===//

def Reduction : I32EnumAttr<"Reduction", "associative combination of two elements", [
    I32EnumAttrCase<"maxui", 0>, I32EnumAttrCase<"addf", 1>, I32EnumAttrCase<"ori", 2>,
    I32EnumAttrCase<"addi", 3>, I32EnumAttrCase<"maximumf", 4>, I32EnumAttrCase<"amax", 5>]> {
  let cppNamespace = "::quadrille::tile";
  let genSpecializedAttr = 0;
}
def ReductionAttr : EnumAttr<TileDialect, Reduction, "reduction"> {
  let assemblyFormat = "$value";
}

def ReduceOp : TileOp<"reduce", [Pure, SameOperandsAndResultElementType]> {
  let summary = "Combine the elements along some dimensions";
  let description = [{
    The reduced dimensions have size 1 in the result, which every lane that held
    a part of them holds. `addf` adds pairwise by index bit from the lowest:
    v[i] := fl(v[i] + v[i xor 1]), then xor 2, .., which fixes its bits. `amax` is
    the largest magnitude of f32 elements, NaN (of any bits) if one is NaN.
  }];
  let arguments = (ins ReductionAttr:$kind, TileTensor:$source, DenseI64ArrayAttr:$dims);
  let results = (outs TileTensor:$result);
  let assemblyFormat = "$kind $source `dims` `=` $dims attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def HadamardOp : TileOp<"hadamard", [Pure, AllTypesMatch<["source", "result"]>]> {
  let summary = "Unnormalised Walsh-Hadamard transform along the last dimension";
  let description = [{
    Butterfly stages h = 1, 2, 4, .., n/2, each (u, v) -> (fl(u + v), fl(u - v)),
    n the size of the last dimension. With `factors`, shaped as the source with size 1
    in all other dimensions, the first stage is (x, y) -> (fl(u + g y), fl(u - g y)),
    u = fl(f x), f and g the factors of the two: one multiplication, two fused ones.
    Its pairs must then lie in one lane. docs/numerics.md, "Hadamard transform".
  }];
  let arguments = (ins F32Tile:$source, Optional<F32Tile>:$factors);
  let results = (outs F32Tile:$result);
  let assemblyFormat = "$source (`factors` $factors^ `:` type($factors))? attr-dict `:` type($source)";
  let hasVerifier = 1;
}

def PackOp : TileOp<"pack", [Pure]> {
  let summary = "Eight 4-bit codes to a 32-bit word";
  let description = [{
    Word w of a row holds code 8w + i in its bits [4i, 4i + 4): in little-endian
    memory, element 2i is the low nibble of byte i. The code of an element v is
    (v - bias) >> shift, which must be below 16: rounding leaves codes above the
    constant that it added, and it is cheaper to remove that once a word. The
    last dimension shrinks by 8; its lowest three bits must be register bits.
  }];
  let arguments = (ins I32Tile:$codes, DefaultValuedAttr<I32Attr, "0">:$bias,
                   DefaultValuedAttr<I32Attr, "0">:$shift);
  let results = (outs I32Tile:$words);
  let assemblyFormat = "$codes attr-dict `:` type($codes) `->` type($words)";
  let hasVerifier = 1;
}

def WidenOp : TileOp<"widen", [Pure]> {
  let summary = "The two 16-bit numbers of each 32-bit word, as f32";
  let description = [{
    Word w of a row holds elements 2w (in its lower half) and 2w + 1 of `type`, bf16
    or f16. Exact. The last dimension doubles; its lowest bit must be a register bit.
  }];
  let arguments = (ins I32Tile:$words, TypeAttr:$type);
  let results = (outs F32Tile:$result);
  let assemblyFormat = "$words `from` $type attr-dict `:` type($words) `->` type($result)";
  let hasVerifier = 1;
}

def PackSignsOp : TileOp<"pack_signs", [Pure]> {
  let summary = "The signs of eight numbers in the top bits of a word's nibbles";
  let description = [{
    Bit 4i + 3 of word w is the sign bit of element 8w + i, the other bits are 0:
    what a sign-magnitude grid adds to the packed codes of magnitudes.
  }];
  let arguments = (ins F32Tile:$values);
  let results = (outs I32Tile:$words);
  let assemblyFormat = "$values attr-dict `:` type($values) `->` type($words)";
  let hasVerifier = 1;
}

def EncodeE2M1Op : TileOp<"encode_e2m1", [Pure]> {
  let summary = "Eight numbers to a word of E2M1 codes";
  let description = [{
    Each number is rounded to the nearest E2M1 value, ties to the even code, larger ones to
    the largest, and keeps its sign; NaN has any code. The codes lie as by `tile.pack`. Only
    for targets with such an instruction (TargetInfo::encodesE2M1).
    docs/numerics.md, "Rounding to the grid".
  }];
  let arguments = (ins F32Tile:$values);
  let results = (outs I32Tile:$words);
  let assemblyFormat = "$values attr-dict `:` type($values) `->` type($words)";
  let hasVerifier = 1;
}

def EncodeE4M3Op : TileOp<"encode_e4m3", [Pure]> {
  let summary = "The E4M3 encodings of numbers";
  let description = [{
    Each number, which is not negative, is rounded to the nearest E4M3 value, ties to the
    even encoding, larger ones to 448; NaN is 0x7f. Only for targets with such an
    instruction (TargetInfo::encodesE4M3). docs/numerics.md, "Scales".
  }];
  let arguments = (ins F32Tile:$values);
  let results = (outs I32Tile:$encodings);
  let assemblyFormat = "$values attr-dict `:` type($values) `->` type($encodings)";
  let hasVerifier = 1;
}

def UnpackOp : TileOp<"unpack", [Pure]> {
  let summary = "A 32-bit word to eight 4-bit codes";
  let description = "The inverse of `tile.pack`.";
  let arguments = (ins I32Tile:$words);
  let results = (outs I32Tile:$codes);
  let assemblyFormat = "$words attr-dict `:` type($words) `->` type($codes)";
  let hasVerifier = 1;
}

def LookupOp : TileOp<"lookup", [Pure]> {
  let summary = "Values of up to 16 indices from a constant table";
  let description = "Indices (i32) must be below the table's length.";
  let arguments = (ins I32Tile:$index, DenseF32ArrayAttr:$table);
  let results = (outs F32Tile:$result);
  let assemblyFormat = "$index `,` $table attr-dict `:` type($index) `->` type($result)";
  let hasVerifier = 1;
}

def LookupBytesOp : TileOp<"lookup_bytes", [Pure]> {
  let summary = "Bytes of a table for 4-bit codes, four to a word";
  let description = [{
    Words 2w and 2w + 1 of the result hold, from their lowest byte, the bytes that the codes
    of word w, from its lowest bits, have in a table of 16: element w of each of `table`,
    four bytes a word. The last dimension doubles; its lowest bit must be a register bit.
  }];
  let arguments = (ins I32Tile:$words, Variadic<I32Tile>:$table);
  let results = (outs I32Tile:$result);
  let assemblyFormat = "$words `,` $table attr-dict `:` type($words) `,` type($table) `->` type($result)";
  let hasVerifier = 1;
}

def PackSixBitsOp : TileOp<"pack_six_bits", [Pure, SameOperandsAndResultType]> {
  let summary = "The lower six bits of 32 bytes, without gaps";
  let description = [{
    Of each eight words of a row, which hold 32 bytes, words 0 to 5 of the result hold the lower
    six bits, from the lowest byte's on; words 6 and 7 are 0. The lowest three bits of the last
    dimension must be register bits.
  }];
  let arguments = (ins I32Tile:$bytes);
  let results = (outs I32Tile:$words);
  let assemblyFormat = "$bytes attr-dict `:` type($bytes)";
  let hasVerifier = 1;
}

def LookupPairsOp : TileOp<"lookup_pairs", [Pure]> {
  let summary = "16-bit entries of a constant table for 4-bit codes, two to a word";
  let description = [{
    Words 4w to 4w + 3 of the result hold the entries of the eight codes of word w, from
    its lowest bits, the first of two in the lower half: bf16 numbers for `tile.widen`, say.
    The table has 16. The last dimension grows by 4; its lowest two bits must be register bits.
    With `factors`, one for each word of codes, entries are bf16 numbers times that, as of
    tile.multiply_pairs, and those of codes from 8 on are the negated ones of codes below 8.
  }];
  let arguments = (ins I32Tile:$words, DenseI16ArrayAttr:$table, Optional<F32Tile>:$factors);
  let results = (outs I32Tile:$result);
  let assemblyFormat = [{
    $words `,` $table (`times` $factors^ `:` type($factors))? attr-dict
    `:` type($words) `->` type($result)
  }];
  let builders = [OpBuilder<(ins "mlir::Type":$result, "mlir::Value":$words,
                                 "llvm::ArrayRef<int16_t>":$table), [{
    build($_builder, $_state, result, words, table, /*factors=*/mlir::Value());
  }]>];
  let extraClassDeclaration = [{
    /// Entry i + 8 of the table is entry i with a sign, which that has not.
    static bool hasSigns(llvm::ArrayRef<int16_t> table);
  }];
  let hasVerifier = 1;
}

def MultiplyPairsOp : TileOp<"multiply_pairs", [Pure, SameOperandsAndResultType]> {
  let summary = "Products of bf16 numbers, or of f16 ones, two to a word";
  let description = [{
    For products that the type holds, as those of codes and scales are: of others any neighbour
    is given. A NaN is any NaN.
  }];
  let arguments = (ins I32Tile:$lhs, I32Tile:$rhs, UnitAttr:$f16);
  let results = (outs I32Tile:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}

def DotOp : TileOp<"dot", [Pure, AllTypesMatch<["acc", "result"]>]> {
  let summary = "Accumulators plus products of two operands, by a matrix instruction";
  let description = [{
    acc (M x N x P) += lhs (M x K) times rhs (N x K) transposed, K in words of elements of
    the carrier's type (of 6 bits: as by `tile.pack_six_bits`). Warps have rows or columns of their own, or each a
    part of the words, and add their products to the accumulators of that part: P is the number of parts.

    Scales, of the rows of lhs and of rhs, are of one of two kinds, for B blocks of words. Where the
    instruction takes them, i32, as stored: (M x B) words, of which perhaps only byte `scaleByte`
    counts, or (M x B/4) words of four blocks' bytes each, as TargetInfo::MmaAtom says. Else f32, (M x B). The products
    of a block are then summed by themselves to p, from zero, and acc := fl(fl(p * lhs's) * rhs's + acc),
    the last with one rounding, block after block; lanes have the scales of their accumulators' rows and
    columns. Accumulators of an integer carrier are i32, but f32 beside scales, where p is rounded to f32.

    The layouts are those of the target's instruction, repeated in registers: which lane has
    which of its rows, columns and words is what TargetInfo::mmaAtom says, but any words may
    be those of a step, if they are the same in both operands. The order in which an
    instruction adds its own products is the target's; steps are added in the order of words.
  }];
  let arguments = (ins I32Tile:$lhs, I32Tile:$rhs, AnyTypeOf<[F32Tile, I32Tile]>:$acc,
                   Variadic<AnyTypeOf<[I32Tile, F32Tile]>>:$scales,
                   StrAttr:$carrier, DefaultValuedAttr<I32Attr, "0">:$scaleByte);
  let results = (outs AnyTypeOf<[F32Tile, I32Tile]>:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs `to` $acc `by` $carrier (`scales` $scales^ `:` type($scales))? attr-dict
    `:` type($lhs) `,` type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
}

def RandomOp : TileOp<"random", [Pure]> {
  let summary = "Philox4x32 bits for each element, by its number in the output";
  let description = [{
    Element (i, j) of a two-dimensional tile has number
    e = base + (row + i) * rowLength + column + j and takes bits
    [b * (e mod 128/b), + b) of the 128-bit draw e / (128/b) of `stream` under
    `key` (docs/numerics.md, "Random bits"). So the bits do not depend on the
    tile, the layout or the target. `base`, `rowLength` and `column` are multiples
    of 16. Result: integers in [0, 2^b), added to `addend` if there is one.
  }];
  let arguments = (ins I64:$key, I64:$base, I64:$row, I64:$column, I64:$rowLength,
                   Optional<I32Tile>:$addend, I32Attr:$bits, I32Attr:$rounds, I32Attr:$stream);
  let results = (outs I32Tile:$result);
  let assemblyFormat = [{
    $key `,` $base `at` `(` $row `,` $column `)` `of` $rowLength `bits` `=` $bits
    `rounds` `=` $rounds `stream` `=` $stream (`to` $addend^ `:` type($addend))? attr-dict
    `:` type($result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Host schedule
//===----------------------------------------------------------------------===//

def BufferType : TypeDef<TileDialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "A run-time array of the host schedule: address, sizes, strides";
  let description = "`!tile.buffer<2 x bf16>`: rank and element type; sizes and strides in elements.";
  let parameters = (ins "unsigned":$rank, "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $rank `x` $elementType `>`";
}

def ScheduleValue : AnyTypeOf<[BufferType, I64, F32]>;

def DimOp : TileOp<"dim", [Pure]> {
  let summary = "Size of a buffer along a dimension, in elements";
  let arguments = (ins BufferType:$buffer, ConfinedAttr<I32Attr, [IntNonNegative]>:$dim);
  let results = (outs I64:$size);
  let assemblyFormat = "$buffer `,` $dim attr-dict `:` type($buffer)";
  let hasVerifier = 1;
}

def StrideOp : TileOp<"stride", [Pure]> {
  let summary = "Stride of a buffer along a dimension, in elements";
  let arguments = (ins BufferType:$buffer, ConfinedAttr<I32Attr, [IntNonNegative]>:$dim);
  let results = (outs I64:$stride);
  let assemblyFormat = "$buffer `,` $dim attr-dict `:` type($buffer)";
  let hasVerifier = 1;
}

def AllocOp : TileOp<"alloc", [MemoryEffects<[MemAlloc]>]> {
  let summary = "Workspace for the duration of the program";
  let description = [{
    Comes from the caller's allocator on the caller's stream, or from `workspace=`.
    64-byte aligned; its bytes are in `explain()`.
  }];
  let arguments = (ins I64:$bytes);
  let results = (outs BufferType:$buffer);
  let assemblyFormat = "$bytes attr-dict `:` type($buffer)";
}

def OffsetOp : TileOp<"offset", [Pure]> {
  let summary = "A part of a buffer";
  let description = [{
    The buffer that begins `bytes` into `buffer`, an argument or workspace of the schedule,
    with elements of its own type.
  }];
  let arguments = (ins BufferType:$buffer, I64:$bytes);
  let results = (outs BufferType:$result);
  let assemblyFormat = "$buffer `,` $bytes attr-dict `:` type($buffer) `->` type($result)";
  let hasVerifier = 1;
}

def CheckOp : TileOp<"check"> {
  let summary = "An error with this message unless the condition holds";
  let arguments = (ins I1:$condition, StrAttr:$message);
  let assemblyFormat = "$condition `,` $message attr-dict";
}

def LaunchOp : TileOp<"launch", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Run a kernel over a grid";
  let description = [{
    Runs `kernel` once for each (x, y) in gridX x gridY, in any order. A buffer is
    passed as its address. A kernel of the attribute `tile.ranged` takes four numbers more,
    the ranges of x and y.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, I64:$gridX, I64:$gridY,
                   Variadic<ScheduleValue>:$args);
  let assemblyFormat = [{
    $kernel `grid` `(` $gridX `,` $gridY `)` `args` `(` ($args^ `:` type($args))? `)` attr-dict
  }];
}

#endif // QUADRILLE_DIALECT_TILE_IR_TILEOPS_TD
