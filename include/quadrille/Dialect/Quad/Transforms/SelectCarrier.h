//===- SelectCarrier.h - The matrix instruction of a matmul -----*- C++ -*-===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_DIALECT_QUAD_TRANSFORMS_SELECTCARRIER_H
#define QUADRILLE_DIALECT_QUAD_TRANSFORMS_SELECTCARRIER_H

#include "quadrille/Target/Carrier.h"

namespace quadrille::quad {

class MatmulOp;
class PrepareOp;

/// The fastest carrier on `target` that holds the operands of `op`, or a
/// refusal. `exact` and `accum` are those of `op`; the other options are the
/// caller's. What `quad-select-carrier` records and what engines build by.
target::CarrierChoice selectCarrier(MatmulOp op, const target::Capability &target,
                                    target::SelectOptions options = {});
/// The same of a product that `op` prepares an operand of.
target::CarrierChoice selectCarrier(PrepareOp op, const target::Capability &target,
                                    target::SelectOptions options = {});

} // namespace quadrille::quad

#endif // QUADRILLE_DIALECT_QUAD_TRANSFORMS_SELECTCARRIER_H
