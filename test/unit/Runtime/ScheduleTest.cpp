//===- ScheduleTest.cpp - Tests of the schedule parser --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/Schedule.h"
#include "gtest/gtest.h"

using namespace quadrille::runtime;
using llvm::StringRef;

namespace {

const std::string prologue = "quadrille-schedule 1\n"
                             "arg buffer rank=2 itemsize=2\n"
                             "arg i64\n"
                             "arg buffer rank=1 itemsize=1 out\n"
                             "kernel k cost=100\n";

TEST(Schedule, parsesWhatTheGrammarShows) {
  auto schedule = parseSchedule(prologue + "; a comment\n\n"
                                           "%0 = dim 0 1\n"
                                           "  %1 = scalar 1\n"
                                           "%2 = ceildiv %0 %1\n"
                                           "check %2 must not be empty: a + b\n"
                                           "%3 = alloc %2\n"
                                           "launch k %1 %2 @0 @2+%1 %3 %3+%2 %0 @1\n");
  ASSERT_TRUE(static_cast<bool>(schedule)) << toString(schedule.takeError());
  ASSERT_EQ(schedule->arguments.size(), 3u);
  EXPECT_EQ(schedule->arguments[0].rank, 2u);
  EXPECT_EQ(schedule->arguments[0].itemSize, 2u);
  EXPECT_FALSE(schedule->arguments[0].isOut);
  EXPECT_EQ(schedule->arguments[1].kind, ArgumentKind::I64);
  EXPECT_TRUE(schedule->arguments[2].isOut);
  ASSERT_EQ(schedule->kernels.size(), 1u);
  EXPECT_EQ(schedule->kernels[0].attributes.cost, 100);
  EXPECT_EQ(schedule->messages, std::vector<std::string>{"must not be empty: a + b"});
  EXPECT_EQ(schedule->numValues, 4u);
  EXPECT_EQ(schedule->instructions.size(), 6u);
  ASSERT_EQ(schedule->launches.size(), 1u);
  const auto &operands = schedule->launches[0].operands;
  ASSERT_EQ(operands.size(), 6u);
  EXPECT_TRUE(operands[1].isArgument);
  EXPECT_EQ(operands[1].number, 2);
  EXPECT_EQ(operands[1].offset, 1);
  EXPECT_FALSE(operands[3].isArgument);
  EXPECT_EQ(operands[3].offset, 2);
  EXPECT_EQ(operands[4].offset, -1);
}

struct Invalid {
  const char *line;    ///< after the prologue
  const char *message; ///< part of the error
};

TEST(Schedule, rejectsWhatItCannotRun) {
  const Invalid cases[] = {
      {"%1 = const 3", "expected the definition of %0"},
      {"%0 const 3", "expected '= operation'"},
      {"%0 = frobnicate 3", "unknown operation 'frobnicate'"},
      {"%0 = const three", "'three' is not a number"},
      {"%0 = const 99999999999999999999", "is not a number"},
      {"%0 = const", "takes 1 operands"},
      {"%0 = add %0 %0", "'%0' is not a value that is defined"},
      {"%0 = dim 1 0", "argument 1 is not a buffer"},
      {"%0 = dim 0 2", "argument 0 has no dimension 2"},
      {"%0 = dim 0 -1", "argument 0 has no dimension -1"},
      {"%0 = stride 7 0", "'7' is not the number of an argument"},
      {"%0 = scalar 0", "argument 0 is not an i64"},
      {"%0 = const 8\n%1 = alloc %0\n%2 = add %1 %0", "value %1 is a buffer, not a number"},
      {"%0 = const 8\n%1 = alloc %0\ncheck %1 text", "value %1 is a buffer, not a number"},
      {"%0 = const 8\nlaunch missing %0 %0", "kernel 'missing' is not declared"},
      {"%0 = const 8\nlaunch k %0", "expected 'launch kernel"},
      {"%0 = const 8\nlaunch k %0 %0 %0+%0", "an offset needs a buffer"},
      {"%0 = const 8\nlaunch k %0 %0 @1+%0", "an offset needs a buffer"},
      {"%0 = const 8\nlaunch k %0 %0 @0+", "'' is not a value that is defined"},
      {"%0 = const 8\nlaunch k %0 %0 @3", "'3' is not the number of an argument"},
      {"check text", "'text' is not a value that is defined"},
      {"arg tensor", "unknown kind of argument 'tensor'"},
      {"arg buffer rank=2", "a buffer needs rank= and itemsize="},
      {"arg buffer rank=2 itemsize=2 in", "unknown attribute 'in'"},
      {"arg i64 out", "a scalar argument has no attributes"},
      {"kernel k2 speed=3", "unknown attribute 'speed=3'"},
      {"kernel k2 cost=-3", "unknown attribute 'cost=-3'"},
      {"jump 3", "unknown statement 'jump'"},
      {"quadrille-schedule 1", "unknown statement"},
  };
  for (const Invalid &invalid : cases) {
    auto schedule = parseSchedule(prologue + invalid.line);
    ASSERT_FALSE(static_cast<bool>(schedule)) << invalid.line;
    std::string message = toString(schedule.takeError());
    EXPECT_TRUE(StringRef(message).contains(invalid.message)) << invalid.line << ": " << message;
  }
}

TEST(Schedule, errorsCarryTheLine) {
  auto schedule = parseSchedule(prologue + "\n%0 = const 1\njump\n");
  ASSERT_FALSE(static_cast<bool>(schedule));
  EXPECT_TRUE(StringRef(toString(schedule.takeError())).starts_with("schedule, line 8: "));
}

TEST(Schedule, needsItsVersion) {
  for (StringRef text : {"", "\n; nothing\n", "arg i64\n", "quadrille-schedule 2\n"}) {
    auto schedule = parseSchedule(text);
    ASSERT_FALSE(static_cast<bool>(schedule)) << text.str();
    EXPECT_TRUE(StringRef(toString(schedule.takeError())).contains("'quadrille-schedule 1'"));
  }
}

} // namespace
