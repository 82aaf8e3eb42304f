//===- Program.cpp - A compiled function, ready to run --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/Program.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace quadrille::runtime {

//===----------------------------------------------------------------------===//
// Making
//===----------------------------------------------------------------------===//

Program::Program(Device &device, Schedule schedule, std::unique_ptr<LoadedCode> code,
                 std::vector<void *> kernels)
    : device(device), schedule(std::move(schedule)), code(std::move(code)),
      kernels(std::move(kernels)) {}

Expected<std::unique_ptr<Program>> Program::create(Device &device, StringRef code,
                                                   StringRef scheduleText, StringRef target) {
  Expected<Schedule> schedule = parseSchedule(scheduleText);
  if (!schedule)
    return schedule.takeError();
  Expected<std::unique_ptr<LoadedCode>> loaded = device.load(code, target);
  if (!loaded)
    return loaded.takeError();
  std::vector<void *> kernels;
  for (const KernelDecl &kernel : schedule->kernels) {
    Expected<void *> handle = (*loaded)->lookup(kernel);
    if (!handle)
      return handle.takeError();
    kernels.push_back(*handle);
  }
  return std::unique_ptr<Program>(
      new Program(device, std::move(*schedule), std::move(*loaded), std::move(kernels)));
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

static StringRef kindName(ArgumentKind kind) {
  static constexpr StringLiteral names[] = {"a buffer", "an i64", "an f32"};
  return names[static_cast<unsigned>(kind)];
}

Error Program::checkArguments(ArrayRef<Argument> arguments) const {
  if (arguments.size() != schedule.arguments.size())
    return createStringError("expected " + Twine(schedule.arguments.size()) + " arguments, got " +
                             Twine(arguments.size()));
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    const ArgumentDecl &expected = schedule.arguments[i];
    if (argument.kind != expected.kind)
      return createStringError("argument " + Twine(i) + " must be " + kindName(expected.kind) +
                               ", got " + kindName(argument.kind));
    if (argument.rank != expected.rank)
      return createStringError("argument " + Twine(i) + " must have rank " + Twine(expected.rank) +
                               ", got " + Twine(argument.rank));
  }
  return Error::success();
}

static uint64_t toSlot(const Argument &argument) {
  switch (argument.kind) {
  case ArgumentKind::Buffer:
    return reinterpret_cast<uintptr_t>(argument.data);
  case ArgumentKind::I64:
    return argument.integer;
  case ArgumentKind::F32:
    break;
  }
  return llvm::bit_cast<uint32_t>(argument.number);
}

/// Wraps on overflow, as unsigned numbers do.
static int64_t evaluateBinary(Opcode opcode, uint64_t x, uint64_t y) {
  int64_t a = x, b = y;
  switch (opcode) {
  case Opcode::Add:
    return x + y;
  case Opcode::Sub:
    return x - y;
  case Opcode::Mul:
    return x * y;
  case Opcode::Div:
    return a / b;
  case Opcode::Rem:
    return a % b;
  case Opcode::CeilDiv:
    return a / b + (a % b != 0 && (a < 0) == (b < 0));
  case Opcode::Min:
    return std::min(a, b);
  case Opcode::Max:
    return std::max(a, b);
  case Opcode::And:
    return x & y;
  case Opcode::Or:
    return x | y;
  case Opcode::Eq:
    return a == b;
  case Opcode::Ne:
    return a != b;
  case Opcode::Lt:
    return a < b;
  case Opcode::Le:
    return a <= b;
  default:
    llvm_unreachable("not a binary operation");
  }
}

namespace {

/// Where a run's temporaries come from: the device, or memory that is given.
class Temporaries {
public:
  Temporaries(Device &device, void *stream, const Workspace *given)
      : device(device), stream(stream), isGiven(given) {
    if (given)
      left = *given;
  }
  ~Temporaries() {
    for (void *memory : owned)
      device.deallocate(memory, stream);
  }

  Expected<void *> allocate(uint64_t bytes);

  /// So many bytes of a given workspace does an allocation take.
  static uint64_t footprint(uint64_t bytes) { return alignTo(bytes, alignment); }

private:
  static constexpr uint64_t alignment = 64;

  Device &device;
  void *stream;
  bool isGiven;
  Workspace left;
  SmallVector<void *, 8> owned;
};

/// One run: the values, and the temporaries until its end. Without temporaries
/// it only measures: allocations are at address 0 and nothing is launched.
class Interpreter {
public:
  Interpreter(Device &device, const Schedule &schedule, ArrayRef<void *> kernels,
              ArrayRef<Argument> arguments, void *stream, Temporaries *temporaries)
      : device(device), schedule(schedule), kernels(kernels), arguments(arguments), stream(stream),
        temporaries(temporaries) {
    values.reserve(schedule.numValues);
    for (const Argument &argument : arguments)
      slots.push_back(toSlot(argument));
  }

