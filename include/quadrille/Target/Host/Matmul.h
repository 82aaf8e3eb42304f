//===- Matmul.h - Matrix product kernels for x86 CPUs -----------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds, in upstream dialects (scf, arith, math, vector, llvm), the kernels of
//
//   C[M, N] = A[M, K] * B[N, K]^T
//
// where an operand is quantized (K is its quantized axis, stored last) or
// plain. Two kinds of kernel: `pack` turns an operand into panels of a carrier
// in the workspace, and `matmul` multiplies panels. All sizes are dynamic.
//
// Panels. An operand of R rows is cut into ceil(R / w) panels of w rows (w = mr
// for A, nr for B; see MatmulPlan), each panel into K / kBlock blocks. Rows past
// R hold zero codes. A block is, contiguously,
//
//   f32 carrier:  float   value[kBlock][w]
//   s8 carrier:   int8_t  code[kBlock / 4][w][4]   (A: uint8_t, plus lhsOffset)
//                 float   scale[w]
//                 int32_t start[w]                 (B only)
//
// `start` is what the integer accumulator of a column begins with: it takes
// back lhsOffset (vpdpbusd wants one unsigned operand) and is biased such that
// the final sum, read as the bits of a float, is `magic + sum`, with sum in
// units of the grids. So neither costs an instruction.
//
// Numerics. No contraction or reassociation is left to the compiler.
//  * f32: each element is acc = fma(a, b, acc) from +0 in increasing k, whatever
//    the tiles, the vector length or the number of threads. With g(n) =
//    n u / (1 - n u), u = 2^-24, |error| <= g(K) sum |a b|; the operands
//    fl(code * scale) are exact where carrier selection says so.
//  * s8: the sum of a block's products of codes is exact in s32; blocks are
//    accumulated by acc = fl(acc + fl(sum * fl(sa * sb))) in increasing k, so
//    |error| <= g(K / kBlock + 2) sum |a b|.
// The order depends on nothing but K and kBlock. Tensor-level scales are left
// to the epilogue, which multiplies once by fl(ta * tb).
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_HOST_MATMUL_H
#define QUADRILLE_TARGET_HOST_MATMUL_H

#include "quadrille/Numerics/Format.h"
#include "quadrille/Target/MatmulEpilogue.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <optional>
#include <string>

namespace quadrille {
struct TargetSpec;
}

namespace quadrille::host {

/// What the CPU offers. 16 lanes need AVX-512 F, BW, DQ and VL; 8 lanes AVX2,
/// FMA and F16C. `vnni` is AVX512-VNNI or AVX-VNNI.
struct VectorISA {
  unsigned lanes = 8; ///< f32 elements of a vector register: 8 or 16
  bool vnni = false;

  /// Of a host target; nothing if it has neither AVX2 nor AVX-512.
  static std::optional<VectorISA> get(const TargetSpec &spec);
};

/// What the panels hold; see the head of this file.
enum class MatmulCarrier : uint8_t { F32, S8 };
enum class MatmulSide : uint8_t { LHS, RHS };

/// Every constant of one kernel pair: A is packed, B is packed and both are
/// multiplied under the same plan.
struct MatmulPlan {
  VectorISA isa;
  MatmulCarrier carrier = MatmulCarrier::F32;
  int64_t mr = 0, nr = 0;       ///< register tile, rows and columns of C
  int64_t mTile = 0, nTile = 0; ///< rows and columns of C of one program id
  int64_t kBlock = 0;           ///< K must be a multiple of it
  int64_t kCacheBlocks = 0;     ///< blocks of a B panel kept in L1
  /// s8: the integer code is value * 2^unit; |code| <= max.
  int lhsUnit = 0, rhsUnit = 0;
  int64_t lhsMax = 0, rhsMax = 0;

  /// The plan for two operands; null stands for a plain operand (f32 only).
  /// Nothing if the carrier cannot hold them: S8 needs two quantized operands
  /// of the same block whose grids times a power of two are small integers,
  /// and F32 level blocks that divide kBlock or are multiples of it. Says nothing
  /// about the exactness of code x scale in f32, which is carrier selection's.
  static std::optional<MatmulPlan> get(VectorISA isa, MatmulCarrier carrier,
                                       const Format *lhs, const Format *rhs);

