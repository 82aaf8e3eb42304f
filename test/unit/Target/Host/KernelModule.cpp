//===- KernelModule.cpp - Host kernels built, compiled and called ---------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelModule.h"
#include "quadrille/Target/Codegen.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace mlir;
using namespace quadrille;
using namespace quadrille::test;

Value KernelArguments::get(unsigned slot, Type type) const {
  Value address = LLVM::GEPOp::create(builder, loc, slots.getType(), builder.getI64Type(), slots,
                                      ArrayRef<LLVM::GEPArg>{int32_t(slot)});
  return LLVM::LoadOp::create(builder, loc, type, address);
}
Value KernelArguments::pointer(unsigned slot) const { return get(slot, slots.getType()); }
Value KernelArguments::i64(unsigned slot) const { return get(slot, builder.getI64Type()); }

KernelModule::KernelModule() : context(MLIRContext::Threading::DISABLED) {
  DialectRegistry registry;
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
                  LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect, vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  module = ModuleOp::create(UnknownLoc::get(&context));
}

void KernelModule::add(StringRef name,
                       function_ref<void(const KernelArguments &, host::ProgramRange,
                                         host::ProgramRange)>
                           body) {
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  Location loc = builder.getUnknownLoc();
  Type i64 = builder.getI64Type();
  Type pointer = LLVM::LLVMPointerType::get(&context);
  auto type = builder.getFunctionType({pointer, i64, i64, i64, i64}, {});
  auto function = func::FuncOp::create(builder, loc, name, type);
  mlir::Block *entry = function.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  auto arg = [&](unsigned i) { return entry->getArgument(i); };
  body({builder, loc, arg(0)}, {arg(1), arg(2)}, {arg(3), arg(4)});
  func::ReturnOp::create(builder, loc);
}

std::string KernelModule::print() {
  std::string text;
  llvm::raw_string_ostream(text) << *module;
  return text;
}

llvm::Error KernelModule::compile(const TargetSpec &target, std::string *assembly) {
  PassManager passes(&context);
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createConvertFuncToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  if (failed(verify(*module)) || failed(passes.run(*module)))
    return llvm::createStringError("lowering failed");

  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(*module, llvmContext);
  if (!llvmModule)
    return llvm::createStringError("translation failed");
  if (llvm::Error error = prepareModule(*llvmModule, target))
    return error;
  if (llvm::Error error = optimizeModule(*llvmModule, target))
    return error;
  if (assembly) {
    std::unique_ptr<llvm::Module> copy = llvm::CloneModule(*llvmModule);
    llvm::Expected<std::string> text = emitAssembly(*copy, target);
    if (!text)
      return text.takeError();
    *assembly = std::move(*text);
  }
  llvm::Expected<std::string> object = emitObject(*llvmModule, target);
  if (!object)
    return object.takeError();

  auto created = llvm::orc::LLJITBuilder().create();
  if (!created)
    return created.takeError();
  jit = std::move(*created);
  return jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(*object, "kernels"));
}

KernelModule::Kernel KernelModule::lookup(StringRef name) {
  return llvm::cantFail(jit->lookup(name)).toPtr<Kernel>();
}
