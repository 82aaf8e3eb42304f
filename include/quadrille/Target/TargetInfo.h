//===- TargetInfo.h - What a lowering asks of a target -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one interface between the generic lowering and a machine. A register of a
// tile is a scalar per lane on SIMT machines and a vector with an element per
// lane on a CPU; everything that differs because of it is here.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_TARGETINFO_H
#define QUADRILLE_TARGET_TARGETINFO_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "quadrille/Layout/LinearLayout.h"
#include "llvm/ADT/StringRef.h"
#include <array>
#include <memory>

namespace quadrille {
struct TargetSpec;

class TargetInfo {
public:
  virtual ~TargetInfo();

  /// Lanes that exchange values without memory: a warp, a wave, a SIMD vector.
  unsigned getLanes() const { return lanes; }
  /// Warps of a block; 1 where a block has no shared memory.
  unsigned getWarps() const { return warps; }
  /// Threads of a block, for the launch; 0 where lanes are not threads.
  virtual unsigned getThreads() const { return 0; }
  /// The warps that have a tile of the kernel are all of its block, so they may exchange it. Else
  /// `tile.threads` says that there are more.
  bool hasWholeBlock(mlir::Operation *kernel) const;
  /// Elements that a lane of a row kernel should own.
  unsigned getElementsPerLane() const { return elementsPerLane; }

  /// The most that it should: longer blocks, and work that one lane shares out among them.
  virtual unsigned getMaxElementsPerLane() const { return elementsPerLane; }
  /// Tiles that a program should work on, each read while the one before is computed on.
  virtual unsigned getTilesPerProgram() const { return 1; }

  /// What a lane should own of a tile that is quantized across the direction in which
  /// memory is contiguous, and how far the tile should reach along memory.
  struct ColumnTile {
    unsigned maxAlong;        ///< elements of one block or transform
    unsigned elementsPerLane; ///< neighbours along memory make up the rest
    unsigned across;          ///< elements along memory of the whole tile
  };
  virtual ColumnTile columnTile() const = 0;

  /// The layout in which memory is best read and written, for a tile of elements of
  /// that many bytes that is computed on under `compute`. `contiguousBits` of the
  /// tile's index are consecutive in memory, from the lowest.
  virtual layout::LinearLayout memoryLayout(const layout::LinearLayout &compute,
                                            unsigned contiguousBits,
                                            unsigned elementBytes) const = 0;

  /// The type of one register of elements of type `element`.
  virtual mlir::Type registerType(mlir::Type element) const = 0;
  /// `scalar`, the same in all lanes, as a register.
  virtual mlir::Value splat(mlir::OpBuilder &b, mlir::Location loc, mlir::Value scalar) const = 0;
  /// The lane's number as a register of i32.
  virtual mlir::Value laneId(mlir::OpBuilder &b, mlir::Location loc) const = 0;
  /// The warp's number in its block, an i32 scalar.
  virtual mlir::Value warpId(mlir::OpBuilder &b, mlir::Location loc) const = 0;
  /// The program's number along grid dimension `dim`, an i64 scalar.
  virtual mlir::Value programId(mlir::OpBuilder &b, mlir::Location loc,
                                mlir::FunctionOpInterface kernel, unsigned dim) const = 0;

  /// The register's value in lane `lane xor (1 << bit)`.
  virtual mlir::Value exchange(mlir::OpBuilder &b, mlir::Location loc, mlir::Value reg,
                               unsigned bit) const = 0;
  /// Lane l gets the value of lane sourceLane[l].
  virtual mlir::Value permuteLanes(mlir::OpBuilder &b, mlir::Location loc, mlir::Value reg,
                                   llvm::ArrayRef<unsigned> sourceLane) const = 0;
  /// `ifSet` in lanes whose number has `bit` set, `ifClear` in the others.
  virtual mlir::Value selectByLaneBit(mlir::OpBuilder &b, mlir::Location loc, unsigned bit,
                                      mlir::Value ifSet, mlir::Value ifClear) const;
  /// Exchanges the registers' number with a bit of the lane's: lanes of `low` with
  /// `bit` set and lanes of `high` with it clear trade places (layout::SwapRegLane).
  virtual std::pair<mlir::Value, mlir::Value> swapRegisterAndLane(mlir::OpBuilder &b,
      mlir::Location loc, mlir::Value low, mlir::Value high, unsigned bit) const;
  /// The larger of |x| and |y|, registers of f32: NaN if one is NaN.
  virtual mlir::Value maxMagnitude(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                                   mlir::Value y) const;
  /// Byte i of the i32 result is byte selector[i] of `low` (0 to 3) or, less 4, of `high`.
  virtual mlir::Value permuteBytes(mlir::OpBuilder &b, mlir::Location loc, mlir::Value low,
                                   mlir::Value high, std::array<unsigned, 4> selector) const;
  /// `addend` plus byte `byte` of `word`, registers of i32.
  virtual mlir::Value addByte(mlir::OpBuilder &b, mlir::Location loc, mlir::Value word,
                              unsigned byte, mlir::Value addend) const;
  /// Whether instructions convert f32 to nearest even, saturating, as the specification does:
  /// to E2M1 with its sign, to E4M3 without.
  virtual bool encodesE2M1() const { return false; }
  virtual bool encodesE4M3() const { return false; }
  /// The codes of eight registers, in a word from its lowest bits. For NaN, any.
  virtual mlir::Value encodeE2M1(mlir::OpBuilder &b, mlir::Location loc,
                                 mlir::ValueRange values) const;
  /// The encoding of a register, an i32; of what is not negative.
  virtual mlir::Value encodeE4M3(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value) const;
  /// The products, which `element`, bf16 or f16, holds, of two such numbers in each word;
  /// registers of i32.
  virtual mlir::Value multiplyPairs(mlir::OpBuilder &b, mlir::Location loc, mlir::Type element,
                                    mlir::Value x, mlir::Value y) const;
  /// The lower and the upper half of the product of two registers of i32.
  virtual std::pair<mlir::Value, mlir::Value> multiplyWide(mlir::OpBuilder &b, mlir::Location loc,
                                                           mlir::Value x, mlir::Value y) const;
  /// Values of `table` at a register of i32 indices.
  virtual mlir::Value lookup(mlir::OpBuilder &b, mlir::Location loc, llvm::ArrayRef<float> table,
                             mlir::Value index) const;

