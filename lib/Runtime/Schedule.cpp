//===- Schedule.cpp - How to run a compiled program -----------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/Schedule.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;

namespace quadrille::runtime {
namespace {

/// What an operand of an instruction is.
enum class Field : uint8_t {
  None,
  Number,    ///< an integer
  Buffer,    ///< the number of an argument that is a buffer
  Dimension, ///< a dimension of the buffer before it
  Scalar,    ///< the number of an argument that is an i64
  Value,     ///< a value that is a number, not a buffer
};

struct OpSyntax {
  StringLiteral name;
  Opcode opcode;
  Field fields[3];
};

constexpr OpSyntax opSyntax[] = {
    {"const", Opcode::Const, {Field::Number}},
    {"dim", Opcode::Dim, {Field::Buffer, Field::Dimension}},
    {"stride", Opcode::Stride, {Field::Buffer, Field::Dimension}},
    {"scalar", Opcode::Scalar, {Field::Scalar}},
    {"add", Opcode::Add, {Field::Value, Field::Value}},
    {"sub", Opcode::Sub, {Field::Value, Field::Value}},
    {"mul", Opcode::Mul, {Field::Value, Field::Value}},
    {"div", Opcode::Div, {Field::Value, Field::Value}},
    {"rem", Opcode::Rem, {Field::Value, Field::Value}},
    {"ceildiv", Opcode::CeilDiv, {Field::Value, Field::Value}},
    {"min", Opcode::Min, {Field::Value, Field::Value}},
    {"max", Opcode::Max, {Field::Value, Field::Value}},
    {"and", Opcode::And, {Field::Value, Field::Value}},
    {"or", Opcode::Or, {Field::Value, Field::Value}},
    {"eq", Opcode::Eq, {Field::Value, Field::Value}},
    {"ne", Opcode::Ne, {Field::Value, Field::Value}},
    {"lt", Opcode::Lt, {Field::Value, Field::Value}},
    {"le", Opcode::Le, {Field::Value, Field::Value}},
    {"select", Opcode::Select, {Field::Value, Field::Value, Field::Value}},
    {"alloc", Opcode::Alloc, {Field::Value}},
};

class Parser {
public:
  Expected<Schedule> parse(StringRef text);

private:
  using Tokens = ArrayRef<StringRef>;

  Error parseLine(StringRef line);
  Error parseVersion(Tokens tokens);
  Error parseArgument(Tokens tokens);
  Error parseKernel(Tokens tokens);
  Error parseDefinition(Tokens tokens);
  Error parseCheck(StringRef line);
  Error parseLaunch(Tokens tokens);

  Error parseField(Field field, StringRef token, int64_t previous, int64_t &number);
  Error parseOperand(StringRef token, Operand &operand);
  /// The number of a value that is defined.
  Error parseValue(StringRef token, int64_t &number);
  /// The same of one that is a number.
  Error parseNumericValue(StringRef token, int64_t &number);
  Error parseArgumentNumber(StringRef token, int64_t &number);

  Error error(const Twine &message) const {
    return createStringError("schedule, line " + Twine(lineNumber) + ": " + message);
  }

