//===- Codegen.cpp - LLVM IR to assembly and objects ----------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/Codegen.h"
#include "MaskedAccess.h"
#include "quadrille/Target/ROCDL/CodeObject.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/CodeGen/CodeGenTargetMachineImpl.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Operator.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"
#include <mutex>

using namespace llvm;

namespace quadrille {

/// The back ends that resolveTarget can name.
static void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    InitializeNativeTarget();
    InitializeNativeTargetAsmPrinter();
    InitializeNativeTargetAsmParser();
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    LLVMInitializeAMDGPUTargetInfo();
    LLVMInitializeAMDGPUTarget();
    LLVMInitializeAMDGPUTargetMC();
    LLVMInitializeAMDGPUAsmPrinter();
    LLVMInitializeAMDGPUAsmParser();
  });
}

static Expected<std::unique_ptr<TargetMachine>> createTargetMachine(const TargetSpec &spec,
                                                                    unsigned optLevel) {
  initializeTargets();
  Triple triple(spec.triple);
  std::string error;
  const Target *target = TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return createStringError(error);
  TargetOptions options;
  // A contracted multiply-add skips a rounding that the specification has.
  options.AllowFPOpFusion = FPOpFusion::Strict;
  auto level = CodeGenOpt::getLevel(optLevel).value_or(CodeGenOptLevel::Aggressive);
  return std::unique_ptr<TargetMachine>(target->createTargetMachine(triple, spec.cpu, spec.features,
                                                                    options, Reloc::PIC_,
                                                                    /*CM=*/std::nullopt, level));
}

/// Withdraws every licence to change a result.
static void pinFloatingPoint(Function &function) {
  function.addFnAttr("denormal-fp-math", "ieee,ieee");
  function.addFnAttr("denormal-fp-math-f32", "ieee,ieee");
  for (Instruction &instruction : instructions(function))
    if (isa<FPMathOperator>(instruction))
      instruction.copyFastMathFlags(FastMathFlags());
}

/// AMD's back end makes an FMA with +0 of a product that is narrowed to f16, which loses the
/// sign of a zero (LLVM 22). A fence hides from it what is narrowed.
static void fenceNarrowing(Module &module) {
  for (Function &function : module)
    for (Instruction &instruction : instructions(function))
      if (isa<FPTruncInst>(instruction) && instruction.getType()->getScalarType()->isHalfTy()) {
        IRBuilder<> builder(&instruction);
        Value *wide = instruction.getOperand(0);
        instruction.setOperand(0, builder.CreateArithmeticFence(wide, wide->getType()));
      }
}

Error prepareModule(Module &module, const TargetSpec &spec) {
  auto machine = createTargetMachine(spec, /*optLevel=*/0);
  if (!machine)
    return machine.takeError();
  module.setTargetTriple(Triple(spec.triple));
  module.setDataLayout((*machine)->createDataLayout());
  bool wide = spec.hasFeature("avx512f");
  for (Function &function : module) {
    pinFloatingPoint(function);
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", spec.cpu);
    function.addFnAttr("target-features", spec.features);
    // LLVM tunes some AVX-512 CPUs for 256 bits, which would split every
    // register of a tile in two.
    if (wide)
      function.addFnAttr("prefer-vector-width", "512");
  }
  // A call of AMD's needs a stack.
  if (Triple(spec.triple).isAMDGCN())
    fenceNarrowing(module);
  else
    outlineMaskedAccesses(module, **machine);
  return Error::success();
}

static OptimizationLevel pipelineLevel(unsigned optLevel) {
  static const OptimizationLevel levels[] = {OptimizationLevel::O0, OptimizationLevel::O1,
                                             OptimizationLevel::O2, OptimizationLevel::O3};
  return levels[std::min(optLevel, 3u)];
}

/// For GPU kernels, which are one function of long blocks and hardly a loop: LLVM's pipeline
/// takes several times as long, and leaves more values alive.
static constexpr StringLiteral straightLinePipeline =
    "function(early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,early-cse,simplifycfg)";

/// What AMD's back end expects to be done before it: a kernel's pointers are global ones, and
/// what it does not ask of a launch is not passed to it.
static constexpr StringLiteral beforeAMDGPU = ",function(infer-address-spaces),amdgpu-attributor";

static std::string gpuPipeline(const TargetSpec &spec) {
  return (Twine(straightLinePipeline) + (Triple(spec.triple).isAMDGCN() ? beforeAMDGPU : "")).str();
}

Error optimizeModule(Module &module, const TargetSpec &spec, const CodegenOptions &options) {
  auto machine = createTargetMachine(spec, options.optLevel);
  if (!machine)
    return machine.takeError();
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.LoopInterleaving = false;
  tuning.SLPVectorization = false;
  PassBuilder builder(machine->get(), tuning);
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  OptimizationLevel level = pipelineLevel(options.optLevel);
  ModulePassManager passes;
  if (level == OptimizationLevel::O0)
    passes = builder.buildO0DefaultPipeline(level);
  else if (spec.isHost())
    passes = builder.buildPerModuleDefaultPipeline(level);
  else if (Error error = builder.parsePassPipeline(passes, gpuPipeline(spec)))
    return error;
  passes.run(module, modules);
  return Error::success();
}

/// TargetMachine::addPassesToEmitFile without the scheduler after register allocation: it takes
/// most of the time where hundreds of a tile's registers are spilled, for nothing on a CPU that
/// reorders instructions itself.
static bool addHostPasses(TargetMachine &base, legacy::PassManager &passes,
                          raw_pwrite_stream &stream, CodeGenFileType type) {
  auto &machine = static_cast<CodeGenTargetMachineImpl &>(base);
  auto *info = new MachineModuleInfoWrapperPass(&machine);
  TargetPassConfig *config = machine.createPassConfig(passes);
  config->setDisableVerify(true);
  config->disablePass(&PostRASchedulerID);
  passes.add(config);
  passes.add(info);
  if (config->addISelPasses())
    return true;
  config->addMachinePasses();
  config->setInitialized();
  return machine.addAsmPrinter(passes, stream, /*DwoOut=*/nullptr, type,
                               info->getMMI().getContext());
}

static Expected<std::string> emit(Module &module, const TargetSpec &spec,
                                  const CodegenOptions &options, CodeGenFileType type) {
  auto machine = createTargetMachine(spec, options.optLevel);
  if (!machine)
    return machine.takeError();
  SmallVector<char, 0> code;
  raw_svector_ostream stream(code);
  legacy::PassManager passes;
  if (spec.isHost() ? addHostPasses(**machine, passes, stream, type)
                    : (*machine)->addPassesToEmitFile(passes, stream, /*DwoOut=*/nullptr, type))
    return createStringError("target " + spec.name + " cannot emit " +
                             (type == CodeGenFileType::ObjectFile ? "objects" : "assembly"));
  passes.run(module);
  return std::string(code.data(), code.size());
}

Expected<std::string> emitAssembly(Module &module, const TargetSpec &spec,
                                   const CodegenOptions &options) {
  return emit(module, spec, options, CodeGenFileType::AssemblyFile);
}

Expected<std::string> emitObject(Module &module, const TargetSpec &spec,
                                 const CodegenOptions &options) {
  // The NVPTX back end has no object writer and aborts rather than says so.
  if (Triple(spec.triple).isNVPTX())
    return createStringError("target " + spec.name +
                             " has no objects: its assembly goes to ptxas or the driver");
  Expected<std::string> object = emit(module, spec, options, CodeGenFileType::ObjectFile);
  return object && Triple(spec.triple).isAMDGCN() ? linkCodeObject(*object) : std::move(object);
}

} // namespace quadrille
