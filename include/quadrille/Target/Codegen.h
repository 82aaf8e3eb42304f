//===- Codegen.h - LLVM IR to assembly and objects -------------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_CODEGEN_H
#define QUADRILLE_TARGET_CODEGEN_H

#include "quadrille/Target/TargetSpec.h"
#include "llvm/Support/Error.h"
#include <string>

namespace llvm {
class Module;
}

namespace quadrille {

struct CodegenOptions {
  unsigned optLevel = 3; ///< 0..3, of the IR pipeline and of code generation
};

/// Gives `module` the target's triple and data layout, and every function the
/// target's CPU and features and the pinned floating-point environment: no
/// fast-math flag, IEEE denormals, no contraction. Masked accesses that the CPU lacks
/// become functions. Numeric effect: none beyond withdrawing permissions.
llvm::Error prepareModule(llvm::Module &module, const TargetSpec &spec);

/// Runs LLVM's optimization pipeline on a prepared module. Vectorizers stay
/// off: the kernels are vectors already.
llvm::Error optimizeModule(llvm::Module &module, const TargetSpec &spec,
                           const CodegenOptions &options = {});

/// Generates code of a prepared module, which it consumes: the text that the
/// target's assembler (for sm_*: ptxas or the driver) reads.
llvm::Expected<std::string> emitAssembly(llvm::Module &module, const TargetSpec &spec,
                                         const CodegenOptions &options = {});

/// The same as an ELF object: of a CPU a relocatable one, of AMD a code object as the driver
/// loads it. NVIDIA targets have none: an error.
llvm::Expected<std::string> emitObject(llvm::Module &module, const TargetSpec &spec,
                                       const CodegenOptions &options = {});

} // namespace quadrille

#endif // QUADRILLE_TARGET_CODEGEN_H
