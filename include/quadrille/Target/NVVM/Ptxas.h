//===- Ptxas.h - NVIDIA's assembler, if it is there ------------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Machine code of NVIDIA GPUs comes from ptxas, a program of the CUDA toolkit,
// or from the driver at load time. The first is used where it is found.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TARGET_NVVM_PTXAS_H
#define QUADRILLE_TARGET_NVVM_PTXAS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace quadrille {

/// Path of ptxas: QUADRILLE_PTXAS (set to nothing: none), else in PATH, else in
/// bin of CUDA_HOME; empty if it is in none of them.
std::string findPtxas();

/// What tells this ptxas from others and from its other versions: path, size and
/// time of the file. Running it to ask would take as long as a small kernel.
std::string ptxasFingerprint(llvm::StringRef path);

/// Machine code (a cubin) of `ptx` for `arch`. `log` is set to what ptxas says of
/// each kernel: registers, spills, shared memory. Errors are its own words.
llvm::Expected<std::string> assemblePTX(llvm::StringRef ptx, llvm::StringRef arch,
                                        llvm::StringRef ptxas, std::string &log);

} // namespace quadrille

#endif // QUADRILLE_TARGET_NVVM_PTXAS_H
