//===- Diagnostics.cpp - MLIR's and LLVM's messages as plain data ---------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Target/Diagnostics.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LLVMContext.h"

using namespace mlir;

namespace quadrille {

FileLineColLoc findFileLocation(Location location) {
  FileLineColLoc found;
  location->walk([&](Location inner) {
    found = dyn_cast<FileLineColLoc>(inner);
    return found ? WalkResult::interrupt() : WalkResult::advance();
  });
  return found;
}

static Severity toSeverity(DiagnosticSeverity severity) {
  switch (severity) {
  case DiagnosticSeverity::Note:
    return Severity::Note;
  case DiagnosticSeverity::Warning:
    return Severity::Warning;
  case DiagnosticSeverity::Remark:
    return Severity::Remark;
  case DiagnosticSeverity::Error:
    break;
  }
  return Severity::Error;
}

static Diagnostic toDiagnostic(mlir::Diagnostic &source) {
  Diagnostic result;
  result.severity = toSeverity(source.getSeverity());
  result.message = source.str();
  if (FileLineColLoc location = findFileLocation(source.getLocation())) {
    result.file = location.getFilename().str();
    result.line = location.getLine();
    result.column = location.getColumn();
  }
  for (mlir::Diagnostic &note : source.getNotes())
    result.notes.push_back(toDiagnostic(note));
  return result;
}

DiagnosticCollector::DiagnosticCollector(MLIRContext &context, std::vector<Diagnostic> &diagnostics)
    : diagnostics(diagnostics), handler(&context, [&](mlir::Diagnostic &diagnostic) {
        diagnostics.push_back(toDiagnostic(diagnostic));
        return success();
      }) {}

static Severity toSeverity(llvm::DiagnosticSeverity severity) {
  switch (severity) {
  case llvm::DS_Remark:
    return Severity::Remark;
  case llvm::DS_Warning:
    return Severity::Warning;
  case llvm::DS_Note:
    return Severity::Note;
  case llvm::DS_Error:
    break;
  }
  return Severity::Error;
}

// LLVM's remarks are about its own passes and say nothing to our users.
static void collect(const llvm::DiagnosticInfo *info, void *list) {
  if (info->getSeverity() == llvm::DS_Remark)
    return;
  Diagnostic diagnostic;
  diagnostic.severity = toSeverity(info->getSeverity());
  llvm::raw_string_ostream stream(diagnostic.message);
  llvm::DiagnosticPrinterRawOStream printer(stream);
  info->print(printer);
  static_cast<std::vector<Diagnostic> *>(list)->push_back(std::move(diagnostic));
}

void DiagnosticCollector::attach(llvm::LLVMContext &context) {
  context.setDiagnosticHandlerCallBack(collect, &diagnostics);
}

void addError(std::vector<Diagnostic> &diagnostics, const Twine &message) {
  Diagnostic diagnostic;
  diagnostic.message = message.str();
  diagnostics.push_back(std::move(diagnostic));
}

} // namespace quadrille
