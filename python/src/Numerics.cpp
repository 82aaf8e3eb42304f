//===- Numerics.cpp - The specification, from Python ----------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// quadrille._core.numerics: lib/Numerics over NumPy arrays. Inputs are
// two-dimensional with any strides, of float32, float16 or bfloat16 (an
// ml_dtypes array, or uint16 with dtype="bf16"); outputs are new arrays in
// storage order, the quantized axis last. Errors of a request are ValueError.
//
//===----------------------------------------------------------------------===//

#include "quadrille/Numerics/Carrier.h"
#include "quadrille/Numerics/Functions.h"
#include "quadrille/Numerics/Hadamard.h"
#include "quadrille/Numerics/Quantize.h"
#include <algorithm>

#include <pybind11/numpy.h>
#include <pybind11/operators.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace quadrille;
using namespace quadrille::numerics;

namespace {
using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;
using ByteArray = py::array_t<uint8_t, py::array::c_style | py::array::forcecast>;
using WordArray = py::array_t<uint32_t, py::array::c_style | py::array::forcecast>;
} // namespace

static void require(bool condition, const std::string &message) {
  if (!condition)
    throw py::value_error(message);
}

//===----------------------------------------------------------------------===//
// Arrays
//===----------------------------------------------------------------------===//

static ElementType elementType(const py::array &x, const std::optional<std::string> &dtype) {
  std::string name = dtype ? *dtype : py::str(x.dtype()).cast<std::string>();
  if (name == "f32" || name == "float32")
    return ElementType::F32;
  if (name == "bf16" || name == "bfloat16")
    return ElementType::BF16;
  require(name == "f16" || name == "float16",
          "expected float32, float16 or bfloat16 values, got " + name);
  return ElementType::F16;
}

/// A view whose columns run along `axis`; holds no reference to the array.
static MatrixRef asMatrix(const py::array &x, int64_t axis,
                          const std::optional<std::string> &dtype) {
  require(x.ndim() == 2, "expected two dimensions, got " + std::to_string(x.ndim()));
  require(axis >= -2 && axis < 2, "axis must be 0 or 1, got " + std::to_string(axis));
  ElementType type = elementType(x, dtype);
  require(x.itemsize() == (type == ElementType::F32 ? 4 : 2), "dtype does not fit the array");
  py::ssize_t col = (axis + 2) % 2, row = 1 - col;
  return {x.data(), type, x.shape(row), x.shape(col), x.strides(row), x.strides(col)};
}

static Values asValues(const FloatArray &y) {
  require(y.ndim() == 2, "expected two dimensions, got " + std::to_string(y.ndim()));
  return {y.shape(0), y.shape(1), std::vector<float>(y.data(), y.data() + y.size())};
}

template <typename T>
static py::array_t<T> toArray(const std::vector<T> &data, std::vector<py::ssize_t> shape) {
  return py::array_t<T>(std::move(shape), data.data());
}

static FloatArray toArray(const Values &y) { return toArray(y.data, {y.rows, y.cols}); }

static std::vector<float> toVector(const std::optional<FloatArray> &array) {
  return array ? std::vector<float>(array->data(), array->data() + array->size())
               : std::vector<float>();
}

/// Scales as stored: float32, uint16 (bf16) or uint8 of shape (block rows,
/// block columns); one-bit exponents packed; a tensor level has shape (1,).
static py::array scalesToArray(const LevelScales &scales, const Block &block) {
  std::vector<uint8_t> stored = packScales(scales);
  unsigned bytes = scaleTypeInfo(scales.type).storageBytes();
  py::dtype dtype = bytes == 4   ? py::dtype::of<float>()
                    : bytes == 2 ? py::dtype::of<uint16_t>()
                                 : py::dtype::of<uint8_t>();
  int64_t across = scaleRowBytes(scales.type, scales.blockCols) / bytes;
  std::vector<py::ssize_t> shape = {scales.blockRows, across};
  if (block.isTensor())
    shape = {1};
  return py::array(dtype, shape, stored.data());
}

