//===- MessageTest.cpp - Tests of messages, frames and reproducers --------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/Message.h"
#include "gtest/gtest.h"
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace quadrille;
using namespace quadrille::runtime;

namespace {

CompileRequest someRequest() {
  return {"module {}\n", "host", "object", {{"exact", "true"}, {"note", "a=b"}}};
}

CompileResult someResult() {
  CompileResult result;
  result.failure = Failure::Invalid;
  Diagnostic note;
  note.severity = Severity::Note;
  note.message = "here";
  Diagnostic error;
  error.message = "no \xc3\xa9";
  error.file = "user.py";
  error.line = 3;
  error.column = 70000;
  error.notes = {note};
  result.diagnostics = {error};
  result.output = std::string("\0\xff\x7f"
                              "ELF",
                              6);
  result.schedule = "quadrille-schedule 1\n";
  result.metadata = {{"kernels", "[]"}};
  result.timings = {{"parse", 0.25}, {"codegen", 1e-9}};
  return result;
}

TEST(Message, requestsRoundTrip) {
  CompileRequest request;
  ASSERT_TRUE(decode(encode(someRequest()), request));
  EXPECT_EQ(encode(request), encode(someRequest()));
  EXPECT_EQ(request.options, someRequest().options);
}

TEST(Message, resultsRoundTrip) {
  CompileResult expected = someResult(), result;
  ASSERT_TRUE(decode(encode(expected), result));
  EXPECT_EQ(result.failure, expected.failure);
  EXPECT_EQ(result.output, expected.output);
  EXPECT_EQ(result.schedule, expected.schedule);
  EXPECT_EQ(result.metadata, expected.metadata);
  ASSERT_EQ(result.timings.size(), 2u);
  EXPECT_EQ(result.timings[1].first, "codegen");
  EXPECT_FLOAT_EQ(result.timings[1].second, 1e-9);
  ASSERT_EQ(result.diagnostics.size(), 1u);
  const Diagnostic &error = result.diagnostics[0];
  EXPECT_EQ(error.severity, Severity::Error);
  EXPECT_EQ(error.message, "no \xc3\xa9");
  EXPECT_EQ(error.file, "user.py");
  EXPECT_EQ(error.line, 3u);
  EXPECT_EQ(error.column, 70000u);
  ASSERT_EQ(error.notes.size(), 1u);
  EXPECT_EQ(error.notes[0].severity, Severity::Note);
  EXPECT_EQ(error.notes[0].message, "here");
}

TEST(Message, partsAreNotMessages) {
  std::string bytes = encode(someResult());
  for (size_t size = 0; size < bytes.size(); ++size) {
    CompileResult result;
    EXPECT_FALSE(decode(llvm::StringRef(bytes).take_front(size), result)) << size;
  }
  CompileRequest request;
  EXPECT_FALSE(decode(bytes, request)) << "a result is not a request";
}

TEST(Message, reproducersRoundTrip) {
  std::string text = toReproducer(someRequest(), "it crashed\nbadly");
  CompileRequest request;
  ASSERT_TRUE(fromReproducer(text, request));
  EXPECT_EQ(request.target, "host");
  EXPECT_EQ(request.stage, "object");
  EXPECT_EQ(request.options, someRequest().options);
  EXPECT_TRUE(llvm::StringRef(request.module).ends_with(someRequest().module));
  EXPECT_FALSE(fromReproducer("module {}", request));
  EXPECT_FALSE(fromReproducer(llvm::StringRef(text).split('\n').first, request));
}

class Frames : public testing::Test {
protected:
  void SetUp() override { ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0); }
  void TearDown() override {
    close(ends[0]);
    close(ends[1]);
  }
  static Deadline soon() {
    return std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  }

  int ends[2];
};

TEST_F(Frames, largeMessagesPass) {
  std::string message(3 << 20, 'x'), received;
  message[12345] = '\0';
  std::thread sender([&] { EXPECT_EQ(sendFrame(ends[0], message), IOStatus::Done); });
  EXPECT_EQ(receiveFrame(ends[1], received), IOStatus::Done);
  sender.join();
  EXPECT_EQ(received, message);
}

TEST_F(Frames, receivingTimesOut) {
  std::string received;
  EXPECT_EQ(receiveFrame(ends[1], received, soon()), IOStatus::TimedOut);
}

TEST_F(Frames, sendingToWhoDoesNotReadTimesOut) {
  EXPECT_EQ(sendFrame(ends[0], std::string(64 << 20, 'x'), soon()), IOStatus::TimedOut);
}

TEST_F(Frames, closedEndsAreSeen) {
  shutdown(ends[0], SHUT_RDWR);
  std::string received;
  EXPECT_EQ(receiveFrame(ends[1], received), IOStatus::Closed);
  EXPECT_EQ(sendFrame(ends[1], "no signal kills us"), IOStatus::Closed);
}

TEST_F(Frames, impossibleLengthsAreRefused) {
  std::string received;
  ASSERT_EQ(send(ends[0], "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 0), 8);
  EXPECT_EQ(receiveFrame(ends[1], received), IOStatus::Closed);
}

TEST(Fingerprint, namesThisBinary) {
  EXPECT_TRUE(llvm::StringRef(compilerFingerprint()).contains("llvm 22"));
  // quadrille VERSION BUILD-ID llvm VERSION; a build id has at least 16 digits.
  llvm::StringRef id = llvm::StringRef(compilerFingerprint()).split(' ').second.split(' ').second;
  EXPECT_GE(id.find(' '), 16u);
}

} // namespace
