//===- ExampleTargetTest.cpp - UFP4 on a made-up accelerator --------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ExampleTarget.h"
#include "quadrille/Numerics/Format.h"
#include "quadrille/Numerics/Quantize.h"
#include "quadrille/Runtime/Device.h"
#include "quadrille/Runtime/Program.h"
#include "quadrille/Target/Compile.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace quadrille;
using namespace quadrille::numerics;
using runtime::Argument;

namespace {

/// y = q(x) q(w)^T, of UFP4: 16 elements of the uniform grid to an f32 scale.
constexpr char module[] = R"(
#ufp4 = #quad.format<"UFP4", grid = e1m2, levels = [<1x16, f32, nearest>]>
!row = !quad.tensor<?x?, #ufp4, axis = 1>
!col = !quad.tensor<?x?, #ufp4, axis = 0>
func.func @linear(%x: tensor<?x?xf32> {quad.unit_stride = 1 : i64},
                  %w: tensor<?x?xf32> {quad.unit_stride = 1 : i64}) -> tensor<?x?xf32> {
  %qx = quad.quantize %x {axis = 1} : tensor<?x?xf32> -> !row
  %qw = quad.quantize %w {axis = 1} : tensor<?x?xf32> -> !row
  %qwt = quad.transpose %qw : !row -> !col
  %y = quad.matmul %qx, %qwt : !row, !col -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
)";

CompileResult compileFor(const std::string &stage) {
  CompileResult result;
  compile({module, "example", stage, {}}, result);
  for (const Diagnostic &diagnostic : result.diagnostics)
    EXPECT_NE(diagnostic.severity, Severity::Error) << diagnostic.message;
  return result;
}

struct Matrix {
  int64_t rows, cols;
  std::vector<float> data;

  Matrix(int64_t rows, int64_t cols) : rows(rows), cols(cols), data(rows * cols) {}
  Matrix(int64_t rows, int64_t cols, unsigned seed) : Matrix(rows, cols) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    for (float &value : data)
      value = normal(generator);
  }
  /// What UFP4 makes of it.
  Matrix rounded() const {
    const Format &format = *lookupFormat("UFP4");
    Quantized quantized;
    MatrixRef ref{data.data(), ElementType::F32, rows, cols, cols * 4, 4};
    EXPECT_EQ(quantize(ref, format, {}, quantized), "");
    Matrix result(rows, cols);
    result.data = dequantize(format, rows, cols, quantized.codes, quantized.scales).data;
    return result;
  }
};

class ExampleTarget : public testing::Test {
protected:
  void SetUp() override {
    if (!test::registerExampleTarget())
      GTEST_SKIP() << "the example is lowered to x86-64 code";
  }
};

TEST_F(ExampleTarget, multipliesCodesAsTheyAreStored) {
  CompileResult result = compileFor("tile");
  EXPECT_NE(result.output.find("tile.dot"), std::string::npos);
  EXPECT_NE(result.output.find("by \"e1m2:f32\" scales"), std::string::npos);
  EXPECT_EQ(result.output.find("tile.lookup"), std::string::npos);
}

TEST_F(ExampleTarget, runsUFP4) {
  CompileResult object = compileFor("object");
  ASSERT_TRUE(object.succeeded());
  auto program =
      runtime::Program::create(runtime::hostDevice(), object.output, object.schedule, "host");
  ASSERT_TRUE(bool(program)) << toString(program.takeError());
  const std::pair<int64_t, int64_t> shapes[] = {{1, 32}, {5, 40}, {33, 70}};
  for (auto [m, n] : shapes) {
    constexpr int64_t k = 176; // no multiple of the instruction's 32
    Matrix x(m, k, 1), w(n, k, 2), y(m, n);
    std::vector<std::array<int64_t, 2>> sizes = {{m, k}, {n, k}, {m, n}};
    std::vector<std::array<int64_t, 2>> strides = {{k, 1}, {k, 1}, {n, 1}};
    Matrix *matrices[] = {&x, &w, &y};
    llvm::SmallVector<Argument> arguments;
    for (unsigned i = 0; i < 3; ++i)
      arguments.push_back(Argument::buffer(matrices[i]->data.data(), sizes[i], strides[i]));
    llvm::Error error = (*program)->run(arguments);
    ASSERT_FALSE(bool(error)) << toString(std::move(error));
    Matrix a = x.rounded(), b = w.rounded();
    for (int64_t row = 0; row < m; ++row)
      for (int64_t col = 0; col < n; ++col) {
        double exact = 0, magnitudes = 0;
        for (int64_t i = 0; i < k; ++i) {
          double product = double(a.data[row * k + i]) * b.data[col * k + i];
          exact += product;
          magnitudes += std::fabs(product);
        }
        // Of each block one product of scales, one with the sum, and one addition are rounded.
        double bound = (3 + double(k) / 16) * std::ldexp(magnitudes, -23);
        EXPECT_NEAR(y.data[row * n + col], exact, bound) << row << ", " << col;
      }
  }
}

} // namespace