static LevelScales scalesFromArray(const py::array &array, const Format &format, size_t index,
                                   int64_t rows, int64_t cols) {
  const Level &level = format.levels[index];
  const Block &block = level.block;
  int64_t blockRows = block.isTensor() ? 1 : (rows + block.rows - 1) / block.rows;
  int64_t blockCols = block.isTensor() ? 1 : cols / block.cols;
  py::array dense = py::array::ensure(array, py::array::c_style);
  auto bytes = static_cast<size_t>(dense.nbytes());
  require(bytes == static_cast<size_t>(blockRows * scaleRowBytes(level.type, blockCols)),
          "scales of " + std::to_string(bytes) + " bytes do not fit the codes");
  return unpackScales(level.type, blockRows, blockCols,
                      {static_cast<const uint8_t *>(dense.data()), bytes},
                      index == 0 ? format.choiceBit() : 0);
}

//===----------------------------------------------------------------------===//
// Formats
//===----------------------------------------------------------------------===//

static ScaleRule scaleRule(const std::string &name) {
  for (int i = 0; i <= static_cast<int>(ScaleRule::Program); ++i)
    if (scaleRuleName(static_cast<ScaleRule>(i)) == name)
      return static_cast<ScaleRule>(i);
  throw py::value_error("no scale rule '" + name + "'");
}

static const ScaleTypeInfo &scaleType(const std::string &name) {
  const ScaleTypeInfo *info = lookupScaleType(name);
  require(info, "no scale type '" + name + "'");
  return *info;
}

static const Format &namedFormat(const std::string &name) {
  const Format *format = lookupFormat(name);
  require(format, "no format '" + name + "'");
  return *format;
}

static Grid makeGrid(const std::string &name, const std::vector<float> &values, float qmax) {
  if (const Grid *grid = lookupGrid(name)) {
    require(values.empty() || values == grid->values, name + " is a built-in grid");
    return *grid;
  }
  Grid grid = makeLutGrid(name, values, qmax);
  std::string error = verify(grid);
  require(error.empty(), error);
  return grid;
}

static Format makeFormat(std::string name, Grid grid, std::vector<Level> levels,
                         std::optional<Grid> alternative) {
  Format format{std::move(name), std::move(grid), std::move(levels), std::move(alternative)};
  std::string error = verify(format);
  require(error.empty(), error);
  return format;
}

static py::dict levelToDict(const Level &level) {
  using namespace pybind11::literals;
  return py::dict("rows"_a = level.block.rows, "cols"_a = level.block.cols,
                  "dtype"_a = scaleTypeInfo(level.type).name, "rule"_a = scaleRuleName(level.rule),
                  "bits"_a = level.bits, "qmax"_a = level.qmax);
}

static py::dict formatToDict(const Format &format) {
  using namespace pybind11::literals;
  py::list levels;
  for (const Level &level : format.levels)
    levels.append(levelToDict(level));
  py::dict grid("name"_a = format.grid.name, "values"_a = format.grid.values,
                "qmax"_a = format.grid.qmax);
  return py::dict("name"_a = format.name, "grid"_a = grid, "levels"_a = levels);
}

