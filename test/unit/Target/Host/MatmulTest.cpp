//===- MatmulTest.cpp - The host's product against its definition ---------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelModule.h"
#include "MatmulReference.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace quadrille;
using namespace quadrille::host;
using namespace quadrille::test;

namespace {

constexpr MatmulSide sides[] = {MatmulSide::LHS, MatmulSide::RHS};

/// The formats a test uses beside the named ones.
const Format &getFormat(const std::string &name) {
  static const std::vector<Format> own = {
      {"UE5M3_LUT",
       {GridKind::LUT, "skewed", {-7.3f, 0, 0.1f, 0.25f, 1, 1.1f, 3, 5.5f, 9}, 9},
       {{{1, 32}, ScaleType::UE5M3}}},
      {"WIDE",
       {GridKind::LUT, "wide", {-127, -100, -1, 0, 1, 63, 127}, 127},
       {{{1, 32}, ScaleType::E8M0}}},
      {"INT4_BF16", *lookupGrid("int4"), {{{1, 64}, ScaleType::BF16, ScaleRule::Nearest, 5}}},
  };
  for (const Format &format : own)
    if (format.name == name)
      return format;
  return *lookupFormat(name);
}

struct Configuration {
  std::string target;
  MatmulCarrier carrier;
  std::string lhs, rhs;
};

std::string describe(const testing::TestParamInfo<Configuration> &info) {
  std::string name = info.param.target.substr(info.param.target.find(':') + 1);
  name += info.param.carrier == MatmulCarrier::F32 ? "_f32_" : "_s8_";
  return name + info.param.lhs + "_" + info.param.rhs;
}

/// Both packs and the product of one plan, compiled.
class Engine {
public:
  Engine(const TargetSpec &target, const MatmulPlan &plan, const Format &lhs, const Format &rhs);
  /// M x N sums before the epilogue. `backwards` runs one program at a time,
  /// the last one first.
  std::vector<float> multiply(const Operand &a, const Operand &b, bool backwards = false);

private:
  std::vector<uint8_t> pack(MatmulSide side, const Operand &operand);

  MatmulPlan plan;
  KernelModule module;
};

Engine::Engine(const TargetSpec &target, const MatmulPlan &plan, const Format &lhs,
               const Format &rhs)
    : plan(plan) {
  for (MatmulSide side : sides)
    module.add(side == MatmulSide::LHS ? "pack_lhs" : "pack_rhs",
               [&](const KernelArguments &args, ProgramRange x, ProgramRange) {
                 QuantizedOperand operand{side == MatmulSide::LHS ? &lhs : &rhs,
                                          args.pointer(0), {}, args.i64(2), args.i64(3)};
                 for (size_t i = 0; i < operand.format->levels.size(); ++i)
                   operand.scales.push_back(args.pointer(4 + i));
                 emitPack(args.builder, args.loc, plan, side, operand, args.pointer(1), x);
               });
  module.add("product", [&](const KernelArguments &args, ProgramRange x, ProgramRange y) {
    MatmulOperands operands{args.pointer(0), args.pointer(1), args.i64(2), args.i64(3),
                            args.i64(4)};
    MatmulStore store{};
    store.elementType = args.builder.getF32Type();
    store.out = args.pointer(5);
    store.ldc = operands.n;
    emitMatmul(args.builder, args.loc, plan, operands, x, y,
               [&](mlir::OpBuilder &builder, mlir::Location loc, const MatmulElements &elements) {
                 emitStore(builder, loc, store, elements);
               });
  });
  llvm::cantFail(module.compile(target));
}

std::vector<uint8_t> Engine::pack(MatmulSide side, const Operand &operand) {
  // Garbage shows what the pack leaves out.
  std::vector<uint8_t> panels(plan.panelBytes(side, operand.rows, operand.k), 0xA5);
  std::vector<uint64_t> slots = {slot(operand.quantized.codes.data()), slot(panels.data()),
                                 slot(operand.rows), slot(operand.k)};
  for (const std::vector<uint8_t> &scales : operand.scales)
    slots.push_back(slot(scales.data()));
  int64_t width = plan.panelRows(side), count = (operand.rows + width - 1) / width;
  module.lookup(side == MatmulSide::LHS ? "pack_lhs" : "pack_rhs")(slots.data(), 0, count, 0, 1);
  return panels;
}

std::vector<float> Engine::multiply(const Operand &a, const Operand &b, bool backwards) {
  std::vector<uint8_t> lhs = pack(MatmulSide::LHS, a), rhs = pack(MatmulSide::RHS, b);
  std::vector<float> result(a.rows * b.rows, std::numeric_limits<float>::quiet_NaN());
  uint64_t slots[] = {slot(lhs.data()), slot(rhs.data()), slot(a.rows),
                      slot(b.rows),     slot(a.k),        slot(result.data())};
  int64_t x = (b.rows + plan.nTile - 1) / plan.nTile, y = (a.rows + plan.mTile - 1) / plan.mTile;
  KernelModule::Kernel product = module.lookup("product");
  if (!backwards) {
    product(slots, 0, x, 0, y);
    return result;
  }
  for (int64_t j = y; j-- > 0;)
    for (int64_t i = x; i-- > 0;)
      product(slots, i, i + 1, j, j + 1);
  return result;
}

class MatmulTest : public testing::TestWithParam<Configuration> {
protected:
  void SetUp() override {
    target = llvm::cantFail(resolveTarget(GetParam().target));
    if (llvm::Error error = checkRunsHere(target))
      GTEST_SKIP() << toString(std::move(error));
    plan = MatmulPlan::get(*VectorISA::get(target), GetParam().carrier, &lhs, &rhs);
    ASSERT_TRUE(plan);
  }

