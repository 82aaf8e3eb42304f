//===- Tile.cpp - The tile dialect -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Dialect/Tile/IR/Tile.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quadrille;
using namespace quadrille::tile;
using layout::LinearLayout;

#include "quadrille/Dialect/Tile/IR/TileDialect.cpp.inc"
#include "quadrille/Dialect/Tile/IR/TileEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "quadrille/Dialect/Tile/IR/TileAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "quadrille/Dialect/Tile/IR/TileTypes.cpp.inc"
#define GET_OP_CLASSES
#include "quadrille/Dialect/Tile/IR/TileOps.cpp.inc"

void TileDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "quadrille/Dialect/Tile/IR/TileAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "quadrille/Dialect/Tile/IR/TileTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "quadrille/Dialect/Tile/IR/TileOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Layouts of types
//===----------------------------------------------------------------------===//

LayoutAttr LayoutAttr::get(MLIRContext *context, const LinearLayout &layout) {
  auto signedBases = [](ArrayRef<uint64_t> bases) {
    return SmallVector<int64_t>(bases.begin(), bases.end());
  };
  return get(context, signedBases(layout.reg), signedBases(layout.lane),
             signedBases(layout.warp));
}

LinearLayout LayoutAttr::toLayout(int64_t numElements) const {
  auto bases = [](ArrayRef<int64_t> bases) {
    return std::vector<uint64_t>(bases.begin(), bases.end());
  };
  return LinearLayout(llvm::Log2_64(numElements), bases(getReg()), bases(getLane()),
                      bases(getWarp()));
}

LinearLayout tile::getLayout(RankedTensorType type) {
  return cast<LayoutAttr>(type.getEncoding()).toLayout(type.getNumElements());
}

RankedTensorType tile::withLayout(RankedTensorType type, const LinearLayout &layout) {
  return RankedTensorType::get(type.getShape(), type.getElementType(),
                               LayoutAttr::get(type.getContext(), layout));
}

std::pair<unsigned, unsigned> tile::indexBitsOf(ArrayRef<int64_t> shape, unsigned dim) {
  unsigned first = 0;
  for (unsigned d = shape.size() - 1; d > dim; --d)
    first += llvm::Log2_64(shape[d]);
  return {first, llvm::Log2_64(shape[dim])};
}

RankedTensorType tile::reshapedType(RankedTensorType type, ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, type.getElementType(), type.getEncoding());
}

RankedTensorType tile::transposedType(RankedTensorType type) {
  ArrayRef<int64_t> shape = type.getShape();
  uint64_t sizes[] = {uint64_t(shape[0]), uint64_t(shape[1])};
  unsigned swap[] = {1, 0};
  return withLayout(RankedTensorType::get({shape[1], shape[0]}, type.getElementType()),
                    getLayout(type).transpose(sizes, swap));
}

RankedTensorType tile::reducedType(RankedTensorType type, ArrayRef<int64_t> dims) {
  SmallVector<int64_t> shape(type.getShape());
  uint64_t deleted = 0;
  for (int64_t dim : dims) {
    auto [first, count] = indexBitsOf(type.getShape(), dim);
    deleted |= llvm::maskTrailingOnes<uint64_t>(count) << first;
    shape[dim] = 1;
  }
  return withLayout(RankedTensorType::get(shape, type.getElementType()),
                    getLayout(type).sliceIndexBits(deleted));
}

RankedTensorType tile::halvedType(RankedTensorType type) {
  SmallVector<int64_t> shape(type.getShape());
  shape.back() /= 2;
  return withLayout(RankedTensorType::get(shape, IntegerType::get(type.getContext(), 32)),
                    getLayout(type).sliceIndexBits(1));
}

RankedTensorType tile::packedType(RankedTensorType type) {
  SmallVector<int64_t> shape(type.getShape());
  shape.back() /= 8;
  return withLayout(RankedTensorType::get(shape, type.getElementType()),
                    getLayout(type).sliceIndexBits(7));
}

uint64_t tile::broadcastSourceIndex(ArrayRef<int64_t> source, ArrayRef<int64_t> result,
                                    uint64_t index) {
  uint64_t sourceIndex = 0, stride = 1;
  for (int64_t d = result.size() - 1; d >= 0; --d) {
    sourceIndex += std::min<uint64_t>(index % result[d], source[d] - 1) * stride;
    index /= result[d];
    stride *= source[d];
  }
  return sourceIndex;
}

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

