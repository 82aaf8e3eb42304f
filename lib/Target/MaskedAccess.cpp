//===- MaskedAccess.cpp - Masked loads and stores -------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MaskedAccess.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

namespace quadrille {

/// The pointer's operand of a masked access; no value for other calls.
static std::optional<unsigned> pointerOperand(const IntrinsicInst &call) {
  switch (call.getIntrinsicID()) {
  case Intrinsic::masked_load:
    return 0;
  case Intrinsic::masked_store:
    return 1;
  default:
    return std::nullopt;
  }
}

static bool isLegal(const IntrinsicInst &call, unsigned pointer, const TargetTransformInfo &target) {
  Align alignment = call.getParamAlign(pointer).valueOrOne();
  unsigned space = call.getArgOperand(pointer)->getType()->getPointerAddressSpace();
  return call.getType()->isVoidTy()
             ? target.isLegalMaskedStore(call.getArgOperand(0)->getType(), alignment, space)
             : target.isLegalMaskedLoad(call.getType(), alignment, space);
}

/// The function that does what `call` does; made if there is none.
static Function *outlined(IntrinsicInst &call, unsigned pointer) {
  Module &module = *call.getModule();
  Function *intrinsic = call.getCalledFunction();
  uint64_t alignment = call.getParamAlign(pointer).valueOrOne().value();
  std::string name = (intrinsic->getName().drop_front(5) + ".align" + Twine(alignment)).str();
  if (Function *found = module.getFunction(name))
    return found;
  FunctionType *type = intrinsic->getFunctionType();
  auto *function = Function::Create(type, Function::InternalLinkage, name, module);
  LLVMContext &context = module.getContext();
  function->setAttributes(AttributeList::get(
      context, AttributeList::FunctionIndex,
      AttrBuilder(context, call.getFunction()->getAttributes().getFnAttrs())));
  function->addFnAttr(Attribute::NoInline);
  IRBuilder<> builder(BasicBlock::Create(context, "", function));
  SmallVector<Value *> arguments(llvm::make_pointer_range(function->args()));
  CallInst *body = builder.CreateCall(intrinsic, arguments);
  body->setAttributes(call.getAttributes());
  if (type->getReturnType()->isVoidTy())
    builder.CreateRetVoid();
  else
    builder.CreateRet(body);
  return function;
}

void outlineMaskedAccesses(Module &module, TargetMachine &machine) {
  SmallVector<std::pair<IntrinsicInst *, unsigned>> calls;
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    TargetTransformInfo target = machine.getTargetTransformInfo(function);
    for (Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<IntrinsicInst>(&instruction))
        if (std::optional<unsigned> pointer = pointerOperand(*call);
            pointer && !isLegal(*call, *pointer, target))
          calls.push_back({call, *pointer});
  }
  for (auto [call, pointer] : calls)
    call->setCalledFunction(outlined(*call, pointer));
}

} // namespace quadrille
