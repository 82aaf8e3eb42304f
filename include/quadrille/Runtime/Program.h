//===- Program.h - A compiled function, ready to run -----------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_RUNTIME_PROGRAM_H
#define QUADRILLE_RUNTIME_PROGRAM_H

#include "quadrille/Runtime/Device.h"
#include "quadrille/Runtime/Schedule.h"

namespace quadrille::runtime {

/// One argument of a run. Buffers are the caller's memory, which outlives the
/// run; sizes and strides have one number for each dimension, strides count
/// elements.
struct Argument {
  ArgumentKind kind = ArgumentKind::Buffer;
  unsigned rank = 0;
  void *data = nullptr;
  const int64_t *sizes = nullptr;
  const int64_t *strides = nullptr;
  int64_t integer = 0; ///< of an I64
  float number = 0;    ///< of an F32

  static Argument buffer(void *data, llvm::ArrayRef<int64_t> sizes,
                         llvm::ArrayRef<int64_t> strides) {
    return {ArgumentKind::Buffer, static_cast<unsigned>(sizes.size()), data, sizes.data(),
            strides.data()};
  }
  static Argument i64(int64_t value) {
    return {ArgumentKind::I64, 0, nullptr, nullptr, nullptr, value};
  }
  static Argument f32(float value) {
    return {ArgumentKind::F32, 0, nullptr, nullptr, nullptr, 0, value};
  }
};

struct RunStatistics {
  uint64_t workspaceBytes = 0; ///< held at the end, the most of the run
  unsigned launches = 0;       ///< kernels that ran: empty grids do not count
};

/// Memory of the device for the temporaries of a run, aligned to 64 bytes.
struct Workspace {
  void *data = nullptr;
  uint64_t bytes = 0;
};

class Program {
public:
  /// Loads `code` (what stage "object" gave) on `device` and binds the kernels
  /// of `schedule` to it. `target` is the target of the compilation.
  static llvm::Expected<std::unique_ptr<Program>>
  create(Device &device, llvm::StringRef code, llvm::StringRef schedule, llvm::StringRef target);

  /// Runs once. Arguments that do not match the schedule's declarations in
  /// number, kind or rank, failed checks and failed allocations are errors; no
  /// kernel has then been launched after the failing instruction. Safe to call
  /// from several threads at once. Temporaries are allocated from the device, or
  /// taken from `workspace` if it is given, which must have measure()'s bytes.
  llvm::Error run(llvm::ArrayRef<Argument> arguments, void *stream = nullptr,
                  RunStatistics *statistics = nullptr, const Workspace *workspace = nullptr) const;

  /// Bytes of workspace that a run of such arguments needs, and its launches. The
  /// arguments' data and numbers are not read, but for numbers that sizes depend on.
  llvm::Expected<RunStatistics> measure(llvm::ArrayRef<Argument> arguments) const;

  /// What a kernel takes of the machine.
  llvm::Expected<KernelFacts> describe(size_t kernel) const;
  llvm::ArrayRef<KernelDecl> getKernels() const { return schedule.kernels; }

  llvm::ArrayRef<ArgumentDecl> getArguments() const { return schedule.arguments; }
  Device &getDevice() const { return device; }

private:
  Program(Device &device, Schedule schedule, std::unique_ptr<LoadedCode> code,
          std::vector<void *> kernels);

  llvm::Error checkArguments(llvm::ArrayRef<Argument> arguments) const;

  Device &device;
  const Schedule schedule;
  const std::unique_ptr<LoadedCode> code;
  const std::vector<void *> kernels; ///< handles, in the schedule's order
};

} // namespace quadrille::runtime

#endif // QUADRILLE_RUNTIME_PROGRAM_H