  Schedule schedule;
  unsigned lineNumber = 0;
  bool sawVersion = false;
  std::vector<bool> isPointer; ///< of each value: the result of an alloc
};

} // namespace

/// `key=N` with N >= 0.
static bool parseSetting(StringRef token, StringRef &key, int64_t &value) {
  StringRef text;
  std::tie(key, text) = token.split('=');
  return to_integer(text, value, 10) && value >= 0;
}

Error Parser::parseVersion(Tokens tokens) {
  if (tokens.size() != 2 || tokens[0] != "quadrille-schedule" || tokens[1] != "1")
    return error("expected 'quadrille-schedule 1'");
  sawVersion = true;
  return Error::success();
}

Error Parser::parseArgument(Tokens tokens) {
  ArgumentDecl argument;
  StringRef kind = tokens.size() > 1 ? tokens[1] : "";
  if (kind == "i64" || kind == "f32") {
    argument.kind = kind == "i64" ? ArgumentKind::I64 : ArgumentKind::F32;
    if (tokens.size() != 2)
      return error("a scalar argument has no attributes");
  } else if (kind == "buffer") {
    argument.kind = ArgumentKind::Buffer;
    int64_t rank = -1, itemSize = 0;
    for (StringRef token : tokens.drop_front(2)) {
      StringRef key;
      int64_t value = 0;
      if (token == "out")
        argument.isOut = true;
      else if (!parseSetting(token, key, value) || (key != "rank" && key != "itemsize"))
        return error("unknown attribute '" + token + "' of a buffer");
      else
        (key == "rank" ? rank : itemSize) = value;
    }
    if (rank < 0 || itemSize <= 0)
      return error("a buffer needs rank= and itemsize=");
    argument.rank = rank;
    argument.itemSize = itemSize;
  } else {
    return error("unknown kind of argument '" + kind + "': expected buffer, i64 or f32");
  }
  schedule.arguments.push_back(argument);
  return Error::success();
}

Error Parser::parseKernel(Tokens tokens) {
  if (tokens.size() < 2)
    return error("expected the name of a kernel");
  KernelDecl kernel{tokens[1].str(), {}};
  for (StringRef token : tokens.drop_front(2)) {
    StringRef key;
    int64_t value;
    int64_t *attribute = nullptr;
    if (parseSetting(token, key, value))
      attribute = StringSwitch<int64_t *>(key)
                      .Case("cost", &kernel.attributes.cost)
                      .Case("threads", &kernel.attributes.threads)
                      .Case("shared", &kernel.attributes.shared)
                      .Case("cluster", &kernel.attributes.cluster)
                      .Default(nullptr);
    if (!attribute)
      return error("unknown attribute '" + token + "' of a kernel");
    *attribute = value;
  }
  schedule.kernels.push_back(std::move(kernel));
  return Error::success();
}

Error Parser::parseValue(StringRef token, int64_t &number) {
  StringRef digits = token;
  if (!digits.consume_front("%") || !to_integer(digits, number, 10) || number < 0 ||
      number >= schedule.numValues)
    return error("'" + token + "' is not a value that is defined");
  return Error::success();
}

Error Parser::parseNumericValue(StringRef token, int64_t &number) {
  if (Error invalid = parseValue(token, number))
    return invalid;
  if (isPointer[number])
    return error("value " + token + " is a buffer, not a number");
  return Error::success();
}

Error Parser::parseArgumentNumber(StringRef token, int64_t &number) {
  if (!to_integer(token, number, 10) || number < 0 ||
      number >= static_cast<int64_t>(schedule.arguments.size()))
    return error("'" + token + "' is not the number of an argument");
  return Error::success();
}

Error Parser::parseField(Field field, StringRef token, int64_t previous, int64_t &number) {
  switch (field) {
  case Field::None:
    return Error::success();
  case Field::Number:
    return to_integer(token, number, 10) ? Error::success()
                                         : error("'" + token + "' is not a number");
  case Field::Value:
    return parseNumericValue(token, number);
  case Field::Dimension:
    if (to_integer(token, number, 10) && number >= 0 && number < schedule.arguments[previous].rank)
      return Error::success();
    return error("argument " + Twine(previous) + " has no dimension " + token);
  case Field::Buffer:
  case Field::Scalar:
    break;
  }
  if (Error invalid = parseArgumentNumber(token, number))
    return invalid;
  ArgumentKind expected = field == Field::Buffer ? ArgumentKind::Buffer : ArgumentKind::I64;
  if (schedule.arguments[number].kind != expected)
    return error("argument " + token + " is not " +
                 (field == Field::Buffer ? "a buffer" : "an i64"));
  return Error::success();
}

Error Parser::parseDefinition(Tokens tokens) {
  if (tokens[0] != ("%" + Twine(schedule.numValues)).str())
    return error("expected the definition of %" + Twine(schedule.numValues));
  if (tokens.size() < 3 || tokens[1] != "=")
    return error("expected '= operation' after " + tokens[0]);
  const auto *syntax = llvm::find_if(opSyntax, [&](auto &s) { return s.name == tokens[2]; });
  if (syntax == std::end(opSyntax))
    return error("unknown operation '" + tokens[2] + "'");
  Tokens operands = tokens.drop_front(3);
  size_t expected = 3 - llvm::count(syntax->fields, Field::None);
  if (operands.size() != expected)
    return error(tokens[2] + " takes " + Twine(expected) + " operands");
  int64_t numbers[3] = {};
  for (size_t i = 0; i < expected; ++i)
    if (Error invalid =
            parseField(syntax->fields[i], operands[i], i ? numbers[i - 1] : 0, numbers[i]))
      return invalid;
  schedule.instructions.push_back({syntax->opcode, numbers[0], numbers[1], numbers[2]});
  isPointer.push_back(syntax->opcode == Opcode::Alloc);
  ++schedule.numValues;
  return Error::success();
}

Error Parser::parseCheck(StringRef line) {
  auto [value, message] = line.drop_front(StringRef("check").size()).ltrim().split(' ');
  int64_t number = 0;
  if (Error invalid = parseNumericValue(value, number))
    return invalid;
  int64_t index = schedule.messages.size();
  schedule.messages.push_back(message.trim().str());
  schedule.instructions.push_back({Opcode::Check, number, index, 0});
  return Error::success();
}

Error Parser::parseOperand(StringRef token, Operand &operand) {
  size_t plus = token.find('+');
  StringRef base = token.take_front(plus);
  operand.isArgument = base.consume_front("@");
  if (Error invalid = operand.isArgument ? parseArgumentNumber(base, operand.number)
                                         : parseValue(base, operand.number))
    return invalid;
  bool pointer = operand.isArgument
                     ? schedule.arguments[operand.number].kind == ArgumentKind::Buffer
                     : isPointer[operand.number];
  if (plus == StringRef::npos)
    return Error::success();
  if (!pointer)
    return error("an offset needs a buffer: '" + token + "'");
  return parseNumericValue(token.drop_front(plus + 1), operand.offset);
}

Error Parser::parseLaunch(Tokens tokens) {
  if (tokens.size() < 4)
    return error("expected 'launch kernel gridX gridY operands'");
  auto kernel = llvm::find_if(schedule.kernels, [&](auto &k) { return k.name == tokens[1]; });
  if (kernel == schedule.kernels.end())
    return error("kernel '" + tokens[1] + "' is not declared");
  Instruction instruction{Opcode::Launch};
  if (Error invalid = parseNumericValue(tokens[2], instruction.a))
    return invalid;
  if (Error invalid = parseNumericValue(tokens[3], instruction.b))
    return invalid;
  instruction.c = schedule.launches.size();
  Launch &launch = schedule.launches.emplace_back();
  launch.kernel = kernel - schedule.kernels.begin();
  for (StringRef token : tokens.drop_front(4))
    if (Error invalid = parseOperand(token, launch.operands.emplace_back()))
      return invalid;
  schedule.instructions.push_back(instruction);
  return Error::success();
}

Error Parser::parseLine(StringRef line) {
  SmallVector<StringRef> tokens;
  SplitString(line, tokens);
  if (!sawVersion)
    return parseVersion(tokens);
  if (tokens[0].starts_with("%"))
    return parseDefinition(tokens);
  if (tokens[0] == "launch")
    return parseLaunch(tokens);
  if (tokens[0] == "check")
    return parseCheck(line);
  if (tokens[0] == "arg")
    return parseArgument(tokens);
  if (tokens[0] == "kernel")
    return parseKernel(tokens);
  return error("unknown statement '" + tokens[0] + "'");
}

Expected<Schedule> Parser::parse(StringRef text) {
  for (StringRef line : llvm::split(text, '\n')) {
    ++lineNumber;
    line = line.trim();
    if (line.empty() || line.starts_with(";"))
      continue;
    if (Error invalid = parseLine(line))
      return invalid;
  }
  if (!sawVersion)
    return error("expected 'quadrille-schedule 1'");
  return std::move(schedule);
}

Expected<Schedule> parseSchedule(StringRef text) { return Parser().parse(text); }

} // namespace quadrille::runtime
