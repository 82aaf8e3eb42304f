//===- Kernels.h - The kernels of quantized tensors -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_CONVERSION_QUADTOTILE_KERNELS_H
#define QUADRILLE_LIB_CONVERSION_QUADTOTILE_KERNELS_H

#include "KernelBuilder.h"
#include "TileBuilder.h"
#include "quadrille/Numerics/Carrier.h"
#include "quadrille/Target/Capability.h"
#include <functional>

namespace quadrille::target {
struct OperandPlan;
}

namespace quadrille {

/// Reads, rotates and writes tiles of a P x A orientation: A along the quantized
/// axis, P across it.
struct TileShape {
  int64_t across, along;
};

/// What a table of groups counts for each.
enum class GroupExtent {
  Extended, ///< its positions, extended to a multiple
  Covering, ///< the stretches of a multiple in which it has some
};

/// Groups along the quantized axis: how many, and their table (Groups.h) in workspace.
struct ScheduledGroups {
  mlir::Value table, count;
  explicit operator bool() const { return bool(table); }
};

/// Rows of panels that are not the operand's own in their order.
struct PanelRowMap {
  mlir::Value count; ///< of the schedule
  /// Which row of the operand one is, and as many behind it as panels' rows lie in a tile.
  std::function<mlir::Value(KernelBuilder &, mlir::Value)> source;
};

/// What quad.to_carrier and products make of a tensor; without row results for a carrier that
/// holds scales themselves.
struct CarrierResult {
  mlir::Value values, exponents;
  mlir::Value overflow; ///< a word for each row, or each panel
  mlir::Value panels;   ///< how many (Target/Panels.h)
  mlir::Value pieces;   ///< of a panel; null: values are row by row
  mlir::Value scales;   ///< of panels whose instruction takes them
  std::optional<PanelRowMap> rows = {};

