//===- QuadAttrs.cpp - Attributes of the quad dialect ---------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quadrille/Dialect/Quad/IR/QuadAttrs.h"
#include "quadrille/Numerics/ScaleTypes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/Format.h"

#include <charconv>

using namespace mlir;
using namespace quadrille;
using namespace quadrille::quad;

#include "quadrille/Dialect/Quad/IR/QuadEnums.cpp.inc"

#include "quadrille/Dialect/Quad/IR/QuadAttrInterfaces.cpp.inc"

//===----------------------------------------------------------------------===//
// Spelling of what lib/Numerics defines
//===----------------------------------------------------------------------===//

static constexpr ScaleType kScaleTypes[] = {
    ScaleType::F32,   ScaleType::BF16, ScaleType::E4M3, ScaleType::E8M0,
    ScaleType::UE5M3, ScaleType::E6M2, ScaleType::E1};

// Without Program, which is spelled as its symbol.
static constexpr ScaleRule kScaleRules[] = {ScaleRule::Nearest, ScaleRule::Up,
                                            ScaleRule::OCP, ScaleRule::HiF4};

static StringRef spell(ScaleType type) {
  return numerics::scaleTypeInfo(type).name;
}
static StringRef spell(ScaleRule rule) { return numerics::scaleRuleName(rule); }

/// Parses one of the spellings of `enumerants`.
template <typename Enum, size_t N>
static FailureOr<Enum> parseEnum(AsmParser &parser, const Enum (&enumerants)[N],
                                 StringRef what) {
  SMLoc loc = parser.getCurrentLocation();
  std::string keyword;
  if (parser.parseKeywordOrString(&keyword))
    return failure();
  for (Enum enumerant : enumerants)
    if (spell(enumerant) == keyword)
      return enumerant;
  InFlightDiagnostic diag = parser.emitError(loc)
                            << "'" << keyword << "' is not a " << what
                            << "; expected one of ";
  llvm::interleaveComma(enumerants, diag, [&](Enum e) { diag << spell(e); });
  return diag;
}

namespace mlir {
template <> struct FieldParser<ScaleType> {
  static FailureOr<ScaleType> parse(AsmParser &parser) {
    return parseEnum(parser, kScaleTypes, "scale type");
  }
};
template <> struct FieldParser<ScaleRule> {
  static FailureOr<ScaleRule> parse(AsmParser &parser) {
    return parseEnum(parser, kScaleRules, "scale rule");
  }
};
} // namespace mlir

namespace quadrille {
static raw_ostream &operator<<(raw_ostream &os, ScaleType type) {
  return os << spell(type);
}
static raw_ostream &operator<<(raw_ostream &os, ScaleRule rule) {
  return os << spell(rule);
}
static llvm::hash_code hash_value(const quadrille::Block &block) {
  return llvm::hash_combine(block.rows, block.cols);
}
} // namespace quadrille

/// Prints the shortest decimal that reads back as the same f32, as MLIR spells
/// floats (with a point).
static void printF32(AsmPrinter &printer, float value) {
  char buffer[64];
  char *end = std::to_chars(buffer, std::end(buffer), value).ptr;
  StringRef digits(buffer, end - buffer);
  auto [mantissa, exponent] = digits.split('e');
  printer << mantissa;
  if (!mantissa.contains('.'))
    printer << ".0";
  if (!exponent.empty())
    printer << 'e' << exponent;
}

static ParseResult parseF32(AsmParser &parser, float &value) {
  APFloat parsed(APFloat::IEEEsingle());
  if (parser.parseFloat(APFloat::IEEEsingle(), parsed))
    return failure();
  value = parsed.convertToFloat();
  return success();
}

static ParseResult parseF32(AsmParser &parser, FloatAttr &attr) {
  float value;
  if (parseF32(parser, value))
    return failure();
  attr = parser.getBuilder().getF32FloatAttr(value);
  return success();
}

static float toFloat(FloatAttr attr) {
  return attr ? attr.getValue().convertToFloat() : 0.0f;
}

static ParseResult parseHex(AsmParser &parser, uint64_t &value) {
  return parser.parseInteger(value);
}

static void printHex(AsmPrinter &printer, uint64_t value) {
  printer << llvm::format_hex(value, 18);
}

/// Reports the sentence of a numerics check, if there is one.
static LogicalResult report(function_ref<InFlightDiagnostic()> emitError,
                            const std::string &error) {
  if (error.empty())
    return success();
  return emitError() << error;
}

//===----------------------------------------------------------------------===//
// GridAttr
//===----------------------------------------------------------------------===//

