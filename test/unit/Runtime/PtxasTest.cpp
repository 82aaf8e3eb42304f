//===- PtxasTest.cpp - Tests of finding and running ptxas -----------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With shell scripts in the place of NVIDIA's program.
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/NVVM/Ptxas.h"
#include "quadrille/Runtime/Compiler.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cstdlib>

using namespace quadrille;
using namespace llvm;

namespace {

/// Sets a variable of the environment while it lives; null unsets it.
class Variable {
public:
  Variable(const char *name, const char *value) : name(name) {
    if (const char *before = std::getenv(name))
      saved = before;
    set(value);
  }
  ~Variable() { set(saved ? saved->c_str() : nullptr); }

private:
  void set(const char *value) {
    value ? setenv(name, value, /*overwrite=*/1) : unsetenv(name);
  }
  const char *name;
  std::optional<std::string> saved;
};

class PtxasTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(sys::fs::createUniqueDirectory("quadrille-ptxas-test", directory));
  }
  void TearDown() override { sys::fs::remove_directories(directory); }

  /// A program called `name` that runs `body`.
  std::string program(StringRef name, StringRef body) {
    std::string path = (directory + "/" + name).str();
    sys::fs::create_directories(directory + "/bin");
    std::error_code error;
    raw_fd_ostream(path, error) << "#!/bin/sh\n" << body << "\n";
    EXPECT_FALSE(error);
    sys::fs::setPermissions(path, sys::fs::all_all);
    return path;
  }

  SmallString<128> directory;
};

TEST_F(PtxasTest, isFoundInThisOrder) {
  std::string own = program("own", ""), inPath = program("ptxas", ""),
              inHome = program("bin/ptxas", "");
  Variable home("CUDA_HOME", directory.c_str());
  {
    Variable path("PATH", directory.c_str());
    Variable variable("QUADRILLE_PTXAS", own.c_str());
    EXPECT_EQ(findPtxas(), own);
    Variable none("QUADRILLE_PTXAS", "");
    EXPECT_EQ(findPtxas(), "");
    Variable unset("QUADRILLE_PTXAS", nullptr);
    EXPECT_EQ(findPtxas(), inPath);
  }
  Variable variable("QUADRILLE_PTXAS", nullptr);
  Variable path("PATH", "/nonexistent");
  EXPECT_EQ(findPtxas(), inHome);
  Variable homeless("CUDA_HOME", nullptr);
  EXPECT_EQ(findPtxas(), "");
}

TEST_F(PtxasTest, makesMachineCode) {
  // --gpu-name=ARCH --verbose INPUT --output-file OUTPUT
  std::string ptxas = program("ptxas", "echo \"$1: 32 registers\" >&2; cat \"$3\" > \"$5\"");
  std::string log;
  Expected<std::string> code = assemblePTX("text of PTX", "sm_90a", ptxas, log);
  ASSERT_TRUE(bool(code)) << toString(code.takeError());
  EXPECT_EQ(*code, "text of PTX");
  EXPECT_EQ(log, "--gpu-name=sm_90a: 32 registers\n");
}

TEST_F(PtxasTest, errorsAreItsOwnWords) {
  std::string ptxas = program("ptxas", "echo 'line 7; error: unknown register'; exit 3");
  std::string log;
  Expected<std::string> code = assemblePTX("", "sm_80", ptxas, log);
  ASSERT_FALSE(bool(code));
  EXPECT_EQ(toString(code.takeError()),
            ptxas + " refuses the code for sm_80: line 7; error: unknown register");
  code = assemblePTX("", "sm_80", (directory + "/none").str(), log);
  ASSERT_FALSE(bool(code));
  consumeError(code.takeError());
}

TEST_F(PtxasTest, anotherFileIsAnotherAssembler) {
  std::string first = program("a", "exit 0"), second = program("b", "exit 1;");
  std::string before = ptxasFingerprint(first);
  EXPECT_NE(before, ptxasFingerprint(second));
  EXPECT_EQ(before, ptxasFingerprint(first));
  program("a", "exit 0 # newer");
  EXPECT_NE(before, ptxasFingerprint(first));
  EXPECT_EQ(ptxasFingerprint(""), "");
}

/// The compiler takes it from the environment at each request.
TEST_F(PtxasTest, theCompilerUsesIt) {
  runtime::CompilerOptions options;
  options.helper = HELPER_PATH;
  runtime::Compiler compiler(options);
  CompileRequest request{"llvm.func @f() attributes {nvvm.kernel} {\n  llvm.return\n}", "sm_90a",
                         "object",
                         {}};
  {
    Variable none("QUADRILLE_PTXAS", "");
    CompileResult ptx = compiler.compile(request);
    EXPECT_NE(ptx.output.find(".target sm_90a"), std::string::npos);
  }
  std::string good = program("good", "echo info; echo cubin > \"$5\"");
  std::string bad = program("bad", "echo 'error: no'; exit 1");
  {
    Variable variable("QUADRILLE_PTXAS", good.c_str());
    CompileResult cubin = compiler.compile(request);
    EXPECT_EQ(cubin.output, "cubin\n");
    std::pair<std::string, std::string> log("ptxas", "info\n");
    EXPECT_EQ(std::count(cubin.metadata.begin(), cubin.metadata.end(), log), 1);
  }
  Variable variable("QUADRILLE_PTXAS", bad.c_str());
  CompileResult refused = compiler.compile(request);
  EXPECT_EQ(refused.failure, Failure::Invalid);
  ASSERT_FALSE(refused.diagnostics.empty());
  EXPECT_EQ(refused.diagnostics[0].message, bad + " refuses the code for sm_90a: error: no");
  request.stage = "asm"; // which needs no assembler
  EXPECT_TRUE(compiler.compile(request).succeeded());
}

} // namespace