static void bindFormats(py::module_ &m) {
  py::class_<Grid>(m, "Grid", "Code values of a grid, and what amax is mapped to.")
      .def(py::init(&makeGrid), py::arg("name"), py::arg("values") = std::vector<float>(),
           py::arg("qmax") = 0.0f,
           "A built-in grid by name, or a LUT of 2 to 16 values in code order.")
      .def_readonly("name", &Grid::name)
      .def_readonly("values", &Grid::values)
      .def_readonly("qmax", &Grid::qmax)
      .def(py::self == py::self);
  py::class_<Level>(m, "Level", "One level of scales; rows = cols = 0 is the whole tensor.")
      .def(py::init([](int64_t rows, int64_t cols, const std::string &dtype,
                       const std::string &rule, unsigned bits, float qmax) {
             return Level{{rows, cols}, scaleType(dtype).type, scaleRule(rule), bits, qmax};
           }),
           py::arg("rows"), py::arg("cols"), py::arg("dtype"), py::arg("rule") = "nearest",
           py::arg("bits") = 0, py::arg("qmax") = 0.0f)
      .def("as_dict", &levelToDict);
  py::class_<Format>(m, "Format", "A grid and a chain of scales, inner to outer.")
      .def(py::init(&makeFormat), py::arg("name"), py::arg("grid"), py::arg("levels"),
           py::arg("alternative") = py::none())
      .def_readonly("name", &Format::name)
      .def_readonly("grid", &Format::grid)
      .def_readonly("levels", &Format::levels)
      .def_readonly("alternative", &Format::alternative)
      .def_property_readonly("choice_bit", &Format::choiceBit,
                             "The bit of an innermost scale that chooses the alternative grid, or 0.")
      .def("qmax", &Format::qmax, py::arg("level"), "What amax of a level's block is mapped to.")
      .def("as_dict", &formatToDict, "{name, grid: {..}, levels: [{..}, ..]}.")
      .def(py::self == py::self);
  m.def("format", &namedFormat, py::arg("name"), "A named format.");
  m.def("named_formats", &namedFormats, "All named formats.");
  m.def("stored_multiple", &storedMultiple, py::arg("format"), py::arg("hadamard_size") = 0,
        "What the stored length of the quantized axis is a multiple of.");
}

//===----------------------------------------------------------------------===//
// Random numbers
//===----------------------------------------------------------------------===//

static Stream streamOf(unsigned stream) {
  require(stream <= 3, "streams are 0 (row), 1 (column), 2 (scale) and 3 (signs)");
  return static_cast<Stream>(stream);
}

static py::array_t<uint32_t> elementBits(uint64_t key, uint64_t base, int64_t count,
                                         unsigned stream, unsigned bits, unsigned rounds) {
  ElementBits random(key, streamOf(stream), bits, rounds);
  std::vector<uint32_t> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(random(base + static_cast<uint64_t>(i)));
  return toArray(values, {count});
}

static void bindRandom(py::module_ &m) {
  m.def("philox", &philox4x32, py::arg("counter"), py::arg("key"), py::arg("rounds") = 10,
        "Philox4x32-R: 4 counter words and 2 key words to 4 random words.");
  m.def("key_from_seed", &keyFromSeed, py::arg("seed"), "The 64-bit key of a 64-bit seed.");
  m.def("fold_in", &foldIn, py::arg("key"), py::arg("number"), "A key derived from a key.");
  m.def("element_bits", &elementBits, py::arg("key"), py::arg("base"), py::arg("count"),
        py::arg("stream") = 0, py::arg("bits") = 8, py::arg("rounds") = 7,
        "The random integers in [0, 2^bits) of elements base .. base + count - 1.");
  m.def(
      "signs_from_seed",
      [](uint64_t seed, int64_t n) { return toArray(signsFromSeed(seed, n), {n}); },
      py::arg("seed"), py::arg("n"), "The n signs of a Hadamard transform, float32.");
}

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

static Rounding makeRounding(const std::string &name, unsigned bits, unsigned rounds) {
  std::optional<RoundingKind> kind = lookupRounding(name);
  require(kind.has_value(), "no rounding '" + name + "'");
  require(bits == 4 || bits == 8 || bits == 16, "bits must be 4, 8 or 16");
  require(rounds == 7 || rounds == 10, "rounds must be 7 or 10");
  return {*kind, bits, rounds};
}

/// Codes of an array of any shape; `random` holds the elements' random
/// integers for stochastic rounding.
static ByteArray encodeArray(const FloatArray &t, const Grid &grid, const std::string &rounding,
                             unsigned bits, const std::optional<WordArray> &random) {
  FloatEnvironment environment;
  GridRounder rounder(grid, makeRounding(rounding, bits, 7));
  require(rounding != "stochastic" || (random && random->size() == t.size()),
          "stochastic rounding needs a random integer for each value");
  std::vector<uint8_t> codes;
  for (py::ssize_t i = 0; i < t.size(); ++i)
    codes.push_back(rounder.encode(t.data()[i], random ? random->data()[i] : 0));
  return toArray(codes, {t.shape(), t.shape() + t.ndim()});
}

