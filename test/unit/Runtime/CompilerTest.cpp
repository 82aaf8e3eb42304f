//===- CompilerTest.cpp - Tests of the compiler in its helper process -----===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/Compiler.h"
#include "Modules.h"
#include "quadrille/Runtime/Message.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <csignal>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace quadrille;
using namespace quadrille::runtime;
using namespace llvm;

namespace {

class CompilerTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(sys::fs::createUniqueDirectory("quadrille-test", directory));
    options.helper = HELPER_PATH;
    options.reproducerDirectory = directory.str().str();
  }
  void TearDown() override { sys::fs::remove_directories(directory); }

  /// A helper that is a shell script of ours.
  void useScript(StringRef script) {
    options.helper = (directory + "/helper.sh").str();
    std::error_code error;
    raw_fd_ostream(options.helper, error) << "#!/bin/sh\n" << script << "\n";
    ASSERT_FALSE(error);
    ASSERT_FALSE(sys::fs::setPermissions(options.helper, sys::fs::owner_all));
  }
  /// The real helper, which leaves its process number in a file.
  void useTracedHelper() {
    useScript("echo $$ > " + path("pid") + "; exec " HELPER_PATH " \"$@\"");
  }
  pid_t helperPid() { return std::atoi(read(path("pid")).c_str()); }

  std::string path(StringRef name) { return (directory + "/" + name).str(); }
  static std::string read(const std::string &path) {
    auto buffer = MemoryBuffer::getFile(path);
    return buffer ? (*buffer)->getBuffer().str() : "";
  }

  SmallString<128> directory;
  CompilerOptions options;
};

void expectObject(const CompileResult &result) {
  EXPECT_TRUE(result.succeeded());
  for (const Diagnostic &diagnostic : result.diagnostics)
    ADD_FAILURE() << diagnostic.message;
  EXPECT_TRUE(StringRef(result.output)
                  .starts_with("\x7f"
                               "ELF"));
  EXPECT_TRUE(StringRef(result.schedule).starts_with("quadrille-schedule 1\n"));
}

TEST_F(CompilerTest, compiles) {
  Compiler compiler(options);
  expectObject(compiler.compile(test::squareRequest()));
  expectObject(compiler.compile(test::squareRequest("again")));
  CompilerStatistics statistics = compiler.statistics();
  EXPECT_EQ(statistics.compilations, 2u);
  EXPECT_EQ(statistics.helpersStarted, 1u) << "the helper stays warm";
  EXPECT_GT(statistics.helperStartSeconds, 0);
  EXPECT_LT(statistics.helperStartSeconds, 60);
}

TEST_F(CompilerTest, outputDoesNotDependOnWhatCameBefore) {
  Compiler compiler(options), other(options);
  std::string first = compiler.compile(test::squareRequest()).output;
  compiler.compile(test::squareRequest("between"));
  EXPECT_EQ(compiler.compile(test::squareRequest()).output, first);
  EXPECT_EQ(other.compile(test::squareRequest()).output, first);
}

TEST_F(CompilerTest, warmUpStartsOneHelper) {
  Compiler compiler(options);
  compiler.warmUp();
  compiler.warmUp();
  expectObject(compiler.compile(test::squareRequest()));
  EXPECT_EQ(compiler.statistics().helpersStarted, 1u);
}

TEST_F(CompilerTest, reportsInvalidModules) {
  Compiler compiler(options);
  CompileRequest request = test::squareRequest();
  request.module = "module {\n  llvm.func @f(%a: i64) { llvm.return %b : i64 }\n}";
  CompileResult result = compiler.compile(request);
  EXPECT_EQ(result.failure, Failure::Invalid);
  ASSERT_FALSE(result.diagnostics.empty());
  EXPECT_EQ(result.diagnostics[0].severity, Severity::Error);
  EXPECT_EQ(result.diagnostics[0].line, 2u);
  EXPECT_TRUE(result.output.empty());
  expectObject(compiler.compile(test::squareRequest()));
  EXPECT_EQ(compiler.statistics().helpersLost, 0u);
}

TEST_F(CompilerTest, reportsUnknownTargetsAndStages) {
  Compiler compiler(options);
  CompileRequest request = test::squareRequest();
  request.target = "abacus";
  CompileResult result = compiler.compile(request);
  EXPECT_EQ(result.failure, Failure::Invalid);
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_TRUE(StringRef(result.diagnostics[0].message).contains("unknown target 'abacus'"));
  request = test::squareRequest();
  request.stage = "poem";
  result = compiler.compile(request);
  EXPECT_EQ(result.failure, Failure::Invalid);
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_TRUE(StringRef(result.diagnostics[0].message).contains("'poem'"));
}

TEST_F(CompilerTest, survivesACrash) {
  Compiler compiler(options);
  expectObject(compiler.compile(test::squareRequest()));
  CompileResult result = compiler.compile(test::crashRequest());
  EXPECT_EQ(result.failure, Failure::Crash);
  ASSERT_EQ(result.diagnostics.size(), 1u);
  StringRef message = result.diagnostics[0].message;
  EXPECT_TRUE(message.contains("the compiler crashed")) << message.str();
  EXPECT_TRUE(message.contains("LLVM ERROR: ")) << "LLVM's own words: " << message.str();
  EXPECT_TRUE(StringRef(result.log).contains("LLVM ERROR: "));

  CompileRequest replayed;
  ASSERT_TRUE(fromReproducer(read(result.reproducer), replayed));
  EXPECT_EQ(replayed.target, test::crashRequest().target);
  EXPECT_EQ(replayed.stage, test::crashRequest().stage);

  expectObject(compiler.compile(test::squareRequest()));
  CompilerStatistics statistics = compiler.statistics();
  EXPECT_EQ(statistics.helpersLost, 1u);
  EXPECT_EQ(statistics.helpersStarted, 2u);
}

