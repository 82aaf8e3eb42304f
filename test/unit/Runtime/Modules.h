//===- Modules.h - Programs that the tests compile -------------*- C++ -*--===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUADRILLE_UNIT_RUNTIME_MODULES_H
#define QUADRILLE_UNIT_RUNTIME_MODULES_H

#include "quadrille/Target/Compile.h"

namespace quadrille::test {

/// out[x] = in[x] * in[x] + addend for a vector of f32, one element a program.
inline CompileRequest squareRequest(const std::string &name = "square") {
  return {R"(module attributes {quadrille.schedule = "quadrille-schedule 1\narg buffer rank=1 itemsize=4\narg f32\narg buffer rank=1 itemsize=4 out\nkernel )" +
              name + R"(\n%0 = dim 0 0\n%1 = const 1\nlaunch )" + name + R"( %0 %1 @0 @1 @2\n"} {
  llvm.func @)" + name +
              R"((%slots: !llvm.ptr, %x0: i64, %x1: i64, %y0: i64, %y1: i64) {
    %one = llvm.mlir.constant(1 : i64) : i64
    %in = llvm.load %slots : !llvm.ptr -> !llvm.ptr
    %p1 = llvm.getelementptr %slots[8] : (!llvm.ptr) -> !llvm.ptr, i8
    %addend = llvm.load %p1 : !llvm.ptr -> f32
    %p2 = llvm.getelementptr %slots[16] : (!llvm.ptr) -> !llvm.ptr, i8
    %out = llvm.load %p2 : !llvm.ptr -> !llvm.ptr
    llvm.br ^loop(%x0 : i64)
  ^loop(%x: i64):
    %more = llvm.icmp "slt" %x, %x1 : i64
    llvm.cond_br %more, ^body, ^exit
  ^body:
    %pi = llvm.getelementptr %in[%x] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %v = llvm.load %pi : !llvm.ptr -> f32
    %v2 = llvm.fmul %v, %v {fastmathFlags = #llvm.fastmath<fast>} : f32
    %r = llvm.fadd %v2, %addend {fastmathFlags = #llvm.fastmath<fast>} : f32
    %po = llvm.getelementptr %out[%x] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    llvm.store %r, %po : f32, !llvm.ptr
    %next = llvm.add %x, %one : i64
    llvm.br ^loop(%next : i64)
  ^exit:
    llvm.return
  }
}
)",
          "host", "object", {}};
}

/// Makes LLVM abort: an instruction that the target lacks.
inline CompileRequest crashRequest() {
  return {R"(module {
  llvm.func @conflict(%p: !llvm.ptr) {
    %a = llvm.load %p : !llvm.ptr -> vector<16xi32>
    %d = llvm.call_intrinsic "llvm.x86.avx512.conflict.d.512"(%a) : (vector<16xi32>) -> vector<16xi32>
    llvm.store %d, %p : vector<16xi32>, !llvm.ptr
    llvm.return
  }
}
)",
          "host:sse4", "object", {}};
}

} // namespace quadrille::test

#endif // QUADRILLE_UNIT_RUNTIME_MODULES_H