static FloatArray decodeArray(const ByteArray &codes, const Grid &grid) {
  const uint8_t *first = codes.data(), *last = first + codes.size();
  require(std::all_of(first, last, [&](uint8_t code) { return code < grid.values.size(); }),
          "a code is outside the grid");
  std::vector<float> values(codes.size());
  std::transform(first, last, values.begin(), [&](uint8_t code) { return grid.values[code]; });
  return toArray(values, {codes.shape(), codes.shape() + codes.ndim()});
}

static WordArray encodeScaleArray(const FloatArray &values, const std::string &dtype,
                                  unsigned bits) {
  const ScaleTypeInfo &info = scaleType(dtype);
  require(info.type != ScaleType::E1, "e1 scales exist in the hif4 rule only");
  FloatEnvironment environment;
  std::vector<uint32_t> encoded;
  for (py::ssize_t i = 0; i < values.size(); ++i)
    encoded.push_back(encodeScale(info.type, values.data()[i], bits));
  return toArray(encoded, {values.shape(), values.shape() + values.ndim()});
}

static WordArray encodeScaleOfAmaxArray(const FloatArray &amax, const Level &level, float qmax) {
  FloatEnvironment environment;
  std::vector<uint32_t> encoded;
  for (py::ssize_t i = 0; i < amax.size(); ++i)
    encoded.push_back(encodeScaleOfAmax(level, qmax, amax.data()[i]));
  return toArray(encoded, {amax.shape(), amax.shape() + amax.ndim()});
}

static FloatArray decodeScaleArray(const WordArray &encoded, const std::string &dtype) {
  ScaleType type = scaleType(dtype).type;
  std::vector<float> values;
  for (py::ssize_t i = 0; i < encoded.size(); ++i)
    values.push_back(decodeScale(type, encoded.data()[i]));
  return toArray(values, {encoded.shape(), encoded.shape() + encoded.ndim()});
}

static py::dict scaleTypeToDict(const std::string &name) {
  using namespace pybind11::literals;
  const ScaleTypeInfo &info = scaleType(name);
  return py::dict("storage_bits"_a = info.storageBits, "max_bits"_a = info.maxBits,
                  "floor_bits"_a = info.floorBits, "nan_bits"_a = info.nanBits,
                  "max"_a = decodeScale(info.type, info.maxBits),
                  "floor"_a = decodeScale(info.type, info.floorBits));
}

