//===- QuadTypes.cpp - Types of the quad dialect --------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Dialect/Quad/IR/QuadTypes.h"
#include "quadrille/Numerics/ScaleTypes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;
using namespace quadrille;
using namespace quadrille::quad;

//===----------------------------------------------------------------------===//
// Assembly
//===----------------------------------------------------------------------===//

/// A size, or `?`.
static ParseResult parseSize(AsmParser &parser, int64_t &size) {
  if (succeeded(parser.parseOptionalQuestion())) {
    size = ShapedType::kDynamic;
    return success();
  }
  return parser.parseInteger(size);
}

static ParseResult parseScaleLayout(AsmParser &parser, ScaleLayout &layout) {
  FailureOr<ScaleLayout> parsed = FieldParser<ScaleLayout>::parse(parser);
  if (failed(parsed))
    return failure();
  layout = *parsed;
  return success();
}

/// `rht = ..`, `padded = ..`, `grouped` or `scales = ..`, after the comma.
static ParseResult parseOption(AsmParser &parser, RHTAttr &rht, int64_t &padded,
                               ScaleLayout &layout, bool &grouped) {
  if (succeeded(parser.parseOptionalKeyword("rht")))
    return failure(parser.parseEqual() ||
                   parser.parseCustomAttributeWithFallback(rht));
  if (succeeded(parser.parseOptionalKeyword("padded")))
    return failure(parser.parseEqual() || parseSize(parser, padded));
  if (succeeded(parser.parseOptionalKeyword("grouped"))) {
    grouped = true;
    padded = ShapedType::kDynamic;
    return success();
  }
  return failure(parser.parseKeyword("scales", ", 'rht', 'padded' or 'grouped'") ||
                 parser.parseEqual() || parseScaleLayout(parser, layout));
}

Type QuantizedTensorType::parse(AsmParser &parser) {
  SMLoc loc = parser.getCurrentLocation();
  SmallVector<int64_t> shape;
  FormatAttr format;
  int64_t axis = 0, padded = 0;
  RHTAttr rht;
  ScaleLayout layout = ScaleLayout::RowMajor;
  bool grouped = false;
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/true,
                                /*withTrailingX=*/false) ||
      parser.parseComma() || parser.parseCustomAttributeWithFallback(format) ||
      parser.parseComma() || parser.parseKeyword("axis") ||
      parser.parseEqual() || parser.parseInteger(axis))
    return {};
  while (succeeded(parser.parseOptionalComma()))
    if (parseOption(parser, rht, padded, layout, grouped))
      return {};
  if (parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(),
                    shape, format, axis, rht, padded, layout, grouped);
}

void QuantizedTensorType::print(AsmPrinter &printer) const {
  printer << '<';
  printer.printDimensionList(getShape());
  printer << ", ";
  printer.printStrippedAttrOrType(getFormat());
  printer << ", axis = " << getAxis();
  if (getRht()) {
    printer << ", rht = ";
    printer.printStrippedAttrOrType(getRht());
  }
  if (getGrouped())
    printer << ", grouped";
  else if (ShapedType::isDynamic(getPadded()))
    printer << ", padded = ?";
  else if (getPadded())
    printer << ", padded = " << getPadded();
  if (getScaleLayout() != ScaleLayout::RowMajor)
    printer << ", scales = " << stringifyScaleLayout(getScaleLayout());
  printer << '>';
}

//===----------------------------------------------------------------------===//
// Verification
//===----------------------------------------------------------------------===//

using EmitError = function_ref<InFlightDiagnostic()>;

static LogicalResult verifyPadding(EmitError emitError, int64_t length,
                                   int64_t padded, int64_t granularity) {
  if (ShapedType::isDynamic(padded))
    return ShapedType::isDynamic(length)
               ? success()
               : LogicalResult(emitError()
                               << "the axis has the static length " << length
                               << ", so its padded length is static too");
  if (padded % granularity != 0 || padded < length)
    return emitError() << "the padded length " << padded
                       << " must be a multiple of " << granularity
                       << " and at least the length of the axis";
  return success();
}

static LogicalResult verifyLength(EmitError emitError, FormatAttr format,
                                  RHTAttr rht, int64_t length) {
  if (ShapedType::isDynamic(length))
    return success();
  int64_t block = format.getOuterBlockCols();
  if (length % block != 0)
    return emitError() << "the block of " << block << " of format '"
                       << format.getName() << "' does not divide the axis of "
                       << length << "; quantize with pad = true";
  if (rht && length % rht.getSize() != 0)
    return emitError() << "the RHT of " << rht.getSize()
                       << " does not divide the axis of " << length
                       << "; quantize with pad = true";
  return success();
}

bool QuantizedTensorType::hasScaleLayout(FormatAttr format,
                                         ScaleLayout layout) {
  LevelAttr inner = format.getLevels().front();
  bool bytes = numerics::scaleTypeInfo(inner.getType()).storageBits == 8;
  return layout == ScaleLayout::RowMajor ||
         (bytes && inner.getBlock().rows == 1);
}

