//===- Schedule.h - How to run a compiled program ---------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A schedule is a straight line of integer arithmetic on the sizes and strides
// of the arguments, allocations and kernel launches. The compiler prints it as
// text, the runtime parses it once and interprets it at every call.
//
// Grammar: one statement a line, tokens separated by spaces. Empty lines and
// lines that start with `;` are ignored. N is a decimal integer.
//
//   schedule    ::= `quadrille-schedule` `1` argument* kernel* instruction*
//
//   argument    ::= `arg` `buffer` `rank=`N `itemsize=`N [`out`]
//                 | `arg` `i64` | `arg` `f32`
//     The function's arguments in order: the user's tensors and scalars, then
//     the buffers of the results. itemsize is in bytes. `out` are written to: the
//     results, and words of the user's that kernels combine into.
//
//   kernel      ::= `kernel` name (attribute `=` N)*
//     A symbol of the object. Attributes, all optional, are hints to a device:
//       cost      bytes that one program reads and writes (host: how much work
//                 is worth a thread; default 4096)
//       threads   threads of a block (GPU)
//       shared    bytes of dynamic shared memory (GPU)
//       cluster   blocks that run together; no more of them are launched than run at once,
//                 and they share out what there is to do (GPU)
//
//   instruction ::= value `=` op | check | launch
//   value       ::= `%`N        numbered from 0 in order of definition
//   op          ::= `const` N
//                 | `dim` N N   of argument number, dimension: its size
//                 | `stride` N N  likewise: its stride, in elements
//                 | `scalar` N  the i64 argument of that number
//                 | binary value value
//                 | `select` value value value   if the first is not 0
//                 | `alloc` value  a buffer of that many bytes, aligned to 64,
//                                  which lives until the end of the run
//   binary      ::= `add` | `sub` | `mul` | `div` | `rem` | `ceildiv` | `min`
//                 | `max` | `and` | `or` | `eq` | `ne` | `lt` | `le`
//     Signed 64-bit; add, sub and mul wrap; div truncates, ceildiv rounds up;
//     division by zero is an error; comparisons give 0 or 1.
//   check       ::= `check` value message-to-end-of-line
//     An error with that message if the value is 0.
//   launch      ::= `launch` name value value operand*
//     The grid is the first value times the second; nothing runs if one is
//     <= 0. Launches take effect in order.
//   operand     ::= (value | `@`N) [`+` value]
//     `@`N is argument number N: a pointer, an i64 or an f32. An alloc's value
//     is its pointer. `+` adds bytes to a pointer.
//
// Example:
//   quadrille-schedule 1
//   arg buffer rank=2 itemsize=2
//   arg buffer rank=2 itemsize=1 out
//   kernel quantize_rows cost=8192
//   %0 = dim 0 0
//   %1 = dim 0 1
//   %2 = const 16
//   %3 = rem %1 %2
//   %4 = const 0
//   %5 = eq %3 %4
//   check %5 the length of axis 1 must be a multiple of 16
//   %6 = ceildiv %0 %2
//   %7 = const 1
//   launch quantize_rows %6 %7 @0 @1 %0 %1
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_RUNTIME_SCHEDULE_H
#define QUADRILLE_RUNTIME_SCHEDULE_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace quadrille::runtime {

enum class ArgumentKind : uint8_t { Buffer, I64, F32 };

struct ArgumentDecl {
  ArgumentKind kind = ArgumentKind::Buffer;
  bool isOut = false;
  unsigned rank = 0;     ///< of a buffer
  unsigned itemSize = 0; ///< of a buffer, bytes
};

/// Hints about a kernel for the device that launches it; 0: not given.
struct KernelAttributes {
  int64_t cost = 0;
  int64_t threads = 0;
  int64_t shared = 0;
  int64_t cluster = 0;
};

struct KernelDecl {
  std::string name;
  KernelAttributes attributes;
};

enum class Opcode : uint8_t {
  Const,
  Dim,
  Stride,
  Scalar,
  Add,
  Sub,
  Mul,
  Div,
  Rem,
  CeilDiv,
  Min,
  Max,
  And,
  Or,
  Eq,
  Ne,
  Lt,
  Le,
  Select,
  Alloc,
  Check,
  Launch,
};

/// a, b, c: immediates or numbers of values, as in the grammar. Check: a is the
/// value, b the message's number. Launch: a and b are the grid, c the number of
/// the launch.
struct Instruction {
  Opcode opcode;
  int64_t a = 0, b = 0, c = 0;
};

/// One slot of a kernel's argument array.
struct Operand {
  bool isArgument = false; ///< number is of an argument, not of a value
  int64_t number = 0;
  int64_t offset = -1; ///< number of a value in bytes; -1: none
};

struct Launch {
  unsigned kernel = 0;
  llvm::SmallVector<Operand, 8> operands;
};

struct Schedule {
  std::vector<ArgumentDecl> arguments;
  std::vector<KernelDecl> kernels;
  std::vector<Instruction> instructions;
  std::vector<Launch> launches;
  std::vector<std::string> messages;
  unsigned numValues = 0;
};

/// Parses and validates. Every number in the result is in range, every value is
/// defined before its use, buffers are used as pointers only and numbers as
/// numbers only; so running it needs no further checks but those of the
/// caller's arguments. Errors carry the line's number.
llvm::Expected<Schedule> parseSchedule(llvm::StringRef text);

} // namespace quadrille::runtime

#endif // QUADRILLE_RUNTIME_SCHEDULE_H
