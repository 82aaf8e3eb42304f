//===- PanelDots.cpp - Products of panels by single warps -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// As in DotMatmul.cpp the weights are the instruction's rows, of which each warp has its own, and
// it reads their chunks of panels as it multiplies them. The block's warps share the product's
// rows: these pass through shared memory, from which each takes all of them. While one step is
// multiplied the next is on its way to registers.
//
// Which row is which of an instruction is free: those whose sums a lane holds are neighbours, so
// results are stored as they are.
//
//===----------------------------------------------------------------------===//
#include "DotEpilogue.h"
#include "PanelOperands.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using quadrille::layout::LinearLayout;

namespace quadrille {
namespace {

constexpr int64_t bytesOfWord = 4, wordsOfChunk = chunkBytes / bytesOfWord;

/// What the rows of repeated instructions are in a tile, as bases of their bits.
struct RowOrder {
  SmallVector<uint64_t> ofInstruction, ofRepetition;
};

/// Of the weights of a warp.
RowOrder neighboursInLanes(const TargetInfo::MmaAtom &atom, int64_t rowsOfWarp) {
  RowOrder order;
  order.ofInstruction.resize(llvm::Log2_32(atom.m));
  uint64_t next = 1;
  auto take = [&](ArrayRef<uint64_t> bases) {
    for (uint64_t basis : bases)
      if (basis >= atom.n) {
        order.ofInstruction[llvm::Log2_64(basis / atom.n)] = next;
        next *= 2;
      }
  };
  take(atom.acc.reg);
  for (int64_t rows = atom.m; rows < rowsOfWarp; rows *= 2, next *= 2)
    order.ofRepetition.push_back(next);
  take(atom.acc.lane);
  return order;
}

/// Of the product's rows.
RowOrder oneAfterAnother(unsigned size, int64_t rows) {
  RowOrder order;
  for (int64_t row = 1; row < rows; row *= 2)
    (row < size ? order.ofInstruction : order.ofRepetition).push_back(row);
  return order;
}

/// How lanes have an operand of so many words a row: a lane chunks of its rows, as `operand` of the
/// instruction has words; words with scales are those of the instruction. Warps have the highest
/// rows, or all of them all.
LinearLayout operandLayout(const TargetInfo &target, const TargetInfo::MmaAtom &atom,
                           const LinearLayout &operand, const RowOrder &order, int64_t words,
                           int64_t rowsOfWarp, bool isShared) {
  auto ofRow = [&](uint64_t basis) {
    return order.ofInstruction[llvm::Log2_64(basis / atom.k)] * uint64_t(words);
  };
  std::vector<uint64_t> reg, lane, warp;
  for (int64_t word = 1; word < wordsOfChunk; word *= 2)
    reg.push_back(word);
  uint64_t next = wordsOfChunk;
  for (uint64_t basis : operand.lane) {
    bool isWord = basis && basis < atom.k;
    lane.push_back(!isWord ? (basis ? ofRow(basis) : 0) : atom.wordsOfScale ? basis : next);
    next *= isWord ? 2 : 1;
  }
  for (uint64_t basis : operand.reg)
    if (basis >= atom.k)
      reg.push_back(ofRow(basis));
  for (int64_t word = wordsOfChunk; word < words; word *= 2)
    if (!llvm::is_contained(lane, uint64_t(word)))
      reg.push_back(word);
  for (uint64_t row : order.ofRepetition)
    reg.push_back(row * words);
  int64_t rows = rowsOfWarp;
  for (unsigned warps = 1; warps < target.getWarps(); warps *= 2, rows *= isShared ? 1 : 2)
    warp.push_back(isShared ? 0 : rows * words);
  return LinearLayout(llvm::Log2_64(rows * words), reg, lane, warp);
}

/// How lanes have the words of scales of an operand in `held`, of an instruction in `operand`.
LinearLayout scalesLayout(const TargetInfo::MmaAtom &atom, const LinearLayout &operand,
                          const RowOrder &order, const LinearLayout &held, int64_t words) {
  const uint64_t perRow = atom.scaleWords();
  LinearLayout scales = atom.scalesOf(operand);
  auto place = [&](uint64_t basis) {
    return basis < perRow ? basis : order.ofInstruction[llvm::Log2_64(basis / perRow)] * perRow;
  };
  llvm::transform(scales.reg, scales.reg.begin(), place);
  llvm::transform(scales.lane, scales.lane.begin(), place);
  for (uint64_t row : order.ofRepetition)
    scales.reg.push_back(row * perRow);
  for (uint64_t basis : held.warp)
    scales.warp.push_back(basis / words * perRow);
  scales.indexBits = held.indexBits - llvm::Log2_64(words) + llvm::Log2_64(perRow);
  return scales;
}

/// How a block reads what its warps share: eight lanes a chunk of each row of a group, which are
/// neighbours in memory, others the chunks that follow, then groups.
LinearLayout sharedLayout(const TargetInfo &target, int64_t rows, int64_t words) {
  std::vector<uint64_t> order, reg, lane, warp;
  auto append = [&](int64_t first, int64_t end) {
    for (int64_t basis = first; basis < end; basis *= 2)
      order.push_back(basis);
  };
  append(words, groupRows * words);
  append(wordsOfChunk, words);
  append(groupRows * words, rows * words);
  for (int64_t word = 1; word < wordsOfChunk; word *= 2)
    reg.push_back(word);
  size_t laneBits = llvm::Log2_32(target.getLanes()), warpBits = llvm::Log2_32(target.getWarps());
  for (auto [i, basis] : llvm::enumerate(order))
    (i < laneBits ? lane : i < laneBits + warpBits ? warp : reg).push_back(basis);
  lane.resize(laneBits);
  warp.resize(warpBits);
  return LinearLayout(llvm::Log2_64(rows * words), reg, lane, warp);
}

/// (weights' rows, columns, 1) as instructions leave them.
RankedTensorType sumsType(const TargetInfo &target, const TargetInfo::MmaAtom &atom,
                          const RowOrder &ofRows, const RowOrder &ofColumns, int64_t rowsOfWarp,
                          int64_t columns, Type element) {
  auto place = [&](uint64_t basis) {
    if (basis >= atom.n)
      return ofRows.ofInstruction[llvm::Log2_64(basis / atom.n)] * columns;
    return basis ? ofColumns.ofInstruction[llvm::Log2_64(basis)] : 0;
  };
  std::vector<uint64_t> reg, lane, warp;
  llvm::transform(atom.acc.reg, std::back_inserter(reg), place);
  llvm::transform(atom.acc.lane, std::back_inserter(lane), place);
  for (uint64_t row : ofRows.ofRepetition)
    reg.push_back(row * columns);
  reg.insert(reg.end(), ofColumns.ofRepetition.begin(), ofColumns.ofRepetition.end());
  int64_t rows = rowsOfWarp;
  for (unsigned warps = 1; warps < target.getWarps(); warps *= 2, rows *= 2)
    warp.push_back(rows * columns);
  return tile::withLayout(RankedTensorType::get({rows, columns, 1}, element),
                          LinearLayout(llvm::Log2_64(rows * columns), reg, lane, warp));
}

class PanelDotsEmitter {
public:
  PanelDotsEmitter(KernelBuilder &kernel, const MatmulRequest &request, const PanelPlan &plan,
                   const PanelSide &lhs, const PanelSide &rhs);