  /// Whether instructions compute on two registers of f32 at the price of one, given as a
  /// vector of two: sums, products and fused products, without magnitudes.
  virtual bool packsF32() const { return false; }

  /// Whether an instruction rounds f32 to bf16, to nearest even with subnormals.
  virtual bool roundsToBF16() const { return false; }

  /// Whether `lookup` costs no more than a few operations of arithmetic.
  virtual bool looksUpFast() const { return false; }
  /// Whether `lookupBytes` costs no more than that for four bytes.
  virtual bool permutesBytes() const { return false; }
  /// Bytes, from the lowest, of a table of 16 for the four codes in the lower or upper half of
  /// `codes`; registers of i32, four bytes of the table in each.
  virtual mlir::Value lookupBytes(mlir::OpBuilder &b, mlir::Location loc,
                                  const std::array<mlir::Value, 4> &table, mlir::Value codes,
                                  bool upperHalf) const;

  /// An instruction by which a warp multiplies: acc (m x n) += lhs (m x k) * rhs (n x k)^T, k in
  /// words of the operands' elements. Layouts are of row-major indices and have no warps.
  struct MmaAtom {
    unsigned m, n, k;
    layout::LinearLayout lhs, rhs, acc;
    bool sumsIntegers = false; ///< acc is i32, else f32
    /// It takes a scale for so many words of k of a row; 0: it takes none.
    unsigned wordsOfScale = 0;
    /// Each from lanes that have its words: a word, or a byte of it, chosen by its number. Else
    /// lanes with a row have bytes of all its scales, in order of k.
    bool choosesScale = true;

    unsigned wordsOfScaleWord() const { return wordsOfScale * (choosesScale ? 1 : 4); }
    unsigned scaleWords() const { return k / wordsOfScaleWord(); }
    /// The words of scales of an operand, lhs or rhs: index row * scaleWords() + word.
    layout::LinearLayout scalesOf(const layout::LinearLayout &operand) const;
  };
  /// What lanes have of an operand: words of elements and of scales, and which byte of the latter.
  struct MmaFragment {
    llvm::SmallVector<mlir::Value> words, scales;
    unsigned scaleByte = 0;
  };
  /// The one for operands in a carrier (Target/Carrier.h), whose name is followed by ":" and the
  /// type of scales that it takes where that is not e8m0; null if there is none.
  virtual const MmaAtom *mmaAtom(llvm::StringRef carrier) const;
  /// What a warp makes of a product with more rows than few: of the instruction's rows, which
  /// each warp has of its own, and its columns. 0 if no more than of one with few.
  struct DotTile {
    unsigned rowsOfWarp = 0, columns = 0;
  };
  virtual DotTile dotTile(llvm::StringRef carrier) const { return {}; }
  /// What a warp makes of a product of panels, as DotTile, and how many bytes of each row a step
  /// takes: what the block's warps share of them goes through its shared memory.
  struct PanelTile {
    unsigned rowsOfWarp = 0, columns = 0, stepBytes = 0;
  };
  virtual PanelTile panelTile(const MmaAtom &) const { return {}; }
  /// The accumulators after one such instruction; all in the order of the atom's registers.
  virtual llvm::SmallVector<mlir::Value>
  multiplyFragments(mlir::OpBuilder &b, mlir::Location loc, llvm::StringRef carrier,
                    const MmaFragment &lhs, const MmaFragment &rhs, mlir::ValueRange acc) const;