static void bindRounding(py::module_ &m) {
  m.def("encode", &encodeArray, py::arg("t"), py::arg("grid"), py::arg("rounding") = "nearest_even",
        py::arg("bits") = 8, py::arg("random") = py::none(),
        "Codes (uint8, one per value, unpacked) of values of any shape.");
  m.def("decode", &decodeArray, py::arg("codes"), py::arg("grid"), "Values of unpacked codes.");
  m.def(
      "round_to_grid",
      [](const FloatArray &t, const Grid &grid, const std::string &rounding, unsigned bits,
         const std::optional<WordArray> &random) {
        return decodeArray(encodeArray(t, grid, rounding, bits, random), grid);
      },
      py::arg("t"), py::arg("grid"), py::arg("rounding") = "nearest_even", py::arg("bits") = 8,
      py::arg("random") = py::none(), "decode(encode(t)).");
  m.def("encode_scale", &encodeScaleArray, py::arg("values"), py::arg("dtype"), py::arg("bits") = 0,
        "Bits (uint32) of values rounded to nearest into a scale type.");
  m.def("encode_scale_of_amax", &encodeScaleOfAmaxArray, py::arg("amax"), py::arg("level"),
        py::arg("qmax"), "Bits (uint32) of the scales of blocks with these maxima.");
  m.def("decode_scale", &decodeScaleArray, py::arg("bits"), py::arg("dtype"),
        "Values (float32) of scale bits.");
  m.def(
      "round_to_scale",
      [](const FloatArray &values, const std::string &dtype, unsigned bits) {
        return decodeScaleArray(encodeScaleArray(values, dtype, bits), dtype);
      },
      py::arg("values"), py::arg("dtype"), py::arg("bits") = 0,
      "decode_scale(encode_scale(values)).");
  m.def("scale_type", &scaleTypeToDict, py::arg("name"),
        "{storage_bits, max_bits, floor_bits, nan_bits, max, floor}.");
  m.def(
      "grid_thresholds",
      [](const Grid &grid, const std::string &rounding) {
        GridThresholds table = gridThresholds(grid, makeRounding(rounding, 8, 7).kind);
        return py::make_tuple(table.thresholds, table.codes);
      },
      py::arg("grid"), py::arg("rounding") = "nearest_even",
      "(thresholds, codes) of a deterministic rounding: see Rounding.h.");
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

static int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

static std::vector<float> checkedSigns(const std::optional<FloatArray> &array) {
  std::vector<float> signs = toVector(array);
  require(signs.empty() || isHadamardSize(static_cast<int64_t>(signs.size())),
          "a Hadamard transform has 16, 32, 64, 128 or 256 signs, not " +
              std::to_string(signs.size()));
  for (float sign : signs)
    require(sign == 1 || sign == -1, "signs must be +1 or -1");
  return signs;
}

/// x widened to f32, zero-extended to a multiple and rotated, in storage order.
static Values rotated(const py::array &x, const std::vector<float> &signs, int64_t axis,
                      int64_t multiple, const std::optional<std::string> &dtype) {
  MatrixRef matrix = asMatrix(x, axis, dtype);
  int64_t n = signs.empty() ? 1 : static_cast<int64_t>(signs.size());
  int64_t stored = roundUp(matrix.cols, multiple);
  require(stored % n == 0, "an axis of length " + std::to_string(stored) +
                               " is not a multiple of the transform's " + std::to_string(n));
  py::gil_scoped_release release;
  FloatEnvironment environment;
  Values y = load(matrix, stored);
  rotate(y, signs);
  return y;
}

static FloatArray rotateArray(const py::array &x, const std::optional<FloatArray> &signs,
                              int64_t axis, int64_t multiple, bool inverse,
                              const std::optional<std::string> &dtype) {
  std::vector<float> vector = checkedSigns(signs);
  if (!inverse)
    return toArray(rotated(x, vector, axis, multiple, dtype));
  Values y = rotated(x, {}, axis, multiple, dtype);
  require(!vector.empty() && y.cols % static_cast<int64_t>(vector.size()) == 0,
          "the axis is not a multiple of the transform's size");
  FloatEnvironment environment;
  for (size_t i = 0; i < y.data.size(); i += vector.size())
    inverseHadamard(&y.data[i], vector.data(), static_cast<int64_t>(vector.size()));
  return toArray(y);
}

static float amaxOfArray(const py::array &x, const std::optional<FloatArray> &signs, int64_t axis,
                         const std::optional<std::string> &dtype) {
  std::vector<float> vector = checkedSigns(signs);
  int64_t multiple = vector.empty() ? 1 : static_cast<int64_t>(vector.size());
  return amax(rotated(x, vector, axis, multiple, dtype));
}

static py::tuple quantizeArray(const py::array &x, const Format &format, int64_t axis,
                               const std::optional<FloatArray> &signs, const std::string &rounding,
                               unsigned bits, unsigned rounds, uint64_t key, uint64_t base,
                               unsigned stream, std::optional<float> amax, bool pad,
                               const std::optional<std::string> &dtype) {
  MatrixRef matrix = asMatrix(x, axis, dtype);
  QuantizeOptions options{toVector(signs),
                          makeRounding(rounding, bits, rounds),
                          {key, base, streamOf(stream)},
                          amax,
                          pad};
  Quantized result;
  std::string error;
  {
    py::gil_scoped_release release;
    error = quantize(matrix, format, options, result);
  }
  require(error.empty(), error);
  py::list scales;
  for (size_t i = 0; i < result.scales.size(); ++i)
    scales.append(scalesToArray(result.scales[i], format.levels[i].block));
  return py::make_tuple(toArray(result.codes, {result.rows, result.cols / 2}), scales, result.cols,
                        result.flags);
}

namespace {
/// A quantized tensor of Python's; holds no reference to its codes.
struct Stored {
  int64_t rows, cols;
  std::span<const uint8_t> codes;
  std::vector<LevelScales> levels;

  Stored(const ByteArray &packed, const std::vector<py::array> &scales, const Format &format) {
    require(packed.ndim() == 2, "codes have two dimensions");
    require(scales.size() == format.levels.size(), "expected one array of scales per level");
    rows = packed.shape(0);
    cols = packed.shape(1) * 2;
    require(cols % storedMultiple(format, 0) == 0, "the codes do not fill the format's blocks");
    for (size_t i = 0; i < scales.size(); ++i)
      levels.push_back(scalesFromArray(scales[i], format, i, rows, cols));
    codes = {packed.data(), static_cast<size_t>(packed.size())};
  }
};
} // namespace

static FloatArray dequantizeArray(const ByteArray &codes, const std::vector<py::array> &scales,
                                  const Format &format) {
  Stored stored(codes, scales, format);
  Values y;
  {
    py::gil_scoped_release release;
    y = dequantize(format, stored.rows, stored.cols, stored.codes, stored.levels);
  }
  return toArray(y);
}

static py::tuple toCarrierArrays(const ByteArray &codes, const std::vector<py::array> &scales,
                                 const Format &format, unsigned mantissaBits, int bias, int low,
                                 int high) {
  Stored stored(codes, scales, format);
  require(stored.levels.size() == 1 && stored.levels[0].type == ScaleType::E8M0,
          "an 8-bit carrier needs one level of e8m0 scales");
  CarrierRows rows;
  {
    py::gil_scoped_release release;
    rows = toCarrier(format, {mantissaBits, bias, low, high}, stored.rows, stored.cols,
                     stored.codes, stored.levels[0]);
  }
  return py::make_tuple(toArray(rows.values, {stored.rows, stored.cols}),
                        toArray(rows.exponents, {stored.rows}),
                        toArray(rows.overflow, {stored.rows}));
}

static py::array toCarrierBF16Array(const ByteArray &codes, const std::vector<py::array> &scales,
                                    const Format &format) {
  Stored stored(codes, scales, format);
  return toArray(toCarrierBF16(format, stored.rows, stored.cols, stored.codes, stored.levels),
                 {stored.rows, stored.cols});
}

static const Level &levelOf(const Format &format, size_t level, const Values &y) {
  require(level < format.levels.size(), "the format has no such level");
  const Level &result = format.levels[level];
  require(result.block.isTensor() || y.cols % result.block.cols == 0,
          "the block does not divide the axis");
  return result;
}

static py::tuple levelScalesOfArray(const FloatArray &array, const Format &format, size_t index,
                                    std::optional<float> amax,
                                    const std::optional<FloatArray> &values,
                                    const std::optional<ByteArray> &choices) {
  Values y = asValues(array);
  const Level &level = levelOf(format, index, y);
  require(level.rule != ScaleRule::HiF4, "hif4's levels are computed together: hif4_scales");
  require((level.rule == ScaleRule::Program) == values.has_value(),
          "a program level needs the values of its scales, and only such a level");
  require((index == 0 && format.alternative) == choices.has_value(),
          "the innermost level of a format of two grids needs its blocks' choices, and only it");
  uint32_t flags = 0;
  FloatEnvironment environment;
  LevelScales scales;
  if (values) {
    std::vector<float> vector = toVector(values);
    require(vector.size() == blockAmax(y, level.block).size(), "expected one value per block");
    std::span<const uint8_t> chosen;
    if (choices)
      chosen = {choices->data(), static_cast<size_t>(choices->size())};
    require(!choices || chosen.size() == vector.size(), "expected one choice per block");
    scales = programScales(y, level, vector, chosen, flags);
  } else {
    scales = levelScales(y, format, index, amax, flags);
  }
  return py::make_tuple(scalesToArray(scales, level.block), flags);
}

static FloatArray divideArray(const FloatArray &array, const Format &format, size_t index,
                              const py::array &scales) {
  Values y = asValues(array);
  const Level &level = levelOf(format, index, y);
  FloatEnvironment environment;
  divideByScales(y, level.block, scalesFromArray(scales, format, index, y.rows, y.cols));
  return toArray(y);
}

/// Codes of t in the grid that each block's innermost scale chooses.
static ByteArray encodeBlocksOfArray(const FloatArray &array, const Format &format,
                                     const py::array &innermost, const std::string &rounding,
                                     unsigned bits, unsigned rounds, uint64_t key, uint64_t base,
                                     unsigned stream) {
  Values t = asValues(array);
  levelOf(format, 0, t);
  LevelScales scales = scalesFromArray(innermost, format, 0, t.rows, t.cols);
  FloatEnvironment environment;
  return toArray(encode(t, format, scales, makeRounding(rounding, bits, rounds),
                        {key, base, streamOf(stream)}),
                 {t.rows, t.cols});
}

static FloatArray decodeBlocksOfArray(const ByteArray &codes, const Format &format,
                                      const py::array &innermost) {
  require(codes.ndim() == 2, "codes have two dimensions");
  int64_t rows = codes.shape(0), cols = codes.shape(1) * 2;
  require(cols % storedMultiple(format, 0) == 0, "the codes do not fill the format's blocks");
  LevelScales scales = scalesFromArray(innermost, format, 0, rows, cols);
  return toArray(decode(format, rows, cols, {codes.data(), static_cast<size_t>(codes.size())},
                        scales));
}

static py::tuple hif4ScalesOfArray(const FloatArray &array) {
  Values y = asValues(array);
  require(y.cols % 64 == 0, "the block does not divide the axis");
  uint32_t flags = 0;
  FloatEnvironment environment;
  py::list scales;
  for (const LevelScales &level : hif4Scales(y, flags))
    scales.append(scalesToArray(level, {1, 1}));
  return py::make_tuple(scales, toArray(y), flags);
}

static FloatArray blockAmaxOfArray(const FloatArray &array, int64_t rows, int64_t cols) {
  Values y = asValues(array);
  require(rows > 0 && cols > 0 && y.cols % cols == 0, "the block does not divide the axis");
  std::vector<float> largest = blockAmax(y, {rows, cols});
  return toArray(largest, {(y.rows + rows - 1) / rows, y.cols / cols});
}

static FloatArray evaluateArray(const std::string &name, const FloatArray &x) {
  const auto *found = std::find(std::begin(functionNames), std::end(functionNames), name);
  require(found != std::end(functionNames), "unknown function '" + name + "'");
  auto function = static_cast<Function>(found - std::begin(functionNames));
  FloatArray result(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
  FloatEnvironment environment;
  std::transform(x.data(), x.data() + x.size(), result.mutable_data(),
                 [function](float value) { return evaluate(function, value); });
  return result;
}

static void bindTensors(py::module_ &m) {
  m.def("evaluate", &evaluateArray, py::arg("function"), py::arg("x"),
        "A function (exp, tanh, erf, sigmoid, silu, gelu, gelu_tanh) of f32 values of any shape.");
  m.def("rotate", &rotateArray, py::arg("x"), py::arg("signs") = py::none(), py::arg("axis") = 1,
        py::arg("multiple") = 1, py::arg("inverse") = false, py::arg("dtype") = py::none(),
        "x in storage order as float32, extended with zeros to a multiple along the axis, after "
        "the Hadamard transform of the signs (none: only widened), or its inverse.");
  m.def("amax", &amaxOfArray, py::arg("x"), py::arg("signs") = py::none(), py::arg("axis") = 1,
        py::arg("dtype") = py::none(), "Largest magnitude of what would be quantized.");
  m.def("block_amax", &blockAmaxOfArray, py::arg("y"), py::arg("rows"), py::arg("cols"),
        "Largest magnitude of each block, float32 (block rows, block columns).");
  m.def("quantize", &quantizeArray, py::arg("x"), py::arg("format"), py::arg("axis") = 1,
        py::arg("signs") = py::none(), py::arg("rounding") = "nearest_even", py::arg("bits") = 8,
        py::arg("rounds") = 7, py::arg("key") = 0, py::arg("base") = 0, py::arg("stream") = 0,
        py::arg("amax") = py::none(), py::arg("pad") = false, py::arg("dtype") = py::none(),
        "(codes uint8 [rows, stored/2], [scales inner to outer], stored length, flag word).");
  m.def("dequantize", &dequantizeArray, py::arg("codes"), py::arg("scales"), py::arg("format"),
        "float32 [rows, stored length] in storage order.");
  m.def("to_carrier", &toCarrierArrays, py::arg("codes"), py::arg("scales"), py::arg("format"),
        py::arg("mantissa_bits"), py::arg("bias"), py::arg("low"), py::arg("high"),
        "(uint8 values [rows, stored length], int32 exponents and overflow of rows) of an 8-bit "
        "carrier whose window of exponents is [low, high].");
  m.def("to_carrier_bf16", &toCarrierBF16Array, py::arg("codes"), py::arg("scales"),
        py::arg("format"), "bf16 bits (uint16) of code times the scales of blocks.");
  m.def("level_scales", &levelScalesOfArray, py::arg("y"), py::arg("format"), py::arg("level"),
        py::arg("amax") = py::none(), py::arg("values") = py::none(),
        py::arg("choices") = py::none(),
        "(scales as stored, flags) of one level for y, from which the levels outside are divided "
        "out. `values` are a program level's scales before rounding, one per block, `choices` "
        "whether a block takes the alternative grid.");
  m.def("divide", &divideArray, py::arg("y"), py::arg("format"), py::arg("level"),
        py::arg("scales"), "y times the reciprocals of a level's scales.");
  m.def("encode_blocks", &encodeBlocksOfArray, py::arg("t"), py::arg("format"),
        py::arg("innermost"), py::arg("rounding") = "nearest_even", py::arg("bits") = 8,
        py::arg("rounds") = 7, py::arg("key") = 0, py::arg("base") = 0, py::arg("stream") = 0,
        "Codes (uint8, one per value) of t in the grid that each block's innermost scale (as "
        "stored) chooses.");
  m.def("decode_blocks", &decodeBlocksOfArray, py::arg("codes"), py::arg("format"),
        py::arg("innermost"), "float32 [rows, stored length]: packed codes in their blocks' grids.");
  m.def("hif4_scales", &hif4ScalesOfArray, py::arg("y"), "([three levels' scales], t, flags).");
  m.def(
      "pack_codes",
      [](const ByteArray &codes) {
        require(codes.ndim() == 2 && codes.shape(1) % 2 == 0, "expected [rows, even length]");
        std::span<const uint8_t> bytes(codes.data(), static_cast<size_t>(codes.size()));
        return toArray(packCodes(bytes), {codes.shape(0), codes.shape(1) / 2});
      },
      py::arg("codes"), "Two codes per byte, element 2i in the low nibble.");
  m.def(
      "unpack_codes",
      [](const ByteArray &packed) {
        require(packed.ndim() == 2, "expected [rows, bytes]");
        std::span<const uint8_t> bytes(packed.data(), static_cast<size_t>(packed.size()));
        return toArray(unpackCodes(bytes), {packed.shape(0), packed.shape(1) * 2});
      },
      py::arg("packed"), "One code per byte.");
}

void bindNumerics(py::module_ &module) {
  py::module_ m = module.def_submodule(
      "numerics", "The specification of docs/numerics.md: every kernel gives its bits.");
  m.attr("VERSION") = numericsVersion;
  m.attr("FLAG_NON_FINITE") = static_cast<uint32_t>(FlagNonFinite);
  m.attr("FLAG_SCALE_SATURATED") = static_cast<uint32_t>(FlagScaleSaturated);
  bindFormats(m);
  bindRandom(m);
  bindRounding(m);
  bindTensors(m);
}
