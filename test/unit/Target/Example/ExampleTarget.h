//===- ExampleTarget.h - An accelerator that is not ---------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The example of docs/porting.md: warps of four lanes, and a matrix instruction that takes
// E1M2 codes as they are stored with an f32 scale for each 16 of them, so that UFP4 is
// native. It is lowered to code for the host, where lanes are those of a vector and the
// instruction is arithmetic.
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_TEST_UNIT_TARGET_EXAMPLE_EXAMPLETARGET_H
#define QUADRILLE_TEST_UNIT_TARGET_EXAMPLE_EXAMPLETARGET_H

namespace quadrille::test {

/// Registers the target "example"; false if this machine has no code generator for it.
bool registerExampleTarget();

} // namespace quadrille::test

#endif // QUADRILLE_TEST_UNIT_TARGET_EXAMPLE_EXAMPLETARGET_H