static LogicalResult verifyScaleLayout(EmitError emitError, FormatAttr format,
                                       ScaleLayout layout) {
  LevelAttr inner = format.getLevels().front();
  if (QuantizedTensorType::hasScaleLayout(format, layout))
    return success();
  return emitError() << "the scale layout " << stringifyScaleLayout(layout)
                     << " needs an innermost level of 8-bit scales of one row; "
                        "format '"
                     << format.getName() << "' has " << inner;
}

LogicalResult QuantizedTensorType::verify(EmitError emitError,
                                          ArrayRef<int64_t> shape,
                                          FormatAttr format, int64_t axis,
                                          RHTAttr rht, int64_t padded,
                                          ScaleLayout layout, bool grouped) {
  if (shape.size() != 2)
    return emitError() << "a quantized tensor has rank 2, not " << shape.size();
  if (axis != 0 && axis != 1)
    return emitError() << "axis must be 0 or 1, not " << axis;
  if (failed(verifyScaleLayout(emitError, format, layout)))
    return failure();
  if (grouped)
    return ShapedType::isDynamic(padded)
               ? success()
               : LogicalResult(emitError() << "groups have offsets that the device alone knows, so "
                                              "their padded length is not static");
  return padded ? verifyPadding(emitError, shape[axis], padded,
                                getGranularity(format, rht))
                : verifyLength(emitError, format, rht, shape[axis]);
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

int64_t QuantizedTensorType::getGranularity(FormatAttr format, RHTAttr rht) {
  int64_t block = format.getOuterBlockCols();
  return rht ? std::lcm(block, rht.getSize()) : block;
}

QuantizedTensorType QuantizedTensorType::getTransposed() const {
  return get({getShape()[1], getShape()[0]}, getFormat(), 1 - getAxis(),
             getRht(), getPadded(), getScaleLayout(), getGrouped());
}

QuantizedTensorType
QuantizedTensorType::getWithScaleLayout(ScaleLayout layout) const {
  return get(getShape(), getFormat(), getAxis(), getRht(), getPadded(), layout,
             getGrouped());
}

RankedTensorType QuantizedTensorType::getLogicalType(Type elementType) const {
  return RankedTensorType::get(getShape(), elementType);
}

/// ceil(size / divisor), or dynamic.
static int64_t ceilDiv(int64_t size, int64_t divisor) {
  return ShapedType::isDynamic(size) ? size
                                     : llvm::divideCeilSigned(size, divisor);
}

static int64_t roundUp(int64_t size, int64_t multiple) {
  return ShapedType::isDynamic(size) ? size : llvm::alignTo(size, multiple);
}

RankedTensorType QuantizedTensorType::getCodesType() const {
  return RankedTensorType::get(
      {getOtherLength(), ceilDiv(getStoredLength(), 2)},
      IntegerType::get(getContext(), 8));
}

static Type scaleElementType(MLIRContext *context, ScaleType type) {
  switch (type) {
  case ScaleType::F32:
    return Float32Type::get(context);
  case ScaleType::BF16:
    return BFloat16Type::get(context);
  default:
    return IntegerType::get(context, 8);
  }
}

RankedTensorType QuantizedTensorType::getScalesType(unsigned level) const {
  LevelAttr attr = getFormat().getLevels()[level];
  Type elementType = scaleElementType(getContext(), attr.getType());
  if (attr.isTensor())
    return RankedTensorType::get({1}, elementType);
  int64_t rows = ceilDiv(getOtherLength(), attr.getBlock().rows);
  int64_t cols = ceilDiv(getStoredLength(), attr.getBlock().cols);
  if (attr.getType() == ScaleType::E1)
    cols = ceilDiv(cols, 8);
  if (level == 0 && getScaleLayout() == ScaleLayout::Blocked128x4)
    return RankedTensorType::get({roundUp(rows, 128), roundUp(cols, 4)},
                                 elementType);
  return RankedTensorType::get({rows, cols}, elementType);
}

SmallVector<Type> QuantizedTensorType::getStorageTypes() const {
  SmallVector<Type> types = {getCodesType()};
  for (unsigned level = 0; level < getFormat().getLevels().size(); ++level)
    types.push_back(getScalesType(level));
  return types;
}

SmallVector<Type> PreparedType::getStorageTypes() const {
  SmallVector<Type> types = {
      RankedTensorType::get({ShapedType::kDynamic}, IntegerType::get(getContext(), 8))};
  if (getTensor().getFormat().hasTensorLevel())
    types.push_back(RankedTensorType::get({1}, Float32Type::get(getContext())));
  return types;
}

QuantizedTensorType quadrille::quad::getQuantizedType(Type type) {
  if (auto prepared = dyn_cast<PreparedType>(type))
    return prepared.getTensor();
  return dyn_cast<QuantizedTensorType>(type);
}

#define GET_TYPEDEF_CLASSES
#include "quadrille/Dialect/Quad/IR/QuadTypes.cpp.inc"

void QuadDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "quadrille/Dialect/Quad/IR/QuadTypes.cpp.inc"
      >();
}