  /// Bit for bit the stated order, and within the stated bound of the truth.
  void check(const Operand &a, const Operand &b, const std::vector<float> &result) {
    bool isF32 = plan->carrier == MatmulCarrier::F32;
    double roundings = isF32 ? a.k : a.k / plan->kBlock + 2;
    double bound = roundings * 0x1p-24 / (1 - roundings * 0x1p-24);
    for (int64_t i = 0; i < a.rows; ++i)
      for (int64_t j = 0; j < b.rows; ++j) {
        float value = result[i * b.rows + j];
        float expected = isF32 ? sumF32(a, b, i, j) : sumS8(a, b, i, j, plan->kBlock);
        ASSERT_EQ(numerics::bitsOf(value), numerics::bitsOf(expected))
            << value << " is not " << expected << " at " << i << ", " << j;
        ExactSum exact = sumExactly(a, b, i, j);
        if (isExact) {
          ASSERT_LE(std::fabs(value - exact.sum), bound * exact.absolute);
        }
      }
  }

  const Format &lhs = getFormat(GetParam().lhs), &rhs = getFormat(GetParam().rhs);
  /// False of operands that f32 does not hold: then the bound is not promised.
  bool isExact = GetParam().carrier == MatmulCarrier::S8 || GetParam().lhs != "UE5M3_LUT";
  TargetSpec target;
  std::optional<MatmulPlan> plan;
};

TEST_P(MatmulTest, IsTheStatedSum) {
  Engine engine(target, *plan, lhs, rhs);
  // What the axis of both has to be a multiple of; all are powers of two.
  int64_t block = std::max(plan->kBlock, int64_t(16));
  for (const Format *format : {&lhs, &rhs})
    block = std::max(block, numerics::storedMultiple(*format, /*hadamardSize=*/0));
  struct Shape {
    int64_t m, n, k;
  };
  // Edges of register tiles, of tiles and of the part of K kept in cache.
  const Shape shapes[] = {{1, 1, block},
                          {13, 33, 3 * block},
                          {plan->mTile + 5, plan->nTile + 17, 2 * block},
                          {3, 31, (plan->kCacheBlocks + 1) * plan->kBlock / block * block + block}};
  for (const Shape &shape : shapes) {
    SCOPED_TRACE(testing::Message() << shape.m << "x" << shape.n << "x" << shape.k);
    Operand a(lhs, shape.m, shape.k, 1), b(rhs, shape.n, shape.k, 2);
    std::vector<float> result = engine.multiply(a, b);
    ASSERT_NO_FATAL_FAILURE(check(a, b, result));
    std::vector<float> backwards = engine.multiply(a, b, /*backwards=*/true);
    ASSERT_EQ(0, memcmp(result.data(), backwards.data(), result.size() * sizeof(float)));
  }
}

std::vector<Configuration> getConfigurations() {
  constexpr MatmulCarrier f32 = MatmulCarrier::F32, s8 = MatmulCarrier::S8;
  std::vector<Configuration> result;
  for (const char *target : {"host:avx2", "host:avx512", "host:avx512vnni"}) {
    result.push_back({target, s8, "UFP4", "UFP4_B"});
    result.push_back({target, s8, "MXFP4", "MXUF4"});
    result.push_back({target, s8, "HIF4", "HIF4"});
    result.push_back({target, s8, "NVFP4", "NVFP4_16x16"});
  }
  result.push_back({"host:avx512vnni", s8, "WIDE", "WIDE"});
  for (const char *target : {"host:avx2", "host:avx512"}) {
    result.push_back({target, f32, "UFP4_B", "INT4_BF16"});
    result.push_back({target, f32, "UE5M3_LUT", "NVFP4_16x16"});
    result.push_back({target, f32, "HIF4", "MXINT4"});
  }
  return result;
}

INSTANTIATE_TEST_SUITE_P(, MatmulTest, testing::ValuesIn(getConfigurations()), describe);

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

TEST(MatmulPlanTest, RefusesWhatACarrierCannotHold) {
  VectorISA isa{16, true};
  auto get = [&](MatmulCarrier carrier, const Format *a, const Format *b) {
    return MatmulPlan::get(isa, carrier, a, b).has_value();
  };
  const Format &ufp4 = getFormat("UFP4"), &mxuf4 = getFormat("MXUF4");
  const Format &lut = getFormat("UE5M3_LUT");
  EXPECT_TRUE(get(MatmulCarrier::S8, &ufp4, &ufp4));
  EXPECT_FALSE(get(MatmulCarrier::S8, &ufp4, &mxuf4)) << "different blocks";
  EXPECT_FALSE(get(MatmulCarrier::S8, &lut, &lut)) << "no integers";
  EXPECT_FALSE(get(MatmulCarrier::S8, nullptr, &ufp4)) << "a plain operand";
  const Format &wide = getFormat("WIDE");
  EXPECT_TRUE(get(MatmulCarrier::S8, &wide, &wide));
  EXPECT_FALSE(MatmulPlan::get({16, false}, MatmulCarrier::S8, &wide, &wide))
      << "pairs of products saturate";
  EXPECT_TRUE(get(MatmulCarrier::F32, nullptr, &ufp4));
  Format odd = ufp4;
  odd.levels[0].block.cols = 24;
  EXPECT_EQ(MatmulPlan::get(isa, MatmulCarrier::F32, &odd, &odd)->kBlock, 8);
  odd.levels[0].block.cols = 20;
  EXPECT_FALSE(get(MatmulCarrier::F32, &odd, &ufp4)) << "a block that meets no power of two";
}

TEST(MatmulPlanTest, PanelsAreDescribedByWhatTheirBytesDependOn) {
  VectorISA isa{16, true};
  const Format &ufp4 = getFormat("UFP4");
  Format fp4 = ufp4;
  fp4.grid = getFormat("NVFP4").grid;
  auto describe = [&](VectorISA isa, const Format &a, MatmulSide side) {
    return MatmulPlan::get(isa, MatmulCarrier::S8, &a, &ufp4)->describePanels(side);
  };
  EXPECT_EQ(describe(isa, ufp4, MatmulSide::LHS),
            "lhs in s8 panels of 6 x 16, codes in units of 2^-2");
  // B takes back the offset of the codes of A.
  EXPECT_NE(describe(isa, ufp4, MatmulSide::RHS), describe(isa, fp4, MatmulSide::RHS));
  EXPECT_NE(describe(isa, ufp4, MatmulSide::RHS), describe({8, true}, ufp4, MatmulSide::RHS));
  EXPECT_EQ(describe(isa, ufp4, MatmulSide::RHS), describe({16, false}, ufp4, MatmulSide::RHS));
}

TEST(MatmulPlanTest, NeedsAVX2) {
  EXPECT_FALSE(VectorISA::get(llvm::cantFail(resolveTarget("host:sse4"))));
  EXPECT_EQ(VectorISA::get(llvm::cantFail(resolveTarget("host:avx2")))->lanes, 8u);
  EXPECT_TRUE(VectorISA::get(llvm::cantFail(resolveTarget("host:avx512vnni")))->vnni);
}

//===----------------------------------------------------------------------===//
// Plain operands and epilogues
//===----------------------------------------------------------------------===//

/// A product of two plain operands: a[m, k] bf16 stored by columns, b[n, k] f16.
struct PlainProblem {
  int64_t m = 19, n = 37, k = 16, kValid = 11, ldc = 41;
  std::vector<uint16_t> a, b, bias, addend, out;
  float scale = 0.37f;

