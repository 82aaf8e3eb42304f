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

QuadrilleError *quadrilleProgramCreate(QuadrilleStringRef object, QuadrilleStringRef schedule,
                                       QuadrilleStringRef target, QuadrilleProgram **program) {
  auto created = runtime::Program::create(runtime::hostDevice(), unwrap(object), unwrap(schedule),
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

QuadrilleError *quadrilleProgramRun(const QuadrilleProgram *program,
                                    const QuadrilleArgument *arguments, size_t numArguments,
                                    QuadrilleRunStatistics *statistics) {
  llvm::SmallVector<runtime::Argument, 16> converted;
  for (const QuadrilleArgument &a : llvm::ArrayRef(arguments, numArguments))
    converted.push_back({static_cast<runtime::ArgumentKind>(a.kind), a.rank, a.data, a.sizes,
                         a.strides, a.integer, a.number});
  runtime::RunStatistics measured;
  llvm::Error error = program->program->run(converted, /*stream=*/nullptr, &measured);
  if (statistics)
    *statistics = {measured.workspaceBytes, measured.launches};
  return wrapError(std::move(error));
}

unsigned quadrilleGetNumThreads(void) { return runtime::numThreads(); }