  void emit();

private:
  /// A side's panels, how many of its rows a block reads, in which layout and from which on; and
  /// how its scales are held.
  struct Operand {
    const CarrierResult &panels;
    int64_t rows;
    LinearLayout layout, scales;
    Value first;
    Value outer; ///< of the schedule: rows in all

    int64_t panelsOfBlock() const { return std::max<int64_t>(1, rows / panelRows); }
    int64_t rowsOfPanel() const { return std::min<int64_t>(rows, panelRows); }
  };

  /// What both sides have of a step; without scales where the instruction takes none.
  struct Step {
    Tile weights, inputs;
    SmallVector<Value> scales;

    SmallVector<Value> flat() const {
      SmallVector<Value> all{weights, inputs};
      llvm::append_range(all, scales);
      return all;
    }
    static Step of(ValueRange all) { return {all[0], all[1], all.drop_front(2)}; }
  };

  Value panelDistance(const Operand &operand, Value distance);
  Tile load(const Operand &operand, Value turn, int64_t step);
  Tile loadScales(const Operand &operand, Value turn, int64_t step);
  /// `before` is the step before in its turn, or null.
  Step load(Value turn, int64_t step, const Step *before = nullptr);
  Tile multiply(const Step &step, int64_t number, Tile sums);
  Tile sumSteps();
  Tile undoExponents(Tile value);
  Tile isStored(Tile like);
  Tile flagsOf(const Operand &operand, Tile like, unsigned dim);
  Tile exponentsOf(const Operand &operand, Tile like, unsigned dim, Value count);

