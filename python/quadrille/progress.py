"""What a long command says while it works, on standard error."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager


@contextmanager
def progress(what: str, quiet: bool = False):
    """Says what is being done and how long it took; `with progress(..) as step:` step(text) says how far it is.

    Steps appear on a terminal only, in place of each other: a log has one line for all.
    """
    start = time.perf_counter()
    shows_steps = not quiet and sys.stderr.isatty()

    def say(text: str, end: str = "") -> None:
        if not quiet:
            print(f"{_LINE_START if shows_steps else ''}{text}", end=end, file=sys.stderr, flush=True)

    def step(text: str) -> None:
        if shows_steps:
            say(f"{what} .. {text}")

    say(f"{what} ..")
    ended = "failed"
    try:
        yield step
        ended = f"{time.perf_counter() - start:.2f} s"
    finally:
        say(f"{what} .. {ended}" if shows_steps else f" {ended}", end="\n")


#: To the start of the line, and what was there is gone.
_LINE_START = "\r\x1b[K"
