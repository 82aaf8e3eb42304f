//===- QuadOps.cpp - What makes an operation well-formed ------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Elementwise.h"
#include "quadrille/Dialect/Quad/IR/QuadOps.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quadrille;
using namespace quadrille::quad;

//===----------------------------------------------------------------------===//
// Checks that several operations share
//===----------------------------------------------------------------------===//

static LogicalResult verifyAxis(Operation *op, int64_t axis) {
  if (axis == 0 || axis == 1)
    return success();
  return op->emitOpError() << "axis must be 0 or 1, not " << axis;
}

/// Sizes agree if they are equal or one of them is not known.
static bool mayBeEqual(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

static LogicalResult verifySameShape(Operation *op, ArrayRef<int64_t> input,
                                     ArrayRef<int64_t> result) {
  if (input == result)
    return success();
  InFlightDiagnostic diag =
      op->emitOpError("result must have the shape of the input, ");
  llvm::interleave(
      input, diag,
      [&](int64_t size) {
        if (ShapedType::isDynamic(size))
          diag << '?';
        else
          diag << size;
      },
      "x");
  return diag;
}

/// The number of signs is a size of the RHT.
static LogicalResult verifySigns(Operation *op, ShapedType signs) {
  int64_t size = signs.getDimSize(0);
  if (!ShapedType::isDynamic(size) && isRHTSize(size))
    return success();
  return op->emitOpError()
         << "signs must be a tensor of 16, 32, 64, 128 or 256 f32, not "
         << signs;
}

/// The transform of `signs` divides a static axis, unless that is padded.
static LogicalResult verifyRotation(Operation *op, ShapedType signs,
                                    int64_t length, bool pad) {
  if (failed(verifySigns(op, signs)))
    return failure();
  int64_t size = signs.getDimSize(0);
  if (pad || ShapedType::isDynamic(length) || length % size == 0)
    return success();
  return op->emitOpError() << "the RHT of " << size
                           << " does not divide the axis of " << length
                           << "; quantize with pad = true";
}

//===----------------------------------------------------------------------===//
// HadamardOp and AmaxOp
//===----------------------------------------------------------------------===//

LogicalResult HadamardOp::verify() {
  if (failed(verifyAxis(*this, getAxis())) ||
      failed(verifySameShape(*this, getInput().getType().getShape(),
                             getType().getShape())))
    return failure();
  return verifyRotation(*this, getSigns().getType(),
                        getType().getDimSize(getAxis()),
                        /*pad=*/false);
}

LogicalResult AmaxOp::verify() {
  if (failed(verifyAxis(*this, getAxis())))
    return failure();
  if (!getSigns())
    return success();
  return verifyRotation(*this, getSigns().getType(),
                        getInput().getType().getDimSize(getAxis()),
                        getPad() || getGroups());
}

//===----------------------------------------------------------------------===//
// QuantizeOp
//===----------------------------------------------------------------------===//

/// The rotation that the result carries is the attribute's, and its size that
/// of the signs.
static LogicalResult verifyRHT(QuantizeOp op) {
  RHTAttr rht = op.getRhtAttr();
  if (rht != op.getType().getRht()) {
    InFlightDiagnostic diag = op.emitOpError("result has ");
    auto describe = [&](RHTAttr attr) {
      if (attr)
        diag << attr;
      else
        diag << "no RHT";
    };
    describe(op.getType().getRht());
    diag << ", but the attribute rht says ";
    describe(rht);
    return diag;
  }
  if (!op.getSigns())
    return success();
  if (!rht)
    return op.emitOpError(
        "with signs needs the identity of the rotation: rht = #quad.rht<..>");
  int64_t size = op.getSigns().getType().getDimSize(0);
  if (size != rht.getSize())
    return op.emitOpError()
           << "has " << size << " signs for an RHT of " << rht.getSize();
  return verifySigns(op, op.getSigns().getType());
}

/// With `pad`, the stored length is the axis rounded up; without, there is no
/// padding (the type itself checks that the axis needs none).
static LogicalResult verifyPad(QuantizeOp op) {
  QuantizedTensorType type = op.getType();
  if (!op.getPad()) {
    if (type.getPadded())
      return op.emitOpError("result is padded, which needs pad = true");
    return success();
  }
  if (type.getGrouped())
    return success(); // the stored length is a bound
  int64_t length = type.getAxisLength(), stored = type.getStoredLength();
  if (ShapedType::isDynamic(length))
    return type.getPadded()
               ? success()
               : LogicalResult(op.emitOpError(
                     "pads an axis of dynamic length, so the result "
                     "must say padded = ?"));
  int64_t expected = llvm::alignTo(length, type.getGranularity());
  if (stored == expected)
    return success();
  return op.emitOpError() << "pads the axis of " << length << " to " << expected
                          << ", but the result stores " << stored;
}

/// A grouped tensor and the offsets of its groups come together.
static LogicalResult verifyOffsets(Operation *op, QuantizedTensorType type, Value groups) {
  if (type.getGrouped() == bool(groups))
    return success();
  return op->emitOpError() << (groups ? "has offsets of groups for a tensor that is not grouped"
                                      : "needs the offsets of a grouped tensor: groups(%offsets)");
}

/// Groups are extended one by one, and before the transform.
static LogicalResult verifyGroups(QuantizeOp op) {
  if (failed(verifyOffsets(op, op.getType(), op.getGroups())))
    return failure();
  if (!op.getGroups())
    return success();
  if (!op.getPad())
    return op.emitOpError("extends every group, which needs pad = true");
  if (op.getRhtAttr() && !op.getSigns())
    return op.emitOpError("transforms every group by itself, which needs signs");
  return success();
}

static LogicalResult verifyRandomness(QuantizeOp op) {
  if (bool(op.getKey()) != bool(op.getIndexBase()))
    return op.emitOpError("takes a key and an index base together");
  if (op.getStep() && !op.getKey())
    return op.emitOpError("has a step without the key that it advances");
  bool stochastic = op.getRounding().isStochastic();
  if (stochastic && !op.getKey())
    return op.emitOpError("stochastic rounding needs key(%key, %index_base)");
  if (!stochastic && op.getKey())
    return op.emitOpError() << "a key has no use with " << op.getRounding()
                            << "; only #quad.stochastic<..> draws random bits";
  return success();
}

LogicalResult QuantizeOp::verify() {
  if (failed(verifyAxis(*this, getAxis())) ||
      failed(verifySameShape(*this, getInput().getType().getShape(),
                             getType().getShape())))
    return failure();
  if (int64_t(getAxis()) != getType().getAxis())
    return emitOpError() << "quantizes along axis " << getAxis()
                         << ", but the result has axis " << getType().getAxis();
  if (failed(verifyRHT(*this)) || failed(verifyPad(*this)) ||
      failed(verifyGroups(*this)) || failed(verifyRandomness(*this)))
    return failure();
  if (getAmax() && !getFormat().hasTensorLevel())
    return emitOpError() << "format '" << getFormat().getName()
                         << "' has no tensor level that could use an amax";
  return success();
}

/// A word that is combined into is read and written.
static void addAccumulation(
    OpOperand &word,
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &word);
  effects.emplace_back(MemoryEffects::Write::get(), &word);
}

void QuantizeOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (MutableOperandRange words : {getAmaxOutMutable(), getFlagsMutable()})
    for (OpOperand &word : words)
      addAccumulation(word, effects);
}

/// The rule of a level takes its block and returns one scale, and the innermost one of a
/// format of two grids the choice of one.
static LogicalResult verifyScaleRule(QuantizeOp op, LevelAttr level,
                                     SymbolTableCollection &symbols) {
  auto rule =
      symbols.lookupNearestSymbolFrom<ScaleRuleOp>(op, level.getProgram());
  if (!rule)
    return op.emitOpError()
           << "no quad.scale_rule is named " << level.getProgram();
  auto fail = [&]() {
    InFlightDiagnostic diag = op.emitOpError()
                              << "the scale rule " << level.getProgram() << " ";
    diag.attachNote(rule.getLoc()) << "the rule is here";
    return diag;
  };
  int64_t size = level.getBlock().rows * level.getBlock().cols;
  auto block = cast<RankedTensorType>(rule.getArgumentTypes().front());
  if (block.getNumElements() != size)
    return fail() << "takes a block of " << block.getNumElements()
                  << " elements, but level " << level << " has " << size;
  bool chooses = rule.getResultTypes().size() == 2;
  bool isInnermost = level == op.getFormat().getLevels().front();
  StringRef format = op.getFormat().getName();
  if (chooses && !op.getFormat().getAlternative())
    return fail() << "chooses between two grids, but format '" << format
                  << "' has one";
  if (chooses && !isInnermost)
    return fail() << "chooses between two grids, which only the rule of the "
                     "innermost level does";
  if (!chooses && isInnermost && op.getFormat().getAlternative())
    return fail() << "chooses neither of the two grids of format '" << format
                  << "': it needs a second result, tensor<i1>, true for the "
                     "second grid";
  return success();
}

