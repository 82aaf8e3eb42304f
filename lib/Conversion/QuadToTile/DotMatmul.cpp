//===- DotMatmul.cpp - Products of few rows, from packed operands -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decoding a language model multiplies few rows by large weights: the time is that of reading
// these, packed. They are the instruction's rows, and what it has fewer of, columns, are the
// product's rows. Codes become bf16 in the registers in which the instruction wants them:
// which elements of the contraction are those of a step is free, so a lane reads a run.
//
// Scales that no carrier holds with its codes are left to the sums: then a step's elements must be
// those of one block, so words change lanes after they are decoded.
//
//===----------------------------------------------------------------------===//
#include "DotEpilogue.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "quadrille/Dialect/Quad/Transforms/SelectCarrier.h"
#include "quadrille/Numerics/ScaleTypes.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SaveAndRestore.h"
#include <cmath>

using namespace mlir;
using quadrille::layout::LinearLayout;

namespace quadrille {
namespace {

/// The carriers that words of codes become in registers. Others keep to the memory of blocks.
/// Of equal rates the first is taken: f16 is decoded faster than bf16.
constexpr StringLiteral carriers[] = {"e1m2", "e2m1",     "e2m3",     "s4",  "s8",
                                      "e4m3", "e4m3fnuz", "e5m2fnuz", "f16", "bf16"};
/// Of few rows of the product a block makes so many columns, or as many as its blocks have rows.
constexpr int64_t weightRowsOfFew = 16, mostWeightRows = 32;
/// Blocks of the fewest rows are about as many as four for each multiprocessor. Where the product's
/// rows are plain all of these find room for what is on its way; packed ones would wait for it.
constexpr int64_t residentOfPlain = 4;

/// What warps share out among them.
enum class WarpsHave { Contraction, WeightRows };

/// What one block makes.
struct DotBlock {
  int64_t weightRows, rows;
  WarpsHave share;
  int64_t granularity; ///< of the contraction: a step has whole blocks of both operands
  int64_t sumLength;   ///< of the contraction, where sums have scales: a block, or the longer
                       ///< one of an instruction; else 0
  unsigned runs = 1;   ///< of a lane in a row of a step: what is on its way

  /// Elements of a lane in a row: 16 bytes of codes; or a word, for scales take registers, and
  /// words that change lanes shared memory, but with those of 2^laneBits lanes a block.
  unsigned runBits(unsigned laneBits) const {
    return sumLength ? std::max(3u, llvm::Log2_64(sumLength) - laneBits) : 5;
  }