/// `lut<"name", [v0, v1, ..] (, qmax = q)?>` after its keyword.
static ParseResult parseLut(AsmParser &parser, Grid &grid) {
  std::string name;
  std::vector<float> values;
  float qmax = 0;
  auto parseValue = [&] { return parseF32(parser, values.emplace_back()); };
  if (parser.parseLess() || parser.parseString(&name) || parser.parseComma() ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseValue))
    return failure();
  if (succeeded(parser.parseOptionalComma()) &&
      (parser.parseKeyword("qmax") || parser.parseEqual() ||
       parseF32(parser, qmax)))
    return failure();
  grid = makeLutGrid(std::move(name), std::move(values), qmax);
  return parser.parseGreater();
}

static ParseResult parseGridByValue(AsmParser &parser, Grid &grid) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef keyword;
  if (parser.parseKeyword(&keyword))
    return failure();
  if (keyword == "lut")
    return parseLut(parser, grid);
  const Grid *known = lookupGrid(std::string_view(keyword));
  if (!known)
    return parser.emitError(loc)
           << "'" << keyword
           << "' is not a grid; expected e2m1, e1m2, int4 or lut<..>";
  grid = *known;
  return success();
}

static DenseF32ArrayAttr lutValues(MLIRContext *context, const Grid &grid) {
  return grid.kind == GridKind::LUT
             ? DenseF32ArrayAttr::get(context, grid.values)
             : DenseF32ArrayAttr();
}

static FloatAttr lutQmax(MLIRContext *context, const Grid &grid) {
  return grid.kind == GridKind::LUT
             ? Builder(context).getF32FloatAttr(grid.qmax)
             : FloatAttr();
}

static ParseResult parseGrid(AsmParser &parser, GridKind &kind,
                             std::string &name, DenseF32ArrayAttr &values,
                             FloatAttr &qmax) {
  Grid grid;
  if (parseGridByValue(parser, grid))
    return failure();
  kind = grid.kind;
  name = grid.name;
  values = lutValues(parser.getContext(), grid);
  qmax = lutQmax(parser.getContext(), grid);
  return success();
}

static void printGrid(AsmPrinter &printer, GridKind kind, StringRef name,
                      DenseF32ArrayAttr values, FloatAttr qmax) {
  if (kind != GridKind::LUT) {
    printer << name;
    return;
  }
  printer << "lut<";
  printer.printString(name);
  printer << ", [";
  llvm::interleaveComma(values.asArrayRef(), printer,
                        [&](float value) { printF32(printer, value); });
  printer << "], qmax = ";
  printF32(printer, toFloat(qmax));
  printer << '>';
}

/// The grid of a format: spelled out or a `#quad.grid<..>` (an alias, say).
static ParseResult parseNestedGrid(AsmParser &parser, GridAttr &attr) {
  OptionalParseResult result = parser.parseOptionalAttribute(attr);
  if (result.has_value())
    return *result;
  SMLoc loc = parser.getCurrentLocation();
  Grid grid;
  if (parseGridByValue(parser, grid))
    return failure();
  MLIRContext *context = parser.getContext();
  attr = GridAttr::getChecked([&] { return parser.emitError(loc); }, context,
                              grid.kind, grid.name, lutValues(context, grid),
                              lutQmax(context, grid));
  return success(attr != nullptr);
}

static void printNestedGrid(AsmPrinter &printer, GridAttr grid) {
  printGrid(printer, grid.getKind(), grid.getName(), grid.getValues(),
            grid.getQmax());
}

/// One grid or two: `e2m1`, `e2m1 or int4`.
static ParseResult parseGrids(AsmParser &parser, GridAttr &grid,
                              GridAttr &alternative) {
  if (parseNestedGrid(parser, grid))
    return failure();
  if (failed(parser.parseOptionalKeyword("or")))
    return success();
  return parseNestedGrid(parser, alternative);
}

static void printGrids(AsmPrinter &printer, GridAttr grid,
                       GridAttr alternative) {
  printNestedGrid(printer, grid);
  if (!alternative)
    return;
  printer << " or ";
  printNestedGrid(printer, alternative);
}

LogicalResult GridAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               GridKind kind, StringRef name,
                               DenseF32ArrayAttr values, FloatAttr qmax) {
  if ((kind == GridKind::LUT) != (values && qmax))
    return emitError() << "grid '" << name
                       << "': values and qmax belong to a lut and only to it";
  if (kind != GridKind::LUT)
    return success(lookupGrid(std::string_view(name)));
  return report(emitError, quadrille::verify(Grid{kind, name.str(),
                                                  values.asArrayRef().vec(),
                                                  toFloat(qmax)}));
}