  mlir::Value sourceRow(KernelBuilder &kernel, mlir::Value row) const {
    return rows ? rows->source(kernel, row) : row;
  }
  mlir::Value numRows(mlir::Value own) const { return rows ? rows->count : own; }
};

/// How code x scale becomes bf16: as it is, or times 2^shift and rounded to nearest even.
struct CarrierRounding {
  bool isExact = true;
  int shift = 0;
};

/// Panels of bf16 that a kernel writes in place of codes and scales.
struct DirectPanels {
  CarrierResult result;
  CarrierRounding rounding;
};

/// What a kernel needs for one quad.quantize: schedule values, absent ones null.
struct QuantizeRequest {
  mutable quad::QuantizeOp op; // accessors of operations are not const
  mlir::Value signs, key, indexBase, step, amax, amaxOut, flags;
  ScheduledTensor result; ///< with `panels` of a tensor scale alone
  ScheduledGroups groups;
  std::optional<DirectPanels> panels = {};
};

/// What is quantized: a matrix, or the result of elementwise code, which has no buffer
/// and is computed where it is read.
struct QuantizeInput : ScheduledMatrix {
  const ScheduledMap *map = nullptr;
};

/// Emits one kernel that reads `input` once for all requests and launches it.
mlir::LogicalResult emitQuantize(KernelBuilder &kernel, const QuantizeInput &input,
                                 llvm::ArrayRef<QuantizeRequest> requests);

/// quad.hadamard: f32 result of the input's shape, dense row-major.
mlir::LogicalResult emitHadamard(KernelBuilder &kernel, quad::HadamardOp op,
                                 const ScheduledMatrix &input, mlir::Value signs,
                                 const ScheduledMatrix &result);

/// quad.dequantize; `groups` of a grouped tensor.
mlir::LogicalResult emitDequantize(KernelBuilder &kernel, quad::DequantizeOp op,
                                   const ScheduledTensor &input, mlir::Value signs,
                                   const ScheduledGroups &groups, const ScheduledMatrix &result);

/// The innermost scales of a quantized tensor: an array of bytes, `rows` x `cols` without
/// the padding of the layout.
struct ScaleMatrix {
  mlir::Value buffer, rows, cols;
  quad::ScaleLayout layout = quad::ScaleLayout::RowMajor;
};

/// Copies scales to another layout, with zeros as padding.
void emitScaleLayout(KernelBuilder &kernel, const ScaleMatrix &input, const ScaleMatrix &result);

/// quad.amax, first: the word that the programs combine their tiles into.
mlir::LogicalResult emitAmaxStart(KernelBuilder &kernel, mlir::Value result);
mlir::LogicalResult emitAmax(KernelBuilder &kernel, quad::AmaxOp op, ScheduledMatrix input,
                             mlir::Value signs, const ScheduledGroups &groups,
                             mlir::Value result);

/// quad.to_carrier, of code x scale.
void emitToCarrier(KernelBuilder &kernel, quad::QuantizedTensorType type,
                   const ScheduledTensor &input, const CarrierResult &result,
                   CarrierRounding rounding = {});
/// Of code x 2^(exponent - the row's), first: the rows' exponents; no overflow yet.
void emitRowExponents(KernelBuilder &kernel, quad::QuantizedTensorType type,
                      const ScheduledTensor &input, const numerics::FoldedCarrier &carrier,
                      const CarrierResult &result);
mlir::LogicalResult emitToFoldedCarrier(KernelBuilder &kernel, quad::QuantizedTensorType type,
                                        const ScheduledTensor &input,
                                        const numerics::FoldedCarrier &carrier,
                                        const CarrierResult &result);
/// Operands of an instruction that takes scales, in panels, and a scale for each `scaleBlock`
/// elements of a row (Target/Panels.h), in a kernel each.
void emitCarrierWords(KernelBuilder &kernel, quad::QuantizedTensorType type,
                      const ScheduledTensor &input, const target::OperandPlan &plan,
                      const CarrierResult &result);
void emitScalePanels(KernelBuilder &kernel, quad::QuantizedTensorType type,
                     const ScheduledTensor &input, int64_t scaleBlock,
                     const CarrierResult &result);
/// A plain matrix as bf16, in panels, with the contraction along `axis`.
void emitToPanels(KernelBuilder &kernel, const ScheduledMatrix &input, unsigned axis,
                  const CarrierResult &result);

/// Groups of rows of panels for each warp, whose lanes have a group's rows side by side, as
/// they are in memory, and each a run of one access to codes along them. At least that many
/// rows and elements along them.
struct Tiling;
Tiling panelTiling(const TargetInfo &target, int64_t rows, int64_t along);
/// The layout of such a tile with the warps of `computed`.
layout::LinearLayout panelLayout(const TargetInfo &target, const layout::LinearLayout &computed,
                                 unsigned alongBits);
/// Stores (across, along) elements at row p0 and element a0 of each row.
void storePanels(KernelBuilder &kernel, mlir::Value tile, const CarrierResult &result,
                 mlir::Value p0, mlir::Value a0);

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

/// Of a block.
inline int64_t threadsOf(const TargetInfo &target) {
  return int64_t(target.getLanes()) * target.getWarps();
}

/// Codes go to memory, and come from it, by words.
constexpr int64_t codesPerWord = 8;

/// What kernels need beyond the specification and whole words of codes: a draw of random
/// bits serves sixteen consecutive elements.
constexpr int64_t elementsPerDraw = 16;

/// A tile and the layout in which it is computed on.
struct Tiling {
  TileShape shape;
  layout::LinearLayout layout;
};

/// The tile of at least `minimum` for a matrix whose memory is contiguous across the
/// quantized axis, read where its elements are computed on.
Tiling columnTiling(KernelBuilder &kernel, TileShape minimum);
/// What a lane should own of such a tile, if blocks are no longer.
int64_t columnElementsPerLane(KernelBuilder &kernel);

/// The layout in which a tile of that shape is computed on, with so many elements of
/// a row in one lane's registers.
layout::LinearLayout computeLayout(const TargetInfo &target, TileShape shape, int64_t perLane);

/// How a tile is stored whose lowest `contiguousBits` are neighbours in memory, by accesses of at
/// most `alignment` bytes: the target's layout for memory, or where it has sectors one in which
/// each instruction writes whole ones.
layout::LinearLayout storeLayout(const TargetInfo &target, const layout::LinearLayout &computed,
                                 unsigned contiguousBits, unsigned elementBytes,
                                 int64_t alignment);
/// The same with the warps of `computed`: registers have an access of 2^access elements, lanes
/// what follows.
layout::LinearLayout storeLayoutOfWarps(const layout::LinearLayout &computed, unsigned access);

/// Where rows follow each other without gaps, one row of all elements is the same matrix
/// and fills tiles better. The schedule's i1: rows are dense, and of `stored` elements if given.
mlir::Value flattenRows(ScheduleBuilder &s, ScheduledMatrix &matrix, unsigned axis,
                        mlir::Value stored = {});

/// A part of a matrix along the quantized axis: positions count from `first`.
struct Window {
  mlir::Value first, size;
};

/// Reads tiles of a matrix in the P x A orientation, zero beyond the sizes.
class MatrixReader {
public:
  MatrixReader(KernelBuilder &kernel, const ScheduledMatrix &matrix, unsigned axis,
               const Tiling &tiling);