  PlainProblem();
  std::vector<uint64_t> slots(void *lhs, void *rhs) {
    return {slot(a.data()),    slot(b.data()),      slot(m),           slot(n),
            slot(k),           slot(kValid),        slot(lhs),         slot(rhs),
            slot(bias.data()), slot(addend.data()), slot(out.data()), slot(ldc),
            slot(scale)};
  }
  uint16_t expected(int64_t row, int64_t col) const;
};

PlainProblem::PlainProblem() {
  auto value = [](int64_t i) { return float((i * 2654435761u >> 7) % 4001) / 1000 - 2; };
  for (int64_t i = 0; i < m * kValid; ++i)
    a.push_back(numerics::narrowToBF16(value(i)));
  for (int64_t i = 0; i < n * kValid; ++i)
    b.push_back(numerics::narrowToF16(value(i + 7)));
  for (int64_t i = 0; i < n; ++i)
    bias.push_back(numerics::narrowToBF16(value(i + 3)));
  for (int64_t i = 0; i < m * n; ++i)
    addend.push_back(numerics::narrowToF16(value(i + 5)));
  a[4] = 0x7F81; // a NaN that has to become quiet
  a[5] = 0x0003; // a subnormal
  out.assign(m * ldc, 0xBEEF);
}

uint16_t PlainProblem::expected(int64_t row, int64_t col) const {
  float acc = 0;
  for (int64_t i = 0; i < kValid; ++i)
    acc = std::fma(numerics::widenBF16(a[i * m + row]), numerics::widenF16(b[col * kValid + i]),
                   acc);
  acc *= scale;
  acc += numerics::widenBF16(bias[col]);
  acc += numerics::widenF16(addend[row * n + col]);
  return numerics::narrowToBF16(acc);
}

class PlainMatmulTest : public testing::TestWithParam<const char *> {};

TEST_P(PlainMatmulTest, ConvertsAndStores) {
  TargetSpec target = llvm::cantFail(resolveTarget(GetParam()));
  if (llvm::Error error = checkRunsHere(target))
    GTEST_SKIP() << toString(std::move(error));
  MatmulPlan plan =
      *MatmulPlan::get(*VectorISA::get(target), MatmulCarrier::F32, nullptr, nullptr);
  KernelModule module;
  module.add("all", [&](const KernelArguments &args, ProgramRange x, ProgramRange y) {
    mlir::OpBuilder &builder = args.builder;
    auto constant = [&](int64_t value) -> mlir::Value {
      return mlir::arith::ConstantOp::create(builder, args.loc, builder.getI64IntegerAttr(value));
    };
    mlir::Value zero = constant(0), one = constant(1);
    mlir::Value m = args.i64(2), n = args.i64(3), k = args.i64(4), kValid = args.i64(5);
    mlir::Value lhs = args.pointer(6), rhs = args.pointer(7);
    PlainOperand a{builder.getBF16Type(), args.pointer(0), m, k, kValid, one, m};
    PlainOperand b{builder.getF16Type(), args.pointer(1), n, k, kValid, kValid, one};
    // x counts the panels of A, y those of B; the test runs one tile.
    emitPack(builder, args.loc, plan, MatmulSide::LHS, a, lhs, x);
    emitPack(builder, args.loc, plan, MatmulSide::RHS, b, rhs, y);
    MatmulStore store{builder.getBF16Type(), args.pointer(10), args.i64(11),
                      args.get(12, builder.getF32Type())};
    store.addends = {
        {{}, builder.getBF16Type(), args.pointer(8), {}, one, /*isContiguous=*/true},
        {{}, builder.getF16Type(), args.pointer(9), n, one, /*isContiguous=*/true}};
    emitMatmul(builder, args.loc, plan, {lhs, rhs, m, n, k}, {zero, one}, {zero, one},
               [&](mlir::OpBuilder &b, mlir::Location loc, const MatmulElements &elements) {
                 emitStore(b, loc, store, elements);
               });
  });
  ASSERT_FALSE(bool(module.compile(target)));

  PlainProblem problem;
  std::vector<uint8_t> lhs(plan.panelBytes(MatmulSide::LHS, problem.m, problem.k), 0xA5);
  std::vector<uint8_t> rhs(plan.panelBytes(MatmulSide::RHS, problem.n, problem.k), 0xA5);
  int64_t x = (problem.m + plan.mr - 1) / plan.mr, y = (problem.n + plan.nr - 1) / plan.nr;
  module.lookup("all")(problem.slots(lhs.data(), rhs.data()).data(), 0, x, 0, y);
  for (int64_t i = 0; i < problem.m; ++i)
    for (int64_t j = 0; j < problem.ldc; ++j) {
      uint16_t value = problem.out[i * problem.ldc + j];
      ASSERT_EQ(value, j < problem.n ? problem.expected(i, j) : 0xBEEF) << i << ", " << j;
    }
}

INSTANTIATE_TEST_SUITE_P(, PlainMatmulTest, testing::Values("host:avx2", "host:avx512"),
                         [](const auto &info) { return std::string(info.param).substr(5); });

} // namespace