  KernelBuilder &kernel;
  TileBuilder t;
  const MatmulRequest &request;
  const PanelPlan &plan;
  const TargetInfo::MmaAtom &atom;
  const TargetInfo::PanelTile &size;
  int64_t words; ///< of a row in a step
  bool chooses;  ///< a byte of each word of scales, by the step's number
  std::optional<Operand> weights, inputs;
  LinearLayout inputsOfWarp;
  RankedTensorType accType; ///< (weights' rows, columns, 1)
};

PanelDotsEmitter::PanelDotsEmitter(KernelBuilder &kernel, const MatmulRequest &request,
                                   const PanelPlan &plan, const PanelSide &lhs,
                                   const PanelSide &rhs)
    : kernel(kernel), t(kernel.body, kernel.loc), request(request), plan(plan),
      atom(*plan.dots->atom), size(plan.dots->tile), words(size.stepBytes / bytesOfWord),
      chooses(atom.wordsOfScale && atom.choosesScale) {
  const TargetInfo &target = kernel.target;
  RowOrder ofRows = neighboursInLanes(atom, size.rowsOfWarp);
  RowOrder ofColumns = oneAfterAnother(atom.n, size.columns);
  int64_t rows = size.rowsOfWarp * target.getWarps();
  LinearLayout ofWeights = operandLayout(target, atom, atom.lhs, ofRows, words,
                                         size.rowsOfWarp, /*isShared=*/false);
  inputsOfWarp = operandLayout(target, atom, atom.rhs, ofColumns, words, size.columns,
                               /*isShared=*/true);
  auto ofScales = [&](const LinearLayout &operand, const RowOrder &order,
                      const LinearLayout &held) {
    return atom.wordsOfScale ? scalesLayout(atom, operand, order, held, words) : LinearLayout();
  };
  weights.emplace(Operand{rhs.panels, rows, ofWeights, ofScales(atom.lhs, ofRows, ofWeights),
                          kernel.tileOrigin(0, rows), request.result.sizes[1]});
  inputs.emplace(Operand{lhs.panels, size.columns, sharedLayout(target, size.columns, words),
                         ofScales(atom.rhs, ofColumns, inputsOfWarp),
                         kernel.tileOrigin(1, size.columns), request.result.sizes[0]});
  accType = sumsType(target, atom, ofRows, ofColumns, size.rowsOfWarp, size.columns,
                     t.b.getF32Type());
  assert((rows <= panelRows || atom.wordsOfScale) && size.columns <= panelRows &&
         "flags are those of one panel");
}

/// From one of the block's panels to the next: where there is none that one again, whose rows lie
/// beyond the product's.
Value PanelDotsEmitter::panelDistance(const Operand &operand, Value distance) {
  Value count = kernel.pass(kernel.schedule.ceilDiv(operand.outer, panelRows));
  Value last = arith::SubIOp::create(t.b, t.loc, count, kernel.constant(1));
  Value isLast = arith::CmpIOp::create(t.b, t.loc, arith::CmpIPredicate::sge,
                                       kernel.div(operand.first, panelRows), last);
  return arith::SelectOp::create(t.b, t.loc, isLast, kernel.constant(0), distance);
}

/// (rows, words), i32. Panels are whole: nothing lies outside. Where an instruction takes a byte of
/// each word of scales, the blocks of a step lie as far apart as a word has bytes.
Tile PanelDotsEmitter::load(const Operand &operand, Value turn, int64_t step) {
  auto c = [&](int64_t value) { return kernel.constant(value); };
  constexpr int64_t bytesOfScaleWord = 4;
  const int64_t chunks = words / wordsOfChunk;
  const int64_t run = chooses ? atom.wordsOfScale / wordsOfChunk : chunks;
  const int64_t apart = chooses ? bytesOfScaleWord * run : chunks;
  const int64_t inTurn = chooses ? step * run : step * chunks;
  const int64_t runsOfPiece = std::min(chunks / run, std::max<int64_t>(1, chunksOfPiece / apart));
  auto flat = tile::withLayout(RankedTensorType::get({operand.rows, words}, t.b.getI32Type()),
                               operand.layout);
  // Panel, if there are several; group, row; piece, run, chunk, word.
  const int64_t pieces = chunks / run / runsOfPiece, panels = operand.panelsOfBlock();
  const size_t without = panels == 1;
  const int64_t shape[] = {panels, operand.rowsOfPanel() / groupRows, groupRows, pieces,
                           runsOfPiece, run, wordsOfChunk};
  auto type = tile::reshapedType(flat, ArrayRef(shape).drop_front(without));
  Value panel = kernel.div(operand.first, panelRows);
  Value row = arith::RemUIOp::create(t.b, t.loc, operand.first, c(panelRows));
  Value ofPanel = kernel.pass(operand.panels.pieces);
  Value bytes = kernel.mul(kernel.mul(panel, ofPanel), c(panelPieceBytes));
  Value base = LLVM::GEPOp::create(t.b, t.loc, LLVM::LLVMPointerType::get(t.b.getContext()),
                                   t.b.getI8Type(), kernel.pass(operand.panels.values),
                                   ValueRange{bytes});
  Value piece = arith::AddIOp::create(t.b, t.loc, kernel.mul(turn, c(plan.dots->piecesOfTurn())),
                                      c(inTurn / chunksOfPiece));
  Value offsets[] = {c(0), kernel.div(row, groupRows), c(0), piece, c(0),
                     c(inTurn % chunksOfPiece), c(0)};
  Value bounds[] = {c(panels), c(panelRows / groupRows), c(groupRows), ofPanel, c(runsOfPiece),
                    c(chunksOfPiece), c(wordsOfChunk)};
  constexpr int64_t wordsOfRow = pieceBytes / bytesOfWord;
  Value distance =
      without ? Value() : panelDistance(operand, kernel.mul(ofPanel, c(panelRows * wordsOfRow)));
  Value strides[] = {distance,
                     c(groupRows * wordsOfRow),
                     c(wordsOfChunk),
                     c(panelRows * wordsOfRow),
                     c(apart * groupRows * wordsOfChunk),
                     c(groupRows * wordsOfChunk),
                     c(1)};
  Value inside = arith::ConstantOp::create(t.b, t.loc, t.b.getBoolAttr(true));
  auto present = [&](ArrayRef<Value> dims) { return ValueRange(dims.drop_front(without)); };
  Tile loaded = tile::LoadOp::create(t.b, t.loc, type, base, present(offsets), present(bounds),
                                     present(strides), inside, t.b.getI64IntegerAttr(chunkBytes),
                                     t.b.getI64IntegerAttr(wordsOfChunk));
  return t.reshape(loaded, flat.getShape());
}

/// (rows, words of scales), i32, of a step, or of all steps that choose bytes of them.
Tile PanelDotsEmitter::loadScales(const Operand &operand, Value turn, int64_t step) {
  auto c = [&](int64_t value) { return kernel.constant(value); };
  const int64_t perRow = atom.scaleWords();
  auto flat = tile::withLayout(RankedTensorType::get({operand.rows, perRow}, t.b.getI32Type()),
                               operand.scales);
  const int64_t panels = operand.panelsOfBlock();
  const size_t without = panels == 1;
  const int64_t shape[] = {panels, operand.rowsOfPanel(), perRow};
  auto type = tile::reshapedType(flat, ArrayRef(shape).drop_front(without));
  // Panel, turn, row.
  Value turns = kernel.div(kernel.pass(operand.panels.pieces), plan.dots->piecesOfTurn());
  Value before = kernel.mul(kernel.div(operand.first, panelRows), turns);
  Value chunk = kernel.mul(arith::AddIOp::create(t.b, t.loc, before, turn), c(panelRows));
  Value row = arith::RemUIOp::create(t.b, t.loc, operand.first, c(panelRows));
  Value distance =
      without ? Value() : panelDistance(operand, kernel.mul(turns, c(panelRows * wordsOfChunk)));
  Value offsets[] = {c(0), arith::AddIOp::create(t.b, t.loc, chunk, row),
                     c(chooses ? 0 : step * perRow)};
  Value bounds[] = {c(panels), c(int64_t(1) << 40), c(wordsOfChunk)};
  Value strides[] = {distance, c(wordsOfChunk), c(1)};
  Value inside = arith::ConstantOp::create(t.b, t.loc, t.b.getBoolAttr(true));
  auto present = [&](ArrayRef<Value> dims) { return ValueRange(dims.drop_front(without)); };
  Tile loaded = tile::LoadOp::create(t.b, t.loc, type, kernel.pass(operand.panels.scales),
                                     present(offsets), present(bounds), present(strides), inside,
                                     t.b.getI64IntegerAttr(perRow * bytesOfWord),
                                     t.b.getI64IntegerAttr(perRow));
  return t.reshape(loaded, flat.getShape());
}

PanelDotsEmitter::Step PanelDotsEmitter::load(Value turn, int64_t step, const Step *before) {
  Step loaded{load(*weights, turn, step), load(*inputs, turn, step), {}};
  if (!atom.wordsOfScale)
    return loaded;
  if (chooses && before)
    loaded.scales = before->scales;
  else
    loaded.scales = {loadScales(*weights, turn, step), loadScales(*inputs, turn, step)};
  return loaded;
}

Tile PanelDotsEmitter::multiply(const Step &step, int64_t number, Tile sums) {
  const bool promotes = plan.choice.promote; // a step has at most 128 elements
  Tile none = arith::ConstantOp::create(t.b, t.loc, DenseElementsAttr::get(accType, 0.0f));
  Tile own = t.convertLayout(step.inputs, inputsOfWarp);
  Tile products = tile::DotOp::create(t.b, t.loc, accType, step.weights, own,
                                      promotes ? none : sums, step.scales, atomName(plan.choice),
                                      chooses ? number : 0);
  return promotes ? t.addf(sums, products) : products;
}

/// One step is on its way while another is multiplied. What is read beyond the last turn, that
/// again, is not used.
Tile PanelDotsEmitter::sumSteps() {
  auto c = [&](int64_t value) { return kernel.constant(value); };
  Value turns = kernel.div(kernel.pass(inputs->panels.pieces), plan.dots->piecesOfTurn());
  Tile none = arith::ConstantOp::create(t.b, t.loc, DenseElementsAttr::get(accType, 0.0f));
  Value isEmpty = arith::CmpIOp::create(t.b, t.loc, arith::CmpIPredicate::eq, turns, c(0));
  auto ifOp = scf::IfOp::create(t.b, t.loc, accType, isEmpty, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(t.b);
  t.b.setInsertionPointToStart(ifOp.thenBlock());
  scf::YieldOp::create(t.b, t.loc, ValueRange{none});
  t.b.setInsertionPointToStart(ifOp.elseBlock());
  SmallVector<Value> carried{none};
  llvm::append_range(carried, load(c(0), 0).flat());
  auto loop = scf::ForOp::create(t.b, t.loc, c(0), turns, c(1), carried);
  t.b.setInsertionPointToStart(loop.getBody());
  Value turn = loop.getInductionVar();
  Value next = arith::AddIOp::create(t.b, t.loc, turn, c(1));
  next = arith::MinSIOp::create(t.b, t.loc, next, arith::SubIOp::create(t.b, t.loc, turns, c(1)));
  Tile sums = loop.getRegionIterArg(0);
  Step current = Step::of(loop.getRegionIterArgs().drop_front());
  for (int64_t step = 0, steps = plan.dots->stepsOfTurn; step < steps; ++step) {
    bool isLast = step + 1 == steps;
    Step following = isLast ? load(next, 0) : load(turn, step + 1, &current);
    sums = multiply(current, step, sums);
    current = following;
  }
  SmallVector<Value> yielded{sums};
  llvm::append_range(yielded, current.flat());
  scf::YieldOp::create(t.b, t.loc, yielded);
  t.b.setInsertionPointToEnd(ifOp.elseBlock());
  scf::YieldOp::create(t.b, t.loc, ValueRange{loop.getResult(0)});
  return ifOp.getResult(0);
}

/// Along `dim` of `like`, i32, with size 1 along the other.
Tile PanelDotsEmitter::exponentsOf(const Operand &operand, Tile like, unsigned dim, Value count) {
  auto type = cast<RankedTensorType>(t.withElement(like, t.b.getI32Type()));
  Value zero = kernel.constant(0), one = kernel.constant(1);
  Value offsets[] = {zero, zero}, bounds[] = {one, one}, strides[] = {zero, zero};
  offsets[dim] = operand.first;
  bounds[dim] = count;
  strides[dim] = one;
  Tile loaded = tile::LoadOp::create(
      t.b, t.loc, tile::reducedType(type, {1 - int64_t(dim)}),
      kernel.pass(operand.panels.exponents), offsets, bounds, strides, /*inside=*/Value(),
      /*alignment=*/IntegerAttr(), /*granularity=*/IntegerAttr());
  return t.broadcast(loaded, type);
}

/// Times 2^(exponent of the row + of the column), at most 2^252: by halves, in the same order as
/// the kernel of warpgroups. What an exponent below -252 leaves is zero anyway.
Tile PanelDotsEmitter::undoExponents(Tile value) {
  constexpr int64_t least = -252, bias = 127, mantissaBits = 23;
  const auto &sizes = request.result.sizes;
  Tile exponent = t.add(exponentsOf(*inputs, value, 0, kernel.pass(sizes[0])),
                        exponentsOf(*weights, value, 1, kernel.pass(sizes[1])));
  exponent = t.maxS(exponent, least);
  Tile half = t.shrS(exponent, 1);
  for (Tile part : {half, t.sub(exponent, half)})
    value = t.mulf(value, t.fromBits(t.shl(t.add(part, bias), mantissaBits)));
  return value;
}

/// The flags of rows, or of nvvm::storedColumns neighbouring columns, in bit 0.
Tile PanelDotsEmitter::flagsOf(const Operand &operand, Tile like, unsigned dim) {
  auto type = cast<RankedTensorType>(t.withElement(like, t.b.getI32Type()));
  Value panel = kernel.div(operand.first, panelRows);
  Value inPanel = arith::RemUIOp::create(t.b, t.loc, operand.first, kernel.constant(panelRows));
  auto i32 = [&](Value x) -> Value {
    return arith::TruncIOp::create(t.b, t.loc, t.b.getI32Type(), x);
  };
  auto splat = [&](Value x) -> Tile { return tile::SplatOp::create(t.b, t.loc, type, x); };
  Value address = LLVM::GEPOp::create(t.b, t.loc, LLVM::LLVMPointerType::get(t.b.getContext()),
                                      t.b.getI32Type(), kernel.pass(operand.panels.overflow),
                                      ValueRange{panel});
  Value word = LLVM::LoadOp::create(t.b, t.loc, t.b.getI32Type(), address);
  Tile position = t.add(splat(i32(inPanel)), tile::IotaOp::create(t.b, t.loc, type, dim));
  const int64_t neighbours = dim == 0 ? flagRows : nvvm::storedColumns;
  position = t.bitAnd(t.shrU(position, llvm::Log2_64(flagRows)), -(neighbours / flagRows));
  Tile flags = t.op<arith::ShRUIOp>(splat(word), position);
  if (neighbours > flagRows)
    flags = t.bitOr(flags, t.shrU(flags, 1));
  return flags;
}

/// Which elements no other kernel makes, i1.
Tile PanelDotsEmitter::isStored(Tile like) {
  Tile flags = t.bitOr(flagsOf(*inputs, like, 0), flagsOf(*weights, like, 1));
  return t.cmp(arith::CmpIPredicate::eq, t.bitAnd(flags, 1), 0);
}

void PanelDotsEmitter::emit() {
  const target::CarrierChoice &choice = plan.choice;
  Tile value = t.reshape(sumSteps(), accType.getShape().drop_back());
  DotSums sums{t.transpose(value), inputs->first, weights->first};
  bool hasExponents = bool(inputs->panels.exponents);
  if (hasExponents)
    sums.value = undoExponents(sums.value);
  sums.value = finishSums(kernel, request, choice.a.shift + choice.b.shift, sums);
  storeFinished(kernel, request, sums, hasExponents ? isStored(sums.value) : Tile());
  ScheduleBuilder &s = kernel.schedule;
  const auto &sizes = request.result.sizes;
  kernel.launch(s.ceilDiv(sizes[1], weights->rows), s.ceilDiv(sizes[0], inputs->rows),
                /*cost=*/0);
}

} // namespace

LogicalResult emitPanelDots(ScheduleBuilder &s, const TargetInfo &target, ModuleOp module,
                            StringRef name, const MatmulRequest &request, const PanelPlan &plan,
                            Allocate allocate) {
  PanelExtent extent{contractionOf(request)};
  std::optional<PanelSide> sides[2];
  for (bool isLhs : {true, false}) {
    FailureOr<PanelSide> side =
        emitPanelSide(s, target, module, name, request, plan, isLhs, extent, allocate);
    if (failed(side))
      return failure();
    sides[isLhs ? 0 : 1] = *side;
  }
  const PanelSide &lhs = *sides[0], &rhs = *sides[1];
  KernelBuilder kernel(s, target, name, module);
  PanelDotsEmitter(kernel, request, plan, lhs, rhs).emit();
  if (lhs.panels.overflow)
    emitOverflowMatmul(s, target, module, (name + "_overflow").str(), request,
                       {lhs.panels.overflow, rhs.panels.overflow, *lhs.packed, *rhs.packed,
                        plan.elementsOfPiece(), /*groups=*/nullptr});
  return success();
}

} // namespace quadrille
