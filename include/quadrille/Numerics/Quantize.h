//===- Quantize.h - Quantize and dequantize a tensor ------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The specification as a program: what a quantized tensor's codes and scales
// are, step by step, in separately rounded f32 operations. Every compiled
// kernel gives the bits of `quantize`. The steps are public, so that a scale
// rule written elsewhere can be put between them.
//
// Tensors are two-dimensional in storage order: rows across, columns along the
// quantized axis.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_NUMERICS_QUANTIZE_H
#define QUADRILLE_NUMERICS_QUANTIZE_H

#include "quadrille/Numerics/Philox.h"
#include "quadrille/Numerics/Rounding.h"

#include <span>

namespace quadrille::numerics {

/// Restores round-to-nearest and IEEE subnormals while it lives: another
/// library may have set flush-to-zero for the thread.
class FloatEnvironment {
public:
  FloatEnvironment();
  ~FloatEnvironment();
  FloatEnvironment(const FloatEnvironment &) = delete;
  FloatEnvironment &operator=(const FloatEnvironment &) = delete;

private:
  alignas(8) unsigned char saved[64];
};

enum class ElementType : uint8_t { F32, BF16, F16 };

/// A read-only tensor with any strides (in bytes, negative ones too).
struct MatrixRef {
  const void *data;
  ElementType type;
  int64_t rows, cols;
  int64_t rowStride, colStride;
};

/// A dense row-major f32 tensor.
struct Values {
  int64_t rows = 0, cols = 0;
  std::vector<float> data;
};

/// Encoded scales of one level, row-major over its blocks.
struct LevelScales {
  ScaleType type;
  int64_t blockRows = 0, blockCols = 0; ///< how many blocks down and across
  std::vector<uint32_t> bits;
  uint32_t choiceBit = 0; ///< of `bits`: set in blocks of the alternative grid

  float value(size_t block) const { return decodeScale(type, bits[block] & ~choiceBit); }
  bool choice(size_t block) const { return bits[block] & choiceBit; }
};

/// Bits of the flag word.
enum Flags : uint32_t {
  FlagNonFinite = 1,      ///< a scale is NaN: its block held NaN or infinity
  FlagScaleSaturated = 2, ///< a scale was above its type's range
};

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

/// bf16 / f16 to f32 (exact) and back (nearest even, NaN stays NaN).
float widenBF16(uint16_t bits);
float widenF16(uint16_t bits);
uint16_t narrowToBF16(float value);
uint16_t narrowToF16(float value);

/// What the stored length of the quantized axis is a multiple of: every
/// block's length, the transform's size (0: none) and 2, for two codes share a
/// byte.
int64_t storedMultiple(const Format &format, int64_t hadamardSize);

/// Widens to f32 and extends each row with zeros to `storedCols`.
Values load(const MatrixRef &input, int64_t storedCols);

/// Applies the Hadamard transform of `signs.size()` values to every such
/// stretch of every row; nothing if `signs` is empty.
void rotate(Values &y, std::span<const float> signs);

/// Largest magnitude of all values; the NaN 0x7fc00000 if there is a NaN.
float amax(const Values &y);

/// Largest magnitude in each block of a level, row-major over blocks.
std::vector<float> blockAmax(const Values &y, const Block &block);

/// The scales of level `i` for the current y (with the scales of the levels
/// outside already divided out). `tensorAmax` replaces the computed amax of a
/// tensor level. Not for hif4 and program levels.
LevelScales levelScales(const Values &y, const Format &format, size_t i,
                        std::optional<float> tensorAmax, uint32_t &flags);

/// The scales of a program level: one value per block, rounded to nearest into
/// the level's type. A block with NaN or infinity gets NaN whatever its value.
/// `choices`, if any, are one per block: true for the alternative grid. A NaN
/// scale has no choice.
LevelScales programScales(const Values &y, const Level &level, std::span<const float> values,
                          std::span<const uint8_t> choices, uint32_t &flags);

/// y := fl(y * fl(1 / s)) with s the block's scale.
void divideByScales(Values &y, const Block &block, const LevelScales &scales);

/// HiF4: the three levels' scales together (inner to outer); y becomes t.
std::vector<LevelScales> hif4Scales(Values &y, uint32_t &flags);

struct RandomSource {
  uint64_t key = 0;
  uint64_t base = 0; ///< number of the tensor's first element
  Stream stream = Stream::Row;
};

/// One code per value, row-major.
std::vector<uint8_t> encode(const Values &t, const Grid &grid, const Rounding &rounding,
                            const RandomSource &random);
/// The same in the grid that each block's innermost scale chooses.
std::vector<uint8_t> encode(const Values &t, const Format &format, const LevelScales &innermost,
                            const Rounding &rounding, const RandomSource &random);
/// Grid values of packed codes, before any scale; NaN for codes beyond a short LUT.
Values decode(const Format &format, int64_t rows, int64_t cols,
              std::span<const uint8_t> packedCodes, const LevelScales &innermost);

/// Two codes per byte, element 2i in the low nibble, and back. `count` is even.
std::vector<uint8_t> packCodes(std::span<const uint8_t> codes);
std::vector<uint8_t> unpackCodes(std::span<const uint8_t> packed);

/// Scales as stored: little-endian words of the type; one-bit exponents packed
/// from the lowest bit of each byte, every row of blocks starting a byte.
std::vector<uint8_t> packScales(const LevelScales &scales);
LevelScales unpackScales(ScaleType type, int64_t blockRows, int64_t blockCols,
                         std::span<const uint8_t> stored, uint32_t choiceBit = 0);
/// Bytes of a row of blocks as stored.
int64_t scaleRowBytes(ScaleType type, int64_t blockCols);

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

struct QuantizeOptions {
  std::vector<float> signs; ///< of the Hadamard transform; empty: none
  Rounding rounding;
  RandomSource random;
  std::optional<float> tensorAmax; ///< for a tensor level; computed if absent
  bool pad = false;                ///< extend with zeros to the stored multiple
};

struct Quantized {
  int64_t rows = 0, cols = 0;      ///< as stored
  std::vector<uint8_t> codes;      ///< packed, cols / 2 bytes a row
  std::vector<LevelScales> scales; ///< inner to outer
  uint32_t flags = 0;
};

/// Quantizes a tensor. Returns what is wrong with the request, empty if
/// nothing; `result` is valid only then.
std::string quantize(const MatrixRef &input, const Format &format, const QuantizeOptions &options,
                     Quantized &result);

/// fl(code value * s), innermost scale first, in f32.
Values dequantize(const Format &format, int64_t rows, int64_t cols,
                  std::span<const uint8_t> packedCodes, std::span<const LevelScales> scales);

} // namespace quadrille::numerics

#endif // QUADRILLE_NUMERICS_QUANTIZE_H