  int64_t panelRows(MatmulSide side) const { return side == MatmulSide::LHS ? mr : nr; }
  /// Bytes of one block of one panel.
  int64_t blockBytes(MatmulSide side) const;
  /// Bytes of all panels of an operand of `rows` x `k`; the workspace holding
  /// them should be aligned to 64 bytes.
  int64_t panelBytes(MatmulSide side, int64_t rows, int64_t k) const;
  /// What is added to the codes of A to make them unsigned.
  int64_t lhsOffset() const { return lhsMax; }
  /// All that the panels of an operand depend on, in words: equal ones of the same
  /// operand have equal bytes.
  std::string describePanels(MatmulSide side) const;
};

/// Half-open range of program ids: i64 values.
struct ProgramRange {
  mlir::Value begin, end;
};

/// A quantized operand in storage order. Pointers are !llvm.ptr, sizes i64.
struct QuantizedOperand {
  const Format *format;
  mlir::Value codes;                    ///< uint8 [rows, k / 2]
  llvm::SmallVector<mlir::Value> scales; ///< by level, inner to outer; the tensor level's is unused
  mlir::Value rows, k;                  ///< k is the padded length
};

/// A plain operand, of any strides (in elements).
struct PlainOperand {
  mlir::Type elementType; ///< f32, bf16 or f16
  mlir::Value data;
  mlir::Value rows, k;          ///< k as in the panels
  mlir::Value kValid;           ///< the operand's own length; zeros follow
  mlir::Value rowStride, kStride;
};

/// The rows of the operand that a panel has: from `first` up to `end`, at most a panel's.
struct PanelRows {
  mlir::Value first, end;
};
using PanelRowsOf = llvm::function_ref<PanelRows(mlir::OpBuilder &, mlir::Location, mlir::Value)>;

/// Emits the loop that packs panels `range` (one program id a panel; there are
/// ceil(rows / panelRows)) into `panels`. `rowsOf`, if given, says which rows a panel has.
void emitPack(mlir::OpBuilder &builder, mlir::Location loc, const MatmulPlan &plan,
              MatmulSide side, const QuantizedOperand &operand, mlir::Value panels,
              ProgramRange range, PanelRowsOf rowsOf = nullptr);
void emitPack(mlir::OpBuilder &builder, mlir::Location loc, const MatmulPlan &plan,
              MatmulSide side, const PlainOperand &operand, mlir::Value panels,
              ProgramRange range, PanelRowsOf rowsOf = nullptr);

/// Is given the vectors of a product one by one.
using MatmulEpilogue =
    llvm::function_ref<void(mlir::OpBuilder &, mlir::Location, const MatmulElements &)>;

struct MatmulOperands {
  mlir::Value lhsPanels, rhsPanels; ///< !llvm.ptr
  mlir::Value m, n, k;              ///< i64; m and n may be 0
  mlir::Value rhsK = {};            ///< of the panels of B, if not k
};

/// What the rows of C of one program are the product of: i64 values.
struct TileRows {
  mlir::Value first, end;         ///< of C: at most mTile of them
  mlir::Value lhsPanel, rhsPanel; ///< those of the first row, and of column 0
  mlir::Value lhsBlock, rhsBlock; ///< where the contraction begins in them
  mlir::Value blocks;             ///< how long it is
};
using TileRowsOf = llvm::function_ref<TileRows(mlir::OpBuilder &, mlir::Location, mlir::Value)>;

/// Emits the product: program ids x are tiles of nTile columns, y of mTile rows
/// of C, unless `rowsOf` says which rows a y has. Reserves mTile * nTile floats of stack at
/// the insertion point, which must therefore not be in a loop. The epilogue is emitted once.
void emitMatmul(mlir::OpBuilder &builder, mlir::Location loc, const MatmulPlan &plan,
                const MatmulOperands &operands, ProgramRange x, ProgramRange y,
                MatmulEpilogue epilogue, TileRowsOf rowsOf = nullptr);

} // namespace quadrille::host

#endif // QUADRILLE_TARGET_HOST_MATMUL_H
