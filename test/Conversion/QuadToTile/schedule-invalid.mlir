// RUN: quad-opt %s --split-input-file --verify-diagnostics --tile-serialize-schedule

func.func @operation(%a: i64) attributes {tile.schedule} {
  // expected-error @+1 {{cannot be part of a schedule}}
  %0 = arith.xori %a, %a : i64
  return
}

// -----

func.func @predicate(%a: i64) attributes {tile.schedule} {
  // expected-error @+1 {{cannot be part of a schedule}}
  %0 = arith.cmpi ult, %a, %a : i64
  return
}
