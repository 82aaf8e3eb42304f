//===- QuadOps.h - Operations of the quad dialect ---------------*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_IR_QUADOPS_H
#define QUADRILLE_DIALECT_QUAD_IR_QUADOPS_H

#include "quadrille/Dialect/Quad/IR/QuadTypes.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "quadrille/Dialect/Quad/IR/QuadOps.h.inc"

#endif // QUADRILLE_DIALECT_QUAD_IR_QUADOPS_H