LogicalResult LayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> reg, ArrayRef<int64_t> lane,
                                 ArrayRef<int64_t> warp) {
  for (ArrayRef<int64_t> bases : {reg, lane, warp})
    for (int64_t basis : bases)
      if (basis < 0)
        return emitError() << "layout bases must not be negative, got " << basis;
  return success();
}

LogicalResult TileDialect::verifyTile(Operation *op, Type type) {
  auto tile = dyn_cast<RankedTensorType>(type);
  if (!tile)
    return success();
  for (int64_t size : tile.getShape())
    if (!llvm::isPowerOf2_64(size))
      return op->emitOpError("needs tiles whose sizes are powers of two, got ") << type;
  auto layout = dyn_cast_or_null<LayoutAttr>(tile.getEncoding());
  if (layout && !layout.toLayout(tile.getNumElements()).isWellFormed())
    return op->emitOpError("has a layout with a basis beyond the last element of ") << type;
  return success();
}

namespace {

LogicalResult verifyTiles(Operation *op) {
  for (Type type : op->getOperandTypes())
    if (failed(TileDialect::verifyTile(op, type)))
      return failure();
  for (Type type : op->getResultTypes())
    if (failed(TileDialect::verifyTile(op, type)))
      return failure();
  return success();
}

template <typename OpT>
LogicalResult verifyAccess(OpT op, RankedTensorType tile) {
  size_t rank = tile.getRank();
  if (op.getOffsets().size() != rank || op.getBounds().size() != rank ||
      op.getStrides().size() != rank)
    return op.emitOpError("needs an offset, a bound and a stride for each of the tile's ")
           << rank << " dimensions";
  if (op.getGranularity() && *op.getGranularity() <= 0)
    return op.emitOpError("needs a positive granularity");
  if (op.getAlignment() && !llvm::isPowerOf2_64(*op.getAlignment()))
    return op.emitOpError("needs an alignment that is a power of two");
  return verifyTiles(op);
}

/// A layout that derives from the operand's must be what the operation makes.
LogicalResult verifyDerived(Operation *op, Type expected) {
  if (failed(verifyTiles(op)))
    return failure();
  if (op->getResult(0).getType() != expected)
    return op->emitOpError("must have the result type ") << expected;
  return success();
}

bool hasLayout(Value tile) {
  return isa_and_nonnull<LayoutAttr>(cast<RankedTensorType>(tile.getType()).getEncoding());
}

} // namespace

LogicalResult OffsetOp::verify() {
  if (getBuffer().getDefiningOp<OffsetOp>())
    return emitOpError("of an offset; add the bytes");
  return success();
}

LogicalResult LoadOp::verify() {
  return verifyAccess(*this, cast<RankedTensorType>(getResult().getType()));
}

LogicalResult StoreOp::verify() {
  auto value = cast<RankedTensorType>(getValue().getType());
  if (getWhere() && value.clone(IntegerType::get(getContext(), 1)) != getWhere().getType())
    return emitOpError("needs a tile of i1 shaped and laid out as its value");
  return verifyAccess(*this, cast<RankedTensorType>(getValue().getType()));
}

LogicalResult AtomicReduceOp::verify() {
  auto type = cast<RankedTensorType>(getValue().getType());
  Builder b(getContext());
  Type element = getKind() == AtomicReduction::amax ? Type(b.getF32Type()) : b.getI32Type();
  if (type.getElementType() != element)
    return emitOpError() << "needs elements of type " << element << " for "
                         << stringifyAtomicReduction(getKind()) << ", got " << type;
  return verifyTiles(*this);
}

