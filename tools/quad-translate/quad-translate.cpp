//===- quad-translate.cpp - From quad programs to code --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the compiler as the JIT does: a quad program in, the text or the object
// of a stage out, no Python needed.
//
//   quad-translate --quad-to-code --target=sm_90a --stage=asm program.mlir
//   quad-translate --quad-to-schedule program.mlir
//
//===----------------------------------------------------------------------===//
#include "quadrille/InitAll.h"
#include "quadrille/Target/Compile.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/Location.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/CommandLine.h"

using namespace mlir;

static llvm::cl::opt<std::string>
    target("target", llvm::cl::desc("host, host:avx2, sm_90a, gfx942, .. (default: host)"),
           llvm::cl::init("host"));
static llvm::cl::opt<std::string>
    stage("stage", llvm::cl::desc("quad, tile, mlir, llvm, asm or object (default: asm)"),
          llvm::cl::init("asm"));

/// Compiles to `stage`; the diagnostics become errors at their places.
static LogicalResult compileTo(ModuleOp module, StringRef stage, quadrille::CompileResult &result) {
  quadrille::CompileRequest request;
  llvm::raw_string_ostream text(request.module);
  module.print(text, OpPrintingFlags().enableDebugInfo());
  request.target = target;
  request.stage = stage.str();
  bool succeeded = quadrille::compile(request, result);
  for (const quadrille::Diagnostic &diagnostic : result.diagnostics) {
    Location location = FileLineColLoc::get(module.getContext(), diagnostic.file, diagnostic.line,
                                            diagnostic.column);
    if (diagnostic.severity == quadrille::Severity::Error)
      emitError(location, diagnostic.message);
    else
      emitRemark(location, diagnostic.message);
  }
  return success(succeeded);
}

static LogicalResult translateToCode(ModuleOp module, raw_ostream &os) {
  quadrille::CompileResult result;
  if (failed(compileTo(module, stage, result)))
    return failure();
  os << result.output;
  return success();
}

static LogicalResult translateToSchedule(ModuleOp module, raw_ostream &os) {
  quadrille::CompileResult result;
  if (failed(compileTo(module, "llvm", result)))
    return failure();
  os << result.schedule;
  return success();
}

int main(int argc, char **argv) {
  TranslateFromMLIRRegistration code("quad-to-code", "compile a quad program to a stage's output",
                                     translateToCode, quadrille::registerAllDialects);
  TranslateFromMLIRRegistration schedule("quad-to-schedule",
                                         "print the host schedule of a quad program",
                                         translateToSchedule, quadrille::registerAllDialects);
  return failed(mlirTranslateMain(argc, argv, "Quadrille's translation tool\n"));
}