  int64_t parts(const TargetInfo &target) const {
    return share == WarpsHave::Contraction ? target.getWarps() : 1;
  }
};

/// Elements of an operand: each lane has runs of its rows, as the instruction has words of
/// `atom`, whose inner dimension has so many; warps have parts of the contraction, or those of
/// the weights its highest rows.
Tiling operandTiling(const TargetInfo &target, const LinearLayout &atom, unsigned atomWords,
                     const DotBlock &block, bool isWeights) {
  int64_t rows = isWeights ? block.weightRows : block.rows;
  auto isWord = [&](uint64_t basis) { return basis && basis < atomWords; };
  unsigned warpBits = llvm::Log2_32(target.getWarps());
  bool ofContraction = block.share == WarpsHave::Contraction;
  const unsigned lanesOfRow = llvm::count_if(atom.lane, isWord);
  const unsigned runBits = block.runBits(lanesOfRow);
  unsigned sharedBits = runBits + lanesOfRow + (ofContraction ? warpBits : 0);
  unsigned alongBits = std::max<unsigned>(sharedBits + llvm::Log2_32(block.runs),
                                          llvm::Log2_64_Ceil(block.granularity));
  unsigned nextAlong = runBits, rowBits = llvm::Log2_64(rows);
  std::vector<uint64_t> reg, lane, warp;
  for (unsigned bit = 0; bit < runBits; ++bit)
    reg.push_back(uint64_t(1) << bit);
  for (uint64_t basis : atom.lane)
    lane.push_back(isWord(basis) ? uint64_t(1) << nextAlong++
                                 : (basis / atomWords) << alongBits);
  unsigned end = alongBits + rowBits;
  for (unsigned bit = 0; bit < warpBits; ++bit)
    warp.push_back(ofContraction ? uint64_t(1) << nextAlong++
                   : isWeights   ? uint64_t(1) << (end - warpBits + bit)
                                 : 0);
  for (unsigned bit = sharedBits; bit < end; ++bit)
    if (uint64_t basis = uint64_t(1) << bit;
        !llvm::is_contained(lane, basis) && !llvm::is_contained(warp, basis))
      reg.push_back(basis);
  return {{rows, int64_t(1) << alongBits}, LinearLayout(alongBits + rowBits, reg, lane, warp)};
}

/// How words are multiplied that are held as `held`, (rows, words): those of an instruction are
/// neighbours, in their order.
LinearLayout orderedLayout(const LinearLayout &atom, unsigned atomWords, const LinearLayout &held,
                           int64_t words) {
  auto place = [&](uint64_t basis) {
    return basis < atomWords ? basis : basis / atomWords * uint64_t(words);
  };
  std::vector<uint64_t> reg, lane;
  llvm::transform(atom.reg, std::back_inserter(reg), place);
  llvm::transform(atom.lane, std::back_inserter(lane), place);
  for (unsigned bit = 0; bit < held.indexBits; ++bit) {
    uint64_t basis = uint64_t(1) << bit;
    if (!llvm::is_contained(reg, basis) && !llvm::is_contained(lane, basis) &&
        !llvm::is_contained(held.warp, basis))
      reg.push_back(basis);
  }
  return LinearLayout(held.indexBits, reg, lane, held.warp);
}

/// (rows, blocks), f32: the scales of an operand of such words for lanes with the accumulators
/// of `sums`.
RankedTensorType blockScalesType(RankedTensorType sums, const Tiling &tiling, int64_t blockCols,
                                 bool isWeights) {
  const int64_t columns = sums.getDimSize(1), parts = sums.getDimSize(2);
  const int64_t along = tiling.shape.along, blocks = along / blockCols;
  auto ofSum = [&](uint64_t basis) {
    uint64_t index = basis / parts;
    return (isWeights ? index / columns : index % columns) * uint64_t(blocks);
  };
  std::vector<uint64_t> reg, lane, warp;
  for (uint64_t basis : tiling.layout.warp)
    warp.push_back(basis / along * blocks + basis % along / blockCols);
  for (int64_t bit = 1; bit < blocks; bit *= 2)
    if (!llvm::is_contained(warp, uint64_t(bit)))
      reg.push_back(bit);
  LinearLayout acc = tile::getLayout(sums);
  for (uint64_t basis : acc.reg)
    if (uint64_t own = ofSum(basis))
      reg.push_back(own);
  llvm::transform(acc.lane, std::back_inserter(lane), ofSum);
  auto type = RankedTensorType::get({tiling.shape.across, blocks}, sums.getElementType());
  return tile::withLayout(
      type, LinearLayout(llvm::Log2_64(tiling.shape.across * blocks), reg, lane, warp));
}

/// (weights' rows, columns, parts) as the instruction leaves them.
RankedTensorType sumsType(const TargetInfo &target, const TargetInfo::MmaAtom &atom,
                          const DotBlock &block, Type element) {
  int64_t parts = block.parts(target), columns = block.rows;
  auto indexOf = [&](uint64_t basis) {
    return (basis / atom.n * columns + basis % atom.n) * parts;
  };
  std::vector<uint64_t> reg, lane, warp;
  for (uint64_t basis : atom.acc.reg)
    reg.push_back(indexOf(basis));
  for (uint64_t basis : atom.acc.lane)
    lane.push_back(indexOf(basis));
  for (int64_t column = atom.n; column < columns; column *= 2)
    reg.push_back(column * parts);
  bool isShared = block.share == WarpsHave::WeightRows;
  int64_t rowsOfWarp = block.weightRows / (isShared ? target.getWarps() : 1);
  for (int64_t row = atom.m; row < rowsOfWarp; row *= 2)
    reg.push_back(row * columns * parts);
  for (int64_t bit = 1; bit < target.getWarps(); bit *= 2)
    warp.push_back(isShared ? bit * rowsOfWarp * columns : bit);
  unsigned indexBits = llvm::Log2_64(block.weightRows * columns * parts);
  return tile::withLayout(RankedTensorType::get({block.weightRows, columns, parts}, element),
                          LinearLayout(indexBits, reg, lane, warp));
}

/// Parts side by side in a lane; lanes along the weights' rows, which are neighbours in memory.
LinearLayout storedLayout(const TargetInfo &target, const DotBlock &block) {
  int64_t parts = block.parts(target), columns = block.rows;
  std::vector<uint64_t> order, reg, lane, warp;
  for (int64_t row = 1; row < block.weightRows; row *= 2)
    order.push_back(row * columns * parts);
  for (int64_t column = 1; column < columns; column *= 2)
    order.push_back(column * parts);
  for (int64_t part = 1; part < parts; part *= 2)
    reg.push_back(part);
  size_t laneBits = llvm::Log2_32(target.getLanes()), warpBits = llvm::Log2_32(target.getWarps());
  for (auto [i, basis] : llvm::enumerate(order))
    (i < laneBits ? lane : i < laneBits + warpBits ? warp : reg).push_back(basis);
  lane.resize(laneBits);
  warp.resize(warpBits);
  return LinearLayout(llvm::Log2_64(block.weightRows * columns * parts), reg, lane, warp);
}

class DotMatmulEmitter {
public:
  DotMatmulEmitter(KernelBuilder &kernel, const MatmulRequest &request,
                   const target::CarrierChoice &choice, const DotBlock &block)
      : kernel(kernel), t(kernel.body, kernel.loc), request(request), choice(choice),
        atom(*kernel.target.mmaAtom(atomName(choice))), block(block) {
    const TargetInfo &target = kernel.target;
    weights = operandTiling(target, atom.lhs, atom.k, block, /*isWeights=*/true);
    inputs = operandTiling(target, atom.rhs, atom.k, block, /*isWeights=*/false);
    accType = sumsType(target, atom, block, t.b.getF32Type());
    column = kernel.tileOrigin(0, block.weightRows);
    row = kernel.tileOrigin(1, block.rows);
    const MatmulOperand &lhs = request.lhs;
    Value rows = kernel.pass(lhs.quantized ? lhs.quantized->rows : lhs.plain->sizes[0]);
    isOneRow = arith::CmpIOp::create(t.b, t.loc, arith::CmpIPredicate::eq, rows,
                                     kernel.constant(1));
  }

