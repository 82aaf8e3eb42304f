//===- ExampleTarget.cpp - An accelerator that is not ---------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ExampleTarget.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "quadrille/Target/Registry.h"

using namespace mlir;
using namespace quadrille;
using quadrille::layout::LinearLayout;

namespace {

constexpr StringLiteral name = "example";
constexpr unsigned numLanes = 4, codeBits = 4, codesPerWord = 8;

//===----------------------------------------------------------------------===//
// 1. What it can do
//===----------------------------------------------------------------------===//

target::Capability makeCapability() {
  target::MmaEntry mma{"example.mma.4x16x32.e1m2", {target::lookupCarrierType("e1m2")}, 4, 16, 32, 4};
  mma.scaleType = ScaleType::F32;
  mma.scaleBlock = 16;
  return {name, "a made-up accelerator of uniform grids", target::Vendor::Host, numLanes,
          /*sharedMemoryBytes=*/0, /*vectorRate=*/1, {mma}, {}};
}

//===----------------------------------------------------------------------===//
// 2. How its matrix instruction lies in registers
//===----------------------------------------------------------------------===//

// Four words of four rows of lhs and of 16 of rhs. A lane has a row of lhs; of rhs each has
// all, a copy; of the sums, those of its row.
const TargetInfo::MmaAtom &atom() {
  static const TargetInfo::MmaAtom atom = [] {
    using Bases = std::vector<uint64_t>;
    const Bases none, copies = {0, 0};
    LinearLayout lhs(4, /*reg=*/Bases{1, 2}, /*lane=*/Bases{4, 8}, /*warp=*/none);
    LinearLayout rhs(6, /*reg=*/Bases{1, 2, 4, 8, 16, 32}, /*lane=*/copies, /*warp=*/none);
    LinearLayout sums(6, /*reg=*/Bases{1, 2, 4, 8}, /*lane=*/Bases{16, 32}, /*warp=*/none);
    return TargetInfo::MmaAtom{4, 16, 4, lhs, rhs, sums, /*sumsIntegers=*/false,
                               /*wordsOfScale=*/2};
  }();
  return atom;
}

//===----------------------------------------------------------------------===//
// 3. What lowerings ask of it: as of the host, but for the instruction
//===----------------------------------------------------------------------===//

class ExampleTargetInfo : public TargetInfo {
public:
  explicit ExampleTargetInfo(std::unique_ptr<TargetInfo> host)
      : TargetInfo(numLanes, /*warps=*/1, host->getElementsPerLane()), host(std::move(host)) {}

  const MmaAtom *mmaAtom(StringRef carrier) const override {
    return carrier == "e1m2:f32" ? &atom() : nullptr;
  }
  SmallVector<Value> multiplyFragments(OpBuilder &b, Location loc, StringRef carrier,
                                       const MmaFragment &lhs, const MmaFragment &rhs,
                                       ValueRange acc) const override;