  Error run() {
    for (const Instruction &instruction : schedule.instructions)
      if (Error error = execute(instruction))
        return error;
    return Error::success();
  }

  RunStatistics statistics;

private:
  Error execute(const Instruction &instruction);
  Error divide(const Instruction &instruction);
  Error allocate(int64_t bytes);
  Error launch(const Instruction &instruction);

  void define(int64_t value) { values.push_back(value); }
  uint64_t slot(const Operand &operand) const {
    uint64_t base = operand.isArgument ? slots[operand.number] : values[operand.number];
    return operand.offset < 0 ? base : base + values[operand.offset];
  }

  Device &device;
  const Schedule &schedule;
  ArrayRef<void *> kernels;
  ArrayRef<Argument> arguments;
  void *stream;
  Temporaries *temporaries;
  SmallVector<int64_t, 64> values; ///< an alloc's value is its address
  SmallVector<uint64_t, 16> slots; ///< of the arguments
};

} // namespace

Expected<void *> Temporaries::allocate(uint64_t bytes) {
  if (!isGiven) {
    Expected<void *> memory = device.allocate(bytes, stream);
    if (memory)
      owned.push_back(*memory);
    return memory;
  }
  uint64_t taken = footprint(bytes);
  if (taken < bytes || taken > left.bytes)
    return createStringError("the workspace is too small: " + Twine(left.bytes) +
                             " bytes are left where " + Twine(bytes) + " are needed");
  left.bytes -= taken;
  return std::exchange(left.data, static_cast<char *>(left.data) + taken);
}

Error Interpreter::divide(const Instruction &instruction) {
  int64_t a = values[instruction.a], b = values[instruction.b];
  if (b == 0 || (b == -1 && a == std::numeric_limits<int64_t>::min()))
    return createStringError("division of " + Twine(a) + " by " + Twine(b) +
                             " in the schedule of a program");
  define(evaluateBinary(instruction.opcode, a, b));
  return Error::success();
}

Error Interpreter::allocate(int64_t bytes) {
  if (bytes < 0)
    return createStringError("a workspace of " + Twine(bytes) + " bytes");
  void *memory = nullptr;
  if (temporaries) {
    Expected<void *> allocated = temporaries->allocate(bytes);
    if (!allocated)
      return allocated.takeError();
    memory = *allocated;
  }
  statistics.workspaceBytes += temporaries ? bytes : Temporaries::footprint(bytes);
  define(reinterpret_cast<intptr_t>(memory));
  return Error::success();
}

Error Interpreter::launch(const Instruction &instruction) {
  int64_t gridX = values[instruction.a], gridY = values[instruction.b];
  if (gridX <= 0 || gridY <= 0)
    return Error::success();
  ++statistics.launches;
  if (!temporaries)
    return Error::success();
  const Launch &launch = schedule.launches[instruction.c];
  SmallVector<uint64_t, 32> packed;
  for (const Operand &operand : launch.operands)
    packed.push_back(slot(operand));
  return device.launch(kernels[launch.kernel], schedule.kernels[launch.kernel].attributes, gridX,
                       gridY, packed, stream);
}

Error Interpreter::execute(const Instruction &instruction) {
  auto [opcode, a, b, c] = instruction;
  switch (opcode) {
  case Opcode::Const:
    define(a);
    break;
  case Opcode::Dim:
    define(arguments[a].sizes[b]);
    break;
  case Opcode::Stride:
    define(arguments[a].strides[b]);
    break;
  case Opcode::Scalar:
    define(arguments[a].integer);
    break;
  case Opcode::Select:
    define(values[a] ? values[b] : values[c]);
    break;
  case Opcode::Check:
    return values[a] ? Error::success() : createStringError(schedule.messages[b]);
  case Opcode::Alloc:
    return allocate(values[a]);
  case Opcode::Launch:
    return launch(instruction);
  case Opcode::Div:
  case Opcode::Rem:
  case Opcode::CeilDiv:
    return divide(instruction);
  default:
    define(evaluateBinary(opcode, values[a], values[b]));
    break;
  }
  return Error::success();
}

Error Program::run(ArrayRef<Argument> arguments, void *stream, RunStatistics *statistics,
                   const Workspace *workspace) const {
  if (Error error = checkArguments(arguments))
    return error;
  Temporaries temporaries(device, stream, workspace);
  Interpreter interpreter(device, schedule, kernels, arguments, stream, &temporaries);
  Error error = interpreter.run();
  if (statistics)
    *statistics = interpreter.statistics;
  return error;
}

Expected<RunStatistics> Program::measure(ArrayRef<Argument> arguments) const {
  if (Error error = checkArguments(arguments))
    return error;
  Interpreter interpreter(device, schedule, kernels, arguments, nullptr, nullptr);
  if (Error error = interpreter.run())
    return error;
  return interpreter.statistics;
}

Expected<KernelFacts> Program::describe(size_t kernel) const {
  return code->describe(schedule.kernels[kernel], kernels[kernel]);
}

} // namespace quadrille::runtime
