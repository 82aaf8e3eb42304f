//===- FormKernels.cpp - What runs together -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Dialect/Quad/IR/Quad.h"
#include "quadrille/Dialect/Quad/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

namespace quadrille::quad {
#define GEN_PASS_DEF_QUADFORMKERNELS
#include "quadrille/Dialect/Quad/Transforms/Passes.h.inc"

using namespace mlir;

namespace {

/// The name of a kernel for operations, after what they do.
std::string kindOf(ArrayRef<Operation *> ops) {
  if (ops.size() > 1 && isa<MapOp>(ops.front()))
    return "map_" + kindOf(ops.drop_front());
  if (ops.size() > 1)
    return "quantize_pair";
  return llvm::TypeSwitch<Operation *, StringRef>(ops.front())
      .Case<QuantizeOp>([](auto op) {
        return op.getAxis() == 1 ? "quantize_row" : "quantize_column";
      })
      .Case<AmaxOp>([](auto) { return "amax"; })
      .Case<HadamardOp>([](auto) { return "hadamard"; })
      .Case<DequantizeOp>([](auto) { return "dequantize"; })
      .Case<ScalesOp>([](auto) { return "scales"; })
      .Case<ToCarrierOp>([](auto) { return "to_carrier"; })
      .Case<PrepareOp>([](auto) { return "prepare"; })
      .Case<MatmulOp>([](auto) { return "matmul"; })
      .Case<MapOp>([](auto) { return "map"; })
      .Default([](auto) { return ""; })
      .str();
}

/// Each result has memory of its own: what is returned twice, as equal expressions or as q
/// and q.T are, is computed twice.
void separateResults(func::FuncOp func) {
  llvm::SmallPtrSet<Value, 4> returned;
  OpBuilder b(func.getContext());
  for (OpOperand &operand : func.getBody().front().getTerminator()->getOpOperands()) {
    SmallVector<Operation *> chain; // from the result back to what computes it
    Value root = operand.get();
    while (auto transpose = root.getDefiningOp<TransposeOp>()) {
      chain.push_back(transpose);
      root = transpose.getInput();
    }
    Operation *op = root.getDefiningOp();
    if (!op || returned.insert(root).second)
      continue;
    chain.push_back(op);
    b.setInsertionPointAfter(chain.front());
    IRMapping mapping;
    for (Operation *link : llvm::reverse(chain))
      b.clone(*link, mapping);
    operand.set(mapping.lookup(operand.get()));
  }
}

class FormKernelsPass : public impl::QuadFormKernelsBase<FormKernelsPass> {
public:
  using QuadFormKernelsBase::QuadFormKernelsBase;

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto func : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      if (func.isExternal())
        continue;
      separateResults(func);
      for (SmallVector<Operation *> &kernel : kernelsOf(func))
        outline(func, kernel, symbols);
    }
  }

private:
  std::vector<SmallVector<Operation *>> kernelsOf(func::FuncOp func);
  SmallVector<Operation *> readersOf(MapOp map);
  bool canMerge(Operation *other, QuantizeOp second);
  void outline(func::FuncOp func, ArrayRef<Operation *> ops, SymbolTable &symbols);
};

/// True if `op`'s operands are defined where `first` stands, or there.
bool isAvailableAt(Operation *op, Operation *first) {
  return llvm::all_of(op->getOperands(), [&](Value operand) {
    Operation *definition = operand.getDefiningOp();
    return !definition || definition == first || definition->isBeforeInBlock(first);
  });
}

/// Elements along the quantized axis that belong together.
int64_t minimalAlong(QuantizeOp op) {
  int64_t along = op.getFormat().getOuterBlockCols();
  return op.getType().getRht() ? std::max(along, op.getType().getRht().getSize()) : along;
}