  void emit();

private:
  const target::OperandPlan &planOf(bool isWeights) const {
    return isWeights ? choice.b : choice.a;
  }
  quad::QuantizedTensorType typeOf(Value operand) const {
    return dyn_cast<quad::QuantizedTensorType>(operand.getType());
  }
  /// What one step reads: of both operands codes and scales as stored, or words of bf16.
  struct Step {
    PackedTile weights, inputs;

    SmallVector<Value> flat() const {
      SmallVector<Value> all{weights.words, inputs.words};
      llvm::append_range(all, weights.scales);
      llvm::append_range(all, inputs.scales);
      return all;
    }
    Step with(ValueRange all) const {
      size_t ofWeights = weights.scales.size();
      return {{all[0], all.slice(2, ofWeights)}, {all[1], all.drop_front(2 + ofWeights)}};
    }
  };
  PackedTile loadTile(const ScheduledTensor &tensor, quad::QuantizedTensorType type,
                      bool isWeights, Value origin, Value k);
  PackedTile loadInputs(Value k);
  Step load(Value k, bool isInside);
  Tile decode(const ScheduledTensor &tensor, quad::QuantizedTensorType type, const Tiling &tiling,
              const PackedTile &packed, const target::OperandPlan &plan);
  Tile multiply(const Step &step, Tile sums);
  SmallVector<Value> scalesOf(const Step &step, Tile ofWeights, Tile ofInputs);
  Tile blockScales(const PackedTile &packed, bool isWeights);
  Tile sumSteps(Value begin, Value end, Tile sums, bool isInside);
  Tile sumParts();