  ColumnTile columnTile() const override { return host->columnTile(); }
  LinearLayout memoryLayout(const LinearLayout &compute, unsigned contiguousBits,
                            unsigned elementBytes) const override {
    return host->memoryLayout(compute, contiguousBits, elementBytes);
  }
  Type registerType(Type element) const override { return host->registerType(element); }
  Value splat(OpBuilder &b, Location loc, Value scalar) const override {
    return host->splat(b, loc, scalar);
  }
  Value laneId(OpBuilder &b, Location loc) const override { return host->laneId(b, loc); }
  Value warpId(OpBuilder &b, Location loc) const override { return host->warpId(b, loc); }
  Value programId(OpBuilder &b, Location loc, FunctionOpInterface kernel,
                  unsigned dim) const override {
    return host->programId(b, loc, kernel, dim);
  }
  Value exchange(OpBuilder &b, Location loc, Value reg, unsigned bit) const override {
    return host->exchange(b, loc, reg, bit);
  }
  Value permuteLanes(OpBuilder &b, Location loc, Value reg,
                     ArrayRef<unsigned> sourceLane) const override {
    return host->permuteLanes(b, loc, reg, sourceLane);
  }
  unsigned maxAccessWidth(unsigned elementBytes, unsigned alignment) const override {
    return host->maxAccessWidth(elementBytes, alignment);
  }
  SmallVector<Value> load(OpBuilder &b, Location loc, const Access &access) const override {
    return host->load(b, loc, access);
  }
  void store(OpBuilder &b, Location loc, ValueRange registers,
             const Access &access) const override {
    host->store(b, loc, registers, access);
  }
  void atomicReduce(OpBuilder &b, Location loc, arith::AtomicRMWKind kind, Value reg,
                    Value pointer) const override {
    host->atomicReduce(b, loc, kind, reg, pointer);
  }
  void beginKernel(FunctionOpInterface kernel) const override { host->beginKernel(kernel); }
  void finishKernel(FunctionOpInterface kernel) const override { host->finishKernel(kernel); }

private:
  std::unique_ptr<TargetInfo> host;
};

/// Exact sums of the products of codes that share scales, times both of these, added in order.
SmallVector<Value> ExampleTargetInfo::multiplyFragments(OpBuilder &b, Location loc, StringRef,
                                                        const MmaFragment &lhs,
                                                        const MmaFragment &rhs,
                                                        ValueRange acc) const {
  const unsigned words = atom().k, ofScale = atom().wordsOfScale;
  auto constant = [&](int32_t value) {
    return splat(b, loc, arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value)));
  };
  // A sign and three bits, in quarters.
  auto valuesOf = [&](ValueRange words) {
    SmallVector<Value> values;
    for (Value word : words)
      for (unsigned code = 0; code < codesPerWord; ++code) {
        Value top = arith::ShLIOp::create(b, loc, word, constant(32 - codeBits * (code + 1)));
        Value sign = arith::ShRSIOp::create(b, loc, top, constant(31));
        Value magnitude = arith::ShRUIOp::create(
            b, loc, arith::ShLIOp::create(b, loc, top, constant(1)), constant(29));
        Value flipped = arith::XOrIOp::create(b, loc, magnitude, sign);
        values.push_back(arith::SubIOp::create(b, loc, flipped, sign));
      }
    return values;
  };
  SmallVector<Value> left = valuesOf(lhs.words), right = valuesOf(rhs.words);
  auto scaleAt = [&](const MmaFragment &operand, unsigned number) -> Value {
    return arith::BitcastOp::create(b, loc, registerType(b.getF32Type()), operand.scales[number]);
  };
  auto multiply = [&](Value x, Value y) -> Value { return arith::MulFOp::create(b, loc, x, y); };
  auto add = [&](Value x, Value y) -> Value { return arith::AddFOp::create(b, loc, x, y); };
  Value sixteenth = splat(
      b, loc, arith::ConstantOp::create(b, loc, b.getF32FloatAttr(1.0f / 16)));
  SmallVector<Value> sums(acc);
  for (unsigned column = 0; column < atom().n; ++column)
    for (unsigned first = 0; first < words; first += ofScale) {
      Value total = constant(0);
      for (unsigned i = first * codesPerWord; i < (first + ofScale) * codesPerWord; ++i) {
        Value product = arith::MulIOp::create(b, loc, left[i],
                                              right[column * words * codesPerWord + i]);
        total = arith::AddIOp::create(b, loc, total, product);
      }
      Value sum = arith::SIToFPOp::create(b, loc, registerType(b.getF32Type()), total);
      sum = multiply(sum, sixteenth);
      unsigned ofRow = first / ofScale;
      Value scale = multiply(scaleAt(lhs, ofRow),
                             scaleAt(rhs, column * (words / ofScale) + ofRow));
      sums[column] = add(sums[column], multiply(sum, scale));
    }
  return sums;
}

} // namespace

//===----------------------------------------------------------------------===//
// 4. Whose code generator makes its objects
//===----------------------------------------------------------------------===//

bool test::registerExampleTarget() {
  llvm::Expected<TargetSpec> spec = resolveTarget("host:sse4");
  if (!spec) {
    llvm::consumeError(spec.takeError());
    return false;
  }
  spec->name = name.str();
  registerTarget(*spec, makeCapability(), [](const TargetSpec &spec) {
    return std::make_unique<ExampleTargetInfo>(createHostTargetInfo(spec));
  });
  return true;
}
