//===- Program.cpp - C API of compiled programs ---------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille-c/Program.h"
#include "Support.h"
#include "quadrille/Runtime/Program.h"

using namespace quadrille;
using namespace quadrille::capi;

struct QuadrilleProgram {
  std::unique_ptr<runtime::Program> program;
};

QuadrilleError *quadrilleProgramCreate(QuadrilleDevice *device, QuadrilleStringRef object,
                                       QuadrilleStringRef schedule, QuadrilleStringRef target,
                                       QuadrilleProgram **program) {
  auto created = runtime::Program::create(*unwrap(device), unwrap(object), unwrap(schedule),
                                          unwrap(target));
  if (!created)
    return wrapError(created.takeError());
  *program = new QuadrilleProgram{std::move(*created)};
  return nullptr;
}

void quadrilleProgramDestroy(QuadrilleProgram *program) { delete program; }

size_t quadrilleProgramGetNumArguments(const QuadrilleProgram *program) {
  return program->program->getArguments().size();
}

static_assert(static_cast<int>(runtime::ArgumentKind::F32) == QuadrilleArgumentF32);

QuadrilleArgumentDecl quadrilleProgramGetArgument(const QuadrilleProgram *program, size_t index) {
  const runtime::ArgumentDecl &argument = program->program->getArguments()[index];
  return {static_cast<QuadrilleArgumentKind>(argument.kind), argument.isOut, argument.rank,
          argument.itemSize};
}

static llvm::SmallVector<runtime::Argument, 16> convert(const QuadrilleArgument *arguments,
                                                        size_t numArguments) {
  llvm::SmallVector<runtime::Argument, 16> converted;
  for (const QuadrilleArgument &a : llvm::ArrayRef(arguments, numArguments))
    converted.push_back({static_cast<runtime::ArgumentKind>(a.kind), a.rank, a.data, a.sizes,
                         a.strides, a.integer, a.number});
  return converted;
}

QuadrilleError *quadrilleProgramRun(const QuadrilleProgram *program,
                                    const QuadrilleArgument *arguments, size_t numArguments,
                                    const QuadrilleRunOptions *options,
                                    QuadrilleRunStatistics *statistics) {
  static constexpr QuadrilleRunOptions defaults = {nullptr, nullptr, 0};
  if (!options)
    options = &defaults;
  runtime::Workspace workspace = {options->workspace, options->workspaceBytes};
  runtime::RunStatistics measured;
  llvm::Error error = program->program->run(convert(arguments, numArguments), options->stream,
                                            &measured, workspace.data ? &workspace : nullptr);
  if (statistics)
    *statistics = {measured.workspaceBytes, measured.launches};
  return wrapError(std::move(error));
}

QuadrilleError *quadrilleProgramMeasure(const QuadrilleProgram *program,
                                        const QuadrilleArgument *arguments, size_t numArguments,
                                        QuadrilleRunStatistics *statistics) {
  runtime::RunStatistics measured;
  QuadrilleError *error =
      unwrapInto(program->program->measure(convert(arguments, numArguments)), measured);
  *statistics = {measured.workspaceBytes, measured.launches};
  return error;
}

size_t quadrilleProgramGetNumKernels(const QuadrilleProgram *program) {
  return program->program->getKernels().size();
}

QuadrilleError *quadrilleProgramGetKernel(const QuadrilleProgram *program, size_t index,
                                          QuadrilleStringRef *name, QuadrilleKernelFacts *facts) {
  *name = wrap(program->program->getKernels()[index].name);
  runtime::KernelFacts found;
  QuadrilleError *error = unwrapInto(program->program->describe(index), found);
  *facts = {found.registers, found.spillBytes,    found.sharedBytes,
            found.threads,   found.blocksPerUnit, found.occupancy};
  return error;
}

unsigned quadrilleGetNumThreads(void) { return runtime::numThreads(); }
