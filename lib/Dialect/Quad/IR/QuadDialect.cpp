//===- QuadDialect.cpp - The quad dialect ---------------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Dialect/Quad/IR/Quad.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace quadrille::quad;

#include "quadrille/Dialect/Quad/IR/QuadDialect.cpp.inc"

void QuadDialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "quadrille/Dialect/Quad/IR/QuadOps.cpp.inc"
      >();
}

/// Sizes of a tensor, quantized or not; nothing for other types.
static std::optional<ArrayRef<int64_t>> shapeOf(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    return tensor.getShape();
  if (QuantizedTensorType tensor = getQuantizedType(type))
    return tensor.getShape();
  return std::nullopt;
}

/// One divisor of at least 1 a dimension.
static bool isDivisors(ArrayRef<int64_t> shape, Attribute attr) {
  auto divisors = dyn_cast<DenseI64ArrayAttr>(attr);
  return divisors && divisors.size() == int64_t(shape.size()) &&
         llvm::all_of(divisors.asArrayRef(),
                      [](int64_t divisor) { return divisor >= 1; });
}

/// The same, true of the static sizes.
static bool isDivisibleBy(ArrayRef<int64_t> shape, Attribute attr) {
  return isDivisors(shape, attr) &&
         llvm::all_of(llvm::zip(shape, cast<DenseI64ArrayAttr>(attr).asArrayRef()), [](auto pair) {
           auto [size, divisor] = pair;
           return ShapedType::isDynamic(size) || size % divisor == 0;
         });
}

static bool isDimension(ArrayRef<int64_t> shape, Attribute attr) {
  auto dim = dyn_cast<IntegerAttr>(attr);
  return dim && dim.getType().isSignlessInteger(64) && dim.getInt() >= 0 &&
         dim.getInt() < int64_t(shape.size());
}

static bool isAlignment(Attribute attr) {
  auto bytes = dyn_cast<IntegerAttr>(attr);
  return bytes && bytes.getType().isSignlessInteger(64) &&
         bytes.getInt() > 0 && llvm::isPowerOf2_64(bytes.getInt());
}

LogicalResult QuadDialect::verifyRegionArgAttribute(Operation *op, unsigned,
                                                    unsigned argIndex,
                                                    NamedAttribute attr) {
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function)
    return op->emitOpError() << attr.getName() << " is of functions' arguments";
  Type type = function.getArgumentTypes()[argIndex];
  std::optional<ArrayRef<int64_t>> shape = shapeOf(type);
  if (attr.getName() == getDivisibleByAttrHelper().getName()) {
    if (shape && isDivisibleBy(*shape, attr.getValue()))
      return success();
    return op->emitOpError()
           << attr.getName()
           << " must be an i64 array with a divisor for each dimension of "
           << type;
  }
  if (attr.getName() == getUnitStrideAttrHelper().getName()) {
    if (shape && isDimension(*shape, attr.getValue()))
      return success();
    return op->emitOpError()
           << attr.getName() << " must be the i64 number of a dimension of "
           << type;
  }
  if (attr.getName() == getAlignmentAttrHelper().getName()) {
    if (shape && isAlignment(attr.getValue()))
      return success();
    return op->emitOpError() << attr.getName()
                             << " must be an i64 power of two, of a tensor";
  }
  if (attr.getName() == getStrideDivisibleByAttrHelper().getName()) {
    if (isa<RankedTensorType>(type) && isDivisors(*shape, attr.getValue()))
      return success();
    return op->emitOpError()
           << attr.getName()
           << " must be an i64 array with a divisor for each dimension of a "
              "tensor that is not quantized";
  }
  return op->emitOpError() << "unknown argument attribute " << attr.getName();
}