LogicalResult ReshapeOp::verify() {
  auto source = cast<RankedTensorType>(getSource().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  if (source.getNumElements() != result.getNumElements())
    return emitOpError("must keep the number of elements");
  return verifyDerived(*this, reshapedType(source, result.getShape()));
}

LogicalResult TransposeOp::verify() {
  auto source = cast<RankedTensorType>(getSource().getType());
  if (source.getRank() != 2)
    return emitOpError("needs a two-dimensional tile, got ") << source;
  return hasLayout(getSource()) ? verifyDerived(*this, transposedType(source))
                                : verifyTiles(*this);
}

LogicalResult BroadcastOp::verify() {
  auto source = cast<RankedTensorType>(getSource().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  if (source.getRank() != result.getRank())
    return emitOpError("must keep the rank");
  SmallVector<int64_t> repeated;
  for (auto [d, from, to] : llvm::enumerate(source.getShape(), result.getShape())) {
    if (from == to)
      continue;
    if (from != 1)
      return emitOpError("can repeat only dimensions of size 1, but dimension ")
             << d << " has size " << from;
    repeated.push_back(d);
  }
  if (hasLayout(getResult()) && reducedType(result, repeated) != source)
    return emitOpError("needs a source of type ") << reducedType(result, repeated);
  return verifyTiles(*this);
}

LogicalResult ReduceOp::verify() {
  auto source = cast<RankedTensorType>(getSource().getType());
  for (int64_t dim : getDims())
    if (dim < 0 || dim >= source.getRank())
      return emitOpError("cannot reduce dimension ") << dim << " of " << source;
  bool isFloat =
      llvm::is_contained({Reduction::addf, Reduction::maximumf, Reduction::amax}, getKind());
  if (isa<FloatType>(source.getElementType()) != isFloat)
    return emitOpError("cannot combine elements of type ")
           << source.getElementType() << " by " << stringifyReduction(getKind());
  if (hasLayout(getSource()))
    return verifyDerived(*this, reducedType(source, getDims()));
  SmallVector<int64_t> shape(source.getShape());
  for (int64_t dim : getDims())
    shape[dim] = 1;
  return verifyDerived(*this, reshapedType(source, shape));
}

namespace {
LogicalResult verifyPacking(Operation *op, Value codes, Value words) {
  auto codesType = cast<RankedTensorType>(codes.getType());
  if (codesType.getRank() == 0 || codesType.getShape().back() % 8)
    return op->emitOpError("needs a multiple of 8 codes in a row, got ") << codesType;
  if (!hasLayout(codes))
    return verifyTiles(op);
  LinearLayout layout = getLayout(codesType);
  for (uint64_t basis : {1, 2, 4})
    if (!llvm::is_contained(layout.reg, basis))
      return op->emitOpError("needs the eight codes of a word in registers of one lane");
  Type wanted = packedType(codesType).clone(IntegerType::get(op->getContext(), 32));
  if (wanted != words.getType())
    return op->emitOpError("needs words of type ") << wanted;
  return verifyTiles(op);
}
} // namespace

LogicalResult WidenOp::verify() {
  if (!getType().isBF16() && !getType().isF16())
    return emitOpError("widens bf16 or f16, not ") << getType();
  auto result = cast<RankedTensorType>(getResult().getType());
  if (result.getRank() == 0 || result.getShape().back() % 2)
    return emitOpError("needs an even number of elements in a row, got ") << result;
  if (!hasLayout(getResult()))
    return verifyTiles(*this);
  if (!llvm::is_contained(getLayout(result).reg, uint64_t(1)))
    return emitOpError("needs the two halves of a word in registers of one lane");
  if (halvedType(result) != getWords().getType())
    return emitOpError("needs words of type ") << halvedType(result);
  return verifyTiles(*this);
}

LogicalResult LookupBytesOp::verify() {
  if (getTable().size() != 4)
    return emitOpError("needs the four words of a table, got ") << getTable().size();
  for (Value word : getTable())
    if (word.getType() != getWords().getType())
      return emitOpError("needs tables of type ") << getWords().getType();
  auto result = cast<RankedTensorType>(getResult().getType());
  if (result.getRank() == 0 || result.getShape().back() % 2)
    return emitOpError("needs an even number of words in a row, got ") << result;
  if (!hasLayout(getResult()))
    return verifyTiles(*this);
  if (!llvm::is_contained(getLayout(result).reg, uint64_t(1)))
    return emitOpError("needs the bytes of a word of codes in registers of one lane");
  if (halvedType(result) != getWords().getType())
    return emitOpError("needs words of type ") << halvedType(result);
  return verifyTiles(*this);
}

bool LookupPairsOp::hasSigns(ArrayRef<int16_t> table) {
  constexpr uint16_t sign = 0x8000;
  return llvm::all_of(llvm::seq<size_t>(0, 8), [&](size_t i) {
    return (uint16_t(table[i]) ^ uint16_t(table[i + 8])) == sign && !(uint16_t(table[i]) & sign);
  });
}

LogicalResult LookupPairsOp::verify() {
  if (getTable().size() != 16)
    return emitOpError("needs a table of 16 entries, got ") << getTable().size();
  if (getFactors()) {
    auto words = cast<RankedTensorType>(getWords().getType());
    if (getFactors().getType() != words.clone(Float32Type::get(getContext())))
      return emitOpError("needs a factor for each word of ") << words;
    if (!hasSigns(getTable()))
      return emitOpError("needs a table with a sign to multiply it");
  }
  auto result = cast<RankedTensorType>(getResult().getType());
  if (result.getRank() == 0 || result.getShape().back() % 4)
    return emitOpError("needs four words in a row for each word of codes, got ") << result;
  if (!hasLayout(getResult()))
    return verifyTiles(*this);
  for (uint64_t basis : {1, 2})
    if (!llvm::is_contained(getLayout(result).reg, basis))
      return emitOpError("needs the entries of a word of codes in registers of one lane");
  if (Type words = halvedType(halvedType(result)); words != getWords().getType())
    return emitOpError("needs words of type ") << words;
  return verifyTiles(*this);
}

/// None, those of words, or those of blocks of words.
static LogicalResult verifyDotScales(DotOp op, RankedTensorType lhs, RankedTensorType rhs) {
  if (op.getScales().empty())
    return success();
  if (op.getScales().size() != 2)
    return op.emitOpError("needs scales of both operands, or none");
  auto ofLhs = cast<RankedTensorType>(op.getScales()[0].getType());
  auto ofRhs = cast<RankedTensorType>(op.getScales()[1].getType());
  auto isOfRows = [](RankedTensorType scales, RankedTensorType operand) {
    return scales.getRank() == 2 && scales.getDimSize(0) == operand.getDimSize(0);
  };
  if (!isOfRows(ofLhs, lhs) || !isOfRows(ofRhs, rhs) ||
      ofLhs.getElementType() != ofRhs.getElementType())
    return op.emitOpError("needs scales of one type for blocks of both operands' rows");
  if (op.getScaleByte() > 3)
    return op.emitOpError("needs a byte of a word, got number ") << op.getScaleByte();
  int64_t blocks = ofLhs.getDimSize(1);
  if (ofRhs.getDimSize(1) != blocks || lhs.getDimSize(1) % blocks != 0)
    return op.emitOpError("needs scales for as many blocks of words of both operands, got ")
           << blocks << " and " << ofRhs.getDimSize(1) << " of " << lhs.getDimSize(1) << " words";
  return success();
}

LogicalResult DotOp::verify() {
  auto lhs = cast<RankedTensorType>(getLhs().getType());
  auto rhs = cast<RankedTensorType>(getRhs().getType());
  auto acc = cast<RankedTensorType>(getAcc().getType());
  if (lhs.getRank() != 2 || rhs.getRank() != 2 || acc.getRank() != 3)
    return emitOpError("needs operands of rank 2 and accumulators of rank 3");
  if (lhs.getDimSize(1) != rhs.getDimSize(1))
    return emitOpError("needs as many words of both operands, got ")
           << lhs.getDimSize(1) << " and " << rhs.getDimSize(1);
  if (acc.getDimSize(0) != lhs.getDimSize(0) || acc.getDimSize(1) != rhs.getDimSize(0))
    return emitOpError("needs accumulators for ")
           << lhs.getDimSize(0) << " rows and " << rhs.getDimSize(0) << " columns, got " << acc;
  return failed(verifyDotScales(*this, lhs, rhs)) ? failure() : verifyTiles(*this);
}

LogicalResult PackSixBitsOp::verify() {
  auto type = cast<RankedTensorType>(getBytes().getType());
  if (type.getRank() == 0 || type.getShape().back() % 8)
    return emitOpError("needs a multiple of 8 words in a row, got ") << type;
  if (!hasLayout(getBytes()))
    return verifyTiles(*this);
  LinearLayout layout = getLayout(type);
  for (uint64_t basis : {1, 2, 4})
    if (!llvm::is_contained(layout.reg, basis))
      return emitOpError("needs the eight words of 32 bytes in registers of one lane");
  return verifyTiles(*this);
}

LogicalResult PackOp::verify() {
  if (getShift() > 28)
    return emitOpError("needs codes of four bits, got a shift of ") << getShift();
  return verifyPacking(*this, getCodes(), getWords());
}
LogicalResult PackSignsOp::verify() { return verifyPacking(*this, getValues(), getWords()); }
LogicalResult EncodeE2M1Op::verify() { return verifyPacking(*this, getValues(), getWords()); }
LogicalResult EncodeE4M3Op::verify() {
  auto values = cast<RankedTensorType>(getValues().getType());
  if (values.clone(IntegerType::get(getContext(), 32)) != getEncodings().getType())
    return emitOpError("needs a result shaped and laid out as its numbers");
  return verifyTiles(*this);
}
LogicalResult UnpackOp::verify() { return verifyPacking(*this, getCodes(), getWords()); }

LogicalResult FromRegistersOp::verify() {
  auto type = cast<RankedTensorType>(getResult().getType());
  if (!hasLayout(getResult()))
    return emitOpError("needs a layout of its result, got ") << type;
  if (getValues().size() != getLayout(type).numRegisters())
    return emitOpError("needs ") << getLayout(type).numRegisters() << " registers, got "
                                 << getValues().size();
  for (Type own : getValues().getTypes())
    if (own != type.getElementType())
      return emitOpError("needs registers of type ") << type.getElementType() << ", got " << own;
  return verifyTiles(*this);
}

LogicalResult SplatOp::verify() {
  auto type = cast<RankedTensorType>(getResult().getType());
  if (type.getElementType() != getScalar().getType())
    return emitOpError("needs a scalar of type ") << type.getElementType();
  return verifyTiles(*this);
}

LogicalResult IotaOp::verify() {
  auto type = cast<RankedTensorType>(getResult().getType());
  if (int64_t(getDim()) >= type.getRank())
    return emitOpError("has no dimension ") << getDim() << " in " << type;
  return verifyTiles(*this);
}

LogicalResult LookupOp::verify() {
  if (getTable().empty() || getTable().size() > 16)
    return emitOpError("needs a table of 1 to 16 values");
  auto index = cast<RankedTensorType>(getIndex().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  if (index.getShape() != result.getShape() || index.getEncoding() != result.getEncoding())
    return emitOpError("needs a result shaped and laid out as its indices");
  return verifyTiles(*this);
}

LogicalResult HadamardOp::verify() {
  auto type = cast<RankedTensorType>(getSource().getType());
  if (type.getRank() == 0)
    return emitOpError("needs a dimension to transform along");
  if (!getFactors() || !hasLayout(getSource()))
    return verifyTiles(*this);
  auto others = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank() - 1));
  if (reducedType(type, others) != getFactors().getType())
    return emitOpError("needs factors of type ") << reducedType(type, others);
  return verifyTiles(*this);
}

LogicalResult RandomOp::verify() {
  if (getAddend() && getAddend().getType() != getType())
    return emitOpError("needs an addend of its result's type");
  if (!llvm::is_contained({4, 8, 16}, int(getBits())))
    return emitOpError("needs 4, 8 or 16 bits, got ") << getBits();
  if (!llvm::is_contained({7, 10}, int(getRounds())))
    return emitOpError("needs 7 or 10 rounds, got ") << getRounds();
  auto type = cast<RankedTensorType>(getResult().getType());
  if (type.getRank() != 2 || type.getShape().back() % 16)
    return emitOpError("needs a two-dimensional tile with a multiple of 16 columns, got ") << type;
  return verifyTiles(*this);
}

//===----------------------------------------------------------------------===//
// Host schedule
//===----------------------------------------------------------------------===//

namespace {
template <typename OpT> LogicalResult verifyDim(OpT op) {
  unsigned rank = op.getBuffer().getType().getRank();
  if (op.getDim() < rank)
    return success();
  return op.emitOpError("has no dimension ") << op.getDim() << " in a buffer of rank " << rank;
}

/// What a kernel sees of a value of the schedule.
Type passedType(Type type) {
  return isa<BufferType>(type) ? LLVM::LLVMPointerType::get(type.getContext()) : type;
}
} // namespace

LogicalResult DimOp::verify() { return verifyDim(*this); }
LogicalResult StrideOp::verify() { return verifyDim(*this); }

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<FunctionOpInterface>(*this, getKernelAttr());
  if (!kernel || !kernel->hasAttr("tile.kernel"))
    return emitOpError() << "no tile.kernel is named '" << getKernel() << "'";
  constexpr size_t rangeArguments = 4;
  SmallVector<Type> passed = llvm::map_to_vector(getArgs().getTypes(), passedType);
  if (kernel->hasAttr("tile.ranged"))
    passed.append(rangeArguments, IntegerType::get(getContext(), 64));
  if (ArrayRef<Type>(passed) == kernel.getArgumentTypes())
    return success();
  InFlightDiagnostic diag = emitOpError() << "passes (" << TypeRange(passed) << ") to '" << getKernel()
                                          << "', which takes (" << kernel.getArgumentTypes() << ")";
  diag.attachNote(kernel.getLoc()) << "the kernel is here";
  return diag;
}

//===----------------------------------------------------------------------===//
// Folds
//===----------------------------------------------------------------------===//

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  return getSource().getType() == getType() ? getSource() : Value();
}

OpFoldResult ConvertLayoutOp::fold(FoldAdaptor) {
  return getSource().getType() == getType() ? getSource() : Value();
}