Grid GridAttr::toGrid() const {
  if (getKind() != GridKind::LUT)
    return *lookupGrid(std::string_view(getName()));
  return {getKind(), getName().str(), getValues().asArrayRef().vec(),
          toFloat(getQmax())};
}

//===----------------------------------------------------------------------===//
// LevelAttr
//===----------------------------------------------------------------------===//

/// `tensor` or `RxC`.
static ParseResult parseBlock(AsmParser &parser, quadrille::Block &block) {
  if (succeeded(parser.parseOptionalKeyword("tensor"))) {
    block = {0, 0};
    return success();
  }
  SMLoc loc = parser.getCurrentLocation();
  SmallVector<int64_t> sizes;
  if (parser.parseDimensionList(sizes, /*allowDynamic=*/false,
                                /*withTrailingX=*/false))
    return failure();
  if (sizes.size() != 2)
    return parser.emitError(loc, "expected a block RxC or 'tensor'");
  block = {sizes[0], sizes[1]};
  return success();
}

static void printBlock(AsmPrinter &printer, const quadrille::Block &block) {
  if (block.isTensor())
    printer << "tensor";
  else
    printer << block.rows << 'x' << block.cols;
}

/// The name of a rule or the symbol of a user's.
static ParseResult parseRule(AsmParser &parser, ScaleRule &rule,
                             FlatSymbolRefAttr &program) {
  StringAttr symbol;
  if (succeeded(parser.parseOptionalSymbolName(symbol))) {
    rule = ScaleRule::Program;
    program = FlatSymbolRefAttr::get(symbol);
    return success();
  }
  FailureOr<ScaleRule> parsed = FieldParser<ScaleRule>::parse(parser);
  if (failed(parsed))
    return failure();
  rule = *parsed;
  return success();
}

Attribute LevelAttr::parse(AsmParser &parser, Type) {
  SMLoc loc = parser.getCurrentLocation();
  quadrille::Block block;
  ScaleRule rule;
  FlatSymbolRefAttr program;
  unsigned bits = 0;
  FloatAttr qmax;
  if (parser.parseLess() || parseBlock(parser, block) || parser.parseComma())
    return {};
  FailureOr<ScaleType> type = FieldParser<ScaleType>::parse(parser);
  if (failed(type) || parser.parseComma() || parseRule(parser, rule, program))
    return {};
  while (succeeded(parser.parseOptionalComma())) {
    if (succeeded(parser.parseOptionalKeyword("bits"))) {
      if (parser.parseEqual() || parser.parseInteger(bits))
        return {};
    } else if (parser.parseKeyword("qmax", " or 'bits'") ||
               parser.parseEqual() || parseF32(parser, qmax)) {
      return {};
    }
  }
  if (parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(),
                    block, *type, rule, program, bits, qmax);
}

void LevelAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printBlock(printer, getBlock());
  printer << ", " << spell(getType()) << ", ";
  if (getRule() == ScaleRule::Program)
    printer.printSymbolName(getProgram().getValue());
  else
    printer << spell(getRule());
  if (getBits())
    printer << ", bits = " << getBits();
  if (getQmax()) {
    printer << ", qmax = ";
    printF32(printer, toFloat(getQmax()));
  }
  printer << '>';
}

/// What a level must satisfy here beyond the numerics: blocks are bits of the
/// element's index, and rules of the user are symbols.
LogicalResult LevelAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                quadrille::Block block, ScaleType type,
                                ScaleRule rule, FlatSymbolRefAttr program,
                                unsigned bits, FloatAttr qmax) {
  if ((rule == ScaleRule::Program) != (program != nullptr))
    return emitError() << "a rule of the user is given by its symbol";
  if (qmax && !qmax.getType().isF32())
    return emitError() << "qmax must be an f32";
  if (qmax && !(toFloat(qmax) > 0))
    return emitError() << "qmax must be positive";
  if (block.isTensor()) {
    if (program)
      return emitError() << "a scale rule computes from one block; the tensor "
                            "level cannot have one";
    return success();
  }
  auto isPowerOf2 = [](int64_t size) {
    return size > 0 && llvm::isPowerOf2_64(size);
  };
  if (!isPowerOf2(block.rows) || !isPowerOf2(block.cols) || block.cols < 2)
    return emitError() << "block " << block.rows << 'x' << block.cols
                       << " is not possible: both sizes must be powers of two, "
                          "with at least 2 columns";
  return success();
}

Level LevelAttr::toLevel() const {
  return {getBlock(), getType(), getRule(), getBits(), toFloat(getQmax())};
}