TEST_F(CompilerTest, reproducersReplay) {
  std::error_code error;
  raw_fd_ostream(path("ok.mlir"), error) << toReproducer(test::squareRequest(), "test");
  raw_fd_ostream(path("crash.mlir"), error) << toReproducer(test::crashRequest(), "test");
  ASSERT_FALSE(error);
  auto replay = [&](const char *file) {
    std::string command = std::string(HELPER_PATH) + " --replay " + path(file) + " > " +
                          path("out") + " 2> " + path("err");
    return std::system(command.c_str());
  };
  EXPECT_EQ(replay("ok.mlir"), 0);
  EXPECT_TRUE(StringRef(read(path("out")))
                  .starts_with("\x7f"
                               "ELF"));
  EXPECT_NE(replay("crash.mlir"), 0);
  EXPECT_TRUE(StringRef(read(path("err"))).contains("LLVM ERROR: "));
}

TEST_F(CompilerTest, stopsAtTheTimeLimit) {
  useScript("echo $$ > " + path("pid") + "; echo thinking; exec sleep 1000");
  options.timeout = 0.5;
  Compiler compiler(options);
  auto start = std::chrono::steady_clock::now();
  CompileResult result = compiler.compile(test::squareRequest());
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(result.failure, Failure::Timeout);
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_TRUE(StringRef(result.diagnostics[0].message).contains("did not finish within 0.5"));
  EXPECT_TRUE(StringRef(result.log).contains("thinking"));
  CompileRequest replayed;
  EXPECT_TRUE(fromReproducer(read(result.reproducer), replayed));
  EXPECT_GE(elapsed.count(), 0.5);
  EXPECT_LT(elapsed.count(), 100);
  ASSERT_GT(helperPid(), 0);
  EXPECT_EQ(kill(helperPid(), 0), -1) << "the helper is gone";
}

TEST_F(CompilerTest, replacesAHelperThatDiedIdle) {
  useTracedHelper();
  Compiler compiler(options);
  expectObject(compiler.compile(test::squareRequest()));
  pid_t helper = helperPid();
  ASSERT_GT(helper, 0);
  ASSERT_EQ(kill(helper, SIGKILL), 0);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, helper, &info, WEXITED | WNOWAIT), 0);
  expectObject(compiler.compile(test::squareRequest()));
  EXPECT_EQ(compiler.statistics().helpersStarted, 2u);
}

TEST_F(CompilerTest, missingHelpersAreReported) {
  options.helper = path("nothing-here");
  Compiler compiler(options);
  CompileResult result = compiler.compile(test::squareRequest());
  EXPECT_EQ(result.failure, Failure::Unavailable);
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_TRUE(StringRef(result.diagnostics[0].message).contains(options.helper));
}

TEST_F(CompilerTest, programsThatAreNoHelpersAreReported) {
  useScript("echo I am something else >&2; exit 3");
  Compiler compiler(options);
  CompileResult result = compiler.compile(test::squareRequest());
  EXPECT_EQ(result.failure, Failure::Crash);
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_TRUE(StringRef(result.diagnostics[0].message).contains("exit status 3"));
  EXPECT_TRUE(StringRef(result.diagnostics[0].message).contains("I am something else"));
}

TEST_F(CompilerTest, compilesFromManyThreads) {
  options.maxHelpers = 2;
  Compiler compiler(options);
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 3; ++i) {
        std::string name = "kernel" + std::to_string(t * 10 + i);
        CompileResult result = compiler.compile(test::squareRequest(name));
        expectObject(result);
        EXPECT_TRUE(StringRef(result.output).contains(name)) << "an answer to another request";
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(compiler.statistics().compilations, 18u);
  EXPECT_LE(compiler.statistics().helpersStarted, 2u);
}

TEST_F(CompilerTest, helpersEndWithTheirClient) {
  useTracedHelper();
  pid_t client = fork();
  if (client == 0) {
    Compiler compiler(options);
    _exit(!compiler.compile(test::squareRequest()).succeeded()); // without destructors
  }
  int status = 1;
  ASSERT_EQ(waitpid(client, &status, 0), client);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  pid_t helper = helperPid();
  ASSERT_GT(helper, 0);
  auto isRunning = [&] { // a zombie is not
    std::string state = read("/proc/" + std::to_string(helper) + "/stat");
    return !state.empty() && !StringRef(state).contains(") Z ");
  };
  for (int i = 0; i < 1000 && isRunning(); ++i)
    usleep(10'000);
  EXPECT_FALSE(isRunning());
}

TEST_F(CompilerTest, aForkedChildUsesItsOwnHelper) {
  Compiler compiler(options);
  expectObject(compiler.compile(test::squareRequest()));
  pid_t child = fork();
  if (child == 0) {
    bool right = compiler.compile(test::squareRequest("child")).succeeded() &&
                 compiler.statistics().helpersStarted == 2;
    _exit(!right);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  expectObject(compiler.compile(test::squareRequest("parent")));
  EXPECT_EQ(compiler.statistics().helpersStarted, 1u);
}

TEST_F(CompilerTest, resultsOfAnotherBuildAreNotCached) {
  // This test program is not the library that the helper runs.
  options.cacheDirectory = path("cache");
  Compiler compiler(options);
  bool cached = true;
  expectObject(compiler.compile(test::squareRequest(), &cached));
  EXPECT_FALSE(cached);
  expectObject(compiler.compile(test::squareRequest(), &cached));
  EXPECT_FALSE(cached);
}

} // namespace