  /// The same of a table of eight bytes, where bit 3 of each code is 0.
  virtual mlir::Value lookupEightBytes(mlir::OpBuilder &b, mlir::Location loc,
                                       const std::array<mlir::Value, 2> &table, mlir::Value codes,
                                       bool upperHalf) const {
    return lookupBytes(b, loc, {table[0], table[1], table[0], table[1]}, codes, upperHalf);
  }

  /// The four words of pairs, as of tile.lookup_pairs, for a word of codes of three bits below a
  /// sign, which becomes the entry's top bit, from the eight lower and upper bytes of entries.
  /// `lower` is empty if all are 0. No words: there is no way beside lookupEightBytes.
  virtual llvm::SmallVector<mlir::Value>
  lookupSignedPairs(mlir::OpBuilder &b, mlir::Location loc, llvm::ArrayRef<mlir::Value> lower,
                    llvm::ArrayRef<mlir::Value> upper, mlir::Value codes) const {
    return {};
  }
  /// Whether it costs less to multiply the entries that lookupSignedPairs takes by the scale of a
  /// block than what it gives, by multiplyPairs.
  virtual bool scalesTables() const { return false; }

  /// One access to memory: lane l accesses `width` consecutive elements from
  /// `base + offset + laneOffset[l]` (in elements).
  struct Access {
    mlir::Type element;
    mlir::Value base;       ///< pointer
    mlir::Value offset;     ///< i64 scalar
    mlir::Value laneOffset; ///< register of i64
    unsigned width = 1;
    bool contiguousLanes = false; ///< laneOffset[l] is l
    unsigned activeLanes = 0;     ///< lanes from here on hold copies
    mlir::Value mask;             ///< register of i1, or null for all lanes
  };
  /// Bytes of memory of which a part costs as much to write as the whole; 0: not known.
  virtual unsigned sectorBytes() const { return 0; }
  /// Elements that a lane may access at once in memory aligned to `alignment` bytes.
  virtual unsigned maxAccessWidth(unsigned elementBytes, unsigned alignment) const = 0;
  /// Registers of the elements read, `width` of them; masked-off lanes hold zero.
  virtual llvm::SmallVector<mlir::Value> load(mlir::OpBuilder &b, mlir::Location loc,
                                              const Access &access) const = 0;
  virtual void store(mlir::OpBuilder &b, mlir::Location loc, mlir::ValueRange registers,
                     const Access &access) const = 0;

  /// `bytes` of memory that the warps of a block share, aligned to 16; every call gives other
  /// memory, but for those that take turns, with a barrier between any two, one for each number
  /// of bytes. Only where a block has several warps.
  virtual mlir::Value sharedMemory(mlir::OpBuilder &b, mlir::Location loc, uint64_t bytes,
                                   bool takesTurns) const;
  /// All warps of the block arrive, and see what was written to shared memory.
  virtual void barrier(mlir::OpBuilder &b, mlir::Location loc) const;
  /// Combines `reg` (i32) of every lane into the i32 at `pointer`, which programs on any
  /// thread or processor of the device do at once. `kind` is maxu or ori.
  virtual void atomicReduce(mlir::OpBuilder &b, mlir::Location loc,
                            mlir::arith::AtomicRMWKind kind, mlir::Value reg,
                            mlir::Value pointer) const = 0;

  /// Called before the body is lowered; may add arguments that programId needs.
  virtual void beginKernel(mlir::FunctionOpInterface kernel) const {}
  /// Gives the function, whose body is lowered, what makes it a kernel: an
  /// attribute, or on a CPU the loops over program ids around it.
  virtual void finishKernel(mlir::FunctionOpInterface kernel) const = 0;

protected:
  TargetInfo(unsigned lanes, unsigned warps, unsigned elementsPerLane)
      : lanes(lanes), warps(warps), elementsPerLane(elementsPerLane) {}

  /// Combines a scalar i32 into memory, but touches that only if `condition` holds and
  /// writes only what changes it: words that programs share are nearly always up to date.
  /// `scope` is LLVM's name of the threads that share the word; empty: all.
  static void atomicReduceIf(mlir::OpBuilder &b, mlir::Location loc, mlir::Value condition,
                             mlir::arith::AtomicRMWKind kind, mlir::Value word,
                             mlir::Value pointer, llvm::StringRef scope);

private:
  unsigned lanes, warps, elementsPerLane;
};

std::unique_ptr<TargetInfo> createTargetInfo(const TargetSpec &spec);
// One for each folder of lib/Target.
std::unique_ptr<TargetInfo> createHostTargetInfo(const TargetSpec &spec);
std::unique_ptr<TargetInfo> createNVVMTargetInfo(const TargetSpec &spec);
std::unique_ptr<TargetInfo> createROCDLTargetInfo(const TargetSpec &spec);

} // namespace quadrille

#endif // QUADRILLE_TARGET_TARGETINFO_H
