//===- MaskedAccess.h - Masked loads and stores -----------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_LIB_TARGET_MASKEDACCESS_H
#define QUADRILLE_LIB_TARGET_MASKEDACCESS_H

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace quadrille {

/// Moves masked loads and stores for which the CPU has no instruction into functions, one
/// for each type: LLVM makes a branch of every lane, and a tile at the edge of a
/// matrix has hundreds of them, which took most of the time of code generation.
/// Functions must have their target's attributes. Numeric effect: none.
void outlineMaskedAccesses(llvm::Module &module, llvm::TargetMachine &machine);

} // namespace quadrille

#endif // QUADRILLE_LIB_TARGET_MASKEDACCESS_H
