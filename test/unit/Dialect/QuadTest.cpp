//===- QuadTest.cpp - Attributes and types of the quad dialect ------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Dialect/Quad/IR/Quad.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace quadrille;
using quad::FormatAttr;
using quad::QuantizedTensorType;

namespace {

class QuadTest : public ::testing::Test {
protected:
  QuadTest() { context.loadDialect<quad::QuadDialect>(); }

  FormatAttr format(StringRef name) {
    return FormatAttr::get(&context, *lookupFormat(std::string_view(name)));
  }
  RankedTensorType tensor(ArrayRef<int64_t> shape, Type element) {
    return RankedTensorType::get(shape, element);
  }

  MLIRContext context;
  Builder builder{&context};
  Type i8 = builder.getI8Type();
  const int64_t dynamic = ShapedType::kDynamic;
};

TEST_F(QuadTest, NamedFormatsSurviveTheAttribute) {
  for (const Format &named : namedFormats())
    EXPECT_EQ(FormatAttr::get(&context, named).toFormat(), named) << named.name;
}

TEST_F(QuadTest, UserFormatsSurviveTheAttribute) {
  Format lut{"Lut", makeLutGrid("lut", {-1, -0.0f, 0.1f, 2}, 1.5f), {}};
  lut.levels.push_back({{1, 32}, ScaleType::F32, ScaleRule::Nearest, 7, 3});
  EXPECT_EQ(FormatAttr::get(&context, lut).toFormat(), lut);
}

TEST_F(QuadTest, ProgramLevelsTakeTheirSymbolsInOrder) {
  Format ruled = *lookupFormat("NVFP4");
  ruled.levels[0].rule = ScaleRule::Program;
  auto rule = FlatSymbolRefAttr::get(&context, "rule");
  FormatAttr attr = FormatAttr::get(&context, ruled, rule);
  EXPECT_EQ(attr.getLevels()[0].getProgram(), rule);
  EXPECT_FALSE(attr.getLevels()[1].getProgram());
  EXPECT_EQ(attr.toFormat(), ruled);
}

TEST_F(QuadTest, TwoGridsSurviveTheAttribute) {
  Format mix = *lookupFormat("NVFP4");
  mix.levels[0].rule = ScaleRule::Program;
  mix.alternative = *lookupGrid("int4");
  auto rule = FlatSymbolRefAttr::get(&context, "rule");
  EXPECT_EQ(FormatAttr::get(&context, mix, rule).toFormat(), mix);
  EXPECT_FALSE(format("NVFP4").getAlternative());
}

TEST_F(QuadTest, BlocksAndLevels) {
  EXPECT_EQ(format("HIF4").getBlockCols(), 4);
  EXPECT_EQ(format("HIF4").getOuterBlockCols(), 64);
  EXPECT_EQ(format("NVFP4").getOuterBlockCols(), 16);
  EXPECT_TRUE(format("NVFP4").hasTensorLevel());
  EXPECT_FALSE(format("UFP4_B").hasTensorLevel());
  EXPECT_TRUE(format("NVFP4_16x16").isOrientationFree());
  EXPECT_FALSE(format("NVFP4").isOrientationFree());
}

TEST_F(QuadTest, RoundingsByValue) {
  using numerics::RoundingKind;
  auto even = quad::NearestEvenAttr::get(&context);
  EXPECT_EQ(even.toRounding().kind, RoundingKind::NearestEven);
  auto stochastic = quad::StochasticAttr::get(&context, 16, 10);
  EXPECT_EQ(stochastic.toRounding(),
            (numerics::Rounding{RoundingKind::Stochastic, 16, 10}));
  EXPECT_TRUE(cast<quad::RoundingAttrInterface>(stochastic).isStochastic());
}

TEST_F(QuadTest, StoragePutsTheAxisLast) {
  auto type = QuantizedTensorType::get({64, 10}, format("UFP4_B"), /*axis=*/0);
  EXPECT_EQ(type.getCodesType(), tensor({10, 32}, i8));
  EXPECT_EQ(type.getScalesType(0), tensor({10, 4}, builder.getBF16Type()));
  EXPECT_EQ(type.getTransposed().getStorageTypes(), type.getStorageTypes());
  EXPECT_EQ(type.getTransposed().getTransposed(), type);
}

TEST_F(QuadTest, StorageOfLevels) {
  auto nvfp4 =
      QuantizedTensorType::get({dynamic, 64}, format("NVFP4_16x16"), 1);
  EXPECT_EQ(nvfp4.getCodesType(), tensor({dynamic, 32}, i8));
  EXPECT_EQ(nvfp4.getScalesType(0), tensor({dynamic, 4}, i8));
  EXPECT_EQ(nvfp4.getScalesType(1), tensor({1}, builder.getF32Type()));

  // 192 elements: 48 and 24 one-bit exponents, 8 a byte, and 3 E6M2.
  auto hif4 = QuantizedTensorType::get({5, 192}, format("HIF4"), 1);
  EXPECT_EQ(hif4.getScalesType(0), tensor({5, 6}, i8));
  EXPECT_EQ(hif4.getScalesType(1), tensor({5, 3}, i8));
  EXPECT_EQ(hif4.getScalesType(2), tensor({5, 3}, i8));
}

TEST_F(QuadTest, BlocksAcrossMayBePartial) {
  auto type = QuantizedTensorType::get({40, 64}, format("NVFP4_16x16"), 1);
  EXPECT_EQ(type.getScalesType(0), tensor({3, 4}, i8));
}

TEST_F(QuadTest, PaddingIsStored) {
  auto rht = quad::RHTAttr::get(&context, 32, 1);
  auto type = QuantizedTensorType::get({4, 100}, format("NVFP4"), 1, rht, 128);
  EXPECT_EQ(type.getGranularity(), 32);
  EXPECT_EQ(type.getAxisLength(), 100);
  EXPECT_EQ(type.getStoredLength(), 128);
  EXPECT_EQ(type.getCodesType(), tensor({4, 64}, i8));
  EXPECT_EQ(type.getLogicalType(i8), tensor({4, 100}, i8));
}

TEST_F(QuadTest, BlockedScalesArePadded) {
  auto type = QuantizedTensorType::get({130, 96}, format("NVFP4"), 1, {}, 0,
                                       quad::ScaleLayout::Blocked128x4);
  EXPECT_EQ(type.getScalesType(0), tensor({256, 8}, i8));
}

} // namespace
