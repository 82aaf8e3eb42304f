#!/usr/bin/env python3
"""Adds up JUnit reports: `summary.py REPORT.xml...` prints a line per suite and one for all.

Exits 1 if a report is missing, holds no test, or holds a failure. A line of the reasons tests were skipped for (no
GPU, no ptxas, ...) comes with their number, so that what did not run is said.
"""

import collections
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def outcome(case: ElementTree.Element) -> str:
    """What became of one <testcase>: "passed", "failed" or "skipped"."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    # ctest and lit mark a test that did not run in an attribute or child of their own.
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped"
    return "passed"


def tally(report: pathlib.Path) -> tuple[collections.Counter, collections.Counter]:
    """Outcomes of one report's cases, and the reasons of those skipped."""
    outcomes, reasons = collections.Counter(), collections.Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        outcomes[outcome(case)] += 1
        skipped = case.find("skipped")
        if skipped is not None:
            reasons[(skipped.get("message") or "no reason given").strip()] += 1
    return outcomes, reasons


def line(name: str, outcomes: collections.Counter) -> str:
    return f"{name}: {outcomes['passed']} passed, {outcomes['failed']} failed, {outcomes['skipped']} skipped"


def main(paths: list[str]) -> int:
    total, reasons, bad = collections.Counter(), collections.Counter(), False
    lines = []
    for report in map(pathlib.Path, paths):
        if not report.exists():
            lines.append(f"{report.stem}: no report: the suite did not run")
            bad = True
            continue
        outcomes, why = tally(report)
        bad |= outcomes["failed"] > 0 or outcomes["passed"] == 0
        total += outcomes
        reasons += why
        lines.append(line(report.stem, outcomes))
    print()
    for reason, count in reasons.most_common():
        print(f"skipped {count}: {reason}")
    print("\n".join(lines))
    print(line("total", total))
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
