//===- Compile.cpp - From module text to code -----------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/Compile.h"
#include "quadrille/Target/Codegen.h"
#include "quadrille/Target/Diagnostics.h"
#include "quadrille/Target/NVVM/Ptxas.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/ROCDL/ROCDLToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Pass/PassManager.h"
#include "quadrille/Conversion/QuadToTile/Tuning.h"
#include "quadrille/InitAll.h"
#include "quadrille/Target/Pipelines.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/TargetParser/Triple.h"
#include <chrono>

using namespace mlir;

namespace quadrille {
namespace {

/// One compilation: the state that its phases share.
class Compilation {
public:
  Compilation(const CompileRequest &request, CompileResult &result)
      : request(request), result(result), context(makeRegistry(),
                                                  MLIRContext::Threading::DISABLED),
        collector(context, result.diagnostics) {}

  bool run();

private:
  static DialectRegistry makeRegistry();

  /// Runs `phase` and records its time under `name`.
  bool timed(StringRef name, llvm::function_ref<bool()> phase);
  bool parse();
  bool lower();
  bool print();
  bool translate();
  bool assemble();
  bool emit();
  bool fail(const Twine &message);
  bool finish(llvm::Expected<std::string> output);

  const CompileRequest &request;
  CompileResult &result;
  MLIRContext context;
  DiagnosticCollector collector;
  TargetSpec target;
  OwningOpRef<ModuleOp> module;
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> llvmModule;
  bool isFinished = false; ///< the stage asked for is before LLVM
};

} // namespace

DialectRegistry Compilation::makeRegistry() {
  DialectRegistry registry;
  registerAllDialects(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
  registerROCDLDialectTranslation(registry);
  return registry;
}

bool Compilation::fail(const Twine &message) {
  addError(result.diagnostics, message);
  return false;
}

bool Compilation::timed(StringRef name, llvm::function_ref<bool()> phase) {
  auto start = std::chrono::steady_clock::now();
  bool succeeded = phase();
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  result.timings.emplace_back(name, elapsed.count());
  return succeeded;
}

bool Compilation::parse() {
  module = parseSourceString<ModuleOp>(request.module, ParserConfig(&context), "module");
  return bool(module);
}

/// The stages before LLVM, each with the passes that lead to it.
bool Compilation::lower() {
  struct Stage {
    StringRef name;
    void (*build)(OpPassManager &, StringRef);
  };
  static constexpr Stage stages[] = {
      {"quad", [](OpPassManager &pm, StringRef) { buildQuadToKernels(pm); }},
      {"tile", buildKernelsToTile},
      {"mlir", buildTileToLLVM},
  };
  for (const Stage &stage : stages) {
    PassManager pm(&context);
    stage.build(pm, request.target);
    if (failed(pm.run(*module)))
      return false;
    if (stage.name == "tile") {
      result.metadata.emplace_back("kernels", describeKernels(*module));
      result.metadata.emplace_back("knobs", describeKnobs());
      if (auto forms = (*module)->getAttrOfType<StringAttr>("quadrille.prepared"))
        result.metadata.emplace_back("prepared", forms.str());
    }
    if (request.stage == stage.name)
      return print();
  }
  if (auto schedule = (*module)->getAttrOfType<StringAttr>("quadrille.schedule"))
    result.schedule = schedule.str();
  return true;
}

bool Compilation::print() {
  llvm::raw_string_ostream stream(result.output);
  module->print(stream);
  isFinished = true;
  return true;
}

bool Compilation::translate() {
  collector.attach(llvmContext);
  llvmModule = translateModuleToLLVMIR(*module, llvmContext);
  if (!llvmModule)
    return false;
  if (llvm::Error error = prepareModule(*llvmModule, target))
    return fail(toString(std::move(error)));
  if (llvm::Error error = optimizeModule(*llvmModule, target))
    return fail(toString(std::move(error)));
  return true;
}

bool Compilation::finish(llvm::Expected<std::string> output) {
  if (!output)
    return fail(toString(output.takeError()));
  result.output = std::move(*output);
  return true;
}

/// PTX, or machine code by the ptxas that the request names.
bool Compilation::assemble() {
  llvm::Expected<std::string> ptx = emitAssembly(*llvmModule, target);
  StringRef ptxas = request.option("ptxas");
  if (!ptx || ptxas.empty())
    return finish(std::move(ptx));
  std::string log;
  llvm::Expected<std::string> cubin = assemblePTX(*ptx, target.cpu, ptxas, log);
  result.metadata.emplace_back("ptxas", std::move(log));
  return finish(std::move(cubin));
}

bool Compilation::emit() {
  if (request.stage == "asm")
    return finish(emitAssembly(*llvmModule, target));
  if (request.stage == "object")
    return llvm::Triple(target.triple).isNVPTX() ? assemble()
                                                 : finish(emitObject(*llvmModule, target));
  if (request.stage != "llvm")
    return fail("unknown stage '" + request.stage + "': expected quad, tile, mlir, llvm, asm or object");
  llvm::raw_string_ostream stream(result.output);
  llvmModule->print(stream, /*AAW=*/nullptr);
  return true;
}

bool Compilation::run() {
  llvm::Expected<TargetSpec> resolved = resolveTarget(request.target);
  if (!resolved)
    return fail(toString(resolved.takeError()));
  target = std::move(*resolved);
  return timed("parse", [&] { return parse(); }) &&
         timed("lower", [&] { return lower(); }) &&
         (isFinished || (timed("optimize", [&] { return translate(); }) &&
                         timed("codegen", [&] { return emit(); })));
}

/// An error that was reported by a callback does not stop LLVM: what it then
/// produces must not be used.
static bool hasErrors(const std::vector<Diagnostic> &diagnostics) {
  return llvm::any_of(diagnostics,
                      [](const Diagnostic &d) { return d.severity == Severity::Error; });
}

bool compile(const CompileRequest &request, CompileResult &result) {
  bool succeeded = Compilation(request, result).run();
  if (!succeeded && !hasErrors(result.diagnostics))
    addError(result.diagnostics, "compilation failed without a message");
  if (!hasErrors(result.diagnostics))
    return true;
  result.failure = Failure::Invalid;
  result.output.clear();
  return false;
}

} // namespace quadrille