//===----------------------------------------------------------------------===//
// FormatAttr
//===----------------------------------------------------------------------===//

static Format makeFormat(StringRef name, GridAttr grid, GridAttr alternative,
                         ArrayRef<LevelAttr> levels) {
  Format format{name.str(), grid.toGrid(), {}};
  if (alternative)
    format.alternative = alternative.toGrid();
  for (LevelAttr level : levels)
    format.levels.push_back(level.toLevel());
  return format;
}

LogicalResult FormatAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 StringRef name, GridAttr grid,
                                 GridAttr alternative,
                                 ArrayRef<LevelAttr> levels) {
  return report(emitError, quadrille::verify(makeFormat(name, grid, alternative,
                                                        levels)));
}

GridAttr GridAttr::get(MLIRContext *context, const Grid &grid) {
  return get(context, grid.kind, grid.name, lutValues(context, grid),
             lutQmax(context, grid));
}

FormatAttr FormatAttr::get(MLIRContext *context, const Format &format,
                           ArrayRef<FlatSymbolRefAttr> programs) {
  SmallVector<LevelAttr> levels;
  for (const Level &level : format.levels) {
    FlatSymbolRefAttr program;
    if (level.rule == ScaleRule::Program) {
      assert(!programs.empty() && "a Program level needs its symbol");
      program = programs.consume_front();
    }
    FloatAttr qmax =
        level.qmax ? Builder(context).getF32FloatAttr(level.qmax) : FloatAttr();
    levels.push_back(LevelAttr::get(context, level.block, level.type,
                                    level.rule, program, level.bits, qmax));
  }
  GridAttr alternative = format.alternative
                             ? GridAttr::get(context, *format.alternative)
                             : GridAttr();
  return get(context, format.name, GridAttr::get(context, format.grid),
             alternative, levels);
}

Format FormatAttr::toFormat() const {
  return makeFormat(getName(), getGrid(), getAlternative(), getLevels());
}

int64_t FormatAttr::getOuterBlockCols() const {
  size_t tensorLevels = hasTensorLevel() ? 1 : 0;
  return getLevels().drop_back(tensorLevels).back().getBlock().cols;
}

bool FormatAttr::is2D() const {
  return llvm::any_of(
      getLevels(), [](LevelAttr level) { return level.getBlock().rows > 1; });
}

bool FormatAttr::isOrientationFree() const {
  return llvm::all_of(getLevels(), [](LevelAttr level) {
    return level.getBlock().rows == level.getBlock().cols;
  });
}

/// Aliases are named after what they stand for: #nvfp4, #rht16.
OpAsmAliasResult FormatAttr::getAlias(raw_ostream &os) const {
  for (char c : getName())
    os << (llvm::isAlnum(c) ? llvm::toLower(c) : '_');
  return OpAsmAliasResult::FinalAlias;
}

//===----------------------------------------------------------------------===//
// RHTAttr, ScaleAttr, StochasticAttr
//===----------------------------------------------------------------------===//

LogicalResult RHTAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                              int64_t size, uint64_t digest) {
  if (!isRHTSize(size))
    return emitError() << "the size of an RHT must be 16, 32, 64, 128 or 256, "
                          "not "
                       << size;
  return success();
}

OpAsmAliasResult RHTAttr::getAlias(raw_ostream &os) const {
  os << "rht" << getSize();
  return OpAsmAliasResult::FinalAlias;
}

LogicalResult ScaleAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                ScaleType type, ScaleRule rule, unsigned bits) {
  if (rule != ScaleRule::Nearest && rule != ScaleRule::Up)
    return emitError() << "the rule '" << spell(rule)
                       << "' needs the block's maximum; only nearest and up "
                          "round a value";
  // A format of one level is well-formed if its scale is.
  return report(emitError, quadrille::verify(Format{
                               "scale",
                               *lookupGrid("int4"),
                               {Level{Block{1, 16}, type, rule, bits}}}));
}

LogicalResult
StochasticAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                       unsigned bits, unsigned rounds) {
  if (bits != 4 && bits != 8 && bits != 16)
    return emitError() << "stochastic rounding takes 4, 8 or 16 bits, not "
                       << bits;
  if (rounds != 7 && rounds != 10)
    return emitError() << "Philox has 7 or 10 rounds, not " << rounds;
  return success();
}

#define GET_ATTRDEF_CLASSES
#include "quadrille/Dialect/Quad/IR/QuadAttrs.cpp.inc"

void QuadDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "quadrille/Dialect/Quad/IR/QuadAttrs.cpp.inc"
      >();
}