/// The quantizations that may compute the input that `map` gives them as they read
/// it: all of its uses, in one kernel. None if they cannot.
SmallVector<Operation *> FormKernelsPass::readersOf(MapOp map) {
  SmallVector<Operation *> readers(map->getUsers());
  auto isReader = [&](Operation *op) {
    auto quantize = dyn_cast<QuantizeOp>(op);
    return quantize && !quantize.getGroups() && op->getBlock() == map->getBlock() &&
           isAvailableAt(op, map);
  };
  if (!merge || readers.empty() || !llvm::all_of(readers, isReader))
    return {};
  llvm::sort(readers, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  bool fits = readers.size() == 1 ||
              (readers.size() == 2 && canMerge(readers[0], cast<QuantizeOp>(readers[1])));
  return fits ? readers : SmallVector<Operation *>();
}

template <typename OpT> bool readsResultOf(Operation *op) {
  return llvm::any_of(op->getOperands(), [](Value v) { return bool(v.getDefiningOp<OpT>()); });
}

/// Says what goes through memory although one operation reads what the other makes.
void remarkOnSplit(Operation *op) {
  if (isa<MapOp>(op) && readsResultOf<MatmulOp>(op))
    op->emitRemark("is a kernel of its own: the product that it reads has another use");
  if (isa<QuantizeOp>(op) && readsResultOf<MatmulOp>(op))
    op->emitRemark("quantizes the product in a kernel of its own, which reads it from memory");
  if (auto quantize = dyn_cast<QuantizeOp>(op); quantize && readsResultOf<MapOp>(op))
    op->emitRemark("reads the result of elementwise code from memory: ")
        << (quantize.getGroups() ? "it is quantized in groups" : "it has another use");
}

/// The operations of each kernel, in the order in which they run.
std::vector<SmallVector<Operation *>> FormKernelsPass::kernelsOf(func::FuncOp func) {
  std::vector<SmallVector<Operation *>> kernels;
  llvm::SmallPtrSet<Operation *, 4> placed;
  for (Operation &op : func.getBody().front()) {
    if (kindOf({&op}).empty() || placed.contains(&op))
      continue;
    if (auto map = dyn_cast<MapOp>(op)) {
      remarkOnSplit(map);
      SmallVector<Operation *> &kernel = kernels.emplace_back(1, &op);
      llvm::append_range(kernel, readersOf(map));
      placed.insert(kernel.begin(), kernel.end());
      continue;
    }
    remarkOnSplit(&op);
    auto quantize = dyn_cast<QuantizeOp>(op);
    auto mate = llvm::find_if(kernels, [&](ArrayRef<Operation *> kernel) {
      return merge && quantize && kernel.size() == 1 && canMerge(kernel.front(), quantize);
    });
    if (mate != kernels.end())
      mate->push_back(&op);
    else
      kernels.push_back({&op});
  }
  return kernels;
}

/// True if one read of the input can serve both.
bool FormKernelsPass::canMerge(Operation *other, QuantizeOp second) {
  auto first = dyn_cast<QuantizeOp>(other);
  if (!first || first.getInput() != second.getInput() || first.getAxis() == second.getAxis() ||
      !isAvailableAt(second, first))
    return false;
  if (first.getGroups() || second.getGroups()) {
    second.emitRemark("reads its input again: the rows of a group are stored elsewhere than they "
                      "are read");
    return false;
  }
  int64_t tile = minimalAlong(first) * minimalAlong(second);
  if (tile <= maxTile)
    return true;
  second.emitRemark() << "reads its input again: a tile with whole blocks of both axes would have "
                      << tile << " elements, more than " << maxTile.getValue();
  return false;
}

void FormKernelsPass::outline(func::FuncOp func, ArrayRef<Operation *> ops,
                              SymbolTable &symbols) {
  auto isInside = [&](Operation *op) { return llvm::is_contained(ops, op); };
  llvm::SetVector<Value> inputs;
  SmallVector<Value> results;
  for (Operation *op : ops) {
    for (Value operand : op->getOperands())
      if (!isInside(operand.getDefiningOp()))
        inputs.insert(operand);
    for (Value result : op->getResults())
      if (result.use_empty() || !llvm::all_of(result.getUsers(), isInside))
        results.push_back(result);
  }
  Location loc = ops.front()->getLoc();
  auto type = FunctionType::get(&getContext(), TypeRange(inputs.getArrayRef()),
                                TypeRange(ValueRange(results)));
  OpBuilder b(func);
  auto kernel =
      KernelOp::create(b, loc, (func.getName() + "_" + kindOf(ops)).str(), type);
  symbols.insert(kernel); // makes the name unique
  if (Attribute tuning = func->getAttr(tuningAttr))
    kernel->setAttr(tuningAttr, tuning);
  // What the caller promises about the inputs holds in the kernel.
  for (auto [i, input] : llvm::enumerate(inputs))
    if (auto argument = dyn_cast<BlockArgument>(input))
      if (DictionaryAttr attrs = func.getArgAttrDict(argument.getArgNumber()))
        kernel.setArgAttrs(i, attrs);

  IRMapping mapping;
  mapping.map(inputs.getArrayRef(), kernel.getBody().getArguments());
  b.setInsertionPointToStart(&kernel.getBody().front());
  for (Operation *op : ops)
    b.clone(*op, mapping);
  YieldOp::create(b, loc, llvm::map_to_vector(results, [&](Value v) { return mapping.lookup(v); }));

  b.setInsertionPoint(ops.front());
  auto launch = LaunchOp::create(b, loc, TypeRange(ValueRange(results)),
                                 FlatSymbolRefAttr::get(kernel.getSymNameAttr()),
                                 inputs.getArrayRef());
  for (auto [old, replacement] : llvm::zip(results, launch.getResults()))
    old.replaceAllUsesWith(replacement);
  for (Operation *op : llvm::reverse(ops))
    op->erase();
}

} // namespace
} // namespace quadrille::quad