  KernelBuilder &kernel;
  TileBuilder t;
  const MatmulRequest &request;
  const target::CarrierChoice &choice;
  const TargetInfo::MmaAtom &atom;
  DotBlock block;
  Tiling weights, inputs;
  RankedTensorType accType; ///< (weights' rows, columns, parts)
  Value row, column; ///< of the block's first element
  Value isOneRow; ///< i1: all rows are read as that, so that lanes do alike; the sums are dropped
};

PackedTile DotMatmulEmitter::loadTile(const ScheduledTensor &tensor,
                                      quad::QuantizedTensorType type, bool isWeights,
                                      Value origin, Value k) {
  const Tiling &tiling = isWeights ? weights : inputs;
  if (planOf(isWeights).application != target::ScaleApplication::PerKBlock)
    return loadPacked(kernel, tensor, type, tiling, origin, k);
  return loadWithBlockScales(kernel, tensor, type, tiling,
                             blockScalesType(accType, tiling, choice.kBlock, isWeights), origin, k);
}

PackedTile DotMatmulEmitter::loadInputs(Value k) {
  quad::MatmulOp op = request.op;
  if (request.lhs.quantized)
    return loadTile(*request.lhs.quantized, typeOf(op.getLhs()), /*isWeights=*/false, row, k);
  const ScheduledMatrix &matrix = *request.lhs.plain;
  auto elements = tile::withLayout(
      RankedTensorType::get({inputs.shape.across, inputs.shape.along}, t.b.getI32Type()),
      inputs.layout);
  auto half = [&](Value elements) { return kernel.div(kernel.pass(elements), 2); };
  Tile words = tile::LoadOp::create(
      t.b, t.loc, tile::halvedType(elements), kernel.pass(matrix.buffer),
      ValueRange{row, kernel.div(k, 2)},
      ValueRange{kernel.unlessRepeated(kernel.pass(matrix.sizes[0]), block.rows),
                 half(matrix.sizes[1])},
      ValueRange{kernel.unlessRepeated(half(matrix.strides[0]), 0), kernel.constant(1)},
      /*inside=*/Value(),
      t.b.getI64IntegerAttr(matrix.alignment), t.b.getI64IntegerAttr(matrix.divisors[1] / 2));
  return {words, {}};
}

/// `isInside`: all rows and elements of the weights' tile are theirs.
DotMatmulEmitter::Step DotMatmulEmitter::load(Value k, bool isInside) {
  quad::MatmulOp op = request.op;
  Step step;
  {
    llvm::SaveAndRestore ofInputs(kernel.repeatsRow, isOneRow);
    step.inputs = loadInputs(k);
  }
  llvm::SaveAndRestore ofWeights(kernel.inside);
  if (isInside)
    kernel.inside = arith::ConstantOp::create(t.b, t.loc, t.b.getBoolAttr(true));
  step.weights =
      loadTile(*request.rhs.quantized, typeOf(op.getRhs()), /*isWeights=*/true, column, k);
  return step;
}

/// Words of the carrier's elements.
Tile DotMatmulEmitter::decode(const ScheduledTensor &tensor, quad::QuantizedTensorType type,
                              const Tiling &tiling, const PackedTile &packed,
                              const target::OperandPlan &plan) {
  if (plan.carrier->storageBits == 16) {
    bool isFolded = plan.application != target::ScaleApplication::PerKBlock;
    return decodePairs(kernel, tensor, type, tiling,
                       isFolded ? packed : PackedTile{packed.words, {}}, *plan.carrier);
  }
  return carrierWords(kernel, type, tiling, packed.words, plan);
}

Tile DotMatmulEmitter::multiply(const Step &step, Tile sums) {
  quad::MatmulOp op = request.op;
  Tile ofInputs = request.lhs.quantized
                      ? decode(*request.lhs.quantized, typeOf(op.getLhs()), inputs, step.inputs,
                               choice.a)
                      : step.inputs.words;
  Tile ofWeights = decode(*request.rhs.quantized, typeOf(op.getRhs()), weights, step.weights,
                          choice.b);
  SmallVector<Value> scales = scalesOf(step, ofWeights, ofInputs);
  if (choice.kBlock) {
    auto inOrder = [&](Tile words, const LinearLayout &operand) {
      RankedTensorType type = TileBuilder::typeOf(words);
      return t.convertLayout(words, orderedLayout(operand, atom.k, tile::getLayout(type),
                                                  type.getDimSize(1)));
    };
    ofWeights = inOrder(ofWeights, atom.lhs);
    ofInputs = inOrder(ofInputs, atom.rhs);
  }
  return tile::DotOp::create(t.b, t.loc, sums.getType(), ofWeights, ofInputs, sums, scales,
                             atomName(choice));
}

/// None, or of blocks: of the weights, then of the inputs.
SmallVector<Value> DotMatmulEmitter::scalesOf(const Step &step, Tile ofWeights, Tile ofInputs) {
  quad::MatmulOp op = request.op;
  if (choice.kBlock)
    return {blockScales(step.weights, /*isWeights=*/true),
            blockScales(step.inputs, /*isWeights=*/false)};
  if (!atom.wordsOfScale)
    return {};
  return {scalesOfBlocks(kernel, typeOf(op.getRhs()), weights, step.weights,
                         TileBuilder::typeOf(ofWeights), atom.wordsOfScale),
          scalesOfBlocks(kernel, typeOf(op.getLhs()), inputs, step.inputs,
                         TileBuilder::typeOf(ofInputs), atom.wordsOfScale)};
}

/// 1 for an operand that has its scales in its words, or none.
Tile DotMatmulEmitter::blockScales(const PackedTile &packed, bool isWeights) {
  quad::MatmulOp op = request.op;
  if (planOf(isWeights).application == target::ScaleApplication::PerKBlock)
    return decodeBlockScales(kernel, typeOf(isWeights ? op.getRhs() : op.getLhs()),
                             packed.scales.front());
  auto type = blockScalesType(accType, isWeights ? weights : inputs, choice.kBlock, isWeights);
  return arith::ConstantOp::create(t.b, t.loc, DenseElementsAttr::get(type, 1.0f));
}

/// The next step is read while one is multiplied; what is read last, at the end again, is not.
Tile DotMatmulEmitter::sumSteps(Value begin, Value end, Tile sums, bool isInside) {
  int64_t along = weights.shape.along;
  Value isEmpty = arith::CmpIOp::create(t.b, t.loc, arith::CmpIPredicate::sge, begin, end);
  auto ifOp = scf::IfOp::create(t.b, t.loc, sums.getType(), isEmpty, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(t.b);
  t.b.setInsertionPointToStart(ifOp.thenBlock());
  scf::YieldOp::create(t.b, t.loc, ValueRange{sums});
  t.b.setInsertionPointToStart(ifOp.elseBlock());
  Step first = load(begin, isInside);
  SmallVector<Value> carried{sums};
  llvm::append_range(carried, first.flat());
  auto loop = scf::ForOp::create(t.b, t.loc, begin, end, kernel.constant(along), carried);
  t.b.setInsertionPointToStart(loop.getBody());
  Value next = arith::AddIOp::create(t.b, t.loc, loop.getInductionVar(), kernel.constant(along));
  Value isLast = arith::CmpIOp::create(t.b, t.loc, arith::CmpIPredicate::sge, next, end);
  next = arith::SelectOp::create(t.b, t.loc, isLast, loop.getInductionVar(), next);
  Step following = load(next, isInside);
  Step current = first.with(loop.getRegionIterArgs().drop_front());
  SmallVector<Value> yielded{multiply(current, loop.getRegionIterArg(0))};
  llvm::append_range(yielded, following.flat());
  scf::YieldOp::create(t.b, t.loc, yielded);
  t.b.setInsertionPointToEnd(ifOp.elseBlock());
  scf::YieldOp::create(t.b, t.loc, ValueRange{loop.getResult(0)});
  return ifOp.getResult(0);
}

/// Sums of weights' rows times the product's, (block.weightRows, block.rows).
Tile DotMatmulEmitter::sumParts() {
  // Whole steps of whole rows need no masks.
  int64_t step = weights.shape.along;
  Value length = kernel.pass(request.rhs.quantized->length);
  Value endOfRows = arith::AddIOp::create(t.b, t.loc, column, kernel.constant(block.weightRows));
  Value allRows = arith::CmpIOp::create(t.b, t.loc, arith::CmpIPredicate::sle, endOfRows,
                                        kernel.pass(request.rhs.quantized->rows));
  Value whole = arith::SelectOp::create(t.b, t.loc, allRows,
                                        kernel.mul(kernel.div(length, step), kernel.constant(step)),
                                        kernel.constant(0));
  Tile none = arith::ConstantOp::create(t.b, t.loc, DenseElementsAttr::get(accType, 0.0f));
  Tile parts = sumSteps(kernel.constant(0), whole, none, /*isInside=*/true);
  parts = sumSteps(whole, length, parts, /*isInside=*/false);
  Tile sums = t.convertLayout(parts, storedLayout(kernel.target, block));
  if (block.parts(kernel.target) > 1)
    sums = t.reduce(tile::Reduction::addf, sums, {2});
  return t.reshape(sums, {block.weightRows, block.rows});
}

void DotMatmulEmitter::emit() {
  DotSums sums{t.transpose(sumParts()), row, column};
  sums.value = finishSums(kernel, request, choice.a.shift + choice.b.shift, sums);
  storeFinished(kernel, request, sums);
  ScheduleBuilder &s = kernel.schedule;
  const auto &sizes = request.result.sizes;
  kernel.launch(s.ceilDiv(sizes[1], block.weightRows), s.ceilDiv(sizes[0], block.rows),
                /*cost=*/0);
}

/// Elements of the contraction that an instruction sums.
int64_t lengthOfSums(const TargetInfo &target, const target::CarrierChoice &choice) {
  constexpr unsigned bitsOfWord = 32;
  return target.mmaAtom(atomName(choice))->k * (bitsOfWord / choice.a.carrier->storageBits);
}

/// What kernels of all carriers need: what is read beyond the end is zero.
std::string whyNotRead(const Format &format, int64_t mostRows) {
  if (format.alternative || format.grid.values.front() != 0)
    return format.name + " has a choice of grids, or a code 0 that is not 0";
  if (llvm::any_of(format.levels, [&](const Level &level) {
        return !level.block.isTensor() && (level.block.rows > mostRows || level.block.cols % 2);
      }))
    return format.name + " has blocks of more than " + std::to_string(mostRows) +
           " rows or odd columns";
  return "";
}

/// Scales, each on its own, are numbers of the carrier too.
std::string whyNotPairs(const Format &format, const target::OperandPlan &plan) {
  const target::CarrierType &carrier = *plan.carrier;
  auto isHeld = [&](size_t i) {
    const Level &level = format.levels[i];
    const numerics::ScaleTypeInfo &info = numerics::scaleTypeInfo(level.type);
    if (level.block.isTensor())
      return true;
    unsigned bits = level.bits ? level.bits : info.mantissaBits + 1;
    if (bits > carrier.significantBits())
      return false;
    // bf16 has the exponents of f32, which all scales are decoded to.
    constexpr unsigned mostToEnumerate = 16;
    return carrier.name == "bf16" ||
           (info.storageBits <= mostToEnumerate &&
            llvm::all_of(target::producibleScales(format, i), [&](uint32_t scale) {
              return carrier.holds(numerics::decodeScale(level.type, scale));
            }));
  };
  return plan.exact && llvm::all_of(llvm::seq<size_t>(0, format.levels.size()), isHeld)
             ? ""
             : "the scales of " + format.name + " are no " + std::string(carrier.name) + " numbers";
}

/// Sums are multiplied by the scales of one level, those of `kBlock` elements.
std::string whyNotSums(const Format &format, const target::OperandPlan &plan, unsigned kBlock) {
  size_t levels = format.levels.size() - format.hasTensorLevel();
  const Block &block = format.levels.front().block;
  if (plan.foldedLevels != 0 || levels != 1 || block.rows != 1 || block.cols != kBlock)
    return "the scales of " + format.name + " are not those of rows of " +
           std::to_string(kBlock) + " alone";
  return whyNoCarrierWords(format, plan);
}

/// The instruction takes the scales, and words of codes become its operands.
std::string whyNotNative(const Format &format, const target::OperandPlan &plan) {
  if (plan.application != target::ScaleApplication::Native)
    return std::string(plan.carrier->name) + " instructions take no scales of " + format.name;
  return whyNoCarrierWords(format, plan);
}

std::string whyNotPlain(const std::optional<ScheduledMatrix> &plain) {
  Type element = cast<tile::BufferType>(plain->buffer.getType()).getElementType();
  if (!element.isBF16() || !plain->isContiguous || plain->contiguousDim != 1 ||
      plain->alignment < 4 || plain->divisors[1] % 2)
    return "the left operand is no bf16 matrix whose rows are aligned to 4 bytes";
  return "";
}

/// Why there is no kernel in a carrier; empty if there is one.
std::string whyNoDot(const TargetInfo &target, const MatmulRequest &request,
                     const target::CarrierChoice &choice) {
  quad::MatmulOp op = request.op;
  if (choice.refused())
    return choice.refusal;
  if (request.groups)
    return "the product has groups, which the host and sm_90a have an engine for";
  if (request.lhs.prepared || request.rhs.prepared)
    return "an operand is prepared, which products of panels read";
  std::string carrier = atomName(choice);
  const TargetInfo::MmaAtom *atom = target.mmaAtom(carrier);
  if (!atom)
    return "its instructions of single warps are not used yet";
  if (!request.rhs.quantized)
    return "the right operand is not quantized";
  bool isNative = atom->wordsOfScale != 0;
  if (isNative && !atom->choosesScale)
    return "its instructions take the scales of four blocks in one word, as only panels have them";
  const bool isOfBytes = choice.a.carrier->storageBits <= 8;
  if (isOfBytes ? !isNative && !choice.kBlock : choice.a.shift || choice.b.shift)
    return carrier + " does not hold code x scale";
  if (choice.kBlock && isNative)
    return "its instructions take scales of their own";
  std::optional<Format> lhs = formatOf(op.getLhs()), rhs = formatOf(op.getRhs());
  auto whyNot = [&](const Format &format, const target::OperandPlan &plan, int64_t mostRows) {
    std::string why = whyNotRead(format, mostRows);
    if (why.empty() && plan.application == target::ScaleApplication::PerKBlock)
      why = whyNotSums(format, plan, choice.kBlock);
    else if (why.empty())
      why = isNative ? whyNotNative(format, plan) : whyNotPairs(format, plan);
    return why;
  };
  std::string why = whyNot(*rhs, choice.b, mostWeightRows);
  if (why.empty())
    why = lhs ? whyNot(*lhs, choice.a, /*mostRows=*/1) : whyNotPlain(request.lhs.plain);
  return why;
}

} // namespace

/// The rate to compare by, of a kernel that there is: where an instruction sums more than a block,
/// the rest of it is zeros.
static double rateOf(const TargetInfo &target, const target::CarrierChoice &choice) {
  double rate = choice.comparedRate();
  return choice.kBlock ? rate * std::min(1.0, double(choice.kBlock) / lengthOfSums(target, choice))
                       : rate;
}

/// The length that a step's words are a multiple of, so that each instruction has its own.
static int64_t sumLengthOf(const TargetInfo &target, const target::CarrierChoice &choice) {
  return choice.kBlock ? std::max<int64_t>(choice.kBlock, lengthOfSums(target, choice)) : 0;
}

DotPlan planDot(const TargetInfo &target, const target::Capability &capability,
                const MatmulRequest &request) {
  DotPlan best;
  double bestRate = 0;
  for (StringRef carrier : carriers) {
    target::SelectOptions only;
    only.carrier = carrier;
    target::CarrierChoice choice = quad::selectCarrier(request.op, capability, only);
    std::string whyNot = whyNoDot(target, request, choice);
    double rate = whyNot.empty() ? rateOf(target, choice) : 0;
    if (rate > bestRate || !best.exists()) {
      best = {whyNot, choice};
      bestRate = rate;
    }
  }
  return best;
}

SmallVector<int64_t> rowsOfDots(const TargetInfo &target, const DotPlan &plan) {
  constexpr int64_t few = 16;
  SmallVector<int64_t> counts;
  for (int64_t rows = target.mmaAtom(atomName(plan.choice))->n; rows <= few; rows *= 2)
    counts.push_back(rows);
  return counts;
}

static int64_t granularityOf(const MatmulRequest &request) {
  int64_t granularity = 1;
  quad::MatmulOp op = request.op;
  for (Value operand : {op.getLhs(), op.getRhs()})
    if (auto type = dyn_cast<quad::QuantizedTensorType>(operand.getType()))
      granularity = std::max<int64_t>(granularity, type.getGranularity());
  return granularity;
}

void emitDotMatmul(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module, StringRef name,
                   const MatmulRequest &request, const DotPlan &plan, int64_t rows) {
  quad::MatmulOp op = request.op;
  int64_t ofBlocks = rowsOfBlocks(quad::getQuantizedType(op.getRhs().getType()));
  const unsigned runs = plan.choice.kBlock ? 1 : 2; // what changes lanes takes shared memory
  DotBlock block{std::max(weightRowsOfFew, ofBlocks), rows, WarpsHave::Contraction,
                 granularityOf(request), sumLengthOf(target, plan.choice), runs};
  KernelBuilder kernel(s, target, name, module);
  if (request.lhs.plain && rows == rowsOfDots(target, plan).front())
    kernel.kernel->setAttr("tile.resident", s.b.getI64IntegerAttr(residentOfPlain));
  DotMatmulEmitter(kernel, request, plan.choice, block).emit();
}

bool hasLargeDots(const TargetInfo &target, const DotPlan &plan) {
  return target.dotTile(plan.choice.a.carrier->name).columns != 0;
}

void emitLargeDots(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module, StringRef name,
                   const MatmulRequest &request, const DotPlan &plan) {
  TargetInfo::DotTile tile = target.dotTile(plan.choice.a.carrier->name);
  DotBlock block{tile.rowsOfWarp * target.getWarps(), tile.columns, WarpsHave::WeightRows,
                 granularityOf(request), sumLengthOf(target, plan.choice)};
  KernelBuilder kernel(s, target, name, module);
  DotMatmulEmitter(kernel, request, plan.choice, block).emit();
}

} // namespace quadrille