  /// The tile at (p0, a0) as memory has it: elements, or words of two of them where
  /// addresses and sizes allow that, along memory.
  Tile load(mlir::Value p0, mlir::Value a0) { return load(p0, a0, {}); }
  /// The same of a part of the matrix, zero outside of that; a0 may be negative.
  Tile load(mlir::Value p0, mlir::Value a0, const Window &window);
  /// Whether that tile lies within the part, an i1.
  mlir::Value isInside(mlir::Value p0, mlir::Value a0, const Window &window);
  mlir::RankedTensorType rawType() const;
  TileShape shape() const { return tiling.shape; }
  /// What was loaded, widened to f32, as P x A in `layout`.
  Tile widen(Tile raw, const layout::LinearLayout &layout);
  Tile widen(Tile raw) { return widen(raw, tiling.layout); }

private:
  KernelBuilder &kernel;
  const ScheduledMatrix &matrix;
  const Tiling tiling;
  unsigned axis;
  unsigned dims[2];                ///< of the matrix, in the order of memory
  bool transposed;                 ///< memory runs across the axis
  bool isWords;
  mlir::Type element;
  mlir::RankedTensorType elements; ///< the tile along memory, in the tiling's layout
};

/// Loads a tile at (p0, a0), widened to f32, in the tiling's layout.
Tile loadMatrix(KernelBuilder &kernel, const ScheduledMatrix &matrix, unsigned axis,
                const Tiling &tiling, mlir::Value p0, mlir::Value a0);

/// Whether the tile of `sizes` at `origin` lies within the matrix, and so within the result
/// of what quantizes it, whose stored axis is no shorter.
mlir::Value isInside(KernelBuilder &kernel, const ScheduledMatrix &matrix,
                     const mlir::Value (&origin)[2], const int64_t (&sizes)[2]);

/// Elements along the axis that must be in one tile.
int64_t minimalAlong(const QuantizeRequest &request);
/// Quantizes values in registers, a tile at (p0, a0) of the result, as a kernel that reads them.
mlir::LogicalResult quantizeRegisters(KernelBuilder &kernel, const QuantizeRequest &request,
                                      Tile y, mlir::Value p0, mlir::Value a0);

/// Stores a tile of (rows, columns) at (row, column) of a dense row-major array of
/// `length` columns, a multiple of `divisor`, in the memory's layout. The array is
/// aligned as all results are; tiles begin at multiples of their size. Where `where` (i1) is
/// given, it says what is stored, as tile.store has it, and the layout is the tile's own.
void storeDense(KernelBuilder &kernel, Tile value, mlir::Value buffer, mlir::Value row,
                mlir::Value column, mlir::Value rows, mlir::Value length, int64_t divisor = 1,
                Tile where = {});

/// Loads a (rows, columns) tile of a dense array of `length` columns, a multiple of `divisor`,
/// whose rows begin at multiples of `alignment` bytes (0: of the element's size).
Tile loadDense(KernelBuilder &kernel, mlir::RankedTensorType type, mlir::Value buffer,
               mlir::Value row, mlir::Value column, mlir::Value rows, mlir::Value length,
               int64_t alignment = 0, int64_t divisor = 1);

/// The same for what several lanes need: where they share memory each reads it for itself,
/// for a conversion between layouts would go through memory too.
Tile loadCopies(KernelBuilder &kernel, mlir::RankedTensorType type, mlir::Value buffer,
                mlir::Value row, mlir::Value column, mlir::Value rows, mlir::Value length);

/// The words of codes, of that type, at (p0, a0) of a tensor.
Tile loadCodes(KernelBuilder &kernel, mlir::RankedTensorType words, const ScheduledTensor &input,
               mlir::Value p0, mlir::Value a0);

/// The values of a tile of a tensor: codes in their grids times the `numLevels` innermost scales.
Tile loadValues(KernelBuilder &kernel, const ScheduledTensor &input, quad::QuantizedTensorType type,
                const Tiling &tiling, mlir::Value p0, mlir::Value a0, size_t numLevels);

/// Codes in words and the scales of all levels but the tensor's, as stored.
struct PackedTile {
  Tile words;
  llvm::SmallVector<Tile> scales;
};
PackedTile loadPacked(KernelBuilder &kernel, const ScheduledTensor &input,
                      quad::QuantizedTensorType type, const Tiling &tiling, mlir::Value p0,
                      mlir::Value a0);
/// Codes as those are loaded, and with them the scales of a format of one level (beside the
/// tensor's) for rows and blocks as of `scales`, f32; and these as numbers.
PackedTile loadWithBlockScales(KernelBuilder &kernel, const ScheduledTensor &input,
                               quad::QuantizedTensorType type, const Tiling &tiling,
                               mlir::RankedTensorType scales, mlir::Value p0, mlir::Value a0);
Tile decodeBlockScales(KernelBuilder &kernel, quad::QuantizedTensorType type, Tile scales);
/// The same codes and scales, of any layouts, as they are loaded for a tiling.
PackedTile convertPacked(KernelBuilder &kernel, quad::QuantizedTensorType type,
                         const Tiling &tiling, const PackedTile &packed);
/// The values of what loadPacked gave: codes in their grids times all these scales.
Tile decodeValues(KernelBuilder &kernel, quad::QuantizedTensorType type, const Tiling &tiling,
                  const PackedTile &packed);
/// Their values as words of two numbers of `carrier`, bf16 or f16: for formats of one grid whose
/// scales and products are such numbers.
Tile decodePairs(KernelBuilder &kernel, const ScheduledTensor &input,
                 quad::QuantizedTensorType type, const Tiling &tiling, const PackedTile &packed,
                 const target::CarrierType &carrier);

/// Stores the values of codes and scales in registers, a tile of `tiling` in any layouts, at
/// (p0, a0) of panels: what emitToCarrier makes of them in memory.
void storePacked(KernelBuilder &kernel, quad::QuantizedTensorType type,
                 const ScheduledTensor &tensor, const Tiling &tiling, const PackedTile &packed,
                 const DirectPanels &panels, mlir::Value p0, mlir::Value a0);

/// The words of a carrier of at most 8 bits for codes in words: these as they are or in two's
/// complement, or a byte for each by a table, of which those of 6 bits are packed
/// (tile.pack_six_bits).
Tile carrierWords(KernelBuilder &kernel, quad::QuantizedTensorType type, const Tiling &tiling,
                  Tile codes, const target::OperandPlan &plan);
/// Why there are none of a format; empty if there are.
std::string whyNoCarrierWords(const Format &format, const target::OperandPlan &plan);
/// For each `wordsOfScale` words of rows of `words` the innermost scale as stored, i32.
Tile scalesOfBlocks(KernelBuilder &kernel, quad::QuantizedTensorType type, const Tiling &tiling,
                    const PackedTile &packed, mlir::RankedTensorType words,
                    unsigned wordsOfScale);

/// Rows of the tallest block, which a tile must have.
int64_t rowsOfBlocks(quad::QuantizedTensorType type);

/// The tile of a tensor's values along memory: whole blocks, at least `least` elements, with
/// `perLane` neighbours in a lane.
Tiling valuesTiling(const TargetInfo &target, quad::QuantizedTensorType type, int64_t least,
                    int64_t perLane);

/// Stores and loads a (rows, columns) tile of scales (bytes) at (row, column) of an array
/// of `rows` x `cols` in the layout blocked128x4. Padding is written too: tiles hold zeros there.
void storeBlockedScales(KernelBuilder &kernel, Tile bits, mlir::Value buffer, mlir::Value row,
                        mlir::Value col, mlir::Value rows, mlir::Value cols);
Tile loadBlockedScales(KernelBuilder &kernel, mlir::RankedTensorType type, mlir::Value buffer,
                       mlir::Value row, mlir::Value col, mlir::Value rows, mlir::Value cols);

/// The rows and columns of scales with the padding of a layout.
mlir::Value paddedScaleRows(ScheduleBuilder &schedule, quad::ScaleLayout layout, mlir::Value rows);
mlir::Value paddedScaleCols(ScheduleBuilder &schedule, quad::ScaleLayout layout, mlir::Value cols);

/// Bytes of an element in memory.
unsigned bytesOf(mlir::RankedTensorType tile);
/// The alignment of such a tile's rows.
int64_t denseAlignment(mlir::RankedTensorType tile, int64_t divisor);

/// The signs of a transform for tiles (.., groups, n), as (1, 1, n).
Tile loadSigns(KernelBuilder &kernel, mlir::Value signs, mlir::RankedTensorType groups);

/// What a transform of size n multiplies by, signs times c_n, for tiles of rows and columns
/// like `tile`: (1, 1, n).
Tile loadFactors(KernelBuilder &kernel, mlir::Value signs, mlir::RankedTensorType tile, int64_t n);

/// y := H (factors * y) along every n elements of a row.
Tile rotate(TileBuilder &t, Tile y, Tile factors);

/// t of the specification, y * factor: a factor is a power of two, of each element, that
/// rounding to the grid takes along; without one, t is y. And of the innermost blocks, which
/// have a scale that is no NaN and which use the alternative grid (null without one): i32
/// masks, -1 or 0, of shape (rows / block rows, 1, columns / block columns, 1).
struct Scaled {
  Tile y, factor, isFinite, isAlternative;
  /// Of a request with panels: all levels' scales but the tensor's as they would be stored.
  llvm::SmallVector<Tile> scales = {};
};
/// `words` of eight codes, 0 in blocks that are not finite.
Tile maskCodes(TileBuilder &t, Tile words, const Scaled &scaled);
/// The codes of each block in the grid that it chose.
Tile selectCodes(TileBuilder &t, Tile words, Tile alternative, const Scaled &scaled);
/// Scales y by every level's scales, which it stores unless there are panels.
mlir::FailureOr<Scaled> emitScales(KernelBuilder &kernel, TileBuilder &t,
                                   const QuantizeRequest &request, Tile y, mlir::Value p0,
                                   mlir::Value a0);

/// What a user's scale rule computes for each block: the scale, and for a format of two
/// grids whether it chooses the alternative (i1). `blocks` is (blocks down, rows, blocks across,
/// columns), these one for each block.
struct RuleResult {
  Tile scale, choice;
};
mlir::FailureOr<RuleResult> emitScaleRule(TileBuilder &t, quad::ScaleRuleOp rule, Tile blocks);

} // namespace quadrille

#endif // QUADRILLE_LIB_CONVERSION_QUADTOTILE_KERNELS_H
