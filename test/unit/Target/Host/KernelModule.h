//===- KernelModule.h - Host kernels built, compiled and called -*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TEST_UNIT_TARGET_HOST_KERNELMODULE_H
#define QUADRILLE_TEST_UNIT_TARGET_HOST_KERNELMODULE_H

#include "quadrille/Target/Host/Matmul.h"
#include "quadrille/Target/TargetSpec.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

#include <bit>
#include <span>

namespace quadrille::test {

/// Argument slots of a kernel that is being built.
struct KernelArguments {
  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Value slots;

  mlir::Value get(unsigned slot, mlir::Type type) const;
  mlir::Value pointer(unsigned slot) const;
  mlir::Value i64(unsigned slot) const;
};

/// A module of host kernels (see Runtime for their calling convention).
class KernelModule {
public:
  using Kernel = void (*)(const uint64_t *slots, int64_t x0, int64_t x1, int64_t y0, int64_t y1);

  KernelModule();
  mlir::MLIRContext &getContext() { return context; }
  void add(llvm::StringRef name,
           llvm::function_ref<void(const KernelArguments &, host::ProgramRange x,
                                   host::ProgramRange y)> body);
  std::string print();
  llvm::Error compile(const TargetSpec &target, std::string *assembly = nullptr);
  Kernel lookup(llvm::StringRef name);

private:
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

inline uint64_t slot(const void *pointer) { return std::bit_cast<uint64_t>(pointer); }
inline uint64_t slot(int64_t value) { return std::bit_cast<uint64_t>(value); }
inline uint64_t slot(float value) { return std::bit_cast<uint32_t>(value); }

} // namespace quadrille::test

#endif // QUADRILLE_TEST_UNIT_TARGET_HOST_KERNELMODULE_H
