//===- LoaderTest.cpp - Tests of code in this process ---------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Modules.h"
#include "quadrille/Runtime/Program.h"
#include "quadrille/Target/TargetSpec.h"
#include "gtest/gtest.h"
#include <thread>

using namespace quadrille;
using namespace quadrille::runtime;
using llvm::StringRef;

namespace {

CompileResult compileHere(const CompileRequest &request) {
  CompileResult result;
  EXPECT_TRUE(compile(request, result));
  for (const Diagnostic &diagnostic : result.diagnostics)
    ADD_FAILURE() << diagnostic.message;
  return result;
}

std::unique_ptr<Program> load(const CompileResult &result) {
  auto program = Program::create(hostDevice(), result.output, result.schedule, "host");
  EXPECT_TRUE(static_cast<bool>(program)) << toString(program.takeError());
  return std::move(*program);
}

void expectSquares(const Program &program, float addend) {
  std::vector<float> in(1000), out(1000);
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = 0.1f * i;
  int64_t size = in.size(), stride = 1;
  llvm::Error error = program.run({Argument::buffer(in.data(), size, stride), Argument::f32(addend),
                                   Argument::buffer(out.data(), size, stride)});
  ASSERT_FALSE(static_cast<bool>(error)) << toString(std::move(error));
  for (size_t i = 0; i < in.size(); ++i) {
    // The product is rounded by itself: this file is compiled without
    // contraction, and the fast-math flags of the module were withdrawn.
    volatile float product = in[i] * in[i];
    ASSERT_EQ(out[i], product + addend) << i;
  }
}

TEST(Loader, runsCompiledCode) { expectSquares(*load(compileHere(test::squareRequest())), 0.3f); }

TEST(Loader, programsAreIndependent) {
  CompileResult result = compileHere(test::squareRequest());
  auto first = load(result), second = load(result);
  first.reset();
  expectSquares(*second, -2.0f);
}

TEST(Loader, loadsFromManyThreads) {
  CompileResult result = compileHere(test::squareRequest());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i)
        expectSquares(*load(result), t);
    });
  for (std::thread &thread : threads)
    thread.join();
}

std::string loadError(StringRef object, StringRef schedule, StringRef target = "host") {
  auto program = Program::create(hostDevice(), object, schedule, target);
  return program ? "success" : toString(program.takeError());
}

TEST(Loader, refusesWhatItCannotLoad) {
  CompileResult result = compileHere(test::squareRequest());
  EXPECT_NE(loadError("not an object", result.schedule), "success");
  EXPECT_NE(loadError("", result.schedule), "success");
  EXPECT_NE(
      loadError(StringRef(result.output).drop_back(result.output.size() / 2), result.schedule),
      "success");
  EXPECT_TRUE(StringRef(loadError(result.output, "quadrille-schedule 1\nkernel missing\n"))
                  .contains("missing"));
  EXPECT_TRUE(StringRef(loadError(result.output, result.schedule, "sm_90a"))
                  .contains("target sm_90a is not the host"));
}

TEST(Loader, allowsNoInexactLibraryFunction) {
  CompileRequest request = test::squareRequest();
  const StringRef product = "llvm.fmul %v, %v {fastmathFlags = #llvm.fastmath<fast>} : f32";
  request.module.replace(request.module.find(product.str()), product.size(),
                         "llvm.call @expf(%v) : (f32) -> f32");
  request.module.insert(request.module.find("llvm.func"), "llvm.func @expf(f32) -> f32\n  ");
  CompileResult result = compileHere(request);
  std::string message = loadError(result.output, result.schedule);
  EXPECT_TRUE(StringRef(message).contains("expf")) << message;
}

TEST(Loader, checksTheCPU) {
  auto host = resolveTarget("host");
  ASSERT_TRUE(static_cast<bool>(host));
  EXPECT_FALSE(static_cast<bool>(checkRunsHere(*host)));
  TargetSpec impossible = *host;
  impossible.features = "+sse2,+avx512fp16,+amx-complex,+sm4,+avx10.2";
  llvm::Error error = checkRunsHere(impossible);
  ASSERT_TRUE(static_cast<bool>(error)) << "no CPU has all of these";
  EXPECT_TRUE(StringRef(toString(std::move(error))).contains("lacks"));
}

} // namespace