LogicalResult QuantizeOp::verifySymbolUses(SymbolTableCollection &symbols) {
  for (LevelAttr level : getFormat().getLevels())
    if (level.getProgram() && failed(verifyScaleRule(*this, level, symbols)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

LogicalResult DequantizeOp::verify() {
  QuantizedTensorType type = getInput().getType();
  if (failed(verifySameShape(*this, type.getShape(), getType().getShape())) ||
      failed(verifyOffsets(*this, type, getGroups())))
    return failure();
  if (!getSigns())
    return success();
  if (!type.getRht())
    return emitOpError(
        "has signs to undo a rotation, but the input has no RHT");
  int64_t size = getSigns().getType().getDimSize(0);
  if (size != type.getRht().getSize())
    return emitOpError() << "has " << size << " signs for an RHT of "
                         << type.getRht().getSize();
  return success();
}

llvm::StringRef ToCarrierOp::getCarrier() {
  Type element = getValues().getType().getElementType();
  return element.isBF16() ? "bf16" : isa<Float8E5M2Type>(element) ? "e5m2" : "e4m3";
}

LogicalResult ToCarrierOp::verify() {
  QuantizedTensorType type = getInput().getType();
  RankedTensorType values = getValues().getType();
  int64_t rows = type.getOtherLength(), stored = type.getStoredLength();
  if (!mayBeEqual(values.getDimSize(0), rows) || !mayBeEqual(values.getDimSize(1), stored))
    return emitOpError("values must have the shape of storage, rows x stored length, not ")
           << values;
  bool hasExponents = getCarrier() != "bf16";
  if (getRows().size() != (hasExponents ? 2 : 0))
    return emitOpError() << "has " << getRows().size() << " results for rows, but "
                         << getCarrier() << " has "
                         << (hasExponents ? "exponents and overflow" : "none");
  for (Value row : getRows()) {
    int64_t length = cast<RankedTensorType>(row.getType()).getDimSize(0);
    if (!mayBeEqual(length, rows))
      return emitOpError() << "has a result for " << length << " rows of a tensor with " << rows;
  }
  return success();
}

QuantizedTensorType ScalesOp::getTypeInLayout() {
  return getInput().getType().getWithScaleLayout(getLayout());
}

LogicalResult ScalesOp::verify() {
  FormatAttr format = getInput().getType().getFormat();
  if (!QuantizedTensorType::hasScaleLayout(format, ScaleLayout::Blocked128x4))
    return emitOpError() << "needs innermost scales of one byte for one row; "
                            "format '"
                         << format.getName() << "' has "
                         << format.getLevels().front();
  RankedTensorType expected = getTypeInLayout().getScalesType(0);
  for (auto [size, wanted] :
       llvm::zip_equal(getType().getShape(), expected.getShape()))
    if (!mayBeEqual(size, wanted))
      return emitOpError() << "result must have the type " << expected;
  return success();
}

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *,
                                            std::optional<Location>,
                                            Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  Type input = adaptor.getInput().getType();
  if (auto prepared = dyn_cast<PreparedType>(input))
    types.push_back(prepared.getTransposed());
  else
    types.push_back(cast<QuantizedTensorType>(input).getTransposed());
  return success();
}

LogicalResult PrepareOp::verify() {
  QuantizedTensorType type = getInput().getType();
  if (getType().getTensor() != type)
    return emitOpError() << "result must be prepared of " << type;
  if (type.getGrouped())
    return emitOpError("has an input in groups, whose offsets each product reads");
  if (isa<FormatAttr>(getOther()))
    return success();
  auto element = dyn_cast<TypeAttr>(getOther());
  if (element && isa<Float32Type, BFloat16Type, Float16Type>(element.getValue()))
    return success();
  return emitOpError("other must be a #quad.format or f32, bf16 or f16, not ") << getOther();
}

//===----------------------------------------------------------------------===//
// MatmulOp
//===----------------------------------------------------------------------===//

namespace {
/// One side of a product.
struct Side {
  Value value;
  StringRef name;
  int64_t contractionAxis;

  QuantizedTensorType quantized() const {
    return getQuantizedType(value.getType());
  }
  ArrayRef<int64_t> shape() const {
    if (QuantizedTensorType type = quantized())
      return type.getShape();
    return cast<ShapedType>(value.getType()).getShape();
  }
  int64_t contractionLength() const { return shape()[contractionAxis]; }
  int64_t outerLength() const { return shape()[1 - contractionAxis]; }

  /// The axis to pass to quantize, seen through the transposes after it.
  int64_t axisToQuantize() const {
    int64_t axis = contractionAxis;
    Value source = value;
    while (auto transpose = source.getDefiningOp<TransposeOp>()) {
      axis = 1 - axis;
      source = transpose.getInput();
    }
    return axis;
  }
};
} // namespace

/// A quantized side is so along the contraction axis. Square blocks serve both
/// axes, but a rotation happened along one.
static LogicalResult verifyContraction(MatmulOp op, const Side &side) {
  QuantizedTensorType type = side.quantized();
  if (!type || type.getAxis() == side.contractionAxis)
    return success();
  if (type.getFormat().isOrientationFree() && !type.getRht() &&
      !type.getPadded())
    return success();
  InFlightDiagnostic diag = op.emitOpError();
  if (type.getFormat().isOrientationFree() && type.getRht())
    diag << side.name
         << " has square blocks, which serve both axes, but it is rotated "
            "along axis "
         << type.getAxis() << " and the product contracts axis "
         << side.contractionAxis;
  else
    diag << side.name << " is quantized along axis " << type.getAxis()
         << ", but the product contracts axis " << side.contractionAxis;
  return diag << "; use quantize(" << side.name
              << ", .., axis=" << side.axisToQuantize() << ")";
}

/// Blocks along the quantized axis, inner to outer.
static SmallVector<int64_t> blocksOf(QuantizedTensorType type) {
  SmallVector<int64_t> blocks;
  for (LevelAttr level : type.getFormat().getLevels())
    if (!level.isTensor())
      blocks.push_back(level.getBlock().cols);
  return blocks;
}

static LogicalResult verifySameBlocks(MatmulOp op, QuantizedTensorType lhs,
                                      QuantizedTensorType rhs) {
  SmallVector<int64_t> lhsBlocks = blocksOf(lhs), rhsBlocks = blocksOf(rhs);
  if (lhsBlocks == rhsBlocks)
    return success();
  InFlightDiagnostic diag =
      op.emitOpError("both sides must have the same blocks along the "
                     "contraction axis; lhs ('");
  diag << lhs.getFormat().getName() << "') has ";
  llvm::interleave(lhsBlocks, diag, [&](int64_t size) { diag << size; }, ", ");
  diag << " and rhs ('" << rhs.getFormat().getName() << "') has ";
  llvm::interleave(rhsBlocks, diag, [&](int64_t size) { diag << size; }, ", ");
  return diag;
}

/// Both sides have groups or none. Then the op has their offsets.
static LogicalResult verifyGrouping(MatmulOp op, QuantizedTensorType lhs,
                                    QuantizedTensorType rhs) {
  bool left = lhs && lhs.getGrouped(), right = rhs && rhs.getGrouped();
  if (left != right)
    return op.emitOpError() << "both sides must be grouped or none, but only "
                            << (left ? "lhs" : "rhs") << " is grouped";
  if (left && !op.getGroups())
    return op.emitOpError("needs the offsets of its grouped sides: groups(%offsets)");
  if (op.getGroups() && isa<PreparedType>(op.getLhs().getType()))
    return op.emitOpError("has groups of the rows of lhs, which decide where they are "
                          "prepared; prepare rhs alone");
  return success();
}

/// How many groups there are.
static int64_t countGroups(MatmulOp op) {
  int64_t offsets = op.getGroups().getType().getDimSize(0);
  return ShapedType::isDynamic(offsets) ? offsets : offsets - 1;
}

/// `length` is that of `count` parts of `part`, as far as these are known.
static bool mayBeStacked(int64_t length, int64_t part, int64_t count) {
  if (ShapedType::isDynamic(length) || ShapedType::isDynamic(part))
    return true;
  return ShapedType::isDynamic(count) ? part != 0 && length % part == 0 : length == part * count;
}

static LogicalResult verifySameRotation(MatmulOp op, QuantizedTensorType lhs,
                                        QuantizedTensorType rhs) {
  RHTAttr left = lhs ? lhs.getRht() : RHTAttr(),
          right = rhs ? rhs.getRht() : RHTAttr();
  if (left == right)
    return success();
  if (!left || !right)
    return op.emitOpError()
           << "both sides must have the same RHT, but only "
           << (left ? "lhs" : "rhs")
           << (lhs && rhs ? " is rotated"
                          : " is rotated and the other is not quantized");
  return op.emitOpError() << "both sides must have the same RHT; lhs has "
                          << left << " and rhs has " << right
                          << (left.getSize() == right.getSize()
                                  ? " (other signs)"
                                  : "");
}

static LogicalResult verifyInnerSizes(MatmulOp op, const Side &lhs,
                                      const Side &rhs) {
  QuantizedTensorType left = lhs.quantized(), right = rhs.quantized();
  if (op.getGroups() && !(left && left.getGrouped())) {
    int64_t length = lhs.contractionLength(), stacked = rhs.contractionLength();
    if (mayBeEqual(length, stacked) || mayBeStacked(stacked, length, countGroups(op)))
      return success();
    return op.emitOpError() << "contracts " << length << " columns of lhs with " << stacked
                            << " rows of rhs, which are neither as many nor those of experts";
  }
  if (!mayBeEqual(lhs.contractionLength(), rhs.contractionLength()))
    return op.emitOpError()
           << "contracts " << lhs.contractionLength() << " columns of lhs with "
           << rhs.contractionLength() << " rows of rhs";
  if (left && right &&
      !mayBeEqual(left.getStoredLength(), right.getStoredLength()))
    return op.emitOpError() << "lhs stores " << left.getStoredLength()
                            << " elements along the contraction axis and rhs "
                            << right.getStoredLength() << "; pad both or none";
  return success();
}

/// The result's shape is that of a product, or of one for each group.
static bool fitsResult(MatmulOp op, const Side &lhs, const Side &rhs) {
  auto type = cast<RankedTensorType>(op.getType());
  int64_t rows = type.getDimSize(0), cols = type.getDimSize(1);
  QuantizedTensorType left = lhs.quantized();
  if (op.getGroups() && left && left.getGrouped())
    return mayBeStacked(rows, lhs.outerLength(), countGroups(op)) &&
           mayBeEqual(cols, rhs.outerLength());
  if (!mayBeEqual(rows, lhs.outerLength()))
    return false;
  return mayBeEqual(cols, rhs.outerLength()) ||
         (op.getGroups() && mayBeStacked(rhs.outerLength(), cols, countGroups(op)));
}

static LogicalResult verifyResult(MatmulOp op, const Side &lhs,
                                  const Side &rhs) {
  auto type = cast<RankedTensorType>(op.getType());
  if (!fitsResult(op, lhs, rhs))
    return op.emitOpError()
           << "result " << type << " does not fit operands "
           << lhs.value.getType() << " and " << rhs.value.getType();
  if (op.getBias() &&
      !mayBeEqual(op.getBias().getType().getDimSize(0), type.getDimSize(1)))
    return op.emitOpError()
           << "bias has " << op.getBias().getType().getDimSize(0)
           << " elements for " << type.getDimSize(1) << " columns";
  if (!op.getAcc())
    return success();
  RankedTensorType acc = op.getAcc().getType();
  bool fits = mayBeEqual(acc.getDimSize(0), type.getDimSize(0)) &&
              mayBeEqual(acc.getDimSize(1), type.getDimSize(1));
  if (op.getEpilogue().empty())
    fits &= acc.getElementType() == type.getElementType();
  if (!fits)
    return op.emitOpError() << "acc must have the type of the result, " << type
                            << ", not " << acc;
  return success();
}

static LogicalResult verifyEpilogue(MatmulOp op) {
  if (op.getEpilogue().empty()) {
    if (op.getEpilogueInputs().empty())
      return success();
    return op.emitOpError("has operands of an epilogue, but no epilogue");
  }
  auto type = cast<RankedTensorType>(op.getType());
  if (failed(verifyElementwiseInputs(op, op.getEpilogueInputs(), type)))
    return failure();
  return verifyElementwiseBody(op, op.getEpilogue(), 1 + op.getEpilogueInputs().size());
}

LogicalResult MatmulOp::verify() {
  Side lhs{getLhs(), "lhs", 1}, rhs{getRhs(), "rhs", 0};
  QuantizedTensorType left = lhs.quantized(), right = rhs.quantized();
  if (!left && !right)
    return emitOpError(
        "needs a quantized operand; linalg.matmul is for plain ones");
  if (failed(verifyContraction(*this, lhs)) ||
      failed(verifyContraction(*this, rhs)) ||
      failed(verifyGrouping(*this, left, right)) ||
      failed(verifySameRotation(*this, left, right)) ||
      failed(verifyInnerSizes(*this, lhs, rhs)))
    return failure();
  if (left && right && failed(verifySameBlocks(*this, left, right)))
    return failure();
  if (failed(verifyResult(*this, lhs, rhs)))
    return failure();
  return verifyEpilogue(*this);
}

#define GET_OP_CLASSES
#include "quadrille/Dialect/Quad/IR/QuadOps.cpp.inc"
