//===- Compile.h - From module text to code ---------------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The compiler as one function of plain data, so that it can run in a helper
// process (Runtime/CompilerService.h), in a tool or in a test alike.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_COMPILE_H
#define QUADRILLE_TARGET_COMPILE_H

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quadrille {

/// What to compile and how far. Everything that determines the result is in
/// here (and in the compiler itself), so a request is also a cache key.
struct CompileRequest {
  /// A module in MLIR's textual form.
  std::string module;
  /// A name that resolveTarget (Target/TargetSpec.h) accepts: "host",
  /// "host:avx2", "sm_90a", "gfx942", ...
  std::string target;
  /// Where to stop: "quad", "tile", "mlir" (the LLVM dialect),
  /// "llvm" and "asm" give text, "object" gives
  /// bytes (an ELF object of the host, a code object on AMD, a cubin or PTX for
  /// NVIDIA).
  std::string stage;
  /// Options, in the order given:
  ///   ptxas   path of the assembler that makes cubins; empty: objects are PTX.
  ///           Runtime/Compiler.h fills it in.
  std::vector<std::pair<std::string, std::string>> options;

  /// The value of an option; empty if it is not given.
  std::string_view option(std::string_view name) const {
    for (const auto &[key, value] : options)
      if (key == name)
        return value;
    return {};
  }
};

enum class Severity : uint8_t { Error, Warning, Remark, Note };

/// One message about the caller's program.
struct Diagnostic {
  Severity severity = Severity::Error;
  std::string message;
  /// Where in the user's source; empty and 0 if unknown. Lines and columns
  /// count from 1.
  std::string file;
  unsigned line = 0;
  unsigned column = 0;
  /// Further messages that belong to this one; theirs have no notes.
  std::vector<Diagnostic> notes;
};

/// Why there is no output.
enum class Failure : uint8_t {
  None,        ///< there is output
  Invalid,     ///< the program or the request is wrong: see the diagnostics
  Crash,       ///< the compiler died: a bug, with a reproducer
  Timeout,     ///< the compiler was stopped, with a reproducer
  Unavailable, ///< the compiler could not be started
};

struct CompileResult {
  Failure failure = Failure::None;
  /// Errors, warnings and remarks in the order in which they arose.
  std::vector<Diagnostic> diagnostics;
  /// The stage's text or the object's bytes.
  std::string output;
  /// How to run the object (Runtime/Schedule.h); empty for other stages.
  std::string schedule;
  /// Facts for reports, by name: free text or JSON, e.g. "kernels".
  std::vector<std::pair<std::string, std::string>> metadata;
  /// Seconds of wall time by phase, in the order of the phases.
  std::vector<std::pair<std::string, double>> timings;
  /// What the compiler printed (IR dumps, LLVM's last words).
  std::string log;
  /// After Crash and Timeout: a file that `quadrille-compiler --replay` and
  /// quad-opt read.
  std::string reproducer;

  bool succeeded() const { return failure == Failure::None; }
};

/// Compiles in this process. True if there is output; otherwise result.failure
/// is Invalid and at least one diagnostic is an error. Bugs of code generation
/// may abort the process: callers that must not die go through Compiler
/// (Runtime/Compiler.h). Safe to call from several threads.
bool compile(const CompileRequest &request, CompileResult &result);

/// The signature of `compile`, for what runs it elsewhere.
using CompileFunction = std::function<bool(const CompileRequest &, CompileResult &)>;

} // namespace quadrille

#endif // QUADRILLE_TARGET_COMPILE_H
